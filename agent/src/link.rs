//! The link to the daemon: dials in, says hello, dials again when the connection is lost, and carries the calls.
//!
//! Knows nothing of work: who calls decides what an answer means.

pub mod dial;
pub mod moved;
pub mod refused;

use backon::{BackoffBuilder, ExponentialBuilder};
pub use dial::{Dial, NoWay, ToDaemon};
use moved::Search;
use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};
use tarpc::{client, context};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tweenfarm_protocol::{
    AgentId, LeaseId, codec,
    join::Certificate,
    service::{Condition, FarmClient, Hello, PLACEMENTS_SINCE, Placement, Receipt, Refusal, Renewal, Welcome},
    task::{Outcome, Progress, Task},
};

/// A daemon that does not answer a plain call for this long is taken for gone.
const CALL: Duration = Duration::from_secs(10);
/// What a long poll may take beyond the time it asked for.
const POLL_MARGIN: Duration = Duration::from_secs(10);
const DIAL: Duration = Duration::from_secs(10);
/// Dials in vain after which the daemon is looked for elsewhere, and again after as many: one that restarts is back by the
/// first time, and later it is once a minute.
const DIALS_BEFORE_LOOKING: u32 = 5;

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the connection to the daemon was lost during the call")]
    Lost(#[source] client::RpcError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the agent is stopping")]
    Stopped,
}

/// Cheap to clone; calls wait for a connection when there is none.
#[derive(Clone)]
pub struct Link {
    sessions: watch::Receiver<Option<Session>>,
    /// Asks the dialing task for a fresh hello: the session with this number is of no use.
    reset: Arc<Reset>,
    _dialing: Arc<AbortOnDropHandle<()>>,
}

/// One connection that said hello.
#[derive(Clone)]
struct Session {
    number: u64,
    client: FarmClient,
    welcome: Arc<Welcome>,
}

#[derive(Default)]
struct Reset {
    useless: std::sync::atomic::AtomicU64,
    asked: Notify,
}

impl Link {
    /// Starts dialing in the background, until `stop`.
    /// `hello` is asked at every dial: what it says of the machine may have changed.
    pub fn start(dial: impl Dial, hello: impl Fn() -> Hello + Send + 'static, stop: CancellationToken) -> Link {
        let (publish, sessions) = watch::channel(None);
        let reset = Arc::new(Reset::default());
        let dialing = tokio::spawn(keep_dialing(dial, hello, publish, reset.clone(), stop));
        Link { sessions, reset, _dialing: Arc::new(AbortOnDropHandle::new(dialing)) }
    }

    /// Waits for a welcome later than session `after` (0: any), and returns it with its number.
    pub async fn welcome_after(&self, after: u64) -> Result<(u64, Arc<Welcome>), LinkError> {
        let mut sessions = self.sessions.clone();
        let session = sessions.wait_for(|session| session.as_ref().is_some_and(|session| session.number > after));
        let session = session.await.map_err(|_| LinkError::Stopped)?;
        let session = session.as_ref().ok_or(LinkError::Stopped)?;
        Ok((session.number, session.welcome.clone()))
    }

    /// How often leases are renewed, as the daemon last said.
    pub async fn renew_every(&self) -> Result<Duration, LinkError> {
        let session = self.session().await?;
        // A daemon that asks for a storm of renewals is wrong; ten a second is as much as it gets.
        Ok(Duration::from_millis(session.welcome.renew_every_ms.max(100)))
    }

    pub fn is_connected(&self) -> bool {
        self.sessions.borrow().is_some()
    }

    /// Waits until there is a connection.
    pub async fn connected(&self) -> Result<(), LinkError> {
        self.session().await.map(|_| ())
    }

    pub async fn next_task(&self, worker: u32, wait: Duration, agent: AgentId) -> Result<Option<Task>, LinkError> {
        let session = self.session().await?;
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let answer = session.client.next_task(within(wait + POLL_MARGIN), agent, worker, wait_ms).await;
        self.judge(session.number, answer)
    }

    pub async fn renew(&self, lease: LeaseId, progress: Progress) -> Result<Renewal, LinkError> {
        let session = self.session().await?;
        let answer = session.client.renew(within(CALL), lease, progress).await;
        self.judge(session.number, answer)
    }

