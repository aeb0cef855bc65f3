//! The line to the daemon: reads what is on the screen again and again, follows the events, does what is asked. It tells
//! the state by events only; the screen never waits for it.

mod acts;
pub mod stream;

use super::{
    action::{Asked, Looking},
    event::{Event, Subject, Told},
    picture::Picture,
};
use crate::client::{Client, ClientError};
use serde::de::DeserializeOwned;
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::sleep,
};
use tweenfarm_protocol::{
    JobId, Timestamp,
    operator::{JobDetail, JobRow, LedgerRow, Page},
};

/// How often the screen is read anew when no event says that something changed.
const READ_EVERY: Duration = Duration::from_secs(2);
/// Events of a busy farm come by the hundred; what they changed is read once for all of them.
const READ_GAP: Duration = Duration::from_millis(500);
/// A daemon that is slow is left alone for this many times what reading took, but not so long that it looks gone.
const REST_FACTOR: u32 = 4;
const REST_MAX: Duration = Duration::from_secs(4);
/// Jobs that are held: at about half a kilobyte each, 10 MB.
const JOBS_MAX: usize = 20_000;
/// Jobs that ended since the last time are asked for one by one; when they are more than this, the list is read anew.
const ENDED_MAX: usize = 50;
const PAGE: usize = 1000;
const LEDGER_MAX: usize = 2_000;
const FILES_MAX: usize = 2_000;

/// What the console wants of the link.
pub enum Orders {
    Ask(Asked),
    Reread,
}

pub async fn run(
    client: Arc<Client>,
    told: mpsc::Sender<Event>,
    mut orders: mpsc::Receiver<Orders>,
    looking: watch::Receiver<Looking>,
) {
    let anew = Arc::new(Notify::new());
    // They end with this future: a set aborts its tasks when it is dropped.
    let mut tasks = JoinSet::new();
    tasks.spawn(stream::follow(client.clone(), told.clone(), anew.clone()));
    tasks.spawn(
        Reader { client: client.clone(), told: told.clone(), open: HashSet::new(), whole: false, previewed: None }
            .run(looking, anew.clone()),
    );
    while let Some(order) = orders.recv().await {
        match order {
            Orders::Reread => anew.notify_one(),
            Orders::Ask(asked) => {
                let event = acts::done(&client, asked).await;
                if told.send(event).await.is_err() {
                    return;
                }
                anew.notify_one();
            }
        }
    }
}

struct Reader {
    client: Arc<Client>,
    told: mpsc::Sender<Event>,
    /// The jobs that were under way when they were read last.
    open: HashSet<JobId>,
    /// Whether the list of jobs has been read to its end.
    whole: bool,
    /// The job that a picture was asked of last, and at which step it was then.
    previewed: Option<(JobId, String)>,
}

/// Why a round of reading ended early.
enum Broken {
    Daemon(ClientError),
    /// The console is closing.
    Console,
}

/// A word for how much of a job can be seen; none while no frame is finished.
fn stage(detail: &JobDetail) -> Option<String> {
    let row = &detail.row;
    let has_frames = match row.state.as_str() {
        "rendering" => row.pieces.rendered > 0,
        // Of a cancelled job what was rendered is kept for a while.
        "joining" | "marking" | "done" | "cancelled" => true,
        _ => false,
    };
    has_frames.then(|| row.state.clone())
}

