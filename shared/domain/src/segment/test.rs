//! Whether a value passes a test, and until when that answer stands.

use std::borrow::Cow;
use std::rc::Rc;

use jiff::ToSpan as _;
use serde_json::Value;

use super::definition::{Compare, Filter, Moment, Operand, Quantifier, Test};
use super::span::Calendar;
use super::value::{self, Path, Scalar, fold};
use crate::time::Timestamp;

/// The Earth's mean radius, as the IUGG gives it.
const EARTH_KILOMETRES: f64 = 6371.0088;

/// What a test may ask beside the value.
pub(super) struct Around<'a> {
    pub(super) now: Timestamp,
    pub(super) calendar: &'a Calendar,
    /// The person's own traits.
    pub(super) traits: &'a dyn Fn(&Path) -> Rc<Option<Value>>,
}

/// Whether a value passes; `None` is one that is missing.
pub(super) fn passes(test: &Test, value: Option<&Value>, around: &Around<'_>) -> bool {
    match (test, value) {
        (Test::Exists(wanted), value) => value.is_some() == *wanted,
        (Test::Elements(how, filter), value) => {
            let elements = value.and_then(Value::as_array);
            let passing =
                |element: &Value| holds(filter, &|path| inside(element, path), Some(element), around);
            match (how, elements) {
                (_, None) => *how == Quantifier::None && value.is_none(),
                (Quantifier::Any, Some(elements)) => elements.iter().any(passing),
                (Quantifier::Every, Some(elements)) => !elements.is_empty() && elements.iter().all(passing),
                (Quantifier::None, Some(elements)) => !elements.iter().any(passing),
            }
        }
        (Test::Contains(part), Some(Value::Array(elements))) => has(elements, part),
        (Test::NotContains(part), Some(Value::Array(elements))) => !has(elements, part),
        (Test::Near { latitude, longitude, kilometres }, Some(value)) => {
            place(value).is_some_and(|place| distance((*latitude, *longitude), place) <= *kilometres)
        }
        (test, value) => passes_scalar(test, value.and_then(Scalar::of).as_ref(), around),
    }
}

/// The same for a value that a feature kept, or a measure made.
pub(super) fn passes_scalar(test: &Test, value: Option<&Scalar>, around: &Around<'_>) -> bool {
    let Some(value) = value else {
        return matches!(test, Test::IsNot(_) | Test::NotIn(_) | Test::NotContains(_) | Test::Exists(false));
    };
    let text = || match value {
        Scalar::Text(text) => fold(text),
        other => other.json().to_string(),
    };
    let at = || moment(value);
    match test {
        Test::Is(operand) => operand_of(operand, around).is_some_and(|other| value.is(&other)),
        Test::IsNot(operand) => !operand_of(operand, around).is_some_and(|other| value.is(&other)),
        Test::Order(compare, operand) => orders(value, *compare, operand, around),
        Test::Between(low, high) => {
            orders(value, Compare::AtLeast, low, around) && orders(value, Compare::AtMost, high, around)
        }
        Test::In(values) => values.iter().any(|other| value.is(other)),
        Test::NotIn(values) => !values.iter().any(|other| value.is(other)),
        Test::Contains(part) => text().contains(part.as_str()),
        Test::NotContains(part) => !text().contains(part.as_str()),
        Test::StartsWith(part) => text().starts_with(part.as_str()),
        Test::EndsWith(part) => text().ends_with(part.as_str()),
        Test::Matches(pattern) => match value {
            Scalar::Text(text) => pattern.is_match(text),
            other => pattern.is_match(&other.json().to_string()),
        },
        Test::Exists(wanted) => *wanted,
        Test::Before(moment) => matches!((at(), moment_of(moment, around)), (Some(a), Some(b)) if a < b),
        Test::After(moment) => matches!((at(), moment_of(moment, around)), (Some(a), Some(b)) if a > b),
        Test::WithinLast(span) => at().is_some_and(|at| at <= around.now && span.after(at) > around.now),
        Test::WithinNext(span) => at().is_some_and(|at| at >= around.now && span.before(at) <= around.now),
        Test::OlderThan(span) => at().is_some_and(|at| span.after(at) <= around.now),
        Test::AnniversaryWithin(days) => at().is_some_and(|at| {
            anniversaries(at, *days, around.now, around.calendar)
                .into_iter()
                .any(|(from, to)| from <= around.now && around.now < to)
        }),
        Test::Version(compare, version) => {
            matches!(value, Scalar::Text(text) if versions(text, *compare, version))
        }
        Test::Elements(..) | Test::Near { .. } => false,
    }
}

