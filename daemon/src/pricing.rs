//! Prices: what a conversion costs, from whole seconds and the target rate only. Pure; the constants here are also
//! what `GET /pricing/config` shows, so that the two cannot differ.

use crate::model::Currency;
use tweenfarm_protocol::{Rational, Xeconds};

/// Targets the farm accepts, in frames per second.
pub const TARGET_FPS: std::ops::RangeInclusive<u32> = 24..=240;
/// The longest clip, in seconds.
pub const DURATION_SECONDS_MAX: u64 = 120;
/// Slack over `DURATION_SECONDS_MAX` in milliseconds: containers round the length of the last frame up.
const DURATION_SLACK_MS: i64 = 50;
/// The largest upload: 250 MiB.
pub const VIDEO_BYTES_MAX: u64 = 262_144_000;
/// What a new trial account starts with.
pub const TRIAL_XECONDS: Xeconds = Xeconds(120);

/// A price band: targets above the previous band's ceiling and up to `ceiling_fps` cost `multiplier` a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    pub id: &'static str,
    pub ceiling_fps: u32,
    pub multiplier: i64,
}

pub const SMOOTH: Band = Band { id: "smooth", ceiling_fps: 60, multiplier: 1 };
pub const SLOMO: Band = Band { id: "slomo", ceiling_fps: 120, multiplier: 2 };
pub const ULTRA: Band = Band { id: "ultra", ceiling_fps: *TARGET_FPS.end(), multiplier: 4 };
/// Lowest ceiling first.
pub const BANDS: [Band; 3] = [SMOOTH, SLOMO, ULTRA];

/// A pack of xeconds on sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditPack {
    pub id: &'static str,
    pub name: &'static str,
    pub price_usd: u32,
    pub price_inr: u32,
    pub xeconds: Xeconds,
    pub most_popular: bool,
}

pub const CREDIT_PACKS: [CreditPack; 3] = [
    CreditPack {
        id: "starter",
        name: "Starter",
        price_usd: 5,
        price_inr: 399,
        xeconds: Xeconds(600),
        most_popular: false,
    },
    CreditPack {
        id: "power",
        name: "Power",
        price_usd: 25,
        price_inr: 1999,
        xeconds: Xeconds(4000),
        most_popular: true,
    },
    CreditPack {
        id: "pro",
        name: "Pro",
        price_usd: 50,
        price_inr: 3999,
        xeconds: Xeconds(10_000),
        most_popular: false,
    },
];

impl CreditPack {
    /// In hundredths of the currency: cents, paise.
    pub fn price_hundredths(&self, currency: Currency) -> i64 {
        100 * i64::from(match currency {
            Currency::Usd => self.price_usd,
            Currency::Inr => self.price_inr,
        })
    }
}

/// The pack on sale under this id.
pub fn pack(id: &str) -> Option<CreditPack> {
    CREDIT_PACKS.into_iter().find(|pack| pack.id == id)
}

/// The band of a target rate; `None` outside `TARGET_FPS`.
pub fn band(target_fps: u32) -> Option<Band> {
    BANDS.into_iter().find(|band| TARGET_FPS.contains(&target_fps) && target_fps <= band.ceiling_fps)
}

/// Seconds that are paid for: the whole seconds of the clip, at least one. `None` for a duration that is not a
/// positive time, or too long to be a number of seconds.
pub fn billed_seconds(duration: Rational) -> Option<i64> {
    duration.is_positive().then(|| duration.num().div_euclid(duration.den()).max(1))
}

/// As `billed_seconds`, for a duration that a client sent as a decimal number.
pub fn billed_seconds_of_number(duration_seconds: f64) -> Option<i64> {
    // Above 2^53 a float no longer counts whole seconds.
    const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
    (duration_seconds > 0.0 && duration_seconds < EXACT_BELOW).then(|| (duration_seconds.floor() as i64).max(1))
}

/// The price of a conversion.
pub fn charge(billed_seconds: i64, band: Band) -> Option<Xeconds> {
    billed_seconds.checked_mul(band.multiplier).map(Xeconds)
}

/// The smallest whole multiplication of the source rate that reaches the target. Informative: it changes no price.
/// `None` when the quotient is no whole number a float can count.
pub fn interp_factor(input_fps: f64, target_fps: u32) -> Option<u64> {
    // 1e-9 keeps float noise of an exact quotient (29.97 → 59.94) from costing one step more.
    let factor = (f64::from(target_fps) / input_fps - 1e-9).ceil();
    (1.0..9_007_199_254_740_992.0).contains(&factor).then_some(factor as u64)
}

