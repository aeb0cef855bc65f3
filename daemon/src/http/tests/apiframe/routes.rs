//! Every route of the surface once: to strangers, to another account, with nonsense, with a good request. The list of
//! routes is the document's own: a route without a row fails the test, and every answer must be one that the document
//! describes.

use super::*;
use crate::http::{apiframe::surface, openapi::Access};
use std::collections::BTreeSet;

/// Two accounts, one of them with an upload and a finished job.
struct World {
    bench: Bench,
    ann: Customer,
    bob: Customer,
    upload: String,
    job: String,
    result: String,
}

impl World {
    async fn new() -> World {
        let bench = Bench::new();
        let (ann, bob) = (bench.customer("ann@example.org", 100).await, bench.customer("bob@example.org", 100).await);
        let upload = bench.clip_url(&ann, "clip 24 1000").await;
        let job = job_id(&bench.order(&ann, interpolate(&upload, 60), None).await);
        bench.finish(&job).await;
        let shown = bench.ask(&format!("/v2/jobs/{job}"), &ann).await.json();
        let result = path_of(shown["result"]["videoUrl"].as_str().unwrap()).to_owned();
        World { bench, ann, bob, upload, job, result }
    }
}

/// A route, and what is sent to it.
struct Row {
    method: Method,
    path: &'static str,
    uri: String,
    good: StatusCode,
    body: Value,
    /// What is refused with 400: a body or a query.
    bad: Option<Result<Value, &'static str>>,
    /// Whether another account is told that it is not there.
    owned: bool,
}

fn rows(world: &World) -> Vec<Row> {
    let row = |method: Method, path: &'static str| Row {
        method,
        path,
        uri: path.to_owned(),
        good: StatusCode::OK,
        body: Value::Null,
        bad: None,
        owned: false,
    };
    let file = |method: Method| Row { uri: world.result.clone(), ..row(method, "/v2/files/{kind}/{link}/{name}") };
    vec![
        row(Method::GET, "/v2/me"),
        Row { bad: Some(Err("?modality=smell")), ..row(Method::GET, "/v2/models") },
        row(Method::GET, "/v2/openapi.json"),
        Row { bad: Some(Err("?limit=0")), ..row(Method::GET, "/v2/jobs") },
        Row { uri: format!("/v2/jobs/{}", world.job), owned: true, ..row(Method::GET, "/v2/jobs/{job}") },
        Row {
            good: StatusCode::ACCEPTED,
            body: upscale(&world.upload, "720p", 60),
            bad: Some(Ok(upscale(&world.upload, "480p", 60))),
            ..row(Method::POST, "/v2/videos/upscale")
        },
        Row { good: StatusCode::CREATED, ..row(Method::POST, "/v2/uploads") },
        file(Method::GET),
        file(Method::HEAD),
    ]
}

fn check_described(document: &Value, row: &Row, answer: &Answer) {
    let Row { method, path, .. } = row;
    let described = &document["paths"][*path][method.as_str().to_lowercase()]["responses"][answer.status.as_str()];
    assert!(described.is_object(), "{method} {path}: {} is not described", answer.status);
    if let Some(json) = described["content"].get("application/json").filter(|_| *method != Method::HEAD) {
        let flaw = misfit(document, &json["schema"], &answer.json(), "$");
        assert_eq!(flaw, None, "{method} {path} {}", answer.status);
    }
}

async fn send(world: &World, document: &Value, row: &Row, key: Option<&str>, uri: &str, body: &Value) -> StatusCode {
    let answer = match row.path {
        "/v2/uploads" => world.bench.send_file(key, "file", MP4_START).await,
        _ => world.bench.v2(row.method.clone(), uri, key, body.clone()).await,
    };
    check_described(document, row, &answer);
    answer.status
}

#[tokio::test]
async fn every_route_answers_as_it_is_described_to_strangers_to_others_to_nonsense_and_to_its_owner() {
    let world = World::new().await;
    let document = world.bench.v2(Method::GET, "/v2/openapi.json", None, Value::Null).await.json();
    for row in rows(&world) {
        let Row { method, path, uri, body, .. } = &row;
        let name = format!("{method} {path}");
        let surface = surface();
        let operation = surface.operations().iter().find(|one| one.method == *method && one.path == *path).unwrap();
        let ann = Some(world.ann.key.as_str());
        if operation.access == Access::Key {
            let unknown = format!("afk_{}", "0".repeat(40));
            for key in [None, Some(unknown.as_str()), Some(world.ann.user.key.as_str())] {
                let status = send(&world, &document, &row, key, uri, body).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{name} with {key:?}");
            }
            // Whoever has no key learns nothing of what a body must hold.
            assert_eq!(send(&world, &document, &row, None, uri, &json!("x")).await, StatusCode::UNAUTHORIZED, "{name}");
        } else {
            assert_eq!(send(&world, &document, &row, Some("afk_bad"), uri, body).await, row.good, "{name}");
        }
        if row.owned {
            let status = send(&world, &document, &row, Some(&world.bob.key), uri, body).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
        }
        match &row.bad {
            Some(Ok(bad)) => {
                for body in [bad, &json!("nonsense"), &json!([]), &json!({})] {
                    assert_eq!(send(&world, &document, &row, ann, uri, body).await, StatusCode::BAD_REQUEST, "{name}");
                }
            }
            Some(Err(query)) => {
                let uri = format!("{uri}{query}");
                assert_eq!(send(&world, &document, &row, ann, &uri, body).await, StatusCode::BAD_REQUEST, "{name}");
            }
            None => {}
        }
        let balance = world.bench.farm.balance(world.ann.user.account.id).unwrap();
        assert_eq!(balance, Xeconds(99), "{name}: a refusal cost something");
        assert_eq!(send(&world, &document, &row, ann, uri, body).await, row.good, "{name}");
        if row.good == StatusCode::ACCEPTED {
            // What the good one cost comes back, for the rows after it.
            let newest = world.bench.farm.jobs_of(world.ann.user.account.id, 1, None).unwrap();
            world.bench.farm.cancel(newest[0].id).await.unwrap();
        }
    }
}

#[tokio::test]
async fn every_route_has_a_row_and_every_row_a_route() {
    let world = World::new().await;
    let rows: BTreeSet<String> = rows(&world).iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    let surface = surface();
    let served: BTreeSet<String> =
        surface.operations().iter().map(|one| format!("{} {}", one.method, one.path)).collect();
    assert_eq!(rows, served);
    // Nothing else is served: what is refused has a list of its own, and the document serves itself.
    let router = include_str!("../../apiframe/mod.rs");
    assert_eq!(router.matches(".route(").count(), 1, "a route is served past the document");
}
