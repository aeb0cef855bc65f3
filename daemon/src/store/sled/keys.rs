//! Keys of the store on disk: what leads to what, in an order that sorts as it should. Knows no sled.

use crate::model::{Job, MediaFile};
use tweenfarm_protocol::{AccountId, JobId, Timestamp};

/// First byte of every key: what kind of thing it leads to.
pub(super) mod kind {
    pub const ACCOUNT: u8 = b'a';
    /// Address → account.
    pub const EMAIL: u8 = b'e';
    pub const KEY: u8 = b'k';
    /// Account → hash of the key it was given last.
    pub const NEWEST_KEY: u8 = b'n';
    /// Account, time, hash of one of its many keys.
    pub const KEY_OF: u8 = b'y';
    /// Hash of a key → when it was last used.
    pub const KEY_USED: u8 = b'z';
    /// Account, sequence → entry.
    pub const ENTRY: u8 = b'l';
    /// Charge → refund, purchase → reversal.
    pub const REFUND: u8 = b'r';
    /// Payment event → account, sequence.
    pub const PAYMENT: u8 = b'u';
    pub const PROJECT: u8 = b'p';
    /// Account, time, project, while it is kept.
    pub const PROJECT_OF: u8 = b'g';
    /// Account → the project of its jobs without one.
    pub const DEFAULT_PROJECT: u8 = b'f';
    /// Share token → project. An entry may be of a token that opens nothing any more.
    pub const SHARE: u8 = b'w';
    pub const FILE: u8 = b'd';
    /// Project, time, file.
    pub const FILE_OF: u8 = b'c';
    /// End of its time, file, while its bytes are not deleted.
    pub const FILE_DUE: u8 = b'x';
    /// Object key → file.
    pub const OBJECT: u8 = b'o';
    pub const JOB: u8 = b'j';
    /// Job, position → segment, while the job has not ended or can be undone.
    pub const SEGMENT: u8 = b's';
    /// Account, time, job.
    pub const JOB_OF: u8 = b'h';
    /// Job → how its surface asked for it.
    pub const ORIGIN: u8 = b'v';
    /// Project, time, job.
    pub const JOB_IN: u8 = b'm';
    /// Time, job.
    pub const JOB_BY_TIME: u8 = b't';
    /// Job, while it has not ended or can be undone.
    pub const OPEN_JOB: u8 = b'q';
    /// Job → its webhook.
    pub const WEBHOOK: u8 = b'W';
    /// Job, while its webhook has something due or being sent.
    pub const OPEN_WEBHOOK: u8 = b'V';
    /// Name → operator.
    pub const OPERATOR: u8 = b'O';
    /// Job, position → line of its story.
    pub const STORY: u8 = b'S';
    /// Account, route, 0, idempotency key → first answer.
    pub const ANSWER: u8 = b'i';
    pub const AGENT: u8 = b'A';
    /// Fingerprint of a public key → agent.
    pub const AGENT_KEY: u8 = b'F';
    /// Name → invitation.
    pub const INVITE: u8 = b'I';
    /// What the operator has stopped.
    pub const CONTROLS: u8 = b'C';
}

/// A key for people: its kind as a letter, then hexadecimal.
pub(super) fn shown(key: &[u8]) -> String {
    let (kind, rest) = key.split_first().map_or((' ', key), |(kind, rest)| (char::from(*kind), rest));
    format!("{kind}:{}", hex::encode(rest))
}

/// A key: its kind, then parts that sort as they should.
pub(super) fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    std::iter::once(kind).chain(parts.iter().flat_map(|part| part.iter().copied())).collect()
}

/// A moment as bytes that sort by time; the flipped sign bit puts moments before 1970 first.
pub(super) fn time_bytes(at: Timestamp) -> [u8; 8] {
    (at.0 ^ i64::MIN).to_be_bytes()
}

pub(super) fn segment_key(job: JobId, position: u64) -> Vec<u8> {
    key(kind::SEGMENT, &[job.as_bytes(), &position.to_be_bytes()])
}

pub(super) fn due_key(file: &MediaFile) -> Vec<u8> {
    key(kind::FILE_DUE, &[&time_bytes(file.expires_at), file.id.as_bytes()])
}

pub(super) fn job_in_key(job: &Job) -> Vec<u8> {
    key(kind::JOB_IN, &[job.project.as_bytes(), &time_bytes(job.created_at), job.id.as_bytes()])
}

/// The keys of an account's (or project's) part of an index by time, before a moment if there is one.
pub(super) fn of_owner(kind: u8, owner: &[u8], before: Option<Timestamp>) -> std::ops::Range<Vec<u8>> {
    // Without `before`: up to the first key of the next owner, which is past any time.
    let end = before.map_or([0xFF; 25].to_vec(), |before| time_bytes(before).to_vec());
    key(kind, &[owner])..key(kind, &[owner, &end])
}

pub(super) fn answer_key(account: AccountId, route: &str, name: &str) -> Vec<u8> {
    key(kind::ANSWER, &[account.as_bytes(), route.as_bytes(), &[0], name.as_bytes()])
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_kinds_have_one_letter() {
        let mut letters: Vec<&str> = include_str!("keys.rs").split("u8 = b'").skip(1).map(|rest| &rest[..1]).collect();
        letters.pop();
        let all = letters.len();
        letters.sort_unstable();
        letters.dedup();
        assert!(all > 20 && letters.len() == all, "{letters:?}");
    }
}
