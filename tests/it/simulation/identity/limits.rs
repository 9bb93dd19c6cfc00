//! Any rules, any events, any order: what the stages come to is what a
//! sequential reading of the same order comes to, refusals and their reasons
//! included.

use domain::rejection::Reason;
use domain::rules::{Cardinality, Frequency, Period};
use domain::time::Timestamp;

use super::reference::{Pair, Reference};
use super::*;
use crate::simulation::crowd::{SOURCES, draw};
use crate::simulation::oracle;

/// Seeds of one ordinary run.
const SEEDS: u64 = 120;
/// From the strongest.
const KINDS: [&str; 5] = ["user_id", "email", "anonymous_id", "card", "device"];

fn pick(chance: &SeededEntropy, from: u64, to: u64) -> usize {
    usize::try_from(from + draw(chance, to - from + 1)).unwrap()
}

pub(super) fn any_rules(chance: &SeededEntropy) -> Rules {
    let kind = |chance: &SeededEntropy| KINDS[pick(chance, 0, 4)].to_owned();
    let often = |likely: u64| draw(chance, 10) < likely;
    let limits = KINDS.iter().filter(|_| often(6)).map(|kind| ((*kind).to_owned(), pick(chance, 1, 3)));
    let periods = [Period::Day, Period::Week];
    let frequency =
        |_| Frequency { kind: kind(chance), limit: pick(chance, 1, 2), period: periods[pick(chance, 0, 1)] };
    let cardinality = |_| Cardinality { of: kind(chance), kind: kind(chance), limit: pick(chance, 1, 2) };
    Rules {
        limits: limits.collect(),
        limit_default: pick(chance, 2, 6),
        frequencies: (0..usize::from(often(4))).map(frequency).collect(),
        cardinalities: (0..usize::from(often(4))).map(cardinality).collect(),
        shared: if often(3) { vec!["device".to_owned()] } else { Vec::new() },
        identifiers_max: if often(4) { pick(chance, 3, 8) } else { 64 },
        merges_max: if often(3) { pick(chance, 0, 3) } else { 64 },
        ..Rules::default()
    }
}

/// An event that names one to four of a few.
pub(super) fn any_event(chance: &SeededEntropy, rules: &Rules, number: i64) -> Event {
    let several = [1, 1, 2, 2, 2, 3, 4][pick(chance, 0, 6)];
    let names: BTreeSet<(&str, String)> = (0..several)
        .map(|_| (KINDS[pick(chance, 0, 4)], format!("n{}@example.com", draw(chance, 5))))
        .collect();
    let names: Vec<(&str, &str)> = names.iter().map(|(kind, value)| (*kind, value.as_str())).collect();
    // Hours apart, so that some are of one day and some are not.
    let mut event = naming(number * 3_600 * 5, &names);
    rules.homing.sort(&mut event.identifiers);
    event
}

/// The same order for both: events one at a time, and between them whichever
/// of the requests that wait.
fn run(seed: u64) -> Result<BTreeSet<&'static str>, String> {
    let chance = SeededEntropy::seeded(seed ^ 0x71e5);
    let rules = any_rules(&chance);
    let store = Store::new(defined(rules.clone(), 1_000));
    let mut reference = Reference { rules: rules.clone(), ..Reference::default() };
    // Times are not in the order of arrival.
    let mut numbers: Vec<i64> = (0..40).collect();
    for place in (1..numbers.len()).rev() {
        numbers.swap(place, pick(&chance, 0, place as u64));
    }
    let mut waiting: Vec<(Pair, String)> = Vec::new();
    for number in numbers {
        let event = any_event(&chance, &rules, number);
        deliver(&store, &[&[&event]]);
        let asked = reference.event(event.event_time.millis(), &event.identifiers);
        let sent: Vec<(Pair, String)> = store.merges.take().into_iter().map(|sent| pair(sent.body)).collect();
        let told: Vec<&Pair> = sent.iter().map(|(pair, _)| pair).collect();
        if told != asked.iter().collect::<Vec<_>>() {
            return Err(format!("event {number} asked for {} ties, not {}", told.len(), asked.len()));
        }
        waiting.extend(sent);
        // Of one minute the list of refusals keeps only some.
        store.clock.advance(Timestamp::MINUTE);
        while !waiting.is_empty() && draw(&chance, 3) > 0 {
            store.clock.advance(Timestamp::MINUTE);
            let (pair, body) = waiting.swap_remove(pick(&chance, 0, waiting.len() as u64 - 1));
            carry_out(&store, &body).unwrap();
            reference.merge(&pair);
        }
    }
    for (pair, body) in waiting {
        store.clock.advance(Timestamp::MINUTE);
        carry_out(&store, &body).unwrap();
        reference.merge(&pair);
    }
    compare(&store, &reference)?;
    Ok(reference.refused.values().copied().collect())
}

