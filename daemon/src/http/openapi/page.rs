//! `/openapi.json`, and `/docs`: a page of our own that shows it, without anything from the internet.

use super::{Access, Operation, Surface};
use crate::http::HttpState;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderValue, Method, header},
    routing::get,
};
use serde_json::{Value, json};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
/// The page runs its own script and reads its own origin, nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// What the document says of its own routes.
pub(super) fn operations() -> Surface {
    let operation = |path, id, summary| Operation::new(Method::GET, path, Access::Public, ("Service", id), summary);
    Surface {
        router: Router::new(),
        operations: vec![
            operation("/openapi.json", "getDocument", "This document").answers(
                200,
                "OpenAPI 3.1",
                "Document",
                json!({ "openapi": "3.1.0" }),
            ),
            operation("/docs", "getDocs", "This document as a page").answers_bytes(200, "HTML", Some("text/html")),
            operation("/docs/page.js", "getDocsScript", "The script of the page").answers_bytes(
                200,
                "JavaScript",
                Some("text/javascript"),
            ),
        ],
    }
}

pub(super) fn routes(document: &Value) -> Router<HttpState> {
    let text = Bytes::from(document.to_string());
    let html = [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    let policy = [(header::CONTENT_SECURITY_POLICY, POLICY)];
    let script = [(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"))];
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Router::new()
        .route("/openapi.json", get(move || async move { (json, text) }))
        .route("/docs", get(move || async move { (html, policy, PAGE) }))
        .route("/docs/page.js", get(move || async move { (script, SCRIPT) }))
}
