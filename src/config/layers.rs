//! One source of settings at a time: reading it, checking its keys, saying where a value came from.

use std::path::Path;

use figment::error::Kind;
use figment::value::{Dict, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::{Config, ConfigError};

/// Settings of one source.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// The file, variable or flag, as errors name it.
    pub(super) origin: String,
    /// Section → key → value.
    pub(super) dict: Dict,
}

impl Layer {
    /// The settings of a TOML file.
    pub(super) fn file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let dict = toml::from_str::<Dict>(&text).map_err(|err| ConfigError::Syntax {
            path: path.to_owned(),
            reason: err.to_string().trim_end().to_owned(),
        })?;
        Ok(Self {
            origin: path.display().to_string(),
            dict,
        })
    }

    /// One setting; `key` is `section.key`.
    pub(super) fn single(origin: impl Into<String>, key: &str, value: Value) -> Self {
        let dict = match figment::util::nest(key, value) {
            Value::Dict(_, dict) => dict,
            _ => Dict::new(),
        };
        Self {
            origin: origin.into(),
            dict,
        }
    }

    /// Whether every key is one that [`Config`] has.
    pub(super) fn check_keys(&self) -> Result<(), ConfigError> {
        let known = known_keys();
        for (section, keys) in &self.dict {
            let Some(known_section) = known.get(section) else {
                return Err(self.unknown(section, section, known.keys()));
            };
            let (Some(keys), Some(known_section)) = (keys.as_dict(), known_section.as_dict())
            else {
                return Err(ConfigError::Value {
                    origin: self.origin.clone(),
                    key: section.clone(),
                    reason: format!("is a section; write [{section}] with its keys below"),
                });
            };
            if let Some(key) = keys.keys().find(|key| !known_section.contains_key(*key)) {
                let full = format!("{section}.{key}");
                return Err(self.unknown(&full, key, known_section.keys()));
            }
        }
        Ok(())
    }

    fn unknown<'k>(
        &self,
        full: &str,
        given: &str,
        known: impl Iterator<Item = &'k String> + Clone,
    ) -> ConfigError {
        let hint = match nearest(given, known.clone().map(String::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!(
                "known here: {}",
                known.map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
        };
        ConfigError::UnknownKey {
            origin: self.origin.clone(),
            key: full.to_owned(),
            hint,
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<figment::value::Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

/// One layer per variable `ZHIKU_SECTION__KEY`, in order of name; other names are not ours.
///
/// A value is taken as text where the setting is text, and read as a number or truth value elsewhere.
pub(super) fn environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<Layer>, ConfigError> {
    let known = known_keys();
    let mut ours: Vec<(String, String)> = variables
        .into_iter()
        .filter(|(name, _)| {
            name.strip_prefix("ZHIKU_")
                .is_some_and(|key| key.contains("__"))
        })
        .collect();
    ours.sort();
    let mut layers = Vec::with_capacity(ours.len());
    for (name, text) in ours {
        let key = name["ZHIKU_".len()..].to_lowercase().replacen("__", ".", 1);
        let default = key
            .split_once('.')
            .and_then(|(section, key)| known.get(section)?.as_dict()?.get(key));
        let value = match default {
            Some(Value::String(..)) => Value::from(text),
            // Parsing a figment value from text cannot fail: what is nothing else is a string.
            _ => text
                .parse()
                .unwrap_or_else(|never: std::convert::Infallible| match never {}),
        };
        layers.push(Layer::single(
            format!("environment variable {name}"),
            &key,
            value,
        ));
    }
    Ok(layers)
}

/// Section → key → default value of everything that can be set.
fn known_keys() -> Dict {
    match Value::serialize(Config::default()) {
        Ok(Value::Dict(_, dict)) => dict,
        // A struct of structs always serialises to a dictionary.
        _ => Dict::new(),
    }
}

/// Names key and origin of a value that figment could not read.
pub(super) fn value_error(err: figment::Error) -> ConfigError {
    let reason = match &err.kind {
        Kind::InvalidType(found, expected) => format!("found {found}, expected {expected}"),
        other => other.to_string(),
    };
    ConfigError::Value {
        origin: err
            .metadata
            .map_or_else(|| "configuration".to_owned(), |m| m.name.into_owned()),
        key: err.path.join("."),
        reason,
    }
}

/// Where the value of `key` was set.
pub(super) fn origin_of(figment: &Figment, key: &str) -> String {
    figment
        .find_metadata(key)
        .map_or_else(|| "configuration".to_owned(), |m| m.name.to_string())
}

/// The candidate that `given` most likely was meant to be, if one is near enough: at most a third
/// of its characters differ. Ties go to the earlier candidate.
pub fn nearest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let given: Vec<char> = given.to_lowercase().chars().take(64).collect();
    candidates
        .into_iter()
        .map(|candidate| (distance(&given, candidate), candidate))
        .filter(|(distance, candidate)| distance * 3 <= candidate.chars().count().max(given.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits that turn one text into the other: a character put in, left out, replaced, or swapped with
/// its neighbour (optimal string alignment).
fn distance(given: &[char], candidate: &str) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=given.len()).collect();
    let mut previous = None;
    for (i, wanted) in candidate.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, found) in given.iter().enumerate() {
            let replaced = above[j] + usize::from(*found != wanted);
            let mut best = replaced.min(row[j] + 1).min(above[j + 1] + 1);
            if j > 0 && previous == Some(*found) && given[j - 1] == wanted {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
        previous = Some(wanted);
    }
    above[given.len()]
}

/// An optional setting: the empty text stands for none.
pub(super) mod blank_is_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }

    pub(in super::super) fn deserialize<'de, T: From<String>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(if text.trim().is_empty() {
            None
        } else {
            Some(T::from(text))
        })
    }
}

/// A closed set of the domain, by its names.
pub(super) mod by_name {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_forgives_a_slip_and_not_a_guess() {
        let known = ["listen", "audience", "max_body_bytes"];
        assert_eq!(nearest("liste", known), Some("listen"));
        assert_eq!(nearest("max_body_byte", known), Some("max_body_bytes"));
        assert_eq!(nearest("port", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn distance_counts_edits_in_characters() {
        let check = |a: &str, b: &str, expected| {
            assert_eq!(
                distance(&a.chars().collect::<Vec<_>>(), b),
                expected,
                "{a} → {b}"
            );
        };
        check("kitten", "sitting", 3);
        check("", "三个字", 3);
        check("政策", "政府", 1);
        check("paht", "path", 1);
    }
}
