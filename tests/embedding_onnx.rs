//! Models run by ONNX Runtime.
//!
//! 1. A local folder loads, and the same text gives the same unit vector alone, in a batch and in
//!    any order.
//! 2. Instructions are put in front of queries and only there.
//! 3. What is missing is named: files of the folder, the runtime, a model of an unknown name.
//! 4. Damaged files are errors, never a panic.
//!
//! 1, 2 and parts of 4 need the folder that `scripts/make-test-model` writes, named in
//! `ZHIKU_TEST_ONNX_MODEL`, and ONNX Runtime in `ORT_DYLIB_PATH`. `scripts/test` sets both.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zhiku::embedding::{Embedder, EmbeddingError, EmbeddingSettings, open};

/// The folder of the test model, or `None` (and a line that says so) where it was not made.
fn test_model() -> Option<PathBuf> {
    let folder = std::env::var_os("ZHIKU_TEST_ONNX_MODEL").map(PathBuf::from);
    if folder.is_none() || std::env::var_os("ORT_DYLIB_PATH").is_none() {
        eprintln!("skipped: set ZHIKU_TEST_ONNX_MODEL and ORT_DYLIB_PATH (scripts/test does)");
        return None;
    }
    folder
}

fn open_folder(folder: &Path) -> Result<Arc<dyn Embedder>, EmbeddingError> {
    open(&EmbeddingSettings {
        model: folder.display().to_string(),
        ..EmbeddingSettings::default()
    })
}

/// A copy of the test model with one file changed; `None` deletes it.
fn changed(model: &Path, name: &str, contents: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(model).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join(name);
    match contents {
        Some(contents) => {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        None => fs::remove_file(path).unwrap(),
    }
    folder
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn the_same_text_gives_the_same_vector_in_any_batch() {
    let Some(model) = test_model() else { return };
    let embedder = open_folder(&model).unwrap();
    assert_eq!(embedder.dimension(), 16);
    let texts: Vec<String> = (1..40)
        .map(|i| "云溪市社保办理".repeat(i % 7 + 1) + &"养老".repeat(i))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = embedder.embed_passages(&texts).unwrap();
    assert_eq!(together.len(), texts.len());
    for (text, vector) in texts.iter().zip(&together) {
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
        let alone = &embedder.embed_passages(&[text]).unwrap()[0];
        assert!(cosine(vector, alone) > 0.9999, "{text}");
    }
    assert!(embedder.embed_passages(&[]).unwrap().is_empty());
    assert!(
        cosine(&together[0], &together[5]) < 0.9999,
        "different texts differ"
    );
}

#[test]
fn hostile_texts_are_embedded_too() {
    let Some(model) = test_model() else { return };
    let embedder = open_folder(&model).unwrap();
    for text in ["", "\0\u{feff}", "🂡🂢", &"养老".repeat(50_000)] {
        let vector = embedder.embed_query(text).unwrap();
        assert!(vector.len() == 16 && vector.iter().all(|v| v.is_finite()));
    }
}

#[test]
fn instructions_stand_in_front_of_queries_only() {
    let Some(model) = test_model() else { return };
    let prompts = r#"{"prompts": {"query": "为这个句子生成表示以用于检索相关文章："}}"#;
    let folder = changed(&model, "config_sentence_transformers.json", Some(prompts));
    let (plain, instructed) = (
        open_folder(&model).unwrap(),
        open_folder(folder.path()).unwrap(),
    );
    assert_ne!(plain.id(), instructed.id(), "other vectors, other id");
    let text = "公积金怎么办理";
    let full = "为这个句子生成表示以用于检索相关文章：公积金怎么办理";
    assert_eq!(
        instructed.embed_query(text).unwrap(),
        plain.embed_query(full).unwrap()
    );
    assert_eq!(
        instructed.embed_passages(&[text]).unwrap(),
        plain.embed_passages(&[text]).unwrap()
    );
    assert_eq!(
        plain.embed_query(text).unwrap(),
        plain.embed_passages(&[text]).unwrap()[0]
    );
}

#[test]
fn a_damaged_folder_is_an_error() {
    let Some(model) = test_model() else { return };
    for (name, contents) in [
        ("model.onnx", "not a graph"),
        ("tokenizer.json", "{}"),
        ("tokenizer_config.json", "{\"pad_token\": \"[PAD]\"}"),
        ("config.json", "["),
        ("config_sentence_transformers.json", "["),
        ("1_Pooling/config.json", "["),
    ] {
        let folder = changed(&model, name, Some(contents));
        match open_folder(folder.path()) {
            Err(EmbeddingError::Model(message)) => {
                assert!(
                    message.contains(&folder.path().display().to_string()),
                    "{name}: {message}"
                );
            }
            Err(error) => panic!("{name}: {error:?}"),
            Ok(_) => panic!("{name} was accepted"),
        }
    }
}

#[test]
fn missing_files_are_listed_before_anything_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    let message = open_folder(folder.path()).err().unwrap().to_string();
    for part in [
        "model.onnx, config.json",
        &folder.path().display().to_string(),
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let settings = EmbeddingSettings {
        model: "bge-huge-zh".to_owned(),
        ..EmbeddingSettings::default()
    };
    let message = open(&settings).err().unwrap().to_string();
    for part in [
        "bge-huge-zh",
        "built-in",
        "bge-small-zh-v1.5",
        "multilingual-e5-small",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn a_named_model_without_network_says_what_to_set() {
    if test_model().is_none() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let settings = EmbeddingSettings {
        model: "bge-small-zh-v1.5".to_owned(),
        mirror: Some("http://127.0.0.1:9".to_owned()), // nothing listens on the discard port
        cache_dir: Some(cache.path().to_owned()),
        ..EmbeddingSettings::default()
    };
    let message = open(&settings).err().unwrap().to_string();
    for part in [
        "Xenova/bge-small-zh-v1.5",
        "http://127.0.0.1:9",
        "embedding.mirror",
        "tokenizer.json",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}
