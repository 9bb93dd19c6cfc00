//! Why a profile is who it is: what tied what to what, when, and what was
//! refused or taken apart.

use std::collections::BTreeMap;

use domain::identifier::Identifier;
use domain::identity_request::{IdentityRequest, Order, Part, Work};
use domain::key::ProfileId;
use domain::profile::lineage::{self, Refused, TakenApart};
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::packed::Corrupt;
use domain::profile::stored::ItemKey;
use domain::profile::{Absorbed, page};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::People;
use serde_json::{Value, json};

use super::answer::Problem;
use super::fields::Fields;
use super::find::{self, Found, unreadable};
use super::shape;
use crate::write::after;

/// Characters of the reason that an operator gives.
const WHY_MAX: usize = 500;

/// The whole lineage of a person.
pub(crate) async fn read<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    found: &Found,
) -> Result<Value, Problem> {
    let mut ties: BTreeMap<u64, Tie> = BTreeMap::new();
    let mut refusals: BTreeMap<u64, Refused> = BTreeMap::new();
    let mut separations: Vec<TakenApart> = Vec::new();
    for (id, _) in found.profile.collections(found.id) {
        for tie in items(people, workspace, id, page::tie_range(), page::read_tie).await? {
            ties.insert(tie.mark(), tie);
        }
        for refused in items(people, workspace, id, lineage::refused_range(), lineage::read_refused).await? {
            refusals.insert(refused.tie.mark(), refused);
        }
        let range = lineage::taken_apart_range();
        separations.extend(items(people, workspace, id, range, lineage::read_taken_apart).await?);
    }
    separations.sort_by_key(|one| (one.at, one.leaves));
    separations.dedup();
    let profile = &found.profile;
    let of_person = |one: &Identifier| profile.identifiers.contains_key(one);
    let is_open = |tie: &Tie| !tie.identifiers.iter().all(of_person) && !refusals.contains_key(&tie.mark());
    let merges = profile.family.absorbed.iter().map(|(id, how)| merge(*id, how, ties.get(&how.tie)));
    let identifiers = profile.identifiers.iter().map(
        |(one, held)| json!({ "kind": one.kind(), "value": one.value(), "since": held.since.rfc3339() }),
    );
    Ok(json!({
        "id": found.id.to_string(),
        "identifiers": identifiers.collect::<Vec<_>>(),
        "merges": merges.collect::<Vec<_>>(),
        "open_ties": ties.values().filter(|tie| is_open(tie)).map(shape::tie).collect::<Vec<_>>(),
        "refusals": refusals.values().map(refusal).collect::<Vec<_>>(),
        "taken_apart": separations.iter().map(separation).collect::<Vec<_>>(),
        "apart": profile.family.apart.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
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
    pub(crate) fn merge(self, found: &Found, body: &Fields<'_>) -> Result<IdentityRequest, Problem> {
        body.only(&["identifier", "why"])?;
        let other = super::named(body)?;
        self.why(body)?;
        let home = found.profile.identifiers.keys().find(|one| **one != other).ok_or_else(|| {
            Problem::from(body.bad("identifier", "must be another than the profile's only one"))
        })?;
        let tie = Tie {
            identifiers: [home.clone(), other],
            reason: TieReason::Operator,
            source: self.by.to_owned(),
            message_id: self.trace.to_owned(),
            at: self.now,
        };
        Ok(self.request(Work::Merge(tie)))
    }

    /// Takes an absorbed profile out, or an identifier off.
    pub(crate) fn take_out(self, body: &Fields<'_>) -> Result<IdentityRequest, Problem> {
        body.only(&["absorbed", "identifier", "why"])?;
        let part = match body.text("absorbed")? {
            Some(id) => Part::Absorbed(find::id(id)?),
            None => Part::Identifier(super::named(body)?),
        };
        let order = self.order(body)?;
        Ok(self.request(Work::TakeOut { part, order }))
    }

    /// Lets what was taken apart be made one again.
    pub(crate) fn allow(self, found: &Found, body: &Fields<'_>) -> Result<IdentityRequest, Problem> {
        body.only(&["with", "why"])?;
        let other = find::id(body.required_text("with")?)?;
        let order = self.order(body)?;
        Ok(self.request(Work::Allow { profiles: [found.id, other], order }))
    }

    fn request(self, work: Work) -> IdentityRequest {
        IdentityRequest { workspace: self.workspace.clone(), work }
    }

    fn order(self, body: &Fields<'_>) -> Result<Order, Problem> {
        let why = self.why(body)?;
        Ok(Order { id: self.trace.to_owned(), by: self.by.to_owned(), why })
    }

    fn why(self, body: &Fields<'_>) -> Result<String, Problem> {
        let why = body.text("why")?.unwrap_or_default();
        if why.chars().count() > WHY_MAX {
            return Err(body.bad("why", format!("has at most {WHY_MAX} characters")).into());
        }
        Ok(why.to_owned())
    }
}
