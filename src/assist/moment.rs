//! Which part of the last turns is the question now.
//!
//! Fillers, greetings, confirmations and personal data are no question. What the caller said
//! last is, alone and together with what led to it: a short reply (`对，是二手房`) means something only
//! with the question before it, and a new matter needs nothing from before. Both readings are asked;
//! which one counts, the answers decide.

use super::transcript::{Speaker, Transcript, Utterance};
use crate::document::ByteSpan;
use crate::text::without_personal_data;

/// Turns before the current one that may belong to it.
const CONTEXT_TURNS: usize = 3;
/// Characters of a reading; more is a story whose end is the question.
const MAX_READING_CHARS: usize = 300;

/// What is asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The utterance after which it is asked.
    pub utterance_id: String,
    /// What the caller says now.
    pub current: String,
    /// The same after what led to it; `None` where nothing did.
    pub with_context: Option<String>,
}

impl Moment {
    /// What is asked at the end of `transcript`; `None` while nothing is: the agent speaks, or the
    /// caller says nothing that could be looked up.
    pub fn of(transcript: &Transcript) -> Option<Self> {
        let turns: Vec<&Utterance> = transcript.utterances().filter(|u| u.is_final).collect();
        let last = turns.last()?;
        if last.speaker != Speaker::Caller {
            return None;
        }
        // The caller may go on after a pause.
        let n_current = turns
            .iter()
            .rev()
            .take_while(|u| u.speaker == Speaker::Caller)
            .count();
        let (before, current) = turns.split_at(turns.len() - n_current.min(2));
        let mut before = before;
        let mut current = match current
            .iter()
            .rposition(|turn| new_matter(&turn.text).is_some())
        {
            // What came before is another matter.
            Some(at) => {
                before = &[];
                contents(&current[at..])
            }
            None => contents(current),
        };
        if current.is_empty() && is_assent(&last.text) {
            // `您说的是优待卡对吧` — `对`: the agent has said it.
            let (question, earlier) = before.split_last()?;
            if question.speaker == Speaker::Agent && is_question(&question.text) {
                current = content(&question.text);
                before = earlier;
            }
        }
        if current.is_empty() {
            return None;
        }
        let context = contents(&before[before.len().saturating_sub(CONTEXT_TURNS)..]);
        let with_context =
            (!context.is_empty()).then(|| last_chars(&format!("{context} {current}")));
        Some(Self {
            utterance_id: last.id.clone(),
            current: last_chars(&current),
            with_context,
        })
    }
}

/// What announces another matter.
const NEW_MATTERS: &[&str] = &[
    "顺便问",
    "再问一个",
    "再问个",
    "再问一下",
    "再咨询一",
    "另外问",
    "另外还想",
    "还想问",
    "还想咨询",
    "还有个问题",
    "还有一个问题",
    "还有件事",
    "还有一件事",
    "第二个问题",
    "换个问题",
];
/// A clause that announces a matter and says no more than this of it, in characters, asks nothing.
const MAX_ANNOUNCEMENT_CHARS: usize = 5;

/// Where a text comes to another matter, in bytes.
fn new_matter(text: &str) -> Option<usize> {
    let found = NEW_MATTERS.iter().filter_map(|words| text.rfind(words));
    found.max()
}

