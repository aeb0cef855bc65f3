//! Whether a JSON value fits a schema of the document: as much of JSON Schema as the document uses. A keyword that is
//! not known here is a failure, so that none is passed over.

use serde_json::Value;

/// What does not fit, as a sentence; `at` is where.
pub fn misfit(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(reference.strip_prefix('#').unwrap());
        let found = found.unwrap_or_else(|| panic!("{reference} is not in the document"));
        return misfit(document, found, value, at);
    }
    let wrong = |what: &str| Some(format!("{at}: {what}: {value}"));
    if let Some(types) = schema.get("type") {
        let types: Vec<&str> = match types {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => vec![one.as_str().unwrap()],
        };
        let fits = |kind: &&str| match *kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("unknown type {other}"),
        };
        if !types.iter().any(fits) {
            return wrong(&format!("is not {types:?}"));
        }
    }
    if value.is_null() {
        return None;
    }
    for (keyword, rule) in schema.as_object().unwrap() {
        let found = match keyword.as_str() {
            "type" | "description" | "maxLength" | "minItems" | "maxItems" | "exclusiveMaximum" | "pattern" => None,
            "enum" if !rule.as_array().unwrap().contains(value) => wrong(&format!("is not of {rule}")),
            "const" if rule != value => wrong(&format!("is not {rule}")),
            "minimum" if value.as_f64() < rule.as_f64() => wrong(&format!("is below {rule}")),
            "maximum" if value.as_f64() > rule.as_f64() => wrong(&format!("is above {rule}")),
            "exclusiveMinimum" if value.as_f64() <= rule.as_f64() => wrong(&format!("is not above {rule}")),
            "minLength" if value.as_str().unwrap().is_empty() => wrong("is empty"),
            "enum" | "const" | "minimum" | "maximum" | "exclusiveMinimum" | "minLength" => None,
            "format" => formed(rule.as_str().unwrap(), value.as_str().unwrap()).and_then(wrong),
            "items" => {
                let items = value.as_array().unwrap().iter().enumerate();
                items.filter_map(|(place, item)| misfit(document, rule, item, &format!("{at}[{place}]"))).next()
            }
            "required" => {
                let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                names.filter(|name| value.get(name).is_none()).map(|name| format!("{at}: {name} is missing")).next()
            }
            "additionalProperties" if rule.is_boolean() => None,
            "additionalProperties" => {
                let fields = value.as_object().unwrap().iter();
                fields.filter_map(|(name, field)| misfit(document, rule, field, &format!("{at}.{name}"))).next()
            }
            "oneOf" => {
                let choices = rule.as_array().unwrap().iter();
                let fits = choices.filter(|one| misfit(document, one, value, at).is_none()).count();
                if fits == 1 { None } else { wrong(&format!("fits {fits} of the choices")) }
            }
            "properties" => {
                let fields = value.as_object().unwrap().iter();
                fields
                    .filter_map(|(name, field)| match rule.get(name) {
                        Some(schema) => misfit(document, schema, field, &format!("{at}.{name}")),
                        None => Some(format!("{at}.{name} is not described")),
                    })
                    .next()
            }
            other => panic!("unknown keyword {other}"),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn formed(format: &str, text: &str) -> Option<&'static str> {
    let fits = match format {
        "uuid" => text.parse::<uuid::Uuid>().is_ok(),
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "uri" => text.parse::<url::Url>().is_ok(),
        other => panic!("unknown format {other}"),
    };
    (!fits).then_some("has another form")
}

#[test]
fn what_does_not_fit_is_found() {
    use serde_json::json;
    let document = json!({ "components": { "schemas": { "Id": { "type": "string", "format": "uuid" } } } });
    let schema = json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": { "$ref": "#/components/schemas/Id" },
            "list": { "type": "array", "items": { "type": ["integer", "null"], "minimum": 1 } },
        },
    });
    let id = "0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f10";
    let check = |value: Value, expected: bool| {
        assert_eq!(misfit(&document, &schema, &value, "$").is_none(), expected, "{value}");
    };
    check(json!({ "id": id }), true);
    check(json!({ "id": id, "list": [1, null] }), true);
    check(json!({}), false);
    check(json!({ "id": "x" }), false);
    check(json!({ "id": id, "list": [0] }), false);
    check(json!({ "id": id, "list": ["1"] }), false);
    check(json!({ "id": id, "more": 1 }), false);
    check(json!([]), false);
}
