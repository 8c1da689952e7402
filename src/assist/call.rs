//! One call: what was said, what the agent sees, and whether that should change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::Date;

use super::moment::Moment;
use super::offers::{Because, Circumstances, Offer, Offers, Search, offers};
use super::say::say;
use super::transcript::{Speaker, Taken, Transcript, Utterance};
use crate::document::ByteSpan;
use crate::retrieval::{Degraded, Hit, SearchError};
use crate::sight::Sight;

/// Answers of one recommendation.
const MAX_ITEMS: usize = 3;
/// What a new answer must be likelier by than the one on the screen to take its place: smaller
/// differences are not worth an agent's glance.
const HYSTERESIS: f32 = 0.1;
/// Share of the least probability of a first answer that is enough where the caller asks outright.
///
/// On 40 questions in everyday words about 47 pages, each a call: with 1.0 and agreement as for what is
/// only told, the right page was among the first three for 23, with this for 31; of 15 questions that no
/// page answers, 8 and 11 were answered. No difference in the quiet parts of 18 transcripts.
const ASKED: f32 = 0.5;
/// Share of the least probability of a first answer that further ones below it must have: beside an
/// answer they cost half a glance.
const FURTHER: f32 = 0.1;
/// A further answer below the first is worth a glance from this probability on.
const SECOND_THOUGHT: f32 = 0.5;
/// Scripts beside them.
const MAX_SCRIPTS: usize = 2;
/// More revisions than a call has that were not kept before a restart.
const UNKNOWN_REVISIONS: u64 = 1_000;
/// Words that the agent can click.
const MAX_KEYWORDS: usize = 8;
/// Turns in which they are looked for.
const KEYWORD_TURNS: usize = 4;

/// How calls are assisted.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Nothing is shown unless its first answer is right with this probability, or with half of it where
    /// the caller asks outright; further answers below it may be less likely.
    pub min_confidence: f32,
    /// How long a search may wait for a slow side; `None`: until it answers.
    pub patience: Option<Duration>,
    /// The day whose rules count; `None`: today.
    pub as_of: Option<Date>,
    /// What the agent may see.
    pub sight: Sight,
}

impl Settings {
    /// Whether an answer may be shown first. Who tells a story uses words by chance that some passage
    /// holds: words and meaning must agree then. Who asks outright waits for an answer.
    fn is_likely(&self, moment: &Moment, offer: &Offer) -> bool {
        match moment.asks {
            true => offer.confidence >= ASKED * self.min_confidence,
            false => offer.is_agreed && offer.confidence >= self.min_confidence,
        }
    }
}

/// What is known of a call besides what is said in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Who takes it.
    pub agent: Option<String>,
    /// Where the caller is.
    pub region: Option<String>,
    /// How the caller came.
    pub channel: Option<String>,
}

/// An answer in front of the agent.
#[derive(Clone, Debug)]
pub struct Recommendation {
    /// The same for the same answer in the same call.
    pub id: String,
    /// What to read out: a piece of the hit's text, with white space made single.
    pub say: String,
    /// The answer with its source.
    pub hit: Hit,
    /// The probability that it is right.
    pub confidence: f32,
    /// For agents, in Chinese: what speaks for it.
    pub why: Vec<&'static str>,
}

/// A word of the call that the agent can look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// As it was said.
    pub text: String,
    /// Where it was said.
    pub utterance_id: String,
    /// Place in the utterance, in bytes.
    pub span: ByteSpan,
}

/// What the agent sees from one utterance on.
#[derive(Clone, Debug)]
pub struct Recommendations {
    /// Counts the changes of a call from 1.
    pub revision: u64,
    /// The utterance that led to it.
    pub after_utterance: String,
    /// The generation that answered.
    pub generation: u64,
    /// What was taken for the question.
    pub question: String,
    /// 归口部门 of the likeliest answer.
    pub department: Option<String>,
    /// Likeliest first, but what was on the screen first stays first while it is about as likely.
    pub items: Vec<Recommendation>,
    /// 话术: what to say in the situation, besides the answers.
    pub script: Vec<Recommendation>,
    /// In the order in which they were said.
    pub keywords: Vec<Keyword>,
    /// Why it is worse than it could be.
    pub degraded: Vec<Degraded>,
    /// From the utterance to this.
    pub took: Duration,
}

