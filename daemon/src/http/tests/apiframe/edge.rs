//! Who is let in, how often, and in which words everybody else is refused.

use super::*;

#[tokio::test]
async fn a_key_opens_its_own_surface_only() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.named_key(&user, "studio").await;
    let me = bench.v2(Method::GET, "/v2/me", Some(&key), Value::Null).await;
    assert_eq!(me.status, StatusCode::OK);
    let me = me.json();
    assert_eq!((&me["user"]["email"], &me["user"]["role"]), (&json!("ann@example.org"), &json!("OWNER")));
    assert_eq!((&me["team"]["credits"], &me["team"]["plan"]), (&json!(100), &json!("paid")));
    assert_eq!(me["apiKey"]["prefix"].as_str().unwrap(), &key[..8]);
    assert_eq!(me["apiKey"]["name"], "studio");

    let check = async |name: &str, value: String, expected: &str| {
        let request = Request::get("/v2/me").header(name, value.clone()).body(Body::empty()).unwrap();
        let answer = bench.send(request).await;
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::UNAUTHORIZED, expected), "{name} {value}");
    };
    check("x-api-key", user.key.clone(), "Invalid API key").await;
    check("x-api-key", format!("afk_{}", "0".repeat(40)), "Invalid API key").await;
    check("x-api-key", String::new(), "Invalid API key").await;
    check("authorization", format!("Bearer {}", user.key), "Invalid API key").await;
    check("authorization", format!("Bearer {key}"), "Invalid API key").await;
    check("authorization", "Basic eDp5".into(), "API key is required").await;
    let nobody = bench.v2(Method::GET, "/v2/me", None, Value::Null).await;
    assert_eq!((nobody.status, nobody.error().as_str()), (StatusCode::UNAUTHORIZED, "API key is required"));
    // At the root it is no credential at all.
    let request = Request::get("/me").header("x-api-key", &key).body(Body::empty()).unwrap();
    assert_eq!(bench.send(request).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bench.call(Method::GET, "/me", Some(&key), Value::Null).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_revoked_key_stops_working_at_once_and_the_others_go_on() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let (first, second) = (bench.named_key(&user, "one").await, bench.named_key(&user, "two").await);
    let keys = bench.farm.named_keys(user.account.id).unwrap();
    let id = keys.iter().filter_map(|key| key.label()).find(|label| label.name == "one").unwrap().id;
    bench.farm.revoke_named_key(user.account.id, id).await.unwrap();
    let answer = bench.v2(Method::GET, "/v2/me", Some(&first), Value::Null).await;
    assert_eq!((answer.status, answer.error().as_str()), (StatusCode::UNAUTHORIZED, "Invalid API key"));
    assert_eq!(bench.v2(Method::GET, "/v2/me", Some(&second), Value::Null).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_what_the_farm_runs_is_listed_and_the_rest_is_refused_without_a_job() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.named_key(&user, "studio").await;
    let list =
        async |query: &str| bench.v2(Method::GET, &format!("/v2/models{query}"), Some("afk_bad"), Value::Null).await;
    let models = list("").await.json();
    let ids: Vec<&Value> = models["models"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, ["topaz-video-upscale", "frame-interpolate"]);
    assert_eq!(list("?modality=video").await.json(), models);
    assert_eq!(list("?modality=music").await.json(), json!({ "models": [] }));
    let wrong = list("?modality=smell").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let expected = json!({ "error": "Validation error", "details": { "modality": ["Must be image, video or music"] } });
    assert_eq!(wrong.json(), expected);

    let id = uuid::Uuid::nil();
    let (lora, asset) = (format!("/v2/loras/{id}"), format!("/v2/assets/{id}"));
    let rows = [
        (Method::POST, "/v2/images/generate"),
        (Method::POST, "/v2/images/upscale"),
        (Method::POST, "/v2/images/edit"),
        (Method::POST, "/v2/images/background-remove"),
        (Method::POST, "/v2/images/midjourney/action"),
        (Method::POST, "/v2/videos/generate"),
        (Method::POST, "/v2/videos/edit"),
        (Method::POST, "/v2/music/generate"),
        (Method::POST, "/v2/music/suno/action"),
        (Method::GET, "/v2/loras"),
        (Method::POST, "/v2/loras"),
        (Method::GET, lora.as_str()),
        (Method::DELETE, lora.as_str()),
        (Method::POST, "/v2/assets/create"),
        (Method::GET, asset.as_str()),
    ];
    for (method, path) in rows {
        let answer = bench.v2(method.clone(), path, None, json!({})).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        let answer = bench.v2(method.clone(), path, Some(&key), json!({})).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
        assert!(answer.error().contains("/v2/models"), "{method} {path}");
    }
    assert!(bench.farm.jobs_of(user.account.id, 10, None).unwrap().is_empty());
}

#[tokio::test]
async fn every_refusal_under_v2_has_its_envelope_also_where_there_is_no_route() {
    let bench = Bench::new();
    for (path, method, status) in [
        ("/v2", Method::GET, 404),
        ("/v2/", Method::GET, 404),
        ("/v2/nothing/here", Method::POST, 404),
        ("/v2/images/bg-remove", Method::POST, 404),
        ("/v2/me", Method::POST, 405),
    ] {
        let answer = bench.v2(method, path, None, Value::Null).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(!answer.error().is_empty());
    }
    assert!(!bench.call(Method::GET, "/v22", None, Value::Null).await.detail().is_empty());
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back_and_what_is_left() {
    let mut bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let key = bench.named_key(&user, "studio").await;
    bench.state.plans = crate::http::PlanLimits::new(PlanRules { per_minute_free: 1, per_minute_paid: 2 });
    bench.router = router(bench.state.clone());
    let paid = bench.user("bob@example.org", 5).await;
    let paid_key = bench.named_key(&paid, "studio").await;
    let ask = async |key: &str| bench.v2(Method::GET, "/v2/me", Some(key), Value::Null).await;
    let left = |answer: &Answer| {
        let number = |name: &str| answer.headers[name].to_str().unwrap().parse::<u32>().unwrap();
        (number("x-ratelimit-limit"), number("x-ratelimit-remaining"))
    };
    assert_eq!(left(&ask(&paid_key).await), (2, 1));
    assert_eq!(left(&ask(&paid_key).await), (2, 0));
    let first = ask(&key).await;
    assert_eq!((first.status, left(&first)), (StatusCode::OK, (1, 0)));
    let refused = ask(&key).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.error().is_empty());
    let seconds: u64 = header_of(&refused, header::RETRY_AFTER).parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    // Another key of the same account has a share of its own.
    let other = bench.named_key(&user, "other").await;
    assert_eq!(ask(&other).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_document_is_served_and_describes_every_route_and_no_other() {
    let bench = Bench::new();
    let document = bench.v2(Method::GET, "/v2/openapi.json", None, Value::Null).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let surface = crate::http::apiframe::surface();
    let described: usize =
        document["paths"].as_object().unwrap().values().map(|one| one.as_object().unwrap().len()).sum();
    assert_eq!(described, surface.operations().len());
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with("/v2/"), "{path}");
        for (method, operation) in methods.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap().values();
            for carrier in answers.chain([&operation["requestBody"]]) {
                let Some(content) = carrier["content"].get("application/json") else { continue };
                let flaw = misfit(&document, &content["schema"], &content["example"], "$");
                assert_eq!(flaw, None, "{method} {path}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 10, "only {seen} examples");
}
