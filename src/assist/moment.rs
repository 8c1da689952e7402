//! Which part of the last turns is the question now.
//!
//! What the caller said last is, alone and together with what led to it: a short reply (`对，是二手房`)
//! means something only with the question before it, a new matter needs nothing from before, and a long
//! story ends with its question. These readings are asked; which one counts, the answers decide.

use super::speech::{
    asks, clauses, comes_to_another_matter, content, is_assent, takes_leave, wants_a_yes,
};
use super::transcript::{Speaker, Transcript, Utterance};

/// Turns before the current one that may belong to it.
const CONTEXT_TURNS: usize = 3;
/// Clauses from which on something is a story with its question at the end.
const MIN_STORY_CLAUSES: usize = 4;
/// Clauses that hold the question.
const FOCUS_CLAUSES: usize = 2;
/// Fewer characters of them say nothing by themselves.
const MIN_FOCUS_CHARS: usize = 8;
/// Characters of a reading; more is a story whose end is the question.
const MAX_READING_CHARS: usize = 300;

/// What is asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The utterance after which it is asked.
    pub utterance_id: String,
    /// What the caller says now.
    pub question: String,
    /// Whether it is another matter than before, by the caller's own words.
    pub is_new_matter: bool,
    /// Whether something is asked or wished, not only told.
    pub asks: bool,
    /// What to look for, one or two queries.
    pub readings: Vec<Reading>,
}

/// One way to understand the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What to look for.
    pub query: String,
    /// Whether it holds more than what is said now.
    pub has_context: bool,
}

impl Moment {
    /// The question in words that mean the same in another call; `None` where it takes what was said
    /// before to understand it.
    pub fn wording(&self) -> Option<&str> {
        let by_itself = self
            .readings
            .iter()
            .rev()
            .find(|reading| !reading.has_context);
        by_itself.map(|reading| reading.query.as_str())
    }

    /// What is asked at the end of `transcript`; `None` while nothing is: the agent speaks, or the
    /// caller says nothing that could be looked up, or takes leave.
    pub fn of(transcript: &Transcript) -> Option<Self> {
        let turns: Vec<&Utterance> = transcript.utterances().filter(|u| u.is_final).collect();
        let last = turns.last()?;
        if last.speaker != Speaker::Caller || takes_leave(&last.text) {
            return None;
        }
        // The caller may go on after a pause.
        let n_current = turns
            .iter()
            .rev()
            .take_while(|u| u.speaker == Speaker::Caller)
            .count();
        let (mut before, mut current) = turns.split_at(turns.len() - n_current.min(2));
        let is_new = |turn: &&Utterance| comes_to_another_matter(&turn.text);
        let new_matter = current.iter().rposition(is_new);
        if let Some(at) = new_matter {
            (before, current) = (&[], &current[at..]);
        }
        let mut question = contents(current);
        if question.is_empty() && is_assent(&last.text) {
            // `您说的是优待卡对吧` — `对`: the agent has said it.
            let (asked, earlier) = before.split_last()?;
            if asked.speaker == Speaker::Agent && wants_a_yes(&asked.text) {
                question = content(&asked.text);
                before = earlier;
            }
        }
        if question.is_empty() {
            return None;
        }
        // Before the caller has said anything, nothing can be a reply.
        let has_begun = before
            .iter()
            .any(|turn| turn.speaker == Speaker::Caller && !content(&turn.text).is_empty());
        let asked = before.last().filter(|turn| turn.speaker == Speaker::Agent);
        let is_reply = has_begun
            && asked.is_some_and(|turn| asks(&turn.text) || wants_a_yes(&turn.text))
            && !current.iter().any(|turn| asks(&turn.text));
        let context = contents(&before[before.len().saturating_sub(CONTEXT_TURNS)..]);
        Some(Self {
            utterance_id: last.id.clone(),
            readings: readings(&question, &context, is_reply),
            asks: current.iter().any(|turn| asks(&turn.text)) || asks(&question),
            question: last_chars(&question),
            is_new_matter: new_matter.is_some(),
        })
    }
}

/// What was said now and all of it with what led to it; of a story, its end stands for what was said
/// now, or beside it where nothing led to it. A reply to what the agent asked says nothing by itself.
fn readings(question: &str, context: &str, is_reply: bool) -> Vec<Reading> {
    let mut readings = Vec::new();
    let mut read = |query: &str, has_context| {
        readings.push(Reading {
            query: last_chars(query),
            has_context,
        });
    };
    if !is_reply || context.is_empty() {
        let end = end_of_story(question);
        if end.is_none() || context.is_empty() {
            read(question, false);
        }
        if let Some(end) = end {
            read(&end, false);
        }
    }
    if !context.is_empty() {
        read(&format!("{context} {question}"), true);
    }
    readings
}

