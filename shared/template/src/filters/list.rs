//! Filters of lists.

use liquid_core::model::{ScalarCow, try_find};
use liquid_core::{Value, ValueCow, ValueView};
use rust_decimal::Decimal;

use super::{Call, Known, known, room};
use crate::meter::Refusal;
use crate::value::{self, is_truthy, same};

const PLAIN: [usize; 2] = [0, 0];
const NO_ARGUMENTS: &str = "write no arguments after it";

pub(super) const ALL: [Known; 12] = [
    known("size", PLAIN, NO_ARGUMENTS, size),
    known("first", PLAIN, NO_ARGUMENTS, |call| Ok(call.items()?.into_iter().next().unwrap_or(Value::Nil))),
    known("last", PLAIN, NO_ARGUMENTS, |call| Ok(call.items()?.pop().unwrap_or(Value::Nil))),
    known("reverse", PLAIN, NO_ARGUMENTS, |call| Ok(Value::Array(call.items()?.into_iter().rev().collect()))),
    known("compact", PLAIN, NO_ARGUMENTS, |call| {
        Ok(Value::Array(call.items()?.into_iter().filter(|item| !item.is_nil()).collect()))
    }),
    known("uniq", PLAIN, NO_ARGUMENTS, uniq),
    known("join", [0, 1], "write `join: \", \"`", join),
    known("concat", [1, 1], "write `concat: other.list`", concat),
    known("sort", [0, 1], "write `sort` or `sort: \"price\"`", |call| sorted(call, in_order)),
    known("sort_natural", [0, 1], "write `sort_natural` or `sort_natural: \"name\"`", |call| {
        sorted(call, in_natural_order)
    }),
    known("map", [1, 1], "write `map: \"name\"`", map),
    known("where", [1, 2], "write `where: \"kind\", \"gift\"`", filtered),
];

fn size(call: &Call<'_>) -> Result<Value, Refusal> {
    let size = match call.input.as_array() {
        Some(items) => items.size(),
        None => i64::try_from(call.text()?.chars().count()).unwrap_or(i64::MAX),
    };
    Ok(Value::scalar(size))
}

/// Keeps the first of those that are the same. Sorting would be quicker, but lists are short.
fn uniq(call: &Call<'_>) -> Result<Value, Refusal> {
    const ITEMS_MAX: usize = 1_000;
    let items = call.items()?;
    if items.len() > ITEMS_MAX {
        return Err(Refusal::TooMuch { what: "a list for `uniq`", max: ITEMS_MAX, unit: "items" });
    }
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        if !kept.iter().any(|known| same(known, &item)) {
            kept.push(item);
        }
    }
    Ok(Value::Array(kept))
}

fn join(call: &Call<'_>) -> Result<Value, Refusal> {
    let between = if call.argument(0).is_some() { call.word(0)? } else { " ".to_owned() };
    let texts: Vec<String> = call.items()?.iter().map(|item| value::text(item)).collect::<Result<_, _>>()?;
    let bytes: usize = texts.iter().map(String::len).sum();
    room(bytes.saturating_add(texts.len().saturating_mul(between.len())))?;
    Ok(Value::scalar(texts.join(&between)))
}

fn concat(call: &Call<'_>) -> Result<Value, Refusal> {
    let mut items = call.items()?;
    items.extend(call.argument(0).map_or(Ok(Vec::new()), |other| value::items(other))?);
    Ok(Value::Array(items))
}

/// A field of an item; of what has none, the item itself is taken when no field is named.
fn field(item: &Value, name: &str) -> Value {
    if name.is_empty() {
        return item.clone();
    }
    let path = [ScalarCow::new(name.to_owned())];
    if item.is_object() { try_find(item, &path).map_or(Value::Nil, ValueCow::into_owned) } else { Value::Nil }
}

/// What an item is sorted by, read once: numbers, then texts, then the rest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(Decimal),
    Text(String),
    Other,
}

fn sorted(call: &Call<'_>, key: fn(&Value) -> Key) -> Result<Value, Refusal> {
    let name = call.word(0)?;
    let mut keyed: Vec<(Key, Value)> =
        call.items()?.into_iter().map(|item| (key(&field(&item, &name)), item)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Value::Array(keyed.into_iter().map(|(_, item)| item).collect()))
}

fn in_order(value: &Value) -> Key {
    match (value::number(value), value.as_scalar()) {
        (Some(number), _) => Key::Number(number),
        (None, Some(scalar)) => Key::Text(scalar.into_cow_str().into_owned()),
        (None, None) => Key::Other,
    }
}

fn in_natural_order(value: &Value) -> Key {
    value.as_scalar().map_or(Key::Other, |scalar| Key::Text(scalar.into_cow_str().to_lowercase()))
}

fn map(call: &Call<'_>) -> Result<Value, Refusal> {
    let name = call.word(0)?;
    Ok(Value::Array(call.items()?.iter().map(|item| field(item, &name)).collect()))
}

fn filtered(call: &Call<'_>) -> Result<Value, Refusal> {
    let name = call.word(0)?;
    let wanted = call.argument(1);
    let passes = |item: &Value| {
        let found = field(item, &name);
        wanted.map_or_else(|| is_truthy(&found), |wanted| same(&found, wanted))
    };
    Ok(Value::Array(call.items()?.into_iter().filter(passes).collect()))
}
