//! The network's door over real connections: joining, dialing in with what joining gave, and everybody who has neither.

mod door;
mod scene;

use door::*;
use scene::*;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tweenfarm_daemon::{
    join::Authority,
    model::{Agent, JobEnd},
    rpc::RpcSettings,
};
use tweenfarm_protocol::{
    AgentId, Timestamp,
    join::{InviteSecret, JoinRefusal},
    service::{Receipt, Refusal, Renewal},
    task::{Delivered, Outcome, Progress, RenderFacts, Work},
};
use uuid::Uuid;

const QUARTER: Duration = Duration::from_secs(15 * 60);

#[tokio::test]
async fn an_invitation_lets_one_agent_in_which_then_works_under_its_own_name_only() {
    let door = Door::open(RpcSettings::default()).await;
    let line = door.invite("gpu-1", QUARTER).await;
    let machine = Machine::new();
    let joined = door.join(&machine, &line).await.unwrap();

    let agent = door.dial(&machine, &joined).await.unwrap();
    let said = hello(AgentId(Uuid::from_u128(99)), 1);
    let refused = Refusal::NotYourself { yours: joined.agent, said: said.agent };
    assert_eq!(agent.hello(within(), said).await.unwrap(), Err(refused), "another agent's id");
    agent.hello(within(), hello(joined.agent, 1)).await.unwrap().unwrap();
    let seen = &door.scene.farm.agents()[0];
    assert_eq!((seen.hello.agent, seen.hello.name.as_str()), (joined.agent, "gpu-1"), "the name it was invited by");
}

#[tokio::test]
async fn an_invitation_that_is_used_over_wrong_or_replaced_opens_nothing() {
    let door = Door::open(RpcSettings::default()).await;
    let first = door.invite("gpu-1", QUARTER).await;
    let machine = Machine::new();
    let joined = door.join(&machine, &first).await.unwrap();
    assert_eq!(door.join(&Machine::new(), &first).await, Err(JoinRefusal::Used), "by another machine");
    let again = door.join(&machine, &first).await.unwrap();
    assert_eq!(again.agent, joined.agent, "the same machine, whose answer was lost, is the same agent");

    let mut other_name = door.invite("gpu-2", QUARTER).await;
    other_name.name = "gpu-3".into();
    assert_eq!(door.join(&Machine::new(), &other_name).await, Err(JoinRefusal::Unknown), "under another name");
    let mut other_secret = door.invite("gpu-2", QUARTER).await;
    other_secret.secret = InviteSecret([0; 32]);
    assert_eq!(door.join(&Machine::new(), &other_secret).await, Err(JoinRefusal::Unknown));
    let replaced = door.invite("gpu-2", QUARTER).await;
    let replacing = door.invite("gpu-2", QUARTER).await;
    assert_eq!(door.join(&Machine::new(), &replaced).await, Err(JoinRefusal::Unknown));
    door.scene.clock.advance(QUARTER);
    assert_eq!(door.join(&Machine::new(), &replacing).await, Err(JoinRefusal::Expired));
    assert_eq!(door.scene.farm.joined_agents().unwrap().len(), 1, "one joined, whatever was tried");
}

#[tokio::test]
async fn of_many_machines_with_one_invitation_one_gets_in() {
    let door = Door::open(RpcSettings::default()).await;
    let line = door.invite("gpu-1", QUARTER).await;
    let machines: Vec<_> = (0..8).map(|_| Machine::new()).collect();
    let tried = futures::future::join_all(machines.iter().map(|machine| door.join(machine, &line))).await;
    assert_eq!(tried.iter().filter(|joined| joined.is_ok()).count(), 1, "{tried:?}");
    assert_eq!(tried.iter().filter(|joined| **joined == Err(JoinRefusal::Used)).count(), 7, "{tried:?}");
}

