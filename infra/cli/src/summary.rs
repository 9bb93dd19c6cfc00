//! What a local platform holds, counted: for the demo's last lines.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::identifier::Identifier;
use domain::profile::counters::Money;
use domain::profile::outbox::Tie;
use domain::profile::{Profile, lineage, page};
use domain::rejection::Reason;
use domain::workspace::{SourceId, WorkspaceId};
use ports::{Clock as _, Rejections as _};
use serde_json::{Value, json};

use crate::boot;
use crate::clock::LocalClock;
use crate::output::Failed;

/// Reasons for which something was left out of an event, or did not follow from it.
const EVENT_STANDS: [Reason; 5] = [
    Reason::IdentifierBlocked,
    Reason::IdentifierLimit,
    Reason::InvalidIdentifier,
    Reason::TraitsOverflow,
    Reason::MergeRefused,
];

#[derive(Debug, Default)]
struct Counted {
    profiles: u64,
    events: u64,
    identifiers: u64,
    /// Each by its mark, once: it stands with both of its profiles.
    ties: BTreeMap<u64, Tie>,
    /// Why ties did not become merges.
    refused: BTreeMap<u64, String>,
    /// The ties for which profiles were taken in.
    merges: Vec<u64>,
    /// Which profile holds an identifier now.
    held: HashMap<Identifier, u64>,
    due: u64,
    revenue: BTreeMap<String, (i128, u64)>,
    people: People,
}

/// Who is one person if every tie is taken for a merge.
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
        "identifiers": counted.identifiers, "open_ties": counted.open_ties(), "due": counted.due,
        "merges": by_name(counted.merge_reasons()), "refusals": by_name(counted.refused.values().map(String::as_str)),
        "revenue": revenue, "refused": refused(rejections, clock).await?,
    }))
}

/// Events refused today, by all sources.
async fn refused(rejections: &dynamodb::Rejections<LocalClock>, clock: &LocalClock) -> Result<u64, Failed> {
    let workspace = WorkspaceId::parse(boot::WORKSPACE)?;
    let mut refused = 0;
    for (source, _) in boot::SOURCES {
        let counts = rejections.counts(&workspace, &SourceId::parse(source)?, clock.now()).await?;
        let ours = |reason: &str| !EVENT_STANDS.iter().any(|stands| stands.name() == reason);
        refused += counts.iter().filter(|(reason, _)| ours(reason)).map(|(_, count)| count).sum::<u64>();
    }
    Ok(refused)
}

fn by_name<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    json!(counts)
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
            self.people.join(tie.identifiers.iter());
            self.ties.insert(tie.mark(), tie);
        } else if sk.starts_with("refusal#") {
            let refused = lineage::read_refused(body)?;
            self.refused.insert(refused.tie.mark(), refused.reason);
        }
        Ok(())
    }

    /// Ties on which nothing has been decided yet.
    fn open_ties(&self) -> usize {
        let is_open = |mark: &u64, [a, b]: &[Identifier; 2]| {
            let [a, b] = [a, b].map(|identifier| self.held.get(identifier));
            !self.refused.contains_key(mark) && (a.is_none() || a != b)
        };
        self.ties.iter().filter(|(mark, tie)| is_open(mark, &tie.identifiers)).count()
    }

    fn merge_reasons(&self) -> impl Iterator<Item = &'static str> {
        self.merges.iter().map(|mark| self.ties.get(mark).map_or("unknown", |tie| tie.reason.name()))
    }

    /// Who was taken in keeps what it had, which its survivor has too.
    fn profile(&mut self, profile: &Profile) {
        if profile.family.absorbed_into.is_some() {
            return;
        }
        self.profiles += 1;
        self.merges.extend(profile.family.absorbed.values().map(|how| how.tie));
        self.held.extend(profile.identifiers.keys().map(|one| (one.clone(), self.profiles)));
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
    use domain::key::ProfileId;
    use domain::profile::merge::Refusal;
    use domain::profile::outbox::TieReason;
    use domain::profile::stored::Item;
    use domain::profile::{Absorbed, Held};
    use domain::time::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

    fn id(value: &str) -> Identifier {
        Identifier::parse("card", value, None).unwrap()
    }

    fn tie(a: &str, b: &str) -> Tie {
        let identifiers = [id(a), id(b)];
        let (source, message_id) = ("web".to_owned(), "m".to_owned());
        Tie { identifiers, reason: TieReason::Alias, source, message_id, at: NOW }
    }

    fn stored(sk: &str, body: Vec<u8>) -> HashMap<String, AttributeValue> {
        let sk = AttributeValue::S(sk.to_owned());
        HashMap::from([("sk".to_owned(), sk), ("b".to_owned(), AttributeValue::B(body.into()))])
    }

    #[test]
    fn who_was_taken_in_is_counted_with_the_survivor_and_each_tie_once() {
        let [one, two] = [1, 2].map(|nth| ProfileId::from_bytes([nth; 16]));
        let holding = |held: &[&str]| Profile {
            identifiers: held.iter().map(|one| (id(one), Held { generation: 0, since: NOW })).collect(),
            ..Profile::default()
        };
        let mut survivor = holding(&["a", "b"]);
        let how = Absorbed { epoch: 0, at: NOW, tie: tie("a", "b").mark() };
        survivor.family.absorbed.insert(two, how);
        let mut absorbed = holding(&["b"]);
        absorbed.family.absorbed_into = Some(one);
        let mut counted = Counted::default();
        for profile in [survivor, absorbed, holding(&["c"]), holding(&["d"])] {
            counted.add(&stored("profile", profile.encode())).unwrap();
        }
        let ties = [("a", "b"), ("b", "c"), ("c", "d")].map(|(a, b)| page::tie(&tie(a, b)));
        let refused = lineage::refused(&tie("c", "d"), &Refusal::Apart, NOW);
        for Item { key, body } in ties.iter().chain(&ties).cloned().chain([refused]) {
            counted.add(&stored(&key.0, body)).unwrap();
        }
        assert_eq!((counted.profiles, counted.identifiers, counted.open_ties()), (3, 4, 1));
        assert_eq!(by_name(counted.merge_reasons()), json!({ "alias": 1 }));
        assert_eq!(counted.refused.values().collect::<Vec<_>>(), ["taken_apart"]);
        assert_eq!(counted.people.count(), 1);
    }

    #[test]
    fn people_are_counted_over_their_ties() {
        let mut people = People::default();
        people.join([id("a"), id("b")].iter());
        people.join([id("c")].iter());
        assert_eq!(people.count(), 2);
        people.join([id("b"), id("c")].iter());
        assert_eq!(people.count(), 1);
    }
}
