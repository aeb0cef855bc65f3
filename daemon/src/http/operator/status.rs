//! The farm at one glance.

use crate::http::HttpState;
use axum::{Json, extract::State};
use tweenfarm_protocol::operator::{DiskRow, Health, LedgerDay, Status};

pub async fn status(State(state): State<HttpState>) -> Json<Status> {
    let load = state.farm.load();
    let ledger_differences = state.audit.borrow().differences.len() as u64;
    let (accounts, jobs) = state.farm.totals();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: state.farm.now().to_iso_seconds(),
        started_at: String::new(),
        health: Health::Well,
        alerts: Vec::new(),
        workers_idle: load.workers_idle,
        workers_running: load.workers_running,
        agents_connected: 0,
        agents: 0,
        queue_depth: load.queue_depth,
        jobs_open: 0,
        queue_age_seconds: None,
        accounts,
        jobs,
        ledger_differences,
        late_reports: state.farm.late_reports(),
        ledger_today: LedgerDay::default(),
        disk: DiskRow::default(),
    })
}
