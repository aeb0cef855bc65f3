//! Failures of the worker in the words and classes of the protocol.

use tweenfarm_media::ProbeError;
use tweenfarm_protocol::task::{Failure, FailureClass};
use tweenfarm_shaders::EngineError;

fn failure(class: FailureClass, message: impl Into<String>) -> Failure {
    Failure::new(class, message.into())
}

/// The clip itself: nobody will do better.
pub fn input(message: impl Into<String>) -> Failure {
    failure(FailureClass::Input, message)
}

/// Disk or memory: elsewhere or later it may do.
pub fn resource(message: impl Into<String>) -> Failure {
    failure(FailureClass::Resource, message)
}

/// This worker or its device.
pub fn worker(message: impl Into<String>) -> Failure {
    failure(FailureClass::Worker, message)
}

/// A broken promise of our own code.
pub fn internal(message: impl Into<String>) -> Failure {
    failure(FailureClass::Internal, message)
}

pub fn of_engine(error: &EngineError) -> Failure {
    let class = match error {
        EngineError::Size { .. } => FailureClass::Input,
        EngineError::OutOfMemory { .. } => FailureClass::Resource,
        EngineError::NoVulkan { .. }
        | EngineError::NoDevice { .. }
        | EngineError::DeviceLost { .. }
        | EngineError::Driver { .. } => FailureClass::Worker,
        EngineError::FrameSize { .. }
        | EngineError::FrameDepth { .. }
        | EngineError::Order { .. }
        | EngineError::OutOfTurn { .. } => FailureClass::Internal,
    };
    failure(class, sentence(&error.to_string()))
}

pub fn of_probe(error: &ProbeError) -> Failure {
    let class = match error {
        ProbeError::Empty
        | ProbeError::NotMedia
        | ProbeError::NoVideo
        | ProbeError::SingleFrame
        | ProbeError::Damaged(_)
        | ProbeError::TooExpensive => FailureClass::Input,
        ProbeError::Tool(_) => FailureClass::Worker,
    };
    failure(class, sentence(&error.to_string()))
}

/// Somebody else's complaint without the paths of this machine, which are nobody's business.
pub fn without_paths(complaint: &str) -> String {
    complaint.split(' ').map(|word| if word.contains('/') { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

/// An error's text as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_to_blame_follows_from_the_error() {
        let check = |failure: Failure, class, text: &str| {
            assert_eq!(failure.class, class, "{failure}");
            assert!(failure.message.contains(text), "{failure}");
        };
        check(of_engine(&EngineError::DeviceLost { doing: "warping" }), FailureClass::Worker, "was lost while warping");
        check(of_engine(&EngineError::OutOfMemory { doing: "x" }), FailureClass::Resource, "Not enough memory");
        let small = EngineError::Size { width_px: 8, height_px: 8, minimum: 16, maximum: 8192 };
        check(of_engine(&small), FailureClass::Input, "8x8");
        check(of_probe(&ProbeError::NoVideo), FailureClass::Input, "The file holds no video stream");
        let missing = ProbeError::Tool(std::io::ErrorKind::NotFound.into());
        check(of_probe(&missing), FailureClass::Worker, "install the package ffmpeg");
    }

    #[test]
    fn paths_of_this_machine_are_not_told() {
        assert_eq!(without_paths("cannot open /home/x/y.mp4: no"), "cannot open … no");
    }
}
