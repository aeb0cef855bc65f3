//! The table of passes: what each took beside the bytes and operations it needs and what a graphics card in the middle
//! of the market should need for it. Counted from the plan; nothing here touches a device.

use crate::gpu::Memory;
use crate::pass::Shader;
use crate::pass::Side;
use crate::pass_times::{Often, PassTimes};
use crate::plan::{Plan, Step, frame_steps, output_steps, pair_steps, slot_words};
use std::fmt::Write as _;

/// What one step needs: bytes that have to be moved at least once, and operations on 32-bit lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub bytes: u64,
    pub operations: u64,
}

impl Cost {
    /// Counted from the step's workgroups, so those at the edges count whole.
    pub fn of(plan: &Plan, step: &Step) -> Cost {
        let words = |slot| 4 * u64::from(slot_words(plan, slot));
        match step {
            Step::Upload(side) => {
                let chroma = words(crate::pass::Slot::Chroma(*side));
                Cost { bytes: 2 * (4 * u64::from(plan.levels[0].words()) + chroma), operations: 0 }
            }
            Step::Fill(slot, _) => Cost { bytes: words(*slot), operations: 0 },
            Step::Write(_, list) => Cost { bytes: 4 * list.len() as u64, operations: 0 },
            Step::Download(slot) => Cost { bytes: 2 * words(*slot), operations: 0 },
            Step::Run(dispatch) | Step::RunGated(dispatch, _) => {
                let groups: u64 = dispatch.groups.iter().map(|count| u64::from(*count)).product();
                let (bytes, operations) = of_group(dispatch.shader);
                Cost { bytes: groups * bytes, operations: groups * operations }
            }
        }
    }
}

/// Bytes and operations of one workgroup, counted by hand from the shaders: every byte of a plane or list once, however
/// often it is read; a look at a patch is 1400 operations, a bilinear sample 12, a division 12, a bicubic one 34.
fn of_group(shader: Shader) -> (u64, u64) {
    let lanes = |bytes: u64, operations: u64| (64 * bytes, 64 * operations);
    match shader {
        Shader::Pyramid => lanes(80, 300),
        Shader::Quads => lanes(80, 60),
        Shader::Reduce => lanes(48, 80),
        // 289 places of 64 pixels for the one node of a workgroup.
        Shader::Coarse => (40, 289 * 64 * 4),
        // At most 49x49 places, of one node in twenty.
        Shader::Rescue => (48, 49 * 49 * 64 * 4 / 20),
        // A patch and three and a half looks.
        Shader::Search => lanes(42, 700 + 7 * 1400 / 2),
        // One node in three has something to try.
        Shader::Propagate => lanes(48, (700 + 5 * 1400 / 2) / 3),
        // One node in ten has something to try.
        Shader::Agree => lanes(64, 100 + (700 + 5 * 1400) / 10),
        Shader::Facts => (256 * 8, 256 * 6),
        Shader::Densify => lanes(168, 4 * 16 * 12 + 16 * 110),
        Shader::Confidence => lanes(4 * 20, 4 * 60),
        Shader::Still => lanes(32, 16 * 14),
        Shader::Standing => lanes(36, 16 * 30),
        Shader::Overlay => lanes(8, 60),
        Shader::Gate => (500, 200),
        Shader::Splat => lanes(20, 20),
        Shader::Resolve => lanes(48, 70),
        Shader::Pull => lanes(40, 60),
        Shader::Errors => lanes(32, 120),
        Shader::Select => lanes(8 * 28, 8 * 50),
        Shader::Composite => lanes(104, 4 * 1300),
        Shader::CompositeTile => lanes(192, 2 * 2400),
        Shader::Composite10 => lanes(180, 4 * 1500),
    }
}

/// Passes that the design gives one time for, with that time: milliseconds at 1920x1080 on a card of about 12 TFLOPS and
/// 350 GB/s, which are estimates and wait for such a card.
const TARGETS: [(Often, &[&str], f64); 7] = [
    (Often::Frame, &["pyramid", "quads", "reduce"], 0.03),
    (Often::Pair, &["coarse", "rescue", "search", "propagate", "agree"], 1.05),
    (Often::Pair, &["densify", "confidence", "facts", "still", "standing", "overlay"], 0.2),
    (Often::Output, &["splat", "fill"], 0.10),
    (Often::Output, &["resolve", "pull"], 0.12),
    (Often::Output, &["errors", "select"], 0.15),
    (Often::Output, &["composite", "composite_tile", "composite10"], 0.4),
];

/// Bytes of device memory that the design allows at 1920x1080 beside the frames, and four times that at 3840x2160.
const WORK_BYTES_MAX: f64 = 60e6;

