//! The console's words: its fixed sentences, and how spans, sizes, times and states are written.

use super::theme::{Glyphs, Tone};
use jiff::tz::TimeZone;
use tweenfarm_protocol::{
    Timestamp,
    operator::{
        AgentRow, DutyKind, DutyRow, EventRow, Health, JobRow, Level, Role, Standing, WatchOrder, WatchState, WorkerRow,
    },
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub const TOO_MUCH_ASKED: &str = "too much is being asked at once: wait for the daemon, then ask again";
pub const NO_SUCH_KEY: &str = "this key does nothing here: ? shows those that do";
pub const REREADING: &str = "reading anew";
pub const MOUSE_ON: &str = "the mouse is used here: M gives it back to the terminal";
pub const MOUSE_OFF: &str = "the mouse is the terminal's again";
pub const FOLLOWS: &str = "follows the newest line";
pub const STAYS: &str = "stays where it is";
pub const NOTHING_TO_OPEN: &str = "nothing to open here";
pub const NOTHING_TO_READ: &str = "this row says everything itself";
pub const NOTHING_TO_CANCEL: &str = "no job that is under way is chosen: nothing to cancel";
pub const NOTHING_TO_UNDO: &str = "no cancelled job is chosen: nothing to undo";
pub const NOTHING_TO_RETRY: &str = "no failed job is chosen: nothing to try again";
pub const NOTHING_UNDER_WAY: &str = "no job that is under way is chosen";
pub const PAUSING_QUEUE: &str = "What workers have in hand is finished; nothing new is begun until O lets it go on.";
pub const PAUSING_AGENT: &str = "What it has in hand is begun anew by others, and it gets nothing until o lets it go on. d would let it finish first.";
pub const NO_AGENT: &str = "choose an agent first";
pub const NOBODY_TO_PUT_OUT: &str = "only agents that joined by an invitation can be put out: choose one of them";
pub const PUTTING_OUT: &str = "Its connection ends now, its certificate is refused, its work goes to others.";
pub const NO_ACCOUNT: &str = "choose an account first";
pub const NO_FILE: &str = "choose a file first";
pub const NO_JOB: &str = "No job is open: press enter on one in Queue, or type :job ID.";
pub const NO_JOBS: &str = "No job has been submitted yet.";
pub const NO_WORK: &str = "No job is under way.";
pub const NO_AGENTS: &str = "No agent is known: start tweenfarm-agent on this machine, or press i to invite another.";
pub const NO_USERS: &str = "No accounts yet: press n to add one.";
pub const NO_ENTRIES: &str = "Nothing has been booked on this account.";
pub const NO_FILES: &str = "No stored file has a time to end.";
pub const NO_FOLDERS: &str = "No folders are configured to be watched.";
pub const NO_WATCHER: &str = "No watcher has called since the daemon started: if folders are to be watched, start it.";
pub const NO_WATCHED: &str = "No file waits in a watched folder.";
pub const NO_EVENTS: &str = "Nothing has happened since this console was opened.";
pub const NO_LOG: &str = "Nothing has been logged about this job.";
pub const NO_PIECES: &str = "This job has ended: its pieces are joined or gone, its story says how it went.";
pub const NOTHING_PASSES: &str = "No row passes the filter: esc clears it.";
pub const NOTHING_TO_DO: &str = "nothing to do";
pub const READING: &str = "Reading…";
pub const TOO_SMALL: &str = "This terminal is too small for the console: it takes at least 60 columns and 16 rows. \
                             q quits; `tweenfarm status` needs no room.";
pub const QUESTION_KEYS: &str = "y yes   n no   ←→ choose   enter takes the chosen one";
pub const FORM_KEYS: &str = "↑↓ field   enter next, at the last one done   esc leaves";
pub const READING_KEYS: &str = "esc closes it";
pub const PICTURE_KEYS: &str = "esc closes it";
pub const SECRET_KEYS: &str = "This is shown once. esc closes it.";

pub fn role_too_low(have: Role, need: Role) -> String {
    format!("you are a {have} here: this takes the role {need}")
}

/// `why` is what the daemon said, if it was asked.
pub fn no_picture(why: Option<&str>) -> String {
    why.unwrap_or("no frame of this job is made yet: there is no picture").to_owned()
}

pub const fn no_watched(order: WatchOrder) -> &'static str {
    match order {
        WatchOrder::Release => "no file in quarantine is chosen: nothing to release",
        WatchOrder::Retry => "no file that could be tried once more is chosen",
    }
}

