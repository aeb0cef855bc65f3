//! Routes of the operator API, each with the least role that may use it.

use super::door;
use crate::http::HttpState;
use axum::{
    Router,
    handler::Handler,
    http::Method,
    middleware,
    routing::{MethodFilter, on},
};
use tweenfarm_protocol::operator::Role;

/// One route, as the book has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub method: Method,
    pub path: &'static str,
    pub least: Role,
}

/// A router that cannot have a route without a role.
#[derive(Default)]
pub struct Routes {
    router: Router<HttpState>,
    book: Vec<Entry>,
}

impl Routes {
    pub fn get<H: Handler<T, HttpState>, T: 'static>(self, path: &'static str, least: Role, handler: H) -> Routes {
        self.on((MethodFilter::GET, Method::GET), path, least, handler)
    }

    pub fn post<H: Handler<T, HttpState>, T: 'static>(self, path: &'static str, least: Role, handler: H) -> Routes {
        self.on((MethodFilter::POST, Method::POST), path, least, handler)
    }

    pub fn put<H: Handler<T, HttpState>, T: 'static>(self, path: &'static str, least: Role, handler: H) -> Routes {
        self.on((MethodFilter::PUT, Method::PUT), path, least, handler)
    }

    pub fn delete<H: Handler<T, HttpState>, T: 'static>(self, path: &'static str, least: Role, handler: H) -> Routes {
        self.on((MethodFilter::DELETE, Method::DELETE), path, least, handler)
    }

    /// These routes and those.
    pub fn and(mut self, others: Routes) -> Routes {
        self.book.extend(others.book);
        Routes { router: self.router.merge(others.router), book: self.book }
    }

    pub fn book(&self) -> &[Entry] {
        &self.book
    }

    pub fn into_router(self) -> Router<HttpState> {
        self.router
    }

    fn on<H: Handler<T, HttpState>, T: 'static>(
        mut self,
        (filter, method): (MethodFilter, Method),
        path: &'static str,
        least: Role,
        handler: H,
    ) -> Routes {
        let allow = middleware::from_fn(move |request, next| door::allow(least, request, next));
        self.book.push(Entry { method, path, least });
        Routes { router: self.router.route(path, on(filter, handler).route_layer(allow)), book: self.book }
    }
}
