//! JSON bodies, read field by field: exact types, unknown fields ignored, and every refusal names its field.

use super::error::Failure;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};
use std::{str::FromStr, time::Duration};

/// The largest JSON body the API reads: real ones stay below a kilobyte.
pub const JSON_BYTES_MAX: usize = 64 * 1024;

/// A body of that size comes in one piece: whoever takes longer has stopped.
const BODY_TIME_MAX: Duration = Duration::from_secs(20);

/// The body as a JSON object.
pub struct Fields(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Fields, Failure> {
        read_object(&whole_body(request, state).await?)
    }
}

/// The body as a JSON object, or nothing at all.
pub struct OptionalFields(pub Fields);

impl<S: Send + Sync> FromRequest<S> for OptionalFields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<OptionalFields, Failure> {
        let bytes = whole_body(request, state).await?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        Ok(OptionalFields(read_object(bytes)?))
    }
}

pub fn read_object(bytes: &[u8]) -> Result<Fields, Failure> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(Fields(fields)),
        Ok(_) => Err(Failure::invalid("the body must be a JSON object")),
        Err(cause) => Err(Failure::invalid(format!("the body is not valid JSON: {cause}"))),
    }
}

/// A body of the operator API: a type of `protocol`, unknown fields refused.
pub struct Strict<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Strict<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Strict<T>, Failure> {
        let bytes = whole_body(request, state).await?;
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let body = serde_path_to_error::deserialize(&mut reader)
            .map_err(|cause| Failure::invalid(format!("the body is not what this route takes: {cause}")))?;
        reader.end().map_err(|cause| Failure::invalid(format!("the body is not valid JSON: {cause}")))?;
        Ok(Strict(body))
    }
}

pub async fn whole_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    let read = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, state)).await;
    read.map_err(|_| Failure::Stalled)?.map_err(|refusal: BytesRejection| match refusal.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge(format!("the body is larger than {JSON_BYTES_MAX} bytes")),
        _ => Failure::CutOff,
    })
}

impl Fields {
    /// A field that is there and not null.
    fn given(&self, name: &'static str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether a field is there and not null.
    pub fn has(&self, name: &'static str) -> bool {
        self.given(name).is_some()
    }

    fn needed(&self, name: &'static str, kind: &str) -> Result<&Value, Failure> {
        self.given(name).ok_or_else(|| Failure::invalid(format!("{name} is required: {kind}")))
    }

    pub fn text(&self, name: &'static str) -> Result<&str, Failure> {
        let value = self.needed(name, "a text")?;
        value.as_str().ok_or_else(|| Failure::invalid(format!("{name} must be a text")))
    }

    pub fn optional_text(&self, name: &'static str) -> Result<Option<&str>, Failure> {
        self.given(name).map(|_| self.text(name)).transpose()
    }

    /// An integer; `60.0` is one, `60.5`, `"60"` and `true` are not.
    pub fn integer(&self, name: &'static str) -> Result<i64, Failure> {
        let value = self.needed(name, "an integer")?;
        as_integer(value).ok_or_else(|| Failure::invalid(format!("{name} must be an integer")))
    }

    pub fn optional_integer(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        self.given(name).map(|_| self.integer(name)).transpose()
    }

    pub fn integers(&self, name: &'static str) -> Result<Vec<i64>, Failure> {
        let wrong = || Failure::invalid(format!("{name} must be a list of integers"));
        let list = self.needed(name, "a list of integers")?.as_array().ok_or_else(wrong)?;
        list.iter().map(|value| as_integer(value).ok_or_else(wrong)).collect()
    }

    /// A number above 0: as it was sent, and as a float.
    pub fn positive_number(&self, name: &'static str) -> Result<(Number, f64), Failure> {
        let wrong = || Failure::invalid(format!("{name} must be a number greater than 0"));
        let Value::Number(number) = self.needed(name, "a number")? else {
            return Err(wrong());
        };
        let value = number.as_f64().filter(|value| value.is_finite() && *value > 0.0).ok_or_else(wrong)?;
        Ok((number.clone(), value))
    }

    pub fn optional_bool(&self, name: &'static str) -> Result<Option<bool>, Failure> {
        let wrong = || Failure::invalid(format!("{name} must be true or false"));
        self.given(name).map(|value| value.as_bool().ok_or_else(wrong)).transpose()
    }

    /// An id, when one is given.
    pub fn optional_id<Id: FromStr>(&self, name: &'static str) -> Result<Option<Id>, Failure> {
        let wrong = || Failure::invalid(format!("{name} must be a UUID"));
        self.given(name).map(|value| value.as_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)).transpose()
    }
}

fn as_integer(value: &Value) -> Option<i64> {
    // Exact below 2^53; nothing the API takes comes near.
    let whole = |float: f64| (float.fract() == 0.0 && float.abs() < 9.0e15).then_some(float as i64);
    value.as_i64().or_else(|| value.as_f64().filter(|_| value.is_f64()).and_then(whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        Fields(value.as_object().unwrap().clone())
    }

    #[test]
    fn an_integer_is_a_number_without_a_fraction() {
        let check = |value: Value, expected: Option<i64>| {
            let read = fields(json!({ "target_fps": value.clone() })).integer("target_fps");
            assert_eq!(read.as_ref().ok().copied(), expected, "{value}");
            if let Err(failure) = read {
                assert!(failure.to_string().starts_with("target_fps"), "{failure}");
            }
        };
        check(json!(60), Some(60));
        check(json!(60.0), Some(60));
        check(json!(-1), Some(-1));
        check(json!(60.5), None);
        check(json!(1e300), None);
        check(json!(18_446_744_073_709_551_615_u64), None);
        check(json!("60"), None);
        check(json!(true), None);
        check(json!(null), None);
        check(json!([60]), None);
    }

    #[test]
    fn a_number_is_not_a_text_a_bool_or_zero() {
        let check = |value: Value, accepted: bool| {
            let read = fields(json!({ "duration_sec": value.clone() })).positive_number("duration_sec");
            assert_eq!(read.is_ok(), accepted, "{value}");
        };
        check(json!(0.4), true);
        check(json!(30), true);
        check(json!(0), false);
        check(json!(-3), false);
        check(json!("30"), false);
        check(json!(true), false);
        check(json!(null), false);
    }

    #[test]
    fn an_optional_field_may_be_missing_or_null_but_not_of_another_type() {
        let read = |value: Value| fields(json!({ "watermark": value })).optional_bool("watermark");
        assert_eq!(fields(json!({})).optional_bool("watermark").unwrap(), None);
        assert_eq!(read(json!(null)).unwrap(), None);
        assert_eq!(read(json!(false)).unwrap(), Some(false));
        assert!(read(json!(0)).is_err());
        assert!(read(json!("true")).is_err());
    }
}
