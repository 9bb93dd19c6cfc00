use domain::messaging::Channel;
use domain::messaging::consent::{About, Said, Status, TopicId};
use domain::messaging::record::How;
use domain::workspace::SourceId;
use testkit::{Fault, Faulty, MemoryPeople};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn workspace() -> WorkspaceId {
    WorkspaceId::parse("shop").unwrap()
}

fn key() -> IdKey {
    IdKey::new([7; IdKey::LENGTH])
}

fn ann() -> Identifier {
    Identifier::parse("email", "ann@example.com", None).unwrap()
}

fn news() -> TopicId {
    TopicId::parse("news").unwrap()
}

fn word(said: Said, minutes: i64) -> Record {
    let about = About { channel: Channel::Email, topic: Some(news()) };
    let at = NOW.plus(minutes * Timestamp::MINUTE);
    let source = SourceId::parse("import").unwrap();
    let name = Record::name(&key(), &source, &ann(), (&about, said, at));
    Record { about, said, at, name, how: How { source: source.as_str().to_owned(), ..How::default() } }
}

fn finish<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn say<P: People>(people: &P, word: &Record) -> Result<Heard, Unheard> {
    finish(hear(people, (&key(), &workspace()), &ann(), word, NOW))
}

fn stands(people: &MemoryPeople) -> (Status, usize) {
    let (address, words) = finish(look(people, (&key(), &workspace()), &ann())).unwrap();
    (address.status(Channel::Email, &news()), words.len())
}

#[test]
fn a_word_stands_with_the_address_and_every_record_is_kept() {
    let people = MemoryPeople::default();
    assert_eq!(stands(&people), (Status::Never, 0));
    assert!(say(&people, &word(Said::Subscribed, 5)).unwrap().is_new);
    assert!(say(&people, &word(Said::Unsubscribed, 7)).unwrap().is_new);
    assert!(!say(&people, &word(Said::Subscribed, 6)).unwrap().is_new, "it is older than what stands");
    assert!(!say(&people, &word(Said::Unsubscribed, 7)).unwrap().is_new, "it is a copy");
    let unsubscribed = Status::Unsubscribed { since: NOW.plus(7 * Timestamp::MINUTE) };
    assert_eq!(stands(&people), (unsubscribed, 3));
    let bob = Identifier::parse("email", "bob@example.com", None).unwrap();
    let (of_bob, _) = finish(look(&people, (&key(), &workspace()), &bob)).unwrap();
    assert_eq!(of_bob, Address::default());
    let elsewhere = WorkspaceId::parse("other").unwrap();
    let (there, words) = finish(look(&people, (&key(), &elsewhere), &ann())).unwrap();
    assert_eq!((there, words), (Address::default(), Vec::new()));
}

/// Every call of every word fails in every way; whoever spoke says it again.
#[test]
fn rule_6_a_word_is_kept_whatever_fails_once_it_is_said_again() {
    let words = [word(Said::Subscribed, 5), word(Said::Unsubscribed, 7), word(Said::Subscribed, 6)];
    let mut failures = 0;
    for fault in [Fault::Refused, Fault::AnswerLost, Fault::Conflict] {
        for broken in 0..9 {
            let people = MemoryPeople::default();
            let mut calls = 0;
            let faulty = Faulty::new(people.clone(), move |_| {
                calls += 1;
                if calls == broken + 1 { fault } else { Fault::None }
            });
            for word in &words {
                if say(&faulty, word).is_err() {
                    failures += 1;
                    assert!(say(&faulty, word).is_ok(), "{fault:?} at call {broken}");
                }
            }
            let unsubscribed = Status::Unsubscribed { since: NOW.plus(7 * Timestamp::MINUTE) };
            assert_eq!(stands(&people), (unsubscribed, 3), "{fault:?} at call {broken}");
        }
    }
    assert!(failures > 9, "{failures} words failed at first");
}

/// Words come in any order and from several at once: one state.
#[test]
fn rule_18_words_of_several_at_once_come_to_one_state_in_any_order() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..200 {
        let people = MemoryPeople::default();
        let mut words: Vec<Record> = (0..8)
            .map(|_| {
                word(
                    *rng.choice(&[Said::Asked, Said::Subscribed, Said::Unsubscribed]).unwrap(),
                    rng.i64(0..4),
                )
            })
            .collect();
        let mut chance = rng.fork();
        let conflicts = Faulty::new(people.clone(), move |call| {
            if call == "replace" && chance.u8(0..3) == 0 { Fault::Conflict } else { Fault::None }
        });
        for word in &words {
            say(&conflicts, word).unwrap();
        }
        let found = stands(&people).0;
        rng.shuffle(&mut words);
        let again = MemoryPeople::default();
        for word in &words {
            say(&again, word).unwrap();
        }
        assert_eq!(found, stands(&again).0);
    }
}
