//! A farm from a seed, for tests: the same jobs, agents and accounts at the same moment, every time.

// Rows are completed from what an older daemon sends, so that a field that is added later has its default here too.
#![allow(clippy::needless_update)]

use super::{
    event::{Event, Told},
    picture::Picture,
    state::State,
    theme::{Theme, ThemeName, UNICODE},
    update,
};
use std::collections::BTreeMap;
use tweenfarm_protocol::{operator::*, service::Inventory, *};
use uuid::Uuid;

/// 2026-07-01T10:00:00Z
pub const NOW: Timestamp = Timestamp(1_782_900_000_000_000);

fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 | kind << 32 | number as u128)
}

fn at(minutes_ago: i64) -> String {
    Timestamp(NOW.0 - minutes_ago * 60_000_000).to_iso_seconds()
}

pub fn job_id(number: usize) -> JobId {
    JobId(id(1, number))
}

pub fn account_id(number: usize) -> AccountId {
    AccountId(id(2, number))
}

pub fn agent_id(number: usize) -> AgentId {
    AgentId(id(3, number))
}

const PEOPLE: [&str; 4] =
    ["ann@example.org", "bob@example.net", "carol.of.the.long.name@studio.example.com", "zoë@example.org"];
const CLIPS: [&str; 5] = ["holiday.mp4", "wedding-long-version-final-2.mov", "drone.mkv", "", "映画の夜.mp4"];

/// Oldest first; the newest are under way.
pub fn jobs(count: usize) -> Vec<JobRow> {
    (0..count).map(|number| job(number, count)).collect()
}

fn job(number: usize, count: usize) -> JobRow {
    let age = count - 1 - number;
    let (state, percent, pieces, error) = match age {
        0 | 1 => ("rendering", 0, PieceCounts { waiting: 4, leased: 0, rendered: 0 }, None),
        2 => ("rendering", 62, PieceCounts { waiting: 1, leased: 2, rendered: 3 }, None),
        3 => ("rendering", 8, PieceCounts { waiting: 5, leased: 1, rendered: 0 }, None),
        4 => ("joining", 97, PieceCounts { waiting: 0, leased: 1, rendered: 6 }, None),
        5 => ("failed", 40, PieceCounts::default(), Some(FAILURE)),
        6 => ("cancelled", 12, PieceCounts::default(), None),
        _ => ("done", 100, PieceCounts::default(), None),
    };
    let open = age < 5;
    JobRow {
        job: job_id(number),
        account: account_id(number % PEOPLE.len()),
        email: PEOPLE[number % PEOPLE.len()].to_owned(),
        filename: CLIPS[number % CLIPS.len()].to_owned(),
        state: state.to_owned(),
        progress_percent: percent,
        target_fps: [60, 120, 50][number % 3],
        settings: "quality=balanced scene_cuts=on codec=h264 depth=8".to_owned(),
        slot_count: 3_600,
        pieces,
        share_percent: if open { 50 / (age as u8 + 1) } else { 0 },
        eta_seconds: open.then_some(30 + 70 * age as u64),
        priority: if age == 2 { 10 } else { 0 },
        paused_at: (age == 3).then(|| at(4)),
        xeconds_charged: Xeconds(24 + number as i64 % 7),
        xeconds_refunded: if matches!(state, "failed" | "cancelled") {
            Xeconds(24 + number as i64 % 7)
        } else {
            Xeconds(0)
        },
        created_at: at(3 * age as i64),
        completed_at: (!open).then(|| at(3 * age as i64 - 2)),
        error: error.map(str::to_owned),
        ..serde_json::from_value(serde_json::json!({
            "job": job_id(number).0, "account": account_id(0).0, "state": "", "progress_percent": 0, "target_fps": 0,
            "settings": "", "xeconds_charged": 0, "xeconds_refunded": 0, "created_at": "",
        }))
        .expect("an older daemon's row is read")
    }
}

const FAILURE: &str = "The clip could not be decoded: its picture data is damaged at 12.4 s. Upload it again.";

