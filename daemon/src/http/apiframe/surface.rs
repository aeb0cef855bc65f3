//! The routes of the surface, each with its description.

use super::{account, document, jobs, links, list, models, uploads};
use crate::http::{
    REQUEST_TIME_MAX, body,
    openapi::{Access, Operation, Surface},
    reframefx,
};
use axum::{
    extract::DefaultBodyLimit,
    http::{Method, StatusCode},
    routing::{get, head, post},
};
use serde_json::{Value, json};
use tower_http::timeout::TimeoutLayer;

const ID: &str = "5b0f0c1e-6f0e-4a58-9d1b-8f6a3b0a77c2";
const UPLOAD_URL: &str = "https://farm.example.org/v2/files/u/5b0f0c1e…/beach.mp4";

fn own(method: Method, path: &str, name: (&'static str, &'static str), summary: &'static str) -> Operation {
    Operation::new(method, path, Access::Key, name, summary)
}

fn public(method: Method, path: &str, name: (&'static str, &'static str), summary: &'static str) -> Operation {
    Operation::new(method, path, Access::Public, name, summary)
}

pub fn surface() -> Surface {
    let json_routes = account_routes().and(job_routes()).and(service_routes()).around(|router| {
        router
            .layer(DefaultBodyLimit::max(body::JSON_BYTES_MAX))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIME_MAX))
    });
    let uploads = upload_routes().around(|router| router.layer(DefaultBodyLimit::max(uploads::FORM_BYTES_MAX)));
    json_routes.and(uploads).and(file_routes())
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

fn upload_routes() -> Surface {
    let add = own(Method::POST, "/v2/uploads", ("Uploads", "createUpload"), "A file for a job, kept for two hours")
        .says("What it is, is decided by its own bytes. 25 MiB for images and sound, 50 MiB for video.")
        .takes_file("file")
        .answers(
            201,
            "The upload; its URL opens to whoever has it",
            "Upload",
            json!({
                "id": ID, "url": UPLOAD_URL, "kind": "video", "contentType": "video/mp4", "byteSize": 18874368,
                "expiresAt": "2026-07-01T11:00:00.000Z",
            }),
        )
        .refuses(502, "the file could not be stored: try again later");
    Surface::default().serve(add, post(uploads::add))
}

fn job_item() -> Value {
    json!({
        "id": ID, "status": "COMPLETED", "model": "topaz-video-upscale", "progress": 100,
        "result": {
            "videoUrl": "https://farm.example.org/v2/files/o/5b0f0c1e…/output-60fps.mp4", "fps": 60, "width": 1920,
            "height": 1080, "durationSec": 12.9, "watermarked": false,
        },
        "error": null, "creditCost": 12, "webhookStatus": null, "createdAt": "2026-07-01T09:00:00.000Z",
        "completedAt": "2026-07-01T09:01:44.120Z", "expired": false,
    })
}

fn job_routes() -> Surface {
    let params = json!({ "video": UPLOAD_URL, "target_resolution": "1080p", "target_fps": 60 });
    let key = json!({ "type": "string", "maxLength": 255, "pattern": "^[ -~]*$" });
    let submit = own(Method::POST, "/v2/videos/upscale", ("Jobs", "upscaleVideo"), "Submits a job and charges it")
        .says("A repeated request with the same Idempotency-Key gets the first job again for a day.")
        .parameter("header", "Idempotency-Key", false, "A name for this submission", key)
        .takes("Order", true, json!({ "model": "topaz-video-upscale", "topazVideoParams": params }))
        .answers(202, "Accepted and charged", "JobAccepted", json!({ "jobId": ID, "status": "QUEUED" }))
        .refuses(402, "Insufficient credits")
        .refuses(403, "this farm does not run it")
        .refuses(404, "the file belongs to another account")
        .refuses(409, "the same Idempotency-Key came with another request before")
        .never_refuses(&[408, 413]);
    let show = own(Method::GET, "/v2/jobs/{job}", ("Jobs", "getJob"), "A job, to be polled every 2 to 5 seconds");
    let mut job = job_item();
    job["input"] = json!({ "topazVideoParams": params });
    let show = show.answers(200, "The job", "Job", job).refuses(404, "no job has this id");
    let text = || json!({ "type": "string" });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": list::LIMIT_MAX, "default": list::LIMIT_DEFAULT });
    let list = own(Method::GET, "/v2/jobs", ("Jobs", "listJobs"), "The caller's jobs, newest first")
        .says("Pages stay as they are while new jobs arrive. A filter that fits few of very many jobs can give a short page.")
        .parameter("query", "status", false, "Only in one status", json!({ "type": "string", "enum": list::STATUSES }))
        .parameter("query", "model", false, "Only of one model", text())
        .parameter("query", "limit", false, "How many at most", limit)
        .parameter("query", "cursor", false, "The nextCursor of the page before", text())
        .parameter("query", "scope", false, "The same here", json!({ "type": "string", "enum": ["user", "team"] }))
        .parameter("query", "search", false, "Only the job with this id", json!({ "type": "string", "format": "uuid" }))
        .parameter(
            "query",
            "include_models",
            false,
            "Adds the models among the jobs",
            json!({ "type": "string", "enum": ["true", "false"] }),
        )
        .answers(
            200,
            "A page",
            "JobList",
            json!({ "jobs": [job_item()], "hasMore": true, "nextCursor": "MTc4MjkwMDI3MDUwMDAwMC4uLg" }),
        );
    Surface::default().serve(submit, post(jobs::submit)).serve(list, get(list::list)).serve(show, get(jobs::show))
}

fn file_routes() -> Surface {
    let operation = |method, id, summary| {
        let path = format!("{}{{kind}}/{{link}}/{{name}}", links::PREFIX);
        reframefx::ranged(public(method, &path, ("Files", id), summary)).refuses(404, "File expired")
    };
    let read = operation(Method::GET, "readFile", "The bytes of an upload or a result");
    let look = operation(Method::HEAD, "headFile", "What GET would send, without it");
    Surface::default().serve(read, get(links::read)).serve(look, head(links::read))
}

/// The document describes itself; it is served beside the routes that it is made from.
fn service_routes() -> Surface {
    let itself = public(Method::GET, document::PATH, ("Service", "getDocument"), "This document");
    Surface::described(itself.answers(200, "OpenAPI 3.1", "Document", json!({ "openapi": "3.1.0" })))
}