/// The memory, and one line a pass. `clock` says what measured the times; without times only what is counted is told.
pub fn pass_table(plan: &Plan, memory: Memory, times: &PassTimes, clock: &str) -> String {
    let area = f64::from(plan.size.width_px) * f64::from(plan.size.height_px) / (1920.0 * 1080.0);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let mut table = format!(
        "{}x{}, times by {clock}; targets for a card of 12 TFLOPS and 350 GB/s\n\
         device memory {:.1} MB (target: under {:.1}) and frames {:.1} MB; of the host's {:.1} MB\n",
        plan.size.width_px,
        plan.size.height_px,
        megabytes(memory.work_bytes),
        WORK_BYTES_MAX * area / 1e6,
        megabytes(memory.ring_bytes),
        megabytes(memory.host_bytes),
    );
    writeln!(table, "{:<22}{:>6}{:>10}{:>9}{:>9}{:>11}", "", "steps", "ms", "MB", "Gop", "target ms")
        .expect("a string takes any text");
    for often in Often::ALL {
        let steps = match often {
            Often::Frame => frame_steps(plan, Side::Second),
            Often::Pair => pair_steps(plan),
            Often::Output => output_steps(plan),
        };
        let mut lines: Vec<(&str, u32, Cost)> = Vec::new();
        for step in &steps {
            let cost = Cost::of(plan, step);
            match lines.iter_mut().find(|line| line.0 == step.name()) {
                Some(line) => {
                    line.1 += 1;
                    line.2.bytes += cost.bytes;
                    line.2.operations += cost.operations;
                }
                None => lines.push((step.name(), 1, cost)),
            }
        }
        let (mut all_ms, mut all) = (0.0, Cost::default());
        let names: Vec<&str> = lines.iter().map(|line| line.0).collect();
        for (name, count, cost) in lines {
            let time = times.passes.iter().find(|pass| pass.often == often && pass.name == name);
            let ms = time.map(|pass| times.mean_ms(pass));
            all_ms += ms.unwrap_or(0.0);
            all.bytes += cost.bytes;
            all.operations += cost.operations;
            // The first of the plan's passes that share a target tells it.
            let first_of = |target: &[&'static str]| target.iter().find(|name| names.contains(name)).copied();
            let target = TARGETS.iter().find(|target| target.0 == often && first_of(target.1) == Some(name));
            line(
                &mut table,
                &format!("{} {name}", often.name()),
                count,
                ms,
                cost,
                target.map(|target| target.2 * area),
            );
        }
        let target: f64 = TARGETS.iter().filter(|target| target.0 == often).map(|target| target.2 * area).sum();
        let ms = (times.runs(often) > 0).then_some(all_ms);
        line(&mut table, &format!("{} in all", often.name()), steps.len() as u32, ms, all, Some(target));
    }
    table
}

fn line(table: &mut String, name: &str, steps: u32, ms: Option<f64>, cost: Cost, target_ms: Option<f64>) {
    let or_dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let (megabytes, giga) = (cost.bytes as f64 / 1e6, cost.operations as f64 / 1e9);
    let (ms, target) = (or_dash(ms), or_dash(target_ms));
    writeln!(table, "{name:<22}{steps:>6}{ms:>10}{megabytes:>9.2}{giga:>9.3}{target:>11}")
        .expect("a string takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameSize, Settings};

    #[test]
    fn the_table_has_a_line_for_every_pass_and_grows_with_the_picture() {
        let plan = |width_px, height_px| Plan::new(FrameSize { width_px, height_px }, Settings::default());
        let (small, large) = (plan(1280, 720), plan(1920, 1080));
        let memory = Memory { work_bytes: 38_700_000, ring_bytes: 25_400_000, host_bytes: 12_000_000 };
        let table = pass_table(&large, memory, &PassTimes::default(), "nobody");
        assert!(table.contains("device memory 38.7 MB (target: under 60.0) and frames 25.4 MB"), "{table}");
        for name in ["frame upload", "pair search", "pair in all", "output composite", "output in all"] {
            assert!(table.contains(name), "'{name}' is not in:\n{table}");
        }
        for (small, large) in output_steps(&small).iter().zip(&output_steps(&large)) {
            assert_eq!(small.name(), large.name());
        }
        let bytes = |plan: &Plan| pair_steps(plan).iter().map(|step| Cost::of(plan, step).bytes).sum::<u64>();
        assert!(bytes(&large) > bytes(&small));
        let composite = output_steps(&large).into_iter().find(|step| step.name() == "composite_tile").unwrap();
        // Both frames, the choices and the made frame: 2 * 3.1 + 4.1 + 3.1 MB, as the design counts.
        let cost = Cost::of(&large, &composite);
        assert!((12_000_000..15_000_000).contains(&cost.bytes), "{cost:?}");
    }
}
