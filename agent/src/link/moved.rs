//! A daemon that is no longer where it was: looks for it in the local network, where the agent found it at first. Anybody can
//! answer there; only who proves to be of the farm that this agent joined is it.

use super::dial;
use crate::{
    discovery::{self, FoundDaemon},
    identity::membership::Membership,
};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const LOOK_AROUND: Duration = Duration::from_secs(5);
/// Who does not shake hands for this long is not the daemon.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// What a person can do about a daemon that does not answer.
const SAY_WHERE: &str = "say where it is, with --daemon HOST:PORT or the key 'daemon'; `tweenfarm-agent discover` lists daemons \
                         of this network";

/// What looking for a daemon came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Search {
    /// Of one on this machine there is nothing to look for.
    Needless,
    Found(String),
    /// What to do now.
    Vain(String),
}

/// Where an operator said it is, only an operator says otherwise.
pub fn not_looked_for() -> Search {
    Search::Vain(format!("if the daemon has moved, {SAY_WHERE}"))
}

pub async fn look_for(membership: &Membership) -> Search {
    let found = match discovery::look_around(LOOK_AROUND).await {
        Ok(found) => found,
        Err(cause) => return Search::Vain(format!("{cause}: if the daemon has moved, {SAY_WHERE}")),
    };
    match first_of_ours(membership, &found).await {
        Some(address) => Search::Found(address),
        None => Search::Vain(format!(
            "of {} daemons in the local network none is this farm's: start it, or {SAY_WHERE}",
            found.len()
        )),
    }
}

/// The address at which somebody proves to be of the agent's farm.
pub async fn first_of_ours(membership: &Membership, found: &[FoundDaemon]) -> Option<String> {
    let ours = membership.authority().map(|authority| authority.to_string());
    // Who says to be another is believed that much.
    let others = |daemon: &&FoundDaemon| daemon.authority.is_none() || daemon.authority == ours;
    for address in found.iter().filter(others).flat_map(|daemon| &daemon.addresses) {
        match tokio::time::timeout(HANDSHAKE, dial::meet(address, membership)).await {
            Ok(Ok(mut stream)) => {
                // It is dialed anew, to work: this was to see who it is.
                let _ = stream.shutdown().await;
                return Some(address.clone());
            }
            Ok(Err(cause)) => tracing::debug!(address, %cause, "not the daemon of this farm"),
            Err(_) => tracing::debug!(address, "no answer"),
        }
    }
    None
}
