//! A site's own words: dictionary words, synonyms, and what people say in dialect.
//!
//! Three plain files that editors keep under `_lexicon/` in the corpus, all optional:
//! `words.txt` (a word to a line, perhaps with its frequency), `synonyms.txt` (words of one
//! meaning to a line, or `said => written`), `dialect.txt` (the same). Empty lines and lines that
//! begin with `#` are skipped. A bad line is reported and left out, the others count.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::normalise;

/// The files of a lexicon and how each is read, in order.
const FILES: [(&str, Read); 3] = [
    ("words.txt", Lexicon::read_word),
    ("synonyms.txt", Lexicon::read_synonyms),
    ("dialect.txt", Lexicon::read_synonyms),
];

type Read = fn(&mut Lexicon, &str) -> Result<(), String>;

/// Longer words are sentences by mistake.
const MAX_WORD_CHARS: usize = 24;

/// Words and synonyms, all in normal form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lexicon {
    words: BTreeMap<String, Option<usize>>,
    synonyms: BTreeMap<String, Vec<String>>,
}

/// Something wrong in a file of the lexicon. Shown to editors, in Chinese.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LexiconProblem {
    /// The file's name inside the lexicon's folder.
    pub file: &'static str,
    /// The line, from 1; `None` if the file as a whole could not be read.
    pub line: Option<usize>,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for LexiconProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} 第 {line} 行：{}", self.file, self.message),
            None => write!(f, "{}：{}", self.file, self.message),
        }
    }
}

/// What people say and how rules put it, for any city.
const EVERYDAY: &str = include_str!("everyday.txt");

impl Lexicon {
    /// What people say everywhere and how rules put it: 房本 → 不动产权证, 跑外卖 → 网约配送员.
    pub fn everyday() -> Lexicon {
        let mut lexicon = Lexicon::default();
        let mut problems = Vec::new();
        lexicon.read_lines("everyday.txt", EVERYDAY, Self::read_synonyms, &mut problems);
        debug_assert_eq!(problems, []);
        lexicon
    }

    /// This lexicon with what `general` has besides. What this one says of a word stands: its
    /// synonyms and its frequency are not mixed with those of `general`.
    pub fn over(mut self, general: Lexicon) -> Lexicon {
        for (word, frequency) in general.words {
            self.words.entry(word).or_insert(frequency);
        }
        for (word, synonyms) in general.synonyms {
            self.synonyms.entry(word).or_insert(synonyms);
        }
        self
    }

    /// Reads the files in `folder`. Missing ones count as empty; what could not be read is in the
    /// list of problems, everything else in the lexicon.
    ///
    /// Files may be in UTF-8 or GB18030.
    pub fn load(folder: &Path) -> (Lexicon, Vec<LexiconProblem>) {
        let mut lexicon = Lexicon::default();
        let mut problems = Vec::new();
        for (file, read) in FILES {
            match std::fs::read(folder.join(file)) {
                Ok(bytes) => lexicon.read_lines(file, &decode(&bytes), read, &mut problems),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => problems.push(LexiconProblem {
                    file,
                    line: None,
                    message: format!("无法读取（{error}），请检查文件权限"),
                }),
            }
        }
        (lexicon, problems)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.synonyms.is_empty()
    }

    /// Dictionary words, those of synonyms included, in byte order, with their frequency if given.
    pub fn words(&self) -> impl Iterator<Item = (&str, Option<usize>)> {
        self.words
            .iter()
            .map(|(word, frequency)| (word.as_str(), *frequency))
    }

    /// What else each word may be called, in the order of the files.
    pub fn synonyms(&self) -> &BTreeMap<String, Vec<String>> {
        &self.synonyms
    }

    /// blake3 of the content, lower-case hex: another one means another cut, so another index.
    ///
    /// Comments and the order of words do not change it.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (word, frequency) in &self.words {
            hasher.update(format!("{word}\t{frequency:?}\n").as_bytes());
        }
        hasher.update(b"\n");
        for (word, synonyms) in &self.synonyms {
            hasher.update(format!("{word}\t{}\n", synonyms.join("\t")).as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    fn read_lines(
        &mut self,
        file: &'static str,
        text: &str,
        read: Read,
        problems: &mut Vec<LexiconProblem>,
    ) {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(message) = read(self, line) {
                problems.push(LexiconProblem {
                    file,
                    line: Some(number + 1),
                    message,
                });
            }
        }
    }

    /// `word`, `word frequency` or, as jieba's own files have it, `word frequency tag`.
    fn read_word(&mut self, line: &str) -> Result<(), String> {
        let mut fields = line.split_whitespace();
        let word = word(fields.next().unwrap_or_default())?;
        let frequency = match fields.next() {
            None => None,
            Some(field) => Some(field.parse().ok().filter(|&n| n > 0).ok_or_else(|| {
                format!(
                    "词频“{field}”不是正整数；每行写一个词，后面可加空格和词频，例如“居住证 1000”"
                )
            })?),
        };
        self.words.insert(word, frequency);
        Ok(())
    }

    /// A group of words of one meaning, or `said => written`.
    fn read_synonyms(&mut self, line: &str) -> Result<(), String> {
        let line = line.replace('→', "=>").replace("＝＞", "=>");
        let sides: Vec<Vec<String>> = line.split("=>").map(words).collect::<Result<_, _>>()?;
        match sides.as_slice() {
            [group] if group.len() >= 2 => {
                for one in group {
                    self.add_synonyms(one, group);
                }
                Ok(())
            }
            [_] => {
                Err("同义词一行至少写两个词，用空格或逗号隔开；单向写作“口语词 => 规范词”".into())
            }
            [said, written] if !said.is_empty() && !written.is_empty() => {
                for one in said {
                    self.add_synonyms(one, written);
                }
                Ok(())
            }
            [_, _] => Err("“=>”两边都要有词，例如“社保 => 社会保险”".into()),
            _ => Err("一行只能有一个“=>”，请拆成多行".into()),
        }
    }

    fn add_synonyms(&mut self, word: &str, others: &[String]) {
        for known in others.iter().map(String::as_str).chain([word]) {
            if !self.words.contains_key(known) {
                self.words.insert(known.to_owned(), None);
            }
        }
        let list = self.synonyms.entry(word.to_owned()).or_default();
        for other in others {
            if other != word && !list.contains(other) {
                list.push(other.clone());
            }
        }
    }

    /// A lexicon from the texts of `words.txt` and `synonyms.txt`, which must be right.
    #[cfg(test)]
    pub(crate) fn parse(words: &str, synonyms: &str) -> Lexicon {
        let mut lexicon = Lexicon::default();
        let mut problems = Vec::new();
        lexicon.read_lines("words.txt", words, Self::read_word, &mut problems);
        lexicon.read_lines("synonyms.txt", synonyms, Self::read_synonyms, &mut problems);
        assert_eq!(problems, []);
        lexicon
    }
}

