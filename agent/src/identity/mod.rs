//! Who this agent is. On the daemon's own machine: an id made once and kept in the state folder, so that the daemon knows
//! it again. On any other: what it was given when it joined.

pub mod membership;
pub mod renewal;

use crate::state_folder::write_durably;
use std::{
    io,
    path::{Path, PathBuf},
};
use tweenfarm_protocol::AgentId;

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("read or write the agent's id in {path}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} does not hold an agent's id: remove the file to join as a new agent")]
    Damaged { path: PathBuf },
}

/// The kept id, or a new one that is on disk before it is returned.
pub fn agent_id(path: &Path) -> Result<AgentId, IdentityError> {
    let failed = |source| IdentityError::File { path: path.to_owned(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map_err(|_| IdentityError::Damaged { path: path.to_owned() }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let id = AgentId(uuid::Uuid::now_v7());
            write_durably(path, format!("{id}\n").as_bytes()).map_err(failed)?;
            Ok(id)
        }
        Err(cause) => Err(failed(cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_keeps_its_id_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent-id");
        let first = agent_id(&path).unwrap();
        assert_eq!(agent_id(&path).unwrap(), first);
    }

    #[test]
    fn a_damaged_id_is_an_error_and_not_a_new_agent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent-id");
        std::fs::write(&path, "not an id").unwrap();
        assert!(matches!(agent_id(&path), Err(IdentityError::Damaged { .. })));
    }
}
