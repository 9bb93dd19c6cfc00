//! Merges and separations beside the profile stage: the interleaving that each
//! rule is there to survive.

use aws_lambda_events::sqs::SqsMessage;
use domain::profile::merge::Refusal;
use domain::profile::stored::{IdentityRow, Owner};

use super::orders::Counted;
use super::*;
use crate::simulation::crash_points::{Calls, End};
use crate::simulation::crowd::retry_of;
use crate::simulation::oracle;
use crate::simulation::rules_04_to_07::{batch, owner};

const A: Name = ("card", "a");
const B: Name = ("card", "b");
const C: Name = ("card", "c");
const D: Name = ("card", "d");

fn hear(store: &Store, events: &[Event]) {
    deliver(store, &[&events.iter().collect::<Vec<_>>()]);
}

/// How many events somebody has.
fn count(store: &Store, (kind, value): Name) -> u64 {
    let tables = store.tables();
    let holds = |profile: &Profile| profile.identifiers.contains_key(&id((kind, value)));
    let profiles = tables.profiles.values().map(|stored| Profile::decode(&stored.body).unwrap());
    let mut roots = profiles.filter(|profile| profile.family.absorbed_into.is_none());
    roots.find(holds).unwrap().counters.total()
}

/// Runs a batch, and something else after so many of its calls; `false` once
/// the batch makes no more calls than that.
fn with_between(store: &Store, batch: Vec<SqsMessage>, calls: usize, between: impl FnOnce()) -> bool {
    let made = Calls::until(None);
    let stage = Arc::new(store.stage(&made));
    let letters = Faulty::new(store.letters.clone(), made.fates());
    let mut running = Box::pin(async move {
        profile::batch::fold(&stage, &letters, batch, domain::time::Timestamp::from_millis(i64::MAX), 5).await
    });
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while made.made().len() < calls {
        if running.as_mut().poll(&mut context).is_ready() {
            return false;
        }
    }
    between();
    let settled = finish(running);
    assert!(settled.batch_item_failures.is_empty(), "after {calls} calls: {:?}", made.made());
    true
}

/// Everybody's events are theirs: as many as their names have.
fn check(store: &Store, expected: &[(Name, u64)], at: &str) {
    assert_eq!(oracle::invariants(&store.tables()), Ok(()), "{at}");
    for (name, expected) in expected {
        assert_eq!(count(store, *name), *expected, "{name:?}, {at}");
    }
}

#[test]
fn rule_09_a_copy_is_known_after_any_merge_of_whoever_folded_it() {
    let store = people(unlimited(), &[A, B, C]);
    // More than a ledger holds, so that pages of `C` and of `B` know the oldest.
    let of_c: Vec<Event> = (10..60).map(|number| naming(number, &[C])).collect();
    let of_b: Vec<Event> = (110..150).map(|number| naming(number, &[B])).collect();
    for some in of_c.chunks(6).chain(of_b.chunks(6)) {
        hear(&store, some);
    }
    let copies: Vec<Event> = of_c.iter().chain(&of_b).map(|event| retry_of(event, 9_000)).collect();
    for (from, to, whole) in [(C, B, 92), (B, A, 93)] {
        carry_out(&store, &request(from, to)).unwrap();
        for some in copies.chunks(5) {
            hear(&store, some);
        }
        check(&store, &[(C, whole)], "after all copies");
    }
    let survivor = profile(&store.tables(), profile_id(A));
    assert_eq!(survivor.family.absorbed.len(), 2, "directly, and through another");
}

#[test]
fn rule_10_what_follows_a_way_leaves_it_as_it_is() {
    let store = people(unlimited(), &[A, B, C]);
    let rows = store.tables().identities;
    carry_out(&store, &request(B, C)).unwrap();
    carry_out(&store, &request(A, B)).unwrap();
    for number in 10..30 {
        hear(&store, &[naming(number, &[[A, B, C][usize::try_from(number % 3).unwrap()]])]);
        carry_out(&store, &request(C, A)).unwrap();
    }
    let tables = store.tables();
    assert_eq!(tables.identities, rows, "an owner is never overwritten");
    assert_eq!(profile(&tables, profile_id(C)).family.absorbed_into, Some(profile_id(B)));
    carry_out(&store, &take_out(Part::Absorbed(profile_id(B)), 1)).unwrap();
    let tables = store.tables();
    assert_eq!(tables.identities, rows, "so that a separation points nothing anew");
    assert_eq!(partition(&tables), groups(&[&[A], &[B, C]]), "and whom the other took in leaves with it");
}

