//! Copies of one event that other rules send to other homes.

use domain::event::Event;
use domain::identifier::Identifier;
use domain::profile::Profile;
use domain::rules::{COPIES_MAX, Homing, ROLLOUT, Rules};
use domain::time::Timestamp;
use ports::Definitions as _;
use ports::definitions::Workspace;
use testkit::people::Tables;

use super::crash_points::{Calls, Store, points};
use super::crowd::{bodies, defined, naming, start, workspace};
use super::rules_04_to_07::{batch, deliver};
use super::world::finish;

const EMAIL: (&str, &str) = ("email", "m@example.com");
const ANONYMOUS: (&str, &str) = ("anonymous_id", "a");

/// The rules after an operator blocked the e-mail address, long enough ago that
/// every stage knows of it.
fn blocking() -> Rules {
    let blocked = [Homing::default().blocked, vec![EMAIL.1.to_owned()]].concat();
    let changed = Rules { version: 2, homing: Homing { blocked, ..Homing::default() }, ..Rules::default() };
    changed.after(&Rules::default(), start().plus(-ROLLOUT))
}

/// The rules after an operator put browsers before e-mail addresses.
fn preferring() -> Rules {
    let priority = ["anonymous_id", "email"].map(str::to_owned).to_vec();
    let changed = Rules { version: 2, homing: Homing { priority, ..Homing::default() }, ..Rules::default() };
    changed.after(&Rules::default(), start().plus(-ROLLOUT))
}

fn store(rules: Rules) -> Store {
    Store::new(defined(rules, 1_000))
}

/// An event as it was read before the change, and its copy as read after it.
fn copies(rules: &Rules) -> [Event; 2] {
    let before = naming(7, &[EMAIL, ANONYMOUS]);
    let mut named: Vec<Identifier> = before.identifiers.clone();
    rules.homing.sort(&mut named);
    let (blocked, identifiers) = named.into_iter().partition(|one| rules.homing.blocks(one));
    let after = Event { identifiers, blocked, rules: 2, ..before.clone() };
    assert_ne!(before.home(), after.home());
    [before, after]
}

/// What stands before either comes: nobody, or people whom one or both name.
fn backgrounds() -> Vec<Vec<Event>> {
    let (email, anonymous) = (naming(1, &[EMAIL]), naming(2, &[ANONYMOUS]));
    vec![vec![], vec![email.clone()], vec![anonymous.clone()], vec![email, anonymous]]
}

/// How often events were folded, over all people.
fn folded(tables: &Tables) -> u64 {
    let people = tables.profiles.values().map(|stored| Profile::decode(&stored.body).unwrap());
    people.map(|profile| profile.counters.total()).sum()
}

#[test]
fn rule_08_an_event_is_folded_once_whichever_rules_its_copies_were_read_under() {
    for rules in [blocking(), preferring()] {
        for background in backgrounds() {
            let [before, after] = copies(&rules);
            for (first, second) in [(&before, &after), (&after, &before)] {
                let store = store(rules.clone());
                deliver(
                    &store,
                    &[&background.iter().collect::<Vec<_>>(), &[first], &[second], &[first, second]],
                );
                assert_eq!(folded(&store.tables()), background.len() as u64 + 1, "{background:?}");
            }
            // In one batch, one of them must lose its race.
            let store = store(rules.clone());
            deliver(&store, &[&background.iter().collect::<Vec<_>>(), &[&before, &after]]);
            assert_eq!(folded(&store.tables()), background.len() as u64 + 1, "{background:?}");
        }
    }
}

#[test]
fn rule_08_two_workers_with_a_copy_each_fold_one() {
    let mut crossed = 0;
    for rules in [blocking(), preferring()] {
        for background in backgrounds() {
            let [before, after] = copies(&rules);
            for (first, second) in [(&before, &after), (&after, &before)] {
                for polls in 0.. {
                    let store = store(rules.clone());
                    deliver(&store, &[&background.iter().collect::<Vec<_>>()]);
                    let calls = Calls::until(None);
                    let stage = store.stage(&calls);
                    let bodies = bodies(vec![first.clone()]);
                    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
                    let mut running = std::pin::pin!(stage.upsert(&bodies, Timestamp::from_millis(i64::MAX)));
                    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                    if (0..polls).any(|_| running.as_mut().poll(&mut context).is_ready()) {
                        break;
                    }
                    deliver(&store, &[&[second]]);
                    assert!(finish(running).iter().all(Result::is_ok), "after {polls} polls");
                    let is_lost = calls.made().iter().filter(|call| **call == "save").count() > 1;
                    crossed += usize::from(is_lost);
                    let tables = store.tables();
                    assert_eq!(
                        folded(&tables),
                        background.len() as u64 + 1,
                        "after {polls} polls, {background:?}"
                    );
                }
            }
        }
    }
    assert!(crossed > 0, "the check is to be what decides at least once");
}

#[test]
fn rule_08_a_crash_at_any_call_changes_nothing() {
    let rules = blocking();
    let [before, after] = copies(&rules);
    let fresh = || {
        let store = store(rules.clone());
        deliver(&store, &[&[&naming(1, &[EMAIL])], &[&naming(2, &[ANONYMOUS])], &[&before]]);
        store
    };
    let calls = fresh().deliver(&batch(&[&after]), None).len();
    for point in points(calls) {
        let store = fresh();
        store.deliver(&batch(&[&after]), Some(point));
        deliver(&store, &[&[&after], &[&before]]);
        assert_eq!(folded(&store.tables()), 3, "{point:?}");
    }
}

/// Copies come for thirty days; what comes later is taken for new, as said.
#[test]
fn rule_08_what_comes_after_the_last_copy_is_new() {
    let rules = blocking();
    let [before, after] = copies(&rules);
    let store = store(rules);
    let late = Event { received_at: start().plus(COPIES_MAX + Timestamp::DAY), ..after };
    deliver(&store, &[&[&naming(1, &[EMAIL])], &[&naming(2, &[ANONYMOUS])], &[&before], &[&late]]);
    assert_eq!(folded(&store.tables()), 4);
}

/// One whose stages read definitions that are a minute old does as the others.
#[test]
fn rule_08_a_stage_that_does_not_know_of_the_change_yet_finds_the_copy() {
    for rules in [blocking(), preferring()] {
        let [before, after] = copies(&rules);
        let store = store(Rules::default());
        deliver(&store, &[&[&naming(1, &[EMAIL])], &[&naming(2, &[ANONYMOUS])], &[&before]]);
        deliver(&store, &[&[&after]]);
        assert_eq!(folded(&store.tables()), 3);
        let sources = finish(store.definitions.workspace(&workspace())).unwrap().unwrap().sources;
        store.definitions.define(Workspace { id: workspace(), rules, sources, segments: 0, outreach: 0 });
        deliver(&store, &[&[&before], &[&after]]);
        assert_eq!(folded(&store.tables()), 3);
    }
}
