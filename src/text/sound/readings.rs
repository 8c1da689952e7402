//! Character → how it may be read, without tones.
//!
//! Readings are those of the crate `pinyin` (Unihan), every one of a character that has several. A
//! *syllable* is a reading without its tone (gong); a *sound* is what similar syllables share.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use pinyin::ToPinyinMulti;

/// Characters with readings that count here: CJK Unified Ideographs of three bytes of UTF-8. What
/// lies beyond is hardly ever spoken about.
const FIRST: char = '\u{4e00}';
const LAST: char = '\u{9fff}';

/// Number of a syllable, or of a sound.
pub type SyllableNo = u16;

/// How a character may be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// Syllables, the usual one first, each once.
    pub syllables: Vec<SyllableNo>,
    /// Sounds of the syllables, in their order, each once.
    pub sounds: Vec<SyllableNo>,
}

static READINGS: LazyLock<Vec<Readings>> = LazyLock::new(read_all);

/// The readings of `c`; `None` for what is no Chinese character or has no reading.
pub fn readings(c: char) -> Option<&'static Readings> {
    let at = u32::from(c).checked_sub(u32::from(FIRST))?;
    let readings = READINGS.get(at as usize)?;
    (!readings.syllables.is_empty()).then_some(readings)
}

/// The syllable that `c` usually has, and its sound.
pub fn usual_reading(c: char) -> Option<(SyllableNo, SyllableNo)> {
    let readings = readings(c)?;
    Some((*readings.syllables.first()?, *readings.sounds.first()?))
}

/// Whether two characters share a syllable, whatever the tone: 公 and 宫, 行 and 航.
pub fn same_sounding(a: char, b: char) -> bool {
    shares(a, b, |readings| &readings.syllables)
}

/// Whether two characters share a sound: a syllable, but for n/l, z/zh, c/ch, s/sh, an/ang, en/eng,
/// in/ing. True of [`same_sounding`] ones too.
pub fn similar_sounding(a: char, b: char) -> bool {
    shares(a, b, |readings| &readings.sounds)
}

fn shares(a: char, b: char, of: impl Fn(&'static Readings) -> &'static [SyllableNo]) -> bool {
    match (readings(a), readings(b)) {
        (Some(a), Some(b)) => of(a).iter().any(|one| of(b).contains(one)),
        _ => false,
    }
}

fn read_all() -> Vec<Readings> {
    let mut numbers: BTreeMap<String, SyllableNo> = BTreeMap::new();
    let mut number_of = |name: String| {
        let next = numbers.len() as SyllableNo;
        *numbers.entry(name).or_insert(next)
    };
    (FIRST..=LAST)
        .map(|c| {
            let mut readings = Readings::default();
            for reading in c.to_pinyin_multi().into_iter().flatten() {
                let name = reading.plain();
                // Interjections (嗯 n, 呣 m) have no vowel to be confused by.
                if !name.contains(|c| "aeiouüvê".contains(c)) {
                    continue;
                }
                let syllable = number_of(name.to_owned());
                let sound = number_of(format!("~{}", sound_of(name)));
                if !readings.syllables.contains(&syllable) {
                    readings.syllables.push(syllable);
                }
                if !readings.sounds.contains(&sound) {
                    readings.sounds.push(sound);
                }
            }
            readings
        })
        .collect()
}

/// What a syllable shares with those that speakers of many regions do not tell apart.
fn sound_of(syllable: &str) -> String {
    const INITIALS: [(&str, &str); 4] = [("zh", "z"), ("ch", "c"), ("sh", "s"), ("l", "n")];
    const FINALS: [(&str, &str); 3] = [("ang", "an"), ("eng", "en"), ("ing", "in")];
    let mut sound = syllable.to_owned();
    for (initial, same) in INITIALS {
        if let Some(rest) = sound.strip_prefix(initial) {
            sound = format!("{same}{rest}");
            break;
        }
    }
    for (ending, same) in FINALS {
        if let Some(start) = sound.strip_suffix(ending) {
            sound = format!("{start}{same}");
            break;
        }
    }
    sound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_syllables_share_a_sound() {
        for (syllable, sound) in [
            ("zhang", "zan"),
            ("lin", "nin"),
            ("ning", "nin"),
            ("cheng", "cen"),
            ("shi", "si"),
            ("gong", "gong"),
            ("liang", "nian"),
            ("a", "a"),
        ] {
            assert_eq!(sound_of(syllable), sound, "{syllable}");
        }
    }

    #[test]
    fn every_reading_counts_and_tones_do_not() {
        assert!(same_sounding('积', '鸡') && same_sounding('公', '共'));
        assert!(same_sounding('行', '航') && same_sounding('行', '型'));
        assert!(!same_sounding('张', '脏') && similar_sounding('张', '脏'));
        assert!(similar_sounding('您', '林') && similar_sounding('林', '零'));
        assert!(!similar_sounding('公', '积'));
        assert!(!similar_sounding('a', 'a') && readings('，').is_none());
    }
}
