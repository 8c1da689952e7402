//! `zk_<id>_<secret>`: what a caller shows.

use std::fmt;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use super::AccessError;

/// Letters and digits that are not taken for one another: 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
/// 50 bits: two keys of one server never have the same.
const ID_CHARS: usize = 10;
/// 260 bits.
const SECRET_CHARS: usize = 52;
/// What every token begins with, so that it is found where it must not be, such as in a repository.
const PREFIX: &str = "zk_";

/// Argon2id as OWASP recommends it: 19 MiB, two passes, one lane. A secret of 260 bits needs no slow
/// hash; keys that somebody brings along might.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A key's id and secret. The secret shows nowhere but in [`Token::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: String,
    secret: String,
}

impl Token {
    /// A new one, of the system's random numbers.
    ///
    /// # Errors
    /// [`AccessError::Crypto`] if there are none.
    pub fn generate() -> Result<Self, AccessError> {
        Ok(Self {
            id: random_name(ID_CHARS)?,
            secret: random_name(SECRET_CHARS)?,
        })
    }

    /// Reads a token; `None` if it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_name = |name: &str, n_chars| {
            name.len() == n_chars && name.bytes().all(|byte| ALPHABET.contains(&byte))
        };
        (is_name(id, ID_CHARS) && is_name(secret, SECRET_CHARS)).then(|| Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
        })
    }

    /// The id of the key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole token, to be shown once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }

    /// Names the token in memory: nothing can be learned from it.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        *blake3::hash(self.reveal().as_bytes()).as_bytes()
    }

    /// What is kept of the secret, as a PHC string.
    ///
    /// # Errors
    /// [`AccessError::Crypto`]
    pub(super) fn hash(&self) -> Result<String, AccessError> {
        let mut salt = [0; 16];
        fill(&mut salt)?;
        let failed = |error: argon2::password_hash::Error| AccessError::Crypto(error.to_string());
        let salt = SaltString::encode_b64(&salt).map_err(failed)?;
        let hash = argon2().hash_password(self.secret.as_bytes(), &salt);
        Ok(hash.map_err(failed)?.to_string())
    }

    /// Whether `hash` is of this secret. Takes some 20 ms of a processor and 19 MiB whatever the
    /// answer is.
    pub(super) fn fits(&self, hash: &str) -> bool {
        let Ok(hash) = PasswordHash::new(hash) else {
            return false;
        };
        let verified = argon2().verify_password(self.secret.as_bytes(), &hash);
        verified.is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn random_name(n_chars: usize) -> Result<String, AccessError> {
    let mut bytes = vec![0; n_chars];
    fill(&mut bytes)?;
    // 256 is a multiple of 32: no letter is likelier than another.
    let chars = bytes.iter().map(|byte| ALPHABET[usize::from(byte % 32)]);
    Ok(chars.map(char::from).collect())
}

fn fill(bytes: &mut [u8]) -> Result<(), AccessError> {
    getrandom::fill(bytes).map_err(|error| AccessError::Crypto(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_and_its_secret_shows_nowhere() {
        let token = Token::generate().unwrap();
        let text = token.reveal();
        assert_eq!(Token::parse(&text).as_ref(), Some(&token));
        assert_eq!(text.len(), 3 + 10 + 1 + 52);
        assert!(!format!("{token:?}").contains(&token.secret));
        assert_ne!(Token::generate().unwrap(), token);
        let hash = token.hash().unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(token.fits(&hash) && !hash.contains(&token.secret));
        assert!(!Token::generate().unwrap().fits(&hash));
        assert!(!token.fits("") && !token.fits("$argon2id$v=19$m=1"));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let token = Token::generate().unwrap().reveal();
        for text in [
            "",
            "zk_",
            "zk__",
            &token[1..],
            &token[..token.len() - 1],
            &token.to_uppercase(),
            &format!("{token}a"),
            &token.replacen("zk_", "zk-", 1),
            &format!("zk_{}_{}", "甲".repeat(10), "a".repeat(52)),
        ] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }
}
