//! A stated value as YAML and JSON write it, read with a bound on its size.
//!
//! YAML aliases let a few hundred bytes stand for billions of nodes; a budget ends that.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A scalar, a list or a mapping. Nothing (`null`, `~`) is an empty list.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any scalar, as text.
    Text(String),
    /// A list, in order.
    List(Vec<Value>),
    /// A mapping, in file order; keys may repeat.
    Map(Vec<(String, Value)>),
}

/// Longest YAML text that is read, in bytes.
pub const MAX_YAML_BYTES: usize = 256 * 1024;
/// Most nodes that one YAML text may stand for, aliases followed.
const MAX_NODES: usize = 20_000;

impl Value {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// A message for the editor if the text is not YAML, too long, or stands for too many nodes.
    pub fn from_yaml(yaml: &str) -> Result<Value, String> {
        if yaml.len() > MAX_YAML_BYTES {
            return Err(format!("内容过长（超过 {} KB）", MAX_YAML_BYTES / 1024));
        }
        if yaml.trim().is_empty() {
            return Ok(Value::Map(Vec::new()));
        }
        let budget = Budget(Cell::new(MAX_NODES));
        let read = (&budget).deserialize(serde_yaml_ng::Deserializer::from_str(yaml));
        read.map_err(|e| format!("不是有效的 YAML：{e}"))
    }

    /// Takes over a JSON value.
    pub fn from_json(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::List(Vec::new()),
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Array(items) => {
                Value::List(items.iter().map(Value::from_json).collect())
            }
            serde_json::Value::Object(map) => Value::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), Value::from_json(value)))
                    .collect(),
            ),
            scalar => Value::Text(scalar.to_string()),
        }
    }

    /// The value as JSON; of repeated keys the last counts.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.clone(), value.to_json()))
                .collect(),
        }
    }

    /// Whether nothing is stated: an empty text, list or mapping.
    pub fn is_empty(&self) -> bool {
        match self {
            Value::Text(text) => text.trim().is_empty(),
            Value::List(items) => items.iter().all(Value::is_empty),
            Value::Map(entries) => entries.is_empty(),
        }
    }
}

/// Nodes that may still be read.
struct Budget(Cell<usize>);

impl Budget {
    fn spend<E: Error>(&self) -> Result<(), E> {
        let left = self
            .0
            .get()
            .checked_sub(1)
            .ok_or_else(|| E::custom("展开后的内容过多"))?;
        self.0.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &Budget {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Budget {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a mapping")
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Text(v.to_string()))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Text(v.to_string()))
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Text(v.to_string()))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Text(v.to_string()))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::List(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(self)? {
            let Value::Text(key) = key else {
                return Err(A::Error::custom("键必须是文字"));
            };
            entries.push((key, map.next_value_seed(self)?));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(t: &str) -> Value {
        Value::Text(t.to_owned())
    }

    #[test]
    fn scalars_keep_their_writing() {
        let value =
            Value::from_yaml("id: 0012\nphones: [12345, 0592-1234567]\nfrom: 2024-01-01\nnone:")
                .unwrap();
        let expected = vec![
            ("id".to_owned(), text("0012")),
            (
                "phones".to_owned(),
                Value::List(vec![text("12345"), text("0592-1234567")]),
            ),
            ("from".to_owned(), text("2024-01-01")),
            ("none".to_owned(), Value::List(vec![])),
        ];
        assert_eq!(value, Value::Map(expected));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let previous = format!("*a{}, ", n - 1).repeat(10);
            yaml.push_str(&format!("a{n}: &a{n} [{previous}]\n"));
        }
        assert!(Value::from_yaml(&yaml).is_err());
    }

    #[test]
    fn broken_yaml_is_an_error() {
        assert!(Value::from_yaml("title: [unclosed").is_err());
        assert!(Value::from_yaml(&"a".repeat(MAX_YAML_BYTES + 1)).is_err());
        assert_eq!(Value::from_yaml("  \n"), Ok(Value::Map(vec![])));
    }
}
