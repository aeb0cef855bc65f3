//! A connection on which nothing moves ends: else each client that stops reading, or that is gone without a word, would
//! hold a place for ever.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// How long nothing may move.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// While the client is to take an answer.
    pub writing: Duration,
    /// While it has asked for nothing.
    pub idle: Duration,
}

/// The requests of a connection that wait for their answers: however long one takes, its connection is not idle.
#[derive(Clone, Debug, Default)]
pub struct InHand(Arc<AtomicUsize>);

/// Ends with its handle.
#[derive(Debug)]
pub struct Held(InHand);

impl InHand {
    pub fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(self.clone())
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that fails when nothing has moved for too long.
pub struct Unstalled<S> {
    stream: S,
    patience: Patience,
    in_hand: InHand,
    /// Runs while a write waits.
    writing: Option<Pin<Box<Sleep>>>,
    /// Runs while nothing comes and nothing is asked for; anything that moves begins it anew.
    idle: Option<Pin<Box<Sleep>>>,
}

impl<S> Unstalled<S> {
    pub fn new(stream: S, patience: Patience, in_hand: InHand) -> Unstalled<S> {
        Unstalled { stream, patience, in_hand, writing: None, idle: None }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            (self.writing, self.idle) = (None, None);
            return poll;
        }
        expire(&mut self.writing, self.patience.writing, context)
    }
}

/// Pending until the timer, which begins now where it does not run, has run out.
fn expire<T>(timer: &mut Option<Pin<Box<Sleep>>>, limit: Duration, context: &mut Context<'_>) -> Poll<io::Result<T>> {
    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
    ready!(timer.as_mut().poll(context));
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstalled<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let poll = Pin::new(&mut this.stream).poll_read(context, into);
        if poll.is_ready() || !this.in_hand.is_empty() {
            this.idle = None;
            return poll;
        }
        expire(&mut this.idle, this.patience.idle, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstalled<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.watch(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const SHORT: Duration = Duration::from_millis(20);
    /// As good as for ever.
    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn a_client_that_stops_reading_is_given_up_and_one_that_reads_is_not() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut stream = Unstalled::new(near, Patience { writing: SHORT, idle: LONG }, InHand::default());
        let reading = tokio::spawn(async move {
            let mut read = [0; 8];
            far.read_exact(&mut read).await.unwrap();
            (far, read)
        });
        stream.write_all(b"12345678").await.unwrap();
        let (far, read) = reading.await.unwrap();
        assert_eq!(&read, b"12345678");
        let stalled = stream.write_all(b"12345678").await.unwrap_err();
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }

    #[tokio::test]
    async fn a_client_that_asks_for_nothing_is_given_up_and_one_that_waits_for_an_answer_is_not() {
        let (near, mut far) = tokio::io::duplex(64);
        let in_hand = InHand::default();
        let mut stream = Unstalled::new(near, Patience { writing: LONG, idle: SHORT }, in_hand.clone());
        let mut byte = [0; 1];
        let held = in_hand.hold();
        assert!(tokio::time::timeout(10 * SHORT, stream.read(&mut byte)).await.is_err(), "given up with a request");
        far.write_all(b"1").await.unwrap();
        drop(held);
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
        let silent = stream.read(&mut byte).await.unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }
}
