//! What the worker's tests share: clips made by the `ffmpeg` program, a second opinion on results by `ffprobe`, and a
//! plain engine.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::Command,
};
use tweenfarm_element::interpolator::{Interpolator, MakeInterpolator};
use tweenfarm_protocol::Rational;
use tweenfarm_shaders::{EngineError, Phase, PlanarFrame};

/// Runs a program of the package ffmpeg and gives its standard output.
pub fn output(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().expect("the package ffmpeg is installed");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    output.stdout
}

/// A clip made from a lavfi `source`, with `options` between input and output.
pub fn clip(folder: &Path, name: &str, source: &str, options: &str) -> PathBuf {
    let path = folder.join(name);
    let mut arguments = vec!["-v", "error", "-y", "-f", "lavfi", "-i", source];
    arguments.extend(options.split_whitespace());
    let text = path.to_str().expect("a test's path is text").to_owned();
    arguments.push(&text);
    output("ffmpeg", &arguments);
    path
}

/// The decoded frames of a clip, each as its I420 bytes.
pub fn frames(path: &Path, bytes_per_frame: usize) -> Vec<Vec<u8>> {
    frames_as(path, bytes_per_frame, "yuv420p")
}

/// The decoded frames of a clip in a pixel format of ffmpeg's.
pub fn frames_as(path: &Path, bytes_per_frame: usize, pixels: &str) -> Vec<Vec<u8>> {
    let text = path.to_str().expect("a test's path is text");
    let raw = output(
        "ffmpeg",
        &["-v", "error", "-i", text, "-map", "0:v:0", "-vsync", "0", "-pix_fmt", pixels, "-f", "rawvideo", "-"],
    );
    assert_eq!(raw.len() % bytes_per_frame, 0, "the size of a frame is not what was expected");
    raw.chunks(bytes_per_frame).map(<[u8]>::to_vec).collect()
}

/// One entry of a stream, as `ffprobe` says it.
pub fn entry(path: &Path, stream: &str, entry: &str) -> String {
    let text = path.to_str().expect("a test's path is text");
    let shown = format!("stream={entry}");
    let out =
        output("ffprobe", &["-v", "error", "-select_streams", stream, "-show_entries", &shown, "-of", "csv=p=0", text]);
    String::from_utf8_lossy(&out).trim().trim_end_matches(',').to_owned()
}

/// Presentation times of the video's packets in seconds, ascending.
pub fn times(path: &Path) -> Vec<f64> {
    let text = path.to_str().expect("a test's path is text");
    let out = output(
        "ffprobe",
        &["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", text],
    );
    let mut times: Vec<f64> = String::from_utf8_lossy(&out)
        .lines()
        .filter_map(|line| line.trim_matches(|letter: char| !letter.is_ascii_digit() && letter != '-').parse().ok())
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

pub fn rate(num: i64, den: i64) -> Rational {
    Rational::new(num, den).expect("a test's rate has a denominator")
}

/// In the engine's place: mixes the two frames by their weights, when the frame is collected.
#[derive(Default)]
pub struct Blend {
    pushed: Vec<PlanarFrame>,
    asked: VecDeque<([PlanarFrame; 2], Phase)>,
}

impl Blend {
    pub fn make() -> MakeInterpolator {
        Box::new(|_, _| Ok(Box::new(Blend::default())))
    }
}

impl Interpolator for Blend {
    fn push(&mut self, frame: &PlanarFrame) -> Result<(), EngineError> {
        self.pushed.push(frame.clone());
        if self.pushed.len() > 2 {
            self.pushed.remove(0);
        }
        Ok(())
    }

    fn submit(&mut self, phase: Phase) -> Result<(), EngineError> {
        let [first, second] = &self.pushed[..] else {
            return Err(EngineError::Order { pushed: self.pushed.len() as u32 });
        };
        self.asked.push_back(([first.clone(), second.clone()], phase));
        Ok(())
    }

    fn collect(&mut self, made: &mut PlanarFrame) -> Result<(), EngineError> {
        let out_of_turn = EngineError::OutOfTurn { in_flight: 0, room: self.room() };
        let ([first, second], phase) = self.asked.pop_front().ok_or(out_of_turn)?;
        let weight = phase.q16();
        let mixed = |first: u32, second: u32| (first * (65_536 - weight) + second * weight) >> 16;
        let bytes = made.depth().code_bytes();
        let pairs = first.as_bytes().chunks_exact(bytes).zip(second.as_bytes().chunks_exact(bytes));
        for (made, (first, second)) in made.as_bytes_mut().chunks_exact_mut(bytes).zip(pairs) {
            let code = |bytes: &[u8]| u32::from(bytes[0]) | bytes.get(1).map_or(0, |high| u32::from(*high) << 8);
            made.copy_from_slice(&mixed(code(first), code(second)).to_le_bytes()[..bytes]);
        }
        Ok(())
    }

    fn room(&self) -> usize {
        3
    }

    /// Never before it has to be: order must not depend on luck.
    fn is_ready(&self) -> bool {
        false
    }

    fn reset(&mut self) {
        self.pushed.clear();
        self.asked.clear();
    }
}
