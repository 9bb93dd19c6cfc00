//! A census for people to read.

use serde_json::Value;

use super::census::Census;

pub(super) fn lines(census: &Census, answer: &Value, place: &str) -> Vec<String> {
    match census {
        Census::Adopt => vec![format!(
            "{} of {} ties wait for the identity stage now; the others were decided before.",
            number(answer, "/sent"),
            number(answer, "/ties")
        )],
        Census::Suspects { .. } => suspects(answer, place),
        Census::DryRun { .. } => dry_run(answer),
    }
}

fn suspects(answer: &Value, place: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for one in list(answer, "/large") {
        if lines.is_empty() {
            lines.push("unusually large".to_owned());
        }
        let (id, identifiers, taken_in) =
            (text(one, "profile"), number(one, "/identifiers"), number(one, "/taken_in"));
        lines.push(format!("  profile {id}: {identifiers} identifiers, {taken_in} profiles taken in"));
        lines.push(format!("     tributary identity why {id}{place}"));
    }
    let mut heading = Some("shared by several people");
    for one in list(answer, "/shared") {
        lines.extend(heading.take().map(str::to_owned));
        let (kind, value) = (text(one, "kind"), text(one, "value"));
        let count = |what: &str| number(one, what);
        lines.push(format!(
            "  {kind} {value}: {} people, tied to {} identifiers, {} ties refused, left out of {} profiles",
            count("/people"),
            count("/tied_to"),
            count("/refused"),
            count("/left_out")
        ));
        // Behind `--` a value may begin like an option.
        lines.push(format!("     tributary identity block{place} -- '{}'", value.replace('\'', r"'\''")));
    }
    if heading.is_none() {
        lines
            .push("To see first what blocking them changes, add them to `blocked.values` of what".to_owned());
        lines.push(format!("`tributary rules show{place}` prints, and give that to"));
        lines.push(format!("`tributary identity dry-run --rules FILE{place}`."));
    }
    if lines.is_empty() {
        lines.push("Nobody is unusually large, and no identifier is shared.".to_owned());
    }
    lines
}

fn dry_run(answer: &Value) -> Vec<String> {
    let count = |place: &str| number(answer, place);
    let mut lines = vec![
        format!("{} events were replayed; nothing was written.", count("/events")),
        format!("people           {} now, {} then", count("/people/now"), count("/people/then")),
        format!("would be joined  {} groups of people", count("/joined")),
        format!("would be split   {} people", count("/split")),
        format!("merges           {}", count("/merges")),
    ];
    for (name, what) in
        [("refused", "merges refused"), ("left_out", "left out by limits"), ("blocked", "blocked")]
    {
        for (kind, count) in answer.get(name).and_then(Value::as_object).into_iter().flatten() {
            lines.push(format!("{what}: {kind} {count}"));
        }
    }
    for when in ["now", "then"] {
        let sizes: Vec<String> = list(answer, &format!("/largest/{when}")).map(ToString::to_string).collect();
        lines.push(format!("identifiers of the largest {when}: {}", sizes.join(", ")));
    }
    for (name, what) in [("joined", "joined"), ("split", "split into")] {
        for one in list(answer, &format!("/examples/{name}")) {
            lines.push(format!("  profile {} {what} {}", text(one, "profile"), number(one, "/people")));
        }
    }
    let order = "Limits depend on the order in which events come: here, that in which they happened.";
    lines.push(order.to_owned());
    let notes = [
        ("/nobodys", "events would name nobody"),
        ("/events_not_kept", "events are in ledgers and on no page any more: they are not in this"),
        ("/as_is/joined", "groups would be joined by the rules that stand, too: order or an operator did it"),
        ("/as_is/split", "people would be split by the rules that stand, too: order did it"),
        ("/taken_apart", "separations by operators are not replayed: events tie those people again here"),
    ];
    lines.extend(
        notes
            .iter()
            .filter(|(place, _)| count(place) > 0)
            .map(|(place, what)| format!("{} {what}", count(place))),
    );
    lines
}

fn list<'a>(of: &'a Value, place: &str) -> impl Iterator<Item = &'a Value> {
    of.pointer(place).and_then(Value::as_array).into_iter().flatten()
}

fn number(of: &Value, place: &str) -> u64 {
    of.pointer(place).and_then(Value::as_u64).unwrap_or_default()
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or("-")
}
