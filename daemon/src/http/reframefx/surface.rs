//! The routes of the surface, each with its description.

use super::{account, jobs, page, prices, projects, shares, uploads};
use crate::http::openapi::{Access, Operation, Surface, schema::pattern};
use axum::{
    http::Method,
    routing::{delete, get, post},
};
use serde_json::{Value, json};

const ID: &str = "0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f10";
const KEY: &str = "uploads/paid/0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f10/0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f11/input/\
                   0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f12-surf.mp4";
const TOKEN: &str = "3f786850e387550fdab836ed7e6dc881de23001b";
const CREATED_AT: &str = "2026-07-01T10:04:30Z";

fn own(method: Method, path: &str, name: (&'static str, &'static str), summary: &'static str) -> Operation {
    Operation::new(method, path, Access::Account, name, summary)
}

fn public(method: Method, path: &str, name: (&'static str, &'static str), summary: &'static str) -> Operation {
    Operation::new(method, path, Access::Public, name, summary)
}

/// `limit` and `before` of a list.
fn paged(operation: Operation) -> Operation {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": page::LIMIT_MAX, "default": page::LIMIT_DEFAULT });
    let before =
        json!({ "anyOf": [{ "type": "string", "format": "date-time" }, { "type": "string", "format": "uuid" }] });
    operation
        .parameter("query", "limit", false, "How many at most", limit)
        .parameter("query", "before", false, "Only older ones: a time, or the id of the last one seen", before)
        .refuses(404, "before: no job of yours has this id")
}

fn of_clip(operation: Operation) -> Operation {
    operation
        .refuses(403, "the key belongs to another account")
        .refuses(404, "nothing has been uploaded under this key, or it has expired")
        .refuses(413, "the clip is longer than 120 s")
}

fn of_project(operation: Operation) -> Operation {
    operation.refuses(403, "the project belongs to another account").refuses(404, "no project has this id")
}

pub fn surface() -> Surface {
    account_routes(Surface::default()).and(price_routes()).and(file_routes()).and(project_routes()).and(job_routes())
}

