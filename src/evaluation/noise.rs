//! Queries as a speech recogniser would have misheard them.
//!
//! A stand-in for recorded speech: single characters are replaced by others of the same usual
//! reading, the common ones more often, as a recogniser prefers them. It does not know that real
//! recognisers err more on rare words and write whole words that exist.

use std::collections::BTreeMap;

use crate::embedding::training::random::Random;
use crate::text::sound::{SyllableNo, common_characters, commonness, usual_reading};

/// Replaces Chinese characters by others that sound alike.
pub struct Noise {
    rate: f32,
    similar: f32,
    seed: u64,
    /// By usual syllable, with sounds in place of syllables for similar ones.
    characters: BTreeMap<SyllableNo, Vec<(char, f64)>>,
}

/// A text with some of its characters replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noisy {
    /// As many characters as before.
    pub text: String,
    /// How many of them are Chinese characters with a reading.
    pub n_characters: usize,
    /// How many of those are not what they were.
    pub n_replaced: usize,
}

impl Noise {
    /// Noise that replaces each Chinese character with probability `rate`, independently.
    ///
    /// Its place takes a character with the same usual syllable, whatever the tone; with
    /// probability `similar` one whose usual syllable differs but sounds similar (n/l, z/zh, c/ch,
    /// s/sh, an/ang, en/eng, in/ing). Each is drawn as often as it is common in ordinary texts. A
    /// character that has no other of its kind stays.
    pub fn new(rate: f32, similar: f32, seed: u64) -> Self {
        let mut characters: BTreeMap<SyllableNo, Vec<(char, f64)>> = BTreeMap::new();
        for c in common_characters() {
            if let Some((syllable, sound)) = usual_reading(c) {
                for reading in [syllable, sound] {
                    let alike = characters.entry(reading).or_default();
                    alike.push((c, commonness(c)));
                }
            }
        }
        Self {
            rate,
            similar,
            seed,
            characters,
        }
    }

    /// The noisy form of query number `number` of a pack: the same for the same number, text, rate
    /// and seed.
    pub fn apply(&self, text: &str, number: usize) -> Noisy {
        let mut random = Random::for_item(self.seed, number as u64);
        let mut noisy = Noisy {
            text: String::with_capacity(text.len()),
            n_characters: 0,
            n_replaced: 0,
        };
        for c in text.chars() {
            let Some(reading) = usual_reading(c) else {
                noisy.text.push(c);
                continue;
            };
            noisy.n_characters += 1;
            // Always as many draws, so that a higher rate replaces more and not others.
            let (is_replaced, is_similar) =
                (random.unit() < self.rate, random.unit() < self.similar);
            let other = self.draw(c, reading, is_similar, random.unit());
            let written = other.filter(|_| is_replaced).unwrap_or(c);
            noisy.n_replaced += usize::from(written != c);
            noisy.text.push(written);
        }
        noisy
    }

    /// What stands for `c`; `at`, 0 to 1, is a place among what could.
    fn draw(
        &self,
        c: char,
        (syllable, sound): (SyllableNo, SyllableNo),
        is_similar: bool,
        at: f32,
    ) -> Option<char> {
        let reading = if is_similar { sound } else { syllable };
        let fits = |other: &&(char, f64)| {
            let is_same = usual_reading(other.0).is_some_and(|(other, _)| other == syllable);
            other.0 != c && is_same != is_similar
        };
        let alike = || {
            self.characters
                .get(&reading)
                .into_iter()
                .flatten()
                .filter(fits)
        };
        let mut left = f64::from(at) * alike().map(|(_, weight)| weight).sum::<f64>();
        let mut last = None;
        for &(other, weight) in alike() {
            last = Some(other);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::sound::{same_sounding, similar_sounding};

    #[test]
    fn the_rate_is_kept_and_common_characters_come_often() {
        // Of 怎 and 么 there is no other of the same syllable.
        let text = "公积金贷款提取".repeat(2_000);
        let noisy = Noise::new(0.1, 0.0, 1).apply(&text, 0);
        let share = noisy.n_replaced as f32 / noisy.n_characters as f32;
        assert_eq!(noisy.n_characters, 14_000);
        assert!((0.09..0.11).contains(&share), "{share}");
        assert_eq!(Noise::new(0.0, 0.0, 1).apply(&text, 0).text, text);
        let all = Noise::new(1.0, 0.0, 1).apply(&text, 0);
        assert_eq!(all.n_replaced, 14_000);
        let n = |c: char| all.text.chars().filter(|&other| other == c).count();
        assert!(n('工') > n('宫'), "{} {}", n('工'), n('宫'));
    }

    #[test]
    fn similar_ones_are_of_another_syllable() {
        let noisy = Noise::new(1.0, 1.0, 3).apply("张林诗", 0);
        for (said, written) in "张林诗".chars().zip(noisy.text.chars()) {
            assert!(similar_sounding(said, written), "{said} {written}");
            assert_ne!(usual_reading(said), usual_reading(written));
        }
    }

    proptest! {
        #[test]
        fn only_what_sounds_alike_is_put_in_place(
            text in "([一-龥]|[a-z0-9，。 ]|\\PC){0,30}", rate in 0.0f32..=1.0, seed in 0u64..9,
        ) {
            let noise = Noise::new(rate, 0.0, seed);
            let noisy = noise.apply(&text, 5);
            prop_assert_eq!(&noisy, &noise.apply(&text, 5));
            prop_assert_eq!(noisy.text.chars().count(), text.chars().count());
            let mut n_replaced = 0;
            for (said, written) in text.chars().zip(noisy.text.chars()) {
                prop_assert!(said == written || same_sounding(said, written), "{} {}", said, written);
                n_replaced += usize::from(said != written);
            }
            prop_assert_eq!(noisy.n_replaced, n_replaced);
            prop_assert!(n_replaced <= noisy.n_characters);
        }
    }
}
