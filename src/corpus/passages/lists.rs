//! Numbered lines that look like headings but head nothing: items of a list.

use super::lines::Line;
use super::shapes::{Rank, Shape};

/// 附件：1. 甲 goes on with 2. 乙 on the next line: a list, not headings.
pub(crate) fn demote_annex_lists(lines: &[Line<'_>], shapes: &mut [Shape]) {
    let mut in_list = false;
    for (line, shape) in lines.iter().zip(shapes) {
        match shape {
            Shape::Heading {
                rank: Rank::Annex, ..
            } => in_list = line.text.contains(['：', ':']),
            Shape::Heading {
                rank: Rank::Item(style),
                number: Some(number),
            } if in_list => {
                *shape = Shape::Item {
                    style: *style,
                    number: *number,
                };
            }
            _ => in_list = false,
        }
    }
}

/// A heading that another heading of its rank or above follows at once heads nothing: it is a line
/// of a list. So is one that continues such a list, and a question in a mere list of questions.
pub(crate) fn demote_childless(shapes: &mut [Shape]) {
    for at in 0..shapes.len() {
        let next = shapes.get(at + 1);
        let childless = match (&shapes[at], next) {
            (
                Shape::Heading {
                    rank: Rank::Marked(_) | Rank::RuleTitle | Rank::Annex,
                    ..
                },
                _,
            ) => false,
            (Shape::Heading { .. }, None) => true,
            (Shape::Heading { rank, .. }, Some(next)) => {
                rank_of(next).is_some_and(|below| below <= *rank)
            }
            (
                Shape::Question {
                    rank: Rank::Item(_),
                    reply: None,
                    ..
                },
                None,
            ) => true,
            (
                Shape::Question {
                    rank: rank @ Rank::Item(_),
                    reply: None,
                    ..
                },
                Some(next),
            ) => rank_of(next).is_some_and(|below| below <= *rank),
            _ => false,
        };
        if childless {
            shapes[at] = Shape::Body;
            demote_rest_of_list(shapes, at);
        }
    }
}

/// Rank of what a line opens, for the lines that close a heading of the same rank.
fn rank_of(shape: &Shape) -> Option<Rank> {
    match shape {
        Shape::Heading { rank, .. } | Shape::Question { rank, .. } | Shape::RunIn { rank, .. } => {
            Some(*rank)
        }
        Shape::Item { style, .. } => Some(Rank::Item(*style)),
        Shape::Article { .. } => Some(Rank::Article),
        Shape::Reply { .. } | Shape::Body => None,
    }
}

/// The item right after a demoted one, if it is the last of its list, is no heading either.
fn demote_rest_of_list(shapes: &mut [Shape], at: usize) {
    let Some(Shape::Heading {
        rank: Rank::Item(style),
        number: Some(number),
    }) = shapes.get(at + 1).cloned()
    else {
        return;
    };
    let last = !matches!(
        shapes.get(at + 2..).unwrap_or_default().iter().find_map(|s| rank_of(s).filter(|&r| r <= Rank::Item(style))),
        Some(rank) if rank == Rank::Item(style)
    );
    if last && number > 1 {
        shapes[at + 1] = Shape::Item { style, number };
    }
}
