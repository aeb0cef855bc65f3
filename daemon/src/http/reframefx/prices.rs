//! Prices: the table, an estimate from numbers, estimates for an uploaded clip.

use super::clip::{self, ClipBody};
use crate::{
    farm::FarmError,
    http::{HttpState, auth::Caller, body::Fields, error::Failure},
    model::Currency,
    pricing,
};
use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::{Value, json};
use tweenfarm_protocol::Xeconds;

/// Targets one estimate may ask for.
const OPTIONS_MAX: usize = 20;

pub async fn config() -> Json<Value> {
    Json(config_body())
}

/// Built from the constants that prices are made of.
pub fn config_body() -> Value {
    let packs = pricing::CREDIT_PACKS.map(|pack| {
        let mut body = json!({
            "id": pack.id,
            "name": pack.name,
            "price_usd": pack.price_usd,
            "price_inr": pack.price_inr,
            "xeconds": pack.xeconds,
        });
        if pack.most_popular {
            body["most_popular"] = true.into();
        }
        body
    });
    let bands = pricing::BANDS.map(|band| json!({ "id": band.id, "multiplier": band.multiplier }));
    json!({
        "trial_credit_xeconds": pricing::TRIAL_XECONDS,
        "credit_packs": packs,
        "supported_currencies": Currency::ALL.map(Currency::code),
        "cost_bands": bands,
        "smooth_target_fps_ceiling": pricing::SMOOTH.ceiling_fps,
        "slomo_target_fps_ceiling": pricing::SLOMO.ceiling_fps,
        "max_video_duration_sec": pricing::DURATION_SECONDS_MAX,
        "max_video_size_bytes": pricing::VIDEO_BYTES_MAX,
        "paid_outputs_watermarked": false,
        "free_outputs_watermarked": true,
    })
}

/// Pure arithmetic: durations above the limit are priced too.
pub async fn estimate(fields: Fields) -> Result<Json<Value>, Failure> {
    let (duration_sent, duration) = fields.positive_number("duration_sec")?;
    let (input_sent, input_fps) = fields.positive_number("input_fps")?;
    let target_fps = clip::target_fps(fields.integer("target_fps")?, "target_fps")?;
    if f64::from(target_fps) <= input_fps {
        return Err(clip::not_above(input_sent));
    }
    let too_large = || Failure::invalid("duration_sec is too large to be priced");
    let billed = pricing::billed_seconds_of_number(duration).ok_or_else(too_large)?;
    let band = pricing::band(target_fps).ok_or(Failure::Internal("a target in range has no price band"))?;
    let charged = pricing::charge(billed, band).ok_or_else(too_large)?;
    let factor = pricing::interp_factor(input_fps, target_fps)
        .ok_or_else(|| Failure::invalid("input_fps is too small to be multiplied to target_fps"))?;
    Ok(Json(json!({
        "input_duration_sec": duration_sent,
        "input_duration_sec_billed": billed,
        "input_fps": input_sent,
        "target_fps": target_fps,
        "interp_factor": factor,
        "multiplier": band.multiplier,
        "band": band.id,
        "charged_xeconds": charged,
    })))
}

#[derive(Serialize)]
struct EstimateBody {
    target_fps: u32,
    band: &'static str,
    multiplier: i64,
    charged_xeconds: Xeconds,
}

pub async fn estimate_video(
    State(state): State<HttpState>,
    Caller(account): Caller,
    fields: Fields,
) -> Result<Json<Value>, Failure> {
    let key = clip::key(&fields)?;
    let targets = targets(&fields)?;
    let _held = state.locks.hold(&key).await;
    let file = clip::own_upload(&state, account.id, &key)?;
    let facts = state.prober.facts(&file).await?;
    let billed = pricing::billed_seconds(facts.video.duration).ok_or(FarmError::NotUploaded)?;
    // Targets that make no frames are left out.
    let estimates =
        targets.into_iter().filter(|target_fps| clip::above(*target_fps, &facts)).filter_map(|target_fps| {
            let band = pricing::band(target_fps)?;
            let charged_xeconds = pricing::charge(billed, band)?;
            Some(EstimateBody { target_fps, band: band.id, multiplier: band.multiplier, charged_xeconds })
        });
    let estimates: Vec<EstimateBody> = estimates.collect();
    Ok(Json(json!({ "metadata": ClipBody::from(&facts), "estimates": estimates })))
}

/// `target_fps_options` in order, each once.
fn targets(fields: &Fields) -> Result<Vec<u32>, Failure> {
    const FIELD: &str = "target_fps_options";
    let options = fields.integers(FIELD)?;
    if options.is_empty() || options.len() > OPTIONS_MAX {
        return Err(Failure::invalid(format!("{FIELD} must hold 1 to {OPTIONS_MAX} integers")));
    }
    let mut targets = Vec::new();
    for option in options {
        let target = clip::target_fps(option, FIELD)?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}
