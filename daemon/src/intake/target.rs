//! To what rate a clip goes: a fixed one, a multiple of its own, or the next of a list above its own.

use crate::pricing::TARGET_FPS;
use std::{fmt, str::FromStr};
use tweenfarm_protocol::Rational;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Fixed(u32),
    Times(u32),
    /// In rising order.
    NextOf(Vec<u32>),
}

/// Why a clip has no target.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoTarget {
    #[error("it has {fps:.3} frames per second already, and the rule asks for {target}")]
    FastEnough { fps: f64, target: Target },
    #[error("{fps:.3} frames per second {target} are more than the farm makes, which is {} at most", TARGET_FPS.end())]
    TooFast { fps: f64, target: Target },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no target: it takes 24 to 240 (frames per second), \"x2\" to \"x10\", or \"next of 60/120\"")]
pub struct TargetError(pub String);

const TIMES: std::ops::RangeInclusive<u32> = 2..=10;

impl Target {
    /// Frames per second for a clip of this average rate: whole, above its own. A multiple goes to the nearest whole rate.
    pub fn fps(&self, source: Rational) -> Result<u32, NoTarget> {
        let above = |fps: u32| Rational::whole(i64::from(fps)) > source;
        let fast_enough = || NoTarget::FastEnough { fps: source.as_f64(), target: self.clone() };
        match self {
            Target::Fixed(fps) => Some(*fps).filter(|fps| above(*fps)).ok_or_else(fast_enough),
            Target::NextOf(rates) => rates.iter().copied().find(|fps| above(*fps)).ok_or_else(fast_enough),
            Target::Times(times) => {
                let (num, den) = (i128::from(source.num()) * i128::from(*times), i128::from(source.den()));
                let nearest = u32::try_from((2 * num + den).div_euclid(2 * den)).unwrap_or(u32::MAX);
                // Twice 10 is less than the farm makes: its slowest is nearer to what was meant than nothing.
                let fps = nearest.max(*TARGET_FPS.start());
                let too_fast = || NoTarget::TooFast { fps: source.as_f64(), target: self.clone() };
                Some(fps).filter(|fps| fps <= TARGET_FPS.end()).ok_or_else(too_fast)
            }
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Target, TargetError> {
        let wrong = || TargetError(text.to_owned());
        let fps = |text: &str| {
            let fps = text.trim().parse::<u32>().ok();
            fps.filter(|fps| TARGET_FPS.contains(fps)).ok_or_else(wrong)
        };
        let trimmed = text.trim();
        if let Some(times) = trimmed.strip_prefix('x') {
            return times.parse().ok().filter(|times| TIMES.contains(times)).map(Target::Times).ok_or_else(wrong);
        }
        let Some(list) = trimmed.strip_prefix("next of ") else { return fps(trimmed).map(Target::Fixed) };
        let mut rates = list.split('/').map(fps).collect::<Result<Vec<u32>, _>>()?;
        rates.sort_unstable();
        rates.dedup();
        Ok(Target::NextOf(rates))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Fixed(fps) => write!(f, "{fps} fps"),
            Target::Times(times) => write!(f, "x{times}"),
            Target::NextOf(rates) => {
                let rates: Vec<String> = rates.iter().map(u32::to_string).collect();
                write!(f, "next of {}", rates.join("/"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_and_shown() {
        let check = |text: &str, expected: Option<&str>| {
            let read = text.parse::<Target>().ok().map(|target| target.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        check("60", Some("60 fps"));
        check(" x2 ", Some("x2"));
        check("next of 120/60/60", Some("next of 60/120"));
        for wrong in ["", "0", "23", "241", "60.5", "x1", "x11", "x", "2x", "next of", "next of 60/", "next of 60/300"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn a_target_is_above_the_clips_own_rate_or_there_is_none() {
        let check = |target: &str, num: i64, den: i64, expected: Option<u32>| {
            let fps = target.parse::<Target>().unwrap().fps(Rational::new(num, den).unwrap());
            assert_eq!(fps.as_ref().ok().copied(), expected, "{target} of {num}/{den}: {fps:?}");
        };
        check("60", 30, 1, Some(60));
        check("60", 60_000, 1001, Some(60));
        check("60", 60, 1, None);
        check("60", 120, 1, None);
        check("x2", 25, 1, Some(50));
        check("x2", 24_000, 1001, Some(48));
        check("x2", 30_000, 1001, Some(60));
        check("x2", 5, 1, Some(24));
        check("x2", 120, 1, Some(240));
        check("x2", 144, 1, None);
        check("next of 60/120", 30, 1, Some(60));
        check("next of 60/120", 60, 1, Some(120));
        check("next of 60/120", 120, 1, None);
    }
}
