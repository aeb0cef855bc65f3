//! One operation of the API as the document describes it.

use super::{
    Book,
    schema::{pattern, reference},
};
use axum::http::Method;
use serde_json::{Map, Value, json};

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Public,
    /// An account, by its Bearer credential.
    Account,
    /// An account, by one of its keys in `X-API-Key`, or by a sign-in token.
    Key,
    /// Whoever has the URL: its query is the credential.
    Presigned,
    /// Whoever has the secret that the body is signed with.
    Signed,
}

/// A route and its description.
pub struct Operation {
    pub method: Method,
    /// As the router has it.
    pub route: String,
    /// As the document has it.
    pub path: String,
    pub access: Access,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: Option<&'static str>,
    parameters: Vec<Value>,
    request: Option<Value>,
    answers: Vec<(u16, Value)>,
    refusals: Vec<(u16, &'static str)>,
}

impl Operation {
    pub fn new(
        method: Method,
        path: &str,
        access: Access,
        (tag, id): (&'static str, &'static str),
        summary: &'static str,
    ) -> Operation {
        let refusals = vec![
            (400, "the body is not valid JSON: expected value at line 1 column 1"),
            (429, "too many requests: wait for as many seconds as Retry-After says"),
            (500, "something broke on the server; it has been logged, try again later"),
            (503, "the store is unavailable"),
        ];
        let operation = Operation {
            method,
            route: path.to_owned(),
            path: path.to_owned(),
            access,
            id,
            tag,
            summary,
            description: None,
            parameters: path_parameters(path),
            request: None,
            answers: Vec::new(),
            refusals,
        };
        match access {
            Access::Public => operation,
            Access::Account => operation.refuses(401, "the API key is not valid: it may have been replaced or revoked"),
            Access::Key => operation.refuses(401, "Invalid API key"),
            Access::Presigned => operation.refuses(403, "the URL has expired: ask for a new one"),
            Access::Signed => operation.refuses(403, "the signature of the event is not valid"),
        }
    }

    /// Where the router's pattern is written differently than the document's.
    pub fn routed_as(mut self, route: String) -> Operation {
        self.route = route;
        self
    }

    pub fn says(mut self, description: &'static str) -> Operation {
        self.description = Some(description);
        self
    }

    pub fn parameter(mut self, place: &str, name: &str, required: bool, description: &str, schema: Value) -> Operation {
        let parameter =
            json!({ "name": name, "in": place, "required": required, "description": description, "schema": schema });
        self.parameters.push(parameter);
        self
    }

    /// A JSON body of the named schema.
    pub fn takes(mut self, schema: &str, required: bool, example: Value) -> Operation {
        let content = json!({ "application/json": { "schema": reference(schema), "example": example } });
        self.request = Some(json!({ "required": required, "content": content }));
        self.refuses(413, "the body is larger than 65536 bytes").refuses(408, "the body stopped coming")
    }

    /// A form with a file in it.
    pub fn takes_file(mut self, part: &str) -> Operation {
        let file = json!({ "type": "string", "format": "binary" });
        let schema = json!({ "type": "object", "required": [part], "properties": { part: file } });
        self.request = Some(json!({ "required": true, "content": { "multipart/form-data": { "schema": schema } } }));
        self
    }

    /// A body of bytes.
    pub fn takes_bytes(mut self, media: &str) -> Operation {
        let content = json!({ media: { "schema": { "type": "string", "format": "binary" } } });
        self.request = Some(json!({ "required": true, "content": content }));
        self.refuses(413, "the upload is larger than 262144000 bytes: send a smaller file")
            .refuses(408, "the body stopped coming: send the upload again")
    }

    /// A JSON answer of the named schema.
    pub fn answers(mut self, status: u16, description: &str, schema: &str, example: Value) -> Operation {
        let content = json!({ "application/json": { "schema": reference(schema), "example": example } });
        self.answers.push((status, json!({ "description": description, "content": content })));
        self
    }

