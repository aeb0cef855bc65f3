//! What each key does. A deed that cannot be taken back only opens a question.

use super::{
    action::{Action, AgentOrder, Asked},
    keys::{Binding, Deed},
    listing::RowKey,
    overlay::{Form, Overlay, Question},
    reading, rows,
    state::{JobPart, Screen, State},
    text,
    theme::{Theme, Tone},
    update::{ask, say},
    view,
};
use tui_input::Input;
use tweenfarm_protocol::{
    AgentId, JobId,
    operator::{AgentRow, JobRow, Level, Standing, UserRow, WatchFileRow, WatchOrder, WatchState},
};

pub fn run(state: &mut State, binding: &Binding) -> Vec<Action> {
    if state.role() < binding.least && state.facts.me.get().is_some() {
        say(state, Tone::Warn, text::role_too_low(state.role(), binding.least));
        return Vec::new();
    }
    match binding.deed {
        Deed::Help => state.overlay = Some(Overlay::Help { top: 0 }),
        Deed::Filter => state.overlay = Some(Overlay::Filter(Input::new(state.listing().filter.text().to_owned()))),
        Deed::CommandLine => state.overlay = Some(Overlay::CommandLine { input: Input::default(), wrong: None }),
        Deed::Show(screen) => show(state, screen),
        Deed::NextScreen => beside(state, 1),
        Deed::PreviousScreen => beside(state, -1),
        Deed::Left => match state.screen {
            Screen::Job => part(state, JobPart::Story),
            _ => beside(state, -1),
        },
        Deed::Right => match state.screen {
            Screen::Job => part(state, JobPart::Segments),
            _ => beside(state, 1),
        },
        Deed::Down => scroll(state, 1),
        Deed::Up => scroll(state, -1),
        Deed::PageDown => scroll(state, page(state)),
        Deed::PageUp => scroll(state, -page(state)),
        Deed::First => {
            state.follow = state.follow && !rows::follows(state);
            state.listing_mut().first();
        }
        Deed::Last => {
            state.follow = state.follow || rows::follows(state);
            state.listing_mut().last();
        }
        Deed::Mark => {
            state.listing_mut().toggle_mark();
            scroll(state, 1);
        }
        Deed::Enter => enter(state),
        Deed::Picture => match state.preview() {
            Some(_) => state.overlay = Some(Overlay::Picture),
            None => say(state, Tone::Faint, text::no_picture(state.facts.preview.refused.as_deref())),
        },
        Deed::Read => match reading::of_row(state) {
            Some(reading) => state.overlay = Some(Overlay::Reading(reading)),
            None => say(state, Tone::Faint, text::NOTHING_TO_READ.to_owned()),
        },
        Deed::Back => back(state),
        Deed::Quit => {
            state.quits = true;
            return vec![Action::Quit];
        }
        Deed::Reread => {
            say(state, Tone::Faint, text::REREADING.to_owned());
            return vec![Action::Reread];
        }
        Deed::NextTheme => {
            state.theme = Theme::of(state.theme.name.next());
            say(state, Tone::Faint, format!("theme: {}", state.theme.name.name()));
        }
        Deed::Mouse => {
            state.mouse = !state.mouse;
            let text = if state.mouse { text::MOUSE_ON } else { text::MOUSE_OFF };
            say(state, Tone::Faint, text.to_owned());
            return vec![Action::Mouse(state.mouse)];
        }
        Deed::Cancel => cancel(state),
        Deed::UndoCancel => undo_cancel(state),
        Deed::RetryJob => retry(state),
        Deed::PauseJob => return pause_jobs(state, true),
        Deed::ResumeJob => return pause_jobs(state, false),
        Deed::Priority => priority(state),
        Deed::PauseQueue => {
            state.overlay = Some(Overlay::Question(Question {
                title: "Pause the whole queue?".to_owned(),
                lines: vec![text::PAUSING_QUEUE.to_owned()],
                verb: "pause",
                yes: false,
                asks: vec![Asked::PauseQueue { paused: true }],
            }));
        }
        Deed::ResumeQueue => return ask(state, vec![Asked::PauseQueue { paused: false }]),
        Deed::PauseAgent => pause_agents(state),
        Deed::Drain => return order_agents(state, AgentOrder::Drain),
        Deed::ResumeAgent => return order_agents(state, AgentOrder::Resume),
        Deed::Weight => with_account(state, |user| Form::weight(user.account, &user.email)),
        Deed::Invite => state.overlay = Some(Overlay::Form(Form::invite())),
        Deed::PutOut => put_out(state),
        Deed::AddUser => state.overlay = Some(Overlay::Form(Form::add_user())),
        Deed::Grant => with_account(state, |user| Form::grant(user.account, user.email.clone(), user.balance)),
        Deed::Adjust => with_account(state, |user| Form::adjust(user.account, user.email.clone(), user.balance)),
        Deed::AddKey => with_account(state, |user| Form::add_key(user.account, &user.email)),
        Deed::DryRun => return ask(state, vec![Asked::Sweep { dry_run: true }]),
        Deed::SweepNow => sweep(state),
        Deed::Pin => return pin(state),
        Deed::Release => return watched(state, WatchOrder::Release, |file| file.state == WatchState::Quarantined),
        Deed::RetryFile => return watched(state, WatchOrder::Retry, |file| file.state != WatchState::Working),
        Deed::Follow => {
            state.follow = !state.follow;
            rows::fill(state);
            let text = if state.follow { text::FOLLOWS } else { text::STAYS };
            say(state, Tone::Faint, text.to_owned());
        }
        Deed::Level => {
            state.level = match state.level {
                Level::Debug | Level::Info => Level::Warn,
                Level::Warn => Level::Error,
                Level::Error => Level::Info,
            };
            rows::fill(state);
            say(state, Tone::Faint, text::level_shown(state.level).to_owned());
        }
    }
    Vec::new()
}

