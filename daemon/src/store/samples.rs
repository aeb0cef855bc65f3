//! Things to store, for tests.

use crate::model::*;
use tweenfarm_media::{AudioFacts, SourceFacts, VideoFacts};
use tweenfarm_protocol::{
    AccountId, AgentId, EntryId, FileId, JobId, KeyId, LeaseId, ProjectId, Rational, SlotRange, Timestamp, Xeconds,
    join::Fingerprint,
    operator::{Level, Role},
    output::{Codec, Depth, OutputFormat, PictureSize},
    task::{EncodeSettings, EncoderClass, EngineSettings, Failure, FailureClass, Progress, Quality, RenderFacts},
};
use uuid::Uuid;

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn account(number: u128, email: &str) -> Account {
    let (created_at, email_as_of) = (Timestamp(7), Timestamp(8));
    Account {
        id: AccountId(id(number)),
        email: email.into(),
        email_as_of,
        tier: Tier::Paid,
        weight: Weight::new(5).unwrap(),
        created_at,
    }
}

pub(crate) fn project(number: u128, of: u128) -> Project {
    let state = ProjectState::Kept { share: Some(share(number)) };
    let created_at = Timestamp(7);
    Project {
        id: ProjectId(id(number)),
        account: AccountId(id(of)),
        name: "surf".into(),
        listed: true,
        created_at,
        state,
    }
}

