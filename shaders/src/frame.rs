//! Pictures and times as the engine takes them: planar 4:2:0 of 8 or 10 bits and a time between two frames.
//! Knows nothing of colour: codes go in, codes come out, whatever their range and matrix.

use crate::EngineError;

/// Luma size of a picture. Both sides even, so that the chroma planes are exactly half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameSize {
    pub width_px: u32,
    pub height_px: u32,
}

impl FrameSize {
    /// The smallest side: one 8x8 patch and its border on the halved chroma grid.
    pub const MIN_PX: u32 = 16;
    /// The largest side: vectors of 1/16 px at this width still fit 16 bits.
    pub const MAX_PX: u32 = 8192;

    /// Refuses what the engine cannot take.
    pub fn check(self) -> Result<FrameSize, EngineError> {
        let fits = |side: u32| side.is_multiple_of(2) && (Self::MIN_PX..=Self::MAX_PX).contains(&side);
        if fits(self.width_px) && fits(self.height_px) {
            return Ok(self);
        }
        Err(EngineError::Size {
            width_px: self.width_px,
            height_px: self.height_px,
            minimum: Self::MIN_PX,
            maximum: Self::MAX_PX,
        })
    }

    fn luma_codes(self) -> usize {
        self.width_px as usize * self.height_px as usize
    }
}

/// Bits of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Depth {
    #[default]
    Eight,
    /// In two bytes, the lower one first.
    Ten,
}

impl Depth {
    pub const fn bits(self) -> u8 {
        match self {
            Depth::Eight => 8,
            Depth::Ten => 10,
        }
    }

    pub const fn code_bytes(self) -> usize {
        match self {
            Depth::Eight => 1,
            Depth::Ten => 2,
        }
    }
}

/// A 4:2:0 picture, tightly packed: Y, then U, then V, in one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanarFrame {
    size: FrameSize,
    depth: Depth,
    bytes: Vec<u8>,
}

impl PlanarFrame {
    /// A picture of 8 bits, all codes zero, to be filled through [`PlanarFrame::planes_mut`].
    pub fn new(size: FrameSize) -> PlanarFrame {
        PlanarFrame::of_depth(size, Depth::Eight)
    }

    pub fn of_depth(size: FrameSize, depth: Depth) -> PlanarFrame {
        PlanarFrame { size, depth, bytes: vec![0; depth.code_bytes() * size.luma_codes() * 3 / 2] }
    }

    pub fn size(&self) -> FrameSize {
        self.size
    }

    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// Y, U and V.
    pub fn planes(&self) -> [&[u8]; 3] {
        let (y, chroma) = self.bytes.split_at(self.bytes.len() / 3 * 2);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        [y, u, v]
    }

    /// Y, U and V, to be written.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let luma = self.bytes.len() / 3 * 2;
        let (y, chroma) = self.bytes.split_at_mut(luma);
        let (u, v) = chroma.split_at_mut(chroma.len() / 2);
        [y, u, v]
    }

    /// The whole picture as it lies in memory: I420, or I420_10LE.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole picture as it lies in memory, to be written.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// A time strictly between the frames of a pair, in 1/65536 of their distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phase(u32);

impl Phase {
    pub const HALF: Phase = Phase(32768);

    /// `None` for the frames themselves (0 and 65536) and for anything outside.
    pub fn from_q16(q16: u32) -> Option<Phase> {
        (1..65536).contains(&q16).then_some(Phase(q16))
    }

    pub fn q16(self) -> u32 {
        self.0
    }

    /// The resolution vectors are scaled with: 14 bits, so that 1024 px in 1/32 px times it fits 32 bits with its sign.
    pub fn q14(self) -> i32 {
        ((self.0 + 2) >> 2) as i32
    }

    /// True in the second half: the second frame is nearer.
    pub fn nearer_second(self) -> bool {
        self.0 >= 32768
    }
}
