//! What a run of characters may have been, as a hidden Markov chain.
//!
//! Hidden are the characters that were said, visible those that were written. A character follows
//! another as often as in the index, smoothed by ordinary Chinese, smoothed by how common it is
//! (Dirichlet priors, MacKay and Peto, "A hierarchical Dirichlet language model", 1995):
//!
//! ```text
//! P(b|a) = (n(ab) + M·Q(b|a)) / (n(a·) + M)       n: passages of the index
//! Q(b|a) = (u(ab) + V·P(b))   / (u(a·) + V)       u: ordinary texts
//! ```
//!
//! Only pairs that stand in one of the two are linked; what is left of the probability goes to all
//! characters alike but for their commonness, so that the sums stay linear in the links.

use super::pair_table::{PairCounts, PairTable};
use super::readings::readings;
use super::usual::Usual;

/// How many passages with a character ordinary Chinese is worth.
const M: f64 = 20.0;
/// How many ordinary occurrences of a character its successors' commonness is worth.
const V: f64 = 200.0;
/// Share of the misheard characters that are not even of the same syllable.
const SIMILAR: f64 = 0.3;

/// A character that may have been said.
struct State {
    character: char,
    /// Probability that what is written is written for it.
    emission: f64,
    /// Its commonness.
    usual: f64,
    /// Probability of what is not linked to it, as a share of the commonness.
    unlinked: f64,
}

/// A pair of characters that some text has: places among the states of two columns.
struct Link {
    from: usize,
    to: usize,
    probability: f64,
}

/// One written character with what it may stand for.
struct Column {
    states: Vec<State>,
    /// Place of the written character itself.
    as_written: usize,
    /// From the column before.
    links: Vec<Link>,
}

/// A run of written characters with all that it may stand for.
pub struct Lattice {
    columns: Vec<Column>,
}

/// What is likeliest in one place of a run.
pub struct Likeliest {
    pub character: char,
    /// Given everything that is written.
    pub probability: f64,
}

impl Lattice {
    /// The lattice of a run of characters with readings, of which a share of `misheard` are not
    /// what was said; the first one is, if it `is_anchored`.
    pub fn new(
        run: &[char],
        is_anchored: bool,
        index: &PairCounts,
        usual: &Usual,
        misheard: f64,
    ) -> Self {
        let pairs: Vec<_> = run
            .windows(2)
            .map(|pair| pairs_like(pair[0], pair[1], index, usual))
            .collect();
        let mut columns: Vec<Column> = Vec::with_capacity(run.len());
        for (at, &written) in run.iter().enumerate() {
            let mut characters = vec![written];
            if let Some(before) = at.checked_sub(1) {
                characters.extend(pairs[before].iter().map(|pair| pair.second));
            }
            characters.extend(pairs.get(at).into_iter().flatten().map(|pair| pair.first));
            if at == 0 && is_anchored {
                characters.truncate(1);
            }
            characters.sort_unstable();
            characters.dedup();
            let place = |c: char| characters.binary_search(&c).unwrap_or_default();
            let links = match (at.checked_sub(1), columns.last()) {
                (Some(before), Some(previous)) => {
                    link(&pairs[before], previous, place, index, usual)
                }
                _ => Vec::new(),
            };
            columns.push(Column {
                as_written: place(written),
                states: characters
                    .iter()
                    .map(|&c| State {
                        character: c,
                        emission: emission(written, c, usual, misheard),
                        usual: usual.commonness(c),
                        unlinked: unlinked(c, index, usual),
                    })
                    .collect(),
                links,
            });
        }
        Self { columns }
    }

    /// The likeliest character of each place, and how much likelier the run is as something partly
    /// misheard than as it is written (natural logarithm).
    pub fn decode(&self) -> (Vec<Likeliest>, f64) {
        let (forward, log_any) = self.forward();
        let backward = self.backward();
        let likeliest = self.columns.iter().zip(forward.iter().zip(&backward));
        let likeliest = likeliest
            .map(|(column, (forward, backward))| {
                let weights: Vec<f64> = forward.iter().zip(backward).map(|(f, b)| f * b).collect();
                let all: f64 = weights.iter().sum();
                let mut best = column.as_written;
                for (at, weight) in weights.iter().enumerate() {
                    if *weight > weights[best] {
                        best = at;
                    }
                }
                Likeliest {
                    character: column.states[best].character,
                    probability: weights[best] / all,
                }
            })
            .collect();
        (likeliest, log_any - self.log_as_written())
    }

    /// For each state the probability of all that is written up to it, scaled per column; and the
    /// logarithm of that of the whole run.
    fn forward(&self) -> (Vec<Vec<f64>>, f64) {
        let mut all: Vec<Vec<f64>> = Vec::with_capacity(self.columns.len());
        let mut log = 0.0;
        for (at, column) in self.columns.iter().enumerate() {
            let mut here = match at.checked_sub(1) {
                None => column.states.iter().map(|state| state.usual).collect(),
                Some(before) => {
                    let states = self.columns[before].states.iter();
                    let left: f64 = states.zip(&all[before]).map(|(s, f)| s.unlinked * f).sum();
                    let mut here: Vec<f64> = column
                        .states
                        .iter()
                        .map(|state| state.usual * left)
                        .collect();
                    for link in &column.links {
                        here[link.to] += all[before][link.from] * link.probability;
                    }
                    here
                }
            };
            for (weight, state) in here.iter_mut().zip(&column.states) {
                *weight *= state.emission;
            }
            log += scale(&mut here).ln();
            all.push(here);
        }
        (all, log)
    }

