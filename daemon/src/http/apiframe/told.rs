//! A job in the words of the surface, for its webhook: what a GET from the receiver agrees with.

use super::job_body;
use crate::{farm::FarmError, http::HttpState, model::Job, webhooks::Described};

pub fn described(state: &HttpState, job: &Job) -> Result<Described, FarmError> {
    // The result of a job that is done names what its account is given now.
    let tier = state.farm.account(job.account)?.map_or(job.tier, |account| account.tier);
    let origin = state.farm.origin(job.id)?;
    let file = job_body::given(state, job, tier)?;
    Ok(Described {
        model: job_body::model_of(origin.as_ref()).to_owned(),
        result: job_body::result(state, job, file.as_ref(), tier),
        credit_cost: job_body::credit_cost(job).0,
    })
}