#[test]
fn rule_11_an_event_that_a_separation_overtakes_is_folded_where_it_belongs() {
    let event = naming(20, &[B]);
    for calls in 0.. {
        let store = people(unlimited(), &[A, B]);
        carry_out(&store, &request(A, B)).unwrap();
        let order = take_out(Part::Absorbed(profile_id(B)), 1);
        let apart = || drop(carry_out(&store, &order).unwrap());
        if !with_between(&store, batch(&[&event]), calls, apart) {
            assert!(calls > 3, "the batch is to be overtaken at each of its calls");
            break;
        }
        check(&store, &[(A, 1), (B, 2)], &format!("after {calls} calls"));
        hear(&store, &[retry_of(&event, 1_000)]);
        check(&store, &[(A, 1), (B, 2)], &format!("after {calls} calls and a copy"));
    }
}

#[test]
fn rule_11_an_event_that_a_merge_overtakes_is_folded_once() {
    let event = naming(20, &[B]);
    for calls in 0.. {
        let store = people(unlimited(), &[A, B]);
        let merge = || drop(carry_out(&store, &request(A, B)).unwrap());
        if !with_between(&store, batch(&[&event]), calls, merge) {
            assert!(calls > 3, "the batch is to be overtaken at each of its calls");
            break;
        }
        hear(&store, &[retry_of(&event, 1_000)]);
        check(&store, &[(A, 3)], &format!("after {calls} calls"));
    }
}

#[test]
fn rule_12_events_that_come_during_a_separation_are_on_their_sides() {
    for calls in 0.. {
        let store = people(unlimited(), &[A, B]);
        carry_out(&store, &request(A, B)).unwrap();
        let old: Vec<Event> =
            (10..60).map(|number| naming(number, &[if number % 2 == 0 { A } else { B }])).collect();
        for some in old.chunks(10) {
            hear(&store, some);
        }
        let counted = Counted::default();
        let stage = stage(&store, 7, counted.store(&store.people));
        let order = take_out(Part::Absorbed(profile_id(B)), 1);
        let mut running = counted.running(async move { stage.carry_out(&order).await });
        if (0..calls).any(|_| running.go_on().is_some()) {
            assert!(calls > 20, "events are to come at each of its calls");
            break;
        }
        hear(&store, &[naming(100, &[A]), naming(101, &[B]), naming(5, &[B]), retry_of(&old[0], 1)]);
        while running.go_on().is_none() {}
        let at = format!("after {calls} calls");
        check(&store, &[(A, 27), (B, 28)], &at);
        for event in old.iter().chain(&[naming(101, &[B])]) {
            hear(&store, &[retry_of(event, 1_000)]);
        }
        check(&store, &[(A, 27), (B, 28)], &format!("{at}, and copies"));
    }
}

#[test]
fn rule_13_an_event_of_what_is_cut_off_meanwhile_joins_the_new_person() {
    let events = [naming(1, &[A]), naming(2, &[A, B]), naming(3, &[B])];
    let late = naming(20, &[B]);
    for calls in 0.. {
        let store = Store::new(defined(unlimited(), 1_000));
        for event in &events {
            hear(&store, std::slice::from_ref(event));
        }
        let cut = take_out(Part::Identifier(id(B)), 1);
        let cut_off = || drop(carry_out(&store, &cut).unwrap());
        if !with_between(&store, batch(&[&late]), calls, cut_off) {
            assert!(calls > 3, "the batch is to be overtaken at each of its calls");
            break;
        }
        let at = format!("after {calls} calls");
        check(&store, &[(A, 2), (B, 2)], &at);
        let (new, held) = owner(&store.tables(), B.0, B.1);
        assert_eq!(held.identifiers[&id(B)].generation, 1, "{at}");
        assert!(new != profile_id(A) && new != profile_id(B), "{at}: an id that was nobody's");
        let row = store.tables().identities[&(workspace(), key().identifier(&workspace(), &id(B)))];
        assert_eq!(row, IdentityRow { owner: Owner::Profile(new), generation: 1 }, "{at}");
    }
}

