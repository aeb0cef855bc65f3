//! A job as the surface shows it: stored status, the status derived from what the farm sees, null before the end.

use super::{
    clip,
    project_body::{Viewer, download_url},
    shown,
};
use crate::{
    farm::{FarmError, JobView, Load},
    http::HttpState,
    model::{Job, JobEnd, JobState, ObjectKey, Tier},
    schedule::stage::Stage,
};
use serde::Serialize;
use serde_json::Number;
use tweenfarm_protocol::{JobId, ProjectId, Xeconds};

/// An item of GET /jobs.
#[derive(Serialize)]
pub struct JobBody {
    id: JobId,
    project_id: ProjectId,
    status: &'static str,
    input_key: Option<String>,
    output_key: Option<String>,
    output_url: Option<String>,
    input_duration_sec: Number,
    xeconds_charged: Xeconds,
    xeconds_refunded: Xeconds,
    target_fps: u32,
    fps_in: Number,
    fps_out: Option<u32>,
    watermarked: bool,
    created_at: String,
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// GET /jobs/{id}: with what is live.
#[derive(Serialize)]
pub struct LiveJobBody {
    #[serde(flatten)]
    job: JobBody,
    live_status: &'static str,
    progress: u8,
    workers: WorkersBody,
    queue_depth: u64,
}

#[derive(Serialize)]
struct WorkersBody {
    idle: u32,
    running: u32,
}

impl JobBody {
    /// `tier` is the one that its account has now.
    pub fn of(state: &HttpState, job: &Job, viewer: Viewer, tier: Tier) -> Result<JobBody, FarmError> {
        let key_shown = |key: &ObjectKey| (viewer == Viewer::Owner).then(|| key.to_string());
        let mut body = JobBody {
            id: job.id,
            project_id: job.project,
            status: "pending",
            input_key: key_shown(&job.input_key),
            output_key: None,
            output_url: None,
            input_duration_sec: clip::seconds(job.source.video.duration),
            xeconds_charged: job.charged,
            xeconds_refunded: Xeconds::ZERO,
            target_fps: job.target_fps,
            fps_in: shown(job.source.video.fps_shown()),
            fps_out: None,
            watermarked: job.is_given_marked(tier),
            created_at: job.created_at.to_iso_seconds(),
            completed_at: None,
            error: None,
        };
        let JobState::Ended { at, end } = &job.state else {
            return Ok(body);
        };
        body.completed_at = Some(at.to_iso_seconds());
        match end {
            JobEnd::Done { output, output_key, .. } => {
                body.status = "done";
                body.fps_out = Some(job.target_fps);
                let given = job.given(tier).unwrap_or(*output);
                let unlocked_key = job.output_key();
                body.output_key = key_shown(if given == *output { output_key } else { &unlocked_key });
                let file = state.farm.file(given)?;
                body.output_url = file.and_then(|file| download_url(state, &file, viewer));
            }
            JobEnd::Failed { error, refunded, .. } => {
                body.status = "failed";
                body.error = Some(error.clone());
                body.xeconds_refunded = *refunded;
            }
            // The surface has no word of its own for it.
            JobEnd::Cancelled { refunded, .. } => {
                body.status = "failed";
                body.error = Some("The job was cancelled by the operator of the farm".to_owned());
                body.xeconds_refunded = *refunded;
            }
        }
        Ok(body)
    }
}

impl LiveJobBody {
    pub fn of(state: &HttpState, view: &JobView, tier: Tier) -> Result<LiveJobBody, FarmError> {
        let Load { workers_idle, workers_running, queue_depth } = view.load;
        let started = Stage::of(&view.job);
        // Jobs before which this one waits: itself not counted.
        let others = if started == Stage::Waiting { queue_depth.saturating_sub(1) } else { queue_depth };
        Ok(LiveJobBody {
            job: JobBody::of(state, &view.job, Viewer::Owner, tier)?,
            live_status: live_status(started, workers_idle),
            progress: view.progress_percent,
            workers: WorkersBody { idle: workers_idle, running: workers_running },
            queue_depth: others,
        })
    }
}

fn live_status(stage: Stage, workers_idle: u32) -> &'static str {
    match stage {
        Stage::Done => "done",
        // The surface has no word of its own for what the operator cancelled.
        Stage::Failed | Stage::Cancelled => "failed",
        Stage::Running => "processing",
        Stage::Claimed => "cold_start",
        Stage::Waiting if workers_idle == 0 => "no_workers",
        Stage::Waiting => "queued",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_status_follows_the_contracts_table() {
        let check = |stage: Stage, idle: u32, expected: &str| assert_eq!(live_status(stage, idle), expected);
        check(Stage::Waiting, 0, "no_workers");
        check(Stage::Waiting, 1, "queued");
        check(Stage::Claimed, 0, "cold_start");
        check(Stage::Running, 0, "processing");
        check(Stage::Done, 0, "done");
        check(Stage::Failed, 0, "failed");
        check(Stage::Cancelled, 1, "failed");
    }
}
