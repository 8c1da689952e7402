//! Who shows a token, and whether it counts now.
//!
//! Keys are held in memory and read again as soon as another process has changed them, which is
//! asked with every request. A token is verified with argon2 once per process, off the async
//! threads, a few at a time and only so often per address; afterwards it is known by its blake3. A
//! wrong secret and an unknown id cost the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::audit::{Audit, AuditEntry};
use super::keys::{Key, KeyState, KeyStore, StoredKey};
use super::limits::{AddressLimiter, Limiter, Wait};
use super::{AccessError, Token};

/// Tokens that are verified at once: each takes 19 MiB and a processor for some 25 ms.
const VERIFIED_AT_ONCE: usize = 1;
/// Tokens that are verified a second in the long run, wherever they come from: garbage from however
/// many addresses takes half a processor at most.
const VERIFIED_PER_SECOND: f64 = 20.0;
/// And at once, such as after a restart.
const VERIFIED_BURST: u32 = 200;
/// How long a token waits for its turn.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often who may ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether callers without a key see what is public.
    pub admits_anonymous: bool,
    /// Requests a second of one address without a key, in the long run.
    pub anonymous_rate: f64,
    /// And at once.
    pub anonymous_burst: u32,
    /// Requests a second of a key that states none, in the long run.
    pub key_rate: f64,
    /// And at once.
    pub key_burst: u32,
    /// Tokens of one address that are verified a minute.
    pub attempts_per_minute: u32,
    /// How long the book is kept.
    pub audit_retention: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            admits_anonymous: true,
            anonymous_rate: 5.0,
            anonymous_burst: 30,
            key_rate: 50.0,
            key_burst: 100,
            attempts_per_minute: 60,
            audit_retention: Duration::from_secs(180 * 86_400),
        }
    }
}

/// A key that counts.
#[derive(Debug)]
pub struct KnownKey {
    /// What is known of it.
    pub key: Key,
    hash: String,
    limiter: Limiter,
    /// Cancelled as soon as it does not count any more.
    pub ended: CancellationToken,
}

impl KnownKey {
    /// Counts a request, if there is room for it.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&self) -> Result<(), Wait> {
        self.limiter.admit()
    }
}

/// Why a token does not let anybody in.
#[derive(Debug)]
pub enum Refusal {
    /// It has not the form of one, or there is none like it.
    Wrong,
    /// Its time is over.
    Expired,
    /// It was withdrawn.
    Revoked,
    /// Too many of the address were tried.
    TooMany(Wait),
    /// Too many wait to be verified.
    Busy,
    /// The keys cannot be read.
    Unavailable(AccessError),
}

/// The door.
#[derive(Debug)]
pub struct Access {
    pub settings: Settings,
    /// `None`: there can be no keys.
    gate: Option<Gate>,
    anonymous: AddressLimiter,
    attempts: AddressLimiter,
    /// All of them together.
    all_attempts: Limiter,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Gate {
    state: Mutex<State>,
    audit: Audit,
    /// What the secret of an unknown id is compared with.
    nobody: String,
}

#[derive(Debug)]
struct State {
    store: KeyStore,
    /// Which file that is.
    file: (u64, u64),
    data_version: i64,
    revision: i64,
    /// Whether a key was ever made.
    has_keys: bool,
    /// Keys that were made, whatever their state, by id.
    keys: HashMap<String, Arc<KnownKey>>,
    /// Tokens that were verified, by fingerprint: one a key at most.
    verified: HashMap<[u8; 32], String>,
    /// Cancelled when the first key is made: who came in without one has to go.
    keyless: CancellationToken,
}

impl Access {
    /// A door without keys.
    pub fn without_keys(settings: Settings) -> Self {
        Self {
            anonymous: AddressLimiter::new(settings.anonymous_rate, settings.anonymous_burst),
            attempts: AddressLimiter::new(
                f64::from(settings.attempts_per_minute) / 60.0,
                settings.attempts_per_minute,
            ),
            all_attempts: Limiter::new(VERIFIED_PER_SECOND, VERIFIED_BURST),
            turns: Arc::new(Semaphore::new(VERIFIED_AT_ONCE)),
            gate: None,
            settings,
        }
    }

