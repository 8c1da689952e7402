//! Keys as they are kept.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::{AccessError, Role, Token, schema};
use crate::sight::{Scope, Sight};

/// Longest name of a key, a department or a region, in characters.
const MAX_NAME_CHARS: usize = 100;
/// Most departments or regions of one key.
const MAX_NAMES: usize = 500;

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Names it, in the token and in the book.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// What it lets do.
    pub role: Role,
    /// What it is limited to.
    pub scope: Scope,
    /// Requests per second in the long run; `None`: as configured.
    pub rate: Option<f64>,
    /// Requests at once; `None`: as configured.
    pub burst: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The first moment at which it does not count any more.
    pub expires_at: Option<Timestamp>,
    /// When it was withdrawn.
    pub revoked_at: Option<Timestamp>,
}

/// Whether a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// It was withdrawn.
    Revoked,
}

impl KeyState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Key {
    /// What it lets see.
    pub fn sight(&self) -> Sight {
        Sight {
            audience: self.role.audience(),
            scope: self.scope.clone(),
        }
    }

    /// Whether it counts at a moment.
    pub fn state(&self, now: Timestamp) -> KeyState {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => KeyState::Revoked,
            (None, Some(expires_at)) if expires_at <= now => KeyState::Expired,
            _ => KeyState::Active,
        }
    }
}

/// What a key is to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewKey {
    /// [`Key::name`]
    pub name: Option<String>,
    /// [`Key::role`]
    pub role: Role,
    /// [`Key::scope`]
    pub scope: Scope,
    /// [`Key::rate`]
    pub rate: Option<f64>,
    /// [`Key::burst`]
    pub burst: Option<u32>,
    /// [`Key::expires_at`]
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    fn check(&self, now: Timestamp) -> Result<(), AccessError> {
        let fault = |reason: String| Err(AccessError::Request(reason));
        let scope = &self.scope;
        let names = scope.departments().iter().chain(scope.regions());
        for name in names.chain(&self.name) {
            let n_chars = name.chars().count();
            if name.trim().is_empty() || n_chars > MAX_NAME_CHARS {
                return fault(format!(
                    "{name:?}: a name has 1 to {MAX_NAME_CHARS} characters"
                ));
            }
        }
        if scope.departments().len().max(scope.regions().len()) > MAX_NAMES {
            return fault(format!(
                "a key has at most {MAX_NAMES} departments and regions"
            ));
        }
        if let Some(rate) = self.rate.filter(|rate| !(0.001..=1e6).contains(rate)) {
            return fault(format!(
                "--rate {rate} is not in 0.001..=1000000 requests a second"
            ));
        }
        if let Some(burst) = self.burst.filter(|burst| !(1..=1_000_000).contains(burst)) {
            return fault(format!("--burst {burst} is not in 1..=1000000 requests"));
        }
        match self.expires_at {
            Some(end) if end <= now => fault(format!(
                "--expires: {end:.0} is over; give a day to come, such as 2030-12-31"
            )),
            _ => Ok(()),
        }
    }
}

/// A key with what is kept of its secret.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredKey {
    pub key: Key,
    pub hash: String,
}

/// The keys of one server.
#[derive(Debug)]
pub struct KeyStore {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl KeyStore {
    /// Opens `access.sqlite`, creating it when it does not exist.
    ///
    /// # Errors
    /// [`AccessError::Open`] for a damaged file, [`AccessError::Version`] for another layout; the
    /// file is left as it is in both cases.
    pub fn open(path: &Path) -> Result<Self, AccessError> {
        Ok(Self {
            connection: schema::open(path)?,
            path: path.to_owned(),
        })
    }

    /// Makes a key. The token is not kept: it is known to the caller of this function alone.
    ///
    /// # Errors
    /// [`AccessError::Request`] if it cannot be as asked; [`AccessError`].
    pub fn create(&mut self, new: &NewKey, now: Timestamp) -> Result<(Key, Token), AccessError> {
        new.check(now)?;
        let token = Token::generate()?;
        let hash = token.hash()?;
        let key = Key {
            id: token.id().to_owned(),
            name: new.name.clone(),
            role: new.role,
            scope: new.scope.clone(),
            rate: new.rate,
            burst: new.burst,
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
        };
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(
            "INSERT INTO keys (id, secret_hash, name, role, departments, regions, rate, burst,
                               created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                key.id,
                hash,
                key.name,
                key.role.name(),
                names_to_json(key.scope.departments()),
                names_to_json(key.scope.regions()),
                key.rate,
                key.burst,
                now.as_millisecond(),
                key.expires_at.map(Timestamp::as_millisecond),
            ],
        )?;
        note_change(&transaction, "keys create", &key.id, now)?;
        transaction.commit()?;
        Ok((key, token))
    }

