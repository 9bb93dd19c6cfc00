//! Two or three requests at once, in every order of their calls.

use super::orders::{Counted, Running, Schedule, every, run};
use super::*;
use crate::simulation::oracle;
use domain::identity_request::Part;
use domain::profile::merge::Refusal;
use domain::workspace::SourceId;

const A: Name = ("card", "a");
const B: Name = ("card", "b");
const C: Name = ("card", "c");
const D: Name = ("card", "d");

/// Where requests can meet: no row changes here, and nobody but one writes its
/// pages.
const MEET: &[&str] = &["profiles", "save_all"];

/// What is to happen at once, each by an instance of its own.
fn at_once(store: &Store, schedule: &mut Schedule, bodies: &[String]) -> Vec<Outcome> {
    let running = |(number, body): (u64, &String)| -> Running<Came> {
        let counted = Counted::only(MEET);
        let stage = stage(store, number, counted.store(&store.people));
        let body = body.clone();
        counted.running(async move { stage.carry_out(&body).await })
    };
    let functions = (0..).zip(bodies).map(running).collect();
    let came = run(schedule, functions);
    assert_eq!(oracle::invariants(&store.tables()), Ok(()), "{:?}", schedule.told());
    came.into_iter().map(Result::unwrap).collect()
}

/// A store as it was, for one more order.
fn again(store: &Store, tables: &Tables) -> Store {
    let fresh = Store::new(store.definitions.clone());
    fresh.people.alter(|empty| *empty = tables.clone());
    fresh
}

fn merged(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Merged { .. })).count()
}

#[test]
fn three_ties_in_a_circle_at_once_make_one_person_in_every_order() {
    let before = people(unlimited(), &[A, B, C]);
    let tables = before.tables();
    let circle = [request(A, B), request(B, C), request(C, A)];
    let orders = every(|schedule| {
        let store = again(&before, &tables);
        let outcomes = at_once(&store, schedule, &circle);
        // The third finds that there is nothing left to do.
        assert_eq!(merged(&outcomes), 2, "{outcomes:?} by {:?}", schedule.told());
        assert_eq!(partition(&store.tables()), groups(&[&[A, B, C]]));
        let survivor = profile(&store.tables(), profile_id(A));
        assert_eq!(survivor.counters.total(), 3, "the first seen goes on, with all events");
        assert_eq!(survivor.family.absorbed.len(), 2);
    });
    println!("{orders} orders");
}

#[test]
fn of_two_merges_that_hit_a_limit_together_one_is_refused_with_its_reason() {
    let rules = Rules { limits: vec![("card".to_owned(), 2)], ..unlimited() };
    let before = people(rules, &[A, B, C]);
    let tables = before.tables();
    let both = [request(A, B), request(A, C)];
    let (mut refused_first, mut refused_second) = (0, 0);
    every(|schedule| {
        let store = again(&before, &tables);
        let outcomes = at_once(&store, schedule, &both);
        let limit = Outcome::Refused(Refusal::Limit { kind: "card".to_owned(), limit: 2 });
        assert_eq!(merged(&outcomes), 1, "{outcomes:?} by {:?}", schedule.told());
        let refused = outcomes.iter().position(|outcome| *outcome == limit);
        let lonely = match refused {
            Some(0) => {
                refused_first += 1;
                B
            }
            Some(1) => {
                refused_second += 1;
                C
            }
            _ => panic!("{outcomes:?} by {:?}", schedule.told()),
        };
        let after = store.tables();
        let pair: Vec<Name> = [A, B, C].into_iter().filter(|name| *name != lonely).collect();
        assert_eq!(partition(&after), groups(&[&pair, &[lonely]]));
        let kept = refusals(&after);
        let ((reason, _), with) = kept.iter().next().unwrap();
        assert_eq!((kept.len(), reason.as_str()), (1, "limit"));
        assert_eq!(*with, BTreeSet::from([profile_id(A), profile_id(lonely)]), "with both");
        let listed = store.rejections.kept(&workspace(), &SourceId::parse("web").unwrap());
        assert_eq!(listed.len(), 1, "and in the operators' list");
    });
    assert!(refused_first > 0 && refused_second > 0, "who comes second is refused, whoever that is");
}

/// A survivor `A` that took `B` in, with events of both before and after.
fn one_of_two() -> (Store, Vec<Event>) {
    let store = people(unlimited(), &[A, B, C, D]);
    let mut events: Vec<Event> =
        (0..).zip([A, B, C, D]).map(|(number, name)| naming(number, &[name])).collect();
    carry_out(&store, &request(A, B)).unwrap();
    let later = [naming(10, &[A]), naming(11, &[B]), naming(12, &[B, A])];
    deliver(&store, &[&later.iter().collect::<Vec<_>>()]);
    events.extend(later);
    (store, events)
}

