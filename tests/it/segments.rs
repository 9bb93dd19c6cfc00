//! What profiles keep, against everything that ever happened: at any moment,
//! and at the very moments at which answers end, both say the same.

mod make;
mod story;
mod stage;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::segment::stored::SegmentId;
use domain::time::Timestamp;
use fastrand::Rng;
use serde_json::Value;

use make::OPERATORS;
use story::{Pace, Story};

/// 1 November 2026; the stories of the first pace go on for a month.
const BEGIN: Timestamp = Timestamp::from_millis(1_793_491_200_000);
/// One story goes through November, one through the end of a January, and one
/// through years, of which one has a day more.
const PACES: [Pace; 3] = [
    Pace { begin: BEGIN, times: 1, kept: None },
    // 24 January 2027.
    Pace { begin: Timestamp::from_millis(1_800_748_800_000), times: 1, kept: None },
    // 20 January 2028.
    Pace { begin: Timestamp::from_millis(1_831_939_200_000), times: 12, kept: None },
];
/// Stories of one run; `SEGMENT_CASES` asks for more.
const CASES: u64 = 2_400;
/// Stories of one run in which little is kept.
const CASES_OF_LITTLE: u64 = 700;
/// Points that are kept where little is, in place of 500.
const KEPT: usize = 3;
/// Steps of one story.
const STEPS: usize = 40;
/// Operators of one story, beside those that the others ask.
const ASKED: usize = 8;
/// Computed traits of one story.
const VALUES_ASKED: usize = 3;
/// How often each operator has to have held, not held, and flipped by time alone.
const LEAST: usize = 50;

/// What is published of the language.
static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../../infra/segment.schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

/// How often an operator answered what.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    held: usize,
    failed: usize,
    unknown: usize,
    flipped: usize,
}

/// Of operators, and of the measures of computed traits.
type Table = BTreeMap<&'static str, Seen>;

/// A number that whoever runs the tests gives.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long, or which one")]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

/// Tells stories, in each of which all that is asked has to be right.
fn tell(cases: u64, kept: Option<usize>) -> (Table, Table) {
    let only = asked("SEGMENT_SEED");
    let mut table: Table = OPERATORS.iter().map(|(name, _)| (*name, Seen::default())).collect();
    let mut values = Table::new();
    for seed in only.map_or(0..cases, |seed| seed..seed + 1) {
        let nth = usize::try_from(seed).unwrap();
        let operators = (nth * ASKED..(nth + 1) * ASKED).map(|at| OPERATORS[at % OPERATORS.len()].0);
        let operators: Vec<&'static str> = operators.collect();
        let measures =
            (nth * VALUES_ASKED..(nth + 1) * VALUES_ASKED).map(|at| make::VALUES[at % make::VALUES.len()]);
        let pace = Pace { kept, ..PACES[nth % PACES.len()] };
        let mut story = Story::new(Rng::with_seed(seed), pace, &operators, measures);
        for step in 0..STEPS {
            let is_event = story.step();
            let at = format!("seed {seed}, step {step}");
            for (measure, is_something) in story.check_values(&at) {
                let seen = values.entry(measure).or_default();
                match is_something {
                    Some(true) => seen.held += 1,
                    Some(false) => seen.failed += 1,
                    None => seen.unknown += 1,
                }
            }
            for (operator, (holds, was)) in operators.iter().zip(story.check(&at)) {
                let seen = table.get_mut(operator).unwrap();
                match holds {
                    Some(true) => seen.held += 1,
                    Some(false) => seen.failed += 1,
                    None => seen.unknown += 1,
                }
                seen.flipped +=
                    usize::from(!is_event && holds.is_some() && was.is_some_and(|was| Some(was) != holds));
            }
        }
    }
    show("computed trait", &values);
    show("operator", &table);
    (table, values)
}

fn show(of: &str, table: &Table) {
    println!("{of:<28} {:>7} {:>7} {:>7} {:>7}", "held", "failed", "unknown", "by time");
    for (name, Seen { held, failed, unknown, flipped }) in table {
        println!("{name:<28} {held:>7} {failed:>7} {unknown:>7} {flipped:>7}");
    }
}

#[test]
fn what_is_kept_answers_as_the_whole_history_does_at_every_moment() {
    let (table, values) = tell(asked("SEGMENT_CASES").unwrap_or(CASES), None);
    if asked("SEGMENT_SEED").is_some() {
        return;
    }
    for (name, seen) in &values {
        assert!(seen.held >= LEAST && seen.failed >= LEAST, "`{name}` was seen too seldom: {seen:?}");
    }
    for (name, by_time) in OPERATORS {
        let seen = table[name];
        let is_enough = seen.held >= LEAST && seen.failed >= LEAST && (!by_time || seen.flipped >= LEAST);
        assert!(is_enough, "`{name}` was seen too seldom: {seen:?}");
    }
}

/// Who has more events of a condition than are kept.
#[test]
fn of_whom_too_little_is_kept_the_answer_is_right_or_unknown() {
    let (table, values) = tell(asked("SEGMENT_CASES").unwrap_or(CASES_OF_LITTLE), Some(KEPT));
    if asked("SEGMENT_SEED").is_some() {
        return;
    }
    for (name, seen) in table.iter().chain(&values) {
        assert!(seen.held.min(seen.failed) >= LEAST / 2, "`{name}` was known too seldom: {seen:?}");
    }
    for name in ["sum, rolling", "sequence, same, during", "absence, same, during", "returned, hours", "for"]
    {
        assert!(table[name].unknown >= LEAST, "of `{name}` all was known: {:?}", table[name]);
    }
}

#[test]
fn the_published_schema_takes_the_examples_and_refuses_what_has_another_form() {
    for example in ["lapsing-buyers", "cart-abandoned", "best-customers", "spent-90-days"] {
        let path = format!("{}/../events/segments/{example}.json", env!("CARGO_MANIFEST_DIR"));
        let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        if let Err(error) = SCHEMA.validate(&document) {
            panic!("{example}: {error}");
        }
    }
    let bad: Value = serde_json::from_str(include_str!("../../events/segments/bad.json")).unwrap();
    let bad: Vec<&Value> = bad.as_array().unwrap().iter().map(|case| &case["document"]).collect();
    // Form is all that a schema knows: how many tests there are, and what words mean, it does not.
    let refused = bad.iter().filter(|document| !SCHEMA.is_valid(document)).count();
    assert!(refused * 2 >= bad.len(), "{refused} of {}", bad.len());
}

fn id(name: &str) -> SegmentId {
    SegmentId::parse(name).unwrap()
}