fn words(side: &str) -> Result<Vec<String>, String> {
    side.split(|c: char| c.is_whitespace() || ",，、;；|".contains(c))
        .filter(|field| !field.is_empty())
        .map(word)
        .collect()
}

/// The normal form of one word.
fn word(field: &str) -> Result<String, String> {
    let normal = normalise(field).as_str().to_owned();
    let n_chars = normal.chars().count();
    if n_chars > MAX_WORD_CHARS {
        return Err(format!("“{field}”超过 {MAX_WORD_CHARS} 个字，不像一个词"));
    }
    if !normal.chars().any(char::is_alphanumeric) {
        return Err(format!("“{field}”里没有文字"));
    }
    Ok(normal)
}

fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::GB18030.decode(bytes).0.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_named_and_good_ones_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |file: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(file), bytes).expect("a file in it");
        };
        write(
            "words.txt",
            "\u{feff}# 词典\n云溪码 500\n\n云溪通 很多\n居住證 3 n\n——\n".as_bytes(),
        );
        write(
            "synonyms.txt",
            "居住证，暂住证、居住卡\n孤零零\na => b => c\n=> 社会保险\n".as_bytes(),
        );
        write(
            "dialect.txt",
            &encoding_rs::GB18030.encode("睇病 => 看病 就医\n").0,
        );
        let (lexicon, problems) = Lexicon::load(folder.path());
        let places: Vec<_> = problems.iter().map(|p| (p.file, p.line)).collect();
        assert_eq!(
            places,
            [
                ("words.txt", Some(4)),
                ("words.txt", Some(6)),
                ("synonyms.txt", Some(2)),
                ("synonyms.txt", Some(3)),
                ("synonyms.txt", Some(4)),
            ]
        );
        assert_eq!(
            problems[0].to_string(),
            "words.txt 第 4 行：词频“很多”不是正整数；每行写一个词，后面可加空格和词频，例如“居住证 1000”"
        );
        assert!(lexicon.words().any(|entry| entry == ("云溪码", Some(500))));
        assert!(lexicon.words().any(|entry| entry == ("居住证", Some(3))));
        assert_eq!(lexicon.synonyms()["暂住证"], ["居住证", "居住卡"]);
        assert_eq!(lexicon.synonyms()["睇病"], ["看病", "就医"]);
        assert!(!lexicon.synonyms().contains_key("看病"));
    }

    #[test]
    fn a_missing_folder_is_an_empty_lexicon() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (lexicon, problems) = Lexicon::load(&folder.path().join("none"));
        assert!(lexicon.is_empty());
        assert_eq!(problems, []);
    }

    #[test]
    fn the_hash_follows_the_content() {
        let hash = |words, synonyms| Lexicon::parse(words, synonyms).hash();
        assert_eq!(hash("甲乙\n丙丁", ""), hash("# 注\n丙丁\n甲乙", ""));
        assert_ne!(hash("甲乙", ""), hash("甲乙 5", ""));
        assert_ne!(hash("", "甲乙 丙丁"), hash("", "甲乙 => 丙丁"));
    }

    #[test]
    fn the_everyday_lexicon_is_right_and_a_site_goes_before_it() {
        let mut everyday = Lexicon::default();
        let mut problems = Vec::new();
        everyday.read_lines(
            "everyday.txt",
            EVERYDAY,
            Lexicon::read_synonyms,
            &mut problems,
        );
        assert_eq!(problems, []);
        assert_eq!(everyday, Lexicon::everyday());
        let said = |line: &str| line.split("=>").next().map(str::to_owned);
        let lines = EVERYDAY.lines().filter(|line| !line.starts_with('#'));
        let mut once = std::collections::BTreeSet::new();
        for word in lines
            .filter_map(said)
            .flat_map(|words_said| words(&words_said))
            .flatten()
        {
            assert!(once.insert(word.clone()), "{word} stands twice on the left");
        }

        let site = Lexicon::parse("", "房本 => 云溪房产凭证\n");
        let both = site.over(Lexicon::everyday());
        assert_eq!(both.synonyms()["房本"], ["云溪房产凭证"]);
        assert_eq!(both.synonyms()["炒鱿鱼"], everyday.synonyms()["炒鱿鱼"]);
        assert!(both.words().any(|(word, _)| word == "不动产权证"));
    }
}
