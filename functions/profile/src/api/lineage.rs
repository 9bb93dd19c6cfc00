//! Why a profile is who it is: what tied what to what, when, and what was
//! refused or taken apart.

use std::collections::BTreeMap;

use domain::event::Event;
use domain::identifier::Identifier;
use domain::identity_request::{IdentityRequest, Order, Part, Work};
use domain::key::{IdKey, ProfileId};
use domain::profile::counters::Count;
use domain::profile::lineage::{self, LeftOut, Refused, TakenApart};
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::packed::Corrupt;
use domain::profile::stored::{IdentityRow, ItemKey, Owner};
use domain::profile::{Absorbed, Profile, page};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::People;
use ports::people::Read;
use serde_json::{Value, json};

use super::answer::Problem;
use super::fields::Fields;
use super::find::{Found, unreadable};
use super::shape;
use crate::write::after;

/// Characters of the reason that an operator gives.
const WHY_MAX: usize = 500;

/// The whole lineage of a person.
pub(crate) async fn read<P: People>(
    people: &P,
    key: &IdKey,
    workspace: &WorkspaceId,
    found: &Found,
) -> Result<Value, Problem> {
    let waiting = found.profile.outbox.ties().iter().map(|tie| (tie.mark(), tie.clone()));
    let mut ties: BTreeMap<u64, Tie> = waiting.collect();
    let mut refusals: BTreeMap<u64, Refused> = BTreeMap::new();
    let mut separations: Vec<TakenApart> = Vec::new();
    let mut left_out: BTreeMap<(&str, String), LeftOut> = BTreeMap::new();
    for (id, _) in found.profile.collections(found.id) {
        for tie in items(people, workspace, id, page::tie_range(), page::read_tie).await? {
            ties.insert(tie.mark(), tie);
        }
        for refused in items(people, workspace, id, lineage::refused_range(), lineage::read_refused).await? {
            refusals.insert(refused.tie.mark(), refused);
        }
        let range = lineage::taken_apart_range();
        separations.extend(items(people, workspace, id, range, lineage::read_taken_apart).await?);
        let range = lineage::left_out_range();
        for left in items(people, workspace, id, range, lineage::read_left_out).await? {
            let place = (left.reason.name(), left.identifier.kind().to_owned());
            let known = left_out.entry(place).or_insert_with(|| left.clone());
            if known.at < left.at {
                *known = left;
            }
        }
    }
    separations.sort_by_key(|one| (one.at, one.leaves));
    separations.dedup();
    let profile = &found.profile;
    let open = open(people, key, workspace, profile, &ties, &refusals).await?;
    let merges = profile.family.absorbed.iter().map(|(id, how)| merge(*id, how, ties.get(&how.tie)));
    let mut identifiers = Vec::new();
    for (one, held) in &profile.identifiers {
        let because = brought_by(people, workspace, found, one, held.since).await?;
        let because = because.as_ref().map(event);
        identifiers.push(json!({
            "kind": one.kind(), "value": one.value(), "since": held.since.rfc3339(), "because": because,
        }));
    }
    Ok(json!({
        "id": found.id.to_string(),
        "identifiers": identifiers,
        "merges": merges.collect::<Vec<_>>(),
        "open_ties": open.into_iter().map(shape::tie).collect::<Vec<_>>(),
        "refusals": refusals.values().map(refusal).collect::<Vec<_>>(),
        "taken_apart": separations.iter().map(separation).collect::<Vec<_>>(),
        "left_out": left_out.values().map(left).collect::<Vec<_>>(),
        "blocked": profile.counters.blocked.iter().map(blocked).collect::<Vec<_>>(),
        "apart": profile.family.apart.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}

/// Ties on which nothing has been decided yet: neither carried out nor refused,
/// and not to somebody from whom an operator took the person apart.
async fn open<'a, P: People>(
    people: &P,
    key: &IdKey,
    workspace: &WorkspaceId,
    profile: &Profile,
    ties: &'a BTreeMap<u64, Tie>,
    refusals: &BTreeMap<u64, Refused>,
) -> Result<Vec<&'a Tie>, Problem> {
    let foreign = |tie: &'a Tie| tie.identifiers.iter().find(|one| !profile.identifiers.contains_key(*one));
    let undecided = ties.values().filter(|tie| !refusals.contains_key(&tie.mark()));
    let undecided: Vec<(&Tie, &Identifier)> =
        undecided.filter_map(|tie| foreign(tie).map(|one| (tie, one))).collect();
    if profile.family.apart.is_empty() {
        return Ok(undecided.into_iter().map(|(tie, _)| tie).collect());
    }
    let keys: Vec<_> = undecided.iter().map(|(_, one)| key.identifier(workspace, one)).collect();
    let rows = people.identities(workspace, &keys, Read::Consistent).await?;
    let is_apart = |row: Option<IdentityRow>| match row.map(|row| row.owner) {
        Some(Owner::Profile(owner)) => profile.family.apart.contains(&owner),
        _ => false,
    };
    let open = undecided.into_iter().zip(rows).filter(|(_, row)| !is_apart(*row));
    Ok(open.map(|((tie, _), _)| tie).collect())
}

/// The event that brought an identifier, if its page is still kept.
async fn brought_by<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    found: &Found,
    identifier: &Identifier,
    since: Timestamp,
) -> Result<Option<Event>, Problem> {
    let is_it = |event: &Event| event.event_time == since && event.identifiers.contains(identifier);
    for (id, epoch) in found.profile.collections(found.id) {
        let range = page::timeline_range(epoch, since, since);
        let pages = items(people, workspace, id, range, page::read_timeline).await?;
        if let Some(event) = pages.into_iter().flatten().find(is_it) {
            return Ok(Some(event));
        }
    }
    Ok(None)
}

