//! `GET /v1/documents/{id}/original`: the file's bytes, as they were indexed.
//!
//! A file is served only while its bytes are the ones that were indexed: who may see it was decided
//! on those. That also keeps out whatever takes a file's place later, a link out of the corpus
//! included. Files come from many hands, so a browser gets them without scripts, in a sandbox.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::backend::Original;
use super::caller::Caller;
use super::problem::{Problem, ProblemBody, ProblemKind};

/// What a browser may do with most files: show them, with their own styles and pictures.
const SANDBOX: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";
/// Browsers refuse to show a PDF in a sandbox; their viewers give it no access to this origin.
const PDF_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'";

/// Read a document's file
///
/// The bytes that were indexed, with their content type.
#[utoipa::path(
    get,
    path = "/v1/documents/{id}/original",
    tag = "documents",
    params(("id" = String, Path, description = "The document's id")),
    responses(
        (status = 200, description = "The file", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "There is none for this caller", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The file has changed since it was indexed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn original(
    app: Arc<App>,
    caller: Caller,
    id: String,
) -> Result<Response, Problem> {
    app.ready(0)?;
    let (corpus, max_bytes) = (app.corpus.clone(), app.max_file_bytes);
    let answer = app.run(move |backend| {
        let original = backend
            .original(&id, caller.sight())?
            .ok_or_else(|| Problem::no_document(&id))?;
        let bytes = read_indexed(&corpus, &original, max_bytes)?;
        Ok::<_, Problem>((original, bytes))
    });
    let (original, bytes) = answer.await??;
    Ok(file_response(&original, bytes))
}

/// The file's bytes, if they are the ones that were indexed.
fn read_indexed(corpus: &Path, original: &Original, max_bytes: u64) -> Result<Vec<u8>, Problem> {
    let changed = || {
        let detail = "The file was changed or removed after it was indexed.";
        Problem::new(ProblemKind::OriginalChanged, detail)
    };
    let path = match inside(corpus, &original.path) {
        Ok(Some(path)) => path,
        Ok(None) => {
            tracing::warn!(
                path = original.path,
                "refused an original outside the corpus"
            );
            return Err(changed());
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Err(changed()),
        Err(err) => return Err(Problem::internal(format_args!("{}: {err}", original.path))),
    };
    let bytes = read_limited(&path, max_bytes)
        .map_err(|err| Problem::internal(format_args!("{}: {err}", original.path)))?;
    match bytes {
        Some(bytes) if blake3::hash(&bytes).to_hex().as_str() == original.content_hash => Ok(bytes),
        _ => Err(changed()),
    }
}

/// Where `path` really is, if that is inside `corpus`.
fn inside(corpus: &Path, path: &str) -> io::Result<Option<PathBuf>> {
    let relative = Path::new(path);
    if !relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return Ok(None);
    }
    let corpus = corpus.canonicalize()?;
    let real = corpus.join(relative).canonicalize()?;
    Ok(Some(real).filter(|real| real.starts_with(&corpus)))
}

/// The bytes of a regular file; `None` if it is none or has more than `max_bytes`.
fn read_limited(path: &Path, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    // Asked before opening: opening a pipe would wait for a writer.
    if !path.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= max_bytes))
}

fn file_response(original: &Original, bytes: Vec<u8>) -> Response {
    let name = original.path.rsplit('/').next().unwrap_or(&original.path);
    let (content_type, shown) = content_type(name);
    let policy = if content_type == "application/pdf" {
        PDF_POLICY
    } else {
        SANDBOX
    };
    let nosniff = HeaderName::from_static("x-content-type-options");
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            content_disposition(name, shown),
        ),
        (header::CONTENT_SECURITY_POLICY, policy.to_owned()),
        (header::ETAG, format!("\"{}\"", original.content_hash)),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (nosniff, "nosniff".to_owned()),
    ];
    (headers, bytes).into_response()
}

/// The content type of a file by its extension, and whether a browser shows it in place.
///
/// Text has no charset: the files say in which one they are, or a browser finds out.
fn content_type(name: &str) -> (&'static str, bool) {
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("html" | "htm") => ("text/html", true),
        Some("txt" | "md" | "markdown") => ("text/plain", true),
        Some("pdf") => ("application/pdf", true),
        Some("csv") => ("text/csv", false),
        Some("json") => ("application/json", false),
        Some("jsonl") => ("application/jsonl", false),
        Some("doc") => ("application/msword", false),
        Some("xls") => ("application/vnd.ms-excel", false),
        Some("ppt") => ("application/vnd.ms-powerpoint", false),
        Some("docx") => (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            false,
        ),
        Some("xlsx") => (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            false,
        ),
        Some("pptx") => (
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            false,
        ),
        Some("ofd") => ("application/ofd", false),
        _ => ("application/octet-stream", false),
    }
}

/// RFC 6266: the name in UTF-8, and a plain one for clients that do not read that.
fn content_disposition(name: &str, shown: bool) -> String {
    let disposition = if shown { "inline" } else { "attachment" };
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || ".-_ ".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{disposition}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_in_both_forms() {
        assert_eq!(
            content_disposition("退休 表\"1.pdf", true),
            "inline; filename=\"__ __1.pdf\"; filename*=UTF-8''%E9%80%80%E4%BC%91%20%E8%A1%A8%221.pdf"
        );
    }

    #[test]
    fn paths_stay_inside_the_corpus() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = folder.path().join("corpus");
        std::fs::create_dir_all(corpus.join("a")).unwrap();
        std::fs::write(corpus.join("a/in.txt"), "in").unwrap();
        std::fs::write(folder.path().join("out.txt"), "out").unwrap();
        std::os::unix::fs::symlink(folder.path().join("out.txt"), corpus.join("a/link.txt"))
            .unwrap();
        let found = |path: &str| inside(&corpus, path).unwrap().is_some();
        assert!(found("a/in.txt"));
        assert!(!found("a/link.txt"), "a link out of the corpus");
        assert!(!found("../out.txt"));
        assert!(!found("a/../../out.txt"));
        assert!(!found(folder.path().join("out.txt").to_str().unwrap()));
    }

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(
            read_limited(&path, 5).unwrap().as_deref(),
            Some("12345".as_bytes())
        );
        assert_eq!(read_limited(&path, 4).unwrap(), None);
        assert_eq!(read_limited(folder.path(), 4).unwrap(), None);
    }
}
