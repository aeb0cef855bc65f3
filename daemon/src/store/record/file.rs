//! Records of files.

use super::{RecordError, Stored, account::TierV1, facts::SourceV1};
use crate::model::{FileKind, FileState, MediaFile};
use serde::{Deserialize, Serialize};
use tweenfarm_protocol::{AccountId, FileId, JobId, ProjectId, Timestamp};

#[derive(Serialize, Deserialize)]
pub enum FileRecord {
    V1(FileV1),
    V2 { file: FileV1, pinned_end: Option<Timestamp> },
}

#[derive(Serialize, Deserialize)]
pub struct FileV1 {
    id: FileId,
    account: AccountId,
    project: ProjectId,
    kind: FileKindV1,
    key: String,
    filename: String,
    content_type: String,
    tier: TierV1,
    created_at: Timestamp,
    expires_at: Timestamp,
    state: FileStateV1,
}

#[derive(Serialize, Deserialize)]
enum FileKindV1 {
    Input,
    Output { job: JobId },
}

#[derive(Serialize, Deserialize)]
enum FileStateV1 {
    Awaited,
    Stored { size_bytes: u64, sha256: String, facts: Option<SourceV1>, pinned: bool },
    Deleted { at: Timestamp },
}

impl Stored for MediaFile {
    type Record = FileRecord;

    fn to_record(&self) -> FileRecord {
        let kind = match self.kind {
            FileKind::Input => FileKindV1::Input,
            FileKind::Output { job } => FileKindV1::Output { job },
        };
        let state = match self.state.clone() {
            FileState::Awaited => FileStateV1::Awaited,
            FileState::Stored { size_bytes, sha256, facts, pinned } => {
                FileStateV1::Stored { size_bytes, sha256, facts: facts.as_ref().map(SourceV1::from), pinned }
            }
            FileState::Deleted { at } => FileStateV1::Deleted { at },
        };
        let file = FileV1 {
            id: self.id,
            account: self.account,
            project: self.project,
            kind,
            key: self.key.as_str().to_owned(),
            filename: self.filename.clone(),
            content_type: self.content_type.clone(),
            tier: self.tier.into(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            state,
        };
        FileRecord::V2 { file, pinned_end: self.pinned_end }
    }

    fn from_record(record: FileRecord) -> Result<MediaFile, RecordError> {
        let (record, pinned_end) = match record {
            FileRecord::V1(file) => (file, None),
            FileRecord::V2 { file, pinned_end } => (file, pinned_end),
        };
        let kind = match record.kind {
            FileKindV1::Input => FileKind::Input,
            FileKindV1::Output { job } => FileKind::Output { job },
        };
        let state = match record.state {
            FileStateV1::Awaited => FileState::Awaited,
            FileStateV1::Stored { size_bytes, sha256, facts, pinned } => {
                FileState::Stored { size_bytes, sha256, facts: facts.map(TryInto::try_into).transpose()?, pinned }
            }
            FileStateV1::Deleted { at } => FileState::Deleted { at },
        };
        Ok(MediaFile {
            id: record.id,
            account: record.account,
            project: record.project,
            kind,
            key: record.key.parse()?,
            filename: record.filename,
            content_type: record.content_type,
            tier: record.tier.into(),
            created_at: record.created_at,
            expires_at: record.expires_at,
            pinned_end,
            state,
        })
    }
}
