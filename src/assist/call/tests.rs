//! What agents see, turn by turn.

use super::*;
use crate::document::{Audience, Kind, Validity};
use crate::retrieval::{
    Citation, Contributions, Facets, QueryReading, SearchRequest, SearchResponse,
};

const SETTINGS: Settings = Settings {
    min_confidence: 0.2,
    patience: None,
    as_of: None,
    sight: Sight::of(Audience::Agent),
};

fn hit(document: &str, confidence: f32) -> Hit {
    Hit {
        document_id: document.to_owned(),
        passage_id: format!("{document}#p0"),
        title: document.to_owned(),
        heading: Vec::new(),
        kind: None,
        text: format!("{document}的办理：  凭证件到窗口。"),
        highlights: vec![ByteSpan::new(0, document.len())],
        answer: None,
        score: confidence,
        contributions: Contributions::default(),
        confidence: Some(confidence),
        signals: None,
        is_entry: false,
        level: None,
        phones: Vec::new(),
        validity: Validity::InForce,
        replaced_by: Vec::new(),
        is_stale: false,
        is_learned: false,
        effective_from: None,
        effective_to: None,
        published_at: None,
        department: None,
        region: None,
        issuer: None,
        doc_no: None,
        citation: Citation {
            path: format!("{document}.md"),
            page: None,
            row: None,
            article: None,
            char_start: 0,
            char_end: 0,
            content_hash: String::new(),
        },
        also_in: Vec::new(),
        explanation: None,
    }
}

/// Finds the documents named in the query, as `名称` then the probability in percent: `契税80`.
fn search(request: &SearchRequest) -> Result<SearchResponse, SearchError> {
    let mut hits: Vec<Hit> = request
        .query
        .split_whitespace()
        .filter_map(|word| {
            let at = word.find(|c: char| c.is_ascii_digit())?;
            let percent: f32 = word[at..].parse().ok()?;
            Some(hit(&word[..at], percent / 100.0))
        })
        .collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(SearchResponse {
        generation: 7,
        asked: Vec::new(),
        degraded: Vec::new(),
        reading: QueryReading::default(),
        hits,
        facets: Facets::default(),
    })
}

struct Talk {
    call: Call,
    n_said: usize,
}

impl Talk {
    fn new() -> Self {
        Self {
            call: Call::new("c"),
            n_said: 0,
        }
    }

    /// Documents on the screen if what the caller says changes it.
    fn hear(&mut self, text: &str) -> Option<Vec<String>> {
        self.n_said += 1;
        let id = format!("u{}", self.n_said);
        // Turns of the agent between, so that what the caller says stands for itself.
        for (id, speaker, text) in [
            (format!("a{}", self.n_said), Speaker::Agent, "您请说"),
            (id, Speaker::Caller, text),
        ] {
            let said = Utterance {
                id,
                speaker,
                text: text.to_owned(),
                is_final: true,
                at: None,
                labels: Default::default(),
            };
            if let Some(shown) = self
                .call
                .hear(said, &Attributes::default(), &search, &SETTINGS)
                .unwrap()
                .shown
            {
                let shown = shown.items.iter().map(|item| item.hit.document_id.clone());
                return Some(shown.collect());
            }
        }
        None
    }
}

fn shown(documents: &[&str]) -> Option<Vec<String>> {
    Some(
        documents
            .iter()
            .map(|document| (*document).to_owned())
            .collect(),
    )
}

#[test]
fn quiet_until_something_is_likely_and_then_only_for_news() {
    let mut talk = Talk::new();
    assert_eq!(talk.hear("你好"), None);
    assert_eq!(talk.hear("契税15"), None, "too unlikely");
    assert_eq!(talk.hear("契税80"), shown(&["契税"]));
    assert_eq!(talk.hear("契税80"), None, "it is on the screen");
    assert_eq!(
        talk.hear("契税70 印花税75"),
        shown(&["契税", "印花税"]),
        "no flicker"
    );
    assert_eq!(talk.call.latest().unwrap().revision, 2);
    assert_eq!(talk.hear("谢谢"), None);
}

#[test]
fn another_matter_takes_the_first_place() {
    let mut talk = Talk::new();
    assert_eq!(talk.hear("契税80"), shown(&["契税"]));
    assert_eq!(talk.hear("社保95"), shown(&["社保", "契税"]));
    assert_eq!(talk.hear("契税40"), None, "the context is as likely");
}

