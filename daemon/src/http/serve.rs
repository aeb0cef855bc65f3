//! Serving a router on a listener: connections are counted, slow ones are cut, and a stop ends what runs in order.

use super::stall::{InHand, Patience, Unstalled};
use axum::{Router, body::Body, extract::Request};
use futures::FutureExt;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use std::{io, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections that clients keep for their next request are closed by them first: their libraries do so after 90 s at
/// most, and none asks on one that ends just then. HTTP/1 gives the head of a request as long, counted from the last answer.
const PATIENCE: Patience = Patience { writing: Duration::from_secs(60), idle: Duration::from_secs(120) };
const PING_EVERY: Duration = Duration::from_secs(10);
/// Real requests need a tenth of it: a token or a presigned URL is a kilobyte or two.
const HEADERS_BYTES_MAX: usize = 64 * 1024;
const STREAMS_MAX: u32 = 128;
/// After a failed accept (no file handles left) the next one would fail at once, too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Where connections come from.
pub trait Listener: Send {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, Option<Peer>)>> + Send;
}

/// The address a request came from; an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Listener for TcpListener {
    type Stream = tokio::net::TcpStream;
    async fn accept(&mut self) -> io::Result<(Self::Stream, Option<Peer>)> {
        let (stream, address) = TcpListener::accept(self).await?;
        // Answers are small and written whole: waiting for more would only delay them.
        stream.set_nodelay(true)?;
        Ok((stream, Some(Peer(address.ip()))))
    }
}

impl Listener for UnixListener {
    type Stream = tokio::net::UnixStream;
    async fn accept(&mut self) -> io::Result<(Self::Stream, Option<Peer>)> {
        Ok((UnixListener::accept(self).await?.0, None))
    }
}

/// Serves until `stop`; then accepts nothing new and returns when the requests that run have their answers. Its
/// caller sets the deadline.
pub async fn serve(mut listener: impl Listener, router: Router, connections_max: usize, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(connections_max));
    let running = GracefulShutdown::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let (stream, peer) = match accepted {
            Ok(stream) => stream,
            Err(cause) => {
                tracing::warn!(error = &cause as &dyn std::error::Error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let router = router.clone();
        let in_hand = InHand::default();
        let stream = Unstalled::new(stream, PATIENCE, in_hand.clone());
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let held = in_hand.hold();
            let mut request = request.map(Body::new);
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            router.clone().oneshot(request).inspect(move |_| drop(held))
        });
        let mut server = auto::Builder::new(TokioExecutor::new());
        let mut http1 = server.http1();
        http1.timer(TokioTimer::new()).header_read_timeout(PATIENCE.idle).max_buf_size(HEADERS_BYTES_MAX);
        let mut http2 = server.http2();
        http2.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY);
        http2.max_header_list_size(HEADERS_BYTES_MAX as u32).max_concurrent_streams(STREAMS_MAX);
        let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = running.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off is its own business; what it asked for has been logged.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    running.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::Notify,
    };

    #[tokio::test]
    async fn a_stop_lets_a_running_request_have_its_answer_and_takes_no_new_one() {
        let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let router = {
            let (arrived, go_on) = (arrived.clone(), go_on.clone());
            let slow = || async move {
                arrived.notify_one();
                go_on.notified().await;
                "finished"
            };
            Router::new().route("/slow", get(slow))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, router, 4, stop.clone()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        arrived.notified().await;
        stop.cancel();
        // The listener is closed before the requests that run are waited for.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!served.is_finished());
        go_on.notify_one();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("finished"), "{answer}");
        served.await.unwrap();
    }
}
