//! The routes of the surface that this farm does not run: refused with 403 and no job, as one whose modality is switched
//! off is refused. They stand in no document.

use super::caller::Client;
use crate::http::{HttpState, error::Failure};
use axum::{
    Router,
    routing::{get, post},
};

const IMAGES: [&str; 5] = [
    "/v2/images/generate",
    "/v2/images/upscale",
    "/v2/images/edit",
    "/v2/images/background-remove",
    "/v2/images/midjourney/action",
];
const VIDEOS: [&str; 2] = ["/v2/videos/generate", "/v2/videos/edit"];
const MUSIC: [&str; 2] = ["/v2/music/generate", "/v2/music/suno/action"];

pub fn routes() -> Router<HttpState> {
    let mut router = Router::new()
        .route("/v2/loras", get(|client| refuse(client, "loras")).post(|client| refuse(client, "loras")))
        .route("/v2/loras/{id}", get(|client| refuse(client, "loras")).delete(|client| refuse(client, "loras")))
        .route("/v2/assets/create", post(|client| refuse(client, "assets")))
        .route("/v2/assets/{id}", get(|client| refuse(client, "assets")));
    let families = [("images", &IMAGES[..]), ("the generation of videos", &VIDEOS[..]), ("music", &MUSIC[..])];
    for (what, paths) in families {
        for path in paths {
            router = router.route(path, post(move |client| refuse(client, what)));
        }
    }
    router
}

/// After the caller was found good: strangers are told to come with a key.
async fn refuse(_: Client, what: &'static str) -> Failure {
    Failure::NotRun(what)
}
