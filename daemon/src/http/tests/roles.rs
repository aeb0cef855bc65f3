//! Who may do what: every route of the operator API, with every role and without one.

use super::{super::Door, *};
use tweenfarm_protocol::operator::Role;

impl Bench {
    fn network(&self) -> Router {
        operator_router(self.state.clone(), Door::Network)
    }

    async fn token(&self, name: &str, role: Role) -> String {
        let body = json!({ "name": name, "role": role });
        let added = self.operate(Method::POST, "/operator/operators", body).await;
        assert_eq!(added.status, StatusCode::CREATED, "{:?}", added.bytes);
        added.json()["token"].as_str().unwrap().to_owned()
    }
}

async fn come(router: &Router, method: &Method, path: &str, token: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    // A stream has no end to wait for.
    let streams = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    let bytes = if streams { Bytes::new() } else { to_bytes(body, usize::MAX).await.unwrap() };
    Answer { status: parts.status, headers: parts.headers, bytes }
}

#[tokio::test]
async fn every_route_opens_to_its_role_and_those_above_and_to_nobody_else() {
    let bench = Bench::new();
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((role, bench.token(role.name(), role).await));
    }
    let (network, book) = (bench.network(), super::super::operator::routes());
    assert!(book.book().len() > 25);
    for entry in book.book() {
        let path: Vec<String> = entry
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { uuid::Uuid::nil().to_string() } else { part.to_owned() })
            .collect();
        let (method, path) = (&entry.method, path.join("/"));
        for token in [None, Some("tfo_of-nobody"), Some(""), Some("rfx_live_x")] {
            let refused = come(&network, method, &path, token).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{method} {path} with {token:?}");
            assert!(refused.json()["error"].as_str().unwrap().contains("token"));
        }
        for (role, token) in &tokens {
            let status = come(&network, method, &path, Some(token)).await.status;
            let refused = status == StatusCode::FORBIDDEN;
            assert_eq!(refused, *role < entry.least, "{method} {path} as {role}: {status}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path} as {role}");
        }
    }
}

#[tokio::test]
async fn a_token_says_who_comes_until_it_is_revoked() {
    let bench = Bench::new();
    let (token, network) = (bench.token("ann", Role::Viewer).await, bench.network());
    let me = come(&network, &Method::GET, "/operator/me", Some(&token)).await;
    assert_eq!(me.json(), json!({ "name": "ann", "role": "viewer" }));
    let local = bench.operate(Method::GET, "/operator/me", Value::Null).await.json();
    assert_eq!(local, json!({ "name": "local", "role": "admin" }));
    let again = bench.operate(Method::POST, "/operator/operators", json!({ "name": "ann", "role": "admin" })).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "a name is one person's");
    let rows = bench.operate(Method::GET, "/operator/operators", Value::Null).await.json();
    assert!(rows[0]["last_seen_at"].is_string() && !rows.to_string().contains(&token), "{rows}");
    for revoked in [true, false] {
        let answer = bench.operate(Method::DELETE, "/operator/operators/ann", Value::Null).await.json();
        assert_eq!(answer["revoked"], revoked);
    }
    let refused = come(&network, &Method::GET, "/operator/me", Some(&token)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_ne!(bench.token("ann", Role::Admin).await, token);
    for body in [
        json!({ "name": "b c", "role": "viewer" }),
        json!({ "name": "bob", "role": "owner" }),
        json!({ "name": "bob" }),
    ] {
        let refused = bench.operate(Method::POST, "/operator/operators", body.clone()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
    }
}
