//! Webhooks: what the client of a job asked to be told of it, and what is still to be said.
//!
//! A job has one webhook at most, and at most two things are due at a time: how far it is, where only the newest counts,
//! and how it ended. What was claimed is said once; whether it is said again after a failure is a rule of the operator's.

use super::{Job, JobEnd, JobState, KeyHash};
use std::time::Duration;
use tweenfarm_protocol::{JobId, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub job: JobId,
    /// As the client sent it; may hold a secret of the client's.
    pub url: String,
    pub events: WebhookEvents,
    /// The key that submitted the job: its hash is the secret of the signatures. `None`: unsigned.
    pub signed_with: Option<KeyHash>,
    pub progress: ProgressNews,
    pub end: EndNews,
    /// What became of deliveries, oldest first; kept only when the operator wants it, and only the last ones.
    pub log: Vec<WebhookAttempt>,
}

/// What is told; at least one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookEvents {
    pub progress: bool,
    pub completed: bool,
    pub failed: bool,
}

/// How far the job is, as far as it was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressNews {
    /// The last percent that was due; the job began at 0.
    pub percent: u8,
    pub is_due: bool,
    /// Whether the last delivery succeeded.
    pub delivered: Option<bool>,
}

/// What there is to say of the job's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndNews {
    /// The job is under way.
    Open,
    /// It ended in a way that nobody asked to be told of.
    Unasked,
    /// `attempt` is the one to come, from 1.
    Due {
        attempt: u32,
        not_before: Timestamp,
    },
    /// Claimed: a process that dies now may or may not have sent it.
    Sending {
        attempt: u32,
    },
    Delivered,
    Failed,
}

/// What a client sees of its webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookStatus {
    Pending,
    Delivered,
    Failed,
}

/// Something to be said now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Progress { percent: u8 },
    End,
}

/// One delivery, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAttempt {
    pub at: Timestamp,
    pub news: News,
    /// The status of the answer, or why there was none.
    pub outcome: Result<u16, String>,
}

/// How deliveries are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookRules {
    /// Of the end of a job; 1: what failed is not sent again.
    pub attempts_max: u32,
    pub keep_log: bool,
}

const LOG_MAX: usize = 20;
/// The pause before the second attempt, four times as long before each one after it.
const RETRY_AFTER: Duration = Duration::from_secs(10);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

impl Webhook {
    pub fn new(job: JobId, url: String, events: WebhookEvents, signed_with: Option<KeyHash>) -> Webhook {
        let (progress, end) = (ProgressNews::default(), EndNews::Open);
        Webhook { job, url, events, signed_with, progress, end, log: Vec::new() }
    }

    /// Follows the job; true when there is news.
    pub fn follow(&mut self, job: &Job, now: Timestamp) -> bool {
        if self.end != EndNews::Open {
            return false;
        }
        let JobState::Ended { end, .. } = &job.state else {
            let news = self.events.progress && job.progress_percent > self.progress.percent;
            if news {
                (self.progress.percent, self.progress.is_due) = (job.progress_percent, true);
            }
            return news;
        };
        // How far a job was is of no interest once it has ended.
        self.progress.is_due = false;
        let asked = match end {
            JobEnd::Done { .. } => self.events.completed,
            JobEnd::Failed { .. } | JobEnd::Cancelled { .. } => self.events.failed,
        };
        self.end = if asked { EndNews::Due { attempt: 1, not_before: now } } else { EndNews::Unasked };
        true
    }

    /// The job goes on after it had ended: its new end will be told, too. What was still to be said of the old one is
    /// not true any more.
    pub fn reopen(&mut self, percent: u8) {
        self.end = EndNews::Open;
        (self.progress.percent, self.progress.is_due) = (percent, false);
    }

    /// What may be said now.
    pub fn due(&self, now: Timestamp) -> Option<News> {
        match self.end {
            EndNews::Due { not_before, .. } if not_before <= now => Some(News::End),
            EndNews::Open if self.progress.is_due => Some(News::Progress { percent: self.progress.percent }),
            EndNews::Open
            | EndNews::Due { .. }
            | EndNews::Unasked
            | EndNews::Sending { .. }
            | EndNews::Delivered
            | EndNews::Failed => None,
        }
    }

