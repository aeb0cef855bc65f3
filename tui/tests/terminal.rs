//! The console in a real terminal, a pseudo one: however it ends, the terminal is left as it was found.

use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags, open},
    io::{read, write},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Termios, Winsize, tcgetattr, tcsetwinsize},
};
use std::{
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// The machine may be busy with everything else; nothing is measured here.
const WITHIN: Duration = Duration::from_secs(60);
const ENTERS_ALTERNATE: &[u8] = b"\x1b[?1049h";
const LEAVES_ALTERNATE: &[u8] = b"\x1b[?1049l";
const SHOWS_CURSOR: &[u8] = b"\x1b[?25h";

struct Console {
    master: OwnedFd,
    slave: OwnedFd,
    before: Termios,
    child: Child,
    output: Receiver<Vec<u8>>,
    seen: Vec<u8>,
}

impl Console {
    /// Without a daemon: the console has to be there all the same.
    fn start(locale: &str, flags: &[&str]) -> Console {
        Console::start_after(b"", locale, flags)
    }

    /// After this was typed.
    fn start_after(typed: &[u8], locale: &str, flags: &[&str]) -> Console {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("its other side");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let slave =
            open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("its other side opens");
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).expect("it has a size");
        let before = tcgetattr(&slave).expect("it has settings");
        write(&master, typed).expect("the terminal takes keys");
        let side = || Stdio::from(slave.try_clone().expect("one more of it"));
        let child = Command::new(env!("CARGO_BIN_EXE_tweenfarm"))
            .args(["--socket", "/nonexistent/operator.sock"])
            .args(flags)
            .env("LC_ALL", locale)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("the console starts");
        let (told, output) = channel();
        let reader = master.try_clone().expect("one more of it");
        thread::spawn(move || {
            let mut part = vec![0; 65_536];
            while let Ok(length @ 1..) = read(&reader, &mut part) {
                if told.send(part[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Console { master, slave, before, child, output, seen: Vec::new() }
    }

    /// Reads until this was written. Only what changes is: a phrase has to stand where there was nothing before.
    fn shows(&mut self, phrase: &[u8]) {
        let until = Instant::now() + WITHIN;
        while !has(&self.seen, phrase) {
            let part = self.output.recv_timeout(until.saturating_duration_since(Instant::now()));
            self.seen.extend(part.unwrap_or_else(|_| panic!("not shown: {}", String::from_utf8_lossy(&self.seen))));
        }
    }

    fn types(&self, keys: &[u8]) {
        write(&self.master, keys).expect("the terminal takes keys");
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process");
        kill_process(pid, signal).expect("it is there");
    }

    /// Waits for its end and looks at the terminal then.
    fn ends_and_leaves_all_as_it_was(mut self) -> (ExitStatus, Vec<u8>) {
        self.shows(LEAVES_ALTERNATE);
        self.shows(SHOWS_CURSOR);
        let status = self.child.wait().expect("it ends");
        let after = tcgetattr(&self.slave).expect("the terminal is still there");
        assert_eq!(format!("{after:?}"), format!("{:?}", self.before), "its settings");
        assert!(has(&self.seen, ENTERS_ALTERNATE));
        // With its last other side closed the terminal ends, after all that was written to it.
        drop(self.slave);
        self.seen.extend(self.output.iter().flatten());
        (status, self.seen)
    }
}

fn has(text: &[u8], phrase: &[u8]) -> bool {
    text.windows(phrase.len()).any(|part| part == phrase)
}

#[test]
fn a_key_leaves_the_terminal_as_it_was() {
    let mut console = Console::start("C.UTF-8", &[]);
    console.shows("✗ no daemon".as_bytes());
    console.types(b"2?\x1b[B");
    console.shows(b":balances");
    console.types(b"qq");
    assert!(console.ends_and_leaves_all_as_it_was().0.success());
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    for signal in [Signal::TERM, Signal::HUP] {
        let mut console = Console::start("C.UTF-8", &[]);
        console.shows(b"Balances");
        console.signal(signal);
        assert!(console.ends_and_leaves_all_as_it_was().0.success(), "{signal:?}");
    }
}

#[test]
fn a_terminal_that_says_what_it_can_show_is_not_taken_to_be_typing() {
    // It lies there before it is asked for: how soon it comes is not what is tested.
    let answers = b"\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[?62;4c";
    let mut console = Console::start_after(answers, "C.UTF-8", &[]);
    console.shows("✗ no daemon".as_bytes());
    console.types(b"q");
    let (status, seen) = console.ends_and_leaves_all_as_it_was();
    assert!(status.success() && !has(&seen, b"this key does nothing"), "{}", String::from_utf8_lossy(&seen));
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was_and_is_read_afterwards() {
    let console = Console::start("C.UTF-8", &["--panic"]);
    let (status, seen) = console.ends_and_leaves_all_as_it_was();
    assert!(!status.success());
    let left = seen.windows(LEAVES_ALTERNATE.len()).position(|part| part == LEAVES_ALTERNATE).expect("it was left");
    assert!(has(&seen[left..], b"asked for by --panic"), "the message comes after the screen is given back");
}

#[test]
fn a_terminal_that_is_not_utf8_gets_ascii_only() {
    let mut console = Console::start("C", &[]);
    console.shows(b"X no daemon");
    console.types(b"q");
    let (_, seen) = console.ends_and_leaves_all_as_it_was();
    assert!(seen.is_ascii(), "{}", String::from_utf8_lossy(&seen));
}
