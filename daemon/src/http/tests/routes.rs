//! Every route of the public port once: without a token, with a bad one, as another owner, with a bad body, with a good
//! one. The list of routes is the document's own: a route without a row fails the test, and every answer must be one
//! that the document describes.

use super::{schema::misfit, *};
use crate::{
    http::{
        openapi::{self, Access},
        reframefx, surface,
    },
    model::ObjectKey,
};
use std::collections::BTreeSet;

const STUB: &str = "00000000-0000-0000-0000-000000000000";

/// One account with all there is: an upload, a finished job, a shared project.
struct World {
    bench: Bench,
    ann: User,
    bob: User,
    upload: Value,
    job: String,
    project: String,
    token: String,
    output: String,
}

impl World {
    async fn new() -> World {
        let bench = Bench::new();
        let (ann, bob) = (bench.user("ann@example.org", 100).await, bench.user("bob@example.org", 100).await);
        let upload = bench.upload(&ann, "clip 24 1000").await;
        let job = bench.submit(&ann, &upload).await;
        bench.finish(&job).await;
        let project = upload["project_id"].as_str().unwrap().to_owned();
        let share = bench.post(&format!("/projects/{project}/share"), &ann, Value::Null).await.json();
        let shown = bench.get(&format!("/projects/{project}"), &ann).await.json();
        let output = shown["files"][0]["id"].as_str().unwrap().to_owned();
        let token = share["share_token"].as_str().unwrap().to_owned();
        World { bench, ann, bob, upload, job, project, token, output }
    }

    fn key(&self) -> &Value {
        &self.upload["key"]
    }
}

/// A route, and what is sent to it.
struct Row {
    method: Method,
    path: &'static str,
    /// What a good request is answered with.
    good: StatusCode,
    uri: String,
    body: Value,
    /// A body or a query that is refused with 400.
    bad: Option<Bad>,
    /// Whether another account is refused with 403.
    owned: bool,
}

enum Bad {
    Body(Value),
    Query(&'static str),
}

impl Row {
    fn new(method: Method, path: &'static str, uri: impl Into<String>) -> Row {
        Row { method, path, good: StatusCode::OK, uri: uri.into(), body: Value::Null, bad: None, owned: false }
    }

    fn owned(mut self) -> Row {
        self.owned = true;
        self
    }

    fn created(mut self) -> Row {
        self.good = StatusCode::CREATED;
        self
    }

    fn with(mut self, good: Value, bad: Value) -> Row {
        (self.body, self.bad) = (good, Some(Bad::Body(bad)));
        self
    }

