//! Finding ONNX Runtime, a shared library that is loaded while Zhiku runs.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::embedding::EmbeddingError;

/// Folders where packages put shared libraries.
const USUAL_FOLDERS: [&str; 6] = [
    "/usr/local/lib",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/onnxruntime/lib",
];

/// The library that this process has loaded; a process loads one and keeps it.
static LOADED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Loads ONNX Runtime: from `configured`, else from `ORT_DYLIB_PATH`, else beside the program or
/// in the usual folders. Does nothing if it is loaded already.
///
/// # Errors
/// [`EmbeddingError::Model`] that says where the library was looked for and how to get one.
pub fn load(configured: Option<&Path>) -> Result<(), EmbeddingError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if loaded.is_some() {
        return Ok(());
    }
    let path = find(
        configured,
        env::var_os("ORT_DYLIB_PATH").map(PathBuf::from).as_deref(),
        &usual_places(),
    )?;
    // A library that is no ONNX Runtime can trip assertions inside the loader.
    match catch_unwind(AssertUnwindSafe(|| ort::init_from(&path).map(drop))) {
        Ok(Ok(())) => {
            *loaded = Some(path);
            Ok(())
        }
        Ok(Err(error)) => Err(unusable(&path, &error.to_string())),
        Err(_) => Err(unusable(&path, "it is not ONNX Runtime")),
    }
}

/// The named library, which must exist, else the first that does among `places`.
fn find(
    configured: Option<&Path>,
    variable: Option<&Path>,
    places: &[PathBuf],
) -> Result<PathBuf, EmbeddingError> {
    let named = [
        ("embedding.onnx_runtime", configured),
        ("ORT_DYLIB_PATH", variable),
    ];
    for (setting, path) in named {
        let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
            continue;
        };
        let path = if path.is_dir() {
            path.join(library_name())
        } else {
            path.to_owned()
        };
        return path.is_file().then(|| path.clone()).ok_or_else(|| {
            EmbeddingError::Model(format!(
                "{setting} names {}, which does not exist; {HOW_TO_GET}",
                path.display()
            ))
        });
    }
    places
        .iter()
        .find(|path| path.is_file())
        .cloned()
        .ok_or_else(|| {
            let places: Vec<String> = places
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            EmbeddingError::Model(format!(
                "this embedding model needs ONNX Runtime, which is in none of {}; {HOW_TO_GET}",
                places.join(", ")
            ))
        })
}

const HOW_TO_GET: &str = "take libonnxruntime.so 1.24 or later from \
    https://github.com/microsoft/onnxruntime/releases (or out of the PyPI package onnxruntime, \
    onnxruntime/capi/libonnxruntime.so.*), place it beside the zhiku program or name it in \
    embedding.onnx_runtime or ORT_DYLIB_PATH; or use embedding.model = \"built-in\", which needs nothing";

fn unusable(path: &Path, why: &str) -> EmbeddingError {
    EmbeddingError::Model(format!(
        "ONNX Runtime at {} cannot be used: {why}; {HOW_TO_GET}",
        path.display()
    ))
}

fn usual_places() -> Vec<PathBuf> {
    let beside = env::current_exe()
        .ok()
        .and_then(|program| program.parent().map(Path::to_owned));
    let folders = beside
        .into_iter()
        .chain(USUAL_FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(library_name())).collect()
}

fn library_name() -> &'static str {
    if cfg!(target_os = "macos") {
        "libonnxruntime.dylib"
    } else if cfg!(target_os = "windows") {
        "onnxruntime.dll"
    } else {
        "libonnxruntime.so"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_configured_library_comes_first_and_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = ["a.so", "b.so"].map(|name| folder.path().join(name));
        fs::write(&here, "").unwrap();
        let found = |configured, variable, places: &[PathBuf]| find(configured, variable, places);
        assert_eq!(found(Some(&here), Some(&there), &[]).unwrap(), here);
        assert_eq!(
            found(None, None, &[there.clone(), here.clone()]).unwrap(),
            here
        );
        assert_eq!(
            found(None, Some(Path::new("")), std::slice::from_ref(&here)).unwrap(),
            here
        );
        let error = found(None, Some(&there), std::slice::from_ref(&here))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("ORT_DYLIB_PATH") && error.contains("b.so"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_library_is_an_error_that_says_what_to_place_where() {
        let error = find(None, None, &[PathBuf::from("/nowhere/libonnxruntime.so")])
            .unwrap_err()
            .to_string();
        for hint in [
            "/nowhere/libonnxruntime.so",
            "embedding.onnx_runtime",
            "releases",
            "built-in",
        ] {
            assert!(error.contains(hint), "{hint} in {error}");
        }
    }

    #[test]
    fn a_folder_stands_for_the_library_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(library_name()), "").unwrap();
        assert_eq!(
            find(Some(folder.path()), None, &[]).unwrap(),
            folder.path().join(library_name())
        );
    }
}