impl Reader {
    async fn run(mut self, mut looking: watch::Receiver<Looking>, anew: Arc<Notify>) {
        loop {
            let look = looking.borrow_and_update().clone();
            let began = Instant::now();
            let round = tokio::select! {
                round = self.round(&look) => round,
                // Another screen: what is still being read for this one is of no use.
                changed = looking.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            match round {
                Ok(()) => {}
                Err(Broken::Console) => return,
                Err(Broken::Daemon(error)) => {
                    (self.whole, self.open, self.previewed) = (false, HashSet::new(), None);
                    let lost = Event::Lost { at: Timestamp::now(), why: error.to_string() };
                    if self.told.send(lost).await.is_err() {
                        return;
                    }
                }
            }
            let took = began.elapsed();
            tokio::select! {
                () = sleep((took * REST_FACTOR).clamp(READ_EVERY, REST_MAX)) => {}
                () = async { sleep(took.clamp(READ_GAP, READ_EVERY)).await; anew.notified().await } => {}
                changed = looking.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn round(&mut self, look: &Looking) -> Result<(), Broken> {
        self.read(Subject::Me, "/operator/me", Told::Me).await?;
        self.read(Subject::Status, "/operator/status", Told::Status).await?;
        self.read(Subject::Queue, "/operator/queue", Told::Queue).await?;
        if look.history {
            self.read(Subject::History, "/operator/history?minutes=60&points=120", Told::History).await?;
        }
        if look.jobs {
            self.jobs().await?;
        }
        if let Some(job) = look.job {
            let detail: Option<JobDetail> = self.ask(Subject::Job, &format!("/operator/jobs/{job}")).await?;
            let stage = detail.as_ref().and_then(stage);
            self.tell(detail.map(Told::Job)).await?;
            self.read(Subject::Schedule, &format!("/operator/jobs/{job}/schedule"), Told::Schedule).await?;
            self.read(Subject::Log, &format!("/operator/jobs/{job}/log"), |rows| Told::Log(job, rows)).await?;
            self.preview(job, stage);
        }
        if look.agents {
            self.read(Subject::Agents, "/operator/agents", Told::Agents).await?;
            self.read(Subject::Duties, "/operator/duties", Told::Duties).await?;
        }
        if look.users {
            let users = self.pages(Subject::Users, "/operator/users?", usize::MAX).await?;
            self.tell(users.map(Told::Users)).await?;
        }
        if let Some(account) = look.ledger {
            let path = format!("/operator/users/{account}/ledger?");
            let rows: Option<Vec<LedgerRow>> = self.pages(Subject::Ledger, &path, LEDGER_MAX).await?;
            self.tell(rows.map(|rows| Told::Ledger(account, rows))).await?;
        }
        if look.retention {
            self.read(Subject::Retention, "/operator/retention", Told::Retention).await?;
            let files = self.pages(Subject::Files, "/operator/retention/files?", FILES_MAX).await?;
            self.tell(files.map(Told::Files)).await?;
        }
        if look.watch {
            self.read(Subject::Watch, "/operator/watch", Told::Watch).await?;
        }
        Ok(())
    }

    /// Once when there is something to be seen, and once more at each step of the job: the daemon works for it. Nothing
    /// waits for it here.
    fn preview(&mut self, job: JobId, stage: Option<String>) {
        let seen = stage.map(|stage| (job, stage));
        if seen.is_none() || seen == self.previewed {
            return;
        }
        self.previewed = seen;
        let (client, told) = (self.client.clone(), self.told.clone());
        tokio::spawn(async move {
            let event = match client.preview(job).await {
                Ok((frame, png)) => {
                    let picture = tokio::task::spawn_blocking(move || Picture::of_png(job, frame, &png)).await;
                    let told = picture.ok().flatten().map(|picture| Box::new(Told::Preview(picture)));
                    told.map(|told| Event::Told { at: Timestamp::now(), told })
                }
                Err(error) => Some(Event::Untold { subject: Subject::Preview, why: error.to_string() }),
            };
            if let Some(event) = event {
                // A console that is closing shows it to nobody.
                let _ = told.send(event).await;
            }
        });
    }

    /// All jobs once; from then on the newest, those under way, and those that were.
    async fn jobs(&mut self) -> Result<(), Broken> {
        if !self.whole {
            self.whole = self.job_pages("", JOBS_MAX).await?.is_some();
        } else {
            self.job_pages("limit=100&", 100).await?;
        }
        let Some(open) = self.job_pages("state=open&", JOBS_MAX).await? else { return Ok(()) };
        let ended: Vec<JobId> = self.open.difference(&open).copied().collect();
        if ended.len() > ENDED_MAX {
            self.whole = false;
        } else {
            for job in ended {
                let detail = self.ask::<JobDetail>(Subject::Jobs, &format!("/operator/jobs/{job}")).await?;
                self.tell(detail.map(|detail| Told::Jobs(vec![detail.row]))).await?;
            }
        }
        self.open = open;
        Ok(())
    }

    /// Tells page after page as they come; which jobs they held, or none if the daemon refuses.
    async fn job_pages(&mut self, query: &str, rows_max: usize) -> Result<Option<HashSet<JobId>>, Broken> {
        let (mut seen, mut after) = (HashSet::new(), String::new());
        let limit = if query.contains("limit=") { String::new() } else { format!("limit={PAGE}&") };
        loop {
            let path = format!("/operator/jobs?{query}{limit}{after}");
            let Some(page) = self.ask::<Page<JobRow>>(Subject::Jobs, &path).await? else { return Ok(None) };
            seen.extend(page.rows.iter().map(|row| row.job));
            self.tell(Some(Told::Jobs(page.rows))).await?;
            match page.next {
                Some(next) if seen.len() < rows_max => after = format!("after={next}"),
                _ => return Ok(Some(seen)),
            }
        }
    }

    async fn pages<Row: DeserializeOwned>(
        &mut self,
        subject: Subject,
        path: &str,
        rows_max: usize,
    ) -> Result<Option<Vec<Row>>, Broken> {
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("{path}limit={PAGE}{after}");
            let Some(page) = self.ask::<Page<Row>>(subject, &path).await? else { return Ok(None) };
            rows.extend(page.rows);
            match page.next {
                Some(next) if rows.len() < rows_max => after = format!("&after={next}"),
                _ => return Ok(Some(rows)),
            }
        }
    }

    async fn read<T: DeserializeOwned>(
        &mut self,
        subject: Subject,
        path: &str,
        told: impl FnOnce(T) -> Told,
    ) -> Result<(), Broken> {
        let answer = self.ask(subject, path).await?;
        self.tell(answer.map(told)).await
    }

    /// None where the daemon refuses this one thing; that is told, and the round goes on.
    async fn ask<T: DeserializeOwned>(&mut self, subject: Subject, path: &str) -> Result<Option<T>, Broken> {
        match self.client.get(path).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ (ClientError::Refused { .. } | ClientError::Unreadable(_))) => {
                self.send(Event::Untold { subject, why: error.to_string() }).await?;
                Ok(None)
            }
            Err(error) => Err(Broken::Daemon(error)),
        }
    }

    async fn tell(&self, told: Option<Told>) -> Result<(), Broken> {
        match told {
            Some(told) => self.send(Event::Told { at: Timestamp::now(), told: Box::new(told) }).await,
            None => Ok(()),
        }
    }

    async fn send(&self, event: Event) -> Result<(), Broken> {
        self.told.send(event).await.map_err(|_| Broken::Console)
    }
}
