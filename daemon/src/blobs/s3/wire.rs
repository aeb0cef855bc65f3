//! Requests to the S3 server: tried again while its trouble may pass, and its refusals in words.
//!
//! Presigned addresses are keys: no error and no log line from here holds one.

use super::{
    BlobError, CHUNK_BYTES,
    traffic::{Outcome, Traffic},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{Client, Method, Response, StatusCode, header};
use std::{path::Path, time::Duration};
use tokio_util::io::ReaderStream;
use tweenfarm_protocol::task::Presigned;

const CONNECT: Duration = Duration::from_secs(5);
/// A server that says nothing for this long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// The same where it works before it answers: it copies gigabytes, or puts a thousand parts together.
const SILENCE_AT_WORK: Duration = Duration::from_secs(600);
/// Tries after the first: some two seconds, which a server that restarts behind a balancer needs. A caller of the API
/// waits meanwhile; longer troubles are answered with 503.
const TRIES_MORE: usize = 3;
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Of a refusal's text; the code is at its start.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

#[derive(Clone)]
pub(super) struct Wire {
    quick: Client,
    patient: Client,
    pub traffic: Traffic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Quick,
    /// The server may work for long before it answers.
    Patient,
}

/// One request, which may be sent more than once.
pub(super) struct Ask<'a> {
    /// For people: "the S3 server refused to …".
    pub doing: &'static str,
    pub pace: Pace,
    pub method: Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Body<'a>,
}

pub(super) enum Body<'a> {
    /// Of a method that has none.
    None,
    Text(String),
    File(&'a Path),
}

impl<'a> Ask<'a> {
    pub fn new(doing: &'static str, method: Method, url: impl Into<String>) -> Ask<'a> {
        Ask { doing, pace: Pace::Quick, method, url: url.into(), headers: Vec::new(), body: Body::None }
    }

    pub fn put(doing: &'static str, to: Presigned, body: Body<'a>) -> Ask<'a> {
        let Presigned { url, headers } = to;
        Ask { doing, pace: Pace::Patient, method: Method::PUT, url, headers, body }
    }
}

impl Wire {
    pub fn new() -> reqwest::Result<Wire> {
        let client = |silence| {
            let client = Client::builder().connect_timeout(CONNECT).read_timeout(silence);
            // A presigned address is for one host; following it elsewhere would hand the key on.
            let client = client.redirect(reqwest::redirect::Policy::none());
            client.user_agent(concat!("tweenfarm/", env!("CARGO_PKG_VERSION"))).build()
        };
        Ok(Wire { quick: client(SILENCE)?, patient: client(SILENCE_AT_WORK)?, traffic: Traffic::default() })
    }

    /// The answer of a request that was done; none when what it asks for is not there.
    pub async fn send(&self, ask: Ask<'_>) -> Result<Option<Response>, BlobError> {
        let waits = ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_max_times(TRIES_MORE).with_jitter();
        let mut waits = waits.build();
        loop {
            let done = self.send_once(&ask).await;
            let outcome = match &done {
                Ok(Some(_)) => Outcome::Done,
                Ok(None) | Err(BlobError::NoUpload) => Outcome::Missing,
                Err(BlobError::Away { .. }) => Outcome::Away,
                Err(_) => Outcome::Refused,
            };
            self.traffic.request(outcome, 1);
            match (done, &mut waits) {
                (Err(BlobError::Away { doing, why }), waits) => match waits.next() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(BlobError::Away { doing, why }),
                },
                (done, _) => return done,
            }
        }
    }

    async fn send_once(&self, ask: &Ask<'_>) -> Result<Option<Response>, BlobError> {
        let http = match ask.pace {
            Pace::Quick => &self.quick,
            Pace::Patient => &self.patient,
        };
        let mut request = http.request(ask.method.clone(), &ask.url);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        request = match &ask.body {
            // Some servers want the length of nothing told.
            Body::None if matches!(ask.method, Method::PUT | Method::POST) => request.header(header::CONTENT_LENGTH, 0),
            Body::None => request,
            Body::Text(text) => request.body(text.clone()),
            Body::File(path) => {
                let file = tokio::fs::File::open(path).await.map_err(BlobError::io("read", *path))?;
                request.body(reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, CHUNK_BYTES)))
            }
        };
        let answer = request.send().await.map_err(broken(ask.doing))?;
        match answer.status() {
            status if status.is_success() => Ok(Some(answer)),
            status => refused(ask.doing, status, answer).await,
        }
    }
}

/// A request that got no answer, or half of one.
pub(super) fn broken(doing: &'static str) -> impl Fn(reqwest::Error) -> BlobError {
    move |cause| {
        let cause = cause.without_url();
        let mut why = cause.to_string();
        let mut source = std::error::Error::source(&cause);
        while let Some(inner) = source {
            why = format!("{why}: {inner}");
            source = inner.source();
        }
        BlobError::Away { doing, why }
    }
}

async fn refused(doing: &'static str, status: StatusCode, answer: Response) -> Result<Option<Response>, BlobError> {
    let code = answer.text().await.map(|text| code_of(&text)).unwrap_or_default();
    match status {
        StatusCode::NOT_FOUND if code != "NoSuchBucket" && code != "NoSuchUpload" => Ok(None),
        _ if code == "NoSuchUpload" => Err(BlobError::NoUpload),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(passing(doing, status, &code)),
        _ if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => Err(passing(doing, status, &code)),
        _ => Err(BlobError::Refused { doing, status: status.as_u16(), code }),
    }
}

fn passing(doing: &'static str, status: StatusCode, code: &str) -> BlobError {
    BlobError::Away { doing, why: format!("status {} {code}", status.as_u16()) }
}

/// The text of an answer to a request that may fail after its status 200 was sent.
pub(super) async fn proven(doing: &'static str, answer: Response) -> Result<String, BlobError> {
    let text = answer.text().await.map_err(broken(doing))?;
    if text.contains("<Error>") || text.contains("<Error ") {
        return Err(BlobError::Away { doing, why: code_of(&text) });
    }
    Ok(text)
}

/// The code in the body of a refusal, such as `AccessDenied`: for people, and for the few that mean something here.
fn code_of(text: &str) -> String {
    let text = text.get(..REFUSAL_BYTES_MAX.min(text.len())).unwrap_or_default();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
    code.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_code_and_nothing_else_of_its_text() {
        let check = |text: &str, expected: &str| assert_eq!(code_of(text), expected, "{text}");
        check("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>", "AccessDenied");
        check("<Error><Code>a\r\nb c</Code></Error>", "abc");
        check("<html>502</html>", "");
        check("", "");
    }
}
