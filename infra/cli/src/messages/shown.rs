//! What came of an order about messages, for people to read.

use serde_json::Value;

use super::What;

pub(super) fn lines(what: &What, answer: &Value) -> Vec<String> {
    match what {
        What::Settings(_) => vec!["The settings stand; functions follow them within a minute.".to_owned()],
        What::ShowSettings => {
            let settings = answer.get("settings").map(|settings| format!("{settings:#}"));
            settings.into_iter().collect()
        }
        What::Template(id, _) => vec![format!("Template `{id}` stands.")],
        What::Set(id, document) if document.contains("\"entering\"") => {
            vec![format!("Message `{id}` stands: who enters its segment gets it, from within a minute on.")]
        }
        What::Set(id, _) => {
            vec![format!("Message `{id}` stands; `tributary messages start {id}` sends it.")]
        }
        What::List => listed(answer),
        What::Start(id, _) => {
            let word = if answer.get("started") == Some(&Value::Bool(true)) {
                "is started"
            } else {
                "was started before"
            };
            vec![format!("Message `{id}` {word}: {}.", run(answer))]
        }
        What::Pause(id) | What::Resume(id) | What::Cancel(id) => {
            vec![format!("Message `{id}`: {}.", run(answer))]
        }
        What::Report(id) => reported(id.as_str(), answer),
        What::Why(..) => whys(answer),
    }
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn run(of: &Value) -> String {
    let Some(run) = of.get("run").filter(|run| !run.is_null()) else { return "not started".to_owned() };
    let begins = if run.get("local").is_some_and(Value::is_string) {
        format!("at {} of each person's own clock", text(run, "local"))
    } else {
        format!("from {}", text(run, "start"))
    };
    let handed = run.get("handed").and_then(Value::as_u64).unwrap_or_default();
    format!("{} {begins}, {handed} people handed out", text(run, "status"))
}

fn listed(answer: &Value) -> Vec<String> {
    let one = |message: &Value| {
        let whom = match message.get("entering").and_then(Value::as_str) {
            Some(segment) => format!("to who enters {segment}"),
            None => format!("to {}: {}", text(message, "to"), run(message)),
        };
        format!("{}  {}  {whom}", text(message, "message"), text(message, "name"))
    };
    let mut lines: Vec<String> = list(answer, "messages").map(one).collect();
    if lines.is_empty() {
        lines.push("There is no message yet; `tributary messages set` makes one.".to_owned());
    }
    let templates: Vec<&str> = list(answer, "templates").filter_map(Value::as_str).collect();
    if !templates.is_empty() {
        lines.push(format!("templates: {}", templates.join(", ")));
    }
    lines
}

fn reported(id: &str, answer: &Value) -> Vec<String> {
    let is_broadcast = answer.get("is_broadcast") == Some(&Value::Bool(true));
    let mut lines = vec![if is_broadcast { format!("{id}: {}", run(answer)) } else { id.to_owned() }];
    for variant in list(answer, "variants") {
        lines.push(format!("  template {}", text(variant, "template")));
        let outcomes = variant.get("outcomes").and_then(Value::as_object).into_iter().flatten();
        let before = lines.len();
        lines.extend(
            outcomes.map(|(what, count)| format!("    {:>9}  {what}", count.as_u64().unwrap_or_default())),
        );
        if lines.len() == before {
            lines.push("            nobody yet".to_owned());
        }
        lines.extend(variant.get("after").filter(|after| !after.is_null()).map(after).into_iter().flatten());
    }
    let unknown: Vec<&str> = list(answer, "unknown").filter_map(Value::as_str).collect();
    if !unknown.is_empty() {
        lines.push("Whether these deliveries were sent is not known; a receipt may tell:".to_owned());
        lines.extend(unknown.into_iter().map(|id| format!("  {id}")));
    }
    lines
}

/// What happened after letters were sent; people apart from machines.
fn after(after: &Value) -> Vec<String> {
    let count = |path: &str| after.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let seen = |what: &str| {
        let (people, letters) = (count(&format!("/{what}/people")), count(&format!("/{what}/letters")));
        format!("{people} {what} by people, {letters} with machines")
    };
    vec![
        format!("    {:>9}  delivered", count("/delivered")),
        format!(
            "    {:>9}  bounced for good, {} for now",
            count("/bounced/hard"),
            count("/bounced/transient")
        ),
        format!("    {:>9}  complained", count("/complained")),
        format!("    {:>9}  unsubscribed", count("/unsubscribed")),
        format!("    {}; {}; read for {} s", seen("opened"), seen("clicked"), count("/read_seconds")),
    ]
}

fn whys(answer: &Value) -> Vec<String> {
    let row = |row: &Value| {
        let delivery = row.get("delivery").and_then(Value::as_str);
        let delivery = delivery.map(|id| format!(", delivery {id}")).unwrap_or_default();
        let until = row.pointer("/outcome/waits/until").and_then(Value::as_i64);
        let until = until.map(|until| domain::time::Timestamp::from_millis(until).rfc3339());
        let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
        format!("{}  {}{until}{delivery}", text(row, "at"), text(row, "is"))
    };
    let lines: Vec<String> = list(answer, "rows").map(row).collect();
    if lines.is_empty() { vec!["It was not handed out for them.".to_owned()] } else { lines }
}
