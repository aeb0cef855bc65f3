//! The operator API as methods: JSON over HTTP over the daemon's Unix socket, one connection for each call.

use crate::{command::AccountName, console::AgentOrder, door::Door};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::{Body, Bytes, Incoming},
    client::conn::http1,
    header::{self, HeaderMap},
    http::request::Builder,
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tweenfarm_protocol::{
    AgentId, FileId, JobId, KeyId, Xeconds,
    operator::{
        AddKey, AddOperator, AddUser, AddedKey, AddedOperator, AddedUser, Adjust, AgentRow, DutyRow, Grant, Granted,
        Invite, Invited, JobRow, JobSchedule, KeyRow, LedgerRow, NewKey, OperatorRow, Page, Pinned, Problem, QueueRow,
        RevokedAgent, RevokedKey, RevokedOperator, SetPriority, SetWeight, Standing, Status, Sweep, Swept, UserRow,
        WatchOrder, WatchOrdered, WatchView, WeightRow,
    },
};

/// The daemon answers in milliseconds; one that does not within this is stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Why a command was not done, each with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no daemon has its socket at {0}: start tweenfarmd, or name its socket with --socket or TWEENFARM_SOCKET")]
    NoSocket(PathBuf),
    #[error("nobody listens at {0}: the daemon has stopped, start tweenfarmd")]
    NotRunning(PathBuf),
    #[error("{0} may only be used by the user tweenfarmd runs as: run this with sudo, or as that user")]
    NoPermission(PathBuf),
    #[error("{path} could not be connected to: {source}")]
    Socket { path: PathBuf, source: io::Error },
    #[error("the daemon at {address} cannot be reached: {sentence}")]
    Network { address: String, sentence: String },
    #[error("the daemon did not answer within {} s: see its log", ANSWER_WITHIN.as_secs())]
    Silent,
    #[error("the daemon broke the connection off, it may be stopping: {0}")]
    Broken(#[from] hyper::Error),
    #[error("the daemon's answer cannot be read, it may be of another release than this program: {0}")]
    Unreadable(String),
    #[error("{sentence}")]
    Refused { sentence: String },
    #[error("no account has the e-mail address {0}: see `tweenfarm users list`")]
    NoSuchAccount(String),
    #[error("no agent is called {0}: see `tweenfarm agents`")]
    NoSuchAgent(String),
}

pub struct Client {
    door: Door,
}

impl Client {
    pub fn new(door: Door) -> Client {
        Client { door }
    }

    pub async fn add_user(&self, user: AddUser) -> Result<AddedUser, ClientError> {
        self.post("/operator/users", &user).await
    }

    /// All of them.
    pub async fn users(&self) -> Result<Vec<UserRow>, ClientError> {
        self.all("/operator/users?limit=1000").await
    }

    pub async fn grant(&self, name: &AccountName, grant: Grant) -> Result<Granted, ClientError> {
        self.post(&self.path_of(name, "grants").await?, &grant).await
    }

    pub async fn adjust(&self, name: &AccountName, xeconds: Xeconds, reason: String) -> Result<Granted, ClientError> {
        self.post(&self.path_of(name, "adjustments").await?, &Adjust { xeconds, reason }).await
    }

    /// All of it, oldest first.
    pub async fn ledger(&self, name: &AccountName) -> Result<Vec<LedgerRow>, ClientError> {
        let path = self.path_of(name, "ledger?limit=1000").await?;
        let mut rows = self.all(&path).await?;
        rows.reverse();
        Ok(rows)
    }

    pub async fn new_key(&self, name: &AccountName) -> Result<NewKey, ClientError> {
        self.call(Method::POST, &self.path_of(name, "key").await?, Bytes::new()).await
    }

    pub async fn keys(&self, name: &AccountName) -> Result<Vec<KeyRow>, ClientError> {
        self.get(&self.path_of(name, "keys").await?).await
    }

    pub async fn add_key(&self, name: &AccountName, key: AddKey) -> Result<AddedKey, ClientError> {
        self.post(&self.path_of(name, "keys").await?, &key).await
    }

    /// One of the many, or the one of the ReframeFX surface.
    pub async fn revoke_key(&self, name: &AccountName, key: Option<KeyId>) -> Result<RevokedKey, ClientError> {
        let what = key.map_or("key".to_owned(), |key| format!("keys/{key}"));
        self.call(Method::DELETE, &self.path_of(name, &what).await?, Bytes::new()).await
    }

    /// Where something of an account is.
    async fn path_of(&self, name: &AccountName, what: &str) -> Result<String, ClientError> {
        let account = match name {
            AccountName::Id(id) => *id,
            AccountName::Email(email) => {
                let users = self.users().await?;
                let user = users.iter().find(|user| user.email.eq_ignore_ascii_case(email));
                user.ok_or_else(|| ClientError::NoSuchAccount(email.clone()))?.account
            }
        };
        Ok(format!("/operator/users/{account}/{what}"))
    }

