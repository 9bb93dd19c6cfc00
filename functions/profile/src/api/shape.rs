//! A profile as callers see it.

use std::collections::BTreeMap;

use domain::identifier::Identifier;
use domain::key::ProfileId;
use domain::profile::counters::{Count, Counters, Money, spread};
use domain::profile::outbox::Tie;
use domain::profile::stamp::Stamp;
use domain::profile::stored::Version;
use domain::profile::traits::{Setting, Traits, shown};
use domain::profile::{Absorbed, Campaign, page};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::People;
use serde_json::{Map, Value, json};

use super::answer::Problem;
use super::find::{Found, unreadable};
use crate::write::after;

/// Ties of a profile, each once.
pub(crate) type Ties = BTreeMap<u64, Tie>;

/// The open ties: those that stand with the profile, and those that its outbox
/// has yet to put there.
pub(crate) async fn ties<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    found: &Found,
) -> Result<Ties, Problem> {
    let profile = &found.profile;
    let mut ties: Ties = profile.outbox.ties().iter().map(|tie| (tie.mark(), tie.clone())).collect();
    for (id, _) in profile.collections(found.id) {
        ties_of(people, workspace, id, &mut ties).await?;
    }
    // Both of its identifiers are this person's: it was carried out.
    ties.retain(|_, tie| !tie.identifiers.iter().all(|one| profile.identifiers.contains_key(one)));
    Ok(ties)
}

async fn ties_of<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    id: ProfileId,
    ties: &mut Ties,
) -> Result<(), Problem> {
    let (mut from, to) = page::tie_range();
    loop {
        let read = people.items(workspace, id, &from, &to).await?;
        for item in &read.items {
            let tie = page::read_tie(&item.body).map_err(unreadable)?;
            ties.insert(tie.mark(), tie);
        }
        match read.next {
            Some(next) => from = after(&next),
            None => return Ok(()),
        }
    }
}

/// Changes whenever the answer does. Ties of others arrive without a new
/// version of this profile, and so do other values of computed traits: these
/// have parts of their own.
pub(crate) fn etag(version: Version, ties: &Ties, computed: &Map<String, Value>) -> String {
    let version = self::version(version);
    let mark = ties.keys().fold(0_u64, |mark, tie| mark.rotate_left(1) ^ tie);
    let ties = if ties.is_empty() { String::new() } else { format!("-{mark:016x}") };
    // What lies in a window changes with time alone.
    let computed = (!computed.is_empty())
        .then(|| format!("-{:016x}", spread(&Value::Object(computed.clone()).to_string())));
    format!("\"{version}{ties}{}\"", computed.unwrap_or_default())
}

pub(crate) fn profile(found: &Found, ties: &Ties, computed: &Map<String, Value>) -> Value {
    let profile = &found.profile;
    let (first_seen, last_seen) = profile.counters.seen();
    let identifiers =
        profile.identifiers.keys().map(|one| json!({ "kind": one.kind(), "value": one.value() }));
    json!({
        "id": found.id.to_string(),
        "version": version(found.version),
        "identifiers": identifiers.collect::<Vec<_>>(),
        "traits": traits(&profile.traits),
        "values": profile.traits.value(),
        "computed": computed,
        "groups": profile.groups,
        "sources": profile.sources,
        "counters": counters(&profile.counters),
        "first_seen": time(first_seen),
        "last_seen": time(last_seen),
        "campaigns": { "first": touch(profile.campaigns.first.as_ref()), "last": touch(profile.campaigns.last.as_ref()) },
        "open_ties": ties.values().map(tie).collect::<Vec<_>>(),
        "absorbed": profile.family.absorbed.iter().map(absorbed).collect::<Vec<_>>(),
        // As text: most readers of JSON would round it.
        "seed": profile.seed.map(|seed| format!("{seed:016x}")),
    })
}

fn version(version: Version) -> String {
    format!("{:x}-{:016x}", version.counter, u64::from_be_bytes(version.write))
}

/// Every leaf by its path, with its provenance.
fn traits(traits: &Traits) -> Map<String, Value> {
    let leaf = |(path, written): (&str, &domain::profile::traits::Written)| match &written.value {
        Setting::Json(json) => {
            let value: Value = serde_json::from_str(json).unwrap_or_default();
            let (at, source) = (written.at.at.rfc3339(), written.source.as_str());
            Some((shown(path), json!({ "value": value, "at": at, "source": source })))
        }
        Setting::Removed | Setting::Covered => None,
    };
    traits.registers().filter_map(leaf).collect()
}

fn counters(counters: &Counters) -> Value {
    let kinds = counters.kinds.iter().map(|(kind, one)| (kind.name().to_owned(), count(one)));
    let names = counters.names.iter().map(|(name, one)| (name.clone(), count(one)));
    let revenue = counters.revenue.iter().map(|(currency, sum)| (currency.clone(), money(sum)));
    json!({
        "total": counters.total(),
        "kinds": kinds.collect::<Map<_, _>>(),
        "names": names.collect::<Map<_, _>>(),
        "other_names": count(&counters.other_names),
        "revenue": revenue.collect::<Map<_, _>>(),
    })
}

fn count(count: &Count) -> Value {
    json!({ "count": count.count, "first": time(count.first), "last": time(count.last) })
}

fn money(money: &Money) -> Value {
    json!({ "sum": money.decimal(), "count": money.count })
}

fn touch(touch: Option<&(Stamp, Campaign)>) -> Value {
    touch.map_or(Value::Null, |(stamp, campaign)| json!({ "at": stamp.at.rfc3339(), "utm": campaign }))
}

fn absorbed((id, how): (&ProfileId, &Absorbed)) -> Value {
    json!({ "id": id.to_string(), "at": how.at.rfc3339() })
}

pub(crate) fn tie(tie: &Tie) -> Value {
    let named = |one: &Identifier| json!({ "kind": one.kind(), "value": one.value() });
    json!({
        "identifiers": tie.identifiers.iter().map(named).collect::<Vec<_>>(),
        "reason": tie.reason.name(),
        "source": tie.source,
        "message_id": tie.message_id,
        "at": tie.at.rfc3339(),
    })
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::rfc3339)
}
