//! Whose calls are whose: a call belongs to what whoever began it may see, and shows to nobody who
//! may see less.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::document::Audience;
use crate::sight::{Scope, Sight};

/// A [`Sight`] as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    audience: String,
    departments: Vec<String>,
    regions: Vec<String>,
}

fn to_text(sight: &Sight) -> String {
    let kept = Kept {
        audience: sight.audience.name().to_owned(),
        departments: sight.scope.departments().to_vec(),
        regions: sight.scope.regions().to_vec(),
    };
    // Texts always serialise.
    serde_json::to_string(&kept).unwrap_or_default()
}

/// What cannot be read shows to nobody but those who see everything.
fn from_text(text: &str) -> Sight {
    let read = || -> Option<Sight> {
        let kept: Kept = serde_json::from_str(text).ok()?;
        Some(Sight {
            audience: kept.audience.parse().ok()?,
            scope: Scope::new(kept.departments, kept.regions),
        })
    };
    read().unwrap_or(Sight::of(Audience::Internal))
}

/// The key of an owner, noted if it is new.
pub fn key_of(connection: &Connection, owner: &Sight) -> rusqlite::Result<i64> {
    let text = to_text(owner);
    let known = connection
        .prepare_cached("SELECT key FROM owners WHERE sight = ?1")?
        .query_row([&text], |row| row.get(0))
        .optional()?;
    match known {
        Some(key) => Ok(key),
        None => {
            connection.execute("INSERT INTO owners (sight) VALUES (?1)", [&text])?;
            Ok(connection.last_insert_rowid())
        }
    }
}

/// An owner by its key.
pub fn owner_of(connection: &Connection, key: Option<i64>) -> rusqlite::Result<Sight> {
    let text: Option<String> = connection
        .prepare_cached("SELECT sight FROM owners WHERE key = ?1")?
        .query_row(params![key], |row| row.get(0))
        .optional()?;
    Ok(from_text(&text.unwrap_or_default()))
}

/// The keys of the owners whose calls somebody may see, as a JSON array for `json_each`.
pub fn seen_by(connection: &Connection, sight: &Sight) -> rusqlite::Result<String> {
    let mut statement = connection.prepare_cached("SELECT key, sight FROM owners ORDER BY key")?;
    let mut rows = statement.query([])?;
    let mut seen: Vec<String> = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, text): (i64, String) = (row.get(0)?, row.get(1)?);
        if sight.includes(&from_text(&text)) {
            seen.push(key.to_string());
        }
    }
    Ok(format!("[{}]", seen.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_come_back_and_what_is_unreadable_is_for_those_who_see_everything() {
        let scope = Scope::new(["市医保局".to_owned()], ["云溪市".to_owned()]);
        let sight = Sight {
            audience: Audience::Agent,
            scope,
        };
        assert_eq!(from_text(&to_text(&sight)), sight);
        for text in [
            "",
            "{}",
            r#"{"audience":"x","departments":[],"regions":[]}"#,
        ] {
            assert_eq!(from_text(text), Sight::of(Audience::Internal), "{text}");
        }
    }
}
