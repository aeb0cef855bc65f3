//! The `Idempotency-Key` header of both surfaces: the same key with the same request is answered as at first for a day,
//! by account and route. The farm remembers; here is only what the header may hold and how requests are compared.

use super::error::Failure;
use crate::farm::Idempotency;
use axum::http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

const BYTES_MAX: usize = 255;

/// What a request is remembered by; an empty header is none. `request` is what the client meant, without what two
/// requests that mean the same may differ in.
pub fn read(headers: &HeaderMap, route: &'static str, request: &Value) -> Result<Option<Idempotency>, Failure> {
    let Some(value) = headers.get("idempotency-key").filter(|value| !value.is_empty()) else { return Ok(None) };
    let plain = |text: &&str| text.len() <= BYTES_MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let wrong = || Failure::invalid(format!("Idempotency-Key must be at most {BYTES_MAX} ASCII characters"));
    let key = value.to_str().ok().filter(plain).ok_or_else(wrong)?.to_owned();
    let mut canonical = Vec::new();
    write(request, &mut canonical);
    Ok(Some(Idempotency { route, key, request: Sha256::digest(&canonical).into() }))
}

/// One text for one meaning: fields in order, no blanks, 60 and 60.0 alike.
fn write(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            text.push(b'{');
            for (name, field) in fields {
                write(&Value::from(name.as_str()), text);
                text.push(b':');
                write(field, text);
                text.push(b',');
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for item in items {
                write(item, text);
                text.push(b',');
            }
            text.push(b']');
        }
        Value::Number(number) => {
            // Exact below 2^53; nothing the APIs take comes near.
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9.0e15);
            let shown = whole.map_or_else(|| number.to_string(), |whole| (whole as i64).to_string());
            text.extend_from_slice(shown.as_bytes());
        }
        Value::Null | Value::Bool(_) | Value::String(_) => text.extend_from_slice(value.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    fn asked(key: &str, request: &Value) -> Result<Option<Idempotency>, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_bytes(key.as_bytes()).unwrap());
        read(&headers, "POST /x", request)
    }

    #[test]
    fn a_key_is_short_and_plain_and_an_empty_one_is_none() {
        assert!(read(&HeaderMap::new(), "POST /x", &json!({})).unwrap().is_none());
        assert!(asked("", &json!({})).unwrap().is_none());
        assert_eq!(asked(&"k".repeat(255), &json!({})).unwrap().unwrap().key.len(), 255);
        assert!(asked(&"k".repeat(256), &json!({})).is_err());
        assert!(asked("ü", &json!({})).is_err());
    }

    #[test]
    fn requests_that_mean_the_same_are_the_same() {
        let hash = |text: &str| {
            let request: Value = serde_json::from_str(text).unwrap();
            asked("k", &request).unwrap().unwrap().request
        };
        let first = hash(r#"{"a":{"fps":60,"list":[1,"2"]},"b":null}"#);
        assert_eq!(first, hash(r#"{ "b": null, "a": { "list": [1, "2"], "fps": 60.0 } }"#));
        for other in [
            r#"{"a":{"fps":61,"list":[1,"2"]},"b":null}"#,
            r#"{"a":{"fps":60,"list":["2",1]},"b":null}"#,
            r#"{"a":{"fps":60,"list":[1,"2"]}}"#,
            r#"{"a":{"fps":"60","list":[1,"2"]},"b":null}"#,
        ] {
            assert_ne!(first, hash(other), "{other}");
        }
    }
}
