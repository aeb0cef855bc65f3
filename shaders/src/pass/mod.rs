//! The passes, each as data: which shader, which buffers, which push constants, how many workgroups.
//! Describes work; never touches a device. The order of passes is `plan::recording`'s.

mod agree;
mod coarse;
mod composite;
mod confidence;
mod densify;
mod errors;
mod facts;
mod gate;
mod overlay;
mod propagate;
mod pull;
mod push;
mod pyramid;
mod quads;
mod reduce;
mod rescue;
mod resolve;
mod search;
mod select;
mod splat;
mod standing;
mod still;

pub use agree::agree;
pub use coarse::coarse;
pub use composite::composite;
pub use confidence::confidence;
pub use densify::densify;
pub use errors::errors;
pub use facts::facts;
pub use gate::gate;
pub use overlay::overlay;
pub use propagate::propagate;
pub use pull::pull;
pub use push::{DeepPush, PUSH_WORDS, PlanePush};
pub use pyramid::pyramid;
pub use quads::quads;
pub use reduce::reduce;
pub use rescue::rescue;
pub use resolve::resolve;
pub use search::search;
pub use select::select;
pub use splat::splat;
pub use standing::standing;
pub use still::still;

/// Which of the two frames of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    First,
    Second,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::First, Side::Second];

    pub fn other(self) -> Side {
        match self {
            Side::First => Side::Second,
            Side::Second => Side::First,
        }
    }
}

/// A buffer of an engine. Those with a [`Side`] belong to a frame, or to the direction that starts at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The luma pyramid.
    Luma(Side),
    /// The 2x2 codes that begin at every pixel of the cells' plane, from one pixel outside on.
    Quads(Side),
    Chroma(Side),
    /// All planes of a frame of 10 bits.
    Deep(Side),
    /// Two lists of nodes a direction, read and written in turn.
    Nodes(Side, usize),
    Flow(Side),
    Priorities(Side),
    Facts,
    /// What of the full-size tiles stands still; what lies over the picture.
    Standing,
    Overlays,
    Arrived(Side),
    Projected,
    Means,
    Errors,
    Choices,
    Made,
    /// An output's time, in 1/16384 of the way: one word.
    Moment,
    /// Workgroups of the outputs' passes, three words a pass.
    Groups,
}

/// A shader by its pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shader {
    Reduce,
    Pyramid,
    Quads,
    Coarse,
    Search,
    Propagate,
    Agree,
    Rescue,
    Densify,
    Confidence,
    Facts,
    Still,
    Standing,
    Overlay,
    Gate,
    Splat,
    Resolve,
    Pull,
    Errors,
    Select,
    Composite,
    CompositeTile,
    Composite10,
}

impl Shader {
    pub const ALL: [Shader; 23] = [
        Shader::Reduce,
        Shader::Pyramid,
        Shader::Quads,
        Shader::Coarse,
        Shader::Search,
        Shader::Propagate,
        Shader::Agree,
        Shader::Rescue,
        Shader::Densify,
        Shader::Confidence,
        Shader::Facts,
        Shader::Still,
        Shader::Standing,
        Shader::Overlay,
        Shader::Gate,
        Shader::Splat,
        Shader::Resolve,
        Shader::Pull,
        Shader::Errors,
        Shader::Select,
        Shader::Composite,
        Shader::CompositeTile,
        Shader::Composite10,
    ];

    /// The name of its file in `glsl/`.
    pub fn name(self) -> &'static str {
        match self {
            Shader::Reduce => "reduce",
            Shader::Pyramid => "pyramid",
            Shader::Quads => "quads",
            Shader::Coarse => "coarse",
            Shader::Search => "search",
            Shader::Propagate => "propagate",
            Shader::Agree => "agree",
            Shader::Rescue => "rescue",
            Shader::Densify => "densify",
            Shader::Confidence => "confidence",
            Shader::Facts => "facts",
            Shader::Still => "still",
            Shader::Standing => "standing",
            Shader::Overlay => "overlay",
            Shader::Gate => "gate",
            Shader::Splat => "splat",
            Shader::Resolve => "resolve",
            Shader::Pull => "pull",
            Shader::Errors => "errors",
            Shader::Select => "select",
            Shader::Composite => "composite",
            Shader::CompositeTile => "composite_tile",
            Shader::Composite10 => "composite10",
        }
    }
}

/// One run of one shader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    pub shader: Shader,
    /// In the order of the shader's bindings.
    pub buffers: Vec<Slot>,
    pub push: [u32; PUSH_WORDS],
    pub groups: [u32; 3],
}

/// Workgroups of 8x8 invocations that cover `columns` x `rows`.
fn groups(columns: u32, rows: u32) -> [u32; 3] {
    [columns.div_ceil(8), rows.div_ceil(8), 1]
}
