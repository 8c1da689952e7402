//! What a loader read → a [`Document`]: metadata laid over each other, passages cut.
//!
//! Layers, later ones winning: the folders' defaults, what the text shows, front matter, the
//! sidecar. Lines of a JSONL file state their own metadata; nothing is read from their text.

use std::collections::BTreeSet;

use crate::document::{Document, Passage};

use super::jsonl::Entry;
use super::metadata::Layer;
use super::metadata::keys::Field;
use super::metadata::observed::observe;
use super::metadata::value::Value;
use super::passages::markers::{Marker, marker};
use super::passages::{CutOptions, cut};
use super::{Extract, Finding};

/// What is known of a file before its content is looked at.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Relative to the corpus, `/`-separated.
    pub path: &'a str,
    /// blake3 of the file's bytes, lower-case hex.
    pub content_hash: &'a str,
    /// What the folders above it state.
    pub defaults: &'a Layer,
    /// What the sidecar `NAME.meta.yaml` states; empty without one.
    pub sidecar: &'a Layer,
    /// How long passages get.
    pub cut: CutOptions,
}

/// The document that a file of running text is.
pub fn from_extract(source: &Source<'_>, extract: Extract) -> (Document, Vec<Finding>) {
    let mut findings = extract.findings.clone();
    let mut layer = source.defaults.clone();
    // Ids and titles of single documents make no sense as defaults of a folder.
    (layer.id, layer.title) = (None, None);
    layer.overlay(observe(&extract));
    if let Some(yaml) = &extract.front_matter {
        layer.overlay(Layer::from_yaml(
            yaml,
            &format!("{} 文首元数据", source.path),
            &mut findings,
        ));
    }
    layer.overlay(source.sidecar.clone());
    let (id, title, metadata) = layer.into_parts(source.path);
    let mut passages = cut(&extract, &title, &source.cut);
    add_wordings(&mut passages, &metadata.similar_questions);
    let document = Document {
        id,
        path: source.path.to_owned(),
        title,
        metadata,
        text: extract.text,
        content_hash: source.content_hash.to_owned(),
        passages,
    };
    (document, findings)
}

/// The document that one line of a JSONL file is.
///
/// Without `_id` it is `path#line`; without a title it has none. `unknown_keys` collects keys that
/// were reported already, so that a file names each once.
pub fn from_entry(
    source: &Source<'_>,
    entry: Entry,
    unknown_keys: &mut BTreeSet<String>,
) -> (Document, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut layer = source.defaults.clone();
    layer.overlay(source.sidecar.clone());
    let stated_in = format!("{} 第 {} 行", source.path, entry.line);
    let mut stated = Layer::default();
    for (key, value) in &entry.keys {
        match Field::named(key) {
            Some(field) => stated.set(field, &Value::from_json(value), &stated_in, &mut findings),
            None if unknown_keys.insert(key.clone()) => findings.push(Finding {
                error: false,
                code: "unknown_key",
                message: format!(
                    "{stated_in}：不认识的键“{key}”，已忽略（后面各行同名的键不再提示）"
                ),
            }),
            None => {}
        }
    }
    layer.overlay(stated);
    layer.id = Some(
        entry
            .id
            .unwrap_or_else(|| format!("{}#{}", source.path, entry.line)),
    );
    layer.title = None;
    let (id, _, metadata) = layer.into_parts(source.path);
    let text = if entry.text.trim().is_empty() {
        entry.title.clone()
    } else {
        entry.text
    };
    let extract = Extract {
        text,
        ..Extract::default()
    };
    let mut passages = cut(&extract, &entry.title, &source.cut);
    add_wordings(&mut passages, &metadata.similar_questions);
    let named = article_in_title(&entry.title);
    for passage in passages.iter_mut().filter(|p| p.article.is_none()) {
        passage.article = named;
    }
    let document = Document {
        id,
        path: source.path.to_owned(),
        title: entry.title,
        metadata,
        content_hash: hash_of_part(&extract.text),
        text: extract.text,
        passages,
    };
    (document, findings)
}

/// The article that a title ends with: 云溪市停车条例 第十六条.
fn article_in_title(title: &str) -> Option<u32> {
    let title = title.trim_end();
    let label = &title[title.rfind('第')?..];
    match marker(label) {
        Some(Marker::Article {
            number,
            n_label_bytes,
            ..
        }) if n_label_bytes == label.len() => Some(number),
        _ => None,
    }
}