async fn items<P: People, T>(
    people: &P,
    workspace: &WorkspaceId,
    id: ProfileId,
    (mut from, to): (ItemKey, ItemKey),
    read: impl Fn(&[u8]) -> Result<T, Corrupt>,
) -> Result<Vec<T>, Problem> {
    let mut found = Vec::new();
    loop {
        let page = people.items(workspace, id, &from, &to).await?;
        for item in &page.items {
            found.push(read(&item.body).map_err(unreadable)?);
        }
        match page.next {
            Some(next) => from = after(&next),
            None => return Ok(found),
        }
    }
}

fn event(event: &Event) -> Value {
    let home = event.home().map(|home| json!({ "kind": home.kind(), "value": home.value() }));
    json!({
        "type": event.kind.name(),
        "home": home,
        "source": event.source.as_str(),
        "message_id": event.message_id,
    })
}

fn merge(id: ProfileId, how: &Absorbed, tie: Option<&Tie>) -> Value {
    json!({ "absorbed": id.to_string(), "at": how.at.rfc3339(), "because": tie.map(shape::tie) })
}

fn refusal(refused: &Refused) -> Value {
    json!({
        "tie": shape::tie(&refused.tie),
        "reason": refused.reason,
        "detail": refused.detail,
        "at": refused.at.rfc3339(),
    })
}

fn left(left: &LeftOut) -> Value {
    json!({
        "kind": left.identifier.kind(),
        "value": left.identifier.value(),
        "reason": left.reason.name(),
        "rules": left.rules,
        "source": left.source,
        "message_id": left.message_id,
        "at": left.at.rfc3339(),
    })
}

fn blocked((kind, count): (&String, &Count)) -> Value {
    let moment = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
    json!({ "kind": kind, "count": count.count, "first": moment(count.first), "last": moment(count.last) })
}

fn separation(record: &TakenApart) -> Value {
    json!({
        "stays": record.stays.to_string(),
        "leaves": record.leaves.to_string(),
        "at": record.at.rfc3339(),
        "by": record.by,
        "why": record.why,
        "events": { "stays": record.events.0, "leaves": record.events.1 },
        "named_both": { "count": record.both, "message_ids": record.named_both },
    })
}

/// Who orders something, and by which request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ordered<'a> {
    pub(crate) workspace: &'a WorkspaceId,
    pub(crate) by: &'a str,
    pub(crate) trace: &'a str,
    pub(crate) now: Timestamp,
}

impl Ordered<'_> {
    /// Makes the person one with the one who holds another identifier.
    pub(crate) fn merge(
        self,
        found: &Found,
        body: &Fields<'_>,
        (identifier, other): (Identifier, &Found),
    ) -> Result<IdentityRequest, Problem> {
        let home = found.profile.identifiers.keys().next().filter(|_| other.id != found.id);
        let home = home.ok_or_else(|| body.bad("identifier", "must be another person's"))?;
        let tie = Tie {
            identifiers: [home.clone(), identifier],
            reason: TieReason::Operator,
            source: self.by.to_owned(),
            message_id: self.trace.to_owned(),
            at: self.now,
        };
        Ok(self.request(Work::Merge(tie)))
    }

    /// Takes an absorbed profile out, or an identifier off.
    pub(crate) fn take_out(self, found: &Found, body: &Fields<'_>) -> Result<IdentityRequest, Problem> {
        body.only(&["absorbed", "identifier", "why"])?;
        let part = part(&found.profile, body)?;
        let why = body.text("why")?.unwrap_or_default();
        if why.chars().count() > WHY_MAX {
            return Err(body.bad("why", format!("has at most {WHY_MAX} characters")).into());
        }
        Ok(self.request(Work::TakeOut { part, order: self.order(why) }))
    }

    /// Lets what was taken apart be made one again.
    pub(crate) fn allow(self, found: &Found, body: &Fields<'_>) -> Result<IdentityRequest, Problem> {
        body.only(&["with"])?;
        let apart = &found.profile.family.apart;
        let other = ProfileId::parse(body.required_text("with")?).filter(|id| apart.contains(id));
        let other = other.ok_or_else(|| body.bad("with", "must be one of the lineage's `apart`"))?;
        Ok(self.request(Work::Allow { profiles: [found.id, other], order: self.order("") }))
    }

    fn request(self, work: Work) -> IdentityRequest {
        IdentityRequest { workspace: self.workspace.clone(), work }
    }

    fn order(self, why: &str) -> Order {
        Order { id: self.trace.to_owned(), by: self.by.to_owned(), why: why.to_owned() }
    }
}

/// The part of a person that a body names, in one of two ways.
fn part(of: &Profile, body: &Fields<'_>) -> Result<Part, Problem> {
    let Some(id) = body.text("absorbed")? else {
        let one = super::named(body)?;
        let is_part = of.identifiers.len() > 1 && of.identifiers.contains_key(&one);
        return is_part
            .then_some(Part::Identifier(one))
            .ok_or_else(|| body.bad("identifier", "must be this profile's, and not its only one").into());
    };
    if body.get("identifier").is_some() {
        return Err(body.bad("identifier", "must not stand beside `absorbed`").into());
    }
    let taken_in = ProfileId::parse(id).filter(|id| of.family.absorbed.contains_key(id));
    let taken_in = taken_in.ok_or_else(|| body.bad("absorbed", "must be one of the lineage's `merges`"))?;
    Ok(Part::Absorbed(taken_in))
}
