//! What sort of fact a question wants, and which sorts stand in a text.

use std::sync::LazyLock;

use regex::Regex;

use crate::document::ByteSpan;

/// A sort of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// 多少钱
    Money,
    /// 多久, 几天
    Duration,
    /// 什么时候, 几号
    Day,
    /// 几岁
    Age,
    /// 电话
    Phone,
    /// 比例
    Share,
    /// Any other number: 几分, 多少平方.
    Number,
}

/// Money comes before numbers: the first that fits is what is wanted.
static WANTED: LazyLock<Vec<(Fact, Regex)>> = LazyLock::new(|| {
    [
        (Fact::Phone, "电话|热线|号码是|联系方式"),
        (Fact::Age, "几岁|多大年[纪龄]|多少岁|年龄(?:要求|限制|是)|多大[才可能]"),
        (
            Fact::Duration,
            "多久|多长时间|几天|几个?月|几年|多少天|多少个?工作日|几个工作日|时限|期限|有效期",
        ),
        (
            Fact::Day,
            "什么时候|何时|几时|几号|哪一?天|哪个月|几月|哪年|截止|啥时候|到期|失效",
        ),
        (Fact::Share, "比例|百分之几|几个点|几成|费率|利率|税率"),
        (
            Fact::Money,
            "多少钱|几多钱|几块|多少元|费用|收费|租金|工资|补贴多少|补多少|补贴标准|金额|额度|最多贷|能拿多少|能拿几多|拿多少|发多少|领多少|给多少|报多少|出多少|少收多少|奖励|多少租|资助|分别是多少",
        ),
        (Fact::Number, "多少|几多|几个|几分|几次|几平"),
    ]
    .into_iter()
    .map(|(fact, words)| (fact, pattern(words)))
    .collect()
});

const AMOUNT: &str = "[0-9][0-9,.]*|[零一二三四五六七八九十百千万两半]+";

static MONEY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        "(?:{AMOUNT}|若干)\\s*(?:余|多)?(?:万|千|百|亿)?\\s*(?:元|块|角)|免费|不收|免收|人民币|四分之一|全额|[%％]|倍|百分之"
    ))
});
static DURATION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        "(?:{AMOUNT})\\s*(?:个)?(?:工作日|自然日|日|天|月|年|周|小时|分钟|星期|学期)|当场|即时|即办|立即|长期|当日|季度"
    ))
});
static DAY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        "(?:{AMOUNT}|每)\\s*(?:年|月|日|号|点|时)|每年|每月|每日|工作日|年底|月底|上旬|中旬|下旬|随时|全年"
    ))
});
static AGE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!("(?:{AMOUNT})\\s*(?:周岁|岁|个?月龄)")));
static PHONE: LazyLock<Regex> =
    LazyLock::new(|| pattern("[0-9]{3,4}[-－—][0-9]{3,8}|[0-9]{7,12}|1[0-9]{4}|热线"));
static SHARE: LazyLock<Regex> = LazyLock::new(|| pattern("[%％‰]|百分之|分之|[0-9]成|倍"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        "[0-9]|[一二三四五六七八九十百千两]+(?:个|分|次|人|名|平|份|年|天|倍|处|所|家|套|间|种|项|类|级|元)",
    )
});

/// A year in a question: with four digits, or two where they count nothing.
static YEAR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        "(?P<four>(?:19|20)[0-9]{2})\\s*(?:年|学年|-)|(?P<two>[0-9]{2})年(?:度|的|底|初|上半年|下半年|秋|春|[^0-9以之前后多才就])",
    )
});

/// What a number of two digits in front of `年` counts when this stands before it.
const COUNTS: &[char] = &[
    '了', '满', '交', '缴', '干', '住', '过', '够', '近', '龄', '限', '前', '后', '约', '第', '有',
    '期', '达', '买', '久', '共', '计', '个', '工', '作', '上', '下', '这', '那', '每', '到',
];

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a literal pattern")
}

/// The sort of fact that a question wants; `None` where it wants none of them.
pub fn wanted(question: &str) -> Option<Fact> {
    let fits = WANTED.iter().find(|(_, words)| words.is_match(question));
    fits.map(|(fact, _)| *fact)
}

