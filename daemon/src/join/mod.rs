//! Joining: the farm's own authority, its certificates, the handshake of who dials in over the network, and the one
//! service for machines that have no certificate yet. What an agent may do once it is in is `rpc`'s.
//!
//! Nothing here trusts a network: a machine is who its key says, a key is a member's when the farm has it on record.

pub mod authority;
pub mod discovery;
mod doorkeeper;
pub mod invitation;
mod service;

pub use authority::{Authority, AuthorityError};
pub use doorkeeper::{Doorkeeper, Handshake, HandshakeError};
pub use service::welcome_stranger;
