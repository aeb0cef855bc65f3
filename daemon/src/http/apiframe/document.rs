//! What the document of the surface says besides its operations: its words, and the bodies of its answers. A test holds
//! that what the handlers really answer fits what stands here.

use super::{list, models::Model, order};
use crate::{
    http::openapi::{
        Book,
        schema::{described, list_of, object, request},
    },
    pricing,
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

fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// An object in which nothing else may stand.
fn closed(required: &[&str], properties: Value) -> Value {
    let mut schema = request(required, properties);
    schema["additionalProperties"] = false.into();
    schema
}

fn order(model: Model, required: &[&str], params: Value) -> Value {
    let events = json!({ "type": "array", "minItems": 1, "items": words(&order::EVENTS) });
    closed(
        &["model", model.params_field()],
        json!({
            "model": { "type": "string", "const": model.id() },
            (model.params_field()): closed(required, params),
            "webhookUrl": { "type": "string", "format": "uri", "description": "http or https" },
            "webhookEvents": described(events, "Left out: completed and failed"),
        }),
    )
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let text_or_null = || json!({ "type": ["string", "null"] });
    let uuid = || json!({ "type": "string", "format": "uuid" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let url = || json!({ "type": "string", "format": "uri" });
    let time = || json!({ "type": "string", "format": "date-time" });
    let number = || json!({ "type": "number" });
    let model_ids = Model::ALL.map(Model::id);
    let (fps_first, fps_last) = (pricing::TARGET_FPS.start(), pricing::TARGET_FPS.end());
    let job = json!({
        "id": uuid(),
        "status": words(&list::STATUSES),
        "model": text(),
        "progress": { "type": "integer", "minimum": 0, "maximum": 100 },
        "result": {
            "type": ["object", "null"],
            "required": ["videoUrl", "fps", "width", "height", "durationSec", "watermarked"],
            "properties": {
                "videoUrl": described(url(), "Stays the same for as long as the file is kept"),
                "fps": count(),
                "width": count(),
                "height": count(),
                "durationSec": number(),
                "watermarked": { "type": "boolean" },
            },
            "description": "Null until the job is completed",
        },
        "error": text_or_null(),
        "creditCost": described(count(), "What was charged, less what was given back"),
        "webhookStatus": { "type": ["string", "null"], "enum": ["pending", "delivered", "failed", null] },
        "createdAt": time(),
        "completedAt": { "type": ["string", "null"], "format": "date-time" },
        "expired": described(json!({ "type": "boolean" }), "The result's file is gone"),
    });
    let mut with_input = job.clone();
    with_input["input"] = described(json!({ "type": ["object", "null"] }), "What was submitted on this surface");
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
        "Upload": object(json!({
            "id": uuid(),
            "url": described(url(), "Opens to whoever has it"),
            "kind": { "type": "string", "enum": ["image", "video", "audio"] },
            "contentType": text(),
            "byteSize": count(),
            "expiresAt": time(),
        })),
        "Order": {
            "oneOf": [
                order(Model::TopazVideoUpscale, &["video", "target_resolution", "target_fps"], json!({
                    "video": described(url(), "An upload's URL, a result's, or any other"),
                    "target_resolution": described(words(&order::RESOLUTIONS.map(|(name, _)| name)), "The short side"),
                    "target_fps": { "type": "number", "enum": order::RATES },
                    "enhance_model": described(words(&order::ENHANCE_MODELS), "Changes nothing here"),
                    "subject_detection": described(words(&order::SUBJECTS), "Changes nothing here"),
                })),
                order(Model::FrameInterpolate, &["video", "target_fps"], json!({
                    "video": described(url(), "An upload's URL, a result's, or any other"),
                    "target_fps": { "type": "integer", "minimum": fps_first, "maximum": fps_last },
                })),
            ],
        },
        "JobAccepted": object(json!({
            "jobId": uuid(),
            "status": words(&["QUEUED", "PROCESSING", "COMPLETED", "FAILED"]),
        })),
        "JobItem": object(job.clone()),
        "Job": object(with_input),
        "JobList": request(&["jobs", "hasMore", "nextCursor"], json!({
            "jobs": list_of("JobItem"),
            "hasMore": { "type": "boolean" },
            "nextCursor": described(text_or_null(), "For the next page; null when there is none"),
            "models": described(json!({ "type": "array", "items": text() }), "With include_models=true"),
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
