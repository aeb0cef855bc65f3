//! Records as they were released stay readable: what version 1 wrote is kept here as text. A line is never edited;
//! a new version adds lines.

use super::{
    JobRecord, SegmentRecord, Stored,
    account::{EntryKindV1, EntryRecord},
    decode, encode, split, unite,
};
use crate::{model::*, store::samples};
use std::fmt::Write as _;
use tweenfarm_protocol::{AccountId, EntryId, JobId, Timestamp, Xeconds, output::OutputFormat, task::EngineSettings};

/// `name hexadecimal`, one record a line.
const RELEASED: &str = include_str!("released.txt");

/// Lines of versions that are read and not written any more.
const EARLIER: &[(&str, &str)] = &[
    ("account.", ".v1"),
    ("account.", ".v2"),
    ("key", ".v1"),
    ("project.", ".v1"),
    ("project.", ".v2"),
    ("entry.", ".v1"),
    ("file", ".v1"),
    ("job.", ".v1"),
    ("job.", ".v2"),
    ("job.", ".v3"),
    ("job.", ".v4"),
    ("job.", ".v5"),
    ("segment.", ".v1"),
    ("segment.", ".v2"),
];

/// Every kind of record with a value in every field, and the name of its line.
fn written_today() -> Vec<(String, Vec<u8>)> {
    fn plain<T: Stored>(name: &str, value: &T) -> (String, Vec<u8>) {
        (name.to_owned(), encode(&value.to_record()).unwrap())
    }
    let mut lines = vec![
        plain("account.v3", &samples::account(1, "ada@example.org")),
        plain("project.v3", &samples::project(1, 2)),
        plain("origin.v1", &samples::origin(1)),
        plain("key.v2", &samples::key(1, 2, Some(3))),
        plain("key.afk.v2", &samples::named_key(1, 2, Some(3))),
        plain("file.v2", &samples::input(1, 2, 3)),
        plain("webhook.v1", &samples::webhook(1, EndNews::Due { attempt: 2, not_before: Timestamp(9) })),
        plain("controls.v1", &samples::controls()),
        plain("answer.v1", &samples::answer("/jobs", "k", 4)),
    ];
    for (number, state) in samples::every_state().into_iter().enumerate() {
        let (head, segments) = split(&samples::job(1, 2, 3, state));
        lines.push((format!("job.{number}.v6"), encode(&head).unwrap()));
        for (position, segment) in segments.iter().enumerate() {
            lines.push((format!("segment.{number}.{position}.v3"), encode(segment).unwrap()));
        }
    }
    for (name, kind) in every_kind() {
        lines.push(plain(&format!("entry.{name}.v2"), &samples::entry(1, 2, kind)));
    }
    for (name, standing) in standings() {
        lines.push(plain(&format!("agent.{name}.v1"), &samples::agent(1, "gpu-1", standing)));
    }
    for (name, state) in [("open", InviteState::Open), ("used", samples::used())] {
        lines.push(plain(&format!("invite.{name}.v1"), &samples::invite("gpu-1", state)));
    }
    lines.push(plain("operator.v1", &samples::operator("ann", Some(9))));
    lines.push(plain("story.v1", &samples::story_line(1, 2)));
    lines
}

