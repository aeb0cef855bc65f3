//! Payment events at the door.

use super::*;
use hmac::{Hmac, KeyInit, Mac};

pub(super) const SECRET: &str = "a payment secret of the tests, long enough";

impl Bench {
    pub(super) async fn pay_at(&self, seconds_ago: i64, body: &Value) -> Answer {
        let (at, body) = (self.clock.now().0 / 1_000_000 - seconds_ago, body.to_string());
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("{at}.{body}").as_bytes());
        let signature = format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()));
        let request = Request::builder().method(Method::POST).uri("/internal/payments");
        self.send(request.header("Tweenfarm-Signature", signature).body(body.into()).unwrap()).await
    }

    pub(super) async fn pay(&self, body: Value) -> Answer {
        self.pay_at(0, &body).await
    }
}

#[tokio::test]
async fn a_payment_event_becomes_a_purchase_once() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let event =
        json!({ "event_id": "evt_1", "email": "Ann@example.org", "pack": "starter", "currency": "INR", "x": 1 });
    for replayed in [false, true] {
        let answer = bench.pay(event.clone()).await;
        let expected = json!({
            "event_id": "evt_1", "account": user.account.id, "xeconds": 600, "balance_after": 600, "replayed": replayed,
        });
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected));
    }
    let me = bench.get("/me", &user).await.json();
    assert_eq!((&me["balance_xeconds"], &me["total_spent_usd"]), (&json!(600), &json!(5)));
    let other = json!({ "event_id": "evt_1", "account": user.account.id, "pack": "pro", "currency": "INR" });
    assert_eq!(bench.pay(other).await.status, StatusCode::BAD_REQUEST);
    // What is presigned from now on is kept as long as a paying account's files are.
    let key = bench.presign(&user).await["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("uploads/paid/"), "{key}");
}

#[tokio::test]
async fn a_payment_that_went_back_is_an_event_too() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    bench.pay(json!({ "event_id": "evt_1", "email": "ann@example.org", "pack": "starter", "currency": "USD" })).await;
    let upload = bench.upload(&user, "clip 24 12000").await;
    bench.submit(&user, &upload).await;
    let back = json!({ "event_id": "re_1", "refund_of": "evt_1", "reason": "charged back", "pack": null });
    for replayed in [false, true] {
        let answer = bench.pay(back.clone()).await;
        let expected = json!({
            "event_id": "re_1", "account": user.account.id, "xeconds": -588, "xeconds_missing": 12, "balance_after": 0,
            "replayed": replayed,
        });
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected));
    }
    let me = bench.get("/me", &user).await.json();
    assert_eq!((&me["balance_xeconds"], &me["total_spent_usd"]), (&json!(0), &json!(0)));
    assert!(bench.presign(&user).await["key"].as_str().unwrap().starts_with("uploads/free/"), "on trial again");
    for (body, status, phrase) in [
        (json!({ "event_id": "re_2", "refund_of": "evt_1" }), StatusCode::BAD_REQUEST, "another event"),
        (json!({ "event_id": "re_2", "refund_of": "evt_2" }), StatusCode::NOT_FOUND, "payment"),
        (json!({ "event_id": "re_2", "refund_of": "a b" }), StatusCode::BAD_REQUEST, "refund_of"),
        (json!({ "event_id": "re_2", "refund_of": 7 }), StatusCode::BAD_REQUEST, "refund_of"),
        (json!({ "event_id": "re_2", "refund_of": "evt_1", "pack": "pro" }), StatusCode::BAD_REQUEST, "pack and"),
        (json!({ "event_id": "re_2", "refund_of": "evt_1", "reason": " " }), StatusCode::BAD_REQUEST, "reason"),
    ] {
        let answer = bench.pay(body.clone()).await;
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.detail().contains(phrase), "{body}: {}", answer.detail());
    }
}

#[tokio::test]
async fn an_event_that_is_not_signed_now_or_not_whole_books_nothing() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let good = json!({ "event_id": "e", "account": user.account.id, "pack": "power", "currency": "USD" });
    let unsigned = bench.call(Method::POST, "/internal/payments", Some(&user.key), good.clone()).await;
    assert_eq!((unsigned.status, unsigned.detail().contains("Tweenfarm-Signature")), (StatusCode::FORBIDDEN, true));
    assert_eq!(bench.pay_at(301, &good).await.status, StatusCode::FORBIDDEN);
    let changed = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let mut both = good.clone();
    both["email"] = json!("ann@example.org");
    let nobody = json!({ "event_id": "e", "email": "carl@example.org", "pack": "power", "currency": "USD" });
    for (body, status, phrase) in [
        (changed("event_id", json!("")), StatusCode::BAD_REQUEST, "event_id"),
        (changed("event_id", json!("a b")), StatusCode::BAD_REQUEST, "event_id"),
        (changed("event_id", json!(7)), StatusCode::BAD_REQUEST, "event_id"),
        (changed("pack", json!("mega")), StatusCode::BAD_REQUEST, "starter, power, pro"),
        (changed("currency", json!("EUR")), StatusCode::BAD_REQUEST, "currency"),
        (changed("account", json!(null)), StatusCode::BAD_REQUEST, "who paid"),
        (changed("account", json!("ann")), StatusCode::BAD_REQUEST, "account"),
        (changed("account", json!(uuid::Uuid::from_u128(9))), StatusCode::NOT_FOUND, "account"),
        (both, StatusCode::BAD_REQUEST, "not both"),
        (nobody, StatusCode::NOT_FOUND, "account"),
        (json!([]), StatusCode::BAD_REQUEST, "object"),
    ] {
        let answer = bench.pay(body.clone()).await;
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.detail().contains(phrase), "{body}: {}", answer.detail());
    }
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(0));
}

#[tokio::test]
async fn a_farm_that_takes_no_payments_has_no_such_route() {
    let mut bench = Bench::new();
    bench.state.payments = None;
    bench.router = router(bench.state.clone());
    assert_eq!(bench.pay(json!({})).await.status, StatusCode::NOT_FOUND);
}