/// Whether a clip is short enough; exactly the limit passes, and a little slack.
pub fn duration_allowed(duration: Rational, seconds_max: u64) -> bool {
    let longest_ms = i128::from(seconds_max) * 1000 + i128::from(DURATION_SLACK_MS);
    i128::from(duration.num()) * 1000 <= longest_ms * i128::from(duration.den())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract's table: duration, source rate, target → billed, band, multiplier, charged, factor.
    #[test]
    fn every_row_of_the_contract_is_priced_as_written() {
        let check = |duration: f64, source: f64, target: u32, expected: (i64, &str, i64, i64, u64)| {
            let billed = billed_seconds_of_number(duration).unwrap();
            let band = band(target).unwrap();
            let charged = charge(billed, band).unwrap();
            let factor = interp_factor(source, target).unwrap();
            assert_eq!(
                (billed, band.id, band.multiplier, charged.0, factor),
                expected,
                "{duration} s, {source} → {target}"
            );
            let exact = Rational::new((duration * 1000.0).round() as i64, 1000).unwrap();
            assert_eq!(billed_seconds(exact), Some(billed), "{duration} s as a fraction");
        };
        check(30.0, 24.0, 60, (30, "smooth", 1, 30, 3));
        check(0.4, 24.0, 48, (1, "smooth", 1, 1, 2));
        check(0.999, 24.0, 61, (1, "slomo", 2, 2, 3));
        check(12.9, 30.0, 60, (12, "smooth", 1, 12, 2));
        check(12.9, 30.0, 61, (12, "slomo", 2, 24, 3));
        check(45.0, 23.976, 120, (45, "slomo", 2, 90, 6));
        check(45.0, 23.976, 121, (45, "ultra", 4, 180, 6));
        check(119.99, 29.97, 240, (119, "ultra", 4, 476, 9));
        check(9.0, 59.94, 60, (9, "smooth", 1, 9, 2));
        check(9.0, 29.97, 60, (9, "smooth", 1, 9, 3));
        // Row 11, 60 → 60, is refused by the route: there is nothing to price.
        check(60.0, 24.0, 120, (60, "slomo", 2, 120, 5));
        check(61.2, 24.0, 120, (61, "slomo", 2, 122, 5));
    }

    #[test]
    fn a_pack_costs_what_the_price_list_says() {
        let check = |id: &str, usd: i64, inr: i64| {
            let pack = pack(id).unwrap();
            assert_eq!(
                (pack.price_hundredths(Currency::Usd), pack.price_hundredths(Currency::Inr)),
                (usd, inr),
                "{id}"
            );
        };
        check("starter", 500, 39_900);
        check("power", 2_500, 199_900);
        check("pro", 5_000, 399_900);
        assert_eq!(pack("Starter"), None);
    }

    #[test]
    fn a_target_outside_the_range_has_no_band() {
        let check = |target: u32, expected: Option<&str>| assert_eq!(band(target).map(|band| band.id), expected);
        check(23, None);
        check(24, Some("smooth"));
        check(60, Some("smooth"));
        check(61, Some("slomo"));
        check(120, Some("slomo"));
        check(121, Some("ultra"));
        check(240, Some("ultra"));
        check(241, None);
    }

    #[test]
    fn a_duration_that_is_no_time_has_no_price() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(billed_seconds_of_number(wrong), None, "{wrong}");
        }
        assert_eq!(billed_seconds(Rational::ZERO), None);
        assert_eq!(charge(i64::MAX, ULTRA), None);
        assert_eq!(interp_factor(1e-300, 60), None);
    }

    #[test]
    fn exact_multiples_are_not_rounded_up_by_float_noise() {
        assert_eq!(interp_factor(29.97, 60), Some(3));
        assert_eq!(interp_factor(0.1 + 0.2, 24), Some(80));
        assert_eq!(interp_factor(20.0, 60), Some(3));
    }

    #[test]
    fn two_minutes_and_a_little_slack_are_allowed() {
        let check = |num: i64, den: i64, expected: bool| {
            assert_eq!(
                duration_allowed(Rational::new(num, den).unwrap(), DURATION_SECONDS_MAX),
                expected,
                "{num}/{den}"
            );
        };
        check(120, 1, true);
        check(12_005, 100, true);
        check(120_051, 1000, false);
        check(121, 1, false);
    }
}