/// A question that was put to the index.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The utterance after which it was asked.
    pub utterance_id: String,
    /// What was taken for the question, without personal data.
    pub question: String,
    /// The question in words that mean the same in another call, if there are such.
    pub wording: Option<String>,
    /// The likeliest answer.
    pub best: Option<BestAnswer>,
    /// Whether that is likely enough to be shown.
    pub is_answered: bool,
}

/// The likeliest answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct BestAnswer {
    /// Its document.
    pub document_id: String,
    /// 归口部门
    pub department: Option<String>,
    /// The probability that it is right.
    pub confidence: f32,
}

/// What became of an utterance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Whether it was not known before, or says something else now.
    pub is_new: bool,
    /// Whether [`Call::think`] is due: never by what is not final, known, or said by the agent.
    pub is_question: bool,
}

/// What an utterance led to.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The question that was put to the index by it.
    pub asked: Option<Asked>,
    /// What the agent should see from now on, if that changed.
    pub shown: Option<Arc<Recommendations>>,
}

/// A call that goes on.
#[derive(Debug)]
pub struct Call {
    id: String,
    transcript: Transcript,
    latest: Option<Arc<Recommendations>>,
    /// How often what the agent sees has changed.
    revision: u64,
    /// Whether the last question could not be put to the index.
    is_unanswered: bool,
    /// Ids of recommendations that the agent does not want to see again.
    dismissed: BTreeSet<String>,
    /// Ids of scripts that were shown.
    scripts_shown: BTreeSet<String>,
}