pub fn show(state: &mut State, screen: Screen) {
    if state.screen != screen {
        if screen == Screen::Job {
            state.came_from = state.screen;
        }
        state.screen = screen;
        rows::fill(state);
    }
    state.dirty = true;
}

pub fn open(state: &mut State, job: JobId) {
    if state.job != Some(job) {
        state.job = Some(job);
        state.job_part = JobPart::Story;
        // Why there was no picture of the job before is no reason for this one.
        state.facts.preview.refused = None;
        state.follow = true;
    }
    show(state, Screen::Job);
    rows::fill(state);
}

fn beside(state: &mut State, step: isize) {
    let count = Screen::ALL.len();
    let place = (state.screen.place() + count).saturating_add_signed(step) % count;
    show(state, Screen::ALL[place]);
}

fn part(state: &mut State, part: JobPart) {
    state.job_part = part;
    rows::fill(state);
}

pub fn scroll(state: &mut State, step: isize) {
    if rows::follows(state) && step < 0 {
        state.follow = false;
    }
    state.listing_mut().step(step);
}

fn page(state: &State) -> isize {
    view::list_height(state).saturating_sub(1).max(1) as isize
}

fn enter(state: &mut State) {
    let job = match (state.screen, state.listing().selected()) {
        (Screen::Balances, Some(RowKey::Account(account))) => {
            state.ledger = Some(account);
            return rows::fill(state);
        }
        (Screen::Workers, Some(RowKey::Worker(agent, worker))) => in_hand(state, agent, worker),
        (Screen::Retention, _) => {
            let files = state.facts.files.get();
            files.zip(state.listing().place()).and_then(|(files, place)| files.get(place)?.job)
        }
        (Screen::Events, _) => {
            state.listing().place().and_then(|place| state.facts.events.get(place)).and_then(|(_, event)| event.job)
        }
        (Screen::Watch, _) => {
            let watch = state.facts.watch.get();
            watch.zip(state.listing().place()).and_then(|(watch, place)| watch.files.get(place)?.job)
        }
        (_, Some(RowKey::Job(job))) => Some(job),
        _ => None,
    };
    match job {
        Some(job) => open(state, job),
        None => say(state, Tone::Faint, text::NOTHING_TO_OPEN.to_owned()),
    }
}

fn in_hand(state: &State, agent: AgentId, worker: Option<u32>) -> Option<JobId> {
    let agents = state.facts.agents.get()?;
    let agent = agents.iter().find(|row| row.agent == agent)?;
    agent.workers.iter().find(|row| Some(row.worker) == worker)?.job
}

/// One thing at a time: the filter, the marks, the ledger, the job.
fn back(state: &mut State) {
    let listing = state.listing_mut();
    if !listing.filter.is_empty() {
        listing.filter = Default::default();
        rows::fill(state);
    } else if !listing.marks.is_empty() {
        listing.marks.clear();
    } else if state.screen == Screen::Balances && state.ledger.is_some() {
        state.ledger = None;
        rows::fill(state);
    } else if state.screen == Screen::Job {
        show(state, state.came_from);
    } else {
        show(state, Screen::Farm);
    }
}

