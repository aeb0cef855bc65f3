//! What a job was asked for, in the words of the surface it came by: kept to be told again, opaque to the farm.

use tweenfarm_protocol::JobId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub job: JobId,
    /// What the surface calls this kind of job.
    pub model: String,
    /// The parameters as JSON text.
    pub params: String,
}
