//! The farm through its handle: clips, jobs, leases and what it remembers. Accounts and their money have `money`.

mod scene;

use scene::*;
use std::{sync::Arc, task::Poll, time::Duration};
use tweenfarm_daemon::{
    farm::{Effect, FarmError, FarmRules, Load, NewUpload, Piece},
    model::{Credit, EntryKind, FileKind, FileState, JobEnd, JobState, SegmentState},
    store::{MemoryStore, sled},
};
use tweenfarm_protocol::{
    AgentId, LeaseId, ProjectId, SlotRange, Xeconds,
    service::{Receipt, Renewal},
    task::{FailureClass, Outcome, Progress},
};
use uuid::Uuid;

#[tokio::test]
async fn a_job_is_rendered_in_pieces_joined_and_paid_once() {
    let mut scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 4).await;
    let submitted = scene.submit(&clip, 4, 8).await.unwrap();
    assert_eq!((submitted.balance_after, submitted.replayed), (Xeconds(42), false));
    assert_eq!(submitted.job.slot_count, 240);
    let id = submitted.job.id;
    scene.hello(1).await;

    let mut rendered = Vec::new();
    for _ in 0..3 {
        let work = scene.next(0).await.unwrap();
        let Piece::Render(slots) = work.piece else { panic!("expected a piece to render") };
        rendered.push(slots);
        assert_eq!(scene.deliver(&work).await, Receipt::Accepted);
    }
    assert_eq!(rendered, [SlotRange::new(0, 80), SlotRange::new(80, 160), SlotRange::new(160, 240)]);
    let join = scene.next(0).await.unwrap();
    let Piece::Join(segments) = &join.piece else { panic!("expected the join") };
    assert_eq!(segments.len(), 3);
    assert!(segments.iter().all(|segment| matches!(segment.state, SegmentState::Rendered { .. })));
    assert_eq!(scene.deliver(&join).await, Receipt::Accepted);

    let JobEnd::Done { output, output_key, .. } = scene.end(id) else { panic!("expected a finished job") };
    let file = scene.farm.file(output).unwrap().unwrap();
    assert_eq!((file.kind, &file.key, file.project), (FileKind::Output { job: id }, &output_key, clip.project));
    assert_eq!(file.filename, "output-60fps.mp4");
    let FileState::Stored { size_bytes, .. } = file.state else { panic!("the output is stored") };
    assert_eq!(size_bytes, 10);
    assert_eq!(scene.farm.job(id).unwrap().unwrap().progress_percent, 100);
    assert_eq!(scene.balance(&account), 42);
    assert!(scene.next(0).await.is_none());
    assert_eq!(scene.effects.try_recv(), Ok(Effect::DeleteWork(id)));
    assert!(scene.farm.audit().unwrap().differences.is_empty());
}

