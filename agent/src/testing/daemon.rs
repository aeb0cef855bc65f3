//! A daemon in memory: the agents' service over real TCP, with scripted answers and a record of all calls.

use crate::link::{Dial, Link};
use futures::StreamExt;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tarpc::{
    context::Context,
    server::{BaseChannel, Channel},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tweenfarm_protocol::{
    AgentId, LeaseId, codec,
    join::Certificate,
    service::{Condition, Farm, Hello, PROTOCOL_VERSIONS, Placement, Receipt, Refusal, Renewal, Welcome},
    task::{Deliver, Outcome, Presigned, Progress, Task, Work},
};

/// What the daemon knows and what it was told; it outlives a restart like a store on disk.
#[derive(Default)]
pub struct Book {
    pub hellos: Vec<Hello>,
    pub tasks: VecDeque<Task>,
    /// Leases that a renewal keeps; all others are lost.
    pub leased: HashSet<LeaseId>,
    pub renewals: Vec<(LeaseId, Progress)>,
    pub conditions: Vec<Condition>,
    pub reports: Vec<(LeaseId, Outcome)>,
    pub given_back: Vec<LeaseId>,
    /// Answers of the next reports; without one a current lease is accepted and any other is stale.
    pub next_receipts: VecDeque<Result<Receipt, Refusal>>,
    /// The protocol it speaks; none for the newest.
    pub speaks: Option<u32>,
    /// How results are to be delivered, the last one from then on. Without any, at the URL of their task.
    pub places: VecDeque<Placement>,
    /// Where the results of offered tasks go.
    urls: HashMap<LeaseId, Deliver>,
    pub asked_to_place: u32,
    /// Uploads in parts that were ended, with their tags.
    pub put_together: Vec<(String, Vec<String>)>,
    /// Agents that said hello since the last start.
    known: HashSet<AgentId>,
}

pub struct Daemon {
    pub address: String,
    book: Arc<Mutex<Book>>,
    serving: Option<AbortOnDropHandle<()>>,
}

/// Plain TCP: what is tested with this daemon is not who may talk to whom.
pub struct TcpDial {
    pub address: String,
}

impl Dial for TcpDial {
    type Stream = TcpStream;

    async fn dial(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(&self.address).await
    }

    fn target(&self) -> String {
        self.address.clone()
    }
}

pub fn agent() -> AgentId {
    AgentId(uuid::Uuid::from_u128(7))
}

pub fn hello() -> Hello {
    Hello {
        protocol: (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end()),
        agent: agent(),
        name: "test".to_owned(),
        version: "0".to_owned(),
        workers: Vec::new(),
        free_disk_bytes: 0,
    }
}

impl Daemon {
    pub async fn start() -> Daemon {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let book = Arc::new(Mutex::new(Book::default()));
        let serving = Some(serve(listener, book.clone()));
        Daemon { address, book, serving }
    }

    /// Drops every connection, as a killed process does.
    pub fn kill(&mut self) {
        self.serving = None;
        self.book().known.clear();
    }

    /// Listens again at the same address, with the same book.
    pub async fn restart(&mut self) {
        self.kill();
        let listener = loop {
            // The old listener may take a moment to go.
            match TcpListener::bind(&self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        self.serving = Some(serve(listener, self.book.clone()));
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Forgets who said hello, as a daemon does that lost its memory but not its connections.
    pub fn forget_agents(&self) {
        self.book().known.clear();
    }

    pub fn offer(&self, task: Task) {
        let deliver = match &task.work {
            Work::Render(work) => &work.deliver,
            Work::Join(work) => &work.deliver,
            Work::Mark(work) => &work.deliver,
        };
        let mut book = self.book();
        book.urls.insert(task.lease, deliver.clone());
        book.tasks.push_back(task);
    }

    /// A link to this daemon that ends with the token.
    pub fn link(&self, stop: &CancellationToken) -> Link {
        Link::start(TcpDial { address: self.address.clone() }, hello, stop.clone())
    }
}

fn serve(listener: TcpListener, book: Arc<Mutex<Book>>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        // Connections end with the set, and the set with this task.
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let service = Service { book: book.clone() };
            connections.spawn(async move {
                let mut requests =
                    Box::pin(BaseChannel::with_defaults(codec::transport(stream)).execute(service.serve()));
                let mut answers = tokio::task::JoinSet::new();
                while let Some(answer) = requests.next().await {
                    answers.spawn(answer);
                }
            });
        }
    }))
}