pub fn detail(row: JobRow) -> JobDetail {
    let leased = |number: usize, done| PieceState::Leased {
        attempt: 1,
        lease: LeaseId(id(4, number)),
        agent: agent_id(0),
        agent_name: "gpu-1".to_owned(),
        worker: number as u32,
        frames_done: done,
        frames_total: 600,
        deadline: at(-1),
    };
    let rendered = || PieceState::Rendered {
        size_bytes: 9_000_000,
        frames_made: 600,
        elapsed_ms: 24_500,
        device: "GeForce".to_owned(),
        engine: "flow 4".to_owned(),
    };
    let states = [
        rendered(),
        leased(0, 400),
        rendered(),
        leased(1, 30),
        PieceState::Waiting { attempt: 2, not_before: Some(at(-1)) },
        rendered(),
    ];
    let pieces = states.into_iter().enumerate().map(|(number, state)| {
        let slots = SlotRange::new(number as u64 * 600, number as u64 * 600 + 600);
        PieceRow { piece: format!("segment {number}"), slots, state }
    });
    let ended = row.completed_at.is_some();
    let source = serde_json::json!({
        "container": "mov,mp4", "codec": "h264", "width_px": 1920, "height_px": 1080, "rate": "30000/1001", "duration": "60060/1001",
        "frame_count": 1_798, "size_bytes": 48_200_000, "audio": ["aac 2 × 48000 Hz"],
    });
    let output = serde_json::json!({
        "key": "uploads/paid/a/p/output/f-clip.mp4", "size_bytes": 61_000_000, "width_px": 1920, "height_px": 1080, "frames": 3_600,
        "frames_made": 1_802, "elapsed_ms": 91_000, "device": "GeForce", "engine": "flow 4", "expires_at": at(-2_880),
    });
    JobDetail {
        project: ProjectId(id(5, 0)),
        tier: "paid".to_owned(),
        watermarked: false,
        encoder: "x264enc".to_owned(),
        source: serde_json::from_value(source).expect("a source"),
        pieces_in_work: if ended { Vec::new() } else { pieces.collect() },
        output: (row.state == "done").then(|| serde_json::from_value(output).expect("an output")),
        has_webhook: false,
        row,
    }
}

pub fn log(count: usize) -> Vec<LogRow> {
    let texts = [
        (Level::Info, "daemon", "accepted: 1920x1080, 30000/1001 fps to 60, 24 xeconds charged"),
        (Level::Info, "daemon", "leased to gpu-1, worker 0"),
        (Level::Info, "gpu-1", "fetched the source, 48 MB in 0.4 s"),
        (Level::Warn, "gpu-1", "the encoder has no session left: trying another"),
        (Level::Info, "gpu-1", "rendered 600 frames in 24.5 s"),
        (Level::Error, "gpu-1", "decode: invalid NAL unit size at 12.4 s"),
    ];
    let line = |number: usize| {
        let (level, source, text) = texts[number % texts.len()];
        LogRow {
            at: at(30 - number as i64),
            level,
            source: source.to_owned(),
            text: text.to_owned(),
            agent: None,
            worker: None,
            piece: (!number.is_multiple_of(6)).then(|| format!("segment {}", number / 6)),
            lease: None,
        }
    };
    (0..count).map(line).collect()
}

pub fn agents(workers: usize) -> Vec<AgentRow> {
    let agent = |number: usize| {
        let standing = match number {
            3 => Standing::Probation,
            4 => Standing::Revoked,
            _ => Standing::Member,
        };
        let mut row: AgentRow = serde_json::from_value(serde_json::json!({
            "agent": agent_id(number).0, "name": format!("gpu-{}", number + 1), "standing": standing, "version": "0.1.0",
            "connected": number != 2 && number != 4, "last_seen": at(number as i64), "free_disk_bytes": 420_000_000_000_u64, "workers": [],
        }))
        .expect("an agent");
        row.workers = (0..if number == 4 { 0 } else { 2 }).map(|slot| worker(number, slot)).collect();
        row
    };
    (0..workers.div_ceil(2)).map(agent).collect()
}