/// A text in two: before it comes to another matter, and from there without the words that only
/// announce it.
fn matters(text: &str) -> (&str, &str) {
    let Some(at) = new_matter(text) else {
        return ("", text);
    };
    let announced = NEW_MATTERS
        .iter()
        .filter(|words| text[at..].starts_with(**words));
    let rest = &text[at + announced.map(|words| words.len()).max().unwrap_or(0)..];
    let rest = match clauses(rest).next() {
        Some(clause) if clause.of(rest).chars().count() <= MAX_ANNOUNCEMENT_CHARS => {
            &rest[clause.end..]
        }
        _ => rest,
    };
    (&text[..at], rest)
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

/// Said to fill a pause, at the beginning of a clause or as a whole one. Longer ones first.
const FILLERS: &[&str] = &[
    "我想问一下",
    "我想咨询一下",
    "我想了解一下",
    "我想咨询",
    "我再问一个",
    "我想问",
    "请问一下",
    "我问一下",
    "麻烦问一下",
    "顺便问一下",
    "就是说",
    "怎么说呢",
    "那个",
    "这个",
    "就是",
    "然后",
    "请问",
    "那么",
    "反正",
    "其实",
    "比如说",
    "哎呀",
    "哎哟",
    "嗯嗯",
    "嗯",
    "呃",
    "啊",
    "哦",
    "噢",
    "喔",
    "诶",
    "哎",
    "唉",
];

/// Clauses that say nothing but that somebody is there, thanks, or agrees. Compared without fillers
/// and final particles.
const SMALLTALK: &[&str] = &[
    "喂",
    "额",
    "那",
    "你好",
    "您好",
    "早上好",
    "下午好",
    "晚上好",
    "谢谢",
    "谢谢你",
    "谢谢您",
    "多谢",
    "好的",
    "好",
    "可以",
    "行",
    "没有了",
    "没了",
    "没事",
    "没事了",
    "没问题",
    "知道",
    "知道了",
    "明白",
    "明白了",
    "了解",
    "清楚",
    "清楚了",
    "再见",
    "拜拜",
    "听得到",
    "听得到吗",
    "听得见",
    "听得见吗",
    "能听到吗",
    "听到吗",
    "在吗",
    "你说",
    "您说",
    "您请说",
    "请讲",
    "您请讲",
    "请说",
    "您好请讲",
    "稍等",
    "稍等一下",
    "请稍等",
    "等一下",
    "我查一下",
    "我看一下",
    "我帮您看一下",
    "我帮您查一下",
    "我给您看一下",
    "我给您查一下",
    "我给您确认一下",
    "稍等我查一下",
    "麻烦你",
    "麻烦您",
    "麻烦你了",
    "麻烦您了",
    "辛苦了",
    "不好意思",
    "不用谢",
    "不客气",
    "没关系",
    "这样",
    "这样子",
    "是这样",
    "是这样的",
    "系",
    "系啊系",
    "很高兴为您服务",
    "您好很高兴为您服务",
    "请问有什么问题",
    "请问有什么可以帮您",
    "有什么可以帮您",
    "请问您要咨询什么",
    "您要咨询什么",
    "还有其他问题吗",
    "还有什么问题",
    "请不要挂机",
    "请您稍等",
    "您好这里是12345",
    "这里是12345",
];

/// What a caller says who agrees.
const ASSENT: &[&str] = &[
    "对",
    "对对",
    "对对对",
    "是",
    "是的",
    "对的",
    "没错",
    "嗯",
    "嗯嗯",
    "系",
    "系啊系",
    "好",
    "可以",
    "有",
    "有的",
    "同意",
    "同意的",
];

/// Particles that end a clause.
const PARTICLES: &[char] = &[
    '啊', '呀', '吧', '呢', '哦', '噢', '嘛', '啦', '哈', '了', '哇', '咯', '吗',
];

/// The clauses of an utterance that could be looked up, joined by spaces; empty if there are none.
/// The same for a text whose personal data is masked.
pub fn content(text: &str) -> String {
    let text = without_personal_data(text);
    let (before, now) = matters(&text);
    match kept(now) {
        // Who only announces another matter has asked about the one before.
        nothing if nothing.is_empty() => kept(before),
        now => now,
    }
}

/// The clauses that say something.
fn kept(text: &str) -> String {
    let kept: Vec<&str> = clauses(text)
        .map(|clause| clause.of(text))
        .filter(|clause| !is_empty_talk(clause))
        .map(without_fillers)
        .collect();
    kept.join(" ")
}

/// Whether an utterance says yes and nothing else.
fn is_assent(text: &str) -> bool {
    let mut clauses = clauses(text).map(|clause| clause.of(text)).peekable();
    clauses.peek().is_some() && clauses.all(|clause| ASSENT.contains(&without_particles(clause)))
}

/// Whether an utterance asks for a yes.
fn is_question(text: &str) -> bool {
    let is_mark = |c: char| c.is_whitespace() || "，。？！?!".contains(c);
    let text = text.trim_end_matches(is_mark);
    ["吗", "吧", "么", "是不是", "没有", "对不对"]
        .iter()
        .any(|end| text.ends_with(end))
        && !content(text).is_empty()
}

/// Pieces between spaces and punctuation.
fn clauses(text: &str) -> impl Iterator<Item = ByteSpan> + '_ {
    let is_end = |c: char| c.is_whitespace() || "，。、；：？！,.;?!…—（）()“”\"".contains(c);
    let mut start = 0;
    let ends = text.char_indices().filter(move |(_, c)| is_end(*c));
    let ends = ends.map(|(at, c)| (at, at + c.len_utf8()));
    ends.chain([(text.len(), text.len())])
        .map(move |(end, next)| {
            let clause = ByteSpan::new(start, end);
            start = next;
            clause
        })
        .filter(|clause| clause.start < clause.end)
}