/// The jobs that an act is for.
fn jobs_chosen(state: &State) -> Vec<JobId> {
    if state.screen == Screen::Job {
        return state.job.into_iter().collect();
    }
    let job = |key: &RowKey| match key {
        RowKey::Job(job) => Some(*job),
        _ => None,
    };
    state.listing().chosen().iter().filter_map(job).collect()
}

/// The chosen jobs as they are known.
fn known(state: &State) -> Vec<&JobRow> {
    let rows = state.facts.jobs.get();
    let row = |job: &JobId| {
        let opened = state.facts.job.get().map(|detail| &detail.row).filter(|row| row.job == *job);
        opened.or_else(|| rows.and_then(|rows| rows.row(*job)))
    };
    jobs_chosen(state).iter().filter_map(row).collect()
}

fn cancel(state: &mut State) {
    let open: Vec<_> = known(state).into_iter().filter(|row| row.completed_at.is_none()).collect();
    let question = match open.as_slice() {
        [] => return say(state, Tone::Warn, text::NOTHING_TO_CANCEL.to_owned()),
        jobs => Question {
            title: if jobs.len() == 1 { "Cancel this job?".to_owned() } else { format!("Cancel {} jobs?", jobs.len()) },
            lines: text::cancelling(jobs),
            verb: "cancel",
            yes: false,
            asks: jobs.iter().map(|row| Asked::Cancel(row.job)).collect(),
        },
    };
    state.overlay = Some(Overlay::Question(question));
}

/// A cancelling that is undone costs what the job cost before.
fn undo_cancel(state: &mut State) {
    let jobs = known(state);
    let jobs: Vec<_> = jobs.into_iter().filter(|row| row.state == "cancelled").collect();
    let question = match jobs.as_slice() {
        [] => return say(state, Tone::Warn, text::NOTHING_TO_UNDO.to_owned()),
        jobs => Question {
            title: "Undo the cancelling?".to_owned(),
            lines: text::undoing(jobs),
            verb: "undo",
            yes: false,
            asks: jobs.iter().map(|row| Asked::UndoCancel(row.job)).collect(),
        },
    };
    state.overlay = Some(Overlay::Question(question));
}

/// It takes xeconds that were given back, so it asks.
fn retry(state: &mut State) {
    let failed: Vec<_> = known(state).into_iter().filter(|row| row.state == "failed").collect();
    let question = match failed.as_slice() {
        [] => return say(state, Tone::Warn, text::NOTHING_TO_RETRY.to_owned()),
        jobs => Question {
            title: if jobs.len() == 1 {
                "Try this job again?".to_owned()
            } else {
                format!("Try {} jobs again?", jobs.len())
            },
            lines: text::retrying(jobs),
            verb: "try again",
            yes: false,
            asks: jobs.iter().map(|row| Asked::Retry(row.job)).collect(),
        },
    };
    state.overlay = Some(Overlay::Question(question));
}

/// The other key takes it back, so it asks no question.
fn pause_jobs(state: &mut State, paused: bool) -> Vec<Action> {
    let open = known(state).into_iter().filter(|row| row.completed_at.is_none());
    let asks: Vec<_> = open.map(|row| Asked::PauseJob { job: row.job, paused }).collect();
    if asks.is_empty() {
        say(state, Tone::Warn, text::NOTHING_UNDER_WAY.to_owned());
    }
    ask(state, asks)
}

fn priority(state: &mut State) {
    let jobs: Vec<JobId> =
        known(state).into_iter().filter(|row| row.completed_at.is_none()).map(|row| row.job).collect();
    let schedule = state.facts.schedule.get();
    let now = schedule.filter(|schedule| jobs == [schedule.job]).map(|schedule| schedule.priority);
    match jobs.is_empty() {
        true => say(state, Tone::Warn, text::NOTHING_UNDER_WAY.to_owned()),
        false => state.overlay = Some(Overlay::Form(Form::priority(jobs, now))),
    }
}

/// The agents that an act is for, each once.
fn agents_chosen(state: &State) -> Vec<&AgentRow> {
    let chosen: Vec<AgentId> = state.listing().chosen().iter().filter_map(agent_of).collect();
    let agents = state.facts.agents.get().map(Vec::as_slice).unwrap_or_default();
    agents.iter().filter(|row| chosen.contains(&row.agent)).collect()
}