pub fn watch_state(state: WatchState, glyphs: &Glyphs) -> Sign {
    let (glyph, tone) = match state {
        WatchState::Settling | WatchState::Waiting => (glyphs.waiting, Tone::Plain),
        WatchState::Working => (glyphs.busy, Tone::Busy),
        WatchState::Retrying => (glyphs.warn, Tone::Warn),
        WatchState::Quarantined => (glyphs.bad, Tone::Bad),
        WatchState::Skipped => (glyphs.separator, Tone::Faint),
        WatchState::Done => (glyphs.ended, Tone::Good),
    };
    (glyph, state.name(), tone)
}

pub const fn level_shown(level: Level) -> &'static str {
    match level {
        Level::Debug | Level::Info => "everything is shown",
        Level::Warn => "warnings and errors are shown",
        Level::Error => "errors are shown",
    }
}

/// The thing and the effect, as lines of a question.
pub fn cancelling(jobs: &[&JobRow]) -> Vec<String> {
    let charged = jobs.iter().fold(0_i64, |sum, row| sum.saturating_add(row.xeconds_charged.0));
    let mut lines: Vec<String> = jobs
        .iter()
        .take(4)
        .map(|row| format!("{}, {} % done, of {}", clip(row), row.progress_percent, row.email))
        .collect();
    if jobs.len() > 4 {
        lines.push(format!("and {} more", jobs.len() - 4));
    }
    lines.push(format!("{charged} xeconds are given back. What was rendered is kept for a while, for u to undo it."));
    lines
}

pub fn undoing(jobs: &[&JobRow]) -> Vec<String> {
    let charged = jobs.iter().fold(0_i64, |sum, row| sum.saturating_add(row.xeconds_charged.0));
    let named: Vec<String> = jobs.iter().take(4).map(|row| clip(row)).collect();
    vec![named.join(", "), format!("{charged} xeconds are charged again, and the work goes on with what was rendered.")]
}

pub fn retrying(jobs: &[&JobRow]) -> Vec<String> {
    let charged = jobs.iter().fold(0_i64, |sum, row| sum.saturating_add(row.xeconds_charged.0));
    let named: Vec<String> = jobs.iter().take(4).map(|row| format!("{} of {}", clip(row), row.email)).collect();
    vec![named.join(", "), format!("{charged} xeconds are charged again, and it begins at its first frame.")]
}

pub fn sweeping(files: u64, bytes: u64) -> Vec<String> {
    vec![
        format!("{files} files, {}, are past their time.", size(bytes)),
        "They are deleted for good; pinned files and those of jobs under way stay.".to_owned(),
    ]
}

/// How a job is called: by its clip, else by the end of its id.
pub fn clip(row: &JobRow) -> String {
    if !row.filename.is_empty() {
        return row.filename.clone();
    }
    let id = row.job.to_string();
    format!("job {}", id.get(24..).unwrap_or(&id))
}

/// What an object is called: its own name, without the id that keeps it apart from others.
pub fn file_name(key: &str) -> &str {
    const ID: usize = 36;
    let name = key.rsplit('/').next().unwrap_or(key);
    let named = name.get(ID..).and_then(|rest| rest.strip_prefix('-')).filter(|rest| !rest.is_empty());
    let has_id = name.get(..ID).is_some_and(|id| uuid::Uuid::parse_str(id).is_ok());
    named.filter(|_| has_id).unwrap_or(name)
}

/// `outputs/paid`
pub fn prefix(key: &str) -> &str {
    key.match_indices('/').nth(1).map_or(key, |(end, _)| &key[..end])
}

pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h {:02}", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