#[derive(Clone)]
struct Service {
    book: Arc<Mutex<Book>>,
}

impl Service {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}

impl Farm for Service {
    async fn hello(self, _: Context, hello: Hello) -> Result<Welcome, Refusal> {
        let mut book = self.book();
        book.known.insert(hello.agent);
        book.hellos.push(hello);
        Ok(Welcome {
            protocol: book.speaks.unwrap_or(*PROTOCOL_VERSIONS.end()),
            daemon_version: "test".to_owned(),
            renew_every_ms: 100,
            leases: book.leased.iter().copied().collect(),
        })
    }

    async fn next_task(self, _: Context, agent: AgentId, _: u32, wait_ms: u64) -> Result<Option<Task>, Refusal> {
        for _ in 0..wait_ms / 10 {
            {
                let mut book = self.book();
                if !book.known.contains(&agent) {
                    return Err(Refusal::UnknownAgent(agent));
                }
                if let Some(task) = book.tasks.pop_front() {
                    book.leased.insert(task.lease);
                    return Ok(Some(task));
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(None)
    }

    async fn renew(self, _: Context, lease: LeaseId, progress: Progress) -> Result<Renewal, Refusal> {
        let mut book = self.book();
        book.renewals.push((lease, progress));
        Ok(if book.leased.contains(&lease) { Renewal::Kept } else { Renewal::Lost })
    }

    async fn report(self, _: Context, lease: LeaseId, outcome: Outcome) -> Result<Receipt, Refusal> {
        let mut book = self.book();
        book.reports.push((lease, outcome));
        if let Some(receipt) = book.next_receipts.pop_front() {
            return receipt;
        }
        Ok(if book.leased.remove(&lease) { Receipt::Accepted } else { Receipt::Stale })
    }

    async fn condition(self, _: Context, _: AgentId, condition: Condition) -> Result<(), Refusal> {
        self.book().conditions.push(condition);
        Ok(())
    }

    async fn place(self, _: Context, lease: LeaseId, _: u64, _: String) -> Result<Placement, Refusal> {
        let mut book = self.book();
        book.asked_to_place += 1;
        let next = if book.places.len() > 1 { book.places.pop_front() } else { book.places.front().cloned() };
        let of_task = || {
            let Deliver { url, content_type } = book.urls.get(&lease)?.clone();
            Some(Placement::Whole(Presigned { url, headers: vec![("content-type".to_owned(), content_type)] }))
        };
        let place = next.or_else(of_task).unwrap_or(Placement::There);
        Ok(if book.leased.contains(&lease) { place } else { Placement::Over })
    }

    async fn put_together(self, _: Context, lease: LeaseId, upload: String, etags: Vec<String>) -> Result<(), Refusal> {
        let mut book = self.book();
        let is_current = book.leased.contains(&lease);
        book.put_together.push((upload, etags));
        if is_current { Ok(()) } else { Err(Refusal::NotDelivered) }
    }

    async fn renew_certificate(self, _: Context, _: String) -> Result<Certificate, Refusal> {
        Err(Refusal::Unavailable)
    }

    async fn give_back(self, _: Context, lease: LeaseId) -> Result<Receipt, Refusal> {
        let mut book = self.book();
        book.given_back.push(lease);
        Ok(if book.leased.remove(&lease) { Receipt::Accepted } else { Receipt::Stale })
    }
}
