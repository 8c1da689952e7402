//! JSON Schemas of wire structs: those of the OpenAPI description, each standing for itself.

use std::sync::Arc;

use rmcp::model::JsonObject;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Where the description keeps schemas that are referred to, and where a schema of its own does.
const DESCRIBED: &str = "#/components/schemas/";
const OWN: &str = "#/$defs/";

/// The schema of a wire struct with everything that it refers to.
pub(super) fn of<T: ToSchema>() -> Arc<JsonObject> {
    let mut referred = Vec::new();
    T::schemas(&mut referred);
    let mut own = Map::new();
    for (name, schema) in referred {
        own.insert(name, plain(&schema));
    }
    let Value::Object(mut root) = plain(&T::schema()) else {
        // Schemas are written as objects.
        return Arc::default();
    };
    if !own.is_empty() {
        root.insert("$defs".to_owned(), Value::Object(own));
    }
    let mut root = Value::Object(root);
    point_inside(&mut root);
    match root {
        Value::Object(root) => Arc::new(root),
        _ => Arc::default(),
    }
}

fn plain(schema: &impl serde::Serialize) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

fn point_inside(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(name) = target.strip_prefix(DESCRIBED) {
                            *target = format!("{OWN}{name}");
                        }
                    }
                    value => point_inside(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(point_inside),
        _ => {}
    }
}
