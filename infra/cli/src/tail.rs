//! `tributary tail`: events as they come, each with what was decided on it.

use std::io::Write as _;
use std::ops::ControlFlow;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::arguments::Tail;
use crate::client::Client;
use crate::entry::Entry;
use crate::output::Failed;

/// A part of the journal, as `/_local/journal` gives it.
#[derive(Debug, Deserialize)]
struct Part {
    entries: Vec<Value>,
    next: u64,
}

pub(crate) async fn run(tail: Tail) -> Result<(), Failed> {
    tokio::select! {
        followed = follow(&tail) => followed,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn follow(tail: &Tail) -> Result<(), Failed> {
    let client = Client::of(&tail.target)?;
    let from_the_start = tail.all || tail.once;
    let mut next = if from_the_start { 0 } else { part(&client, "wait=0").await?.next };
    let mut left = tail.limit.unwrap_or(u64::MAX);
    let wait = if tail.once { "&wait=0" } else { "" };
    while left > 0 {
        let part = part(&client, &format!("after={next}{wait}")).await?;
        if tail.once && part.entries.is_empty() {
            return Ok(());
        }
        next = part.next;
        let shown = part.entries.iter().map(Entry::of).filter_map(|entry| shown(tail, &entry));
        for text in shown.take(usize::try_from(left).unwrap_or(usize::MAX)) {
            left -= 1;
            if say(&text).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn part(client: &Client, query: &str) -> Result<Part, Failed> {
    let answer = client.get(&format!("/_local/journal?{query}")).await?;
    Ok(Part::deserialize(answer)?)
}

/// The line for an entry; `None` if it tells of no decision that is wanted.
fn shown(tail: &Tail, entry: &Entry) -> Option<String> {
    let lost = entry.lost.map(|lost| format!("{lost} lines for which the journal had no room"));
    let decision = entry.decision().or(lost.as_ref().map(|_| "lost"))?;
    let wanted = |filter: &Option<String>, is: Option<&str>| filter.is_none() || filter.as_deref() == is;
    if !wanted(&tail.source, entry.source.as_deref()) || !wanted(&tail.decision, Some(decision)) {
        return None;
    }
    let detail = entry.why().or(lost);
    if tail.json {
        return Some(
            json!({
                "time": entry.time, "stage": entry.place(), "source": entry.source, "kind": entry.kind,
                "decision": decision, "profile_id": entry.profile(), "trace": entry.trace, "detail": detail,
            })
            .to_string(),
        );
    }
    let dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let line = format!(
        "{}  {:<10} {:<8} {decision:<8}  {:<32}  {:<32}  {}",
        entry.time,
        dash(entry.source.as_deref()),
        dash(entry.kind.as_deref()),
        dash(entry.profile()),
        dash(entry.trace.as_deref()),
        detail.unwrap_or_default(),
    );
    Some(line.trim_end().to_owned())
}

/// A closed pipe, as behind `head`, ends the tail.
fn say(text: &str) -> ControlFlow<()> {
    let written = writeln!(std::io::stdout().lock(), "{text}");
    if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn options(options: &[&str]) -> Tail {
        let arguments = ["tributary", "tail"].iter().chain(options);
        let Command::Tail(tail) = Arguments::try_parse_from(arguments).unwrap().command else { panic!() };
        tail
    }

    fn folded() -> Value {
        json!({
            "time": "2026-01-01T00:00:00.000Z", "stage": "profile", "trace": "t-1", "message_key": "7",
            "source": "web", "kind": "track", "decision": "folded", "profile.id": "p-1",
        })
    }

    fn line(with: &[&str], entry: &Value) -> Option<String> {
        shown(&options(with), &Entry::of(entry))
    }

    #[test]
    fn a_decision_is_one_line_and_an_answer_without_refusals_is_none() {
        let text = line(&[], &folded()).unwrap();
        let columns: Vec<_> = text.split_whitespace().collect();
        assert_eq!(columns, ["2026-01-01T00:00:00.000Z", "web", "track", "folded", "p-1", "t-1"]);
        let answer =
            |rejected| json!({"stage": "ingest", "status": 200, "accepted": 1, "rejected": rejected});
        assert_eq!(line(&[], &answer(0)), None);
        assert!(line(&[], &answer(1)).unwrap().contains("refused   -"));
    }

    #[test]
    fn filters_let_through_what_they_name() {
        assert!(line(&["--source", "web", "--decision", "folded"], &folded()).is_some());
        assert_eq!(line(&["--source", "app"], &folded()), None);
        assert_eq!(line(&["--decision", "repeated"], &folded()), None);
        assert!(Arguments::try_parse_from(["tributary", "tail", "--decision", "eaten"]).is_err());
    }

    #[test]
    fn json_has_every_field_and_what_was_lost_is_said() {
        let text = line(&["--json"], &folded()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["profile_id"], &value["detail"]), (&json!("p-1"), &Value::Null));
        let lost = json!({"time": "2026-01-01T00:00:00.000Z", "stage": "journal", "lost": 3});
        assert!(line(&[], &lost).unwrap().contains("3 lines"));
        assert_eq!(line(&["--decision", "folded"], &lost), None);
    }
}
