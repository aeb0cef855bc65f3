use super::*;
use crate::testing::{plan, worker_script};
use std::path::Path;
use tweenfarm_protocol::SlotRange;

fn worker(program: Program, stall: Duration) -> Worker {
    Worker::new(WorkerSettings {
        program,
        device: None,
        profile: None,
        shader_cache: None,
        stall,
        label: "test".to_owned(),
    })
}

fn order(folder: &Path) -> Order {
    Order::Render {
        source: folder.join("source"),
        plan: plan(12),
        slots: SlotRange::new(0, 12),
        output: folder.join("output"),
    }
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_worker_does_one_order_after_the_other_in_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = worker(worker_script::greeting(folder.path(), worker_script::GOOD), LONG);
    assert_eq!(worker.ready().await.unwrap().engine, "none 1");
    let mut seen = Vec::new();
    let facts = worker.perform(&order(folder.path()), |progress| seen.push(progress)).await.unwrap();
    assert_eq!(facts.frames, 12);
    assert_eq!(seen, [Progress { frames_done: 12, frames_total: 12 }]);
    let first = std::fs::read_to_string(folder.path().join("output")).unwrap();
    worker.perform(&order(folder.path()), |_| {}).await.unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("output")).unwrap(), first, "another process answered");
}

#[tokio::test]
async fn a_crash_costs_one_order_and_the_next_gets_a_new_process() {
    let folder = tempfile::tempdir().unwrap();
    let body = format!(
        "[ -e {0}/crashed ] || {{ read -r order; touch {0}/crashed; echo last words >&2; kill -SEGV $$; }}\n{1}",
        folder.path().display(),
        worker_script::GOOD
    );
    let mut worker = worker(worker_script::greeting(folder.path(), &body), LONG);
    let failure = worker.perform(&order(folder.path()), |_| {}).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Worker);
    assert!(failure.message.contains("signal 11 (SIGSEGV"), "{failure}");
    assert!(!failure.message.contains(&folder.path().display().to_string()), "{failure}");
    assert_eq!(failure.log, ["last words"]);
    assert_eq!(worker.perform(&order(folder.path()), |_| {}).await.unwrap().frames, 12);
}

#[tokio::test]
async fn a_worker_that_died_between_two_orders_is_replaced_before_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let body =
        format!("[ -e {0}/died ] || {{ touch {0}/died; exit 0; }}\n{1}", folder.path().display(), worker_script::GOOD);
    let mut worker = worker(worker_script::greeting(folder.path(), &body), LONG);
    worker.ready().await.unwrap();
    let process = worker.process.as_mut().unwrap();
    process.child.wait().await.unwrap();
    assert_eq!(worker.perform(&order(folder.path()), |_| {}).await.unwrap().frames, 12);
}

#[tokio::test]
async fn a_worker_that_talks_but_makes_no_frame_is_hung() {
    let folder = tempfile::tempdir().unwrap();
    let said = r#"echo '{"event":"progress","frames_done":3,"frames_total":12}'"#;
    let path = folder.path().display();
    let body = format!("{said}; touch {path}/said; read -r order; while sleep 0.02; do {said}; done");
    let mut worker = worker(worker_script::greeting(folder.path(), &body), Duration::from_millis(300));
    worker.ready().await.unwrap();
    // It lies in the pipe when the order is given: how soon its frames come is not what is tested.
    crate::testing::eventually("it has spoken", || folder.path().join("said").exists()).await;
    let ordered = order(folder.path());
    let ended = tokio::time::timeout(LONG, worker.perform(&ordered, |_| {})).await.expect("it was noticed");
    let failure = ended.unwrap_err();
    assert_eq!(failure.class, FailureClass::Worker);
    assert!(failure.message.contains("no new frame for 0.3 s (after 3)"), "{failure}");
}

#[tokio::test]
async fn a_killed_worker_takes_its_own_children_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let body = format!(
        "sleep 1000 & echo $! > {0}/pid.partial; mv {0}/pid.partial {0}/pid; read -r order; wait",
        folder.path().display()
    );
    let mut worker = worker(worker_script::greeting(folder.path(), &body), Duration::from_millis(300));
    worker.ready().await.unwrap();
    crate::testing::eventually("the grandchild is there", || folder.path().join("pid").exists()).await;
    worker.perform(&order(folder.path()), |_| {}).await.unwrap_err();
    let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
    crate::testing::eventually("the grandchild is gone", || {
        // A zombie that nobody reaps in a container is gone enough.
        std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).map_or(true, |stat| stat.contains(") Z "))
    })
    .await;
}