/// The last clauses of what has many.
fn end_of_story(question: &str) -> Option<String> {
    let clauses: Vec<&str> = clauses(question)
        .map(|clause| clause.of(question))
        .collect();
    if clauses.len() < MIN_STORY_CLAUSES {
        return None;
    }
    let end = clauses[clauses.len() - FOCUS_CLAUSES..].join(" ");
    (end.chars().count() >= MIN_FOCUS_CHARS).then_some(end)
}

fn contents(turns: &[&Utterance]) -> String {
    let contents = turns.iter().map(|utterance| content(&utterance.text));
    let contents: Vec<String> = contents.filter(|content| !content.is_empty()).collect();
    contents.join(" ")
}

fn last_chars(text: &str) -> String {
    let n_chars = text.chars().count();
    text.chars()
        .skip(n_chars.saturating_sub(MAX_READING_CHARS))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Turns as `甲` (agent) or `乙` (caller), then what they say.
    fn moment(turns: &[(&str, &str)]) -> Option<Moment> {
        let mut transcript = Transcript::default();
        for (n, (speaker, text)) in turns.iter().enumerate() {
            transcript.take(Utterance {
                id: n.to_string(),
                speaker: match *speaker {
                    "甲" => Speaker::Agent,
                    _ => Speaker::Caller,
                },
                text: (*text).to_owned(),
                is_final: true,
                at: None,
                labels: BTreeMap::new(),
            });
        }
        Moment::of(&transcript)
    }

    fn queries(moment: &Moment) -> Vec<&str> {
        moment.readings.iter().map(|r| r.query.as_str()).collect()
    }

    #[test]
    fn a_reply_is_read_with_what_it_replies_to() {
        let asked = [
            ("甲", "您好请讲"),
            ("乙", "我想问契税怎么算"),
            ("甲", "是二手房吗"),
            ("乙", "对，是二手房"),
        ];
        let found = moment(&asked).unwrap();
        assert_eq!(found.question, "是二手房");
        assert_eq!(queries(&found), ["契税怎么算 是二手房吗 是二手房"]);
        assert_eq!(found.utterance_id, "3");
    }

    #[test]
    fn who_agrees_asks_what_the_agent_said() {
        let asked = [
            ("乙", "坐车半价的老人证怎么办"),
            ("甲", "您说的是老年人优待卡对吧"),
            ("乙", "系啊系啊"),
        ];
        let found = moment(&asked).unwrap();
        assert_eq!(
            queries(&found),
            [
                "您说的是老年人优待卡对吧",
                "坐车半价的老人证怎么办 您说的是老年人优待卡对吧"
            ]
        );
        assert_eq!(moment(&[("乙", "好的")]), None);
        // A statement is no question, whoever agrees with it.
        assert_eq!(moment(&[("甲", "要去银行网点办理"), ("乙", "对")]), None);
    }

    #[test]
    fn another_matter_leaves_the_old_one_behind() {
        let asked = [
            ("乙", "契税怎么算"),
            ("甲", "按面积和套数"),
            ("乙", "好的，那我再问一个，我的社保卡丢了怎么补"),
        ];
        let found = moment(&asked).unwrap();
        assert!(found.is_new_matter);
        assert_eq!(queries(&found), ["我的社保卡丢了怎么补"]);
        assert!(!moment(&asked[..1]).unwrap().is_new_matter);
    }

    #[test]
    fn a_reply_without_a_question_is_no_matter_of_its_own() {
        let asked = [
            ("甲", "您要反映什么问题"),
            ("乙", "我家厕所漏水"),
            ("甲", "您住哪个区"),
            ("乙", "望江区 老小区"),
        ];
        assert_eq!(queries(&moment(&asked[..2]).unwrap())[0], "我家厕所漏水");
        assert_eq!(
            queries(&moment(&asked).unwrap()),
            ["您要反映什么问题 我家厕所漏水 您住哪个区 望江区 老小区"]
        );
    }

    #[test]
    fn a_story_is_also_read_by_its_end() {
        let story = "我爸昨天走了 我们不懂 有人塞名片 火葬场那边到底收多少 听说有不要钱的";
        let found = moment(&[("乙", story)]).unwrap();
        assert_eq!(
            queries(&found),
            [story, "火葬场那边到底收多少 听说有不要钱的"]
        );
        assert_eq!(moment(&[("乙", "行 那我先找社区 谢谢")]), None);
        assert!(moment(&[("乙", "谢谢 那去哪里办")]).is_some());
    }

    #[test]
    fn the_agent_asks_nothing_and_unfinished_turns_do_not_count() {
        assert_eq!(moment(&[("乙", "水费怎么交"), ("甲", "您稍等")]), None);
        assert_eq!(moment(&[]), None);
    }

    #[test]
    fn a_long_story_is_read_from_its_end() {
        let story = "我".repeat(1_500) + "怎么办";
        let found = moment(&[("乙", &story)]).unwrap();
        assert_eq!(found.question.chars().count(), MAX_READING_CHARS);
        assert!(found.question.ends_with("怎么办"));
    }
}
