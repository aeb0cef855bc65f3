//! Uploads, and the URLs that they and results are read from.

use super::*;

#[tokio::test]
async fn an_upload_is_what_its_bytes_say_and_is_read_by_whoever_has_its_url() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 0).await;
    let content = [MP4_START, b"clip 24 1000"].concat();
    let answer = bench.send_file(Some(&ann.key), "file", &content).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.bytes);
    let body = answer.json();
    assert_eq!((&body["kind"], &body["contentType"]), (&json!("video"), &json!("video/mp4")));
    assert_eq!(body["byteSize"], content.len());
    let expires_at: jiff::Timestamp = body["expiresAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires_at.as_millisecond(), bench.farm.now().0 / 1000 + 2 * 3600 * 1000);
    let url = body["url"].as_str().unwrap();
    assert!(url.ends_with("/beach.mp4"), "{url}");
    let read = bench.send(Request::get(path_of(url)).body(Body::empty()).unwrap()).await;
    assert_eq!((read.status, &read.bytes[..]), (StatusCode::OK, &content[..]));
    assert_eq!(header_of(&read, header::CONTENT_TYPE), "video/mp4");
    let part = Request::get(path_of(url)).header(header::RANGE, "bytes=4-7").body(Body::empty()).unwrap();
    let part = bench.send(part).await;
    assert_eq!((part.status, &part.bytes[..]), (StatusCode::PARTIAL_CONTENT, &b"ftyp"[..]));
    let head = bench.send(Request::head(path_of(url)).body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));

    let guessed = path_of(url).replace("/v2/files/u/", "/v2/files/u/0");
    for path in [guessed.as_str(), "/v2/files/u/x/y", "/v2/files/z/x/y", &path_of(url).replace("/u/", "/o/")] {
        let answer = bench.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::NOT_FOUND, "file not found"), "{path}");
    }
    bench.clock.0.fetch_add(2 * 3_600_000_000, Ordering::SeqCst);
    let gone = bench.send(Request::get(path_of(url)).body(Body::empty()).unwrap()).await;
    assert_eq!((gone.status, gone.error().as_str()), (StatusCode::NOT_FOUND, "File expired"));
    let swept = bench.sweep(false).await;
    assert_eq!(swept["deleted"], 1);
}

#[tokio::test]
async fn what_is_no_file_of_a_known_kind_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 0).await;
    let details = |answer: &Answer| {
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::BAD_REQUEST, "Validation error"));
        answer.json()["details"]["file"][0].as_str().unwrap().to_owned()
    };
    let nobody = bench.send_file(None, "file", MP4_START).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert!(details(&bench.send_file(Some(&ann.key), "file", b"#!/bin/sh").await).contains("MP4"));
    assert!(details(&bench.send_file(Some(&ann.key), "file", b"").await).contains("MP4"));
    assert_eq!(details(&bench.send_file(Some(&ann.key), "clip", MP4_START).await), "Required");
    let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
    image.resize((25 << 20) + 1, 0);
    assert!(details(&bench.send_file(Some(&ann.key), "file", &image).await).contains("26214400"));
    image.truncate(25 << 20);
    assert_eq!(bench.send_file(Some(&ann.key), "file", &image).await.status, StatusCode::CREATED);
    let mut video = MP4_START.to_vec();
    video.resize(52 << 20, 0);
    assert!(details(&bench.send_file(Some(&ann.key), "file", &video).await).contains("52428800"));
    let not_a_form = bench.v2(Method::POST, "/v2/uploads", Some(&ann.key), json!({ "file": "x" })).await;
    assert_eq!(not_a_form.status, StatusCode::BAD_REQUEST);
    assert!(not_a_form.error().contains("multipart"));
    assert_eq!(bench.staged(), 0);
}

#[tokio::test]
async fn a_store_that_is_full_is_told_as_a_failure_of_storage() {
    let bench = Bench::with_reserve(u64::MAX / 2);
    let ann = bench.customer("ann@example.org", 0).await;
    let answer = bench.send_file(Some(&ann.key), "file", MP4_START).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(!answer.error().is_empty());
}
