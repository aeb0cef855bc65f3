//! Units: money, time, rates and ranges as types of their own, all integers.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// An amount of xeconds, the farm's money; negative only as a ledger entry's change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Xeconds(pub i64);

impl Xeconds {
    pub const ZERO: Xeconds = Xeconds(0);

    pub fn checked_add(self, other: Xeconds) -> Option<Xeconds> {
        self.0.checked_add(other.0).map(Xeconds)
    }

    pub fn checked_sub(self, other: Xeconds) -> Option<Xeconds> {
        self.0.checked_sub(other.0).map(Xeconds)
    }

    pub fn checked_neg(self) -> Option<Xeconds> {
        self.0.checked_neg().map(Xeconds)
    }
}

impl fmt::Display for Xeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The clock of this machine. Rules never call it: they take the time as an argument.
    pub fn now() -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    pub fn plus(self, span: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    pub fn minus(self, span: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// ISO 8601 in UTC with whole seconds, as the ReframeFX surface writes it: `2026-07-01T10:04:30Z`.
    pub fn to_iso_seconds(self) -> String {
        let moment = jiff::Timestamp::from_second(self.0.div_euclid(1_000_000)).unwrap_or_default();
        moment.to_string()
    }

    /// ISO 8601 in UTC with milliseconds, as the Apiframe surface writes it: `2026-07-01T10:04:30.120Z`.
    pub fn to_iso_millis(self) -> String {
        let moment = jiff::Timestamp::from_millisecond(self.0.div_euclid(1_000)).unwrap_or_default();
        format!("{moment:.3}")
    }
}

/// An exact fraction, reduced, with a positive denominator: a frame rate in 1/s, or a time in s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rational {
    num: i64,
    den: i64,
}

/// Why a text or a pair of numbers is not a fraction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RationalError {
    #[error("the denominator of a fraction must not be 0")]
    ZeroDenominator,
    #[error("'{0}' is not a number like 60, 23.976 or 60000/1001")]
    NotANumber(String),
}

impl Rational {
    pub const ZERO: Rational = Rational { num: 0, den: 1 };

    pub fn new(num: i64, den: i64) -> Result<Rational, RationalError> {
        if den == 0 {
            return Err(RationalError::ZeroDenominator);
        }
        let divisor = gcd(num.unsigned_abs(), den.unsigned_abs()).max(1);
        // A divisor of two i64 magnitudes is above i64::MAX only when both are i64::MIN.
        let divisor = i64::try_from(divisor).unwrap_or(i64::MAX);
        let sign = if den < 0 { -1 } else { 1 };
        Ok(Rational { num: sign * (num / divisor), den: sign * (den / divisor) })
    }

    pub fn whole(value: i64) -> Rational {
        Rational { num: value, den: 1 }
    }

    pub fn num(self) -> i64 {
        self.num
    }

    pub fn den(self) -> i64 {
        self.den
    }

    pub fn as_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    pub fn is_positive(self) -> bool {
        self.num > 0
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let left = i128::from(self.num) * i128::from(other.den);
        let right = i128::from(other.num) * i128::from(self.den);
        left.cmp(&right)
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 { write!(f, "{}", self.num) } else { write!(f, "{}/{}", self.num, self.den) }
    }
}

impl FromStr for Rational {
    type Err = RationalError;

    /// Reads `60`, `60000/1001` and decimals; the customary 23.976, 29.97, 47.952, 59.94 and 119.88
    /// stand for their exact n×1000/1001 rates.
    fn from_str(text: &str) -> Result<Rational, RationalError> {
        let wrong = || RationalError::NotANumber(text.to_owned());
        let text = text.trim();
        if let Some((num, den)) = text.split_once('/') {
            return Rational::new(num.parse().map_err(|_| wrong())?, den.parse().map_err(|_| wrong())?);
        }
        match text {
            "23.976" | "23.98" => return Rational::new(24_000, 1001),
            "29.97" => return Rational::new(30_000, 1001),
            "47.952" | "47.95" => return Rational::new(48_000, 1001),
            "59.94" => return Rational::new(60_000, 1001),
            "119.88" => return Rational::new(120_000, 1001),
            _ => {}
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let scale = 10_i64.pow(fraction.len() as u32);
        let digits: i64 = format!("{whole}{fraction}").parse().map_err(|_| wrong())?;
        Rational::new(digits, scale)
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A half-open range `[first, end)` of a job's slots; slot *i* stands at *i* / target rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SlotRange {
    pub first: u64,
    pub end: u64,
}

impl SlotRange {
    pub fn new(first: u64, end: u64) -> SlotRange {
        SlotRange { first, end: end.max(first) }
    }

    pub fn len(self) -> u64 {
        self.end - self.first
    }

    pub fn is_empty(self) -> bool {
        self.end == self.first
    }

    pub fn contains(self, slot: u64) -> bool {
        (self.first..self.end).contains(&slot)
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rate_is_read_exactly_or_refused() {
        let check = |text: &str, expected: Option<(i64, i64)>| {
            let read = text.parse::<Rational>().ok().map(|rate| (rate.num(), rate.den()));
            assert_eq!(read, expected, "{text}");
        };
        check("60", Some((60, 1)));
        check("60000/1001", Some((60_000, 1001)));
        check("120/2", Some((60, 1)));
        check("23.976", Some((24_000, 1001)));
        check("12.5", Some((25, 2)));
        check("1/0", None);
        check("fast", None);
        check("", None);
        check("1.1234567890", None);
        check("1.-5", None);
    }

    #[test]
    fn a_moment_is_written_as_each_surface_wants_it() {
        let moment = Timestamp(1_782_900_270_120_999);
        assert_eq!(moment.to_iso_seconds(), "2026-07-01T10:04:30Z");
        assert_eq!(moment.to_iso_millis(), "2026-07-01T10:04:30.120Z");
        assert_eq!(Timestamp(1_782_900_270_000_000).to_iso_millis(), "2026-07-01T10:04:30.000Z");
    }

    proptest! {
        #[test]
        fn fractions_compare_like_their_cross_products(a in -10_000_i64..10_000, b in 1_i64..10_000, c in -10_000_i64..10_000, d in 1_i64..10_000) {
            let (left, right) = (Rational::new(a, b).unwrap(), Rational::new(c, d).unwrap());
            prop_assert_eq!(left.cmp(&right), (a * d).cmp(&(c * b)));
        }

        #[test]
        fn a_written_fraction_reads_back(a in -100_000_i64..100_000, b in 1_i64..100_000) {
            let rate = Rational::new(a, b).unwrap();
            prop_assert_eq!(rate.to_string().parse::<Rational>().unwrap(), rate);
        }
    }
}
