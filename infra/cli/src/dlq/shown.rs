//! Dead letters, for people to read.

use serde_json::Value;

use super::What;
use super::shelf::HIDDEN_S;

pub(super) fn lines(what: What, answer: &Value) -> Vec<String> {
    match what {
        What::List => items(answer, "queues").flat_map(queue).collect(),
        What::Show { .. } => items(answer, "letters").flat_map(letter).collect(),
        What::Redrive => items(answer, "queues").flat_map(redriven).collect(),
    }
}

fn queue(queue: &Value) -> Vec<String> {
    let (count, looked_at) = (number(queue, "letters"), number(queue, "looked_at"));
    let name = text(queue, "queue");
    if count == 0 {
        return vec![format!("{name}: no dead letters")];
    }
    let oldest = queue.get("oldest").and_then(Value::as_str);
    let oldest = oldest.map_or(String::new(), |oldest| format!(", the oldest of {oldest}"));
    let mut lines = vec![format!("{name}: {}{oldest}", letters(count))];
    if looked_at < count {
        lines.push(format!(
            "  {looked_at} were looked at: there are more than --max, or somebody else holds some for up to {HIDDEN_S} s"
        ));
    }
    lines.extend(items(queue, "reasons").map(|group| {
        format!("  {:>6}  {:<9} {}", number(group, "count"), text(group, "fate"), reason(group))
    }));
    lines
}

fn letter(letter: &Value) -> Vec<String> {
    let of = |name: &str| text(letter, name);
    let mut lines = vec![
        format!("letter {} of {}", of("id"), of("queue")),
        format!("  at       {}", of("at")),
        format!("  {:<8} {}", of("fate"), reason(letter)),
        format!("  receives {}", of("receives")),
        format!("  trace    {}", of("trace")),
    ];
    let unreadable = letter.get("unreadable").and_then(Value::as_str);
    let inside = unreadable.map_or_else(
        || {
            if letter.get("request").is_some() {
                return format!("a request to {}, in workspace {}", of("request"), of("workspace"));
            }
            let sources: Vec<&str> = items(letter, "sources").filter_map(Value::as_str).collect();
            let (events, sources) = (of("events"), sources.join(", "));
            format!("events: {events}, of {sources} in workspace {}", of("workspace"))
        },
        |why| format!("not to be read: {why}"),
    );
    lines.push(format!("  body     {} bytes, {inside}", of("bytes")));
    if let Some(body) = letter.get("body").and_then(Value::as_str) {
        lines.push(format!("  {body}"));
    }
    lines
}

fn redriven(queue: &Value) -> Vec<String> {
    let name = text(queue, "queue");
    let mut lines = vec![format!("{name}: {} sent back", letters(number(queue, "sent")))];
    let mut note = |field: &str, said: &str| {
        let count = number(queue, field);
        if count > 0 {
            lines.push(format!("  {} {said}", letters(count)));
        }
    };
    note("copied", "sent back and not deleted: the copies change nothing, redrive them again");
    note("came_back", "came back at once: their cause is not mended, see `tributary dlq list`");
    note("without_body", "left: their records were too large or empty, so that nothing can go back");
    note("left", "left: not meant, or beyond --max");
    lines
}

fn reason(of: &Value) -> String {
    let said = of.get("reason").and_then(Value::as_str);
    said.unwrap_or("no stage gave a reason: the function ran out of time or memory, or could not be called")
        .to_owned()
}

fn letters(count: u64) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}
