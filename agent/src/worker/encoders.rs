//! Kinds of encoders: which of GStreamer's elements belong to each, and which kind is best on a machine.

use tweenfarm_protocol::task::{EncodeSettings, EncoderClass};

/// Best first: on the card, since it then leaves the processor to the decoder. Within a kind, the newer element first.
pub const KINDS: [(EncoderClass, &[&str]); 4] = [
    (EncoderClass::Nvenc, &["nvh264enc"]),
    (EncoderClass::Qsv, &["qsvh264enc"]),
    (EncoderClass::Va, &["vah264enc", "vaapih264enc"]),
    (EncoderClass::X264, &["x264enc"]),
];

/// All elements of all kinds, best first.
pub fn elements() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().flat_map(|(_, elements)| elements.iter().copied())
}

/// The element of this kind among those that work.
pub fn element_of(class: EncoderClass, working: &[String]) -> Option<&str> {
    let (_, elements) = KINDS.into_iter().find(|(kind, _)| *kind == class)?;
    let works = |element: &&str| working.iter().any(|working| working == element);
    elements.iter().copied().find(works)
}

/// The best kind that works and can encode so.
pub fn best(working: &[String], encode: EncodeSettings) -> Option<EncoderClass> {
    let can = |class: &EncoderClass| encode != EncodeSettings::Lossless || *class == EncoderClass::X264;
    KINDS.into_iter().map(|(class, _)| class).filter(can).find(|class| element_of(*class, working).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_kind_is_on_the_card_unless_only_software_can() {
        let check = |working: &[&str], encode, expected| {
            let working: Vec<String> = working.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(best(&working, encode), expected, "{working:?}");
        };
        let quality = EncodeSettings::default();
        check(&["nvh264enc", "x264enc"], quality, Some(EncoderClass::Nvenc));
        check(&["x264enc", "vaapih264enc"], quality, Some(EncoderClass::Va));
        check(&["x264enc"], quality, Some(EncoderClass::X264));
        check(&["nvh264enc", "x264enc"], EncodeSettings::Lossless, Some(EncoderClass::X264));
        check(&["nvh264enc"], EncodeSettings::Lossless, None);
        check(&[], quality, None);
    }

    #[test]
    fn the_newer_element_of_a_kind_is_taken_first() {
        let working = ["vaapih264enc".to_owned(), "vah264enc".to_owned()];
        assert_eq!(element_of(EncoderClass::Va, &working), Some("vah264enc"));
        assert_eq!(element_of(EncoderClass::Va, &working[..1]), Some("vaapih264enc"));
        assert_eq!(element_of(EncoderClass::X264, &working), None);
    }
}