/// Whoever holds a name is the fold of the events whose home is among theirs.
fn check_folds(tables: &Tables, events: &[Event], people: &[&[Name]]) {
    assert_eq!(partition(tables), groups(people));
    for names in people {
        let held: Vec<Identifier> = names.iter().map(|name| id(*name)).collect();
        let roots = tables.profiles.values().map(|stored| Profile::decode(&stored.body).unwrap());
        let root = roots
            .filter(|profile| profile.family.absorbed_into.is_none())
            .find(|profile| profile.identifiers.contains_key(&held[0]))
            .unwrap();
        let mut expected = Profile::default();
        for event in events.iter().filter(|event| held.contains(&event.identifiers[0])) {
            expected.fold(event, event.name(&key()));
        }
        assert_eq!(root.counters, expected.counters, "of {names:?}");
        assert_eq!(root.sources, expected.sources, "of {names:?}");
    }
    let all: BTreeSet<_> = events.iter().map(|event| event.name(&key())).collect();
    assert_eq!(oracle::applied(tables).unwrap().into_keys().collect::<BTreeSet<_>>(), all, "nothing is lost");
}

#[test]
fn a_tie_of_the_two_that_comes_during_their_separation_does_not_undo_it() {
    let (before, events) = one_of_two();
    let tables = before.tables();
    let (mut early, mut late) = (0, 0);
    let orders = every(|schedule| {
        let store = again(&before, &tables);
        let both = [take_out(Part::Absorbed(profile_id(B)), 1), request(B, A)];
        let outcomes = at_once(&store, schedule, &both);
        assert!(matches!(outcomes[0], Outcome::TakenApart(_)), "{outcomes:?}");
        match &outcomes[1] {
            Outcome::Already(_) => early += 1,
            Outcome::Refused(Refusal::Apart) => late += 1,
            other => panic!("{other:?} by {:?}", schedule.told()),
        }
        check_folds(&store.tables(), &events, &[&[A], &[B], &[C], &[D]]);
    });
    assert!(early > 0 && late > 0, "the tie comes before and after: {early}, {late}");
    println!("{orders} orders");
}

/// The other may take the person in, or be taken in by it; either side of it
/// may be the one that is tied.
#[test]
fn a_merge_with_another_during_a_separation_keeps_both() {
    let (mut orders, mut before_switch, mut after_switch) = (0, 0, 0);
    for tied in [A, B] {
        for other in [C, D] {
            // What `C` is to take in is seen after it.
            let (before, mut events) = one_of_two();
            if other == C {
                let oldest = naming(-100, &[C]);
                deliver(&before, &[&[&oldest]]);
                events.push(oldest);
            }
            let tables = before.tables();
            orders += every(|schedule| {
                let store = again(&before, &tables);
                let both = [take_out(Part::Absorbed(profile_id(B)), 1), request(other, tied)];
                let outcomes = at_once(&store, schedule, &both);
                assert!(matches!(outcomes[0], Outcome::TakenApart(_)), "{outcomes:?}");
                assert_eq!(merged(&outcomes), 1, "{outcomes:?} by {:?}", schedule.told());
                let apart = if other == C { D } else { C };
                let after = store.tables();
                // Before the separation a tie to either of the two is one to
                // the person, and what comes in stays with who stays.
                let is_with_a = partition(&after).contains(&[id(A), id(other)].into());
                if is_with_a {
                    before_switch += usize::from(tied == B);
                    check_folds(&after, &events, &[&[A, other], &[B], &[apart]]);
                } else {
                    assert_eq!(tied, B, "by {:?}", schedule.told());
                    after_switch += 1;
                    check_folds(&after, &events, &[&[A], &[B, other], &[apart]]);
                }
                // A copy of the order does not take apart what came after it.
                assert_eq!(carry_out(&store, &both[0]).unwrap(), Outcome::Nothing);
                let again = carry_out(&store, &request(A, B)).unwrap();
                assert_eq!(again, Outcome::Refused(Refusal::Apart), "by {:?}", schedule.told());
                assert_eq!(partition(&store.tables()), partition(&after));
            });
        }
    }
    assert!(before_switch > 0 && after_switch > 0, "{before_switch} before, {after_switch} after");
    println!("{orders} orders");
}

#[test]
fn two_separations_at_once_leave_three_people() {
    let (before, mut events) = one_of_two();
    carry_out(&before, &request(C, A)).unwrap();
    let later = naming(20, &[C, A]);
    deliver(&before, &[&[&later]]);
    events.push(later);
    let tables = before.tables();
    // Each order of all their calls is too many: by chance, from a seed.
    for seed in 0..60 {
        let store = again(&before, &tables);
        let chance = SeededEntropy::seeded(seed);
        let bodies = [profile_id(B), profile_id(C)].map(|id| take_out(Part::Absorbed(id), seed));
        let running = |(number, body): (u64, String)| -> Running<Came> {
            let counted = Counted::default();
            let stage = stage(&store, number, counted.store(&store.people));
            counted.running(async move { stage.carry_out(&body).await })
        };
        let functions = (0..).zip(bodies).map(running).collect();
        let draw = |of: usize| usize::try_from(chance.number() % of as u64).unwrap();
        for came in super::orders::run_by(draw, functions) {
            assert!(matches!(came.unwrap(), Outcome::TakenApart(_)), "SEED={seed}");
        }
        assert_eq!(oracle::invariants(&store.tables()), Ok(()), "SEED={seed}");
        check_folds(&store.tables(), &events, &[&[A], &[B], &[C], &[D]]);
    }
}
