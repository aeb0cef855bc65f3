//! Bad input: each gets the contract's status or a failed job with a sentence a person understands, the refund exactly
//! once, and nothing left behind.

use futures::stream;
use reqwest::Body;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tweenfarm_tests::{
    client::{Client, ClientError},
    clips::{self, Recipe},
    farm::{Farm, Settings},
    sentence,
};

const GRANT: i64 = 100;
const LIMIT: Duration = Duration::from_secs(120);

fn clip_in(folder: &Path, name: &str, recipe: Recipe) -> PathBuf {
    let path = folder.join(name);
    clips::make(&path, recipe).expect("ffmpeg makes a clip");
    path
}

/// The refusal's status; its detail must be a sentence.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, expected: &[u16]) {
    let error = answer.expect_err("it is refused");
    let (status, detail) = error.refusal().unwrap_or_else(|| panic!("not a refusal: {error:?}"));
    assert!(expected.contains(&status), "{status} is not one of {expected:?}: {detail}");
    assert_eq!(sentence::flaw(detail), None);
}

/// A file that is no usable clip: refused with 400 on its way in, or its job fails and gives the money back.
async fn check_bad_file(farm: &mut Farm, client: &Client, path: &Path) {
    let upload = match client.upload(path).await {
        Err(error) => return refused::<()>(Err(error), &[400]),
        Ok(upload) => upload,
    };
    refused_or_failed(farm, client, &upload.key).await;
    assert_eq!(
        client.me().await.expect("the account").balance_xeconds,
        GRANT,
        "nothing is kept for {}",
        path.display()
    );
}

async fn refused_or_failed(farm: &mut Farm, client: &Client, key: &str) {
    match client.submit(key, 60).await {
        Err(error) => refused::<()>(Err(error), &[400]),
        Ok(submitted) => {
            let job = farm.finished(client, &submitted.job_id, LIMIT).await.expect("the job is over");
            assert_eq!((job.status.as_str(), job.xeconds_refunded), ("failed", submitted.xeconds_charged), "{job:?}");
            assert_eq!(sentence::flaw(job.error.as_deref().unwrap_or_default()), None);
        }
    }
}

#[tokio::test]
async fn files_that_are_no_clips_cost_nothing_and_say_why() {
    let mut farm = Farm::with_agent(Settings::default()).await.expect("a farm");
    let client = farm.client("bad@example.org", GRANT).await.expect("an account");
    let folder = farm.folder().to_owned();
    let whole = clip_in(&folder, "whole.mp4", Recipe { seconds: 3.0, ..Recipe::default() });
    let bytes = fs::read(&whole).expect("the clip");

    let text = folder.join("text.mp4");
    fs::write(&text, "This is a letter, not a film.\n".repeat(200)).expect("write");
    let empty = folder.join("empty.mp4");
    fs::write(&empty, b"").expect("write");
    let headless = folder.join("headless.mp4");
    fs::write(&headless, &bytes[..bytes.len() / 2]).expect("write");
    let fast = folder.join("fast.mp4");
    clips::ffmpeg(&["-i", &whole.to_string_lossy(), "-c", "copy", "-movflags", "+faststart"], &fast).expect("remux");
    let bytes = fs::read(&fast).expect("the clip");
    let cut = folder.join("cut.mp4");
    fs::write(&cut, &bytes[..bytes.len() / 2]).expect("write");
    let sound = folder.join("sound.mp4");
    clips::ffmpeg(&["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"], &sound).expect("a tone");

    let single = folder.join("single.mp4");
    let picture = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=24", "-frames:v", "1", "-pix_fmt", "yuv420p"];
    clips::ffmpeg(&picture, &single).expect("a single frame");

    for path in [text, empty, headless, cut, sound, single] {
        check_bad_file(&mut farm, &client, &path).await;
    }
    farm.nothing_left_behind().await.expect("a clean farm");
}

#[tokio::test]
async fn targets_outside_the_contract_are_refused_and_not_charged() {
    let farm = Farm::start(Settings::default()).await.expect("a daemon");
    let client = farm.client("target@example.org", GRANT).await.expect("an account");
    let clip = clip_in(farm.folder(), "clip.mp4", Recipe { rate: "30", ..Recipe::default() });
    let upload = client.upload(&clip).await.expect("an upload");
    for fps in [0, 23, 24, 30, 241, 100_000] {
        refused(client.submit(&upload.key, fps).await, &[400]);
    }
    refused(client.estimate_video(&upload.key, &[]).await, &[400]);
    refused(client.estimate_video(&upload.key, &[60, 241]).await, &[400]);
    let supported = client.estimate_video(&upload.key, &[24, 30, 60]).await.expect("estimates");
    assert_eq!(supported.estimates.iter().map(|estimate| estimate.target_fps).collect::<Vec<_>>(), [60]);
    assert_eq!(client.me().await.expect("the account").balance_xeconds, GRANT);
}