#[test]
fn rule_15_who_was_taken_in_is_not_due_and_the_survivor_sends_what_it_had_to() {
    let store = people(unlimited(), &[A, B, C]);
    // `B` is tied to `C`, and whoever folds it dies before it says so.
    let tying = naming(10, &[B, C]);
    let calls = store.tables();
    let save = Store::of(&calls).deliver(&batch(&[&tying]), None);
    let save = save.iter().position(|call| *call == "save").unwrap();
    store.deliver(&batch(&[&tying]), Some((save, End::Done)));
    assert_eq!(profile(&store.tables(), profile_id(B)).outbox.ties().len(), 1);
    assert_eq!(store.merges.take().len(), 0);
    carry_out(&store, &request(A, B)).unwrap();
    let tables = store.tables();
    let due = |id| tables.profiles[&(workspace(), id)].due;
    assert_eq!((due(profile_id(B)), profile(&tables, profile_id(B)).outbox.is_empty()), (None, true));
    assert!(due(profile_id(A)).is_some(), "the survivor is");
    store.clock.advance(domain::time::Timestamp::HOUR);
    store.sweep(None);
    let sent = store.merges.take();
    assert_eq!(sent.len(), 1);
    carry_out(&store, &sent[0].body).unwrap();
    assert_eq!(partition(&store.tables()), groups(&[&[A, B, C]]));
    check(&store, &[(A, 4)], "with the event that tied them");
}

#[test]
fn rule_17_a_request_from_before_a_separation_does_not_undo_it() {
    let store = people(unlimited(), &[A, B, C, D]);
    let stale = request(A, B);
    carry_out(&store, &stale).unwrap();
    carry_out(&store, &take_out(Part::Absorbed(profile_id(B)), 1)).unwrap();
    assert_eq!(carry_out(&store, &stale).unwrap(), Outcome::Refused(Refusal::Apart));
    // It holds between all whom either takes in, too, and for whoever took one in.
    hear(&store, &[naming(-50, &[C])]);
    carry_out(&store, &request(A, C)).unwrap();
    carry_out(&store, &request(D, B)).unwrap();
    for pair in [(C, D), (D, A), (B, C)] {
        assert_eq!(carry_out(&store, &request(pair.0, pair.1)).unwrap(), Outcome::Refused(Refusal::Apart));
    }
    assert_eq!(partition(&store.tables()), groups(&[&[A, C], &[B, D]]));
    carry_out(&store, &allow([profile_id(B), profile_id(A)], 2)).unwrap();
    assert!(matches!(carry_out(&store, &request(C, D)).unwrap(), Outcome::Merged { .. }));
    assert_eq!(partition(&store.tables()), groups(&[&[A, B, C, D]]));
}

#[test]
fn rule_17_limits_are_those_of_the_moment_of_the_merge() {
    let rules = Rules { limits: vec![("user_id".to_owned(), 1)], ..unlimited() };
    let store = people(rules, &[A, B]);
    let early = request(A, B);
    // Both become known users before the request is read.
    hear(&store, &[naming(10, &[("user_id", "a"), A])]);
    hear(&store, &[naming(11, &[("user_id", "b"), B])]);
    let limit = Refusal::Limit { kind: "user_id".to_owned(), limit: 1 };
    assert_eq!(carry_out(&store, &early).unwrap(), Outcome::Refused(limit));
}

/// Merged, taken apart, allowed and tied again, all within the five minutes in
/// which the queue drops what it takes for a copy.
#[test]
fn rule_17_a_tie_that_comes_again_is_another_request() {
    let store = people(unlimited(), &[A, B]);
    let mut sent = Vec::new();
    for number in [10, 20] {
        hear(&store, &[naming(number, &[A, B])]);
        let requests = store.merges.take();
        assert_eq!(requests.len(), 1, "an event that ties them says so");
        assert!(matches!(carry_out(&store, &requests[0].body).unwrap(), Outcome::Merged { .. }));
        sent.extend(requests.into_iter().map(|sent| sent.fifo.unwrap().deduplication));
        let orders = u64::try_from(number).unwrap();
        carry_out(&store, &take_out(Part::Absorbed(profile_id(B)), orders)).unwrap();
        carry_out(&store, &allow([profile_id(A), profile_id(B)], orders + 1)).unwrap();
    }
    assert_ne!(sent[0], sent[1]);
}