pub fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes / unit < 10.0 => format!("{:.1} {name}", bytes / unit),
        Some((unit, name)) => format!("{:.0} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

/// `1204` as `1,204`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = digits[..first].to_owned();
    for group in digits.as_bytes()[first..].chunks(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend(group.iter().map(|digit| char::from(*digit)));
    }
    text
}

/// Day and time in the operator's zone: `07-01 10:04`.
pub fn day_and_time(iso: &str, zone: &TimeZone) -> String {
    local(iso, zone, "%m-%d %H:%M")
}

/// `10:04:30`
pub fn time(iso: &str, zone: &TimeZone) -> String {
    local(iso, zone, "%H:%M:%S")
}

fn local(iso: &str, zone: &TimeZone, format: &str) -> String {
    // What cannot be read as a moment is shown as it came: it may say more than a gap would.
    iso.parse::<jiff::Timestamp>()
        .map_or_else(|_| iso.to_owned(), |at| at.to_zoned(zone.clone()).strftime(format).to_string())
}

pub fn moment(iso: &str) -> Option<Timestamp> {
    iso.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_microsecond()))
}

/// A state as it is drawn: its glyph, its word, its tone.
pub type Sign = (&'static str, &'static str, Tone);

pub fn health(health: Health, glyphs: &Glyphs) -> Sign {
    match health {
        Health::Well => (glyphs.good, "well", Tone::Good),
        Health::Strained => (glyphs.warn, "strained", Tone::Warn),
        Health::Ill => (glyphs.bad, "ill", Tone::Bad),
    }
}

pub fn job_state(row: &JobRow, glyphs: &Glyphs) -> Sign {
    match row.state.as_str() {
        "rendering" | "joining" | "marking" if row.paused_at.is_some() => (glyphs.paused, "paused", Tone::Warn),
        "rendering" if row.pieces.leased == 0 && row.pieces.rendered == 0 => (glyphs.waiting, "waiting", Tone::Plain),
        "rendering" => (glyphs.busy, "rendering", Tone::Busy),
        "joining" => (glyphs.busy, "joining", Tone::Busy),
        "marking" => (glyphs.busy, "marking", Tone::Busy),
        "done" => (glyphs.ended, "done", Tone::Good),
        "failed" => (glyphs.bad, "failed", Tone::Bad),
        "cancelled" => (glyphs.paused, "cancelled", Tone::Faint),
        // Of a newer daemon.
        _ => (glyphs.waiting, "unknown", Tone::Plain),
    }
}

/// `duty` is none of a daemon that tells none.
pub fn worker_state(agent: &AgentRow, worker: Option<&WorkerRow>, duty: Option<&DutyRow>, glyphs: &Glyphs) -> Sign {
    let rests =
        |worker: &WorkerRow| duty.is_some_and(|duty| duty.rests.iter().any(|rest| rest.worker == worker.worker));
    let busy = worker.is_some_and(|worker| worker.job.is_some());
    match agent.standing {
        Standing::Revoked => (glyphs.bad, "put out", Tone::Faint),
        _ if !agent.connected => (glyphs.bad, "away", Tone::Bad),
        _ if worker.is_some_and(|worker| worker.probe_failure.is_some()) => (glyphs.warn, "probe bad", Tone::Warn),
        Standing::Probation => (glyphs.warn, "probation", Tone::Warn),
        _ if duty.is_some_and(|duty| duty.duty == DutyKind::Paused) => (glyphs.paused, "paused", Tone::Warn),
        _ if duty.is_some_and(|duty| duty.duty == DutyKind::Draining) => (glyphs.paused, "draining", Tone::Warn),
        _ if duty.is_some_and(|duty| duty.duty == DutyKind::Drained) => (glyphs.paused, "drained", Tone::Warn),
        _ if !busy && duty.is_some_and(|duty| duty.availability == "asleep") => (glyphs.asleep, "asleep", Tone::Faint),
        _ if !busy && duty.is_some_and(|duty| duty.availability == "in use") => (glyphs.paused, "in use", Tone::Faint),
        Standing::Local | Standing::Member => match worker {
            None => (glyphs.waiting, "no worker", Tone::Warn),
            Some(worker) if rests(worker) && !busy => (glyphs.warn, "resting", Tone::Warn),
            Some(worker) if worker.job.is_some() => (glyphs.busy, "busy", Tone::Busy),
            Some(_) => (glyphs.good, "idle", Tone::Good),
        },
    }
}