    /// An answer that is not JSON, or empty without a media type.
    pub fn answers_bytes(mut self, status: u16, description: &str, media: Option<&str>) -> Operation {
        let mut answer = json!({ "description": description });
        if let Some(media) = media {
            answer["content"] = json!({ media: { "schema": { "type": "string", "format": "binary" } } });
        }
        self.answers.push((status, answer));
        self
    }

    /// A refusal with a sentence as an example.
    pub fn refuses(mut self, status: u16, sentence: &'static str) -> Operation {
        self.refusals.retain(|(known, _)| *known != status);
        self.refusals.push((status, sentence));
        self
    }

    /// Without a refusal that the operation cannot answer with.
    pub fn never_refuses(mut self, statuses: &[u16]) -> Operation {
        self.refusals.retain(|(status, _)| !statuses.contains(status));
        self
    }

    pub(super) fn describe(&self, book: &Book) -> Value {
        let mut responses = Map::new();
        for (status, answer) in &self.answers {
            responses.insert(status.to_string(), answer.clone());
        }
        for (status, sentence) in &self.refusals {
            responses.insert(status.to_string(), refusal(book, *status, sentence, self.method == Method::HEAD));
        }
        let mut described = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "responses": responses,
        });
        if let Some(description) = self.description {
            described["description"] = description.into();
        }
        if !self.parameters.is_empty() {
            described["parameters"] = self.parameters.clone().into();
        }
        if let Some(request) = &self.request {
            described["requestBody"] = request.clone();
        }
        described["security"] = match self.access {
            Access::Account => json!([{ "bearer": [] }]),
            Access::Key => json!([{ "apiKey": [] }, { "bearer": [] }]),
            Access::Public | Access::Presigned | Access::Signed => json!([]),
        };
        described
    }

    #[cfg(test)]
    pub fn statuses(&self) -> Vec<u16> {
        self.answers.iter().map(|(status, _)| *status).chain(self.refusals.iter().map(|(status, _)| *status)).collect()
    }
}

fn refusal(book: &Book, status: u16, sentence: &str, without_body: bool) -> Value {
    let description = match status {
        400 => "Malformed or invalid: the sentence names the field",
        401 => "No valid credential",
        402 => "The balance is too low; nothing was charged",
        403 => "It belongs to another account, or the URL does not allow it",
        404 => "It is not there, or not any more",
        408 => "The body stopped coming",
        409 => "The same Idempotency-Key came with another request before",
        413 => "Too long or too large",
        416 => "Nothing of the object is in the range",
        429 => "Too many requests",
        500 => "Something broke on the server",
        502 => "The file could not be stored",
        _ => "Full, or not ready: try again later",
    };
    let mut response = json!({ "description": description });
    if !without_body {
        let example = (book.refusal)(status, sentence);
        response["content"] = json!({ "application/json": { "schema": reference("Error"), "example": example } });
    }
    let header = |text: &str, schema: Value| json!({ "description": text, "schema": schema });
    match status {
        401 => response["headers"] = json!({ "WWW-Authenticate": header("Bearer", json!({ "type": "string" })) }),
        429 | 503 => {
            let seconds = json!({ "type": "integer", "minimum": 0 });
            response["headers"] = json!({ "Retry-After": header("Seconds to wait", seconds) });
        }
        _ => {}
    }
    response
}

/// Every `{name}` of a path. What an id or a token looks like is said by its name.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let describe = |name: &str| {
        let (description, schema) = match name {
            "token" => ("The share token", pattern("^[0-9a-f]{40}$")),
            "kind" => ("u of an upload, o of a result", pattern("^[uo]$")),
            "link" => ("What nobody can guess", pattern("^[0-9a-f]{72}$")),
            "name" => ("A name for people", json!({ "type": "string", "minLength": 1 })),
            "key" => ("The storage key, with its slashes", json!({ "type": "string", "minLength": 1 })),
            _ => ("The id", json!({ "type": "string", "format": "uuid" })),
        };
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
    };
    names.map(describe).collect()
}
