//! What came of an order, for people to read.

use serde_json::Value;

use super::Order;

/// `place` are the options that the next command takes to get to the same place.
pub(super) fn lines(order: &Order, answer: &Value, place: &str) -> Vec<String> {
    let of = |name: &str| text(answer.get(name));
    match order {
        Order::CreateWorkspace { .. } => vec![
            format!("Created workspace `{}`.", of("workspace")),
            format!(
                "It has no source yet: tributary source create NAME --workspace {}{place}",
                of("workspace")
            ),
        ],
        Order::ListWorkspaces => list(answer, "workspaces").map(|name| text(Some(name))).collect(),
        Order::CreateSource { .. } => {
            let source = answer.get("source").map(source).unwrap_or_default();
            let name = text(answer.get("source").and_then(|source| source.get("source")));
            let next = format!("tributary key create --source {name} --workspace {}{place}", of("workspace"));
            vec![format!("Created {source}"), format!("It has no key yet: {next}")]
        }
        Order::ChangeSource { .. } => {
            let source = answer.get("source").map(source).unwrap_or_default();
            vec![format!("Changed {source}"), "Functions that run see it within a minute.".to_owned()]
        }
        Order::ListSources { .. } => {
            or_none(list(answer, "sources").map(source).collect(), "There is no source yet.")
        }
        Order::ShowRules { .. } => answer.get("rules").map(pretty).into_iter().collect(),
        Order::SetRules { .. } | Order::Block { .. } => {
            let stands = format!(
                "Version {} of the rules stands; functions follow it within a minute.",
                of("version")
            );
            let homes = answer.get("homes_from").and_then(Value::as_str);
            let homes = homes
                .map(|from| format!("Blocked values and the order of kinds are as it says from {from} on."));
            std::iter::once(stands).chain(homes).collect()
        }
        Order::SetSegment { .. } => vec![
            format!("Version {} of `{}` is published.", of("version"), of("segment")),
            format!("Events are asked within a minute, everybody from {} on.", of("asked_from")),
            format!("`tributary segments list{place}` says how far that is."),
        ],
        Order::EndSegment { .. } => {
            vec![format!(
                "Segment `{}` has ended; whoever is in leaves with their next event, or within minutes.",
                of("segment")
            )]
        }
        Order::ListSegments { .. } => {
            let mut lines =
                or_none(list(answer, "segments").map(segment).collect(), "There is no segment yet.");
            lines.extend(answer.get("fill").filter(|fill| !fill.is_null()).map(fill));
            lines
        }
        Order::CreateKey { .. } => made(answer),
        Order::RotateKey { .. } => rotated(answer, place),
        Order::RevokeKey { .. } => {
            vec![format!("Revoked key `{}`: it opens nothing from within a minute on.", of("id"))]
        }
        Order::ListKeys { .. } => or_none(list(answer, "keys").map(key).collect(), "There is no key yet."),
        Order::RotateSigningKeys => vec![
            format!("Cursors are signed by key `{}` from within five minutes on.", of("signing_key")),
            "Those of the key before go on to open, those of an older one do not.".to_owned(),
        ],
    }
}

fn made(answer: &Value) -> Vec<String> {
    let grant = grant(answer);
    vec![
        format!("Created key `{}`, {grant}:", text(answer.get("id"))),
        String::new(),
        format!("  {}", text(answer.get("key"))),
        String::new(),
        "It is shown this once and kept as a hash only. It opens within ten seconds.".to_owned(),
    ]
}

fn rotated(answer: &Value, place: &str) -> Vec<String> {
    let mut lines = made(answer);
    let old = answer.get("old");
    let id = text(old.and_then(|old| old.get("id")));
    let ends = old.and_then(|old| old.get("ends")).and_then(Value::as_str);
    let owner = format!(" --workspace {}", text(answer.get("workspace")));
    lines.push(match ends {
        Some(ends) => format!("The old key `{id}` goes on to open until {ends}."),
        None => format!(
            "The old key `{id}` goes on to open until it is revoked: tributary key revoke {id}{owner}{place}"
        ),
    });
    lines
}

fn source(source: &Value) -> String {
    let of = |name: &str| text(source.get(name));
    let origins: Vec<String> = list(source, "origins").map(|origin| text(Some(origin))).collect();
    let origins = if origins.is_empty() { "any origin".to_owned() } else { origins.join(" ") };
    let phones = source.get("phone_region").and_then(Value::as_str);
    let phones = phones
        .map_or("international phone numbers only".to_owned(), |region| format!("phone numbers of {region}"));
    format!("source `{}`: {} requests a second, {phones}, {origins}", of("source"), of("rate"))
}

fn key(key: &Value) -> String {
    let of = |name: &str| text(key.get(name));
    let opens = key.get("opens").and_then(Value::as_bool) == Some(true);
    let end = match key.get("ends").and_then(Value::as_str) {
        None => String::new(),
        Some(ends) if opens => format!(", opens until {ends}"),
        Some(ends) => format!(", ended {ends}"),
    };
    format!("{}  {}, created {}{end}", of("id"), grant(key), of("created"))
}

fn grant(key: &Value) -> String {
    if let Some(source) = key.get("source") {
        return format!("writes as source `{}`", text(Some(source)));
    }
    let scopes: Vec<String> = list(key, "scopes").map(|scope| text(Some(scope))).collect();
    format!("admin with {}", scopes.join(" "))
}

fn or_none(lines: Vec<String>, none: &str) -> Vec<String> {
    if lines.is_empty() { vec![none.to_owned()] } else { lines }
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// As it goes into a file and back.
fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "-".to_owned(),
    }
}

fn segment(segment: &Value) -> String {
    let text = |field: &str| segment.get(field).and_then(Value::as_str).unwrap_or_default();
    let version = |field: &str| segment.get(field).and_then(Value::as_u64);
    let stands = match (version("active"), version("pending")) {
        (Some(active), None) => format!("version {active}"),
        (Some(active), Some(pending)) => format!("version {active}; {pending} is being asked of everybody"),
        (None, Some(pending)) => format!("version {pending}, being asked of everybody"),
        (None, None) => "no version".to_owned(),
    };
    format!("{}  {}  {}, {stands}", text("segment"), text("name"), text("is"))
}

fn fill(fill: &Value) -> String {
    let number = |field: &str| fill.get(field).and_then(Value::as_u64).unwrap_or_default();
    let begins = fill.get("begins").and_then(Value::as_str).unwrap_or_default();
    let (done, parts, looked_at) = (number("parts_done"), number("parts"), number("looked_at"));
    let left_out = match number("left_out") {
        0 => String::new(),
        left_out => format!(" {left_out} could not be asked and were left out; the log names them."),
    };
    format!(
        "Everybody is being asked since {begins}: {done} of {parts} parts done, {looked_at} profiles.{left_out}"
    )
}
