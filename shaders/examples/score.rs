//! Scores the CPU twins on a clip: `score CLIP FACTOR [fast|balanced|high]` drops all but one of FACTOR frames, makes
//! them again and prints mean PSNR-Y and SSIM of the made frames, beside those of a plain blend.
//! Decodes with the `ffmpeg` program; frames are I420.

use std::process::{Command, Stdio};
use tweenfarm_shaders::plan::Plan;
use tweenfarm_shaders::reference::{Source, interpolate, pair};
use tweenfarm_shaders::{FrameSize, PairVerdict, Phase, PlanarFrame, Quality, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [clip, factor, rest @ ..] = arguments.as_slice() else {
        return Err("usage: score CLIP FACTOR [fast|balanced|high] [verbose]".into());
    };
    let factor: usize = factor.parse()?;
    let quality = match rest.first().map(String::as_str) {
        Some("fast") => Quality::Fast,
        Some("high") => Quality::High,
        _ => Quality::Balanced,
    };
    let verbose = rest.iter().any(|word| word == "verbose");
    let settings = Settings { quality, ..Settings::default() };
    let size = probe(clip)?;
    let frames = decode(clip, size)?;
    let plan = Plan::new(size, settings);
    let (mut ours, mut blends) = (Score::default(), Score::default());
    let mut first = Source::new(&plan, &frames[0]);
    for start in (0..frames.len() - 1).step_by(factor) {
        let Some(next) = frames.get(start + factor) else { break };
        let second = Source::new(&plan, next);
        let between = pair(&plan, &first, &second);
        let verdict = PairVerdict::of(between.facts, settings);
        for step in 1..factor {
            let q16 = (65536 * step / factor) as u32;
            let phase = Phase::from_q16(q16).ok_or("a phase outside the pair")?;
            let made = interpolate(&plan, settings, &first, &second, phase, &between);
            let truth = &frames[start + step];
            let ours_psnr = ours.add(truth, &made);
            let blend_psnr = blends.add(truth, &blend(&first.frame, &second.frame, q16));
            if verbose {
                println!(
                    "{:4} {ours_psnr:6.2} blend {blend_psnr:6.2} {:?} bad {:.3} moved {:.2} still {:.2} histogram {:.3} trusted {:.3} correlation {:.3} brighter {:+.2}",
                    start + step,
                    verdict.kind,
                    verdict.bad_share,
                    verdict.moved_residual,
                    verdict.still_residual,
                    verdict.histogram_distance,
                    verdict.trusted_share,
                    verdict.correlation,
                    verdict.brightening,
                );
            }
        }
        first = second;
    }
    println!("{clip} {factor}x ours {} blend {}", ours.line(), blends.line());
    Ok(())
}

#[derive(Default)]
struct Score {
    psnr: Vec<f64>,
    ssim: Vec<f64>,
}

impl Score {
    fn add(&mut self, truth: &PlanarFrame, made: &PlanarFrame) -> f64 {
        let (truth_y, made_y) = (truth.planes()[0], made.planes()[0]);
        let squares: f64 = truth_y.iter().zip(made_y).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        let mse = squares / truth_y.len() as f64;
        let psnr = (10.0 * (255.0f64.powi(2) / mse.max(1e-9)).log10()).min(60.0);
        self.psnr.push(psnr);
        self.ssim.push(ssim(truth_y, made_y, truth.size().width_px as usize));
        psnr
    }

    fn line(&self) -> String {
        let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len().max(1) as f64;
        format!("psnr {:.2} ssim {:.4}", mean(&self.psnr), mean(&self.ssim))
    }
}

/// Wang 2004: 11x11 Gaussian of sigma 1.5, only where the window fits.
fn ssim(a: &[u8], b: &[u8], width: usize) -> f64 {
    let weights: Vec<f32> = (-5..=5).map(|d: i32| (-(d * d) as f32 / 4.5).exp()).collect();
    let total: f32 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|weight| weight / total).collect();
    let height = a.len() / width;
    let blur = |value: &dyn Fn(usize) -> f32| -> Vec<f32> {
        let field: Vec<f32> = (0..a.len()).map(value).collect();
        let mut across = vec![0f32; (width - 10) * height];
        for y in 0..height {
            for (tap, weight) in weights.iter().enumerate() {
                let row = &field[y * width + tap..y * width + tap + width - 10];
                for (sum, value) in across[y * (width - 10)..(y + 1) * (width - 10)].iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
        }
        let mut both = vec![0f32; (width - 10) * (height - 10)];
        for y in 0..height - 10 {
            for (tap, weight) in weights.iter().enumerate() {
                let row = &across[(y + tap) * (width - 10)..(y + tap + 1) * (width - 10)];
                for (sum, value) in both[y * (width - 10)..(y + 1) * (width - 10)].iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
        }
        both
    };
    let (fa, fb) = (|i: usize| f32::from(a[i]), |i: usize| f32::from(b[i]));
    let (ma, mb) = (blur(&fa), blur(&fb));
    let (aa, bb, ab) = (blur(&|i| fa(i) * fa(i)), blur(&|i| fb(i) * fb(i)), blur(&|i| fa(i) * fb(i)));
    let (c1, c2) = (6.5025f32, 58.5225f32);
    let sum: f64 = (0..ma.len())
        .map(|i| {
            let (va, vb, cov) = (aa[i] - ma[i] * ma[i], bb[i] - mb[i] * mb[i], ab[i] - ma[i] * mb[i]);
            f64::from(
                (2.0 * ma[i] * mb[i] + c1) * (2.0 * cov + c2) / ((ma[i] * ma[i] + mb[i] * mb[i] + c1) * (va + vb + c2)),
            )
        })
        .sum();
    sum / ma.len() as f64
}

fn blend(first: &PlanarFrame, second: &PlanarFrame, q16: u32) -> PlanarFrame {
    let mut out = first.clone();
    for (code, other) in out.as_bytes_mut().iter_mut().zip(second.as_bytes()) {
        *code = ((u32::from(*code) * (65536 - q16) + u32::from(*other) * q16 + 32768) >> 16) as u8;
    }
    out
}

fn probe(clip: &str) -> Result<FrameSize, Box<dyn std::error::Error>> {
    let run = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "csv=p=0", clip])
        .output()?;
    let text = String::from_utf8(run.stdout)?;
    let mut sides = text.trim().trim_end_matches(',').split(',').map(str::parse::<u32>);
    let (Some(width), Some(height)) = (sides.next(), sides.next()) else { return Err("no video in the clip".into()) };
    Ok(FrameSize { width_px: width?, height_px: height? }.check()?)
}

fn decode(clip: &str, size: FrameSize) -> Result<Vec<PlanarFrame>, Box<dyn std::error::Error>> {
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-i", clip, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdout(Stdio::piped())
        .output()?;
    let bytes = PlanarFrame::new(size).as_bytes().len();
    Ok(run
        .stdout
        .chunks_exact(bytes)
        .map(|chunk| {
            let mut frame = PlanarFrame::new(size);
            frame.as_bytes_mut().copy_from_slice(chunk);
            frame
        })
        .collect())
}
