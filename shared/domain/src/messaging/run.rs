//! A message under way: how far it came, who waits, and what became of it for
//! each person. All of it stands in the message's own collection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Channel;
use super::gate::Why;
use super::parcel::Recipient;
use super::quiet::WallTime;
use crate::key::{DeliveryId, ProfileId};
use crate::profile::counters::spread;
use crate::profile::packed::{self, Corrupt};
use crate::profile::stored::{Item, ItemKey};
use crate::segment::list;
use crate::time::Timestamp;

const RUN: &str = "run";
const WAIT: &str = "wait#";
const PAGE: &str = "page#";

/// How far a message came. A trigger has none until somebody pauses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub status: Status,
    /// When it was started, or is to be.
    pub start: Timestamp,
    /// Each person gets it once their own clock has shown this, not before.
    pub local: Option<WallTime>,
    /// The part of the segment's list that is read, and behind whom.
    pub shard: u8,
    pub after: Option<ProfileId>,
    /// People who were handed to senders.
    pub handed: u64,
}

/// What is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Running,
    /// Whoever was handed out and not sent to waits, too.
    Paused(Pause),
    /// Nobody gets it any more.
    Cancelled,
}

/// Why a message was paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    Operator,
    /// Too many called it spam.
    Complaints,
    /// Too many of its addresses do not exist.
    Bounces,
}

/// What became of a message for one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The provider took it.
    Sent(Channel, DeliveryId),
    /// Whether it did is not known; it is not sent again.
    Unknown(Channel, DeliveryId),
    /// The provider does not take this one, now or ever.
    Refused(Channel, DeliveryId),
    /// The gate said no.
    Skipped(Why),
    /// The gate said later.
    Waits { until: Timestamp, why: Why },
    /// The template has no text for this person: a variable is missing.
    Unrendered,
    /// They get nothing, to compare with.
    HeldOut,
    /// They are not in the segment any more.
    Left,
    /// The message was cancelled, or ended.
    Cancelled,
}

/// What became of a message for one person, at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub profile: ProfileId,
    pub turn: u32,
    /// The place of the person's variant.
    pub variant: u8,
    pub outcome: Outcome,
}

/// What became of one parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub at: Timestamp,
    pub rows: Vec<Row>,
}

impl Run {
    pub const fn new(start: Timestamp) -> Self {
        Self { status: Status::Running, start, local: None, shard: 0, after: None, handed: 0 }
    }

    /// Begins as soon as a clock anywhere shows this.
    pub fn at_local(local: WallTime) -> Self {
        Self { local: Some(local), ..Self::new(local.earliest()) }
    }

    /// Whether everybody was handed out.
    pub const fn is_through(&self) -> bool {
        self.shard >= list::SHARDS
    }

    /// Goes on behind the last who was handed out, or with the next part of the list.
    pub fn advance(&mut self, last: Option<ProfileId>, is_end: bool, handed: u64) {
        self.handed = self.handed.saturating_add(handed);
        if is_end {
            self.shard = self.shard.saturating_add(1);
            self.after = None;
        } else {
            self.after = last.or(self.after);
        }
    }

    pub fn item(&self) -> Item {
        Item { key: key(), body: packed::encode(self) }
    }

    pub fn read(item: &Item) -> Result<Self, Corrupt> {
        packed::decode(&item.body)
    }
}

/// The key of a message's run in its collection.
pub fn key() -> ItemKey {
    ItemKey(RUN.to_owned())
}

/// People who wait until then, as an item: a copy of it is the same one.
pub fn wait(until: Timestamp, people: &[Recipient]) -> Item {
    let mut people = people.to_vec();
    people.sort_unstable();
    let body = packed::encode(&people);
    let key = format!("{WAIT}{:016x}#{:016x}", until.millis().max(0), hash(&body));
    Item { key: ItemKey(key), body }
}

/// The range of all who wait until `now` or less; without it of all who wait.
pub fn waiting(now: Option<Timestamp>) -> (ItemKey, ItemKey) {
    let to = now.map_or_else(|| format!("{WAIT}~"), |now| format!("{WAIT}{:016x}~", now.millis().max(0)));
    (ItemKey(WAIT.to_owned()), ItemKey(to))
}

pub fn read_wait(item: &Item) -> Result<Vec<Recipient>, Corrupt> {
    packed::decode(&item.body)
}

impl Page {
    /// The page's item. Its key ends with the last of its people, so that the
    /// page of anybody is at or behind their own id; it is that of one parcel.
    pub fn item(&self) -> Option<Item> {
        let mut people: Vec<(ProfileId, u32)> = self.rows.iter().map(|row| (row.profile, row.turn)).collect();
        people.sort_unstable();
        let (last, _) = *people.last()?;
        // What it says is part of its name: a copy that ends at the same moment may say less.
        let said = hash(&packed::encode(&self.rows));
        let key =
            format!("{PAGE}{:02x}#{last}#{:016x}{said:016x}", list::shard(last), self.at.millis().max(0));
        Some(Item { key: ItemKey(key), body: packed::encode(self) })
    }

