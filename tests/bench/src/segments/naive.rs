//! The naive pass: each profile parsed once into a `Value`, with the events
//! that its conditions need, and every segment walked through it.

use domain::time::Timestamp;
use serde_json::Value;

/// How many of the segments the person is in.
pub(crate) fn walk(profile: &[u8], segments: &[Value], now: Timestamp) -> Result<usize, serde_json::Error> {
    let profile: Value = serde_json::from_slice(profile)?;
    Ok(segments.iter().filter(|when| holds(when, &profile, now)).count())
}

fn holds(when: &Value, profile: &Value, now: Timestamp) -> bool {
    if let Some(parts) = when.get("all") {
        return parts.as_array().is_some_and(|parts| parts.iter().all(|part| holds(part, profile, now)));
    }
    if let Some(parts) = when.get("any") {
        return parts.as_array().is_some_and(|parts| parts.iter().any(|part| holds(part, profile, now)));
    }
    if let Some(part) = when.get("not") {
        return !holds(part, profile, now);
    }
    if let Some(path) = when.get("trait").and_then(Value::as_str) {
        let value = path.split('.').try_fold(&profile["traits"], |value, step| value.get(step));
        let Some(text) = value.and_then(Value::as_str) else { return false };
        let is = |other: &Value| other.as_str().is_some_and(|other| other.eq_ignore_ascii_case(text));
        let test = |test: &str| when.get(test).and_then(Value::as_str);
        if let Some(part) = test("starts_with") {
            return text.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part));
        }
        if let Some(part) = test("ends_with") {
            let from = text.len().saturating_sub(part.len());
            return text.get(from..).is_some_and(|end| end.eq_ignore_ascii_case(part));
        }
        if let Some(within) = test("within_last") {
            return Timestamp::parse(text).is_some_and(|at| at <= now && at > now.plus(-span(Some(within))));
        }
        return when.get("is").is_some_and(is)
            || when.get("in").and_then(Value::as_array).is_some_and(|all| all.iter().any(is));
    }
    let name = &when["event"];
    let since = when.get("within").map(|within| now.plus(-span(within.as_str())));
    let selected = profile["events"].as_array().into_iter().flatten().filter(|event| {
        let at = event["at"].as_i64().map(Timestamp::from_millis);
        event["event"] == *name && since.is_none_or(|since| at.is_some_and(|at| at > since))
    });
    if let Some(sum) = when.get("sum") {
        let of = sum["of"].as_str().unwrap_or_default();
        let total: f64 = selected.filter_map(|event| event["properties"].get(of)?.as_f64()).sum();
        return sum["at_least"].as_f64().is_some_and(|least| total >= least);
    }
    let least = when.get("count").and_then(|count| count["at_least"].as_u64()).unwrap_or(1);
    u64::try_from(selected.count()).is_ok_and(|count| count >= least)
}

/// `30d` in milliseconds.
fn span(text: Option<&str>) -> i64 {
    let days = text.and_then(|text| text.strip_suffix('d')).and_then(|days| days.parse::<i64>().ok());
    days.unwrap_or_default() * Timestamp::DAY
}
