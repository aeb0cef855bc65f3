//! How many requests a key may send a minute, by its account's plan: counted once it is known whose key it is, before
//! anything has an effect, and told in headers.

use crate::{
    http::error::Failure,
    live::Live,
    model::{KeyHash, Tier},
};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::{StateInformationMiddleware, StateSnapshot},
};
use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tweenfarm_protocol::AccountId;

/// Callers that have not asked for a while are forgotten, looked for once in so many requests.
const FORGET_EVERY: u32 = 4096;
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Requests a minute with one key; as many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanRules {
    pub per_minute_free: u32,
    pub per_minute_paid: u32,
}

/// What requests are counted by: the key, or the account of a sign-in token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    Key(KeyHash),
    SignedIn(AccountId),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct PlanLimits(Live<Plans>);

struct Plans {
    rules: PlanRules,
    free: Counter,
    paid: Counter,
}

struct Counter {
    callers: DefaultKeyedRateLimiter<Caller, StateInformationMiddleware>,
    until_forgetting: AtomicU32,
}

/// What is left to a caller after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until all of it is there again.
    pub reset_seconds: u64,
}

impl Plans {
    fn new(rules: PlanRules) -> Plans {
        let PlanRules { per_minute_free, per_minute_paid } = rules;
        Plans { rules, free: Counter::new(per_minute_free), paid: Counter::new(per_minute_paid) }
    }
}

impl PlanLimits {
    pub fn new(rules: PlanRules) -> PlanLimits {
        PlanLimits(Live::new(Plans::new(rules)))
    }

    /// Counts from nothing where the rules change, and goes on where they do not.
    pub fn set(&self, rules: PlanRules) {
        if self.0.now().rules != rules {
            self.0.set(Plans::new(rules));
        }
    }

    /// Counts a request; how long to wait when it is one too many.
    pub fn count(&self, caller: Caller, tier: Tier) -> Result<Standing, Duration> {
        match tier {
            Tier::Free => self.0.now().free.count(caller),
            Tier::Paid => self.0.now().paid.count(caller),
        }
    }
}

impl Counter {
    fn new(per_minute: u32) -> Counter {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        let callers = RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
        Counter { callers, until_forgetting: AtomicU32::new(FORGET_EVERY) }
    }

    fn count(&self, caller: Caller) -> Result<Standing, Duration> {
        if self.until_forgetting.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.callers.retain_recent();
            self.until_forgetting.store(FORGET_EVERY, Ordering::Relaxed);
        }
        let counted = self.callers.check_key(&caller);
        counted.map(Standing::of).map_err(|early| early.wait_time_from(DefaultClock::default().now()))
    }
}

impl Standing {
    fn of(snapshot: StateSnapshot) -> Standing {
        let quota = snapshot.quota();
        let (limit, remaining) = (quota.burst_size().get(), snapshot.remaining_burst_capacity());
        let missing = quota.replenish_interval() * limit.saturating_sub(remaining);
        Standing { limit, remaining, reset_seconds: missing.as_secs() + u64::from(missing.subsec_nanos() > 0) }
    }
}

/// Where who counts a request puts what is left, for the answer's headers.
#[derive(Clone, Default)]
pub struct Noted(Arc<Mutex<Option<Standing>>>);

impl Noted {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request of a caller whose credential is good.
pub fn count(limits: &PlanLimits, noted: Option<&Noted>, caller: Caller, tier: Tier) -> Result<(), Failure> {
    let standing = limits.count(caller, tier).map_err(Failure::TooMany)?;
    if let Some(noted) = noted {
        *noted.lock() = Some(standing);
    }
    Ok(())
}

/// Tells in headers what is left.
pub async fn tell(mut request: Request, next: Next) -> Response {
    let noted = Noted::default();
    request.extensions_mut().insert(noted.clone());
    let mut response = next.run(request).await;
    if let Some(standing) = *noted.lock() {
        write(response.headers_mut(), standing);
    }
    response
}

fn write(headers: &mut HeaderMap, standing: Standing) {
    let Standing { limit, remaining, reset_seconds } = standing;
    headers.insert(LIMIT, HeaderValue::from(limit));
    headers.insert(REMAINING, HeaderValue::from(remaining));
    headers.insert(RESET, HeaderValue::from(reset_seconds));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_the_share_of_its_plan_and_no_other_ones() {
        let limits = PlanLimits::new(PlanRules { per_minute_free: 2, per_minute_paid: 4 });
        let key = |number| Caller::Key(KeyHash([number; 32]));
        let left = |caller, tier| limits.count(caller, tier).map(|standing| (standing.limit, standing.remaining));
        assert_eq!(left(key(1), Tier::Free), Ok((2, 1)));
        assert_eq!(left(key(1), Tier::Free), Ok((2, 0)));
        assert!(left(key(1), Tier::Free).is_err_and(|wait| wait > Duration::ZERO && wait <= Duration::from_secs(60)));
        assert_eq!(left(key(2), Tier::Free), Ok((2, 1)));
        assert_eq!(left(key(3), Tier::Paid), Ok((4, 3)));
        assert_eq!(left(Caller::SignedIn(AccountId(uuid::Uuid::nil())), Tier::Free), Ok((2, 1)));
    }

    #[test]
    fn what_is_used_up_comes_back_within_the_minute() {
        let limits = PlanLimits::new(PlanRules { per_minute_free: 3, per_minute_paid: 3 });
        let seconds = [1, 2, 3]
            .map(|_| limits.count(Caller::Key(KeyHash([1; 32])), Tier::Paid).expect("within the limit").reset_seconds);
        assert_eq!(seconds, [20, 40, 60]);
    }
}
