//! What values pass which tests, by the book.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use domain::profile::counters::Money;
use domain::segment::span::{Calendar, Span};
use domain::segment::value::{self, Scalar, fold};
use domain::time::Timestamp;
use serde_json::{Map, Value};

pub(super) struct Known<'a> {
    pub(super) traits: &'a Value,
    pub(super) now: Timestamp,
    pub(super) calendar: Calendar,
}

/// Exact, in billionths; a quoted number is one.
pub(super) fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => Money::parse(&number.to_string()),
        Value::String(text) => Money::parse(text),
        _ => None,
    }
}

pub(super) fn json(billionths: i128) -> Value {
    Scalar::Number(billionths).json()
}

pub(super) fn moment(value: &Value) -> Option<Timestamp> {
    value::moment(value)
}

/// What is no text of a bearable length, number or yes or no, nobody counts.
pub(super) fn scalar(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.len() <= value::TEXT_MAX => Some(value.clone()),
        Value::Number(number) => Money::parse(&number.to_string()).map(json),
        Value::Bool(_) => Some(value.clone()),
        _ => None,
    }
}

/// How often which value came, told apart as they were sent.
pub(super) fn counts(values: &[Value]) -> BTreeMap<String, (usize, Value)> {
    let mut counts: BTreeMap<String, (usize, Value)> = BTreeMap::new();
    for value in values {
        counts.entry(value.to_string()).or_insert((0, value.clone())).0 += 1;
    }
    counts
}

/// Of several that came equally often: no before yes, then numbers, then texts.
pub(super) fn most_frequent(values: &[Value]) -> Option<Value> {
    let counts = counts(values);
    let most = counts.values().map(|(count, _)| *count).max()?;
    let mut best: Vec<&Value> =
        counts.values().filter(|(count, _)| *count == most).map(|(_, value)| value).collect();
    best.sort_by(|a, b| match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(_), Value::Number(_)) => number(a).cmp(&number(b)),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    });
    best.first().map(|value| (*value).clone())
}

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => 0,
        Value::Number(_) => 1,
        _ => 2,
    }
}

/// Another value, written out or a trait of the person.
fn other<'a>(value: &'a Value, known: &'a Known<'_>) -> Option<&'a Value> {
    match value["trait"].as_str() {
        Some(path) => super::find(known.traits, path),
        None => Some(value),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => fold(a) == fold(b),
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Bool(a), Value::String(b)) | (Value::String(b), Value::Bool(a)) => a.to_string() == *b,
        (Value::Number(_), _) | (_, Value::Number(_)) => number(a).is_some() && number(a) == number(b),
        _ => false,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => fold(text),
        other => other.to_string(),
    }
}

/// An average against another number, without a division.
pub(super) fn passes_ratio(test: &Value, sum: i128, count: i128, known: &Known<'_>) -> bool {
    let compare = |field: &Value| Some(sum.cmp(&(number(other(field, known)?)? * count)));
    let is =
        |field: &str, wanted: &[Ordering]| compare(&test[field]).is_some_and(|order| wanted.contains(&order));
    let has = |field: &str| !test[field].is_null();
    if has("at_least") {
        is("at_least", &[Ordering::Greater, Ordering::Equal])
    } else if has("at_most") {
        is("at_most", &[Ordering::Less, Ordering::Equal])
    } else if has("more_than") {
        is("more_than", &[Ordering::Greater])
    } else if has("less_than") {
        is("less_than", &[Ordering::Less])
    } else if has("is") {
        is("is", &[Ordering::Equal])
    } else if has("is_not") {
        !is("is_not", &[Ordering::Equal])
    } else {
        compare(&test["between"][0]).is_some_and(Ordering::is_ge)
            && compare(&test["between"][1]).is_some_and(Ordering::is_le)
    }
}

/// Whether a value passes the one test that stands among the fields.
pub(super) fn passes(test: &Value, value: Option<&Value>, known: &Known<'_>) -> bool {
    let fields: &Map<String, Value> = test.as_object().unwrap();
    let (name, said) = fields.iter().find(|(name, said)| is_test(name, said)).unwrap();
    match name.as_str() {
        "exists" => return value.is_some() == (*said == true),
        "missing" => return value.is_none() == (*said == true),
        "is_not" => return !passes_plain("is", said, value, known),
        "not_in" => return !passes_plain("in", said, value, known),
        "not_contains" => return !passes_plain("contains", said, value, known),
        "none" => {
            return match value {
                None => true,
                Some(Value::Array(elements)) => {
                    !elements.iter().any(|element| element_passes(said, element, known))
                }
                Some(_) => false,
            };
        }
        _ => (),
    }
    passes_plain(name, said, value, known)
}

fn is_test(name: &str, said: &Value) -> bool {
    const TESTS: &str = " is is_not less_than at_most more_than at_least between in not_in contains not_contains \
        starts_with ends_with matches exists missing before after within_last within_next older_than \
        anniversary_within every none version_is version_less_than version_at_most version_more_than \
        version_at_least near is_true is_false ";
    TESTS.contains(&format!(" {name} ")) || name == "any" && said.is_object()
}

