//! Who opened a letter or followed a link: a person, or a machine that looks
//! at letters before people do.
//!
//! Gateways follow links to see where they lead, and mail programs fetch
//! pictures before anybody reads. All hits are kept as they are; what is said
//! here is only who they were, as far as that can be told from outside. So
//! reports show people beside everything, and nothing that is done to a person
//! follows from a machine's hit.
//!
//! It is asked again when more is known: that all links of a letter were
//! followed at once shows only when the last one was.

mod agents;
mod networks;
mod reading;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use agents::Agent;
use networks::Network;
pub use reading::ReadingTime;

/// No person has read, decided and clicked within this time.
const CLICK_SOONEST: i64 = 5 * Timestamp::SECOND;
/// A letter that is opened sooner was opened by what received it. Google's
/// proxy fetches some pictures then; later it does when somebody reads.
const OPEN_SOONEST: i64 = 2 * Timestamp::SECOND;
/// Who sits before the mailbox may open a letter so soon; so may a machine.
const OPEN_SOON: i64 = 5 * Timestamp::SECOND;
/// A machine follows all links of a letter within this time.
const BURST: i64 = 10 * Timestamp::SECOND;
/// Of a letter with fewer links people follow all, too.
const BURST_LEAST: usize = 3;
/// Nobody follows so many at once, however many there are.
const BURST_MOST: usize = 5;
/// Whoever followed a link that nobody sees is a machine for so long.
const TRAPPED_FOR: i64 = Timestamp::MINUTE;

/// One request for a picture or a link of a letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Hit {
    pub at: Timestamp,
    pub what: What,
    pub method: Method,
    /// As it was sent; empty if it was not.
    pub user_agent: String,
    pub address: IpAddr,
    /// Whether it says which languages its reader reads, as all browsers do.
    pub language: Language,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    Open,
    /// A link, by its place.
    Click {
        index: u16,
    },
    /// A link that people do not see.
    Trap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    Get,
    /// `HEAD` and whatever else looks without reading.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    Said,
    Missing,
    /// It was not written down.
    Unknown,
}

/// What is known of the letter that was hit.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// When the mailbox took it, or when it was sent, if that is all that is known.
    pub delivered: Option<Timestamp>,
    /// How many links it has that people see.
    pub links: u16,
    /// All hits of this letter that are known, in any order.
    pub hits: &'a [Hit],
}

/// Who a hit was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Person,
    Machine(Why),
    /// It may be either; reports count it among all hits only.
    Unsure(Doubt),
}

/// What shows a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It asked without reading the answer.
    Method,
    /// It followed a link that nobody sees, or came from where somebody just had.
    Trap,
    /// It names, or comes from, a product that inspects mail.
    Gateway,
    /// It says itself that it is a program.
    Program,
    /// The mail program fetched pictures ahead: somebody may read, or nobody.
    Prefetch,
    /// Nobody reads so fast.
    Early,
    /// One network followed all links at once.
    Burst,
}

/// What leaves a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// It came soon after the letter did.
    Soon,
    /// It does not say what it is.
    Nameless,
    /// It followed a link, and is no browser.
    NoBrowser,
    /// It says it is a browser, but not which languages it wants.
    Wordless,
}

/// Says who a hit was, as far as that can be told.
pub fn classify(hit: &Hit, letter: &Letter<'_>) -> Class {
    let machine = named(hit).or_else(|| behaved(hit, letter));
    match (machine, doubt(hit, letter)) {
        (Some(why), _) => Class::Machine(why),
        (None, Some(doubt)) => Class::Unsure(doubt),
        (None, None) => Class::Person,
    }
}

