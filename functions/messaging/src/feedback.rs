//! What providers tell of messages, and what people answer to them.
//!
//! **Invariant:** whatever is told comes twice and in any order, and changes
//! what stands once: words by when they were said, suppressions by when they
//! were caused, marks by what they hold.

mod incoming;

use domain::identifier::Identifier;
use domain::key::{EventName, IdKey, ProfileId};
use domain::messaging::Channel;
use domain::messaging::address::Reason;
use domain::messaging::consent::{About, Said};
use domain::messaging::mark::Fact;
use domain::messaging::receipt::{self, Ids, Receipt, What};
use domain::messaging::record::{How, Record};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::{Clock, Definitions, People, Queue, Unavailable};
use runtime::definitions::Cached;
use runtime::failure::Failure;

use crate::after::{After, find};
use crate::consent::{Unheard, hear_at};
use crate::store;

/// The source that words of receipts name.
const SOURCE: &str = "receipt";

/// The inward side over its ports.
#[derive(Debug)]
pub struct Feedback<P, D, Q, C> {
    pub people: P,
    pub definitions: Cached<D>,
    /// The profile queue.
    pub queue: Q,
    pub clock: C,
    pub key: IdKey,
}

/// What came of one thing that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was about a delivery of ours.
    Noted,
    /// It was about nothing that this deployment sent.
    Foreign,
    /// It says nothing that is kept.
    Ignored,
    /// Somebody wants no more texts, in so many workspaces.
    Stopped { workspaces: usize },
    /// Somebody wants what they left again: so many topics.
    Started { topics: usize },
    /// Somebody asks for help: an answer is due.
    HelpDue,
}

impl<P, D, Q, C> Feedback<P, D, Q, C>
where
    P: People,
    D: Definitions,
    Q: Queue,
    C: Clock,
{
    /// Takes in one body of the queue, which came at `received`.
    pub async fn hear(&self, body: &str, received: Timestamp) -> Result<Outcome, Failure> {
        match receipt::read(body, received).map_err(Failure::reject)? {
            receipt::Told::Receipt(receipt) => self.receipt(&receipt).await.map_err(Failure::retry),
            receipt::Told::Incoming(incoming) => self.incoming(&incoming).await.map_err(Failure::retry),
            receipt::Told::Ignored => Ok(Outcome::Ignored),
        }
    }

    async fn receipt(&self, receipt: &Receipt) -> Result<Outcome, Unheard> {
        let Receipt { at, what, ids, .. } = receipt;
        let Ids { workspace: Some(workspace), delivery: Some(id), address: Some(collection), .. } = ids
        else {
            return Ok(Outcome::Foreign);
        };
        let seen = store::address(&self.people, workspace, *collection).await?;
        if seen.item.is_none() {
            return Ok(Outcome::Foreign);
        }
        let delivery = find(&self.people, workspace, &seen, *id).await?;
        self.settle(receipt, workspace, *collection).await?;
        let of = seen.address.of().cloned();
        let channel = delivery.as_ref().map(|known| known.channel).or_else(|| of.as_ref().and_then(channel));
        if let Some(channel) = channel.filter(|_| *what == What::Complained) {
            self.complained(receipt, (workspace, *collection), of.as_ref(), channel).await?;
        }
        let fact = match *what {
            What::Delivered => Fact::Delivered { at: *at },
            What::Bounced { permanent } => Fact::Bounced { at: *at, is_permanent: permanent },
            What::Complained => Fact::Complained { at: *at },
            What::Accepted | What::Delayed | What::Rejected => return Ok(Outcome::Noted),
        };
        if let Some(delivery) = &delivery {
            let after = self.after();
            after.note(workspace, (delivery, of.as_ref()), &fact, self.clock.now()).await?;
        }
        Ok(Outcome::Noted)
    }

    /// Whatever is told of a delivery, its provider took it; and who does not
    /// exist, or calls it spam, gets nothing more.
    async fn settle(
        &self,
        receipt: &Receipt,
        workspace: &WorkspaceId,
        collection: ProfileId,
    ) -> Result<(), Unheard> {
        let reason = match receipt.what {
            What::Bounced { permanent: true } => Some(Reason::Bounced),
            What::Complained => Some(Reason::Complained),
            What::Accepted
            | What::Delivered
            | What::Delayed
            | What::Bounced { permanent: false }
            | What::Rejected => None,
        };
        let name = self.name(receipt)?;
        let changed = store::change_address(&self.people, workspace, collection, |address| {
            let id = receipt.ids.delivery.filter(|_| receipt.what != What::Rejected);
            let is_settled = id.is_some_and(|id| address.receipt(id));
            let is_suppressed = reason.is_some_and(|reason| address.suppress(Some(reason), receipt.at, name));
            (is_settled || is_suppressed, ())
        });
        Ok(changed.await?)
    }

    /// Who called a message spam has left everything on its channel.
    async fn complained(
        &self,
        receipt: &Receipt,
        (workspace, collection): (&WorkspaceId, ProfileId),
        of: Option<&Identifier>,
        channel: Channel,
    ) -> Result<(), Unheard> {
        let how = How {
            source: SOURCE.to_owned(),
            method: Some("complaint".to_owned()),
            proof: Some(receipt.provider_id.clone()),
            ..How::default()
        };
        let about = About { channel, topic: None };
        let word = Record { about, said: Said::Unsubscribed, at: receipt.at, name: self.name(receipt)?, how };
        hear_at(&self.people, (workspace, collection), of, &word, self.clock.now()).await.map(drop)
    }

    /// The name of what a receipt says: copies of it have the same.
    fn name(&self, receipt: &Receipt) -> Result<EventName, Unavailable> {
        let Receipt { at, what, provider_id, ids } = receipt;
        let collection = ids.address.map(|collection| collection.to_string()).unwrap_or_default();
        let word = format!("{what:?}/{provider_id}/{}", at.millis());
        Ok(self.key.event(&source(SOURCE)?, &word, &collection))
    }

    fn after(&self) -> After<'_, P, D, Q> {
        let Self { people, definitions, queue, key, .. } = self;
        After { people, definitions, queue, key }
    }
}

fn source(name: &str) -> Result<SourceId, Unavailable> {
    SourceId::parse(name).map_err(|cause| Unavailable::new("naming a word", cause))
}

/// The channel that an address belongs to.
fn channel(of: &Identifier) -> Option<Channel> {
    Channel::ALL.into_iter().find(|channel| channel.kind() == of.kind())
}

#[cfg(test)]
mod tests;