#[tokio::test]
async fn a_clip_that_cannot_be_used_is_refused_and_nothing_is_charged() {
    let scene = Scene::new();
    let (ada, bob) = (scene.account("ada", 50).await, scene.account("bob", 50).await);
    let clip = scene.clip(&ada, 1).await;
    let announced = scene
        .farm
        .new_upload(NewUpload {
            account: ada.id,
            home: tweenfarm_daemon::farm::Home::Project(clip.project),
            filename: "later.mp4".into(),
            content_type: "video/mp4".into(),
        })
        .await
        .unwrap();

    assert!(matches!(scene.submit(&announced, 1, 1).await, Err(FarmError::NotUploaded)));
    let mut foreign = submission(&clip, 1, 1);
    foreign.account = bob.id;
    assert!(matches!(scene.farm.submit(foreign).await, Err(FarmError::NotYours { .. })));
    let mut elsewhere = submission(&clip, 1, 1);
    elsewhere.project = Some(ProjectId(Uuid::nil()));
    assert!(matches!(scene.farm.submit(elsewhere).await, Err(FarmError::OtherProject(of)) if of == clip.project));
    let mut unknown = submission(&clip, 1, 1);
    unknown.input_key = key_of("uploads/paid/a/b/input/c.mp4");
    assert!(matches!(scene.farm.submit(unknown).await, Err(FarmError::NotUploaded)));
    assert!(matches!(scene.submit(&clip, 2, 1).await, Err(FarmError::Replaced)), "priced from other bytes");
    assert!(matches!(scene.submit(&clip, 1, 0).await, Err(FarmError::Amount(_))));
    let poor = scene.submit(&clip, 1, 51).await;
    assert!(matches!(poor, Err(FarmError::InsufficientXeconds { needed: Xeconds(51), available: Xeconds(50) })));
    scene.clock.advance(RULES.keep.uploads_paid);
    assert!(matches!(scene.submit(&clip, 1, 1).await, Err(FarmError::NotUploaded)));

    assert_eq!((scene.balance(&ada), scene.balance(&bob)), (50, 50));
    assert_eq!(scene.farm.jobs_recent(9, None).unwrap(), []);
    let FileState::Stored { pinned, .. } = scene.farm.file(clip.id).unwrap().unwrap().state else { panic!("stored") };
    assert!(!pinned, "a refused submission pins nothing");
}

#[tokio::test]
async fn an_upload_may_be_sent_again_until_a_job_has_used_it() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    scene.farm.remember_facts(clip.id, facts(1)).await.unwrap();
    let again = scene.farm.upload_stored(clip.key.clone(), 1_002, "ef".into()).await.unwrap();
    let FileState::Stored { facts: known, .. } = again.state else { panic!("stored") };
    assert_eq!(known, None, "facts of the earlier bytes are dropped");
    assert!(matches!(scene.farm.remember_facts(clip.id, facts(1)).await, Err(FarmError::Replaced)));
    scene.submit(&clip, 2, 1).await.unwrap();
    let late = scene.farm.upload_stored(clip.key.clone(), 1_003, "ef".into()).await;
    assert!(matches!(late, Err(FarmError::Pinned)));
}

