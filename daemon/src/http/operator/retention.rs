//! Retention as the operator handles it: what is due when, by prefix and by file; swept now, or only looked at; pinned.

use super::asked::{Asked, Limit};
use crate::{
    farm::{Farm, FarmError},
    http::{HttpState, body::Strict, error::Failure},
    model::{Event, FileKind, MediaFile, What},
    retention::{PINNED_UNTIL, Prefix, size_bytes},
    sweep::retention::{self, Mode, RetentionSweep},
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use std::time::Duration;
use tweenfarm_protocol::{
    FileId, Timestamp,
    operator::{FileRow, Page, Pinned, PrefixRow, Retention, Sweep, SweepRow, Swept},
};

/// Files read at a time; the writer waits for none of them.
const BATCH: usize = 1000;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Files looked at for one page, at most: the next page goes on.
const LOOKED_AT_MAX: usize = 5000;

/// Spawned: a pass that began is carried to its end, also when the operator leaves.
pub async fn sweep(State(state): State<HttpState>, Strict(body): Strict<Sweep>) -> Result<Json<Swept>, Failure> {
    let mode = if body.dry_run { Mode::DryRun } else { Mode::Delete };
    let pass = tokio::spawn(async move { retention::pass(&state.farm, &state.blobs, mode).await });
    let found = pass.await.map_err(|_| Failure::Internal("the sweep broke off; it has been logged"))??;
    let RetentionSweep { candidates, candidate_bytes, in_use, deleted, deleted_bytes, errors } = found;
    let dry_run = body.dry_run;
    Ok(Json(Swept { dry_run, candidates, candidate_bytes, in_use, deleted, deleted_bytes, errors }))
}

/// Looks at every file that is stored: on a thread that may wait for the disk.
pub async fn overview(State(state): State<HttpState>) -> Result<Json<Retention>, Failure> {
    let farm = state.farm;
    let tally = farm.tally();
    let sweeps: Vec<SweepRow> = tally.sweeps.iter().filter_map(row_of_sweep).collect();
    let last = tally.sweeps.iter().find(|event| matches!(event.what, What::Swept { sweep: "retention", .. }));
    let next_sweep_at = last.map(|event| event.at.plus(retention::EVERY).to_iso_seconds());
    let prefixes = tokio::task::spawn_blocking(move || prefixes(&farm)).await;
    let prefixes = prefixes.map_err(|_| Failure::Internal("the look at the files broke off; it has been logged"))??;
    Ok(Json(Retention { prefixes, sweeps, next_sweep_at }))
}

fn row_of_sweep(event: &Event) -> Option<SweepRow> {
    let What::Swept { sweep, ok, deleted, deleted_bytes, elapsed_ms } = event.what else { return None };
    let (sweep, at, text) = (sweep.to_owned(), event.at.to_iso_seconds(), event.text.clone());
    Some(SweepRow { sweep, at, elapsed_ms, ok, text, deleted, deleted_bytes })
}

fn prefixes(farm: &Farm) -> Result<Vec<PrefixRow>, FarmError> {
    let (now, keep) = (farm.now(), farm.rules().keep);
    let mut rows: Vec<(PrefixRow, Option<Timestamp>)> = Prefix::ALL
        .into_iter()
        .map(|prefix| {
            (
                PrefixRow {
                    prefix: prefix.text().into(),
                    keep_seconds: keep.of(prefix).as_secs(),
                    files: 0,
                    bytes: 0,
                    due_files: 0,
                    due_bytes: 0,
                    due_in_a_day_files: 0,
                    due_in_a_day_bytes: 0,
                    pinned_files: 0,
                    next_due_at: None,
                },
                None,
            )
        })
        .collect();
    let mut after: Option<MediaFile> = None;
    loop {
        let files = farm.files_due(Timestamp(i64::MAX), after.as_ref(), BATCH)?;
        let Some(last) = files.last() else { break };
        after = Some(last.clone());
        for file in &files {
            let Some(place) = Prefix::ALL.into_iter().position(|prefix| prefix.holds(&file.key)) else { continue };
            let (row, next_due) = &mut rows[place];
            let bytes = size_bytes(file);
            (row.files, row.bytes) = (row.files + 1, row.bytes + bytes);
            row.pinned_files += u64::from(file.pinned_end.is_some());
            if file.expires_at <= now {
                (row.due_files, row.due_bytes) = (row.due_files + 1, row.due_bytes + bytes);
            } else if file.pinned_end.is_none() {
                // They come in order: the first one that has not come is the next.
                next_due.get_or_insert(file.expires_at);
            }
            if file.expires_at <= now.plus(DAY) {
                (row.due_in_a_day_files, row.due_in_a_day_bytes) =
                    (row.due_in_a_day_files + 1, row.due_in_a_day_bytes + bytes);
            }
        }
    }
    Ok(rows
        .into_iter()
        .map(|(row, due)| PrefixRow { next_due_at: due.map(Timestamp::to_iso_seconds), ..row })
        .collect())
}

/// In the query of the list of files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesAsked {
    #[serde(default)]
    limit: Limit,
    after: Option<FileId>,
    prefix: Option<String>,
    /// Only what is due within so many seconds; 0: what is due now.
    within_seconds: Option<u64>,
    pinned: Option<bool>,
}

