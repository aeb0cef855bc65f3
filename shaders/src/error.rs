//! What can go wrong between a caller and the engine, in words that say what to do about it.

/// Every failure of the engine. The text is meant for an operator; the source chain is for the log.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(
        "no Vulkan on this machine: {reason}. Install the graphics vendor's driver, or mesa-vulkan-drivers for a software device"
    )]
    NoVulkan { reason: String },
    #[error("no Vulkan device {wanted}: {reason}. Run the doctor to see which devices there are")]
    NoDevice { wanted: String, reason: String },
    #[error("the Vulkan device was lost while {doing}: restart the worker, and update the driver if it happens again")]
    DeviceLost { doing: &'static str },
    #[error(
        "not enough memory on the Vulkan device while {doing}: use a smaller picture, or stop other programs on it"
    )]
    OutOfMemory { doing: &'static str },
    #[error(
        "cannot interpolate pictures of {width_px}x{height_px}: both sides have to be even and between {minimum} and {maximum} pixels"
    )]
    Size { width_px: u32, height_px: u32, minimum: u32, maximum: u32 },
    #[error("a frame of {found_width_px}x{found_height_px} does not fit an engine made for {width_px}x{height_px}")]
    FrameSize { width_px: u32, height_px: u32, found_width_px: u32, found_height_px: u32 },
    #[error("a frame of {found_bits} bits does not fit an engine made for {bits}")]
    FrameDepth { bits: u8, found_bits: u8 },
    #[error("a frame between two needs two frames first: {pushed} pushed so far")]
    Order { pushed: u32 },
    #[error("the engine is making {in_flight} frames and has room for {room}: submit and collect in turn")]
    OutOfTurn { in_flight: usize, room: usize },
    #[error("the Vulkan driver failed while {doing}: {reason}")]
    Driver { doing: &'static str, reason: String },
}
