//! The due index, the sweep, and what is cleared from an outbox.

use std::task::{Context, Waker};

use domain::event::Event;
use domain::identifier::Identifier;
use domain::key::ProfileId;
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::stored::{DUE_SHARDS, IdentityRow, Owner, Version, due_shard};
use domain::profile::{Held, Profile};
use domain::time::Timestamp;
use ports::Clock as _;
use ports::people::StoredProfile;
use profile::sweep::{BACKOFF, Swept, TAKEN_MAX};
use profile::{Stage, Writer};
use testkit::{Fault, Faulty, SeededEntropy};

use super::crash_points::{Calls, End, Store};
use super::crowd::{bodies, definitions, key, naming, start, workspace};
use super::rules_04_to_07::{batch, owner, store, ties};
use super::world::finish;

/// A user and two others, each with a profile.
fn three_people() -> [Event; 3] {
    [
        naming(1, &[("user_id", "u")]),
        naming(2, &[("email", "e@example.com")]),
        naming(3, &[("loyalty_card", "c")]),
    ]
}

fn tying(number: i64, kind: &str, value: &str) -> Event {
    naming(number, &[("user_id", "u"), (kind, value)])
}

fn prepared() -> Store {
    let people = three_people();
    store(&[&people.iter().collect::<Vec<_>>()])
}

/// Delivers an event whose function dies when it has written the profile, so
/// that its outbox is left to others.
fn die_with_outbox(store: &Store, event: &Event) {
    let save = prepared().deliver(&batch(&[event]), None).iter().position(|call| *call == "save").unwrap();
    store.deliver(&batch(&[event]), Some((save, End::Done)));
}

#[test]
fn rule_20_a_profile_that_no_build_here_can_read_makes_room_for_the_others() {
    let store = Store::new(definitions());
    let id = |nth: u8| domain::key::ProfileId::from_bytes([nth; 16]);
    store.people.alter(|tables| {
        let version = domain::profile::stored::Version { counter: 1, write: [0; 8] };
        let due = Some(store.clock.now());
        let stored = ports::people::StoredProfile { version, body: vec![250], due };
        tables.profiles.insert((workspace(), id(7)), stored);
    });
    let swept = sweep(&store, |_| Fault::None);
    assert_eq!((swept.due, swept.failed), (1, 1));
    let after = &store.people.tables().profiles[&(workspace(), id(7))];
    assert_eq!((after.body.as_slice(), after.due > Some(store.clock.now())), (&[250][..], true));
    assert_eq!(sweep(&store, |_| Fault::None).due, 0, "it is looked at again later");
}

#[test]
fn rule_20_who_is_due_with_nothing_to_send_is_taken_from_the_index() {
    let store = prepared();
    let due = store.clock.now();
    store.people.alter(|tables| tables.profiles.values_mut().for_each(|stored| stored.due = Some(due)));
    let people = store.tables().profiles.len();
    assert_eq!(sweep(&store, |_| Fault::None), Swept { due: people, resent: people, failed: 0 });
    assert_eq!(sweep(&store, |_| Fault::None), Swept::default());
    assert!(store.tables().profiles.values().all(|stored| stored.due.is_none()));
}

