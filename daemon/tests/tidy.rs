//! The import rules of the house: rules and model stay pure, and data flows one way.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name)
}

/// Every Rust file of a module, whether it is one file or a folder.
fn files(module: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![source(module), source(&format!("{module}.rs"))];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.exists() {
            found.push(path);
        }
    }
    assert!(!found.is_empty(), "no module {module}: correct this test");
    found
}

/// The code of a file as words and `::` paths: comments and its unit tests left out.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let before_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = before_tests.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn names(code: &str, forbidden: &str) -> bool {
    let part_of_a_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    code.match_indices(forbidden).any(|(at, _)| {
        !part_of_a_word(code[..at].chars().next_back()) && !part_of_a_word(code[at + forbidden.len()..].chars().next())
    })
}

fn check(modules: &[&str], forbidden: &[&str]) {
    for path in modules.iter().flat_map(|module| files(module)) {
        let code = code(&path);
        for name in forbidden {
            assert!(!names(&code, name), "{} names {name}", path.display());
        }
    }
}

const RULES: &[&str] = &["admission", "intake", "ledger", "schedule", "pricing", "retention"];

#[test]
fn rules_and_model_read_no_clock_disk_socket_or_random_source() {
    let world = [
        "SystemTime",
        "Instant",
        "Timestamp::now",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "std::process",
        "tokio",
        "axum",
        "tarpc",
        "sled",
        "rand",
        "new_v4",
        "now_v7",
        "tracing",
    ];
    check(&["model"], &world);
    check(RULES, &world);
}

#[test]
fn data_flows_one_way() {
    check(&["model"], &["crate::ledger", "crate::schedule", "crate::pricing", "crate::farm", "crate::store"]);
    check(RULES, &["crate::farm", "crate::store", "crate::http", "crate::rpc", "crate::sweep", "crate::blobs"]);
    check(&["store"], &["crate::farm", "crate::http", "crate::rpc", "crate::sweep", "crate::blobs", "tokio"]);
    let doors = ["crate::http", "crate::rpc", "crate::sweep", "crate::blobs", "axum", "tarpc", "crate::config"];
    check(&["farm"], &doors);
}

#[test]
fn only_the_store_on_disk_knows_sled() {
    let knows = |path: &PathBuf| {
        ["store/sled.rs", "store/sled/tree.rs", "store/sled/write.rs", "store/contract.rs"]
            .iter()
            .any(|file| path.ends_with(file))
    };
    for path in files("").into_iter().filter(|path| !knows(path)) {
        assert!(!names(&code(&path), "::sled::"), "{} names sled's own types", path.display());
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    for path in files("") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!") || path.ends_with("main.rs"), "{} has no opening words", path.display());
        assert!(text.lines().count() <= 650, "{} has become too long", path.display());
    }
}

#[test]
fn a_forbidden_name_is_found_as_a_whole_word_only() {
    assert!(names("use tokio::sync;", "tokio"));
    assert!(!names("use my_tokio_like::sync;", "tokio"));
    assert!(names("let t = Timestamp::now();", "Timestamp::now"));
}
