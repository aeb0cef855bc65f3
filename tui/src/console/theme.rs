//! Colours and glyphs, nowhere else. Every state is a glyph, a word and a colour, so that it is read without colour and
//! without Unicode too.

use ratatui::style::{Color, Modifier, Style};

/// How the console may look; `--theme` and `:theme` name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ThemeName {
    Dark,
    Light,
    HighContrast,
    Mono,
}

impl ThemeName {
    pub const ALL: [ThemeName; 4] = [ThemeName::Dark, ThemeName::Light, ThemeName::HighContrast, ThemeName::Mono];

    pub const fn name(self) -> &'static str {
        match self {
            ThemeName::Dark => "dark",
            ThemeName::Light => "light",
            ThemeName::HighContrast => "high-contrast",
            ThemeName::Mono => "mono",
        }
    }

    /// The one after it, round and round.
    pub fn next(self) -> ThemeName {
        let at = ThemeName::ALL.iter().position(|theme| *theme == self).unwrap_or(0);
        ThemeName::ALL[(at + 1) % ThemeName::ALL.len()]
    }
}

/// How well something is: what its colour says, and never only its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    Good,
    Busy,
    Plain,
    Faint,
    Warn,
    Bad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    pub name: ThemeName,
    pub text: Style,
    pub faint: Style,
    pub title: Style,
    pub accent: Style,
    pub border: Style,
    /// The row under the cursor; laid over the row's own colours.
    pub selected: Style,
    pub tab: Style,
    pub tab_active: Style,
    pub key: Style,
    good: Style,
    busy: Style,
    warn: Style,
    bad: Style,
}

impl Theme {
    pub const fn of(name: ThemeName) -> Theme {
        let plain = Style::new();
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let reversed = Style::new().add_modifier(Modifier::REVERSED);
        match name {
            ThemeName::Dark => Theme {
                name,
                text: plain.fg(Color::Indexed(252)),
                faint: plain.fg(Color::Indexed(244)),
                title: bold.fg(Color::Indexed(255)),
                accent: plain.fg(Color::Indexed(80)),
                border: plain.fg(Color::Indexed(238)),
                selected: plain.bg(Color::Indexed(237)).add_modifier(Modifier::BOLD),
                tab: plain.fg(Color::Indexed(247)),
                tab_active: bold.fg(Color::Indexed(233)).bg(Color::Indexed(80)),
                key: bold.fg(Color::Indexed(80)),
                good: plain.fg(Color::Indexed(114)),
                busy: plain.fg(Color::Indexed(80)),
                warn: plain.fg(Color::Indexed(221)),
                bad: bold.fg(Color::Indexed(210)),
            },
            ThemeName::Light => Theme {
                name,
                text: plain.fg(Color::Indexed(235)),
                faint: plain.fg(Color::Indexed(242)),
                title: bold.fg(Color::Indexed(232)),
                accent: plain.fg(Color::Indexed(24)),
                border: plain.fg(Color::Indexed(250)),
                selected: plain.bg(Color::Indexed(253)).add_modifier(Modifier::BOLD),
                tab: plain.fg(Color::Indexed(240)),
                tab_active: bold.fg(Color::Indexed(231)).bg(Color::Indexed(24)),
                key: bold.fg(Color::Indexed(24)),
                good: plain.fg(Color::Indexed(22)),
                busy: plain.fg(Color::Indexed(24)),
                warn: plain.fg(Color::Indexed(94)),
                bad: bold.fg(Color::Indexed(124)),
            },
            ThemeName::HighContrast => Theme {
                name,
                text: plain.fg(Color::White),
                faint: plain.fg(Color::White),
                title: bold.fg(Color::White),
                accent: bold.fg(Color::LightCyan),
                border: plain.fg(Color::White),
                selected: bold.fg(Color::Black).bg(Color::White),
                tab: plain.fg(Color::White),
                tab_active: bold.fg(Color::Black).bg(Color::LightYellow),
                key: bold.fg(Color::LightYellow),
                good: bold.fg(Color::LightGreen),
                busy: bold.fg(Color::LightCyan),
                warn: bold.fg(Color::LightYellow),
                bad: bold.fg(Color::LightRed),
            },
            ThemeName::Mono => Theme {
                name,
                text: plain,
                faint: plain,
                title: bold,
                accent: bold,
                border: plain,
                selected: reversed,
                tab: plain,
                tab_active: reversed,
                key: bold,
                good: plain,
                busy: plain,
                warn: bold,
                bad: bold.add_modifier(Modifier::UNDERLINED),
            },
        }
    }

    pub const fn tone(&self, tone: Tone) -> Style {
        match tone {
            Tone::Good => self.good,
            Tone::Busy => self.busy,
            Tone::Plain => self.text,
            Tone::Faint => self.faint,
            Tone::Warn => self.warn,
            Tone::Bad => self.bad,
        }
    }
}