#[tokio::test]
async fn the_same_idempotency_key_charges_once_and_conflicts_with_another_request() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let keyed = |request| with_key(submission(&clip, 1, 10), "k", request);
    let first = scene.farm.submit(keyed(1)).await.unwrap();
    scene.submit(&clip, 1, 5).await.unwrap();
    let again = scene.farm.submit(keyed(1)).await.unwrap();
    assert!(again.replayed && again.job.id == first.job.id && again.balance_after == Xeconds(40));
    assert!(matches!(scene.farm.submit(keyed(2)).await, Err(FarmError::IdempotencyConflict)));
    assert_eq!(scene.balance(&account), 35);

    scene.clock.advance(RULES.idempotency_for);
    assert_eq!(scene.farm.forget_answers().await.unwrap(), 0, "kept to its last moment");
    let later = scene.farm.submit(keyed(2)).await.unwrap();
    assert!(!later.replayed && later.job.id != first.job.id);
    scene.clock.advance(RULES.idempotency_for + Duration::from_secs(1));
    assert_eq!(scene.farm.forget_answers().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_use_of_one_idempotency_key_from_many_sides_makes_one_job() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let calls = (0..20).map(|_| {
        let (farm, submission) = (scene.farm.clone(), with_key(submission(&clip, 1, 10), "k", 1));
        tokio::spawn(async move { farm.submit(submission).await.unwrap() })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(answers.iter().all(|answer| answer.job.id == answers[0].job.id));
    assert_eq!(scene.balance(&account), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_submissions_at_once_never_overdraw_a_balance_of_fifty() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::on(Arc::new(sled::open(folder.path()).unwrap()), RULES);
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let calls = (0..200).map(|_| {
        let (farm, submission) = (scene.farm.clone(), submission(&clip, 1, 1));
        tokio::spawn(async move { farm.submit(submission).await })
    });
    let mut accepted = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(FarmError::InsufficientXeconds { needed: Xeconds(1), available: Xeconds(0) }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((accepted, scene.balance(&account)), (50, 0));
    assert_eq!(scene.farm.jobs_of(account.id, 500, None).unwrap().len(), 50);
    assert!(scene.farm.audit().unwrap().differences.is_empty());
}

#[tokio::test]
async fn a_clip_at_fault_fails_its_job_at_once_in_the_workers_words_and_is_refunded() {
    let mut scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 4).await;
    let job = scene.submit(&clip, 4, 8).await.unwrap().job;
    scene.hello(2).await;
    let (first, second) = (scene.next(0).await.unwrap(), scene.next(1).await.unwrap());
    scene.fail(first.lease, FailureClass::Input, "The clip could not be decoded at 1.2 s.").await;

    let JobEnd::Failed { error, refunded, .. } = scene.end(job.id) else { panic!("expected a failed job") };
    assert_eq!((error.as_str(), refunded), ("The clip could not be decoded at 1.2 s.", Xeconds(8)));
    assert_eq!(scene.balance(&account), 50);
    assert_eq!(scene.farm.renew(second.lease, Progress::default()).await.unwrap(), Renewal::Lost);
    assert_eq!(scene.deliver(&second).await, Receipt::Stale);
    assert_eq!(scene.fail(second.lease, FailureClass::Input, "again").await, Receipt::Stale);
    assert_eq!(scene.farm.late_reports(), 2);
    assert_eq!(scene.balance(&account), 50, "refunded once");
    assert_eq!(scene.effects.try_recv(), Ok(Effect::DeleteWork(job.id)));
    assert!(scene.effects.try_recv().is_err());
}

#[tokio::test]
async fn a_lost_worker_costs_an_attempt_and_the_third_one_the_job() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    scene.hello(1).await;
    for attempt in 1..=3 {
        let work = scene.next(0).await.unwrap();
        scene.clock.advance(RULES.lease_for - Duration::from_secs(1));
        assert_eq!(scene.farm.expire_leases().await.unwrap().expired, 0);
        scene.clock.advance(Duration::from_secs(1));
        let sweep = scene.farm.expire_leases().await.unwrap();
        assert_eq!((sweep.expired, sweep.jobs_failed), (1, u32::from(attempt == 3)));
        assert_eq!(scene.deliver(&work).await, Receipt::Stale);
        assert!(scene.next(0).await.is_none(), "a retry waits");
        scene.clock.advance(RULES.retry_after * 2);
    }
    let JobEnd::Failed { error, .. } = scene.end(job.id) else { panic!("expected a failed job") };
    assert_eq!(error, "The clip could not be rendered in 3 attempts. The last one: The worker stopped answering.");
    assert_eq!(scene.balance(&account), 50);
}

#[tokio::test]
async fn a_lease_given_back_costs_no_attempt() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    scene.hello(1).await;
    for _ in 0..5 {
        let work = scene.next(0).await.unwrap();
        assert_eq!(scene.farm.give_back(work.lease).await.unwrap(), Receipt::Accepted);
        assert_eq!(scene.farm.give_back(work.lease).await.unwrap(), Receipt::Stale);
    }
    scene.work_off().await;
    assert!(matches!(scene.end(job.id), JobEnd::Done { .. }));
}

#[tokio::test]
async fn a_report_sent_twice_changes_nothing_the_second_time() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    scene.hello(1).await;
    let work = scene.next(0).await.unwrap();
    assert!(scene.farm.leased(work.lease).unwrap().is_some_and(|found| found == work));
    assert_eq!(scene.deliver(&work).await, Receipt::Accepted);
    let before = scene.state(job.id);
    assert_eq!(scene.deliver(&work).await, Receipt::Stale);
    assert_eq!(scene.fail(work.lease, FailureClass::Input, "no").await, Receipt::Stale);
    assert_eq!(scene.state(job.id), before);
    assert_eq!(scene.farm.leased(work.lease).unwrap(), None);
}

