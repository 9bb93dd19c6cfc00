//! `tributary trace`: one event's way through the stages, in plain words.

use serde::Deserialize as _;
use serde_json::json;

use crate::arguments::Trace;
use crate::client::Client;
use crate::entry::Entry;
use crate::output::{Failed, line};
use crate::trail::{Refused, Trail, Waiting};

#[derive(Debug, thiserror::Error)]
#[error(
    "nothing is known of this id: {}; an event that came before is in its person's timeline. Is the id that \
     of the event's `messageId`, or of the answer's header `x-tributary-trace`? If the event was refused, its \
     source's rejections tell (GET /v1/sources/{{source}}/rejections), which keep the first hundred a minute{}",
    .since.as_ref().map_or("the journal is empty".to_owned(), |since| format!("the journal goes back to {since}")),
    but(.unread)
)]
struct Unknown {
    since: Option<String>,
    unread: Vec<String>,
}

pub(crate) async fn run(trace: Trace) -> Result<(), Failed> {
    let client = Client::of(&trace.target)?;
    // In the body: a message id is its sender's text, and a URL ends in logs.
    let answer = client.post("/_local/trace", &json!({"id": trace.id})).await?;
    let trail = Trail::deserialize(&answer)?;
    if trail.lines.is_empty() && trail.waiting.is_empty() && trail.refused.is_empty() {
        return Err(Unknown { since: trail.since, unread: trail.unread }.into());
    }
    if trace.json {
        line(&answer.to_string());
        return Ok(());
    }
    for text in told(&trail) {
        line(&text);
    }
    Ok(())
}

/// The way, what is left of it in queues, and where it ended.
fn told(trail: &Trail) -> Vec<String> {
    let entries: Vec<Entry> = trail.lines.iter().map(Entry::of).collect();
    let mut told = Vec::new();
    let mut last = None;
    for entry in &entries {
        if entry.trace != last {
            last.clone_from(&entry.trace);
            told.push(format!("trace {}", last.as_deref().unwrap_or("-")));
        }
        told.push(step(&entry.time, entry.place(), &said(entry)));
    }
    if trail.left_out > 0 {
        told.push(format!("and {} lines more", trail.left_out));
    }
    told.extend(trail.refused.iter().map(|refused| step(&refused.at, "ingest", &refusal(refused))));
    told.extend(trail.waiting.iter().map(|waiting| step(&waiting.since, "queue", &lies(waiting))));
    told.extend(end(&entries, trail));
    if !trail.unread.is_empty() {
        told.push(format!("There was too much to search all of it{}.", but(&trail.unread)));
    }
    told
}

fn step(time: &str, place: &str, said: &str) -> String {
    format!("  {time}  {place:<8}  {said}")
}

fn said(entry: &Entry) -> String {
    let why = entry.why();
    let Some(decision) = entry.decision().filter(|_| !entry.is_answer()) else {
        return if entry.is_answer() {
            format!("request: {}", why.unwrap_or_default())
        } else {
            why.unwrap_or_default()
        };
    };
    let mut said = decision.to_owned();
    if let (Some(kind), Some(source)) = (&entry.kind, &entry.source) {
        said = format!("{said}: {kind} from {source}");
    }
    if let Some(profile) = entry.profile() {
        said = format!("{said}, profile {profile}");
    }
    why.map_or(said.clone(), |why| format!("{said}, {why}"))
}

fn refusal(Refused { source, reason, detail, event_stands, .. }: &Refused) -> String {
    let word = if *event_stands { "left a part out" } else { "refused" };
    format!("{word}: from {source}, {reason}: {detail}")
}

fn lies(waiting: &Waiting) -> String {
    let Waiting { queue, is_dead, state, receives, fate, reason, .. } = waiting;
    let lies = if *is_dead { "lies among the dead letters" } else { "waits" };
    let mut said = format!("{lies} in queue `{queue}`, {state}, {}", received(*receives));
    if let Some(fate) = fate {
        said = format!("{said}; {fate}: {}", reason.as_deref().unwrap_or("no reason is given"));
    }
    said
}

fn received(times: u32) -> String {
    match times {
        0 => "not received yet".to_owned(),
        1 => "received once".to_owned(),
        more => format!("received {more} times"),
    }
}

/// Where the event ended, as far as that is known. A trace is of many events.
fn end(entries: &[Entry], trail: &Trail) -> Option<String> {
    let events: std::collections::BTreeSet<_> =
        entries.iter().filter_map(|entry| entry.message_key.as_deref()).collect();
    if events.len() > 1 {
        return None;
    }
    let count = |decision| entries.iter().filter(|entry| entry.is(decision)).count();
    let profile = || entries.iter().rev().find_map(Entry::profile).unwrap_or("-").to_owned();
    let (folded, repeated) = (count("folded"), count("repeated"));
    if folded + repeated > 0 {
        let known = if folded > 0 { "is counted" } else { "was counted before" };
        let again = match repeated {
            0 => String::new(),
            1 => "; it came again once, which changed nothing".to_owned(),
            more => format!("; it came again {more} times, which changed nothing"),
        };
        return Some(format!("It {known} in profile {}{again}.", profile()));
    }
    if count("dropped") > 0 {
        return Some("It was dropped: its person was erased after it happened.".to_owned());
    }
    if trail.waiting.iter().any(|waiting| waiting.is_dead) {
        return Some("It ended among the dead letters and is counted nowhere.".to_owned());
    }
    if !trail.waiting.is_empty() {
        return Some("It waits to be counted.".to_owned());
    }
    if trail.refused.iter().any(|refused| !refused.event_stands) {
        return Some(
            "It was refused and is counted nowhere: mend it at its sender and send it again.".to_owned(),
        );
    }
    (count("refused") > 0).then(|| {
        "Why events of a request were refused is told by their message ids, and among the rejections of \
         their source (GET /v1/sources/{source}/rejections)."
            .to_owned()
    })
}

fn but(unread: &[String]) -> String {
    if unread.is_empty() {
        String::new()
    } else {
        format!("; not searched to the end: {}", unread.join(", "))
    }
}

#[cfg(test)]
mod tests;
