//! What a job's output is like besides its rate: picture size, codec, bits of a code. One value for the whole job.

use crate::task::{EncoderClass, UnknownName};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The shape of an output. The default is what every release made: the source's size in 8-bit H.264.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFormat {
    /// None keeps the source's, rounded up to even.
    #[serde(default)]
    pub size: Option<PictureSize>,
    #[serde(default)]
    pub codec: Codec,
    #[serde(default)]
    pub depth: Depth,
}

impl OutputFormat {
    /// The kind of encoder for it that needs no card.
    pub const fn software(self) -> EncoderClass {
        match (self.codec, self.depth) {
            (Codec::H264, _) => EncoderClass::X264,
            (Codec::Hevc, _) => EncoderClass::X265,
            (Codec::Av1, Depth::Eight) => EncoderClass::Aom,
            (Codec::Av1, Depth::Ten) => EncoderClass::SvtAv1,
        }
    }
}

/// Picture size in pixels, as shown: after rotation. Even sides, 16 to 8192 px each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u32; 2]", into = "[u32; 2]")]
pub struct PictureSize {
    width_px: u32,
    height_px: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a picture of {0} cannot be made: write width and height as 1280x720, both even and from 16 to 8192")]
pub struct PictureSizeError(String);

impl PictureSize {
    pub const SIDE_PX: std::ops::RangeInclusive<u32> = 16..=8192;

    pub fn new(width_px: u32, height_px: u32) -> Result<PictureSize, PictureSizeError> {
        let fits = |side: u32| side.is_multiple_of(2) && Self::SIDE_PX.contains(&side);
        if fits(width_px) && fits(height_px) {
            return Ok(PictureSize { width_px, height_px });
        }
        Err(PictureSizeError(format!("{width_px}x{height_px}")))
    }

    pub fn width_px(self) -> u32 {
        self.width_px
    }

    pub fn height_px(self) -> u32 {
        self.height_px
    }

    pub fn pixels(self) -> u64 {
        u64::from(self.width_px) * u64::from(self.height_px)
    }

    /// The size whose short side is `short_px`, in the proportions of `width_px` to `height_px`; the other side is the
    /// nearest even number. Fails where that is no size a picture can have.
    pub fn with_short_side(short_px: u32, width_px: u32, height_px: u32) -> Result<PictureSize, PictureSizeError> {
        let (short, long) = (width_px.min(height_px), width_px.max(height_px));
        // Half of the long side, rounded, twice.
        let (exact, unit) = (u64::from(short_px) * u64::from(long), 2 * u64::from(short.max(1)));
        let long_px = u32::try_from(2 * ((2 * exact + unit) / (2 * unit))).unwrap_or(u32::MAX);
        if width_px < height_px { PictureSize::new(short_px, long_px) } else { PictureSize::new(long_px, short_px) }
    }
}

impl TryFrom<[u32; 2]> for PictureSize {
    type Error = PictureSizeError;
    fn try_from([width_px, height_px]: [u32; 2]) -> Result<PictureSize, PictureSizeError> {
        PictureSize::new(width_px, height_px)
    }
}

impl From<PictureSize> for [u32; 2] {
    fn from(size: PictureSize) -> [u32; 2] {
        [size.width_px, size.height_px]
    }
}

impl fmt::Display for PictureSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width_px, self.height_px)
    }
}

impl FromStr for PictureSize {
    type Err = PictureSizeError;

    fn from_str(text: &str) -> Result<PictureSize, PictureSizeError> {
        let no_size = || PictureSizeError(format!("'{text}'"));
        let (width, height) = text.split_once(['x', 'X']).ok_or_else(no_size)?;
        let side = |digits: &str| digits.parse::<u32>().map_err(|_| no_size());
        PictureSize::new(side(width)?, side(height)?)
    }
}

/// How pictures are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    #[default]
    H264,
    Hevc,
    Av1,
}

impl Codec {
    pub const ALL: [Codec; 3] = [Codec::H264, Codec::Hevc, Codec::Av1];