/// In the order in which they are due, pinned ones last.
pub async fn files(
    State(state): State<HttpState>,
    Asked(asked): Asked<FilesAsked>,
) -> Result<Json<Page<FileRow>>, Failure> {
    let page = tokio::task::spawn_blocking(move || page(&state.farm, &asked)).await;
    Ok(Json(page.map_err(|_| Failure::Internal("the list broke off; it has been logged"))??))
}

fn page(farm: &Farm, asked: &FilesAsked) -> Result<Page<FileRow>, FarmError> {
    let (now, limit) = (farm.now(), asked.limit.0);
    let until = asked.within_seconds.map_or(Timestamp(i64::MAX), |seconds| now.plus(Duration::from_secs(seconds)));
    let mut after = asked.after.map(|id| farm.file(id)).transpose()?.flatten();
    let (mut rows, mut looked_at) = (Vec::new(), 0);
    let next = |last: &MediaFile| Some(last.id.to_string());
    while looked_at < LOOKED_AT_MAX {
        let files = farm.files_due(until, after.as_ref(), BATCH)?;
        let all = files.len() < BATCH;
        for file in files {
            looked_at += 1;
            let fits = asked.prefix.as_ref().is_none_or(|prefix| file.key.as_str().starts_with(prefix.as_str()))
                && asked.pinned.is_none_or(|pinned| file.pinned_end.is_some() == pinned);
            if fits {
                rows.push(row_of_file(&file));
            }
            if rows.len() == limit {
                return Ok(Page { rows, next: next(&file) });
            }
            after = Some(file);
        }
        if all {
            return Ok(Page { rows, next: None });
        }
    }
    Ok(Page { rows, next: after.as_ref().and_then(next) })
}

fn row_of_file(file: &MediaFile) -> FileRow {
    FileRow {
        file: file.id,
        account: file.account,
        key: file.key.to_string(),
        job: match file.kind {
            FileKind::Input => None,
            FileKind::Output { job } => Some(job),
        },
        size_bytes: size_bytes(file),
        created_at: file.created_at.to_iso_seconds(),
        expires_at: file.pinned_end.unwrap_or(file.expires_at).to_iso_seconds(),
        pinned: file.pinned_end.is_some(),
    }
}

pub async fn pin(State(state): State<HttpState>, Path(file): Path<String>) -> Result<Json<Pinned>, Failure> {
    set(&state.farm, &file, true).await
}

pub async fn unpin(State(state): State<HttpState>, Path(file): Path<String>) -> Result<Json<Pinned>, Failure> {
    set(&state.farm, &file, false).await
}

async fn set(farm: &Farm, file: &str, pinned: bool) -> Result<Json<Pinned>, Failure> {
    let id: FileId = file.parse().map_err(|_| FarmError::NotFound { what: "file" })?;
    let file = farm.pin(id, pinned).await?;
    let end = file.pinned_end.unwrap_or(file.expires_at);
    debug_assert!(file.pinned_end.is_none() || file.expires_at == PINNED_UNTIL);
    Ok(Json(Pinned { file: id, pinned, expires_at: end.to_iso_seconds() }))
}
