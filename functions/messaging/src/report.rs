//! What became of a message so far, of all that is kept of it.

use std::collections::BTreeMap;

use domain::key::{DeliveryId, IdKey};
use domain::messaging::mark::{self, Mark};
use domain::messaging::outreach::{Message, MessageId};
use domain::messaging::report::{Outcome, Report};
use domain::messaging::run::{self, Outcomes, Page};
use domain::profile::stored::{Item, ItemKey};
use domain::workspace::WorkspaceId;
use ports::{People, Unavailable};

use crate::store;

/// Sums what became of a message, by variant: of every delivery that a provider
/// took, however many people it was for.
pub async fn report<P: People>(
    people: &P,
    (key, workspace): (&IdKey, &WorkspaceId),
    (id, message): (&MessageId, &Message),
) -> Result<Report, Unavailable> {
    let collection = key.message_run(workspace, id.as_str());
    let mut marks: BTreeMap<DeliveryId, Outcome> = BTreeMap::new();
    let (from, to) = mark::all();
    each(people, workspace, collection, (from, to), |item| {
        let mark = Mark::read(item).map_err(store::unreadable("reading a mark"))?;
        marks.extend(mark::delivery(&item.key).map(|delivery| (delivery, mark.outcome())));
        Ok(())
    })
    .await?;
    let mut outcomes = Outcomes::default();
    each(people, workspace, collection, run::pages(), |item| {
        outcomes.take(&Page::read(item).map_err(store::unreadable("reading what became of people"))?);
        Ok(())
    })
    .await?;
    let mut sent: BTreeMap<DeliveryId, u8> = BTreeMap::new();
    for (_, row) in outcomes.rows() {
        match row.outcome {
            run::Outcome::Sent(_, delivery) => drop(sent.insert(delivery, row.variant)),
            // A receipt told that it was sent after all.
            run::Outcome::Unknown(_, delivery) if marks.contains_key(&delivery) => {
                sent.insert(delivery, row.variant);
            }
            run::Outcome::Unknown(..)
            | run::Outcome::Refused(..)
            | run::Outcome::Skipped(_)
            | run::Outcome::Waits { .. }
            | run::Outcome::Unrendered
            | run::Outcome::HeldOut
            | run::Outcome::Left
            | run::Outcome::Cancelled => (),
        }
    }
    let mut report = Report::default();
    for (delivery, variant) in sent {
        report.count(&named(message, variant), &marks.remove(&delivery).unwrap_or_default());
    }
    Ok(report)
}

/// The name of a variant: that of its template; the only one of a message has none.
fn named(message: &Message, place: u8) -> String {
    if message.variants.len() < 2 {
        return String::new();
    }
    let variant = message.variants.get(usize::from(place));
    variant.map_or_else(|| place.to_string(), |variant| variant.template.to_string())
}

/// Looks at each item of a range, a page at a time.
async fn each<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    collection: domain::key::ProfileId,
    (mut from, to): (ItemKey, ItemKey),
    mut look: impl FnMut(&Item) -> Result<(), Unavailable>,
) -> Result<(), Unavailable> {
    loop {
        let page = people.items(workspace, collection, &from, &to).await?;
        page.items.iter().try_for_each(&mut look)?;
        match page.next {
            Some(last) => from = store::after(&last),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
