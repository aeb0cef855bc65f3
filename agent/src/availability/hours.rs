//! When an agent works: spans of the week in local time. Pure: what time it is comes as an argument.

use std::str::FromStr;

/// Minutes since Monday 00:00, local time.
pub type MinuteOfWeek = u32;

const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The spans in which an agent works; none at all: always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    spans: Vec<Span>,
}

/// From a minute of the week on, for so long; may go over the end of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: MinuteOfWeek,
    minutes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' says no hours: write days and a span of local time, such as \"mon-fri 18:00-08:00\" or \"sat,sun 00:00-24:00\""
)]
pub struct NoHours(String);

impl Hours {
    /// In how many minutes the agent works again; none while it works.
    pub fn asleep_for(&self, now: MinuteOfWeek) -> Option<u32> {
        if self.spans.is_empty() {
            return None;
        }
        let until = |span: &Span| match (now + WEEK - span.from) % WEEK {
            since if since < span.minutes => 0,
            since => WEEK - since,
        };
        self.spans.iter().map(until).min().filter(|minutes| *minutes > 0)
    }

    /// From texts of days and a span each.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Hours, NoHours> {
        let mut spans = Vec::new();
        for text in texts {
            spans.extend(text.parse::<Line>()?.0);
        }
        Ok(Hours { spans })
    }
}

/// One text: a span for each of its days.
struct Line(Vec<Span>);

impl FromStr for Line {
    type Err = NoHours;

    fn from_str(text: &str) -> Result<Line, NoHours> {
        let read = || {
            let (days, span) = text.trim().split_once(' ')?;
            let (from, end) = span.trim().split_once('-')?;
            let (from, end) = (minute(from)?, minute(end)?);
            // Up to an hour that is not later is up to that hour of the next day.
            let minutes = if end > from { end - from } else { end + DAY - from };
            if from >= DAY || minutes > DAY {
                return None;
            }
            let days: Option<Vec<u32>> =
                days.split(',').map(day_range).collect::<Option<Vec<_>>>().map(|all| all.concat());
            Some(Line(days?.into_iter().map(|day| Span { from: day * DAY + from, minutes }).collect()))
        };
        read().ok_or_else(|| NoHours(text.to_owned()))
    }
}

/// `mon`, or `mon-fri`, which may go over the end of the week.
fn day_range(text: &str) -> Option<Vec<u32>> {
    let day = |name: &str| DAYS.iter().position(|day| name.trim().eq_ignore_ascii_case(day));
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    let count = (last + 7 - first) % 7 + 1;
    Some((first..first + count).filter_map(|day| u32::try_from(day % 7).ok()).collect())
}

/// `18:00`; `24:00` is the end of a day.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let two_digits = |part: &str| (part.len() == 2).then(|| part.parse::<u32>().ok()).flatten();
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32, hour: u32, minute: u32) -> MinuteOfWeek {
        day * DAY + hour * 60 + minute
    }

    #[test]
    fn an_agent_works_in_its_hours_and_knows_when_they_begin_again() {
        let check = |texts: &[&str], now, expected| {
            let hours = Hours::read(texts.iter().copied()).unwrap();
            assert_eq!(hours.asleep_for(now), expected, "{texts:?} at {now}");
        };
        check(&[], at(2, 12, 0), None);
        check(&["mon-fri 18:00-08:00"], at(0, 18, 0), None);
        check(&["mon-fri 18:00-08:00"], at(0, 17, 59), Some(1));
        check(&["mon-fri 18:00-08:00"], at(1, 7, 59), None);
        check(&["mon-fri 18:00-08:00"], at(1, 8, 0), Some(10 * 60));
        check(&["mon-fri 18:00-08:00"], at(5, 8, 0), Some((2 * 24 + 10) * 60));
        check(&["mon-fri 18:00-08:00", "sat,sun 00:00-24:00"], at(6, 23, 59), None);
        check(&["sun 22:00-06:00"], at(0, 5, 59), None);
        check(&["sun 22:00-06:00"], at(0, 6, 0), Some((6 * 24 + 16) * 60));
        check(&["Sat-Mon 09:00-10:00"], at(0, 9, 30), None);
        check(&["wed 00:00-00:00"], at(2, 23, 59), None);
    }

    #[test]
    fn what_says_no_hours_is_refused() {
        for text in [
            "",
            "mon",
            "mon 8:00-9:00",
            "mon 08:00",
            "xyz 08:00-09:00",
            "mon 08:60-09:00",
            "mon 24:00-25:00",
            "mon- 08:00-09:00",
        ] {
            assert_eq!(Hours::read([text]), Err(NoHours(text.to_owned())));
        }
    }
}