    /// The keys in `access.sqlite`, which is created if it is not there.
    ///
    /// # Errors
    /// [`AccessError`]: nobody must be let in then.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, AccessError> {
        let mut state = State {
            store: KeyStore::open(path)?,
            file: identity(path)?,
            data_version: 0,
            revision: -1,
            has_keys: false,
            keys: HashMap::new(),
            verified: HashMap::new(),
            keyless: CancellationToken::new(),
        };
        state.read(&settings)?;
        let gate = Gate {
            state: Mutex::new(state),
            audit: Audit::start(path, settings.audit_retention)?,
            nobody: Token::generate()?.hash()?,
        };
        Ok(Self {
            gate: Some(gate),
            ..Self::without_keys(settings)
        })
    }

    /// Whether keys count: as soon as one was ever made, also if none is left that is not withdrawn.
    ///
    /// # Errors
    /// [`AccessError`] if that cannot be told: nobody must be let in then.
    pub fn has_keys(&self) -> Result<bool, AccessError> {
        match &self.gate {
            None => Ok(false),
            Some(gate) => Ok(gate.current(&self.settings)?.has_keys),
        }
    }

    /// Cancelled as soon as keys count.
    pub fn keyless(&self) -> CancellationToken {
        match &self.gate {
            None => CancellationToken::new(),
            Some(gate) => gate.lock().keyless.clone(),
        }
    }

    /// Counts a request of somebody without a key, if there is room for it.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit_anonymous(&self, address: IpAddr) -> Result<(), Wait> {
        self.anonymous.admit(address)
    }

    /// Whose token it is.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the turn, unless the token is being verified: then that ends
    /// first.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn identify(&self, token: &str, address: IpAddr) -> Result<Arc<KnownKey>, Refusal> {
        let Some(gate) = &self.gate else {
            return Err(Refusal::Wrong);
        };
        let Some(token) = Token::parse(token) else {
            // Costs nothing, so it is not worth counting apart: who tries is counted as anonymous.
            return Err(Refusal::Wrong);
        };
        let fingerprint = token.fingerprint();
        if let Some(known) = gate.known(&fingerprint, &self.settings)? {
            return counting(known);
        }
        self.attempts.admit(address).map_err(Refusal::TooMany)?;
        self.all_attempts.admit().map_err(|_| Refusal::Busy)?;
        let turn = self.turns.clone().acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(PATIENCE, turn).await else {
            return Err(Refusal::Busy);
        };
        // Somebody else may have shown it meanwhile.
        if let Some(known) = gate.known(&fingerprint, &self.settings)? {
            return counting(known);
        }
        let known = {
            let state = gate.current(&self.settings).map_err(Refusal::Unavailable)?;
            state.keys.get(token.id()).cloned()
        };
        let hash = known
            .as_ref()
            .map_or(&gate.nobody, |known| &known.hash)
            .clone();
        let verified = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            token.fits(&hash)
        });
        match (verified.await, known) {
            (Ok(true), Some(known)) => {
                let mut state = gate.lock();
                state.verified.insert(fingerprint, known.key.id.clone());
                drop(state);
                counting(known)
            }
            _ => Err(Refusal::Wrong),
        }
    }

    /// Puts down what was done or refused.
    pub fn note(&self, entry: AuditEntry) {
        if let Some(gate) = &self.gate {
            gate.audit.note(entry);
        }
    }

    /// Notices what other processes changed, and whose time is over; whoever came in with such a key
    /// is told. To be called twice a second.
    ///
    /// # Errors
    /// [`AccessError`]: requests are refused then, too.
    pub fn look(&self) -> Result<(), AccessError> {
        if let Some(gate) = &self.gate {
            let state = gate.current(&self.settings)?;
            let now = Timestamp::now();
            for known in state.keys.values() {
                if known.key.state(now) != KeyState::Active {
                    known.ended.cancel();
                }
            }
        }
        Ok(())
    }

    /// Gives back the memory of addresses that have not asked for a while.
    pub fn forget_idle(&self) {
        self.anonymous.forget_idle();
        self.attempts.forget_idle();
    }
}

