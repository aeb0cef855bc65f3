//! What the routes refuse, field by field and case by case.

use super::*;

#[tokio::test]
async fn every_route_says_which_field_is_wrong() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.upload(&user, "clip 30 12900").await;
    let key = upload["key"].as_str().unwrap();
    let check = async |path: &str, body: Value, field: &str| {
        let answer = bench.post(path, &user, body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {body}");
        assert!(answer.detail().contains(field), "{path} {body}: {}", answer.detail());
    };
    let estimate = |duration: Value, input: Value, target: Value| json!({ "duration_sec": duration, "input_fps": input, "target_fps": target });
    check("/pricing/estimate", json!({}), "duration_sec").await;
    check("/pricing/estimate", estimate(json!("30"), json!(24), json!(60)), "duration_sec").await;
    check("/pricing/estimate", estimate(json!(0), json!(24), json!(60)), "duration_sec").await;
    check("/pricing/estimate", estimate(json!(-1), json!(24), json!(60)), "duration_sec").await;
    check("/pricing/estimate", estimate(json!(true), json!(24), json!(60)), "duration_sec").await;
    check("/pricing/estimate", estimate(json!(1e300), json!(24), json!(60)), "duration_sec").await;
    check("/pricing/estimate", estimate(json!(30), json!(0), json!(60)), "input_fps").await;
    check("/pricing/estimate", estimate(json!(30), json!(null), json!(60)), "input_fps").await;
    check("/pricing/estimate", estimate(json!(30), json!(24), json!("60")), "target_fps").await;
    check("/pricing/estimate", estimate(json!(30), json!(24), json!(60.5)), "target_fps").await;
    check("/pricing/estimate", estimate(json!(30), json!(24), json!(241)), "target_fps").await;
    check("/pricing/estimate", estimate(json!(30), json!(12), json!(23)), "target_fps").await;
    // Row 11 of the contract's table.
    check("/pricing/estimate", estimate(json!(10), json!(60), json!(60)), "greater than the source fps (60)").await;

    let options = |options: Value| json!({ "r2_key": key, "target_fps_options": options });
    check("/pricing/estimate-video", options(json!([])), "target_fps_options").await;
    check("/pricing/estimate-video", options(json!(vec![60; 21])), "target_fps_options").await;
    check("/pricing/estimate-video", options(json!([60, "90"])), "target_fps_options").await;
    check("/pricing/estimate-video", options(json!([60, 300])), "target_fps_options").await;
    check("/pricing/estimate-video", options(json!(60)), "target_fps_options").await;
    check("/pricing/estimate-video", json!({ "target_fps_options": [60] }), "r2_key").await;

    let presign = |name: Value, kind: Value| json!({ "filename": name, "content_type": kind });
    check("/upload/presign", json!({}), "filename").await;
    check("/upload/presign", presign(json!(""), json!("video/mp4")), "filename").await;
    check("/upload/presign", presign(json!(5), json!("video/mp4")), "filename").await;
    check("/upload/presign", presign(json!("x".repeat(256)), json!("video/mp4")), "filename").await;
    check("/upload/presign", presign(json!("a.mp4"), json!("text/plain")), "content_type").await;
    check("/upload/presign", presign(json!("a.mp4"), json!(null)), "content_type").await;
    let with = |field: &str, value: Value| {
        let mut body = presign(json!("a.mp4"), json!("video/mp4"));
        body[field] = value;
        body
    };
    check("/upload/presign", with("project_id", json!("mine")), "project_id").await;
    check("/upload/presign", with("project_id", json!(5)), "project_id").await;
    check("/upload/presign", with("size_bytes", json!(0)), "size_bytes").await;

    check("/probe", json!({}), "r2_key").await;
    check("/probe", json!({ "r2_key": "../../etc/passwd" }), "r2_key").await;
    check("/probe", json!({ "r2_key": "elsewhere/clip.mp4" }), "r2_key").await;
    check("/probe", json!({ "r2_key": 7 }), "r2_key").await;

    let job = |target: Value| json!({ "r2_key": key, "target_fps": target });
    check("/jobs", job(json!(23)), "target_fps").await;
    check("/jobs", job(json!(241)), "target_fps").await;
    check("/jobs", job(json!("60")), "target_fps").await;
    check("/jobs", job(json!(true)), "target_fps").await;
    check("/jobs", job(json!(30)), "target_fps must be greater than the source fps (30)").await;
    let with = |field: &str, value: Value| {
        let mut body = job(json!(60));
        body[field] = value;
        body
    };
    check("/jobs", with("watermark", json!("yes")), "watermark").await;
    check("/jobs", with("project_id", json!("x")), "project_id").await;
    check("/jobs", with("project_id", json!(uuid::Uuid::nil())), "project").await;
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(100));
    assert!(bench.get("/jobs?limit=0", &user).await.detail().contains("limit"));
    assert!(bench.get("/jobs?limit=201", &user).await.detail().contains("limit"));
    assert!(bench.get("/jobs?before=yesterday", &user).await.detail().contains("before"));
}

