//! 施行日期, 有效期 and 废止 statements, as closing articles word them.
//!
//! Works on text without blanks, so that line breaks inside a sentence do not matter.

use std::sync::LazyLock;

use jiff::civil::Date;
use regex::Regex;

use crate::corpus::metadata::dates::{last_day, read_date};
use crate::corpus::passages::lines::Line;
use crate::corpus::passages::numerals::read_number;

use super::doc_no::doc_no_in;

/// What the text says about its own time in force.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Period {
    pub from: Option<Date>,
    /// The last day, if stated as such.
    pub to: Option<Date>,
    /// Years and months that it lasts.
    pub lasts: Option<(u32, u32)>,
}

const DATE: &str = r"[0-9０-９〇○零一二三四五六七八九]{4}年[0-9０-９一二三四五六七八九十]{1,3}月[0-9０-９一二三四五六七八九十]{1,3}日";
const RULE: &str = r"本(?:实施)?(?:办法|条例|规定|细则|通知|意见|方案|法|决定|规则|标准|公告|通告|指引|政策|措施|制度|章程|文件|规程|规范|计划|目录|若干措施)";

static IN_FORCE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(
        r"(?:{RULE}[^。；]{{0,12}}?|现予以?[公发]布，|印发给你们，)从?自?({DATE}|(?:印发|发布|公布|颁布|发文|签发)之日)起(?:满?([0-9一二三四五六七八九十]{{1,3}})日(?:后|之后)?)?(?:正式)?(?:施行|实施|执行|生效|试行)"
    );
    Regex::new(&pattern).expect("a literal pattern")
});
static PLAIN_START: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(
        r"{RULE}[^。；]{{0,12}}?自({DATE})(?:施行|实施|执行|生效)"
    ))
    .expect("a literal pattern")
});
static LASTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:有效期限?|试行期限?)(?:为|是|：)?([0-9一二三四五六七八九十两]{1,3})(年|个月)")
        .expect("a literal pattern")
});
static ENDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(
        r"有效期限?(?:为|自{DATE}起?)?(?:至|到|截至|截止至|截止到)({DATE})"
    ))
    .expect("a literal pattern")
});
static OWN_PERIOD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(r"{RULE}(?:的)?(?:有效期|试行期)")).expect("a literal pattern")
});

/// Characters after 施行 in which the period is looked for.
const MAX_PERIOD_BYTES: usize = 240;

/// Reads the last statement of the rule about its own time in force.
///
/// `flat` is the text without blanks. 自印发之日起 counts from `issued`, 自发布之日起 from `published`.
pub(super) fn period(flat: &str, issued: Option<Date>, published: Option<Date>) -> Period {
    let start = IN_FORCE.captures_iter(flat).last();
    let plain = if start.is_none() {
        PLAIN_START.captures_iter(flat).last()
    } else {
        None
    };
    let mut period = Period::default();
    let mut statement_start = None;
    if let Some(found) = start.or(plain) {
        let day = read_date(&found[1]).map(|(date, _)| date);
        let made_public = ["发布", "公布", "颁布"]
            .iter()
            .any(|word| found[1].starts_with(word));
        let day = day.or(if made_public { published } else { issued });
        let delay = found
            .get(2)
            .and_then(|days| read_number(days.as_str()))
            .map_or(0, |(days, _)| i64::from(days));
        period.from = day.and_then(|day| day.checked_add(jiff::Span::new().days(delay)).ok());
        statement_start = found.get(0).map(|whole| whole.start());
    } else if let Some(found) = OWN_PERIOD.find_iter(flat).last() {
        statement_start = Some(found.start());
    }
    if let Some(start) = statement_start {
        let statement = prefix(&flat[start..], MAX_PERIOD_BYTES);
        period.to = ENDS
            .captures(statement)
            .and_then(|found| read_date(&found[1]))
            .map(|(date, _)| date);
        period.lasts = LASTS.captures(statement).and_then(|found| {
            let (n, _) = read_number(&found[1])?;
            Some(if &found[2] == "年" { (n, 0) } else { (0, n) })
        });
    }
    period
}

/// The last day in force of a period that begins on `from`.
pub(super) fn last_day_of(period: &Period, from: Option<Date>) -> Option<Date> {
    period.to.or_else(|| {
        let (years, months) = period.lasts?;
        last_day(from?, years, months)
    })
}

