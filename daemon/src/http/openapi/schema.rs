//! Small pieces that schemas are put together from.

use serde_json::{Value, json};

/// A schema of the document by its name.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// An object that has all of these fields.
pub fn object(properties: Value) -> Value {
    let required: Vec<String> = properties.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// An object of which only some fields must be there.
pub fn request(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

pub fn list_of(name: &str) -> Value {
    json!({ "type": "array", "items": reference(name) })
}

pub fn described(mut schema: Value, text: &str) -> Value {
    schema["description"] = text.into();
    schema
}
