//! Metrics for Prometheus: what is counted as it happens, and what is looked up when somebody asks. Names and meanings
//! are in docs/monitoring.md; no label holds a name of an account or an id of a job.

use crate::{
    blobs::s3::traffic::Traffic,
    farm::{Farm, Instruments},
};
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use std::{fmt, sync::atomic::AtomicU64};
use tweenfarm_protocol::operator::{Alert, Health, Standing};

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// What HTTP counts. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    served: Family<Labels, Counter>,
    blob_bytes: Family<Labels, Counter>,
}

impl Requests {
    /// `route` is the pattern, never the path: paths hold ids.
    pub fn served(&self, door: &'static str, method: &str, route: &str, status: u16) {
        let labels = vec![
            ("door", door.to_owned()),
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.to_string()),
        ];
        self.served.get_or_create(&labels).inc();
    }

    /// Bytes of objects that passed the daemon: `in` or `out`.
    pub fn blob_bytes(&self, direction: &'static str, bytes: u64) {
        self.blob_bytes.get_or_create(&vec![("direction", direction.to_owned())]).inc_by(bytes);
    }
}

/// What is known of the farm besides what the farm itself tells.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub alerts: Vec<Alert>,
    pub health: Health,
    pub standings: Vec<(Standing, bool)>,
    pub ledger_differences: u64,
    pub disk_free_bytes: Option<u64>,
    /// With the S3 server, where blobs are in a bucket.
    pub s3: Traffic,
}

/// Everything, as it is now. Takes no longer than a look at each open job.
pub fn exposition(farm: &Farm, requests: &Requests, found: &Found) -> Result<String, fmt::Error> {
    let mut book = Book { registry: Registry::with_prefix("tweenfarm") };
    let (load, tally, now) = (farm.load(), farm.tally(), farm.now());
    book.labelled("build_info", "Which release runs", [(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1)]);
    let health = match found.health {
        Health::Well => 0,
        Health::Strained => 1,
        Health::Ill => 2,
    };
    book.gauge("health", "0 well, 1 strained, 2 ill", health);
    let alerts = found.alerts.iter().map(|alert| (vec![("alert", alert.alert.clone())], 1));
    book.labelled("alerts", "What should be looked at", alerts);

    book.gauge("jobs_open", "Jobs that have not ended", farm.jobs_open_count());
    book.gauge("queue_depth", "Jobs of which nothing is leased or rendered", load.queue_depth);
    let age = farm.queue_since().map_or(0, |since| now.since(since).as_secs());
    book.gauge_of("queue_age", "How long the oldest of them has waited", Unit::Seconds, age);
    book.gauge("leases", "Pieces that are leased", farm.leases_count());
    let workers = [("idle", load.workers_idle), ("running", load.workers_running)];
    let workers = workers.map(|(state, count)| (vec![("state", state.to_owned())], u64::from(count)));
    book.labelled("workers", "Workers that are here", workers);
    let standings = [Standing::Local, Standing::Member, Standing::Probation, Standing::Revoked];
    let agents = standings.into_iter().flat_map(|standing| {
        [true, false].map(|connected| {
            let count = found.standings.iter().filter(|agent| **agent == (standing, connected)).count();
            let labels = vec![("standing", standing.name().to_owned()), ("connected", connected.to_string())];
            (labels, count as u64)
        })
    });
    book.labelled("agents", "Agents that are known", agents);

    let events = tally
        .events
        .iter()
        .map(|((kind, what), count)| (vec![("kind", (*kind).to_owned()), ("what", (*what).to_owned())], *count));
    book.counters("events", "What happened since the daemon started", events);
    // What has not happened yet is told as 0: a rate needs something to begin from.
    let failures = ["input", "resource", "worker", "internal"];
    let failures =
        failures.map(|class| (vec![("class", class.to_owned())], tally.failures.get(class).copied().unwrap_or(0)));
    book.counters("failures", "Failed pieces by class", failures);
    book.counters("frames", "Output frames of finished segments", [(vec![], tally.frames)]);
    book.counters("frames_made", "Frames among them that the engine made", [(vec![], tally.frames_made)]);
    book.counters("late_reports", "Reports under leases that were over", [(vec![], farm.late_reports())]);
    let Instruments { segment_seconds, sync_seconds } = farm.instruments();
    book.registry.register_with_unit("segment", "How long segments took", Unit::Seconds, segment_seconds);

    let ledger = tally.ledger.iter().map(|(kind, sum)| (vec![("kind", (*kind).to_owned())], *sum));
    book.labelled("ledger_xeconds", "Sum of what was booked since the daemon started, charges negative", ledger);
    book.gauge("ledger_differences", "Accounts whose ledger does not add up", found.ledger_differences);

    book.registry.register_with_unit(
        "store_sync",
        "How long it took to make a group durable",
        Unit::Seconds,
        sync_seconds,
    );
    book.gauge_of("store_size", "Accounts, ledger, jobs on disk", Unit::Bytes, farm.store_bytes().unwrap_or(0));
    if let Some(free) = found.disk_free_bytes {
        book.gauge_of("disk_free", "Free on the blobs' disk", Unit::Bytes, free);
    }
    let mut last: Vec<(&str, bool, i64)> = Vec::new();
    for event in &tally.sweeps {
        if let crate::model::What::Swept { sweep, ok, .. } = event.what
            && !last.iter().any(|(known, _, _)| *known == sweep)
        {
            last.push((sweep, ok, event.at.0.div_euclid(1_000_000)));
        }
    }
    let of = |sweep: &str| vec![("sweep", sweep.to_owned())];
    book.labelled(
        "sweep_ok",
        "Whether the last pass went well",
        last.iter().map(|(sweep, ok, _)| (of(sweep), u64::from(*ok))),
    );
    let at = last.iter().map(|(sweep, _, at)| (of(sweep), *at));
    book.labelled("sweep_last_seconds", "When the last pass was, since 1970", at);

    for direction in ["in", "out"] {
        requests.blob_bytes(direction, 0);
    }
    book.registry.register("http_requests", "Requests served", requests.served.clone());
    book.registry.register_with_unit(
        "blob",
        "Bytes of objects that passed the daemon",
        Unit::Bytes,
        requests.blob_bytes.clone(),
    );
    book.registry.register("s3_requests", "Requests of the daemon to the S3 server", found.s3.requests.clone());
    let (s3, bytes) = ("Bytes of objects that the daemon read from the bucket and wrote there", found.s3.bytes.clone());
    book.registry.register_with_unit("s3", s3, Unit::Bytes, bytes);
    let mut written = String::new();
    text::encode(&mut written, &book.registry)?;
    Ok(written)
}

/// Numbers of this moment, made into metrics.
struct Book {
    registry: Registry,
}

impl Book {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        let gauge = Gauge::<u64, AtomicU64>::default();
        gauge.set(value);
        self.registry.register(name, help, gauge);
    }

    fn gauge_of(&mut self, name: &str, help: &str, unit: Unit, value: u64) {
        let gauge = Gauge::<u64, AtomicU64>::default();
        gauge.set(value);
        self.registry.register_with_unit(name, help, unit, gauge);
    }

    fn labelled<V: TryInto<i64>>(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, V)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value.try_into().unwrap_or(i64::MAX));
        }
        self.registry.register(name, help, family);
    }

    fn counters(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.registry.register(name, help, family);
    }
}