#[tokio::test]
async fn what_belongs_to_another_account_stays_with_it() {
    let farm = Farm::start(Settings::default()).await.expect("a daemon");
    let owner = farm.client("owner@example.org", GRANT).await.expect("an account");
    let other = farm.client("other@example.org", GRANT).await.expect("an account");
    let clip = clip_in(farm.folder(), "clip.mp4", Recipe::default());
    let upload = owner.upload(&clip).await.expect("an upload");
    let submitted = owner.submit(&upload.key, 60).await.expect("a job");
    refused(other.submit(&upload.key, 60).await, &[403]);
    refused(other.probe(&upload.key).await, &[403]);
    refused(other.estimate_video(&upload.key, &[60]).await, &[403]);
    refused(other.job(&submitted.job_id).await, &[403]);
    refused(other.download_url(&upload.project_id, &upload.file_id).await, &[403]);
    let stranger = Client::new(farm.base(), "rfx_live_0000000000000000000000000000000000000000").expect("a client");
    refused(stranger.submit(&upload.key, 60).await, &[401]);
    refused(owner.submit("not a key of ours", 60).await, &[400]);
    assert_eq!(other.me().await.expect("the account").balance_xeconds, GRANT);
}

#[tokio::test]
async fn an_upload_over_the_limit_is_cut_off_while_it_streams() {
    let limit = 64 * 1024;
    let farm = Farm::start(Settings { upload_bytes_max: Some(limit), ..Settings::default() }).await.expect("a daemon");
    let client = farm.client("large@example.org", GRANT).await.expect("an account");
    let too_much = vec![0_u8; 4 * limit as usize];

    let upload = client.presign("sized.mp4", "video/mp4").await.expect("a URL");
    let size_bytes = Some(too_much.len() as u64);
    refused(client.put(&upload.upload_url, "video/mp4", size_bytes, Body::from(too_much.clone())).await, &[413]);

    // Without a stated size only counting helps.
    let upload = client.presign("streamed.mp4", "video/mp4").await.expect("a URL");
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> = too_much.chunks(8192).map(|chunk| Ok(chunk.to_vec())).collect();
    let body = Body::wrap_stream(stream::iter(chunks));
    refused(client.put(&upload.upload_url, "video/mp4", None, body).await, &[413]);
    refused(client.submit(&upload.key, 60).await, &[404]);
    farm.nothing_left_behind().await.expect("a clean farm");
}

#[tokio::test]
async fn a_full_disk_refuses_uploads_and_keeps_answering() {
    // A reserve no disk can keep is a disk that is full.
    let farm = Farm::start(Settings { disk_reserve_bytes: 1 << 60, ..Settings::default() }).await.expect("a daemon");
    let client = farm.client("full@example.org", GRANT).await.expect("an account");
    let clip = clip_in(farm.folder(), "clip.mp4", Recipe::default());
    refused(client.upload(&clip).await, &[503]);
    assert_eq!(client.me().await.expect("the account").balance_xeconds, GRANT);
    farm.nothing_left_behind().await.expect("a clean farm");
}

#[tokio::test]
async fn without_an_agent_a_job_waits_and_says_so() {
    let mut farm = Farm::start(Settings::default()).await.expect("a daemon");
    let client = farm.client("waits@example.org", GRANT).await.expect("an account");
    let clip = clip_in(farm.folder(), "clip.mp4", Recipe::default());
    let upload = client.upload(&clip).await.expect("an upload");
    let submitted = client.submit(&upload.key, 60).await.expect("a job");
    let job = client.job(&submitted.job_id).await.expect("the job");
    assert_eq!((job.status.as_str(), job.live_status.as_str()), ("pending", "no_workers"), "{job:?}");
    assert_eq!((job.output_key, job.output_url, job.fps_out, job.completed_at), (None, None, None, None));
    farm.add_agent(&[]).expect("an agent");
    let job = farm.finished(&client, &submitted.job_id, LIMIT).await.expect("the job is over");
    assert_eq!(job.status, "done", "{job:?}");
}

#[tokio::test]
async fn an_agent_without_vulkan_ends_and_says_what_is_missing() {
    let mut farm = Farm::start(Settings::default()).await.expect("a daemon");
    let nowhere = [("VK_DRIVER_FILES", "/nonexistent"), ("VK_ICD_FILENAMES", "/nonexistent")];
    let number = farm.add_agent(&nowhere).expect("an agent");
    let status = farm.agent(number).wait(LIMIT).expect("it ends by itself");
    assert!(!status.success(), "it ended with {status}");
    let log = fs::read_to_string(&farm.agent(number).recipe().log).expect("its log");
    assert!(log.contains("Vulkan"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
