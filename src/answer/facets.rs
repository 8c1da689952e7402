//! What decides which of several answers is the right one: where one is registered, how one is insured.

/// A choice that a question leaves open, with what documents and people call its options.
struct Facet {
    /// What to ask back.
    ask: &'static str,
    options: &'static [FacetOption],
}

struct FacetOption {
    /// What to choose.
    name: &'static str,
    /// How it is said; a text that holds one of them is about this option.
    words: &'static [&'static str],
}

const FACETS: &[Facet] = &[
    Facet {
        ask: "您是本市户籍还是外地户籍？",
        options: &[
            FacetOption {
                name: "本市户籍",
                words: &[
                    "本市户籍",
                    "本市户口",
                    "本地户口",
                    "本地户籍",
                    "户籍居民",
                    "户籍家庭",
                    "户籍老年人",
                    "户籍学生",
                ],
            },
            FacetOption {
                name: "外地户籍",
                words: &[
                    "外地户口",
                    "外地户籍",
                    "非本市户籍",
                    "外省户口",
                    "外来",
                    "随迁",
                    "非户籍",
                    "流动人口",
                    "居住证持有人",
                ],
            },
        ],
    },
    Facet {
        ask: "您参加的是职工医保还是居民医保？",
        options: &[
            FacetOption {
                name: "职工医保",
                words: &["职工医保", "职工基本医疗保险", "职工医疗保险", "在职职工"],
            },
            FacetOption {
                name: "居民医保",
                words: &[
                    "居民医保",
                    "城乡居民基本医疗保险",
                    "城乡居民医疗保险",
                    "城乡居民医保",
                ],
            },
        ],
    },
    Facet {
        ask: "您问的是职工养老保险、城乡居民养老保险还是灵活就业参保？",
        options: &[
            FacetOption {
                name: "职工养老保险",
                words: &["职工养老", "企业职工", "职工基本养老保险"],
            },
            FacetOption {
                name: "城乡居民养老保险",
                words: &["居民养老", "城乡居民基本养老保险", "城居保"],
            },
            FacetOption {
                name: "灵活就业参保",
                words: &["灵活就业"],
            },
        ],
    },
    Facet {
        ask: "是个人办理还是单位办理？",
        options: &[
            FacetOption {
                name: "个人",
                words: &["个人办理", "个人申请", "以个人身份", "本人申请"],
            },
            FacetOption {
                name: "单位",
                words: &["单位办理", "用人单位申请", "企业申请", "单位申请"],
            },
        ],
    },
    Facet {
        ask: "孩子上的是幼儿园、小学还是初中？",
        options: &[
            FacetOption {
                name: "幼儿园",
                words: &["幼儿园", "学前", "入园"],
            },
            FacetOption {
                name: "小学",
                words: &["小学", "一年级"],
            },
            FacetOption {
                name: "初中",
                words: &["初中", "小升初", "七年级", "初一"],
            },
        ],
    },
    Facet {
        ask: "是首套住房还是第二套住房？",
        options: &[
            FacetOption {
                name: "首套住房",
                words: &["首套", "第一套", "首次购房"],
            },
            FacetOption {
                name: "第二套住房",
                words: &["二套", "第二套", "再次购房"],
            },
        ],
    },
];

/// Which options of a facet a text is about, by their places.
fn named(facet: &Facet, text: &str) -> Vec<usize> {
    let options = facet.options.iter().enumerate();
    options
        .filter(|(_, option)| option.words.iter().any(|word| names(text, word)))
        .map(|(at, _)| at)
        .collect()
}

/// Whether `text` holds `word`, and not its opposite (`非本市户籍`).
fn names(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with('非'))
}

/// What to ask back: the facets that `question` leaves open while `answers`, texts that could answer it,
/// are about different options. With the options that there are.
pub fn open_facets(question: &str, answers: &[&str]) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut open = Vec::new();
    for facet in FACETS {
        if !named(facet, question).is_empty() {
            continue;
        }
        // A text that is about several options answers for all of them.
        let mut told: Vec<usize> = answers
            .iter()
            .map(|text| named(facet, text))
            .filter(|options| options.len() == 1)
            .flatten()
            .collect();
        told.sort_unstable();
        told.dedup();
        if told.len() > 1 {
            let names = told.into_iter().map(|at| facet.options[at].name);
            open.push((facet.ask, names.collect()));
        }
    }
    open
}

/// `asked` without the options in place of which `now` names others.
pub fn without_other_options(asked: &str, now: &str) -> String {
    let mut kept = asked.to_owned();
    for facet in FACETS {
        let chosen = named(facet, now);
        if chosen.is_empty() {
            continue;
        }
        for (at, option) in facet.options.iter().enumerate() {
            if !chosen.contains(&at) {
                for word in option.words {
                    kept = kept.replace(word, "");
                }
            }
        }
    }
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_differ_in_is_asked_back() {
        let answers = ["职工医保报销比例为80%", "城乡居民医保报销比例为60%"];
        assert_eq!(
            open_facets("住院报销比例是多少", &answers),
            [(
                "您参加的是职工医保还是居民医保？",
                vec!["职工医保", "居民医保"]
            )]
        );
        assert!(open_facets("职工医保住院报销比例", &answers).is_empty());
        let places = ["本市户籍儿童凭户口簿报名", "非本市户籍儿童凭居住证报名"];
        assert_eq!(open_facets("小学报名要带什么", &places).len(), 1);
        assert_eq!(
            without_other_options("本市户籍的小孩怎么报名", "非本市户籍的呢"),
            "的小孩怎么报名"
        );
        assert!(open_facets("住院报销比例是多少", &answers[..1]).is_empty());
        let both = ["职工医保和城乡居民医保都报销", "城乡居民医保报销比例为60%"];
        assert!(open_facets("住院报销比例是多少", &both).is_empty());
    }
}
