//! The whole farm on a bucket of a real S3 server: clients and agents deal with it directly, and nothing is lost or
//! charged when it goes away.

use rustix::process::Signal;
use serde_json::json;
use std::{fs::DirEntry, os::unix::fs::PermissionsExt, path::Path, time::Duration};
use tweenfarm_protocol::{Rational, operator::WatchState};
use tweenfarm_s3_server::{ACCESS_KEY, Asked, BUCKET, S3Server, SECRET_KEY};
use tweenfarm_tests::{
    clips::{self, Recipe},
    farm::{Farm, Settings},
    inspect::{broken_promises, inspect},
    wait::until,
    watcher::Watcher,
};

const LIMIT: Duration = Duration::from_secs(240);
/// The least that S3 takes: five megabytes are soon made.
const PART_BYTES: u64 = 5 << 20;

struct Bucket {
    server: S3Server,
    credentials: tempfile::NamedTempFile,
}

impl Bucket {
    async fn start() -> Bucket {
        let credentials = tempfile::NamedTempFile::new().expect("a file for the credentials");
        let lines = format!("access_key_id = {ACCESS_KEY:?}\nsecret_access_key = {SECRET_KEY:?}\n");
        std::fs::write(credentials.path(), lines).expect("the credentials");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(credentials.path(), private).expect("a private file");
        Bucket { server: S3Server::start().await, credentials }
    }

    fn settings(&self) -> Settings {
        let blobs = format!(
            "kind = \"s3\"\nendpoint = {:?}\nbucket = {BUCKET:?}\nprefix = \"studio/\"\ncredentials_file = {:?}\n\
             part_bytes = {PART_BYTES}",
            self.server.endpoint(),
            self.credentials.path(),
        );
        Settings { blobs, ..Settings::default() }
    }

    /// From then on the daemon sends less at once than a clip.
    async fn has_the_probe(&self) {
        let stored = async || self.server.keys().iter().any(|key| key == "studio/probe/clip.mp4");
        until("the probe's film is stored", LIMIT, stored).await;
    }

    fn asked(&self, method: &str, of: impl Fn(&Asked) -> bool) -> usize {
        self.server.asked().iter().filter(|asked| asked.method == method && of(asked)).count()
    }
}

/// Noise, which no encoder makes small.
fn noise(path: &Path) {
    let picture = "nullsrc=size=320x240:rate=24:duration=5,geq=random(1)*255:128:128";
    let sound = "sine=frequency=440:duration=5";
    let arguments = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-c:a", "aac", "-c:v", "libx264"];
    clips::ffmpeg(&[&arguments[..], &["-pix_fmt", "yuv420p", "-crf", "30"]].concat(), path)
        .expect("ffmpeg makes noise");
}

