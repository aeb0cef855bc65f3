//! The rule of retention: how long an object is kept, by the prefix of its key, and which files are past their time.
//! Reads no clock: the moment is an argument. What a file was promised when it was made holds, whatever the rules say later.

use crate::model::{FileState, MediaFile, ObjectKey};
use std::{collections::HashSet, time::Duration};
use tweenfarm_protocol::{FileId, Timestamp};

/// How long an upload without a tier is kept: its URL is to be used in the next request, not next week.
pub const TEMPORARY: Duration = Duration::from_secs(2 * 60 * 60);

/// How long objects are kept from their making, by prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    pub uploads_free: Duration,
    pub uploads_paid: Duration,
    pub outputs_free: Duration,
    pub outputs_paid: Duration,
}

impl Lifetimes {
    /// Uploads and outputs alike.
    pub const fn by_tier(free: Duration, paid: Duration) -> Lifetimes {
        Lifetimes { uploads_free: free, uploads_paid: paid, outputs_free: free, outputs_paid: paid }
    }

    /// When an object made now may be deleted; one under no rule's prefix is never due.
    pub fn end(&self, key: &ObjectKey, now: Timestamp) -> Timestamp {
        let rule = Prefix::ALL.into_iter().find(|prefix| prefix.holds(key));
        rule.map_or(Timestamp(i64::MAX), |prefix| now.plus(self.of(prefix)))
    }

    pub fn of(&self, prefix: Prefix) -> Duration {
        match prefix {
            Prefix::UploadsFree => self.uploads_free,
            Prefix::UploadsPaid => self.uploads_paid,
            Prefix::UploadsTemporary => TEMPORARY,
            Prefix::OutputsFree => self.outputs_free,
            Prefix::OutputsPaid => self.outputs_paid,
        }
    }
}

/// A part of the store with a lifetime of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    UploadsFree,
    UploadsPaid,
    UploadsTemporary,
    OutputsFree,
    OutputsPaid,
}

impl Prefix {
    pub const ALL: [Prefix; 5] =
        [Prefix::UploadsFree, Prefix::UploadsPaid, Prefix::UploadsTemporary, Prefix::OutputsFree, Prefix::OutputsPaid];

    pub const fn text(self) -> &'static str {
        match self {
            Prefix::UploadsFree => "uploads/free/",
            Prefix::UploadsPaid => "uploads/paid/",
            Prefix::UploadsTemporary => "uploads/temporary/",
            Prefix::OutputsFree => "outputs/free/",
            Prefix::OutputsPaid => "outputs/paid/",
        }
    }

    pub fn holds(self, key: &ObjectKey) -> bool {
        key.as_str().starts_with(self.text())
    }
}

/// The end of a pinned file's time, 9999-12-31T23:59:59Z: whoever asks when it is due needs to know nothing of pins.
pub const PINNED_UNTIL: Timestamp = Timestamp(253_402_300_799_000_000);

/// Whether a file is past its time and not deleted yet.
pub fn is_due(file: &MediaFile, now: Timestamp) -> bool {
    file.expires_at <= now && !matches!(file.state, FileState::Deleted { .. })
}

/// What is to be done with the files that are due.
#[derive(Debug, Default, PartialEq)]
pub struct Due<'a> {
    pub delete: Vec<&'a MediaFile>,
    /// Inputs that an open job still needs: due again when it has ended.
    pub in_use: Vec<&'a MediaFile>,
}

pub fn due<'a>(files: &'a [MediaFile], inputs_in_use: &HashSet<FileId>, now: Timestamp) -> Due<'a> {
    let past = files.iter().filter(|file| is_due(file, now));
    let (in_use, delete) = past.partition(|file| inputs_in_use.contains(&file.id));
    Due { delete, in_use }
}

/// The bytes a file holds, as far as they are known.
pub fn size_bytes(file: &MediaFile) -> u64 {
    match file.state {
        FileState::Stored { size_bytes, .. } => size_bytes,
        FileState::Awaited | FileState::Deleted { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_prefix_decides_how_long_an_object_is_kept() {
        let lifetimes =
            Lifetimes { uploads_free: DAY, uploads_paid: DAY * 2, outputs_free: DAY * 3, outputs_paid: DAY * 4 };
        let check = |key: &str, days: Option<u32>| {
            let expected = days.map_or(Timestamp(i64::MAX), |days| Timestamp(7).plus(DAY * days));
            assert_eq!(lifetimes.end(&key.parse().unwrap(), Timestamp(7)), expected, "{key}");
        };
        check("uploads/free/a/b/input/c.mp4", Some(1));
        check("uploads/paid/a/b/input/c.mp4", Some(2));
        check("outputs/free/a/b/c/output-60fps.mp4", Some(3));
        check("outputs/paid/a/b/c/output-60fps.mp4", Some(4));
        let soon = lifetimes.end(&"uploads/temporary/a/b/input/c.mp4".parse().unwrap(), Timestamp(7));
        assert_eq!(soon, Timestamp(7).plus(TEMPORARY));
        check("work/a/b.mp4", None);
        check("uploads/freed/a/b/input/c.mp4", None);
    }

    #[test]
    fn what_is_past_its_time_is_deleted_unless_an_open_job_needs_it() {
        let stored =
            |number, expires_at| MediaFile { expires_at: Timestamp(expires_at), ..samples::input(number, 1, 1) };
        let gone = MediaFile { state: FileState::Deleted { at: Timestamp(1) }, ..stored(4, 10) };
        let awaited = MediaFile { state: FileState::Awaited, ..stored(5, 10) };
        let files = [stored(1, 10), stored(2, 11), stored(3, 9), gone, awaited];
        let needed = HashSet::from([files[2].id, files[1].id]);
        let numbers = |files: Vec<&MediaFile>| files.iter().map(|file| file.id.0.as_u128()).collect::<Vec<_>>();
        let Due { delete, in_use } = due(&files, &needed, Timestamp(10));
        assert_eq!((numbers(delete), numbers(in_use)), (vec![1, 5], vec![3]));
    }
}
