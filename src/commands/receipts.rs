//! Which receipts a caller may see: those of files that hold nothing else.

use std::collections::HashMap;
use std::sync::Mutex;

use super::served::lock;
use crate::document::Audience;
use crate::http::BackendError;
use crate::records::{Receipt, Records};
use crate::sight::Sight;

/// Receipts that are looked at at once: the records are not held longer.
const AT_ONCE: usize = 1_000;
/// What those who do not mend files learn of a failure: the reason may quote the file.
const FAILED: &str = "文件无法读取，原因请采编人员查看";

/// At most `limit` receipts after number `after` of files that hold nothing but what `sight` lets be
/// seen.
pub fn seen_after(
    records: &Mutex<Records>,
    mut after: u64,
    limit: usize,
    sight: &Sight,
) -> Result<Vec<Receipt>, BackendError> {
    let mut verdicts: HashMap<String, bool> = HashMap::new();
    let mut seen = Vec::new();
    loop {
        let records = lock(records);
        let read = records.receipts_after(after, AT_ONCE)?;
        let Some(last) = read.last() else {
            return Ok(seen);
        };
        after = last.seq;
        for mut receipt in read {
            let mut is_seen = true;
            for path in std::iter::once(&receipt.what.path).chain(&receipt.what.from) {
                let verdict = match verdicts.get(path) {
                    Some(known) => *known,
                    None => {
                        let verdict = sees_file(&records, path, sight)?;
                        verdicts.insert(path.clone(), verdict);
                        verdict
                    }
                };
                is_seen &= verdict;
            }
            if !is_seen {
                continue;
            }
            if sight.audience < Audience::Internal && receipt.what.error.is_some() {
                receipt.what.error = Some(FAILED.to_owned());
            }
            seen.push(receipt);
            if seen.len() == limit {
                return Ok(seen);
            }
        }
    }
}

/// Whether every document that stands at a path, or that stood there last, may be seen; not if none
/// is known.
fn sees_file(records: &Records, path: &str, sight: &Sight) -> Result<bool, BackendError> {
    let newest = records.newest_at(path)?;
    if newest.is_empty() {
        return Ok(false);
    }
    for (id, number, audience) in newest {
        if audience > sight.audience {
            return Ok(false);
        }
        if sight.scope.is_everything() {
            continue;
        }
        let state = records.version(&id, number)?;
        if !state.is_some_and(|(_, document)| sight.sees(&document.metadata)) {
            return Ok(false);
        }
    }
    Ok(true)
}
