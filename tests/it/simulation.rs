//! The production stage under a seeded storm, and what must hold after every step.
//!
//! A failure prints `SEED=…`; the same seed repeats the same run.

mod world;
mod oracle;
mod crash_points;
mod mutants;
mod poison;

use profile::Proper;
use world::World;

/// Seeds of one ordinary run; `SIMULATION_SEEDS` asks for more.
const SEEDS: u64 = 60;

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long")]
fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("SIMULATION_SEEDS").ok().and_then(|wanted| wanted.parse().ok());
    0..wanted.unwrap_or(SEEDS)
}

#[test]
fn any_storm_ends_in_what_a_sequential_fold_of_the_distinct_events_gives() {
    for seed in seeds() {
        let mut world = World::<Proper>::seeded(seed);
        let ended = world.run();
        assert_eq!(ended, Ok(()), "SEED={seed} after {} steps", world.steps());
    }
}
