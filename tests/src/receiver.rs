//! Somebody who is told by webhook: a server on the loopback that keeps what comes and answers as it was told to.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::sleep,
};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Stands for no answer where a status is kept.
const SILENCE: u16 = 0;

/// One request that came.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Delivery {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a delivery is JSON")
    }

    pub fn event(&self) -> String {
        self.json()["event"].as_str().unwrap_or_default().to_owned()
    }
}

pub struct Receiver {
    base: String,
    status: Arc<AtomicU16>,
    delivered: Arc<Mutex<Vec<Delivery>>>,
    /// What a GET of a path is answered with.
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Receiver {
    pub async fn start() -> Result<Receiver> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open a port for webhooks")?;
        let base = format!("http://{}", listener.local_addr()?);
        let receiver =
            Receiver { base, status: Arc::new(AtomicU16::new(200)), delivered: Arc::default(), files: Arc::default() };
        let (status, delivered, files) = (receiver.status.clone(), receiver.delivered.clone(), receiver.files.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, status.clone(), delivered.clone(), files.clone()));
            }
        });
        Ok(receiver)
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Serves bytes at a path, as any web server would.
    pub fn offer(&self, path: &str, bytes: Vec<u8>) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), bytes);
    }

    /// Deliveries are taken and not answered from now on.
    pub fn fall_silent(&self) {
        self.answer_with(SILENCE);
    }

    /// What deliveries are answered with from now on.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until something of this event came.
    pub async fn event(&self, event: &str, limit: Duration) -> Result<Delivery> {
        let started = Instant::now();
        loop {
            if let Some(found) = self.deliveries().into_iter().find(|delivery| delivery.event() == event) {
                return Ok(found);
            }
            ensure!(started.elapsed() < limit, "no {event} came within {} s", limit.as_secs());
            sleep(LOOK_EVERY).await;
        }
    }
}

async fn serve(
    stream: TcpStream,
    status: Arc<AtomicU16>,
    delivered: Arc<Mutex<Vec<Delivery>>>,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first).await? == 0 {
            return Ok(());
        }
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
                None => break,
            };
        }
        let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let offered = files.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        let (status, answer) = match (method.as_str(), offered) {
            ("GET", Some(bytes)) => (200, bytes),
            ("GET", None) => (404, Vec::new()),
            _ => {
                let delivery = Delivery { path, headers, body, at: Instant::now() };
                delivered.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
                (status.load(Ordering::SeqCst), Vec::new())
            }
        };
        if status == SILENCE {
            return std::future::pending().await;
        }
        let head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.as_bytes(), &answer].concat()).await?;
    }
}