    fn paged(mut self) -> Row {
        self.bad = Some(Bad::Query("?limit=0"));
        self
    }
}

fn rows(world: &World) -> Vec<Row> {
    let World { upload, job, project, token, output, .. } = world;
    let key = world.key();
    let file = upload["file_id"].as_str().unwrap();
    let at = |uri: &str| uri.replace("{project}", project).replace("{token}", token).replace("{job}", job);
    let same = |method: Method, path: &'static str| Row::new(method, path, at(path));
    vec![
        same(Method::GET, "/me"),
        same(Method::POST, "/api-tokens").created(),
        same(Method::DELETE, "/api-tokens"),
        same(Method::GET, "/pricing/config"),
        same(Method::POST, "/pricing/estimate").with(
            json!({ "duration_sec": 30, "input_fps": 24, "target_fps": 60 }),
            json!({ "duration_sec": "30", "input_fps": 24, "target_fps": 60 }),
        ),
        same(Method::POST, "/pricing/estimate-video")
            .with(
                json!({ "r2_key": key, "target_fps_options": [60] }),
                json!({ "r2_key": key, "target_fps_options": [] }),
            )
            .owned(),
        same(Method::POST, "/upload/presign").with(
            json!({ "filename": "a.mp4", "content_type": "video/mp4" }),
            json!({ "filename": "a.mp4", "content_type": "text/plain" }),
        ),
        same(Method::POST, "/probe").with(json!({ "r2_key": key }), json!({ "r2_key": "elsewhere" })).owned(),
        Row::new(
            Method::GET,
            "/projects/{project}/files/{file}/download",
            at(&format!("/projects/{{project}}/files/{file}/download")),
        )
        .owned(),
        same(Method::GET, "/projects").paged(),
        same(Method::POST, "/projects").with(json!({ "name": "Surf" }), json!({ "name": 5 })).created(),
        same(Method::GET, "/projects/{project}").owned(),
        same(Method::DELETE, "/projects/{project}").owned(),
        same(Method::POST, "/projects/{project}/share").owned(),
        same(Method::DELETE, "/projects/{project}/share").owned(),
        same(Method::GET, "/share/{token}"),
        Row::new(Method::GET, "/share/{token}/files/{file}", at(&format!("/share/{{token}}/files/{output}"))),
        same(Method::POST, "/jobs")
            .with(json!({ "r2_key": key, "target_fps": 60 }), json!({ "r2_key": key, "target_fps": "60" }))
            .owned(),
        same(Method::GET, "/jobs").paged(),
        same(Method::GET, "/jobs/{job}").owned(),
        same(Method::POST, "/internal/payments").with(
            json!({ "event_id": "evt_1", "email": "ann@example.org", "pack": "starter", "currency": "USD" }),
            json!({ "event_id": "evt_1", "email": "ann@example.org", "pack": "mega", "currency": "USD" }),
        ),
        same(Method::GET, "/healthz"),
        same(Method::GET, "/openapi.json"),
        same(Method::GET, "/docs"),
        same(Method::GET, "/docs/page.js"),
        same(Method::GET, "/app"),
        Row::new(Method::GET, "/tweenfarm/{key}", ""),
        Row::new(Method::HEAD, "/tweenfarm/{key}", ""),
        Row::new(Method::PUT, "/tweenfarm/{key}", ""),
    ]
}

fn document(bench: &Bench) -> Value {
    let text = futures::executor::block_on(bench.call(Method::GET, "/openapi.json", None, Value::Null));
    text.json()
}

/// Checks an answer against what the document says of the operation.
fn check_described(document: &Value, row: &Row, answer: &Answer) {
    let Row { method, path, .. } = row;
    let operation = &document["paths"][*path][method.as_str().to_lowercase()];
    let described = &operation["responses"][answer.status.as_str()];
    assert!(described.is_object(), "{method} {path}: {} is not described", answer.status);
    let Some(content) = described["content"].as_object() else {
        assert!(answer.bytes.is_empty(), "{method} {path}: {} has a body", answer.status);
        return;
    };
    if let Some(json) = content.get("application/json")
        && *method != Method::HEAD
    {
        let flaw = misfit(document, &json["schema"], &answer.json(), "$");
        assert_eq!(flaw, None, "{method} {path} {}", answer.status);
    }
}

#[tokio::test]
async fn every_route_answers_as_it_is_described_to_strangers_to_others_to_nonsense_and_to_its_owner() {
    let described = document(&Bench::new());
    let first = World::new().await;
    let count = rows(&first).len();
    for number in 0..count {
        let world = World::new().await;
        let row = rows(&world).swap_remove(number);
        let name = format!("{} {}", row.method, row.path);
        let operation = surface(Some("tweenfarm"));
        let operation = operation.operations().iter().find(|one| one.method == row.method && one.path == row.path);
        match operation.map(|operation| operation.access) {
            Some(Access::Account) => check_account(&described, &world, &row, &name).await,
            Some(Access::Presigned) => check_presigned(&described, &world, &row, &name).await,
            Some(Access::Signed) => check_signed(&described, &world, &row, &name).await,
            Some(Access::Key) => panic!("{name}: an operation of the other surface"),
            Some(Access::Public) | None => check_public(&described, &world, &row, &name).await,
        }
    }
}

async fn check_account(described: &Value, world: &World, row: &Row, name: &str) {
    let World { bench, ann, bob, .. } = world;
    let send = async |key: Option<&str>, uri: &str, body: &Value| {
        let answer = bench.call(row.method.clone(), uri, key, body.clone()).await;
        check_described(described, row, &answer);
        answer
    };
    let unknown = format!("rfx_live_{}", "0".repeat(40));
    for key in [None, Some(unknown.as_str()), Some("afk_something"), Some("a.jwt.some")] {
        let answer = send(key, &row.uri, &row.body).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name} with {key:?}");
        assert_eq!(header_of(&answer, header::WWW_AUTHENTICATE), "Bearer");
    }
    // Whoever has no key learns nothing of what a body must hold.
    assert_eq!(send(None, &row.uri, &json!("nonsense")).await.status, StatusCode::UNAUTHORIZED, "{name}");
    if row.owned {
        assert_eq!(send(Some(&bob.key), &row.uri, &row.body).await.status, StatusCode::FORBIDDEN, "{name}");
    }
    match &row.bad {
        Some(Bad::Body(body)) => {
            for body in [body, &json!("nonsense"), &json!([])] {
                assert_eq!(send(Some(&ann.key), &row.uri, body).await.status, StatusCode::BAD_REQUEST, "{name} {body}");
            }
        }
        Some(Bad::Query(query)) => {
            let uri = format!("{}{query}", row.uri);
            assert_eq!(send(Some(&ann.key), &uri, &row.body).await.status, StatusCode::BAD_REQUEST, "{name}");
        }
        None => {}
    }
    // An id in the path that leads nowhere.
    if let Some(id) = [&world.project, &world.job].into_iter().find(|id| row.uri.contains(id.as_str())) {
        for nothing in [STUB, "none", "%FF"] {
            let answer = send(Some(&ann.key), &row.uri.replace(id.as_str(), nothing), &row.body).await;
            assert!([404, 400].contains(&answer.status.as_u16()), "{name} {nothing}");
        }
    }
    assert_eq!(bench.farm.balance(ann.account.id).unwrap(), Xeconds(99), "{name}: a refusal cost something");
    assert_eq!(send(Some(&ann.key), &row.uri, &row.body).await.status, row.good, "{name}");
}

