//! What comes in and goes out about calls, as JSON has it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::hits::WireHit;
use super::super::offsets::{CharOffsets, CharSpan};
use super::super::problem::Problem;
use crate::assist::{
    Attributes, CallView, Keyword, MAX_UTTERANCE_CHARS, Recommendation, Recommendations, Speaker,
    Utterance,
};
use crate::text::mask;

/// Longest id of a call, an utterance or an agent, in characters.
pub(super) const MAX_ID_CHARS: usize = 100;
/// Most utterances of one request.
const MAX_UTTERANCES: usize = 100;
/// Most labels of one utterance.
const MAX_LABELS: usize = 16;

/// What was said in a call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"agent": "1024", "utterances": [
    {"id": "u1", "speaker": "caller", "text": "退休金怎么领", "final": true}
]}))]
pub(in crate::http) struct HearBody {
    /// Who takes the call; noted once.
    agent: Option<String>,
    /// Where the caller is; noted once. Answers for the region come before those for others.
    region: Option<String>,
    /// How the caller came; noted once.
    channel: Option<String>,
    /// In the order in which they were said, 1 to 100.
    utterances: Vec<WireUtterance>,
}

/// One turn, or what is known of it so far.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Utterance)]
pub(super) struct WireUtterance {
    /// Unique within the call; the same id again replaces what is not final.
    pub(super) id: String,
    speaker: WireSpeaker,
    /// What was understood, at most 2,000 characters.
    text: String,
    /// Whether the recogniser is done with it. Only then anything is looked for.
    #[serde(default = "yes", rename = "final")]
    is_final: bool,
    /// When it was said, such as `2026-11-20T09:30:00+08:00`; without it, the order of arrival counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// Whatever else is known of it, such as the emotion; passed through.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Speaker)]
enum WireSpeaker {
    Caller,
    Agent,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HearReply {
    pub(super) call_id: String,
    /// How often the recommendations have changed; 0 while there are none.
    pub(super) revision: u64,
    /// What the agent should see from now on; `null` if that has not changed.
    pub(super) recommendations: Option<WireRecommendations>,
}

/// What the agent should see.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recommendations)]
pub(super) struct WireRecommendations {
    /// `recommendations`
    r#type: &'static str,
    /// Counts the changes of a call from 1.
    revision: u64,
    /// The utterance that led to it.
    after_utterance: String,
    /// The generation of the index that answered.
    generation: u64,
    intent: WireIntent,
    /// Words of the last turns that can be looked up.
    keywords: Vec<WireKeyword>,
    /// Likeliest first, three at most.
    items: Vec<WireRecommendation>,
    /// 话术: what to say in the situation, besides the answers; two at most.
    script: Vec<WireRecommendation>,
    took_ms: f64,
    /// Why it is worse than it could be: `vector_unavailable`, `vector_timeout`.
    degraded: Vec<&'static str>,
}

/// What the caller seems to want.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Intent)]
struct WireIntent {
    /// What was taken for the question.
    question: String,
    /// 归口部门 of the likeliest answer.
    department: Option<String>,
}

/// A word of the call. The span counts characters of the utterance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Keyword)]
struct WireKeyword {
    text: String,
    utterance_id: String,
    #[serde(flatten)]
    span: CharSpan,
}

/// An answer with its source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recommendation)]
struct WireRecommendation {
    /// The same for the same answer in the same call.
    recommendation_id: String,
    /// What to read out, at most 120 characters of the source.
    say: String,
    /// What speaks for it.
    why: Vec<&'static str>,
    #[serde(flatten)]
    hit: WireHit,
}

/// A call that goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CallReply {
    call_id: String,
    agent: Option<String>,
    region: Option<String>,
    channel: Option<String>,
    started_at: String,
    /// The last part of what was said.
    utterances: Vec<WireUtterance>,
    revision: u64,
    /// What the agent should see; `null` while there is nothing to say.
    recommendations: Option<WireRecommendations>,
}

impl HearBody {
    pub(super) fn read(self) -> Result<(Attributes, Vec<Utterance>), Problem> {
        if self.utterances.is_empty() || self.utterances.len() > MAX_UTTERANCES {
            let reason = format!(
                "has {} entries; send 1 to {MAX_UTTERANCES}",
                self.utterances.len()
            );
            return Err(Problem::field("utterances", reason));
        }
        let attributes = attributes(self.agent, self.region, self.channel)?;
        let utterances = self.utterances.into_iter().enumerate();
        let utterances =
            utterances.map(|(at, utterance)| utterance.read(&format!("utterances[{at}].")));
        Ok((attributes, utterances.collect::<Result<_, _>>()?))
    }
}

/// What is known of a call, none of it too long.
pub(super) fn attributes(
    agent: Option<String>,
    region: Option<String>,
    channel: Option<String>,
) -> Result<Attributes, Problem> {
    let short = |field: &'static str, value: Option<String>| {
        value.map(|value| short_id(field, value)).transpose()
    };
    // Telephony systems put numbers and addresses anywhere; only what was said is heard unmasked.
    let masked = |value: Option<String>| value.map(|value| mask(&value));
    Ok(Attributes {
        agent: short("agent", agent)?,
        region: masked(short("region", region)?),
        channel: masked(short("channel", channel)?),
    })
}