#[tokio::test]
async fn a_delivery_with_a_frame_too_few_is_not_taken() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    scene.hello(1).await;
    let work = scene.next(0).await.unwrap();
    let Outcome::Done(mut delivered) = done(&work) else { panic!("a delivery") };
    delivered.facts.frames -= 1;
    scene.farm.report(work.lease, Outcome::Done(delivered)).await.unwrap();
    let JobState::Rendering { segments } = scene.state(job.id) else { panic!("expected it to render again") };
    assert!(matches!(segments[0].state, SegmentState::Ready { attempt: 2, .. }));
}

#[tokio::test]
async fn a_cancelled_job_is_refunded_and_its_worker_told_to_stop() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    scene.hello(1).await;
    let work = scene.next(0).await.unwrap();
    for _ in 0..2 {
        let cancelled = scene.farm.cancel(job.id).await.unwrap();
        assert!(matches!(cancelled.state, JobState::Ended { end: JobEnd::Cancelled { refunded: Xeconds(8), .. }, .. }));
    }
    assert_eq!(scene.balance(&account), 50);
    assert_eq!(scene.farm.renew(work.lease, Progress::default()).await.unwrap(), Renewal::Lost);
}

#[tokio::test]
async fn one_accounts_many_jobs_do_not_starve_anothers_single_one() {
    let scene = Scene::new();
    let (ada, bob) = (scene.account("ada", 500).await, scene.account("bob", 50).await);
    let clip = scene.clip(&ada, 1).await;
    for _ in 0..100 {
        scene.submit(&clip, 1, 1).await.unwrap();
    }
    scene.hello(4).await;
    let first = scene.next(0).await.unwrap();
    assert_eq!(first.job.account, ada.id);
    let late = scene.clip(&bob, 1).await;
    let single = scene.submit(&late, 1, 1).await.unwrap().job;
    assert_eq!(scene.next(1).await.unwrap().job.id, single.id);
    assert_eq!(scene.next(2).await.unwrap().job.account, ada.id);
}

#[tokio::test]
async fn progress_never_goes_back() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 4).await;
    let job = scene.submit(&clip, 4, 8).await.unwrap().job;
    scene.hello(1).await;
    let percent = || scene.farm.job(job.id).unwrap().unwrap().progress_percent;
    assert_eq!(percent(), 0);
    let work = scene.next(0).await.unwrap();
    let halfway = Progress { frames_done: 40, frames_total: 80 };
    assert_eq!(scene.farm.renew(work.lease, halfway).await.unwrap(), Renewal::Kept);
    assert_eq!(percent(), 15);
    scene.fail(work.lease, FailureClass::Worker, "It crashed.").await;
    assert_eq!(percent(), 15);
    scene.clock.advance(RULES.retry_after);
    scene.next(0).await.unwrap();
    assert_eq!(percent(), 15);
}

#[tokio::test]
async fn the_load_counts_workers_that_ask_workers_that_work_and_jobs_that_wait() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let load = |idle, running, depth| Load { workers_idle: idle, workers_running: running, queue_depth: depth };
    assert_eq!(scene.farm.load(), load(0, 0, 0));
    scene.hello(2).await;
    assert_eq!(scene.farm.load(), load(0, 0, 0), "a worker counts once it asks");
    assert!(scene.next(0).await.is_none() && scene.next(1).await.is_none());
    assert_eq!(scene.farm.load(), load(2, 0, 0));
    scene.submit(&clip, 1, 1).await.unwrap();
    assert_eq!(scene.farm.load(), load(2, 0, 1));
    let work = scene.next(0).await.unwrap();
    assert_eq!(scene.farm.load(), load(1, 1, 0));
    let held: Vec<_> = scene.farm.agents()[0].in_hand.iter().map(|held| (held.worker, held.lease, held.job)).collect();
    assert_eq!(held, [(0, work.lease, work.job.id)]);
    scene.farm.agent_gone(AGENT);
    assert_eq!(scene.farm.load(), load(0, 1, 0), "its lease lasts until its deadline");
    assert!(!scene.farm.agents()[0].connected);
}

