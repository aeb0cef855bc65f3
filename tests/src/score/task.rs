//! One clip, one task: thin the clip out, and score what an interpolator made of it.

use super::{
    Clip, cut,
    cut::{CutScore, cut_score},
    luma::Luma,
    mean, percentile,
    psnr::{noise, psnr_db},
    read::VideoFile,
    ssim::ssim,
    still::{StillDetail, StillError},
};
use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tweenfarm_protocol::Rational;

/// A frame within a quarter of a frame of its due time is that frame, with half a millisecond for rounded timestamps.
const NEAR_FRAMES: f64 = 0.25;
const NEAR_SECONDS: f64 = 0.0006;
/// A re-made frame repeats a given one when it is closer to it than this while the truth moved by more than that.
const REPEATS_BELOW: f64 = 0.25;
const MOVES_ABOVE: f64 = 0.75;
/// What stands still is looked for over this many given frames before and after a pair: what a pan leaves alike in two
/// frames by chance does not stay so.
const STILL_GIVEN: usize = 2;
/// The rate of the result may differ from the target's by this share: containers round.
const RATE_SLACK: f64 = 2e-4;

/// The truth of one task: the Y planes of all frames that take part.
pub struct Source {
    pub luma: Vec<Luma>,
    pub width_px: usize,
    pub height_px: usize,
}

/// The thinned-out file an interpolator is given.
pub struct TaskInput {
    pub path: PathBuf,
    /// Frames in it.
    pub given: u64,
    /// The rate it must be brought back to.
    pub rate: Rational,
    pub factor: u64,
}

impl TaskInput {
    /// Decodes the clip once: its frames stay as the truth, one of `factor` is written losslessly into `folder`.
    pub fn prepare(clip: &Clip, factor: u64, folder: &Path) -> Result<(Source, TaskInput)> {
        let file = VideoFile::probe(&clip.path)?;
        ensure!(file.is_plain(), "{} must be 8-bit 4:2:0 of limited range to be measured with", clip.path.display());
        let step = usize::try_from(factor)?;
        let count = (file.times.len().saturating_sub(1)) / step * step + 1;
        ensure!(count > step, "{} has too few frames for a {factor}x task", clip.path.display());
        let path = folder.join("input.mkv");
        let mut writer = input_writer(&file, clip.rate, factor, &path)?;
        let mut pipe = writer.stdin.take().context("ffmpeg has no input pipe")?;
        let (mut frames, mut luma) = (file.frames(&clip.path)?, Vec::with_capacity(count));
        while let Some(frame) = frames.next_frame().with_context(|| clip.path.display().to_string())? {
            if luma.len() == count {
                break;
            }
            if luma.len() % step == 0 {
                pipe.write_all(frame).context("hand a frame to ffmpeg")?;
            }
            luma.push(file.luma(frame));
        }
        drop(pipe);
        let status = writer.wait()?;
        ensure!(status.success(), "ffmpeg could not write the input ({status})");
        let given = u64::try_from((count - 1) / step + 1)?;
        let source = Source { luma, width_px: file.width_px, height_px: file.height_px };
        Ok((source, TaskInput { path, given, rate: clip.rate, factor }))
    }
}

