//! Which passages a caller may see and asks for.

use jiff::civil::Date;
use tantivy::columnar::StrColumn;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, SegmentReader, TERMINATED, Term};

use crate::document::{Audience, Kind, Topics};
use crate::sight::Sight;

use super::LexicalError;
use super::metadata_filter::MetadataFilter;
use super::schema::{Fields, column};

/// What a search is narrowed to. An empty list does not narrow; within a list any value will do,
/// and every list that is not empty must be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// [`crate::document::Metadata::department`]
    pub department: Vec<String>,
    /// [`crate::document::Metadata::kind`]
    pub kind: Vec<Kind>,
    /// [`crate::document::Metadata::region`]
    pub region: Vec<String>,
    /// [`crate::document::Metadata::topics`]
    pub topics: Topics,
    /// [`crate::document::Document::id`]
    pub document: Vec<String>,
    /// What else a document must say of itself; [`Condition::mask`] does not judge it.
    pub metadata: Option<MetadataFilter>,
}

/// Which documents pass, by validity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Admission {
    /// What is in force on the day.
    #[default]
    InForce,
    /// Everything.
    Any,
}

/// Everything that decides whether a document passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What the caller asks for.
    pub filters: Filters,
    /// Validity is judged as of this day.
    pub day: Date,
    /// What the caller may see.
    pub sight: Sight,
    /// Whether only what is in force on `day` passes.
    pub admission: Admission,
}

/// Tantivy documents of one segment, `true` where they pass; `None` if all do.
pub type Mask = Option<Vec<bool>>;

impl Condition {
    /// Judges all tantivy documents of a segment, deleted ones too; `None` if all pass.
    pub fn mask(&self, segment: &SegmentReader, fields: &Fields) -> Result<Mask, LexicalError> {
        let filters = &self.filters;
        let kinds: Vec<String> = filters
            .kind
            .iter()
            .map(|kind| kind.name().to_owned())
            .collect();
        let mut mask: Mask = None;
        for (name, wanted) in [
            (column::KIND, &kinds),
            (column::DEPARTMENT, &filters.department),
            (column::REGION, &filters.region),
            (column::TOPIC_QUESTION, &filters.topics.question),
            (column::TOPIC_BUSINESS, &filters.topics.business),
            (column::TOPIC_OBJECT, &filters.topics.object),
        ] {
            if !wanted.is_empty() {
                let column = segment.fast_fields().str(name)?;
                narrow(&mut mask, segment, passing_names(column, wanted)?);
            }
        }
        if !filters.document.is_empty() {
            let passing = passing_documents(segment, fields, &filters.document)?;
            narrow(&mut mask, segment, |doc| passing[doc as usize]);
        }
        self.narrow_by_audience(&mut mask, segment)?;
        self.narrow_by_scope(&mut mask, segment)?;
        if self.admission == Admission::InForce {
            self.narrow_by_validity(&mut mask, segment)?;
        }
        Ok(mask)
    }

    fn narrow_by_audience(
        &self,
        mask: &mut Mask,
        segment: &SegmentReader,
    ) -> Result<(), LexicalError> {
        let level = audience_level(self.sight.audience);
        let column = segment.fast_fields().u64(column::AUDIENCE)?;
        if column.max_value() > level {
            narrow(mask, segment, |doc| {
                column.first(doc).is_some_and(|needed| needed <= level)
            });
        }
        Ok(())
    }

    /// The same rules as [`Sight::sees`].
    fn narrow_by_scope(
        &self,
        mask: &mut Mask,
        segment: &SegmentReader,
    ) -> Result<(), LexicalError> {
        let scope = &self.sight.scope;
        if !scope.departments().is_empty() {
            let column = segment.fast_fields().str(column::DEPARTMENT)?;
            let passes = |name: Option<&str>| scope.has_department(name);
            narrow(mask, segment, judged_names(column, passes)?);
        }
        if !scope.regions().is_empty() {
            let column = segment.fast_fields().str(column::REGION)?;
            let passes = |name: Option<&str>| scope.has_region(name);
            narrow(mask, segment, judged_names(column, passes)?);
        }
        Ok(())
    }

    /// The same rule as [`crate::document::Metadata::validity_on`], in force or not.
    fn narrow_by_validity(
        &self,
        mask: &mut Mask,
        segment: &SegmentReader,
    ) -> Result<(), LexicalError> {
        let day = day_number(self.day);
        let from = segment.fast_fields().i64(column::EFFECTIVE_FROM)?;
        let to = segment.fast_fields().i64(column::EFFECTIVE_TO)?;
        let ended = segment.fast_fields().u64(column::ENDED)?;
        if from.values.num_vals() > 0 {
            narrow(mask, segment, |doc| {
                from.first(doc).is_none_or(|from| from <= day)
            });
        }
        if to.values.num_vals() > 0 {
            narrow(mask, segment, |doc| {
                to.first(doc).is_none_or(|to| day <= to)
            });
        }
        if ended.values.num_vals() > 0 {
            narrow(mask, segment, |doc| ended.first(doc).is_none());
        }
        Ok(())
    }
}