    pub fn read(item: &Item) -> Result<Self, Corrupt> {
        packed::decode(&item.body)
    }
}

/// The range of all pages.
pub fn pages() -> (ItemKey, ItemKey) {
    (ItemKey(PAGE.to_owned()), ItemKey(format!("{PAGE}~")))
}

/// What became of a message for everybody, of all its pages: the last word on
/// each person counts, one that ended something before one that waits, and one
/// of what was sent before all others: it cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcomes(BTreeMap<(ProfileId, u32), (Weight, Timestamp, Row)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Waits,
    Ended,
    /// It was asked of the provider.
    Called,
    Sent,
}

impl Outcome {
    const fn weight(self) -> Weight {
        match self {
            Self::Sent(..) => Weight::Sent,
            Self::Unknown(..) | Self::Refused(..) => Weight::Called,
            Self::Skipped(_) | Self::Unrendered | Self::HeldOut | Self::Left | Self::Cancelled => {
                Weight::Ended
            }
            Self::Waits { .. } => Weight::Waits,
        }
    }
}

impl Outcomes {
    pub fn take(&mut self, page: &Page) {
        for row in &page.rows {
            let word = (row.outcome.weight(), page.at, *row);
            let known = self.0.entry((row.profile, row.turn)).or_insert(word);
            if (known.0, known.1) < (word.0, word.1) {
                *known = word;
            }
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = (Timestamp, &Row)> {
        self.0.values().map(|(_, at, row)| (*at, row))
    }
}

fn hash(body: &[u8]) -> u64 {
    let hex: Vec<String> = body.iter().map(|byte| format!("{byte:02x}")).collect();
    spread(&hex.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    fn who(number: u8) -> ProfileId {
        ProfileId::from_bytes([number; 16])
    }

    fn row(number: u8, outcome: Outcome) -> Row {
        Row { profile: who(number), turn: 0, variant: 1, outcome }
    }

    #[test]
    fn a_run_goes_through_all_parts_of_a_list() {
        let mut run = Run::new(at(0));
        run.advance(Some(who(7)), false, 100);
        assert_eq!((run.shard, run.after, run.handed), (0, Some(who(7)), 100));
        for _ in 0..list::SHARDS {
            assert!(!run.is_through());
            run.advance(None, true, 1);
        }
        assert!(run.is_through());
        assert_eq!(Run::read(&run.item()), Ok(run));
    }

    #[test]
    fn who_waits_is_found_by_the_time_and_a_copy_is_the_same() {
        let some = [2, 1].map(|number| Recipient { profile: who(number), turn: 0, due: at(0) });
        let item = wait(at(5), &some);
        let turned = [some[1], some[0]];
        assert_eq!(wait(at(5), &turned), item);
        assert_eq!(read_wait(&item), Ok(turned.to_vec()));
        let is_found = |now| {
            let (from, to) = waiting(now);
            from <= item.key && item.key < to
        };
        assert!(is_found(None) && is_found(Some(at(5))) && is_found(Some(at(6))) && !is_found(Some(at(4))));
    }

    #[test]
    fn the_last_word_on_somebody_counts_and_an_end_before_a_wait() {
        let delivery = DeliveryId::from_bytes([1; 16]);
        let sent = Outcome::Sent(Channel::Email, delivery);
        let waits = Outcome::Waits { until: at(9), why: Why::Quiet };
        let pages = [
            Page { at: at(1), rows: vec![row(1, waits), row(2, waits)] },
            Page { at: at(2), rows: vec![row(1, sent)] },
            // A copy of the first parcel, which was received again.
            Page { at: at(3), rows: vec![row(1, waits), row(2, waits)] },
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut outcomes = Outcomes::default();
            for place in order {
                let item = pages[place].item().unwrap();
                outcomes.take(&Page::read(&item).unwrap());
            }
            let found: Vec<Outcome> = outcomes.rows().map(|(_, row)| row.outcome).collect();
            assert_eq!(found, [sent, waits]);
        }
    }

    #[test]
    fn what_was_sent_stays_sent_whatever_a_copy_says() {
        let sent = Outcome::Sent(Channel::Email, DeliveryId::from_bytes([1; 16]));
        let later = [Outcome::Cancelled, Outcome::Skipped(Why::Erased), Outcome::Left];
        for later in later {
            let mut outcomes = Outcomes::default();
            outcomes.take(&Page { at: at(1), rows: vec![row(1, sent)] });
            outcomes.take(&Page { at: at(2), rows: vec![row(1, later)] });
            assert_eq!(outcomes.rows().map(|(_, row)| row.outcome).collect::<Vec<_>>(), [sent]);
        }
    }

    #[test]
    fn a_page_stands_at_or_behind_each_of_its_people() {
        let page = Page { at: at(0), rows: vec![row(8, Outcome::Left), row(16, Outcome::Left)] };
        let key = page.item().unwrap().key.0;
        for number in [8, 16] {
            assert!(format!("page#{:02x}#{}", list::shard(who(number)), who(number)) <= key);
        }
        assert_eq!(Page { at: at(0), rows: Vec::new() }.item(), None);
    }
}