#[tokio::test]
async fn a_clip_goes_through_a_bucket_in_parts_and_the_daemon_serves_no_byte_of_it() {
    let bucket = Bucket::start().await;
    let settings = Settings { encode_crf: 0, ..bucket.settings() };
    let mut farm = Farm::with_agent(settings).await.expect("a farm");
    let client = farm.client("s3@example.org", 100).await.expect("an account");
    let clip = farm.folder().join("noise.mp4");
    noise(&clip);
    let source = inspect(&clip).expect("the clip");

    let upload = client.upload(&clip).await.expect("an upload");
    let place = format!("{}/{BUCKET}/studio/{}?", bucket.server.endpoint(), upload.key);
    assert!(upload.upload_url.starts_with(&place), "{} is not at {place}", upload.upload_url);
    let estimates = client.estimate_video(&upload.key, &[48]).await.expect("an estimate");
    assert_eq!(estimates.metadata.size_bytes, source.size_bytes);
    let submitted = client.submit(&upload.key, 48).await.expect("a job");
    let job = farm.finished(&client, &submitted.job_id, LIMIT).await.expect("the job");
    assert_eq!(job.status, "done", "{job:?}");
    let url = job.output_url.clone().expect("a URL");
    assert!(url.starts_with(&bucket.server.endpoint()), "{url}");
    let result = farm.folder().join("result.mp4");
    client.download(&url, &result).await.expect("the result");
    let found = inspect(&result).expect("the result");
    let broken = broken_promises(&source, &found, Rational::whole(48));
    assert!(broken.is_empty(), "{}", broken.join("; "));
    assert!(found.size_bytes > 2 * PART_BYTES, "{} bytes are no test of parts", found.size_bytes);

    let part = bucket.asked("PUT", |asked| asked.parameters.iter().any(|name| name == "partNumber"));
    assert!(part >= 3, "{part} parts");
    // The clip once for the daemon's look, once for the agent; segments and outputs by nobody but agents and clients.
    assert_eq!(bucket.asked("GET", |asked| asked.path.ends_with(&upload.key)), 2);
    let here = reqwest::get(format!("{}/tweenfarm/{}", farm.base(), upload.key)).await.expect("an answer");
    assert_eq!(here.status(), 404, "there are no objects at the daemon");
    farm.nothing_left_behind().await.expect("a clean farm");
    // Cleaning up follows the commit that ends a job.
    let kept = || bucket.server.keys().iter().filter(|key| !key.starts_with("studio/probe/")).count();
    let clean = async || (kept(), bucket.server.unfinished()) == (2, 0);
    until("nothing but the upload and the output is in the bucket", LIMIT, clean).await;
    for key in [&upload.key, job.output_key.as_ref().expect("a key")] {
        assert!(bucket.server.keys().contains(&format!("studio/{key}")), "{key} is gone");
    }
    farm.no_warnings().expect("quiet logs");
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_costs_time_and_nothing_else() {
    let mut bucket = Bucket::start().await;
    let mut farm = Farm::with_agent(bucket.settings()).await.expect("a farm");
    let client = farm.client("away@example.org", 100).await.expect("an account");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { size: "320x240", seconds: 4.0, ..Recipe::default() }).expect("ffmpeg makes a clip");

    // In the middle of an upload: nothing is there, and the URL can be used again.
    let upload = client.presign("clip.mp4", "video/mp4").await.expect("a URL");
    bucket.has_the_probe().await;
    bucket.server.cut_after(10_000);
    client.put_file(&upload.upload_url, "video/mp4", &clip).await.expect_err("the line was cut");
    let refused = client.estimate_video(&upload.key, &[60]).await.expect_err("nothing is there");
    assert_eq!(refused.refusal().map(|(status, _)| status), Some(404), "{refused}");
    client.put_file(&upload.upload_url, "video/mp4", &clip).await.expect("the second try");

    // Before a job: a clear answer, and no charge.
    bucket.server.stop().await;
    let refused = client.submit(&upload.key, 60).await.expect_err("the bucket is away");
    assert_eq!(refused.refusal(), Some((503, "the store is unavailable")), "{refused}");
    assert_eq!(client.me().await.expect("the account").balance_xeconds, 100);
    bucket.server.restart().await;
    // In the middle of a task, until the agent has tried in vain to deliver. The worker is held for as long as the source has to
    // be fetched yet: otherwise it could be done before anybody has looked.
    farm.signal_workers(0, Signal::STOP).expect("a worker");
    let submitted = client.submit(&upload.key, 60).await.expect("a job");
    let cache = farm.agent_folder(0).join("cache");
    let is_whole = |file: std::io::Result<DirEntry>| file.is_ok_and(|file| file.path().extension().is_none());
    let fetched = async || std::fs::read_dir(&cache).is_ok_and(|mut files| files.any(is_whole));
    until("the agent has the source", LIMIT, fetched).await;
    bucket.server.stop().await;
    farm.signal_workers(0, Signal::CONT).expect("a worker");
    farm.agent_says(0, "a result is not delivered yet").await.expect("a delivery that was tried in vain");
    bucket.server.restart().await;
    let job = farm.finished(&client, &submitted.job_id, LIMIT).await.expect("the job");
    assert_eq!((job.status.as_str(), job.xeconds_refunded), ("done", 0), "{job:?}");
    let charged = 100 - client.me().await.expect("the account").balance_xeconds;
    assert_eq!(charged, submitted.xeconds_charged, "charged once");
    let log = farm.agent_log(0).expect("its log");
    let rendered = log.lines().filter(|line| line.contains("task taken") && line.contains("segment=segment ")).count();
    assert_eq!(rendered, 1, "nothing is rendered twice");
    farm.nothing_left_behind().await.expect("a clean farm");
}

