//! Objects behind presigned URLs: what a store must refuse, and ranges.

use super::*;
use crate::model::ObjectKey;
use futures::stream;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_upload_over_the_limit_is_413_early_and_in_midstream_and_leaves_nothing() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let url = bench.presign(&user).await["upload_url"].as_str().unwrap().to_owned();
    let told = bench.put(&url, vec![0_u8; UPLOAD_BYTES_MAX as usize + 1]).await;
    assert_eq!(told.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(told.detail().contains("1000"));
    let pieces = stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 100])));
    let untold = bench.put(&url, Body::from_stream(pieces)).await;
    assert_eq!(untold.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(bench.staged(), 0);
    // The URL still works, and exactly the limit passes.
    assert_eq!(bench.put(&url, vec![0_u8; UPLOAD_BYTES_MAX as usize]).await.status, StatusCode::OK);
    let body = json!({ "filename": "a.mp4", "content_type": "video/mp4", "size_bytes": UPLOAD_BYTES_MAX + 1 });
    assert_eq!(bench.post("/upload/presign", &user, body).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let presigned = bench.presign(&user).await;
    let pieces = stream::iter([Ok(vec![0_u8; 100]), Err(std::io::Error::other("the client left"))]);
    let answer = bench.put(presigned["upload_url"].as_str().unwrap(), Body::from_stream(pieces)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.staged(), 0);
    let key: ObjectKey = presigned["key"].as_str().unwrap().parse().unwrap();
    assert_eq!(bench.blobs.stat(&key).await.unwrap(), None);
}

#[tokio::test]
async fn a_put_must_be_what_its_url_was_signed_for() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let url = bench.presign(&user).await["upload_url"].as_str().unwrap().to_owned();
    let put = async |uri: &str, content_type: Option<&str>| {
        let mut request = Request::put(path_of(uri));
        if let Some(kind) = content_type {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        bench.send(request.body(Body::from("clip 24 1000")).unwrap()).await
    };
    for (uri, kind) in [
        (url.clone(), Some("video/webm")),
        (url.clone(), None),
        (url.replace("surf", "turf"), Some("video/mp4")),
        (url.replace("Expires=3600", "Expires=7200"), Some("video/mp4")),
        (format!("{url}&extra=1"), Some("video/mp4")),
        (url.split('?').next().unwrap().to_owned(), Some("video/mp4")),
    ] {
        let answer = put(&uri, kind).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{uri} {kind:?}");
        assert!(!answer.detail().is_empty());
    }
    let read = bench.send(Request::get(path_of(&url)).body(Body::empty()).unwrap()).await;
    assert_eq!(read.status, StatusCode::FORBIDDEN, "a URL for PUT is not one for GET");
    assert_eq!(bench.staged(), 0);
    assert_eq!(put(&url, Some("video/mp4")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_upload_can_be_repeated_until_a_job_has_used_it() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    let url = upload["upload_url"].as_str().unwrap();
    let fps = async || bench.post("/probe", &user, json!({ "r2_key": upload["key"] })).await.json()["fps"].clone();
    assert_eq!(fps().await, 24);
    assert_eq!(bench.put(url, "clip 25 1000").await.status, StatusCode::OK);
    assert_eq!(fps().await, 25, "what was known of the earlier clip is forgotten");
    let job = bench.post("/jobs", &user, json!({ "r2_key": upload["key"], "target_fps": 60 })).await;
    assert_eq!(job.status, StatusCode::OK);
    assert_eq!(bench.put(url, "clip 26 1000").await.status, StatusCode::FORBIDDEN);
    assert_eq!(fps().await, 25);
    assert_eq!(bench.staged(), 0);
}

/// As a power cut leaves it between the rename and the farm's note.
async fn publish_unnoted(bench: &Bench, key: &Value, content: &[u8]) {
    let mut upload = bench.disk.begin(&key.as_str().unwrap().parse().unwrap(), "video/mp4", 100).await.unwrap();
    upload.write(content).await.unwrap();
    upload.seal().await.unwrap().publish().await.unwrap();
}

#[tokio::test]
async fn an_upload_that_was_published_but_not_noted_is_noted_when_it_is_looked_at() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let fps = async |key: &Value| bench.post("/probe", &user, json!({ "r2_key": key })).await.json()["fps"].clone();
    let never_noted = bench.presign(&user).await["key"].clone();
    publish_unnoted(&bench, &never_noted, b"clip 24 1000").await;
    assert_eq!(fps(&never_noted).await, 24);
    let replaced = bench.upload(&user, "clip 24 1000").await["key"].clone();
    assert_eq!(fps(&replaced).await, 24);
    publish_unnoted(&bench, &replaced, b"clip 25 1000").await;
    assert_eq!(fps(&replaced).await, 25, "facts of the earlier bytes are not taken for the new ones'");
    for key in [never_noted, replaced] {
        let job = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await;
        assert_eq!(job.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_disk_that_is_almost_full_refuses_uploads_and_says_when_to_come_back() {
    let bench = Bench::with_reserve(u64::MAX / 2);
    let user = bench.user("ann@example.org", 0).await;
    let url = bench.presign(&user).await["upload_url"].as_str().unwrap().to_owned();
    let answer = bench.put(&url, "clip 24 1000").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(header_of(&answer, header::RETRY_AFTER).parse::<u64>().unwrap() > 0);
    assert!(answer.detail().contains("full"));
    assert_eq!(bench.staged(), 0);
}

#[tokio::test]
async fn an_object_is_read_whole_in_part_or_not_again() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    let key: ObjectKey = upload["key"].as_str().unwrap().parse().unwrap();
    let url = bench.blobs.presign_get(&key, HOUR);
    let read = async |method: Method, headers: &[(header::HeaderName, &str)]| {
        let mut request = Request::builder().method(method).uri(path_of(&url));
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        bench.send(request.body(Body::empty()).unwrap()).await
    };
    let whole = read(Method::GET, &[]).await;
    assert_eq!((whole.status, &whole.bytes[..]), (StatusCode::OK, &b"clip 24 1000"[..]));
    assert_eq!(header_of(&whole, header::CONTENT_TYPE), "video/mp4");
    assert_eq!(header_of(&whole, header::CONTENT_LENGTH), "12");
    assert_eq!(header_of(&whole, header::ACCEPT_RANGES), "bytes");
    assert!(header_of(&whole, header::LAST_MODIFIED).ends_with(" GMT"));
    let etag = header_of(&whole, header::ETAG).to_owned();

    let head = read(Method::HEAD, &[]).await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    assert_eq!(header_of(&head, header::CONTENT_LENGTH), "12");

    let part = read(Method::GET, &[(header::RANGE, "bytes=5-6")]).await;
    assert_eq!((part.status, &part.bytes[..]), (StatusCode::PARTIAL_CONTENT, &b"24"[..]));
    assert_eq!(header_of(&part, header::CONTENT_RANGE), "bytes 5-6/12");
    let tail = read(Method::GET, &[(header::RANGE, "bytes=-4"), (header::IF_RANGE, &etag)]).await;
    assert_eq!(&tail.bytes[..], b"1000");
    let changed = read(Method::GET, &[(header::RANGE, "bytes=-4"), (header::IF_RANGE, "\"other\"")]).await;
    assert_eq!((changed.status, changed.bytes.len()), (StatusCode::OK, 12));
    let past = read(Method::GET, &[(header::RANGE, "bytes=12-")]).await;
    assert_eq!(past.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header_of(&past, header::CONTENT_RANGE), "bytes */12");
    let known = read(Method::GET, &[(header::IF_NONE_MATCH, &etag)]).await;
    assert_eq!((known.status, known.bytes.len()), (StatusCode::NOT_MODIFIED, 0));

    bench.blobs.delete(&key).await.unwrap();
    let gone = read(Method::GET, &[]).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(!gone.detail().is_empty());
}

#[tokio::test]
async fn an_agent_delivers_while_its_job_runs_and_not_afterwards() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.upload(&user, "clip 24 1000").await["key"].clone();
    let job = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await.json();
    let id = job["job_id"].as_str().unwrap();
    let segment: ObjectKey = format!("work/{id}/{}.mp4", uuid::Uuid::nil()).parse().unwrap();
    let url = bench.blobs.presign_put(&segment, "video/mp4", None, HOUR);
    // Deliveries are not uploads: the limit of uploads is not theirs.
    assert_eq!(bench.put(&url, vec![1_u8; 5000]).await.status, StatusCode::OK);
    assert_eq!(bench.blobs.stat(&segment).await.unwrap().unwrap().size_bytes, 5000);
    bench.farm.cancel(id.parse().unwrap()).await.unwrap();
    assert_eq!(bench.put(&url, vec![1_u8; 5000]).await.status, StatusCode::FORBIDDEN);
    let stray: ObjectKey = format!("work/{}/x.mp4", uuid::Uuid::nil()).parse().unwrap();
    let url = bench.blobs.presign_put(&stray, "video/mp4", None, HOUR);
    assert_eq!(bench.put(&url, "x").await.status, StatusCode::FORBIDDEN);
}
