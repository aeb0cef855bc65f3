//! Every file of `config/` is read, every broken one refused for what is wrong with it.

use super::*;
use std::error::Error;

fn load(file: Option<&Path>, environment: &[(&str, &str)], flags: &Flags) -> Result<Config, ConfigError> {
    let environment = environment.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Config::from_layers(file, environment, flags)
}

fn config_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

fn whole_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[test]
fn the_documented_file_is_the_defaults() {
    let path = config_folder().join("daemon.toml");
    let flags = Flags::default();
    assert_eq!(load(Some(&path), &[], &flags).unwrap(), load(None, &[], &flags).unwrap());
}

#[test]
fn the_documented_file_names_every_key() {
    let text = std::fs::read_to_string(config_folder().join("daemon.toml")).unwrap();
    let raw = serde_json::to_value(Raw::default()).unwrap();
    for (section, keys) in raw.as_object().unwrap() {
        let from = text.find(&format!("[{section}]")).unwrap_or_else(|| panic!("[{section}] is not documented"));
        let body = text[from + 1..].split("\n[").next().unwrap();
        for key in keys.as_object().unwrap().keys() {
            let written = body.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{key} =")));
            assert!(written, "{section}.{key} is not documented");
        }
    }
}

/// Begins with the file and the number of a line that says something.
fn names_its_line(said: &str, path: &Path) -> bool {
    let number = said.strip_prefix(&format!("{}:", path.display())).and_then(|rest| rest.split(':').next());
    let line = number.and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
    let text = std::fs::read_to_string(path).unwrap();
    line.and_then(|line| text.lines().nth(line)).is_some_and(|line| !line.starts_with('#') && !line.trim().is_empty())
}

#[test]
fn each_broken_file_is_refused_with_its_phrase() {
    let mut seen = 0;
    for entry in std::fs::read_dir(config_folder().join("broken")).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("daemon-") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let phrase = text.lines().next().unwrap().strip_prefix("# expects: ").expect("the first line has a phrase");
        let error = load(Some(&path), &[], &Flags::default()).expect_err(&format!("{path:?} is accepted"));
        let said = whole_text(&error);
        assert!(said.contains(phrase), "{path:?}\n  expected: {phrase}\n  said:     {said}");
        assert!(names_its_line(&said, &path), "file and line are not named: {said}");
    }
    assert!(seen >= 20, "only {seen} broken files were found");
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let path = config_folder().join("daemon.toml");
    let environment = [("TWEENFARMD__HTTP__LISTEN", "127.0.0.1:1"), ("TWEENFARMD__WORK__LEASE_SECONDS", "7")];
    let config = load(Some(&path), &environment, &Flags::default()).unwrap();
    assert_eq!(config.http_listen.port(), 1);
    assert_eq!(config.lease_for, Duration::from_secs(7));
    let flags = Flags { http_listen: Some("127.0.0.1:2".into()), ..Flags::default() };
    assert_eq!(load(Some(&path), &environment, &flags).unwrap().http_listen.port(), 2);
}

#[test]
fn an_unknown_variable_of_ours_is_refused() {
    let error = load(None, &[("TWEENFARMD__HTTP__LISEN", "x")], &Flags::default()).unwrap_err();
    assert!(whole_text(&error).contains("lisen"), "{}", whole_text(&error));
}

#[test]
fn folders_follow_the_state_folder_unless_they_are_named() {
    let flags = Flags { state_folder: Some("/srv/farm".into()), ..Flags::default() };
    let config = load(None, &[("TWEENFARMD__BLOBS__FOLDER", "/mnt/blobs")], &flags).unwrap();
    assert_eq!(config.operator_socket, Path::new("/srv/farm/operator.sock"));
    assert_eq!(config.blobs_folder, Path::new("/mnt/blobs"));
}
