//! What became of one delivery after it was sent: one item in the collection
//! of its message.
//!
//! It is a fold: what is heard twice changes it once, and the order does not
//! matter. Requests for pictures and links are kept as they were made, since
//! who made one may show only later; of very many the oldest are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Channel;
use super::address::Delivery;
use super::hits::{Class, Hit, Language, Letter, Method, ReadingTime, What, classify};
use super::news::News;
use super::report::{Arrival, Hits, Outcome};
use crate::key::DeliveryId;
use crate::profile::packed::{self, Corrupt};
use crate::profile::stored::{Item, ItemKey};
use crate::time::Timestamp;

const PREFIX: &str = "mark#";
/// Hits of one delivery that are kept; of more the oldest are counted.
pub const HITS_MAX: usize = 32;
/// Characters of what a client calls itself that are kept.
const AGENT_MAX: usize = 256;
/// How many links a letter has is not kept: that somebody followed all of them
/// shows only where nobody follows so many at once.
const LINKS_UNKNOWN: u16 = u16::MAX;

/// What is known of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub channel: Channel,
    /// The place of the variant that was sent.
    pub variant: u8,
    /// When it was claimed.
    pub sent: Timestamp,
    arrivals: Arrivals,
    reading: ReadingTime,
    /// The newest, in the order of time.
    hits: Vec<Kept>,
    /// Those that are not kept any more.
    counted: Tallies,
    /// What its person's profile was told.
    told: BTreeSet<News>,
}

/// When each was heard first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Arrivals {
    delivered: Option<Timestamp>,
    soft: Option<Timestamp>,
    hard: Option<Timestamp>,
    complained: Option<Timestamp>,
    unsubscribed: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    /// Tells a request that was written twice from two requests.
    name: [u8; 8],
    hit: Hit,
}

/// Something that is heard of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Delivered {
        at: Timestamp,
    },
    Bounced {
        at: Timestamp,
        is_permanent: bool,
    },
    Complained {
        at: Timestamp,
    },
    Unsubscribed {
        at: Timestamp,
    },
    /// A request; its name is made where it is answered.
    Hit {
        name: [u8; 8],
        hit: Hit,
    },
    /// A letter that was opened then was open after so many seconds.
    Read {
        opened: Timestamp,
        seconds: u32,
    },
}

/// What hearing something came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// Whether there is anything to write.
    pub is_new: bool,
    /// What the person's profile has to be told, and was not yet.
    pub news: Option<News>,
}

/// Hits, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tallies {
    pub opens: Tally,
    /// By the place of the link.
    pub clicks: BTreeMap<u16, Tally>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    pub all: u64,
    pub by_person: u64,
    pub first: Option<Timestamp>,
    pub first_by_person: Option<Timestamp>,
}

impl Fact {
    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Delivered { at }
            | Self::Bounced { at, .. }
            | Self::Complained { at }
            | Self::Unsubscribed { at } => *at,
            Self::Hit { hit, .. } => hit.at,
            Self::Read { opened, .. } => *opened,
        }
    }
}

impl Mark {
    /// The mark of a delivery of which nothing was heard.
    pub fn of(delivery: &Delivery) -> Self {
        Self {
            channel: delivery.channel,
            variant: delivery.variant,
            sent: delivery.at,
            arrivals: Arrivals::default(),
            reading: ReadingTime::default(),
            hits: Vec::new(),
            counted: Tallies::default(),
            told: BTreeSet::new(),
        }
    }

    /// Folds in what was heard.
    pub fn hear(&mut self, fact: &Fact) -> Heard {
        let arrivals = &mut self.arrivals;
        let (is_new, news) = match fact {
            Fact::Delivered { at } => (earlier(&mut arrivals.delivered, *at), None),
            Fact::Bounced { at, is_permanent } => {
                let of = if *is_permanent { &mut arrivals.hard } else { &mut arrivals.soft };
                (earlier(of, *at), Some(News::Bounced { is_permanent: *is_permanent }))
            }
            Fact::Complained { at } => (earlier(&mut arrivals.complained, *at), Some(News::Complained)),
            Fact::Unsubscribed { at } => (earlier(&mut arrivals.unsubscribed, *at), Some(News::Unsubscribed)),
            Fact::Hit { name, hit } => self.hit(*name, hit),
            Fact::Read { opened, seconds } => (self.reading.hear(*opened, *seconds), None),
        };
        let news = news.filter(|news| is_new && self.told.insert(*news));
        Heard { is_new, news }
    }

    fn hit(&mut self, name: [u8; 8], hit: &Hit) -> (bool, Option<News>) {
        if self.hits.iter().any(|known| known.name == name) {
            return (false, None);
        }
        let user_agent = hit.user_agent.chars().take(AGENT_MAX).collect();
        let hit = Hit { user_agent, ..hit.clone() };
        self.hits.push(Kept { name, hit: hit.clone() });
        self.hits.sort_by_key(|kept| (kept.hit.at, kept.name));
        // Whoever is not surely a person is a machine to what follows from it.
        let is_machine = self.class(&hit) != Class::Person;
        if self.hits.len() > HITS_MAX {
            let class = self.hits.first().map(|oldest| self.class(&oldest.hit));
            let oldest = self.hits.remove(0);
            self.counted.count(&oldest.hit, class == Some(Class::Person));
        }
        let news = match hit.what {
            What::Open => Some(News::Opened { is_machine }),
            What::Click { index } => Some(News::Clicked { index, is_machine }),
            What::Trap => None,
        };
        (true, news)
    }

