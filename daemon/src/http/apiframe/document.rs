//! What the document of the surface says besides its operations: its words, and the bodies of its answers. A test holds
//! that what the handlers really answer fits what stands here.

use super::models::Model;
use crate::http::openapi::{
    Book,
    schema::{described, list_of, object, request},
};
use serde_json::{Value, json};

pub const PATH: &str = "/v2/openapi.json";

pub fn book() -> Book {
    Book {
        title: "Tweenfarm: the Apiframe API",
        description: "Clips to another frame rate and size, on the farm's own GPUs. Upload a clip or name one by URL, submit \
            a job, poll it or be told by webhook, fetch the result. Errors are `{\"error\": \"a sentence\"}`, those of \
            validation with `details` by field; every answer carries `X-Request-Id`. The ReframeFX API of the same farm is \
            described at `/openapi.json`.",
        tags: json!([
            { "name": "Account", "description": "The caller, its balance and its key" },
            { "name": "Models", "description": "What the farm runs" },
            { "name": "Uploads", "description": "Files for a job, kept for two hours" },
            { "name": "Jobs", "description": "Submitting, listing and polling" },
            { "name": "Files", "description": "The bytes behind the URLs of uploads and results" },
            { "name": "Service", "description": "This document" },
        ]),
        security_schemes: json!({
            "apiKey": {
                "type": "apiKey",
                "in": "header",
                "name": "X-API-Key",
                "description": "One of the account's keys (`afk_…`)",
            },
            "bearer": { "type": "http", "scheme": "bearer", "description": "A sign-in token of the account" },
        }),
        schemas: schemas(),
        refusal,
    }
}

fn refusal(status: u16, sentence: &str) -> Value {
    match status {
        402 => json!({ "error": "Insufficient credits", "creditsRequired": 47, "creditsAvailable": 12 }),
        _ => json!({ "error": sentence }),
    }
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let text_or_null = || json!({ "type": ["string", "null"] });
    let uuid = || json!({ "type": "string", "format": "uuid" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let model_ids = Model::ALL.map(Model::id);
    json!({
        "Error": request(&["error"], json!({
            "error": described(text(), "What is wrong, and what to do"),
            "details": {
                "type": "object",
                "additionalProperties": { "type": "array", "items": text() },
                "description": "Of a validation error: sentences by the dotted path of the field",
            },
            "creditsRequired": described(count(), "With 402: what the job costs"),
            "creditsAvailable": described(count(), "With 402: what the account has"),
        })),
        "Document": { "type": "object" },
        "Me": object(json!({
            "user": object(json!({ "id": uuid(), "email": text(), "role": text() })),
            "team": object(json!({
                "id": uuid(),
                "name": text(),
                "credits": described(count(), "1 credit is 1 xecond of the balance that both APIs share"),
                "plan": { "type": "string", "enum": ["free", "paid"] },
                "customerId": text_or_null(),
            })),
            "apiKey": {
                "type": ["object", "null"],
                "required": ["id", "name", "prefix"],
                "properties": { "id": uuid(), "name": text(), "prefix": text() },
                "description": "Null for a sign-in token",
            },
        })),
        "ModelCatalog": object(json!({ "models": list_of("Model") })),
        "Model": object(json!({
            "id": { "type": "string", "enum": model_ids },
            "label": text(),
            "modality": { "type": "string", "enum": ["image", "video", "music"] },
            "description": text(),
            "pricingMode": { "type": "string", "enum": ["flat", "per-second", "per-output"] },
            "costMin": count(),
            "costMax": count(),
        })),
    })
}