fn input_writer(file: &VideoFile, rate: Rational, factor: u64, path: &Path) -> Result<std::process::Child> {
    let colour =
        if file.width_px.max(file.height_px) >= 1280 { ("bt709", "bt709") } else { ("smpte170m", "smpte170m") };
    let thin = Rational::new(rate.num(), rate.den() * i64::try_from(factor)?)?;
    Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"])
        .args(["-s", &format!("{}x{}", file.width_px, file.height_px)])
        .args(["-r", &format!("{}/{}", thin.num(), thin.den()), "-i", "-", "-an"])
        .args(["-c:v", "ffv1", "-level", "3", "-g", "1", "-slices", "4"])
        .args(["-colorspace", colour.0, "-color_primaries", colour.0, "-color_trc", colour.1, "-color_range", "tv"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("start ffmpeg (is the package ffmpeg installed?)")
}

/// One re-made frame against the truth.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct FrameScore {
    pub frame: usize,
    pub psnr: f64,
    /// PSNR over the worst 5 % of the pixels.
    pub psnr_worst: f64,
    pub ssim: f64,
    /// Mean difference of the second differences in time, in codes: what flickers where the truth does not.
    pub flicker: f64,
    /// Where something stands still in a moving picture.
    pub still: Option<StillError>,
    /// False when no output frame stood at its time.
    pub present: bool,
    /// It repeats a given frame although the truth moved.
    pub repeats: bool,
}

/// The score of one task; means are over re-made frames outside scene cuts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Score {
    /// Why there is no result; frame repetition is scored in its place.
    pub failure: Option<String>,
    pub psnr: Option<f64>,
    /// The 5th percentile over the frames.
    pub psnr_p5: Option<f64>,
    pub psnr_worst: Option<f64>,
    pub ssim: Option<f64>,
    pub ssim_p5: Option<f64>,
    pub flicker: Option<f64>,
    /// Mean, and largest of all, error of what stands still while the picture moves; in codes.
    pub still_mean: Option<f64>,
    pub still_max: Option<f64>,
    pub dup_rate: Option<f64>,
    /// Mean PSNR of the frames that were given: the encoder's loss, or a frame that was not passed through.
    pub kept_psnr: Option<f64>,
    pub scored: usize,
    pub missing: usize,
    pub cut_frames: usize,
    /// Cut frames that show one shot.
    pub cut_clean: usize,
    pub cut_purity: Option<f64>,
    pub cut_ghost: Option<f64>,
    pub output: Option<OutputFacts>,
    pub frames: Vec<FrameScore>,
}

/// Counts and times of the result.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct OutputFacts {
    pub frames: usize,
    /// Frames of an output that keeps the whole duration.
    pub frames_expected: usize,
    /// The whole duration, or up to the last given frame.
    pub count_ok: bool,
    pub full_duration: bool,
    pub rate_ok: bool,
    pub jitter_ms: f64,
    pub duration_error_ms: f64,
}

/// How one source frame came out.
enum Verdict {
    Kept(f64),
    Made(FrameScore),
    Cut(CutScore),
    Unscored,
}

/// Scores the file an interpolator wrote, or frame repetition in its place.
pub fn score(clip: &Clip, source: &Source, input: &TaskInput, result: Result<&Path>) -> Result<Score> {
    let opened = result.and_then(|path| Ok((path, open_result(path, source)?)));
    match opened {
        Ok((path, file)) => {
            let scored = score_file(clip, source, input, path, &file);
            scored.or_else(|error| score_repetition(clip, source, input, format!("{error:#}")))
        }
        Err(error) => score_repetition(clip, source, input, format!("{error:#}")),
    }
}

fn open_result(path: &Path, source: &Source) -> Result<VideoFile> {
    let file = VideoFile::probe(path)?;
    ensure!(!file.times.is_empty(), "the result has no frames");
    ensure!(
        (file.width_px, file.height_px) == (source.width_px, source.height_px),
        "the result is {}x{}, its source {}x{}",
        file.width_px,
        file.height_px,
        source.width_px,
        source.height_px
    );
    Ok(file)
}

fn score_file(clip: &Clip, source: &Source, input: &TaskInput, path: &Path, file: &VideoFile) -> Result<Score> {
    let start = file.times[0];
    let times: Vec<f64> = file.times.iter().map(|time| time - start).collect();
    let due: Vec<Due> = (0..source.luma.len()).map(|frame| due(&times, frame, input.rate)).collect();
    let mut wanted = vec![false; times.len()];
    due.iter().for_each(|at| wanted[at.output] = true);
    let (mut frames, mut shown) = (file.frames(path)?, Vec::with_capacity(times.len()));
    for wanted in wanted {
        let frame = frames.next_frame()?.context("the result ends early")?;
        shown.push(wanted.then(|| file.luma(frame)));
    }
    ensure!(frames.next_frame()?.is_none(), "the result goes on after its last frame");
    let result: Vec<Shown> =
        due.iter().filter_map(|at| Some(Shown { luma: shown[at.output].as_ref()?, present: at.present })).collect();
    Ok(Score { output: Some(output_facts(&times, file, input)), ..judge_all(clip, source, input, &result) })
}

