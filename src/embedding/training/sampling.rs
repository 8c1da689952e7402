//! Examples for one epoch: pairs as they are, and pairs cut from plain texts (inverse cloze:
//! one or a few clauses → what stands around them).

use super::material::{Collection, Material, Text, WordRange};
use super::random::Random;

/// One query and the passage that should be found by it.
#[derive(Clone, Debug)]
pub struct Example {
    /// Stretches of words, in order.
    pub query: [WordRange; 2],
    /// Stretches of words, in order; unused ones are empty.
    pub passage: [WordRange; 3],
    /// Examples of one origin are not each other's wrong answers.
    pub origin: u64,
}

/// Examples of one kind, in the order in which they are used.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The collection's place in [`Material::collections`].
    pub collection: usize,
    /// At most as many as asked for.
    pub examples: Vec<Example>,
}

/// How examples are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Examples in a batch.
    pub batch: usize,
    /// Words of a text that give one example an epoch.
    pub words_per_cloze: usize,
    /// Share of the titled texts whose title is a query in an epoch.
    pub titles: f32,
}

/// Smallest batch worth training on: with few wrong answers the task is too easy.
const SMALLEST_BATCH: usize = 32;

/// The batches of one epoch, in random order.
pub fn batches(material: &Material, sampling: Sampling, seed: u64) -> Vec<Batch> {
    let mut random = Random::new(seed);
    let mut batches = Vec::new();
    for (collection, part) in material.collections.iter().enumerate() {
        let kinds = [
            pairs(material, part),
            clozes(part, sampling, random.draw()),
            titles(part, sampling.titles, random.draw()),
        ];
        for mut examples in kinds {
            random.shuffle(&mut examples);
            while examples.len() >= SMALLEST_BATCH {
                let rest = examples.split_off(sampling.batch.min(examples.len()));
                batches.push(Batch {
                    collection,
                    examples,
                });
                examples = rest;
            }
        }
    }
    random.shuffle(&mut batches);
    batches
}

fn pairs(material: &Material, collection: &Collection) -> Vec<Example> {
    let example = |pair: &super::material::Pair| Example {
        query: [pair.query.clone(), 0..0],
        passage: [pair.passage.clone(), 0..0, 0..0],
        origin: hash(&material.words[pair.passage.start as usize..pair.passage.end as usize]),
    };
    collection.pairs.iter().map(example).collect()
}