/// At most `n_bytes` of `text`, ending on a character.
fn prefix(text: &str, n_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(n_bytes)]
}

/// The day in the bracket under a title: （2021年7月27日…公布，自2022年3月1日起施行）, the last one
/// if the rule was amended.
pub(super) fn enacted(head: &[Line<'_>]) -> Option<Date> {
    let inner = |line: &Line<'_>| line.text.strip_prefix(['（', '(']).map(str::to_owned);
    let bracket = head
        .iter()
        .take(20)
        .filter_map(inner)
        .find(|text| read_date(text).is_some())?;
    let days = days_in(&bracket);
    let ends = days
        .iter()
        .skip(1)
        .map(|&(start, _, _)| start)
        .chain([bracket.len()]);
    let enacting = days.iter().zip(ends).filter(|((_, _, after), end)| {
        let said = &bracket[*after..*end];
        ["公布", "通过", "发布", "修订", "修正", "批准"]
            .iter()
            .any(|word| said.contains(word))
    });
    enacting.map(|((_, day, _), _)| *day).last()
}

/// Where each date in `text` begins, the date, and where it ends.
fn days_in(text: &str) -> Vec<(usize, Date, usize)> {
    let mut days = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices() {
        if at >= from
            && c.is_numeric()
            && let Some((day, n_bytes)) = read_date(&text[at..])
        {
            days.push((at, day, at + n_bytes));
            from = at + n_bytes;
        }
    }
    days
}

/// Words that end other rules. They count outside 《》 only.
const ENDINGS: [&str; 8] = [
    "同时废止",
    "即行废止",
    "予以废止",
    "相应废止",
    "一并废止",
    "同时失效",
    "停止执行",
    "起废止",
];
/// Most replaced documents that one text states.
const MAX_REPLACED: usize = 50;

/// Documents that the text says it ends: by number where one stands behind the title, else by title.
pub(super) fn replaced(flat: &str) -> Vec<String> {
    let mut replaced: Vec<String> = Vec::new();
    for sentence in flat
        .split_inclusive('。')
        .filter(|s| ENDINGS.iter().any(|word| s.contains(word)))
    {
        for name in named_before_ending(sentence) {
            if replaced.len() < MAX_REPLACED && !replaced.contains(&name) {
                replaced.push(name);
            }
        }
    }
    replaced
}

/// The documents that stand before the first ending word outside 《》.
fn named_before_ending(sentence: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0usize;
    let mut outside = 0;
    let mut title_start = 0;
    let mut pending: Option<&str> = None;
    for (at, c) in sentence.char_indices() {
        match c {
            '《' => {
                if depth == 0 {
                    names.extend(name_of(pending.take(), &sentence[outside..at]));
                    title_start = at + c.len_utf8();
                }
                depth += 1;
            }
            '》' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    pending = Some(&sentence[title_start..at]);
                    outside = at + c.len_utf8();
                }
            }
            _ if depth == 0 && ENDINGS.iter().any(|word| sentence[at..].starts_with(word)) => {
                names.extend(name_of(pending, &sentence[outside..at]));
                return names;
            }
            _ => {}
        }
    }
    Vec::new()
}

/// The number in what follows a title, or the title. Without a title, a number alone names a rule.
/// `None` where only a part ends: 《…》第三条, 《…》中的有关规定.
fn name_of(title: Option<&str>, after: &str) -> Option<String> {
    let behind_brackets = match after.starts_with(['（', '(']) {
        true => after
            .split_once(['）', ')'])
            .map_or(after, |(_, rest)| rest),
        false => after,
    };
    let names_part = ["第", "中", "的第", "有关", "关于", "内", "里"];
    if title.is_some()
        && names_part
            .iter()
            .any(|part| behind_brackets.starts_with(part))
    {
        return None;
    }
    let bracketed = after.starts_with(['（', '(']) || title.is_none();
    let number = if bracketed {
        doc_no_in(prefix(after, 120))
    } else {
        None
    };
    let number = number.map(|no| no.trim_start_matches(['原', '以', '及', '和']).to_owned());
    number.or_else(|| title.map(str::to_owned))
}
