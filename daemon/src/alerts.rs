//! What an operator should look at: facts of the farm in, alerts with their remedies out. No clock, no disk.

use std::time::Duration;
use tweenfarm_protocol::{
    Timestamp,
    operator::{Alert, Health},
};

/// A queue in which the oldest job has waited this long needs more workers, or fewer jobs.
const QUEUE_OLD: Duration = Duration::from_secs(15 * 60);
/// Who gets certificates elsewhere gets them weeks before the end.
const CERTIFICATE_ENDS: Duration = Duration::from_secs(14 * 24 * 3600);
const QUEUE_VERY_OLD: Duration = Duration::from_secs(2 * 3600);

/// What the farm is, as far as an alert can come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// False once a write has failed.
    pub store_works: bool,
    pub agents_connected: u32,
    /// Members that are not connected.
    pub agents_away: Vec<String>,
    /// Names of agents with a device that has yet to render the probe rightly.
    pub on_probation: Vec<String>,
    pub workers: u32,
    pub jobs_open: u64,
    pub queue_age: Option<Duration>,
    pub disk_free_bytes: Option<u64>,
    pub disk_reserve_bytes: u64,
    pub ledger_differences: u64,
    /// Sweeps whose last pass failed, and what they say.
    pub failed_sweeps: Vec<(String, String)>,
    /// Workers that are not given work because they failed too often: their names.
    pub resting: Vec<String>,
    /// Why nothing is handed out, when an operator wants it so.
    pub queue_paused: bool,
    /// Those that end within `CERTIFICATE_ENDS`, and how much is left; nothing when they are over.
    pub certificates_ending: Vec<(CertificateKind, Duration)>,
}

/// A certificate that nobody renews but a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub kind: CertificateKind,
    pub ends_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateKind {
    Authority,
    /// Of the operator API, from files.
    Operator,
}

/// The gravest first; those of one gravity in a fixed order.
pub fn of(facts: &Facts) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let mut raise = |health, alert: &str, text: String, remedy: &str| {
        alerts.push(Alert { alert: alert.to_owned(), health, text, remedy: remedy.to_owned() });
    };
    if !facts.store_works {
        let text = "the store could not be written: nothing is accepted any more".to_owned();
        raise(Health::Ill, "store_failed", text, "look at the disk and the daemon's log, then restart the daemon");
    }
    if facts.ledger_differences > 0 {
        let text = format!("{} accounts have a balance that differs from their entries", facts.ledger_differences);
        raise(Health::Ill, "ledger_differs", text, "the daemon's log names them; restore the store from a backup");
    }
    if facts.agents_connected == 0 {
        let health = if facts.jobs_open > 0 { Health::Ill } else { Health::Strained };
        let text = match facts.jobs_open {
            0 => "no agent is connected".to_owned(),
            jobs => format!("no agent is connected, and {jobs} jobs wait"),
        };
        let remedy = "start tweenfarm-agent on a machine with a GPU, or let one join: tweenfarm invite NAME";
        raise(health, "no_agents", text, remedy);
    }
    match facts.disk_free_bytes {
        Some(free) if free < facts.disk_reserve_bytes => {
            let text = format!("the blobs' disk has {} free: uploads are refused", megabytes(free));
            raise(
                Health::Ill,
                "disk_low",
                text,
                "free space, or shorten retention: tweenfarm sweep --dry-run says what is due",
            );
        }
        Some(free) if free < facts.disk_reserve_bytes.saturating_mul(2) => {
            let reserve = megabytes(facts.disk_reserve_bytes);
            let text = format!("the blobs' disk has {} free; below {reserve} uploads are refused", megabytes(free));
            raise(Health::Strained, "disk_low", text, "free space, or shorten retention");
        }
        _ => {}
    }
    if let Some(age) =
        facts.queue_age.filter(|age| *age >= QUEUE_OLD && facts.agents_connected > 0 && !facts.queue_paused)
    {
        let health = if age >= QUEUE_VERY_OLD { Health::Ill } else { Health::Strained };
        let text = format!("the oldest job in the queue has waited {} minutes", age.as_secs() / 60);
        raise(health, "queue_old", text, "add workers, or look why these do not take it: tweenfarm job JOB");
    }
    if facts.queue_paused {
        let text = "the queue is paused: nothing is handed out".to_owned();
        raise(Health::Strained, "queue_paused", text, "tweenfarm resume");
    }
    if facts.agents_connected > 0 && !facts.agents_away.is_empty() {
        let text = format!("not connected: {}", facts.agents_away.join(", "));
        raise(Health::Strained, "agents_away", text, "start them, or put them out: tweenfarm agents revoke NAME");
    }
    if !facts.on_probation.is_empty() {
        let text = format!("on probation: {}", facts.on_probation.join(", "));
        raise(Health::Strained, "agents_on_probation", text, "tweenfarm agents says what became of the probe");
    }
    if !facts.resting.is_empty() {
        let text = format!("given no work after failures: {}", facts.resting.join(", "));
        raise(
            Health::Strained,
            "workers_resting",
            text,
            "look at the log of a job that failed there: tweenfarm logs JOB",
        );
    }
    for (kind, left) in &facts.certificates_ending {
        let (whose, remedy) = match kind {
            CertificateKind::Authority => {
                ("the farm's authority", "delete authority.pem, restart the daemon, and let every agent join anew")
            }
            CertificateKind::Operator => (
                "the operator API's certificate",
                "renew the files that operator.certificate and operator.key name, and restart the daemon",
            ),
        };
        let (health, text) = match left.as_secs().div_ceil(24 * 3600) {
            0 => (Health::Ill, format!("{whose} is over: nobody who checks it comes in")),
            days => (Health::Strained, format!("{whose} ends in {days} days")),
        };
        raise(health, "certificate_ends", text, remedy);
    }
    for (sweep, text) in &facts.failed_sweeps {
        let text = format!("the sweep of {sweep} failed: {text}");
        raise(
            Health::Strained,
            "sweep_failed",
            text,
            "the next pass tries again; see the daemon's log if it does not help",
        );
    }
    alerts.sort_by_key(|alert| std::cmp::Reverse(alert.health));
    alerts
}

