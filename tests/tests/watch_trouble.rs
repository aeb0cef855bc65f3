//! Folders in trouble: a disk that is full, a mount that goes away, files that may not be read, clocks that jump, ten
//! thousand files at once, rules that change under way. Nothing is lost, nothing made twice, no source touched before its
//! result is proven.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};
use tweenfarm_protocol::operator::{WatchFileRow, WatchState, WatchView};
use tweenfarm_tests::folders::{Scene, is_right, names};

const LIMIT: Duration = Duration::from_secs(180);
const MANY: usize = 10_000;
/// What a watcher of ten thousand files may use at once; it was seen to use a third of it, in a build that is not optimised.
const MEMORY_BYTES_MAX: u64 = 256 << 20;

/// A mounted file system; unmounted with its handle.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` where this process may not mount.
    fn new(arguments: &[&str], at: &Path) -> Option<Mounted> {
        let mounted = Command::new("mount").args(arguments).arg(at).output().expect("mount runs");
        mounted.status.success().then(|| Mounted(at.to_owned()))
    }

    fn memory(options: &str, at: &Path) -> Option<Mounted> {
        let mounted = Mounted::new(&["-t", "tmpfs", "-o", options, "tmpfs"], at);
        if mounted.is_none() {
            println!("skipped: this needs a small file system, and mounting one needs the superuser");
        }
        mounted
    }

    fn resize(&self, size: &str) {
        let option = format!("remount,size={size}");
        let done = Command::new("mount").args(["-o", &option]).arg(&self.0).status().expect("mount runs");
        assert!(done.success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_costs_a_wait_and_no_source_goes_before_there_is_room() {
    let scene = Scene::new(&["in", "out", "keep", "results", "done"]).await;
    // A page, which the file that fills it takes.
    let Some(out) = Mounted::memory("size=64k", &scene.at("out")) else { return };
    let Some(done) = Mounted::memory("size=64k", &scene.at("done")) else { return };
    fs::write(scene.at("out/filler"), vec![1; 60 << 10]).expect("write");
    fs::write(scene.at("done/filler"), vec![1; 60 << 10]).expect("write");
    let deleted = scene.rule("in", &format!("output = {:?}\nsource = \"delete\"", scene.at("out")));
    let more = format!("output = {:?}\nsource = \"move\"\nmove_to = {:?}", scene.at("results"), scene.at("done"));
    let rules = [deleted, scene.rule("keep", &more)].concat();
    let (first, second) = (scene.clip("1.mp4", 20), scene.clip("2.mp4", 21));
    fs::copy(&first, scene.at("in/1.mp4")).expect("copy");
    fs::copy(&second, scene.at("keep/2.mp4")).expect("copy");

    let mut watcher = scene.watcher(&rules);
    let waits = watcher.file("1.mp4", WatchState::Retrying, LIMIT).await.expect("it waits for room");
    assert!(waits.reason.as_deref().is_some_and(|reason| reason.contains("bytes are free")), "{waits:?}");
    let stays = watcher.file("2.mp4", WatchState::Retrying, LIMIT).await.expect("it waits for room");
    assert!(stays.reason.as_deref().is_some_and(|reason| reason.contains("the source cannot go")), "{stays:?}");
    is_right(&second, &scene.at("results/2.60fps.mp4"));
    // More often than a failure of the clip's own would be tried.
    let mut since = waits.since;
    for _ in 0..5 {
        let again =
            |file: &WatchFileRow| file.path == "1.mp4" && file.state == WatchState::Retrying && file.since != since;
        let view = watcher.told(LIMIT, |view| view.files.iter().any(again)).await.expect("it is tried again");
        since = view.files.iter().find(|file| again(file)).expect("it was there").since.clone();
        assert!(view.rules.iter().all(|rule| (rule.quarantined, rule.done) == (0, 0)), "{view:?}");
    }
    assert_eq!(fs::read(&first).expect("the clip"), fs::read(scene.at("in/1.mp4")).expect("the source"));
    assert_eq!(fs::read(&second).expect("the clip"), fs::read(scene.at("keep/2.mp4")).expect("the source"));

    out.resize("16m");
    done.resize("16m");
    watcher.file("1.mp4", WatchState::Done, LIMIT).await.expect("there is room");
    watcher.file("2.mp4", WatchState::Done, LIMIT).await.expect("there is room");
    is_right(&first, &scene.at("out/1.60fps.mp4"));
    assert_eq!(names(&scene.at("out")), ["1.60fps.mp4", "filler"]);
    assert_eq!(names(&scene.at("done")), ["2.mp4", "filler"]);
    assert_eq!(fs::read(&second).expect("the clip"), fs::read(scene.at("done/2.mp4")).expect("the source"));
    assert!(names(&scene.at("in")).is_empty() && names(&scene.at("keep")).is_empty());
    assert_eq!(scene.spent().await, 2);
}

#[tokio::test]
async fn a_mount_that_goes_away_is_waited_for_and_what_lies_under_it_is_not_taken() {
    let scene = Scene::new(&["in", "disk", "out"]).await;
    let Some(_disk) = Mounted::memory("size=16m", &scene.at("disk")) else { return };
    let disk = scene.at("disk").display().to_string();
    let bind = || Mounted::new(&["--bind", &disk], &scene.at("in")).expect("the superuser may bind");
    let rules = scene.rule("in", &format!("output = {:?}\nsource = \"delete\"", scene.at("out")));
    let (first, second) = (scene.clip("1.mp4", 20), scene.clip("2.mp4", 21));
    // Under the mount point, where somebody copied to it while nothing was mounted.
    fs::copy(&second, scene.at("in/under.mp4")).expect("copy");

    let mounted = bind();
    let mut watcher = scene.watcher(&rules);
    watcher.told(LIMIT, |view| view.rules.iter().any(|rule| rule.scanned_at.is_some())).await.expect("a scan");
    drop(mounted);
    let gone = |view: &WatchView| {
        view.rules.iter().any(|rule| rule.trouble.as_deref().is_some_and(|trouble| trouble.contains("mount")))
    };
    watcher.told(LIMIT, gone).await.expect("it is noticed");
    // Also by a watcher that finds it so.
    watcher.kill().expect("it can be killed");
    watcher.restart().await.expect("a watcher");
    let view = watcher.told(LIMIT, gone).await.expect("it is noticed");
    assert!(view.files.is_empty() && view.rules.iter().all(|rule| rule.settling == 0), "{view:?}");

    let _mounted = bind();
    fs::copy(&first, scene.at("in/1.mp4")).expect("copy");
    watcher.file("1.mp4", WatchState::Done, LIMIT).await.expect("it is there again");
    is_right(&first, &scene.at("out/1.60fps.mp4"));
    assert_eq!(
        (names(&scene.at("in")).len(), names(&scene.at("out")), scene.spent().await),
        (0, vec!["1.60fps.mp4".to_owned()], 1)
    );
}

#[tokio::test]
async fn what_may_not_be_read_is_put_aside_with_the_reason_and_times_of_other_clocks_are_as_good_as_any() {
    let scene = Scene::new(&["in/locked", "out"]).await;
    let rules = scene.rule("in", &format!("output = {:?}", scene.at("out")));
    let clips = [scene.clip("1.mp4", 20), scene.clip("2.mp4", 21), scene.clip("3.mp4", 22), scene.clip("4.mp4", 23)];
    let names_in = ["future.mp4", "past.mp4", "secret.mp4", "locked/deep.mp4"];
    for (clip, name) in clips.iter().zip(names_in) {
        fs::copy(clip, scene.at("in").join(name)).expect("copy");
    }
    let at = |name: &str| scene.at("in").join(name);
    let dated = |name: &str, time| fs::File::options().append(true).open(at(name)).expect("open").set_modified(time);
    dated("future.mp4", SystemTime::now() + Duration::from_secs(20 * 365 * 86_400)).expect("a time to come");
    dated("past.mp4", SystemTime::UNIX_EPOCH - Duration::from_secs(86_400)).expect("a time before all times");
    let allow = |name: &str, mode| fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).expect("chmod");
    allow("secret.mp4", 0o000);
    allow("locked", 0o000);

    let mut watcher = scene.watcher_without_rights(&rules);
    let secret = watcher.file("secret.mp4", WatchState::Quarantined, LIMIT).await.expect("it is put aside");
    assert!(secret.reason.as_deref().is_some_and(|reason| reason.contains("cannot be read")), "{secret:?}");
    for (name, clip) in [("future", &clips[0]), ("past", &clips[1])] {
        watcher.file(&format!("{name}.mp4"), WatchState::Done, LIMIT).await.expect("it is done");
        is_right(clip, &scene.at(&format!("out/{name}.60fps.mp4")));
    }
    allow("secret.mp4", 0o600);
    allow("locked", 0o700);
    scene.farm.operator().expect("the socket").order(&secret.file, "release").await.expect("an order");
    watcher.file("secret.mp4", WatchState::Done, LIMIT).await.expect("it may be read now");
    watcher.file("locked/deep.mp4", WatchState::Done, LIMIT).await.expect("it may be found now");
    is_right(&clips[3], &scene.at("out/locked/deep.60fps.mp4"));
    assert_eq!(scene.spent().await, 4);
}

#[tokio::test]
async fn ten_thousand_files_at_once_wait_in_order_within_bounded_memory() {
    let scene = Scene::idle(&["in"]).await;
    let clip = scene.clip("1.mp4", 20);
    for number in 0..MANY {
        fs::write(scene.at(&format!("in/{number:05}.mp4")), number.to_string()).expect("write");
    }
    // The oldest is a clip whose job waits for an agent: the others wait for their turn behind it.
    let first = scene.at("in/07777.mp4");
    fs::copy(&clip, &first).expect("copy");
    let old = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().append(true).open(&first).expect("open").set_modified(old).expect("an older time");
    // In the order of their times, whatever their names say.
    let next = scene.at("in/05555.mp4");
    fs::File::options()
        .append(true)
        .open(&next)
        .expect("open")
        .set_modified(old + Duration::from_secs(60))
        .expect("a time");

    let mut watcher = scene.watcher(&scene.rule("in", "in_flight_max = 1"));
    // Its job is taken, so it is paid for.
    let all_wait = |view: &WatchView| {
        view.rules.iter().any(|rule| (rule.working, rule.waiting) == (1, MANY as u64 - 1))
            && view.files.iter().any(|file| file.job.is_some())
    };
    let view = watcher.told(LIMIT, all_wait).await.expect("all but one wait");
    let of_state = |state| view.files.iter().find(|file| file.state == state).map(|file| file.path.as_str());
    assert_eq!((of_state(WatchState::Working), of_state(WatchState::Waiting)), (Some("07777.mp4"), Some("05555.mp4")));
    // Told in pages, not all at once; and remembered.
    assert!(view.files.len() < 1000, "{}", view.files.len());
    watcher.kill().expect("it can be killed");
    watcher.restart().await.expect("a watcher");
    watcher.told(LIMIT, all_wait).await.expect("all are remembered");
    let peak = watcher.memory_peak_bytes().expect("its memory");
    assert!(peak < MEMORY_BYTES_MAX, "{peak} bytes");
    assert_eq!(scene.spent().await, 1);
}

#[tokio::test]
async fn rules_that_change_under_way_count_from_then_on_and_a_broken_file_changes_none() {
    let scene = Scene::new(&["in", "more", "out"]).await;
    let out = format!("output = {:?}", scene.at("out"));
    let mut watcher = scene.watcher(&scene.rule("in", &out));
    let (first, second, third) = (scene.clip("1.mp4", 20), scene.clip("2.mp4", 21), scene.clip("3.mp4", 22));

    watcher.told(LIMIT, |view| view.rules.len() == 1).await.expect("it is there, and hears signals");
    watcher.reload(&scene.rule("in", "settle_seconds = 0\n")).expect("a signal");
    watcher.says("everything stays as it was", LIMIT).await;
    fs::copy(&first, scene.at("in/1.mp4")).expect("copy");
    watcher.file("1.mp4", WatchState::Done, LIMIT).await.expect("it goes on as before");
    is_right(&first, &scene.at("out/1.60fps.mp4"));

    // One rule changes, one comes.
    let ignoring = scene.rule("in", &format!("{out}\nignore = [\"3.*\"]"));
    watcher.reload(&[ignoring, scene.rule("more", &out)].concat()).expect("a signal");
    watcher.told(LIMIT, |view| view.rules.len() == 2).await.expect("two rules");
    fs::copy(&third, scene.at("in/3.mp4")).expect("copy");
    fs::copy(&second, scene.at("more/2.mp4")).expect("copy");
    watcher.file("2.mp4", WatchState::Done, LIMIT).await.expect("the new rule has it");
    is_right(&second, &scene.at("out/2.60fps.mp4"));
    assert!(!scene.at("out/3.60fps.mp4").exists());

    // One goes, one is as it was in the beginning.
    watcher.reload(&scene.rule("in", &out)).expect("a signal");
    watcher.told(LIMIT, |view| view.rules.len() == 1).await.expect("one rule");
    watcher.file("3.mp4", WatchState::Done, LIMIT).await.expect("nobody ignores it any more");
    is_right(&third, &scene.at("out/3.60fps.mp4"));
    assert_eq!(scene.spent().await, 3);
    assert!(watcher.stop().expect("it stops").success());
}
