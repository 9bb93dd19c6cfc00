//! `tributary segments`: who is meant by a name, who that is, and why.

pub(crate) mod arguments;
mod lists;
pub(crate) mod preview;

use std::path::Path;

use domain::segment::stored::SegmentId;
use ports::Clock as _;
use runtime::SystemClock;
use serde_json::{Value, json};

use crate::client::Client;
use crate::identity::Who;
use crate::operate::{self, Order};
use crate::output::{self, Failed};
use arguments::{List, SegmentsCommand};

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("the definition is neither YAML nor JSON: {0}")]
    Document(#[source] serde_yaml_ng::Error),
    #[error("there is no segment `{0}`; `tributary segments list` names those that are there")]
    Unknown(String),
    #[error("the platform's answer names no `{0}`: is it of another version?")]
    Missing(&'static str),
    #[error(
        "segment `{0}` has a condition of its own: only who is on a list made by hand is named by a file"
    )]
    NoList(SegmentId),
    #[error("the file is no table of values with commas between them")]
    Table(#[source] csv::Error),
    #[error(
        "`{0}` is no kind of identifiers: the first line names one a column, such as `email` or `user_id`"
    )]
    Kind(String),
    #[error("the first line names kinds of identifiers, each once")]
    Kinds,
    #[error("line {0} names nobody: all of its columns are empty")]
    Nobody(u64),
    #[error("the file has no line but the first: to empty a list, end the segment")]
    NoRows,
    #[error("refused rows: {}\n  {}", .0.len(), lists::told(.0))]
    Rows(Vec<String>),
}

pub(crate) async fn run(command: SegmentsCommand) -> Result<(), Failed> {
    match command {
        SegmentsCommand::Set { segment, file, owner, place } => {
            let order = Order::SetSegment { workspace: owner.workspace, segment, document: document(&file)? };
            operate::run(&place, order).await
        }
        SegmentsCommand::End { segment, owner, place } => {
            operate::run(&place, Order::EndSegment { workspace: owner.workspace, segment }).await
        }
        SegmentsCommand::List { owner, place } => {
            operate::run(&place, Order::ListSegments { workspace: owner.workspace }).await
        }
        SegmentsCommand::Show { segment, target } => {
            let document = find(&Client::of(&target)?, &segment).await?;
            let document = document.ok_or_else(|| Unusable::Unknown(segment.to_string()))?;
            output::line(&serde_json::to_string_pretty(&document)?);
            Ok(())
        }
        SegmentsCommand::Preview { file, segment, sample, owner, place } => {
            let document = document(&file)?;
            preview::run(&place, &preview::Asked { workspace: owner.workspace, segment, document, sample })
                .await
        }
        SegmentsCommand::Append { list } => by_hand(lists::Verb::Append, list).await,
        SegmentsCommand::Replace { list } => by_hand(lists::Verb::Replace, list).await,
        SegmentsCommand::Remove { list } => by_hand(lists::Verb::Remove, list).await,
        SegmentsCommand::Members { segment, csv, target } => {
            let client = Client::of(&target)?;
            if csv {
                output::line("id,since");
            }
            let mut cursor = String::new();
            loop {
                let path = format!("/v1/segments/{segment}/members?limit=1000{cursor}");
                let page = client.get(&path).await?;
                for member in page.get("members").and_then(Value::as_array).into_iter().flatten() {
                    output::line(&if csv { row(member)? } else { member.to_string() });
                }
                match page.get("next").and_then(Value::as_str) {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => return Ok(()),
                }
            }
        }
        SegmentsCommand::Sizes { segment, target, json } => {
            let answer = Client::of(&target)?.get(&format!("/v1/segments/{segment}/sizes")).await?;
            if json {
                output::line(&answer.to_string());
                return Ok(());
            }
            let sizes = answer.get("sizes").and_then(Value::as_array).ok_or(Unusable::Missing("sizes"))?;
            if sizes.is_empty() {
                output::line(
                    "Nobody counted its members yet; that is done when everybody was asked, and once a day.",
                );
            }
            for size in sizes {
                let day = size.get("day").and_then(Value::as_str).ok_or(Unusable::Missing("day"))?;
                let members =
                    size.get("members").and_then(Value::as_u64).ok_or(Unusable::Missing("members"))?;
                output::line(&format!("{day}  {members}"));
            }
            Ok(())
        }
        SegmentsCommand::Of { who, target, json } => {
            let client = Client::of(&target)?;
            let path = format!("/v1/profiles/{}/segments", id(&client, &who).await?);
            let mut answer = client.get(&path).await?;
            if !json {
                output::lines(&stands(&answer));
            }
            loop {
                // Page by page: a life has more changes than one answer.
                if json {
                    output::line(&answer.to_string());
                } else {
                    output::lines(&changed(&answer));
                }
                let Some(next) = answer.get("next").and_then(Value::as_str) else { return Ok(()) };
                answer = client.get(&format!("{path}?cursor={next}")).await?;
            }
        }
        SegmentsCommand::Explain { segment, who, target, json } => {
            let client = Client::of(&target)?;
            let path = format!("/v1/segments/{segment}/explain?profile={}", id(&client, &who).await?);
            let answer = client.get(&path).await?;
            if json {
                output::line(&answer.to_string());
            } else {
                let because = answer.get("because").ok_or(Unusable::Missing("because"))?;
                let mut lines = Vec::new();
                tree(because, 0, &mut lines);
                output::lines(&lines);
            }
            Ok(())
        }
    }
}

