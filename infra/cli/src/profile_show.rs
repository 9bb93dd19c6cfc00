//! `tributary profile show`: one person, for people to read.

use serde_json::Value;

use crate::arguments::Show;
use crate::client::Client;
use crate::output::{Failed, line};

pub(crate) async fn run(show: Show) -> Result<(), Failed> {
    let client = Client::of(&show.target)?;
    let profile = show.who.find(&client).await?;
    for text in lines(&profile) {
        line(&text);
    }
    Ok(())
}

fn lines(profile: &Value) -> Vec<String> {
    let mut lines = vec![
        format!("profile {}", text(profile.get("id"))),
        format!("seen    {} to {}", text(profile.get("first_seen")), text(profile.get("last_seen"))),
    ];
    section(&mut lines, "identifiers", list(profile.get("identifiers")), |one| {
        format!("{:<14} {}", text(one.get("kind")), text(one.get("value")))
    });
    let traits = entries(profile.get("traits"));
    section(&mut lines, "traits", traits, |(name, one)| {
        let (value, at, source) = (text(one.get("value")), text(one.get("at")), text(one.get("source")));
        format!("{name:<14} {value}  ({source}, {at})")
    });
    section(&mut lines, "computed", entries(profile.get("computed")), |(name, one)| {
        let is_all = one.get("complete").and_then(Value::as_bool) == Some(true);
        format!("{name:<14} {}{}", text(one.get("value")), if is_all { "" } else { "  (not all is known)" })
    });
    section(&mut lines, "groups", list(profile.get("groups")), |group| text(Some(group)));
    let counters = profile.get("counters");
    let total = text(counters.and_then(|counters| counters.get("total")));
    let names = entries(counters.and_then(|counters| counters.get("names")));
    section(&mut lines, &format!("events: {total}"), names, |(name, one)| {
        format!("{name:<24} {:>6}  last {}", text(one.get("count")), text(one.get("last")))
    });
    let revenue = entries(counters.and_then(|counters| counters.get("revenue")));
    section(&mut lines, "revenue", revenue, |(currency, one)| {
        format!("{currency} {} in {} orders", text(one.get("sum")), text(one.get("count")))
    });
    section(&mut lines, "open ties", list(profile.get("open_ties")), |tie| {
        let named = |one: &Value| format!("{} {}", text(one.get("kind")), text(one.get("value")));
        let both: Vec<String> = list(tie.get("identifiers")).map(named).collect();
        format!("{}  ({}, {})", both.join(" = "), text(tie.get("reason")), text(tie.get("at")))
    });
    lines
}

/// A heading and its lines; nothing where there is nothing to say.
fn section<T>(
    lines: &mut Vec<String>,
    heading: &str,
    items: impl Iterator<Item = T>,
    show: impl Fn(T) -> String,
) {
    let shown: Vec<String> = items.map(|item| format!("  {}", show(item))).collect();
    if !shown.is_empty() {
        lines.push(heading.to_owned());
        lines.extend(shown);
    }
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_is_shown_with_what_is_known_and_nothing_else() {
        let profile = json!({
            "id": "p1", "first_seen": "2026-01-01T00:00:00.000Z", "last_seen": "2026-01-02T00:00:00.000Z",
            "identifiers": [{"kind": "email", "value": "a@example.com"}],
            "traits": {"plan": {"value": "paid", "at": "2026-01-01T00:00:00.000Z", "source": "crm"}},
            "computed": {"spent": {"value": 12.5, "complete": true}, "bought": {"value": ["a"], "complete": false}},
            "counters": {"total": 3, "names": {"Order Completed": {"count": 1, "last": "2026-01-02T00:00:00.000Z"}}},
        });
        let shown = lines(&profile).join("\n");
        assert!(shown.contains("email          a@example.com"), "{shown}");
        assert!(shown.contains("plan           paid  (crm, 2026-01-01T00:00:00.000Z)"), "{shown}");
        assert!(shown.contains("spent          12.5\n"), "{shown}");
        assert!(shown.contains(r#"bought         ["a"]  (not all is known)"#), "{shown}");
        assert!(shown.contains("events: 3"), "{shown}");
        assert!(!shown.contains("revenue"), "{shown}");
    }
}
