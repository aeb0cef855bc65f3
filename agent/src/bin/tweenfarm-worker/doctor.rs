//! The doctor: what the worker needs, looked at item by item, each with a remedy.

use crate::{
    gpu::{self, Gpu},
    pipeline::{self, encoder},
    programs,
};
use tweenfarm_agent::worker::{encoders, messages::DoctorItem};
use tweenfarm_protocol::output::Depth;

/// Elements of every render, with the package that has each.
const ELEMENTS: [(&str, &str); 16] = [
    ("filesrc", "libgstreamer1.0-0"),
    ("filesink", "libgstreamer1.0-0"),
    ("queue", "libgstreamer1.0-0"),
    ("capsfilter", "libgstreamer1.0-0"),
    ("appsink", "gstreamer1.0-plugins-base"),
    ("decodebin", "gstreamer1.0-plugins-base"),
    ("videoconvert", "gstreamer1.0-plugins-base"),
    ("qtdemux", "gstreamer1.0-plugins-good"),
    ("matroskademux", "gstreamer1.0-plugins-good"),
    ("avidemux", "gstreamer1.0-plugins-good"),
    ("mp4mux", "gstreamer1.0-plugins-good"),
    ("deinterlace", "gstreamer1.0-plugins-good"),
    ("videoflip", "gstreamer1.0-plugins-good"),
    ("tsdemux", "gstreamer1.0-plugins-bad"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("avdec_h264", "gstreamer1.0-libav"),
];

/// What was found, and whether the worker can work with it.
pub struct Findings {
    pub items: Vec<DoctorItem>,
    pub fit: bool,
}

impl Findings {
    fn needed(&mut self, item: impl Into<String>, found: Result<String, String>, remedy: &str) {
        self.fit &= found.is_ok();
        self.optional(item, found, remedy);
    }

    fn optional(&mut self, item: impl Into<String>, found: Result<String, String>, remedy: &str) {
        let item = item.into();
        self.items.push(match found {
            Ok(detail) => DoctorItem { item, ok: true, detail, remedy: None },
            Err(detail) => DoctorItem { item, ok: false, detail, remedy: Some(remedy.to_owned()) },
        });
    }
}

/// Looks at everything. Interpolates on every device and encodes with every encoder that is installed.
pub fn examine() -> Findings {
    let mut findings = Findings { items: Vec::new(), fit: true };
    vulkan(&mut findings);
    gstreamer(&mut findings);
    for program in ["ffmpeg", "ffprobe"] {
        findings.needed(format!("program {program}"), version(program, "-version"), "install the package ffmpeg");
    }
    findings.needed("program prlimit", version("prlimit", "--version"), "install the package util-linux");
    findings
}

fn vulkan(findings: &mut Findings) {
    let remedy = "install libvulkan1 and the driver of the graphics card; mesa-vulkan-drivers renders in software";
    let devices = match gpu::devices() {
        Err(error) => return findings.needed("Vulkan", Err(error.to_string()), remedy),
        Ok(devices) if devices.is_empty() => {
            return findings.needed("Vulkan", Err("no device that can compute".to_owned()), remedy);
        }
        Ok(devices) => devices,
    };
    findings.needed("Vulkan", Ok(format!("{} device(s)", devices.len())), remedy);
    let mut working = 0;
    for device in &devices {
        let checked = Gpu::open(Some(&device.uuid), None)
            .map_err(|error| error.to_string())
            .and_then(|gpu| gpu.check())
            .map(|()| format!("{} interpolates ({})", device.uuid, Gpu::engine_name()));
        working += usize::from(checked.is_ok());
        findings.optional(format!("device {}", device.name), checked, "update the driver of this device");
    }
    // One device that works is enough to work.
    findings.fit &= working > 0;
}

fn gstreamer(findings: &mut Findings) {
    let started = pipeline::init().map(|()| pipeline::version()).map_err(|failure| failure.message);
    let broken = started.is_err();
    findings.needed("GStreamer", started, "install libgstreamer1.0-0 and gstreamer1.0-plugins-base");
    if broken {
        return;
    }
    for (name, package) in ELEMENTS {
        let found =
            if pipeline::has_element(name) { Ok("installed".to_owned()) } else { Err("not installed".to_owned()) };
        findings.needed(format!("element {name}"), found, &format!("install the package {package}"));
    }
    for (codec, name) in encoders::elements() {
        let tried = encoder::works(name, Depth::Eight).map(|()| format!("encodes {codec}"));
        let item = format!("encoder {name}");
        if name == encoder::SOFTWARE {
            findings.needed(item, tried, "install the package gstreamer1.0-plugins-ugly");
        } else if pipeline::has_element(name) {
            let remedy = "update the driver of the graphics card, or the encoder's package; without it x264enc is used";
            findings.optional(item, tried, remedy);
        }
    }
}

/// The first line a program says of itself.
fn version(program: &str, option: &str) -> Result<String, String> {
    let mut first = None;
    let ended = programs::run(program, &[option.to_owned()], None, |line| {
        first.get_or_insert_with(|| line.trim().to_owned());
    });
    match (ended, first) {
        (Ok(ended), Some(line)) if ended.success => Ok(line),
        (Ok(_), _) => Err("it ends with an error".to_owned()),
        (Err(failure), _) => Err(failure.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_renders_is_found_fit_item_by_item() {
        let findings = examine();
        let broken: Vec<_> = findings.items.iter().filter(|item| !item.ok).collect();
        assert!(findings.fit, "{broken:?}");
        for item in ["Vulkan", "GStreamer", "element mp4mux", "encoder x264enc", "program ffmpeg"] {
            assert!(findings.items.iter().any(|found| found.item == item && found.ok), "{item} is not told");
        }
    }

    #[test]
    fn what_is_broken_has_a_remedy_and_only_what_is_needed_makes_unfit() {
        let mut findings = Findings { items: Vec::new(), fit: true };
        findings.optional("a", Err("broken".to_owned()), "mend it");
        assert!(findings.fit);
        findings.needed("b", Err("broken".to_owned()), "mend it");
        assert!(!findings.fit);
        assert!(findings.items.iter().all(|item| item.remedy.as_deref() == Some("mend it")));
    }
}
