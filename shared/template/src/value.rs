//! The data of one rendering, as `liquid-core` holds it.

use std::cmp::Ordering;

use liquid_core::model::{KString, State};
use liquid_core::{Object, Value, ValueView};
use rust_decimal::Decimal;

use crate::limits::{DATA_DEPTH_MAX, DATA_MAX};
use crate::meter::Refusal;
use crate::words::ROOTS;

/// What a template may speak of: everything that is not given is empty.
#[derive(Debug, Clone)]
pub struct Data {
    pub(crate) object: Object,
}

/// The same, as JSON.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// Observed traits.
    pub profile: serde_json::Value,
    /// Computed traits.
    pub computed: serde_json::Value,
    /// The event that caused the message.
    pub event: serde_json::Value,
    /// What the message brings itself.
    pub message: serde_json::Value,
    /// `unsubscribe`, `preferences`: made for this person and message.
    pub links: serde_json::Value,
    /// Who sends: `name`, `postal_address`.
    pub sender: serde_json::Value,
}

impl Data {
    /// Takes the data over. It is refused if it is larger or deeper than a rendering may handle.
    pub fn new(fields: &Fields) -> Result<Self, Refusal> {
        let Fields { profile, computed, event, message, links, sender } = fields;
        let mut left = DATA_MAX;
        let mut object = Object::new();
        for (name, value) in ROOTS.into_iter().zip([profile, computed, event, message, links, sender]) {
            object.insert(KString::from_static(name), converted(value, DATA_DEPTH_MAX, &mut left)?);
        }
        Ok(Self { object })
    }
}

/// Numbers that are no 64-bit integers stay the text that they were: `19.90` is printed as it came.
fn converted(value: &serde_json::Value, depth: usize, left: &mut usize) -> Result<Value, Refusal> {
    use serde_json::Value as Json;
    let depth = depth.checked_sub(1).ok_or(Refusal::TooMuch {
        what: "data in each other",
        max: DATA_DEPTH_MAX,
        unit: "levels",
    })?;
    spend(left, 16)?;
    Ok(match value {
        Json::Null => Value::Nil,
        Json::Bool(bool) => Value::scalar(*bool),
        Json::Number(number) => {
            let text = number.to_string();
            spend(left, text.len())?;
            number.as_i64().map_or_else(|| Value::scalar(text), Value::scalar)
        }
        Json::String(text) => {
            spend(left, text.len())?;
            Value::scalar(text.clone())
        }
        Json::Array(items) => Value::Array(
            items.iter().map(|item| converted(item, depth, left)).collect::<Result<Vec<_>, _>>()?,
        ),
        Json::Object(fields) => {
            let mut object = Object::new();
            for (name, value) in fields {
                spend(left, name.len())?;
                object.insert(name.clone().into(), converted(value, depth, left)?);
            }
            Value::Object(object)
        }
    })
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), Refusal> {
    *left = left.checked_sub(bytes).ok_or(Refusal::TooMuch { what: "data", max: DATA_MAX, unit: "bytes" })?;
    Ok(())
}

/// About how many bytes a value takes.
pub(crate) fn size(value: &dyn ValueView) -> usize {
    if let Some(items) = value.as_array() {
        return items.values().map(size).fold(16, usize::saturating_add);
    }
    if let Some(fields) = value.as_object() {
        return fields.iter().map(|(name, value)| name.len() + size(value)).fold(16, usize::saturating_add);
    }
    match value.as_scalar() {
        Some(scalar) => scalar.to_kstr().len() + 16,
        None => 16,
    }
}

/// The text of a value; nothing is an empty one.
pub(crate) fn text(value: &dyn ValueView) -> Result<String, Refusal> {
    match value.as_scalar() {
        Some(scalar) => Ok(scalar.into_cow_str().into_owned()),
        None if value.is_array() || value.is_object() => Err(Refusal::NotAText),
        None => Ok(String::new()),
    }
}

/// The items of a list; nothing is an empty one.
pub(crate) fn items(value: &dyn ValueView) -> Result<Vec<Value>, Refusal> {
    match value.as_array() {
        Some(items) => Ok(items.values().map(ValueView::to_value).collect()),
        None if value.is_nil() || value.is_state() => Ok(Vec::new()),
        None => Err(Refusal::NotAList),
    }
}

/// The number that a value is or spells.
pub(crate) fn number(value: &dyn ValueView) -> Option<Decimal> {
    let text = value.as_scalar()?.into_cow_str();
    let text = text.trim();
    if value.type_name() == "boolean" || text.len() > 40 {
        return None;
    }
    let mut number = text.parse().or_else(|_| Decimal::from_scientific(text)).ok()?;
    // `7.0` in a template is no whole number, although it is written as one.
    if value.type_name() == "fractional number" && number.scale() == 0 {
        number.rescale(1);
    }
    Some(number)
}

pub(crate) fn is_number(value: &dyn ValueView) -> bool {
    matches!(value.type_name(), "whole number" | "fractional number")
}

/// Whether two values are the same: numbers as numbers (`"10"` is 10), everything else as it stands.
///
/// The comparison of `liquid-core` is not used: it reads a clock when it meets the text `now`.
pub(crate) fn same(a: &dyn ValueView, b: &dyn ValueView) -> bool {
    match (a.as_state(), b.as_state()) {
        (Some(State::Truthy), _) | (_, Some(State::Truthy)) => return false,
        (Some(state), _) => return b.query_state(state),
        (_, Some(state)) => return a.query_state(state),
        (None, None) => (),
    }
    if a.is_nil() || b.is_nil() {
        return a.is_nil() && b.is_nil();
    }
    compare(a, b) == Some(Ordering::Equal)
}

/// Which of two values comes first, if they can be compared.
pub(crate) fn compare(a: &dyn ValueView, b: &dyn ValueView) -> Option<Ordering> {
    let (left, right) = (a.as_scalar()?, b.as_scalar()?);
    if is_number(a) || is_number(b) {
        return number(a)?.partial_cmp(&number(b)?);
    }
    match (a.type_name(), b.type_name()) {
        ("boolean", "boolean") => left.to_bool()?.partial_cmp(&right.to_bool()?),
        ("boolean", _) | (_, "boolean") => None,
        _ => left.to_kstr().as_str().partial_cmp(right.to_kstr().as_str()),
    }
}

pub(crate) fn is_truthy(value: &dyn ValueView) -> bool {
    value.query_state(State::Truthy)
}
