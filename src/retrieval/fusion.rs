//! provisional
use crate::document::PassageNo;
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fused {
    pub passage: PassageNo,
    pub score: f32,
    pub lexical: f32,
    pub vector: f32,
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FusionMethod {
    Weighted { lexical_weight: f32 },
    ReciprocalRank,
}
impl FusionMethod {
    pub fn fuse(
        self,
        lexical: &[(PassageNo, f32)],
        vector: &[(PassageNo, f32)],
        limit: usize,
    ) -> Vec<Fused> {
        let w = match self {
            Self::Weighted { lexical_weight } => lexical_weight,
            Self::ReciprocalRank => 0.5,
        };
        let mut all: std::collections::BTreeMap<PassageNo, (f32, f32)> = Default::default();
        let max = |list: &[(PassageNo, f32)]| list.first().map_or(1.0, |(_, s)| s.max(1e-9));
        let (lm, vm) = (max(lexical), max(vector));
        for &(p, s) in lexical {
            all.entry(p).or_default().0 = w * s / lm;
        }
        for &(p, s) in vector {
            all.entry(p).or_default().1 = (1.0 - w) * s.max(0.0) / vm;
        }
        let mut out: Vec<Fused> = all
            .into_iter()
            .map(|(passage, (lexical, vector))| Fused {
                passage,
                score: lexical + vector,
                lexical,
                vector,
            })
            .collect();
        out.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
        out.truncate(limit);
        out
    }
}