pub(crate) fn origin(number: u128) -> Origin {
    Origin { job: JobId(id(number)), model: "frame-interpolate".into(), params: r#"{"target_fps":60}"#.into() }
}

pub(crate) fn share(number: u128) -> ShareToken {
    ShareToken([u8::try_from(number).unwrap(); 20])
}

pub(crate) fn key(hash: u8, of: u128, revoked_at: Option<i64>) -> ApiKey {
    ApiKey {
        hash: KeyHash([hash; 32]),
        account: AccountId(id(of)),
        kind: KeyKind::Rfx,
        created_at: Timestamp(7),
        revoked_at: revoked_at.map(Timestamp),
    }
}

pub(crate) fn named_key(hash: u8, of: u128, revoked_at: Option<i64>) -> ApiKey {
    let label = KeyLabel { id: KeyId(id(u128::from(hash))), name: "studio".into(), prefix: "afk_0123".into() };
    ApiKey { kind: KeyKind::Afk(label), ..key(hash, of, revoked_at) }
}

pub(crate) fn agent(number: u128, name: &str, standing: Standing) -> Agent {
    Agent {
        id: AgentId(id(number)),
        name: name.into(),
        key: Fingerprint([u8::try_from(number).unwrap(); 32]),
        joined_at: Timestamp(7),
        standing,
        proven: [("00ff".to_owned(), Timestamp(8))].into(),
    }
}

pub(crate) fn invite(name: &str, state: InviteState) -> Invite {
    let (made_at, expires_at) = (Timestamp(7), Timestamp(9));
    Invite { name: name.into(), secret: SecretHash([5; 32]), made_at, expires_at, state }
}

pub(crate) fn used() -> InviteState {
    InviteState::Used { by: AgentId(id(1)), key: Fingerprint([1; 32]), at: Timestamp(8) }
}

pub(crate) fn entry(of: u128, sequence: u64, kind: EntryKind) -> LedgerEntry {
    LedgerEntry {
        id: EntryId(id(of * 1_000_000 + u128::from(sequence))),
        account: AccountId(id(of)),
        sequence,
        kind,
        change: Xeconds(1),
        balance_after: Xeconds(i64::try_from(sequence).unwrap() + 1),
        at: Timestamp(7),
    }
}

pub(crate) fn purchase(event: &str) -> EntryKind {
    EntryKind::Purchase(Purchase {
        pack: "pro".into(),
        currency: Currency::Usd,
        price_hundredths: 5_000,
        price_usd_cents: 5_000,
        event: event.into(),
    })
}

pub(crate) fn reversal(purchase: EntryId, event: &str) -> EntryKind {
    let (due, reason) = (Xeconds(600), "charged back".into());
    EntryKind::Reversal(Reversal { purchase, due, event: event.into(), reason })
}

pub(crate) fn webhook(of: u128, end: EndNews) -> Webhook {
    let events = WebhookEvents { progress: true, completed: true, failed: false };
    let progress = ProgressNews { percent: 40, is_due: false, delivered: Some(false) };
    let log = vec![
        WebhookAttempt { at: Timestamp(5), news: News::Progress { percent: 40 }, outcome: Ok(500) },
        WebhookAttempt { at: Timestamp(6), news: News::End, outcome: Err("it did not answer in time".into()) },
    ];
    let (url, signed_with) = ("https://hooks.example.org/x?token=1".into(), Some(KeyHash([3; 32])));
    Webhook { job: JobId(id(of)), url, events, signed_with, progress, end, log }
}

pub(crate) fn operator(name: &str, revoked_at: Option<i64>) -> Operator {
    Operator {
        name: name.into(),
        role: Role::Operator,
        token: SecretHash([7; 32]),
        created_at: Timestamp(5),
        revoked_at: revoked_at.map(Timestamp),
    }
}

pub(crate) fn story_line(of: u128, sequence: u32) -> StoryLine {
    StoryLine {
        job: JobId(id(of)),
        sequence,
        at: Timestamp(5),
        level: Level::Warn,
        by_worker: true,
        agent: Some(AgentId(id(2))),
        worker: Some(3),
        part: Some(Part::Segment(SlotRange::new(4, 8))),
        lease: Some(LeaseId(id(5))),
        text: "it broke".into(),
    }
}

pub(crate) fn facts() -> SourceFacts {
    let seconds = |num, den| Rational::new(num, den).unwrap();
    SourceFacts {
        container: "mov,mp4".into(),
        size_bytes: 1_000,
        video: VideoFacts {
            codec: "h264".into(),
            width_px: 64,
            height_px: 48,
            rotation_deg: 90,
            average_rate: seconds(30_000, 1001),
            duration: seconds(1001, 300),
            frame_count: 100,
            interlaced: true,
            pixel_format: "yuv420p10le".into(),
        },
        audio: vec![AudioFacts {
            codec: "aac".into(),
            channels: 2,
            sample_rate_hz: 48_000,
            start: seconds(-1, 48_000),
            duration: seconds(10, 3),
        }],
    }
}

pub(crate) fn input(number: u128, of: u128, project: u128) -> MediaFile {
    let (account, project, id) = (AccountId(id(of)), ProjectId(id(project)), FileId(id(number)));
    MediaFile {
        id,
        account,
        project,
        kind: FileKind::Input,
        key: ObjectKey::upload(Tier::Paid, account, project, id, "surf.mp4"),
        filename: "surf.mp4".into(),
        content_type: "video/mp4".into(),
        tier: Tier::Paid,
        created_at: Timestamp(7),
        expires_at: Timestamp(99),
        pinned_end: Some(Timestamp(98)),
        state: FileState::Stored { size_bytes: 1_000, sha256: "ab".into(), facts: Some(facts()), pinned: true },
    }
}

pub(crate) fn answer(route: &str, key: &str, at: i64) -> FirstAnswer {
    FirstAnswer {
        account: AccountId(id(1)),
        route: route.into(),
        key: key.into(),
        request: [9; 32],
        job: JobId(id(1)),
        balance_after: Xeconds(5),
        at: Timestamp(at),
    }
}

pub(crate) fn job(number: u128, of: u128, at: i64, state: JobState) -> Job {
    let input = input(1, of, 1);
    Job {
        id: JobId(id(number)),
        account: AccountId(id(of)),
        project: input.project,
        input: input.id,
        input_key: input.key,
        source: facts(),
        target_fps: 60,
        slot_count: 200,
        encode: EncodeSettings::Lossless,
        encoder: EncoderClass::Va,
        engine: EngineSettings { quality: Quality::High, scene_cuts: false, dedupe: true, nearest: true },
        format: OutputFormat { size: PictureSize::new(1280, 720).ok(), codec: Codec::Hevc, depth: Depth::Ten },
        tier: Tier::Free,
        watermarked: true,
        charge: EntryId(id(3)),
        charged: Xeconds(3),
        created_at: Timestamp(at),
        progress_percent: 7,
        priority: Priority::new(-20).unwrap(),
        paused_at: Some(Timestamp(11)),
        engine_version: "flow 4".into(),
        state,
    }
}

fn segment(first: u64, end: u64, state: SegmentState) -> Segment {
    Segment { slots: SlotRange::new(first, end), state, failures: Vec::new() }
}

fn failed(class: FailureClass, message: &str) -> FailedAttempt {
    let failure = Failure { log: vec!["No space left.".into()], ..Failure::new(class, message.into()) };
    FailedAttempt { agent: AgentId(id(9)), worker: 1, at: Timestamp(20), failure }
}

fn render_facts() -> RenderFacts {
    RenderFacts {
        frames: 100,
        frames_made: 50,
        width_px: 64,
        device: "llvmpipe".into(),
        settings_hash: "2f".into(),
        ..RenderFacts::default()
    }
}

fn rendered() -> SegmentState {
    let output = ObjectKey::segment(JobId(id(1)), LeaseId(id(8)));
    SegmentState::Rendered { output, size_bytes: 10, sha256: "cd".into(), facts: render_facts() }
}

pub(crate) fn rendering() -> JobState {
    let leased = SegmentState::Leased {
        lease: LeaseId(id(8)),
        agent: AgentId(id(9)),
        worker: 1,
        deadline: Timestamp(50),
        attempt: 2,
        progress: Progress { frames_done: 3, frames_total: 100 },
    };
    let ready = SegmentState::Ready { attempt: 1, not_before: Timestamp(10) };
    let last = failed(FailureClass::Resource, "The disk is full.");
    let abandoned = SegmentState::Abandoned(Abandoned { attempts: 3, last: last.failure.clone() });
    let segments = [leased, ready, rendered(), abandoned].into_iter().zip(0_u64..);
    let mut segments: Vec<_> = segments.map(|(state, at)| segment(at * 50, at * 50 + 50, state)).collect();
    segments[0].failures = vec![failed(FailureClass::Worker, "It crashed.")];
    segments[3].failures = vec![last];
    JobState::Rendering { segments }
}

pub(crate) fn cancelled() -> JobState {
    let end = JobEnd::Cancelled { refund: EntryId(id(4)), refunded: Xeconds(3), kept: None };
    JobState::Ended { at: Timestamp(60), end }
}

pub(crate) fn cancelled_and_kept() -> JobState {
    let segments = vec![segment(0, 200, rendered())];
    let kept = Some(Kept { state: Box::new(JobState::Rendering { segments }), until: Timestamp(90) });
    let end = JobEnd::Cancelled { refund: EntryId(id(4)), refunded: Xeconds(3), kept };
    JobState::Ended { at: Timestamp(60), end }
}

pub(crate) fn controls() -> Controls {
    let duties =
        [(AgentId(id(9)), Duty::Draining { at: Timestamp(5) }), (AgentId(id(8)), Duty::Paused { at: Timestamp(6) })];
    Controls { queue: Queue::Paused { at: Timestamp(4) }, duties: duties.into() }
}

pub(crate) fn every_state() -> Vec<JobState> {
    let join = segment(0, 200, SegmentState::Ready { attempt: 1, not_before: Timestamp(40) });
    let mut mark = segment(0, 200, SegmentState::Ready { attempt: 2, not_before: Timestamp(45) });
    mark.failures = vec![failed(FailureClass::Internal, "It was too short.")];
    let master = Box::new(Master { size_bytes: 20, sha256: "ef".into(), facts: render_facts() });
    let output_key = ObjectKey::output(Tier::Free, AccountId(id(1)), ProjectId(id(1)), JobId(id(1)), 60);
    let output = FileId(id(5));
    let done = JobEnd::Done { output, output_key, facts: render_facts(), master: Some(FileId(id(6))) };
    let error = "The clip could not be decoded.".into();
    let log = vec!["moov atom not found".into()];
    let failed = JobEnd::Failed { error, log, refund: EntryId(id(4)), refunded: Xeconds(3) };
    vec![
        rendering(),
        JobState::Joining { segments: vec![segment(0, 200, rendered())], join },
        JobState::Ended { at: Timestamp(60), end: done },
        JobState::Ended { at: Timestamp(60), end: failed },
        cancelled(),
        JobState::Marking { master, mark },
        cancelled_and_kept(),
    ]
}
