//! The client behind the rule: resolves names itself and connects only to addresses that were checked, so that a name
//! cannot answer one thing to the check and another to the connection. Every redirect is checked like the first URL.

use super::{OutboundRules, Refused};
use crate::{
    blobs::{BlobError, Upload},
    live::Live,
};
use futures::future::BoxFuture;
use reqwest::{
    Client, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderMap,
    redirect,
};
use std::{error::Error, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use url::Url;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Storage services answer a first request with one; more than a few lead in circles.
const REDIRECTS_MAX: usize = 3;
/// Clips fetched at once: each may take a disk's and a line's whole width.
const FETCHES_MAX: usize = 8;

/// Why another machine was not asked, or did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("its host could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("it did not answer in time")]
    Late,
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its bytes stopped before their end")]
    CutOff(#[source] reqwest::Error),
    #[error("too many clips are being fetched")]
    Busy,
    #[error(transparent)]
    Store(#[from] BlobError),
}

/// The addresses of a name.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    /// Made anew with the rules: a connection that is kept open leads where the old ones let it.
    clients: Live<Clients>,
    lookup: Lookup,
    fetches: Arc<Semaphore>,
}

struct Clients {
    rules: Arc<OutboundRules>,
    fetcher: Client,
    poster: Client,
}

impl Outbound {
    pub fn new(rules: OutboundRules) -> reqwest::Result<Outbound> {
        let lookup = |name: String| -> BoxFuture<'static, _> {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
        };
        Outbound::resolving(rules, Arc::new(lookup))
    }

    fn resolving(rules: OutboundRules, lookup: Lookup) -> reqwest::Result<Outbound> {
        let clients = Live::new(Clients::new(rules, lookup.clone())?);
        Ok(Outbound { clients, lookup, fetches: Arc::new(Semaphore::new(FETCHES_MAX)) })
    }

    /// What is being asked now is asked by the rules of before.
    pub fn set_rules(&self, rules: OutboundRules) -> reqwest::Result<()> {
        if *self.clients.now().rules != rules {
            self.clients.set(Clients::new(rules, self.lookup.clone())?);
        }
        Ok(())
    }

    /// A URL that may be asked as far as its text tells; its host is checked when it is asked.
    pub fn accepts(&self, text: &str) -> Result<Url, Refused> {
        let url = Url::parse(text).map_err(|_| Refused::NotAUrl)?;
        self.clients.now().rules.check(&url)?;
        Ok(url)
    }

    /// Writes what the URL holds into `upload`, which limits its size; all of it within `within`.
    pub async fn fetch(&self, url: &Url, upload: &mut Upload, within: Duration) -> Result<(), OutboundError> {
        let clients = self.clients.now();
        clients.rules.check(url)?;
        let _place = self.fetches.try_acquire().map_err(|_| OutboundError::Busy)?;
        let fetched = async {
            let mut answer = clients.fetcher.get(url.clone()).send().await.map_err(failed)?;
            if answer.status() != StatusCode::OK {
                return Err(OutboundError::Status(answer.status().as_u16()));
            }
            if let Some(size_bytes) = answer.content_length() {
                upload.expect(size_bytes).await?;
            }
            while let Some(piece) = answer.chunk().await.map_err(OutboundError::CutOff)? {
                upload.write(&piece).await?;
            }
            Ok(())
        };
        tokio::time::timeout(within, fetched).await.unwrap_or(Err(OutboundError::Late))
    }

    /// Sends `body`; the status of the answer, whose body nobody reads. A redirect is an answer like any other.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<StatusCode, OutboundError> {
        let clients = self.clients.now();
        clients.rules.check(url)?;
        let sent = clients.poster.post(url.clone()).headers(headers).body(body).send();
        let answer = tokio::time::timeout(within, sent).await.map_err(|_| OutboundError::Late)?;
        Ok(answer.map_err(failed)?.status())
    }
}