impl Call {
    /// A call of which nothing was heard yet, by the id that the client gave it.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            transcript: Transcript::default(),
            latest: None,
            revision: 0,
            is_unanswered: false,
            dismissed: BTreeSet::new(),
            scripts_shown: BTreeSet::new(),
        }
    }

    /// The id that the client gave it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What was said.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// How often what the agent sees has changed; 0 while there was nothing to say.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What the agent sees; `None` while there was nothing to say.
    pub fn latest(&self) -> Option<&Arc<Recommendations>> {
        self.latest.as_ref()
    }

    /// A call that went on before: what was said, the newest revision that is known, and what was
    /// dismissed. What was on the screen is not known any more, and there may have been revisions that
    /// were not kept: those to come are far beyond them.
    pub fn resumed(
        id: &str,
        utterances: impl IntoIterator<Item = Utterance>,
        revision: u64,
        dismissed: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut call = Self::new(id);
        for utterance in utterances {
            call.transcript.take(utterance);
        }
        call.revision = match revision {
            0 => 0,
            known => known + UNKNOWN_REVISIONS,
        };
        call.dismissed.extend(dismissed);
        call
    }

    /// [`Call::take`], then [`Call::think`] if that is due.
    ///
    /// # Errors
    /// As [`Call::think`].
    pub fn hear(
        &mut self,
        utterance: Utterance,
        known: &Attributes,
        search: Search<'_>,
        settings: &Settings,
    ) -> Result<Heard, SearchError> {
        match self.take(utterance).is_question {
            true => self.think(known, search, settings),
            false => Ok(Heard::default()),
        }
    }

    /// Takes in an utterance.
    pub fn take(&mut self, utterance: Utterance) -> Noted {
        let is_turn = utterance.is_final && utterance.speaker == Speaker::Caller;
        let is_new = self.transcript.take(utterance) == Taken::New;
        Noted {
            is_new,
            is_question: is_turn && (is_new || self.is_unanswered),
        }
    }

    /// Looks for answers to what the caller said last, and decides what the agent should see.
    ///
    /// # Errors
    /// [`SearchError`] when the index cannot be read; the question is put again when the caller's turn
    /// comes again or the caller says something else.
    pub fn think(
        &mut self,
        known: &Attributes,
        search: Search<'_>,
        settings: &Settings,
    ) -> Result<Heard, SearchError> {
        let began = Instant::now();
        let Some(moment) = Moment::of(&self.transcript) else {
            return Ok(Heard::default());
        };
        self.is_unanswered = true;
        let said = self.transcript.get(&moment.utterance_id);
        let circumstances = Circumstances {
            region: known.region.as_deref(),
            labels: said.map(|said| &said.labels),
        };
        let mut found = offers(search, &moment, circumstances, settings)?;
        self.is_unanswered = false;
        let asked = Asked {
            utterance_id: moment.utterance_id.clone(),
            question: moment.question.clone(),
            wording: moment.wording().map(str::to_owned),
            best: found.offers.first().map(|offer| BestAnswer {
                document_id: offer.hit.document_id.clone(),
                department: offer.hit.department.clone(),
                confidence: offer.confidence,
            }),
            is_answered: found
                .offers
                .first()
                .is_some_and(|offer| settings.is_likely(&moment, offer)),
        };
        let answers = self.choose(&moment, std::mem::take(&mut found.offers), settings);
        let script = self.choose_script(std::mem::take(&mut found.scripts), settings);
        let is_news = answers.is_some() || script.is_some();
        let shown = is_news.then(|| {
            let recommendations = self.recommend(&moment, &found, answers, script, began);
            self.revision = recommendations.revision;
            let recommendations = Arc::new(recommendations);
            self.latest = Some(recommendations.clone());
            recommendations
        });
        Ok(Heard {
            asked: Some(asked),
            shown,
        })
    }

    /// Keeps a recommendation off the screen for the rest of the call. Whether it was on it.
    pub fn dismiss(&mut self, recommendation_id: &str) -> bool {
        self.dismissed.insert(recommendation_id.to_owned());
        let Some(latest) = &self.latest else {
            return false;
        };
        let mut shown = latest.items.iter().chain(&latest.script);
        if !shown.any(|item| item.id == recommendation_id) {
            return false;
        }
        let mut left = Recommendations::clone(latest);
        self.revision += 1;
        left.revision = self.revision;
        left.items.retain(|item| item.id != recommendation_id);
        left.script.retain(|item| item.id != recommendation_id);
        self.latest = Some(Arc::new(left));
        true
    }

    /// What the agent should see instead of what is on the screen, if that is worth a glance: another
    /// answer in the first place, or another likely one below it.
    fn choose(
        &self,
        moment: &Moment,
        offers: Vec<Offer>,
        settings: &Settings,
    ) -> Option<Vec<Offer>> {
        let shown: &[Recommendation] = self.latest.as_ref().map_or(&[], |latest| &latest.items);
        let is_wanted = |offer: &Offer| !self.dismissed.contains(&self.id_of(&offer.hit));
        let mut wanted: Vec<Offer> = offers.into_iter().filter(is_wanted).collect();
        let best = wanted.first()?.confidence;
        // The document that stands first stays first while it is about as likely, and the matter is
        // the same.
        let preferred = shown.first().filter(|_| !moment.is_new_matter);
        let first = preferred.and_then(|shown| {
            let at = wanted
                .iter()
                .position(|offer| offer.hit.document_id == shown.hit.document_id)?;
            (wanted[at].confidence + HYSTERESIS >= best).then_some(at)
        });
        if let Some(at) = first {
            wanted[..=at].rotate_right(1);
        }
        let is_likely = |offer: &Offer| settings.is_likely(moment, offer);
        if first.is_none() && !is_likely(wanted.first()?) {
            return None;
        }
        let is_enough = |offer: &Offer| {
            (offer.is_agreed || moment.asks)
                && offer.confidence >= FURTHER * settings.min_confidence
        };
        let further = wanted.split_off(1).into_iter().filter(is_enough);
        let mut chosen = wanted;
        chosen.extend(further.take(MAX_ITEMS - 1));
        let is_news = |(at, offer): (usize, &Offer)| {
            let (hit, confidence) = (&offer.hit, offer.confidence);
            let is_shown = shown
                .iter()
                .any(|item| item.hit.passage_id == hit.passage_id);
            let is_other_document =
                shown.first().map(|item| &item.hit.document_id) != Some(&hit.document_id);
            match at {
                // Another passage of the document says something else.
                0 if is_other_document => is_likely(offer),
                _ => !is_shown && is_likely(offer) && confidence >= SECOND_THOUGHT,
            }
        };
        chosen.iter().enumerate().any(is_news).then_some(chosen)
    }

    /// The scripts that fit, those that were not shown in this call first; `None` if all were: what
    /// to say is worth a glance once.
    fn choose_script(&mut self, scripts: Vec<Offer>, settings: &Settings) -> Option<Vec<Offer>> {
        // Nobody asks for a script: words and meaning must agree on it.
        let fits = |offer: &Offer| offer.is_agreed && offer.confidence >= settings.min_confidence;
        let is_wanted =
            |offer: &Offer| fits(offer) && !self.dismissed.contains(&self.id_of(&offer.hit));
        let fitting = scripts.into_iter().filter(is_wanted);
        let (known, mut chosen): (Vec<Offer>, Vec<Offer>) =
            fitting.partition(|offer| self.scripts_shown.contains(&self.id_of(&offer.hit)));
        if chosen.is_empty() {
            return None;
        }
        chosen.extend(known);
        chosen.truncate(MAX_SCRIPTS);
        for offer in &chosen {
            let id = self.id_of(&offer.hit);
            self.scripts_shown.insert(id);
        }
        Some(chosen)
    }

    /// What stays on the screen is what was there.
    fn recommend(
        &self,
        moment: &Moment,
        found: &Offers,
        answers: Option<Vec<Offer>>,
        script: Option<Vec<Offer>>,
        began: Instant,
    ) -> Recommendations {
        let recommended = |offers: Vec<Offer>| -> Vec<Recommendation> {
            let offers = offers.into_iter();
            offers
                .map(|offer| Recommendation {
                    id: self.id_of(&offer.hit),
                    say: spoken(&offer.hit),
                    confidence: offer.confidence,
                    why: why(&offer),
                    hit: offer.hit,
                })
                .collect()
        };
        let latest = self.latest.as_deref();
        let items = match answers {
            Some(answers) => recommended(answers),
            None => latest.map_or_else(Vec::new, |latest| latest.items.clone()),
        };
        let script = match script {
            Some(script) => recommended(script),
            None => latest.map_or_else(Vec::new, |latest| latest.script.clone()),
        };
        Recommendations {
            revision: self.revision + 1,
            after_utterance: moment.utterance_id.clone(),
            generation: found.generation,
            question: moment.question.clone(),
            department: items.first().and_then(|item| item.hit.department.clone()),
            keywords: self.keywords(&items),
            script,
            items,
            degraded: found.degraded.clone(),
            took: began.elapsed(),
        }
    }

    /// Marked words of the answers that were said in the last turns.
    fn keywords(&self, items: &[Recommendation]) -> Vec<Keyword> {
        let marked: BTreeSet<&str> = items
            .iter()
            .flat_map(|item| {
                item.hit
                    .highlights
                    .iter()
                    .map(|span| span.of(&item.hit.text))
            })
            .filter(|word| word.chars().count() > 1)
            .collect();
        let mut keywords: Vec<Keyword> = Vec::new();
        // The last turn first: its words are not to be crowded out.
        for utterance in self.transcript.utterances().rev().take(KEYWORD_TURNS) {
            let mut here: Vec<(usize, &str)> = marked
                .iter()
                .filter_map(|word| Some((utterance.text.find(word)?, *word)))
                .collect();
            // Of words that begin together, the longer one.
            here.sort_by_key(|(at, word)| (*at, usize::MAX - word.len()));
            let mut end = 0;
            let mut of_turn = Vec::new();
            for (at, word) in here {
                if at >= end && !keywords.iter().any(|known| known.text == word) {
                    end = at + word.len();
                    of_turn.push(Keyword {
                        text: word.to_owned(),
                        utterance_id: utterance.id.clone(),
                        span: ByteSpan::new(at, end),
                    });
                }
            }
            of_turn.truncate(MAX_KEYWORDS - keywords.len());
            keywords.splice(..0, of_turn);
        }
        keywords
    }

    /// blake3 of call and passage, the first 16 hexadecimal digits.
    fn id_of(&self, hit: &Hit) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.id, &hit.passage_id, &hit.citation.content_hash] {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
}

fn spoken(hit: &Hit) -> String {
    let said = say(&hit.text, hit.answer, &hit.highlights).of(&hit.text);
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn why(offer: &Offer) -> Vec<&'static str> {
    let parts = offer.hit.contributions;
    let mut why = vec![match offer.because {
        Because::Said => "本句所问",
        Because::SaidBefore => "结合上文",
        Because::Labelled => "通话标签",
    }];
    if parts.reference > 0.0 {
        why.push("点名引用");
    }
    if offer.hit.is_learned {
        why.push("同事在类似问法下采纳过");
    }
    match (parts.lexical > 0.0, parts.vector > 0.0) {
        (true, true) => why.push("用词与语义都相符"),
        (true, false) => why.push("用词相符"),
        (false, true) => why.push("语义相符"),
        (false, false) => {}
    }
    why
}

#[cfg(test)]
mod tests;
