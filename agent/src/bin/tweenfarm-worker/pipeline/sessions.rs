//! How many streams an encoder takes at once: cards and their drivers have limits, and one that is met in the middle of a
//! job costs an attempt.

use super::encoder;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::collections::BTreeMap;
use tweenfarm_protocol::{Rational, task::EncodeSettings};

/// More than any worker has a use for: a slot encodes one stream, its neighbours on the card one each.
const TRIED: u32 = 8;
/// A stream that has not begun by then does not begin.
const BEGINS_WITHIN: gst::ClockTime = gst::ClockTime::from_seconds(5);
/// Their limit is the processor, which is no number of streams.
const IN_SOFTWARE: [&str; 4] = ["x264enc", "x265enc", "svtav1enc", "av1enc"];

/// For each of these encoders that is on a card, how many streams it took at once, up to as many as are tried.
pub fn of_cards(encoders: &[String]) -> BTreeMap<String, u32> {
    let on_card = encoders.iter().filter(|name| !IN_SOFTWARE.contains(&name.as_str()));
    on_card.map(|name| (name.clone(), at_once(name))).collect()
}

/// Opens one after the other and holds them all.
fn at_once(encoder: &str) -> u32 {
    let mut open = Vec::new();
    while open.len() < TRIED as usize {
        match begin(encoder) {
            Some(pipeline) => open.push(pipeline),
            None => break,
        }
    }
    let count = u32::try_from(open.len()).unwrap_or(TRIED);
    for pipeline in open {
        let _ = pipeline.set_state(gst::State::Null);
    }
    count
}

/// A stream that has made its first encoded frame and waits there; none when it could not.
fn begin(encoder: &str) -> Option<gst::Pipeline> {
    let make = |factory: &str| gst::ElementFactory::make(factory).build().ok();
    let pipeline = gst::Pipeline::new();
    let encoder = encoder::element(encoder, EncodeSettings::default(), Rational::whole(60)).ok()?;
    let chain = [&make("videotestsrc")?, &make("videoconvert")?, &encoder, &make("fakesink")?];
    pipeline.add_many(chain).and_then(|()| gst::Element::link_many(chain)).ok()?;
    let begins = pipeline.set_state(gst::State::Paused).is_ok()
        && matches!(pipeline.state(BEGINS_WITHIN), (Ok(_), gst::State::Paused, _));
    if !begins {
        let _ = pipeline.set_state(gst::State::Null);
    }
    begins.then_some(pipeline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_up_to_as_many_as_are_tried() {
        gst::init().unwrap();
        assert_eq!(at_once("x264enc"), TRIED, "the processor takes them all");
        assert_eq!(at_once("no-such-encoder"), 0);
    }

    #[test]
    fn encoders_in_software_are_not_counted() {
        assert!(of_cards(&["x264enc".to_owned(), "av1enc".to_owned()]).is_empty());
    }
}
