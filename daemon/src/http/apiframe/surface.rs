//! The routes of the surface, each with its description.

use super::{account, document, models};
use crate::http::{
    REQUEST_TIME_MAX, body,
    openapi::{Access, Operation, Surface},
};
use axum::{
    extract::DefaultBodyLimit,
    http::{Method, StatusCode},
    routing::get,
};
use serde_json::json;
use tower_http::timeout::TimeoutLayer;

const ID: &str = "5b0f0c1e-6f0e-4a58-9d1b-8f6a3b0a77c2";

fn own(method: Method, path: &str, name: (&'static str, &'static str), summary: &'static str) -> Operation {
    Operation::new(method, path, Access::Key, name, summary)
}

fn public(method: Method, path: &str, name: (&'static str, &'static str), summary: &'static str) -> Operation {
    Operation::new(method, path, Access::Public, name, summary)
}

pub fn surface() -> Surface {
    let json_routes = account_routes().and(service_routes());
    json_routes.around(|router| {
        router
            .layer(DefaultBodyLimit::max(body::JSON_BYTES_MAX))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIME_MAX))
    })
}

fn account_routes() -> Surface {
    let me = own(Method::GET, "/v2/me", ("Account", "getMe"), "The caller, its team and its key").answers(
        200,
        "The caller",
        "Me",
        json!({
            "user": { "id": ID, "email": "ann@example.org", "role": "OWNER" },
            "team": { "id": ID, "name": "ann@example.org", "credits": 120, "plan": "free", "customerId": null },
            "apiKey": { "id": ID, "name": "studio", "prefix": "afk_0123" },
        }),
    );
    let modality = json!({ "type": "string", "enum": ["image", "video", "music"] });
    let list = public(Method::GET, "/v2/models", ("Models", "listModels"), "The models this farm runs")
        .parameter("query", "modality", false, "Only those of one kind", modality)
        .answers(200, "The models", "ModelCatalog", models::body(None).unwrap_or_default());
    Surface::default().serve(me, get(account::me)).serve(list, get(models::list))
}

/// The document describes itself; it is served beside the routes that it is made from.
fn service_routes() -> Surface {
    let itself = public(Method::GET, document::PATH, ("Service", "getDocument"), "This document");
    Surface::described(itself.answers(200, "OpenAPI 3.1", "Document", json!({ "openapi": "3.1.0" })))
}
