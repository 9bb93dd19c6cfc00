//! What an operator is told of other rules is worth nothing unless a replay
//! under the rules that stand tells what stands.

use domain::key::EventName;
use domain::profile::page;
use domain::replay::{People, Replay, Seen};
use domain::time::Timestamp;

use super::limits::{any_event, any_rules};
use super::*;
use crate::simulation::crowd::draw;

/// Seeds of one ordinary run.
const SEEDS: u64 = 60;
/// Events of a run.
const EVENTS: i64 = 40;

/// The events that ledgers prove, in the order in which they happened.
fn history(tables: &Tables) -> Vec<Event> {
    let mut proven: BTreeSet<EventName> = BTreeSet::new();
    for stored in tables.profiles.values() {
        let profile = Profile::decode(&stored.body).unwrap();
        proven.extend(profile.ledger.entries().iter().map(|entry| entry.name));
    }
    let items = |kind: &'static str| {
        tables.items.iter().filter(move |((.., key), _)| key.0.starts_with(kind)).map(|(_, body)| body)
    };
    for body in items("ledger#") {
        proven.extend(page::read_ledger(body).unwrap());
    }
    let mut events: Vec<Event> = items("page#").flat_map(|body| page::read_timeline(body).unwrap()).collect();
    events.retain(|event| proven.remove(&event.name(&key())));
    events.sort_by_key(|event| event.event_time);
    events
}

fn stand(tables: &Tables) -> People {
    let mut people = People::default();
    for ((_, id), stored) in &tables.profiles {
        people.add(*id, &Profile::decode(&stored.body).unwrap());
    }
    people
}

fn replayed(rules: &Rules, tables: &Tables) -> (Seen, People) {
    let (key, workspace) = (key(), workspace());
    let mut replay = Replay::new(&key, &workspace, rules);
    for event in history(tables) {
        replay.event(&event);
    }
    replay.end()
}

#[test]
fn a_replay_under_the_rules_that_stand_gives_the_people_and_refusals_that_stand() {
    let mut met = BTreeSet::new();
    for seed in seeds(SEEDS) {
        let chance = SeededEntropy::seeded(seed ^ 0x4e91);
        let rules = any_rules(&chance);
        let store = Store::new(defined(rules.clone(), 1_000));
        for number in 0..EVENTS {
            deliver(&store, &[&[&any_event(&chance, &rules, number)]]);
            store.clock.advance(Timestamp::MINUTE);
            for sent in store.merges.take() {
                carry_out(&store, &sent.body).unwrap();
            }
        }
        let tables = store.tables();
        let (seen, then) = replayed(&rules, &tables);
        assert_eq!(seen.events, EVENTS.unsigned_abs(), "SEED={seed}");
        assert_eq!(then, stand(&tables), "SEED={seed}");
        let mut refused: BTreeMap<String, u64> = BTreeMap::new();
        for (reason, _) in refusals(&tables).into_keys() {
            *refused.entry(reason).or_default() += 1;
        }
        let told: BTreeMap<String, u64> =
            seen.refused.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        assert_eq!(told, refused, "SEED={seed}");
        met.extend(told.into_keys());
    }
    assert!(seeds(SEEDS).end < SEEDS || met.len() >= 5, "only {met:?} were met");
}

/// Without limits neither the order of events nor that of merges decides.
#[test]
fn without_limits_a_replay_gives_the_people_who_stand_whatever_came_first() {
    for seed in seeds(SEEDS) {
        let chance = SeededEntropy::seeded(seed ^ 0x0a0e);
        let pick = |below: usize| usize::try_from(draw(&chance, below as u64)).unwrap();
        let store = Store::new(defined(unlimited(), 1_000));
        let mut numbers: Vec<i64> = (0..EVENTS).collect();
        let mut waiting = Vec::new();
        while !numbers.is_empty() {
            let number = numbers.swap_remove(pick(numbers.len()));
            deliver(&store, &[&[&any_event(&chance, &unlimited(), number)]]);
            waiting.extend(store.merges.take());
            while waiting.len() > 4 {
                let sent = waiting.swap_remove(pick(waiting.len()));
                carry_out(&store, &sent.body).unwrap();
            }
        }
        for sent in waiting {
            carry_out(&store, &sent.body).unwrap();
        }
        let tables = store.tables();
        let (seen, then) = replayed(&unlimited(), &tables);
        let now = stand(&tables);
        assert!(seen.refused.is_empty() && seen.left_out.is_empty(), "SEED={seed}");
        assert_eq!(then.sizes().len(), now.sizes().len(), "SEED={seed}");
        assert_eq!(now.until(&then), domain::replay::Difference::default(), "SEED={seed}");
    }
}