#[tokio::test]
async fn a_used_invitation_is_used_after_a_restart_too_and_the_agent_still_a_member() {
    let mut door = Door::open(RpcSettings::default()).await;
    let line = door.invite("gpu-1", QUARTER).await;
    let machine = Machine::new();
    let joined = door.join(&machine, &line).await.unwrap();
    door.restart().await;
    assert_eq!(door.join(&Machine::new(), &line).await, Err(JoinRefusal::Used));
    let agent = door.dial(&machine, &joined).await.unwrap();
    agent.hello(within(), hello(joined.agent, 1)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_revoked_agent_is_out_at_once_and_its_work_is_another_ones() {
    let door = Door::open(RpcSettings::default()).await;
    let (first, second) = (door.member("gpu-1").await, door.member("gpu-2").await);
    let account = door.scene.account("ada", 50).await;
    let clip = door.scene.clip(&account, 1).await;
    let job = door.scene.submit(&clip, 1, 8).await.unwrap().job;
    let task = first.client.next_task(within(), first.id, 0, 0).await.unwrap().unwrap().expect("the segment");
    assert_eq!(second.client.next_task(within(), second.id, 0, 0).await.unwrap(), Ok(None), "all is leased");
    // A worker more, which stands in line when the agent is revoked.
    first.client.hello(within(), hello(first.id, 2)).await.unwrap().unwrap();
    let waiting = {
        let (client, id) = (first.client.clone(), first.id);
        tokio::spawn(async move { client.next_task(within(), id, 1, 20_000).await })
    };
    until(|| door.scene.farm.load().workers_idle == 2).await;

    door.scene.farm.revoke(first.id).await.unwrap();
    assert!(waiting.await.unwrap().is_err(), "the connection is closed under its call");
    let again = second.client.next_task(within(), second.id, 0, 20_000).await.unwrap().unwrap();
    assert_eq!(again.expect("the segment of the revoked one").job, job.id);
    assert!(door.dial(&first.machine, &first.joined).await.is_none(), "its certificate is refused");
    assert!(door.scene.farm.member(first.id).unwrap().is_none());
    let renewed = second.client.renew(within(), task.lease, Progress::default()).await.unwrap();
    assert_eq!(renewed, Ok(Renewal::Lost), "the old lease is over");
    // Its name is free again, and it comes back as another agent only.
    let line = door.invite("gpu-1", QUARTER).await;
    let back = door.join(&Machine::new(), &line).await.unwrap();
    assert_ne!(back.agent, first.id);
    assert!(!matches!(door.scene.state(job.id), tweenfarm_daemon::model::JobState::Ended { .. }));
}

#[tokio::test]
async fn a_device_on_probation_gets_a_probe_and_nobodys_work_until_it_passes() {
    let door = Door::open(RpcSettings::default()).await;
    let account = door.scene.account("ada", 50).await;
    let clip = door.scene.clip(&account, 1).await;
    let job = door.scene.submit(&clip, 1, 8).await.unwrap().job;
    let machine = Machine::new();
    let joined = door.join(&machine, &door.invite("gpu-1", QUARTER).await).await.unwrap();
    let agent = door.dial(&machine, &joined).await.unwrap();
    agent.hello(within(), hello(joined.agent, 1)).await.unwrap().unwrap();
    let next = || agent.next_task(within(), joined.agent, 0, 0);
    let probe = next().await.unwrap().unwrap().expect("the probe");
    let Work::Render(render) = &probe.work else { panic!("expected a render") };
    assert!(render.source.url.contains("/probe/clip.mp4") && probe.job != job.id);
    assert_eq!(next().await.unwrap(), Ok(None), "one probe at a time");
    assert_eq!(agent.renew(within(), probe.lease, Progress::default()).await.unwrap(), Ok(Renewal::Kept));

    // What arrives is no film: the device waits, then tries again.
    let facts = RenderFacts { frames: 18, ..RenderFacts::default() };
    let lie = Outcome::Done(Delivered { size_bytes: 3, sha256: "ab".repeat(32), facts });
    assert_eq!(agent.report(within(), probe.lease, lie.clone()).await.unwrap(), Ok(Receipt::Accepted));
    assert_eq!(agent.report(within(), probe.lease, lie).await.unwrap(), Ok(Receipt::Stale), "sent twice");
    assert_eq!(next().await.unwrap(), Ok(None), "nothing for a device that has just failed");
    door.scene.clock.advance(Duration::from_secs(31));
    let again = next().await.unwrap().unwrap().expect("another probe");
    assert!(again.lease != probe.lease && again.job != job.id);

    door.scene.farm.prove(joined.agent, "00".into()).await.unwrap();
    assert_eq!(next().await.unwrap().unwrap().expect("work").job, job.id);
}

#[tokio::test]
async fn an_agent_cannot_touch_what_another_one_holds() {
    let door = Door::open(RpcSettings::default()).await;
    let (first, second) = (door.member("gpu-1").await, door.member("gpu-2").await);
    let account = door.scene.account("ada", 50).await;
    let clip = door.scene.clip(&account, 1).await;
    door.scene.submit(&clip, 1, 8).await.unwrap();
    let task = first.client.next_task(within(), first.id, 0, 0).await.unwrap().unwrap().expect("the segment");
    assert_eq!(second.client.give_back(within(), task.lease).await.unwrap(), Ok(Receipt::Stale));
    assert_eq!(second.client.renew(within(), task.lease, Progress::default()).await.unwrap(), Ok(Renewal::Lost));
    assert_eq!(first.client.renew(within(), task.lease, Progress::default()).await.unwrap(), Ok(Renewal::Kept));
}

#[tokio::test]
async fn a_certificate_is_renewed_for_the_same_key_only() {
    let door = Door::open(RpcSettings::default()).await;
    let member = door.member("gpu-1").await;
    let renewed = member.client.renew_certificate(within(), member.machine.request()).await.unwrap().unwrap();
    assert_ne!(renewed.pem, member.joined.certificate.pem);
    let joined = tweenfarm_protocol::join::Joined { certificate: renewed, ..member.joined.clone() };
    let agent = door.dial(&member.machine, &joined).await.expect("the new certificate is good");
    agent.hello(within(), hello(member.id, 1)).await.unwrap().unwrap();
    let other = member.client.renew_certificate(within(), Machine::new().request()).await.unwrap();
    assert!(matches!(other, Err(Refusal::Request(_))), "{other:?}");
    let garbage = member.client.renew_certificate(within(), "no request".into()).await.unwrap();
    assert!(matches!(garbage, Err(Refusal::Request(_))), "{garbage:?}");
}

#[tokio::test]
async fn a_stranger_gets_nothing_with_no_certificate_a_foreign_one_or_a_forged_one() {
    let door = Door::open(RpcSettings::default()).await;
    let member = door.member("gpu-1").await;
    assert!(door.dial_as(None).await.is_none(), "no certificate");

    let folder = tempfile::tempdir().unwrap();
    let foreign = Authority::load_or_create(&folder.path().join("authority.pem"), Timestamp::now()).unwrap();
    let of_member: Agent = door.scene.farm.member(member.id).unwrap().unwrap();
    let by_foreign = member.machine.certified_by(&foreign, &of_member);
    assert!(door.dial_as(Some((&member.machine, &by_foreign))).await.is_none(), "another farm's, for a member's key");

    let unknown = Machine::new();
    let by_own = unknown.certified_by(&door.authority, &of_member);
    assert!(door.dial_as(Some((&unknown, &by_own))).await.is_none(), "the farm's own, for a key that never joined");
    assert!(door.dial(&member.machine, &member.joined).await.is_some(), "the member itself still gets in");
}

#[tokio::test]
async fn floods_slow_ones_garbage_and_huge_frames_disturb_nobody() {
    let settings = RpcSettings { known_within: Duration::from_secs(5), ..RpcSettings::default() };
    let door = Door::open(settings).await;
    let member = door.member("gpu-1").await;
    let account = door.scene.account("ada", 500).await;
    let clip = door.scene.clip(&account, 1).await;
    let job = door.scene.submit(&clip, 1, 8).await.unwrap().job;

    // As many half-open ones as their address may have, and far more that get no place at all.
    let mut silent = Vec::new();
    for _ in 0..settings.unknown_per_address_max * 3 {
        silent.push(TcpStream::connect(door.address).await.unwrap());
    }
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xFF, 0xFF], &[0; 4096], &[0xFF; 64]] {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        let _ = stream.write_all(garbage).await;
        silent.push(stream);
    }
    // Who is in works on while they hang there.
    let task = member.client.next_task(within(), member.id, 0, 0).await.unwrap().unwrap().expect("the segment");
    assert_eq!(task.job, job.id);
    assert_eq!(member.client.renew(within(), task.lease, Progress::default()).await.unwrap(), Ok(Renewal::Kept));
    // Each of them is closed, whatever it said; none got a byte that means anything.
    for mut stream in silent {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "a connection is left open");
        assert!(rest.len() < 64, "{} bytes were sent to a stranger", rest.len());
    }
    // Their places are free again.
    let line = door.invite("gpu-2", QUARTER).await;
    door.join(&Machine::new(), &line).await.unwrap();

    // A frame that is longer than joining needs ends its connection before it is read.
    let mut stranger = door.greet_stranger().await;
    stranger.write_all(&u32::to_be_bytes(64 << 20)).await.unwrap();
    let _ = stranger.write_all(&[0; 1024]).await;
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), stranger.read_to_end(&mut rest)).await;
    assert!(closed.is_ok() && rest.is_empty(), "{} bytes", rest.len());
    door.scene.farm.cancel(job.id).await.unwrap();
    assert!(matches!(door.scene.end(job.id), JobEnd::Cancelled { .. }));
}

#[tokio::test]
async fn the_service_of_agents_is_not_served_to_who_asks_to_join() {
    let door = Door::open(RpcSettings::default()).await;
    let stranger = door.greet_stranger().await;
    let agent = client_over(stranger);
    assert!(agent.hello(within(), hello(AGENT, 1)).await.is_err());
    assert!(door.scene.farm.agents().is_empty());
}

#[tokio::test]
async fn the_authority_is_made_once_and_only_its_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    let made = Authority::load_or_create(&path, Timestamp::now()).unwrap();
    let read = Authority::load_or_create(&path, Timestamp::now()).unwrap();
    assert_eq!(made.fingerprint(), read.fingerprint());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, "half an auth").unwrap();
    let broken = Authority::load_or_create(&path, Timestamp::now()).err().expect("it is refused").to_string();
    assert!(broken.contains("every agent has to join anew"), "{broken}");
    assert_eq!(std::fs::read(&path).unwrap(), b"half an auth", "and not replaced");
    let _ = Arc::new(read);
}
