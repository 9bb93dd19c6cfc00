//! The same stages with one rule broken: the simulation must notice each.

use std::ops::Range;

use domain::profile::stored::DUE_SHARDS;
use ingest::conduct::Answered;
use profile::conduct::{Dedup, Order, Verdicts};

use super::crowd::Crowd;
use super::shortest;

/// A mutant must be caught within this many seeds, or the simulation proves little.
const SEEDS_MAX: u64 = 200;

/// Steps that go into a shorter run of one that is meant to fail.
const PATIENCE: usize = 20_000;

/// Prints the seed that catches the mutant, and a short run that does.
fn check<X: profile::Conduct, Y: ingest::Conduct>(mutant: &str) {
    let caught = (0..SEEDS_MAX).find_map(|seed| shortest::failure::<X, Y>((Crowd::Shop, seed), PATIENCE));
    let Some(failed) = caught else { panic!("{mutant}: not caught in {SEEDS_MAX} seeds") };
    let why: String = failed.why.chars().take(110).collect();
    println!("mutant `{mutant}` caught at SEED={}: {why}", failed.seed);
    println!("{failed}");
}

macro_rules! mutant {
    ($name:ident, $type:ident in $stage:ident, $constant:ident: $kind:ty = $value:expr) => {
        struct $type;
        impl $stage::Conduct for $type {
            const $constant: $kind = $value;
        }
        #[test]
        fn $name() {
            mutant!(check $stage $type $name);
        }
    };
    (check profile $type:ident $name:ident) => {
        check::<$type, ingest::Proper>(stringify!($name))
    };
    (check ingest $type:ident $name:ident) => {
        check::<profile::Proper, $type>(stringify!($name))
    };
}

mutant!(marker_before_effect_is_caught, MarkerFirst in profile, ORDER: Order = Order::MarkerFirst);
mutant!(effect_before_marker_is_caught, EffectFirst in profile, ORDER: Order = Order::EffectFirst);
mutant!(no_dedup_is_caught, NoDedup in profile, DEDUP: Dedup = Dedup::None);
mutant!(a_ledger_shorter_than_the_duplicates_is_caught, ShortLedger in profile, DEDUP: Dedup = Dedup::ShortLedger);
mutant!(one_ignored_batch_failure_is_caught, OneIgnored in profile, VERDICTS: Verdicts = Verdicts::OneIgnored);
mutant!(a_sweep_that_forgets_a_part_is_caught, PartForgotten in profile, SWEPT: Range<u8> = 1..DUE_SHARDS);
mutant!(an_answer_before_the_queue_accepted_is_caught, AnsweredFirst in ingest, ANSWERED: Answered = Answered::BeforeQueue);

#[test]
fn the_shortest_run_of_a_failure_is_one_to_read() {
    let caught = (0..SEEDS_MAX)
        .find_map(|seed| shortest::failure::<NoDedup, ingest::Proper>((Crowd::Shop, seed), PATIENCE));
    let failed = caught.unwrap();
    assert!(failed.sent == 1 && failed.faults <= 1, "{failed}");
    assert!(failed.to_string().contains("SEED=") && failed.to_string().lines().count() < 20, "{failed}");
}
