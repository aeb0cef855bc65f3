//! What happens at the edge of the public port: CORS, rate limits, request ids, and what the log may hold.

use super::*;
use crate::http::serve::Peer;
use std::{io, net::IpAddr, sync::Mutex};

#[tokio::test]
async fn the_studio_may_use_the_api_and_upload_from_a_browser_and_no_other_site_may() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let url = bench.presign(&user).await["upload_url"].as_str().unwrap().to_owned();
    let ask = async |path: &str, origin: &str, method: &str| {
        let request = Request::options(path)
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, method)
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
        bench.send(request.body(Body::empty()).unwrap()).await
    };
    for (path, method) in [("/jobs", "POST"), ("/projects", "DELETE"), (path_of(&url), "PUT"), ("/me", "GET")] {
        let answer = ask(path, STUDIO, method).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(header_of(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), STUDIO);
        assert!(header_of(&answer, header::ACCESS_CONTROL_ALLOW_METHODS).contains(method));
        assert!(header_of(&answer, header::ACCESS_CONTROL_ALLOW_HEADERS).contains("content-type"));
        let stranger = ask(path, "https://elsewhere.example.org", method).await;
        assert!(!stranger.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
    let put = Request::put(path_of(&url)).header(header::ORIGIN, STUDIO).header(header::CONTENT_TYPE, "video/mp4");
    let put = bench.send(put.body(Body::from("clip 24 1000")).unwrap()).await;
    assert_eq!((put.status, header_of(&put, header::ACCESS_CONTROL_ALLOW_ORIGIN)), (StatusCode::OK, STUDIO));
    // A refusal must be readable for the studio, too.
    let refused = Request::get("/me").header(header::ORIGIN, STUDIO).body(Body::empty()).unwrap();
    let refused = bench.send(refused).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(header_of(&refused, header::ACCESS_CONTROL_ALLOW_ORIGIN), STUDIO);
    assert!(header_of(&refused, header::ACCESS_CONTROL_EXPOSE_HEADERS).contains("retry-after"));
}

#[tokio::test]
async fn one_request_too_many_is_429_with_a_time_and_without_an_effect() {
    let bench = Bench::with(0, 1);
    let user = bench.user("ann@example.org", 100).await;
    for _ in 0..3 {
        assert_eq!(bench.get("/me", &user).await.status, StatusCode::OK);
    }
    let answer = bench.post("/projects", &user, json!({})).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(header_of(&answer, header::RETRY_AFTER).parse::<u64>().unwrap() >= 1);
    assert!(answer.detail().contains("Retry-After"));
    assert_eq!(bench.farm.projects_of(user.account.id, 9, None).unwrap(), []);
    let other = bench.user("bob@example.org", 0).await;
    assert_eq!(bench.get("/me", &other).await.status, StatusCode::OK, "another key has its own share");
}

#[tokio::test]
async fn requests_without_a_key_are_counted_by_address_and_objects_too() {
    let bench = Bench::with(0, 1);
    let ask = async |path: &str, last: u8| {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer(IpAddr::from([10, 0, 0, last])));
        bench.send(request).await.status
    };
    assert_eq!(ask("/healthz", 1).await, StatusCode::OK);
    assert_eq!(ask("/no-such-route", 1).await, StatusCode::NOT_FOUND);
    assert_eq!(ask("/tweenfarm/uploads/x", 1).await, StatusCode::FORBIDDEN);
    for path in ["/healthz", "/no-such-route", "/tweenfarm/uploads/x"] {
        assert_eq!(ask(path, 1).await, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    assert_eq!(ask("/healthz", 2).await, StatusCode::OK);
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log_however_much_is_logged() {
    // With one subscriber alone, what a call site is good for is decided by the thread that meets it first: another test
    // without a log would switch it off here.
    let _other = tracing::Dispatch::new(tracing_subscriber::registry());
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _logging = tracing::subscriber::set_default(lines.finish());
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    let job = bench.submit(&user, &upload).await;
    bench.finish(&job).await;
    let shown = bench.get(&format!("/jobs/{job}"), &user).await;
    let output_url = shown.json()["output_url"].as_str().unwrap().to_owned();
    assert_eq!(bench.send(Request::get(path_of(&output_url)).body(Body::empty()).unwrap()).await.status, 200);
    let project = upload["project_id"].as_str().unwrap();
    let share = bench.post(&format!("/projects/{project}/share"), &user, Value::Null).await.json();
    let token = share["share_token"].as_str().unwrap().to_owned();
    let seen = bench.call(Method::GET, &format!("/share/{token}"), None, Value::Null).await.json();
    let share_url = seen["files"][0]["download_url"].as_str().unwrap().to_owned();
    assert_eq!(bench.call(Method::GET, path_of(&share_url), None, Value::Null).await.status, 200);
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    bench.call(Method::GET, "/me", Some(jwt), Value::Null).await;
    let new_key = bench.post("/api-tokens", &user, Value::Null).await.json()["api_key"].clone();
    bench.call(Method::POST, "/jobs", new_key.as_str(), json!({ "r2_key": "wrong", "target_fps": 60 })).await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let served = text.lines().filter(|line| line.contains("served")).count();
    assert!(served >= 10, "the log was not captured: {served} lines\n{text}");
    let signature = |url: &str| url.rsplit_once("X-Amz-Signature=").unwrap().1.to_owned();
    let secrets = [
        user.key.clone(),
        new_key.as_str().unwrap().to_owned(),
        jwt.to_owned(),
        token,
        signature(upload["upload_url"].as_str().unwrap()),
        signature(&output_url),
        "a secret of the tests".to_owned(),
        "X-Amz-Signature".to_owned(),
    ];
    for secret in secrets {
        let found = text.lines().find(|line| line.contains(&secret));
        assert_eq!(found, None, "{secret}");
    }
}
