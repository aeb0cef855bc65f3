//! Records of the lines of jobs' stories.

use super::{RecordError, Stored};
use crate::model::{Part, StoryLine};
use serde::{Deserialize, Serialize};
use tweenfarm_protocol::{AgentId, JobId, LeaseId, SlotRange, Timestamp, operator::Level};

#[derive(Serialize, Deserialize)]
pub enum StoryRecord {
    V1 {
        job: JobId,
        sequence: u32,
        at: Timestamp,
        level: Level,
        by_worker: bool,
        agent: Option<AgentId>,
        worker: Option<u32>,
        part: Option<PartV1>,
        lease: Option<LeaseId>,
        text: String,
    },
}

#[derive(Serialize, Deserialize)]
pub enum PartV1 {
    Segment(SlotRange),
    Join,
    Mark,
}

impl Stored for StoryLine {
    type Record = StoryRecord;

    fn to_record(&self) -> StoryRecord {
        let StoryLine { job, sequence, at, level, by_worker, agent, worker, part, lease, text } = self.clone();
        let part = part.map(|part| match part {
            Part::Segment(slots) => PartV1::Segment(slots),
            Part::Join => PartV1::Join,
            Part::Mark => PartV1::Mark,
        });
        StoryRecord::V1 { job, sequence, at, level, by_worker, agent, worker, part, lease, text }
    }

    fn from_record(record: StoryRecord) -> Result<StoryLine, RecordError> {
        let StoryRecord::V1 { job, sequence, at, level, by_worker, agent, worker, part, lease, text } = record;
        let part = match part {
            None => None,
            Some(PartV1::Segment(slots)) => Some(Part::Segment(slots)),
            Some(PartV1::Join) => Some(Part::Join),
            Some(PartV1::Mark) => Some(Part::Mark),
        };
        Ok(StoryLine { job, sequence, at, level, by_worker, agent, worker, part, lease, text })
    }
}
