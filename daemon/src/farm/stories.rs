//! Where the stories of jobs go on: which lines an event adds, and at which place. Bounded: a job that is handed back and
//! forth for ever does not fill the disk.

use super::error::FarmError;
use crate::{
    model::{Event, StoryLine, What},
    store::{Store, Write},
};
use std::collections::HashMap;
use tweenfarm_protocol::JobId;

/// A job of a hundred segments that all fail twice has some 700 lines.
const LINES_MAX: u32 = 2000;
/// Lines of a worker's log that one failure adds.
const WORKER_LINES_MAX: usize = 20;
const WORKER_LINE_LETTERS_MAX: usize = 300;

/// Lengths of the stories of jobs under way, as far as they were written on since the daemon started.
#[derive(Debug, Default)]
pub(super) struct Stories {
    lengths: HashMap<JobId, u32>,
}

impl Stories {
    /// What these events add.
    pub(super) fn lines(&mut self, store: &dyn Store, events: &[Event]) -> Result<Vec<Write>, FarmError> {
        let mut writes = Vec::new();
        for event in events.iter().filter(|event| event.what.is_story()) {
            let Some(job) = event.about.job else { continue };
            let mut length = match self.lengths.get(&job) {
                Some(length) => *length,
                None => store.story_length(job)?,
            };
            let ends = matches!(event.what, What::JobDone | What::JobFailed | What::JobCancelled);
            for line in of(event, job) {
                let text = match length {
                    LINES_MAX if !ends => "the story is full: what else happens is in the daemon's log".to_owned(),
                    full if full > LINES_MAX && !ends => break,
                    _ => line.text,
                };
                writes.push(Write::PutStoryLine(StoryLine { sequence: length, text, ..line }));
                length += 1;
            }
            if ends {
                self.lengths.remove(&job);
            } else {
                self.lengths.insert(job, length);
            }
        }
        Ok(writes)
    }
}

/// The event's own line, and what a worker said of it.
fn of(event: &Event, job: JobId) -> impl Iterator<Item = StoryLine> {
    let about = event.about;
    let line = move |by_worker, text| StoryLine {
        job,
        sequence: 0,
        at: event.at,
        level: event.what.level(),
        by_worker,
        agent: about.agent,
        worker: about.worker,
        part: about.part,
        lease: about.lease,
        text,
    };
    let skipped = event.lines.len().saturating_sub(WORKER_LINES_MAX);
    let said = event.lines.iter().skip(skipped).map(|text| text.chars().take(WORKER_LINE_LETTERS_MAX).collect());
    let said = said.map(move |text| line(true, text));
    said.chain(std::iter::once(line(false, event.text.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::About,
        store::{memory::MemoryStore, samples},
    };
    use tweenfarm_protocol::{Timestamp, task::FailureClass};

    fn event(what: What) -> Event {
        let about = About { job: Some(JobId(samples::id(1))), ..About::default() };
        Event::new(Timestamp(1), what, about, "it happened")
    }

    fn add(stories: &mut Stories, store: &MemoryStore, events: &[Event]) -> usize {
        let writes = stories.lines(store, events).unwrap();
        store.commit(&writes).unwrap();
        writes.len()
    }

    #[test]
    fn a_story_goes_on_where_it_was_after_a_restart_and_tells_what_the_worker_said_first() {
        let store = MemoryStore::new();
        let mut failed = event(What::PieceFailed(FailureClass::Worker));
        failed.lines = (0..30).map(|line| format!("line {line}")).collect();
        assert_eq!(add(&mut Stories::default(), &store, &[event(What::JobAccepted), failed]), 22);
        assert_eq!(add(&mut Stories::default(), &store, &[event(What::JobProgress { percent: 5 })]), 0);
        assert_eq!(add(&mut Stories::default(), &store, &[event(What::JobDone)]), 1);
        let story = store.story(JobId(samples::id(1))).unwrap();
        assert!(story.iter().map(|line| line.sequence).eq(0..23));
        assert_eq!((story[1].text.as_str(), story[1].by_worker, story[21].by_worker), ("line 10", true, false));
    }

    #[test]
    fn a_story_has_an_end_however_long_it_gets() {
        let (store, mut stories) = (MemoryStore::new(), Stories::default());
        let many: Vec<Event> = (0..LINES_MAX + 100).map(|_| event(What::GivenBack)).collect();
        assert_eq!(add(&mut stories, &store, &many), LINES_MAX as usize + 1);
        assert_eq!(add(&mut stories, &store, &[event(What::Leased), event(What::JobFailed)]), 1);
        let story = store.story(JobId(samples::id(1))).unwrap();
        assert!(story[LINES_MAX as usize].text.contains("full"));
        assert_eq!(story.last().unwrap().text, "it happened");
        assert!(stories.lengths.is_empty(), "a job that has ended is forgotten");
    }
}
