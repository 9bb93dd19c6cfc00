//! What a local platform holds, counted: for the demo's last lines.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::identifier::Identifier;
use domain::profile::counters::Money;
use domain::profile::{Profile, page};
use domain::workspace::{SourceId, WorkspaceId};
use ports::{Clock as _, Rejections as _};
use serde_json::{Value, json};

use crate::boot;
use crate::clock::LocalClock;
use crate::output::Failed;

#[derive(Debug, Default)]
struct Counted {
    profiles: u64,
    events: u64,
    identifiers: u64,
    ties: BTreeSet<u64>,
    due: u64,
    revenue: BTreeMap<String, (i128, u64)>,
    people: People,
}

/// Who is one person if every open tie is taken for a merge.
#[derive(Debug, Default)]
struct People(HashMap<Identifier, Identifier>);

/// Counts the whole people table; a laptop's table is small.
pub(crate) async fn of(
    client: &Client,
    people_table: &str,
    rejections: &dynamodb::Rejections<LocalClock>,
    clock: &LocalClock,
) -> Result<Value, Failed> {
    let mut counted = Counted::default();
    let mut pages = client.scan().table_name(people_table).into_paginator().items().send();
    while let Some(item) = pages.next().await {
        let item = item.map_err(|error| dynamodb::unavailable("Scan", error))?;
        counted.add(&item)?;
    }
    let revenue = counted.revenue.iter().map(|(currency, (billionths, count))| {
        (currency.clone(), json!(Money { billionths: *billionths, count: *count }.decimal()))
    });
    let revenue: serde_json::Map<String, Value> = revenue.collect();
    Ok(json!({
        "profiles": counted.profiles, "people": counted.people.count(), "events": counted.events,
        "identifiers": counted.identifiers, "open_ties": counted.ties.len(), "due": counted.due,
        "revenue": revenue, "refused": refused(rejections, clock).await?,
    }))
}

/// Events refused today, by all sources.
async fn refused(rejections: &dynamodb::Rejections<LocalClock>, clock: &LocalClock) -> Result<u64, Failed> {
    let workspace = WorkspaceId::parse(boot::WORKSPACE)?;
    let mut refused = 0;
    for (source, _) in boot::SOURCES {
        let counts = rejections.counts(&workspace, &SourceId::parse(source)?, clock.now()).await?;
        // Those events stand.
        let ours =
            |reason: &str| !matches!(reason, "identifier_limit" | "invalid_identifier" | "traits_overflow");
        refused += counts.iter().filter(|(reason, _)| ours(reason)).map(|(_, count)| count).sum::<u64>();
    }
    Ok(refused)
}

impl Counted {
    fn add(&mut self, item: &HashMap<String, AttributeValue>) -> Result<(), Failed> {
        let sk = item.get("sk").and_then(|sk| sk.as_s().ok()).map(String::as_str).unwrap_or_default();
        let Some(body) = item.get("b").and_then(|body| body.as_b().ok()).map(AsRef::as_ref) else {
            return Ok(());
        };
        if sk == "profile" {
            self.due += u64::from(item.contains_key("due"));
            self.profile(&Profile::decode(body)?);
        } else if sk.starts_with("tie#") {
            let tie = page::read_tie(body)?;
            self.ties.insert(tie.mark());
            self.people.join(tie.identifiers.iter());
        }
        Ok(())
    }

    fn profile(&mut self, profile: &Profile) {
        self.profiles += 1;
        self.events += profile.counters.total();
        self.identifiers += profile.identifiers.len() as u64;
        self.people.join(profile.identifiers.keys());
        for (currency, money) in &profile.counters.revenue {
            let sum = self.revenue.entry(currency.clone()).or_default();
            sum.0 += money.billionths;
            sum.1 += money.count;
        }
    }
}

impl People {
    fn find(&mut self, identifier: &Identifier) -> Identifier {
        let mut root = identifier.clone();
        while let Some(above) = self.0.get(&root).filter(|above| **above != root) {
            root = above.clone();
        }
        self.0.insert(identifier.clone(), root.clone());
        root
    }

    fn join<'a>(&mut self, identifiers: impl Iterator<Item = &'a Identifier>) {
        let mut first = None;
        for identifier in identifiers {
            let root = self.find(identifier);
            match &first {
                None => first = Some(root),
                Some(first) => {
                    self.0.insert(root, first.clone());
                }
            }
        }
    }

    fn count(&self) -> usize {
        self.0.iter().filter(|(identifier, above)| identifier == above).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_counted_over_their_ties() {
        let id = |value: &str| Identifier::parse("user_id", value, None).unwrap();
        let mut people = People::default();
        people.join([id("a"), id("b")].iter());
        people.join([id("c")].iter());
        assert_eq!(people.count(), 2);
        people.join([id("b"), id("c")].iter());
        assert_eq!(people.count(), 1);
    }
}
