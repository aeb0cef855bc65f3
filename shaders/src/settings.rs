//! What a caller may choose, and the name of the engine that a result is stamped with.

/// Name and version of the engine: any change of a made frame's bytes changes it.
pub const ENGINE: &str = "flow 7";

/// How much work goes into a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Quality {
    /// Nodes on a grid twice as coarse, fewer steps.
    Fast,
    #[default]
    Balanced,
    /// Nodes on a grid twice as fine.
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    pub quality: Quality,
    /// Whether a pair across a scene cut repeats its frames instead of mixing them.
    pub scene_cuts: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { quality: Quality::Balanced, scene_cuts: true }
    }
}