fn element_passes(filter: &Value, element: &Value, known: &Known<'_>) -> bool {
    let list = |field: &str| filter[field].as_array();
    if let Some(path) = filter["property"].as_str() {
        return passes(filter, super::find(element, path), known);
    }
    if let Some(all) = list("all") {
        return all.iter().all(|part| element_passes(part, element, known));
    }
    if let Some(any) = list("any") {
        return any.iter().any(|part| element_passes(part, element, known));
    }
    if filter["not"].is_object() {
        return !element_passes(&filter["not"], element, known);
    }
    passes(filter, Some(element), known)
}

fn passes_plain(name: &str, said: &Value, value: Option<&Value>, known: &Known<'_>) -> bool {
    let Some(value) = value else { return false };
    match (name, value) {
        ("any", Value::Array(elements)) => {
            return elements.iter().any(|element| element_passes(said, element, known));
        }
        ("every", Value::Array(elements)) => {
            return !elements.is_empty()
                && elements.iter().all(|element| element_passes(said, element, known));
        }
        ("contains", Value::Array(elements)) => {
            let wanted = fold(said.as_str().unwrap());
            return elements.iter().any(|element| match element {
                Value::String(text) => fold(text) == wanted,
                Value::Number(number) => number.to_string() == wanted,
                _ => false,
            });
        }
        ("near", Value::Object(_)) => return is_near(said, value),
        _ => (),
    }
    // From here on only what is one value can pass.
    let Some(value) = scalar(value) else { return false };
    let value = &value;
    let order = |said: &Value| Some(number(value)?.cmp(&number(other(said, known)?)?));
    let at = || if value.is_boolean() { None } else { moment(value) };
    let span = || Span::parse(said.as_str().unwrap()).unwrap();
    match name {
        "is" => other(said, known).and_then(scalar).is_some_and(|other| equal(value, &other)),
        "is_true" => equal(value, &Value::Bool(true)),
        "is_false" => equal(value, &Value::Bool(false)),
        "less_than" => order(said).is_some_and(Ordering::is_lt),
        "at_most" => order(said).is_some_and(Ordering::is_le),
        "more_than" => order(said).is_some_and(Ordering::is_gt),
        "at_least" => order(said).is_some_and(Ordering::is_ge),
        "between" => {
            order(&said[0]).is_some_and(Ordering::is_ge) && order(&said[1]).is_some_and(Ordering::is_le)
        }
        "in" => said.as_array().unwrap().iter().any(|other| equal(value, other)),
        "contains" => text(value).contains(&fold(said.as_str().unwrap())),
        "starts_with" => text(value).starts_with(&fold(said.as_str().unwrap())),
        "ends_with" => text(value).ends_with(&fold(said.as_str().unwrap())),
        "matches" => {
            let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            regex_lite::Regex::new(said.as_str().unwrap()).unwrap().is_match(&plain)
        }
        "before" => matches!((at(), other(said, known).and_then(moment)), (Some(a), Some(b)) if a < b),
        "after" => matches!((at(), other(said, known).and_then(moment)), (Some(a), Some(b)) if a > b),
        "within_last" => at().is_some_and(|at| at <= known.now && known.now < span().after(at)),
        "within_next" => at().is_some_and(|at| span().before(at) <= known.now && known.now <= at),
        "older_than" => at().is_some_and(|at| known.now >= span().after(at)),
        "anniversary_within" => at().is_some_and(|at| returns_within(at, said.as_i64().unwrap(), known)),
        "version_is" => version(value, said) == Some(Ordering::Equal),
        "version_less_than" => version(value, said) == Some(Ordering::Less),
        "version_at_most" => version(value, said).is_some_and(Ordering::is_le),
        "version_more_than" => version(value, said) == Some(Ordering::Greater),
        "version_at_least" => version(value, said).is_some_and(Ordering::is_ge),
        _ => false,
    }
}

/// One of the days from today on has the day and month.
fn returns_within(of: Timestamp, days: i64, known: &Known<'_>) -> bool {
    let born = Calendar::UTC.date(of);
    let today = known.calendar.date(known.now);
    (0..=days).any(|ahead| {
        let Ok(day) = today.checked_add(jiff::Span::new().days(ahead)) else { return false };
        let leapless = born.month() == 2 && born.day() == 29 && !day.in_leap_year();
        day.month() == born.month() && day.day() == if leapless { 28 } else { born.day() }
    })
}

/// Versions of numbers alone, which is all that the tests send.
fn version(value: &Value, other: &Value) -> Option<Ordering> {
    let parts = |value: &Value| -> Option<Vec<u64>> {
        let mut parts: Vec<u64> =
            value.as_str()?.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        while parts.last() == Some(&0) {
            parts.pop();
        }
        Some(parts)
    };
    Some(parts(value)?.cmp(&parts(other)?))
}

/// By the law of cosines, where production takes haversines.
fn is_near(said: &Value, value: &Value) -> bool {
    let number = |value: &Value, names: &[&str]| names.iter().find_map(|name| value[*name].as_f64());
    let (Some(lat), Some(lon)) =
        (number(value, &["lat", "latitude"]), number(value, &["lon", "longitude", "lng"]))
    else {
        return false;
    };
    let (a, b) = (said["lat"].as_f64().unwrap().to_radians(), lat.to_radians());
    let between = (lon - said["lon"].as_f64().unwrap()).to_radians();
    let cosine = a.sin() * b.sin() + a.cos() * b.cos() * between.cos();
    6371.0088 * cosine.clamp(-1.0, 1.0).acos() <= said["km"].as_f64().unwrap()
}