/// What stands for one source frame in a result.
#[derive(Clone, Copy)]
struct Shown<'a> {
    luma: &'a Luma,
    present: bool,
}

/// Where the output frame for one source frame stands.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Due {
    output: usize,
    present: bool,
}

/// The nearest frame if it is near enough, else the one shown at that time.
fn due(times: &[f64], frame: usize, rate: Rational) -> Due {
    let at = frame as f64 / rate.as_f64();
    let above = times.partition_point(|time| *time < at).min(times.len() - 1);
    let below = above.saturating_sub(1);
    let nearest = if (times[below] - at).abs() <= (times[above] - at).abs() { below } else { above };
    if (times[nearest] - at).abs() <= NEAR_FRAMES / rate.as_f64() + NEAR_SECONDS {
        return Due { output: nearest, present: true };
    }
    let shown = times.partition_point(|time| *time <= at + NEAR_SECONDS).saturating_sub(1);
    Due { output: shown, present: false }
}

/// Judges every frame of a result; `shown` has one for each source frame.
fn judge_all(clip: &Clip, source: &Source, input: &TaskInput, shown: &[Shown]) -> Score {
    let factor = usize::try_from(input.factor).unwrap_or(usize::MAX);
    let starts: Vec<usize> = (0..source.luma.len()).step_by(factor).collect();
    let judged = starts.into_par_iter().flat_map_iter(|before| {
        let still = still_detail(source, factor, before);
        let frames = before..(before + factor).min(source.luma.len());
        frames.map(move |frame| judge(clip, source, input, frame, shown, still.as_ref()))
    });
    summarise(judged.collect())
}

/// What stands still around the pair that starts at `before`, if its picture moves at all.
fn still_detail(source: &Source, factor: usize, before: usize) -> Option<StillDetail> {
    let (first, second) = (&source.luma[before], source.luma.get(before + factor)?);
    let last = (before + (1 + STILL_GIVEN) * factor).min(source.luma.len() - 1);
    let around = &source.luma[before.saturating_sub(STILL_GIVEN * factor)..=last];
    (first.mean_difference(second) > MOVES_ABOVE).then(|| StillDetail::find(around))?
}

fn judge(
    clip: &Clip,
    source: &Source,
    input: &TaskInput,
    frame: usize,
    shown: &[Shown],
    still: Option<&StillDetail>,
) -> Verdict {
    let Shown { luma: made, present } = shown[frame];
    let truth = &source.luma[frame];
    let factor = usize::try_from(input.factor).unwrap_or(usize::MAX);
    let before = frame / factor * factor;
    if before == frame {
        return Verdict::Kept(psnr_db(noise(truth, made).mse));
    }
    let after = before + factor;
    let is_cut = |cut: &u64| usize::try_from(*cut).is_ok_and(|cut| before < cut && cut <= after);
    if clip.cuts.iter().any(is_cut) {
        let scored = cut_score(&source.luma[before], &source.luma[after], made);
        return scored.map_or(Verdict::Unscored, Verdict::Cut);
    }
    let noise = noise(truth, made);
    let distance = |picture: &Luma| picture.mean_difference(made);
    let repeats = distance(&source.luma[before]).min(distance(&source.luma[after])) < REPEATS_BELOW;
    let moved =
        || truth.mean_difference(&source.luma[before]).min(truth.mean_difference(&source.luma[after])) > MOVES_ABOVE;
    Verdict::Made(FrameScore {
        frame,
        psnr: noise.psnr_db(),
        psnr_worst: noise.psnr_worst_db(),
        ssim: ssim(truth, made).unwrap_or(f64::NAN),
        flicker: flicker(
            [frame - 1, frame, frame + 1].map(|frame| &source.luma[frame]),
            [frame - 1, frame, frame + 1].map(|frame| shown[frame].luma),
        ),
        still: still.map(|still| still.error(truth, made)),
        present,
        repeats: repeats && moved(),
    })
}

