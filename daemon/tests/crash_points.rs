//! The daemon as a process that dies at a named point of its work, is started again, and is compared with what its client
//! and its agent were told before. `crash` has the same for every write of a longer story, in one process.

mod process;
mod scene;

use process::*;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tweenfarm_daemon::farm::crash::POINTS;

const GRANT: i64 = 50;

async fn check(work_kind: &str, point: &str) {
    let case = format!("{work_kind}:{point}");
    let folder = tempfile::tempdir().unwrap();
    let port = own_port();
    let mut daemon = Daemon::start(folder.path(), &port, Some(&case)).await;
    let user = json!({ "email": "ann@example.org", "xeconds": GRANT });
    let user = daemon.operator(Method::POST, "/operator/users", user).await;
    let key = user["api_key"].as_str().unwrap();
    let clip = daemon.upload(key).await;
    let job = json!({ "r2_key": clip, "target_fps": 60 });
    let fails = work_kind == "fail";
    let mut in_hand = InHand::default();
    let told = daemon.ask(Method::POST, "/jobs", key, job.clone()).await;
    let finished = if told.is_some() { work(&daemon, fails, &mut in_hand).await } else { None };
    // One that has answered dies a moment later: the agent may have heard by then that nothing is left to do.
    assert!(finished.is_none() || point == "answered", "{case}: the daemon was to die");
    daemon.wait_for_death().await;

    let daemon = Daemon::start(folder.path(), &port, None).await;
    if let Some((status, accepted)) = &told {
        assert_eq!((*status, accepted["balance_after"].as_i64()), (StatusCode::OK, Some(GRANT - PRICE)), "{case}");
        let path = format!("/jobs/{}", accepted["job_id"].as_str().unwrap());
        assert_eq!(daemon.ask(Method::GET, &path, key, Value::Null).await.unwrap().0, StatusCode::OK, "{case}");
    }
    // A client that has no answer asks again; one that has gets the same.
    let (status, again) = daemon.ask(Method::POST, "/jobs", key, job).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{case}: {again}");
    if let Some((_, accepted)) = told {
        assert_eq!(again, accepted, "{case}");
    }
    work(&daemon, fails, &mut in_hand).await.expect("the daemon lives");

    let path = format!("/jobs/{}", again["job_id"].as_str().unwrap());
    let (_, shown) = daemon.ask(Method::GET, &path, key, Value::Null).await.unwrap();
    let (_, me) = daemon.ask(Method::GET, "/me", key, Value::Null).await.unwrap();
    let path = format!("/operator/users/{}/ledger", user["account"].as_str().unwrap());
    let ledger = daemon.operator(Method::GET, &path, Value::Null).await;
    let ledger: Vec<(&str, i64)> = ledger["rows"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|row| (row["kind"].as_str().unwrap(), row["change"].as_i64().unwrap()))
        .collect();
    let mut expected = vec![("grant (paid)", GRANT), ("charge", -PRICE)];
    expected.extend(fails.then_some(("refund", PRICE)));
    assert_eq!(ledger, expected, "{case}");
    assert_eq!(me["balance_xeconds"], if fails { GRANT } else { GRANT - PRICE }, "{case}");
    assert_eq!(shown["status"], if fails { "failed" } else { "done" }, "{case}: {shown}");
    let jobs = daemon.operator(Method::GET, "/operator/jobs", Value::Null).await;
    assert_eq!(jobs["rows"].as_array().unwrap().len(), 1, "{case}");
}

#[tokio::test]
async fn a_daemon_that_dies_at_any_point_of_a_submission_has_charged_once_or_not_at_all() {
    for point in POINTS {
        check("submit", point).await;
    }
}

#[tokio::test]
async fn a_daemon_that_dies_at_any_point_of_a_failure_has_refunded_once() {
    for point in POINTS {
        check("fail", point).await;
    }
}

#[tokio::test]
async fn a_daemon_that_dies_at_any_point_of_a_completion_completes_the_job_and_charges_nothing_more() {
    for point in POINTS {
        check("complete", point).await;
    }
}
