use super::*;

fn repository_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").join(name)
}

fn environment(pairs: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn the_shipped_file_states_the_defaults_and_names_every_key() {
    let path = repository_folder("config").join("agent.toml");
    let shipped = load(Some(&path), environment(&[]), &Flags::default()).unwrap();
    let defaults = load(None, environment(&[]), &Flags::default()).unwrap();
    assert_eq!(shipped, defaults);
    let text = std::fs::read_to_string(&path).unwrap();
    let raw = serde_json::to_value(Raw::default()).unwrap();
    for key in raw.as_object().unwrap().keys() {
        let stated = text.lines().any(|line| line.starts_with(&format!("{key} = ")));
        assert!(stated, "config/agent.toml does not state {key}");
        assert!(ACCEPTED.iter().any(|(name, _)| name == key), "nothing is said of what {key} takes");
    }
}

#[test]
fn each_broken_file_is_refused_with_the_phrase_in_its_first_line() {
    let mut seen = 0;
    for entry in std::fs::read_dir(repository_folder("config/broken")).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("agent-") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let phrase = text.lines().next().unwrap().trim_start_matches("# expects: ");
        let error = load(Some(&path), environment(&[]), &Flags::default()).unwrap_err().to_string();
        assert!(error.contains(phrase), "{}: '{phrase}' is not in: {error}", path.display());
        // The first line is the phrase, the second one the fault.
        assert!(error.starts_with(&format!("{}:2: ", path.display())), "file and line are not named in: {error}");
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} broken files were found");
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, "daemon = \"file:1\"\nname = \"file\"\nstall_seconds = 60\n").unwrap();
    let variables = environment(&[
        ("TWEENFARM_AGENT__DAEMON", "environment:2"),
        ("TWEENFARM_AGENT__NAME", "environment"),
        ("TWEENFARM_AGENT__CACHE_BYTES_MAX", "268435456"),
        ("UNRELATED", "1"),
    ]);
    let flags = Flags { daemon: Some("flag:3".to_owned()), ..Flags::default() };
    let config = load(Some(&path), variables, &flags).unwrap();
    assert_eq!(config.daemon, DaemonAt::Address("flag:3".to_owned()));
    assert_eq!(config.name, "environment");
    assert_eq!(config.stall, Duration::from_secs(60));
    assert_eq!(config.cache_bytes_max, 268_435_456);
    assert_eq!(config.devices, DeviceChoice::All);
}

#[test]
fn an_error_names_where_the_value_came_from() {
    let check = |variables, flags: Flags, expected: &str| {
        let error = load(None, environment(variables), &flags).unwrap_err().to_string();
        assert!(error.contains(expected), "'{expected}' is not in: {error}");
    };
    check(
        &[("TWEENFARM_AGENT__STALL_SECONDS", "soon")],
        Flags::default(),
        "the environment's TWEENFARM_AGENT__STALL_SECONDS",
    );
    check(&[("TWEENFARM_AGENT__STALL_SECONDS", "soon")], Flags::default(), "\"soon\"");
    check(&[("TWEENFARM_AGENT__DEAMON", "x:1")], Flags::default(), "unknown key `deamon`");
    check(&[], Flags { state: Some("here".to_owned()), ..Flags::default() }, "the flag --state: state = \"here\"");
}

#[test]
fn a_device_uuid_is_read_in_any_customary_spelling() {
    let check = |text: &str, expected: Option<&str>| assert_eq!(device_uuid(text).as_deref(), expected, "{text}");
    check("6d657361323200000000000000000000", Some("6d657361323200000000000000000000"));
    check("6D657361-3232-0000-0000-000000000000", Some("6d657361323200000000000000000000"));
    check("GPU-0", None);
    check("", None);
    let listed = environment(&[(
        "TWEENFARM_AGENT__DEVICES",
        "6d657361323200000000000000000000, 00000000000000000000000000000001",
    )]);
    let DeviceChoice::Only(uuids) = load(None, listed, &Flags::default()).unwrap().devices else {
        panic!("a list was given");
    };
    assert_eq!(uuids.len(), 2);
}
