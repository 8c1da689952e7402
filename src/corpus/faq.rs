//! Tables of FAQ entries: one row, one document.
//!
//! A table is one when its header names a question and an answer column. Other columns that name a
//! metadata key state it; the rest is added to the text as `column：value`, so that it is found.

use crate::document::{Document, Kind};

use super::assemble::{Source, hash_of_part};
use super::metadata::Layer;
use super::metadata::keys::{Field, plain_name};
use super::metadata::value::Value;
use super::passages::cut_answer;
use super::{Finding, Table};

/// Headers that name a question wherever an answer column stands beside.
const QUESTIONS: [&str; 16] = [
    "问题",
    "咨询问题",
    "标准问题",
    "标准问",
    "常见问题",
    "问题名称",
    "问题标题",
    "问题描述",
    "问题内容",
    "提问",
    "问句",
    "问",
    "question",
    "questions",
    "q",
    "知识标题",
];
/// Headers that name an answer.
const ANSWERS: [&str; 19] = [
    "答案",
    "答复",
    "回复",
    "回答",
    "解答",
    "标准答案",
    "答复内容",
    "回复内容",
    "回答内容",
    "答案内容",
    "参考答案",
    "标准答复",
    "知识内容",
    "答",
    "answer",
    "answers",
    "a",
    "reply",
    "response",
];
/// Headers that name a question only beside an explicit answer column.
const TITLES: [&str; 5] = ["标题", "主题", "title", "名称", "事项"];
/// Headers that name an answer only beside an explicit question column.
const CONTENTS: [&str; 4] = ["内容", "正文", "content", "text"];
/// Columns that only count.
const COUNTERS: [&str; 5] = ["序号", "no", "no.", "行号", "index"];
/// Most rows that one finding names.
const MAX_NAMED_ROWS: usize = 20;

/// Where a table of FAQ entries keeps what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    question: usize,
    answer: usize,
    /// Columns that state metadata.
    fields: Vec<(usize, Field)>,
    /// Columns that are shown as they are.
    shown: Vec<usize>,
}

/// The columns of a table of FAQ entries; `None` if the table is something else.
pub fn columns(header: &[String]) -> Option<Columns> {
    let names: Vec<String> = header.iter().map(|name| plain_name(name)).collect();
    let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
    let (question, answer) = match (find(&QUESTIONS), find(&ANSWERS)) {
        (Some(question), Some(answer)) => (question, answer),
        (None, Some(answer)) => (find(&TITLES)?, answer),
        (Some(question), None) => (question, find(&CONTENTS)?),
        (None, None) => return None,
    };
    let others = (0..names.len()).filter(|&at| at != question && at != answer);
    let fields: Vec<(usize, Field)> = others
        .clone()
        .filter_map(|at| Some((at, Field::named(&names[at])?)))
        .collect();
    let counts = |at: usize| names[at].is_empty() || COUNTERS.contains(&names[at].as_str());
    let shown = others
        .filter(|&at| !counts(at) && fields.iter().all(|&(known, _)| known != at))
        .collect();
    Some(Columns {
        question,
        answer,
        fields,
        shown,
    })
}

/// One document per row of the FAQ tables among `tables`, in file order.
///
/// `None` if no table is one. The id is `path#row`, or `path#sheet#row` from the second FAQ table
/// on; a column `id` states it instead, behind `path#` if it is a mere number. Rows without a
/// question or an answer are left out and reported. Tables of the file that hold no FAQ entries
/// are left to the caller.
pub fn documents(source: &Source<'_>, tables: &[Table]) -> Option<(Vec<Document>, Vec<Finding>)> {
    let mut documents = Vec::new();
    let mut findings = Vec::new();
    let mut n_tables = 0;
    for table in tables {
        let Some(columns) = columns(&table.header) else {
            continue;
        };
        let prefix = if n_tables == 0 {
            source.path.to_owned()
        } else {
            format!("{}#{}", source.path, table.name)
        };
        n_tables += 1;
        read_table(
            source,
            &prefix,
            table,
            &columns,
            &mut documents,
            &mut findings,
        );
    }
    (n_tables > 0).then_some((documents, findings))
}

