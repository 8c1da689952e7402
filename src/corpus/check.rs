//! What editors should fix, over a whole corpus: the findings of `zhiku check`.
//!
//! Looks at what loading gave, not at files: unreadable ones, missing and contradictory metadata,
//! expired and replaced documents, and documents that contradict each other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::document::{Document, Kind, Validity};

use super::{Finding, Outcome};

/// A finding and the file that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFinding {
    /// Relative to the corpus, `/`-separated.
    pub path: String,
    /// What to look at.
    pub finding: Finding,
}

/// Most documents of one file that a finding names.
const MAX_NAMED: usize = 5;

/// Everything to look at in a corpus as it stood on `day`.
///
/// `outcomes` are the files with what became of them; `others` are findings made elsewhere, such
/// as those of `_defaults.yaml`. Sorted by path, within a file errors first, then by code.
pub fn check(
    outcomes: &[(String, Outcome)],
    others: &[(String, Finding)],
    day: Date,
) -> Vec<FileFinding> {
    let mut report = Report::default();
    for (path, finding) in others {
        report.add(path, finding.clone());
    }
    for (path, outcome) in outcomes {
        check_file(path, outcome, day, &mut report);
    }
    let documents: Vec<&Document> = outcomes
        .iter()
        .flat_map(|(_, outcome)| documents_of(outcome))
        .collect();
    check_ids(&documents, &mut report);
    check_doc_nos(&documents, &mut report);
    check_replaced(&documents, &mut report);
    report.sorted()
}

fn documents_of(outcome: &Outcome) -> &[Document] {
    match outcome {
        Outcome::Loaded { documents, .. } => documents,
        _ => &[],
    }
}

#[derive(Default)]
struct Report(Vec<FileFinding>);

impl Report {
    fn add(&mut self, path: &str, finding: Finding) {
        self.0.push(FileFinding {
            path: path.to_owned(),
            finding,
        });
    }

    fn error(&mut self, path: &str, code: &'static str, message: String) {
        self.add(
            path,
            Finding {
                error: true,
                code,
                message,
            },
        );
    }

    fn warning(&mut self, path: &str, code: &'static str, message: String) {
        self.add(
            path,
            Finding {
                error: false,
                code,
                message,
            },
        );
    }

    fn sorted(mut self) -> Vec<FileFinding> {
        let key = |f: &FileFinding| {
            (
                f.path.clone(),
                !f.finding.error,
                f.finding.code,
                f.finding.message.clone(),
            )
        };
        self.0.sort_by_cached_key(key);
        self.0.dedup();
        self.0
    }
}

fn check_file(path: &str, outcome: &Outcome, day: Date, report: &mut Report) {
    match outcome {
        Outcome::Failed(reason) => report.error(path, "unreadable", format!("无法读取：{reason}")),
        Outcome::NoText(reason) => {
            report.error(path, "no_text", format!("没有可检索的文字：{reason}"));
        }
        Outcome::Skipped(reason) => report.warning(path, "skipped", format!("未收录：{reason}")),
        Outcome::Loaded {
            documents,
            findings,
        } => {
            for finding in findings {
                report.add(path, finding.clone());
            }
            check_documents(path, documents, day, report);
        }
    }
}