pub fn level(level: Level, glyphs: &Glyphs) -> Sign {
    match level {
        Level::Debug => (glyphs.separator, "debug", Tone::Faint),
        Level::Info => (glyphs.separator, "info", Tone::Plain),
        Level::Warn => (glyphs.warn, "warning", Tone::Warn),
        Level::Error => (glyphs.bad, "error", Tone::Bad),
    }
}

/// The event's own sentence; the daemon writes it for people.
pub fn event(event: &EventRow) -> &str {
    if event.text.is_empty() { &event.what } else { &event.text }
}

/// As much of a text as fits, and an ellipsis where something is missing. Never wider than asked for.
pub fn fit(text: &str, width: usize, glyphs: &Glyphs) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(glyphs.ellipsis.width());
    let mut used = 0;
    let kept = text.chars().take_while(|letter| {
        used += letter.width().unwrap_or(0);
        used <= room
    });
    let kept: String = kept.collect();
    if width == 0 { String::new() } else { format!("{kept}{}", glyphs.ellipsis) }
}

/// Words into lines that are not wider than asked for; a word that is wider is cut in pieces.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for letter in word.chars() {
            if line.width() + letter.width().unwrap_or(0) > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::{
        super::theme::{ASCII, UNICODE},
        *,
    };

    #[test]
    fn spans_sizes_and_counts_are_short() {
        let check = |seconds, expected: &str| assert_eq!(span(seconds), expected);
        check(0, "0 s");
        check(119, "119 s");
        check(120, "2 min");
        check(7_200, "2 h 00");
        check(9_000, "2 h 30");
        check(200_000, "2 days");
        let check = |bytes, expected: &str| assert_eq!(size(bytes), expected);
        check(999, "999 B");
        check(1_500, "1.5 kB");
        check(12_345_678, "12 MB");
        check(u64::MAX, "18446744 TB");
        let check = |number, expected: &str| assert_eq!(count(number), expected);
        check(0, "0");
        check(999, "999");
        check(1_204, "1,204");
        check(12_345_678, "12,345,678");
    }

    #[test]
    fn an_object_is_called_by_its_own_name() {
        let check = |key: &str, name: &str, under: &str| assert_eq!((file_name(key), prefix(key)), (name, under));
        let id = "01970000-0000-7000-8000-000100000025";
        check(&format!("outputs/paid/a/p/output/{id}-clip.mp4"), "clip.mp4", "outputs/paid");
        check(&format!("uploads/free/{id}"), id, "uploads/free");
        check("odd", "odd", "odd");
        check("", "", "");
    }

    #[test]
    fn a_text_never_takes_more_room_than_it_is_given() {
        let check = |text: &str, width: usize, expected: &str| assert_eq!(fit(text, width, &UNICODE), expected);
        check("holiday.mp4", 11, "holiday.mp4");
        check("holiday.mp4", 8, "holiday…");
        check("映画の夜.mp4", 6, "映画…");
        check("x", 0, "");
        check("xy", 1, "…");
        assert_eq!(fit("holiday.mp4", 8, &ASCII), "holiday~");
        assert_eq!(wrap("the disk is nearly full", 10), ["the disk", "is nearly", "full"]);
        assert_eq!(wrap("averylongword", 5), ["avery", "longw", "ord"]);
    }

    #[test]
    fn a_moment_is_shown_in_the_operators_zone_and_nonsense_as_it_came() {
        let utc = TimeZone::UTC;
        assert_eq!(day_and_time("2026-07-01T10:04:30Z", &utc), "07-01 10:04");
        assert_eq!(time("2026-07-01T10:04:30Z", &TimeZone::fixed(jiff::tz::offset(2))), "12:04:30");
        assert_eq!(time("soon", &utc), "soon");
    }
}
