//! A job in the words of the surface, for its webhook.

use super::models::Model;
use crate::{
    farm::FarmError,
    http::{HttpState, reframefx::URL_LIFE},
    model::Job,
    webhooks::Described,
};
use serde_json::{Value, json};

/// The result of a job that is done names what its account is given now.
pub fn described(state: &HttpState, job: &Job) -> Result<Described, FarmError> {
    let tier = state.farm.account(job.account)?.map_or(job.tier, |account| account.tier);
    let result = match job.given(tier).map(|file| state.farm.file(file)).transpose()?.flatten() {
        Some(file) => json!({ "videoUrl": state.blobs.presign_get(&file.key, URL_LIFE) }),
        None => Value::Null,
    };
    Ok(Described { model: Model::FrameInterpolate.id().to_owned(), result, credit_cost: job.charged.0 })
}