/// Whether a text holds a fact of a sort.
pub fn holds(text: &str, fact: Fact) -> bool {
    let pattern = match fact {
        Fact::Money => &MONEY,
        Fact::Duration => &DURATION,
        Fact::Day => &DAY,
        Fact::Age => &AGE,
        Fact::Phone => &PHONE,
        Fact::Share => &SHARE,
        Fact::Number => &NUMBER,
    };
    pattern.is_match(text)
}

/// The years that a question names, as `2026`; `26年度` names one, `交了26年` none.
pub fn years(question: &str) -> Vec<u16> {
    let mut years = Vec::new();
    for found in YEAR.captures_iter(question) {
        let number = |name: &str| found.name(name)?.as_str().parse::<u16>().ok();
        let year = number("four").or_else(|| {
            let start = found.get(0)?.start();
            let before = question[..start].chars().next_back();
            let counts = before.is_some_and(|c| c.is_ascii_digit() || COUNTS.contains(&c));
            let year = 2000 + number("two")?;
            (!counts && (2010..2040).contains(&year)).then_some(year)
        });
        years.extend(year);
    }
    years.sort_unstable();
    years.dedup();
    years
}

/// A question without the years that it names with four digits.
pub fn without_years(question: &str) -> String {
    static NAMED: LazyLock<Regex> =
        LazyLock::new(|| pattern("(?:19|20)[0-9]{2}\\s*(?:年度|学年|年)"));
    NAMED.replace_all(question, "").trim().to_owned()
}

/// Names with a number that a question is about and that no other number stands for: `2号线`.
pub fn numbered(text: &str) -> Vec<&str> {
    static NUMBERED: LazyLock<Regex> = LazyLock::new(|| pattern("[0-9]+(?:号线|号楼|路公交|路车)"));
    NUMBERED.find_iter(text).map(|name| name.as_str()).collect()
}

/// The years that stand in a text with four digits.
pub fn years_in(text: &str) -> Vec<u16> {
    static FOUR: LazyLock<Regex> = LazyLock::new(|| pattern("(?:19|20)[0-9]{2}"));
    let is_alone = |at: ByteSpan| {
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        !digit(text[..at.start].chars().next_back()) && !digit(text[at.end..].chars().next())
    };
    let found = FOUR.find_iter(text);
    let mut years: Vec<u16> = found
        .filter(|year| is_alone(ByteSpan::new(year.start(), year.end())))
        .filter_map(|year| year.as_str().parse().ok())
        .collect();
    years.sort_unstable();
    years.dedup();
    years
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted() {
        for (question, expected) in [
            ("办个居住证多少钱", Some(Fact::Money)),
            ("老年食堂一餐政府能少收多少", Some(Fact::Money)),
            ("补办要多久", Some(Fact::Duration)),
            ("几号开始报名", Some(Fact::Day)),
            ("几岁可以办优待证", Some(Fact::Age)),
            ("缴费比例是多少", Some(Fact::Share)),
            ("要攒够多少分", Some(Fact::Number)),
            ("服务大厅的电话", Some(Fact::Phone)),
            ("怎么办理落户", None),
        ] {
            assert_eq!(wanted(question), expected, "{question}");
        }
    }

    #[test]
    fn what_a_text_holds() {
        for (text, fact, expected) in [
            ("每人每月补贴三百元", Fact::Money, true),
            ("本市户籍老年人可申领优待卡", Fact::Money, false),
            ("自受理之日起 10 个工作日内办结", Fact::Duration, true),
            ("年满60周岁", Fact::Age, true),
            ("咨询电话：0599-1234567", Fact::Phone, true),
            ("缴费比例为20%", Fact::Share, true),
            ("材料齐全的予以受理", Fact::Number, false),
        ] {
            assert_eq!(holds(text, fact), expected, "{text}");
        }
    }

    #[test]
    fn years_are_told_from_spans_of_years() {
        for (question, expected) in [
            ("2024年的标准", &[2024][..]),
            ("26年度几号开始申报", &[2026]),
            ("望江区26年学位", &[2026]),
            ("社保交了25年能退休吗", &[]),
            ("工龄24年的怎么算", &[]),
            ("1972年3月出生", &[1972]),
            ("满15年以后", &[]),
        ] {
            assert_eq!(years(question), expected, "{question}");
        }
        assert_eq!(
            years_in("〔2024〕3号，自2025年起，电话020261234"),
            [2024, 2025]
        );
    }
}
