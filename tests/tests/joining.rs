//! Agents that joined over TLS, as real processes: they render whole jobs, a revoked one is out, and strangers on the
//! network disturb nobody.

use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tweenfarm_protocol::{Rational, operator::Standing};
use tweenfarm_tests::{
    client::{Client, Job, Submitted},
    clips::{self, Recipe},
    farm::{Farm, Settings},
    inspect::{broken_promises, inspect},
    wait::until,
};

const GRANT: i64 = 1_000;
const TARGET_FPS: u32 = 120;
const LIMIT: Duration = Duration::from_secs(180);

/// Many short segments, so that a render has a middle.
async fn farm_with_a_joined_agent() -> Farm {
    let settings = Settings { segment_slots_max: 48, ..Settings::default() };
    let mut farm = Farm::start(settings).await.expect("a daemon");
    farm.add_joined_agent().await.expect("an agent joins");
    farm.workers_ready().await.expect("its worker is ready");
    farm
}

async fn submit(farm: &Farm, client: &Client) -> Submitted {
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { size: "320x240", seconds: 3.0, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let upload = client.upload(&clip).await.expect("an upload");
    client.submit(&upload.key, TARGET_FPS).await.expect("a job")
}

async fn ends_well(farm: &mut Farm, client: &Client, submitted: &Submitted) {
    let job = farm.finished(client, &submitted.job_id, LIMIT).await.expect("the job is over");
    assert_eq!((job.status.as_str(), job.xeconds_refunded), ("done", 0), "{job:?}");
    let result = farm.folder().join("result.mp4");
    client.download(&job.output_url.expect("a URL"), &result).await.expect("the result");
    let source = inspect(&farm.folder().join("clip.mp4")).expect("the source");
    let found = inspect(&result).expect("the result");
    let broken = broken_promises(&source, &found, Rational::whole(TARGET_FPS.into()));
    assert!(broken.is_empty(), "{}", broken.join("; "));
}

#[tokio::test]
async fn an_agent_that_joined_renders_whole_jobs_while_strangers_knock_and_after_a_restart_of_the_daemon() {
    let mut farm = farm_with_a_joined_agent().await;
    let agents = farm.operator().expect("the socket").agents().await.expect("the agents");
    assert_eq!((agents[0].name.as_str(), agents[0].connected), ("agent-0", true), "{agents:?}");
    assert_eq!(agents[0].standing, Standing::Member, "{agents:?}");

    let client = farm.client("join@example.org", GRANT).await.expect("an account");
    let submitted = submit(&farm, &client).await;
    let address = farm.agents_address().to_owned();
    let knocking = tokio::spawn(async move {
        let mut held = Vec::new();
        for number in 0_usize.. {
            let Ok(mut stream) = TcpStream::connect(&address).await else { break };
            // Nothing, something else, half a greeting, a frame of the service without TLS.
            let said = [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &[0x16, 3, 1, 2], &[0, 0, 0, 1, 0xC0]];
            let _ = stream.write_all(said[number % said.len()]).await;
            held.push(stream);
            if held.len() > 400 {
                let mut oldest = held.remove(0);
                let mut answer = [0; 64];
                // An alert at most; never a word of the service.
                let read = tokio::time::timeout(Duration::from_millis(1), oldest.read(&mut answer)).await;
                assert!(!matches!(read, Ok(Ok(length)) if length > 16), "a stranger was told something");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    ends_well(&mut farm, &client, &submitted).await;
    assert!(!knocking.is_finished(), "the strangers were turned away for good, or told something");
    knocking.abort();

    farm.kill_daemon().expect("the daemon is killed");
    farm.restart_daemon().await.expect("the daemon starts again");
    let submitted = submit(&farm, &client).await;
    ends_well(&mut farm, &client, &submitted).await;
    farm.nothing_left_behind().await.expect("a clean farm");
}

#[tokio::test]
async fn a_revoked_agent_is_out_in_the_middle_of_a_render_and_another_one_ends_it() {
    let mut farm = farm_with_a_joined_agent().await;
    let client = farm.client("revoke@example.org", GRANT).await.expect("an account");
    let submitted = submit(&farm, &client).await;
    let in_the_middle = |job: &Job| job.live_status == "processing" && job.progress.is_some_and(|done| done >= 10.0);
    farm.job_where(&client, &submitted.job_id, LIMIT, in_the_middle).await.expect("a job in the middle of its render");
    let operator = farm.operator().expect("the socket");
    let agent = operator.agents().await.expect("the agents")[0].agent;
    operator.revoke_agent(agent).await.expect("it is revoked");
    let revoked = operator.agents().await.expect("the agents");
    assert_eq!(revoked[0].standing, Standing::Revoked);
    farm.add_joined_agent().await.expect("another one joins");
    ends_well(&mut farm, &client, &submitted).await;
    let are_changed = async || {
        let agents = operator.agents().await.expect("the agents");
        agents.iter().map(|agent| agent.connected).eq([false, true])
    };
    until("the one is out and the other one is in", LIMIT, are_changed).await;
    // It is told in words when it comes again, whenever that is.
    farm.agent_says(0, "join with a new invitation").await.expect("the agent is told");
}