    /// Takes what may be said now, so that nobody says it a second time.
    pub fn claim(&mut self, now: Timestamp) -> Option<News> {
        let news = self.due(now)?;
        match (news, self.end) {
            (News::End, EndNews::Due { attempt, .. }) => self.end = EndNews::Sending { attempt },
            _ => self.progress.is_due = false,
        }
        Some(news)
    }

    /// What became of what was claimed.
    pub fn settle(&mut self, news: News, outcome: Result<u16, String>, rules: WebhookRules, now: Timestamp) {
        let delivered = outcome.as_ref().is_ok_and(|status| (200..300).contains(status));
        match news {
            News::Progress { .. } => self.progress.delivered = Some(delivered),
            News::End => {
                if let EndNews::Sending { attempt } = self.end {
                    self.end = after_attempt(attempt, delivered, rules, now);
                }
            }
        }
        if rules.keep_log {
            self.log.push(WebhookAttempt { at: now, news, outcome });
            self.log.drain(..self.log.len().saturating_sub(LOG_MAX));
        }
    }

    /// After a restart: what was being sent counts as sent and failed, since it may have arrived. False: it was not.
    pub fn recover(&mut self, rules: WebhookRules, now: Timestamp) -> bool {
        let lost = matches!(self.end, EndNews::Sending { .. });
        if lost {
            self.settle(News::End, Err("the daemon stopped while it was being sent".into()), rules, now);
        }
        lost
    }

    /// Whether something is due, now or later, or being sent.
    pub fn is_open(&self) -> bool {
        match self.end {
            EndNews::Due { .. } | EndNews::Sending { .. } => true,
            EndNews::Open => self.progress.is_due,
            EndNews::Unasked | EndNews::Delivered | EndNews::Failed => false,
        }
    }

    /// The end decides; where nobody asked for it, the last delivery does.
    pub fn status(&self) -> WebhookStatus {
        let of = |delivered| if delivered { WebhookStatus::Delivered } else { WebhookStatus::Failed };
        match self.end {
            EndNews::Open | EndNews::Due { .. } | EndNews::Sending { .. } => WebhookStatus::Pending,
            EndNews::Unasked => self.progress.delivered.map_or(WebhookStatus::Pending, of),
            EndNews::Delivered => WebhookStatus::Delivered,
            EndNews::Failed => WebhookStatus::Failed,
        }
    }
}

