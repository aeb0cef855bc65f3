//! The Vulkan validation layer, synchronisation included, has nothing to say about a whole clip.

mod pictures;

use pictures::{Scene, software_device};
use std::process::Command;
use tweenfarm_shaders::{Engine, FrameSize, Phase, PlanarFrame, Quality, Settings};

const LAYER: &str = "VK_LAYER_KHRONOS_validation";
/// Set for the process that works under the layer.
const UNDER_LAYER: &str = "TWEENFARM_TEST_UNDER_LAYER";

/// Every kind of pair, several outputs each, as far ahead as there is room; a reset in the middle; passes timed.
fn render() {
    let size = FrameSize { width_px: 98, height_px: 62 };
    let device = software_device();
    for quality in [Quality::Fast, Quality::Balanced] {
        let mut engine = Engine::new(&device, size, Settings { quality, ..Settings::default() }).unwrap();
        engine.time_passes();
        let (still, moved) = Scene::Crossing.pair(size);
        let (noise, other_noise) = Scene::Noise.pair(size);
        let (dark, bright) = Scene::Brighter(90).pair(size);
        let clip = [&still, &moved, &noise, &noise, &other_noise, &dark, &bright, &still];
        let mut made = PlanarFrame::new(size);
        for _ in 0..2 {
            for (index, frame) in clip.iter().enumerate() {
                engine.push(frame).unwrap();
                for q16 in [9000, 32768, 50000].iter().filter(|_| index > 0) {
                    if engine.in_flight() == Engine::IN_FLIGHT {
                        engine.collect(&mut made).unwrap();
                    }
                    engine.submit(Phase::from_q16(*q16).unwrap()).unwrap();
                }
            }
            engine.reset();
        }
    }
}

#[test]
fn the_validation_layer_is_silent_through_a_whole_clip() {
    if std::env::var_os(UNDER_LAYER).is_some() {
        return render();
    }
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own)
        .args(["--exact", "the_validation_layer_is_silent_through_a_whole_clip", "--nocapture"])
        .env(UNDER_LAYER, "1")
        .env("VK_INSTANCE_LAYERS", LAYER)
        .env("VK_LAYER_ENABLES", "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT")
        .env("VK_LOADER_DEBUG", "layer")
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !told.contains(&format!("Insert instance layer \"{LAYER}\"")) {
        eprintln!("skipped: {LAYER} is not installed; on Debian and Ubuntu: apt-get install vulkan-validationlayers");
        return;
    }
    let complaints: Vec<&str> = told
        .lines()
        .filter(|line| ["VUID-", "SYNC-", "UNASSIGNED-", "Validation Error"].iter().any(|word| line.contains(word)))
        .collect();
    assert!(complaints.is_empty(), "{} complaints, the first: {}", complaints.len(), complaints[0]);
    assert!(output.status.success(), "{told}");
}
