//! A client that polls one job over a connection of its own, as little work as possible for the machine that is measured:
//! HTTP/1.1 by hand, an answer's body read and thrown away.

use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{Instant as TokioInstant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// What one client has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub latencies: Vec<Duration>,
    /// Answers other than 200, and connections that failed.
    pub refused: usize,
}

/// What is asked for, and how often.
#[derive(Clone, Debug)]
pub struct Poll {
    /// Host and port.
    pub address: String,
    pub path: String,
    pub key: String,
    pub every: Duration,
}

/// Polls from `first` on until it is stopped.
pub async fn run(poll: Poll, first: TokioInstant, stop: CancellationToken) -> Seen {
    let (mut seen, mut connection, mut next) = (Seen::default(), None, first);
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            () = stop.cancelled() => return seen,
        }
        let started = Instant::now();
        match ask(&poll, &mut connection).await {
            Ok(()) => seen.latencies.push(started.elapsed()),
            Err(_) => {
                seen.refused += 1;
                connection = None;
            }
        }
        next += poll.every;
    }
}

async fn ask(poll: &Poll, connection: &mut Option<BufReader<TcpStream>>) -> Result<()> {
    let stream = match connection {
        Some(stream) => stream,
        None => connection.insert(BufReader::new(TcpStream::connect(&poll.address).await?)),
    };
    let Poll { address, path, key, .. } = poll;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut line, mut status, mut length) = (String::new(), None, None);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            bail!("the connection ended");
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        match text.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = Some(value.trim().parse::<usize>()?);
            }
            _ if status.is_none() => status = text.split_whitespace().nth(1).map(str::to_owned),
            _ => {}
        }
    }
    let mut body = vec![0; length.context("the answer has no length")?];
    stream.read_exact(&mut body).await?;
    match status.as_deref() {
        Some("200") => Ok(()),
        other => bail!("answered {other:?}"),
    }
}
