//! Whose turn it is: weighted fair queueing between accounts, over the work that is handed out.
//!
//! Each account has a virtual time, which runs ahead by the work it is given, divided by its weight; the account that is
//! furthest behind is next. Who had nothing to do does not save up time for later. In memory only: after a restart all
//! begin alike.

use crate::model::{JobPlace, Weight};
use std::collections::{BTreeSet, HashMap};
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
    /// Of accounts with work to do, the job that decides among equals.
    places: HashMap<AccountId, JobPlace>,
    /// Those of them that stand at `now`: whose job is the oldest is next.
    level: BTreeSet<(JobPlace, AccountId)>,
    /// The others.
    later: BTreeSet<(u128, JobPlace, AccountId)>,
}

impl Turns {
    /// Where an account stands: the least is next.
    pub fn of(&self, account: AccountId) -> u128 {
        self.ahead.get(&account).map_or(self.now, |ahead| self.now.max(*ahead))
    }

    /// Accounts with work to do and where they stand, in turn.
    pub fn in_turn(&self) -> impl Iterator<Item = (u128, AccountId)> {
        let level = self.level.iter().map(|(_, account)| (self.now, *account));
        level.chain(self.later.iter().map(|(ahead, _, account)| (*ahead, *account)))
    }

    /// An account has work to do, or other work than before, of which this job stands for all; none where it has none.
    pub fn has_work(&mut self, account: AccountId, place: Option<JobPlace>) {
        self.leave(account);
        match place {
            Some(place) => drop(self.places.insert(account, place)),
            None => drop(self.places.remove(&account)),
        }
        self.stand(account);
    }

    /// An account was given work. `least` is where that one stood of all with work to do who is furthest behind.
    pub fn given(&mut self, account: AccountId, weight: Weight, work: u64, least: u128) {
        let ahead = self.of(account).saturating_add(time(weight, work));
        self.leave(account);
        self.ahead.insert(account, ahead);
        self.stand(account);
        self.pass(least);
        if self.ahead.len() > KEPT {
            let now = self.now;
            self.ahead.retain(|_, ahead| *ahead > now);
        }
    }

    /// The work came back undone, through no fault of the account's: it is not counted.
    pub fn given_back(&mut self, account: AccountId, weight: Weight, work: u64) {
        self.leave(account);
        if let Some(ahead) = self.ahead.get_mut(&account) {
            *ahead = ahead.saturating_sub(time(weight, work));
        }
        self.stand(account);
    }

    fn leave(&mut self, account: AccountId) {
        let Some(place) = self.places.get(&account).copied() else { return };
        if !self.level.remove(&(place, account)) {
            self.later.remove(&(self.of(account), place, account));
        }
    }

    fn stand(&mut self, account: AccountId) {
        let Some(place) = self.places.get(&account).copied() else { return };
        match self.of(account) {
            at if at > self.now => drop(self.later.insert((at, place, account))),
            _ => drop(self.level.insert((place, account))),
        }
    }

    /// Time goes on; who is overtaken stands level with all the others.
    fn pass(&mut self, now: u128) {
        self.now = self.now.max(now);
        while let Some((ahead, place, account)) = self.later.first().copied()
            && ahead <= self.now
        {
            self.later.pop_first();
            self.level.insert((place, account));
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
    use tweenfarm_protocol::Timestamp;
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
        /// The order that is kept is the one that sorting would give.
        #[test]
        fn who_is_next_is_known_without_looking_at_all(
            steps in prop::collection::vec((0_usize..5, 0_u8..4, 1_u64..1_000, 0_i64..50), 1..120),
        ) {
            let mut turns = Turns::default();
            let mut working = BTreeSet::new();
            for (who, what, size, at) in steps {
                let least = turns.in_turn().next().map_or(0, |(least, _)| least);
                match what {
                    0 => {
                        working.insert(who);
                        turns.has_work(account(who), Some(JobPlace::before(Timestamp(at))));
                    }
                    1 => {
                        working.remove(&who);
                        turns.has_work(account(who), None);
                    }
                    2 => turns.given(account(who), Weight::default(), size, least),
                    _ => turns.given_back(account(who), Weight::default(), size),
                }
                let kept: Vec<_> = turns.in_turn().collect();
                let mut sorted: Vec<_> = working.iter().map(|who| (turns.of(account(*who)), account(*who))).collect();
                sorted.sort_by_key(|(stands, account)| (*stands, turns.places[account], *account));
                prop_assert_eq!(kept, sorted);
            }
        }

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
