//! How the farm has been: samples every few seconds, kept for a day, in memory. For charts; what has to be known for ever
//! is in the store.

use crate::farm::{Farm, Tally};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tweenfarm_protocol::operator::HistoryPoint;

pub const EVERY: Duration = Duration::from_secs(5);
/// A day of samples: 17,280 of 80 bytes.
const KEPT_MAX: usize = 24 * 3600 / EVERY.as_secs() as usize;

/// The farm at one moment. Frames and ends are counts since the daemon started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub at_seconds: i64,
    pub frames: u64,
    pub workers: u32,
    pub workers_busy: u32,
    pub queue_depth: u64,
    pub queue_age_seconds: u64,
    pub jobs_open: u64,
    pub jobs_done: u64,
    pub jobs_failed: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Recorder {
    samples: Arc<Mutex<VecDeque<Sample>>>,
}

impl Recorder {
    pub fn add(&self, sample: Sample) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back does not make a chart run backwards.
        while samples.back().is_some_and(|last| last.at_seconds >= sample.at_seconds) {
            samples.pop_back();
        }
        samples.push_back(sample);
        if samples.len() > KEPT_MAX {
            samples.pop_front();
        }
    }

    /// The last `span`, as at most `points` steps of the same length, and that length.
    pub fn last(&self, span: Duration, points: u32) -> (Duration, Vec<HistoryPoint>) {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let step = (span / points.max(1)).max(EVERY);
        let Some(last) = samples.back() else { return (step, Vec::new()) };
        let step_seconds = i64::try_from(step.as_secs()).unwrap_or(i64::MAX).max(1);
        let first_at = last.at_seconds.saturating_sub(i64::try_from(span.as_secs()).unwrap_or(i64::MAX));
        let mut shown: Vec<HistoryPoint> = Vec::new();
        let mut group: Vec<Sample> = Vec::new();
        // The sample before the first one: rates are of what came since.
        let mut before: Option<Sample> = None;
        for sample in samples.iter() {
            if sample.at_seconds <= first_at {
                before = Some(*sample);
                continue;
            }
            // Steps end at whole multiples, so that a chart that is drawn again does not flicker.
            let step_of = |sample: &Sample| (sample.at_seconds - 1).div_euclid(step_seconds);
            if group.last().is_some_and(|last| step_of(last) != step_of(sample)) {
                shown.push(point(before, &group));
                before = group.last().copied();
                group.clear();
            }
            group.push(*sample);
        }
        if !group.is_empty() {
            shown.push(point(before, &group));
        }
        (step, shown)
    }
}

fn point(before: Option<Sample>, group: &[Sample]) -> HistoryPoint {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return HistoryPoint::default() };
    let from = before.unwrap_or(*first);
    let seconds = u64::try_from(last.at_seconds - from.at_seconds).unwrap_or(0);
    let sum = |of: fn(&Sample) -> u32| group.iter().map(|sample| u64::from(of(sample))).sum::<u64>();
    let (had, busy) = (sum(|sample| sample.workers), sum(|sample| sample.workers_busy));
    let since = |now: u64, then: u64| u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
    HistoryPoint {
        at_seconds: last.at_seconds,
        frames_per_second_milli: (last.frames.saturating_sub(from.frames) * 1000).checked_div(seconds).unwrap_or(0),
        workers: last.workers,
        workers_busy: last.workers_busy,
        busy_percent: (busy * 100).checked_div(had).unwrap_or(0).min(100) as u8,
        queue_depth: last.queue_depth,
        queue_age_seconds: last.queue_age_seconds,
        jobs_open: last.jobs_open,
        jobs_done: since(last.jobs_done, from.jobs_done),
        jobs_failed: since(last.jobs_failed, from.jobs_failed),
    }
}

fn sample(farm: &Farm, tally: &Tally) -> Sample {
    let (load, now) = (farm.load(), farm.now());
    let ended = |word| tally.events.get(&("job", word)).copied().unwrap_or(0);
    Sample {
        at_seconds: now.0.div_euclid(1_000_000),
        frames: tally.frames_seen,
        workers: load.workers_idle.saturating_add(load.workers_running),
        workers_busy: load.workers_running,
        queue_depth: load.queue_depth,
        queue_age_seconds: farm.queue_since().map_or(0, |since| now.since(since).as_secs()),
        jobs_open: farm.jobs_open_count(),
        jobs_done: ended("done"),
        jobs_failed: ended("failed"),
    }
}

/// Samples until `stop`.
pub async fn run(farm: Farm, recorder: Recorder, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        recorder.add(sample(&farm, &farm.tally()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(seconds: impl Iterator<Item = i64>) -> Recorder {
        let recorder = Recorder::default();
        for at in seconds {
            let busy = u32::from(at % 20 < 10);
            let frames = 30 * at as u64;
            recorder.add(Sample { at_seconds: at, frames, workers: 2, workers_busy: busy, ..Sample::default() });
        }
        recorder
    }

    #[test]
    fn a_chart_has_as_many_points_as_it_asks_for_and_rates_are_means() {
        let recorder = recorded((0..=3600).step_by(5));
        let (step, points) = recorder.last(Duration::from_secs(600), 10);
        assert_eq!((step.as_secs(), points.len()), (60, 10));
        assert!(points.iter().all(|point| point.frames_per_second_milli == 30_000), "{points:?}");
        assert_eq!((points[9].at_seconds, points[9].busy_percent, points[9].workers), (3600, 25, 2));
        let (step, points) = recorder.last(Duration::from_secs(60), 1000);
        assert_eq!((step, points.len()), (EVERY, 12), "there is no more than was sampled");
    }

    #[test]
    fn a_farm_that_has_just_begun_has_what_there_is() {
        assert!(Recorder::default().last(Duration::from_secs(60), 10).1.is_empty());
        let (_, points) = recorded([7].into_iter()).last(Duration::from_secs(60), 10);
        assert_eq!((points.len(), points[0].frames_per_second_milli), (1, 0));
    }

    #[test]
    fn a_clock_set_back_does_not_make_a_chart_run_backwards_and_a_day_is_kept() {
        let recorder = recorded([10, 15, 20, 12].into_iter());
        let (_, points) = recorder.last(Duration::from_secs(60), 100);
        assert!(points.iter().map(|point| point.at_seconds).eq([10, 12]));
        let recorder = recorded((0..KEPT_MAX as i64 + 50).map(|number| number * 5));
        assert_eq!(recorder.samples.lock().unwrap().len(), KEPT_MAX);
    }
}
