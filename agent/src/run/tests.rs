use super::*;
use crate::{
    availability::Yielding,
    config::{self, Flags},
    testing::{
        blob_store::BlobStore,
        daemon::{Daemon, TcpDial},
        eventually, fetch, lease, plan, render_task, worker_script,
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use tweenfarm_protocol::{
    SlotRange,
    service::{Availability, Receipt, Renewal},
    task::{Deliver, Failure, FailureClass, JoinWork, MarkWork, Outcome, RenderedSegment, Task, Work},
};

const SOURCE: &[u8] = b"a source clip";

struct Farm {
    folder: tempfile::TempDir,
    store: BlobStore,
    daemon: Daemon,
}

/// An agent on a runtime of its own, so that it can end at once with everything it started, as a process does.
struct Agent {
    halt: Halt,
    running: JoinHandle<Result<(), RunError>>,
    runtime: Option<Runtime>,
}

impl Agent {
    async fn stop(mut self) -> Result<(), RunError> {
        self.halt.stop.cancel();
        self.ended().await
    }

    async fn ended(&mut self) -> Result<(), RunError> {
        (&mut self.running).await.expect("the agent does not panic")
    }

    /// As `kill -9` does: nothing is given back or written any more.
    async fn kill(self, farm: &Farm) {
        drop(self);
        let state = farm.folder.path().join("state");
        eventually("the killed agent is gone", || StateFolder::open(&state).is_ok()).await;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Farm {
    async fn new() -> Farm {
        let farm = Farm {
            folder: tempfile::tempdir().unwrap(),
            store: BlobStore::start().await,
            daemon: Daemon::start().await,
        };
        farm.store.place("source", SOURCE);
        farm
    }

    fn agent(&self, worker_body: &str) -> Agent {
        self.agent_with(worker_body, |_| {})
    }

    fn agent_with(&self, worker_body: &str, change: impl FnOnce(&mut Config)) -> Agent {
        let flags = Flags { state: Some(self.folder.path().join("state").display().to_string()), ..Flags::default() };
        let mut config = config::load(None, Some(Default::default()), &flags).unwrap();
        config.disk_reserve_bytes = 0;
        change(&mut config);
        let program = worker_script::greeting(self.folder.path(), worker_body);
        let dial = TcpDial { address: self.daemon.address.clone() };
        let halt = Halt::default();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = runtime.spawn({
            let halt = halt.clone();
            async move { run(watch::channel(config).1, program, dial, halt).await }
        });
        Agent { halt, running, runtime: Some(runtime) }
    }

    fn task(&self, number: u128) -> Task {
        render_task(number, fetch(self.store.url("source"), SOURCE), self.store.url(&format!("out{number}")), 12)
    }

    fn outcome(&self, number: u128) -> Option<Outcome> {
        let book = self.daemon.book();
        book.reports.iter().find(|(reported, _)| *reported == lease(number)).map(|(_, outcome)| outcome.clone())
    }

    async fn reported(&self, number: u128) -> Outcome {
        eventually("the outcome was reported", || self.outcome(number).is_some()).await;
        self.outcome(number).unwrap()
    }

    async fn failure(&self, number: u128) -> Failure {
        match self.reported(number).await {
            Outcome::Failed(failure) => failure,
            Outcome::Done(_) => panic!("task {number} was to fail"),
        }
    }

    async fn is_leased(&self, number: u128) {
        eventually("the task is leased", || self.daemon.book().leased.contains(&lease(number))).await;
    }

    fn files_in(&self, folder: &str) -> usize {
        files_below(&self.folder.path().join("state").join(folder))
    }
}

fn files_below(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let below = |path: std::path::PathBuf| if path.is_dir() { files_below(&path) } else { 1 };
    entries.flatten().map(|entry| below(entry.path())).sum()
}

#[tokio::test]
async fn tasks_go_from_lease_to_report_and_leave_nothing_behind() {
    let farm = Farm::new().await;
    farm.daemon.offer(farm.task(1));
    farm.daemon.offer(farm.task(2));
    let agent = farm.agent(worker_script::GOOD);
    for number in [1, 2] {
        let Outcome::Done(delivered) = farm.reported(number).await else { panic!("task {number} failed") };
        let blob = farm.store.blob(&format!("out{number}")).unwrap();
        assert_eq!(delivered.sha256, crate::testing::sha256(&blob));
        assert_eq!((delivered.size_bytes, delivered.facts.frames), (blob.len() as u64, 12));
    }
    assert_eq!(farm.daemon.book().hellos[0].workers[0].device_name, "script");
    agent.stop().await.unwrap();
    assert_eq!((farm.files_in("scratch"), farm.files_in("outbox")), (0, 0));
    assert_eq!(farm.store.gets(), 1, "the second task found the source in the cache");
}

#[tokio::test]
async fn a_join_gets_its_segments_in_order_beside_the_source() {
    let farm = Farm::new().await;
    let segments = [b"segment one", b"segment two"].map(|bytes| {
        let name = crate::testing::sha256(bytes);
        farm.store.place(&name, bytes);
        fetch(farm.store.url(&name), bytes)
    });
    let work = JoinWork {
        source: fetch(farm.store.url("source"), SOURCE),
        plan: plan(12),
        segments: vec![
            RenderedSegment { slots: SlotRange::new(0, 5), fetch: segments[0].clone() },
            RenderedSegment { slots: SlotRange::new(5, 12), fetch: segments[1].clone() },
        ],
        deliver: Deliver { url: farm.store.url("joined"), content_type: "video/mp4".to_owned() },
    };
    farm.daemon.offer(Task { work: Work::Join(work), ..farm.task(1) });
    let orders = farm.folder.path().join("orders");
    let body = worker_script::GOOD
        .replace("output=", &format!("printf '%s\\n' \"$order\" >> {}\n    output=", orders.display()));
    let agent = farm.agent(&body);
    assert!(matches!(farm.reported(1).await, Outcome::Done(_)));
    let order = std::fs::read_to_string(orders).unwrap();
    let places: Vec<usize> = segments.iter().map(|segment| order.find(&segment.sha256).unwrap()).collect();
    assert!(order.contains(r#""order":"join""#) && places[0] < places[1], "{order}");
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_mark_gets_the_joined_file_alone() {
    let farm = Farm::new().await;
    let work = MarkWork {
        source: fetch(farm.store.url("source"), SOURCE),
        plan: plan(12),
        deliver: Deliver { url: farm.store.url("marked"), content_type: "video/mp4".to_owned() },
    };
    farm.daemon.offer(Task { work: Work::Mark(work), ..farm.task(1) });
    let orders = farm.folder.path().join("orders");
    let body = worker_script::GOOD
        .replace("output=", &format!("printf '%s\\n' \"$order\" >> {}\n    output=", orders.display()));
    let agent = farm.agent(&body);
    let Outcome::Done(delivered) = farm.reported(1).await else { panic!("the mark failed") };
    let blob = farm.store.blob("marked").unwrap();
    assert_eq!((delivered.sha256, delivered.facts.frames), (crate::testing::sha256(&blob), 12));
    let order = std::fs::read_to_string(orders).unwrap();
    assert!(order.contains(r#""order":"mark""#) && order.contains(&crate::testing::sha256(SOURCE)), "{order}");
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_crash_of_the_worker_is_reported_and_the_next_task_is_done() {
    let farm = Farm::new().await;
    farm.daemon.offer(farm.task(1));
    farm.daemon.offer(farm.task(2));
    let body = format!(
        "[ -e {0} ] || {{ read -r order; touch {0}; kill -KILL $$; }}\n{1}",
        farm.folder.path().join("crashed").display(),
        worker_script::GOOD
    );
    let agent = farm.agent(&body);
    let failure = farm.failure(1).await;
    assert_eq!(failure.class, FailureClass::Worker);
    assert!(failure.message.contains("SIGKILL"), "{failure}");
    assert!(matches!(farm.reported(2).await, Outcome::Done(_)));
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_source_that_cannot_be_fetched_fails_the_task_as_a_resource() {
    let farm = Farm::new().await;
    farm.daemon.offer(render_task(1, fetch(farm.store.url("gone"), SOURCE), farm.store.url("out1"), 12));
    let agent = farm.agent(worker_script::GOOD);
    assert_eq!(farm.failure(1).await.class, FailureClass::Resource);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_result_with_a_wrong_number_of_frames_is_never_delivered() {
    let farm = Farm::new().await;
    farm.daemon.offer(farm.task(1));
    let agent = farm.agent(&worker_script::GOOD.replace("\\\"frames\\\":$frames", "\\\"frames\\\":11"));
    let failure = farm.failure(1).await;
    assert!(failure.message.contains("11 frames where 12"), "{failure}");
    assert_eq!(farm.store.puts(), 0);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_lease_ends_the_work_and_frees_the_worker() {
    let farm = Farm::new().await;
    farm.daemon.offer(farm.task(1));
    let body = format!(
        "[ -e {0} ] || {{ read -r order; touch {0}; sleep 1000; }}\n{1}",
        farm.folder.path().join("hung").display(),
        worker_script::GOOD
    );
    let agent = farm.agent(&body);
    eventually("the worker is at it", || farm.folder.path().join("hung").exists()).await;
    farm.daemon.book().leased.clear();
    farm.daemon.offer(farm.task(2));
    assert!(matches!(farm.reported(2).await, Outcome::Done(_)));
    assert_eq!(farm.outcome(1), None);
    assert!(!farm.daemon.book().given_back.contains(&lease(1)), "what is lost cannot be given back");
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_stopping_agent_gives_its_lease_back() {
    let farm = Farm::new().await;
    farm.daemon.offer(farm.task(1));
    let agent = farm.agent("read -r order; sleep 1000");
    farm.is_leased(1).await;
    // The lease may still be on its way to the agent: then the agent does not know it, and nothing gives it back.
    eventually("it is renewed", || !farm.daemon.book().renewals.is_empty()).await;
    agent.stop().await.unwrap();
    assert_eq!(farm.daemon.book().given_back, [lease(1)]);
    assert_eq!((farm.outcome(1), farm.files_in("scratch")), (None, 0));
}

/// Done with an order once the file `go` is there, else as a good one.
fn waits_for(go: &std::path::Path) -> String {
    let wait = format!("while [ ! -e '{}' ]; do sleep 0.02; done", go.display());
    worker_script::GOOD.replace("read -r order; do", &format!("read -r order; do {wait};"))
}

#[tokio::test]
async fn a_draining_agent_finishes_and_delivers_what_it_holds_and_takes_nothing_new() {
    let farm = Farm::new().await;
    let go = farm.folder.path().join("go");
    farm.daemon.offer(farm.task(1));
    let mut agent = farm.agent(&waits_for(&go));
    farm.is_leased(1).await;
    eventually("it is renewed", || !farm.daemon.book().renewals.is_empty()).await;
    agent.halt.drain.cancel();
    farm.daemon.offer(farm.task(2));
    std::fs::write(&go, "").unwrap();
    agent.ended().await.unwrap();
    assert!(matches!(farm.outcome(1), Some(Outcome::Done(_))));
    assert_eq!((farm.daemon.book().given_back.len(), farm.files_in("outbox")), (0, 0));
    assert!(!farm.daemon.book().leased.contains(&lease(2)));
}

#[tokio::test]
async fn a_draining_agent_that_is_stopped_gives_back_what_it_holds() {
    let farm = Farm::new().await;
    farm.daemon.offer(farm.task(1));
    let agent = farm.agent("read -r order; sleep 1000");
    farm.is_leased(1).await;
    eventually("it is renewed", || !farm.daemon.book().renewals.is_empty()).await;
    agent.halt.drain.cancel();
    agent.stop().await.unwrap();
    assert_eq!(farm.daemon.book().given_back, [lease(1)]);
}

#[tokio::test]
async fn a_killed_agent_gives_back_after_its_restart_what_it_was_working_on() {
    let farm = Farm::new().await;
    farm.daemon.offer(farm.task(1));
    let agent = farm.agent("read -r order; sleep 1000");
    farm.is_leased(1).await;
    agent.kill(&farm).await;
    std::fs::write(farm.folder.path().join("state/scratch/half.mp4"), b"half").unwrap();
    let agent = farm.agent(worker_script::GOOD);
    eventually("the lease came back", || farm.daemon.book().given_back.contains(&lease(1))).await;
    assert_eq!(farm.files_in("scratch"), 0);
    farm.daemon.offer(farm.task(1));
    assert!(matches!(farm.reported(1).await, Outcome::Done(_)));
    let hellos = farm.daemon.book().hellos.iter().map(|hello| hello.agent).collect::<Vec<_>>();
    assert_eq!(hellos[0], hellos[1], "the daemon knows it again");
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_render_goes_on_while_the_daemon_is_away_and_is_reported_when_it_is_back() {
    let mut farm = Farm::new().await;
    farm.daemon.offer(farm.task(1));
    let folder = farm.folder.path().to_owned();
    let body = format!(
        "read -r order; touch {0}/begun; while [ ! -e {0}/go ]; do sleep 0.01; done; (echo \"$order\"; cat) | {{\n{1}\n}}",
        folder.display(),
        worker_script::GOOD
    );
    let agent = farm.agent(&body);
    eventually("the worker is at it", || folder.join("begun").exists()).await;
    farm.daemon.kill();
    std::fs::write(folder.join("go"), b"").unwrap();
    eventually("the result is in the outbox", || farm.files_in("outbox") == 2).await;
    farm.daemon.restart().await;
    assert!(matches!(farm.reported(1).await, Outcome::Done(_)));
    eventually("the outbox is empty", || farm.files_in("outbox") == 0).await;
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn below_the_disk_reserve_no_task_is_leased() {
    let farm = Farm::new().await;
    farm.daemon.offer(farm.task(1));
    let agent = farm.agent_with(worker_script::GOOD, |config| config.disk_reserve_bytes = u64::MAX);
    eventually("the agent is connected", || !farm.daemon.book().hellos.is_empty()).await;
    // Long polls are answered at once here: a slot that asked would have the task by now.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(farm.daemon.book().tasks.len(), 1);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_machine_without_a_device_or_a_working_worker_ends_with_the_remedy() {
    let farm = Farm::new().await;
    let mut absent = farm.agent_with(worker_script::GOOD, |config| {
        config.devices = config::DeviceChoice::Only(vec!["ff".repeat(16)]);
    });
    let error = absent.ended().await.unwrap_err().to_string();
    assert!(error.contains("00000000000000000000000000000001 (script)"), "{error}");

    let program = worker_script::whole(farm.folder.path(), "exit 3");
    let flags = Flags { state: Some(farm.folder.path().join("other").display().to_string()), ..Flags::default() };
    let config = config::load(None, Some(Default::default()), &flags).unwrap();
    let dial = TcpDial { address: farm.daemon.address.clone() };
    let error = run(watch::channel(config).1, program, dial, Halt::default()).await.unwrap_err().to_string();
    assert!(error.contains("exit code 3") && error.contains("tweenfarm-agent doctor"), "{error}");
}

#[tokio::test]
async fn answers_are_what_the_service_says() {
    // The stand-in daemon must judge leases as the service documents, or the tests above prove nothing.
    let farm = Farm::new().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let link = farm.daemon.link(&stop);
    assert_eq!(link.renew(lease(9), Default::default()).await.unwrap(), Renewal::Lost);
    assert_eq!(link.give_back(lease(9)).await.unwrap(), Receipt::Stale);
}

#[tokio::test]
async fn an_agent_gives_back_what_it_has_while_the_machine_is_in_use_and_says_so() {
    let farm = Farm::new().await;
    let busy = farm.folder.path().join("busy");
    farm.daemon.offer(farm.task(1));
    let yielding = Yielding { file: Some(busy.clone()), ..Yielding::default() };
    let agent = farm.agent_with("read -r order; sleep 1000", |config| config.yielding = yielding);
    farm.is_leased(1).await;
    let said = |availability: &Availability| {
        farm.daemon.book().conditions.iter().any(|said| said.availability == *availability)
    };
    eventually("the daemon is told that it takes work", || said(&Availability::Ready)).await;
    std::fs::write(&busy, "").unwrap();
    eventually("the lease is given back", || farm.daemon.book().given_back.contains(&lease(1))).await;
    assert!(farm.outcome(1).is_none(), "no attempt failed");
    let in_use = Availability::InUse { reason: "the file busy is there".to_owned() };
    eventually("the daemon is told", || said(&in_use)).await;
    agent.stop().await.unwrap();
}
