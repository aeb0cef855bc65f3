//! The operator's API.

use super::*;
use tweenfarm_protocol::{
    AgentId,
    task::{Failure, FailureClass, Outcome},
};

impl Bench {
    pub(super) async fn operate(&self, method: Method, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        answer_of(&self.operator, Request::builder().method(method).uri(path).body(body).unwrap()).await
    }
}

#[tokio::test]
async fn an_account_is_added_shown_and_granted() {
    let bench = Bench::new();
    let added =
        bench.operate(Method::POST, "/operator/users", json!({ "email": "ann@example.org", "xeconds": 10 })).await;
    assert_eq!(added.status, StatusCode::CREATED);
    let added = added.json();
    assert_eq!(added["balance"], 10);
    let me = bench.call(Method::GET, "/me", added["api_key"].as_str(), Value::Null).await.json();
    assert_eq!(me["id"], added["account"]);
    let path = format!("/operator/users/{}/grants", added["account"].as_str().unwrap());
    let granted = bench.operate(Method::POST, &path, json!({ "xeconds": 5, "reason": "sorry" })).await;
    assert_eq!(granted.json(), json!({ "account": added["account"], "balance": 15 }));
    let users = bench.operate(Method::GET, "/operator/users", Value::Null).await.json();
    let users = &users["rows"];
    assert_eq!((&users[0]["tier"], &users[0]["balance"]), (&json!("paid"), &json!(15)));
    assert!(!users.to_string().contains("rfx_live_"), "a key is shown once");
    let status = bench.operate(Method::GET, "/operator/status", Value::Null).await.json();
    assert_eq!((&status["accounts"], &status["jobs"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_ledger_tells_every_change_and_the_balance_after_it() {
    let bench = Bench::new();
    let added =
        bench.operate(Method::POST, "/operator/users", json!({ "email": "ann@example.org", "trial": true })).await;
    let added = added.json();
    assert_eq!(added["balance"], 120);
    let of = |what: &str| format!("/operator/users/{}/{what}", added["account"].as_str().unwrap());
    let tier =
        async || bench.operate(Method::GET, "/operator/users", Value::Null).await.json()["rows"][0]["tier"].clone();
    let grant = json!({ "xeconds": 5, "reason": "sorry", "kind": "trial" });
    assert_eq!(bench.operate(Method::POST, &of("grants"), grant).await.json()["balance"], 125);
    let adjustment = json!({ "xeconds": -20, "reason": "miscounted" });
    assert_eq!(bench.operate(Method::POST, &of("adjustments"), adjustment).await.json()["balance"], 105);
    assert_eq!(tier().await, "free");
    bench.operate(Method::POST, &of("grants"), json!({ "xeconds": 1, "reason": "partner" })).await;
    assert_eq!(tier().await, "paid");
    let rows = bench.operate(Method::GET, &of("ledger"), Value::Null).await.json();
    let shown = |row: &Value| json!([row["kind"], row["change"], row["balance"], row["note"]]);
    let rows: Vec<Value> = rows["rows"].as_array().unwrap().iter().rev().map(shown).collect();
    let expected = [
        json!(["trial grant", 120, 120, ""]),
        json!(["grant (trial)", 5, 125, "sorry"]),
        json!(["adjustment", -20, 105, "miscounted"]),
        json!(["grant (paid)", 1, 106, "partner"]),
    ];
    assert_eq!(rows, expected);
    let below = bench.operate(Method::POST, &of("adjustments"), json!({ "xeconds": -107, "reason": "x" })).await;
    assert_eq!(below.status, StatusCode::PAYMENT_REQUIRED);
}

#[tokio::test]
async fn trying_a_job_again_or_looking_at_it_says_why_it_cannot_be() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 3).await;
    let key = bench.upload(&user, "clip 30 3000").await["key"].clone();
    let job = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await.json()["job_id"].clone();
    let path = format!("/operator/jobs/{}/retry", job.as_str().unwrap());
    let retry = async || bench.operate(Method::POST, &path, Value::Null).await;
    let said = |answer: Answer| (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned());
    let not_failed = "only a job that failed can be tried again".to_owned();
    assert_eq!(said(retry().await), (StatusCode::CONFLICT, not_failed));

    let id = job.as_str().unwrap().parse().unwrap();
    let preview = path.replace("/retry", "/preview");
    let none = said(bench.operate(Method::GET, &preview, Value::Null).await);
    assert_eq!(none, (StatusCode::NOT_FOUND, "no picture of this job: no frame of this job is made yet".to_owned()));

    bench.work(job.as_str().unwrap(), 0).await;
    let agent = AgentId(uuid::Uuid::from_u128(7));
    let work = bench.farm.lease_next(agent, 0, Duration::ZERO).await.unwrap().unwrap();
    let failure = Failure::new(FailureClass::Input, "It cannot be decoded.".into());
    bench.farm.report(work.lease, Outcome::Failed(failure)).await.unwrap();
    bench.farm.adjust(user.account.id, Xeconds(-1), "spent".into()).await.unwrap();
    let (status, sentence) = said(retry().await);
    assert_eq!(status, StatusCode::PAYMENT_REQUIRED);
    assert!(sentence.contains("needs 3 xeconds") && sentence.contains("a grant"), "{sentence}");

    bench.farm.adjust(user.account.id, Xeconds(1), "found".into()).await.unwrap();
    let again = retry().await;
    assert_eq!((again.status, again.json()["job"].clone()), (StatusCode::OK, job));
    assert!(!bench.farm.job(id).unwrap().unwrap().job.has_ended());
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds::ZERO);
}

#[tokio::test]
async fn the_operator_gives_a_new_key_and_takes_it_away() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let path = format!("/operator/users/{}/key", user.account.id);
    let key = bench.operate(Method::POST, &path, Value::Null).await.json()["api_key"].as_str().unwrap().to_owned();
    assert_eq!(bench.get("/me", &user).await.status, StatusCode::UNAUTHORIZED);
    let me = async || bench.call(Method::GET, "/me", Some(&key), Value::Null).await.status;
    assert_eq!(me().await, StatusCode::OK);
    for revoked in [true, false] {
        assert_eq!(bench.operate(Method::DELETE, &path, Value::Null).await.json()["revoked"], revoked);
    }
    assert_eq!(me().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_account_gets_many_keys_and_each_is_revoked_alone() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let path = format!("/operator/users/{}/keys", user.account.id);
    let mut texts = Vec::new();
    for name in ["studio", "night batch"] {
        let added = bench.operate(Method::POST, &path, json!({ "name": name })).await;
        assert_eq!(added.status, StatusCode::CREATED);
        let text = added.json()["api_key"].as_str().unwrap().to_owned();
        assert!(text.strip_prefix("afk_").is_some_and(|digits| digits.len() == 40), "{text}");
        texts.push(text);
        bench.clock.0.fetch_add(1, Ordering::SeqCst);
    }
    let list = async || bench.operate(Method::GET, &path, Value::Null).await.json();
    let rows = list().await;
    let names: Vec<&Value> = rows.as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["", "studio", "night batch"]);
    assert_eq!((&rows[0]["kind"], &rows[1]["kind"]), (&json!("rfx"), &json!("afk")));
    assert_eq!(rows[1]["prefix"].as_str().unwrap(), &texts[0][..8]);
    assert!(texts.iter().all(|text| !rows.to_string().contains(text)), "a key is shown once");
    let one = format!("{path}/{}", rows[1]["key"].as_str().unwrap());
    for revoked in [true, false] {
        assert_eq!(bench.operate(Method::DELETE, &one, Value::Null).await.json()["revoked"], revoked);
    }
    let rows = list().await;
    assert!(rows[1]["revoked_at"].is_string() && rows[2]["revoked_at"].is_null(), "{rows}");
    assert_eq!(bench.get("/me", &user).await.status, StatusCode::OK, "the other surface's key is left alone");
    for (method, path, body, status) in [
        (Method::DELETE, format!("{path}/{}", uuid::Uuid::nil()), Value::Null, 404),
        (Method::DELETE, format!("{path}/none"), Value::Null, 404),
        (Method::POST, path.clone(), json!({ "name": " " }), 400),
        (Method::POST, path, json!({}), 400),
    ] {
        assert_eq!(bench.operate(method, &path, body).await.status.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn when_a_key_was_last_used_is_known_before_and_after_it_was_written_down() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let path = format!("/operator/users/{}/keys", user.account.id);
    let used = async || bench.operate(Method::GET, &path, Value::Null).await.json()[0]["last_used_at"].clone();
    assert_eq!(used().await, Value::Null);
    bench.get("/me", &user).await;
    let seen = used().await;
    assert!(seen.is_string());
    bench.farm.save_key_uses().await.unwrap();
    assert_eq!(used().await, seen);
    bench.clock.0.fetch_add(60_000_000, Ordering::SeqCst);
    bench.get("/me", &user).await;
    assert_ne!(used().await, seen);
}

#[tokio::test]
async fn the_operator_is_refused_with_a_sentence() {
    let bench = Bench::new();
    bench.user("ann@example.org", 0).await;
    let id = uuid::Uuid::nil();
    let grants = format!("/operator/users/{id}/grants");
    let check = async |method: Method, path: &str, body: Value, status: StatusCode| {
        let answer = bench.operate(method.clone(), path, body.clone()).await;
        assert_eq!(answer.status, status, "{method} {path} {body}");
        assert!(!answer.json()["error"].as_str().unwrap().is_empty());
    };
    let users = "/operator/users";
    check(Method::POST, users, json!({ "email": "ann@example.org" }), StatusCode::CONFLICT).await;
    check(Method::POST, users, json!({ "email": "ann" }), StatusCode::BAD_REQUEST).await;
    check(Method::POST, users, json!({}), StatusCode::BAD_REQUEST).await;
    check(Method::POST, users, json!({ "email": "b@c", "xecond": 5 }), StatusCode::BAD_REQUEST).await;
    check(Method::POST, users, json!({ "email": "b@c", "xeconds": -5 }), StatusCode::BAD_REQUEST).await;
    check(Method::POST, &grants, json!({ "xeconds": 5, "reason": "x" }), StatusCode::NOT_FOUND).await;
    check(Method::POST, &grants, json!({ "xeconds": 5, "reason": " " }), StatusCode::BAD_REQUEST).await;
    check(Method::POST, &grants, json!({ "xeconds": -5, "reason": "x" }), StatusCode::BAD_REQUEST).await;
    check(Method::POST, &grants, json!({ "xeconds": 5, "reason": "x", "kind": "gift" }), StatusCode::BAD_REQUEST).await;
    let of_nobody = |what: &str| format!("/operator/users/{id}/{what}");
    let change = json!({ "xeconds": 5, "reason": "x" });
    check(Method::POST, &of_nobody("adjustments"), change, StatusCode::NOT_FOUND).await;
    check(Method::GET, &of_nobody("ledger"), Value::Null, StatusCode::NOT_FOUND).await;
    check(Method::POST, &of_nobody("key"), Value::Null, StatusCode::NOT_FOUND).await;
    check(Method::DELETE, &of_nobody("key"), Value::Null, StatusCode::NOT_FOUND).await;
    check(Method::GET, "/operator/users/ann/ledger", Value::Null, StatusCode::NOT_FOUND).await;
    check(Method::POST, "/operator/jobs/none/cancel", Value::Null, StatusCode::NOT_FOUND).await;
    check(Method::GET, "/operator/jobs?limit=many", Value::Null, StatusCode::BAD_REQUEST).await;
    check(Method::GET, "/operator/jobs?limit=0", Value::Null, StatusCode::BAD_REQUEST).await;
    check(Method::GET, "/me", Value::Null, StatusCode::NOT_FOUND).await;
    check(Method::PUT, users, Value::Null, StatusCode::METHOD_NOT_ALLOWED).await;
}

#[tokio::test]
async fn the_operators_routes_are_not_on_the_public_port() {
    let bench = Bench::new();
    for path in ["/operator/users", "/operator/status", "/operator/jobs", "/operator/agents"] {
        assert_eq!(bench.call(Method::GET, path, None, Value::Null).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_operator_sees_what_became_of_a_webhook_and_nothing_of_its_secret() {
    use crate::{farm::NewWebhook, model::*};
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.upload(&user, "clip 24 12000").await;
    let job = bench.submit(&user, &upload).await;
    let path = format!("/operator/jobs/{job}/webhook");
    assert_eq!(bench.operate(Method::GET, &path, Value::Null).await.status, StatusCode::NOT_FOUND);
    let key = upload["key"].as_str().unwrap().parse().unwrap();
    let source = bench.farm.job(job.parse().unwrap()).unwrap().unwrap().job.source;
    let events = WebhookEvents { progress: false, completed: true, failed: true };
    let url = "https://hooks.example.org/in?token=of-the-client".to_owned();
    let submission = crate::farm::Submission {
        account: user.account.id,
        input_key: key,
        project: None,
        target_fps: 60,
        format: Default::default(),
        watermark: false,
        drops_frames: false,
        source,
        price: Xeconds(1),
        idempotency: None,
        asked: None,
        webhook: Some(NewWebhook { url, events, signed_with: None }),
    };
    let job = bench.farm.submit(submission).await.unwrap().job.id;
    bench.farm.cancel(job).await.unwrap();
    bench.farm.claim_news(job).await.unwrap();
    bench.farm.settle_news(job, News::End, Ok(500)).await.unwrap();
    let view = bench.operate(Method::GET, &format!("/operator/jobs/{job}/webhook"), Value::Null).await.json();
    let expected = json!({
        "job": job, "receiver": "https://hooks.example.org", "events": ["completed", "failed"], "signed": false,
        "status": "failed", "attempts": [{ "at": view["attempts"][0]["at"], "news": "end", "outcome": "answered 500" }],
    });
    assert_eq!(view, expected);
}

#[tokio::test]
async fn a_job_is_cancelled_once() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.upload(&user, "clip 24 12000").await["key"].clone();
    let job = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await.json();
    let path = format!("/operator/jobs/{}/cancel", job["job_id"].as_str().unwrap());
    for _ in 0..2 {
        let row = bench.operate(Method::POST, &path, Value::Null).await.json();
        assert_eq!((&row["state"], &row["xeconds_refunded"]), (&json!("cancelled"), &json!(12)));
    }
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(100));
    let rows = bench.operate(Method::GET, "/operator/jobs", Value::Null).await.json();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1);
}

/// The parts of a stream of events, until `until` was among them.
async fn events_of(bench: &Bench, path: &str, last: Option<&str>, until: &str) -> Vec<(String, Value)> {
    let mut request = Request::builder().uri(path);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = bench.operator.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let (mut body, mut text) = (response.into_body().into_data_stream(), String::new());
    while !text.contains(until) {
        text += std::str::from_utf8(&futures::StreamExt::next(&mut body).await.unwrap().unwrap()).unwrap();
    }
    let field =
        |part: &str, name: &str| part.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let parts = text.split("\n\n").filter(|part| part.contains("data:"));
    parts.map(|part| (field(part, "event:"), serde_json::from_str(&field(part, "data:")).unwrap())).collect()
}

#[tokio::test]
async fn events_are_streamed_filtered_and_resumed_where_the_reader_was() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.upload(&user, "clip 24 12000").await["key"].clone();
    let job = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await.json()["job_id"].clone();
    let job = job.as_str().unwrap();
    bench.operate(Method::POST, &format!("/operator/jobs/{job}/cancel"), Value::Null).await;
    let words = |events: &[(String, Value)]| -> Vec<String> {
        events.iter().map(|(kind, event)| format!("{kind} {}", event["what"].as_str().unwrap())).collect()
    };
    let all = events_of(&bench, "/operator/events?recent=100", None, "\"cancelled\"").await;
    assert_eq!(words(&all), ["ledger grant_paid", "job accepted", "ledger charge", "ledger refund", "job cancelled"]);
    assert!(all.iter().all(|(kind, event)| event["kind"] == *kind && event["account"] == json!(user.account.id)));
    let path = format!("/operator/events?recent=100&kind=job,segment&job={job}");
    assert_eq!(words(&events_of(&bench, &path, None, "\"cancelled\"").await), ["job accepted", "job cancelled"]);
    let seen = all[2].1["id"].as_str().unwrap();
    let rest = events_of(&bench, "/operator/events", Some(seen), "\"cancelled\"").await;
    assert_eq!(words(&rest), ["ledger refund", "job cancelled"]);
    let anew = events_of(&bench, "/operator/events?recent=1", Some("5f-7"), "\"cancelled\"").await;
    assert_eq!((anew[0].0.as_str(), &anew[0].1["count"], anew.len()), ("lost", &Value::Null, 2));
    for query in ["kind=jobs", "job=none", "since=1"] {
        let refused = bench.operate(Method::GET, &format!("/operator/events?{query}"), Value::Null).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_jobs_log_is_one_story() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.upload(&user, "clip 24 12000").await["key"].clone();
    let job = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await.json()["job_id"].clone();
    let path = format!("/operator/jobs/{}/log", job.as_str().unwrap());
    bench.operate(Method::POST, &path.replace("/log", "/cancel"), Value::Null).await;
    let log = bench.operate(Method::GET, &path, Value::Null).await.json();
    let texts: Vec<&str> = log.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    let begins =
        ["accepted: ", "charge of -12 xeconds", "refund of +12 xeconds", "cancelled: 12 xeconds were given back"];
    assert!(texts.len() == 4 && texts.iter().zip(begins).all(|(text, begin)| text.starts_with(begin)), "{texts:#?}");
    let missing = format!("/operator/jobs/{}/log", uuid::Uuid::nil());
    assert_eq!(bench.operate(Method::GET, &missing, Value::Null).await.status, StatusCode::NOT_FOUND);
}
