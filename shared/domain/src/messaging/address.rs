//! What is known of one address: what was said about writing to it, whether it
//! may be written to at all, and what was sent.
//!
//! It is one item, written on the condition that nobody came between. So a
//! delivery is claimed under the very consent that the gate saw, and a
//! withdrawal sees every delivery that is under way.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::consent::{About, Consent, Said, Status, TopicId};
use super::outreach::MessageId;
use super::{Channel, Kind};
use crate::identifier::Identifier;
use crate::key::{DeliveryId, EventName};
use crate::profile::packed::{self, Corrupt};
use crate::profile::stored::{Item, ItemKey};
use crate::time::Timestamp;

/// The item of an address, in its own collection.
const KEY: &str = "address";
const PAGE: &str = "deliveries#";
/// Deliveries that the item holds: what is older goes to pages. Each letter
/// writes the item twice, so that it has to stay below a write unit.
pub const DELIVERIES_MAX: usize = 20;
/// A call that began lasts at most so long: providers' clients give up before.
pub const CALL_MAX: i64 = 30 * Timestamp::SECOND;
/// What goes to a page at once, so that one is not written each time.
const PAGED: usize = 10;

/// An address, as its item has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Which it is: receipts and links name it by its collection alone.
    of: Option<Identifier>,
    consents: BTreeMap<About, Consent>,
    suppression: Option<Mark>,
    /// The newest, by their claims.
    deliveries: Vec<Delivery>,
    /// Deliveries that were claimed until then may stand on pages.
    paged: Option<Timestamp>,
    /// What was read of pages; it is not written again.
    recalled: Vec<Delivery>,
}

/// What was claimed for this address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    /// When it was claimed.
    pub at: Timestamp,
    pub channel: Channel,
    pub kind: Kind,
    pub topic: Option<TopicId>,
    pub message: MessageId,
    /// The place of the variant that was sent.
    pub variant: u8,
    pub state: State,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Somebody is calling the provider, and begins no call from `until` on.
    Calling { until: Timestamp, attempt: u64 },
    /// The provider took it.
    Accepted,
    /// Whether it did is not known. It is never called again: a receipt may tell.
    Unknown,
    /// The provider does not take it, now or ever.
    Refused,
}

/// Why an address may not be written to at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It does not exist, says its own server.
    Bounced,
    /// Whoever reads it called a message spam.
    Complained,
    /// An operator wants it so.
    Operator,
}

/// The last word on whether an address is suppressed; at one moment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Mark {
    at: Timestamp,
    reason: Option<Reason>,
    name: EventName,
}

/// What became of an attempt to claim a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It is this attempt's, once the address is written.
    Now,
    /// It was already: the answer to its write was lost.
    Already,
    /// Somebody else may still be calling until then.
    Busy { until: Timestamp },
    /// Whoever claimed it never said how it ended: from now on it is unknown,
    /// once the address is written.
    Abandoned,
    /// It is settled.
    Settled,
}

impl Address {
    /// Notes which address it is; `true` if nobody had.
    pub fn name(&mut self, of: &Identifier) -> bool {
        let is_new = self.of.is_none();
        self.of.get_or_insert_with(|| of.clone());
        is_new
    }

    /// Which address it is, once something was sent to it or said of it.
    pub const fn of(&self) -> Option<&Identifier> {
        self.of.as_ref()
    }

    /// Folds in what was said; `true` if that changed anything.
    pub fn hear(&mut self, about: About, said: Said, at: Timestamp, name: EventName) -> bool {
        self.consents.entry(about).or_default().hear(said, at, name)
    }

    /// Whether it may be written to about a topic.
    pub fn status(&self, channel: Channel, topic: &TopicId) -> Status {
        let of = |topic| self.consents.get(&About { channel, topic }).copied().unwrap_or_default();
        of(Some(topic.clone())).status(of(None))
    }

    /// Since when what a withdrawal would end stands, the last of it; `None` if
    /// all of it is withdrawn. Of what nobody said anything about it is the
    /// beginning of time. A withdrawal at this moment, or later, ends it.
    pub fn open(&self, about: &About) -> Option<Timestamp> {
        let since = |status| match status {
            Status::Unsubscribed { .. } => None,
            Status::Never => Some(Timestamp::default()),
            Status::Pending { since } | Status::Subscribed { since } => Some(since),
        };
        if let Some(topic) = &about.topic {
            return since(self.status(about.channel, topic));
        }
        let everything = self.consents.get(about).copied().unwrap_or_default();
        let of_channel = self.consents.keys().filter(|known| known.channel == about.channel);
        let topics = of_channel.filter_map(|known| known.topic.as_ref());
        let topics = topics.filter_map(|topic| since(self.status(about.channel, topic)));
        topics.chain(since(everything.status(Consent::default()))).max()
    }

