//! What was said in a call so far, as a speech recogniser tells it: in pieces, revised, repeated,
//! sometimes late.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Characters of one utterance that are kept; nobody says more in one breath.
pub const MAX_UTTERANCE_CHARS: usize = 2_000;
/// Bytes of text that a call keeps: the oldest utterances go first.
const MAX_BYTES: usize = 16 << 10;
/// Utterances that a call keeps.
const MAX_UTTERANCES: usize = 100;
/// Ids of utterances that went, so that they are known when they come again.
const MAX_GONE: usize = 400;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// 市民
    Caller,
    /// 坐席
    Agent,
}

/// One turn, or what is known of it so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Utterance {
    /// Given by whoever recognises the speech; unique within the call.
    pub id: String,
    /// Who speaks.
    pub speaker: Speaker,
    /// What was understood.
    pub text: String,
    /// Whether the recogniser is done with it.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// When it was said; without it, when it came in decides the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Whatever else is known of it: emotion, urgency. Passed through.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What an utterance that came in did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was not known before, or says something else now.
    New,
    /// It is known as it is, or is an earlier state of what is known.
    Known,
}

/// The utterances of one call in the order in which they were said. Bounded in size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    utterances: VecDeque<Utterance>,
    n_bytes: usize,
    /// Hashes of the ids of utterances that went, oldest first.
    gone: VecDeque<u64>,
}

impl Transcript {
    /// Takes in an utterance: a new one at its place, a known one in the place of its earlier state.
    /// The final state stays, and whatever comes twice changes nothing.
    pub fn take(&mut self, mut utterance: Utterance) -> Taken {
        if let Some((end, _)) = utterance.text.char_indices().nth(MAX_UTTERANCE_CHARS) {
            utterance.text.truncate(end);
        }
        if let Some(known) = self.utterances.iter_mut().find(|u| u.id == utterance.id) {
            let is_earlier = known.is_final && !utterance.is_final;
            utterance.at = utterance.at.or(known.at);
            if is_earlier || *known == utterance {
                return Taken::Known;
            }
            self.n_bytes = self.n_bytes - size(known) + size(&utterance);
            *known = utterance;
        } else {
            if self.gone.contains(&hash(&utterance.id)) {
                return Taken::Known;
            }
            let place = self.place_of(&utterance);
            self.n_bytes += size(&utterance);
            self.utterances.insert(place, utterance);
        }
        self.shrink();
        Taken::New
    }

    /// After everything that was said no later.
    fn place_of(&self, utterance: &Utterance) -> usize {
        let Some(at) = utterance.at else {
            return self.utterances.len();
        };
        let is_later = |other: &Utterance| other.at.is_some_and(|other| other > at);
        let n_later = self
            .utterances
            .iter()
            .rev()
            .take_while(|u| is_later(u))
            .count();
        self.utterances.len() - n_later
    }

    fn shrink(&mut self) {
        while self.n_bytes > MAX_BYTES || self.utterances.len() > MAX_UTTERANCES {
            let Some(oldest) = self.utterances.pop_front() else {
                return;
            };
            self.n_bytes -= size(&oldest);
            self.gone.push_back(hash(&oldest.id));
            if self.gone.len() > MAX_GONE {
                self.gone.pop_front();
            }
        }
    }

    /// In the order in which they were said.
    pub fn utterances(&self) -> impl DoubleEndedIterator<Item = &Utterance> + ExactSizeIterator {
        self.utterances.iter()
    }

    /// The utterance of that id, if it is still kept.
    pub fn get(&self, id: &str) -> Option<&Utterance> {
        self.utterances.iter().find(|utterance| utterance.id == id)
    }
}

fn size(utterance: &Utterance) -> usize {
    let labels = utterance.labels.iter();
    let labels: usize = labels
        .map(|(name, value)| name.len() + value.len() + 64)
        .sum();
    utterance.id.len() + utterance.text.len() + labels + size_of::<Utterance>()
}

fn hash(id: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(id: &str, text: &str, is_final: bool) -> Utterance {
        Utterance {
            id: id.into(),
            speaker: Speaker::Caller,
            text: text.into(),
            is_final,
            at: None,
            labels: BTreeMap::new(),
        }
    }

    fn texts(transcript: &Transcript) -> Vec<&str> {
        transcript.utterances().map(|u| u.text.as_str()).collect()
    }

    #[test]
    fn revisions_replace_and_the_final_state_stays() {
        let mut call = Transcript::default();
        assert_eq!(call.take(said("1", "我想", false)), Taken::New);
        assert_eq!(call.take(said("1", "我想问", false)), Taken::New);
        assert_eq!(call.take(said("2", "嗯", true)), Taken::New);
        assert_eq!(call.take(said("1", "我想问医保", true)), Taken::New);
        assert_eq!(call.take(said("1", "我想问", false)), Taken::Known, "late");
        assert_eq!(
            call.take(said("1", "我想问医保", true)),
            Taken::Known,
            "twice"
        );
        assert_eq!(texts(&call), ["我想问医保", "嗯"]);
        // A recogniser that corrects what it called final is believed.
        assert_eq!(call.take(said("1", "我想问社保", true)), Taken::New);
        assert_eq!(texts(&call), ["我想问社保", "嗯"]);
    }

    #[test]
    fn what_comes_late_stands_where_it_was_said() {
        let mut call = Transcript::default();
        for at in [3, 1, 2] {
            let mut utterance = said(&at.to_string(), &at.to_string(), true);
            utterance.at = Some(Timestamp::from_second(at).unwrap());
            call.take(utterance);
        }
        assert_eq!(texts(&call), ["1", "2", "3"]);
        call.take(said("4", "4", true));
        assert_eq!(texts(&call), ["1", "2", "3", "4"]);
    }

    #[test]
    fn a_call_without_end_keeps_its_last_part() {
        let mut call = Transcript::default();
        for n in 0..1_000 {
            call.take(said(&n.to_string(), &"话".repeat(3_000), true));
            let kept: usize = call.utterances().map(size).sum();
            assert!(kept <= MAX_BYTES && kept == call.n_bytes);
            assert!(call.utterances().len() <= MAX_UTTERANCES && call.gone.len() <= MAX_GONE);
        }
        assert_eq!(call.utterances().next_back().unwrap().id, "999");
        assert_eq!(call.take(said("950", "又来了", true)), Taken::Known);
        let mut short = Transcript::default();
        for n in 0..1_000 {
            short.take(said(&n.to_string(), "嗯", true));
        }
        assert_eq!(short.utterances().len(), MAX_UTTERANCES);
    }
}
