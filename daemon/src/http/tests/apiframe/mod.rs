//! The Apiframe surface as its client meets it.

mod edge;
mod jobs;
mod list;
mod routes;
mod uploads;

use super::{schema::misfit, *};
use crate::farm::NewKey;

/// How a file begins that is taken for an MP4.
pub(super) const MP4_START: &[u8] = b"\0\0\0\x18ftypisom\0\0\0\0isommp42";

/// An account and its key of this surface.
struct Customer {
    user: User,
    key: String,
}

impl Bench {
    async fn customer(&self, email: &str, xeconds: i64) -> Customer {
        let user = self.user(email, xeconds).await;
        let key = self.named_key(&user, "studio").await;
        Customer { user, key }
    }

    async fn ask(&self, path: &str, customer: &Customer) -> Answer {
        self.v2(Method::GET, path, Some(&customer.key), Value::Null).await
    }

    /// Sends a form with one file in it.
    async fn send_file(&self, key: Option<&str>, part: &str, content: &[u8]) -> Answer {
        let head = format!("--line\r\nContent-Disposition: form-data; name=\"{part}\"; filename=\"beach.mov\"\r\n");
        let head = head + "Content-Type: application/octet-stream\r\n\r\n";
        let body = [head.as_bytes(), content, b"\r\n--line--\r\n"].concat();
        let mut request =
            Request::post("/v2/uploads").header(header::CONTENT_TYPE, "multipart/form-data; boundary=line");
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// The URL of an uploaded clip, as the probe of the tests understands it.
    async fn clip_url(&self, customer: &Customer, clip: &str) -> String {
        let answer = self.send_file(Some(&customer.key), "file", &[MP4_START, clip.as_bytes()].concat()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.bytes);
        answer.json()["url"].as_str().unwrap().to_owned()
    }

    async fn order(&self, customer: &Customer, body: Value, idempotency: Option<&str>) -> Answer {
        let mut request = Request::post("/v2/videos/upscale").header("x-api-key", &customer.key);
        if let Some(name) = idempotency {
            request = request.header("idempotency-key", name);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

fn interpolate(video: &str, target_fps: u32) -> Value {
    json!({ "model": "frame-interpolate", "frameInterpolateParams": { "video": video, "target_fps": target_fps } })
}

fn upscale(video: &str, resolution: &str, target_fps: u32) -> Value {
    let params = json!({ "video": video, "target_resolution": resolution, "target_fps": target_fps });
    json!({ "model": "topaz-video-upscale", "topazVideoParams": params })
}

fn job_id(accepted: &Answer) -> String {
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{:?}", accepted.bytes);
    accepted.json()["jobId"].as_str().unwrap().to_owned()
}

impl Bench {
    /// One more key of an account.
    async fn named_key(&self, user: &User, name: &str) -> String {
        let (text, hash) = auth::new_named_key();
        let new = NewKey { hash, name: name.to_owned(), prefix: text[..8].to_owned() };
        self.farm.add_named_key(user.account.id, new).await.unwrap();
        text
    }

    async fn v2(&self, method: Method, path: &str, key: Option<&str>, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }
}

impl Answer {
    /// The sentence of a refusal; checks that it is the surface's envelope.
    fn error(&self) -> String {
        let body = self.json();
        assert!(header_of(self, header::CONTENT_TYPE).contains("application/json"));
        let known = ["error", "details", "creditsRequired", "creditsAvailable"];
        assert!(body.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{body}");
        body["error"].as_str().unwrap().to_owned()
    }
}