fn account_routes(surface: Surface) -> Surface {
    let me = own(Method::GET, "/me", ("Account", "getMe"), "The caller's account").answers(
        200,
        "The account",
        "Me",
        json!({
            "id": ID, "email": "ann@example.org", "balance_xeconds": 120, "total_spent_usd": 5,
            "api_key_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        }),
    );
    let new_token = own(Method::POST, "/api-tokens", ("Account", "createApiToken"), "A new API key")
        .says("Shown once. The account's earlier key stops working with this answer.")
        .answers(
            201,
            "The key",
            "NewToken",
            json!({
                "api_key": "rfx_live_0123456789abcdef0123456789abcdef01234567", "token_type": "bearer",
                "warning": "This key is shown once: store it now.",
            }),
        );
    let revoke = own(Method::DELETE, "/api-tokens", ("Account", "revokeApiToken"), "Revokes the API key").answers(
        200,
        "Whether there was one",
        "Revoked",
        json!({ "revoked": true }),
    );
    surface
        .serve(me, get(account::me))
        .serve(new_token, post(account::new_token))
        .serve(revoke, delete(account::revoke_token))
}

fn clip() -> Value {
    json!({ "fps": 29.97, "duration_sec": 12.9, "width": 1920, "height": 1080, "codec": "h264", "size_bytes": 9300000 })
}

fn price_routes() -> Surface {
    let config = public(Method::GET, "/pricing/config", ("Pricing", "getPricingConfig"), "Bands, packs and limits")
        .answers(200, "The table", "PricingConfig", prices::config_body());
    let estimate = public(Method::POST, "/pricing/estimate", ("Pricing", "estimate"), "A price from numbers")
        .takes("EstimateRequest", true, json!({ "duration_sec": 30, "input_fps": 24, "target_fps": 60 }))
        .answers(
            200,
            "The price",
            "Estimate",
            json!({
                "input_duration_sec": 30, "input_duration_sec_billed": 30, "input_fps": 24, "target_fps": 60,
                "interp_factor": 3, "multiplier": 1, "band": "smooth", "charged_xeconds": 30,
            }),
        )
        .refuses(400, "target_fps must be greater than the source fps (60)");
    let video = own(Method::POST, "/pricing/estimate-video", ("Pricing", "estimateVideo"), "Prices for an upload")
        .says("Targets that are not above the clip's own rate are left out.")
        .takes("EstimateVideoRequest", true, json!({ "r2_key": KEY, "target_fps_options": [60, 120] }))
        .answers(
            200,
            "The clip and a price for each target",
            "EstimateVideo",
            json!({
                "metadata": clip(),
                "estimates": [{ "target_fps": 60, "band": "smooth", "multiplier": 1, "charged_xeconds": 12 }],
            }),
        );
    Surface::default()
        .serve(config, get(prices::config))
        .serve(estimate, post(prices::estimate))
        .serve(of_clip(video), post(prices::estimate_video))
}

fn file_routes() -> Surface {
    let presign = own(Method::POST, "/upload/presign", ("Files", "presignUpload"), "A URL to upload a clip to")
        .says("PUT the bytes to `upload_url` with the same Content-Type. The URL lives an hour.")
        .takes("PresignRequest", true, json!({ "filename": "surf.mp4", "content_type": "video/mp4" }))
        .answers(
            200,
            "Where to put the bytes",
            "Presigned",
            json!({
                "upload_url": format!("https://farm.example.org/tweenfarm/{KEY}?X-Amz-Algorithm=AWS4-HMAC-SHA256"),
                "key": KEY, "r2_key": KEY, "project_id": ID, "file_id": ID,
            }),
        )
        .refuses(413, "size_bytes is 300000000, the most is 262144000");
    let probe = own(Method::POST, "/probe", ("Files", "probe"), "What an upload holds")
        .takes("ProbeRequest", true, json!({ "r2_key": KEY }))
        .answers(200, "The clip", "Clip", clip());
    let path = "/projects/{project}/files/{file}/download";
    let download = own(Method::GET, path, ("Files", "downloadFile"), "A fresh URL of a file")
        .answers(
            200,
            "Where to get the bytes",
            "Download",
            json!({ "url": "https://farm.example.org/tweenfarm/outputs/…", "expires_in": 3600 }),
        )
        .refuses(404, "File expired");
    Surface::default()
        .serve(of_project(presign), post(uploads::presign))
        .serve(of_clip(probe), post(uploads::probe))
        .serve(of_project(download), get(uploads::download))
}

fn project() -> Value {
    json!({
        "id": ID, "name": "Surf trip", "created_at": CREATED_AT, "share_enabled": false, "share_token": null,
        "files": [], "jobs": [],
    })
}

fn project_routes() -> Surface {
    let list = own(Method::GET, "/projects", ("Projects", "listProjects"), "The caller's projects, newest first")
        .answers(200, "The projects with their files and jobs", "ProjectList", json!({ "projects": [project()] }));
    let add = own(Method::POST, "/projects", ("Projects", "createProject"), "A new project")
        .takes("ProjectRequest", false, json!({ "name": "Surf trip" }))
        .answers(201, "The project", "Project", project());
    let show = own(Method::GET, "/projects/{project}", ("Projects", "getProject"), "A project").answers(
        200,
        "The project with its files and jobs",
        "Project",
        project(),
    );
    let remove = own(Method::DELETE, "/projects/{project}", ("Projects", "deleteProject"), "Deletes a project")
        .says("For good: its files and its share are gone at once, jobs under way fail and are refunded.")
        .answers(200, "It is gone", "DeletedProject", json!({ "deleted": true, "project_id": ID }));
    let path = "/projects/{project}/share";
    let enable = own(Method::POST, path, ("Projects", "shareProject"), "Shares a project")
        .says("Calling it again answers with the same token.")
        .answers(200, "The share", "Share", json!({ "project_id": ID, "share_token": TOKEN, "share_enabled": true }));
    let disable = own(Method::DELETE, path, ("Projects", "unshareProject"), "Ends a share").answers(
        200,
        "No share",
        "Share",
        json!({ "project_id": ID, "share_token": null, "share_enabled": false }),
    );
    let shared = public(Method::GET, "/share/{token}", ("Projects", "getShare"), "A shared project")
        .says("As the owner sees it, without storage keys; URLs end with the share.")
        .answers(200, "The project", "Project", project())
        .refuses(404, "no share has this id");
    let path = "/share/{token}/files/{file}";
    let output = public(Method::GET, path, ("Projects", "getSharedFile"), "The bytes of a shared output");
    let output = super::ranged(output).refuses(404, "File expired");
    Surface::default()
        .serve(paged(list), get(projects::list))
        .serve(add, post(projects::add))
        .serve(of_project(show), get(projects::show))
        .serve(of_project(remove), delete(projects::delete))
        .serve(of_project(enable), post(shares::enable))
        .serve(of_project(disable), delete(shares::disable))
        .serve(shared, get(shares::show))
        .serve(output, get(shares::download))
}

fn job_routes() -> Surface {
    let item = json!({
        "id": ID, "project_id": ID, "status": "pending", "input_key": KEY, "output_key": null, "output_url": null,
        "input_duration_sec": 12.9, "xeconds_charged": 24, "xeconds_refunded": 0, "target_fps": 90, "fps_in": 29.97,
        "fps_out": null, "watermarked": false, "created_at": CREATED_AT, "completed_at": null,
    });
    let mut live = item.clone();
    live["live_status"] = "processing".into();
    live["progress"] = 40.into();
    live["workers"] = json!({ "idle": 0, "running": 1 });
    live["queue_depth"] = 0.into();
    // Blanks around a header are not part of its value.
    let key = pattern("^[ \\t]*([!-~]([ -~]{0,253}[!-~])?)?[ \\t]*$");
    let submit = own(Method::POST, "/jobs", ("Jobs", "createJob"), "Submits a job and charges it")
        .says("A repeated request with the same Idempotency-Key gets the first answer again for a day.")
        .parameter("header", "Idempotency-Key", false, "A name for this submission", key)
        .takes("JobRequest", true, json!({ "r2_key": KEY, "target_fps": 90 }))
        .answers(
            200,
            "Accepted and charged",
            "SubmittedJob",
            json!({ "job_id": ID, "status": "pending", "xeconds_charged": 24, "balance_after": 96 }),
        )
        .refuses(402, "Need 240 xeconds, have 120");
    let list = own(Method::GET, "/jobs", ("Jobs", "listJobs"), "The caller's jobs, newest first").answers(
        200,
        "The jobs",
        "JobList",
        json!({ "jobs": [item] }),
    );
    let show = own(Method::GET, "/jobs/{job}", ("Jobs", "getJob"), "A job, to be polled every 3 to 5 seconds")
        .answers(200, "The job", "Job", live)
        .refuses(403, "the job belongs to another account")
        .refuses(404, "no job has this id");
    Surface::default()
        .serve(of_clip(submit), post(jobs::submit))
        .serve(paged(list), get(jobs::list))
        .serve(show, get(jobs::show))
}