    fn class(&self, hit: &Hit) -> Class {
        let hits: Vec<Hit> = self.hits.iter().map(|kept| kept.hit.clone()).collect();
        let delivered = self.arrivals.delivered.or(Some(self.sent));
        classify(hit, &Letter { delivered, links: LINKS_UNKNOWN, hits: &hits })
    }

    /// How often it was opened and its links followed, by all that is known now.
    pub fn tallies(&self) -> Tallies {
        let mut tallies = self.counted.clone();
        for Kept { hit, .. } in &self.hits {
            tallies.count(hit, self.class(hit) == Class::Person);
        }
        tallies
    }

    /// What it came to, for a report.
    pub fn outcome(&self) -> Outcome {
        let Arrivals { delivered, soft, hard, complained, unsubscribed } = self.arrivals;
        let heard =
            [(soft, Arrival::SoftBounce), (delivered, Arrival::Delivered), (hard, Arrival::HardBounce)];
        let heard = heard.into_iter().filter_map(|(at, arrival)| at.map(|_| arrival));
        let Tallies { opens, clicks } = self.tallies();
        let hits = |tally: &Tally| Hits { all: tally.all, by_person: tally.by_person };
        let clicks = clicks.values().fold(Hits::default(), |sum, link| Hits {
            all: sum.all + link.all,
            by_person: sum.by_person + link.by_person,
        });
        Outcome {
            arrival: heard.max().unwrap_or_default(),
            is_complained: complained.is_some(),
            is_unsubscribed: unsubscribed.is_some(),
            opens: hits(&opens),
            clicks,
            read_seconds: self.reading.seconds(),
            revenue: BTreeMap::new(),
        }
    }

    pub fn item(&self, delivery: DeliveryId) -> Item {
        Item { key: key(delivery), body: packed::encode(&Packed::of(self)) }
    }

    pub fn read(item: &Item) -> Result<Self, Corrupt> {
        packed::decode::<Packed>(&item.body)?.read()
    }
}

impl Tallies {
    fn count(&mut self, hit: &Hit, is_person: bool) {
        let tally = match hit.what {
            What::Open => &mut self.opens,
            What::Click { index } => self.clicks.entry(index).or_default(),
            What::Trap => return,
        };
        tally.all += 1;
        earlier(&mut tally.first, hit.at);
        if is_person {
            tally.by_person += 1;
            earlier(&mut tally.first_by_person, hit.at);
        }
    }
}

/// Keeps the earlier of two moments; `true` if that changed anything.
fn earlier(known: &mut Option<Timestamp>, at: Timestamp) -> bool {
    let is_news = known.is_none_or(|known| at < known);
    if is_news {
        *known = Some(at);
    }
    is_news
}

/// The key of a delivery's mark in the collection of its message.
pub fn key(delivery: DeliveryId) -> ItemKey {
    ItemKey(format!("{PREFIX}{delivery}"))
}

/// The range of all marks of a message.
pub fn all() -> (ItemKey, ItemKey) {
    (ItemKey(PREFIX.to_owned()), ItemKey(format!("{PREFIX}~")))
}

/// The delivery that a mark's key names.
pub fn delivery(key: &ItemKey) -> Option<DeliveryId> {
    DeliveryId::parse(key.0.strip_prefix(PREFIX)?)
}

/// A mark as bytes: what clients call themselves repeats, so each is named by its place.
#[derive(Serialize, Deserialize)]
struct Packed {
    channel: Channel,
    variant: u8,
    sent: Timestamp,
    arrivals: Arrivals,
    reading: ReadingTime,
    agents: Vec<String>,
    hits: Vec<Row>,
    counted: Tallies,
    told: BTreeSet<News>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    name: [u8; 8],
    at: Timestamp,
    what: What,
    method: Method,
    agent: usize,
    address: IpAddr,
    language: Language,
}

impl Packed {
    fn of(mark: &Mark) -> Self {
        let mut agents: Vec<String> = Vec::new();
        let mut place = |agent: &String| {
            agents.iter().position(|known| known == agent).unwrap_or_else(|| {
                agents.push(agent.clone());
                agents.len() - 1
            })
        };
        let row = |kept: &Kept| {
            let Kept { name, hit: Hit { at, what, method, user_agent, address, language } } = kept;
            let agent = place(user_agent);
            let (name, at, what, method) = (*name, *at, *what, *method);
            Row { name, at, what, method, agent, address: *address, language: *language }
        };
        let hits = mark.hits.iter().map(row).collect();
        let Mark { channel, variant, sent, arrivals, reading, hits: _, counted, told } = mark.clone();
        Self { channel, variant, sent, arrivals, reading, agents, hits, counted, told }
    }

    fn read(self) -> Result<Mark, Corrupt> {
        let Self { channel, variant, sent, arrivals, reading, agents, hits, counted, told } = self;
        let kept = |row: Row| {
            let Row { name, at, what, method, agent, address, language } = row;
            let user_agent = agents.get(agent).cloned().ok_or(Corrupt::Bytes)?;
            Ok(Kept { name, hit: Hit { at, what, method, user_agent, address, language } })
        };
        let hits = hits.into_iter().map(kept).collect::<Result<_, _>>()?;
        Ok(Mark { channel, variant, sent, arrivals, reading, hits, counted, told })
    }
}

#[cfg(test)]
mod tests;