#[tokio::test]
async fn what_a_driver_prints_is_passed_over_and_a_foreign_event_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let body = format!("echo 'WARNING: driver is not conformant'\n{}", worker_script::GOOD);
    let mut tolerant = worker(worker_script::greeting(folder.path(), &body), LONG);
    assert_eq!(tolerant.perform(&order(folder.path()), |_| {}).await.unwrap().frames, 12);

    let body = r#"read -r order; echo '{"event":"teleported"}'; sleep 1000"#;
    let mut foreign = worker(worker_script::greeting(folder.path(), body), LONG);
    let failure = foreign.perform(&order(folder.path()), |_| {}).await.unwrap_err();
    assert!(failure.message.contains("same release"), "{failure}");
}

#[tokio::test]
async fn a_worker_that_cannot_start_says_why_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let refusing = worker_script::whole(
        folder.path(),
        r#"echo '{"event":"failed","class":"Worker","message":"no Vulkan device has this UUID"}'; exit 3"#,
    );
    let failure = worker(refusing, LONG).ready().await.unwrap_err();
    assert_eq!(failure.message, "no Vulkan device has this UUID");

    let silent = worker_script::whole(folder.path(), "exit 3");
    let failure = worker(silent, LONG).ready().await.unwrap_err();
    assert!(failure.message.contains("exit code 3"), "{failure}");

    let missing = Program::at(&folder.path().join("missing"));
    assert!(worker(missing, LONG).ready().await.unwrap_err().message.contains("could not be started"));
}

#[tokio::test]
async fn a_failed_order_leaves_the_worker_alive() {
    let folder = tempfile::tempdir().unwrap();
    let body = format!(
        "read -r order; echo '{{\"event\":\"failed\",\"class\":\"Input\",\"message\":\"the clip is cut off\"}}'\n{}",
        worker_script::GOOD
    );
    let mut worker = worker(worker_script::greeting(folder.path(), &body), LONG);
    let failure = worker.perform(&order(folder.path()), |_| {}).await.unwrap_err();
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Input, "the clip is cut off"));
    assert!(worker.process.is_some());
    assert_eq!(worker.perform(&order(folder.path()), |_| {}).await.unwrap().frames, 12);
}

#[tokio::test]
async fn an_interrupted_order_ends_its_worker_and_an_idle_worker_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let body =
        format!("[ -e {path}/hung ] || {{ read -r order; touch {path}/hung; sleep 1000; }}\n{}", worker_script::GOOD);
    let mut worker = worker(worker_script::greeting(folder.path(), &body), LONG);
    let dropped = order(folder.path());
    tokio::select! {
        _ = worker.perform(&dropped, |_| {}) => panic!("the worker hangs"),
        () = crate::testing::eventually("it is at it", || folder.path().join("hung").exists()) => {}
    }
    worker.interrupt().await;
    assert!(worker.process.is_none());
    worker.ready().await.unwrap();
    worker.interrupt().await;
    assert!(worker.process.is_some(), "an idle worker need not start again");
}

#[tokio::test]
async fn the_answer_to_a_dropped_order_is_never_taken_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    // The first process answers late, with a count that nobody ordered.
    let slow = format!(
        r#"[ -e {path}/slow ] || {{ read -r order; touch {path}/slow; while [ ! -e {path}/go ]; do sleep 0.02; done; echo '{{"event":"failed","class":"Internal","message":"late"}}'; }}"#
    );
    let mut worker = worker(worker_script::greeting(folder.path(), &format!("{slow}\n{}", worker_script::GOOD)), LONG);
    let dropped = order(folder.path());
    tokio::select! {
        _ = worker.perform(&dropped, |_| {}) => panic!("the worker is slow"),
        () = crate::testing::eventually("it is at it", || folder.path().join("slow").exists()) => {}
    }
    std::fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(worker.perform(&order(folder.path()), |_| {}).await.unwrap().frames, 12);
}