    pub async fn jobs(&self, limit: u32) -> Result<Vec<JobRow>, ClientError> {
        let page: Page<JobRow> = self.get(&format!("/operator/jobs?limit={limit}")).await?;
        Ok(page.rows)
    }

    pub async fn job(&self, job: JobId) -> Result<JobRow, ClientError> {
        self.get(&format!("/operator/jobs/{job}")).await
    }

    pub async fn cancel(&self, job: JobId) -> Result<JobRow, ClientError> {
        self.call(Method::POST, &format!("/operator/jobs/{job}/cancel"), Bytes::new()).await
    }

    pub async fn sweep(&self, dry_run: bool) -> Result<Swept, ClientError> {
        self.post("/operator/sweeps/retention", &Sweep { dry_run }).await
    }

    pub async fn invite(&self, invite: Invite) -> Result<Invited, ClientError> {
        self.post("/operator/invitations", &invite).await
    }

    pub async fn revoke_agent(&self, named: &str) -> Result<RevokedAgent, ClientError> {
        let agent = self.agent_that(named, |agent| agent.standing != Standing::Local).await?;
        self.call(Method::DELETE, &format!("/operator/agents/{agent}"), Bytes::new()).await
    }

    /// By the name it was invited by or gave itself, or by its id.
    pub async fn agent_named(&self, named: &str) -> Result<AgentId, ClientError> {
        self.agent_that(named, |_| true).await
    }

    async fn agent_that(&self, named: &str, fits: impl Fn(&AgentRow) -> bool) -> Result<AgentId, ClientError> {
        let agents = self.agents().await?;
        let goes_by = |agent: &&AgentRow| {
            agent.agent.to_string() == named || (agent.name == named && agent.standing != Standing::Revoked)
        };
        let agent = agents.iter().filter(|agent| fits(agent)).find(goes_by);
        agent.map(|agent| agent.agent).ok_or_else(|| ClientError::NoSuchAgent(named.to_owned()))
    }

    pub async fn agents(&self) -> Result<Vec<AgentRow>, ClientError> {
        self.get("/operator/agents").await
    }

    pub async fn operators(&self) -> Result<Vec<OperatorRow>, ClientError> {
        self.get("/operator/operators").await
    }

    pub async fn add_operator(&self, operator: AddOperator) -> Result<AddedOperator, ClientError> {
        self.post("/operator/operators", &operator).await
    }

