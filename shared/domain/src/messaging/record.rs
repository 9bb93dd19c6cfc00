//! The proof of what was said: one record a word, kept for ever.

use serde::{Deserialize, Serialize};

use super::consent::{About, Said};
use crate::identifier::Identifier;
use crate::key::{EventName, IdKey};
use crate::profile::packed::{self, Corrupt};
use crate::profile::stored::{Item, ItemKey};
use crate::time::Timestamp;
use crate::workspace::SourceId;

const PREFIX: &str = "consent#";
/// Characters of each text of a record: it is a proof, not an archive.
pub const TEXT_MAX: usize = 1_000;

/// What somebody said, and how we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub about: About,
    pub said: Said,
    /// When it was said.
    pub at: Timestamp,
    /// Breaks ties of time, and names the record: a copy is the same one.
    pub name: EventName,
    pub how: How,
}

/// How we know. It is personal data: of it nothing is printed.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct How {
    /// What told us: `import`, a form's name, a shop's till.
    pub source: String,
    /// By which act: a checked box, a word on the phone.
    pub method: Option<String>,
    /// The text that was shown beside it.
    pub text: Option<String>,
    /// Where it came from, such as a network address.
    pub origin: Option<String>,
    /// Where the evidence lies.
    pub proof: Option<String>,
}

impl std::fmt::Debug for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("How(***)")
    }
}

impl Record {
    /// The name of a word that no event told: the same word said of the same
    /// address at the same moment is one, however often a file is read.
    pub fn name(
        key: &IdKey,
        source: &SourceId,
        address: &Identifier,
        (about, said, at): (&About, Said, Timestamp),
    ) -> EventName {
        let topic = about.topic.as_ref().map_or("*", |topic| topic.as_str());
        let word = format!("{}/{topic}/{said:?}/{}", about.channel.name(), at.millis());
        key.event(source, &word, &format!("{}:{}", address.kind(), address.value()))
    }

    pub fn item(&self) -> Item {
        let Self { about, said, at, name, how } = self;
        let key = ItemKey(format!("{PREFIX}{:016x}#{:016x}", at.millis().max(0), name.0));
        Item { key, body: packed::encode(&(about, said, at, name, how)) }
    }

    pub fn read(item: &Item) -> Result<Self, Corrupt> {
        let (about, said, at, name, how) = packed::decode(&item.body)?;
        Ok(Self { about, said, at, name, how })
    }
}

/// The range of all records of an address, the oldest first.
pub fn all() -> (ItemKey, ItemKey) {
    (ItemKey(PREFIX.to_owned()), ItemKey(format!("{PREFIX}~")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messaging::Channel;
    use crate::messaging::consent::TopicId;

    fn record(at: i64) -> Record {
        let about = About { channel: Channel::Email, topic: Some(TopicId::parse("news").unwrap()) };
        let how = How { source: "import".to_owned(), proof: Some("form 7".to_owned()), ..How::default() };
        Record { about, said: Said::Subscribed, at: Timestamp::from_millis(at), name: EventName(7), how }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_stands_in_the_order_of_time() {
        let (early, late) = (record(5), record(1_790_000_000_000));
        assert_eq!(Record::read(&early.item()), Ok(early.clone()));
        let (from, to) = all();
        assert!(from < early.item().key && early.item().key < late.item().key && late.item().key < to);
        assert!(!format!("{early:?}").contains("form 7"));
    }

    #[test]
    fn a_word_that_is_told_twice_is_one_and_every_other_is_another() {
        let key = IdKey::new([7; IdKey::LENGTH]);
        let source = SourceId::parse("import").unwrap();
        let ann = Identifier::parse("email", "ann@example.com", None).unwrap();
        let bob = Identifier::parse("email", "bob@example.com", None).unwrap();
        let word = record(5);
        let name = |address, said, at| {
            Record::name(&key, &source, address, (&word.about, said, Timestamp::from_millis(at)))
        };
        let first = name(&ann, Said::Subscribed, 5);
        assert_eq!(first, name(&ann, Said::Subscribed, 5));
        for other in
            [name(&bob, Said::Subscribed, 5), name(&ann, Said::Asked, 5), name(&ann, Said::Subscribed, 6)]
        {
            assert_ne!(first, other);
        }
    }
}
