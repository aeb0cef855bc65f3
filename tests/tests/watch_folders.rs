//! Folders: what is dropped comes back at the rate, whatever happens on the way; nothing is lost, made twice, or touched
//! before its result is proven.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::{ffi::OsStrExt, fs::symlink},
    time::Duration,
};
use tweenfarm_protocol::operator::{WatchFileRow, WatchState};
use tweenfarm_tests::folders::{Scene, is_right, names};

const LIMIT: Duration = Duration::from_secs(180);

/// In the order in which a file comes by them; each is asked for by `--die-at`.
const POINTS: [&str; 10] = [
    "looked into",
    "sent, not noted",
    "uploaded",
    "charged, not noted",
    "submitted",
    "fetched, not proven",
    "proven",
    "named, not noted",
    "published",
    "source gone, not noted",
];

#[tokio::test]
async fn what_is_dropped_comes_back_and_what_is_no_whole_clip_is_left_alone() {
    let scene = Scene::new(&["in/sub/deep", "out", "beside"]).await;
    let mirrored = format!("output = {:?}\nerror_note = true", scene.at("out"));
    let rules = [scene.rule("in", &mirrored), scene.rule("beside", "source = \"delete\"")].concat();
    let (first, second, third, fourth) =
        (scene.clip("1.mp4", 20), scene.clip("2.mp4", 21), scene.clip("3.mkv", 22), scene.clip("4.mp4", 23));
    let (odd, fifth) = (OsStr::from_bytes(b"odd \xff\n\xfe.mkv"), scene.clip("5.mp4", 25));

    // A foreign file has the name of a result; a copy is under way; a name says that it is not whole.
    fs::write(scene.at("out/taken.60fps.mp4"), "mine").expect("write");
    fs::copy(&fifth, scene.at("in/taken.mp4")).expect("copy");
    let bytes = fs::read(&first).expect("the clip");
    let mut slow = File::create(scene.at("in/slow.mp4")).expect("create");
    slow.write_all(&bytes[..bytes.len() / 2]).expect("write");
    fs::copy(&second, scene.at("in/later.mp4.part")).expect("copy");
    fs::copy(&third, scene.at("in").join(odd)).expect("copy");
    fs::copy(&fourth, scene.at("beside/own.mp4")).expect("copy");
    // Nothing of this is a clip: a text, a folder, a link, a loop of links, a pipe that nobody writes to.
    fs::write(scene.at("in/text.mp4"), "no video").expect("write");
    fs::create_dir(scene.at("in/folder.mp4")).expect("a folder");
    symlink(scene.at("in/slow.mp4"), scene.at("in/link.mp4")).expect("a link");
    symlink(".", scene.at("in/loop")).expect("a link");
    let made = std::process::Command::new("mkfifo").arg(scene.at("in/pipe.mp4")).status().expect("mkfifo");
    assert!(made.success());

    let mut watcher = scene.watcher(&rules);
    let text = watcher.file("text.mp4", WatchState::Quarantined, LIMIT).await.expect("a text is put aside");
    assert!(text.reason.as_deref().is_some_and(|reason| reason.contains("not a video")), "{text:?}");
    assert!(fs::read_to_string(scene.at("in/text.mp4.tweenfarm-error.txt")).expect("a note").contains("not a video"));
    let taken = watcher.file("taken.mp4", WatchState::Quarantined, LIMIT).await.expect("a taken name is refused");
    assert!(taken.reason.as_deref().is_some_and(|reason| reason.contains("was not made here")), "{taken:?}");
    assert_eq!(fs::read(scene.at("out/taken.60fps.mp4")).expect("the foreign file"), b"mine");

    // The hold of the slow copy is long over by now: it is open, so it is not whole.
    watcher.file("slow.mp4", WatchState::Settling, LIMIT).await.expect("it is seen and not taken");
    slow.write_all(&bytes[bytes.len() / 2..]).expect("write");
    drop(slow);
    fs::rename(scene.at("in/later.mp4.part"), scene.at("in/later.mp4")).expect("rename");
    fs::hard_link(scene.at("in/later.mp4"), scene.at("in/sub/deep/again.mp4")).expect("a link");
    // Its name is free again, and somebody says so.
    fs::remove_file(scene.at("out/taken.60fps.mp4")).expect("remove");
    scene.farm.operator().expect("the socket").order(&taken.file, "release").await.expect("an order");

    for (path, source, result) in [
        ("slow.mp4", &first, scene.at("out/slow.60fps.mp4")),
        ("odd \u{fffd}\n\u{fffd}.mkv", &third, scene.at("out").join(OsStr::from_bytes(b"odd \xff\n\xfe.60fps.mp4"))),
        ("own.mp4", &fourth, scene.at("beside/own.60fps.mp4")),
        ("taken.mp4", &fifth, scene.at("out/taken.60fps.mp4")),
    ] {
        watcher.file(path, WatchState::Done, LIMIT).await.unwrap_or_else(|error| panic!("{path}: {error:#}"));
        is_right(source, &result);
    }
    // One of two names of a file is made, the other is known.
    let both = watcher
        .told(LIMIT, |view| {
            let rule = view.rules.iter().find(|rule| rule.rule == "in");
            rule.is_some_and(|rule| (rule.done, rule.skipped, rule.quarantined) == (4, 1, 1))
        })
        .await
        .expect("all is over");
    let same = both.files.iter().find(|file| file.state == WatchState::Skipped).expect("one is passed over");
    assert!(same.reason.as_deref().is_some_and(|reason| reason.contains("same content")), "{same:?}");

    // After two more scans: no result was taken for a clip, nothing was paid twice, only the proven source is gone.
    let scanned = both.rules[0].scanned_at.clone();
    let again =
        watcher.told(LIMIT, |view| view.rules.iter().all(|rule| rule.scanned_at > scanned)).await.expect("told");
    let open: u64 = again.rules.iter().map(|rule| rule.settling + rule.waiting + rule.working + rule.retrying).sum();
    assert_eq!((open, scene.spent().await), (0, 5), "{again:#?}");
    assert_eq!(names(&scene.at("beside")), ["own.60fps.mp4"]);
    // Of the file with two names, one result.
    let twice = [scene.at("out/later.60fps.mp4"), scene.at("out/sub/deep/again.60fps.mp4")];
    assert_eq!(twice.iter().filter(|path| path.exists()).count(), 1);
    assert!(names(&scene.at("out")).iter().all(|name| !name.ends_with(".partial")), "{:?}", names(&scene.at("out")));
    assert!(scene.at("in/slow.mp4").exists() && scene.at("in/text.mp4").exists());
    assert!(watcher.stop().expect("it stops").success());
}