fn worker(agent: usize, slot: u32) -> WorkerRow {
    let busy = agent < 2 && slot == 0;
    WorkerRow {
        worker: slot,
        device_name: ["NVIDIA GeForce RTX 4070 Ti SUPER", "AMD Radeon RX 7900 XT", "llvmpipe (LLVM 15.0.6, 256 bits)"][agent % 3].to_owned(),
        device_uuid: format!("{agent:032x}"),
        engine: "flow 4".to_owned(),
        encoders: vec!["nvh264enc".to_owned(), "x264enc".to_owned()],
        inventory: Inventory { memory_bytes: 16 << 30, encoder_sessions: BTreeMap::new(), ..Inventory::default() },
        celsius: (agent % 3 < 2).then_some(if busy { 71 + 17 * agent as u32 } else { 44 }),
        load_percent: (agent % 3 < 2).then_some(if busy { 96 } else { 3 }),
        job: busy.then(|| job_id(37)),
        in_hand: busy.then(|| InHand {
            job: job_id(37),
            piece: format!("segment {agent}"),
            lease: LeaseId(id(4, agent)),
            attempt: 1,
            frames_done: 400,
            frames_total: 600,
            deadline: at(-1),
        }),
        counts: WorkerCounts {
            finished: 120 + agent as u64,
            failed: agent as u64 % 3,
            lost: 0,
            frames: 71_400,
            busy_percent: 40,
            last_failure: (agent % 3 == 1).then(|| "encode: nvh264enc: no session left on the device".to_owned()),
            last_failure_at: (agent % 3 == 1).then(|| at(14)),
        },
        probe_failure: (agent == 3).then(|| "the frame at 0.5 s is black".to_owned()),
        ..serde_json::from_value(serde_json::json!({
            "worker": 0, "device_name": "", "device_uuid": "", "engine": "", "encoders": [], "inventory": Inventory::default(),
        }))
        .expect("an older daemon's worker is read")
    }
}

/// Of the agents of `agents(10)`: the second drains, and a worker of it rests.
pub fn duties() -> Vec<DutyRow> {
    let duty = |number: usize, duty: DutyKind, availability: &str, detail: Option<&str>| DutyRow {
        agent: agent_id(number),
        name: format!("gpu-{}", number + 1),
        connected: true,
        duty,
        since: (duty != DutyKind::Working).then(|| at(5)),
        availability: availability.to_owned(),
        detail: detail.map(str::to_owned),
        in_hand: Vec::new(),
        rests: Vec::new(),
    };
    let mut rows = vec![
        duty(0, DutyKind::Working, "in use", Some("a game runs")),
        duty(1, DutyKind::Draining, "ready", None),
        duty(3, DutyKind::Working, "ready", None),
    ];
    rows[1].rests.push(RestRow { worker: 1, work: "render nvh264".to_owned(), until: Some(at(-10)) });
    rows
}

/// A disc on a slope of light: 64 × 36 pixels.
pub fn picture(job: JobId) -> Picture {
    let shade = |x: u32, y: u32| match (x as i32 - 32).pow(2) + (y as i32 - 18).pow(2) {
        0..=120 => [240, 200, 60],
        _ => [(x * 3) as u8, 40, (y * 5) as u8],
    };
    let image = image::RgbImage::from_fn(64, 36, |x, y| image::Rgb(shade(x, y)));
    let mut png = std::io::Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).expect("memory takes it");
    Picture::of_png(job, 899, png.get_ref()).expect("a PNG")
}

pub fn schedule(job: JobId) -> JobSchedule {
    JobSchedule {
        job,
        priority: 10,
        paused_at: None,
        waiting: None,
        engine_version: "flow 4".to_owned(),
        undo_until: None,
        failures: Vec::new(),
        log: Vec::new(),
    }
}

pub fn users() -> Vec<UserRow> {
    let user = |(number, email): (usize, &&str)| UserRow {
        account: account_id(number),
        email: (*email).to_owned(),
        tier: if number == 1 { "free" } else { "paid" }.to_owned(),
        balance: Xeconds([976, 0, 12_400, 88][number]),
        spent: Xeconds([24, 60, 3_100, 12][number]),
        keys: [1, 1, 4, 0][number],
        has_key: number != 3,
        jobs_open: [2, 0, 3, 0][number],
        created_at: at(60 * 24 * (30 - number as i64)),
        ..serde_json::from_value(serde_json::json!({
            "account": account_id(0).0, "email": "", "tier": "", "balance": 0, "has_key": false, "created_at": "",
        }))
        .expect("an older daemon's account is read")
    };
    PEOPLE.iter().enumerate().map(user).collect()
}

pub fn ledger() -> Vec<LedgerRow> {
    let rows = [
        (3, "refund", 24, 976, "job 0197…"),
        (2, "charge", -24, 952, "job 0197…"),
        (1, "charge", -24, 976, "job 0196…"),
        (0, "grant (paid)", 1_000, 1_000, "a gift"),
    ];
    let row = |(sequence, kind, change, balance, note): (u64, &str, i64, i64, &str)| LedgerRow {
        sequence,
        at: at(10 * (4 - sequence as i64)),
        kind: kind.to_owned(),
        change: Xeconds(change),
        balance: Xeconds(balance),
        note: note.to_owned(),
    };
    rows.into_iter().map(row).collect()
}

