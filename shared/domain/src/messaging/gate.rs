//! Whether one message may go to one address now: the one gate before every channel.

use serde::{Deserialize, Serialize};

use super::address::{Address, Reason};
use super::consent::{Status, TopicId};
use super::quiet::{Quiet, Zones};
use super::{Channel, Kind};
use crate::rules::Period;
use crate::time::Timestamp;

/// What a workspace wants of all its messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    #[serde(default)]
    pub caps: Vec<Cap>,
    #[serde(default)]
    pub quiet: Option<Quiet>,
}

/// At most so many promotional messages to one address in any period of this length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// Of all channels together, unless it names one.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// Of all topics together, unless it names one.
    #[serde(default)]
    pub topic: Option<TopicId>,
    pub most: usize,
    pub per: Period,
    /// Of these, how many are kept for messages of high priority.
    #[serde(default)]
    pub reserved: usize,
}

/// What two messages to one person compete by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    #[default]
    Normal,
    High,
}

/// What a message asks of the gate, wherever it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub kind: Kind,
    /// What it is about; a promotional message always says so.
    pub topic: Option<TopicId>,
    pub priority: Priority,
    /// It is of no use from then on.
    pub expires: Timestamp,
}

/// One message in front of one address.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub terms: &'a Terms,
    pub policy: &'a Policy,
    pub channel: Channel,
    /// Whether another channel is left if this one is closed.
    pub has_next: bool,
    pub address: &'a Address,
    /// The person was erased, or is being erased.
    pub is_erased: bool,
    /// Where the person may live.
    pub zones: &'a Zones,
    /// Whether what it costs is still in the budget.
    pub is_in_budget: bool,
    /// When the provider takes the next one.
    pub pace: Timestamp,
}

/// What is to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Send,
    /// It is asked again then.
    Defer {
        until: Timestamp,
        why: Why,
    },
    /// This channel is closed; another may not be.
    NextChannel(Why),
    Skip(Why),
}

/// Why a message does not go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Erased,
    /// The person has no address of this channel.
    NoAddress,
    Suppressed(Reason),
    /// Nobody ever agreed to be written to about this.
    NoConsent,
    /// Somebody asked, and has not confirmed it.
    Unconfirmed,
    Unsubscribed,
    Capped,
    Quiet,
    Budget,
    Pace,
    /// The person's own clock does not show the time yet that was asked for.
    LocalTime,
    /// The provider takes nothing from anybody: an operator has to mend it.
    Closed,
    /// An operator, or too many complaints, stopped the message for a while.
    Paused,
    /// Another attempt may be sending it just now.
    UnderWay,
    /// It would be of no use any more by the time at which it may go.
    Expired,
}

/// Decides, in this order: erased, suppressed, consent, caps, quiet hours,
/// budget, pace. What is asked for goes on with consent and without hours: who
/// resets a password at night wants to.
pub fn gate(ask: &Ask<'_>, now: Timestamp) -> Decision {
    if ask.is_erased {
        return Decision::Skip(Why::Erased);
    }
    if let Some(closed) = closed(ask) {
        return ask.closed(closed);
    }
    if now >= ask.terms.expires {
        return Decision::Skip(Why::Expired);
    }
    let waits = [
        (capped(ask, now), Why::Capped),
        (quiet(ask, now), Why::Quiet),
        (ask.budget(), Why::Budget),
        (Wait::to(ask.pace, now), Why::Pace),
    ];
    let Some((wait, why)) = waits.into_iter().find(|(wait, _)| *wait != Wait::No) else {
        return Decision::Send;
    };
    match wait {
        Wait::Until(until) if until < ask.terms.expires => Decision::Defer { until, why },
        Wait::No | Wait::Until(_) | Wait::Forever => ask.closed(why),
    }
}

impl Ask<'_> {
    fn closed(&self, why: Why) -> Decision {
        if self.has_next { Decision::NextChannel(why) } else { Decision::Skip(why) }
    }

    fn is_promotional(&self) -> bool {
        self.terms.kind == Kind::Promotional
    }

    const fn budget(&self) -> Wait {
        if self.is_in_budget { Wait::No } else { Wait::Forever }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    No,
    Until(Timestamp),
    Forever,
}

impl Wait {
    fn to(at: Timestamp, now: Timestamp) -> Self {
        if at > now { Self::Until(at) } else { Self::No }
    }
}

/// What no waiting mends.
fn closed(ask: &Ask<'_>) -> Option<Why> {
    if let Some(reason) = ask.address.suppressed() {
        return Some(Why::Suppressed(reason));
    }
    if !ask.is_promotional() {
        return None;
    }
    let status = ask.terms.topic.as_ref().map(|topic| ask.address.status(ask.channel, topic));
    match status {
        Some(Status::Subscribed { .. }) => None,
        Some(Status::Pending { .. }) => Some(Why::Unconfirmed),
        Some(Status::Unsubscribed { .. }) => Some(Why::Unsubscribed),
        Some(Status::Never) | None => Some(Why::NoConsent),
    }
}

/// When there is room under all caps.
fn capped(ask: &Ask<'_>, now: Timestamp) -> Wait {
    if !ask.is_promotional() {
        return Wait::No;
    }
    let concerns = |cap: &&Cap| {
        cap.channel.is_none_or(|channel| channel == ask.channel)
            && cap.topic.as_ref().is_none_or(|topic| ask.terms.topic.as_ref() == Some(topic))
    };
    let waits = ask.policy.caps.iter().filter(concerns).map(|cap| {
        let reserved = if ask.terms.priority == Priority::High { 0 } else { cap.reserved };
        let Some(room) = cap.most.checked_sub(reserved).filter(|room| *room > 0) else {
            return Wait::Forever;
        };
        let sent = ask.address.sent(cap.channel, cap.topic.as_ref(), now.plus(-cap.per.millis()));
        // There is room again when only `room - 1` are left in the period.
        let last = sent.len().checked_sub(room).and_then(|place| sent.get(place));
        last.map_or(Wait::No, |last| Wait::Until(last.plus(cap.per.millis())))
    });
    waits.fold(Wait::No, |all, wait| match (all, wait) {
        (Wait::Forever, _) | (_, Wait::Forever) => Wait::Forever,
        (Wait::Until(a), Wait::Until(b)) => Wait::Until(a.max(b)),
        (Wait::No, other) | (other, Wait::No) => other,
    })
}

fn quiet(ask: &Ask<'_>, now: Timestamp) -> Wait {
    match ask.policy.quiet.filter(|_| ask.is_promotional()) {
        None => Wait::No,
        Some(quiet) => quiet.over(ask.zones, now).map_or(Wait::Forever, |over| Wait::to(over, now)),
    }
}

#[cfg(test)]
mod tests;
