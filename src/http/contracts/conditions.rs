//! Conditions of contracts → filters of a search.
//!
//! Names are those of our metadata, in English or Chinese, as files state them. A name that is none of
//! them is one that no document has: what must be something there leaves nothing, what must not be
//! leaves everything.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::corpus::metadata::dates::parse_date;
use crate::corpus::metadata::keys::Field;
use crate::document::{Kind, Validity};
use crate::http::problem::Problem;
use crate::retrieval::{MetadataField, MetadataFilter, TextTest};

/// Most conditions of a request.
const MAX_CONDITIONS: usize = 100;
/// Names of metadata that one condition looks at.
const MAX_NAMES: usize = 20;
/// Most values of one condition.
const MAX_VALUES: usize = 1_000;
/// Longest value.
const MAX_VALUE_CHARS: usize = 1_000;

/// What a field is compared with.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a text, a number, true or false, or a list of them"
)]
#[schema(as = ConditionValue)]
pub(super) enum WireValue {
    /// A text; dates as `2026-11-20`.
    Text(String),
    /// A number; for dates, seconds since 1970.
    Number(f64),
    /// True or false.
    Truth(bool),
    /// Any of these.
    List(Vec<WireScalar>),
}

/// One value.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text, a number, or true or false")]
#[schema(as = ConditionScalar)]
pub(super) enum WireScalar {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Truth(bool),
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Is,
    Contains,
    StartsWith,
    EndsWith,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// Reads the conditions of one request.
pub(super) struct Reader<'r> {
    time_zone: &'r TimeZone,
    n_left: usize,
}

impl<'r> Reader<'r> {
    /// Days of timestamps are those of `time_zone`.
    pub(super) fn new(time_zone: &'r TimeZone) -> Self {
        Self {
            time_zone,
            n_left: MAX_CONDITIONS,
        }
    }

    /// At least one of the fields is anything at all.
    ///
    /// # Errors
    /// As [`Reader::compared`].
    pub(super) fn present(
        &mut self,
        place: &str,
        names: &[String],
    ) -> Result<MetadataFilter, Problem> {
        self.spend(place)?;
        let fields = fields_of(place, names)?;
        let has = |field| MetadataFilter::Has(field, TextTest::Present);
        Ok(MetadataFilter::Any(fields.into_iter().map(has).collect()))
    }

    /// At least one of the fields compares so with at least one of the values. `place` is where the
    /// condition stands.
    ///
    /// # Errors
    /// [`Problem::field`] for too many or too long values, a field that cannot be looked at, or a text
    /// that is no date where one is needed.
    pub(super) fn compared(
        &mut self,
        place: &str,
        names: &[String],
        comparison: Comparison,
        value: &WireValue,
    ) -> Result<MetadataFilter, Problem> {
        self.spend(place)?;
        let place = format!("{place}.value");
        let values = value.scalars();
        if values.len() > MAX_VALUES {
            let reason = format!("has {} values; at most {MAX_VALUES} are read", values.len());
            return Err(Problem::field(place, reason));
        }
        let mut any = Vec::new();
        for field in fields_of(&place, names)? {
            for value in &values {
                let text = self.text(&place, field, comparison, value)?;
                any.push(MetadataFilter::Has(field, comparison.test(text)));
            }
        }
        Ok(MetadataFilter::Any(any))
    }

    fn spend(&mut self, place: &str) -> Result<(), Problem> {
        let Some(left) = self.n_left.checked_sub(1) else {
            let reason = format!("is one condition too many; at most {MAX_CONDITIONS} are read");
            return Err(Problem::field(place, reason));
        };
        self.n_left = left;
        Ok(())
    }

    /// The value as the field writes it.
    fn text(
        &self,
        place: &str,
        field: MetadataField,
        comparison: Comparison,
        value: &WireScalar,
    ) -> Result<String, Problem> {
        let given = value.written();
        if given.chars().count() > MAX_VALUE_CHARS {
            let reason = format!("is longer than {MAX_VALUE_CHARS} characters");
            return Err(Problem::field(place, reason));
        }
        let is_part = matches!(
            comparison,
            Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith
        );
        match field {
            _ if is_part => Ok(given),
            MetadataField::Kind => Ok(by_name(given.parse::<Kind>().map(Kind::name), given)),
            MetadataField::Validity => Ok(by_name(
                given.parse::<Validity>().map(Validity::name),
                given,
            )),
            MetadataField::EffectiveFrom
            | MetadataField::EffectiveTo
            | MetadataField::PublishedAt => match self.day(value) {
                Some(day) => Ok(day),
                None if comparison == Comparison::Is => Ok(given),
                None => {
                    let given: String = given.chars().take(40).collect();
                    let reason = format!("{given:?} is not a date such as 2026-11-20");
                    Err(Problem::field(place, reason))
                }
            },
            _ => Ok(given),
        }
    }

