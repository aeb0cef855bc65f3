//! The house's rules, read from its own files: size, first words, places that exist on one machine only, loose ends.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file a reader does not get to the end of holds two ideas.
const LINES_MAX: usize = 600;
/// Folders that are not the project's text.
const SKIPPED: [&str; 5] = [".git", ".gl", "target", "media", "snapshots"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        if entry.file_type().expect("a type").is_dir() {
            if !SKIPPED.iter().any(|skipped| name == *skipped) {
                files_below(&entry.path(), found);
            }
        } else {
            found.push(entry.path());
        }
    }
}

/// Path from the root, and text, of every file people write.
fn texts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files_below(&root(), &mut found);
    let written = ["rs", "toml", "md", "comp", "glsl", "sh", "json"];
    let is_written = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        written.contains(&extension) || path.ends_with("Makefile") || path.ends_with(".ci/run")
    };
    let name = |path: &Path| path.strip_prefix(root()).expect("below the root").display().to_string();
    found.retain(is_written);
    found.iter().map(|path| (name(path), fs::read_to_string(path).expect("a text"))).collect()
}

/// All lines that hold a forbidden word, as `file:line: word`.
fn lines_with(words: &[String], skipped: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in texts().iter().filter(|(name, _)| !skipped(name)) {
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                found.push(format!("{name}:{}: {word}", number + 1));
            }
        }
    }
    found
}

/// Put together here, so that this file does not hold the words it looks for.
fn words(halves: &[(&str, &str)]) -> Vec<String> {
    halves.iter().map(|(first, second)| format!("{first}{second}")).collect()
}

#[test]
fn no_file_is_too_long_to_read() {
    let long = texts().into_iter().map(|(name, text)| (name, text.lines().count()));
    let long: Vec<_> = long.filter(|(_, lines)| *lines > LINES_MAX).collect();
    assert!(long.is_empty(), "more than {LINES_MAX} lines: {long:?}");
}

#[test]
fn every_source_file_opens_with_what_it_owns() {
    // A module's own tests in a file beside it need no introduction.
    let is_module = |name: &str| name.ends_with(".rs") && !name.ends_with("/tests.rs");
    let silent = texts().into_iter().filter(|(name, text)| is_module(name) && !text.starts_with("//!"));
    let silent: Vec<_> = silent.map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "no //! on top: {silent:?}");
}

#[test]
fn no_module_is_named_after_nothing() {
    let vague = ["utils", "util", "common", "helpers", "manager", "misc"];
    let of_path = |name: &str| name.split(['/', '.']).any(|part| vague.contains(&part));
    let vague: Vec<_> = texts().into_iter().map(|(name, _)| name).filter(|name| of_path(name)).collect();
    assert!(vague.is_empty(), "{vague:?}");
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    let places =
        words(&[("/work", "/main"), ("/work", "/shared"), ("/ro", "ot/"), ("/tmp/", "brief"), ("/tmp/", "t-")]);
    let found = lines_with(&places, |_| false);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_loose_end_is_left_in_the_sources() {
    let ends =
        words(&[("TO", "DO"), ("FIX", "ME"), ("XX", "X:"), ("HA", "CK"), ("unimple", "mented!"), ("to", "do!(")]);
    // The workspace's lints name two of them to forbid them.
    let found = lines_with(&ends, |name| !name.ends_with(".rs") && !name.ends_with(".comp"));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_configuration_file_is_read_by_a_test() {
    let sources: String = texts().into_iter().filter(|(name, _)| name.ends_with(".rs")).map(|(_, text)| text).collect();
    for entry in fs::read_dir(root().join("config")).expect("the folder config") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if name.ends_with(".toml") {
            assert!(sources.contains(&format!("\"{name}\"")) || sources.contains(&format!("/{name}\"")), "{name}");
        }
    }
}

#[test]
fn every_broken_configuration_says_what_it_expects() {
    for entry in fs::read_dir(root().join("config/broken")).expect("the folder config/broken") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(
            ["daemon-", "agent-", "watch-"].iter().any(|program| name.starts_with(program)),
            "{name} belongs to no program"
        );
        let text = fs::read_to_string(&path).expect("a text");
        assert!(text.starts_with("# expects: "), "{name} does not say what its refusal must say");
    }
}

#[test]
fn every_clip_in_the_project_has_its_licence_beside_it() {
    let media = root().join("tests/media");
    let licences = fs::read_to_string(media.join("LICENSES.md")).expect("LICENSES.md");
    for entry in fs::read_dir(&media).expect("the folder tests/media") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let is_clip = [".mp4", ".mkv", ".mov", ".webm"].iter().any(|ending| name.ends_with(ending));
        assert!(!is_clip || licences.contains(&format!("`{name}`")), "{name} has no licence");
    }
}

#[test]
fn only_the_worker_loads_gstreamer_and_vulkan() {
    let heavy = words(&[
        ("gstreamer", "::"),
        ("gstreamer_", "app::"),
        ("vulkano", "::"),
        ("tweenfarm_", "shaders::"),
        ("tweenfarm_", "element::"),
    ]);
    // The engine, the element around it, the one program that runs them, and the plugin for programs of others.
    let heavy_folders = ["shaders/", "agent/element/", "agent/plugin/", "agent/src/bin/tweenfarm-worker/"];
    let allowed = |name: &str| heavy_folders.iter().any(|folder| name.starts_with(folder));
    let found = lines_with(&heavy, |name| !name.ends_with(".rs") || allowed(name));
    assert!(found.is_empty(), "{found:#?}");
}
