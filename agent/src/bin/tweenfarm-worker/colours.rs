//! The colours of a source as AV1 writes them down: its encoder's element leaves them out, and the join puts them in.

use tweenfarm_media::Clip;

/// Names of ffprobe and their numbers in ITU-T H.273, which AV1 took over.
const PRIMARIES: [(&str, u8); 9] = [
    ("bt709", 1),
    ("bt470m", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("film", 8),
    ("bt2020", 9),
    ("smpte431", 11),
    ("smpte432", 12),
];
const TRANSFERS: [(&str, u8); 11] = [
    ("bt709", 1),
    ("bt470m", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("linear", 8),
    ("iec61966-2-1", 13),
    ("bt2020-10", 14),
    ("bt2020-12", 15),
    ("smpte2084", 16),
    ("arib-std-b67", 18),
];
const MATRICES: [(&str, u8); 6] =
    [("bt709", 1), ("fcc", 4), ("bt470bg", 5), ("smpte170m", 6), ("smpte240m", 7), ("bt2020nc", 9)];

/// The filter for ffmpeg that writes what the source says into an AV1 stream; what it does not say stays unsaid.
pub fn av1_filter(clip: &Clip) -> String {
    let number = |names: &[(&str, u8)], name: &str| names.iter().find(|(known, _)| *known == name).map(|found| found.1);
    let colours = &clip.colours;
    let said = [
        ("color_primaries", number(&PRIMARIES, &colours.primaries)),
        ("transfer_characteristics", number(&TRANSFERS, &colours.transfer)),
        ("matrix_coefficients", number(&MATRICES, &colours.matrix)),
        ("color_range", Some(u8::from(clip.full_range))),
    ];
    let said: Vec<String> =
        said.iter().filter_map(|(name, number)| number.map(|number| format!("{name}={number}"))).collect();
    format!("av1_metadata={}", said.join(":"))
}
