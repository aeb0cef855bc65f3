//! Whose turn it is: weighted fair queueing between accounts, over the work that is handed out.
//!
//! Each account has a virtual time, which runs ahead by the work it is given, divided by its weight; the account that is
//! furthest behind is next. Who had nothing to do does not save up time for later. In memory only: after a restart all
//! begin alike.

use crate::model::Weight;
use std::collections::HashMap;
use tweenfarm_protocol::AccountId;

/// Virtual time of one unit of work at weight 1; divides by every weight up to 1000 with little left over.
const SCALE: u128 = 1000;
/// Accounts whose time has been overtaken are forgotten when there are more than this.
const KEPT: usize = 1024;

#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Nobody with work to do is behind it.
    now: u128,
    ahead: HashMap<AccountId, u128>,
}

impl Turns {
    /// Where an account stands: the least is next.
    pub fn of(&self, account: AccountId) -> u128 {
        self.ahead.get(&account).map_or(self.now, |ahead| self.now.max(*ahead))
    }

    /// An account was given work. `least` is where that one stood of all with work to do who is furthest behind.
    pub fn given(&mut self, account: AccountId, weight: Weight, work: u64, least: u128) {
        let ahead = self.of(account).saturating_add(time(weight, work));
        self.now = self.now.max(least);
        self.ahead.insert(account, ahead);
        if self.ahead.len() > KEPT {
            let now = self.now;
            self.ahead.retain(|_, ahead| *ahead > now);
        }
    }

    /// The work came back undone, through no fault of the account's: it is not counted.
    pub fn given_back(&mut self, account: AccountId, weight: Weight, work: u64) {
        if let Some(ahead) = self.ahead.get_mut(&account) {
            *ahead = ahead.saturating_sub(time(weight, work));
        }
    }
}

fn time(weight: Weight, work: u64) -> u128 {
    u128::from(work).saturating_mul(SCALE) / u128::from(weight.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn account(number: usize) -> AccountId {
        AccountId(Uuid::from_u128(number as u128))
    }

    /// Serves whoever is furthest behind, `rounds` times; the work each was given.
    fn serve(turns: &mut Turns, weights: &[u32], sizes: impl Fn(usize, usize) -> u64, rounds: usize) -> Vec<u64> {
        let mut given = vec![0; weights.len()];
        for round in 0..rounds {
            let (least, next) = (0..weights.len()).map(|number| (turns.of(account(number)), number)).min().unwrap();
            let work = sizes(next, round);
            turns.given(account(next), Weight::new(weights[next]).unwrap(), work, least);
            given[next] += work;
        }
        given
    }

    #[test]
    fn twice_the_weight_is_twice_the_work_whatever_the_pieces_are() {
        let given = serve(&mut Turns::default(), &[1, 2, 5], |who, _| [700, 30, 110][who], 10_000);
        let unit = given[0] as f64;
        assert!((given[1] as f64 / unit - 2.0).abs() < 0.02, "{given:?}");
        assert!((given[2] as f64 / unit - 5.0).abs() < 0.05, "{given:?}");
    }

    #[test]
    fn who_comes_late_neither_waits_for_the_past_nor_is_paid_for_it() {
        let mut turns = Turns::default();
        serve(&mut turns, &[1], |_, _| 100, 1_000);
        let given = serve(&mut turns, &[1, 1], |_, _| 100, 100);
        assert!(given[0] >= 4_900 && given[1] >= 4_900, "{given:?}");
    }

    #[test]
    fn work_that_came_back_is_not_counted() {
        let (mut turns, ann) = (Turns::default(), account(1));
        let before = turns.of(ann);
        turns.given(ann, Weight::default(), 100, before);
        assert!(turns.of(ann) > before);
        turns.given_back(ann, Weight::default(), 100);
        assert_eq!(turns.of(ann), before);
    }

    proptest! {
        /// Whatever weights and sizes: no two accounts that always have work are further apart than one piece of each.
        #[test]
        fn nobody_falls_behind_by_more_than_a_piece(
            weights in prop::collection::vec(1_u32..=1000, 2..6),
            sizes in prop::collection::vec(1_u64..10_000, 8),
        ) {
            let mut turns = Turns::default();
            let given = serve(&mut turns, &weights, |who, round| sizes[(who + round) % 8], 500);
            let largest = *sizes.iter().max().unwrap() as f64;
            for (a, b) in (0..weights.len()).flat_map(|a| (0..weights.len()).map(move |b| (a, b))) {
                let share = |who: usize| given[who] as f64 / f64::from(weights[who]);
                let bound = largest / f64::from(weights[a]) + largest / f64::from(weights[b]);
                prop_assert!(share(a) - share(b) <= bound + 1.0, "{given:?}");
            }
        }
    }
}