/// What a hit says of itself.
fn named(hit: &Hit) -> Option<Why> {
    match (hit.method, Agent::of(&hit.user_agent), Network::of(hit.address)) {
        (Method::Other, _, _) => Some(Why::Method),
        (Method::Get, Agent::Gateway, _) | (_, _, Network::Gateway) => Some(Why::Gateway),
        (Method::Get, Agent::Program, _) => Some(Why::Program),
        (Method::Get, Agent::Bare, _) | (_, _, Network::Apple) if hit.what == What::Open => {
            Some(Why::Prefetch)
        }
        // No browser calls itself that.
        (Method::Get, Agent::Bare, _) => Some(Why::Program),
        (Method::Get, Agent::Nameless | Agent::Loader | Agent::Browser, Network::Apple | Network::Other) => {
            None
        }
    }
}

/// What shows in when it came and what else came with it.
fn behaved(hit: &Hit, letter: &Letter<'_>) -> Option<Why> {
    if is_trapped(hit, letter) {
        Some(Why::Trap)
    } else if is_early(hit, letter) {
        Some(Why::Early)
    } else if is_in_burst(hit, letter) {
        Some(Why::Burst)
    } else {
        None
    }
}

fn is_trapped(hit: &Hit, letter: &Letter<'_>) -> bool {
    let is_near = |other: &&Hit| (hit.at.since(other.at)).abs() <= TRAPPED_FOR;
    let mut beside = beside(hit, letter).filter(is_near);
    beside.any(|other| other.what == What::Trap)
}

fn is_early(hit: &Hit, letter: &Letter<'_>) -> bool {
    let soonest = if hit.what == What::Open { OPEN_SOONEST } else { CLICK_SOONEST };
    letter.delivered.is_some_and(|delivered| hit.at.since(delivered) < soonest)
}

/// Whether a network followed all links within a moment of which this hit is part.
fn is_in_burst(hit: &Hit, letter: &Letter<'_>) -> bool {
    let links = usize::from(letter.links);
    if links < BURST_LEAST {
        return false;
    }
    let holds = |from: Timestamp| (from..=from.plus(BURST)).contains(&hit.at);
    let mut moments = beside(hit, letter).map(|first| first.at).filter(|from| holds(*from));
    moments.any(|from| followed(hit, letter, from) >= links.min(BURST_MOST))
}

/// How many links the network of a hit followed from then on.
fn followed(hit: &Hit, letter: &Letter<'_>, from: Timestamp) -> usize {
    let links = beside(hit, letter).filter_map(|other| match other.what {
        What::Click { index } if (from..=from.plus(BURST)).contains(&other.at) => Some(index),
        What::Click { .. } | What::Open | What::Trap => None,
    });
    links.collect::<std::collections::BTreeSet<u16>>().len()
}

/// The hits of the same network, and this one among them.
fn beside<'a>(hit: &'a Hit, letter: &Letter<'a>) -> impl Iterator<Item = &'a Hit> {
    let near = networks::near(hit.address);
    let others = letter.hits.iter().filter(move |other| networks::near(other.address) == near);
    others.chain([hit])
}

fn doubt(hit: &Hit, letter: &Letter<'_>) -> Option<Doubt> {
    let is_click = hit.what != What::Open;
    let is_soon = letter.delivered.is_some_and(|delivered| hit.at.since(delivered) < OPEN_SOON);
    match Agent::of(&hit.user_agent) {
        _ if is_soon => Some(Doubt::Soon),
        Agent::Nameless => Some(Doubt::Nameless),
        Agent::Loader if is_click => Some(Doubt::NoBrowser),
        _ if is_click && hit.language == Language::Missing => Some(Doubt::Wordless),
        Agent::Loader | Agent::Browser | Agent::Bare | Agent::Gateway | Agent::Program => None,
    }
}

impl Method {
    /// The method of an HTTP request.
    pub fn of(name: &str) -> Self {
        if name == "GET" { Self::Get } else { Self::Other }
    }
}

/// Where a person is and what they use is theirs: of it nothing is printed.
impl std::fmt::Debug for Hit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hit({:?} at {})", self.what, self.at.rfc3339())
    }
}

#[cfg(test)]
mod tests;
