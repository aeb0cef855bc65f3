//! Pictures up to 8K, planned but not rendered: every dispatch and buffer is within what every Vulkan 1.1 device promises.

use std::collections::HashMap;
use tweenfarm_shaders::pass::{Side, Slot};
use tweenfarm_shaders::plan::{Plan, Step, frame_steps, mix_steps, output_steps, pair_steps, slot_words};
use tweenfarm_shaders::{Depth, FrameSize, Quality, Settings};

/// What Vulkan promises: workgroups a dimension, and bytes of a storage buffer's range.
const GROUPS_MAX: u32 = 65535;
const RANGE_BYTES_MAX: u64 = 1 << 27;
/// What the engine asks of a device: texels of a texel buffer. 8K in 10 bits needs twice as many.
const TEXELS_MAX: u64 = 1 << 23;

fn check(width_px: u32, height_px: u32, depth: Depth, quality: Quality) -> u64 {
    let what = format!("{width_px}x{height_px} {depth:?} {quality:?}");
    let size = FrameSize { width_px, height_px }.check().expect("the size is one that is taken");
    let plan = Plan::of_depth(size, depth, Settings { quality, ..Settings::default() });
    let lists = [frame_steps(&plan, Side::Second), pair_steps(&plan), output_steps(&plan), mix_steps(&plan)];
    let mut slots: HashMap<Slot, u64> = HashMap::new();
    for step in lists.into_iter().flatten() {
        if let Step::Run(dispatch) | Step::RunGated(dispatch, _) = step {
            assert!(dispatch.groups.iter().all(|count| (1..=GROUPS_MAX).contains(count)), "{what}: {dispatch:?}");
            slots.extend(dispatch.buffers.iter().map(|slot| (*slot, 4 * u64::from(slot_words(&plan, *slot)))));
        }
    }
    for (slot, bytes) in &slots {
        assert!(*bytes > 0 && *bytes <= RANGE_BYTES_MAX, "{what}: {slot:?} has {bytes} bytes");
        let texels = match slot {
            Slot::Made => continue, // nothing on the device reads it
            Slot::Luma(_) | Slot::Chroma(_) | Slot::Deep(_) | Slot::Projected => bytes / 16,
            Slot::Nodes(..) | Slot::Flow(_) | Slot::Choices | Slot::Means => bytes / 8,
            _ => bytes / 4,
        };
        let most = if depth == Depth::Ten { 2 * TEXELS_MAX } else { TEXELS_MAX };
        assert!(texels <= most, "{what}: {slot:?} has {texels} texels");
    }
    slots.values().sum()
}

#[test]
fn everything_up_to_8k_is_within_what_every_device_promises() {
    let sides = [
        [16, 16],
        [16, 8192],
        [8192, 16],
        [640, 360],
        [1080, 1920],
        [1920, 1080],
        [3840, 2160],
        [7680, 4320],
        [4320, 7680],
    ];
    for [width_px, height_px] in sides {
        for depth in [Depth::Eight, Depth::Ten] {
            for quality in [Quality::Fast, Quality::Balanced, Quality::High] {
                check(width_px, height_px, depth, quality);
            }
        }
    }
}

#[test]
fn memory_grows_no_faster_than_the_picture() {
    let bytes = |width_px, height_px| check(width_px, height_px, Depth::Eight, Quality::Balanced);
    let (hd, uhd, eight_k) = (bytes(1920, 1080), bytes(3840, 2160), bytes(7680, 4320));
    assert!(uhd < 4 * hd + hd / 10 && eight_k < 4 * uhd + uhd / 10, "{hd} {uhd} {eight_k}");
    // One place of each kind; the rings add to it. 8K is at home on cards of 2 GB.
    assert!(eight_k < 1 << 30, "{eight_k}");
}
