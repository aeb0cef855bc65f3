//! Every key of the console, in one table: the help, the hints at the foot, the names that `:` takes and what a key does all
//! come from it.

use super::state::Screen;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tweenfarm_protocol::operator::Role;

/// What a key or a `:` command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Help,
    Filter,
    CommandLine,
    Show(Screen),
    NextScreen,
    PreviousScreen,
    Left,
    Right,
    Down,
    Up,
    PageDown,
    PageUp,
    First,
    Last,
    Mark,
    Enter,
    Picture,
    Read,
    Back,
    Quit,
    Reread,
    NextTheme,
    Mouse,
    Cancel,
    UndoCancel,
    RetryJob,
    PauseJob,
    ResumeJob,
    Priority,
    PauseQueue,
    ResumeQueue,
    PauseAgent,
    Drain,
    ResumeAgent,
    Weight,
    Invite,
    PutOut,
    AddUser,
    Grant,
    Adjust,
    AddKey,
    DryRun,
    SweepNow,
    Pin,
    Release,
    RetryFile,
    Follow,
    Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// The letter as it is typed: `G` is shift and g.
    Letter(char),
    Ctrl(char),
    Key(KeyCode),
}

impl Press {
    pub fn is(self, key: &KeyEvent) -> bool {
        let held = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        match self {
            Press::Letter(letter) => key.code == KeyCode::Char(letter) && held.is_empty(),
            Press::Ctrl(letter) => key.code == KeyCode::Char(letter) && held == KeyModifiers::CONTROL,
            Press::Key(code) => key.code == code && held.is_empty(),
        }
    }

    /// As it is written in the help.
    pub fn name(self) -> String {
        match self {
            Press::Letter(' ') => "space".to_owned(),
            Press::Letter(letter) => letter.to_string(),
            Press::Ctrl(letter) => format!("ctrl-{letter}"),
            Press::Key(code) => match code {
                KeyCode::Esc => "esc".to_owned(),
                KeyCode::Enter => "enter".to_owned(),
                KeyCode::Tab => "tab".to_owned(),
                KeyCode::BackTab => "shift-tab".to_owned(),
                KeyCode::PageUp => "pgup".to_owned(),
                KeyCode::PageDown => "pgdn".to_owned(),
                code => code.to_string().to_lowercase(),
            },
        }
    }

    pub fn event(self) -> KeyEvent {
        match self {
            Press::Letter(letter) => KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE),
            Press::Ctrl(letter) => KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL),
            Press::Key(code) => KeyEvent::new(code, KeyModifiers::NONE),
        }
    }
}

#[derive(Debug)]
pub struct Binding {
    pub presses: &'static [Press],
    pub deed: Deed,
    /// Empty: everywhere.
    pub on: &'static [Screen],
    pub least: Role,
    /// What `:` takes; empty where typing it would make no sense.
    pub name: &'static str,
    /// A sentence of the help.
    pub help: &'static str,
    /// A word at the foot of the screen; empty for keys that everybody knows.
    pub hint: &'static str,
}

impl Binding {
    pub fn works_on(&self, screen: Screen) -> bool {
        self.on.is_empty() || self.on.contains(&screen)
    }
}

const fn everywhere(presses: &'static [Press], deed: Deed, name: &'static str, help: &'static str) -> Binding {
    Binding { presses, deed, on: &[], least: Role::Viewer, name, help, hint: "" }
}

const fn act(
    on: &'static [Screen],
    least: Role,
    press: &'static [Press],
    deed: Deed,
    name: &'static str,
    hint: &'static str,
    help: &'static str,
) -> Binding {
    Binding { presses: press, deed, on, least, name, help, hint }
}

use KeyCode as K;
use Press::{Ctrl, Key, Letter};
use Role::{Admin, Operator, Viewer};
use Screen::{Balances, Events, Farm, Job, Queue, Retention, Watch, Workers};