    /// Withdraws a key: whether there was one that was not withdrawn before; `None` if there is none
    /// of that id.
    pub fn revoke(&mut self, id: &str, now: Timestamp) -> Result<Option<bool>, AccessError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known: Option<bool> = transaction
            .query_row(
                "SELECT revoked_at IS NULL FROM keys WHERE id = ?1",
                [id],
                |row| row.get(0),
            )
            .optional()?;
        if known == Some(true) {
            transaction.execute(
                "UPDATE keys SET revoked_at = ?2 WHERE id = ?1",
                params![id, now.as_millisecond()],
            )?;
            note_change(&transaction, "keys revoke", id, now)?;
        }
        transaction.commit()?;
        Ok(known)
    }

    /// Every key that was ever made, oldest first, and why some cannot be understood
    /// ([`AccessError::Damaged`]): those count for nothing.
    ///
    /// # Errors
    /// [`AccessError::Sqlite`]
    pub fn list(&self) -> Result<(Vec<Key>, Vec<AccessError>), AccessError> {
        let (keys, damaged) = self.read()?;
        Ok((keys.into_iter().map(|stored| stored.key).collect(), damaged))
    }

    pub(super) fn read(&self) -> Result<(Vec<StoredKey>, Vec<AccessError>), AccessError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, secret_hash, name, role, departments, regions, rate, burst, created_at,
                    expires_at, revoked_at
             FROM keys ORDER BY created_at, id",
        )?;
        let mut rows = statement.query([])?;
        let (mut keys, mut damaged) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            match stored_key(row) {
                Ok(key) => keys.push(key),
                Err(error) => damaged.push(error),
            }
        }
        Ok((keys, damaged))
    }

    /// Changes whenever another connection has committed.
    pub(super) fn data_version(&self) -> Result<i64, AccessError> {
        let mut statement = self.connection.prepare_cached("PRAGMA data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Changes with every change of a key.
    pub(super) fn revision(&self) -> Result<i64, AccessError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT keys FROM revision")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }
}

/// Raises the revision and puts the change down in the book.
fn note_change(
    connection: &Connection,
    action: &str,
    id: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection.execute("UPDATE revision SET keys = keys + 1", [])?;
    let at = now.as_millisecond();
    connection.execute(
        "INSERT INTO audit (minute, at, key_id, role, address, action, route, outcome, n)
         VALUES (?1, ?2, '', 'operator', 'local', ?3, ?4, 'done', 1)",
        params![at / 60_000, at, action, id],
    )?;
    Ok(())
}

fn stored_key(row: &Row<'_>) -> Result<StoredKey, AccessError> {
    let id: String = row.get(0)?;
    let damaged = |reason: String| AccessError::Damaged {
        id: id.clone(),
        reason,
    };
    // A key that cannot be read must not become one without limits.
    let read = || -> Result<StoredKey, String> {
        let text = |column: usize| -> Result<String, String> {
            row.get(column).map_err(|error| error.to_string())
        };
        let time = |ms: i64| Timestamp::from_millisecond(ms).map_err(|error| error.to_string());
        let optional = |column: usize| -> Result<Option<Timestamp>, String> {
            let ms: Option<i64> = row.get(column).map_err(|error| error.to_string())?;
            ms.map(time).transpose()
        };
        let role = text(3)?;
        let created_at: i64 = row.get(8).map_err(|error| error.to_string())?;
        Ok(StoredKey {
            hash: text(1)?,
            key: Key {
                id: id.clone(),
                name: row.get(2).map_err(|error| error.to_string())?,
                role: role
                    .parse()
                    .map_err(|error: crate::document::UnknownName| error.to_string())?,
                scope: Scope::new(names_of_json(&text(4)?)?, names_of_json(&text(5)?)?),
                rate: row.get(6).map_err(|error| error.to_string())?,
                burst: row.get(7).map_err(|error| error.to_string())?,
                created_at: time(created_at)?,
                expires_at: optional(9)?,
                revoked_at: optional(10)?,
            },
        })
    };
    read().map_err(damaged)
}

fn names_to_json(names: &[String]) -> String {
    // Texts always serialise.
    serde_json::to_string(names).unwrap_or_default()
}

fn names_of_json(json: &str) -> Result<Vec<String>, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}
