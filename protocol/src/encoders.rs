//! Kinds of encoders: which of GStreamer's elements belong to each, and which kind is best on a machine.

use crate::{
    output::{Codec, Depth, OutputFormat},
    task::{EncodeSettings, EncoderClass},
};

/// The elements of one kind that make one codec, the newer one first.
struct Kind {
    class: EncoderClass,
    codec: Codec,
    elements: &'static [&'static str],
}

const fn kind(class: EncoderClass, codec: Codec, elements: &'static [&'static str]) -> Kind {
    Kind { class, codec, elements }
}

/// Best first: on the card, since it then leaves the processor to the decoder.
const KINDS: [Kind; 13] = [
    kind(EncoderClass::Nvenc, Codec::H264, &["nvh264enc"]),
    kind(EncoderClass::Qsv, Codec::H264, &["qsvh264enc"]),
    kind(EncoderClass::Va, Codec::H264, &["vah264enc", "vaapih264enc"]),
    kind(EncoderClass::X264, Codec::H264, &["x264enc"]),
    kind(EncoderClass::Nvenc, Codec::Hevc, &["nvh265enc"]),
    kind(EncoderClass::Qsv, Codec::Hevc, &["qsvh265enc"]),
    kind(EncoderClass::Va, Codec::Hevc, &["vah265enc", "vaapih265enc"]),
    kind(EncoderClass::X265, Codec::Hevc, &["x265enc"]),
    kind(EncoderClass::Nvenc, Codec::Av1, &["nvav1enc"]),
    kind(EncoderClass::Qsv, Codec::Av1, &["qsvav1enc"]),
    kind(EncoderClass::Va, Codec::Av1, &["vaav1enc"]),
    kind(EncoderClass::SvtAv1, Codec::Av1, &["svtav1enc"]),
    kind(EncoderClass::Aom, Codec::Av1, &["av1enc"]),
];

/// All elements of all kinds with what they make, best first.
pub fn elements() -> impl Iterator<Item = (Codec, &'static str)> {
    KINDS.iter().flat_map(|kind| kind.elements.iter().map(|element| (kind.codec, *element)))
}

/// What an element makes; none for one of no kind.
pub fn codec_of(element: &str) -> Option<Codec> {
    elements().find(|(_, name)| *name == element).map(|(codec, _)| codec)
}

/// The element of this kind among those that work.
pub fn element_of(class: EncoderClass, codec: Codec, working: &[String]) -> Option<&'static str> {
    let kind = KINDS.iter().find(|kind| kind.class == class && kind.codec == codec)?;
    kind.elements.iter().copied().find(|element| working.iter().any(|working| working == element))
}

/// Whether a kind can encode so at all.
pub fn can(class: EncoderClass, format: OutputFormat, encode: EncodeSettings) -> bool {
    let lossless = matches!(class, EncoderClass::X264 | EncoderClass::X265);
    // Cards encode no H.264 of 10 bits, libaom's element takes 8.
    let deep = match (class, format.codec) {
        (_, Codec::H264) => class == EncoderClass::X264,
        (EncoderClass::Aom, _) => false,
        _ => true,
    };
    class.makes(format.codec)
        && (encode != EncodeSettings::Lossless || lossless)
        && (format.depth == Depth::Eight || deep)
}

/// The best kind that works and can encode so.
pub fn best(working: &[String], format: OutputFormat, encode: EncodeSettings) -> Option<EncoderClass> {
    let works = |class: &EncoderClass| element_of(*class, format.codec, working).is_some();
    KINDS.iter().map(|kind| kind.class).filter(|class| can(*class, format, encode)).find(works)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn format(codec: Codec, depth: Depth) -> OutputFormat {
        OutputFormat { size: None, codec, depth }
    }

    #[test]
    fn the_best_kind_is_on_the_card_unless_only_software_can() {
        let check = |working: &[&str], codec, depth, encode, expected| {
            assert_eq!(best(&names(working), format(codec, depth), encode), expected, "{working:?}");
        };
        let (quality, lossless) = (EncodeSettings::default(), EncodeSettings::Lossless);
        let (eight, ten) = (Depth::Eight, Depth::Ten);
        check(&["nvh264enc", "x264enc"], Codec::H264, eight, quality, Some(EncoderClass::Nvenc));
        check(&["x264enc", "vaapih264enc"], Codec::H264, eight, quality, Some(EncoderClass::Va));
        check(&["x264enc"], Codec::H264, eight, quality, Some(EncoderClass::X264));
        check(&["nvh264enc", "x264enc"], Codec::H264, eight, lossless, Some(EncoderClass::X264));
        check(&["nvh264enc", "x264enc"], Codec::H264, ten, quality, Some(EncoderClass::X264));
        check(&["nvh264enc"], Codec::H264, eight, lossless, None);
        check(&[], Codec::H264, eight, quality, None);
        check(&["x264enc", "x265enc", "vah265enc"], Codec::Hevc, ten, quality, Some(EncoderClass::Va));
        check(&["x264enc", "x265enc", "vah265enc"], Codec::Hevc, ten, lossless, Some(EncoderClass::X265));
        check(&["x264enc"], Codec::Hevc, eight, quality, None);
        check(&["av1enc", "svtav1enc"], Codec::Av1, eight, quality, Some(EncoderClass::SvtAv1));
        check(&["av1enc"], Codec::Av1, eight, quality, Some(EncoderClass::Aom));
        check(&["av1enc"], Codec::Av1, ten, quality, None);
    }

    #[test]
    fn the_newer_element_of_a_kind_is_taken_first() {
        let working = names(&["vaapih264enc", "vah264enc"]);
        assert_eq!(element_of(EncoderClass::Va, Codec::H264, &working), Some("vah264enc"));
        assert_eq!(element_of(EncoderClass::Va, Codec::H264, &working[..1]), Some("vaapih264enc"));
        assert_eq!(element_of(EncoderClass::Va, Codec::Hevc, &working), None);
        assert_eq!(element_of(EncoderClass::X264, Codec::H264, &working), None);
    }

    #[test]
    fn software_of_every_format_is_a_kind_that_can_encode_it() {
        for codec in Codec::ALL {
            for depth in Depth::ALL {
                let format = format(codec, depth);
                assert!(can(format.software(), format, EncodeSettings::default()), "{format}");
            }
        }
    }
}