    pub async fn report(&self, lease: LeaseId, outcome: Outcome) -> Result<Receipt, LinkError> {
        let session = self.session().await?;
        // The daemon compares what was delivered, has the blob store copy an output to its place, and syncs its store.
        let answer = session.client.report(within(CALL * 12), lease, outcome).await;
        self.judge(session.number, answer)
    }

    /// How to deliver a result; none from a daemon of the release before, for which the URL of the task has to do.
    pub async fn place(&self, lease: LeaseId, size_bytes: u64, sha256: String) -> Result<Option<Placement>, LinkError> {
        let session = self.session().await?;
        if session.welcome.protocol < PLACEMENTS_SINCE {
            return Ok(None);
        }
        let answer = session.client.place(within(CALL * 3), lease, size_bytes, sha256).await;
        self.judge(session.number, answer).map(Some)
    }

    pub async fn put_together(&self, lease: LeaseId, upload: String, etags: Vec<String>) -> Result<(), LinkError> {
        let session = self.session().await?;
        let answer = session.client.put_together(within(CALL * 12), lease, upload, etags).await;
        self.judge(session.number, answer)
    }

    pub async fn give_back(&self, lease: LeaseId) -> Result<Receipt, LinkError> {
        let session = self.session().await?;
        let answer = session.client.give_back(within(CALL), lease).await;
        self.judge(session.number, answer)
    }

    pub async fn condition(&self, agent: AgentId, condition: Condition) -> Result<(), LinkError> {
        let session = self.session().await?;
        let answer = session.client.condition(within(CALL), agent, condition).await;
        self.judge(session.number, answer)
    }

    pub async fn renew_certificate(&self, request: String) -> Result<Certificate, LinkError> {
        let session = self.session().await?;
        let answer = session.client.renew_certificate(within(CALL), request).await;
        self.judge(session.number, answer)
    }

    async fn session(&self) -> Result<Session, LinkError> {
        let mut sessions = self.sessions.clone();
        let session = sessions.wait_for(Option::is_some).await.map_err(|_| LinkError::Stopped)?;
        session.clone().ok_or(LinkError::Stopped)
    }

    /// A call that failed on the wire or met a daemon that has forgotten us makes its session useless.
    fn judge<T>(&self, session: u64, answer: Result<Result<T, Refusal>, client::RpcError>) -> Result<T, LinkError> {
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(refusal)) => {
                if matches!(refusal, Refusal::UnknownAgent(_)) {
                    self.reset.ask(session);
                }
                Err(LinkError::Refused(refusal))
            }
            Err(cause) => {
                self.reset.ask(session);
                Err(LinkError::Lost(cause))
            }
        }
    }
}

impl Reset {
    fn ask(&self, session: u64) {
        self.useless.fetch_max(session, std::sync::atomic::Ordering::SeqCst);
        self.asked.notify_one();
    }

    /// Ends when session `number` was called useless.
    async fn of(&self, number: u64) {
        while self.useless.load(std::sync::atomic::Ordering::SeqCst) < number {
            self.asked.notified().await;
        }
    }
}

/// A context with a deadline of its own; tarpc's default of ten seconds is shorter than a long poll.
fn within(limit: Duration) -> context::Context {
    let mut context = context::current();
    context.deadline = Instant::now() + limit;
    context
}

/// Quick at first, for a daemon that restarts; at most every fifteen seconds, with jitter, so that a farm of agents does
/// not come back as one.
fn patience() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(15))
        .without_max_times()
        .with_jitter()
        .build()
}

