//! The documented file is read, every broken one refused for what is wrong with it.

use super::*;
use std::error::Error;

fn load(file: &Path) -> Result<WatchConfig, ConfigError> {
    WatchConfig::from_layers(file, BTreeMap::new(), &WatchFlags::default())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

fn whole_text(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", whole_text(cause))).unwrap_or_default();
    format!("{error}{cause}")
}

fn read(text: &str) -> Result<WatchConfig, ConfigError> {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    load(file.path())
}

#[test]
fn the_documented_file_is_the_defaults_and_names_every_key() {
    let path = folder().join("watch.toml");
    let config = load(&path).unwrap();
    assert!(config.rules.is_empty(), "a rule stands in the file as it is delivered");
    let plain = Raw::default();
    assert_eq!(config.state_folder, plain.state.folder);
    assert_eq!(config.socket, plain.daemon.socket);
    assert_eq!(config.scan_every.as_secs(), plain.scan.seconds);
    assert_eq!(u64::from(config.retry.tries_max), plain.retry.tries_max);
    let text = std::fs::read_to_string(&path).unwrap();
    let rule = RawRule {
        name: String::new(),
        folder: PathBuf::new(),
        target: RawTarget::Fps(60),
        account: String::new(),
        recursive: None,
        include: None,
        ignore: None,
        output: None,
        result_name: None,
        source: None,
        move_to: None,
        settle_seconds: None,
        in_flight_max: None,
        size_bytes_max: None,
        duration_seconds_max: None,
        marker: None,
        error_note: None,
    };
    for key in serde_json::to_value(&rule).unwrap().as_object().unwrap().keys() {
        assert!(text.lines().any(|line| line.starts_with(&format!("#{key} ="))), "rule.{key} is not documented");
    }
    for section in ["state", "daemon", "scan", "retry", "log"] {
        let keys = serde_json::to_value(&plain).unwrap()[section].clone();
        for key in keys.as_object().unwrap().keys() {
            assert!(
                text.lines().any(|line| line.starts_with(&format!("{key} ="))),
                "{section}.{key} is not documented"
            );
        }
    }
}

/// The rule in comments, made live.
#[test]
fn the_example_in_the_documented_file_is_a_rule() {
    let text = std::fs::read_to_string(folder().join("watch.toml")).unwrap();
    let (head, example) = text.split_once("#[[rule]]").unwrap();
    let is_key = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && line.contains('=');
    let keys: Vec<&str> = example.lines().filter(is_key).map(|line| &line[1..]).collect();
    let config = read(&format!("{head}[[rule]]\n{}\n", keys.join("\n"))).unwrap();
    let rule = &config.rules[0];
    assert_eq!((rule.hold, rule.in_flight_max, rule.recursive), (Duration::from_secs(15), 2, true));
    assert!(rule.include.is_match("a/b/Clip.MOV") && !rule.include.is_match("a/b/clip.txt"));
}

#[test]
fn each_broken_file_is_refused_with_its_phrase() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder().join("broken")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("watch-") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let phrase = text.lines().next().unwrap().strip_prefix("# expects: ").expect("the first line has a phrase");
        let said = whole_text(&load(&path).expect_err(&format!("{name} is accepted")));
        assert!(said.contains(phrase) && said.contains(&name), "{name}\n  expected: {phrase}\n  said:     {said}");
        let line =
            said.split(&format!("{name}:")).nth(1).and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
        let line =
            line.and_then(|line| text.lines().nth(line - 1)).unwrap_or_else(|| panic!("no line is named: {said}"));
        assert!(!line.starts_with('#') && !line.is_empty(), "{said}");
    }
    assert!(seen >= 8, "only {seen} broken files were found");
}

#[test]
fn a_pattern_without_a_slash_is_of_a_name_anywhere_and_one_with_a_slash_of_a_path() {
    let rule = "[[rule]]\nname = \"a\"\nfolder = \"/in\"\ntarget = 60\naccount = \"a@b\"\n";
    let config = read(&format!("{rule}include = [\"*.mkv\", \"raw/*.bin\"]\nignore = [\"old/**\"]\n")).unwrap();
    let rule = &config.rules[0];
    let matches = |path: &str| rule.include.is_match(path) && !rule.ignore.is_match(path);
    assert!(matches("x.mkv") && matches("a/b/x.MKV") && matches("raw/x.bin"));
    assert!(!matches("x.bin") && !matches("raw/deep/x.bin") && !matches("old/x.mkv"));
}