pub fn status() -> Status {
    serde_json::from_value(serde_json::json!({
        "version": "0.1.0", "at": at(0), "started_at": at(600), "health": "strained",
        "alerts": [
            { "alert": "agent_away", "health": "strained", "text": "The agent gpu-3 is away since 09:58.", "remedy": "See whether its machine runs; `tweenfarm-agent run` starts it." },
            { "alert": "probation", "health": "strained", "text": "A device of gpu-4 does not render the probe rightly: the frame at 0.5 s is black.", "remedy": "Update its driver, then restart the agent; until then it gets no work." },
        ],
        "workers_idle": 3, "workers_running": 2, "agents_connected": 3, "agents": 4, "queue_depth": 2, "jobs_open": 5,
        "queue_age_seconds": 240, "accounts": 4, "jobs": 40, "ledger_differences": 0, "late_reports": 1,
        "ledger_today": { "charged": 240, "refunded": 24, "granted": 500, "bought": 0, "whole_day": true },
        "disk": { "free_bytes": 182_000_000_000_u64, "reserve_bytes": 1_000_000_000 },
    }))
    .expect("a status")
}

pub fn history() -> History {
    let point = |number: i64| HistoryPoint {
        at_seconds: NOW.0 / 1_000_000 - (120 - number) * 30,
        frames_per_second_milli: (number as u64 * 613) % 48_000,
        workers: 5,
        workers_busy: 2,
        busy_percent: (number * 7 % 101) as u8,
        queue_depth: 2,
        queue_age_seconds: (number as u64 * 11) % 240,
        jobs_open: 5,
        jobs_done: 1,
        jobs_failed: 0,
    };
    History { step_seconds: 30, points: (0..120).map(point).collect() }
}

pub fn retention() -> Retention {
    serde_json::from_value(serde_json::json!({
        "prefixes": [
            { "prefix": "uploads/free/", "keep_seconds": 86_400, "files": 12, "bytes": 640_000_000, "due_files": 3, "due_bytes": 91_000_000, "due_in_a_day_files": 12, "due_in_a_day_bytes": 640_000_000, "pinned_files": 0, "next_due_at": at(-20) },
            { "prefix": "uploads/paid/", "keep_seconds": 2_592_000, "files": 1_204, "bytes": 91_000_000_000_u64, "due_files": 0, "due_bytes": 0, "due_in_a_day_files": 7, "due_in_a_day_bytes": 410_000_000, "pinned_files": 1, "next_due_at": at(-90) },
        ],
        "sweeps": [
            { "sweep": "retention", "at": at(34), "elapsed_ms": 12, "ok": true, "text": "deleted 4 files, 120 MB", "deleted": 4, "deleted_bytes": 120_000_000 },
            { "sweep": "audit", "at": at(40), "elapsed_ms": 3, "ok": true, "text": "4 accounts add up", "deleted": 0, "deleted_bytes": 0 },
            { "sweep": "orphans", "at": at(50), "elapsed_ms": 80, "ok": false, "text": "the blob store could not be listed: permission denied", "deleted": 0, "deleted_bytes": 0 },
        ],
        "next_sweep_at": at(-26),
    }))
    .expect("retention")
}

pub fn files() -> Vec<FileRow> {
    let file = |number: usize| FileRow {
        file: FileId(id(6, number)),
        account: account_id(number % 4),
        key: format!("uploads/{}/{}/p/output/f{number}-clip.mp4", if number < 3 { "free" } else { "paid" }, number % 4),
        job: (number != 1).then(|| job_id(30 - number)),
        size_bytes: 31_000_000 + number as u64 * 1_000_000,
        created_at: at(1_500),
        expires_at: at(30 - 20 * number as i64),
        pinned: number == 4,
    };
    (0..10).map(file).collect()
}

