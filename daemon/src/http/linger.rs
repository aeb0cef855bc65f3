//! What a refused client still sends is read away for a while. Left unread, the connection would be closed under a
//! client that has kept it for its next request, or reset before the client has seen the refusal.

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    middleware::Next,
    response::Response,
};
use futures::StreamExt;
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::runtime::Handle;

/// After that the connection is closed: whoever sends for longer has not looked at the answer.
const LINGER: Duration = Duration::from_secs(5);

/// A layer: whoever drops the body before its end, it is read to its end.
pub async fn layer(request: Request, next: Next) -> Response {
    next.run(request.map(|body| Body::new(Lingering(Some(body))))).await
}

/// The body, until its end was reached.
struct Lingering(Option<Body>);

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let rest = self.0.take().filter(|body| !body.is_end_stream());
        // Without a runtime there is no connection either.
        if let Some((rest, runtime)) = rest.zip(Handle::try_current().ok()) {
            let mut rest = rest.into_data_stream();
            let read = async move { while let Some(Ok(_)) = rest.next().await {} };
            runtime.spawn(tokio::time::timeout(LINGER, read));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, middleware, routing::post};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    #[tokio::test]
    async fn a_connection_lives_on_after_a_refusal_that_did_not_wait_for_the_body() {
        let router = Router::new().route("/", post(|| async { "refused" })).layer(middleware::from_fn(layer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(crate::http::serve::serve(listener, router, 4, Default::default()));
        let mut client = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"refused") {
                let mut piece = [0; 256];
                let count = client.read(&mut piece).await.unwrap();
                assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&piece[..count]);
            }
            client.write_all(b"the body").await.unwrap();
        }
    }
}
