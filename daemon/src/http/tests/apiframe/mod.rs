//! The Apiframe surface as its client meets it.

mod edge;

use super::{schema::misfit, *};
use crate::farm::NewKey;

impl Bench {
    /// One more key of an account.
    async fn named_key(&self, user: &User, name: &str) -> String {
        let (text, hash) = auth::new_named_key();
        let new = NewKey { hash, name: name.to_owned(), prefix: text[..8].to_owned() };
        self.farm.add_named_key(user.account.id, new).await.unwrap();
        text
    }

    async fn v2(&self, method: Method, path: &str, key: Option<&str>, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }
}

impl Answer {
    /// The sentence of a refusal; checks that it is the surface's envelope.
    fn error(&self) -> String {
        let body = self.json();
        assert!(header_of(self, header::CONTENT_TYPE).contains("application/json"));
        let known = ["error", "details", "creditsRequired", "creditsAvailable"];
        assert!(body.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{body}");
        body["error"].as_str().unwrap().to_owned()
    }
}