#[tokio::test]
async fn what_belongs_to_another_account_is_forbidden() {
    let bench = Bench::new();
    let (ann, bob) = (bench.user("ann@example.org", 100).await, bench.user("bob@example.org", 100).await);
    let upload = bench.upload(&ann, "clip 30 12900").await;
    let (key, project, file) = (&upload["key"], upload["project_id"].as_str(), upload["file_id"].as_str());
    let job = bench.post("/jobs", &ann, json!({ "r2_key": key, "target_fps": 60 })).await.json();
    let requests = [
        (Method::POST, "/probe".to_owned(), json!({ "r2_key": key })),
        (Method::POST, "/pricing/estimate-video".into(), json!({ "r2_key": key, "target_fps_options": [60] })),
        (Method::POST, "/jobs".into(), json!({ "r2_key": key, "target_fps": 60 })),
        (
            Method::POST,
            "/upload/presign".into(),
            json!({ "filename": "a.mp4", "content_type": "video/mp4", "project_id": project }),
        ),
        (Method::GET, format!("/projects/{}/files/{}/download", project.unwrap(), file.unwrap()), Value::Null),
        (Method::GET, format!("/jobs/{}", job["job_id"].as_str().unwrap()), Value::Null),
    ];
    for (method, path, body) in requests {
        let answer = bench.call(method.clone(), &path, Some(&bob.key), body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}: {}", answer.detail());
    }
    assert_eq!(bench.farm.balance(bob.account.id).unwrap(), Xeconds(100));
    assert_eq!(bench.get("/jobs", &bob).await.json(), json!({ "jobs": [] }));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.presign(&user).await;
    let (key, project) = (upload["key"].as_str().unwrap(), upload["project_id"].as_str().unwrap());
    let other = key.replace("-surf.mp4", "-other.mp4");
    let id = uuid::Uuid::nil();
    for key in [key, &other] {
        for (path, body) in [
            ("/probe", json!({ "r2_key": key })),
            ("/pricing/estimate-video", json!({ "r2_key": key, "target_fps_options": [60] })),
            ("/jobs", json!({ "r2_key": key, "target_fps": 60 })),
        ] {
            assert_eq!(bench.post(path, &user, body).await.status, StatusCode::NOT_FOUND, "{path} {key}");
        }
    }
    let file = upload["file_id"].as_str().unwrap();
    for path in [
        format!("/jobs/{id}"),
        "/jobs/some".into(),
        format!("/projects/{id}/files/{id}/download"),
        format!("/projects/{project}/files/{id}/download"),
        // Announced, but never uploaded.
        format!("/projects/{project}/files/{file}/download"),
        "/somewhere".into(),
        "/".into(),
        "/nothing/images".into(),
    ] {
        let answer = bench.get(&path, &user).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.detail().is_empty());
    }
    let with_project = json!({ "filename": "a.mp4", "content_type": "video/mp4", "project_id": id });
    assert_eq!(bench.post("/upload/presign", &user, with_project).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_wrong_method_and_a_body_that_is_no_object_get_a_sentence() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let answer = bench.call(Method::DELETE, "/jobs", Some(&user.key), Value::Null).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(header_of(&answer, header::ALLOW).contains("POST"));
    assert!(!answer.detail().is_empty());
    for text in ["", "{", "[]", "null", "\"text\"", "{\"r2_key\": }", "{} {}"] {
        let request = Request::post("/probe").header(header::AUTHORIZATION, format!("Bearer {}", user.key));
        let answer = bench.send(request.body(Body::from(text)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{text}");
        assert!(answer.detail().contains("body"), "{text}: {}", answer.detail());
    }
    let long = json!({ "r2_key": "x".repeat(70_000) });
    assert_eq!(bench.post("/probe", &user, long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let nested = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let request = Request::post("/pricing/estimate").body(Body::from(nested)).unwrap();
    assert_eq!(bench.send(request).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_panic_in_a_handler_is_an_answer_with_a_sentence() {
    async fn broken() -> StatusCode {
        panic!("on purpose")
    }
    let bench = Bench::new();
    let routes = Router::new().route("/broken", axum::routing::get(broken));
    let router = super::super::edged(routes, super::super::Port::Public, &bench.state).with_state(bench.state.clone());
    let answer = answer_of(&router, Request::get("/broken").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.detail().contains("on purpose"));
}

#[tokio::test]
async fn a_clip_that_cannot_be_converted_gets_the_contracts_status_and_costs_nothing() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 1000).await;
    let check = async |content: &'static str, status: StatusCode, phrase: &str| {
        let key = bench.upload(&user, content).await["key"].clone();
        for (path, body) in [
            ("/probe", json!({ "r2_key": key })),
            ("/pricing/estimate-video", json!({ "r2_key": key, "target_fps_options": [60] })),
            ("/jobs", json!({ "r2_key": key, "target_fps": 60 })),
        ] {
            let answer = bench.post(path, &user, body).await;
            assert_eq!(answer.status, status, "{path} {content}");
            if status != StatusCode::OK {
                assert!(answer.detail().contains(phrase), "{path} {content}: {}", answer.detail());
            }
        }
    };
    check("", StatusCode::BAD_REQUEST, "empty").await;
    check("a text file", StatusCode::BAD_REQUEST, "not a video").await;
    check("clip 30 120051", StatusCode::PAYLOAD_TOO_LARGE, "120").await;
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(1000));
    check("clip 30 120050", StatusCode::OK, "").await;
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(880));
}