fn without_fillers(mut clause: &str) -> &str {
    while let Some(rest) = FILLERS
        .iter()
        .find_map(|filler| clause.strip_prefix(filler))
    {
        // `这个月` is no filler and a month.
        if rest.starts_with(['月', '季', '周', '星', '年', '礼']) {
            break;
        }
        clause = rest;
    }
    clause
}

fn without_particles(clause: &str) -> &str {
    clause.trim_end_matches(PARTICLES)
}

/// Whether a clause is made of courtesies, fillers and particles alone.
fn is_empty_talk(clause: &str) -> bool {
    let mut left = clause.trim();
    while let Some(first) = left.chars().next() {
        let phrases = [SMALLTALK, ASSENT, FILLERS].into_iter().flatten();
        let said = phrases.filter(|phrase| left.starts_with(**phrase));
        let n_bytes = match said.map(|phrase| phrase.len()).max() {
            Some(n_bytes) => n_bytes,
            None if PARTICLES.contains(&first) => first.len_utf8(),
            None => return false,
        };
        left = &left[n_bytes..];
    }
    true
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

    #[test]
    fn courtesies_and_fillers_ask_nothing() {
        for text in [
            "喂 喂 听得到吗",
            "你好啊",
            "嗯嗯，好的好的",
            "好谢谢",
            "对对对",
            "那个",
            "",
            "。",
            "行，谢谢您，再见",
        ] {
            assert_eq!(content(text), "", "{text}");
            assert_eq!(moment(&[("乙", text)]), None, "{text}");
        }
        assert_eq!(
            content("嗯 那个就是我想问一下 水费怎么交啊"),
            "水费怎么交啊"
        );
        assert_eq!(
            content("你好，请问公交卡丢了怎么补办？"),
            "公交卡丢了怎么补办"
        );
    }

    #[test]
    fn numbers_of_persons_are_left_out_and_others_stay() {
        assert_eq!(content("我的手机号是13900001111"), "我的手机号是");
        assert_eq!(
            content("身份证110101199001011234有24位吗"),
            "身份证 有24位吗"
        );
        assert_eq!(content("2026年交了1200元"), "2026年交了1200元");
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
        assert_eq!(found.current, "是二手房");
        assert_eq!(
            found.with_context.as_deref(),
            Some("契税怎么算 是二手房吗 是二手房")
        );
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
        assert_eq!(found.current, "您说的是老年人优待卡对吧");
        assert_eq!(
            found.with_context.as_deref(),
            Some("坐车半价的老人证怎么办 您说的是老年人优待卡对吧")
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
        assert_eq!(found.current, "我的社保卡丢了怎么补");
        assert_eq!(found.with_context, None);
        for (text, kept) in [
            ("顺便问我自己的 养老要转回老家", "养老要转回老家"),
            ("我还想问公积金能不能提", "公积金能不能提"),
            ("公积金能提吗，还有个问题", "公积金能提吗"),
            ("再问一下", ""),
        ] {
            assert_eq!(content(text), kept, "{text}");
        }
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
        assert_eq!(found.current.chars().count(), MAX_READING_CHARS);
        assert!(found.current.ends_with("怎么办"));
    }
}