/// What is missing, contradictory or over in the documents of one file, each problem told once.
fn check_documents(path: &str, documents: &[Document], day: Date, report: &mut Report) {
    let tell = |report: &mut Report, error, code, text: &str, found: &dyn Fn(&Document) -> bool| {
        if let Some(names) = named(documents, found) {
            report.add(
                path,
                Finding {
                    error,
                    code,
                    message: format!("{names}{text}"),
                },
            );
        }
    };
    tell(
        report,
        false,
        "missing_title",
        "没有标题，请补充 title",
        &|d| d.title.trim().is_empty(),
    );
    tell(
        report,
        false,
        "missing_department",
        "没有归口部门，请放入部门文件夹或补充 department",
        &|d| d.metadata.department.is_none(),
    );
    tell(
        report,
        false,
        "missing_dates",
        "没有发布日期和施行日期，请补充 published_at 或 effective_from",
        &|d| {
            let m = &d.metadata;
            matches!(m.kind, Some(Kind::Policy | Kind::Regulation))
                && m.published_at.is_none()
                && m.effective_from.is_none()
        },
    );
    tell(
        report,
        true,
        "contradictory_dates",
        "的日期互相矛盾：失效日期早于施行日期或发布日期",
        &|d| {
            let m = &d.metadata;
            m.effective_to.is_some_and(|to| {
                m.effective_from.is_some_and(|from| to < from)
                    || m.published_at.is_some_and(|at| to < at)
            })
        },
    );
    tell(
        report,
        false,
        "expired",
        "已过有效期，请更新，或标注 status: expired",
        &|d| d.metadata.status.is_none() && d.metadata.validity_on(day) == Validity::Expired,
    );
    tell(
        report,
        false,
        "no_passages",
        "没有可检索的内容",
        &|d| d.passages.is_empty(),
    );
}

/// Names the documents that `found` picks: nothing for a file that is one document.
fn named(documents: &[Document], found: &dyn Fn(&Document) -> bool) -> Option<String> {
    let mut picked = documents.iter().filter(|d| found(d));
    let first: Vec<&Document> = picked.by_ref().take(MAX_NAMED).collect();
    match (first.as_slice(), documents.len()) {
        ([], _) => None,
        (_, 1) => Some("本文件".to_owned()),
        _ => {
            let names: Vec<String> = first.iter().map(|d| format!("“{}”", shown(d))).collect();
            let n_more = picked.count();
            let more = if n_more > 0 {
                format!(" 等共 {} 条", first.len() + n_more)
            } else {
                String::new()
            };
            Some(format!("{}{more}", names.join("、")))
        }
    }
}

/// The title of a document, shortened, or its id without one.
fn shown(document: &Document) -> String {
    let name = if document.title.trim().is_empty() {
        &document.id
    } else {
        &document.title
    };
    name.chars().take(40).collect()
}

fn check_ids(documents: &[&Document], report: &mut Report) {
    let mut seen: BTreeMap<&str, &Document> = BTreeMap::new();
    for document in documents {
        if let Some(first) = seen.get(document.id.as_str()) {
            let message = format!(
                "编号“{}”与 {} 中的一条重复，只会收录其中一条，请改用不同的 id",
                document.id, first.path
            );
            report.error(&document.path, "duplicate_id", message);
        } else {
            seen.insert(&document.id, document);
        }
    }
}

fn check_doc_nos(documents: &[&Document], report: &mut Report) {
    let mut by_number: BTreeMap<String, &Document> = BTreeMap::new();
    for document in documents {
        let Some(doc_no) = &document.metadata.doc_no else {
            continue;
        };
        let first = by_number.entry(plain_doc_no(doc_no)).or_insert(document);
        if first.path != document.path && solid(&first.text) != solid(&document.text) {
            let message = format!(
                "发文字号 {doc_no} 与 {} 相同而内容不同，请核对是哪一份有误，或删去旧版本",
                first.path
            );
            report.warning(&document.path, "same_doc_no", message);
        }
    }
}

/// `replaces` that points at nothing, and replaced documents that do not say so.
fn check_replaced(documents: &[&Document], report: &mut Report) {
    let targets = Targets::of(documents);
    for successor in documents {
        for replaced in &successor.metadata.replaces {
            let found: Vec<&Document> = targets
                .find(replaced)
                .into_iter()
                .filter(|d| d.id != successor.id && is_meant(d, replaced, successor))
                .collect();
            if found.is_empty() {
                let message =
                    format!("所替代的“{replaced}”不在知识库中；如曾收录，请核对编号、文号或标题");
                report.warning(&successor.path, "dangling_replaces", message);
            }
            for document in found {
                let said = matches!(
                    document.metadata.status,
                    Some(Validity::Repealed | Validity::Expired)
                );
                if !said {
                    let message = format!(
                        "“{}”已被 {}《{}》替代，请标注 status: repealed 或移出",
                        shown(document),
                        successor.path,
                        shown(successor)
                    );
                    report.warning(&document.path, "replaced", message);
                }
            }
        }
    }
}

