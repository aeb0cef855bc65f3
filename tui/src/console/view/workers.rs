//! Workers: agents, their devices, what each has in hand, how it went, and the failures of the one under the cursor.

use super::{
    put, queue,
    table::{self, Cell, Column, cell, faint, left, plain, right, sign},
};
use crate::console::{rows, state::State, text, theme::Tone};
use ratatui::{buffer::Buffer, layout::Rect};
use tweenfarm_protocol::operator::{AgentRow, DutyRow, WorkerRow};

const COLUMNS: &[Column] = &[
    left("AGENT", 12, 0),
    left("STATE", 11, 0),
    left("DEVICE", 0, 0),
    left("IN HAND", 15, 0),
    left("DONE", 12, 80),
    right("FAILED", 6, 80),
    right("BUSY", 5, 100),
    right("LOAD", 5, 120),
    right("TEMP", 5, 100),
    right("MEMORY", 8, 132),
    left("SEEN", 11, 146),
];

/// Lines about the worker under the cursor.
const DETAIL: u16 = 4;

pub fn list_area(body: Rect) -> Rect {
    Rect { height: body.height.saturating_sub(DETAIL), ..body }
}

pub fn draw(buffer: &mut Buffer, body: Rect, state: &State) {
    let known = &state.facts.agents;
    let agents = known.get().map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<_> = rows::lines(agents).collect();
    let empty = super::instead(known, text::NO_AGENTS);
    let area = list_area(body);
    let duties = state.facts.duties.get().map(Vec::as_slice).unwrap_or_default();
    let duty = |agent: &AgentRow| duties.iter().find(|duty| duty.agent == agent.agent);
    table::draw(buffer, area, state, state.listing(), COLUMNS, &empty, |place| {
        cells(lines[place], duty(lines[place].0), state)
    });
    let detail = Rect { y: area.bottom(), height: body.bottom().saturating_sub(area.bottom()), ..body };
    if let Some((agent, worker)) = state.listing().place().and_then(|place| lines.get(place)) {
        draw_detail(buffer, detail, (agent, *worker), duty(agent), state);
    }
}

fn cells((agent, worker): (&AgentRow, Option<&WorkerRow>), duty: Option<&DutyRow>, state: &State) -> Vec<Cell> {
    let counts = worker.map(|worker| &worker.counts);
    let in_hand = worker.and_then(|worker| worker.in_hand.as_ref());
    let percent =
        in_hand.map(|hand| (hand.frames_done * 100).checked_div(hand.frames_total).unwrap_or(0).min(100) as u8);
    let failed = counts.map_or(0, |counts| counts.failed.saturating_add(counts.lost));
    let memory = worker.map_or(0, |worker| worker.inventory.memory_bytes);
    vec![
        plain(agent.name.clone()),
        sign(text::worker_state(agent, worker, duty, state.glyphs)),
        plain(worker.map_or(String::new(), |worker| worker.device_name.clone())),
        plain(in_hand.map_or(String::new(), |hand| hand.piece.replace("segment", "seg"))),
        cell(percent.map_or(String::new(), |percent| queue::bar(percent, 6, state)), Tone::Busy),
        cell(failed.to_string(), if failed > 0 { Tone::Warn } else { Tone::Faint }),
        faint(counts.map_or(String::new(), |counts| format!("{} %", counts.busy_percent))),
        faint(or_dash(worker.and_then(|worker| worker.load_percent).map(|percent| format!("{percent} %")))),
        celsius(worker.and_then(|worker| worker.celsius)),
        faint(if memory > 0 { text::size(memory) } else { String::new() }),
        faint(agent.last_seen.as_ref().map_or(String::new(), |seen| text::day_and_time(seen, &state.zone))),
    ]
}

/// Where it is not told, that is said.
fn or_dash(told: Option<String>) -> String {
    told.unwrap_or_else(|| "-".to_owned())
}

/// Cards slow themselves down from about 85 degrees on.
const HOT_CELSIUS: u32 = 85;

fn celsius(told: Option<u32>) -> Cell {
    let tone = if told.is_some_and(|celsius| celsius >= HOT_CELSIUS) { Tone::Warn } else { Tone::Faint };
    cell(or_dash(told.map(|celsius| format!("{celsius} C"))), tone)
}

fn draw_detail(
    buffer: &mut Buffer,
    area: Rect,
    (agent, worker): (&AgentRow, Option<&WorkerRow>),
    duty: Option<&DutyRow>,
    state: &State,
) {
    let title = match worker {
        Some(worker) => format!("{}, worker {}", agent.name, worker.worker),
        None => agent.name.clone(),
    };
    super::rule(buffer, area, &title, state);
    let version =
        if agent.version.is_empty() { "not seen since the daemon started".to_owned() } else { agent.version.clone() };
    let disk = text::size(agent.free_disk_bytes);
    let told = duty.and_then(|duty| duty.detail.clone());
    let told = told.map_or(String::new(), |told| format!(" {} {told}", state.glyphs.separator));
    let mut lines = vec![(
        format!(
            "{} {} version {version} {} {disk} free{told}",
            agent.standing.name(),
            state.glyphs.separator,
            state.glyphs.separator
        ),
        Tone::Plain,
    )];
    if let Some(worker) = worker {
        let counts = &worker.counts;
        lines.push((
            format!(
                "{} {} load {}, {} {} {} pieces, {} frames {} encoders {}",
                worker.engine,
                state.glyphs.separator,
                or_dash(worker.load_percent.map(|percent| format!("{percent} %"))),
                or_dash(worker.celsius.map(|celsius| format!("{celsius} C"))),
                state.glyphs.separator,
                text::count(counts.finished),
                text::count(counts.frames),
                state.glyphs.separator,
                worker.encoders.join(" ")
            ),
            Tone::Faint,
        ));
        let mut rests = duty.map(|duty| duty.rests.as_slice()).unwrap_or_default().iter();
        let rest = rests.find(|rest| rest.worker == worker.worker).map(|rest| match &rest.until {
            Some(until) => format!("rests from {} until {}", rest.work, text::time(until, &state.zone)),
            None => format!("is tried with one piece of {}", rest.work),
        });
        let failure = worker.probe_failure.as_ref().map(|why| format!("the probe failed: {why}"));
        let at = counts
            .last_failure_at
            .as_ref()
            .map_or(String::new(), |at| format!("{}: ", text::day_and_time(at, &state.zone)));
        let failure = failure.or_else(|| counts.last_failure.as_ref().map(|why| format!("last failure {at}{why}")));
        let told = [rest, failure].into_iter().flatten().collect::<Vec<_>>().join("; ");
        lines.extend((!told.is_empty()).then_some((told, Tone::Warn)));
    }
    for ((line, tone), y) in lines.iter().zip(area.y + 1..area.bottom()) {
        let line = text::fit(line, usize::from(area.width.saturating_sub(2)), state.glyphs);
        put(buffer, area.x + 1, y, area.width, &line, state.theme.tone(*tone));
    }
}