    pub const fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::Hevc => "hevc",
            Codec::Av1 => "av1",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Codec, UnknownName> {
        let found = Codec::ALL.into_iter().find(|codec| codec.name() == text);
        found.ok_or_else(|| UnknownName { found: text.to_owned(), expected: "h264, hevc or av1" })
    }
}

/// Bits of a code of the output; frames between are made at the source's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Depth {
    #[default]
    Eight,
    Ten,
}

impl Depth {
    pub const ALL: [Depth; 2] = [Depth::Eight, Depth::Ten];

    pub const fn bits(self) -> u8 {
        match self {
            Depth::Eight => 8,
            Depth::Ten => 10,
        }
    }
}

impl From<Depth> for u8 {
    fn from(depth: Depth) -> u8 {
        depth.bits()
    }
}

impl TryFrom<u8> for Depth {
    type Error = UnknownName;

    fn try_from(bits: u8) -> Result<Depth, UnknownName> {
        let found = Depth::ALL.into_iter().find(|depth| depth.bits() == bits);
        found.ok_or_else(|| UnknownName { found: bits.to_string(), expected: "8 or 10" })
    }
}

impl FromStr for Depth {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Depth, UnknownName> {
        let unknown = || UnknownName { found: text.to_owned(), expected: "8 or 10" };
        text.parse::<u8>().map_err(|_| unknown())?.try_into()
    }
}

/// The same format has the same text, whatever the release: hashes are taken of it. What is the default is not said.
impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OutputFormat { size, codec, depth } = *self;
        write!(f, "codec={codec} depth={}", depth.bits())?;
        size.map_or(Ok(()), |size| write!(f, " size={size}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written_and_only_even_ones() {
        let check = |text: &str, expected: Option<(u32, u32)>| match (text.parse::<PictureSize>(), expected) {
            (Ok(size), Some(sides)) => {
                assert_eq!((size.width_px(), size.height_px()), sides);
                assert_eq!(size.to_string(), text.to_lowercase());
            }
            (Err(error), None) => assert!(error.to_string().contains("1280x720"), "{error}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("1280x720", Some((1280, 720)));
        check("1280X720", Some((1280, 720)));
        check("16x8192", Some((16, 8192)));
        for wrong in ["1281x720", "14x720", "1280x8194", "1280", "x720", "-2x720", "1280x720x2", "big"] {
            check(wrong, None);
        }
        let size = PictureSize::new(640, 360).unwrap();
        assert_eq!(serde_json::to_string(&size).unwrap(), "[640,360]");
        assert!(serde_json::from_str::<PictureSize>("[641,360]").is_err());
    }

    #[test]
    fn a_short_side_keeps_the_proportions() {
        let check = |short, width, height, expected: (u32, u32)| {
            let size = PictureSize::with_short_side(short, width, height).unwrap();
            assert_eq!((size.width_px(), size.height_px()), expected);
        };
        check(720, 1920, 1080, (1280, 720));
        check(720, 640, 360, (1280, 720));
        check(1080, 1080, 1920, (1080, 1920));
        check(720, 720, 480, (1080, 720));
        check(720, 848, 480, (1272, 720));
        check(1080, 853, 480, (1920, 1080));
        assert!(PictureSize::with_short_side(2160, 4000, 500).is_err());
    }

    #[test]
    fn codecs_and_depths_are_read_as_they_are_written() {
        for codec in Codec::ALL {
            assert_eq!(codec.to_string().parse(), Ok(codec));
            assert_eq!(serde_json::to_value(codec).unwrap(), codec.name());
        }
        for depth in Depth::ALL {
            assert_eq!(depth.bits().to_string().parse(), Ok(depth));
            assert_eq!(serde_json::to_value(depth).unwrap(), depth.bits());
        }
        assert_eq!("12".parse::<Depth>().unwrap_err().to_string(), "'12' is none of 8 or 10");
    }

    #[test]
    fn a_format_has_one_text() {
        assert_eq!(OutputFormat::default().to_string(), "codec=h264 depth=8");
        let size = PictureSize::new(1280, 720).ok();
        let format = OutputFormat { size, codec: Codec::Hevc, depth: Depth::Ten };
        assert_eq!(format.to_string(), "codec=hevc depth=10 size=1280x720");
    }
}
