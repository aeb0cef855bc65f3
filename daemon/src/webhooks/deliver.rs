//! The deliverer: one job's news in order, many jobs at once. What is sent was claimed first, durably; a process that
//! dies in between has sent it or has not, and nobody sends it again.

use super::message::{Described, Message, message, signature};
use crate::{
    farm::{ClaimedNews, Farm, FarmError},
    model::{Job, News},
    outbound::{Outbound, OutboundError},
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tweenfarm_protocol::JobId;
use url::Url;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Between two deliveries of one job's progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Deliveries under way at once: slow receivers of some jobs leave room for those of others.
const SENDING_MAX: usize = 64;
/// How often what is due is looked for: attempts to be made again, and what no effect has told.
const LOOK_EVERY: Duration = Duration::from_secs(5);

const EVENT: HeaderName = HeaderName::from_static("x-webhook-event");
const SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");

type Describe = Arc<dyn Fn(&Job) -> Result<Described, FarmError> + Send + Sync>;

#[derive(Clone)]
pub struct Deliveries {
    farm: Farm,
    outbound: Outbound,
    describe: Describe,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// A job whose news is being told, and whether there was more since.
struct Telling {
    more: bool,
}

impl Deliveries {
    /// `describe` gives a job the words of its surface.
    pub fn new(
        farm: Farm,
        outbound: Outbound,
        describe: impl Fn(&Job) -> Result<Described, FarmError> + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Deliveries {
        let places = Arc::new(Semaphore::new(SENDING_MAX));
        Deliveries { farm, outbound, describe: Arc::new(describe), places, stop }
    }

    /// Tells what is due until `stop`, then lets deliveries under way end. A job that comes by `news` is looked at once.
    pub async fn run(self, mut news: mpsc::Receiver<JobId>) {
        let mut telling: HashMap<JobId, Telling> = HashMap::new();
        let mut told_progress: HashMap<JobId, Instant> = HashMap::new();
        let mut tasks = JoinSet::new();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due: Vec<JobId> = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(job) = news.recv() => vec![job],
                Some(done) = tasks.join_next() => {
                    // A panic has been logged; its job is looked at again with the next tick.
                    let Ok((job, at)) = done else { continue };
                    told_progress.extend(Option::zip(Some(job), at));
                    telling.remove(&job).filter(|telling| telling.more).map(|_| job).into_iter().collect()
                }
                _ = ticks.tick() => {
                    told_progress.retain(|_, at| at.elapsed() < PROGRESS_EVERY);
                    self.open_webhooks().await
                }
            };
            for job in due {
                match telling.get_mut(&job) {
                    Some(telling) => telling.more = true,
                    None => {
                        telling.insert(job, Telling { more: false });
                        let (deliveries, last) = (self.clone(), told_progress.get(&job).copied());
                        tasks.spawn(async move { (job, deliveries.tell(job, last).await) });
                    }
                }
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn open_webhooks(&self) -> Vec<JobId> {
        let farm = self.farm.clone();
        let found = tokio::task::spawn_blocking(move || farm.open_webhooks()).await;
        found.unwrap_or(Err(FarmError::Unavailable)).unwrap_or_else(|error| {
            tracing::warn!(%error, "the webhooks that are due could not be looked for");
            Vec::new()
        })
    }

    /// Tells all that is due of one job; when progress of it was told last.
    async fn tell(&self, job: JobId, mut told_progress: Option<Instant>) -> Option<Instant> {
        while !self.stop.is_cancelled() {
            match self.tell_one(job, &mut told_progress).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%job, %error, "a webhook is left for later");
                    break;
                }
            }
        }
        told_progress
    }

    /// False when nothing is due now.
    async fn tell_one(&self, job: JobId, told_progress: &mut Option<Instant>) -> Result<bool, FarmError> {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        let due = self.farm.webhook(job)?.and_then(|webhook| webhook.due(self.farm.now()));
        match due {
            None => return Ok(false),
            Some(News::Progress { .. }) => {
                if let Some(next) = told_progress.map(|at| at + PROGRESS_EVERY).filter(|next| *next > Instant::now()) {
                    drop(_place);
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = sleep_until(next) => {}
                    }
                    // It may have moved on, or ended.
                    return Ok(true);
                }
            }
            Some(News::End) => {}
        }
        let Some(claimed) = self.farm.claim_news(job).await? else { return Ok(false) };
        let news = claimed.news;
        if matches!(news, News::Progress { .. }) {
            *told_progress = Some(Instant::now());
        }
        let outcome = self.send(&claimed).await;
        match &outcome {
            Ok(status) => tracing::info!(%job, ?news, status, "a webhook was sent"),
            Err(failure) => tracing::info!(%job, ?news, failure, "a webhook could not be sent"),
        }
        self.farm.settle_news(job, news, outcome).await?;
        Ok(true)
    }

    /// The status of the answer, or why there was none, in words that hold nothing of the URL.
    async fn send(&self, claimed: &ClaimedNews) -> Result<u16, String> {
        let ClaimedNews { webhook, news, job } = claimed;
        let described = (self.describe)(job).map_err(|error| format!("the job could not be described: {error}"))?;
        let Message { event, body } = message(job, *news, described);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(EVENT, HeaderValue::from_static(event));
        if let Some(signed) = webhook.signed_with.and_then(|key| signature(key, &body).parse().ok()) {
            headers.insert(SIGNATURE, signed);
        }
        let url: Url = webhook.url.parse().map_err(|_| "it is not a URL".to_owned())?;
        let answer = self.outbound.post(&url, headers, body, ANSWER_WITHIN).await;
        answer.map(|status| status.as_u16()).map_err(|error: OutboundError| error.to_string())
    }
}