/// Those of one screen first: their hints are the ones to read.
pub const TABLE: &[Binding] = &[
    act(&[Queue, Watch], Viewer, &[Key(K::Enter)], Deed::Enter, "", "open", "open the job under the cursor"),
    act(&[Events], Viewer, &[Key(K::Enter)], Deed::Enter, "", "open", "open the job that the line is about"),
    act(&[Workers], Viewer, &[Key(K::Enter)], Deed::Enter, "", "job", "open the job that the worker has in hand"),
    act(&[Balances], Viewer, &[Key(K::Enter)], Deed::Enter, "", "ledger", "show the account's ledger"),
    act(&[Farm], Viewer, &[Key(K::Enter)], Deed::Enter, "", "open", "open the job under the cursor"),
    act(&[Retention], Viewer, &[Key(K::Enter)], Deed::Enter, "", "job", "open the job that made the file"),
    act(
        &[Queue, Job],
        Operator,
        &[Letter('c')],
        Deed::Cancel,
        "cancel",
        "cancel",
        "cancel the job, or the marked ones, and refund in full",
    ),
    act(
        &[Queue, Job],
        Operator,
        &[Letter('u')],
        Deed::UndoCancel,
        "undo",
        "undo",
        "undo a cancelling: charges again, goes on with what was rendered",
    ),
    act(
        &[Queue, Job],
        Operator,
        &[Letter('t')],
        Deed::RetryJob,
        "retry",
        "retry",
        "try a failed job once more: charges again, begins at its first frame",
    ),
    act(
        &[Queue, Job],
        Operator,
        &[Letter('p')],
        Deed::PauseJob,
        "pause",
        "pause",
        "pause the job: what is in hand is finished, nothing new is begun",
    ),
    act(&[Queue, Job], Operator, &[Letter('o')], Deed::ResumeJob, "go-on", "go on", "let a paused job go on"),
    act(
        &[Queue, Job],
        Operator,
        &[Letter('+')],
        Deed::Priority,
        "priority",
        "",
        "set the job's priority among those of its account",
    ),
    act(
        &[Farm, Queue],
        Operator,
        &[Letter('P')],
        Deed::PauseQueue,
        "pause-queue",
        "pause all",
        "pause the whole queue: what is in hand is finished, nothing new is begun",
    ),
    act(&[Farm, Queue], Operator, &[Letter('O')], Deed::ResumeQueue, "resume-queue", "", "let the whole queue go on"),
    act(
        &[Workers],
        Operator,
        &[Letter('d')],
        Deed::Drain,
        "drain",
        "drain",
        "drain the agent: it finishes what it has in hand and gets nothing new",
    ),
    act(
        &[Workers],
        Operator,
        &[Letter('p')],
        Deed::PauseAgent,
        "pause-agent",
        "pause",
        "pause the agent: what it has in hand goes to others",
    ),
    act(
        &[Workers],
        Operator,
        &[Letter('o')],
        Deed::ResumeAgent,
        "resume-agent",
        "go on",
        "let a paused or drained agent work again",
    ),
    act(
        &[Balances],
        Operator,
        &[Letter('w')],
        Deed::Weight,
        "weight",
        "weight",
        "set the account's weight: its share of the farm beside others",
    ),
    act(
        &[Workers],
        Admin,
        &[Letter('i')],
        Deed::Invite,
        "invite",
        "invite",
        "invite one more machine: prints the line to paste there",
    ),
    act(&[Workers], Admin, &[Letter('x')], Deed::PutOut, "put-out", "put out", "put the agent out of the farm at once"),
    act(&[Balances], Admin, &[Letter('a')], Deed::Grant, "grant", "grant", "give the account xeconds, with a reason"),
    act(
        &[Balances],
        Admin,
        &[Letter('A')],
        Deed::Adjust,
        "adjust",
        "adjust",
        "correct the account's balance, up or down, with a reason",
    ),
    act(&[Balances], Admin, &[Letter('n')], Deed::AddUser, "add-user", "new", "add an account; its key is shown once"),
    act(
        &[Balances],
        Admin,
        &[Letter('K')],
        Deed::AddKey,
        "add-key",
        "key",
        "make one more key for the account, shown once",
    ),
    act(
        &[Retention],
        Operator,
        &[Letter('d')],
        Deed::DryRun,
        "dry-run",
        "dry run",
        "say what a sweep would delete now; deletes nothing",
    ),
    act(
        &[Retention],
        Operator,
        &[Letter('s')],
        Deed::SweepNow,
        "sweep",
        "sweep now",
        "delete what is past its time, now",
    ),
    act(
        &[Retention],
        Operator,
        &[Letter('p')],
        Deed::Pin,
        "pin",
        "pin",
        "pin the file, so that no sweep deletes it; again to unpin",
    ),
    act(
        &[Watch],
        Operator,
        &[Letter('R')],
        Deed::Release,
        "release",
        "release",
        "let the file out of quarantine, with all its tries",
    ),
    act(
        &[Watch],
        Operator,
        &[Letter('t')],
        Deed::RetryFile,
        "retry-file",
        "retry",
        "try the file once more now, also one that is done",
    ),
    act(
        &[Job],
        Viewer,
        &[Letter('i')],
        Deed::Picture,
        "picture",
        "picture",
        "show a frame that the job has made, as large as the screen",
    ),
    act(
        &[Events, Job],
        Viewer,
        &[Letter('f')],
        Deed::Follow,
        "follow",
        "follow",
        "follow the newest line, or stay where you are",
    ),
    act(
        &[Events, Job],
        Viewer,
        &[Letter('L')],
        Deed::Level,
        "level",
        "level",
        "show everything, or warnings and errors, or errors only",
    ),
    everywhere(&[Letter('?'), Key(K::F(1))], Deed::Help, "help", "show this help"),
    everywhere(&[Letter('/')], Deed::Filter, "", "narrow the table: words that must be there, !words that must not"),
    everywhere(&[Letter(':')], Deed::CommandLine, "", "type a command by its name; tab completes it"),
    everywhere(&[Letter('1')], Deed::Show(Farm), "farm", "Farm: is it well, and if not, what to do"),
    everywhere(&[Letter('2')], Deed::Show(Queue), "queue", "Queue: jobs with progress, time left and price"),
    everywhere(&[Letter('3')], Deed::Show(Workers), "workers", "Workers: agents, their devices, what each has in hand"),
    everywhere(&[Letter('4')], Deed::Show(Balances), "balances", "Balances: accounts, ledgers, keys"),
    everywhere(&[Letter('5')], Deed::Show(Retention), "retention", "Retention: what is due when, and the last sweeps"),
    everywhere(&[Letter('6')], Deed::Show(Watch), "watch", "Watch: folders and the files in them"),
    everywhere(&[Letter('7')], Deed::Show(Events), "events", "Events: what happens, as it happens"),
    everywhere(&[Letter('8')], Deed::Show(Job), "job", "Job: the one opened last, whole; `:job ID` opens another"),
    everywhere(&[Key(K::Tab)], Deed::NextScreen, "next", "the next screen"),
    everywhere(&[Key(K::BackTab)], Deed::PreviousScreen, "previous", "the screen before"),
    everywhere(&[Letter('j'), Key(K::Down)], Deed::Down, "", "down a row"),
    everywhere(&[Letter('k'), Key(K::Up)], Deed::Up, "", "up a row"),
    everywhere(&[Letter('h'), Key(K::Left)], Deed::Left, "", "the screen before; in a job, its story"),
    everywhere(&[Letter('l'), Key(K::Right)], Deed::Right, "", "the next screen; in a job, its segments"),
    everywhere(&[Key(K::PageDown), Ctrl('d'), Ctrl('f')], Deed::PageDown, "", "down a page"),
    everywhere(&[Key(K::PageUp), Ctrl('u'), Ctrl('b')], Deed::PageUp, "", "up a page"),
    everywhere(&[Letter('g'), Key(K::Home)], Deed::First, "", "to the first row"),
    everywhere(&[Letter('G'), Key(K::End)], Deed::Last, "", "to the last row"),
    everywhere(&[Letter(' ')], Deed::Mark, "", "mark the row, or take its mark away; an act is for all marked rows"),
    everywhere(&[Letter('v')], Deed::Read, "view", "view the row's text whole: why it failed, a line of a log"),
    everywhere(&[Key(K::Esc)], Deed::Back, "back", "back: closes, then clears the filter, then the marks, then leaves"),
    everywhere(&[Letter('r'), Key(K::F(5))], Deed::Reread, "reread", "read everything on the screen anew"),
    everywhere(&[Letter('T')], Deed::NextTheme, "theme", "the next theme: dark, light, high-contrast, mono"),
    everywhere(
        &[Letter('M')],
        Deed::Mouse,
        "mouse",
        "use the mouse here, or leave it to the terminal (as at the start)",
    ),
    everywhere(&[Letter('q'), Ctrl('c')], Deed::Quit, "quit", "quit; the farm goes on"),
];

/// What a key does on a screen.
pub fn binding(key: &KeyEvent, screen: Screen) -> Option<&'static Binding> {
    TABLE.iter().find(|binding| binding.works_on(screen) && binding.presses.iter().any(|press| press.is(key)))
}

/// What a `:` command does, on whatever screen it makes sense.
pub fn named(name: &str) -> Option<&'static Binding> {
    TABLE.iter().find(|binding| !binding.name.is_empty() && binding.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_no_screen_a_key_means_two_things() {
        for screen in Screen::ALL {
            let here: Vec<_> = TABLE.iter().filter(|binding| binding.works_on(screen)).collect();
            for binding in &here {
                for press in binding.presses {
                    let meanings = here.iter().filter(|other| other.presses.contains(press)).count();
                    assert_eq!(meanings, 1, "{} on {}", press.name(), screen.name());
                }
            }
        }
    }

    #[test]
    fn a_name_is_of_one_deed_and_every_deed_can_be_read_about() {
        let names: Vec<_> = TABLE.iter().map(|binding| binding.name).filter(|name| !name.is_empty()).collect();
        let distinct: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
        assert!(TABLE.iter().all(|binding| !binding.help.is_empty() && !binding.presses.is_empty()));
    }
}
