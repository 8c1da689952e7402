//! The normal form of Chinese text, with the way back to the original.
//!
//! Two texts that a reader would call the same have the same normal form: width, case, script
//! (traditional → simplified), the way numbers of articles and years are written, and damage from
//! careless extraction (line breaks inside sentences, spaces between characters, pinyin in
//! brackets) are evened out. Queries and passages both go through it. It exists for matching only:
//! what is shown is the original, which every span of the normal form maps back to.
//!
//! Five steps follow one another, each in one pass; a step that finds nothing to do copies
//! nothing. `normalise` of a normal form changes nothing.

mod characters;
mod numbers;
mod pinyin_inserts;
mod rewrite;
mod script;
mod white_space;

use std::borrow::Cow;

use crate::document::ByteSpan;
use rewrite::OffsetMap;

pub(super) use numbers::parse_number;
pub use white_space::is_han;

/// A text in normal form that knows where each character came from.
#[derive(Clone, Debug)]
pub struct Normalised {
    text: String,
    /// One for each step that changed something, in the order of the steps.
    layers: Vec<OffsetMap>,
}

impl Normalised {
    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part of the original that became `span` of the normal form.
    ///
    /// Both are in bytes and on character boundaries. The result covers all source characters and
    /// nothing at its edges that vanished (`经济` came from `經(jīng)濟`, `经` from `經` alone). A
    /// character of the original that became several is covered as soon as one of them is asked
    /// for. Later spans never map to earlier places; an empty span maps to an empty one.
    ///
    /// # Panics
    /// May panic, or return a meaningless span, if `span` does not lie on character boundaries of
    /// [`Normalised::as_str`].
    pub fn to_original(&self, span: ByteSpan) -> ByteSpan {
        self.layers
            .iter()
            .rev()
            .fold(span, |after, layer| layer.to_before(after))
    }
}

/// Rewrites a text and says how; `None` if it found nothing to do.
type Step = fn(&str) -> Option<(String, OffsetMap)>;

