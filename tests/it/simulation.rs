//! The production stages under a seeded storm, and what must hold after every
//! step: real requests into ingest, its queue, the profile stage, the sweep.
//!
//! A failure prints `SEED=…` and the shortest run that fails; the same seed
//! repeats the same run.

mod chance;
mod crowd;
mod sdk;
mod world;
mod oracle;
mod shortest;
mod crash_points;
mod ingest_crash_points;
mod identity_crash_points;
mod identity;
mod mutants;
mod segments;
mod segments_crash_points;
mod poison;
mod rules_04_to_07;
mod rule_08;
mod rules_20_to_23;

use crowd::Crowd;
pub(crate) use world::finish;

/// Seeds of one ordinary run; `SIMULATION_SEEDS` asks for more.
const SEEDS: u64 = 60;

/// As many seeds as `SIMULATION_SEEDS` says, or those of an ordinary run.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long")]
fn seeds(ordinary: u64) -> std::ops::Range<u64> {
    let wanted = std::env::var("SIMULATION_SEEDS").ok().and_then(|wanted| wanted.parse().ok());
    0..wanted.unwrap_or(ordinary)
}

#[test]
fn any_storm_ends_in_what_a_sequential_fold_of_the_distinct_events_gives() {
    let failed = seeds(SEEDS).find_map(|seed| {
        println!("SEED={seed}"); // Shown if what runs panics.
        shortest::failure::<profile::Proper, ingest::Proper>((Crowd::Shop, seed), shortest::PATIENCE)
    });
    if let Some(failed) = failed {
        panic!("{failed}");
    }
}
