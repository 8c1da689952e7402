//! Transformer models through fastembed and ONNX Runtime: named ones and ones in a local folder.
//!
//! Everything that can be missing (the runtime, a file, the network) is an error that says what to
//! place where. Knows nothing of how vectors are used.

mod files;
mod known;
mod runtime;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use fastembed::{
    InitOptionsUserDefined, QuantizationMode, TextEmbedding, TextInitOptions,
    UserDefinedEmbeddingModel,
};

pub use known::{KNOWN, Known};

use super::{Embedder, EmbeddingError};
use files::LocalFiles;

/// Texts that go through the model at once. The attention of a batch is padded to its longest
/// text; with 16 of like length little is wasted and memory stays small.
const BATCH: usize = 16;

/// Tokens of a text that the model sees; the rest is cut off.
const MAX_TOKENS: usize = 512;

/// A transformer model. Calls from several threads wait for each other.
pub struct OnnxEmbedder {
    id: String,
    dimension: usize,
    instructions: [String; 2],
    batch: usize,
    model: Mutex<TextEmbedding>,
}

impl OnnxEmbedder {
    /// A model by name, fetched from the hub unless its files are in `cache` already.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] that says what is missing and what to do.
    pub fn named(
        known: &Known,
        onnx_runtime: Option<&Path>,
        mirror: Option<&str>,
        cache: &Path,
    ) -> Result<Self, EmbeddingError> {
        runtime::load(onnx_runtime)?;
        let folder = files::fetch(known, mirror, cache)?;
        let options = TextInitOptions::new(known.model.clone())
            .with_cache_dir(folder)
            .with_max_length(MAX_TOKENS)
            .with_show_download_progress(false);
        let model = guarded(known.name, || TextEmbedding::try_new(options))?;
        let dynamic =
            TextEmbedding::get_quantization_mode(&known.model) == QuantizationMode::Dynamic;
        let instructions = Known::instructions_by_name(known.name).map(str::to_owned);
        Self::new(
            format!("fastembed-{}", known.name),
            model,
            dynamic,
            instructions,
        )
    }

    /// A model in a folder: an ONNX graph and the four tokenizer files.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] that says what is missing and what to do.
    pub fn local(folder: &Path, onnx_runtime: Option<&Path>) -> Result<Self, EmbeddingError> {
        let files = LocalFiles::read(folder)?;
        runtime::load(onnx_runtime)?;
        let id = local_id(&files);
        let quantization = if files.dynamic {
            QuantizationMode::Dynamic
        } else {
            QuantizationMode::None
        };
        let mut model = UserDefinedEmbeddingModel::new(files.graph, files.tokenizer)
            .with_pooling(files.pooling)
            .with_quantization(quantization);
        for (name, weights) in files.weights {
            model = model.with_external_initializer(name, weights);
        }
        let options = InitOptionsUserDefined::new().with_max_length(MAX_TOKENS);
        let name = folder.display().to_string();
        let model = guarded(&name, || {
            TextEmbedding::try_new_from_user_defined(model, options)
        })?;
        Self::new(id, model, files.dynamic, files.instructions)
    }

    /// Runs the model once: its dimension is known then, and that it runs at all.
    fn new(
        id: String,
        model: TextEmbedding,
        dynamic: bool,
        instructions: [String; 2],
    ) -> Result<Self, EmbeddingError> {
        // A dynamically quantised model scales its numbers by what else is in the batch. One text
        // at a time, the same text always gets the same vector.
        let batch = if dynamic { 1 } else { BATCH };
        let mut embedder = Self {
            id,
            dimension: 0,
            instructions,
            batch,
            model: Mutex::new(model),
        };
        embedder.dimension = embedder.run(&["你好"])?.first().map_or(0, Vec::len);
        if embedder.dimension == 0 {
            return Err(EmbeddingError::Model(format!(
                "embedding model {} gives empty vectors",
                embedder.id
            )));
        }
        Ok(embedder)
    }

    /// Vectors of at most [`Self::batch`] texts, of length 1.
    fn run(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let vectors = catch_unwind(AssertUnwindSafe(|| model.embed(texts, None)))
            .map_err(|_| EmbeddingError::Run(format!("{} panicked", self.id)))?
            .map_err(|error| EmbeddingError::Run(format!("{}: {error}", self.id)))?;
        let fits = |v: &Vec<f32>| self.dimension == 0 || v.len() == self.dimension;
        if vectors.len() != texts.len() || !vectors.iter().all(fits) {
            return Err(EmbeddingError::Run(format!(
                "{} gave vectors of another number or length",
                self.id
            )));
        }
        Ok(vectors.into_iter().map(unit).collect())
    }

    /// Vectors of any number of texts: batches of like length, results in the order given.
    fn run_all(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&i| (texts[i].len(), i));
        let mut vectors = vec![Vec::new(); texts.len()];
        for batch in order.chunks(self.batch) {
            let part: Vec<&str> = batch.iter().map(|&i| texts[i].as_str()).collect();
            for (&i, vector) in batch.iter().zip(self.run(&part)?) {
                vectors[i] = vector;
            }
        }
        Ok(vectors)
    }
}

impl Embedder for OnnxEmbedder {
    fn id(&self) -> &str {
        &self.id
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed_passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let texts: Vec<String> = texts
            .iter()
            .map(|text| format!("{}{text}", self.instructions[1]))
            .collect();
        self.run_all(&texts)
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingError> {
        let vectors = self.run_all(&[format!("{}{text}", self.instructions[0])])?;
        vectors
            .into_iter()
            .next()
            .ok_or_else(|| EmbeddingError::Run(format!("{} gave no vector", self.id)))
    }
}

/// Names the weights, the tokenizer and the pooling of a local model.
fn local_id(files: &LocalFiles) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(&files.graph);
    for (_, weights) in &files.weights {
        hash.update(weights);
    }
    hash.update(&files.tokenizer.tokenizer_file);
    hash.update(format!("{:?} {:?}", files.pooling, files.instructions).as_bytes());
    format!("onnx-{}", &hash.finalize().to_hex()[..16])
}

/// Loads a model; an error or a panic inside the libraries becomes an error that names the model.
fn guarded(
    name: &str,
    load: impl FnOnce() -> Result<TextEmbedding, fastembed::Error>,
) -> Result<TextEmbedding, EmbeddingError> {
    let failed = |why: String| {
        EmbeddingError::Model(format!("embedding model {name} cannot be loaded: {why}"))
    };
    catch_unwind(AssertUnwindSafe(load))
        .map_err(|_| failed("a library panicked".to_owned()))?
        .map_err(|error| failed(error.to_string()))
}

/// Scales to length 1; a vector that has no usable length becomes zeros.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    let usable = length.is_finite() && length > 0.0;
    vector
        .iter_mut()
        .for_each(|v| *v = if usable { *v / length } else { 0.0 });
    vector
}