/// Mean absolute difference of the second differences of three frames, of the truth and as made.
fn flicker(truth: [&Luma; 3], made: [&Luma; 3]) -> f64 {
    let [truth, made] = [truth, made].map(|frames| frames.map(Luma::to_floats));
    let second = |frames: &[Vec<f32>; 3], at: usize| frames[0][at] - 2.0 * frames[1][at] + frames[2][at];
    let count = truth[0].len();
    let sum: f64 = (0..count).map(|at| f64::from((second(&truth, at) - second(&made, at)).abs())).sum();
    sum / count as f64
}

fn score_repetition(clip: &Clip, source: &Source, input: &TaskInput, failure: String) -> Result<Score> {
    let factor = usize::try_from(input.factor)?;
    let repeated = |frame| Shown { luma: &source.luma[frame / factor * factor], present: true };
    let shown: Vec<Shown> = (0..source.luma.len()).map(repeated).collect();
    Ok(Score { failure: Some(failure), ..judge_all(clip, source, input, &shown) })
}

fn summarise(verdicts: Vec<Verdict>) -> Score {
    let (mut kept, mut cuts, mut frames) = (Vec::new(), Vec::new(), Vec::new());
    for verdict in verdicts {
        match verdict {
            Verdict::Kept(psnr) => kept.push(psnr),
            Verdict::Made(score) => frames.push(score),
            Verdict::Cut(score) => cuts.push(score),
            Verdict::Unscored => {}
        }
    }
    frames.sort_by_key(|frame| frame.frame);
    let of = |value: fn(&FrameScore) -> f64| frames.iter().map(value);
    Score {
        failure: None,
        psnr: mean(of(|frame| frame.psnr)),
        psnr_p5: percentile(of(|frame| frame.psnr), 5.0),
        psnr_worst: mean(of(|frame| frame.psnr_worst)),
        ssim: mean(of(|frame| frame.ssim)),
        ssim_p5: percentile(of(|frame| frame.ssim), 5.0),
        flicker: mean(of(|frame| frame.flicker)),
        still_mean: mean(frames.iter().filter_map(|frame| Some(frame.still?.mean))),
        still_max: frames.iter().filter_map(|frame| Some(frame.still?.max)).reduce(f64::max),
        dup_rate: mean(of(|frame| f64::from(u8::from(frame.repeats)))),
        kept_psnr: mean(kept),
        scored: frames.len(),
        missing: frames.iter().filter(|frame| !frame.present).count(),
        cut_frames: cuts.len(),
        cut_clean: cuts.iter().filter(|cut| cut.purity >= cut::PURITY_MIN).count(),
        cut_purity: mean(cuts.iter().map(|cut| cut.purity)),
        cut_ghost: mean(cuts.iter().map(|cut| cut.ghost)),
        output: None,
        frames,
    }
}

fn output_facts(times: &[f64], file: &VideoFile, input: &TaskInput) -> OutputFacts {
    let (rate, factor) = (input.rate.as_f64(), input.factor);
    let whole = usize::try_from(factor * input.given).unwrap_or(usize::MAX);
    let to_last = usize::try_from(factor * (input.given - 1) + 1).unwrap_or(usize::MAX);
    let jitter = times.iter().enumerate().map(|(slot, time)| (time - slot as f64 / rate).abs()).fold(0.0, f64::max);
    let last = times.last().copied().unwrap_or(0.0);
    OutputFacts {
        frames: times.len(),
        frames_expected: whole,
        count_ok: times.len() == whole || times.len() == to_last,
        full_duration: times.len() == whole,
        rate_ok: file.average_rate.is_some_and(|found| (found.as_f64() / rate - 1.0).abs() < RATE_SLACK),
        jitter_ms: 1000.0 * jitter,
        duration_error_ms: 1000.0 * (last + 1.0 / rate - input.given as f64 * factor as f64 / rate),
    }
}