/// The signs that are drawn, in a terminal of UTF-8 or of ASCII.
#[derive(Debug, PartialEq, Eq)]
pub struct Glyphs {
    pub good: &'static str,
    pub busy: &'static str,
    pub waiting: &'static str,
    pub paused: &'static str,
    pub warn: &'static str,
    pub bad: &'static str,
    pub ended: &'static str,
    pub asleep: &'static str,
    pub mark: &'static str,
    pub cursor: &'static str,
    pub ellipsis: &'static str,
    pub bar_full: &'static str,
    pub bar_empty: &'static str,
    /// Of a segment map: not begun, in hand, finished, failed.
    pub slot_ready: &'static str,
    pub slot_leased: &'static str,
    pub slot_rendered: &'static str,
    pub slot_failed: &'static str,
    /// Columns of a chart, lowest first; the first is empty.
    pub columns: &'static [&'static str],
    pub rule: &'static str,
    pub separator: &'static str,
    pub arrow: &'static str,
    pub rows_above: &'static str,
    pub rows_below: &'static str,
    pub unicode: bool,
}

pub const UNICODE: Glyphs = Glyphs {
    good: "●",
    busy: "▶",
    waiting: "○",
    paused: "‖",
    warn: "▲",
    bad: "✗",
    ended: "✓",
    asleep: "☾",
    mark: "◆",
    cursor: "▌",
    ellipsis: "…",
    bar_full: "█",
    bar_empty: "░",
    slot_ready: "░",
    slot_leased: "▒",
    slot_rendered: "█",
    slot_failed: "✗",
    columns: &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    rule: "─",
    separator: "·",
    arrow: "→",
    rows_above: "↑",
    rows_below: "↓",
    unicode: true,
};

pub const ASCII: Glyphs = Glyphs {
    good: "*",
    busy: ">",
    waiting: "o",
    paused: "=",
    warn: "!",
    bad: "X",
    ended: "+",
    asleep: "z",
    mark: "#",
    cursor: ">",
    ellipsis: "~",
    bar_full: "#",
    bar_empty: ".",
    slot_ready: ".",
    slot_leased: "o",
    slot_rendered: "#",
    slot_failed: "X",
    columns: &[" ", ".", ":", "|", "#"],
    rule: "-",
    separator: "-",
    arrow: "->",
    rows_above: "^",
    rows_below: "v",
    unicode: false,
};

/// What the environment says of the terminal: `NO_COLOR` and the locale, as the values of the variables.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub no_color: Option<String>,
    /// LC_ALL, LC_CTYPE, LANG: the first that is set and not empty decides.
    pub locale: Vec<Option<String>>,
    pub term: Option<String>,
}

impl Surroundings {
    pub fn of_this_process() -> Surroundings {
        let get = |name: &str| std::env::var(name).ok();
        Surroundings {
            no_color: get("NO_COLOR"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].map(get).to_vec(),
            term: get("TERM"),
        }
    }

    pub fn glyphs(&self) -> &'static Glyphs {
        let locale = self.locale.iter().flatten().find(|value| !value.is_empty());
        let utf8 = locale.is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        });
        // The kernel's own console has a font of 256 or 512 signs: most of ours are missing in it.
        if utf8 && self.term.as_deref() != Some("linux") { &UNICODE } else { &ASCII }
    }

    /// The kernel's own console and terminals without movements would show a question instead of answering it.
    pub fn can_answer(&self) -> bool {
        !matches!(self.term.as_deref(), None | Some("" | "linux" | "dumb"))
    }

    /// A named theme holds, also against `NO_COLOR`: who types it wants it.
    pub fn theme(&self, asked: Option<ThemeName>) -> ThemeName {
        let colourless = self.no_color.as_ref().is_some_and(|value| !value.is_empty());
        asked.unwrap_or(if colourless { ThemeName::Mono } else { ThemeName::Dark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_that_is_not_utf8_gets_ascii() {
        let check = |locale: [Option<&str>; 3], term: &str, unicode: bool| {
            let locale = locale.map(|value| value.map(str::to_owned)).to_vec();
            let surroundings = Surroundings { no_color: None, locale, term: Some(term.to_owned()) };
            assert_eq!(surroundings.glyphs().unicode, unicode, "{surroundings:?}");
        };
        check([None, None, Some("de_DE.UTF-8")], "xterm-256color", true);
        check([None, Some("C.utf8"), Some("C")], "xterm", true);
        check([Some("C"), None, Some("de_DE.UTF-8")], "xterm", false);
        check([Some(""), None, Some("en_US.UTF-8")], "xterm", true);
        check([None, None, None], "xterm", false);
        check([None, None, Some("en_US.UTF-8")], "linux", false);
    }

    #[test]
    fn no_color_means_mono_unless_a_theme_was_asked_for() {
        let with =
            |no_color: Option<&str>| Surroundings { no_color: no_color.map(str::to_owned), ..Default::default() };
        assert_eq!(with(None).theme(None), ThemeName::Dark);
        assert_eq!(with(Some("")).theme(None), ThemeName::Dark, "an empty NO_COLOR counts as unset");
        assert_eq!(with(Some("1")).theme(None), ThemeName::Mono);
        assert_eq!(with(Some("1")).theme(Some(ThemeName::Light)), ThemeName::Light);
    }

    #[test]
    fn the_mono_theme_names_no_colour() {
        let theme = Theme::of(ThemeName::Mono);
        let styles = [theme.text, theme.faint, theme.title, theme.accent, theme.border, theme.selected, theme.tab];
        let more = [theme.tab_active, theme.key, theme.good, theme.busy, theme.warn, theme.bad];
        assert!(styles.iter().chain(&more).all(|style| style.fg.is_none() && style.bg.is_none()));
    }

    #[test]
    fn the_ascii_glyphs_are_ascii() {
        assert!(format!("{ASCII:?}").is_ascii());
    }
}
