//! `zhiku.toml`, the environment and the command line → one validated [`Config`].
//!
//! Later wins: defaults, the file, variables `ZHIKU_SECTION__KEY`, command-line flags. Every error
//! names the key, where it was set and what would be right. Opens no other file and knows no index:
//! paths are taken as they stand, relative to the working directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::value::Value;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::answer;
use crate::assist;
use crate::document::Audience;

mod access;
mod layers;
mod validation;

pub use access::{AccessConfig, Anonymous};

pub use layers::nearest;
use layers::{Layer, blank_is_none, by_name};

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "zhiku.toml";

/// Every setting of Zhiku. `zhiku.toml` documents each of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the documents are.
    pub corpus: CorpusConfig,
    /// Where Zhiku writes.
    pub index: IndexConfig,
    /// How changes of the corpus are noticed.
    pub watch: WatchConfig,
    /// What one file may cost.
    pub limits: LimitsConfig,
    /// What turns text into vectors.
    pub embedding: EmbeddingConfig,
    /// How hits are found and ranked.
    pub retrieval: RetrievalConfig,
    /// How agents are assisted during calls.
    pub assist: AssistConfig,
    /// What the public is told.
    pub answer: AnswerConfig,
    /// How HTTP is served.
    pub server: ServerConfig,
    /// Who may ask, and how often.
    pub access: AccessConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// `[corpus]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorpusConfig {
    /// The folder of documents, one folder per department.
    pub path: PathBuf,
    /// IANA name or offset (`+08:00`); decides what day it is, and so which rules are in force.
    pub time_zone: String,
}

/// `[index]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexConfig {
    /// The folder that Zhiku writes.
    pub path: PathBuf,
}

/// `[watch]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchConfig {
    /// How changes are noticed.
    pub mode: WatchMode,
    /// Seconds between two looks, in mode `poll`.
    pub poll_interval_s: u64,
    /// A file that is being written and was not closed is read when it has rested this long.
    pub settle_ms: u64,
    /// Minutes between two comparisons of all files by content; 0: never.
    pub reconcile_minutes: u64,
}

/// How changes of the corpus are noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchMode {
    /// The operating system tells.
    #[default]
    Native,
    /// By looking, for network shares that tell nothing.
    Poll,
    /// Not at all: only at start and when asked.
    Off,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsConfig {
    /// A larger file is listed as failed, not read. JSONL has a limit of its own (2 GiB): it is
    /// read line by line.
    pub max_file_bytes: u64,
}

/// `[embedding]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbeddingConfig {
    /// `built-in`, the name of a model that fastembed knows, or a folder with ONNX and tokenizer.
    pub model: String,
    /// `libonnxruntime.so`; `None`: `ORT_DYLIB_PATH`, then the usual library folders.
    #[serde(with = "blank_is_none")]
    pub onnx_runtime: Option<PathBuf>,
    /// Where models are downloaded from; `None`: `HF_ENDPOINT`, then huggingface.co.
    #[serde(with = "blank_is_none")]
    pub mirror: Option<String>,
    /// Where downloaded models are kept; `None`: `models` inside the index folder.
    #[serde(with = "blank_is_none")]
    pub cache_dir: Option<PathBuf>,
}

/// `[retrieval]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetrievalConfig {
    /// How the lexical and the vector list become one.
    pub fusion: Fusion,
    /// Share of the words in weighted fusion, 0..=1; the vectors have the rest.
    pub lexical_weight: f32,
    /// Candidates that each side contributes to a query, 1..=10,000.
    pub candidates: usize,
    /// Whether a query is also read as what sounds like it, where it reads badly as it is.
    pub by_sound: bool,
    /// Whether wordings under which agents adopted an answer lead to it.
    pub learned: bool,
}

/// How the lexical and the vector list become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fusion {
    /// Weighted sum of normalised scores.
    #[default]
    Weighted,
    /// Reciprocal rank fusion; needs no weight.
    ReciprocalRank,
}

/// `[assist]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssistConfig {
    /// Nothing is recommended unless its first answer is right with this probability, 0..=1; half of it
    /// is enough where the caller asks outright.
    pub min_confidence: f32,
    /// A call in which nothing is said for so many minutes is over.
    pub idle_minutes: u64,
    /// Calls that may go on at once.
    pub max_calls: usize,
    /// What is kept of a call is deleted so many days after its last moment.
    pub retention_days: u64,
}

/// `[answer]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerConfig {
    /// Largest share of wrong answers among those given, 0..=0.5.
    pub max_risk: f32,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Callers see documents of this audience and below.
    #[serde(with = "by_name")]
    pub audience: Audience,
    /// Largest request body.
    pub max_body_bytes: usize,
    /// A request is given up after this long.
    pub request_timeout_ms: u64,
    /// A search stops waiting for a slow side after this long and is marked degraded.
    pub search_deadline_ms: u64,
    /// Searches and document reads that run at once, further ones wait; 0: twice the number of
    /// processors.
    pub max_concurrent_searches: usize,
    /// How long requests under way may take to end at shutdown.
    pub drain_timeout_ms: u64,
    /// Origins of pages that may use `/mcp`, besides those of this machine.
    pub mcp_origins: Vec<String>,
    /// How long the head of a request may take to arrive.
    pub header_timeout_ms: u64,
    /// The certificate, with those that lead to its issuer, as PEM; `None`: no TLS.
    #[serde(with = "blank_is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// Its private key, as PEM.
    #[serde(with = "blank_is_none")]
    pub tls_key: Option<PathBuf>,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// How a log line looks.
    pub format: LogFormat,
    /// A level, or directives such as `info,zhiku::retrieval=debug`.
    pub level: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line, for collectors.
    Json,
}

