//! `/app`: the browser studio. Pages of the house's own, in the program; they load nothing from elsewhere and are clients of the
//! ReframeFX surface like any other.

use super::{
    HttpState,
    openapi::{Access, Operation, Surface},
};
use axum::{
    Router,
    http::{HeaderValue, Method, header},
    response::Redirect,
    routing::get,
};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, content type, bytes.
const PAGES: [(&str, &str, &str); 6] = [
    ("/app", HTML, include_str!("index.html")),
    ("/app/style.css", CSS, include_str!("style.css")),
    ("/app/app.js", SCRIPT, include_str!("app.js")),
    ("/app/api.js", SCRIPT, include_str!("api.js")),
    ("/app/page.js", SCRIPT, include_str!("page.js")),
    ("/app/compare.js", SCRIPT, include_str!("compare.js")),
];

/// `objects` is the origin that presigned URLs name: clips are sent there and played from there.
pub fn surface(objects: &str) -> Surface {
    let policy = HeaderValue::try_from(format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         media-src 'self' blob: {objects}; connect-src 'self' {objects}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ))
    .expect("an origin is plain text");
    let pages = PAGES.into_iter().fold(Router::new(), |router: Router<HttpState>, (path, kind, text)| {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (header::CONTENT_SECURITY_POLICY, policy.clone()),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            // Another release may be served under the same name.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        router.route(path, get(move || async move { (headers, text) }))
    });
    let pages = pages.route("/app/", get(|| async { Redirect::permanent("/app") }));
    let operation = Operation::new(Method::GET, "/app", Access::Public, ("Service", "getStudio"), "The browser studio");
    let described = operation.answers_bytes(200, "HTML", Some("text/html"));
    Surface::described(described).around(|router| router.merge(pages))
}