#[tokio::test]
async fn urls_that_last_lead_to_the_bucket_for_as_long_as_the_file_is_there() {
    let bucket = Bucket::start().await;
    let mut farm = Farm::with_agent(bucket.settings()).await.expect("a farm");
    let (api, reframe, _) = farm.apiframe("v2@example.org", 100).await.expect("an account");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe::default()).expect("ffmpeg makes a clip");
    let source = inspect(&clip).expect("the clip");
    let upload = api.upload(&clip).await.expect("an upload through the daemon");
    let order = |video: &str, fps: u32| json!({ "model": "frame-interpolate", "frameInterpolateParams": { "video": video, "target_fps": fps } });
    let accepted = api.upscale(order(&upload.url, 60), None).await.expect("a job");
    let (job, _) = api.wait_for(&accepted.job_id, LIMIT).await.expect("the job");
    assert_eq!(job.status, "COMPLETED", "{job:?}");
    assert!(job.video_url().starts_with(farm.base()), "{}", job.video_url());

    let plain = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let answer = plain.get(job.video_url()).send().await.expect("an answer");
    let location = answer.headers()["location"].to_str().expect("a URL").to_owned();
    assert_eq!((answer.status().as_u16(), location.starts_with(&bucket.server.endpoint())), (302, true), "{location}");
    let result = farm.folder().join("result.mp4");
    std::fs::write(&result, api.fetch(job.video_url()).await.expect("the result")).expect("room for the result");
    let broken = broken_promises(&source, &inspect(&result).expect("the result"), Rational::whole(60));
    assert!(broken.is_empty(), "{}", broken.join("; "));
    let length = std::fs::metadata(&result).expect("the result").len();
    let head = reqwest::Client::new().head(job.video_url()).send().await.expect("an answer");
    assert_eq!(
        (head.status().as_u16(), head.headers()["content-length"].to_str().ok()),
        (200, Some(&*length.to_string()))
    );
    let part =
        reqwest::Client::new().get(job.video_url()).header("range", "bytes=4-7").send().await.expect("an answer");
    assert_eq!((part.status().as_u16(), &part.bytes().await.expect("bytes")[..]), (206, &b"ftyp"[..]));

    // A presigned URL of the bucket is one of the farm's own: it is taken as it lies, not fetched.
    let asked = bucket.server.asked().len();
    let shown = reframe.job(&job.id).await.expect("the job on the other surface");
    let again = order(shown.output_url.as_deref().expect("a URL"), 120);
    let accepted = api.upscale(again, None).await.expect("a job from the result");
    // The agent may have stored a part of the new job by now.
    let is_input = |asked: &&Asked| asked.method == "PUT" && asked.path.contains("/input/");
    assert_eq!(bucket.server.asked()[asked..].iter().filter(is_input).count(), 0, "it was not stored anew");
    farm.finished(&reframe, &accepted.job_id, LIMIT).await.expect("the second job");
    farm.nothing_left_behind().await.expect("a clean farm");
    farm.no_warnings().expect("quiet logs");
}

#[tokio::test]
async fn a_folder_is_watched_with_the_bucket_behind_it_and_a_line_that_is_cut_costs_one_more_try() {
    const PAYER: &str = "folders@example.org";
    let bucket = Bucket::start().await;
    let settings = Settings { intake_accounts: vec![PAYER.to_owned()], ..bucket.settings() };
    let farm = Farm::with_agent(settings).await.expect("a farm");
    let client = farm.client(PAYER, 100).await.expect("an account");
    let folder = farm.folder().join("films");
    std::fs::create_dir(&folder).expect("a folder");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { size: "320x240", seconds: 2.0, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let rule = format!(
        "[[rule]]\nname = \"films\"\nfolder = {folder:?}\ntarget = 60\naccount = {PAYER:?}\nsettle_seconds = 1\n"
    );
    let operator = farm.operator().expect("the socket");
    let mut watcher = Watcher::start(farm.folder(), &farm.intake_socket(), operator, &rule).expect("a watcher");

    bucket.has_the_probe().await;
    bucket.server.cut_after(10_000);
    std::fs::copy(&clip, folder.join("clip.mp4")).expect("a clip is dropped");
    watcher.file("clip.mp4", WatchState::Done, LIMIT).await.expect("the result");
    assert!(!bucket.server.is_to_cut(), "the upload was cut in its middle");
    let found = inspect(&folder.join("clip.60fps.mp4")).expect("the result");
    let broken = broken_promises(&inspect(&clip).expect("the clip"), &found, Rational::whole(60));
    assert!(broken.is_empty(), "{}", broken.join("; "));
    assert_eq!(client.jobs().await.expect("the jobs"), 1);
    // The watcher deals with the bucket itself; the daemon looked at the clip there.
    let text = farm.operator().expect("the socket").metrics().await.expect("the metrics");
    let told = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let size_bytes = std::fs::metadata(&clip).expect("the clip").len();
    let read = told("tweenfarm_s3_bytes_total{direction=\"read\"}");
    assert!(read.is_some_and(|read| read >= size_bytes), "{read:?} of {size_bytes} bytes");
    watcher.stop().expect("it stops");
}
