//! The models this farm runs, as the surface knows them: what they are called, what they cost, what they take.

use super::flaws;
use crate::{http::error::Failure, pricing};
use axum::{Json, extract::Query};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The modalities of the surface; the farm runs the second one.
const MODALITIES: [&str; 3] = ["image", "video", "music"];
const OURS: &str = "video";

/// A way to ask for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Exactly 24, 30 or 60 fps at 720p, 1080p or 4k.
    TopazVideoUpscale,
    /// Any rate from 24 to 240 fps, the picture's size kept. Not of the hosted service.
    FrameInterpolate,
}

impl Model {
    pub const ALL: [Model; 2] = [Model::TopazVideoUpscale, Model::FrameInterpolate];

    pub fn id(self) -> &'static str {
        match self {
            Model::TopazVideoUpscale => "topaz-video-upscale",
            Model::FrameInterpolate => "frame-interpolate",
        }
    }

    /// The field that its parameters are in.
    pub fn params_field(self) -> &'static str {
        match self {
            Model::TopazVideoUpscale => "topazVideoParams",
            Model::FrameInterpolate => "frameInterpolateParams",
        }
    }

    pub fn with_id(id: &str) -> Option<Model> {
        Model::ALL.into_iter().find(|model| model.id() == id)
    }

    /// Who asks this model for the source's rate wants the clip as it is, and for a lower one wants it thinned.
    pub fn drops_frames(self) -> bool {
        self == Model::TopazVideoUpscale
    }

    fn entry(self) -> Value {
        let (label, description, dearest) = match self {
            Model::TopazVideoUpscale => (
                "Video interpolation and scaling",
                "To 24, 30 or 60 fps at 720p, 1080p or 4k. New frames come from the farm's own flow engine, where the rate \
                 is above the clip's; else frames are dropped and none is made. The picture is scaled with a normal filter, \
                 not by a network. enhance_model and subject_detection change nothing.",
                pricing::SMOOTH.multiplier,
            ),
            Model::FrameInterpolate => (
                "Frame interpolation",
                "To any rate from 24 to 240 fps, the picture's size kept.",
                pricing::ULTRA.multiplier,
            ),
        };
        json!({
            "id": self.id(), "label": label, "modality": OURS, "description": description, "pricingMode": "per-second",
            "costMin": pricing::SMOOTH.multiplier, "costMax": dearest,
        })
    }
}

/// Public: a key, also a bad one, changes nothing.
pub async fn list(
    query: Result<Query<HashMap<String, String>>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(query) = query.map_err(|_| Failure::invalid("the query must be name=value pairs"))?;
    Ok(Json(body(query.get("modality").map(String::as_str))?))
}

pub fn body(modality: Option<&str>) -> Result<Value, Failure> {
    if modality.is_some_and(|wanted| !MODALITIES.contains(&wanted)) {
        return Err(flaws::one("modality", "Must be image, video or music"));
    }
    let listed = modality.is_none_or(|wanted| wanted == OURS);
    let models: Vec<Value> = Model::ALL.into_iter().filter(|_| listed).map(Model::entry).collect();
    Ok(json!({ "models": models }))
}
