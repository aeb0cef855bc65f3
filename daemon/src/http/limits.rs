//! How many requests one address and one key may send: counted at the edge, before anything has an effect.

use super::{error::Failure, serve::Peer};
use crate::live::Live;
use axum::{
    extract::Request,
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{Quota, RateLimiter, clock::Clock, state::keyed::DefaultKeyedStateStore};
use sha2::{Digest, Sha256};
use std::{
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Seconds' worth of requests that may come at once: clients that poll every 3 s may all do it in the same moment.
const BURST_SECONDS: u32 = 3;
/// Whoever has not asked for a while is forgotten, looked for once in so many requests.
const FORGET_EVERY: u32 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateRules {
    pub per_second_address: u32,
    pub per_second_key: u32,
    /// Whether the last entry of `X-Forwarded-For` is the client's address.
    pub behind_proxy: bool,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct RateLimits(Live<Counters>);

struct Counters {
    rules: RateRules,
    ticks: Ticks,
    addresses: Counter<IpAddr>,
    /// By hash: no key lies in memory longer than its request.
    keys: Counter<[u8; 32]>,
    until_forgetting: AtomicU32,
}

type Counter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, Ticks>;

/// What time it is for the counters.
#[derive(Clone, Copy, Debug)]
struct Ticks(fn() -> Instant);

impl Clock for Ticks {
    type Instant = Instant;

    fn now(&self) -> Instant {
        (self.0)()
    }
}

impl Counters {
    fn new(rules: RateRules, ticks: Ticks) -> Counters {
        let RateRules { per_second_address, per_second_key, .. } = rules;
        Counters {
            rules,
            ticks,
            addresses: Counter::new(quota(per_second_address), Default::default(), ticks),
            keys: Counter::new(quota(per_second_key), Default::default(), ticks),
            until_forgetting: AtomicU32::new(FORGET_EVERY),
        }
    }
}

impl RateLimits {
    pub fn new(rules: RateRules) -> RateLimits {
        RateLimits(Live::new(Counters::new(rules, Ticks(Instant::now))))
    }

    /// For tests: no second passes, however long the machine takes.
    #[cfg(test)]
    pub fn standing_still(rules: RateRules) -> RateLimits {
        static ONE_MOMENT: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        RateLimits(Live::new(Counters::new(rules, Ticks(|| *ONE_MOMENT))))
    }

    /// Counts from nothing where the rules change, and goes on where they do not.
    pub fn set(&self, rules: RateRules) {
        let now = self.0.now();
        if now.rules != rules {
            self.0.set(Counters::new(rules, now.ticks));
        }
    }

    /// Counts a request; how long to wait when it is one too many.
    fn count(&self, address: Option<IpAddr>, key: Option<[u8; 32]>) -> Result<(), Duration> {
        let counters = self.0.now();
        let Counters { addresses, keys, until_forgetting, .. } = &*counters;
        if until_forgetting.fetch_sub(1, Ordering::Relaxed) == 1 {
            addresses.retain_recent();
            keys.retain_recent();
            until_forgetting.store(FORGET_EVERY, Ordering::Relaxed);
        }
        address.map_or(Ok(()), |address| one(addresses, &address))?;
        key.map_or(Ok(()), |key| one(keys, &key))
    }
}

fn quota(per_second: u32) -> Quota {
    let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(per_second.saturating_mul(BURST_SECONDS)))
}

fn one<K: Clone + Hash + Eq>(counter: &Counter<K>, key: &K) -> Result<(), Duration> {
    counter.check_key(key).map_err(|early| early.wait_time_from(counter.clock().now()))
}

/// Lets a request pass, or refuses it before anyone has looked at it.
pub async fn check(limits: RateLimits, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let address = client_address(peer, request.headers(), limits.0.now().rules.behind_proxy);
    let credential = request.headers().get("x-api-key").or_else(|| request.headers().get(header::AUTHORIZATION));
    let key = credential.map(|value| Sha256::digest(value.as_bytes()).into());
    match limits.count(address, key) {
        Ok(()) => next.run(request).await,
        Err(wait) => Failure::TooMany(wait).into_response(),
    }
}

/// Whose requests are counted together. A network hands a machine a whole /64, so it counts as one address.
fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, behind_proxy: bool) -> Option<IpAddr> {
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back().filter(|_| behind_proxy);
    let last = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    Some(match last.or(peer)?.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_address_is_the_peers_unless_a_proxy_of_ours_says_whose() {
        let check = |peer: &str, forwarded: &[&'static str], behind_proxy: bool, expected: &str| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            let found = client_address(Some(peer.parse().unwrap()), &headers, behind_proxy);
            assert_eq!(found, Some(expected.parse().unwrap()), "{peer} {forwarded:?} {behind_proxy}");
        };
        check("10.0.0.1", &[], true, "10.0.0.1");
        check("10.0.0.1", &["1.2.3.4"], false, "10.0.0.1");
        check("10.0.0.1", &["1.2.3.4, 5.6.7.8"], true, "5.6.7.8");
        check("10.0.0.1", &["1.2.3.4", "5.6.7.8"], true, "5.6.7.8");
        check("10.0.0.1", &["unknown"], true, "10.0.0.1");
        check("2001:db8:1:2:3:4:5:6", &[], false, "2001:db8:1:2::");
        check("::ffff:10.0.0.1", &[], false, "10.0.0.1");
    }

    #[test]
    fn a_thousand_clients_that_poll_in_one_moment_fit_what_is_allowed_by_default() {
        let limits = RateLimits::new(RateRules { per_second_address: 600, per_second_key: 400, behind_proxy: false });
        let address = Some(IpAddr::from([10, 0, 0, 1]));
        assert!((0..1000).all(|_| limits.count(address, Some([1; 32])).is_ok()));
    }

    #[test]
    fn one_address_or_key_does_not_use_up_anothers_share() {
        let rules = RateRules { per_second_address: 1, per_second_key: 1, behind_proxy: false };
        let limits = RateLimits::standing_still(rules);
        let address = |last| Some(IpAddr::from([10, 0, 0, last]));
        assert!((0..3).all(|_| limits.count(address(1), None).is_ok()));
        assert!(limits.count(address(1), None).is_err_and(|wait| wait > Duration::ZERO));
        assert!(limits.count(address(2), Some([1; 32])).is_ok());
        assert!((3..5).all(|last| limits.count(address(last), Some([1; 32])).is_ok()));
        assert!(limits.count(address(5), Some([1; 32])).is_err());
        assert!(limits.count(address(5), Some([2; 32])).is_ok());
    }

    #[test]
    fn whoever_stays_away_is_forgotten() {
        let limits =
            RateLimits::new(RateRules { per_second_address: 1_000_000, per_second_key: 1, behind_proxy: false });
        for number in 0..FORGET_EVERY * 2 {
            let _ = limits.count(Some(IpAddr::from(number.to_be_bytes())), None);
        }
        assert!(limits.0.now().addresses.len() <= FORGET_EVERY as usize + 1, "{}", limits.0.now().addresses.len());
    }
}
