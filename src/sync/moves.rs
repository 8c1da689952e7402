//! Removed here and added there: moved.

use std::collections::{BTreeMap, BTreeSet};

use crate::records::{Change, NewReceipt};

/// Turns a file that is gone and a new one of the same content into one that was moved.
pub fn pair_moves(receipts: &mut Vec<NewReceipt>) {
    let mut gone: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, receipt) in receipts.iter().enumerate().rev() {
        if let (Change::Removed, Some(hash)) = (receipt.change, &receipt.content_hash) {
            gone.entry(hash.clone()).or_default().push(at);
        }
    }
    let mut paired = BTreeSet::new();
    for at in 0..receipts.len() {
        let receipt = &receipts[at];
        if receipt.change != Change::Added {
            continue;
        }
        let hash = receipt.content_hash.clone().unwrap_or_default();
        if let Some(from) = gone.get_mut(&hash).and_then(Vec::pop) {
            paired.insert(from);
            let (from, detected_at) = (receipts[from].path.clone(), receipts[from].detected_at);
            let receipt = &mut receipts[at];
            receipt.change = Change::Moved;
            receipt.from = Some(from);
            receipt.detected_at = receipt.detected_at.min(detected_at);
        }
    }
    let mut at = 0;
    receipts.retain(|_| {
        at += 1;
        !paired.contains(&(at - 1))
    });
    for receipt in receipts {
        if receipt.change == Change::Removed {
            receipt.content_hash = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn receipt(path: &str, change: Change, hash: &str) -> NewReceipt {
        NewReceipt {
            path: path.into(),
            change,
            content_hash: Some(hash.into()),
            from: None,
            detected_at: Timestamp::UNIX_EPOCH,
            n_passages: 1,
            error: None,
        }
    }

    #[test]
    fn equal_content_is_paired_once_and_in_order() {
        let mut receipts = vec![
            receipt("a/1", Change::Removed, "x"),
            receipt("a/2", Change::Removed, "x"),
            receipt("a/3", Change::Removed, "y"),
            receipt("b/1", Change::Added, "x"),
            receipt("b/2", Change::Added, "x"),
            receipt("b/3", Change::Added, "x"),
            receipt("b/4", Change::Modified, "y"),
        ];
        pair_moves(&mut receipts);
        let seen: Vec<_> = receipts
            .iter()
            .map(|receipt| (&receipt.path[..], receipt.change, receipt.from.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                ("a/3", Change::Removed, None),
                ("b/1", Change::Moved, Some("a/1")),
                ("b/2", Change::Moved, Some("a/2")),
                ("b/3", Change::Added, None),
                ("b/4", Change::Modified, None),
            ]
        );
        assert_eq!(receipts[0].content_hash, None, "gone");
    }
}
