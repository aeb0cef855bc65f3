//! Push constants as the device reads them: words in the order of the shader's block.

use crate::plan::{DeepPlane, Grid, PlaneLayout};

/// Room for the longest block; the pipelines' layouts all name this range. 128 bytes are guaranteed.
pub const PUSH_WORDS: usize = 16;

/// A value that takes whole words of a push constant block.
pub trait Words {
    fn append(&self, words: &mut Vec<u32>);
}

impl Words for u32 {
    fn append(&self, words: &mut Vec<u32>) {
        words.push(*self);
    }
}

impl Words for i32 {
    fn append(&self, words: &mut Vec<u32>) {
        words.push(*self as u32);
    }
}

/// Twin of GLSL's `ivec2` of columns and rows.
impl Words for [u32; 2] {
    fn append(&self, words: &mut Vec<u32>) {
        words.extend(self);
    }
}

impl From<Grid> for [u32; 2] {
    fn from(grid: Grid) -> [u32; 2] {
        [grid.columns, grid.rows]
    }
}

/// `DeepPlane` of `deep.glsl`, byte for byte.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DeepPush {
    pub first_texel: u32,
    pub texels_across: u32,
    pub width_px: u32,
    pub height_px: u32,
}

impl From<DeepPlane> for DeepPush {
    fn from(plane: DeepPlane) -> DeepPush {
        DeepPush {
            first_texel: plane.first_texel,
            texels_across: plane.texels_across,
            width_px: plane.width_px,
            height_px: plane.height_px,
        }
    }
}

impl Words for DeepPush {
    fn append(&self, words: &mut Vec<u32>) {
        words.extend([self.first_texel, self.texels_across, self.width_px, self.height_px]);
    }
}

/// `Plane` of `planes.glsl`, byte for byte.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PlanePush {
    pub first_tile: u32,
    pub tiles_across: u32,
    pub width_px: u32,
    pub height_px: u32,
}

impl From<PlaneLayout> for PlanePush {
    fn from(plane: PlaneLayout) -> PlanePush {
        PlanePush {
            first_tile: plane.first_tile,
            tiles_across: plane.tiles_across,
            width_px: plane.width_px,
            height_px: plane.height_px,
        }
    }
}

impl Words for PlanePush {
    fn append(&self, words: &mut Vec<u32>) {
        words.extend([self.first_tile, self.tiles_across, self.width_px, self.height_px]);
    }
}

/// The words of a block, filled up with zeros.
pub fn padded(fields: &[&dyn Words]) -> [u32; PUSH_WORDS] {
    let mut words = Vec::with_capacity(PUSH_WORDS);
    for field in fields {
        field.append(&mut words);
    }
    let mut block = [0; PUSH_WORDS];
    block[..words.len()].copy_from_slice(&words);
    block
}

/// Declares a push constant block whose fields become words in their order.
macro_rules! push_block {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl $name {
            pub fn words(&self) -> [u32; $crate::pass::push::PUSH_WORDS] {
                $crate::pass::push::padded(&[$(&self.$field),*])
            }
        }
    };
}
pub(super) use push_block;