/// The key, if its time is not over.
fn counting(known: Arc<KnownKey>) -> Result<Arc<KnownKey>, Refusal> {
    match known.key.state(Timestamp::now()) {
        KeyState::Active => Ok(known),
        KeyState::Expired => Err(Refusal::Expired),
        KeyState::Revoked => Err(Refusal::Revoked),
    }
}

impl Gate {
    /// A panic while the keys are held leaves those that were there.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys as they are now.
    fn current(&self, settings: &Settings) -> Result<MutexGuard<'_, State>, AccessError> {
        let mut state = self.lock();
        state.follow(settings)?;
        Ok(state)
    }

    /// The key whose token was verified before.
    fn known(
        &self,
        fingerprint: &[u8; 32],
        settings: &Settings,
    ) -> Result<Option<Arc<KnownKey>>, Refusal> {
        let state = self.current(settings).map_err(Refusal::Unavailable)?;
        let id = state.verified.get(fingerprint);
        Ok(id.and_then(|id| state.keys.get(id)).cloned())
    }
}

impl State {
    /// Reads the keys again if something has changed.
    fn follow(&mut self, settings: &Settings) -> Result<(), AccessError> {
        let path = self.store.path.clone();
        let file = identity(&path)?;
        if file != self.file {
            // Restored from a backup, for one.
            self.store = KeyStore::open(&path)?;
            self.file = file;
            self.revision = -1;
            self.verified.clear();
            return self.read(settings);
        }
        match self.store.data_version()? {
            known if known == self.data_version => Ok(()),
            _ => self.read(settings),
        }
    }

    fn read(&mut self, settings: &Settings) -> Result<(), AccessError> {
        // Before reading, so that what comes in meanwhile is read the next time.
        let data_version = self.store.data_version()?;
        let revision = self.store.revision()?;
        if revision != self.revision {
            let (stored, damaged) = self.store.read()?;
            for error in &damaged {
                tracing::error!(%error, "a key counts for nothing");
            }
            self.has_keys = !stored.is_empty() || !damaged.is_empty();
            let mut before = std::mem::take(&mut self.keys);
            for stored in stored {
                let id = stored.key.id.clone();
                let known = known_key(stored, before.remove(&id), settings);
                self.keys.insert(id, known);
            }
            // Those that are not there any more.
            before.values().for_each(|gone| gone.ended.cancel());
            let keys = &self.keys;
            self.verified.retain(|_, id| keys.contains_key(id));
            if self.has_keys {
                self.keyless.cancel();
            }
            self.revision = revision;
        }
        self.data_version = data_version;
        Ok(())
    }
}

/// What was known of a key stays, with what it has asked already, unless it has changed.
fn known_key(
    stored: StoredKey,
    before: Option<Arc<KnownKey>>,
    settings: &Settings,
) -> Arc<KnownKey> {
    if let Some(before) = before {
        if before.key == stored.key && before.hash == stored.hash {
            return before;
        }
        before.ended.cancel();
    }
    let rate = stored.key.rate.unwrap_or(settings.key_rate);
    let burst = stored.key.burst.unwrap_or(settings.key_burst);
    Arc::new(KnownKey {
        limiter: Limiter::new(rate, burst),
        ended: CancellationToken::new(),
        hash: stored.hash,
        key: stored.key,
    })
}

/// Device and number of a file.
fn identity(path: &Path) -> Result<(u64, u64), AccessError> {
    let metadata = std::fs::metadata(path).map_err(|source| AccessError::Io {
        path: path.to_owned(),
        source,
    })?;
    Ok((metadata.dev(), metadata.ino()))
}