fn pair(body: String) -> (Pair, String) {
    let Work::Merge(tie) = IdentityRequest::unpack(&body).unwrap().work else { panic!("a tie was sent") };
    let [home, other] = tie.identifiers;
    ((home, other), body)
}

fn compare(store: &Store, reference: &Reference) -> Result<(), String> {
    let tables = store.tables();
    oracle::invariants(&tables)?;
    let mut people = BTreeMap::new();
    for (first, person) in &reference.people {
        let id = key().profile(key().identifier(&workspace(), first), 0);
        people.insert(id, (person.held.clone(), person.events.len() as u64, person.taken_in));
    }
    let profiles =
        tables.profiles.iter().map(|((_, id), stored)| (*id, Profile::decode(&stored.body).unwrap()));
    let roots = profiles.filter(|(_, profile)| profile.family.absorbed_into.is_none());
    let found: BTreeMap<_, _> = roots
        .map(|(id, root)| {
            let held = root.identifiers.iter().map(|(one, held)| (one.clone(), held.since.millis()));
            (id, (held.collect(), root.counters.total(), root.family.absorbed.len()))
        })
        .collect();
    if found != people {
        return Err(format!(
            "{} profiles are not the {} people: {found:?} {people:?}",
            found.len(),
            people.len()
        ));
    }
    let found: BTreeSet<(String, u64)> = refusals(&tables).into_keys().collect();
    let expected: BTreeSet<(String, u64)> =
        reference.refused.iter().map(|(pair, why)| ((*why).to_owned(), mark(pair))).collect();
    if found != expected {
        return Err(format!("refused {} ties, not {}", found.len(), expected.len()));
    }
    let noted = SOURCES.iter().flat_map(|source| {
        store.rejections.kept(&workspace(), &domain::workspace::SourceId::parse(source).unwrap())
    });
    let mut noted: Vec<Reason> = noted.map(|noted| noted.reason).collect();
    let merges = noted.extract_if(.., |reason| *reason == Reason::MergeRefused).count();
    // Of each kind that was left out of an event there is one line.
    let left_out: BTreeSet<(i64, &str)> =
        reference.left_out.iter().map(|(at, identifier)| (*at, identifier.kind())).collect();
    match (merges == expected.len(), noted.len() == left_out.len()) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("{merges} refusals are listed, not {}", expected.len())),
        (_, false) => Err(format!("{} were left out, not {}", noted.len(), left_out.len())),
    }
}

fn mark((home, other): &Pair) -> u64 {
    Tie {
        identifiers: [home.clone(), other.clone()],
        reason: TieReason::SameEvent,
        source: String::new(),
        message_id: String::new(),
        at: Timestamp::default(),
    }
    .mark()
}

#[test]
fn with_any_limits_the_outcome_is_that_of_a_sequential_reading_of_the_same_order() {
    let mut reasons = BTreeSet::new();
    for seed in seeds(SEEDS) {
        match run(seed) {
            Ok(met) => reasons.extend(met),
            Err(why) => panic!("SEED={seed}: {why}"),
        }
    }
    let all = ["cardinality", "frequency", "identifiers", "limit", "merges", "shared_kind"];
    assert!(seeds(SEEDS).end < SEEDS || reasons == BTreeSet::from(all), "only {reasons:?} were met");
}
