//! The OpenAPI document, made from the same list that makes the router: a route cannot be served without being
//! described. The document is built once, at the start.

mod operation;
mod page;
pub mod schema;

pub use operation::{Access, Operation};

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

    /// A description of what is served elsewhere.
    pub fn described(operation: Operation) -> Surface {
        Surface { router: Router::new(), operations: vec![operation] }
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

    /// The router alone, and what it was described as.
    pub fn into_parts(self) -> (Router<HttpState>, Vec<Operation>) {
        (self.router, self.operations)
    }

    /// The router with `/openapi.json` and `/docs`, which show all of it, themselves too.
    pub fn with_document(self, book: &Book, origin: &str) -> Router<HttpState> {
        let with_pages = self.and(page::operations());
        let document = document(book, &with_pages.operations, origin);
        with_pages.router.merge(page::routes(&document))
    }
}

/// What a document says besides its operations.
pub struct Book {
    pub title: &'static str,
    pub description: &'static str,
    pub tags: Value,
    pub security_schemes: Value,
    /// `Error` is the one of refusals.
    pub schemas: Value,
    /// The body of a refusal with a status and a sentence, as an example.
    pub refusal: fn(u16, &str) -> Value,
}

/// The whole document.
pub fn document(book: &Book, operations: &[Operation], origin: &str) -> Value {
    let mut paths = Map::new();
    for operation in operations {
        let methods = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        methods[operation.method.as_str().to_lowercase()] = operation.describe(book);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": book.title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": book.description,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": origin }],
        "tags": book.tags,
        "paths": paths,
        "components": { "securitySchemes": book.security_schemes, "schemas": book.schemas },
    })
}
