//! A shell script in the place of the worker program: it greets, then does to each order what its body says.

use crate::worker::program::Program;
use std::{fs, path::Path, process::Command};

/// Done after the greeting: answers every order with a small file and the ordered number of frames.
pub const GOOD: &str = r#"
while read -r order; do
    output=$(printf '%s' "$order" | sed 's/.*"output":"\([^"]*\)".*/\1/')
    frames=$(printf '%s' "$order" | sed 's/.*"slot_count":\([0-9]*\).*/\1/')
    printf 'frames of %s' "$$" > "$output"
    echo "{\"event\":\"progress\",\"frames_done\":$frames,\"frames_total\":$frames}"
    echo "{\"event\":\"done\",\"facts\":{\"frames\":$frames,\"frames_made\":1,\"width_px\":16,\"height_px\":16,\"elapsed_ms\":1,\"decode_ms\":1,\"interpolate_ms\":1,\"encode_ms\":1,\"device\":\"script\",\"engine\":\"none 1\",\"encoder\":\"none\"}}"
done
"#;

const HEAD: &str = r#"
if [ "$1" = devices ]; then
    echo '[{"uuid":"00000000000000000000000000000001","name":"script","kind":"cpu"}]'
    exit 0
fi
if [ "$1" = doctor ]; then
    echo '[{"item":"script","ok":true,"detail":"fine","remedy":null}]'
    exit 0
fi
"#;

const GREETING: &str = r#"
echo '{"event":"ready","device_uuid":"00000000000000000000000000000001","device_name":"script","engine":"none 1","encoders":["x264enc"]}'
"#;

/// Greets and runs `body`.
pub fn greeting(folder: &Path, body: &str) -> Program {
    whole(folder, &format!("{GREETING}{body}"))
}

/// Runs `body` in the place of the greeting too.
pub fn whole(folder: &Path, body: &str) -> Program {
    bare(folder, &format!("{HEAD}{body}"))
}

/// Runs `body` whatever the command.
pub fn bare(folder: &Path, body: &str) -> Program {
    let path = folder.join("worker-script");
    let text = folder.join("worker-script.text");
    fs::write(&text, format!("#!/bin/sh\n{body}")).unwrap();
    // Written by a program of its own. A file that this process had open to write could not be run for as long as a child that
    // another test is starting has it open, too.
    let installed = Command::new("install").args(["-m", "755", "-T"]).args([&text, &path]).status();
    assert!(installed.expect("install of coreutils runs").success());
    Program::at(&path)
}