    /// Everything that was ever said something about.
    pub fn consents(&self) -> impl Iterator<Item = (&About, Consent)> {
        self.consents.iter().map(|(about, consent)| (about, *consent))
    }

    /// Suppresses the address, or with `None` lifts that; `true` if it changed anything.
    pub fn suppress(&mut self, reason: Option<Reason>, at: Timestamp, name: EventName) -> bool {
        let before = self.suppression;
        self.suppression = before.max(Some(Mark { at, reason, name }));
        self.suppression != before
    }

    pub fn suppressed(&self) -> Option<Reason> {
        self.suppression.and_then(|mark| mark.reason)
    }

    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// Whether a delivery that was asked for then may stand on a page.
    pub fn is_paged(&self, asked: Timestamp) -> bool {
        self.paged.is_some_and(|paged| asked <= paged)
    }

    /// Adds what pages hold, for questions that reach so far back. A page whose
    /// address was not written after it holds what stands here, too.
    pub fn recall(&mut self, paged: Vec<Delivery>) {
        let mut known: BTreeSet<DeliveryId> = self.deliveries.iter().map(|known| known.id).collect();
        self.recalled = paged.into_iter().filter(|delivery| known.insert(delivery.id)).collect();
    }

    /// What is known of a delivery.
    pub fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        self.deliveries.iter().chain(&self.recalled).find(|known| known.id == id)
    }

    /// Takes a delivery for an attempt. Of one that stands on a page nothing is
    /// known here, unless it was recalled.
    pub fn claim(&mut self, new: Delivery, now: Timestamp) -> Claimed {
        if self.recalled.iter().any(|known| known.id == new.id) {
            return Claimed::Settled;
        }
        let Some(known) = self.deliveries.iter_mut().find(|known| known.id == new.id) else {
            self.deliveries.push(new);
            return Claimed::Now;
        };
        match (known.state, new.state) {
            (State::Calling { attempt, .. }, State::Calling { attempt: ours, .. }) if attempt == ours => {
                Claimed::Already
            }
            (State::Calling { until, .. }, _) if until.plus(CALL_MAX) > now => {
                Claimed::Busy { until: until.plus(CALL_MAX) }
            }
            (State::Calling { .. }, _) => {
                known.state = State::Unknown;
                Claimed::Abandoned
            }
            (State::Accepted | State::Unknown | State::Refused, _) => Claimed::Settled,
        }
    }

    /// Takes a delivery whose caller never said how its call ended for unknown;
    /// `false` if it was settled, or may still be under way.
    pub fn abandon(&mut self, id: DeliveryId, now: Timestamp) -> bool {
        let is_over = |known: &&mut Delivery| {
            known.id == id
                && matches!(known.state, State::Calling { until, .. } if until.plus(CALL_MAX) <= now)
        };
        self.deliveries.iter_mut().find(is_over).map(|known| known.state = State::Unknown).is_some()
    }

    /// Says how an attempt's call ended; `false` if that is not its to say any more.
    pub fn settle(&mut self, id: DeliveryId, ours: u64, state: State) -> bool {
        let known = self.deliveries.iter_mut().find(|known| known.id == id);
        let known =
            known.filter(|known| matches!(known.state, State::Calling { attempt, .. } if attempt == ours));
        known.map(|known| known.state = state).is_some()
    }

    /// Gives back a claim whose call surely sent nothing; `false` if it is not
    /// this attempt's any more.
    pub fn release(&mut self, id: DeliveryId, ours: u64) -> bool {
        let before = self.deliveries.len();
        let is_ours = |known: &Delivery| {
            known.id == id && matches!(known.state, State::Calling { attempt, .. } if attempt == ours)
        };
        self.deliveries.retain(|known| !is_ours(known));
        self.deliveries.len() < before
    }

    /// A receipt tells of a delivery that it was accepted; `true` if nobody knew.
    pub fn receipt(&mut self, id: DeliveryId) -> bool {
        let known = self.deliveries.iter_mut().find(|known| known.id == id);
        let known = known.filter(|known| known.state != State::Accepted);
        known.map(|known| known.state = State::Accepted).is_some()
    }

    /// Until when somebody may begin a call that what was just said forbids:
    /// before that nobody may be told that it is done.
    pub fn under_way(&self, about: &About, now: Timestamp) -> Option<Timestamp> {
        let forbidden = |known: &&Delivery| {
            known.kind == Kind::Promotional
                && known.channel == about.channel
                && (about.topic.is_none() || about.topic == known.topic)
        };
        let ends = self.deliveries.iter().filter(forbidden).filter_map(|known| match known.state {
            State::Calling { until, .. } => Some(until),
            State::Accepted | State::Unknown | State::Refused => None,
        });
        ends.max().filter(|until| *until > now)
    }

    /// When promotional deliveries were claimed from `since` on, in order; of one
    /// channel or all, of one topic or all.
    pub fn sent(
        &self,
        channel: Option<Channel>,
        topic: Option<&TopicId>,
        since: Timestamp,
    ) -> Vec<Timestamp> {
        let counts = |known: &&Delivery| {
            known.kind == Kind::Promotional
                && known.state != State::Refused
                && known.at > since
                && channel.is_none_or(|channel| channel == known.channel)
                && topic.is_none_or(|topic| known.topic.as_ref() == Some(topic))
        };
        let all = self.deliveries.iter().chain(&self.recalled);
        let mut sent: Vec<Timestamp> = all.filter(counts).map(|known| known.at).collect();
        sent.sort_unstable();
        sent
    }

    /// Moves the oldest deliveries to a page, if there are too many; the page is
    /// put before the address is written. Only what was read may be moved, never
    /// what this attempt adds: so it comes before the claim.
    pub fn page(&mut self) -> Option<Item> {
        if self.deliveries.len() < DELIVERIES_MAX {
            return None;
        }
        self.deliveries.sort_by_key(|known| (known.at, known.id));
        let is_settled = |known: &Delivery| !matches!(known.state, State::Calling { .. });
        let mut paged = Vec::new();
        self.deliveries.retain(|known| {
            let goes = paged.len() < PAGED && is_settled(known);
            if goes {
                paged.push(known.clone());
            }
            !goes
        });
        let last = paged.last()?;
        self.paged = self.paged.max(Some(last.at));
        let key = ItemKey(format!("{PAGE}{:016x}#{}", last.at.millis().max(0), last.id));
        Some(Item { key, body: packed::encode(&PackedDeliveries::of(&paged)) })
    }

    pub fn item(&self) -> Item {
        let Self { of, consents, suppression, deliveries, paged, recalled: _ } = self;
        let consents: Vec<(&About, &Consent)> = consents.iter().collect();
        let body = packed::encode(&(of, consents, suppression, PackedDeliveries::of(deliveries), paged));
        Item { key: key(), body }
    }

    /// An address from its item; without one nothing is known of it.
    pub fn read(item: Option<&Item>) -> Result<Self, Corrupt> {
        type Packed =
            (Option<Identifier>, Vec<(About, Consent)>, Option<Mark>, PackedDeliveries, Option<Timestamp>);
        let Some(item) = item else { return Ok(Self::default()) };
        let (of, consents, suppression, deliveries, paged): Packed = packed::decode(&item.body)?;
        Ok(Self {
            of,
            consents: consents.into_iter().collect(),
            suppression,
            deliveries: deliveries.read()?,
            paged,
            recalled: Vec::new(),
        })
    }
}

