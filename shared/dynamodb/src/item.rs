//! Items and their attributes.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::time::Timestamp;
use ports::Unavailable;

pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// The attribute by which `DynamoDB` removes items, in seconds.
pub(crate) const EXPIRES: &str = "expires";
/// The attribute with the version of an item's form.
const VERSION: &str = "v";

/// Why an item cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// We did not write it, or somebody changed it.
    #[error("an item lacks attribute `{0}` or has it in another form")]
    Attribute(&'static str),
    /// A rollback is under way: whoever knows the form will read it.
    #[error("an item has version {0}, which this build does not read")]
    Version(i64),
}

pub(crate) fn malformed(attribute: &'static str) -> Unavailable {
    Unavailable::new("reading an item", Unreadable::Attribute(attribute))
}

/// Refuses an item of a form that this build does not know.
pub(crate) fn check_version(item: &Attributes, known: i64) -> Result<(), Unavailable> {
    match number(item, VERSION)? {
        version if version == known => Ok(()),
        version => Err(Unavailable::new("reading an item", Unreadable::Version(version))),
    }
}

pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Attributes {
    HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
}

/// A whole item, by its key and the version of its form.
pub(crate) fn versioned(pk: impl Into<String>, sk: impl Into<String>, version: i64) -> Attributes {
    let mut item = key(pk, sk);
    item.insert(VERSION.to_owned(), n(version));
    item
}

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

#[expect(clippy::needless_pass_by_value, reason = "numbers are cheaper passed by value")]
pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

pub(crate) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> AttributeValue {
    AttributeValue::L(texts.into_iter().map(s).collect())
}

pub(crate) fn text<'a>(item: &'a Attributes, name: &'static str) -> Result<&'a str, Unavailable> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or_else(|| malformed(name))
}

pub(crate) fn bytes<'a>(item: &'a Attributes, name: &'static str) -> Result<&'a [u8], Unavailable> {
    item.get(name).and_then(|value| value.as_b().ok()).map(Blob::as_ref).ok_or_else(|| malformed(name))
}

pub(crate) fn number(item: &Attributes, name: &'static str) -> Result<i64, Unavailable> {
    let number = item.get(name).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    number.ok_or_else(|| malformed(name))
}

pub(crate) fn list<'a>(item: &'a Attributes, name: &'static str) -> Result<Vec<&'a str>, Unavailable> {
    let values = item.get(name).and_then(|value| value.as_l().ok()).ok_or_else(|| malformed(name))?;
    let texts = values.iter().map(|value| value.as_s().map(String::as_str).map_err(|_| malformed(name)));
    texts.collect()
}

pub(crate) fn seconds(at: Timestamp) -> AttributeValue {
    // Rounded up, so that nothing is removed before its time.
    n(at.millis().div_euclid(Timestamp::SECOND) + 1)
}

/// `DynamoDB` removes an item up to days after it has expired: whoever reads
/// looks for himself.
pub(crate) fn is_expired(item: &Attributes, now: Timestamp) -> bool {
    number(item, EXPIRES).is_ok_and(|expires| expires.saturating_mul(Timestamp::SECOND) <= now.millis())
}