/// Whether a document that bears the name is the one: a title alone does not name the rule of
/// another region or issuer.
fn is_meant(document: &Document, replaced: &str, successor: &Document) -> bool {
    let doc_no = document.metadata.doc_no.as_deref().map(plain_doc_no);
    let by_title = document.id != replaced && doc_no != Some(plain_doc_no(replaced));
    let origin = document.metadata.origin();
    !by_title || origin.may_be_that_of(successor.metadata.origin())
}

/// Documents by what `replaces` may call them.
struct Targets<'d> {
    documents: &'d [&'d Document],
    by_name: BTreeMap<String, Vec<usize>>,
}

impl<'d> Targets<'d> {
    fn of(documents: &'d [&'d Document]) -> Self {
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, document) in documents.iter().enumerate() {
            let number = document.metadata.doc_no.as_deref().map(plain_doc_no);
            let names = [
                Some(document.id.clone()),
                number,
                Some(plain_title(&document.title)),
            ];
            let names: BTreeSet<String> = names
                .into_iter()
                .flatten()
                .filter(|name| !name.is_empty())
                .collect();
            for name in names {
                by_name.entry(name).or_default().push(at);
            }
        }
        Self { documents, by_name }
    }

    /// By id, number or title; a title also within 关于印发《…》的通知.
    fn find(&self, replaced: &str) -> Vec<&'d Document> {
        let title = plain_title(replaced);
        let named = [replaced.to_owned(), plain_doc_no(replaced), title.clone()];
        let exact = named.iter().find_map(|name| self.by_name.get(name));
        let found = match exact {
            Some(found) => found.clone(),
            None if title.chars().count() >= 6 => {
                let issues =
                    |d: &Document| plain_title(&d.title).contains(&format!("印发{title}的"));
                (0..self.documents.len())
                    .filter(|&at| issues(self.documents[at]))
                    .collect()
            }
            None => Vec::new(),
        };
        found.into_iter().map(|at| self.documents[at]).collect()
    }
}

/// A document number with one sort of brackets and without blanks.
fn plain_doc_no(doc_no: &str) -> String {
    let plain = |c: char| match c {
        '[' | '【' | '﹝' | '［' | '（' | '(' | '〈' => '〔',
        ']' | '】' | '﹞' | '］' | '）' | ')' | '〉' => '〕',
        c => c,
    };
    doc_no
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(plain)
        .collect()
}

/// A title without blanks and 《》.
fn plain_title(title: &str) -> String {
    title
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '《' | '》' | '〈' | '〉'))
        .collect()
}