impl WireUtterance {
    /// The utterance, if it is within limits; problems name fields below `place`.
    pub(super) fn read(self, place: &str) -> Result<Utterance, Problem> {
        let field = |name: &str| format!("{place}{name}");
        let n_chars = self.text.chars().count();
        if n_chars > MAX_UTTERANCE_CHARS {
            let reason =
                format!("has {n_chars} characters; at most {MAX_UTTERANCE_CHARS} are read");
            return Err(Problem::field(field("text"), reason));
        }
        let n_label_chars = self
            .labels
            .iter()
            .map(|(name, value)| name.len() + value.len());
        if self.labels.len() > MAX_LABELS || n_label_chars.max().unwrap_or(0) > 4 * MAX_ID_CHARS {
            let reason = format!("are too many or too long; send at most {MAX_LABELS} short ones");
            return Err(Problem::field(field("labels"), reason));
        }
        Ok(Utterance {
            id: short_id(field("id"), self.id)?,
            speaker: match self.speaker {
                WireSpeaker::Caller => Speaker::Caller,
                WireSpeaker::Agent => Speaker::Agent,
            },
            text: self.text,
            is_final: self.is_final,
            at: self.at,
            labels: self
                .labels
                .into_iter()
                .map(|(name, value)| (mask(&name), mask(&value)))
                .collect(),
        })
    }

    fn of(utterance: &Utterance) -> Self {
        Self {
            id: utterance.id.clone(),
            speaker: match utterance.speaker {
                Speaker::Caller => WireSpeaker::Caller,
                Speaker::Agent => WireSpeaker::Agent,
            },
            text: utterance.text.clone(),
            is_final: utterance.is_final,
            at: utterance.at,
            labels: utterance.labels.clone(),
        }
    }
}

impl CallReply {
    pub(super) fn of(view: &CallView) -> Self {
        Self {
            call_id: view.call.id.clone(),
            agent: view.attributes.agent.clone(),
            region: view.attributes.region.clone(),
            channel: view.attributes.channel.clone(),
            started_at: format!("{:.3}", view.call.started_at),
            utterances: view.utterances.iter().map(WireUtterance::of).collect(),
            revision: view.revision,
            recommendations: view
                .latest
                .as_ref()
                .map(|latest| WireRecommendations::of(latest, &view.utterances)),
        }
    }
}

impl WireRecommendations {
    pub(super) fn of(recommendations: &Recommendations, utterances: &[Utterance]) -> Self {
        Self {
            r#type: "recommendations",
            revision: recommendations.revision,
            after_utterance: recommendations.after_utterance.clone(),
            generation: recommendations.generation,
            intent: WireIntent {
                question: recommendations.question.clone(),
                department: recommendations.department.clone(),
            },
            keywords: recommendations
                .keywords
                .iter()
                .filter_map(|keyword| wire_keyword(keyword, utterances))
                .collect(),
            items: recommendations
                .items
                .iter()
                .map(WireRecommendation::of)
                .collect(),
            script: recommendations
                .script
                .iter()
                .map(WireRecommendation::of)
                .collect(),
            took_ms: recommendations.took.as_secs_f64() * 1e3,
            degraded: recommendations
                .degraded
                .iter()
                .map(|why| why.name())
                .collect(),
        }
    }
}

/// `None` if the utterance says something else by now.
fn wire_keyword(keyword: &Keyword, utterances: &[Utterance]) -> Option<WireKeyword> {
    let said = utterances
        .iter()
        .find(|said| said.id == keyword.utterance_id)?;
    let is_there = said.text.get(keyword.span.start..keyword.span.end) == Some(&keyword.text);
    is_there.then(|| WireKeyword {
        text: keyword.text.clone(),
        utterance_id: keyword.utterance_id.clone(),
        span: CharOffsets::locate(&said.text, [keyword.span]).span(keyword.span),
    })
}

impl WireRecommendation {
    fn of(item: &Recommendation) -> Self {
        Self {
            recommendation_id: item.id.clone(),
            say: item.say.clone(),
            why: item.why.clone(),
            hit: WireHit::from(item.hit.clone()),
        }
    }
}

pub(super) fn short_id(field: impl Into<String>, id: String) -> Result<String, Problem> {
    let n_chars = id.chars().count();
    if (1..=MAX_ID_CHARS).contains(&n_chars) {
        return Ok(id);
    }
    let reason = format!("has {n_chars} characters; give 1 to {MAX_ID_CHARS}");
    Err(Problem::field(field.into(), reason))
}
