//! What is stated or shown about a document, layer upon layer.
//!
//! A layer holds what one source says: a folder's defaults, the text itself, front matter or a
//! sidecar, a row of a table. Layers are laid over each other, the later one winning key by key.
//! What cannot be understood becomes a [`Finding`] that names source and key; the rest is kept.

use jiff::civil::Date;

use crate::corpus::Finding;
use crate::document::{Audience, Kind, Metadata, Validity};

use self::keys::Field;
use self::value::Value;

pub mod keys;
pub mod value;

pub(crate) mod dates;
pub mod observed;

/// What one source says about a document. What it does not say is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    /// Stable identity.
    pub id: Option<String>,
    /// 标题
    pub title: Option<String>,
    /// 公开范围; the one in `fields` is not used.
    pub audience: Option<Audience>,
    /// Everything else.
    pub fields: Metadata,
}

impl Layer {
    /// What stands in for metadata that cannot be read: they may have said that the document is not
    /// for everybody.
    pub fn unreadable() -> Layer {
        Layer {
            audience: Some(Audience::Internal),
            ..Layer::default()
        }
    }

    /// Reads a mapping of keys to values; `source` names where it stands, for messages.
    ///
    /// Unknown keys and values that cannot be understood are left out and reported.
    pub fn from_value(value: &Value, source: &str, findings: &mut Vec<Finding>) -> Layer {
        let mut layer = Layer::default();
        match value {
            Value::Map(entries) => {
                for (key, value) in entries {
                    layer.set_key(key, value, source, findings);
                }
            }
            value if value.is_empty() => {}
            _ => {
                findings.push(unread(source, "应当写成“键: 值”的形式"));
                layer = Layer::unreadable();
            }
        }
        layer
    }

    /// Reads YAML as [`Layer::from_value`] does; broken YAML gives [`Layer::unreadable`] and a
    /// finding.
    pub fn from_yaml(yaml: &str, source: &str, findings: &mut Vec<Finding>) -> Layer {
        match Value::from_yaml(yaml) {
            Ok(value) => Layer::from_value(&value, source, findings),
            Err(reason) => {
                let reason = format!("{reason}，请检查缩进、冒号和引号");
                findings.push(unread(source, &reason));
                Layer::unreadable()
            }
        }
    }

    fn set_key(&mut self, key: &str, value: &Value, source: &str, findings: &mut Vec<Finding>) {
        match Field::named(key) {
            Some(field) => self.set(field, value, source, findings),
            None => findings.push(finding(
                "unknown_key",
                format!("{source}：不认识的键“{key}”，已忽略。可用的键见说明，例如 title、doc_no、effective_from"),
            )),
        }
    }

    /// Sets one field; an empty value says nothing. A value that cannot be understood is reported;
    /// an audience that cannot be understood is taken for the narrowest.
    pub fn set(&mut self, field: Field, value: &Value, source: &str, findings: &mut Vec<Finding>) {
        if value.is_empty() {
            return;
        }
        if let Err(hint) = self.try_set(field, value, source, findings) {
            let is_audience = field == Field::Audience;
            let done = match is_audience {
                true => "改好之前只对内部可见",
                false => "已忽略",
            };
            if is_audience {
                self.audience = Some(Audience::Internal);
            }
            findings.push(Finding {
                error: is_audience,
                code: "bad_value",
                message: format!("{source}：键“{}”{hint}，{done}", field.key()),
            });
        }
    }