/// Adds other wordings of a document's question to the passages that answer it: the one that has
/// a question of its own if it is the only one, else the first.
fn add_wordings(passages: &mut [Passage], wordings: &[String]) {
    let asking = passages.iter().filter(|p| !p.questions.is_empty()).count();
    let only = passages
        .iter()
        .position(|p| asking == 1 && !p.questions.is_empty());
    if let Some(passage) = passages.get_mut(only.unwrap_or(0)) {
        let new = wordings
            .iter()
            .filter(|wording| !passage.questions.contains(wording));
        let new: Vec<String> = new.cloned().collect();
        passage.questions.extend(new);
    }
}

/// The content hash of a document that shares its file with others: a change of one of them must not
/// look like a change of all.
pub fn hash_of_part(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Audience, Kind};

    fn source<'a>(defaults: &'a Layer, sidecar: &'a Layer) -> Source<'a> {
        Source {
            path: "民政局/救助.md",
            content_hash: "00",
            defaults,
            sidecar,
            cut: CutOptions::default(),
        }
    }

    #[test]
    fn sidecar_over_front_matter_over_text_over_folder() {
        let mut defaults = Layer {
            title: Some("不作数".into()),
            audience: Some(Audience::Agent),
            ..Layer::default()
        };
        defaults.fields.issuer = Some("文件夹".into());
        let extract = Extract {
            text: "云溪市临时救助指南\n文号：云民〔2024〕1号\n发布机关：云溪市民政局\n可以申请。"
                .into(),
            front_matter: Some("issuer: 文首\nregion: 云溪市\nnonsense: 1".into()),
            ..Extract::default()
        };
        let sidecar = Layer::from_yaml("region: 东溪区", "救助.md.meta.yaml", &mut Vec::new());
        let (document, findings) = from_extract(&source(&defaults, &sidecar), extract);
        assert_eq!(document.id, "民政局/救助.md");
        assert_eq!(document.title, "云溪市临时救助指南");
        assert_eq!(document.metadata.doc_no.as_deref(), Some("云民〔2024〕1号"));
        assert_eq!(document.metadata.issuer.as_deref(), Some("文首"));
        assert_eq!(document.metadata.region.as_deref(), Some("东溪区"));
        assert_eq!(document.metadata.audience, Audience::Agent);
        assert_eq!(document.metadata.department.as_deref(), Some("民政局"));
        assert_eq!(document.passages.len(), 1);
        assert_eq!(
            findings.iter().map(|f| f.code).collect::<Vec<_>>(),
            ["unknown_key"]
        );
    }

    #[test]
    fn a_title_may_name_the_article() {
        assert_eq!(article_in_title("云溪市停车条例 第十六条"), Some(16));
        assert_eq!(article_in_title("云溪市停车条例第十六条之一 "), Some(16));
        assert_eq!(article_in_title("关于第十六条的解释"), None);
        assert_eq!(article_in_title("停车条例"), None);
    }

    #[test]
    fn a_line_of_jsonl_states_its_own_metadata() {
        let keys =
            serde_json::json!({"kind": "faq", "date": null, "colour": 1, "effective_from": "soon"});
        let entry = Entry {
            line: 7,
            id: None,
            title: "怎么领".into(),
            text: "第三条 去窗口。".into(),
            keys: keys.as_object().unwrap().clone(),
        };
        let mut unknown = BTreeSet::new();
        let (document, findings) = from_entry(
            &source(&Layer::default(), &Layer::default()),
            entry.clone(),
            &mut unknown,
        );
        assert_eq!(document.id, "民政局/救助.md#7");
        assert_eq!(document.title, "怎么领");
        assert_eq!(document.metadata.kind, Some(Kind::Faq));
        assert_eq!(document.passages[0].article, Some(3));
        assert_eq!(findings.len(), 2);
        let (_, again) = from_entry(
            &source(&Layer::default(), &Layer::default()),
            entry,
            &mut unknown,
        );
        assert_eq!(
            again.iter().map(|f| f.code).collect::<Vec<_>>(),
            ["bad_value"],
            "unknown keys are named once"
        );
    }
}