/// The key of an address's item in its collection.
pub fn key() -> ItemKey {
    ItemKey(KEY.to_owned())
}

/// The range of all pages of deliveries.
pub fn pages() -> (ItemKey, ItemKey) {
    (ItemKey(PAGE.to_owned()), ItemKey(format!("{PAGE}~")))
}

/// The deliveries of one page.
pub fn read_page(item: &Item) -> Result<Vec<Delivery>, Corrupt> {
    packed::decode::<PackedDeliveries>(&item.body)?.read()
}

/// Deliveries as bytes: topics and messages repeat, so each is named by its place.
#[derive(Serialize, Deserialize)]
struct PackedDeliveries {
    topics: Vec<TopicId>,
    messages: Vec<MessageId>,
    rows: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    id: [u8; 16],
    at: Timestamp,
    channel: Channel,
    kind: Kind,
    topic: Option<usize>,
    message: usize,
    variant: u8,
    state: State,
}

/// The place of a value among those that stand there once; a new one is added.
fn place<T: PartialEq + Clone>(of: &T, among: &mut Vec<T>) -> usize {
    among.iter().position(|known| known == of).unwrap_or_else(|| {
        among.push(of.clone());
        among.len() - 1
    })
}

impl PackedDeliveries {
    fn of(deliveries: &[Delivery]) -> Self {
        let (mut topics, mut messages) = (Vec::new(), Vec::new());
        let rows = deliveries
            .iter()
            .map(|Delivery { id, at, channel, kind, topic, message, variant, state }| Row {
                id: *id.as_bytes(),
                at: *at,
                channel: *channel,
                kind: *kind,
                topic: topic.as_ref().map(|topic| place(topic, &mut topics)),
                message: place(message, &mut messages),
                variant: *variant,
                state: *state,
            })
            .collect();
        Self { topics, messages, rows }
    }

    fn read(self) -> Result<Vec<Delivery>, Corrupt> {
        let Self { topics, messages, rows } = self;
        let read = |Row { id, at, channel, kind, topic, message, variant, state }| {
            let topic = topic.map(|place| topics.get(place).cloned().ok_or(Corrupt::Bytes)).transpose()?;
            let message = messages.get(message).cloned().ok_or(Corrupt::Bytes)?;
            Ok(Delivery { id: DeliveryId::from_bytes(id), at, channel, kind, topic, message, variant, state })
        };
        rows.into_iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests;
