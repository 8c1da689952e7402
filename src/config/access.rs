//! `[access]`: who may ask, and how often.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Config;
use crate::access;

/// `[access]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessConfig {
    /// What callers without a key see, once there are keys.
    pub anonymous: Anonymous,
    /// Requests a second of one address without a key, in the long run.
    pub anonymous_rate: f64,
    /// And at once.
    pub anonymous_burst: u32,
    /// Requests a second of a key that states no rate, in the long run.
    pub key_rate: f64,
    /// And at once.
    pub key_burst: u32,
    /// Keys of one address that are verified a minute; each is verified once.
    pub attempts_per_minute: u32,
    /// Networks of proxies whose `X-Forwarded-For` counts, such as `10.0.0.0/8`.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins of pages that may read answers, such as `https://12345.example.cn`; `*` is every one.
    pub cors_origins: Vec<String>,
    /// Lines of the audit log are deleted after so many days.
    pub audit_retention_days: u64,
}

/// What callers without a key see, once there are keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anonymous {
    /// What is public.
    #[default]
    Public,
    /// Nothing.
    None,
}

impl Default for AccessConfig {
    fn default() -> Self {
        let limits = access::Settings::default();
        Self {
            anonymous: Anonymous::Public,
            anonymous_rate: limits.anonymous_rate,
            anonymous_burst: limits.anonymous_burst,
            key_rate: limits.key_rate,
            key_burst: limits.key_burst,
            attempts_per_minute: limits.attempts_per_minute,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            audit_retention_days: limits.audit_retention.as_secs() / 86_400,
        }
    }
}

impl Config {
    /// Who may ask, and how often.
    pub fn access_settings(&self) -> access::Settings {
        let access = &self.access;
        access::Settings {
            admits_anonymous: access.anonymous == Anonymous::Public,
            anonymous_rate: access.anonymous_rate,
            anonymous_burst: access.anonymous_burst,
            key_rate: access.key_rate,
            key_burst: access.key_burst,
            attempts_per_minute: access.attempts_per_minute,
            audit_retention: Duration::from_secs(86_400 * access.audit_retention_days),
        }
    }
}