fn order_agents(state: &mut State, order: AgentOrder) -> Vec<Action> {
    let asks: Vec<_> = agents_chosen(state).iter().map(|row| Asked::Order { agent: row.agent, order }).collect();
    if asks.is_empty() {
        say(state, Tone::Warn, text::NO_AGENT.to_owned());
    }
    ask(state, asks)
}

fn pause_agents(state: &mut State) {
    let agents = agents_chosen(state);
    let names: Vec<&str> = agents.iter().map(|row| row.name.as_str()).collect();
    let question = Question {
        title: "Pause this agent?".to_owned(),
        lines: vec![names.join(", "), text::PAUSING_AGENT.to_owned()],
        verb: "pause",
        yes: false,
        asks: agents.iter().map(|row| Asked::Order { agent: row.agent, order: AgentOrder::Pause }).collect(),
    };
    match question.asks.is_empty() {
        true => say(state, Tone::Warn, text::NO_AGENT.to_owned()),
        false => state.overlay = Some(Overlay::Question(question)),
    }
}

fn put_out(state: &mut State) {
    let removable = |row: &&&AgentRow| matches!(row.standing, Standing::Member | Standing::Probation);
    let chosen = agents_chosen(state);
    let named: Vec<_> = chosen.iter().filter(removable).map(|row| (row.agent, row.name.clone())).collect();
    if named.is_empty() {
        return say(state, Tone::Warn, text::NOBODY_TO_PUT_OUT.to_owned());
    }
    let names: Vec<&str> = named.iter().map(|(_, name)| name.as_str()).collect();
    state.overlay = Some(Overlay::Question(Question {
        title: "Put out of the farm?".to_owned(),
        lines: vec![names.join(", "), text::PUTTING_OUT.to_owned()],
        verb: "put out",
        yes: false,
        asks: named.iter().map(|(agent, _)| Asked::Revoke(*agent)).collect(),
    }));
}

fn agent_of(key: &RowKey) -> Option<AgentId> {
    match key {
        RowKey::Worker(agent, _) => Some(*agent),
        _ => None,
    }
}

/// Opens a form about the account under the cursor, or the one whose ledger is open.
fn with_account(state: &mut State, form: impl Fn(&UserRow) -> Form) {
    let account = state.ledger.or(match state.listing().selected() {
        Some(RowKey::Account(account)) => Some(account),
        _ => None,
    });
    let users = state.facts.users.get();
    let user = users.zip(account).and_then(|(users, id)| users.iter().find(|user| user.account == id));
    match user.map(form) {
        Some(form) => state.overlay = Some(Overlay::Form(form)),
        None => say(state, Tone::Warn, text::NO_ACCOUNT.to_owned()),
    }
}

fn sweep(state: &mut State) {
    let prefixes = state.facts.retention.get().map(|retention| retention.prefixes.as_slice()).unwrap_or_default();
    let (files, bytes) =
        prefixes.iter().fold((0, 0), |(files, bytes), row| (files + row.due_files, bytes + row.due_bytes));
    state.overlay = Some(Overlay::Question(Question {
        title: "Sweep now?".to_owned(),
        lines: text::sweeping(files, bytes),
        verb: "delete",
        yes: false,
        asks: vec![Asked::Sweep { dry_run: false }],
    }));
}

/// Neither loses anything: a file is looked at once more.
fn watched(state: &mut State, order: WatchOrder, fits: impl Fn(&WatchFileRow) -> bool) -> Vec<Action> {
    let files = state.facts.watch.get().map(|watch| watch.files.as_slice()).unwrap_or_default();
    let chosen = state.listing().chosen();
    let picked = files.iter().filter(|file| chosen.contains(&rows::watched(file)) && fits(file));
    let asks: Vec<_> = picked.map(|file| Asked::Watched { file: file.file.clone(), order }).collect();
    if asks.is_empty() {
        say(state, Tone::Warn, text::no_watched(order).to_owned());
    }
    ask(state, asks)
}

/// A pin is taken away by the same key, so it asks no question.
fn pin(state: &mut State) -> Vec<Action> {
    let files = state.facts.files.get().map(Vec::as_slice).unwrap_or_default();
    let chosen = state.listing().chosen();
    let picked: Vec<_> = files.iter().filter(|file| chosen.contains(&RowKey::File(file.file))).collect();
    // A mixed choice is pinned: the careful one of the two.
    let pinned = picked.iter().any(|file| !file.pinned);
    let asks: Vec<_> = picked.iter().map(|file| Asked::Pin { file: file.file, pinned }).collect();
    if asks.is_empty() {
        say(state, Tone::Warn, text::NO_FILE.to_owned());
    }
    ask(state, asks)
}
