//! Chance, from a seed.

use std::hash::Hasher;

use fastrand::Rng;
use siphasher::sip::SipHasher24;

/// A stream of random numbers with a name of its own, so that what is drawn
/// for one person or day never shifts what is drawn for another.
pub(crate) struct Chance(Rng);

impl Chance {
    pub(crate) fn of(seed: u64, what: &str, parts: &[u64]) -> Self {
        let mut hasher = SipHasher24::new_with_keys(seed, parts.len() as u64);
        hasher.write(what.as_bytes());
        for part in parts {
            hasher.write(&part.to_le_bytes());
        }
        Self(Rng::with_seed(hasher.finish()))
    }

    /// One of `0..bound`; a bound of 0 gives 0.
    pub(crate) fn under(&mut self, bound: u32) -> u32 {
        self.0.u32(0..bound.max(1))
    }

    /// One of `least..=most`.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        self.0.i64(least..=most.max(least))
    }

    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        self.under(100) < percent
    }

    pub(crate) fn permille(&mut self, permille: u32) -> bool {
        self.under(1000) < permille
    }

    /// One of the options; the type's default if there are none.
    pub(crate) fn pick<T: Copy + Default>(&mut self, options: &[T]) -> T {
        self.0.choice(options).copied().unwrap_or_default()
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let mut part = |bits: u32| self.0.u64(0..1 << bits);
        let (time, node) = (part(48), part(48));
        let (random, variant) = (part(12), part(14) | 0x8000);
        format!("{:08x}-{:04x}-4{random:03x}-{variant:04x}-{node:012x}", time >> 16, time & 0xffff)
    }
}