fn after_attempt(attempt: u32, delivered: bool, rules: WebhookRules, now: Timestamp) -> EndNews {
    match delivered {
        true => EndNews::Delivered,
        false if attempt >= rules.attempts_max => EndNews::Failed,
        false => {
            let pause = RETRY_AFTER.saturating_mul(4_u32.saturating_pow(attempt.saturating_sub(1)));
            EndNews::Due { attempt: attempt + 1, not_before: now.plus(pause.min(RETRY_AFTER_MAX)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;

    const ONCE: WebhookRules = WebhookRules { attempts_max: 1, keep_log: false };
    const ALL: WebhookEvents = WebhookEvents { progress: true, completed: true, failed: true };

    fn webhook(events: WebhookEvents) -> Webhook {
        Webhook::new(JobId(samples::id(1)), "https://hooks.example.org/".into(), events, None)
    }

    fn at(percent: u8) -> Job {
        Job { progress_percent: percent, ..samples::job(1, 1, 1, samples::rendering()) }
    }

    fn ended() -> Job {
        samples::job(1, 1, 1, samples::cancelled())
    }

    #[test]
    fn only_the_newest_percent_is_due_and_none_after_the_end() {
        let mut hook = webhook(ALL);
        assert!(!hook.follow(&at(0), Timestamp(1)), "nothing has changed");
        assert!(hook.follow(&at(5), Timestamp(1)) && hook.follow(&at(9), Timestamp(2)));
        assert_eq!(hook.claim(Timestamp(2)), Some(News::Progress { percent: 9 }));
        assert_eq!(hook.claim(Timestamp(2)), None, "said once");
        assert!(!hook.follow(&at(9), Timestamp(3)));
        assert!(hook.follow(&at(10), Timestamp(3)) && hook.follow(&ended(), Timestamp(4)));
        assert_eq!(hook.claim(Timestamp(4)), Some(News::End));
        assert_eq!((hook.claim(Timestamp(4)), hook.follow(&ended(), Timestamp(5))), (None, false));
    }

    #[test]
    fn the_end_decides_the_status_and_a_failed_delivery_is_not_made_again() {
        for (status, expected) in [
            (Ok(200), WebhookStatus::Delivered),
            (Ok(204), WebhookStatus::Delivered),
            (Ok(302), WebhookStatus::Failed),
            (Ok(500), WebhookStatus::Failed),
            (Err("unreachable".to_owned()), WebhookStatus::Failed),
        ] {
            let mut hook = webhook(ALL);
            hook.follow(&at(5), Timestamp(1));
            let news = hook.claim(Timestamp(1)).unwrap();
            hook.settle(news, Err("unreachable".into()), ONCE, Timestamp(1));
            hook.follow(&ended(), Timestamp(2));
            assert_eq!((hook.status(), hook.is_open()), (WebhookStatus::Pending, true));
            let news = hook.claim(Timestamp(2)).unwrap();
            assert_eq!(hook.status(), WebhookStatus::Pending);
            hook.settle(news, status, ONCE, Timestamp(3));
            assert_eq!((hook.status(), hook.is_open(), hook.due(Timestamp(99))), (expected, false, None));
        }
    }

    #[test]
    fn where_nobody_asked_for_the_end_the_last_delivery_decides() {
        let mut hook = webhook(WebhookEvents { failed: false, ..ALL });
        hook.follow(&at(5), Timestamp(1));
        let news = hook.claim(Timestamp(1)).unwrap();
        hook.settle(news, Ok(200), ONCE, Timestamp(1));
        assert_eq!(hook.status(), WebhookStatus::Pending);
        hook.follow(&ended(), Timestamp(2));
        assert_eq!((hook.status(), hook.is_open()), (WebhookStatus::Delivered, false));
        let mut silent = webhook(WebhookEvents { progress: false, completed: true, failed: false });
        silent.follow(&ended(), Timestamp(2));
        assert_eq!(silent.status(), WebhookStatus::Pending);
    }

    #[test]
    fn what_was_being_sent_when_the_daemon_died_is_not_sent_again_unless_the_operator_wants_it() {
        let claimed = || {
            let mut hook = webhook(ALL);
            hook.follow(&ended(), Timestamp(2));
            assert!(!hook.recover(ONCE, Timestamp(3)), "it was not being sent: it still will be");
            assert_eq!(hook.claim(Timestamp(3)), Some(News::End));
            hook
        };
        let mut once = claimed();
        assert!(once.recover(ONCE, Timestamp(4)));
        assert_eq!((once.status(), once.due(Timestamp(i64::MAX))), (WebhookStatus::Failed, None));
        let mut again = claimed();
        assert!(again.recover(WebhookRules { attempts_max: 3, keep_log: true }, Timestamp(4)));
        assert_eq!((again.status(), again.log.len()), (WebhookStatus::Pending, 1));
    }

    #[test]
    fn a_job_that_goes_on_after_its_end_tells_its_new_end_and_no_more_of_the_old_one() {
        let mut hook = webhook(ALL);
        hook.follow(&ended(), Timestamp(1));
        assert_eq!(hook.claim(Timestamp(1)), Some(News::End));
        hook.reopen(0);
        hook.settle(News::End, Ok(200), ONCE, Timestamp(2));
        assert_eq!((hook.status(), hook.due(Timestamp(3))), (WebhookStatus::Pending, None), "of the old end");
        assert!(hook.follow(&at(5), Timestamp(3)) && hook.follow(&ended(), Timestamp(4)));
        assert_eq!(hook.claim(Timestamp(4)), Some(News::End));
        hook.settle(News::End, Ok(200), ONCE, Timestamp(5));
        assert_eq!(hook.status(), WebhookStatus::Delivered);
    }

    #[test]
    fn attempts_come_later_and_later_until_there_were_enough() {
        let rules = WebhookRules { attempts_max: 7, keep_log: true };
        let mut hook = webhook(ALL);
        hook.follow(&ended(), Timestamp(0));
        let (mut now, mut pauses) = (Timestamp(0), Vec::new());
        while let Some(news) = hook.claim(now) {
            hook.settle(news, Ok(500), rules, now);
            if let EndNews::Due { not_before, .. } = hook.end {
                assert_eq!(hook.due(Timestamp(not_before.0 - 1)), None);
                pauses.push(not_before.since(now).as_secs());
                now = not_before;
            }
        }
        assert_eq!(pauses, [10, 40, 160, 640, 2560, 3600]);
        assert_eq!((hook.status(), hook.log.len()), (WebhookStatus::Failed, 7));
    }
}
