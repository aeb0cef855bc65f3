//! What the document of the surface says besides its operations: its words, and the bodies of its answers. A test holds
//! that what the handlers really answer fits what stands here.

use crate::{
    http::openapi::{
        Book,
        schema::{described, list_of, object, pattern, reference, request},
    },
    pricing,
};
use serde_json::{Value, json};

/// Uploads have keys of this form; clients send back what `/upload/presign` gave them.
const R2_KEY: &str = "^uploads/(free|paid)/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/\
                      [A-Za-z0-9_-]{1,64}/input/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}$";
const EVENT: &str = "^[!-~]{1,255}$";
const NO_CONTROLS: &str = "[^\\u0000-\\u001f\\u007f-\\u009f]";

pub fn book() -> Book {
    Book {
        title: "Tweenfarm: the ReframeFX API",
        description: "Any clip to an exact target frame rate of 24 to 240 fps, its duration kept. Presign, PUT \
            the clip, estimate, submit a job, poll it every 3 to 5 seconds, fetch the output. Errors are always \
            `{\"detail\": \"a sentence\"}`; every answer carries `X-Request-Id`. The Apiframe API of the same farm is \
            described at `/v2/openapi.json`.",
        tags: json!([
            { "name": "Account", "description": "The caller and its one API key" },
            { "name": "Pricing", "description": "What a conversion costs: target rate and whole seconds only" },
            { "name": "Files", "description": "Uploading, looking into and downloading clips" },
            { "name": "Projects", "description": "Groups of files and jobs, and their share links" },
            { "name": "Jobs", "description": "One clip to one target rate" },
            { "name": "Objects", "description": "Bytes behind presigned URLs" },
            { "name": "Payments", "description": "Between the operator's own programs: see the operator's guide to payments" },
            { "name": "Service", "description": "Health and documentation" },
        ]),
        security_schemes: json!({
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key (`rfx_live_…`) or a signed token of the account",
            },
        }),
        schemas: schemas(),
        refusal: |_, sentence| json!({ "detail": sentence }),
    }
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let text_or_null = || json!({ "type": ["string", "null"] });
    let uuid = || json!({ "type": "string", "format": "uuid" });
    let uuid_or_null = || json!({ "type": ["string", "null"], "format": "uuid" });
    let time = || json!({ "type": "string", "format": "date-time" });
    let time_or_null = || json!({ "type": ["string", "null"], "format": "date-time" });
    let url_or_null = || json!({ "type": ["string", "null"], "format": "uri" });
    let number = || json!({ "type": "number" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let yes_or_no = || json!({ "type": "boolean" });
    let positive = || json!({ "type": "number", "exclusiveMinimum": 0 });
    let (fps_first, fps_last) = (pricing::TARGET_FPS.start(), pricing::TARGET_FPS.end());
    let target_fps = || json!({ "type": "integer", "minimum": fps_first, "maximum": fps_last });
    let bands: Vec<&str> = pricing::BANDS.iter().map(|band| band.id).collect();
    let band = || json!({ "type": "string", "enum": bands });
    let r2_key = || described(pattern(R2_KEY), "The `key` that /upload/presign returned");

    let job = json!({
        "id": uuid(),
        "project_id": uuid(),
        "status": { "type": "string", "enum": ["pending", "done", "failed"] },
        "input_key": described(text_or_null(), "Null in a share"),
        "output_key": described(text_or_null(), "Null before the end and in a share"),
        "output_url": described(url_or_null(), "Lives about an hour; null while there is nothing to fetch"),
        "input_duration_sec": number(),
        "xeconds_charged": count(),
        "xeconds_refunded": count(),
        "target_fps": target_fps(),
        "fps_in": number(),
        "fps_out": { "type": ["integer", "null"] },
        "watermarked": described(yes_or_no(), "Whether the output has a visible mark: on trial always, whatever was asked"),
        "created_at": time(),
        "completed_at": time_or_null(),
    });
    let with_error = |mut schema: Value| {
        schema["properties"]["error"] = described(text(), "Why it failed; only there then");
        schema
    };
    let mut live_job = job.clone();
    let statuses = ["pending", "queued", "no_workers", "cold_start", "processing", "done", "failed"];
    live_job["live_status"] = json!({ "type": "string", "enum": statuses });
    live_job["progress"] = json!({ "type": "integer", "minimum": 0, "maximum": 100 });
    live_job["workers"] = object(json!({ "idle": count(), "running": count() }));
    live_job["queue_depth"] =
        described(count(), "Jobs of the whole farm that have not been started, this one left out");

    let filename = json!({
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": format!("^([\\s\\S]*[/\\\\])?[^/\\\\{}+$", &NO_CONTROLS[2..]),
        "description": "Its last path component counts",
    });
    let video_type = json!({
        "type": "string",
        "maxLength": 100,
        "pattern": "^[Vv][Ii][Dd][Ee][Oo]/[A-Za-z0-9!#$&^_.+-]+$",
    });
    let project_name = json!({
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": 200,
        "pattern": format!("^{NO_CONTROLS}+$"),
    });
    let options = json!({ "type": "array", "minItems": 1, "maxItems": 20, "items": target_fps() });
    json!({
        "Error": object(json!({ "detail": described(text(), "What is wrong, where, and what to do") })),
        "Document": { "type": "object" },
        "Health": object(json!({ "status": text() })),
        "Me": object(json!({
            "id": uuid(),
            "email": text_or_null(),
            "balance_xeconds": count(),
            "total_spent_usd": number(),
            "api_key_hash": described(text_or_null(), "SHA-256 of the active API key; null when there is none"),
        })),
        "NewToken": object(json!({
            "api_key": pattern("^rfx_live_[0-9a-f]{40}$"),
            "token_type": { "type": "string", "const": "bearer" },
            "warning": text(),
        })),
        "Revoked": object(json!({ "revoked": yes_or_no() })),
        "PricingConfig": object(json!({
            "trial_credit_xeconds": count(),
            "credit_packs": list_of("CreditPack"),
            "supported_currencies": { "type": "array", "items": text() },
            "cost_bands": { "type": "array", "items": object(json!({ "id": band(), "multiplier": count() })) },
            "smooth_target_fps_ceiling": count(),
            "slomo_target_fps_ceiling": count(),
            "max_video_duration_sec": count(),
            "max_video_size_bytes": count(),
            "paid_outputs_watermarked": yes_or_no(),
            "free_outputs_watermarked": yes_or_no(),
        })),
        "CreditPack": request(&["id", "name", "price_usd", "price_inr", "xeconds"], json!({
            "id": text(),
            "name": text(),
            "price_usd": number(),
            "price_inr": number(),
            "xeconds": count(),
            "most_popular": yes_or_no(),
        })),
        "EstimateRequest": request(&["duration_sec", "input_fps", "target_fps"], json!({
            "duration_sec": { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 9_007_199_254_740_992_i64 },
            "input_fps": positive(),
            "target_fps": described(target_fps(), "Greater than `input_fps`"),
        })),
        "Estimate": object(json!({
            "input_duration_sec": number(),
            "input_duration_sec_billed": count(),
            "input_fps": number(),
            "target_fps": target_fps(),
            "interp_factor": described(count(), "Informative: it changes no price"),
            "multiplier": count(),
            "band": band(),
            "charged_xeconds": count(),
        })),
        "EstimateVideoRequest": request(&["r2_key", "target_fps_options"], json!({
            "r2_key": r2_key(),
            "target_fps_options": options,
        })),
        "EstimateVideo": object(json!({ "metadata": reference("Clip"), "estimates": list_of("ClipEstimate") })),
        "ClipEstimate": object(json!({
            "target_fps": target_fps(),
            "band": band(),
            "multiplier": count(),
            "charged_xeconds": count(),
        })),
        "Clip": object(json!({
            "fps": number(),
            "duration_sec": number(),
            "width": count(),
            "height": count(),
            "codec": text(),
            "size_bytes": count(),
        })),
        "PresignRequest": request(&["filename", "content_type"], json!({
            "filename": filename,
            "content_type": video_type,
            "project_id": described(uuid_or_null(), "Left out: a new project named after the file"),
            "size_bytes": { "type": ["integer", "null"], "minimum": 1, "maximum": pricing::VIDEO_BYTES_MAX },
        })),
        "Presigned": object(json!({
            "upload_url": { "type": "string", "format": "uri" },
            "key": text(),
            "r2_key": described(text(), "Equal to `key`"),
            "project_id": uuid(),
            "file_id": uuid(),
        })),
        "ProbeRequest": request(&["r2_key"], json!({ "r2_key": r2_key() })),
        "ProjectRequest": request(&[], json!({ "name": project_name })),
        "Project": object(json!({
            "id": uuid(),
            "name": text(),
            "created_at": time(),
            "share_enabled": yes_or_no(),
            "share_token": text_or_null(),
            "files": list_of("File"),
            "jobs": list_of("JobItem"),
        })),
        "File": object(json!({
            "id": uuid(),
            "kind": { "type": "string", "enum": ["input", "output"] },
            "key": described(text_or_null(), "Null in a share"),
            "filename": text(),
            "content_type": text(),
            "size_bytes": described(json!({ "type": ["integer", "null"] }), "Null until it was uploaded"),
            "created_at": time(),
            "expires_at": time(),
            "download_url": described(url_or_null(), "Of outputs, while they are there"),
        })),
        "ProjectList": object(json!({ "projects": list_of("Project") })),
        "DeletedProject": object(json!({ "deleted": yes_or_no(), "project_id": uuid() })),
        "Share": object(json!({
            "project_id": uuid(),
            "share_token": text_or_null(),
            "share_enabled": yes_or_no(),
        })),
        "Download": object(json!({ "url": { "type": "string", "format": "uri" }, "expires_in": count() })),
        "JobRequest": request(&["r2_key", "target_fps"], json!({
            "r2_key": r2_key(),
            "target_fps": described(target_fps(), "Greater than the clip's own rate"),
            "project_id": described(uuid_or_null(), "Must be the key's own project"),
            "watermark": described(json!({ "type": ["boolean", "null"] }), "True asks for a visible mark; trial outputs always have one"),
        })),
        "PaymentEvent": request(&["event_id"], json!({
            "event_id": described(pattern(EVENT), "The provider's id of the event"),
            "account": described(uuid_or_null(), "Who paid; or `email`"),
            "email": text_or_null(),
            "pack": described(text_or_null(), "Of GET /pricing/config"),
            "currency": { "type": ["string", "null"], "enum": ["USD", "INR", null] },
            "refund_of": described(text_or_null(), "The `event_id` of the payment whose money went back"),
            "reason": described(text_or_null(), "Of a refund: it stays in the ledger"),
        })),
        "BookedPayment": request(&["event_id", "account", "xeconds", "balance_after", "replayed"], json!({
            "event_id": text(),
            "account": uuid(),
            "xeconds": described(json!({ "type": "integer" }), "Below 0 when they were taken back"),
            "xeconds_missing": described(count(), "Of a refund: what had been used, and stays so"),
            "balance_after": count(),
            "replayed": described(yes_or_no(), "Booked before: this is the first answer again"),
        })),
        "SubmittedJob": object(json!({
            "job_id": uuid(),
            "status": { "type": "string", "const": "pending" },
            "xeconds_charged": count(),
            "balance_after": count(),
        })),
        "JobItem": with_error(object(job)),
        "Job": with_error(object(live_job)),
        "JobList": object(json!({ "jobs": list_of("JobItem") })),
    })
}
