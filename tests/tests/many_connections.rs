//! A daemon started with the few open files a system gives by default holds many clients' connections all the same.

use std::{fs, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tweenfarm_tests::{program::Recipe, programs};

const CONNECTIONS: usize = 400;
const FILES_AT_THE_START: &str = "--nofile=128:4096";
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn more_clients_stay_connected_than_the_daemon_may_open_files_at_its_start() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (state, config) = (folder.path().join("state"), folder.path().join("daemon.toml"));
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[rpc]\nlisten = \"127.0.0.1:0\"\n[state]\nfolder = {state:?}\n\
         [limits]\ndisk_reserve_bytes = 0\n"
    );
    fs::write(&config, text).expect("write the configuration");
    let daemon = programs::find("tweenfarmd").expect("the daemon is built");
    let recipe = Recipe {
        name: "tweenfarmd".to_owned(),
        program: "prlimit".into(),
        arguments: vec![FILES_AT_THE_START.into(), daemon.into(), "--config".into(), config.into()],
        environment: Vec::new(),
        log: folder.path().join("daemon.log"),
    };
    let mut daemon = recipe.start().expect("the daemon starts");
    let address = timeout(LIMIT, async {
        loop {
            daemon.still_runs().expect("the daemon runs");
            let written = fs::read_to_string(state.join("addresses.json")).unwrap_or_default();
            match serde_json::from_str::<serde_json::Value>(&written) {
                Ok(addresses) => break addresses["http"].as_str().expect("an address").to_owned(),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await
    .expect("the daemon is ready");

    let mut held = Vec::new();
    for number in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        stream.write_all(b"GET /pricing/config HTTP/1.1\r\nHost: farm\r\n\r\n").await.expect("a request");
        let mut start = [0; 12];
        let answered = timeout(LIMIT, stream.read_exact(&mut start)).await;
        assert!(answered.is_ok_and(|read| read.is_ok()), "connection {number} has no answer");
        assert_eq!(&start, b"HTTP/1.1 200", "connection {number}");
        held.push(stream);
    }
    // Those that wait are answered when others have gone: what tells is that none had to wait.
    let log = fs::read_to_string(&daemon.recipe().log).expect("the daemon's log");
    assert!(!log.contains(" WARN "), "{log}");
}