impl Clients {
    fn new(rules: OutboundRules, lookup: Lookup) -> reqwest::Result<Clients> {
        let rules = Arc::new(rules);
        let checked = Arc::new(Checked { rules: rules.clone(), lookup });
        // A proxy of the environment would be asked in place of the address that was checked.
        let client = |redirects| {
            let client = Client::builder().dns_resolver(checked.clone()).no_proxy().connect_timeout(CONNECT_WITHIN);
            client.user_agent(concat!("tweenfarm/", env!("CARGO_PKG_VERSION"))).redirect(redirects).build()
        };
        Ok(Clients {
            fetcher: client(checked_redirects(rules.clone()))?,
            poster: client(redirect::Policy::none())?,
            rules,
        })
    }
}

/// A refusal of our own resolver or redirect rule comes wrapped in the client's errors.
fn failed(error: reqwest::Error) -> OutboundError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(one) = cause {
        if let Some(refused) = one.downcast_ref::<Refused>() {
            return OutboundError::Refused(refused.clone());
        }
        cause = one.source();
    }
    if error.is_timeout() { OutboundError::Late } else { OutboundError::Unreachable(error) }
}

fn checked_redirects(rules: Arc<OutboundRules>) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > REDIRECTS_MAX {
            return attempt.stop();
        }
        match rules.check(attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(refused) => attempt.error(refused),
        }
    })
}

