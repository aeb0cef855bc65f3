//! The agent's availability by examples.

use super::*;
use jiff::civil::date;

fn settings(hours: &[&str], yielding: Yielding) -> Config {
    let defaults = crate::config::load(None, Some(Default::default()), &Default::default()).unwrap();
    Config { hours: hours::Hours::read(hours.iter().copied()).unwrap(), yielding, ..defaults }
}

fn lookout(hours: &[&str], yielding: Yielding) -> (Lookout, Gate) {
    Lookout::new(watch::channel(settings(hours, yielding)).1)
}

/// A Wednesday noon.
fn noon(zone: &str) -> Zoned {
    date(2026, 7, 1).at(12, 0, 30, 0).in_tz(zone).unwrap()
}

#[tokio::test]
async fn it_sleeps_by_local_hours_and_says_until_when() {
    let (mut lookout, _) = lookout(&["mon-fri 18:00-08:00"], Yielding::default());
    let Availability::Asleep { until } = lookout.look(&noon("Europe/Berlin")).await else { panic!("it is noon") };
    assert_eq!(until.to_iso_seconds(), "2026-07-01T16:00:00Z");
    let night = date(2026, 7, 1).at(18, 0, 0, 0).in_tz("Europe/Berlin").unwrap();
    assert_eq!(lookout.look(&night).await, Availability::Ready);
}

#[tokio::test]
async fn it_yields_to_a_file_and_comes_back_when_the_machine_was_quiet_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("busy");
    let (mut lookout, _) = lookout(&[], Yielding { file: Some(file.clone()), ..Yielding::default() });
    assert_eq!(lookout.look(&noon("UTC")).await, Availability::Ready);
    std::fs::write(&file, "").unwrap();
    let in_use = Availability::InUse { reason: "the file busy is there".to_owned() };
    assert_eq!(lookout.look(&noon("UTC")).await, in_use);
    std::fs::remove_file(&file).unwrap();
    let later = |span: Duration| noon("UTC").saturating_add(span);
    assert_eq!(lookout.look(&later(QUIET / 2)).await, in_use, "who was disturbed is left alone");
    assert_eq!(lookout.look(&later(QUIET)).await, Availability::Ready);
}

#[tokio::test]
async fn a_command_that_succeeds_says_that_the_machine_is_in_use() {
    let says = async |command: &str| {
        let (mut lookout, _) = lookout(&[], Yielding { command: Some(command.to_owned()), ..Yielding::default() });
        lookout.look(&noon("UTC")).await
    };
    assert!(matches!(says("true").await, Availability::InUse { .. }));
    assert_eq!(says("false").await, Availability::Ready);
    assert_eq!(says("exec /nowhere").await, Availability::Ready);
}

#[tokio::test]
async fn a_configuration_that_is_read_again_counts_at_once() {
    let (config, seen) = watch::channel(settings(&[], Yielding::default()));
    let (lookout, gate) = Lookout::new(seen);
    let looking = tokio::spawn(lookout.run());
    config.send_replace(settings(&[], Yielding { command: Some("true".to_owned()), ..Yielding::default() }));
    gate.closed().await;
    assert!(!looking.is_finished());
    looking.abort();
}

#[tokio::test]
async fn the_gate_closes_and_opens_as_the_lookout_says() {
    let (lookout, gate) = lookout(&[], Yielding::default());
    assert!(gate.is_open());
    lookout.told.send_replace(Availability::InUse { reason: "a game".to_owned() });
    gate.closed().await;
    assert!(!gate.is_open());
    lookout.told.send_replace(Availability::Ready);
    gate.opened().await;
    assert!(gate.is_open());
}
