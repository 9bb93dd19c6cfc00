//! How large the corpus's events, profiles and pages are.

use domain::profile::ledger::Ledger;
use domain::profile::traits::Traits;
use domain::profile::{Campaigns, Profile};
use serde_json::Value;

use crate::corpus::Corpus;
use crate::failed::{Failed, Wrong};
use crate::rules::{Item, count, item_bytes, stored_bytes};
use crate::store::Snapshot;
use crate::usage::{mean, quantile};

/// Values of one kind.
pub(crate) struct Sizes {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) values: Vec<u64>,
}

impl Sizes {
    pub(crate) fn median(&self) -> u64 {
        quantile(&self.values, 500)
    }

    pub(crate) fn p90(&self) -> u64 {
        quantile(&self.values, 900)
    }

    pub(crate) fn mean(&self) -> f64 {
        mean(&self.values)
    }
}

/// What the corpus is, and what it became in the store.
pub(crate) fn of(corpus: &Corpus, items: &Snapshot) -> Result<Vec<Sizes>, Failed> {
    let all = || items.iter().flat_map(|(_, items)| items);
    let of_kind =
        |kind: &'static str| all().filter(move |item| sort_key(item).split('#').next() == Some(kind));
    let bytes = |what, kind| Sizes { what, unit: "bytes", values: of_kind(kind).map(item_bytes).collect() };
    let profiles = of_kind("profile").map(profile).collect::<Result<Vec<_>, _>>()?;
    let counts = |what, of: fn(&Profile) -> usize| Sizes {
        what,
        unit: "",
        values: profiles.iter().map(|profile| count(of(profile))).collect(),
    };
    let events = |profile: &Profile| usize::try_from(profile.counters.total()).unwrap_or_default();
    Ok(vec![
        Sizes { what: "event as sent", unit: "bytes", values: corpus.event_bytes.clone() },
        bytes("profile item", "profile"),
        bytes("timeline page", "page"),
        bytes("ledger page", "ledger"),
        counts("events of a profile", events),
        counts("traits of a profile", |profile| profile.traits.registers().count()),
        counts("identifiers of a profile", |profile| profile.identifiers.len()),
        counts("ledger entries in the item", |profile| profile.ledger.entries().len()),
    ])
}

/// Takes a part out of a profile.
type Remove = fn(&mut Profile);

/// What a profile item's bytes are spent on: the median of what each part adds.
pub(crate) fn parts(items: &Snapshot) -> Result<Vec<(&'static str, u64)>, Failed> {
    let items: Vec<&Item> =
        items.iter().flat_map(|(_, items)| items).filter(|item| sort_key(item) == "profile").collect();
    let profiles = items.iter().map(|item| profile(item)).collect::<Result<Vec<_>, _>>()?;
    let without: [(&str, Remove); 5] = [
        ("traits", |profile| profile.traits = Traits::default()),
        ("ledger", |profile| profile.ledger = Ledger::default()),
        ("counts by event name", |profile| profile.counters.names.clear()),
        ("identifiers", |profile| profile.identifiers.clear()),
        ("campaigns", |profile| profile.campaigns = Campaigns::default()),
    ];
    let median = |of: &dyn Fn(&Profile) -> usize| {
        quantile(&profiles.iter().map(|profile| count(of(profile))).collect::<Vec<_>>(), 500)
    };
    let part = |(name, remove): (&'static str, Remove)| {
        let adds = |profile: &Profile| {
            let mut rest = profile.clone();
            remove(&mut rest);
            profile.encode().len().saturating_sub(rest.encode().len())
        };
        (name, median(&adds))
    };
    let mut parts: Vec<_> = without.into_iter().map(part).collect();
    let bare = |profile: &Profile| {
        let mut rest = profile.clone();
        for (_, remove) in &without {
            remove(&mut rest);
        }
        rest.encode().len()
    };
    parts.push(("the rest of the body", median(&bare)));
    let around =
        items.iter().zip(&profiles).map(|(item, profile)| item_bytes(item) - count(profile.encode().len()));
    parts.push(("keys, version and names of attributes", quantile(&around.collect::<Vec<_>>(), 500)));
    Ok(parts)
}

/// Bytes for which storage is billed.
pub(crate) fn stored(items: &Snapshot) -> u64 {
    items.iter().flat_map(|(_, items)| items).map(stored_bytes).sum()
}

fn sort_key(item: &Item) -> &str {
    item.get("sk").and_then(|sk| sk.get("S")?.as_str()).unwrap_or_default()
}

/// Reads a profile item.
pub(crate) fn profile(item: &Item) -> Result<Profile, Failed> {
    use base64::Engine as _;
    let body = item.get("b").and_then(|body| body.get("B")?.as_str()).map(str::to_owned);
    let body = body.ok_or_else(|| Wrong("a profile item has no body".to_owned()))?;
    Ok(Profile::decode(&base64::engine::general_purpose::STANDARD.decode(body)?)?)
}

/// A text attribute of an item.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.get("S")).and_then(Value::as_str).unwrap_or_default()
}
