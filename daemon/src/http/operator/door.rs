//! Who comes in to the operator API, and what that role may do.

use crate::http::error::Failure;
use axum::{
    Extension, Json,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;
use tweenfarm_protocol::operator::{Me, Role};

/// Who asks; an extension of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub name: Arc<str>,
    pub role: Role,
}

/// The socket's door: whoever could open it runs as the daemon's user, or as root.
pub async fn local(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller { name: "local".into(), role: Role::Admin });
    next.run(request).await
}

/// Around each route.
pub(super) async fn allow(least: Role, request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        None => Failure::NoOperator.into_response(),
        Some(caller) if caller.role < least => Failure::Role { least, has: caller.role }.into_response(),
        Some(_) => next.run(request).await,
    }
}

pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<Me> {
    Json(Me { name: caller.name.as_ref().to_owned(), role: caller.role })
}
