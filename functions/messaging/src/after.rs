//! What became of deliveries, into their marks and back to people's profiles.
//!
//! News are told before the mark says that they were: whoever falls between the
//! two tells them again, under the same name.

use domain::identifier::Identifier;
use domain::key::{DeliveryId, IdKey};
use domain::message::Message;
use domain::messaging::address::Delivery;
use domain::messaging::mark::{self, Fact, Mark};
use domain::messaging::news::{News, Of};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::people::SaveError;
use ports::queue::Outgoing;
use ports::{Definitions, People, Queue, Unavailable};
use runtime::definitions::Cached;

use crate::store::{self, ATTEMPTS_MAX, Contended, Seen};

/// What it takes to note something.
#[derive(Debug)]
pub(crate) struct After<'a, P, D, Q> {
    pub(crate) people: &'a P,
    pub(crate) definitions: &'a Cached<D>,
    /// The profile queue.
    pub(crate) queue: &'a Q,
    pub(crate) key: &'a IdKey,
}

/// A delivery of an address, wherever it stands.
pub(crate) async fn find<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    seen: &Seen,
    id: DeliveryId,
) -> Result<Option<Delivery>, Unavailable> {
    if let Some(known) = seen.address.delivery(id) {
        return Ok(Some(known.clone()));
    }
    if !seen.address.is_paged(Timestamp::default()) {
        return Ok(None);
    }
    let paged = store::paged(people, workspace, seen.collection).await?;
    Ok(paged.into_iter().find(|known| known.id == id))
}

impl<P: People, D: Definitions, Q: Queue> After<'_, P, D, Q> {
    /// Notes something of a delivery; `true` if it was new. Without an address
    /// nobody's profile can be told.
    pub(crate) async fn note(
        &self,
        workspace: &WorkspaceId,
        (delivery, to): (&Delivery, Option<&Identifier>),
        fact: &Fact,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let collection = self.key.message_run(workspace, delivery.message.as_str());
        for _ in 0..ATTEMPTS_MAX {
            let seen = store::item(self.people, workspace, collection, &mark::key(delivery.id)).await?;
            let read = seen.as_ref().map(Mark::read).transpose();
            let read = read.map_err(store::unreadable("reading a mark"))?;
            let mut mark = read.unwrap_or_else(|| Mark::of(delivery));
            let heard = mark.hear(fact);
            if !heard.is_new {
                return Ok(false);
            }
            if let Some((news, to)) = heard.news.zip(to) {
                self.tell(workspace, (delivery, to), (news, fact.at()), now).await?;
            }
            let next = mark.item(delivery.id);
            match self.people.replace(workspace, collection, seen.as_ref(), &next).await {
                Ok(()) => return Ok(true),
                // Another writer came between, or this was ours and its answer was lost: look again.
                Err(SaveError::Conflict) => (),
                Err(SaveError::Unavailable(cause)) => return Err(cause),
            }
        }
        Err(Unavailable::new("noting what became of a delivery", Contended))
    }

    async fn tell(
        &self,
        workspace: &WorkspaceId,
        (delivery, address): (&Delivery, &Identifier),
        (news, at): (News, Timestamp),
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let Some(known) = self.definitions.workspace(workspace, now).await? else { return Ok(()) };
        if known.rules.homing(now).blocks(address) {
            return Ok(()); // An address that names nobody, by the rules.
        }
        let event = news.event(&Of { address, delivery, at, rules: known.rules.version, received: now });
        let (workspace, trace) = (workspace.clone(), delivery.id.to_string());
        let message = Message { workspace, trace, events: vec![event] };
        self.queue.send(Outgoing::events(message)).await
    }
}