fn read_table(
    source: &Source<'_>,
    prefix: &str,
    table: &Table,
    columns: &Columns,
    documents: &mut Vec<Document>,
    findings: &mut Vec<Finding>,
) {
    let mut base = source.defaults.clone();
    base.overlay(source.sidecar.clone());
    (base.id, base.title) = (None, None);
    let (mut without_question, mut without_answer) = (Vec::new(), Vec::new());
    for (row, cells) in &table.rows {
        let cell = |at: usize| cells.get(at).map_or("", |cell| cell.trim());
        match (cell(columns.question), cell(columns.answer)) {
            ("", "") => {}
            ("", _) => without_question.push(*row),
            (_, "") => without_answer.push(*row),
            _ => documents.push(entry(
                source,
                prefix,
                (*row, cells),
                table,
                columns,
                base.clone(),
                findings,
            )),
        }
    }
    report(
        table,
        &without_question,
        "empty_question",
        "没有问题",
        findings,
    );
    report(table, &without_answer, "empty_answer", "没有答案", findings);
}

fn report(
    table: &Table,
    rows: &[u32],
    code: &'static str,
    lack: &str,
    findings: &mut Vec<Finding>,
) {
    if rows.is_empty() {
        return;
    }
    let named: Vec<String> = rows
        .iter()
        .take(MAX_NAMED_ROWS)
        .map(u32::to_string)
        .collect();
    let more = if rows.len() > MAX_NAMED_ROWS {
        format!(" 等共 {} 行", rows.len())
    } else {
        String::new()
    };
    let sheet = if table.name.is_empty() {
        String::new()
    } else {
        format!("工作表“{}”", table.name)
    };
    findings.push(Finding {
        error: false,
        code,
        message: format!(
            "{sheet}第 {} 行{more}{lack}，未收录，请补全或删除",
            named.join("、")
        ),
    });
}

fn entry(
    source: &Source<'_>,
    prefix: &str,
    (row, cells): (u32, &[String]),
    table: &Table,
    columns: &Columns,
    mut layer: Layer,
    findings: &mut Vec<Finding>,
) -> Document {
    let cell = |at: usize| cells.get(at).map_or("", |cell| cell.trim());
    let (question, answer) = (cell(columns.question), cell(columns.answer));
    layer.overlay(stated(source, row, cells, columns, question, findings));
    let id = match layer.id.take() {
        Some(id) if id.chars().all(|c| c.is_ascii_digit()) => format!("{prefix}#{id}"),
        Some(id) => id,
        None => format!("{prefix}#{row}"),
    };
    layer.id = Some(id);
    let (id, title, metadata) = layer.into_parts(source.path);
    let mut text = format!("{question}\n{answer}");
    let answer_end = text.len();
    for &at in columns.shown.iter().filter(|&&at| !cell(at).is_empty()) {
        text.push_str(&format!("\n{}：{}", table.header[at].trim(), cell(at)));
    }
    let mut questions = vec![question.to_owned()];
    questions.extend(
        metadata
            .similar_questions
            .iter()
            .filter(|q| *q != question)
            .cloned(),
    );
    let answer = question.len() + 1..answer_end;
    let passages = cut_answer(&text, &questions, answer, Some(row), &source.cut);
    Document {
        id,
        path: source.path.to_owned(),
        title,
        metadata,
        content_hash: hash_of_part(&text),
        text,
        passages,
    }
}

