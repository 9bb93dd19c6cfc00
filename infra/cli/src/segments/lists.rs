//! Lists made by hand: a file of people who are put on one, or taken off it.
//!
//! A list is a trait of each person, written by the same way as all others, and
//! a segment of those who have it.

use std::collections::BTreeSet;

use domain::identifier::is_kind;
use domain::segment::stored::SegmentId;
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::{Unusable, find};
use crate::client::Client;
use crate::operate::{self, Order, arguments::Owner, arguments::Place};
use crate::output::{self, Failed};

/// Profiles of one request.
const SENT_AT_ONCE: usize = 500;
/// Refused rows that are told one by one.
const TOLD_MAX: usize = 20;

/// What becomes of the people of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// They join those who are there.
    Append,
    /// They are all who are there.
    Replace,
    Remove,
}

/// Who is named by a line of the file.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    line: u64,
    identifiers: Vec<(String, String)>,
}

/// What a command is about.
pub(crate) struct Asked<'a> {
    pub(crate) segment: &'a SegmentId,
    pub(crate) source: Option<&'a str>,
    pub(crate) owner: Owner,
    pub(crate) place: &'a Place,
}

impl Asked<'_> {
    pub(crate) async fn carry_out(self, verb: Verb, file: &str, now: Timestamp) -> Result<(), Failed> {
        let rows = read(file)?;
        let client = Client::of(&self.place.target)?;
        let known = find(&client, self.segment).await?;
        if known.is_none() && verb == Verb::Remove {
            return Err(Unusable::Unknown(self.segment.to_string()).into());
        }
        if let Some(document) = &known
            && document.pointer("/when/listed").and_then(Value::as_str) != Some(self.segment.as_str())
        {
            return Err(Unusable::NoList(self.segment.clone()).into());
        }
        if known.is_none() && verb == Verb::Append {
            self.publish(None, now).await?;
        }
        let at = if verb == Verb::Remove { Value::Null } else { json!(now.millis()) };
        let refused = self.send(&client, &rows, &at).await?;
        // Only now: whoever is on the list still is, until all who stay are on it anew.
        if verb == Verb::Replace {
            self.publish(known.as_ref(), now).await?;
        }
        let done = match verb {
            Verb::Append | Verb::Replace => "put on",
            Verb::Remove => "taken off",
        };
        let sent = rows.len() - refused.len();
        output::line(&format!("{sent} people are {done} `{}` within seconds.", self.segment));
        if refused.is_empty() { Ok(()) } else { Err(Unusable::Rows(refused).into()) }
    }

    async fn publish(&self, known: Option<&Value>, since: Timestamp) -> Result<(), Failed> {
        let name = known.and_then(|known| known.get("name")).cloned();
        let name = name.unwrap_or_else(|| json!(self.segment));
        let document = json!({ "name": name, "when": { "listed": self.segment, "since": since.rfc3339() } });
        let (workspace, segment) = (self.owner.workspace.clone(), self.segment.clone());
        let order = Order::SetSegment { workspace, segment, document: document.to_string() };
        operate::run(self.place, order).await
    }

    /// Gives back what was refused, each with its line.
    async fn send(&self, client: &Client, rows: &[Row], at: &Value) -> Result<Vec<String>, Failed> {
        let mut refused = Vec::new();
        for some in rows.chunks(SENT_AT_ONCE) {
            let profiles: Vec<Value> = some.iter().map(|row| self.profile(row, at)).collect();
            let answer = client.post("/v1/profiles/batch", &json!({ "profiles": profiles })).await?;
            let results =
                answer.get("results").and_then(Value::as_array).ok_or(Unusable::Missing("results"))?;
            for (row, result) in some.iter().zip(results) {
                if let Some(detail) = result.get("detail").and_then(Value::as_str) {
                    refused.push(format!("line {}: {detail}", row.line));
                }
            }
        }
        Ok(refused)
    }

    fn profile(&self, row: &Row, at: &Value) -> Value {
        let identifier = |(kind, value): &(String, String)| json!({ "kind": kind, "value": value });
        let mut profile = json!({
            "identifiers": row.identifiers.iter().map(identifier).collect::<Vec<_>>(),
            "traits": { domain::segment::list::RESERVED: { "lists": { self.segment.as_str(): at } } },
        });
        if let (Some(source), Some(profile)) = (self.source, profile.as_object_mut()) {
            profile.insert("source".to_owned(), json!(source));
        }
        profile
    }
}

/// Reads a table whose first line names a kind of identifier for each column.
fn read(file: &str) -> Result<Vec<Row>, Unusable> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file.as_bytes());
    let kinds = reader.headers().map_err(Unusable::Table)?.clone();
    let kind = |kind: &str| kind.trim_start_matches('\u{feff}').to_owned();
    let kinds: Vec<String> = kinds.iter().map(kind).collect();
    let once: BTreeSet<&String> = kinds.iter().collect();
    if let Some(wrong) = kinds.iter().find(|kind| !is_kind(kind)) {
        return Err(Unusable::Kind(wrong.clone()));
    }
    if once.len() < kinds.len() || kinds.is_empty() {
        return Err(Unusable::Kinds);
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(Unusable::Table)?;
        let line = record.position().map_or(0, csv::Position::line);
        let said = kinds.iter().zip(&record).filter(|(_, value)| !value.is_empty());
        let identifiers: Vec<_> = said.map(|(kind, value)| (kind.clone(), value.to_owned())).collect();
        if identifiers.is_empty() {
            return Err(Unusable::Nobody(line));
        }
        rows.push(Row { line, identifiers });
    }
    if rows.is_empty() { Err(Unusable::NoRows) } else { Ok(rows) }
}

/// The first of what was refused, and how many more there are.
pub(super) fn told(refused: &[String]) -> String {
    let mut lines: Vec<String> = refused.iter().take(TOLD_MAX).cloned().collect();
    if refused.len() > TOLD_MAX {
        lines.push(format!("and {} more", refused.len() - TOLD_MAX));
    }
    lines.join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(file: &str) -> String {
        runtime::failure::chain(&read(file).unwrap_err())
    }

    #[test]
    fn a_table_names_people_by_as_many_kinds_as_it_has_columns() {
        let rows = read("\u{feff}email, user_id\nann@example.com,u-1\n\"bo@example.com\", \n,u-3\n").unwrap();
        let named =
            |row: &Row| row.identifiers.iter().map(|(kind, value)| format!("{kind}:{value}")).collect();
        let named: Vec<Vec<String>> = rows.iter().map(named).collect();
        assert_eq!(
            named,
            [vec!["email:ann@example.com", "user_id:u-1"], vec!["email:bo@example.com"], vec!["user_id:u-3"]]
        );
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn a_table_that_names_nobody_says_where() {
        assert!(wrong("e mail\nann@example.com\n").contains("`e mail` is no kind"));
        assert!(wrong("email,email\na,b\n").contains("each once"));
        assert!(wrong("email,user_id\na,b\n , \n").contains("line 3 names nobody"));
        assert!(wrong("email\n").contains("no line"));
        assert!(wrong("email,user_id\na\n").contains("line: 2"));
    }

    #[test]
    fn of_many_refused_rows_the_first_are_told() {
        let refused: Vec<String> = (0..25).map(|line| format!("line {line}: blocked")).collect();
        assert!(told(&refused).ends_with("line 19: blocked\n  and 5 more"));
    }
}
