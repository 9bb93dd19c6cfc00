//! AWS's rounding rules, as pure functions.
//!
//! | rule | where AWS states it |
//! |---|---|
//! | size of an item | `amazondynamodb/latest/developerguide/CapacityUnitCalculations.html` |
//! | units of an operation | `amazondynamodb/latest/developerguide/read-write-operations.html` |
//! | writes of an index | `amazondynamodb/latest/developerguide/GSI.html`, "Write capacity units" |
//! | requests of a queue | `aws.amazon.com/sqs/pricing` |
//! | requests of an HTTP API | `aws.amazon.com/api-gateway/pricing` |
//!
//! Paths are below `https://docs.aws.amazon.com/` unless a host is named.

use serde_json::{Map, Value};

/// An item as the API writes it: `{"name": {"S": "text"}}`.
pub(crate) type Item = Map<String, Value>;

const KB: u64 = 1024;
/// A write unit takes 1 KB, a read unit 4 KB.
const WRITE_STEP: u64 = KB;
const READ_STEP: u64 = 4 * KB;
/// Every action on a queue is billed by its payload.
const QUEUE_STEP: u64 = 64 * KB;
const HTTP_API_STEP: u64 = 512 * KB;
/// A list or a map, beside its elements; and each of its elements.
const DOCUMENT: u64 = 3;
const ELEMENT: u64 = 1;

/// How a read is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consistency {
    Eventual,
    Strong,
    Transactional,
}

/// Read units in halves: an eventually consistent read of up to 4 KB is one.
///
/// `bytes` is one item's size, or the sum of all items of a `Query`. A read
/// that finds nothing costs as much as one of the smallest item.
pub(crate) fn read_halves(bytes: u64, consistency: Consistency) -> u64 {
    let steps = bytes.div_ceil(READ_STEP).max(1);
    match consistency {
        Consistency::Eventual => steps,
        Consistency::Strong => 2 * steps,
        Consistency::Transactional => 4 * steps,
    }
}

/// Write units of one item, by the larger of its sizes before and after. A
/// condition that fails costs the same, by the item that is there.
pub(crate) fn write_units(before: Option<u64>, after: Option<u64>) -> u64 {
    before.max(after).unwrap_or_default().div_ceil(WRITE_STEP).max(1)
}

/// Within a transaction every item is written twice.
pub(crate) fn transaction_units(before: Option<u64>, after: Option<u64>) -> u64 {
    2 * write_units(before, after)
}

/// An item as it stands in an index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Indexed {
    /// The index's own keys.
    pub(crate) keys: Item,
    /// All that the index holds of it.
    pub(crate) projected: Item,
}

/// Write units that an index takes for one write of its table: none if what it
/// holds stays as it is, one write if that changes, two if its key does.
pub(crate) fn index_units(before: Option<&Indexed>, after: Option<&Indexed>) -> u64 {
    let units = |entry: &Indexed| write_units(None, Some(item_bytes(&entry.projected)));
    match (before, after) {
        (None, None) => 0,
        (Some(entry), None) | (None, Some(entry)) => units(entry),
        (Some(before), Some(after)) if before == after => 0,
        (Some(before), Some(after)) if before.keys != after.keys => units(before) + units(after),
        (Some(before), Some(after)) => units(before).max(units(after)),
    }
}

/// Requests that one action on a queue counts for.
pub(crate) fn queue_requests(payload: u64) -> u64 {
    payload.div_ceil(QUEUE_STEP).max(1)
}

/// Requests that one request of an HTTP API counts for.
pub(crate) fn http_api_requests(body: u64) -> u64 {
    body.div_ceil(HTTP_API_STEP).max(1)
}

/// Bytes for which storage is billed.
pub(crate) fn stored_bytes(item: &Item) -> u64 {
    item_bytes(item) + prices::ITEM_OVERHEAD_BYTES
}

/// The size of an item: its attributes' names and values.
pub(crate) fn item_bytes(item: &Item) -> u64 {
    item.iter().map(|(name, value)| count(name.len()) + value_bytes(value)).sum()
}

/// A value is an object with one member, whose name is its type.
fn value_bytes(value: &Value) -> u64 {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else { return 0 };
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => count(text.len()),
        ("N", Value::String(number)) => number_bytes(number),
        ("B", Value::String(base64)) => base64_bytes(base64),
        ("SS", Value::Array(texts)) => {
            texts.iter().filter_map(Value::as_str).map(|text| count(text.len())).sum()
        }
        ("NS", Value::Array(numbers)) => numbers.iter().filter_map(Value::as_str).map(number_bytes).sum(),
        ("BS", Value::Array(blobs)) => blobs.iter().filter_map(Value::as_str).map(base64_bytes).sum(),
        ("L", Value::Array(values)) => {
            DOCUMENT + values.iter().map(|value| ELEMENT + value_bytes(value)).sum::<u64>()
        }
        ("M", Value::Object(members)) => DOCUMENT + ELEMENT * count(members.len()) + item_bytes(members),
        _ => 1, // `BOOL` and `NULL`.
    }
}

/// One byte for two significant digits, one more, and one for a minus.
fn number_bytes(number: &str) -> u64 {
    let (minus, number) = match number.strip_prefix('-') {
        Some(rest) => (1, rest),
        None => (0, number),
    };
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_matches('0').len();
    count(digits).div_ceil(2) + 1 + minus
}

fn base64_bytes(base64: &str) -> u64 {
    count(base64.trim_end_matches('=').len()) * 3 / 4
}

pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
