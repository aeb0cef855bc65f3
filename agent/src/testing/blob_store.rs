//! A blob store in memory: GET what was put there, PUT what is sent; the next answers can be scripted.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

#[derive(Clone)]
pub struct BlobStore {
    address: String,
    shared: Arc<Mutex<Shared>>,
    _serving: Arc<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct Shared {
    blobs: HashMap<String, Vec<u8>>,
    gets: u32,
    puts: u32,
    /// Statuses of the next requests instead of doing what they ask.
    next_statuses: VecDeque<u16>,
    /// GETs wait until this is true.
    held: bool,
}

impl BlobStore {
    pub async fn start() -> BlobStore {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let for_serving = shared.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = for_serving.clone();
                tokio::spawn(async move { answer(stream, shared).await });
            }
        });
        BlobStore { address, shared, _serving: Arc::new(AbortOnDropHandle::new(serving)) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub fn place(&self, path: &str, bytes: &[u8]) {
        self.shared().blobs.insert(format!("/{path}"), bytes.to_vec());
    }

    pub fn blob(&self, path: &str) -> Option<Vec<u8>> {
        self.shared().blobs.get(&format!("/{path}")).cloned()
    }

    pub fn answer_next(&self, statuses: &[u16]) {
        self.shared().next_statuses.extend(statuses);
    }

    pub fn hold_gets(&self, held: bool) {
        self.shared().held = held;
    }

    pub fn gets(&self) -> u32 {
        self.shared().gets
    }

    pub fn puts(&self) -> u32 {
        self.shared().puts
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }
}

/// One request per connection is enough here.
async fn answer(mut stream: TcpStream, shared: Arc<Mutex<Shared>>) -> Option<()> {
    let mut request = Vec::new();
    let head_end = loop {
        let mut buffer = [0_u8; 4096];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&buffer[..read]);
        if let Some(position) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break position + 4;
        }
    };
    let head = String::from_utf8(request[..head_end].to_vec()).ok()?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = request[head_end..].to_vec();
    while body.len() < length.unwrap_or(0) {
        let mut buffer = [0_u8; 16384];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        body.extend_from_slice(&buffer[..read]);
    }
    if method == "GET" {
        shared.lock().unwrap().gets += 1;
        while shared.lock().unwrap().held {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    let (status, answer) = {
        let mut shared = shared.lock().unwrap();
        shared.puts += u32::from(method == "PUT");
        match (shared.next_statuses.pop_front(), method.as_str()) {
            (Some(status), _) => (status, Vec::new()),
            (None, "PUT") => {
                shared.blobs.insert(path.clone(), body);
                (200, Vec::new())
            }
            (None, _) => match shared.blobs.get(&path) {
                Some(blob) => (200, blob.clone()),
                None => (404, Vec::new()),
            },
        }
    };
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\netag: \"of {path}\"\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&answer).await.ok()?;
    stream.shutdown().await.ok()
}
