//! What agents make of answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::app::App;
use super::super::caller::Caller;
use super::super::extract::JsonBody;
use super::super::problem::{Problem, ProblemBody, ProblemKind};
use super::for_agents;
use super::wire::short_id;
use crate::call_records::{FeedbackError, FeedbackKind, NewFeedback, Subject};
use crate::document::passage_id;

/// Longest wording of an agent, in characters.
const MAX_TEXT_CHARS: usize = 2_000;
/// Longest query, in characters.
const MAX_QUERY_CHARS: usize = 300;

/// What an agent made of an answer: of a recommendation, or of a passage found otherwise.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"action": "adopted", "recommendation_id": "5d41402abc4b2a76"}))]
pub(in crate::http) struct FeedbackBody {
    /// Given by the client: feedback of one id counts once. Without it, the same action on the same
    /// answer counts once.
    pub(super) id: Option<String>,
    action: WireAction,
    /// One of the call's, on the screen now or before.
    recommendation_id: Option<String>,
    /// Of a document that the agent found by searching; with `passage_id`, instead of
    /// `recommendation_id`.
    document_id: Option<String>,
    passage_id: Option<String>,
    /// What the agent searched for.
    query: Option<String>,
    /// The utterance that it answers; without it, the one that led to the recommendation.
    utterance_id: Option<String>,
    /// Who; without it, whoever takes the call.
    agent: Option<String>,
    /// 工单编号, for `linked`.
    ticket: Option<String>,
    /// The agent's own wording, for `edited`, at most 2,000 characters.
    text: Option<String>,
}

/// What an agent can make of an answer.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Action)]
enum WireAction {
    Displayed,
    Adopted,
    Helpful,
    NotHelpful,
    /// It does not come back in this call.
    Dismissed,
    /// Linked to a ticket.
    Linked,
    Edited,
}

/// It is on disk.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct FeedbackReply {
    /// As given, or made of the contents.
    pub(super) feedback_id: String,
    /// `false`: it was known; nothing changed.
    pub(super) is_new: bool,
}

/// Feedback
///
/// What the agent made of an answer; also after the call has ended, such as the ticket that it was
/// linked to. The same feedback may be sent again.
#[utoipa::path(
    post,
    path = "/v1/calls/{id}/feedback",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client")),
    request_body = FeedbackBody,
    responses(
        (status = 200, description = "Kept", body = FeedbackReply),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be written now", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn feedback(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<FeedbackBody>,
) -> Result<Json<FeedbackReply>, Problem> {
    for_agents(&caller)?;
    Ok(Json(keep(&app, &caller, &id, body).await?))
}

/// Keeps feedback; what is dismissed leaves the screen.
pub(super) async fn keep(
    app: &Arc<App>,
    caller: &Caller,
    call_id: &str,
    body: FeedbackBody,
) -> Result<FeedbackReply, Problem> {
    let records = app.call_records()?;
    let action = body.action;
    let feedback = body.read(app, caller, call_id).await?;
    let feedback_id = feedback.id.clone();
    let dismissed = match (action, &feedback.subject) {
        (WireAction::Dismissed, Subject::Recommendation(id)) => Some(id.clone()),
        _ => None,
    };
    let kept = records.keep(feedback).await.map_err(refused)?;
    if let (Some(recommendation_id), Some(call)) =
        (dismissed, app.desk.get(call_id, caller.sight()))
    {
        // Waits while something is looked for in the call.
        app.run(move |_| call.dismiss(&recommendation_id)).await?;
    }
    Ok(FeedbackReply {
        feedback_id,
        is_new: kept.is_new,
    })
}

