//! A clip goes in over the API, an agent renders it, a file of the exact rate comes out; counted with ffprobe.

use anyhow::{Result, ensure};
use std::{path::Path, time::Duration};
use tweenfarm_protocol::Rational;
use tweenfarm_tests::{
    client::Client,
    clips::{self, Recipe},
    farm::{Farm, Settings},
    inspect::{broken_promises, inspect},
};

const GRANT: i64 = 1_000;
const LIMIT: Duration = Duration::from_secs(180);

/// Converts one clip and counts everything; the price that was charged.
async fn convert(farm: &mut Farm, client: &Client, clip: &Path, fps: u32) -> Result<i64> {
    let source = inspect(clip)?;
    let before = client.me().await?.balance_xeconds;
    let upload = client.upload(clip).await?;
    let estimates = client.estimate_video(&upload.key, &[fps]).await?;
    ensure!(estimates.metadata.width == source.video.width_px, "{estimates:?}");
    ensure!(estimates.metadata.height == source.video.height_px, "{estimates:?}");
    ensure!((estimates.metadata.duration_sec - source.video.duration).abs() < 0.002, "{estimates:?}");

    let submitted = client.submit(&upload.key, fps).await?;
    ensure!(submitted.status == "pending", "{submitted:?}");
    ensure!(submitted.xeconds_charged == estimates.estimates[0].charged_xeconds, "{submitted:?}");
    ensure!(submitted.balance_after == before - submitted.xeconds_charged, "{submitted:?}");

    let job = farm.finished(client, &submitted.job_id, LIMIT).await?;
    ensure!(job.status == "done", "{job:?}");
    ensure!(job.fps_out == Some(f64::from(fps)) && job.completed_at.is_some(), "{job:?}");
    ensure!(job.xeconds_refunded == 0, "{job:?}");
    ensure!(client.me().await?.balance_xeconds == submitted.balance_after, "the balance moved after the charge");

    let result = farm.folder().join("result.mp4");
    let url = job.output_url.clone().unwrap_or_default();
    let size_bytes = client.download(&url, &result).await?;
    let found = inspect(&result)?;
    ensure!(found.size_bytes == size_bytes, "{size_bytes} bytes came, the file has {}", found.size_bytes);
    let broken = broken_promises(&source, &found, Rational::whole(fps.into()));
    ensure!(broken.is_empty(), "{}", broken.join("; "));
    Ok(submitted.xeconds_charged)
}

/// Converts one clip or ends the test with what is wrong.
async fn check(farm: &mut Farm, client: &Client, clip: &Path, fps: u32) -> i64 {
    convert(farm, client, clip, fps).await.unwrap_or_else(|flaw| panic!("{} to {fps}: {flaw:#}", clip.display()))
}

#[tokio::test]
async fn a_clip_comes_out_at_exactly_the_rate_it_was_paid_for() {
    let mut farm = Farm::with_agent(Settings::default()).await.expect("a farm");
    let client = farm.client("happy@example.org", GRANT).await.expect("an account");
    let folder = farm.folder().to_owned();
    let small = Recipe::default();
    // Rates that divide and rates that don't, odd durations, other containers, no sound: each breaks another short cut.
    let cases = [
        ("whole.mp4", small, 48),
        ("uneven.mp4", Recipe { seconds: 1.3, ..small }, 60),
        ("ntsc.mp4", Recipe { rate: "30000/1001", seconds: 2.1, ..small }, 60),
        ("film.mkv", Recipe { rate: "24000/1001", ..small }, 120),
        ("silent.mov", Recipe { rate: "25", sound: false, ..small }, 60),
        ("odd.mp4", Recipe { size: "162x122", rate: "50", seconds: 0.5, sound: true }, 240),
    ];
    let mut spent = 0;
    for (name, recipe, fps) in cases {
        let clip = folder.join(name);
        clips::make(&clip, recipe).expect("ffmpeg makes a clip");
        spent += check(&mut farm, &client, &clip, fps).await;
    }
    let me = client.me().await.expect("the account");
    assert_eq!(me.balance_xeconds, GRANT - spent);
    farm.nothing_left_behind().await.expect("a clean farm");
    farm.no_warnings().expect("quiet logs");
}

#[tokio::test]
async fn real_footage_with_sound_goes_the_whole_way() {
    let mut farm = Farm::with_agent(Settings::default()).await.expect("a farm");
    let client = farm.client("real@example.org", GRANT).await.expect("an account");
    check(&mut farm, &client, &clips::shipped(), 60).await;
}

#[tokio::test]
async fn a_job_split_over_many_segments_is_one_exact_file() {
    let mut farm = Farm::with_agent(Settings { segment_slots_max: 24, ..Settings::default() }).await.expect("a farm");
    let client = farm.client("split@example.org", GRANT).await.expect("an account");
    let clip = farm.folder().join("long.mp4");
    clips::make(&clip, Recipe { seconds: 3.0, ..Recipe::default() }).expect("ffmpeg makes a clip");
    check(&mut farm, &client, &clip, 60).await;
    farm.nothing_left_behind().await.expect("a clean farm");
    farm.no_warnings().expect("quiet logs");
}

/// `TWEENFARM_CLIPS` names a folder of clips: each goes to 60 fps, or to 120 where it is 60 already.
#[tokio::test]
#[ignore = "takes minutes and a folder of clips: run it with TWEENFARM_CLIPS=folder and --ignored"]
async fn every_clip_of_a_folder_is_converted_exactly() {
    let folder = std::env::var_os("TWEENFARM_CLIPS").expect("TWEENFARM_CLIPS names a folder");
    let mut farm = Farm::with_agent(Settings::default()).await.expect("a farm");
    let client = farm.client("folder@example.org", GRANT).await.expect("an account");
    let mut flaws = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder of clips") {
        let clip = entry.expect("an entry").path();
        let is_clip = clip.extension().is_some_and(|extension| extension == "mp4" || extension == "mkv");
        if is_clip {
            let fps = if inspect(&clip).expect("a clip").video.average_rate < Rational::whole(60) { 60 } else { 120 };
            match convert(&mut farm, &client, &clip, fps).await {
                Ok(_) => eprintln!("{} to {fps}: exact", clip.display()),
                Err(flaw) => flaws.push(format!("{} to {fps}: {flaw:#}", clip.display())),
            }
        }
    }
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
}
