//! The daemon's limit of open files. Systems start programs with 1,024 for the sake of old ones that break with more; a
//! connection is a file, and a store that cannot open one fails in the middle of things.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside connections: the store, listeners, uploads and downloads on their way, probes.
const OTHERS: u64 = 512;

/// Raises the limit to what the system lets this process have; says so where that is not enough.
pub fn raise(connections_max: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(cause) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(error = &cause as &dyn std::error::Error, ?current, "the limit of open files stays as it is");
    }
    let allowed = getrlimit(Resource::Nofile).current;
    let wanted = u64::try_from(connections_max).unwrap_or(u64::MAX).saturating_add(OTHERS);
    // None is no limit.
    if allowed.is_some_and(|allowed| allowed < wanted) {
        tracing::warn!(
            ?allowed,
            wanted,
            "too few open files for http.connections_max: raise the hard limit (ulimit -Hn, LimitNOFILE=) or lower the key"
        );
    }
}