    /// For each state the probability of all that is written after it, scaled per column.
    fn backward(&self) -> Vec<Vec<f64>> {
        let mut all: Vec<Vec<f64>> = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.iter().enumerate().rev() {
            let Some(next) = self.columns.get(at + 1) else {
                all.push(vec![1.0; column.states.len()]);
                continue;
            };
            let after = &all[all.len() - 1];
            let weight = |to: usize| next.states[to].emission * after[to];
            let left: f64 = (0..next.states.len())
                .map(|to| next.states[to].usual * weight(to))
                .sum();
            let mut here: Vec<f64> = column.states.iter().map(|s| s.unlinked * left).collect();
            for link in &next.links {
                here[link.from] += link.probability * weight(link.to);
            }
            scale(&mut here);
            all.push(here);
        }
        all.reverse();
        all
    }

    /// Logarithm of the probability of the run if nothing was misheard.
    fn log_as_written(&self) -> f64 {
        let mut log = 0.0;
        for (at, column) in self.columns.iter().enumerate() {
            let state = &column.states[column.as_written];
            log += match at.checked_sub(1) {
                None => state.usual.ln(),
                Some(before) => {
                    let previous = &self.columns[before];
                    let linked = column.links.iter().find(|link| {
                        (link.from, link.to) == (previous.as_written, column.as_written)
                    });
                    let unlinked = previous.states[previous.as_written].unlinked * state.usual;
                    (unlinked + linked.map_or(0.0, |link| link.probability)).ln()
                }
            };
        }
        log
    }
}

/// A pair that sounds like a written one.
#[derive(Clone, Copy)]
struct Pair {
    first: char,
    second: char,
    n_in_index: f64,
    n_usual: f64,
}

/// The pairs that sound like `a` and `b`, ascending.
fn pairs_like(a: char, b: char, index: &PairCounts, usual: &Usual) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let tables = index.tables.iter().map(|table| (table.as_ref(), false));
    for (table, is_usual) in tables.chain([(&usual.pairs, true)]) {
        let start = pairs.len();
        collect(table, a, b, |first, second, count| {
            let count = f64::from(count);
            let (n_in_index, n_usual) = if is_usual { (0.0, count) } else { (count, 0.0) };
            pairs.push(Pair {
                first,
                second,
                n_in_index,
                n_usual,
            });
        });
        // Under each reading that both share the same pair was found again.
        pairs[start..].sort_unstable_by_key(|pair| (pair.first, pair.second));
        let mut last = None;
        let mut kept = start;
        for at in start..pairs.len() {
            let key = Some((pairs[at].first, pairs[at].second));
            if key != last {
                pairs[kept] = pairs[at];
                kept += 1;
                last = key;
            }
        }
        pairs.truncate(kept);
    }
    pairs.sort_by_key(|pair| (pair.first, pair.second));
    pairs.dedup_by(|next, kept| {
        let is_same = (next.first, next.second) == (kept.first, kept.second);
        if is_same {
            kept.n_in_index += next.n_in_index;
            kept.n_usual += next.n_usual;
        }
        is_same
    });
    pairs
}

fn collect(table: &PairTable, a: char, b: char, mut found: impl FnMut(char, char, u32)) {
    let sounds = |c| readings(c).map_or(&[][..], |readings| &readings.sounds);
    for &first in sounds(a) {
        for &second in sounds(b) {
            for (first, second, count) in table.of_sounds(first, second) {
                found(first, second, count);
            }
        }
    }
}

fn link(
    pairs: &[Pair],
    previous: &Column,
    place: impl Fn(char) -> usize,
    index: &PairCounts,
    usual: &Usual,
) -> Vec<Link> {
    let mut links = Vec::with_capacity(pairs.len());
    for of_first in pairs.chunk_by(|a, b| a.first == b.first) {
        let first = of_first[0].first;
        let found = previous
            .states
            .binary_search_by_key(&first, |state| state.character);
        let Ok(from) = found else { continue };
        let n = f64::from(index.total(first));
        let u = f64::from(usual.pairs.total(first));
        links.extend(of_first.iter().map(|pair| Link {
            from,
            to: place(pair.second),
            probability: (pair.n_in_index + M * pair.n_usual / (u + V)) / (n + M),
        }));
    }
    links
}

fn unlinked(first: char, index: &PairCounts, usual: &Usual) -> f64 {
    let n = f64::from(index.total(first));
    let u = f64::from(usual.pairs.total(first));
    M / (n + M) * V / (u + V)
}

/// Probability that `said` is written as `written`: nearly always as itself, else as one of the
/// same syllable, or of the same sound, by how common it is among those.
fn emission(written: char, said: char, usual: &Usual, misheard: f64) -> f64 {
    if written == said {
        return 1.0 - misheard;
    }
    let (Some(a), Some(b)) = (readings(written), readings(said)) else {
        return 0.0;
    };
    let share = |of_a: &[u16], of_b: &[u16]| {
        let shared = of_a.iter().filter(|reading| of_b.contains(reading));
        shared
            .map(|&reading| usual.share_of_reading(written, reading))
            .fold(0.0, f64::max)
    };
    match share(&a.syllables, &b.syllables) {
        0.0 => misheard * SIMILAR * share(&a.sounds, &b.sounds),
        same => misheard * (1.0 - SIMILAR) * same,
    }
}

/// Makes the weights add up to 1 and returns what they added up to.
fn scale(weights: &mut [f64]) -> f64 {
    let sum: f64 = weights.iter().sum();
    for weight in weights {
        *weight /= sum;
    }
    sum
}