fn solid(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Metadata, Passage};
    use jiff::civil::date;

    fn document(path: &str, title: &str, metadata: Metadata) -> Document {
        let department = metadata.department.clone().or(Some("市民政局".into()));
        Document {
            id: path.into(),
            path: path.into(),
            title: title.into(),
            metadata: Metadata {
                department,
                ..metadata
            },
            text: title.into(),
            content_hash: String::new(),
            passages: vec![Passage::default()],
        }
    }

    fn findings(documents: Vec<Document>) -> Vec<(String, &'static str, bool)> {
        let outcomes: Vec<(String, Outcome)> = documents
            .into_iter()
            .map(|d| {
                (
                    d.path.clone(),
                    Outcome::Loaded {
                        documents: vec![d],
                        findings: vec![],
                    },
                )
            })
            .collect();
        let found = check(&outcomes, &[], date(2026, 11, 20));
        found
            .into_iter()
            .map(|f| (f.path, f.finding.code, f.finding.error))
            .collect()
    }

    #[test]
    fn a_sound_document_gives_no_finding() {
        let metadata = Metadata {
            kind: Some(Kind::Policy),
            published_at: Some(date(2024, 1, 1)),
            ..Metadata::default()
        };
        assert_eq!(findings(vec![document("a.md", "甲", metadata)]), []);
    }

    #[test]
    fn missing_and_contradictory_metadata() {
        let policy = Metadata {
            kind: Some(Kind::Policy),
            ..Metadata::default()
        };
        let backwards = Metadata {
            effective_from: Some(date(2028, 1, 1)),
            effective_to: Some(date(2027, 1, 1)),
            ..Metadata::default()
        };
        let over = Metadata {
            effective_to: Some(date(2026, 11, 19)),
            ..Metadata::default()
        };
        let last_day = Metadata {
            effective_to: Some(date(2026, 11, 20)),
            ..Metadata::default()
        };
        let found = findings(vec![
            document("d.md", "丁", last_day),
            document("c.md", "丙", over),
            document("b.md", "", backwards),
            document("a.md", "甲", policy),
        ]);
        let expected = [
            ("a.md", "missing_dates", false),
            ("b.md", "contradictory_dates", true),
            ("b.md", "missing_title", false),
            ("c.md", "expired", false),
        ];
        assert_eq!(
            found,
            expected.map(|(path, code, error)| (path.to_owned(), code, error))
        );
    }

    #[test]
    fn documents_that_contradict_each_other() {
        let numbered = |no: &str| Metadata {
            doc_no: Some(no.into()),
            ..Metadata::default()
        };
        let mut twin = document("b.md", "另一份", numbered("云府 (2024)3号"));
        twin.id = "a.md".into();
        let found = findings(vec![
            document("a.md", "甲", numbered("云府〔2024〕3号")),
            twin,
        ]);
        assert_eq!(
            found,
            [
                ("b.md".to_owned(), "duplicate_id", true),
                ("b.md".to_owned(), "same_doc_no", false)
            ]
        );
    }

    #[test]
    fn replaced_documents_are_found_by_number_and_by_title() {
        let replaces = vec![
            "云府[2019]1号".to_owned(),
            "《云溪市停车办法》".to_owned(),
            "云府〔2010〕9号".to_owned(),
        ];
        let new = Metadata {
            replaces,
            ..Metadata::default()
        };
        let old = Metadata {
            doc_no: Some("云府〔2019〕1号".into()),
            ..Metadata::default()
        };
        let marked = Metadata {
            status: Some(Validity::Repealed),
            ..Metadata::default()
        };
        let found = findings(vec![
            document("new.md", "新办法", new),
            document("old.md", "旧办法", old),
            document("stop.md", "关于印发云溪市停车办法的通知", marked),
        ]);
        let expected = [
            ("new.md", "dangling_replaces", false),
            ("old.md", "replaced", false),
        ];
        assert_eq!(
            found,
            expected.map(|(path, code, error)| (path.to_owned(), code, error))
        );
    }

    #[test]
    fn a_title_does_not_name_the_rule_of_another_region() {
        let of = |region: &str| Metadata {
            region: Some(region.into()),
            ..Metadata::default()
        };
        let new = Metadata {
            replaces: vec!["居住证办法".to_owned()],
            ..of("云溪市")
        };
        let found = findings(vec![
            document("new.md", "居住证新办法", new),
            document("here.md", "居住证办法", of("云溪市")),
            document("there.md", "居住证办法", of("青石市")),
        ]);
        assert_eq!(found, [("here.md".to_owned(), "replaced", false)]);
    }

    #[test]
    fn files_that_gave_nothing_are_listed() {
        let outcomes = [
            ("c.exe".to_owned(), Outcome::Skipped("不支持的格式".into())),
            ("b.pdf".to_owned(), Outcome::NoText("扫描件".into())),
            ("a.ofd".to_owned(), Outcome::Failed("已损坏".into())),
        ];
        let found = check(&outcomes, &[], date(2026, 11, 20));
        let codes: Vec<_> = found
            .iter()
            .map(|f| (f.finding.code, f.finding.error))
            .collect();
        assert_eq!(
            codes,
            [("unreadable", true), ("no_text", true), ("skipped", false)]
        );
    }
}