#[tokio::test]
async fn a_watcher_that_dies_at_any_point_loses_nothing_and_pays_once() {
    let scene = Scene::new(&["in", "out", "done"]).await;
    let more = format!("output = {:?}\nsource = \"move\"\nmove_to = {:?}", scene.at("out"), scene.at("done"));
    let rules = scene.rule("in", &more);
    for (number, point) in POINTS.into_iter().enumerate() {
        let name = format!("{number}.mp4");
        let clip = scene.clip(&name, 20 + number as u32);
        fs::copy(&clip, scene.at("in").join(&name)).expect("copy");
        let mut watcher = scene.doomed(&rules, point);
        let status = watcher.dies(LIMIT).unwrap_or_else(|error| panic!("{point}: {error:#}"));
        assert!(!status.success(), "{point}: it ended in order");
        let proven = ["named, not noted", "published", "source gone, not noted"].contains(&point);
        assert!(
            proven || scene.at("in").join(&name).exists(),
            "{point}: the source is gone before its result is there"
        );
        watcher.restart().await.expect("a watcher");
        let done = watcher.file(&name, WatchState::Done, LIMIT).await;
        done.unwrap_or_else(|error| panic!("{point}: {error:#}"));
        let result = scene.at("out").join(format!("{number}.60fps.mp4"));
        is_right(&clip, &result);
        assert_eq!(fs::read(&clip).expect("the clip"), fs::read(scene.at("done").join(&name)).expect("the source"));
        assert_eq!(scene.spent().await, number as i64 + 1, "{point}: not paid once");
        watcher.kill().expect("it can be killed");
    }
    assert!(names(&scene.at("in")).is_empty(), "{:?}", names(&scene.at("in")));
    assert_eq!(names(&scene.at("out")).len(), POINTS.len(), "{:?}", names(&scene.at("out")));
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_an_empty_one_and_a_job_outlives_daemon_and_watcher() {
    // Without an agent yet: the job waits through all that happens.
    let mut scene = Scene::idle(&["in", "out"]).await;
    let more = format!("output = {:?}\nmarker = \"mounted\"", scene.at("out"));
    let rules = scene.rule("in", &more);
    fs::copy(scene.clip("1.mp4", 20), scene.at("in/1.mp4")).expect("copy");
    let mut watcher = scene.watcher(&rules);
    let view = watcher.told(LIMIT, |view| view.rules.iter().any(|rule| rule.trouble.is_some())).await.expect("told");
    assert!(view.rules[0].trouble.as_deref().is_some_and(|trouble| trouble.contains("mounted")), "{view:?}");
    assert_eq!(view.rules[0].settling, 0);
    fs::write(scene.at("in/mounted"), "").expect("write");
    watcher.told(LIMIT, |view| view.files.iter().any(|file| file.job.is_some())).await.expect("it is submitted");
    // The folder of the results goes away, the daemon dies, the watcher dies: then all come back.
    fs::rename(scene.at("out"), scene.at("out-gone")).expect("rename");
    scene.farm.kill_daemon().expect("it can be killed");
    watcher.kill().expect("it can be killed");
    scene.farm.restart_daemon().await.expect("a daemon");
    fs::rename(scene.at("out-gone"), scene.at("out")).expect("rename");
    watcher.restart().await.expect("a watcher");
    scene.farm.add_agent(&[]).expect("an agent");
    let done = watcher.file("1.mp4", WatchState::Done, LIMIT).await.expect("it is done");
    assert_eq!(scene.spent().await, 1);
    // Asked for, it is made once more, in place of its own result.
    scene.farm.operator().expect("the socket").order(&done.file, "retry").await.expect("an order");
    let again = |file: &WatchFileRow| file.state == WatchState::Done && file.since != done.since;
    watcher.told(LIMIT, |view| view.files.iter().any(again)).await.expect("it is done again");
    assert_eq!((scene.spent().await, names(&scene.at("out"))), (2, vec!["1.60fps.mp4".to_owned()]));
}
