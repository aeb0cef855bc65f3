//! What `POST /v2/videos/upscale` asks for: read from its closed body, every flaw told at once.

use super::{
    flaws::{Closed, Needed},
    models::Model,
};
use crate::{
    http::error::{Failure, Flaws},
    model::WebhookEvents,
    pricing,
};
use serde_json::{Map, Value};
use url::Url;

const VIDEO: &str = "video";
pub const WEBHOOK_URL: &str = "webhookUrl";
const TARGET_FPS: &str = "target_fps";
const RESOLUTION: &str = "target_resolution";
pub const RATES: [u32; 3] = [24, 30, 60];
/// A resolution and the short side it stands for.
pub const RESOLUTIONS: [(&str, u32); 3] = [("720p", 720), ("1080p", 1080), ("4k", 2160)];
pub const ENHANCE_MODELS: [&str; 6] =
    ["auto", "theia-fine-tune-detail", "theia-fine-tune-fidelity", "apollo", "rhea", "iris"];
pub const SUBJECTS: [&str; 4] = ["all", "foreground", "background", "none"];
pub const EVENTS: [&str; 3] = ["progress", "completed", "failed"];
/// Longer ones are no addresses that anybody hands out.
const URL_BYTES_MAX: usize = 2048;

/// A request that is well formed; what its URL leads to is another question.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub model: Model,
    pub video: Url,
    pub target_fps: u32,
    /// The short side of the output in pixels; none keeps the source's size.
    pub short_side_px: Option<u32>,
    /// The parameters as they were sent, under the name of their field.
    pub params: Value,
    pub webhook: Option<Hook>,
}

/// Who is to be told of the job, and of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    pub url: String,
    pub events: WebhookEvents,
}

impl Order {
    pub fn read(body: &Map<String, Value>) -> Result<Order, Failure> {
        let mut flaws = Flaws::new();
        let mut fields = Closed::body(body);
        let ids = Model::ALL.map(Model::id);
        let model = fields.word("model", Needed::Yes, &ids, &mut flaws).and_then(Model::with_id);
        let webhook = webhook(&mut fields, &mut flaws);
        let order = model.and_then(|model| {
            let params = body.get(model.params_field()).cloned().unwrap_or_default();
            let mut closed = fields.object(model.params_field(), Needed::Yes, &mut flaws)?;
            let video = video(&mut closed, &mut flaws);
            let (target_fps, short_side_px) = match model {
                Model::TopazVideoUpscale => topaz(&mut closed, &mut flaws),
                Model::FrameInterpolate => (any_rate(&mut closed, &mut flaws), None),
            };
            closed.end(&mut flaws);
            let params = Value::Object(Map::from_iter([(model.params_field().to_owned(), params)]));
            Some(Order { model, video: video?, target_fps: target_fps?, short_side_px, params, webhook })
        });
        // The parameters of a model that is not known can be neither right nor wrong.
        if model.is_some() {
            fields.end(&mut flaws);
        }
        order.filter(|_| flaws.is_empty()).ok_or(Failure::Fields(flaws))
    }

    /// The field that says where the clip is, for what is wrong with it.
    pub fn video_path(&self) -> String {
        format!("{}.{VIDEO}", self.model.params_field())
    }

    pub fn resolution_path(&self) -> String {
        format!("{}.{RESOLUTION}", self.model.params_field())
    }
}

fn video(params: &mut Closed, flaws: &mut Flaws) -> Option<Url> {
    let text = params.text(VIDEO, Needed::Yes, flaws)?;
    let url = web_url(text);
    if url.is_none() {
        params.complain(VIDEO, "Must be an http or https URL", flaws);
    }
    url
}

fn web_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= URL_BYTES_MAX)?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Rate and short side.
fn topaz(params: &mut Closed, flaws: &mut Flaws) -> (Option<u32>, Option<u32>) {
    let names = RESOLUTIONS.map(|(name, _)| name);
    let named = params.word(RESOLUTION, Needed::Yes, &names, flaws);
    let short_side_px = named.and_then(|named| RESOLUTIONS.into_iter().find(|(name, _)| *name == named));
    // They change nothing here, but they have to be what they are there.
    params.word("enhance_model", Needed::No, &ENHANCE_MODELS, flaws);
    params.word("subject_detection", Needed::No, &SUBJECTS, flaws);
    let sent = params.take(TARGET_FPS, Needed::Yes, flaws);
    let rate = sent.and_then(|value| {
        let rate = RATES.into_iter().find(|rate| value.as_f64() == Some(f64::from(*rate)));
        if rate.is_none() {
            params.complain(TARGET_FPS, "Must be 24, 30 or 60", flaws);
        }
        rate
    });
    (rate, short_side_px.map(|(_, short_side_px)| short_side_px))
}

