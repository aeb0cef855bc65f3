//! Commands on uploads: announced, arrived, looked into.

use super::{
    error::FarmError,
    handle::FarmRules,
    projects,
    request::{Home, NewUpload},
    transaction::Transaction,
};
use crate::{
    model::{About, Event, FileKind, FileState, MediaFile, ObjectKey, What},
    retention::{self, PINNED_UNTIL},
    store::Write,
};
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::FileId;

pub(super) fn announce(tx: &mut Transaction, rules: &FarmRules, upload: NewUpload) -> Result<MediaFile, FarmError> {
    let account = tx.account(upload.account)?;
    let id = FileId(tx.fresh_id());
    let project = match upload.home {
        Home::Project(id) => {
            let project = tx.project(id)?;
            if project.account != account.id {
                return Err(FarmError::NotYours { what: "project" });
            }
            project.id
        }
        Home::NewProject => projects::add(tx, account.id, upload.filename.clone())?.id,
        Home::Temporary => projects::default_of(tx, account.id)?,
    };
    let key = match upload.home {
        Home::NewProject | Home::Project(_) => {
            ObjectKey::upload(account.tier, account.id, project, id, &upload.filename)
        }
        Home::Temporary => ObjectKey::temporary(account.id, project, id, &upload.filename),
    };
    let file = MediaFile {
        id,
        account: account.id,
        project,
        kind: FileKind::Input,
        expires_at: rules.keep.end(&key, tx.now),
        pinned_end: None,
        key,
        filename: upload.filename,
        content_type: upload.content_type,
        tier: account.tier,
        created_at: tx.now,
        state: FileState::Awaited,
    };
    tx.put(Write::PutFile(file.clone()));
    Ok(file)
}

/// The bytes are there. They may come again until a job has used them; what was known of the earlier ones is dropped.
pub(super) fn stored(
    tx: &mut Transaction,
    key: &ObjectKey,
    size_bytes: u64,
    sha256: String,
) -> Result<MediaFile, FarmError> {
    let Some(mut file) = tx.file_with_key(key)? else { return Err(FarmError::NotFound { what: "upload" }) };
    match (file.kind, &file.state) {
        (FileKind::Input, FileState::Awaited | FileState::Stored { pinned: false, .. }) => {}
        (FileKind::Input, FileState::Stored { pinned: true, .. }) => return Err(FarmError::Pinned),
        (FileKind::Input, FileState::Deleted { .. }) => return Err(FarmError::NotUploaded),
        (FileKind::Output { .. }, _) => return Err(FarmError::Pinned),
    }
    file.state = FileState::Stored { size_bytes, sha256, facts: None, pinned: false };
    tx.put(Write::PutFile(file.clone()));
    Ok(file)
}

pub(super) fn remember_facts(tx: &mut Transaction, id: FileId, found: SourceFacts) -> Result<(), FarmError> {
    let mut file = tx.file(id)?;
    let FileState::Stored { facts, size_bytes, .. } = &mut file.state else { return Err(FarmError::NotUploaded) };
    if *size_bytes != found.size_bytes {
        return Err(FarmError::Replaced);
    }
    *facts = Some(found);
    tx.put(Write::PutFile(file));
    Ok(())
}

/// By the operator: kept past its time, or not any more. What is past its time is gone, whatever a disk still holds.
pub(super) fn pin(tx: &mut Transaction, id: FileId, pinned: bool) -> Result<MediaFile, FarmError> {
    let mut file = tx.file(id)?;
    if file.expires_at <= tx.now || matches!(file.state, FileState::Deleted { .. }) {
        return Err(FarmError::NotFound { what: "file" });
    }
    match (pinned, file.pinned_end) {
        (true, None) => (file.pinned_end, file.expires_at) = (Some(file.expires_at), PINNED_UNTIL),
        (false, Some(end)) => (file.pinned_end, file.expires_at) = (None, end),
        (true, Some(_)) | (false, None) => return Ok(file),
    }
    let word = if pinned { "pinned" } else { "unpinned" };
    let about = About { account: Some(file.account), ..About::default() };
    tx.tell(Event::new(tx.now, What::Configured(word), about, format!("the file {} is {word}", file.key)));
    tx.put(Write::PutFile(file.clone()));
    Ok(file)
}

/// Retention has deleted the bytes of these files.
pub(super) fn expire(tx: &mut Transaction, files: &[FileId]) -> Result<u64, FarmError> {
    let mut count = 0;
    for id in files {
        let mut file = tx.file(*id)?;
        if retention::is_due(&file, tx.now) {
            file.state = FileState::Deleted { at: tx.now };
            tx.put(Write::PutFile(file));
            count += 1;
        }
    }
    Ok(count)
}
