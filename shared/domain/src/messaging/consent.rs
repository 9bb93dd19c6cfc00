//! What people said about being written to, and what stands of it.
//!
//! Each record is kept for ever, with its proof; the current state is a fold
//! over them. The last word wins by (time of the event, its name), and at one
//! moment a withdrawal wins: whatever order they arrive in, the state is one.

use serde::{Deserialize, Serialize};

use super::Channel;
use crate::key::EventName;
use crate::time::Timestamp;

/// Something that people are written about: `news`, `offers`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TopicId(String);

/// The name would not be safe in a key or a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a topic's id has 1 to {} of a-z, 0-9 and -", TopicId::LENGTH_MAX)]
pub struct InvalidTopicId;

impl TopicId {
    pub const LENGTH_MAX: usize = 64;

    pub fn parse(id: &str) -> Result<Self, InvalidTopicId> {
        Self::try_from(id.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TopicId {
    type Error = InvalidTopicId;

    fn try_from(id: String) -> Result<Self, InvalidTopicId> {
        let safe = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let right = (1..=Self::LENGTH_MAX).contains(&id.len()) && id.bytes().all(safe);
        right.then_some(Self(id)).ok_or(InvalidTopicId)
    }
}

impl std::fmt::Display for TopicId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// A wish that is not confirmed yet: somebody typed the address.
    Asked,
    Subscribed,
    Unsubscribed,
}

/// What it was said about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct About {
    pub channel: Channel,
    /// `None` is everything on this channel, which can only be withdrawn.
    pub topic: Option<TopicId>,
}

/// When a word was said. Greater ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Word {
    at: Timestamp,
    is_withdrawn: bool,
    name: EventName,
}

/// The current state of one thing that words were said about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Consent {
    last: Option<Word>,
    /// The last wish, which revokes nothing.
    asked: Option<(Timestamp, EventName)>,
}

/// Whether somebody may be written to about a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Never,
    /// A wish waits for its confirmation.
    Pending {
        since: Timestamp,
    },
    Subscribed {
        since: Timestamp,
    },
    Unsubscribed {
        since: Timestamp,
    },
}

impl Consent {
    /// Folds in what was said; `true` if that changed anything.
    pub fn hear(&mut self, said: Said, at: Timestamp, name: EventName) -> bool {
        let before = *self;
        if said == Said::Asked {
            self.asked = self.asked.max(Some((at, name)));
        } else {
            let word = Word { at, is_withdrawn: said == Said::Unsubscribed, name };
            self.last = self.last.max(Some(word));
        }
        *self != before
    }

    /// What stands, given what was said about everything on the channel.
    pub fn status(self, everything: Self) -> Status {
        let last = self.last.max(everything.last);
        let asked = self.asked.map(|(at, _)| at).filter(|at| last.is_none_or(|last| last.at < *at));
        match (last, asked) {
            (Some(Word { at, is_withdrawn: false, .. }), _) => Status::Subscribed { since: at },
            (_, Some(since)) => Status::Pending { since },
            (Some(Word { at, .. }), None) => Status::Unsubscribed { since: at },
            (None, None) => Status::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn heard(words: &[(Said, i64, u64)]) -> Consent {
        let mut consent = Consent::default();
        for (said, millis, name) in words {
            consent.hear(*said, at(*millis), EventName(*name));
        }
        consent
    }

    fn check(words: &[(Said, i64, u64)], expected: Status) {
        let mut words = words.to_vec();
        let mut orders = 0;
        permute(&mut words, 0, &mut |order| {
            assert_eq!(heard(order).status(Consent::default()), expected, "{order:?}");
            orders += 1;
        });
        assert!(orders > 0);
    }

    fn permute(words: &mut Vec<(Said, i64, u64)>, from: usize, see: &mut impl FnMut(&[(Said, i64, u64)])) {
        if from == words.len() {
            return see(words);
        }
        for other in from..words.len() {
            words.swap(from, other);
            permute(words, from + 1, see);
            words.swap(from, other);
        }
    }

    #[test]
    fn rule_18_the_last_word_stands_in_whatever_order_they_come() {
        use Said::{Asked, Subscribed, Unsubscribed};
        check(&[], Status::Never);
        check(&[(Subscribed, 1, 9)], Status::Subscribed { since: at(1) });
        check(&[(Unsubscribed, 1, 9), (Subscribed, 5, 1)], Status::Subscribed { since: at(5) });
        check(
            &[(Subscribed, 1, 1), (Unsubscribed, 5, 2), (Subscribed, 3, 3)],
            Status::Unsubscribed { since: at(5) },
        );
        check(&[(Asked, 4, 1), (Unsubscribed, 3, 2)], Status::Pending { since: at(4) });
        check(&[(Asked, 4, 1), (Unsubscribed, 4, 2)], Status::Unsubscribed { since: at(4) });
        // A wish of somebody who is in already takes nothing away.
        check(&[(Subscribed, 1, 1), (Asked, 4, 2)], Status::Subscribed { since: at(1) });
        check(&[(Subscribed, 1, 1), (Asked, 4, 2), (Unsubscribed, 2, 3)], Status::Pending { since: at(4) });
    }

    #[test]
    fn a_withdrawal_wins_at_one_moment_whatever_its_name() {
        for (yes, no) in [(1, 2), (2, 1)] {
            let words = [(Said::Subscribed, 7, yes), (Said::Unsubscribed, 7, no)];
            check(&words, Status::Unsubscribed { since: at(7) });
        }
    }

    #[test]
    fn everything_is_withdrawn_until_something_is_said_later() {
        let everything = heard(&[(Said::Unsubscribed, 5, 1)]);
        let earlier = heard(&[(Said::Subscribed, 4, 2)]);
        let later = heard(&[(Said::Subscribed, 6, 3)]);
        assert_eq!(earlier.status(everything), Status::Unsubscribed { since: at(5) });
        assert_eq!(later.status(everything), Status::Subscribed { since: at(6) });
        assert_eq!(Consent::default().status(everything), Status::Unsubscribed { since: at(5) });
    }

    #[test]
    fn hearing_a_word_again_changes_nothing() {
        let mut consent = Consent::default();
        assert!(consent.hear(Said::Subscribed, at(1), EventName(1)));
        assert!(!consent.hear(Said::Subscribed, at(1), EventName(1)));
        assert!(!consent.hear(Said::Unsubscribed, at(0), EventName(2)));
    }
}
