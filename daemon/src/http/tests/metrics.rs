//! Metrics: what is told, and that the dashboard asks for nothing else.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

const DASHBOARD: &str = include_str!("../../../../config/grafana-dashboard.json");
const DOCUMENT: &str = include_str!("../../../../docs/monitoring.md");

async fn exposition(bench: &Bench) -> String {
    let answer = bench.operate(Method::GET, "/metrics", Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(header_of(&answer, header::CONTENT_TYPE).starts_with("application/openmetrics-text"));
    String::from_utf8(answer.bytes.to_vec()).unwrap()
}

/// Names with their kinds.
fn told(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split_once(' ').unwrap()).map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

fn names_in(text: &str) -> BTreeSet<&str> {
    let plain = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '_');
    text.split(plain).filter(|word| word.starts_with("tweenfarm_")).collect()
}

/// What is told under a name as it is asked for.
fn is_told(told: &BTreeMap<String, String>, asked: &str) -> bool {
    let of = |suffix: &str, kind: &str| {
        asked.strip_suffix(suffix).is_some_and(|name| told.get(name).is_some_and(|found| found == kind))
    };
    of("", "gauge")
        || of("_total", "counter")
        || of("_bucket", "histogram")
        || of("_count", "histogram")
        || of("_sum", "histogram")
}

#[tokio::test]
async fn the_dashboard_and_the_document_name_what_is_told_and_nothing_else() {
    let bench = Bench::new();
    bench.user("ann@example.org", 1).await;
    bench.operate(Method::POST, "/operator/sweeps/retention", json!({})).await;
    let text = exposition(&bench).await;
    let told = told(&text);
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(queries.len() > 20);
    for asked in queries.iter().flat_map(|query| names_in(query)) {
        assert!(is_told(&told, asked), "the dashboard asks for {asked}, which is not told");
    }
    let documented = names_in(DOCUMENT);
    for asked in &documented {
        assert!(is_told(&told, asked), "docs/monitoring.md names {asked}, which is not told");
    }
    for (name, kind) in &told {
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "histogram" => "_bucket",
            _ => "",
        };
        assert!(documented.contains(format!("{name}{suffix}").as_str()), "docs/monitoring.md does not name {name}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn what_happens_is_counted_and_no_label_tells_who_it_was() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.upload(&user, "clip 24 12000").await["key"].clone();
    let job = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await.json()["job_id"].clone();
    let text = exposition(&bench).await;
    for line in [
        "tweenfarm_jobs_open 1",
        "tweenfarm_queue_depth 1",
        "tweenfarm_events_total{kind=\"job\",what=\"accepted\"} 1",
        "tweenfarm_ledger_xeconds{kind=\"charge\"} -12",
        "tweenfarm_ledger_xeconds{kind=\"grant_paid\"} 100",
        "tweenfarm_http_requests_total{door=\"public\",method=\"POST\",route=\"/jobs\",status=\"200\"} 1",
        "tweenfarm_alerts{alert=\"no_agents\"} 1",
        "tweenfarm_health 2",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
    for secret in ["ann@example.org", job.as_str().unwrap(), &user.account.id.to_string(), &user.key] {
        assert!(!text.contains(secret), "{secret}");
    }
    bench.get(&format!("/jobs/{}", job.as_str().unwrap()), &user).await;
    let text = exposition(&bench).await;
    assert!(text.contains("method=\"GET\",route=\"/jobs/{"), "a route is told as its pattern: {text}");
}
