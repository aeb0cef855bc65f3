//! The OpenAPI document, made from the same list that makes the router: a route cannot be served without being
//! described. The document is built once, at the start.

mod operation;
mod page;
mod schemas;

pub use operation::{Access, Operation};
pub use schemas::{pattern, reference};

use super::HttpState;
use axum::{Router, routing::MethodRouter};
use serde_json::{Map, Value, json};

/// Routes, and what the document says of them.
#[derive(Default)]
pub struct Surface {
    router: Router<HttpState>,
    operations: Vec<Operation>,
}

impl Surface {
    /// Serves `handler`, which takes exactly the operation's method, at the operation's path.
    pub fn serve(mut self, operation: Operation, handler: MethodRouter<HttpState>) -> Surface {
        self.router = self.router.route(&operation.route, handler);
        self.operations.push(operation);
        self
    }

    /// More routes; layers that they have stay theirs.
    pub fn and(mut self, other: Surface) -> Surface {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    /// Changes the router only, to lay a layer around it.
    pub fn around(mut self, layer: impl FnOnce(Router<HttpState>) -> Router<HttpState>) -> Surface {
        self.router = layer(self.router);
        self
    }

    #[cfg(test)]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The router with `/openapi.json` and `/docs`, which show all of it, themselves too.
    pub fn with_document(self, origin: &str) -> Router<HttpState> {
        let with_pages = self.and(page::operations());
        let document = document(&with_pages.operations, origin);
        with_pages.router.merge(page::routes(&document))
    }
}

/// The whole document.
pub fn document(operations: &[Operation], origin: &str) -> Value {
    let mut paths = Map::new();
    for operation in operations {
        let methods = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        methods[operation.method.as_str().to_lowercase()] = operation.describe();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tweenfarm: the ReframeFX API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Any clip to an exact target frame rate of 24 to 240 fps, its duration kept. Presign, PUT \
                the clip, estimate, submit a job, poll it every 3 to 5 seconds, fetch the output. Errors are always \
                `{\"detail\": \"a sentence\"}`; every answer carries `X-Request-Id`.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": origin }],
        "tags": [
            { "name": "Account", "description": "The caller and its one API key" },
            { "name": "Pricing", "description": "What a conversion costs: target rate and whole seconds only" },
            { "name": "Files", "description": "Uploading, looking into and downloading clips" },
            { "name": "Projects", "description": "Groups of files and jobs, and their share links" },
            { "name": "Jobs", "description": "One clip to one target rate" },
            { "name": "Objects", "description": "Bytes behind presigned URLs" },
            { "name": "Payments", "description": "Between the operator's own programs: see the operator's guide to payments" },
            { "name": "Service", "description": "Health and documentation" },
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (`rfx_live_…`) or a signed token of the account",
                },
            },
            "schemas": schemas::all(),
        },
    })
}