async fn keep_dialing(
    dial: impl Dial,
    hello: impl Fn() -> Hello,
    publish: watch::Sender<Option<Session>>,
    reset: Arc<Reset>,
    stop: CancellationToken,
) {
    let mut waits = patience();
    let (mut number, mut in_vain) = (0, 0_u32);
    // What was said last: the same failure once, another one again.
    let mut told = None;
    loop {
        number += 1;
        let target = dial.target();
        let attempt = tokio::select! {
            attempt = connect(&dial, hello(), number) => attempt,
            () = stop.cancelled() => return,
        };
        match attempt {
            Ok((session, mut connection)) => {
                tracing::info!(daemon = target, version = session.welcome.daemon_version, "connected to the daemon");
                (told, in_vain) = (None, 0);
                let since = Instant::now();
                publish.send_replace(Some(session));
                tokio::select! {
                    _ = &mut connection => tracing::warn!(daemon = target, "the connection to the daemon ended"),
                    () = reset.of(number) => tracing::warn!(daemon = target, "the daemon no longer answers as expected"),
                    // Calls of the shutdown still pass: the session ends with the last handle of the link.
                    () = stop.cancelled() => {
                        let _ = connection.await;
                        return;
                    }
                }
                publish.send_replace(None);
                // A daemon that drops every connection at once is not met with a storm of new ones.
                if since.elapsed() > Duration::from_secs(30) {
                    waits = patience();
                }
            }
            Err(cause) => {
                in_vain = if cause.is_nobody() { in_vain + 1 } else { 0 };
                let cause = cause.to_string();
                if told.as_ref() != Some(&cause) {
                    tracing::warn!(daemon = target, cause, "cannot connect to the daemon, trying on");
                    told = Some(cause);
                }
                if in_vain > 0 && in_vain.is_multiple_of(DIALS_BEFORE_LOOKING) {
                    let search = tokio::select! {
                        search = dial.look_elsewhere() => search,
                        () = stop.cancelled() => return,
                    };
                    match search {
                        Search::Found(address) => {
                            tracing::info!(daemon = address, before = target, "the daemon was found elsewhere");
                            waits = patience();
                        }
                        Search::Vain(advice) if in_vain == DIALS_BEFORE_LOOKING => {
                            tracing::warn!(daemon = target, advice, "the daemon does not answer");
                        }
                        Search::Vain(_) | Search::Needless => {}
                    }
                }
            }
        }
        let wait = waits.next().unwrap_or(Duration::from_secs(15));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

enum ConnectError {
    Dial(io::Error),
    Silent,
    Call(client::RpcError),
    /// The connection broke before hello was answered: why.
    Broke(String),
    Refused(Refusal),
}

impl ConnectError {
    /// Whether the daemon may be elsewhere: nobody answered as it does.
    fn is_nobody(&self) -> bool {
        matches!(self, ConnectError::Dial(_) | ConnectError::Silent)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Dial(cause) => f.write_str(&refused::sentence(cause)),
            ConnectError::Broke(sentence) => f.write_str(sentence),
            ConnectError::Silent => write!(f, "no answer within {} s", DIAL.as_secs()),
            ConnectError::Call(cause) => write!(f, "hello failed: {cause}"),
            ConnectError::Refused(refusal) => write!(f, "{refusal}"),
        }
    }
}

/// Dials and says hello. The handle ends when the connection does, and ends it when dropped.
async fn connect(
    dial: &impl Dial,
    hello: Hello,
    number: u64,
) -> Result<(Session, AbortOnDropHandle<()>), ConnectError> {
    let stream = tokio::time::timeout(DIAL, dial.dial()).await.map_err(|_| ConnectError::Silent)?;
    let stream = stream.map_err(ConnectError::Dial)?;
    let client::NewClient { client, dispatch } = FarmClient::new(client::Config::default(), codec::transport(stream));
    let (why, broke) = oneshot::channel();
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(cause) = dispatch.await {
            tracing::debug!(%cause, "the connection to the daemon broke");
            // Nobody asks any more once hello was answered.
            let _ = why.send(refused::sentence(&cause));
        }
    }));
    let welcome = match client.hello(within(CALL), hello).await {
        Ok(answer) => Arc::new(answer.map_err(ConnectError::Refused)?),
        // A certificate that the daemon refuses is refused after the handshake: only the connection knows why it broke.
        Err(cause) => {
            let broke = tokio::time::timeout(Duration::from_secs(1), broke).await;
            return Err(broke.ok().and_then(Result::ok).map_or(ConnectError::Call(cause), ConnectError::Broke));
        }
    };
    Ok((Session { number, client, welcome }, connection))
}

#[cfg(test)]
mod tests;