pub fn watch() -> WatchView {
    let file = |number: usize, path: &str, state: WatchState, reason: Option<&str>| WatchFileRow {
        file: format!("{:032x}", 0xa0 + number),
        rule: "evenings".to_owned(),
        path: path.to_owned(),
        state,
        since: at(12),
        size_bytes: 48_000_000,
        doing: (state == WatchState::Working).then(|| "job".to_owned()),
        job: (state == WatchState::Working).then(|| job_id(37)),
        progress_percent: (state == WatchState::Working).then_some(62),
        tries: u32::from(reason.is_some()),
        reason: reason.map(str::to_owned),
        retry_at: None,
        output: None,
    };
    let rule = WatchRuleRow {
        rule: "evenings".to_owned(),
        folder: "/srv/watch/60".to_owned(),
        target: "60 fps".to_owned(),
        account: PEOPLE[0].to_owned(),
        settling: 1,
        working: 1,
        quarantined: 1,
        done: 240,
        ..WatchRuleRow::default()
    };
    let lost = WatchRuleRow {
        rule: "archive".to_owned(),
        folder: "/mnt/archive".to_owned(),
        target: "x2".to_owned(),
        account: PEOPLE[2].to_owned(),
        trouble: Some("the folder is not mounted".to_owned()),
        ..WatchRuleRow::default()
    };
    WatchView {
        watcher: Some(WatcherRow {
            version: "0.1.0".to_owned(),
            started_at: at(600),
            heard_at: at(0),
            connected: true,
        }),
        rules: vec![rule, lost],
        files: vec![
            file(0, "2026/a.mov", WatchState::Working, None),
            file(1, "2026/b.mov", WatchState::Quarantined, Some("it holds no picture")),
            file(2, "2026/c.mov", WatchState::Settling, None),
        ],
    }
}

pub fn event(number: usize) -> EventRow {
    let (kind, what, level, text) = [
        (EventKind::Job, "accepted", Level::Info, "holiday.mp4 was accepted: 24 xeconds"),
        (EventKind::Lease, "leased", Level::Info, "segment 3 of holiday.mp4 went to gpu-1, worker 0"),
        (
            EventKind::Segment,
            "failed",
            Level::Warn,
            "segment 3 of holiday.mp4 failed on gpu-2: no encoder session left",
        ),
        (EventKind::Agent, "away", Level::Error, "gpu-3 is away"),
        (EventKind::Ledger, "granted", Level::Info, "ann@example.org got 500 xeconds: a gift"),
    ][number % 5];
    EventRow {
        id: format!("1-{number}"),
        at: at(20 - number as i64 % 20),
        kind,
        what: what.to_owned(),
        level,
        text: text.to_owned(),
        job: (number % 5 < 3).then(|| job_id(37)),
        account: None,
        agent: None,
        worker: None,
        piece: None,
        lease: None,
        progress_percent: None,
    }
}

/// Everything that a daemon would tell, of a farm of so many jobs and workers.
pub fn told(job_count: usize, workers: usize) -> Vec<Told> {
    let rows = jobs(job_count);
    let opened = rows[job_count - 3].clone();
    vec![
        Told::Me(Me { name: "local".to_owned(), role: Role::Admin }),
        Told::Status(status()),
        Told::History(history()),
        Told::Queue(QueueRow { paused_at: None, stopped_agents: 1 }),
        Told::Schedule(schedule(opened.job)),
        Told::Duties(duties()),
        Told::Log(opened.job, log(16)),
        Told::Preview(picture(opened.job)),
        Told::Jobs(rows),
        Told::Job(detail(opened)),
        Told::Agents(agents(workers)),
        Told::Users(users()),
        Told::Ledger(account_id(0), ledger()),
        Told::Retention(retention()),
        Told::Files(files()),
        Told::Watch(watch()),
        Told::Events((0..30).map(event).collect()),
    ]
}

pub fn empty(width: u16, height: u16) -> State {
    let mut state = State::new(Theme::of(ThemeName::Dark), &UNICODE, "/run/tweenfarm/operator.sock".to_owned(), NOW);
    update::update(&mut state, Event::Resized { width, height });
    state
}

/// The farm of 40 jobs and 10 workers, all of it read.
pub fn state(width: u16, height: u16) -> State {
    sized(width, height, 40, 10)
}

pub fn sized(width: u16, height: u16, job_count: usize, workers: usize) -> State {
    let mut state = empty(width, height);
    for told in told(job_count, workers) {
        update::update(&mut state, Event::Told { at: NOW, told: Box::new(told) });
    }
    state.job = Some(job_id(job_count - 3));
    update::settle(&mut state);
    state
}