impl Default for CorpusConfig {
    fn default() -> Self {
        Self {
            path: "corpus".into(),
            time_zone: "Asia/Shanghai".to_owned(),
        }
    }
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self {
            path: "index".into(),
        }
    }
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            mode: WatchMode::Native,
            poll_interval_s: 5,
            settle_ms: 1_000,
            reconcile_minutes: 10,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_file_bytes: 128 * 1024 * 1024,
        }
    }
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self {
            model: "built-in".to_owned(),
            onnx_runtime: None,
            mirror: None,
            cache_dir: None,
        }
    }
}

impl Default for RetrievalConfig {
    fn default() -> Self {
        Self {
            fusion: Fusion::Weighted,
            lexical_weight: 0.6,
            candidates: 200,
            by_sound: true,
            learned: true,
        }
    }
}

impl Default for AssistConfig {
    fn default() -> Self {
        Self {
            min_confidence: 0.2,
            idle_minutes: 30,
            max_calls: 2_000,
            retention_days: 180,
        }
    }
}

impl Default for AnswerConfig {
    fn default() -> Self {
        Self { max_risk: 0.05 }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            audience: Audience::Agent,
            max_body_bytes: 1024 * 1024,
            request_timeout_ms: 10_000,
            search_deadline_ms: 500,
            max_concurrent_searches: 0,
            drain_timeout_ms: 10_000,
            mcp_origins: Vec::new(),
            header_timeout_ms: 30_000,
            tls_certificate: None,
            tls_key: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

/// Settings given as command-line flags; `None` leaves a setting as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `--corpus`
    pub corpus: Option<PathBuf>,
    /// `--index`
    pub index: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--embedding`
    pub embedding: Option<String>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be opened.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}: not valid TOML: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected there.
        reason: String,
    },
    /// A key that Zhiku does not know.
    #[error("{origin}: unknown key `{key}`; {hint}")]
    UnknownKey {
        /// The file or variable.
        origin: String,
        /// Section and key.
        key: String,
        /// The nearest known key, or all of them.
        hint: String,
    },
    /// A value that a setting cannot have.
    #[error("{origin}: `{key}`: {reason}")]
    Value {
        /// The file, variable or flag.
        origin: String,
        /// Section and key.
        key: String,
        /// What is wrong and what would be right.
        reason: String,
    },
}

impl Config {
    /// Resolves the configuration of one process.
    ///
    /// `file` must exist when named; without it [`DEFAULT_FILE`] in the working directory is read
    /// if it exists. Of `environment` (name, value) only names `ZHIKU_SECTION__KEY` count.
    ///
    /// # Errors
    /// The first thing found wrong, see [`ConfigError`].
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let mut layers = Vec::new();
        match file {
            Some(path) => layers.push(Layer::file(path)?),
            None if Path::new(DEFAULT_FILE).exists() => {
                layers.push(Layer::file(Path::new(DEFAULT_FILE))?);
            }
            None => {}
        }
        layers.extend(layers::environment(environment)?);
        layers.extend(overrides.layers());
        resolve(layers)
    }

    /// How calls are assisted.
    pub fn assist_settings(&self) -> assist::Settings {
        assist::Settings {
            min_confidence: self.assist.min_confidence,
            patience: Some(Duration::from_millis(self.server.search_deadline_ms)),
            as_of: None,
            sight: self.server.audience.into(),
        }
    }

    /// When the public is answered.
    pub fn answer_settings(&self) -> answer::Settings {
        answer::Settings {
            max_risk: self.answer.max_risk,
            patience: Some(Duration::from_millis(self.server.search_deadline_ms)),
        }
    }

    /// The time zone of the corpus.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when the name is unknown to this system.
    pub fn time_zone(&self) -> Result<TimeZone, ConfigError> {
        validation::time_zone(&self.corpus.time_zone).map_err(|reason| ConfigError::Value {
            origin: "configuration".to_owned(),
            key: "corpus.time_zone".to_owned(),
            reason,
        })
    }
}

impl Overrides {
    fn layers(&self) -> Vec<Layer> {
        let text = |value: &Path| Value::from(value.to_string_lossy().into_owned());
        let flags = [
            ("--corpus", "corpus.path", self.corpus.as_deref().map(text)),
            ("--index", "index.path", self.index.as_deref().map(text)),
            (
                "--listen",
                "server.listen",
                self.listen.map(|a| Value::from(a.to_string())),
            ),
            (
                "--embedding",
                "embedding.model",
                self.embedding.clone().map(Value::from),
            ),
        ];
        flags
            .into_iter()
            .filter_map(|(flag, key, value)| Some(Layer::single(flag, key, value?)))
            .collect()
    }
}

/// The environment of this process, for [`Config::load`]. Names that are not UTF-8 are left out.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    let readable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((
            name.into_string().ok()?,
            value.to_string_lossy().into_owned(),
        ))
    };
    std::env::vars_os().filter_map(readable)
}

/// Lays `layers` over the defaults, later ones on top, and validates the outcome.
fn resolve(layers: Vec<Layer>) -> Result<Config, ConfigError> {
    let mut figment = Figment::from(figment::providers::Serialized::defaults(Config::default()));
    for layer in layers {
        layer.check_keys()?;
        figment = figment.merge(layer);
    }
    let config: Config = figment.extract().map_err(layers::value_error)?;
    validation::check_values(&config).map_err(|(key, reason)| ConfigError::Value {
        origin: layers::origin_of(&figment, key),
        key: key.to_owned(),
        reason,
    })?;
    Ok(config)
}
