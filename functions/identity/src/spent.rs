//! The write units of a batch, by the sizes that we know.

use std::sync::atomic::{AtomicUsize, Ordering};

use domain::profile::stored::{Item, write_units};
use ports::people::Save;

/// What was written so far. Outboxes, indexes and the operator's list are not
/// in it, nor are attempts that lost a race.
#[derive(Debug, Default)]
pub struct Spent(AtomicUsize);

impl Spent {
    pub fn units(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Items that were put, or removed: a removal costs what the item measured.
    pub(crate) fn items(&self, items: &[Item]) {
        self.add(of_items(items));
    }

    pub(crate) fn add(&self, units: usize) {
        self.0.fetch_add(units, Ordering::Relaxed);
    }
}

/// What profiles cost that are written in one transaction.
pub(crate) fn transaction(saves: &[Save]) -> usize {
    let one = |save: &Save| {
        let rows = save.claims.len() + save.checks.len();
        write_units(save.next.body.len()) + of_items(&save.with) + rows
    };
    // A transaction prepares each write and then commits it.
    2 * saves.iter().map(one).sum::<usize>()
}

fn of_items(items: &[Item]) -> usize {
    items.iter().map(|item| write_units(item.body.len())).sum()
}
