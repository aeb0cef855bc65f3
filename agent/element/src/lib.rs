//! The interpolating element, and what it needs to know of time: shared by the worker program and the GStreamer plugin.
//!
//! `retime` decides what every slot shows and knows no GStreamer; `interpolator` is what is asked of an engine;
//! `element` is GStreamer's view of both, `shape` that of `scale` and `dither`.

pub mod dither;
pub mod element;
pub mod failure;
pub mod interpolator;
pub mod mark;
mod picture;
pub mod planes;
pub mod record;
pub mod retime;
pub mod scale;
pub mod shader_cache;
pub mod shape;

pub use element::TweenInterpolate;
pub use shape::TweenShape;
