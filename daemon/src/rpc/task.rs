//! Tasks: leased work with all that an agent needs to fetch, do and deliver it.

use super::RpcSettings;
use crate::{
    blobs::Blobs,
    farm::{LeasedWork, Piece},
    model::{FileState, ObjectKey, Segment, SegmentState},
};
use tweenfarm_protocol::task::{
    Deliver, Failure, FailureClass, Fetch, JoinWork, MarkWork, OutputPlan, RenderWork, RenderedSegment, Task, Work,
};

/// Everything a farm makes is MP4.
pub(super) const CONTENT_TYPE: &str = "video/mp4";

/// Fails when something that the task needs is not stored any more: no worker could do it.
pub(super) fn make(blobs: &Blobs, settings: RpcSettings, leased: LeasedWork) -> Result<Task, Failure> {
    let result_key = leased.result_key();
    let LeasedWork { lease, lease_for, job, input, piece } = leased;
    let fetch = |key: &ObjectKey, size_bytes: u64, sha256: &str| Fetch {
        url: blobs.agent_get(key, settings.task_urls_for),
        size_bytes,
        sha256: sha256.to_owned(),
    };
    let clip = || match &input.state {
        FileState::Stored { size_bytes, sha256, .. } => Ok(fetch(&input.key, *size_bytes, sha256)),
        FileState::Awaited | FileState::Deleted { .. } => {
            Err(gone(FailureClass::Input, "The uploaded clip is not stored any more: upload it again."))
        }
    };
    let deliver = Deliver {
        url: blobs.agent_put(&result_key, CONTENT_TYPE, settings.task_urls_for),
        content_type: CONTENT_TYPE.into(),
    };
    let plan = OutputPlan {
        target_rate: job.target_rate(),
        slot_count: job.slot_count,
        encode: job.encode,
        encoder: job.encoder,
        engine: job.engine,
        format: job.format,
    };
    let work = match piece {
        Piece::Render(slots) => Work::Render(RenderWork { source: clip()?, plan, slots, deliver }),
        Piece::Join(segments) => {
            let rendered = |segment: Segment| match segment.state {
                SegmentState::Rendered { output, size_bytes, sha256, .. } => {
                    Ok(RenderedSegment { slots: segment.slots, fetch: fetch(&output, size_bytes, &sha256) })
                }
                SegmentState::Ready { .. } | SegmentState::Leased { .. } | SegmentState::Abandoned(_) => Err(gone(
                    FailureClass::Internal,
                    "A part of the clip is missing where the parts were to be joined.",
                )),
            };
            let segments = segments.into_iter().map(rendered).collect::<Result<_, _>>()?;
            Work::Join(JoinWork { source: clip()?, plan, segments, deliver })
        }
        Piece::Mark(master) => {
            let source = fetch(&job.output_key(), master.size_bytes, &master.sha256);
            Work::Mark(MarkWork { source, plan, deliver })
        }
    };
    let lease_ms = u64::try_from(lease_for.as_millis()).unwrap_or(u64::MAX);
    Ok(Task { lease, job: job.id, lease_ms, work })
}

fn gone(class: FailureClass, message: &str) -> Failure {
    Failure::new(class, message.into())
}
