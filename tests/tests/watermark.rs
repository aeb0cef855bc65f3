//! The mark of a trial: it is in the corner of every frame and nowhere else, and gone once the account has paid.

use anyhow::{Result, ensure};
use std::path::Path;
use std::time::Duration;
use tweenfarm_protocol::Rational;
use tweenfarm_tests::{
    client::Client,
    clips::{self, Recipe},
    farm::{Farm, Settings},
    inspect::{broken_promises, inspect},
};

const LIMIT: Duration = Duration::from_secs(180);
const RECIPE: Recipe = Recipe { size: "320x240", rate: "24", seconds: 1.0, sound: true };
const WIDTH: usize = 320;
const HEIGHT: usize = 240;
/// What coding the same picture twice may change of a pixel's brightness on average, of 255.
const CODING: f64 = 3.0;

/// Brightness of every pixel, frame by frame.
fn frames(clip: &Path, folder: &Path) -> Result<Vec<Vec<u8>>> {
    let raw = folder.join("raw");
    let input = clip.to_string_lossy();
    clips::ffmpeg(&["-i", &input, "-pix_fmt", "gray", "-f", "rawvideo"], &raw)?;
    Ok(std::fs::read(raw)?.chunks(WIDTH * HEIGHT).map(<[u8]>::to_vec).collect())
}

/// Mean difference above the lower third, and of the most changed pixels of the lower right quarter.
fn differences(clean: &[u8], marked: &[u8]) -> (f64, u8) {
    let of = |pixel: usize| clean[pixel].abs_diff(marked[pixel]);
    let above = 0..WIDTH * HEIGHT * 2 / 3;
    let mean = above.clone().map(|pixel| f64::from(of(pixel))).sum::<f64>() / above.len() as f64;
    let corner = (HEIGHT / 2 * WIDTH..HEIGHT * WIDTH).filter(|pixel| pixel % WIDTH >= WIDTH / 2);
    let mut changes: Vec<u8> = corner.map(of).collect();
    changes.sort_unstable_by(|a, b| b.cmp(a));
    (mean, changes[50])
}

async fn fetched(client: &Client, job: &str, path: &Path) -> Result<String> {
    let job = client.job(job).await?;
    client.download(job.output_url.as_deref().unwrap_or_default(), path).await?;
    Ok(job.output_key.unwrap_or_default())
}

async fn marked_then_clean(farm: &mut Farm) -> Result<()> {
    let (account, client) = farm.trial_client("trial@example.org").await?;
    let folder = farm.folder().to_owned();
    let [clip, marked, clean] = ["clip.mp4", "marked.mp4", "clean.mp4"].map(|name| folder.join(name));
    clips::make(&clip, RECIPE)?;
    let upload = client.upload(&clip).await?;
    let submitted = client.submit(&upload.key, 60).await?;
    let job = farm.finished(&client, &submitted.job_id, LIMIT).await?;
    ensure!(job.status == "done", "{job:?}");
    ensure!(job.watermarked, "a trial is marked: {job:?}");
    let key = fetched(&client, &job.id, &marked).await?;
    ensure!(key.ends_with("/output-60fps-watermarked.mp4"), "{key}");

    farm.operator()?.grant(account, 10).await?;
    ensure!(!client.job(&job.id).await?.watermarked, "who has paid is given the clean master");
    let key = fetched(&client, &job.id, &clean).await?;
    ensure!(key.ends_with("/output-60fps.mp4"), "{key}");

    let source = inspect(&clip)?;
    for result in [&marked, &clean] {
        let broken = broken_promises(&source, &inspect(result)?, Rational::whole(60));
        ensure!(broken.is_empty(), "{}: {}", result.display(), broken.join("; "));
    }
    let (clean, marked) = (frames(&clean, &folder)?, frames(&marked, &folder)?);
    ensure!(clean.len() == marked.len() && clean.len() == 60, "{} and {} frames", clean.len(), marked.len());
    for (number, (clean, marked)) in clean.iter().zip(&marked).enumerate() {
        let (elsewhere, corner) = differences(clean, marked);
        ensure!(elsewhere < CODING, "frame {number} differs by {elsewhere} outside of the corner");
        ensure!(corner > 30, "frame {number} has no mark: {corner}");
    }
    Ok(())
}

#[tokio::test]
async fn a_trial_output_has_the_mark_in_its_corner_until_the_account_has_paid() {
    let mut farm = Farm::with_agent(Settings::default()).await.expect("a farm");
    marked_then_clean(&mut farm).await.unwrap_or_else(|flaw| panic!("{flaw:#}\n{}", farm.logs()));
    farm.nothing_left_behind().await.expect("a clean farm");
    farm.no_warnings().expect("quiet logs");
}

#[tokio::test]
async fn a_paying_account_gets_the_mark_only_when_it_asks() {
    let mut farm = Farm::with_agent(Settings::default()).await.expect("a farm");
    let client = farm.client("paid@example.org", 100).await.expect("an account");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, RECIPE).expect("ffmpeg makes a clip");
    let upload = client.upload(&clip).await.expect("an upload");
    for watermark in [true, false] {
        let submitted = client.submit_marked(&upload.key, 60, watermark).await.expect("a job");
        let job = farm.finished(&client, &submitted.job_id, LIMIT).await.expect("the end");
        assert_eq!((job.status.as_str(), job.watermarked), ("done", watermark));
        assert_eq!(job.output_key.unwrap_or_default().ends_with("-watermarked.mp4"), watermark);
    }
}
