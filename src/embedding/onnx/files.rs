//! The files of a transformer model: in a local folder, or fetched from a hub into a cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use fastembed::{Pooling, TokenizerFiles};
use hf_hub::api::sync::{ApiBuilder, ApiRepo};

use super::known::Known;
use crate::embedding::EmbeddingError;

/// Where a model's graph may stand in a folder, first match wins.
const GRAPHS: [&str; 5] = [
    "model.onnx",
    "onnx/model.onnx",
    "model_optimized.onnx",
    "model_quantized.onnx",
    "onnx/model_quantized.onnx",
];

/// The files that fastembed needs to cut text into tokens.
pub const TOKENIZER_FILES: [&str; 4] = [
    "tokenizer.json",
    "config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
];

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// A model in a local folder, read into memory.
pub struct LocalFiles {
    /// The graph, with its weights or next to them.
    pub graph: Vec<u8>,
    /// Files with weights that the graph names: name and contents.
    pub weights: Vec<(String, Vec<u8>)>,
    /// How text is cut into tokens.
    pub tokenizer: TokenizerFiles,
    /// How token vectors become one.
    pub pooling: Pooling,
    /// Whether activations are quantised by what a batch holds.
    pub dynamic: bool,
    /// What is put in front of queries and of passages.
    pub instructions: [String; 2],
}

impl LocalFiles {
    /// Reads a folder that holds an ONNX graph and the four tokenizer files.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] that names the folder and every file that is missing.
    pub fn read(folder: &Path) -> Result<Self, EmbeddingError> {
        let graph = GRAPHS
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file());
        let mut missing: Vec<&str> = TOKENIZER_FILES
            .into_iter()
            .filter(|name| !folder.join(name).is_file())
            .collect();
        if graph.is_none() {
            missing.insert(0, GRAPHS[0]);
        }
        let Some(graph) = graph.filter(|_| missing.is_empty()) else {
            return Err(EmbeddingError::Model(format!(
                "the embedding model folder {} lacks {}; place an ONNX export of the model there with its {}",
                folder.display(),
                missing.join(", "),
                TOKENIZER_FILES.join(", "),
            )));
        };
        let file = |name: &str| read(&folder.join(name));
        Ok(Self {
            dynamic: {
                let name = graph
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .to_lowercase();
                name.contains("quantized") || name.contains("int8")
            },
            weights: weights_beside(&graph)?,
            graph: read(&graph)?,
            tokenizer: TokenizerFiles {
                tokenizer_file: file(TOKENIZER_FILES[0])?,
                config_file: file(TOKENIZER_FILES[1])?,
                special_tokens_map_file: file(TOKENIZER_FILES[2])?,
                tokenizer_config_file: file(TOKENIZER_FILES[3])?,
            },
            pooling: pooling(folder)?,
            instructions: instructions(folder)?,
        })
    }
}

fn weights_beside(graph: &Path) -> Result<Vec<(String, Vec<u8>)>, EmbeddingError> {
    let Some(name) = graph.file_name() else {
        return Ok(Vec::new());
    };
    let mut weights = Vec::new();
    for suffix in ["_data", ".data"] {
        let name = format!("{}{suffix}", name.to_string_lossy());
        let path = graph.with_file_name(&name);
        if path.is_file() {
            weights.push((name, read(&path)?));
        }
    }
    Ok(weights)
}

/// The pooling that sentence-transformers writes down; without it, the first token for models
/// named bge, else the mean.
fn pooling(folder: &Path) -> Result<Pooling, EmbeddingError> {
    let path = folder.join("1_Pooling/config.json");
    if path.is_file() {
        let first_token = json(&path)?["pooling_mode_cls_token"]
            .as_bool()
            .unwrap_or(false);
        return Ok(if first_token {
            Pooling::Cls
        } else {
            Pooling::Mean
        });
    }
    Ok(if folder_name(folder).contains("bge") {
        Pooling::Cls
    } else {
        Pooling::Mean
    })
}

/// The prompts that sentence-transformers writes down, else what a model of that name wants.
fn instructions(folder: &Path) -> Result<[String; 2], EmbeddingError> {
    let path = folder.join("config_sentence_transformers.json");
    if path.is_file() {
        let prompts = &json(&path)?["prompts"];
        let prompt = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| prompts[*name].as_str())
                .map(str::to_owned)
        };
        if let Some(query) = prompt(["query", "s2p_query"]) {
            return Ok([query, prompt(["document", "passage"]).unwrap_or_default()]);
        }
    }
    Ok(Known::instructions_by_name(&folder_name(folder)).map(str::to_owned))
}

fn folder_name(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase()
}

fn json(path: &Path) -> Result<serde_json::Value, EmbeddingError> {
    serde_json::from_slice(&read(path)?)
        .map_err(|error| EmbeddingError::Model(format!("{} is not JSON: {error}", path.display())))
}

fn read(path: &Path) -> Result<Vec<u8>, EmbeddingError> {
    fs::read(path).map_err(|error| {
        EmbeddingError::Model(format!("{} cannot be read: {error}", path.display()))
    })
}

/// Brings the files of a named model into the hub's cache folder, and returns that folder.
///
/// Files that are there already are not asked for again. The hub is `mirror`, else `HF_ENDPOINT`,
/// else huggingface.co; the folder is `HF_HOME`, else `cache`.
///
/// # Errors
/// [`EmbeddingError::Model`] that says what to place where, or which mirror to set.
pub fn fetch(known: &Known, mirror: Option<&str>, cache: &Path) -> Result<PathBuf, EmbeddingError> {
    let cache = env::var_os("HF_HOME").map_or_else(|| cache.to_owned(), PathBuf::from);
    let endpoint = mirror
        .map(str::to_owned)
        .or_else(|| env::var("HF_ENDPOINT").ok());
    let endpoint = endpoint
        .filter(|e| !e.is_empty())
        .unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
    let info = known.info()?;
    let failed = |file: &str, error: &dyn std::fmt::Display| {
        EmbeddingError::Model(format!(
            "{file} of the embedding model {} ({}) is not in {} and cannot be fetched from {endpoint}: {error}. \
             Without access to it, set a mirror (embedding.mirror or HF_ENDPOINT, e.g. https://hf-mirror.com), or \
             download the repository elsewhere and name its folder in embedding.model (it needs model.onnx, {})",
            known.name,
            info.model_code,
            cache.display(),
            TOKENIZER_FILES.join(", "),
        ))
    };
    // Given a token, the builder does not look for one in the home folder, of which there may be none.
    let token = env::var("HF_TOKEN")
        .ok()
        .filter(|token| !token.trim().is_empty());
    let hub = hf_hub::Cache::new(cache.clone());
    let api = ApiBuilder::from_cache(hub)
        .with_endpoint(endpoint.clone())
        .with_token(token)
        .with_progress(false);
    let repository: ApiRepo = api
        .build()
        .map_err(|error| failed(&info.model_file, &error))?
        .model(info.model_code.clone());
    let files = [info.model_file.as_str()]
        .into_iter()
        .chain(info.additional_files.iter().map(String::as_str));
    for file in files.chain(TOKENIZER_FILES) {
        repository.get(file).map_err(|error| failed(file, &error))?;
    }
    Ok(cache)
}
