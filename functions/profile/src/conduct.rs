//! The rules that make a stage exact, as constants of a type.
//!
//! Production is [`Proper`]. Tests compile the same stage with one rule broken,
//! to see that the simulation catches it.

use std::ops::Range;

use domain::profile::stored::DUE_SHARDS;

/// How the marker (the ledger) and the effect (the fold) are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// In one conditional write.
    Together,
    MarkerFirst,
    EffectFirst,
}

/// What the stage does about copies of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dedup {
    /// Looks at the ledger and at what it spilled.
    Ledger,
    /// Forgets what the ledger has no room for.
    ShortLedger,
    None,
}

/// What the stage answers for records whose events failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdicts {
    /// Each failed record comes back.
    All,
    /// The first failure of a batch is swallowed.
    OneIgnored,
}

/// How the stage behaves; production has one way.
pub trait Conduct: Send + Sync + 'static {
    const ORDER: Order = Order::Together;
    const DEDUP: Dedup = Dedup::Ledger;
    const VERDICTS: Verdicts = Verdicts::All;
    /// The parts of the due index that a sweep asks.
    const SWEPT: Range<u8> = 0..DUE_SHARDS;
}

/// The production stage.
#[derive(Debug, Clone, Copy)]
pub struct Proper;

impl Conduct for Proper {}