fn any_rate(params: &mut Closed, flaws: &mut Flaws) -> Option<u32> {
    let value = params.take(TARGET_FPS, Needed::Yes, flaws)?;
    let range = pricing::TARGET_FPS;
    let rate = range.clone().find(|rate| value.as_f64() == Some(f64::from(*rate)));
    if rate.is_none() {
        let sentence = format!("Must be an integer from {} to {}", range.start(), range.end());
        params.complain(TARGET_FPS, sentence, flaws);
    }
    rate
}

/// `webhookUrl` and `webhookEvents`; events without a URL are validated and unused.
fn webhook(fields: &mut Closed, flaws: &mut Flaws) -> Option<Hook> {
    let url = fields.text(WEBHOOK_URL, Needed::No, flaws);
    if url.is_some_and(|text| web_url(text).is_none()) {
        fields.complain(WEBHOOK_URL, "Must be an http or https URL", flaws);
    }
    let events = match fields.take("webhookEvents", Needed::No, flaws) {
        None => WebhookEvents { progress: false, completed: true, failed: true },
        Some(value) => {
            let words: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let all_known = words.iter().all(|word| EVENTS.contains(word));
            if words.is_empty() || !all_known || value.as_array().map(Vec::len) != Some(words.len()) {
                let sentence = format!("Must be a list of one or more of {}", EVENTS.join(", "));
                fields.complain("webhookEvents", sentence, flaws);
            }
            let has = |word| words.contains(&word);
            WebhookEvents { progress: has("progress"), completed: has("completed"), failed: has("failed") }
        }
    };
    url.map(|url| Hook { url: url.to_owned(), events })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: Value) -> Result<Order, Vec<String>> {
        Order::read(body.as_object().unwrap()).map_err(|failure| match failure {
            Failure::Fields(flaws) => {
                flaws.into_iter().map(|(path, said)| format!("{path}: {}", said.join("; "))).collect()
            }
            other => vec![other.to_string()],
        })
    }

    fn topaz() -> Value {
        json!({
            "model": "topaz-video-upscale",
            "topazVideoParams": { "video": "https://x.example/a.mp4", "target_resolution": "1080p", "target_fps": 60 },
        })
    }

    #[test]
    fn both_models_are_read() {
        let order = read(topaz()).unwrap();
        assert_eq!((order.model, order.target_fps, order.short_side_px), (Model::TopazVideoUpscale, 60, Some(1080)));
        assert_eq!(order.params, json!({ "topazVideoParams": topaz()["topazVideoParams"] }));
        let body = json!({
            "model": "frame-interpolate",
            "frameInterpolateParams": { "video": "http://10.0.0.1/a.mp4", "target_fps": 48.0 },
            "webhookUrl": "http://hooks.example/x", "webhookEvents": ["progress"],
        });
        let order = read(body).unwrap();
        assert_eq!((order.model, order.target_fps, order.short_side_px), (Model::FrameInterpolate, 48, None));
        assert_eq!(order.video_path(), "frameInterpolateParams.video");
    }

    #[test]
    fn every_field_is_checked_and_named() {
        let check = |change: fn(&mut Value), expected: &[&str]| {
            let mut body = topaz();
            change(&mut body);
            assert_eq!(read(body).unwrap_err(), expected);
        };
        check(|body| body["prompt"] = "a cat".into(), &["prompt: Unknown field"]);
        check(|body| body["model"] = "kling".into(), &["model: Must be one of topaz-video-upscale, frame-interpolate"]);
        check(|body| body["model"] = 5.into(), &["model: Must be a text"]);
        check(|body| body["topazVideoParams"] = json!([]), &["topazVideoParams: Must be an object"]);
        check(
            |body| body["topazVideoParams"] = json!({}),
            &[
                "topazVideoParams.target_fps: Required",
                "topazVideoParams.target_resolution: Required",
                "topazVideoParams.video: Required",
            ],
        );
        check(
            |body| body["topazVideoParams"]["target_fps"] = 48.into(),
            &["topazVideoParams.target_fps: Must be 24, 30 or 60"],
        );
        check(
            |body| body["topazVideoParams"]["target_fps"] = "60".into(),
            &["topazVideoParams.target_fps: Must be 24, 30 or 60"],
        );
        check(
            |body| body["topazVideoParams"]["video"] = "file:///etc/passwd".into(),
            &["topazVideoParams.video: Must be an http or https URL"],
        );
        check(
            |body| body["topazVideoParams"]["enhance_model"] = "x".into(),
            &[
                "topazVideoParams.enhance_model: Must be one of auto, theia-fine-tune-detail, theia-fine-tune-fidelity, \
               apollo, rhea, iris",
            ],
        );
        check(|body| body["webhookUrl"] = "ftp://x/".into(), &["webhookUrl: Must be an http or https URL"]);
        check(|body| body["webhookUrl"] = Value::Null, &["webhookUrl: Must be a text"]);
        check(
            |body| body["webhookEvents"] = json!([]),
            &["webhookEvents: Must be a list of one or more of progress, completed, failed"],
        );
        check(|body| body["frameInterpolateParams"] = json!({}), &["frameInterpolateParams: Unknown field"]);
    }
}
