//! What the document itself shows: title, 发文字号, 发文机关, dates, 废止 statements, telephones.
//!
//! Reads labelled values (文号：…), the usual places of an official document (head, signature,
//! closing article) and what the format carries. States only what stands there; a document number
//! or date that the text merely cites is not taken for its own.

use crate::corpus::Extract;
use crate::corpus::passages::lines::{Line, is_blank, lines};
use crate::document::Validity;

use super::Layer;

mod contacts;
mod doc_no;
mod issuer;
mod kind;
mod labels;
mod title;
mod validity;

use self::labels::{Label, Labels};

pub(crate) use self::doc_no::doc_no_in;

/// How many lines at the head may hold labelled values, the document number and marks.
const N_HEAD_LINES: usize = 60;

/// The layer that an extracted text states about itself.
pub fn observe(extract: &Extract) -> Layer {
    let lines = lines(extract);
    let head = &lines[..lines.len().min(N_HEAD_LINES)];
    let labels = Labels::read(head, &extract.properties);
    let title = title::title(extract, &lines);
    let mut layer = Layer {
        title: title.clone(),
        ..Layer::default()
    };
    let title = title.as_deref().unwrap_or("");

    let fields = &mut layer.fields;
    fields.doc_no = labels
        .get(Label::DocNo)
        .and_then(doc_no_in)
        .or_else(|| doc_no::own(head, title));
    let signature = issuer::signature(&lines);
    fields.issuer = issuer::issuer(title, signature.as_ref(), fields.doc_no.as_deref(), &labels);
    let signed = labels
        .date(Label::Signed)
        .or(signature.map(|s| s.date))
        .or_else(|| validity::enacted(head));
    let published = labels.date(Label::Published).or_else(|| date_line(head));
    fields.published_at = signed.or(published);

    let flat: String = extract.text.chars().filter(|&c| !is_blank(c)).collect();
    // The date of a web page is not that of the rule which it repeats, unless the page is the rule's own.
    let issued = signed.or(published.filter(|_| fields.doc_no.is_some()));
    let period = validity::period(&flat, issued, published.or(signed));
    fields.effective_from = labels.date(Label::From).or(period.from);
    fields.effective_to = labels
        .date(Label::To)
        .or_else(|| validity::last_day_of(&period, fields.effective_from));
    fields.replaces = validity::replaced(&flat);
    fields
        .replaces
        .retain(|replaced| fields.doc_no.as_ref() != Some(replaced));
    fields.status = stated_status(&labels, title, head);
    fields.kind = kind::kind(title, fields.doc_no.as_deref(), &lines);
    fields.phones = contacts::phones(&extract.text);
    fields.source_url = contacts::source_url(&extract.properties);
    fields.keywords = labels.keywords();
    layer
}

/// A line near the head that is a date and nothing else.
fn date_line(head: &[Line<'_>]) -> Option<jiff::civil::Date> {
    head.iter()
        .take(12)
        .find_map(|line| super::dates::parse_date(line.text))
}

/// 已废止 or 已失效, if a label, the title or a bracketed mark at the head says so.
fn stated_status(labels: &Labels, title: &str, head: &[Line<'_>]) -> Option<Validity> {
    let ended = |validity: &Validity| matches!(validity, Validity::Repealed | Validity::Expired);
    let labelled = labels
        .get(Label::Status)
        .and_then(|value| {
            let bare = value.split(['（', '(', '，', ',', ' ']).next();
            bare.unwrap_or(value).trim().parse().ok()
        })
        .filter(ended);
    labelled
        .or_else(|| mark_in(title))
        .or_else(|| head.iter().take(12).find_map(|line| status_mark(line.text)))
}

fn mark_in(title: &str) -> Option<Validity> {
    let marks = [("废止", Validity::Repealed), ("失效", Validity::Expired)];
    marks.iter().find_map(|&(word, validity)| {
        let marked = ["（已", "【已", "(已", "[已", "（", "【", "(", "["]
            .iter()
            .any(|open| {
                title.match_indices(open).any(|(at, _)| {
                    title[at + open.len()..]
                        .strip_prefix(word)
                        .is_some_and(|rest| rest.starts_with(['）', '】', ')', ']']))
                })
            });
        marked.then_some(validity)
    })
}

/// A short line that is nothing but a mark: 【已废止】, 此件已失效.
fn status_mark(line: &str) -> Option<Validity> {
    if line.chars().nth(16).is_some() {
        return None;
    }
    let about_itself = [
        "本文件",
        "此件",
        "该文件",
        "本办法",
        "本通知",
        "该文",
        "此文件",
    ]
    .iter()
    .any(|w| line.starts_with(w));
    match mark_in(line) {
        Some(validity) => Some(validity),
        None if about_itself && line.contains("已废止") => Some(Validity::Repealed),
        None if about_itself && line.contains("已失效") => Some(Validity::Expired),
        None => None,
    }
}

#[cfg(test)]
mod tests;