/// Days since 1970-01-01.
pub fn day_number(day: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    i64::from(day.duration_since(epoch).as_hours() as i32 / 24)
}

/// The column value of an audience; each level sees itself and everything below.
pub fn audience_level(audience: Audience) -> u64 {
    match audience {
        Audience::Public => 0,
        Audience::Agent => 1,
        Audience::Internal => 2,
    }
}

/// [`Sight::sees`] of what stands in the columns.
pub fn sees(sight: &Sight, segment: &SegmentReader, doc: DocId) -> Result<bool, LexicalError> {
    let level = segment.fast_fields().u64(column::AUDIENCE)?.first(doc);
    let department = column_text(segment, column::DEPARTMENT, doc)?;
    let region = column_text(segment, column::REGION, doc)?;
    Ok(
        level.is_some_and(|level| level <= audience_level(sight.audience))
            && sight.scope.has_department(department.as_deref())
            && sight.scope.has_region(region.as_deref()),
    )
}

/// What a column of texts holds for one tantivy document.
pub fn column_text(
    segment: &SegmentReader,
    name: &str,
    doc: DocId,
) -> Result<Option<String>, LexicalError> {
    let Some(column) = segment.fast_fields().str(name)? else {
        return Ok(None);
    };
    let Some(ord) = column.term_ords(doc).next() else {
        return Ok(None);
    };
    let mut text = String::new();
    column.ord_to_str(ord, &mut text)?;
    Ok(Some(text))
}

/// Takes out what does not pass; all pass where there is no mask yet.
pub fn narrow(mask: &mut Mask, segment: &SegmentReader, passes: impl Fn(DocId) -> bool) {
    let mask = mask.get_or_insert_with(|| vec![true; segment.max_doc() as usize]);
    for (doc, passing) in (0..).zip(mask.iter_mut()) {
        *passing = *passing && passes(doc);
    }
}

fn passing_names(
    column: Option<StrColumn>,
    wanted: &[String],
) -> Result<impl Fn(DocId) -> bool + use<>, LexicalError> {
    let mut ords = Vec::new();
    if let Some(column) = &column {
        for name in wanted {
            ords.extend(column.dictionary().term_ord(name.as_bytes())?);
        }
    }
    Ok(move |doc: DocId| match &column {
        Some(column) if !ords.is_empty() => column.term_ords(doc).any(|ord| ords.contains(&ord)),
        _ => false,
    })
}

/// Whether a tantivy document passes by its name in a column, or by having none. Each name of the
/// segment is judged once.
fn judged_names(
    column: Option<StrColumn>,
    passes: impl Fn(Option<&str>) -> bool,
) -> Result<impl Fn(DocId) -> bool, LexicalError> {
    let mut verdicts = Vec::new();
    if let Some(column) = &column {
        let mut names = column.dictionary().stream()?;
        while names.advance() {
            // What is no text is no name that anybody is limited to.
            let name = std::str::from_utf8(names.key());
            verdicts.push(name.is_ok_and(|name| passes(Some(name))));
        }
    }
    let passes_nameless = passes(None);
    Ok(move |doc: DocId| {
        let mut ords = column
            .iter()
            .flat_map(|column| column.term_ords(doc))
            .peekable();
        match ords.peek() {
            None => passes_nameless,
            Some(_) => ords.all(|ord| verdicts.get(ord as usize).copied().unwrap_or(false)),
        }
    })
}

fn passing_documents(
    segment: &SegmentReader,
    fields: &Fields,
    ids: &[String],
) -> Result<Vec<bool>, LexicalError> {
    let mut passing = vec![false; segment.max_doc() as usize];
    let index = segment.inverted_index(fields.document_id)?;
    for id in ids {
        let term = Term::from_field_text(fields.document_id, id);
        if let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? {
            while postings.doc() != TERMINATED {
                passing[postings.doc() as usize] = true;
                postings.advance();
            }
        }
    }
    Ok(passing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_1970() {
        let day = |text: &str| day_number(text.parse().unwrap());
        assert_eq!(day("1970-01-01"), 0);
        assert_eq!(day("1969-12-31"), -1);
        assert_eq!(day("2026-11-20"), 20_777);
    }
}