/// Those that a person has to look after now.
pub fn ending(certificates: &[Certificate], now: Timestamp) -> Vec<(CertificateKind, Duration)> {
    let left = certificates.iter().map(|certificate| (certificate.kind, certificate.ends_at.since(now)));
    left.filter(|(_, left)| *left <= CERTIFICATE_ENDS).collect()
}

/// The gravest of the alerts, or that there is none.
pub fn health(alerts: &[Alert]) -> Health {
    alerts.iter().map(|alert| alert.health).max().unwrap_or(Health::Well)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Facts {
        Facts {
            store_works: true,
            agents_connected: 1,
            workers: 1,
            disk_free_bytes: Some(100 << 30),
            disk_reserve_bytes: 2 << 30,
            ..Facts::default()
        }
    }

    fn check(facts: Facts, expected: &[(Health, &str)]) {
        let alerts = of(&facts);
        let found: Vec<_> = alerts.iter().map(|alert| (alert.health, alert.alert.as_str())).collect();
        assert_eq!(found, expected, "{facts:?}");
        assert!(alerts.iter().all(|alert| !alert.text.is_empty() && !alert.remedy.is_empty()));
        assert_eq!(health(&alerts), expected.first().map_or(Health::Well, |(health, _)| *health));
    }

    #[test]
    fn a_farm_is_well_when_nothing_is_to_be_done() {
        check(well(), &[]);
        check(Facts { queue_age: Some(QUEUE_OLD - Duration::from_secs(1)), jobs_open: 3, ..well() }, &[]);
    }

    #[test]
    fn the_gravest_comes_first() {
        use Health::{Ill, Strained};
        check(Facts { store_works: false, ..well() }, &[(Ill, "store_failed")]);
        check(Facts { agents_connected: 0, ..well() }, &[(Strained, "no_agents")]);
        check(Facts { agents_connected: 0, jobs_open: 1, ..well() }, &[(Ill, "no_agents")]);
        check(Facts { disk_free_bytes: Some(3 << 30), ..well() }, &[(Strained, "disk_low")]);
        check(Facts { disk_free_bytes: None, ..well() }, &[]);
        let bad = Facts {
            disk_free_bytes: Some(1 << 30),
            queue_age: Some(QUEUE_OLD),
            ledger_differences: 1,
            agents_away: vec!["gpu-2".into()],
            on_probation: vec!["gpu-3".into()],
            resting: vec!["gpu-1, worker 0".into()],
            failed_sweeps: vec![("retention".into(), "the disk is gone".into())],
            ..well()
        };
        let expected = [
            (Ill, "ledger_differs"),
            (Ill, "disk_low"),
            (Strained, "queue_old"),
            (Strained, "agents_away"),
            (Strained, "agents_on_probation"),
            (Strained, "workers_resting"),
            (Strained, "sweep_failed"),
        ];
        check(bad, &expected);
    }

    #[test]
    fn a_queue_that_is_paused_is_not_called_slow() {
        check(
            Facts { queue_paused: true, queue_age: Some(QUEUE_VERY_OLD), ..well() },
            &[(Health::Strained, "queue_paused")],
        );
    }

    #[test]
    fn a_certificate_that_only_a_person_renews_is_told_of_before_its_end_and_after_it() {
        let day = Duration::from_secs(24 * 3600);
        let certificates = |left: Duration| {
            [
                Certificate { kind: CertificateKind::Authority, ends_at: Timestamp(0).plus(day * 9_000) },
                Certificate { kind: CertificateKind::Operator, ends_at: Timestamp(0).plus(left) },
            ]
        };
        let told = |left: Duration, now: Duration| {
            let certificates_ending = ending(&certificates(left), Timestamp(0).plus(now));
            of(&Facts { certificates_ending, ..well() })
                .into_iter()
                .map(|alert| (alert.health, alert.text))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(day * 15, Duration::ZERO), []);
        let soon = "the operator API's certificate ends in 10 days".to_owned();
        assert_eq!(told(day * 15, day * 5), [(Health::Strained, soon)]);
        for now in [day * 15, day * 16] {
            let [(Health::Ill, text)] = &told(day * 15, now)[..] else { panic!("it is over at {now:?}") };
            assert!(text.contains("is over"), "{text}");
        }
        assert_eq!(told(day * 9_100, day * 8_990).len(), 1, "the authority ends, too");
    }
}