#[tokio::test]
async fn a_waiting_worker_is_woken_by_a_job() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    scene.hello(1).await;
    let farm = scene.farm.clone();
    let waiting = tokio::spawn(async move { farm.lease_next(AGENT, 0, Duration::from_secs(600)).await });
    while scene.farm.load().workers_idle == 0 {
        tokio::task::yield_now().await;
    }
    let job = scene.submit(&clip, 1, 1).await.unwrap().job;
    assert_eq!(waiting.await.unwrap().unwrap().unwrap().job.id, job.id);
}

#[tokio::test]
async fn work_leased_to_a_call_that_was_dropped_is_free_again_at_once() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    scene.hello(1).await;
    scene.submit(&clip, 1, 1).await.unwrap();
    loop {
        // Polled once, the command is on its way; dropped, nobody hears the answer.
        let asking = scene.farm.lease_next(AGENT, 0, Duration::ZERO);
        tokio::pin!(asking);
        match futures::poll!(asking.as_mut()) {
            Poll::Pending => break,
            // The writer was quicker than the poll: once more.
            Poll::Ready(heard) => scene.farm.give_back(heard.unwrap().unwrap().lease).await.unwrap(),
        };
    }
    // The writer learns that nobody hears it when it answers; whoever waits meanwhile is given the work then.
    let heard = scene.farm.lease_next(AGENT, 0, Duration::from_secs(60)).await.unwrap();
    assert!(heard.is_some(), "the work is leased to nobody until the lease runs out");
}

#[tokio::test]
async fn workers_nobody_introduced_get_nothing() {
    let scene = Scene::new();
    let unknown = scene.farm.lease_next(AGENT, 0, Duration::ZERO).await;
    assert!(matches!(unknown, Err(FarmError::NotFound { .. })));
    scene.hello(1).await;
    assert!(matches!(scene.farm.lease_next(AGENT, 1, Duration::ZERO).await, Err(FarmError::NotFound { .. })));
    assert!(scene.farm.knows(AGENT) && !scene.farm.knows(AgentId(Uuid::nil())));
    assert_eq!(scene.farm.renew(LeaseId(Uuid::nil()), Progress::default()).await.unwrap(), Renewal::Lost);
}

#[tokio::test]
async fn a_full_queue_refuses_and_charges_nothing() {
    let scene = Scene::with(FarmRules { queue_jobs_max: 2, ..RULES });
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    scene.submit(&clip, 1, 1).await.unwrap();
    let second = scene.submit(&clip, 1, 1).await.unwrap().job;
    assert!(matches!(scene.submit(&clip, 1, 1).await, Err(FarmError::QueueFull)));
    assert_eq!(scene.balance(&account), 48);
    scene.farm.cancel(second.id).await.unwrap();
    scene.submit(&clip, 1, 1).await.unwrap();
}

#[tokio::test]
async fn a_restarted_farm_goes_on_where_it_stopped_and_gives_leases_their_full_time_again() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let open = || Scene::at(Arc::new(sled::open(folder.path()).unwrap()), RULES, clock.clone());
    let scene = open();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 4).await;
    let job = scene.submit(&clip, 4, 8).await.unwrap().job;
    scene.hello(2).await;
    let (first, second) = (scene.next(0).await.unwrap(), scene.next(1).await.unwrap());
    scene.deliver(&first).await;
    let Scene { farm, .. } = scene;
    let other_handle = farm.clone();
    farm.close().await;
    assert!(matches!(other_handle.cancel(job.id).await, Err(FarmError::Closing)));
    drop(other_handle);

    clock.advance(RULES.lease_for * 10);
    let scene = open();
    assert_eq!(scene.balance(&account), 42);
    assert_eq!(scene.farm.expire_leases().await.unwrap().expired, 0);
    assert_eq!(scene.hello(2).await, [second.lease]);
    assert_eq!(scene.farm.renew(second.lease, Progress::default()).await.unwrap(), Renewal::Kept);
    assert_eq!(scene.deliver(&second).await, Receipt::Accepted);
    scene.work_off().await;
    assert!(matches!(scene.end(job.id), JobEnd::Done { .. }));
}

