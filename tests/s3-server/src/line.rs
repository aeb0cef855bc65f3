//! A connection that can be cut once so many bytes have come in.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// No cut is due.
const NEVER: u64 = u64::MAX;

/// When the next connection is cut; all lines of a server share it.
#[derive(Clone, Default)]
pub struct Scissors(Arc<Blades>);

struct Blades {
    /// Bytes after which a line is cut.
    due: AtomicU64,
    /// How often a cut was asked for: what has arrived before that does not count.
    asked: AtomicU64,
}

impl Default for Blades {
    fn default() -> Self {
        Blades { due: AtomicU64::new(NEVER), asked: AtomicU64::new(0) }
    }
}

impl Scissors {
    pub fn arm(&self, bytes: u64) {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        self.0.due.store(bytes, Ordering::SeqCst);
    }

    pub fn is_armed(&self) -> bool {
        self.0.due.load(Ordering::SeqCst) != NEVER
    }

    fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// True for one line that has read enough.
    fn cuts(&self, arrived: u64) -> bool {
        let due = self.0.due.load(Ordering::SeqCst);
        arrived >= due && self.0.due.compare_exchange(due, NEVER, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

pub struct Line {
    stream: TcpStream,
    scissors: Scissors,
    /// Since the cut was asked for that is counted here.
    arrived: u64,
    asked: u64,
}

impl Line {
    pub fn new(stream: TcpStream, scissors: Scissors) -> Line {
        let asked = scissors.asked();
        Line { stream, scissors, arrived: 0, asked }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let asked = self.scissors.asked();
        if self.asked != asked {
            (self.asked, self.arrived) = (asked, 0);
        }
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        self.arrived += (into.filled().len() - before) as u64;
        let arrived = self.arrived;
        if self.scissors.cuts(arrived) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        polled
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