/// Resolves to addresses that may be asked, and no others.
struct Checked {
    rules: Arc<OutboundRules>,
    lookup: Lookup,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, found) = (self.rules.clone(), (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let mut found = found.await?;
            found.retain(|address| rules.allows(address.ip()));
            if found.is_empty() {
                return Err(Refused::Address.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::DiskStore;
    use axum::{Router, http::HeaderMap as Headers, response::Redirect, routing::get};
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };
    use tokio::net::TcpListener;

    const SOON: Duration = Duration::from_secs(20);

    type Posted = (Headers, Vec<u8>);

    /// A web server on this machine, at several names, and a client that may reach 127.0.0.1 only.
    struct Web {
        outbound: Outbound,
        port: u16,
        lookups: Arc<AtomicUsize>,
        posted: Arc<Mutex<Vec<Posted>>>,
        disk: DiskStore,
        _folder: tempfile::TempDir,
    }

    impl Web {
        async fn new() -> Web {
            let posted = Arc::new(Mutex::new(Vec::new()));
            let kept = posted.clone();
            let to = |target: &'static str| get(move || async move { Redirect::temporary(target) });
            let keep = move |headers: Headers, body: axum::body::Bytes| {
                kept.lock().unwrap().push((headers, body.to_vec()));
                async { axum::http::StatusCode::NO_CONTENT }
            };
            let router = Router::new()
                .route("/clip", get(|| async { "bytes of a clip" }).post(keep))
                .route("/once", to("/clip"))
                .route("/inside", to("http://localhost/clip"))
                .route("/metadata", to("http://169.254.169.254/latest"))
                .route("/elsewhere", to("http://router.test/clip"))
                .route("/file", to("file:///etc/passwd"))
                .route("/circle", to("/circle"))
                .route("/never", get(std::future::pending::<&str>));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(crate::http::serve::serve(listener, router, 16, Default::default()));
            let lookups = Arc::new(AtomicUsize::new(0));
            let counted = lookups.clone();
            let lookup = move |name: String| -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
                counted.fetch_add(1, Ordering::SeqCst);
                let addresses: &[&str] = match name.as_str() {
                    "clips.test" => &["127.0.0.1:0"],
                    "router.test" => &["192.168.0.1:0", "[fd00::1]:0"],
                    "both.test" => &["192.168.0.1:0", "127.0.0.1:0"],
                    "localhost" => &["127.0.0.2:0", "[::1]:0"],
                    _ => return Box::pin(async { Err(io::Error::other("no such name")) }),
                };
                let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
                Box::pin(async move { Ok(addresses) })
            };
            let rules = OutboundRules { allow_lan: false, networks: vec!["127.0.0.1/32".parse().unwrap()] };
            let folder = tempfile::tempdir().unwrap();
            Web {
                outbound: Outbound::resolving(rules, Arc::new(lookup)).unwrap(),
                port,
                lookups,
                posted,
                disk: DiskStore::open(folder.path(), 0).unwrap(),
                _folder: folder,
            }
        }

        fn url(&self, host: &str, path: &str) -> Url {
            format!("http://{host}:{}{path}", self.port).parse().unwrap()
        }

        async fn fetch(&self, host: &str, path: &str, limit_bytes: u64) -> Result<u64, OutboundError> {
            let key = "uploads/free/a/b/input/c.mp4".parse().unwrap();
            let mut upload = self.disk.begin(&key, "video/mp4", limit_bytes).await.unwrap();
            self.outbound.fetch(&self.url(host, path), &mut upload, SOON).await?;
            Ok(upload.seal().await.unwrap().facts().size_bytes)
        }
    }

    #[tokio::test]
    async fn a_clip_is_fetched_from_where_it_may_be_and_its_name_is_resolved_once() {
        let web = Web::new().await;
        assert_eq!(web.fetch("clips.test", "/clip", 100).await.unwrap(), 15);
        // What was resolved is what was connected to: there is no second look at the name.
        assert_eq!(web.lookups.load(Ordering::SeqCst), 1);
        assert_eq!(web.fetch("both.test", "/clip", 100).await.unwrap(), 15, "only the allowed address is tried");
        assert_eq!(web.fetch("clips.test", "/once", 100).await.unwrap(), 15, "one redirect is followed");
        assert_eq!(web.fetch("127.0.0.1", "/clip", 100).await.unwrap(), 15);
    }

    #[tokio::test]
    async fn nothing_inside_is_reached_by_name_by_address_or_by_redirect() {
        let web = Web::new().await;
        for (host, path) in [
            ("router.test", "/clip"),
            ("localhost", "/clip"),
            ("127.0.0.2", "/clip"),
            ("clips.test", "/inside"),
            ("clips.test", "/metadata"),
            ("clips.test", "/elsewhere"),
        ] {
            let refused = web.fetch(host, path, 100).await;
            assert!(matches!(refused, Err(OutboundError::Refused(Refused::Address))), "{host}{path}: {refused:?}");
        }
        let file = web.fetch("clips.test", "/file", 100).await;
        assert!(matches!(file, Err(OutboundError::Refused(Refused::Scheme) | OutboundError::Status(307))), "{file:?}");
        assert!(web.outbound.post(&web.url("router.test", "/clip"), Headers::new(), vec![], SOON).await.is_err());
    }

    #[tokio::test]
    async fn a_fetch_that_fails_says_why() {
        let web = Web::new().await;
        let of = async |host: &str, path: &str, limit| web.fetch(host, path, limit).await.unwrap_err().to_string();
        assert_eq!(of("clips.test", "/none", 100).await, "it answered with status 404");
        assert_eq!(of("clips.test", "/circle", 100).await, "it answered with status 307");
        assert!(of("clips.test", "/clip", 14).await.contains("larger than 14 bytes"));
        assert_eq!(of("nowhere.test", "/clip", 100).await, "its host could not be reached");
        let key = "uploads/free/a/b/input/c.mp4".parse().unwrap();
        let mut upload = web.disk.begin(&key, "video/mp4", 100).await.unwrap();
        let late = web.outbound.fetch(&web.url("clips.test", "/never"), &mut upload, Duration::from_millis(50)).await;
        assert!(matches!(late, Err(OutboundError::Late)), "{late:?}");
    }

    #[tokio::test]
    async fn a_post_arrives_as_it_was_sent_and_follows_nobody() {
        let web = Web::new().await;
        let mut headers = Headers::new();
        headers.insert("x-webhook-event", "completed".parse().unwrap());
        let url = web.url("clips.test", "/clip");
        assert_eq!(web.outbound.post(&url, headers, b"{}".to_vec(), SOON).await.unwrap(), StatusCode::NO_CONTENT);
        let posted = web.posted.lock().unwrap().remove(0);
        assert_eq!((posted.0["x-webhook-event"].to_str().unwrap(), posted.1), ("completed", b"{}".to_vec()));
        let moved = web.outbound.post(&web.url("clips.test", "/once"), Headers::new(), vec![], SOON).await;
        assert!(moved.unwrap().is_client_error(), "no POST is served there, and none is sent on");
        assert!(web.posted.lock().unwrap().is_empty());
    }
}
