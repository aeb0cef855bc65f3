//! GStreamer's errors in the worker's words and classes.

use crate::failure;
use gstreamer as gst;
use gstreamer::prelude::*;
use tweenfarm_protocol::task::Failure;

pub fn no_decoder(codec: &str) -> Failure {
    failure::input(format!("The worker has no decoder for {codec}: convert the clip to H.264."))
}

/// What an error on the bus means for the task.
pub fn failure(message: &gst::message::Error, codec: &str) -> Failure {
    let error = message.error();
    let cause = failure::without_paths(&error.to_string());
    if error.matches(gst::ResourceError::NoSpaceLeft) {
        return failure::resource("The disk of the worker is full: free space on it, or render elsewhere.");
    }
    let is_any = |kinds: &[gst::ResourceError]| kinds.iter().any(|kind| error.matches(*kind));
    use gst::ResourceError as Resource;
    if is_any(&[Resource::Write, Resource::OpenWrite, Resource::OpenReadWrite, Resource::Close, Resource::Sync]) {
        return failure::resource(format!("The output could not be written: {cause}"));
    }
    if is_any(&[Resource::Read, Resource::OpenRead, Resource::NotFound, Resource::Seek]) {
        return failure::resource(format!("The clip could not be read from the worker's disk: {cause}"));
    }
    if error.matches(gst::StreamError::CodecNotFound) || error.matches(gst::CoreError::MissingPlugin) {
        return no_decoder(codec);
    }
    let ours = ["tween", "enc", "mp4mux", "filesink", "queue"];
    let name = message.src().map(|source| source.name().to_string()).unwrap_or_default();
    if error.is::<gst::StreamError>() && !ours.iter().any(|element| name.contains(element)) {
        return failure::input(format!(
            "The clip could not be decoded: {cause} Check that it plays to the end, or export it again."
        ));
    }
    failure::internal(format!("the element {name} failed: {cause}"))
}
