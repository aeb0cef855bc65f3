//! Files: media objects of a project, and the keys their bytes are stored under.

use super::Tier;
use std::{fmt, str::FromStr};
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{AccountId, FileId, JobId, LeaseId, ProjectId, Timestamp};

/// The key of an object in the blob store. Every value is one this service could have issued: relative, with
/// `[A-Za-z0-9._-]` components, none of them empty or only dots, so that a path made from it stays in its root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a key of this service: send the key that /upload/presign returned")]
pub struct ObjectKeyError(pub String);

impl ObjectKey {
    /// Longest accepted key: our own stay below 400 bytes.
    const BYTES_MAX: usize = 600;

    /// `uploads/{tier}/{account}/{project}/input/{file}-{name}`
    pub fn upload(tier: Tier, account: AccountId, project: ProjectId, file: FileId, filename: &str) -> ObjectKey {
        ObjectKey(format!("uploads/{}/{account}/{project}/input/{file}-{}", tier.as_str(), safe_name(filename)))
    }

    /// `uploads/temporary/{account}/{project}/input/{file}-{name}`: outside the prefixes of the tiers.
    pub fn temporary(account: AccountId, project: ProjectId, file: FileId, filename: &str) -> ObjectKey {
        ObjectKey(format!("uploads/temporary/{account}/{project}/input/{file}-{}", safe_name(filename)))
    }

    /// `outputs/{tier}/{account}/{project}/{job}/output-{fps}fps.mp4`
    pub fn output(tier: Tier, account: AccountId, project: ProjectId, job: JobId, target_fps: u32) -> ObjectKey {
        ObjectKey(format!("outputs/{}/{account}/{project}/{job}/output-{target_fps}fps.mp4", tier.as_str()))
    }

    /// `outputs/{tier}/{account}/{project}/{job}/output-{fps}fps-watermarked.mp4`
    pub fn marked(tier: Tier, account: AccountId, project: ProjectId, job: JobId, target_fps: u32) -> ObjectKey {
        let tier = tier.as_str();
        ObjectKey(format!("outputs/{tier}/{account}/{project}/{job}/output-{target_fps}fps-watermarked.mp4"))
    }

    /// `work/{job}/{lease}.mp4`: what a lease made, a segment until the join and an output until its report. The lease in
    /// the name keeps a late worker from overwriting its successor's bytes.
    pub fn segment(job: JobId, lease: LeaseId) -> ObjectKey {
        ObjectKey(format!("work/{job}/{lease}.mp4"))
    }

    /// `work/{job}/`: everything a job needs only while it runs.
    pub fn work_prefix(job: JobId) -> String {
        format!("work/{job}/")
    }

    /// Every folder that uploads to a project and outputs of it lie in.
    pub fn project_prefixes(account: AccountId, project: ProjectId) -> [String; 5] {
        let [free, paid] = [Tier::Free, Tier::Paid].map(Tier::as_str);
        [("uploads", free), ("uploads", paid), ("uploads", "temporary"), ("outputs", free), ("outputs", paid)]
            .map(|(root, tier)| format!("{root}/{tier}/{account}/{project}/"))
    }

    /// Folder of what devices on probation fetch and deliver.
    pub const PROBES: &str = "probe/";

    /// `probe/{name}`
    pub fn probe(name: &str) -> ObjectKey {
        ObjectKey(format!("{}{name}", ObjectKey::PROBES))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ObjectKey {
    type Err = ObjectKeyError;

    fn from_str(text: &str) -> Result<Self, ObjectKeyError> {
        let component_ok = |component: &str| {
            !component.is_empty()
                && component.bytes().any(|byte| byte != b'.')
                && component.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let first_ok = ["uploads/", "outputs/", "work/", Self::PROBES].iter().any(|prefix| text.starts_with(prefix));
        if text.len() > Self::BYTES_MAX || !first_ok || !text.split('/').all(component_ok) {
            return Err(ObjectKeyError(text.chars().take(80).collect()));
        }
        Ok(ObjectKey(text.to_owned()))
    }
}

/// The last path component of what a client calls its file, reduced to `[A-Za-z0-9._-]`, at most 100 bytes.
fn safe_name(filename: &str) -> String {
    let last = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name: String = last
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' })
        .collect();
    // The end holds the extension: keep that when shortening.
    if name.len() > 100 {
        name.drain(..name.len() - 100);
    }
    name
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Input,
    Output { job: JobId },
}

/// One media object, input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaFile {
    pub id: FileId,
    pub account: AccountId,
    pub project: ProjectId,
    pub kind: FileKind,
    pub key: ObjectKey,
    /// As the client named it.
    pub filename: String,
    pub content_type: String,
    pub tier: Tier,
    pub created_at: Timestamp,
    /// When retention may delete the bytes.
    pub expires_at: Timestamp,
    /// Of a file that an operator pinned: when its time would end without.
    pub pinned_end: Option<Timestamp>,
    pub state: FileState,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FileState {
    /// Presigned, not yet uploaded.
    Awaited,
    /// The bytes are in the blob store.
    Stored {
        size_bytes: u64,
        /// SHA-256 of the bytes, lowercase hex.
        sha256: String,
        /// What the probe found, once it has looked.
        facts: Option<SourceFacts>,
        /// A job has used the object: it can't be replaced any more.
        pinned: bool,
    },
    /// Retention or an operator deleted the bytes.
    Deleted { at: Timestamp },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_this_service_could_have_issued_are_read() {
        let check = |text: &str, accepted: bool| assert_eq!(text.parse::<ObjectKey>().is_ok(), accepted, "{text}");
        check("uploads/paid/a/b/input/c-clip.mp4", true);
        check("outputs/free/a/b/c/output-60fps.mp4", true);
        check("/uploads/paid/a", false);
        check("uploads/../../etc/passwd", false);
        check("uploads/./a", false);
        check("uploads//a", false);
        check("uploads/a b", false);
        check("uploads/a\\b", false);
        check("elsewhere/a", false);
        check("", false);
        check(&format!("uploads/{}", "a".repeat(700)), false);
    }

    #[test]
    fn a_clients_file_name_cannot_leave_its_folder() {
        assert_eq!(safe_name("../../etc/pass wd.mp4"), "pass_wd.mp4");
        assert_eq!(safe_name("C:\\clips\\süß.mov"), "s__.mov");
        assert!(safe_name(&"x".repeat(300)).len() <= 100);
        let id = uuid::Uuid::nil();
        let key = ObjectKey::upload(Tier::Paid, AccountId(id), ProjectId(id), FileId(id), "..");
        assert!(key.as_str().parse::<ObjectKey>().is_ok(), "{key}");
    }
}
