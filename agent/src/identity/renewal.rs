//! Keeps the agent's certificate fresh: asks for a new one when a third of its life is over, and again until it comes.

use super::membership::Current;
use crate::link::{Link, LinkError};
use std::time::Duration;
use tweenfarm_protocol::Timestamp;

/// How often it is looked whether it is time: a machine that slept does not count the hours.
const LOOK_EVERY: Duration = Duration::from_secs(15 * 60);

/// Runs until it is dropped, or the link has stopped.
pub async fn keep_renewing(link: Link, current: Current) {
    loop {
        if current.get().renew_at <= Timestamp::now() {
            match renew(&link, &current).await {
                Ok(()) => tracing::info!("the agent's certificate was renewed"),
                Err(RenewalError::Link(LinkError::Stopped)) => return,
                Err(cause) => tracing::warn!(%cause, "the agent's certificate could not be renewed, trying on"),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum RenewalError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Membership(#[from] super::membership::MembershipError),
}

async fn renew(link: &Link, current: &Current) -> Result<(), RenewalError> {
    let certificate = link.renew_certificate(current.get().certificate_request()?).await?;
    current.renew(certificate, Timestamp::now())?;
    Ok(())
}