/// Brings a text into normal form.
pub fn normalise(original: &str) -> Normalised {
    const STEPS: [Step; 5] = [
        characters::fold,
        pinyin_inserts::remove,
        white_space::tidy,
        script::simplify,
        numbers::unify,
    ];
    let mut text = Cow::Borrowed(original);
    let mut layers = Vec::new();
    for step in STEPS {
        if let Some((after, map)) = step(&text) {
            text = Cow::Owned(after);
            layers.push(map);
        }
    }
    Normalised {
        text: text.into_owned(),
        layers,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(text: &str) -> String {
        normalise(text).text
    }

    /// The original behind the first `part` of the normal form of `text`.
    fn source<'t>(text: &'t str, part: &str) -> &'t str {
        let normalised = normalise(text);
        let start = normalised
            .as_str()
            .find(part)
            .unwrap_or_else(|| panic!("no {part:?} in {:?}", normalised.as_str()));
        normalised
            .to_original(ByteSpan::new(start, start + part.len()))
            .of(text)
    }

    #[test]
    fn one_form_for_what_reads_the_same() {
        for (spellings, expected) in [
            (
                &["第三十九條", "第 三 十 九 条", "第３９条", "第39条"][..],
                "第39条",
            ),
            (
                &[
                    "云府办〔2020〕5号",
                    "云府办[2020]5号",
                    "云府办（2020）5号",
                    "雲府辦【２０２０】5號",
                    "云府办﹝二〇二〇﹞5号",
                ],
                "云府办〔2020〕5号",
            ),
            (&["經(jīng)濟(jì)發(fā)展", "经济发\u{200b}展"], "经济发展"),
            (
                &[
                    "二〇二四年十二月三十一日",
                    "2024年12月31日",
                    "２０２４ 年 12 月 31 日",
                ],
                "2024年12月31日",
            ),
        ] {
            for spelling in spellings {
                assert_eq!(normal(spelling), expected, "{spelling:?}");
            }
        }
    }

    #[test]
    fn spans_lead_back_through_every_step() {
        let text =
            "　　為規範雲溪市居住證(zhèng)管理，依\n據《条例》第二百六十三條之一，制定本 辦 法。";
        assert_eq!(source(text, "居住证"), "居住證");
        assert_eq!(source(text, "居住证管理"), "居住證(zhèng)管理");
        assert_eq!(source(text, "第263条"), "第二百六十三條");
        assert_eq!(source(text, "263"), "二百六十三");
        assert_eq!(source(text, "6"), "二百六十三");
        assert_eq!(source(text, "本办法"), "本 辦 法");
    }

    #[test]
    fn endless_nonsense_is_survived() {
        for text in [
            "\u{301}".repeat(10_000),
            "經(".repeat(10_000),
            "(jing)".repeat(10_000),
            "第".repeat(10_000),
            " \n".repeat(10_000),
            "a\u{200b}\u{301}".repeat(10_000),
            "一二三四年".repeat(2_000),
            "\u{fdfa}".repeat(1_000),
        ] {
            let once = normal(&text);
            assert_eq!(normal(&once), once);
        }
    }

    /// Text made of everything that some step looks at, and of anything at all.
    fn any_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            8 => prop::sample::select(vec![
                "第", "三", "十", "九", "二", "〇", "○", "百", "条", "條", "章", "年", "月", "日", "号", "1", "39", "2020",
                "(", ")", "（", "）", "〔", "〕", "[", "]", "【", "】", "﹝", "﹞",
                " ", "\n", "\r", "\t", "　", "\u{200b}", "\u{301}", "\u{fe0f}",
                "jīng", "(jing)", "（Jīng）", "經", "乾", "隆", "乾隆", "覆", "瞭解", "薴", "為", "养老保险", "居住证办理需要什么材料",
                "，", "。", "、", "：", ":", "“", "》", "《", "A", "ｂ", "ﬁ", "①", "㈱", "İ", "ß", "ｶﾞ", "각", "😀", "𠮷", "𫝈",
            ]).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn a_normal_form_is_its_own_normal_form(text in any_text()) {
            let once = normal(&text);
            let twice = normal(&once);
            prop_assert_eq!(&twice, &once, "of {:?}", text);
        }

        #[test]
        fn spans_stay_inside_on_boundaries_and_in_order(text in any_text()) {
            let normalised = normalise(&text);
            let mut last = 0;
            for (start, c) in normalised.as_str().char_indices() {
                let span = normalised.to_original(ByteSpan::new(start, start + c.len_utf8()));
                prop_assert!(!span.is_empty(), "{c:?} came from nowhere in {text:?}");
                prop_assert!(text.get(span.start..span.end).is_some(), "{span:?} of {text:?}");
                prop_assert!(span.start >= last || span.end > last, "{span:?} runs backwards in {text:?}");
                last = span.start;
            }
        }

        #[test]
        fn a_span_covers_the_spans_of_its_characters(text in any_text(), from in 0.0..1.0, to in 0.0..1.0) {
            let normalised = normalise(&text);
            let bounds: Vec<usize> = normalised.as_str().char_indices().map(|(at, _)| at)
                .chain([normalised.as_str().len()]).collect();
            let at = |share: f64| bounds[(share * bounds.len() as f64) as usize];
            let (start, end) = (at(from).min(at(to)), at(from).max(at(to)));
            let whole = normalised.to_original(ByteSpan::new(start, end));
            prop_assert!(text.get(whole.start..whole.end).is_some());
            if start == end {
                prop_assert!(whole.is_empty());
            } else {
                let inside: Vec<usize> = bounds.iter().copied().filter(|&b| start <= b && b <= end).collect();
                let first = normalised.to_original(ByteSpan::new(inside[0], inside[1]));
                let last = normalised.to_original(ByteSpan::new(inside[inside.len() - 2], end));
                prop_assert_eq!((whole.start, whole.end), (first.start, last.end));
            }
        }
    }
}
