//! The whole state of the console. Only `update` changes it, only `draw` shows it.

use super::{
    action::{Asked, Looking},
    facts::Facts,
    graphics::{Graphics, HALF_BLOCKS, Kind},
    listing::Listing,
    overlay::Overlay,
    picture::{Fitted, Picture},
    theme::{Glyphs, Theme, ThemeName, Tone},
};
use jiff::tz::TimeZone;
use tweenfarm_protocol::{
    AccountId, JobId, Timestamp,
    operator::{Level, Role},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Screen {
    Farm,
    Queue,
    Workers,
    Balances,
    Retention,
    Watch,
    Events,
    Job,
}

impl Screen {
    /// In the order of their keys, 1 to 8.
    pub const ALL: [Screen; 8] = [
        Screen::Farm,
        Screen::Queue,
        Screen::Workers,
        Screen::Balances,
        Screen::Retention,
        Screen::Watch,
        Screen::Events,
        Screen::Job,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Screen::Farm => "Farm",
            Screen::Queue => "Queue",
            Screen::Workers => "Workers",
            Screen::Balances => "Balances",
            Screen::Retention => "Retention",
            Screen::Watch => "Watch",
            Screen::Events => "Events",
            Screen::Job => "Job",
        }
    }

    pub const fn place(self) -> usize {
        self as usize
    }
}

/// What is under the facts of a job, where there is no room for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobPart {
    #[default]
    Story,
    Segments,
}

/// How the daemon is reached just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    Connecting,
    Live,
    Lost { since: Timestamp, why: String },
}

/// A line at the foot that goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
    pub until: Timestamp,
}

#[derive(Clone, Debug)]
pub struct State {
    pub now: Timestamp,
    pub width: u16,
    pub height: u16,
    pub theme: Theme,
    pub glyphs: &'static Glyphs,
    pub graphics: Graphics,
    /// The picture that is on the screen, ready for its room.
    pub fitted: Option<Fitted>,
    /// In which times are shown.
    pub zone: TimeZone,
    /// The daemon, as the operator named it.
    pub daemon: String,
    pub link: Link,
    pub facts: Facts,
    pub screen: Screen,
    /// Where `esc` goes from a job.
    pub came_from: Screen,
    pub job: Option<JobId>,
    pub job_part: JobPart,
    /// Whose ledger is open.
    pub ledger: Option<AccountId>,
    listings: [Listing; Screen::ALL.len()],
    /// Of the open ledger; its accounts keep their own.
    entries: Listing,
    pub overlay: Option<Overlay>,
    pub notice: Option<Notice>,
    /// Asked, and not answered yet.
    pub asked: Vec<Asked>,
    pub mouse: bool,
    /// Whether Events and a job's story stay at their newest line.
    pub follow: bool,
    /// Lines below it are not shown.
    pub level: Level,
    /// Something that is shown has changed since it was drawn.
    pub dirty: bool,
    /// The facts of the table have changed since its rows were made.
    pub stale: bool,
    pub quits: bool,
}

impl State {
    pub fn new(theme: Theme, glyphs: &'static Glyphs, daemon: String, now: Timestamp) -> State {
        State {
            now,
            width: 0,
            height: 0,
            theme,
            glyphs,
            graphics: HALF_BLOCKS,
            fitted: None,
            zone: TimeZone::UTC,
            daemon,
            link: Link::Connecting,
            facts: Facts::default(),
            screen: Screen::Farm,
            came_from: Screen::Queue,
            job: None,
            job_part: JobPart::Story,
            ledger: None,
            listings: Default::default(),
            entries: Listing::default(),
            overlay: None,
            notice: None,
            asked: Vec::new(),
            mouse: false,
            follow: true,
            level: Level::Info,
            dirty: true,
            stale: true,
            quits: false,
        }
    }

    /// The table that takes the keys.
    pub fn listing(&self) -> &Listing {
        match (self.screen, self.ledger) {
            (Screen::Balances, Some(_)) => &self.entries,
            (screen, _) => &self.listings[screen.place()],
        }
    }

    pub fn listing_mut(&mut self) -> &mut Listing {
        match (self.screen, self.ledger) {
            (Screen::Balances, Some(_)) => &mut self.entries,
            (screen, _) => &mut self.listings[screen.place()],
        }
    }

    /// How pictures are shown: without colours, and without signs other than ASCII, blocks become shades.
    pub fn graphics(&self) -> Graphics {
        let plain = self.theme.name == ThemeName::Mono || !self.glyphs.unicode;
        match self.graphics.kind {
            Kind::HalfBlocks if plain => Graphics { kind: Kind::Shades, ..self.graphics },
            // It is placed by signs that are not ASCII.
            Kind::Kitty if !self.glyphs.unicode => Graphics { kind: Kind::Shades, ..self.graphics },
            _ => self.graphics,
        }
    }

    /// Of the job that is open.
    pub fn preview(&self) -> Option<&Picture> {
        self.facts.preview.get().filter(|picture| Some(picture.job) == self.job)
    }

    /// What the daemon lets this operator do; until it has said so, to look.
    pub fn role(&self) -> Role {
        self.facts.me.get().map_or(Role::Viewer, |me| me.role)
    }

    /// What is on the screen, and so is kept fresh.
    pub fn looking(&self) -> Looking {
        let on = |screen: Screen| self.screen == screen;
        Looking {
            history: on(Screen::Farm),
            jobs: on(Screen::Queue) || on(Screen::Farm),
            job: self.job.filter(|_| on(Screen::Job)),
            agents: on(Screen::Workers),
            users: on(Screen::Balances),
            ledger: self.ledger.filter(|_| on(Screen::Balances)),
            retention: on(Screen::Retention),
            watch: on(Screen::Watch),
        }
    }
}
