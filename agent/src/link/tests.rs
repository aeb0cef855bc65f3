use super::*;
use crate::{
    lease::Leases,
    run::give_back_forgotten,
    testing::{
        daemon::{Daemon, agent},
        eventually, job, lease, nobody,
    },
};
use tweenfarm_protocol::task::{Failure, FailureClass};

const NOW: Duration = Duration::from_millis(50);

fn failed() -> Outcome {
    Outcome::Failed(Failure::new(FailureClass::Resource, "test".to_owned()))
}

#[tokio::test]
async fn an_agent_says_hello_again_to_a_restarted_daemon_and_calls_go_on() {
    let mut daemon = Daemon::start().await;
    let stop = CancellationToken::new();
    let link = daemon.link(&stop);
    assert_eq!(link.next_task(0, NOW, agent()).await.unwrap(), None);
    daemon.restart().await;
    // Calls that meet the session that is about to end are lost, the one after them waits for the new connection.
    let answer = loop {
        if let Ok(answer) = link.next_task(0, NOW, agent()).await {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answer, None);
    assert_eq!(daemon.book().hellos.len(), 2);
}

#[tokio::test]
async fn a_call_made_while_the_daemon_is_away_is_answered_when_it_is_back() {
    let mut daemon = Daemon::start().await;
    let stop = CancellationToken::new();
    let link = daemon.link(&stop);
    link.connected().await.unwrap();
    daemon.kill();
    eventually("the link noticed", || link.sessions.borrow().is_none()).await;
    let waiting = tokio::spawn({
        let link = link.clone();
        async move { link.report(lease(1), failed()).await }
    });
    daemon.restart().await;
    assert_eq!(waiting.await.unwrap().unwrap(), Receipt::Stale);
}

#[tokio::test]
async fn an_agent_the_daemon_forgot_says_hello_again() {
    let daemon = Daemon::start().await;
    let stop = CancellationToken::new();
    let link = daemon.link(&stop);
    link.connected().await.unwrap();
    daemon.forget_agents();
    let answer = link.next_task(0, NOW, agent()).await;
    assert!(matches!(answer, Err(LinkError::Refused(Refusal::UnknownAgent(_)))), "{answer:?}");
    eventually("a second hello came", || daemon.book().hellos.len() == 2).await;
    // The first call may still meet the session that is about to end.
    while link.next_task(0, NOW, agent()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_end_when_the_agent_stops_without_a_connection() {
    let mut daemon = Daemon::start().await;
    daemon.kill();
    let stop = CancellationToken::new();
    let link = daemon.link(&stop);
    stop.cancel();
    assert!(matches!(link.connected().await, Err(LinkError::Stopped)));
}

#[tokio::test]
async fn the_last_calls_pass_after_the_stop() {
    let daemon = Daemon::start().await;
    let stop = CancellationToken::new();
    let link = daemon.link(&stop);
    link.connected().await.unwrap();
    stop.cancel();
    link.give_back(lease(1)).await.unwrap();
    assert_eq!(daemon.book().given_back, [lease(1)]);
}

#[tokio::test]
async fn a_lease_is_renewed_with_its_progress_until_the_daemon_calls_it_over() {
    let daemon = Daemon::start().await;
    let stop = CancellationToken::new();
    let leases = Leases::new(daemon.link(&stop), agent());
    daemon.book().leased.insert(lease(1));
    let kept = leases.keep(lease(1), job(1), "segment 0..4", None);
    let progress = Progress { frames_done: 5, frames_total: 9 };
    kept.set_progress(progress);
    eventually("the progress was told", || daemon.book().renewals.contains(&(lease(1), progress))).await;
    assert!(!kept.is_lost());
    daemon.book().leased.clear();
    eventually("it is lost", || kept.is_lost()).await;
}

#[tokio::test]
async fn a_lease_is_not_lost_while_the_daemon_is_away() {
    let mut daemon = Daemon::start().await;
    let stop = CancellationToken::new();
    let leases = Leases::new(daemon.link(&stop), agent());
    daemon.book().leased.insert(lease(1));
    let kept = leases.keep(lease(1), job(1), "segment 0..4", None);
    eventually("it was renewed", || !daemon.book().renewals.is_empty()).await;
    daemon.kill();
    let before = daemon.book().renewals.len();
    daemon.restart().await;
    eventually("it was renewed again", || daemon.book().renewals.len() > before).await;
    assert!(!kept.is_lost());
}

#[tokio::test]
async fn leases_that_nobody_works_on_are_given_back_after_hello() {
    let daemon = Daemon::start().await;
    daemon.book().leased.extend([lease(1), lease(2)]);
    let stop = CancellationToken::new();
    let link = daemon.link(&stop);
    let leases = Leases::new(link.clone(), agent());
    let _kept = leases.keep(lease(1), job(1), "segment 0..4", None);
    let _giving = AbortOnDropHandle::new(tokio::spawn(give_back_forgotten(link, leases.clone())));
    eventually("one came back", || !daemon.book().given_back.is_empty()).await;
    assert_eq!(daemon.book().given_back, [lease(2)]);
    assert!(daemon.book().leased.contains(&lease(1)));
}

/// Dials nowhere until it has looked around.
struct Moving {
    now: std::sync::Mutex<String>,
    found_at: String,
}

impl Dial for Moving {
    type Stream = tokio::net::TcpStream;

    async fn dial(&self) -> io::Result<Self::Stream> {
        let address = self.target();
        dial::connect(&address).await
    }

    fn target(&self) -> String {
        self.now.lock().unwrap().clone()
    }

    async fn look_elsewhere(&self) -> Search {
        self.now.lock().unwrap().clone_from(&self.found_at);
        Search::Found(self.found_at.clone())
    }
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_is_looked_for_and_dialed_where_it_is_found() {
    let daemon = Daemon::start().await;
    let (_held, gone) = nobody();
    let stop = CancellationToken::new();
    let dial = Moving { now: std::sync::Mutex::new(gone), found_at: daemon.address.clone() };
    let link = Link::start(dial, crate::testing::daemon::hello, stop.clone());
    assert_eq!(link.next_task(0, NOW, agent()).await.unwrap(), None);
    stop.cancel();
}
