//! Histories from a seed: agents that die, hang, lie, are slow or cut off and come back late; workers that break; a clock
//! that jumps; a daemon that restarts; an operator who pauses, drains, cancels, undoes and tries again. Whatever happens: money is
//! conserved, every slot of an output is rendered exactly once, a job ends once, and everything ends once the trouble is over.
//!
//! `SEED=17 cargo test -p tweenfarm-daemon --test histories` plays one history again.

mod attempts;
mod dice;
mod operator;
#[path = "../scene/mod.rs"]
mod scene;
mod waiting;
mod world;

use std::collections::BTreeMap;
use tweenfarm_daemon::model::{EntryKind, JobEnd};
use tweenfarm_protocol::{JobId, Xeconds};
use world::{Plot, World};

/// A twentieth of a second of one core each.
const HISTORIES: u64 = 2_000;
/// A day: far longer than the work there is, by the slowest agent alone.
const LIMIT_SECONDS: u64 = 24 * 60 * 60;

const TROUBLE: Plot =
    Plot { agents: 4, accounts: &[("ada", 1), ("bob", 3), ("eve", 1)], trouble_seconds: 300, submits: 6 };

fn seeds(count: u64) -> std::ops::Range<u64> {
    let one = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED is a number"));
    one.map_or(0..count, |seed: u64| seed..seed + 1)
}

#[derive(Debug, Default)]
struct Ends {
    done: u32,
    failed: u32,
    cancelled: u32,
    undone: u32,
    retried: u32,
}

fn check_money(world: &World) -> BTreeMap<JobId, (u32, u32)> {
    let farm = &world.scene.farm;
    let mut bookings: BTreeMap<JobId, (u32, u32)> = BTreeMap::new();
    for (account, _) in &world.accounts {
        let (mut granted, mut charged, mut refunded) = (0, 0, 0);
        for entry in farm.entries(account.id).unwrap() {
            assert!(entry.balance_after >= Xeconds::ZERO, "overdrawn");
            match entry.kind {
                EntryKind::Charge { job } => {
                    charged -= entry.change.0;
                    bookings.entry(job).or_default().0 += 1;
                }
                EntryKind::Refund { job, .. } => {
                    refunded += entry.change.0;
                    bookings.entry(job).or_default().1 += 1;
                }
                _ => granted += entry.change.0,
            }
        }
        assert_eq!(granted + refunded, world.scene.balance(account) + charged);
    }
    assert!(farm.audit().unwrap().differences.is_empty());
    bookings
}

fn check_end(world: &World, ends: &mut Ends) {
    let bookings = check_money(world);
    assert_eq!(bookings.keys().filter(|job| !world.jobs.contains(job)).count(), 0);
    for id in &world.jobs {
        let job = world.scene.farm.job(*id).unwrap().unwrap().job;
        let undone = world.undone.get(id).copied().unwrap_or(0);
        let retried = world.retried.get(id).copied().unwrap_or(0);
        let (charges, refunds) = bookings[id];
        let runs = 1 + undone + retried;
        assert_eq!(charges, runs, "{id} is charged once, and once for each time that it went on after its end");
        (ends.undone, ends.retried) = (ends.undone + undone, ends.retried + retried);
        match world.scene.end(*id) {
            JobEnd::Done { facts, .. } => {
                ends.done += 1;
                assert_eq!(refunds, runs - 1, "{id} is done and refunded");
                assert_eq!(facts.frames, job.slot_count);
                assert_eq!(world.joined.get(id), Some(&1));
                assert_eq!(world.marked.get(id).copied().unwrap_or(0), u32::from(job.watermarked));
                let mut slots = world.accepted[id].clone();
                slots.sort_by_key(|range| range.first);
                let end = slots.iter().fold(0, |reached, range| {
                    assert_eq!(range.first, reached, "a slot of {id} was rendered twice or never");
                    range.end
                });
                assert_eq!(end, job.slot_count);
            }
            JobEnd::Failed { error, .. } => {
                ends.failed += 1;
                assert!(!error.is_empty());
                assert_eq!(refunds, charges, "{id} failed and is refunded each time it was charged");
            }
            JobEnd::Cancelled { .. } => {
                ends.cancelled += 1;
                assert_eq!(refunds, charges, "{id} is cancelled and refunded each time it was charged");
            }
        }
    }
}

#[tokio::test]
async fn whatever_happens_every_job_ends_once_and_is_paid_for_once_if_it_is_done() {
    let mut ends = Ends::default();
    for seed in seeds(HISTORIES) {
        println!("seed {seed}");
        let mut world = World::new(seed, TROUBLE).await;
        assert!(world.play(LIMIT_SECONDS).await, "something waits for ever");
        check_end(&world, &mut ends);
    }
    // A simulation that never got anywhere would prove nothing.
    let Ends { done, failed, cancelled, undone, retried } = ends;
    let far = [done, failed, cancelled, undone, retried].iter().all(|count| *count > 10);
    assert!(std::env::var("SEED").is_ok() || far, "{ends:?}");
}

#[tokio::test]
async fn a_seed_is_a_history() {
    for seed in seeds(5) {
        let mut traces = Vec::new();
        for _ in 0..2 {
            let mut world = World::new(seed, TROUBLE).await;
            world.play(LIMIT_SECONDS).await;
            traces.push(world.trace);
        }
        assert_eq!(traces[0], traces[1], "seed {seed}");
    }
}

#[tokio::test]
async fn accounts_share_a_busy_farm_by_their_weights() {
    const WEIGHTS: &[(&str, u32)] = &[("ada", 1), ("bob", 2), ("eve", 4)];
    for seed in seeds(3) {
        let plot = Plot { agents: 3, accounts: WEIGHTS, trouble_seconds: 0, submits: 90 };
        let mut world = World::new(seed, plot).await;
        // Long before anybody's work is done.
        world.play(120).await;
        let mut work = [0_u64; 3];
        for (job, slots) in &world.accepted {
            let job = world.scene.farm.job(*job).unwrap().unwrap().job;
            let whose = world.accounts.iter().position(|(account, _)| account.id == job.account).unwrap();
            work[whose] += slots.iter().map(|range| range.len()).sum::<u64>();
        }
        println!("seed {seed}: {work:?}");
        let all: u64 = work.iter().sum();
        for (whose, (name, weight)) in WEIGHTS.iter().enumerate() {
            let (share, due) = (work[whose] as f64 / all as f64, f64::from(*weight) / 7.0);
            assert!((share - due).abs() < 0.08, "seed {seed}: {name} got {share:.3} where {due:.3} was due");
        }
    }
}

#[tokio::test]
async fn nobody_in_line_waits_for_what_is_to_be_had() {
    let mut handed = 0;
    for seed in seeds(60) {
        println!("seed {seed}");
        let mut waiting = waiting::Waiting::new(seed).await;
        waiting.play(150).await;
        handed += waiting.handed;
    }
    assert!(std::env::var("SEED").is_ok() || handed > 500, "{handed}");
}
