//! A real S3 server in the process of a test: `s3s-fs` behind a socket of the loopback, with checked signatures, and what
//! a test needs around it: a list of what was asked, a line that can be cut in the middle of a request, and a server that
//! goes away and comes back with what it had.
//!
//! For tests only: it is not made to keep anything safe.

mod line;
mod server;

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use line::{Line, Scissors};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use server::Server;
use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

pub const BUCKET: &str = "farm";
pub const ACCESS_KEY: &str = "GKTESTS";
pub const SECRET_KEY: &str = "the secret of the tests' bucket";

/// Method and path of a request; the query, which may hold a signature, only by the names of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub parameters: Vec<String>,
}

pub struct S3Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    /// Never listened on: while it is bound nobody else is given the port, whether a server has it or not.
    _port: TcpSocket,
    asked: Arc<Mutex<Vec<Asked>>>,
    scissors: Scissors,
    server: Server,
    serving: Option<AbortOnDropHandle<()>>,
}

impl S3Server {
    /// An empty bucket on a free port.
    ///
    /// # Panics
    ///
    /// When this machine has no folder or no port for it.
    pub async fn start() -> S3Server {
        let folder = tempfile::Builder::new().prefix("tweenfarm-s3-").tempdir().expect("a scratch folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let server = Server::new(folder.path());
        let port = TcpSocket::new_v4().expect("a socket");
        // Who says so on both sides may bind one address twice, as long as one of them listens; a listener says so, too.
        port.set_reuseaddr(true).expect("a port for two");
        port.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = port.local_addr().expect("the port");
        let (asked, scissors) = (Arc::default(), Scissors::default());
        let mut started = S3Server { folder, address, _port: port, asked, scissors, server, serving: None };
        started.restart().await;
        started
    }

    fn serve(&mut self, listener: TcpListener) {
        let mut service = S3ServiceBuilder::new(self.server.clone());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let (service, asked, scissors) = (service.build(), self.asked.clone(), self.scissors.clone());
        let serving = async move {
            // Aborted with the listener: whoever is connected then is cut off.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (service, asked) = (service.clone(), asked.clone());
                let line = Line::new(stream, scissors.clone());
                connections.spawn(async move {
                    let noted = tower::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                        note(&asked, &request);
                        hyper::service::Service::call(&service, request)
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(line), TowerToHyperService::new(noted)).await;
                });
            }
        };
        self.serving = Some(AbortOnDropHandle::new(tokio::spawn(serving)));
    }

    /// `http://host:port`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes the port and cuts every connection.
    pub async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Serves on the same port what it had.
    ///
    /// # Panics
    ///
    /// When this machine has no socket for it.
    pub async fn restart(&mut self) {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await.expect("its own port");
        self.serve(listener);
    }

    /// Cuts the next connection on which this many bytes arrive from now on, once.
    pub fn cut_after(&self, bytes: u64) {
        self.scissors.arm(bytes);
    }

    /// Whether a cut that was asked for is still to come.
    pub fn is_to_cut(&self) -> bool {
        self.scissors.is_armed()
    }

    /// What was asked so far, in the order it came.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keys of the objects that are there, in their order.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let bucket = self.folder.path().join(BUCKET);
        keys_below(&bucket, &bucket, &mut keys);
        keys.sort();
        keys
    }

    /// Uploads in parts that were begun and neither put together nor ended.
    pub fn unfinished(&self) -> usize {
        self.server.unfinished()
    }
}

fn note(asked: &Mutex<Vec<Asked>>, request: &http::Request<hyper::body::Incoming>) {
    let query = request.uri().query().unwrap_or_default();
    let parameters = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default().to_owned());
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let one = Asked { method, path, parameters: parameters.filter(|name| !name.is_empty()).collect() };
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(one);
}

fn keys_below(bucket: &Path, folder: &Path, keys: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            keys_below(bucket, &path, keys);
        } else if let Ok(key) = path.strip_prefix(bucket) {
            keys.push(key.display().to_string());
        }
    }
}