/// A definition as JSON, which is YAML, so that one reader takes both.
fn document(file: &Path) -> Result<String, Failed> {
    let text = operate::arguments::whole(file)?;
    let document: Value = serde_yaml_ng::from_str(&text).map_err(Unusable::Document)?;
    Ok(document.to_string())
}

/// The document of a segment or a computed trait, if it stands.
async fn find(client: &Client, id: &SegmentId) -> Result<Option<Value>, Failed> {
    let all = client.get("/v1/segments").await?;
    let list = |name: &str| all.get(name).and_then(Value::as_array).into_iter().flatten();
    let is_it = |one: &&Value| one.get("id").and_then(Value::as_str) == Some(id.as_str());
    let found = list("segments").chain(list("computed")).find(is_it);
    let document = |found: &Value| found.get("document").cloned().ok_or(Unusable::Missing("document"));
    Ok(found.map(document).transpose()?)
}

async fn by_hand(verb: lists::Verb, list: List) -> Result<(), Failed> {
    let List { segment, file, source, owner, place } = list;
    let file = operate::arguments::whole(&file)?;
    let asked = lists::Asked { segment: &segment, source: source.as_deref(), owner, place: &place };
    asked.carry_out(verb, &file, SystemClock.now()).await
}

async fn id(client: &Client, who: &Who) -> Result<String, Failed> {
    let profile = who.find(client).await?;
    Ok(profile.get("id").and_then(Value::as_str).ok_or(Unusable::Missing("id"))?.to_owned())
}

/// Ids are hexadecimal and times are ours: no spreadsheet takes them for a formula.
fn row(member: &Value) -> Result<String, Unusable> {
    let text =
        |field: &'static str| member.get(field).and_then(Value::as_str).ok_or(Unusable::Missing(field));
    Ok(format!("{},{}", text("id")?, text("since")?))
}

/// In which segments somebody is.
fn stands(answer: &Value) -> Vec<String> {
    let mut lines: Vec<String> = list(answer, "segments")
        .map(|one| {
            let sign = if one.get("in") == Some(&json!(true)) { "in " } else { "out" };
            let until = text(one, "until");
            let until =
                if until.is_empty() { String::new() } else { format!(", until {until} if nothing happens") };
            format!("{sign} {}{until}", text(one, "segment"))
        })
        .collect();
    if lines.is_empty() {
        lines.push("There is no segment yet; `tributary segments set` makes one.".to_owned());
    }
    lines
}

/// What changed.
fn changed(answer: &Value) -> Vec<String> {
    let line = |one| {
        let (at, what) = (text(one, "at"), text(one, "what"));
        format!("{at}  {what} {} ({})", text(one, "segment"), text(one, "cause"))
    };
    list(answer, "history").map(line).collect()
}

fn list<'a>(answer: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    answer.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Each condition under the one that it is a part of.
fn tree(because: &Value, depth: usize, lines: &mut Vec<String>) {
    let text = |field: &str| because.get(field).and_then(Value::as_str).unwrap_or_default();
    let parts: Vec<&Value> = because.get("parts").and_then(Value::as_array).into_iter().flatten().collect();
    let condition =
        because.get("condition").map(|said| if parts.is_empty() { said.to_string() } else { head(said) });
    let until = if text("until").is_empty() { String::new() } else { format!("  (until {})", text("until")) };
    let indent = "  ".repeat(depth);
    lines.push(format!("{indent}{:<7} {}{until}", text("answer"), condition.unwrap_or_default()));
    if let Some(data) = because.get("data").filter(|data| !data.is_null()) {
        lines.push(format!("{indent}        on {data}"));
    }
    for part in parts {
        tree(part, depth + 1, lines);
    }
}

/// Of a condition with parts only its word: the parts follow.
fn head(said: &Value) -> String {
    let words = ["all", "any", "not", "score", "segment", "lapsed", "absent"];
    let word = words.into_iter().find(|word| said.get(*word).is_some());
    word.map_or_else(
        || said.to_string(),
        |word| {
            let named = said.get(word).filter(|value| value.is_string());
            named.map_or_else(|| word.to_owned(), |name| format!("{word} {name}"))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_a_tree() {
        let leaf = json!({
            "condition": {"event": "Ordered", "within": "30d"}, "answer": "holds",
            "until": "2026-12-01T00:00:00.000Z", "data": {"events": {"kept": 1}}, "parts": [],
        });
        let because = json!({
            "condition": {"all": [1, 2]}, "answer": "fails", "until": null, "data": null,
            "parts": [leaf, {"condition": {"trait": "plan", "is": "pro"}, "answer": "fails", "until": null, "data": {"value": null}, "parts": []}],
        });
        let mut lines = Vec::new();
        tree(&because, 0, &mut lines);
        assert_eq!(
            lines,
            [
                "fails   all",
                r#"  holds   {"event":"Ordered","within":"30d"}  (until 2026-12-01T00:00:00.000Z)"#,
                r#"          on {"events":{"kept":1}}"#,
                r#"  fails   {"is":"pro","trait":"plan"}"#,
                r#"          on {"value":null}"#,
            ]
        );
    }
}
