//! Projects: they group files and jobs of an account.

use tweenfarm_protocol::{AccountId, ProjectId, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    pub id: ProjectId,
    pub account: AccountId,
    pub name: String,
    pub created_at: Timestamp,
}
