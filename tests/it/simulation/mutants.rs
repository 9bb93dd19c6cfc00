//! The same stage with one rule broken: the simulation must notice each.

use profile::Conduct;
use profile::conduct::{Dedup, Order, Verdicts};

use super::world::World;

/// A mutant must be caught within this many seeds, or the simulation proves little.
const SEEDS_MAX: u64 = 200;

/// Prints the seed that catches the mutant.
fn check<X: Conduct>(mutant: &str) {
    let caught = (0..SEEDS_MAX).find_map(|seed| {
        let mut world = World::<X>::seeded(seed);
        world.run().err().map(|why| (seed, why))
    });
    let Some((seed, why)) = caught else { panic!("{mutant}: not caught in {SEEDS_MAX} seeds") };
    let first: String = why.chars().take(90).collect();
    println!("mutant `{mutant}` caught at SEED={seed}: {first}");
}

macro_rules! mutant {
    ($name:ident, $type:ident, $constant:ident: $kind:ty = $value:expr) => {
        struct $type;
        impl Conduct for $type {
            const $constant: $kind = $value;
        }
        #[test]
        fn $name() {
            check::<$type>(stringify!($name));
        }
    };
}

mutant!(marker_before_effect_is_caught, MarkerFirst, ORDER: Order = Order::MarkerFirst);
mutant!(effect_before_marker_is_caught, EffectFirst, ORDER: Order = Order::EffectFirst);
mutant!(no_dedup_is_caught, NoDedup, DEDUP: Dedup = Dedup::None);
mutant!(a_ledger_shorter_than_the_duplicates_is_caught, ShortLedger, DEDUP: Dedup = Dedup::ShortLedger);
mutant!(one_ignored_batch_failure_is_caught, OneIgnored, VERDICTS: Verdicts = Verdicts::OneIgnored);
