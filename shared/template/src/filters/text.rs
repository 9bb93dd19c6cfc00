//! Filters of texts.

use liquid_core::Value;

use super::{Call, Known, known, room};
use crate::escape::component;
use crate::meter::Refusal;

const PLAIN: [usize; 2] = [0, 0];
const NO_ARGUMENTS: &str = "write no arguments after it";

pub(super) const ALL: [Known; 19] = [
    known("upcase", PLAIN, NO_ARGUMENTS, |call| said(call.text()?.to_uppercase())),
    known("downcase", PLAIN, NO_ARGUMENTS, |call| said(call.text()?.to_lowercase())),
    known("capitalize", PLAIN, NO_ARGUMENTS, |call| said(capitalized(&call.text()?))),
    known("strip", PLAIN, NO_ARGUMENTS, |call| said(call.text()?.trim())),
    known("lstrip", PLAIN, NO_ARGUMENTS, |call| said(call.text()?.trim_start())),
    known("rstrip", PLAIN, NO_ARGUMENTS, |call| said(call.text()?.trim_end())),
    known("strip_newlines", PLAIN, NO_ARGUMENTS, |call| said(call.text()?.replace(['\r', '\n'], ""))),
    known("strip_html", PLAIN, NO_ARGUMENTS, |call| said(crate::html::plain(&call.text()?))),
    known("url_encode", PLAIN, NO_ARGUMENTS, |call| said(component(&call.text()?))),
    known("append", [1, 1], "write `append: \"..\"`", |call| joined(&[call.text()?, call.word(0)?])),
    known("prepend", [1, 1], "write `prepend: \"..\"`", |call| joined(&[call.word(0)?, call.text()?])),
    known("replace", [1, 2], "write `replace: \"this\", \"that\"`", |call| {
        replaced(call, usize::MAX, &call.word(1)?)
    }),
    known("replace_first", [1, 2], "write `replace_first: \"this\", \"that\"`", |call| {
        replaced(call, 1, &call.word(1)?)
    }),
    known("remove", [1, 1], "write `remove: \"this\"`", |call| replaced(call, usize::MAX, "")),
    known("remove_first", [1, 1], "write `remove_first: \"this\"`", |call| replaced(call, 1, "")),
    known("truncate", [0, 2], "write `truncate: 20, \"…\"`", truncated),
    known("truncatewords", [0, 2], "write `truncatewords: 5, \"…\"`", truncated_words),
    known("slice", [1, 2], "write `slice: 0, 3`", sliced),
    known("split", [1, 1], "write `split: \",\"`", split),
];

#[expect(clippy::unnecessary_wraps, reason = "every filter ends with it")]
fn said(text: impl Into<String>) -> Result<Value, Refusal> {
    Ok(Value::scalar(text.into()))
}

fn joined(texts: &[String; 2]) -> Result<Value, Refusal> {
    room(texts.iter().map(String::len).sum())?;
    said(texts.concat())
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn replaced(call: &Call<'_>, times: usize, by: &str) -> Result<Value, Refusal> {
    let (text, this) = (call.text()?, call.word(0)?);
    // Between all letters, as Ruby has it, is nowhere that anybody means.
    if this.is_empty() {
        return said(text);
    }
    let found = text.matches(this.as_str()).take(times).count();
    room(text.len().saturating_add(found.saturating_mul(by.len())))?;
    said(text.replacen(this.as_str(), by, times))
}

fn truncated(call: &Call<'_>) -> Result<Value, Refusal> {
    let (text, length, end) = (call.text()?, length(call, 50)?, ellipsis(call)?);
    if text.chars().count() <= length {
        return said(text);
    }
    let kept = length.saturating_sub(end.chars().count());
    said(text.chars().take(kept).chain(end.chars()).collect::<String>())
}

fn truncated_words(call: &Call<'_>) -> Result<Value, Refusal> {
    let (text, length, end) = (call.text()?, length(call, 15)?.max(1), ellipsis(call)?);
    let words: Vec<&str> = text.split_whitespace().take(length + 1).collect();
    match words.get(..length) {
        Some(kept) if words.len() > length => said(kept.join(" ") + &end),
        _ => said(text),
    }
}

fn length(call: &Call<'_>, otherwise: usize) -> Result<usize, Refusal> {
    // Whatever is longer than any value is the same to the filter.
    Ok(call.whole(0)?.map_or(otherwise, |length| usize::try_from(length).unwrap_or(0).min(1 << 20)))
}

fn ellipsis(call: &Call<'_>) -> Result<String, Refusal> {
    if call.argument(1).is_some() { call.word(1) } else { Ok("...".to_owned()) }
}

fn sliced(call: &Call<'_>) -> Result<Value, Refusal> {
    let length = call.whole(1)?.unwrap_or(1);
    let length = usize::try_from(length).unwrap_or(0);
    let from = call.whole(0)?.unwrap_or(0);
    let begin = |all: usize| match usize::try_from(from) {
        Ok(from) => from,
        Err(_) => all.saturating_sub(usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    if call.input.is_array() {
        let items = call.items()?;
        let begin = begin(items.len());
        return Ok(Value::Array(items.into_iter().skip(begin).take(length).collect()));
    }
    let text = call.text()?;
    let begin = begin(text.chars().count());
    said(text.chars().skip(begin).take(length).collect::<String>())
}

fn split(call: &Call<'_>) -> Result<Value, Refusal> {
    let (text, at) = (call.text()?, call.word(0)?);
    let parts: Vec<&str> = match at.as_str() {
        "" => text.split("").filter(|part| !part.is_empty()).collect(),
        at => text.split(at).collect(),
    };
    // An item costs more than its letters.
    room(text.len().saturating_add(parts.len().saturating_mul(16)))?;
    Ok(Value::Array(parts.into_iter().map(|part| Value::scalar(part.to_owned())).collect()))
}
