//! `zhiku restore`: a state that a document had becomes a file of the corpus again.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::Places;
use super::output::print;
use super::versions::{open_records, version_of};
use crate::corpus::folder_defaults::FolderDefaults;
use crate::corpus::rendition::{Place, Rendition, render};
use crate::corpus::walk::{SIDECAR_SUFFIX, is_passed_over};
use crate::document::Document;
use crate::records::{Records, Version, id_within};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// The document's id
    id: String,
    /// Number of the version, as `zhiku versions ID` shows it
    version: u32,
    /// Where to write it: a path inside the corpus that ends in .md
    #[arg(long, value_name = "PATH")]
    to: String,
    /// Replace the file that stands there
    #[arg(long)]
    overwrite: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    let corpus = &config.corpus.path;
    let records = open_records(&config)?;
    let (version, document) = version_of(&records, &arguments.id, arguments.version)?;
    let path = arguments.to.as_str();
    let target = target(corpus, path, arguments.overwrite)
        .with_context(|| format!("cannot restore to {path:?}"))?;

    let defaults = FolderDefaults::load_above(corpus, [path]).layer_for(path);
    let states_id = id_within(&document.id, &document.path).is_none();
    let id_owner = id_owner(&records, &document, states_id, path)?;
    let place = Place {
        path,
        defaults: &defaults,
        states_id: states_id && id_owner.is_none(),
    };
    let rendition = render(&document, place).with_context(|| {
        format!(
            "cannot restore version {} of {}",
            version.number, document.id
        )
    })?;
    write(&target, &rendition.markdown, arguments.overwrite)
        .with_context(|| format!("cannot write {}", target.display()))?;
    print(&to_text(path, &version, &rendition, id_owner.as_deref()))?;
    Ok(ExitCode::SUCCESS)
}

/// The file that bears the id which the document states, if it is another than `path`: the id is
/// left to it.
fn id_owner(
    records: &Records,
    document: &Document,
    states_id: bool,
    path: &str,
) -> anyhow::Result<Option<String>> {
    if !states_id {
        return Ok(None);
    }
    let owner = records.path_of(&document.id)?;
    Ok(owner.filter(|owner| owner != path))
}

/// Where `path` is, if a file there would be found by a walk of the corpus and may be written.
fn target(corpus: &Path, path: &str, overwrite: bool) -> anyhow::Result<PathBuf> {
    if !corpus.is_dir() {
        bail!(
            "there is no corpus at {}; name it with --corpus",
            corpus.display()
        );
    }
    if !path.ends_with(".md") {
        bail!("a version is written as Markdown; let the path end in .md");
    }
    let parts: Vec<&str> = path.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        bail!("name a path relative to the corpus, such as 市人社局/养老金.md");
    }
    let mut target = corpus.to_path_buf();
    for (at, part) in parts.iter().enumerate() {
        let is_folder = at + 1 < parts.len();
        if is_passed_over(part, is_folder) {
            bail!("{part:?} is passed over when the corpus is read; choose another name");
        }
        target.push(part);
        match fs::symlink_metadata(&target) {
            Err(_) => {}
            Ok(there) if there.is_symlink() => {
                bail!("{part:?} is a symbolic link, which Zhiku does not follow");
            }
            Ok(there) if is_folder != there.is_dir() => {
                let (found, needed) = match is_folder {
                    true => ("a file", "folder"),
                    false => ("a folder", "file"),
                };
                bail!("{part:?} is {found}, so there can be no {needed} of this name");
            }
            Ok(_) if !is_folder && !overwrite => {
                bail!("the file exists; choose another path, or replace it with --overwrite");
            }
            Ok(_) => {}
        }
    }
    let sidecar = format!("{path}{SIDECAR_SUFFIX}");
    if corpus.join(&sidecar).exists() {
        bail!("{sidecar} would override the metadata of the version; move it away first");
    }
    Ok(target)
}

/// All of the file or nothing: under a name that the corpus passes over, on disk, then renamed.
fn write(target: &Path, text: &str, overwrite: bool) -> anyhow::Result<()> {
    let folder = target.parent().context("the path has no folder")?;
    fs::create_dir_all(folder)?;
    // As any other new file: what the umask leaves of it.
    let mode = fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .prefix(".restore-")
        .suffix(".tmp")
        .permissions(mode)
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match overwrite {
        true => file.persist(target)?,
        // A file that came there in the meantime stays.
        false => file.persist_noclobber(target)?,
    };
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// What was done, as an editor reads it.
fn to_text(path: &str, version: &Version, rendition: &Rendition, id_owner: Option<&str>) -> String {
    let mut text = format!(
        "已恢复 {} 的第{}版，写入 {path}；zhiku serve 运行时会自动收录，否则请执行 zhiku index。\n",
        version.document_id, version.number
    );
    if !rendition.same_passages {
        text.push_str("注意：正文与该版相同，但分段会有所不同。\n");
    }
    if !rendition.added_keys.is_empty() {
        let keys = rendition.added_keys.join("、");
        text.push_str(&format!(
            "注意：该版没有而正文或文件夹默认值给出的元数据会一并生效：{keys}\n"
        ));
    }
    if let Some(owner) = id_owner {
        text.push_str(&format!(
            "注意：编号 {} 现由 {owner} 使用，恢复的文件未写编号。\n",
            version.document_id
        ));
    }
    text
}