/// A sweep over an index and a store that meet these faults.
fn sweep(store: &Store, choose: impl FnMut(&'static str) -> Fault + Send + 'static) -> Swept {
    let people = Faulty::new(store.people.clone(), choose);
    let definitions = people.sharing(store.definitions.clone());
    let rejections = people.sharing(store.rejections.clone());
    let writer = Writer {
        merges: people.sharing(store.merges.clone()),
        messages: None,
        people,
        clock: store.clock.clone(),
        entropy: SeededEntropy::seeded(2),
        key: key(),
    };
    let stage: Stage<_, _, _, _, _, _> = Stage::new(writer, definitions, rejections);
    finish(stage.sweep()).unwrap()
}

/// How many ties stand with the user, and how many with each of the others.
fn recorded(store: &Store) -> [usize; 3] {
    let tables = store.tables();
    [("user_id", "u"), ("email", "e@example.com"), ("loyalty_card", "c")]
        .map(|(kind, value)| ties(&tables, owner(&tables, kind, value).0))
}

#[test]
fn rule_20_what_the_index_shows_late_is_found_by_any_later_sweep() {
    for late in [Timestamp::MINUTE, 3 * Timestamp::HOUR, 40 * Timestamp::DAY] {
        let store = prepared();
        // One millisecond before the minute ends.
        store.clock.advance(Timestamp::MINUTE - 1);
        die_with_outbox(&store, &tying(10, "email", "e@example.com"));
        let lagging = |call| if call == "due index" { Fault::Lagging } else { Fault::None };
        store.clock.advance(1);
        assert_eq!(sweep(&store, lagging).due, 0);
        assert_eq!(recorded(&store), [0, 0, 0]);
        store.clock.advance(late);
        assert_eq!(sweep(&store, |_| Fault::None), Swept { due: 1, resent: 1, failed: 0 });
        assert_eq!(recorded(&store), [1, 1, 0], "{late} ms later");
    }
}

#[test]
fn rule_20_a_due_time_is_rounded_down_and_by_less_than_a_minute() {
    for millis in [0, 1, 59_999, 60_000, 60_001] {
        let store = prepared();
        store.clock.advance(millis);
        die_with_outbox(&store, &tying(10, "email", "e@example.com"));
        let due: Vec<Timestamp> = store.tables().profiles.values().filter_map(|stored| stored.due).collect();
        let [due] = due.as_slice() else { panic!("one profile is due: {due:?}") };
        let ago = store.clock.now().since(*due);
        assert!((0..Timestamp::MINUTE).contains(&ago), "{ago} ms before it was written");
        assert_eq!(due.millis() % Timestamp::MINUTE, 0);
    }
}

#[test]
fn rule_20_what_keeps_failing_is_moved_back_and_starves_nobody() {
    let store = Store::new(definitions());
    let due = start();
    let last = u16::try_from(TAKEN_MAX).unwrap();
    store.people.alter(|tables| {
        for number in 0..=last {
            let (id, stored) = with_outbox(number, due.plus(i64::from(number)));
            tables.profiles.insert((workspace(), id), stored);
            for one in named(number) {
                let row = IdentityRow { owner: Owner::Profile(id), generation: 0 };
                tables.identities.insert((workspace(), key().identifier(&workspace(), &one)), row);
            }
        }
    });
    let refusing = |call| if call == "put" { Fault::Refused } else { Fault::None };
    assert_eq!(sweep(&store, refusing), Swept { due: TAKEN_MAX, resent: 0, failed: TAKEN_MAX });
    let now = store.clock.now();
    let moved = |stored: &&StoredProfile| stored.due == Some(now.plus(BACKOFF));
    assert_eq!(store.tables().profiles.values().filter(moved).count(), TAKEN_MAX);
    store.clock.advance(Timestamp::MINUTE);
    let (id, _) = with_outbox(last, due);
    assert_eq!(sweep(&store, |_| Fault::None), Swept { due: 1, resent: 1, failed: 0 });
    assert_eq!(ties(&store.tables(), id), 1, "the one behind them had its turn");
    store.clock.advance(BACKOFF);
    assert_eq!(sweep(&store, |_| Fault::None).resent, TAKEN_MAX, "and they have theirs later");
}

/// What the tie of a profile with an outbox names.
fn named(number: u16) -> [Identifier; 2] {
    ["user_id", "loyalty_card"].map(|kind| Identifier::parse(kind, &format!("x{number}"), None).unwrap())
}

/// A profile of the first shard with a tie to send.
fn with_outbox(number: u16, due: Timestamp) -> (ProfileId, StoredProfile) {
    let [high, low] = number.to_be_bytes();
    let id = ProfileId::from_bytes([0, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(due_shard(id), 0);
    let mut profile = Profile::default();
    let [home, _] = named(number);
    profile.identifiers.insert(home, Held { generation: 0, since: due });
    profile.outbox.push(Tie {
        identifiers: named(number),
        reason: TieReason::SameEvent,
        source: "web".to_owned(),
        message_id: format!("m{number}"),
        at: due,
    });
    let version = Version { counter: 1, write: [1; 8] };
    (id, StoredProfile { version, body: profile.encode(), due: Some(due) })
}

#[test]
fn rule_20_a_sweep_believes_the_profile_and_not_the_index() {
    let store = prepared();
    die_with_outbox(&store, &tying(10, "email", "e@example.com"));
    let calls = Calls::until(None);
    let stage = store.stage(&calls);
    let mut late = std::pin::pin!(stage.sweep());
    let mut context = Context::from_waker(Waker::noop());
    // It has asked for the due profile's shard, and then stands still.
    while !is_told(&calls, &store) {
        assert!(late.as_mut().poll(&mut context).is_pending());
    }
    sweep(&store, |_| Fault::None);
    let after = store.tables();
    let swept = finish(late).unwrap();
    assert_eq!((swept.due, swept.resent), (1, 0), "the index said so, and the profile did not");
    assert_eq!(store.tables(), after, "what is not due is not written");
}

/// Whether a sweep has asked for the shard of the profile that is due.
fn is_told(calls: &Calls, store: &Store) -> bool {
    let (id, _) = owner(&store.tables(), "user_id", "u");
    let asked = calls.made().iter().filter(|call| **call == "due").count();
    // Each minute a sweep begins with another shard.
    let minute = store.clock.now().millis().div_euclid(Timestamp::MINUTE);
    let place = (i64::from(due_shard(id)) - minute).rem_euclid(i64::from(DUE_SHARDS));
    asked > usize::try_from(place).unwrap()
}

#[test]
fn rule_20_only_a_write_on_a_condition_takes_a_profile_from_the_index() {
    let (first, second) = (tying(10, "email", "e@example.com"), tying(11, "loyalty_card", "c"));
    for polls in 0.. {
        let store = prepared();
        die_with_outbox(&store, &first);
        let stage = store.stage(&Calls::until(None));
        let mut sweeping = std::pin::pin!(stage.sweep());
        let mut context = Context::from_waker(Waker::noop());
        if (0..polls).any(|_| sweeping.as_mut().poll(&mut context).is_ready()) {
            break;
        }
        // A fold comes between, and dies with something new to send.
        die_with_outbox(&store, &second);
        finish(sweeping).unwrap();
        let (id, profile) = owner(&store.tables(), "user_id", "u");
        let is_due = store.tables().profiles[&(workspace(), id)].due.is_some();
        assert_eq!(is_due, !profile.outbox.is_empty(), "after {polls} polls");
        sweep(&store, |_| Fault::None);
        assert_eq!(recorded(&store), [2, 1, 1], "after {polls} polls");
    }
}

#[test]
fn rule_23_what_came_while_an_outbox_was_carried_out_is_not_cleared_with_it() {
    let (first, second) = (tying(10, "email", "e@example.com"), tying(11, "loyalty_card", "c"));
    let bodies = bodies(vec![first]);
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let mut came_between = 0;
    for polls in 0.. {
        let store = prepared();
        let stage = store.stage(&Calls::until(None));
        let mut folding = std::pin::pin!(stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)));
        let mut context = Context::from_waker(Waker::noop());
        if (0..polls).any(|_| folding.as_mut().poll(&mut context).is_ready()) {
            break;
        }
        let (_, before) = owner(&store.tables(), "user_id", "u");
        die_with_outbox(&store, &second);
        finish(folding);
        let (_, after) = owner(&store.tables(), "user_id", "u");
        if before.outbox.ties().len() == 1 {
            came_between += 1;
            assert!(!after.outbox.is_empty(), "after {polls} polls the second tie is cleared with the first");
        }
        sweep(&store, |_| Fault::None);
        assert_eq!(recorded(&store), [2, 1, 1], "after {polls} polls");
    }
    assert!(came_between > 0, "the second fold is to come between the first one's write and its clearing");
}

#[test]
fn rule_23_an_outbox_is_cleared_by_id() {
    let (_, stored) = with_outbox(1, start());
    let mut outbox = Profile::decode(&stored.body).unwrap().outbox;
    let sent: Vec<u64> = outbox.ties().iter().map(Tie::mark).collect();
    let mut other = outbox.ties()[0].clone();
    other.identifiers.reverse();
    outbox.push(other); // The same two, the other way round: the same entry.
    assert_eq!(outbox.ties().len(), 1);
    let mut new = outbox.ties()[0].clone();
    new.reason = TieReason::Alias;
    outbox.push(new.clone());
    outbox.clear(&sent);
    assert_eq!(outbox.ties(), [new]);
}