    pub async fn revoke_operator(&self, name: &str) -> Result<RevokedOperator, ClientError> {
        self.call(Method::DELETE, &format!("/operator/operators/{name}"), Bytes::new()).await
    }

    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/operator/status").await
    }

    /// Every page of a list; `path` has a query already.
    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let mut page: Page<T> = self.get(path).await?;
        let mut rows = std::mem::take(&mut page.rows);
        while let Some(next) = &page.next {
            page = self.get(&format!("{path}&after={next}")).await?;
            rows.append(&mut page.rows);
        }
        Ok(rows)
    }

    /// Keeps a file past its time, or lets it go.
    pub async fn pin(&self, file: FileId, pinned: bool) -> Result<Pinned, ClientError> {
        let method = if pinned { Method::PUT } else { Method::DELETE };
        self.call(method, &format!("/operator/files/{file}/pin"), Bytes::new()).await
    }

    pub async fn undo_cancel(&self, job: JobId) -> Result<JobSchedule, ClientError> {
        self.call(Method::POST, &format!("/operator/jobs/{job}/undo"), Bytes::new()).await
    }

    pub async fn retry(&self, job: JobId) -> Result<JobSchedule, ClientError> {
        self.call(Method::POST, &format!("/operator/jobs/{job}/retry"), Bytes::new()).await
    }

    pub async fn pause_job(&self, job: JobId, paused: bool) -> Result<JobSchedule, ClientError> {
        let what = if paused { "pause" } else { "resume" };
        self.call(Method::POST, &format!("/operator/jobs/{job}/{what}"), Bytes::new()).await
    }

    pub async fn prioritise(&self, job: JobId, priority: i32) -> Result<JobSchedule, ClientError> {
        self.put(&format!("/operator/jobs/{job}/priority"), &SetPriority { priority }).await
    }

    pub async fn pause_queue(&self, paused: bool) -> Result<QueueRow, ClientError> {
        let what = if paused { "pause" } else { "resume" };
        self.call(Method::POST, &format!("/operator/queue/{what}"), Bytes::new()).await
    }

    pub async fn order_agent(&self, agent: AgentId, order: AgentOrder) -> Result<DutyRow, ClientError> {
        let what = match order {
            AgentOrder::Pause => "pause",
            AgentOrder::Drain => "drain",
            AgentOrder::Resume => "resume",
        };
        self.call(Method::POST, &format!("/operator/agents/{agent}/{what}"), Bytes::new()).await
    }

    pub async fn weigh(&self, name: &AccountName, weight: u32) -> Result<WeightRow, ClientError> {
        self.put(&self.path_of(name, "weight").await?, &SetWeight { weight }).await
    }

    pub async fn watch(&self) -> Result<WatchView, ClientError> {
        self.get("/operator/watch").await
    }

    /// What the watcher is to do with one of its files.
    pub async fn order_watched(&self, file: &str, order: WatchOrder) -> Result<WatchOrdered, ClientError> {
        let what = match order {
            WatchOrder::Release => "release",
            WatchOrder::Retry => "retry",
        };
        self.call(Method::POST, &format!("/operator/watch/{file}/{what}"), Bytes::new()).await
    }

    /// A stream of server-sent events, from the one after `last_id` if the daemon still has it.
    pub async fn stream(&self, path: &str, last_id: Option<&str>) -> Result<Stream, ClientError> {
        let request = self.request(Method::GET, path).header(header::ACCEPT, "text/event-stream");
        let request = match last_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.send(request, Bytes::new())).await;
        let response = answer.map_err(|_| ClientError::Silent)??;
        if !response.status().is_success() {
            let bytes = response.into_body().collect().await?.to_bytes();
            return Err(refusal(&bytes));
        }
        Ok(Stream { body: response.into_body() })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.send_body(Method::POST, path, body).await
    }

    async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.send_body(Method::PUT, path, body).await
    }

    async fn send_body<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|cause| ClientError::Unreadable(cause.to_string()))?;
        self.call(method, path, body.into()).await
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, ClientError> {
        let (_, bytes) = self.exchange(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(unreadable)
    }

    /// A frame that a job has made: its index in the output, and a PNG.
    pub async fn preview(&self, job: JobId) -> Result<(u64, Bytes), ClientError> {
        let path = format!("/operator/jobs/{job}/preview");
        let (headers, png) = self.exchange(Method::GET, &path, Bytes::new()).await?;
        let frame = headers.get("x-frame").and_then(|frame| frame.to_str().ok()?.parse().ok());
        Ok((frame.unwrap_or(0), png))
    }

    /// One whole answer; what is refused is an error.
    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<(HeaderMap, Bytes), ClientError> {
        let exchange = async {
            let response = self.send(self.request(method, path), body).await?;
            let (head, body) = response.into_parts();
            Ok::<_, ClientError>((head, body.collect().await?.to_bytes()))
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, exchange).await;
        let (head, bytes) = answer.map_err(|_| ClientError::Silent)??;
        if head.status.is_success() { Ok((head.headers, bytes)) } else { Err(refusal(&bytes)) }
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "tweenfarmd");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        match self.door.token() {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// One request on a connection of its own; its answer as far as the head.
    async fn send(&self, request: Builder, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let connection = self.door.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(connection)).await?;
        // It ends with the sender; what goes wrong on it comes back through the request.
        tokio::spawn(connection);
        let request = request.body(Full::new(body)).map_err(|cause| ClientError::Unreadable(cause.to_string()))?;
        Ok(sender.send_request(request).await?)
    }
}

/// An answer that goes on.
pub struct Stream {
    body: Incoming,
}

impl Stream {
    /// All of its bytes, where it says how many.
    pub fn length(&self) -> Option<u64> {
        Body::size_hint(&self.body).exact()
    }

    /// The bytes that came next; none at its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

fn unreadable(cause: serde_json::Error) -> ClientError {
    ClientError::Unreadable(cause.to_string())
}

/// The daemon's own sentence.
fn refusal(bytes: &[u8]) -> ClientError {
    serde_json::from_slice(bytes).map_or_else(unreadable, |Problem { error }| ClientError::Refused { sentence: error })
}

impl ClientError {
    /// Of a socket that could not be connected to.
    pub fn at_socket(path: &Path, source: io::Error) -> ClientError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => ClientError::NoSocket(path),
            io::ErrorKind::ConnectionRefused => ClientError::NotRunning(path),
            io::ErrorKind::PermissionDenied => ClientError::NoPermission(path),
            _ => ClientError::Socket { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    /// A daemon that gives one answer and says what it was asked.
    async fn ask(answer: &'static str) -> (Result<Status, ClientError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        let client = Client::new(Door::Socket(path));
        tokio::join!(client.status(), daemon)
    }

    #[tokio::test]
    async fn a_refusal_is_the_daemons_own_sentence() {
        let body =
            "HTTP/1.1 404 Not Found\r\ncontent-length: 23\r\nconnection: close\r\n\r\n{\"error\":\"no such job\"}";
        let (answer, request) = ask(body).await;
        assert_eq!(answer.unwrap_err().to_string(), "no such job");
        assert!(request.starts_with("GET /operator/status HTTP/1.1\r\n"), "{request}");
    }

    #[tokio::test]
    async fn an_answer_of_something_else_is_said_to_be_unreadable() {
        let (answer, _) = ask("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
        assert!(matches!(answer, Err(ClientError::Unreadable(_))));
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_there_is_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.sock");
        assert!(matches!(Client::new(Door::Socket(path.clone())).status().await, Err(ClientError::NoSocket(_))));
        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(Client::new(Door::Socket(path)).status().await, Err(ClientError::NotRunning(_))));
    }
}