    fn try_set(
        &mut self,
        field: Field,
        value: &Value,
        source: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<(), String> {
        let fields = &mut self.fields;
        match field {
            Field::Id => self.id = Some(text(value)?),
            Field::Title => self.title = Some(text(value)?),
            Field::Kind => {
                fields.kind = Some(named(
                    value,
                    "policy、regulation、faq、guide、script、case",
                )?)
            }
            Field::DocNo => fields.doc_no = Some(text(value)?),
            Field::Issuer => fields.issuer = Some(text(value)?),
            Field::Department => fields.department = Some(text(value)?),
            Field::Region => fields.region = Some(text(value)?),
            Field::Level => fields.level = Some(text(value)?),
            Field::Audience => {
                self.audience = Some(named(
                    value,
                    "public（公众）、agent（坐席）、internal（内部）",
                )?)
            }
            Field::Topics => return self.set_topics(value, source, findings),
            Field::QuestionTopics => fields.topics.question = list(value)?,
            Field::BusinessTopics => fields.topics.business = list(value)?,
            Field::ObjectTopics => fields.topics.object = list(value)?,
            Field::EffectiveFrom => fields.effective_from = Some(date(value)?),
            Field::EffectiveTo => fields.effective_to = Some(date(value)?),
            Field::Status => {
                fields.status = Some(named(
                    value,
                    "in_force（现行有效）、not_yet（尚未施行）、expired（已失效）、repealed（已废止）",
                )?);
            }
            Field::Replaces => fields.replaces = list(value)?,
            Field::PublishedAt => fields.published_at = Some(date(value)?),
            Field::Keywords => fields.keywords = list(value)?,
            Field::SimilarQuestions => fields.similar_questions = questions(value)?,
            Field::Phones => fields.phones = list(value)?,
            Field::SourceUrl => fields.source_url = Some(text(value)?),
        }
        Ok(())
    }

    fn set_topics(
        &mut self,
        value: &Value,
        source: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<(), String> {
        let Value::Map(entries) = value else {
            self.fields.topics.business = list(value)?;
            return Ok(());
        };
        for (key, value) in entries {
            self.set_key(&format!("topics.{key}"), value, source, findings);
        }
        Ok(())
    }

    /// Lays `later` over this layer: what it states wins.
    pub fn overlay(&mut self, later: Layer) {
        over(&mut self.id, later.id);
        over(&mut self.title, later.title);
        over(&mut self.audience, later.audience);
        let (fields, later) = (&mut self.fields, later.fields);
        over(&mut fields.kind, later.kind);
        over(&mut fields.doc_no, later.doc_no);
        over(&mut fields.issuer, later.issuer);
        over(&mut fields.department, later.department);
        over(&mut fields.region, later.region);
        over(&mut fields.level, later.level);
        over_list(&mut fields.topics.question, later.topics.question);
        over_list(&mut fields.topics.business, later.topics.business);
        over_list(&mut fields.topics.object, later.topics.object);
        over(&mut fields.effective_from, later.effective_from);
        over(&mut fields.effective_to, later.effective_to);
        over(&mut fields.status, later.status);
        over_list(&mut fields.replaces, later.replaces);
        over(&mut fields.published_at, later.published_at);
        over_list(&mut fields.keywords, later.keywords);
        over_list(&mut fields.similar_questions, later.similar_questions);
        over_list(&mut fields.phones, later.phones);
        over(&mut fields.source_url, later.source_url);
    }

    /// Id, title and metadata of the document at `path`, relative to the corpus.
    ///
    /// Without an id it is the path, without a title the file's name, without a department the
    /// name of the top folder.
    pub fn into_parts(self, path: &str) -> (String, String, Metadata) {
        let mut metadata = self.fields;
        metadata.audience = self.audience.unwrap_or_default();
        if metadata.department.is_none() {
            metadata.department = path.split_once('/').map(|(top, _)| top.to_owned());
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let title = self
            .title
            .filter(|t| !t.trim().is_empty())
            .unwrap_or_else(|| stem.to_owned());
        (self.id.unwrap_or_else(|| path.to_owned()), title, metadata)
    }
}

/// What front matter would state to give this title and metadata, in the order of the keys. The
/// audience is stated always; what is unknown is left out.
pub fn stated(title: &str, metadata: &Metadata) -> Vec<(Field, Value)> {
    let Metadata {
        kind,
        doc_no,
        issuer,
        department,
        region,
        level,
        audience,
        topics,
        effective_from,
        effective_to,
        status,
        replaces,
        published_at,
        keywords,
        similar_questions,
        phones,
        source_url,
    } = metadata;
    let text = |text: &Option<String>| Value::Text(text.clone().unwrap_or_default());
    let name = |name: Option<&str>| Value::Text(name.unwrap_or_default().to_owned());
    let date = |date: &Option<Date>| Value::Text(date.map_or_else(String::new, |d| d.to_string()));
    let list = |items: &[String]| Value::List(items.iter().cloned().map(Value::Text).collect());
    let all = [
        (Field::Title, name(Some(title))),
        (Field::Kind, name(kind.map(Kind::name))),
        (Field::DocNo, text(doc_no)),
        (Field::Issuer, text(issuer)),
        (Field::Department, text(department)),
        (Field::Region, text(region)),
        (Field::Level, text(level)),
        (Field::Audience, name(Some(audience.name()))),
        (Field::QuestionTopics, list(&topics.question)),
        (Field::BusinessTopics, list(&topics.business)),
        (Field::ObjectTopics, list(&topics.object)),
        (Field::EffectiveFrom, date(effective_from)),
        (Field::EffectiveTo, date(effective_to)),
        (Field::Status, name(status.map(Validity::name))),
        (Field::Replaces, list(replaces)),
        (Field::PublishedAt, date(published_at)),
        (Field::Keywords, list(keywords)),
        (Field::SimilarQuestions, list(similar_questions)),
        (Field::Phones, list(phones)),
        (Field::SourceUrl, text(source_url)),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn over<T>(earlier: &mut Option<T>, later: Option<T>) {
    if later.is_some() {
        *earlier = later;
    }
}

fn over_list<T>(earlier: &mut Vec<T>, later: Vec<T>) {
    if !later.is_empty() {
        *earlier = later;
    }
}

fn finding(code: &'static str, message: String) -> Finding {
    Finding {
        error: false,
        code,
        message,
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text.trim().to_owned()),
        Value::List(items) => match items.as_slice() {
            [Value::Text(text)] => Ok(text.trim().to_owned()),
            _ => Err("应当是一段文字，不是列表".to_owned()),
        },
        Value::Map(_) => Err("应当是一段文字".to_owned()),
    }
}

/// A YAML list, or one text whose parts are separated by ；;、,| or line breaks.
fn list(value: &Value) -> Result<Vec<String>, String> {
    parts(value, &['；', ';', '、', ',', '|', '｜', '\n'])
}

/// As [`list`], but commas and 、 belong to the questions.
fn questions(value: &Value) -> Result<Vec<String>, String> {
    parts(value, &['；', ';', '|', '｜', '\n'])
}

fn parts(value: &Value, separators: &[char]) -> Result<Vec<String>, String> {
    let parts = match value {
        Value::Text(text) => split_outside_quotes(text, separators),
        Value::List(items) => items
            .iter()
            .map(self::text)
            .collect::<Result<Vec<_>, _>>()?,
        Value::Map(_) => return Err("应当是列表".to_owned()),
    };
    let mut kept: Vec<String> = Vec::new();
    for part in parts {
        let part = part.trim();
        if !part.is_empty() && !kept.iter().any(|known| known == part) {
            kept.push(part.to_owned());
        }
    }
    Ok(kept)
}

/// Splits at `separators` that do not stand inside a title 《…》.
fn split_outside_quotes(text: &str, separators: &[char]) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0usize;
    for c in text.chars() {
        depth = match c {
            '《' => depth + 1,
            '》' => depth.saturating_sub(1),
            _ => depth,
        };
        match parts.last_mut() {
            Some(part) if depth > 0 || !separators.contains(&c) => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts
}

fn date(value: &Value) -> Result<Date, String> {
    let text = text(value)?;
    dates::parse_date(&text)
        .ok_or_else(|| format!("的日期“{text}”无法识别，请写成 2024-01-31 的形式"))
}

/// Metadata that cannot be read. Shown to editors.
pub(crate) fn unread(source: &str, reason: &str) -> Finding {
    Finding {
        error: true,
        code: "bad_metadata",
        message: format!("{source}：{reason}。其中的元数据未被采用，改好之前有关文档只对内部可见"),
    }
}

fn named<T: std::str::FromStr>(value: &Value, allowed: &str) -> Result<T, String> {
    let text = text(value)?;
    text.parse()
        .map_err(|_| format!("的值“{text}”无法识别，可用：{allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> (Layer, Vec<Finding>) {
        let mut findings = Vec::new();
        let layer = Layer::from_yaml(yaml, "民政局/a.meta.yaml", &mut findings);
        (layer, findings)
    }

    #[test]
    fn every_key_is_understood() {
        let (layer, findings) = read(
            "id: mz-1\ntitle: 云溪市临时救助办法\nkind: 法规\ndoc_no: 云府规〔2024〕3号\nissuer: 云溪市人民政府\n\
             department: 市民政局\nregion: 云溪市\nlevel: 市\naudience: 内部\n\
             topics: {business: [救助], question: 咨询；办理, object: 个人}\neffective_from: 2024年1月1日\n\
             effective_to: 2028-12-31\nstatus: 已废止\nreplaces: [云府规〔2019〕1号]\npublished_at: 2023/12/1\n\
             keywords: 救助、低保\nsimilar_questions: |\n  没钱看病，怎么办\n  临时困难找谁\nphones: 12345\nsource_url: https://example.gov.cn/1\n",
        );
        assert_eq!(findings, []);
        assert_eq!(layer.id.as_deref(), Some("mz-1"));
        assert_eq!(layer.audience, Some(Audience::Internal));
        assert_eq!(layer.fields.kind, Some(Kind::Regulation));
        assert_eq!(layer.fields.status, Some(Validity::Repealed));
        assert_eq!(layer.fields.topics.question, ["咨询", "办理"]);
        assert_eq!(
            layer.fields.similar_questions,
            ["没钱看病，怎么办", "临时困难找谁"]
        );
        assert_eq!(
            layer.fields.effective_to,
            Some(jiff::civil::date(2028, 12, 31))
        );
        assert_eq!(layer.fields.phones, ["12345"]);
    }

    #[test]
    fn what_is_wrong_is_named_and_the_rest_kept() {
        let (layer, findings) =
            read("title: 甲\neffective_from: 明年\nkind: 小说\ncolour: 红\nissuer: {a: b}");
        assert_eq!(layer.title.as_deref(), Some("甲"));
        let named: Vec<&str> = findings.iter().map(|f| f.code).collect();
        assert_eq!(
            named,
            ["bad_value", "bad_value", "unknown_key", "bad_value"]
        );
        assert!(
            findings[0].message.contains("民政局/a.meta.yaml")
                && findings[0].message.contains("effective_from")
        );
    }

    #[test]
    fn broken_yaml_is_an_error_and_hides_from_the_public() {
        let (layer, findings) = read("title: [甲");
        assert_eq!(layer, Layer::unreadable());
        assert!(findings[0].error);
    }

    #[test]
    fn later_layers_win_key_by_key() {
        let (mut layer, _) = read("title: 甲\nissuer: 乙\nkeywords: [子]\naudience: internal");
        layer.overlay(read("title: 丙\nkeywords: [丑]").0);
        let (id, title, metadata) = layer.into_parts("民政局/子/a.md");
        assert_eq!((id.as_str(), title.as_str()), ("民政局/子/a.md", "丙"));
        assert_eq!(metadata.issuer.as_deref(), Some("乙"));
        assert_eq!(metadata.keywords, ["丑"]);
        assert_eq!(metadata.audience, Audience::Internal);
        assert_eq!(metadata.department.as_deref(), Some("民政局"));
    }

    #[test]
    fn defaults_come_from_the_path() {
        let (id, title, metadata) = Layer::default().into_parts("说明.v2.md");
        assert_eq!((id.as_str(), title.as_str()), ("说明.v2.md", "说明.v2"));
        assert_eq!(metadata.department, None);
        assert_eq!(metadata.audience, Audience::Public);
    }
}
