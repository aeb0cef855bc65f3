//! The daemon under a service manager that the test plays: a notify socket and sockets handed over.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A daemon that says nothing for so long has failed; busy machines start it within a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

struct Stage {
    folder: tempfile::TempDir,
    notifications: UnixDatagram,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let notifications = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notifications.set_read_timeout(Some(PATIENCE)).unwrap();
        Stage { folder, notifications }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn operator_socket(&self) -> PathBuf {
        self.state().join("operator.sock")
    }

    fn command(&self, program: &str, http: &str) -> Command {
        let mut command = Command::new(program);
        if program == "sh" {
            // What the manager does between fork and exec: sockets from number 3 on, and whose they are.
            let hand_over = "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\"";
            command.args(["-c", hand_over, env!("CARGO_BIN_EXE_tweenfarmd")]);
        }
        command
            .args(["--http-listen", http, "--rpc-listen", "127.0.0.1:0", "--state-folder"])
            .arg(self.state())
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"))
            .stdout(Stdio::null())
            .stderr(fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap());
        command
    }

    /// The lines of the next message.
    fn told(&self) -> BTreeSet<String> {
        let mut message = vec![0; 4096];
        let length = loop {
            match self.notifications.recv(&mut message) {
                Ok(length) => break length,
                // A machine that stood still has interrupted the wait, which is none that begins again by itself.
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => panic!("nothing was told ({cause}); the log:\n{}", self.log()),
            }
        };
        String::from_utf8(message[..length].to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    fn wait_until_told(&self, line: &str) {
        self.told_until(|told| told.iter().any(|lines| lines.contains(line)));
    }

    /// All that is told until it is enough. The daemon says so many other things that a wait for the next one says nothing.
    fn told_until(&self, enough: impl Fn(&[BTreeSet<String>]) -> bool) -> Vec<BTreeSet<String>> {
        let (mut told, began) = (Vec::new(), Instant::now());
        while !enough(&told) {
            assert!(began.elapsed() < PATIENCE, "told only {told:?}; the log:\n{}", self.log());
            told.push(self.told());
        }
        told
    }

    /// In whatever order it says both.
    fn wait_until_ready(&self) {
        let says = |told: &[BTreeSet<String>], start: &str| told.iter().flatten().any(|line| line.starts_with(start));
        self.told_until(|told| says(told, "READY=1") && says(told, "STATUS="));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Killed when the test ends, however it ends.
struct Daemon(Child);

impl Daemon {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(mut stream: impl Read + Write, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn systemd_hears_when_the_daemon_is_ready_how_it_stands_that_it_lives_and_that_it_stops() {
    let stage = Stage::new();
    let mut command = stage.command(env!("CARGO_BIN_EXE_tweenfarmd"), "127.0.0.1:0");
    let mut daemon = Daemon(command.env("WATCHDOG_USEC", "900000").spawn().unwrap());
    let says = |told: &[BTreeSet<String>], line: &str| told.iter().filter(|lines| lines.contains(line)).count();
    let first = stage.told_until(|told| says(told, "READY=1") > 0);
    // Whoever is told can rely on it.
    assert_eq!(ask(TcpStream::connect(stage.http()).unwrap(), "/healthz"), "HTTP/1.1 200 OK");
    // How it stands may be told before that or after it.
    let stands = |told: &[BTreeSet<String>]| says(told, "STATUS=no worker is here, no job waits");
    stage.told_until(|told| says(told, "WATCHDOG=1") >= 2 && stands(&first) + stands(told) > 0);
    daemon.signal(Signal::TERM);
    stage.wait_until_told("STOPPING=1");
    assert!(daemon.0.wait().unwrap().success());
    assert!(!stage.operator_socket().exists());
}

#[test]
fn no_sign_of_life_is_asked_for_and_none_is_sent() {
    let stage = Stage::new();
    let mut daemon = Daemon(stage.command(env!("CARGO_BIN_EXE_tweenfarmd"), "127.0.0.1:0").spawn().unwrap());
    stage.wait_until_told("READY=1");
    daemon.signal(Signal::TERM);
    loop {
        let message = stage.told();
        assert!(!message.contains("WATCHDOG=1"), "{message:?}");
        if message.contains("STOPPING=1") {
            break;
        }
    }
    assert!(daemon.0.wait().unwrap().success());
}

impl Stage {
    fn write_config(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("daemon.toml");
        fs::write(&path, text).unwrap();
        path
    }

    fn http(&self) -> String {
        let addresses: serde_json::Value =
            serde_json::from_slice(&fs::read(self.state().join("addresses.json")).unwrap()).unwrap();
        addresses["http"].as_str().unwrap().to_owned()
    }

    /// What is told of a reload, up to its end and the line that says how the daemon stands.
    fn reload_told(&self) -> Vec<BTreeSet<String>> {
        let says = |told: &[BTreeSet<String>], start: &str| told.iter().flatten().any(|line| line.starts_with(start));
        self.told_until(|told| ["RELOADING=1", "READY=1", "STATUS="].iter().all(|start| says(told, start)))
    }
}

#[test]
fn a_reload_takes_what_can_change_now_and_names_what_needs_a_restart() {
    let stage = Stage::new();
    let config = stage.write_config("[log]\nlevel = \"info\"\n");
    let mut command = stage.command(env!("CARGO_BIN_EXE_tweenfarmd"), "127.0.0.1:0");
    let daemon = Daemon(command.arg("--config").arg(&config).env("WATCHDOG_USEC", "900000").spawn().unwrap());
    stage.wait_until_ready();
    let status = || ask(TcpStream::connect(stage.http()).unwrap(), "/healthz");
    assert!((0..20).all(|_| status() == "HTTP/1.1 200 OK"));

    stage.write_config("[limits]\nrequests_per_second_address = 1\n[http]\nconnections_max = 7\n");
    daemon.signal(Signal::HUP);
    let told = stage.reload_told();
    let position = |start: &str| told.iter().position(|lines| lines.iter().any(|line| line.starts_with(start)));
    assert!(position("RELOADING=1") < position("READY=1"), "{told:?}");
    assert_eq!(position("RELOADING=1"), position("MONOTONIC_USEC="), "{told:?}");
    let status_line = "STATUS=no worker is here, no job waits; needs a restart: http.connections_max";
    assert!(told.iter().any(|lines| lines.contains(status_line)), "{told:?}");
    assert!((0..1000).any(|_| status() == "HTTP/1.1 429 Too Many Requests"), "{}", stage.log());

    // Who asks too often is refused, and the daemon is not taken for dead by that.
    let mut signs_of_life = 0;
    while signs_of_life < 3 {
        while status() == "HTTP/1.1 200 OK" {}
        signs_of_life += u32::from(stage.told().contains("WATCHDOG=1"));
    }
    // A busy machine may be late with an answer, and its log says so; the answer that was given is never the fault.
    assert!(!stage.log().contains("answers GET /healthz with"), "{}", stage.log());
}

#[test]
fn a_reload_of_a_broken_file_changes_nothing_and_names_the_line() {
    let stage = Stage::new();
    let config = stage.write_config("");
    let mut command = stage.command(env!("CARGO_BIN_EXE_tweenfarmd"), "127.0.0.1:0");
    let mut daemon = Daemon(command.arg("--config").arg(&config).spawn().unwrap());
    stage.wait_until_ready();
    stage.write_config("[limits]\nrequests_per_second_address = 1\nqueue_jobs_max = 0\n");
    daemon.signal(Signal::HUP);
    let fault = format!("configuration refused: {}:3: limits.queue_jobs_max = 0: 1 to 1000000", config.display());
    let told = stage.reload_told();
    assert!(told.iter().flatten().any(|line| line.starts_with("STATUS=") && line.ends_with(&fault)), "{told:?}");
    let status = || ask(TcpStream::connect(stage.http()).unwrap(), "/healthz");
    assert!((0..20).all(|_| status() == "HTTP/1.1 200 OK"));
    assert!(stage.log().contains("everything stays as it was"), "{}", stage.log());

    // As it was at the start again: nothing is left to be said.
    stage.write_config("");
    daemon.signal(Signal::HUP);
    let told = stage.reload_told();
    assert!(told.iter().any(|lines| lines.contains("STATUS=no worker is here, no job waits")), "{told:?}");
    daemon.signal(Signal::TERM);
    assert!(daemon.0.wait().unwrap().success());
}

fn start_with_sockets(stage: &Stage, port: &TcpListener, file: &UnixListener, http: &str) -> Daemon {
    let mut command = stage.command("sh", http);
    let port: OwnedFd = port.try_clone().unwrap().into();
    let file: OwnedFd = file.try_clone().unwrap().into();
    Daemon(command.stdin(port).stdout(file).spawn().unwrap())
}

fn sockets(stage: &Stage) -> (TcpListener, UnixListener, String) {
    fs::create_dir_all(stage.state()).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap().to_string();
    (port, UnixListener::bind(stage.operator_socket()).unwrap(), address)
}

fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).unwrap()
}

#[test]
fn who_calls_while_the_daemon_is_restarted_is_answered_by_the_next_one() {
    let stage = Stage::new();
    let (port, file, http) = sockets(&stage);
    let daemon = start_with_sockets(&stage, &port, &file, &http);
    stage.wait_until_told("READY=1");
    assert_eq!(ask(TcpStream::connect(&http).unwrap(), "/healthz"), "HTTP/1.1 200 OK");
    assert_eq!(ask(connect(&stage.operator_socket()), "/operator/status"), "HTTP/1.1 200 OK");

    drop(daemon);
    // Nobody listens now, and both connect.
    let (client, operator) = (TcpStream::connect(&http).unwrap(), connect(&stage.operator_socket()));
    let mut daemon = start_with_sockets(&stage, &port, &file, &http);
    assert_eq!(ask(client, "/healthz"), "HTTP/1.1 200 OK");
    assert_eq!(ask(operator, "/operator/status"), "HTTP/1.1 200 OK");

    daemon.signal(Signal::TERM);
    assert!(daemon.0.wait().unwrap().success());
    assert!(stage.operator_socket().exists(), "the file is the socket unit's");
}

#[test]
fn a_handed_socket_that_no_key_names_is_refused_with_what_to_do() {
    let stage = Stage::new();
    let (port, file, address) = sockets(&stage);
    let mut daemon = start_with_sockets(&stage, &port, &file, "127.0.0.1:0");
    assert_eq!(daemon.0.wait().unwrap().code(), Some(1));
    let log = stage.log();
    assert!(log.contains(&format!("systemd holds a socket at {address}")) && log.contains("http.listen"), "{log}");
}