impl FeedbackBody {
    async fn read(
        self,
        app: &Arc<App>,
        caller: &Caller,
        call_id: &str,
    ) -> Result<NewFeedback, Problem> {
        let short = |field: &'static str, value: Option<String>| {
            value.map(|value| short_id(field, value)).transpose()
        };
        let ticket = short("ticket", self.ticket)?;
        match self.action {
            WireAction::Linked if ticket.is_none() => {
                return Err(Problem::field(
                    "ticket",
                    "is missing: which ticket is it linked to?",
                ));
            }
            WireAction::Edited if self.text.is_none() => {
                return Err(Problem::field(
                    "text",
                    "is missing: what did the agent say instead?",
                ));
            }
            WireAction::Dismissed if self.recommendation_id.is_none() => {
                let reason = "is missing: only recommendations can be dismissed";
                return Err(Problem::field("recommendation_id", reason));
            }
            _ => {}
        }
        let within = |field: &'static str, value: &Option<String>, n_max: usize| {
            let n_chars = value.as_deref().map_or(0, |value| value.chars().count());
            match n_chars > n_max {
                true => Err(Problem::field(
                    field,
                    format!("has {n_chars} characters; at most {n_max} are kept"),
                )),
                false => Ok(()),
            }
        };
        within("text", &self.text, MAX_TEXT_CHARS)?;
        within("query", &self.query, MAX_QUERY_CHARS)?;
        let subject = match (self.recommendation_id, self.document_id, self.passage_id) {
            (Some(id), None, None) => Subject::Recommendation(short_id("recommendation_id", id)?),
            (None, Some(document_id), Some(passage_id)) => {
                passage(app, caller, document_id, passage_id, self.query).await?
            }
            _ => {
                let reason =
                    "give it, or document_id and passage_id of an answer found by searching";
                return Err(Problem::field("recommendation_id", reason));
            }
        };
        let mut feedback = NewFeedback {
            id: String::new(),
            call_id: call_id.to_owned(),
            kind: self.action.kind(),
            subject,
            agent: short("agent", self.agent)?,
            utterance_id: short("utterance_id", self.utterance_id)?,
            ticket,
            text: self.text,
            sight: caller.sight().clone(),
        };
        feedback.id = match short("id", self.id)? {
            Some(id) => id,
            None => id_of(&feedback),
        };
        Ok(feedback)
    }
}

/// The passage, if the caller may see it.
async fn passage(
    app: &Arc<App>,
    caller: &Caller,
    document_id: String,
    wanted: String,
    query: Option<String>,
) -> Result<Subject, Problem> {
    let sight = caller.sight().clone();
    let id = document_id.clone();
    let read = app.run(move |backend| backend.document(&id, &sight));
    let Some(view) = read.await?? else {
        return Err(Problem::field("document_id", "there is no such document"));
    };
    let document = view.document;
    let is_there = document
        .passages
        .iter()
        .any(|passage| passage_id(&document.id, passage.ordinal) == wanted);
    match is_there {
        true => Ok(Subject::Passage {
            document_id,
            passage_id: wanted,
            content_hash: document.content_hash,
            department: document.metadata.department,
            query,
        }),
        false => Err(Problem::field(
            "passage_id",
            "the document has no such passage (any more)",
        )),
    }
}

/// blake3 of what was done to what, the first 16 hexadecimal digits.
fn id_of(feedback: &NewFeedback) -> String {
    let (recommendation, passage) = match &feedback.subject {
        Subject::Recommendation(id) => (id.as_str(), ""),
        Subject::Passage { passage_id, .. } => ("", passage_id.as_str()),
    };
    let optional = |part: &Option<String>| part.clone().unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    for part in [
        feedback.kind.name(),
        recommendation,
        passage,
        &optional(&feedback.agent),
        &optional(&feedback.utterance_id),
        &optional(&feedback.ticket),
        &optional(&feedback.text),
    ] {
        hasher.update(&part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

impl WireAction {
    fn kind(self) -> FeedbackKind {
        match self {
            Self::Displayed => FeedbackKind::Displayed,
            Self::Adopted => FeedbackKind::Adopted,
            Self::Helpful => FeedbackKind::Helpful,
            Self::NotHelpful => FeedbackKind::NotHelpful,
            Self::Dismissed => FeedbackKind::Dismissed,
            Self::Linked => FeedbackKind::Linked,
            Self::Edited => FeedbackKind::Edited,
        }
    }
}

pub(in crate::http) fn refused(error: FeedbackError) -> Problem {
    match error {
        FeedbackError::NoSuchCall => Problem::new(
            ProblemKind::NoSuchCall,
            "No call of that id is kept: nothing was said in it, or it was deleted.",
        ),
        FeedbackError::NoSuchRecommendation => {
            Problem::field("recommendation_id", "was never recommended in this call")
        }
        FeedbackError::Conflict => Problem::field(
            "id",
            "was used in this call for other feedback; give every feedback an id of its own",
        ),
        FeedbackError::Unavailable(reason) => {
            tracing::error!(reason, "feedback could not be kept");
            Problem::new(
                ProblemKind::Overloaded,
                "It cannot be written now. Send it again shortly.",
            )
        }
    }
}
