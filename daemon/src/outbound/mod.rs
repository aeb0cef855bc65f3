//! What the daemon asks of other machines because a client named a URL: clips fetched, webhooks sent. Nothing else
//! speaks to a host that a client chose. The identity provider is the operator's choice and not asked from here.

mod client;
mod policy;

pub use client::{Outbound, OutboundError};
pub use policy::{OutboundRules, Refused};