    /// `YYYY-MM-DD` of a date as documents write it, or of a moment.
    fn day(&self, value: &WireScalar) -> Option<String> {
        let seconds = match value {
            WireScalar::Text(text) => {
                return parse_date(text).map(|date| date.to_string());
            }
            WireScalar::Number(seconds) => *seconds,
            WireScalar::Truth(_) => return None,
        };
        // Some platforms count milliseconds.
        let seconds = match seconds.abs() >= 1e11 {
            true => seconds / 1e3,
            false => seconds,
        };
        let moment = Timestamp::from_second(seconds as i64).ok()?;
        let day = moment.to_zoned(self.time_zone.clone()).date();
        Some(day.to_string())
    }
}

fn by_name<E>(known: Result<&'static str, E>, given: String) -> String {
    known.map_or(given, str::to_owned)
}

impl Comparison {
    fn test(self, text: String) -> TextTest {
        match self {
            Self::Is => TextTest::Is(text),
            Self::Contains => TextTest::Contains(text),
            Self::StartsWith => TextTest::StartsWith(text),
            Self::EndsWith => TextTest::EndsWith(text),
            Self::Below => TextTest::Below(text),
            Self::AtMost => TextTest::AtMost(text),
            Self::Above => TextTest::Above(text),
            Self::AtLeast => TextTest::AtLeast(text),
        }
    }
}

impl WireValue {
    fn scalars(&self) -> Vec<WireScalar> {
        match self {
            Self::Text(text) => vec![WireScalar::Text(text.clone())],
            Self::Number(number) => vec![WireScalar::Number(*number)],
            Self::Truth(truth) => vec![WireScalar::Truth(*truth)],
            Self::List(values) => values.clone(),
        }
    }
}

impl WireScalar {
    fn written(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

/// Whether a condition says which 时效性 counts.
pub(super) fn looks_at_validity(filter: &MetadataFilter) -> bool {
    match filter {
        MetadataFilter::All(filters) | MetadataFilter::Any(filters) => {
            filters.iter().any(looks_at_validity)
        }
        MetadataFilter::Not(filter) => looks_at_validity(filter),
        MetadataFilter::Has(field, _) => *field == MetadataField::Validity,
    }
}

/// The fields of all names; none for a name that is not ours.
fn fields_of(place: &str, names: &[String]) -> Result<Vec<MetadataField>, Problem> {
    if names.len() > MAX_NAMES {
        let reason = format!("is for {} names; at most {MAX_NAMES} are read", names.len());
        return Err(Problem::field(place, reason));
    }
    let mut fields = Vec::new();
    for name in names {
        for field in fields_named(place, name)? {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
    }
    Ok(fields)
}

fn fields_named(place: &str, name: &str) -> Result<Vec<MetadataField>, Problem> {
    use MetadataField as F;
    let shown = match name.trim() {
        "document_id" | "file_id" => Some(F::DocumentId),
        "path" | "filename" | "file_name" => Some(F::Path),
        "document_name" => Some(F::Title),
        _ => None,
    };
    if let Some(field) = shown {
        return Ok(vec![field]);
    }
    let Some(stated) = Field::named(name) else {
        tracing::debug!(name, "a condition names metadata that no document has");
        return Ok(Vec::new());
    };
    Ok(match stated {
        Field::Id => vec![F::DocumentId],
        Field::Title => vec![F::Title],
        Field::Kind => vec![F::Kind],
        Field::DocNo => vec![F::DocNo],
        Field::Issuer => vec![F::Issuer],
        Field::Department => vec![F::Department],
        Field::Region => vec![F::Region],
        Field::Level => vec![F::Level],
        Field::Topics => vec![F::TopicBusiness, F::TopicQuestion, F::TopicObject],
        Field::QuestionTopics => vec![F::TopicQuestion],
        Field::BusinessTopics => vec![F::TopicBusiness],
        Field::ObjectTopics => vec![F::TopicObject],
        Field::EffectiveFrom => vec![F::EffectiveFrom],
        Field::EffectiveTo => vec![F::EffectiveTo],
        Field::Status => vec![F::Validity],
        Field::PublishedAt => vec![F::PublishedAt],
        Field::Keywords => vec![F::Keyword],
        Field::SourceUrl => vec![F::SourceUrl],
        Field::Audience | Field::Replaces | Field::SimilarQuestions | Field::Phones => {
            let reason = format!("`{}` cannot be a condition", stated.key());
            return Err(Problem::field(place, reason));
        }
    })
}
