//! Interfaces that others defined: what chatbot platforms, libraries and agents already speak.
//!
//! Each stands in a file of its own and turns its requests into searches of ours. Who asks, what may
//! be seen and how much is read is decided as for our own routes; [`dialect`] puts refusals in the
//! form that each contract documents.

mod conditions;
mod dialect;
pub(super) mod dify;
mod knowledge;
pub(super) mod mcp;
mod records;
pub(super) mod vector_stores;

pub(super) use dialect::speak;

use serde::{Deserialize, Deserializer};

/// A count, also where a client writes `3.0`; `null` is none.
fn whole_number<'de, D: Deserializer<'de>>(given: D) -> Result<Option<usize>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(given)? else {
        return Ok(None);
    };
    // Larger ones are beyond every limit.
    let is_count = number.fract() == 0.0 && (0.0..=1e9).contains(&number);
    match is_count {
        true => Ok(Some(number as usize)),
        false => Err(serde::de::Error::custom(format_args!(
            "{number} is not a whole number that can be counted to"
        ))),
    }
}