/// Share of the frames both methods re-made that came out worse than with `reference`, by PSNR.
pub fn share_worse(frames: &[FrameScore], reference: &[FrameScore]) -> Option<f64> {
    let of_reference = |frame: usize| reference.iter().find(|other| other.frame == frame);
    let pairs = frames.iter().filter_map(|mine| Some((mine, of_reference(mine.frame)?)));
    mean(pairs.map(|(mine, other)| f64::from(u8::from(mine.psnr < other.psnr))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_frame_finds_the_output_frame_at_its_time() {
        let rate = Rational::whole(10);
        let times = [0.0, 0.1, 0.2, 0.41];
        let check = |frame, output, present| assert_eq!(due(&times, frame, rate), Due { output, present }, "{frame}");
        check(0, 0, true);
        check(2, 2, true);
        check(3, 2, false);
        check(4, 3, true);
        check(9, 3, false);
    }

    #[test]
    fn a_repeated_frame_counts_only_where_the_truth_moved() {
        let flat = |value: u8| Luma::from_bytes(32, 24, vec![value; 32 * 24]);
        let clip = Clip {
            name: "flat".to_owned(),
            path: PathBuf::new(),
            rate: Rational::whole(30),
            factors: vec![2],
            tags: Vec::new(),
            cuts: Vec::new(),
        };
        let input = TaskInput { path: PathBuf::new(), given: 2, rate: clip.rate, factor: 2 };
        let check = |truth: [u8; 3], made: u8, expected: bool| {
            let source = Source { luma: truth.map(flat).to_vec(), width_px: 32, height_px: 24 };
            let given = [flat(truth[0]), flat(made), flat(truth[2])];
            let shown = given.each_ref().map(|luma| Shown { luma, present: true });
            let Verdict::Made(score) = judge(&clip, &source, &input, 1, &shown, None) else {
                panic!("frame 1 of a 2x task is made")
            };
            assert_eq!(score.repeats, expected, "{truth:?} {made}");
        };
        check([100, 110, 120], 100, true);
        check([100, 110, 120], 120, true);
        check([100, 110, 120], 110, false);
        check([100, 100, 120], 100, false);
    }

    #[test]
    fn a_frame_off_by_itself_flickers_and_a_steady_change_does_not() {
        let flat = |value: u8| Luma::from_bytes(4, 4, vec![value; 16]);
        let check = |truth: [u8; 3], made: [u8; 3], expected: f64| {
            let [truth, made] = [truth, made].map(|values| values.map(flat));
            assert_eq!(flicker(truth.each_ref(), made.each_ref()), expected);
        };
        check([10, 20, 30], [12, 22, 32], 0.0);
        check([10, 20, 30], [10, 23, 30], 6.0);
        check([10, 40, 10], [10, 40, 10], 0.0);
    }

    #[test]
    fn the_share_of_frames_worse_than_another_method_is_counted_by_frame() {
        let frame = |frame, psnr| FrameScore {
            frame,
            psnr,
            psnr_worst: 0.0,
            ssim: 0.0,
            flicker: 0.0,
            still: None,
            present: true,
            repeats: false,
        };
        let mine = [frame(1, 30.0), frame(3, 31.0), frame(5, 40.0)];
        let blend = [frame(1, 30.0), frame(3, 31.5), frame(5, 35.0), frame(7, 50.0)];
        assert_eq!(share_worse(&mine, &blend), Some(1.0 / 3.0));
        assert_eq!(share_worse(&mine, &[]), None);
    }
}