/// FNV-1a over numbers: equal passages have one origin.
fn hash(words: &[u32]) -> u64 {
    words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &word| {
        (hash ^ u64::from(word)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn clozes(collection: &Collection, sampling: Sampling, seed: u64) -> Vec<Example> {
    let mut examples = Vec::new();
    for (index, text) in collection.texts.iter().enumerate() {
        let mut random = Random::for_item(seed, index as u64);
        let n_words = text.clauses.iter().map(|c| c.len()).sum::<usize>();
        for _ in 0..n_words.div_ceil(sampling.words_per_cloze).min(12) {
            examples.extend(cloze(text, index, &mut random));
        }
    }
    examples
}

/// A few clauses in the middle of a window → the rest of the window, perhaps under the title.
fn cloze(text: &Text, index: usize, random: &mut Random) -> Option<Example> {
    let clauses = &text.clauses;
    let window_words = 40 + random.below(210);
    let mut first = random.below(clauses.len());
    let mut last = first;
    let words = |first: usize, last: usize| (clauses[last].end - clauses[first].start) as usize;
    while words(first, last) < window_words && (first > 0 || last + 1 < clauses.len()) {
        if last + 1 < clauses.len() {
            last += 1;
        } else {
            first -= 1;
        }
    }
    let query_words = 4 + random.below(16);
    let query_first = first + random.below(last - first + 1);
    let mut query_last = query_first;
    while words(query_first, query_last) < query_words && query_last < last {
        query_last += 1;
    }
    let before = clauses[first].start..clauses[query_first].start;
    let after = clauses[query_last].end..clauses[last].end;
    let titled = !text.title.is_empty() && random.below(2) == 0;
    if before.len() + after.len() < 4 && !titled {
        return None;
    }
    Some(Example {
        query: [clauses[query_first].start..clauses[query_last].end, 0..0],
        passage: [
            if titled { text.title.clone() } else { 0..0 },
            before,
            after,
        ],
        origin: index as u64,
    })
}

/// The title → a window of its text.
fn titles(collection: &Collection, share: f32, seed: u64) -> Vec<Example> {
    let titled = collection
        .texts
        .iter()
        .enumerate()
        .filter(|(_, text)| !text.title.is_empty());
    titled
        .filter_map(|(index, text)| {
            let mut random = Random::for_item(seed, index as u64);
            if random.unit() >= share {
                return None;
            }
            let first = random.below(text.clauses.len());
            let n_words = 60 + random.below(240) as u32;
            let start = text.clauses[first].start;
            let end = text.clauses.iter().map(|c| c.end).find(|&end| {
                end - text.clauses[0].start >= n_words + (start - text.clauses[0].start)
            });
            let end = end.unwrap_or(text.clauses[text.clauses.len() - 1].end);
            Some(Example {
                query: [text.title.clone(), 0..0],
                passage: [start..end, 0..0, 0..0],
                origin: index as u64,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::material::Piece;
    use super::*;

    const SAMPLING: Sampling = Sampling {
        batch: 50,
        words_per_cloze: 20,
        titles: 1.0,
    };

    fn material() -> Material {
        let body = "甲乙丙丁，戊己庚辛。子丑寅卯；辰巳午未，申酉戌亥。".repeat(6);
        let texts = (0..40).map(|i| Piece::Text {
            kind: "news".to_owned(),
            title: format!("题{i}"),
            body: body.clone(),
        });
        let pairs = (0..70).map(|i| Piece::Pair {
            kind: "faq".to_owned(),
            query: format!("问{i}"),
            passage: format!("答{}", i / 2),
        });
        let mut material = Material::default();
        let pieces: Vec<Piece> = texts.chain(pairs).collect();
        material.add(&pieces, &|text| {
            text.chars()
                .filter(|c| c.is_alphanumeric())
                .map(String::from)
                .collect()
        });
        material
    }

    #[test]
    fn a_batch_holds_one_kind_and_every_pair_is_used_or_left_over() {
        let material = material();
        let batches = batches(&material, SAMPLING, 1);
        for batch in &batches {
            assert!((SMALLEST_BATCH..=SAMPLING.batch).contains(&batch.examples.len()));
            let words = &material.collections[batch.collection];
            for example in &batch.examples {
                let is_pair = words
                    .pairs
                    .iter()
                    .any(|pair| pair.query == example.query[0]);
                assert_eq!(is_pair, words.name == "faq");
            }
        }
        let n_pairs: usize = batches
            .iter()
            .filter(|b| b.collection == 1)
            .map(|b| b.examples.len())
            .sum();
        assert_eq!(n_pairs, 50, "the 20 left over are too few for a batch");
    }

    #[test]
    fn a_cloze_query_is_cut_out_of_its_passage() {
        let material = material();
        let examples = clozes(&material.collections[0], SAMPLING, 9);
        assert!(examples.len() > 200);
        for example in examples {
            let query = &example.query[0];
            assert!(!query.is_empty());
            for part in &example.passage {
                assert!(
                    part.end <= query.start || part.start >= query.end,
                    "{example:?}"
                );
            }
            assert!(example.passage.iter().any(|part| !part.is_empty()));
        }
    }

    #[test]
    fn equal_passages_share_an_origin() {
        let material = material();
        let examples = pairs(&material, &material.collections[1]);
        assert_eq!(examples[0].origin, examples[1].origin);
        assert_ne!(examples[0].origin, examples[2].origin);
    }

    #[test]
    fn the_seed_decides() {
        let material = material();
        let drawn = |seed| format!("{:?}", batches(&material, SAMPLING, seed));
        assert_eq!(drawn(4), drawn(4));
        assert_ne!(drawn(4), drawn(5));
    }
}