/// What the other columns of a row state; kind and title unless they do.
fn stated(
    source: &Source<'_>,
    row: u32,
    cells: &[String],
    columns: &Columns,
    question: &str,
    findings: &mut Vec<Finding>,
) -> Layer {
    let mut layer = Layer {
        title: Some(question.to_owned()),
        ..Layer::default()
    };
    layer.fields.kind = Some(Kind::Faq);
    let stated_in = format!("{} 第 {row} 行", source.path);
    for &(at, field) in &columns.fields {
        if let Some(cell) = cells.get(at) {
            layer.set(field, &Value::Text(cell.clone()), &stated_in, findings);
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::passages::CutOptions;
    use crate::document::Audience;

    fn table(header: &[&str], rows: &[&[&str]]) -> Table {
        let own = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
        let rows = rows
            .iter()
            .enumerate()
            .map(|(n, row)| (n as u32 + 2, own(row)))
            .collect();
        Table {
            name: "一".into(),
            header: own(header),
            rows,
            ..Table::default()
        }
    }

    fn load(tables: &[Table]) -> Option<(Vec<Document>, Vec<Finding>)> {
        let defaults = Layer::default();
        let source = Source {
            path: "医保局/问答.xlsx",
            content_hash: "00",
            defaults: &defaults,
            sidecar: &defaults,
            cut: CutOptions::default(),
        };
        documents(&source, tables)
    }

    #[test]
    fn a_row_is_a_document_with_its_answer_marked() {
        let header = [
            "序号",
            "咨询问题",
            "答复",
            "相似问法",
            "归口部门",
            "失效日期",
            "公开范围",
            "备注",
        ];
        let row = [
            "1",
            "医保卡丢了怎么办？",
            "到窗口补办。",
            "医保卡遗失；卡不见了",
            "市医保局",
            "2027-12-31",
            "坐席",
            "带身份证",
        ];
        let (documents, findings) = load(&[table(&header, &[&row])]).unwrap();
        assert_eq!(findings, []);
        let document = &documents[0];
        assert_eq!(document.id, "医保局/问答.xlsx#2");
        assert_eq!(document.title, "医保卡丢了怎么办？");
        assert_eq!(
            document.text,
            "医保卡丢了怎么办？\n到窗口补办。\n备注：带身份证"
        );
        assert_eq!(document.metadata.kind, Some(Kind::Faq));
        assert_eq!(document.metadata.department.as_deref(), Some("市医保局"));
        assert_eq!(document.metadata.audience, Audience::Agent);
        let passage = &document.passages[0];
        assert_eq!(
            passage.questions,
            ["医保卡丢了怎么办？", "医保卡遗失", "卡不见了"]
        );
        assert_eq!(
            passage.answer.map(|a| a.of(&document.text)),
            Some("到窗口补办。")
        );
        assert_eq!(passage.row, Some(2));
    }

    #[test]
    fn rows_without_answers_are_reported() {
        let (documents, findings) = load(&[table(
            &["Question", "Answer"],
            &[&["甲？", ""], &["乙？", "丙"], &["", ""], &["", "丁"]],
        )])
        .unwrap();
        assert_eq!(documents.len(), 1);
        assert_eq!(documents[0].id, "医保局/问答.xlsx#3");
        let codes: Vec<_> = findings.iter().map(|f| f.code).collect();
        assert_eq!(codes, ["empty_question", "empty_answer"]);
        assert!(
            findings[1].message.contains("第 2 行"),
            "{}",
            findings[1].message
        );
    }

    #[test]
    fn headers_decide_whether_a_table_holds_entries() {
        let of =
            |header: &[&str]| columns(&header.iter().map(|&h| h.to_owned()).collect::<Vec<_>>());
        assert!(of(&["标题", "回复内容"]).is_some());
        assert!(of(&["问题（必填）", "内容"]).is_some());
        assert_eq!(of(&["标题", "内容"]), None);
        assert_eq!(of(&["文档标题", "文号", "发布日期"]), None);
        assert_eq!(of(&["问题", "数量"]), None);
    }

    #[test]
    fn ids_are_told_apart() {
        let first = table(
            &["id", "问题", "答案"],
            &[&["yb-1", "甲？", "乙"], &["7", "丙？", "丁"]],
        );
        let second = Table {
            name: "二".into(),
            ..table(&["问题", "答案"], &[&["戊？", "己"]])
        };
        let other = table(&["地区", "标准"], &[&["东溪区", "900"]]);
        let (documents, _) = load(&[other.clone(), first, second]).unwrap();
        let ids: Vec<_> = documents.iter().map(|d| d.id.as_str()).collect();
        assert_eq!(ids, ["yb-1", "医保局/问答.xlsx#7", "医保局/问答.xlsx#二#2"]);
        assert_eq!(load(&[other]), None);
    }

    #[test]
    fn a_long_answer_is_cut_and_every_part_knows_its_question() {
        let answer = "请携带身份证到就近的服务窗口办理补卡手续。".repeat(60);
        let (documents, _) =
            load(&[table(&["问题", "答案"], &[&["怎么补卡？", &answer]])]).unwrap();
        let document = &documents[0];
        assert!(document.passages.len() > 1);
        assert!(
            document
                .passages
                .iter()
                .all(|p| p.questions == ["怎么补卡？"] && p.answer.is_some() && p.row == Some(2))
        );
    }
}
