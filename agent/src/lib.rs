//! The parts of the agent that need neither GStreamer nor Vulkan; those live in the worker program alone.

pub mod cache;
pub mod command;
pub mod config;
pub mod identity;
pub mod lease;
pub mod link;
pub mod log;
pub mod outbox;
pub mod render;
pub mod run;
pub mod slot;
pub mod state_folder;
pub mod transfer;
pub mod worker;

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Every Rust file under `folder` but those of other programs.
    fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("bin") {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn only_the_worker_program_uses_gstreamer_vulkan_and_the_engine() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        assert!(files.len() > 20, "only {} files were found", files.len());
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            for name in ["gstreamer", "vulkano", "tweenfarm_shaders"] {
                // As in code, not as in this list or in a sentence.
                let used = text.contains(&format!("{name}::")) || text.contains(&format!("use {name}"));
                assert!(!used, "{} uses {name}: that belongs into the worker program", path.display());
            }
        }
    }
}