#[test]
fn what_was_dismissed_stays_away() {
    let mut talk = Talk::new();
    talk.hear("契税80");
    let id = talk.call.latest().unwrap().items[0].id.clone();
    assert!(talk.call.dismiss(&id) && !talk.call.dismiss(&id) && !talk.call.dismiss("other"));
    let latest = talk.call.latest().unwrap();
    assert_eq!(
        (latest.revision, latest.items.len()),
        (2, 0),
        "gone from the screen"
    );
    assert_eq!(talk.hear("契税90"), None);
    assert_eq!(talk.hear("契税90 社保60"), shown(&["社保"]));
}

#[test]
fn scripts_stand_apart_and_are_shown_once() {
    let with_scripts = |request: &SearchRequest| {
        let mut response = search(request)?;
        for hit in &mut response.hits {
            hit.kind = hit.document_id.starts_with("话术").then_some(Kind::Script);
        }
        Ok(response)
    };
    let mut call = Call::new("c");
    let mut said = |n: u32, text: &str| {
        let said = Utterance {
            id: n.to_string(),
            speaker: Speaker::Caller,
            text: text.to_owned(),
            is_final: true,
            at: None,
            labels: Default::default(),
        };
        let heard = call.hear(said, &Attributes::default(), &with_scripts, &SETTINGS);
        heard.unwrap().shown.map(|shown| {
            let ids = |items: &[Recommendation]| -> Vec<String> {
                items
                    .iter()
                    .map(|item| item.hit.document_id.clone())
                    .collect()
            };
            (ids(&shown.items), ids(&shown.script))
        })
    };
    let ids = |ids: &[&str]| -> Vec<String> { ids.iter().map(|id| (*id).to_owned()).collect() };
    assert_eq!(
        said(1, "话术甲90 契税80"),
        Some((ids(&["契税"]), ids(&["话术甲"])))
    );
    assert_eq!(said(2, "话术甲90"), None, "shown before");
    assert_eq!(
        said(3, "话术乙60"),
        Some((ids(&["契税"]), ids(&["话术乙", "话术甲"]))),
        "the answer stays, and so does what still fits"
    );
    assert_eq!(said(4, "话术丙10"), None, "too unlikely");
}

#[test]
fn a_recommendation_says_what_it_is_made_of() {
    let mut talk = Talk::new();
    assert_eq!(talk.hear("我问 契税80"), shown(&["契税"]));
    let latest = talk.call.latest().unwrap();
    assert_eq!(latest.generation, 7);
    assert_eq!(latest.question, "我问 契税80");
    assert_eq!(latest.after_utterance, "u1");
    assert_eq!(latest.items[0].say, "契税的办理： 凭证件到窗口。");
    let keywords: Vec<_> = latest
        .keywords
        .iter()
        .map(|k| (k.text.as_str(), k.utterance_id.as_str()))
        .collect();
    assert_eq!(keywords, [("契税", "u1")]);
    assert_eq!(latest.keywords[0].span, ByteSpan::new(7, 13));
}

#[test]
fn another_passage_of_the_document_on_the_screen_is_news() {
    let mut talk = Talk::new();
    talk.hear("契税45");
    let other = |request: &SearchRequest| {
        let mut response = search(request)?;
        for hit in &mut response.hits {
            hit.passage_id.push('1');
        }
        Ok(response)
    };
    let mut say = |n: u32, text: &str| {
        let said = Utterance {
            id: format!("x{n}"),
            speaker: Speaker::Caller,
            text: text.to_owned(),
            is_final: true,
            at: None,
            labels: Default::default(),
        };
        talk.call
            .hear(said, &Attributes::default(), &other, &SETTINGS)
            .unwrap()
            .shown
            .map(|shown| shown.items[0].hit.passage_id.clone())
    };
    assert_eq!(
        say(1, "契税40"),
        None,
        "not sure enough to take the answer away"
    );
    assert_eq!(say(2, "契税90"), Some("契税#p01".to_owned()));
}

#[test]
fn a_question_that_could_not_be_put_is_put_again() {
    let mut call = Call::new("c");
    let said = Utterance {
        id: "u".to_owned(),
        speaker: Speaker::Caller,
        text: "契税80".to_owned(),
        is_final: true,
        at: None,
        labels: Default::default(),
    };
    let broken = |_: &SearchRequest| Err(SearchError::Index("gone".to_owned()));
    assert!(
        call.hear(said.clone(), &Attributes::default(), &broken, &SETTINGS)
            .is_err()
    );
    assert!(
        call.hear(said.clone(), &Attributes::default(), &search, &SETTINGS)
            .unwrap()
            .shown
            .is_some()
    );
    assert!(
        call.hear(said, &Attributes::default(), &search, &SETTINGS)
            .unwrap()
            .asked
            .is_none()
    );
}