fn standings() -> [(&'static str, Standing); 2] {
    [("member", Standing::Member), ("revoked", Standing::Revoked { at: Timestamp(9) })]
}

fn every_kind() -> Vec<(&'static str, EntryKind)> {
    let purchase = Purchase {
        pack: "starter".into(),
        currency: Currency::Inr,
        price_hundredths: 39_900,
        price_usd_cents: 500,
        event: "evt_1".into(),
    };
    vec![
        ("trial", EntryKind::TrialGrant),
        ("purchase", EntryKind::Purchase(purchase)),
        ("grant", EntryKind::OperatorGrant { reason: "why".into(), credit: Credit::Paid }),
        ("grant-trial", EntryKind::OperatorGrant { reason: "why".into(), credit: Credit::Trial }),
        ("adjustment", EntryKind::Adjustment { reason: "why".into() }),
        ("charge", EntryKind::Charge { job: JobId(samples::id(3)) }),
        ("refund", EntryKind::Refund { charge: EntryId(samples::id(1)), job: JobId(samples::id(2)) }),
        ("reversal", samples::reversal(EntryId(samples::id(1)), "re_1")),
    ]
}

#[test]
fn what_version_1_wrote_is_written_the_same_and_read_back() {
    let mut today = String::new();
    for (name, bytes) in written_today() {
        writeln!(today, "{name} {}", hex::encode(bytes)).unwrap();
    }
    let is_earlier = |line: &&str| {
        let name = line.split(' ').next().unwrap_or_default();
        EARLIER.iter().any(|(kind, version)| name.starts_with(kind) && name.ends_with(version))
    };
    let still_written = RELEASED.lines().filter(|line| !is_earlier(line));
    let still_written: String = still_written.map(|line| format!("{line}\n")).collect();
    assert_eq!(still_written, today, "a released record changed: add a version instead");

    let released = |wanted: &str| {
        let found = RELEASED.lines().find_map(|line| line.strip_prefix(wanted)?.strip_prefix(' '));
        hex::decode(found.expect("the record is in the file")).unwrap()
    };
    for (number, state) in samples::every_state().into_iter().enumerate() {
        let read = |version: &str, segments_version: &str| {
            let head: JobRecord = decode(&released(&format!("job.{number}.{version}"))).unwrap();
            let name = |position| format!("segment.{number}.{position}.{segments_version}");
            let segment = |position| decode::<SegmentRecord>(&released(&name(position))).unwrap();
            let segments = (0..head.segment_count()).map(segment).collect();
            unite(head, segments).unwrap()
        };
        let job = samples::job(1, 2, 3, state);
        assert_eq!(read("v6", "v3"), job);
        // Earlier versions kept nothing of what was cancelled.
        if job.kept().is_some() {
            continue;
        }
        let job = as_of_version_5(job);
        assert_eq!(read("v5", "v2"), job);
        let job = Job { engine: EngineSettings { nearest: false, ..job.engine }, ..job };
        assert_eq!(read("v4", "v2"), job);
        let job = Job { format: OutputFormat::default(), ..job };
        assert_eq!(read("v3", "v2"), job);
        // Earlier versions knew no state of being marked.
        if matches!(job.state, JobState::Marking { .. }) {
            continue;
        }
        let job = as_of_version_2(job);
        assert_eq!(read("v2", "v2"), job);
        assert_eq!(read("v1", "v1"), as_of_version_1(job));
    }
    for name in ["key.v1", "key.v2"] {
        let key = ApiKey::from_record(decode(&released(name)).unwrap()).unwrap();
        assert_eq!(key, samples::key(1, 2, Some(3)), "{name}");
    }
    let read = |name| MediaFile::from_record(decode(&released(name)).unwrap()).unwrap();
    assert_eq!(read("file.v1"), MediaFile { pinned_end: None, ..samples::input(1, 2, 3) });
    let webhook = Webhook::from_record(decode(&released("webhook.v1")).unwrap()).unwrap();
    assert_eq!(webhook, samples::webhook(1, EndNews::Due { attempt: 2, not_before: Timestamp(9) }));
    let read = |name| Account::from_record(decode(&released(name)).unwrap()).unwrap();
    let account = samples::account(1, "ada@example.org");
    assert_eq!(read("account.v3"), account);
    let account = Account { weight: Weight::default(), ..account };
    assert_eq!(read("account.v2"), account);
    assert_eq!(read("account.v1"), Account { email_as_of: account.created_at, ..account });
    let controls = Controls::from_record(decode(&released("controls.v1")).unwrap()).unwrap();
    assert_eq!(controls, samples::controls());
    let read = |name| Project::from_record(decode(&released(name)).unwrap()).unwrap();
    let unshared = Project { state: ProjectState::Kept { share: None }, ..samples::project(1, 2) };
    assert_eq!(read("project.v1"), unshared);
    assert_eq!(read("project.v2"), samples::project(1, 2));
    assert_eq!(read("project.v3"), samples::project(1, 2));
    for (name, standing) in standings() {
        let read = Agent::from_record(decode(&released(&format!("agent.{name}.v1"))).unwrap()).unwrap();
        assert_eq!(read, samples::agent(1, "gpu-1", standing));
    }
    for (name, state) in [("open", InviteState::Open), ("used", samples::used())] {
        let read = Invite::from_record(decode(&released(&format!("invite.{name}.v1"))).unwrap()).unwrap();
        assert_eq!(read, samples::invite("gpu-1", state));
    }
    let entry = |name: &str| LedgerEntry::from_record(decode(&released(name)).unwrap()).unwrap();
    for (name, kind) in every_kind() {
        let expected = samples::entry(1, 2, kind);
        assert_eq!(entry(&format!("entry.{name}.v2")), expected);
        if RELEASED.contains(&format!("entry.{name}.v1 ")) {
            assert_eq!(entry(&format!("entry.{name}.v1")), expected, "version 1 of {name}");
        }
    }
}

/// Without what version 5 had no field for.
fn as_of_version_5(mut job: Job) -> Job {
    (job.priority, job.paused_at, job.engine_version) = Default::default();
    let forget = |segment: &mut Segment| {
        segment.failures.clear();
        if let SegmentState::Abandoned(abandoned) = &mut segment.state {
            abandoned.last.log.clear();
        }
    };
    match &mut job.state {
        JobState::Rendering { segments } => segments.iter_mut().for_each(forget),
        JobState::Joining { segments, join } => segments.iter_mut().chain([join]).for_each(forget),
        JobState::Marking { mark, .. } => forget(mark),
        JobState::Ended { end: JobEnd::Failed { log, .. }, .. } => log.clear(),
        JobState::Ended { .. } => {}
    }
    job
}

/// Without what version 2 had no field for.
fn as_of_version_2(mut job: Job) -> Job {
    job.watermarked = false;
    if let JobState::Ended { end: JobEnd::Done { master, .. }, .. } = &mut job.state {
        *master = None;
    }
    job
}

/// Without what version 1 had no field for.
fn as_of_version_1(mut job: Job) -> Job {
    (job.encoder, job.engine) = Default::default();
    let forget = |segments: &mut Vec<Segment>| {
        for segment in segments {
            if let SegmentState::Rendered { facts, .. } = &mut segment.state {
                facts.settings_hash.clear();
            }
        }
    };
    match &mut job.state {
        JobState::Rendering { segments } | JobState::Joining { segments, .. } => forget(segments),
        JobState::Ended { end: JobEnd::Done { facts, .. }, .. } => facts.settings_hash.clear(),
        JobState::Marking { .. } | JobState::Ended { .. } => {}
    }
    job
}

#[test]
fn a_grant_below_zero_of_version_1_is_read_as_the_correction_it_was() {
    let kind = EntryKindV1::OperatorGrant { reason: "by mistake".into() };
    let record = EntryRecord::V1 {
        id: EntryId(samples::id(1)),
        account: AccountId(samples::id(2)),
        sequence: 1,
        kind,
        change: Xeconds(-5),
        balance_after: Xeconds(0),
        at: Timestamp(7),
    };
    let read = LedgerEntry::from_record(record).unwrap();
    assert_eq!(read.kind, EntryKind::Adjustment { reason: "by mistake".into() });
}

#[test]
fn a_record_the_model_cannot_hold_is_refused() {
    let (head, mut segments) = split(&samples::job(1, 2, 3, samples::rendering()));
    segments.pop();
    let error = unite(head, segments).unwrap_err().to_string();
    assert_eq!(error, "3 segments where 4 belong to it");
    assert!(decode::<JobRecord>(b"\xc1").is_err());
    assert!(decode::<JobRecord>(b"").is_err());
}
