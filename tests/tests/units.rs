//! The units of systemd/: without a fault, and with no more rights than they need, as systemd's own tools judge.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd")
}

fn units() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut units: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "service" || extension == "socket"))
        .collect();
    units.sort();
    units
}

fn analyze(arguments: &[&str], units: &[PathBuf]) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .args(units)
        .output()
        .expect("systemd-analyze runs: it comes with the package systemd, which make test installs")
}

fn text(output: &Output) -> String {
    [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat()
}

/// A root with the programs where the units look for them, and the system's own units, which ours name.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for path in ["usr/bin", "usr/lib/systemd/system", "etc/systemd/system"] {
        fs::create_dir_all(at(path)).unwrap();
    }
    symlink("usr/lib", at("lib")).unwrap();
    symlink("usr/bin", at("bin")).unwrap();
    for unit in fs::read_dir("/lib/systemd/system").unwrap().map(Result::unwrap) {
        if unit.metadata().unwrap().is_file() {
            fs::copy(unit.path(), at("usr/lib/systemd/system").join(unit.file_name())).unwrap();
        }
    }
    for program in ["tweenfarmd", "tweenfarm-agent", "tweenfarm-watch", "kill"] {
        let program = at("usr/bin").join(program);
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for unit in units() {
        fs::copy(&unit, at("etc/systemd/system").join(unit.file_name().unwrap())).unwrap();
    }
    root
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let root = root();
    let copies: Vec<_> =
        units().iter().map(|unit| root.path().join("etc/systemd/system").join(unit.file_name().unwrap())).collect();
    assert!(!copies.is_empty());
    let option = format!("--root={}", root.path().display());
    let verified = analyze(&["verify", "--man=no", &option], &copies);
    let told = text(&verified);
    assert!(verified.status.success() && told.trim().is_empty(), "{told}");
}

#[test]
fn the_services_are_exposed_no_more_than_they_must_be() {
    // In tenths of systemd's scale of 0 to 10.
    for (unit, tenths_max) in
        [("tweenfarmd.service", 15), ("tweenfarm-agent.service", 20), ("tweenfarm-watch.service", 20)]
    {
        let threshold = format!("--threshold={tenths_max}");
        let judged = analyze(&["security", "--offline=true", "--no-pager", &threshold], &[folder().join(unit)]);
        assert!(judged.status.success(), "{unit} is above {tenths_max} tenths:\n{}", text(&judged));
    }
}