/// When the test of a value may next answer differently with no new value.
pub(super) fn changes(test: &Test, value: Option<&Value>, around: &Around<'_>) -> Option<Timestamp> {
    let leans_on_time = matches!(
        test,
        Test::WithinLast(_) | Test::WithinNext(_) | Test::OlderThan(_) | Test::AnniversaryWithin(_)
    );
    let at = value.filter(|_| leans_on_time).and_then(Scalar::of).as_ref().and_then(moment)?;
    let moments: Vec<Timestamp> = match test {
        Test::WithinLast(span) => vec![at, span.after(at)],
        Test::WithinNext(span) => vec![span.before(at), at.plus(1)],
        Test::OlderThan(span) => vec![span.after(at)],
        Test::AnniversaryWithin(days) => anniversaries(at, *days, around.now, around.calendar)
            .into_iter()
            .flat_map(|(from, to)| [from, to])
            .collect(),
        _ => Vec::new(),
    };
    moments.into_iter().filter(|at| *at > around.now).min()
}

/// Whether something passes a filter: an event's properties, or an element.
pub(super) fn holds<'a>(
    filter: &Filter,
    find: &dyn Fn(&Path) -> Option<Cow<'a, Value>>,
    element: Option<&Value>,
    around: &Around<'_>,
) -> bool {
    match filter {
        Filter::All(inner) => inner.iter().all(|filter| holds(filter, find, element, around)),
        Filter::Any(inner) => inner.iter().any(|filter| holds(filter, find, element, around)),
        Filter::Not(inner) => !holds(inner, find, element, around),
        Filter::Property { path, test } => passes(test, find(path).as_deref(), around),
        Filter::Element(test) => passes(test, element, around),
    }
}

fn inside<'a>(element: &'a Value, path: &Path) -> Option<Cow<'a, Value>> {
    element.as_object().and_then(|object| path.find(object)).map(Cow::Borrowed)
}

fn has(elements: &[Value], part: &str) -> bool {
    elements.iter().any(|element| match element {
        Value::String(text) => fold(text) == *part,
        Value::Number(number) => number.to_string() == *part,
        _ => false,
    })
}

fn operand_of<'a>(operand: &'a Operand, around: &Around<'_>) -> Option<Cow<'a, Scalar>> {
    match operand {
        Operand::Value(value) => Some(Cow::Borrowed(value)),
        Operand::Trait(path) => (around.traits)(path).as_ref().as_ref().and_then(Scalar::of).map(Cow::Owned),
    }
}

fn moment_of(moment: &Moment, around: &Around<'_>) -> Option<Timestamp> {
    match moment {
        Moment::At(at) => Some(*at),
        Moment::Trait(path) => (around.traits)(path).as_ref().as_ref().and_then(value::moment),
    }
}

fn orders(value: &Scalar, compare: Compare, operand: &Operand, around: &Around<'_>) -> bool {
    let order = operand_of(operand, around).and_then(|other| value.order(&other));
    order.is_some_and(|order| compare.holds(order))
}

/// A kept value as a moment.
pub(super) fn moment(value: &Scalar) -> Option<Timestamp> {
    match value {
        Scalar::Bool(_) => None,
        value => value::moment(&value.json()),
    }
}

fn versions(version: &str, compare: Compare, other: &str) -> bool {
    use version_compare::Cmp;
    let Ok(order) = version_compare::compare(version, other) else { return false };
    compare.holds(match order {
        Cmp::Lt => std::cmp::Ordering::Less,
        Cmp::Gt => std::cmp::Ordering::Greater,
        _ => std::cmp::Ordering::Equal,
    })
}

/// A place as `{lat, lon}`, `{latitude, longitude}`, or `{lat, lng}`.
fn place(value: &Value) -> Option<(f64, f64)> {
    let object = value.as_object()?;
    let first = |names: [&str; 3]| names.iter().find_map(|name| object.get(*name)).and_then(Value::as_f64);
    Some((first(["lat", "latitude", "lat"])?, first(["lon", "longitude", "lng"])?))
}

/// Along the great circle, by the haversine formula.
fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (a, b) = ((a.0.to_radians(), a.1.to_radians()), (b.0.to_radians(), b.1.to_radians()));
    let half = |x: f64| (x / 2.0).sin().powi(2);
    let chord = half(b.0 - a.0) + a.0.cos() * b.0.cos() * half(b.1 - a.1);
    2.0 * EARTH_KILOMETRES * chord.sqrt().min(1.0).asin()
}

/// When an anniversary is near: from so many days before its day until that
/// day's end. 29 February is kept on the 28th where there is none.
fn anniversaries(
    of: Timestamp,
    days: u16,
    now: Timestamp,
    calendar: &Calendar,
) -> Vec<(Timestamp, Timestamp)> {
    // A birthday is a date, written as its beginning in UTC.
    let born = Calendar::UTC.date(of);
    let year = calendar.date(now).year();
    let near = |year: i16| {
        let day = born
            .with()
            .year(year)
            .day(born.day())
            .build()
            .or_else(|_| born.with().day(28).year(year).build());
        let day = day.ok()?;
        let first = day.checked_sub(i64::from(days).days()).ok()?;
        Some((calendar.start(first), calendar.start(day.tomorrow().ok()?)))
    };
    (year - 1..=year + 1).filter_map(near).collect()
}
