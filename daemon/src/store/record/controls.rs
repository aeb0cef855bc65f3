//! The record of what the operator has stopped.

use super::{RecordError, Stored};
use crate::model::{Controls, Duty, Queue};
use serde::{Deserialize, Serialize};
use tweenfarm_protocol::{AgentId, Timestamp};

#[derive(Serialize, Deserialize)]
pub enum ControlsRecord {
    V1 { queue_paused_at: Option<Timestamp>, duties: Vec<(AgentId, DutyV1)> },
}

#[derive(Serialize, Deserialize)]
pub enum DutyV1 {
    Paused { at: Timestamp },
    Draining { at: Timestamp },
}

impl Stored for Controls {
    type Record = ControlsRecord;

    fn to_record(&self) -> ControlsRecord {
        let queue_paused_at = match self.queue {
            Queue::Running => None,
            Queue::Paused { at } => Some(at),
        };
        let duty = |duty: &Duty| match *duty {
            Duty::Paused { at } => DutyV1::Paused { at },
            Duty::Draining { at } => DutyV1::Draining { at },
        };
        let duties = self.duties.iter().map(|(agent, of)| (*agent, duty(of))).collect();
        ControlsRecord::V1 { queue_paused_at, duties }
    }

    fn from_record(record: ControlsRecord) -> Result<Controls, RecordError> {
        let ControlsRecord::V1 { queue_paused_at, duties } = record;
        let duty = |duty| match duty {
            DutyV1::Paused { at } => Duty::Paused { at },
            DutyV1::Draining { at } => Duty::Draining { at },
        };
        let queue = queue_paused_at.map_or(Queue::Running, |at| Queue::Paused { at });
        Ok(Controls { queue, duties: duties.into_iter().map(|(agent, of)| (agent, duty(of))).collect() })
    }
}