#[tokio::test]
async fn everything_an_answer_confirmed_survives_a_power_cut() {
    let store = Arc::new(MemoryStore::new());
    let clock = TestClock::new();
    let scene = Scene::at(store.clone(), RULES, clock.clone());
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    let after = Scene::at(Arc::new(store.crash()), RULES, clock.clone());
    assert_eq!(after.balance(&account), 42);
    assert_eq!(after.farm.job(job.id).unwrap().unwrap().job, job);
    let kinds = after.farm.entries(account.id).unwrap().into_iter().map(|entry| entry.kind).collect::<Vec<_>>();
    assert_eq!(
        kinds,
        [EntryKind::OperatorGrant { reason: "test".into(), credit: Credit::Paid }, EntryKind::Charge { job: job.id }]
    );
}

#[tokio::test]
async fn workers_share_a_job_by_their_speed_and_a_lone_one_takes_all_of_it() {
    let scene = Scene::with(FarmRules { segment_slots_max: 1200, ..RULES });
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 4).await;
    // 240 slots of 64x48: 150 of them a second, and 50.
    let mut hello = hello(AGENT, 2);
    for (facts, slots_per_second) in hello.workers.iter_mut().zip([150, 50]) {
        facts.inventory.pixels_per_second = slots_per_second * 64 * 48;
    }
    scene.farm.hello(hello).await.unwrap();
    let taken = async |worker| match scene.next(worker).await.map(|work| (work.piece.clone(), work)) {
        Some((Piece::Render(slots), work)) => (slots, work),
        other => panic!("expected a piece to render, not {other:?}"),
    };
    scene.submit(&clip, 4, 1).await.unwrap();
    let (all, work) = taken(0).await;
    assert_eq!(all, SlotRange::new(0, 240), "nobody else has asked");
    scene.farm.give_back(work.lease).await.unwrap();
    // Both could be done after 1.2 s, but two seconds of work are the least that one takes.
    let (slow, slow_work) = taken(1).await;
    assert_eq!(slow, SlotRange::new(0, 100));
    let (fast, _) = taken(0).await;
    assert_eq!(fast, SlotRange::new(100, 240));
    scene.farm.give_back(slow_work.lease).await.unwrap();
    let (again, _) = taken(1).await;
    assert_eq!(again, SlotRange::new(0, 100), "what was given back is taken as it is");
}

#[tokio::test]
async fn a_worker_that_asks_while_it_delivers_is_not_taken_for_two() {
    let scene = Scene::with(FarmRules { segment_slots_max: 1200, ..RULES });
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 4).await;
    // 240 slots of 64x48, 20 a second: more than ten seconds of work, so the half of it at first.
    let mut hello = hello(AGENT, 1);
    hello.workers[0].inventory.pixels_per_second = 20 * 64 * 48;
    scene.farm.hello(hello).await.unwrap();
    scene.submit(&clip, 4, 1).await.unwrap();
    let first = scene.next(0).await.unwrap();
    assert_eq!(first.piece, Piece::Render(SlotRange::new(0, 120)));
    let rendered = Progress { frames_done: 120, frames_total: 120 };
    assert_eq!(scene.farm.renew(first.lease, rendered).await.unwrap(), Renewal::Kept);
    // It is on its way, and the worker asks for more.
    assert_eq!(scene.next(0).await.unwrap().piece, Piece::Render(SlotRange::new(120, 240)));
}