async fn check_public(described: &Value, world: &World, row: &Row, name: &str) {
    let bench = &world.bench;
    if let Some(Bad::Body(body)) = &row.bad {
        let answer = bench.call(row.method.clone(), &row.uri, None, body.clone()).await;
        check_described(described, row, &answer);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
    }
    if row.uri.contains(&world.token) {
        let uri = row.uri.replace(&world.token, &"0".repeat(40));
        let answer = bench.call(row.method.clone(), &uri, None, Value::Null).await;
        check_described(described, row, &answer);
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
    // A credential, also a bad one, changes nothing on a public route.
    for key in [None, Some("nonsense")] {
        let answer = bench.call(row.method.clone(), &row.uri, key, row.body.clone()).await;
        check_described(described, row, &answer);
        assert_eq!(answer.status, row.good, "{name}");
    }
}

async fn check_signed(described: &Value, world: &World, row: &Row, name: &str) {
    let bench = &world.bench;
    let Some(Bad::Body(bad)) = &row.bad else { panic!("{name}: a signed route has a body") };
    // Nobody's key stands for the signature.
    for key in [None, Some(world.ann.key.as_str())] {
        let answer = bench.call(row.method.clone(), &row.uri, key, row.body.clone()).await;
        check_described(described, row, &answer);
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
    for (body, seconds_ago, expected) in [
        (&row.body, 301, StatusCode::FORBIDDEN),
        (bad, 0, StatusCode::BAD_REQUEST),
        (&json!("nonsense"), 0, StatusCode::BAD_REQUEST),
        (&row.body, 0, row.good),
        // Sent again: booked once.
        (&row.body, 0, row.good),
    ] {
        let answer = bench.pay_at(seconds_ago, body).await;
        check_described(described, row, &answer);
        assert_eq!(answer.status, expected, "{name} {body}");
    }
    assert_eq!(bench.farm.balance(world.ann.account.id).unwrap(), Xeconds(699), "{name}");
}

async fn check_presigned(described: &Value, world: &World, row: &Row, name: &str) {
    let bench = &world.bench;
    let url = if row.method == Method::PUT {
        bench.presign(&world.ann).await["upload_url"].as_str().unwrap().to_owned()
    } else {
        let key: ObjectKey = world.key().as_str().unwrap().parse().unwrap();
        bench.blobs.presign_get(&key, DAY)
    };
    let send = async |uri: &str| {
        let request = Request::builder().method(row.method.clone()).uri(uri).header(header::CONTENT_TYPE, "video/mp4");
        let answer = bench.send(request.body(Body::from("clip 24 1000")).unwrap()).await;
        check_described(described, row, &answer);
        answer.status
    };
    let path = path_of(&url);
    for uri in [path.split('?').next().unwrap().to_owned(), path.replace("X-Amz-Signature=", "X-Amz-Signature=0")] {
        assert_eq!(send(&uri).await, StatusCode::FORBIDDEN, "{name}");
    }
    assert_eq!(send("/tweenfarm/elsewhere/x").await, StatusCode::NOT_FOUND, "{name}");
    assert_eq!(send(path).await, row.good, "{name}");
}

#[tokio::test]
async fn every_route_has_a_row_and_every_row_a_route() {
    let world = World::new().await;
    let rows: BTreeSet<String> = rows(&world).iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    let document = document(&world.bench);
    let paths = document["paths"].as_object().unwrap().iter();
    let routes: BTreeSet<String> = paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(routes, rows);
    let surface = surface(Some("tweenfarm"));
    let served: BTreeSet<String> =
        surface.operations().iter().map(|one| format!("{} {}", one.method, one.path)).collect();
    assert!(served.is_subset(&routes), "{served:?}");
    // Nothing else is served: the routers are built in one place each.
    for file in [
        include_str!("../mod.rs"),
        include_str!("../reframefx/mod.rs"),
        include_str!("../reframefx/surface.rs"),
        include_str!("../objects.rs"),
        include_str!("../payments.rs"),
    ] {
        assert!(!file.contains(".route("), "a route is served past the document");
    }
}

#[tokio::test]
async fn the_documents_examples_fit_its_schemas_and_its_references_lead_somewhere() {
    let document = openapi::document(&reframefx::book(), surface(Some("tweenfarm")).operations(), "http://localhost");
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap().values();
            for carrier in answers.chain([&operation["requestBody"]]) {
                let Some(content) = carrier["content"].get("application/json") else { continue };
                let flaw = misfit(&document, &content["schema"], &content["example"], "$");
                assert_eq!(flaw, None, "{method} {path}");
                seen += 1;
            }
            assert!(operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2')));
        }
    }
    assert!(seen > 100, "only {seen} examples");
}

#[tokio::test]
async fn the_docs_are_a_page_that_needs_nothing_from_elsewhere() {
    let bench = Bench::new();
    let page = bench.call(Method::GET, "/docs", None, Value::Null).await;
    assert!(header_of(&page, header::CONTENT_TYPE).starts_with("text/html"));
    assert!(header_of(&page, header::CONTENT_SECURITY_POLICY).contains("default-src 'none'"));
    let script = bench.call(Method::GET, "/docs/page.js", None, Value::Null).await;
    for text in [&page.bytes, &script.bytes] {
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(!text.contains("http://") && !text.contains("https://"), "the page asks elsewhere");
    }
}
