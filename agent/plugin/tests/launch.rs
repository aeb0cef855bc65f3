//! The plugin as GStreamer's own programs use it, on a real Vulkan device (lavapipe will do).

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

/// Far more than any of these pipelines takes.
const LIMIT_S: &str = "300";

/// A folder with the plugin and a registry of its own, so that what else is installed or remembered does not matter.
struct Plugin {
    folder: tempfile::TempDir,
}

impl Plugin {
    fn new() -> Plugin {
        let folder = tempfile::tempdir().unwrap();
        // The tests' program lies beside the library it was built with.
        let built = std::env::current_exe().unwrap().with_file_name("libgsttweenfarm.so");
        fs::copy(&built, folder.path().join("libgsttweenfarm.so")).expect("the plugin was built with its tests");
        Plugin { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, program: &str, arguments: &str) -> Output {
        // A pipeline that hangs fails its test.
        Command::new("timeout")
            .args([LIMIT_S, program])
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env("GST_PLUGIN_PATH", self.folder.path())
            .env("GST_REGISTRY", self.path("registry.bin"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .output()
            .expect("the program timeout of coreutils starts")
    }

    fn succeed(&self, program: &str, arguments: &str) -> String {
        let output = self.run(program, arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{program} {arguments}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Makes a clip of `source` with a sound of the same length.
    fn clip(&self, name: &str, source: &str, options: &str) {
        let sound = "-f lavfi -i sine=440:duration=1 -c:a aac";
        self.succeed(
            "ffmpeg",
            &format!("-v error -f lavfi -i {source} {sound} -c:v libx264 -preset ultrafast -qp 0 {options} {name}"),
        );
    }

    fn frame_sums(&self, name: &str) -> Vec<String> {
        let text = self.succeed("ffmpeg", &format!("-v error -i {name} -map 0:v:0 -vsync 0 -f framemd5 -"));
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit(',').next().unwrap_or_default().trim().to_owned()).collect()
    }
}

fn entry(plugin: &Plugin, name: &str, entry: &str) -> String {
    let shown = format!("-v error -select_streams v:0 -show_entries stream={entry} -of csv=p=0 {name}");
    plugin.succeed("ffprobe", &shown).trim().to_owned()
}

const CHAIN: &str = "x264enc pass=quant quantizer=0 ! h264parse ! mp4mux ! filesink location=out.mp4";

#[test]
fn a_clip_becomes_exactly_its_slots_and_keeps_its_own_frames() {
    let plugin = Plugin::new();
    plugin.clip("in.mp4", "testsrc2=s=96x64:r=30:d=1", "-pix_fmt yuv420p");
    plugin.succeed(
        "gst-launch-1.0",
        &format!("-q filesrc location=in.mp4 ! decodebin ! vkinterpolate target-fps=120/1 ! {CHAIN}"),
    );
    let (source, made) = (plugin.frame_sums("in.mp4"), plugin.frame_sums("out.mp4"));
    assert_eq!((source.len(), made.len()), (30, 120));
    assert_eq!(entry(&plugin, "out.mp4", "r_frame_rate"), "120/1");
    for (frame, sum) in source.iter().enumerate() {
        assert_eq!(*sum, made[4 * frame], "source frame {frame} was changed");
    }
    let kept: Vec<_> = fs::read_dir(plugin.path("cache/tweenfarm/shaders")).unwrap().collect();
    assert_eq!(kept.len(), 1, "the compiled shaders are kept in one file");
    let moved =
        (0..29).filter(|frame| made[4 * frame + 2] != source[*frame] && made[4 * frame + 2] != source[frame + 1]);
    assert!(moved.count() > 20, "the frames between are copies of their neighbours");
}

#[test]
fn times_that_matroska_rounds_are_put_right() {
    let plugin = Plugin::new();
    plugin.clip("in.mkv", "testsrc2=s=64x48:r=24000/1001:d=1.001", "-pix_fmt yuv420p");
    plugin.succeed(
        "gst-launch-1.0",
        &format!(
            "-q filesrc location=in.mkv ! decodebin ! vkinterpolate target-fps=48000/1001 quality=fast scene-cuts=false ! {CHAIN}"
        ),
    );
    let (source, made) = (plugin.frame_sums("in.mkv"), plugin.frame_sums("out.mp4"));
    assert_eq!((source.len(), made.len()), (24, 48));
    assert!((0..24).all(|frame| made[2 * frame] == source[frame]));
}

#[test]
fn a_lower_rate_with_nearest_drops_frames_and_makes_none() {
    let plugin = Plugin::new();
    plugin.clip("in.mp4", "testsrc2=s=96x64:r=60:d=1", "-pix_fmt yuv420p");
    plugin.succeed(
        "gst-launch-1.0",
        &format!("-q filesrc location=in.mp4 ! decodebin ! vkinterpolate target-fps=24/1 nearest=true ! {CHAIN}"),
    );
    let (source, shown) = (plugin.frame_sums("in.mp4"), plugin.frame_sums("out.mp4"));
    // Two slots in five frames; the one at two and a half shows the earlier frame.
    let expected: Vec<_> = (0..24).map(|slot| source[slot * 5 / 2].clone()).collect();
    assert_eq!(shown, expected);
}

#[test]
fn the_element_says_what_it_is_and_takes() {
    let plugin = Plugin::new();
    let told = plugin.succeed("gst-inspect-1.0", "vkinterpolate");
    for expected in
        ["Frame interpolator", "target-fps", "quality", "balanced", "scene-cuts", "nearest", "device", "I420", "60/1"]
    {
        assert!(told.contains(expected), "'{expected}' is not in:\n{told}");
    }
}

#[test]
fn what_cannot_be_done_ends_with_a_sentence() {
    let plugin = Plugin::new();
    let check = |pipeline: &str, expected: &str| {
        // A sink that waits for a first picture leaves gst-launch 1.22 waiting, now and then, after an error of any
        // element's first picture.
        let pipeline = format!("-q videotestsrc num-buffers=9 ! {pipeline} ! fakesink async=false");
        let output = plugin.run("gst-launch-1.0", &pipeline);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(expected), "'{expected}' is not in: {told}");
    };
    check("video/x-raw,width=8,height=8 ! vkinterpolate", "8x8");
    check("vkinterpolate device=ffffffffffffffffffffffffffffffff", "No Vulkan device ffffffffffffffffffffffffffffffff");
    check("video/x-raw,interlace-mode=interleaved ! vkinterpolate", "deinterlace");
}
