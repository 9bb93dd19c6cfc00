//! The ledger: what may spill, and what has to be looked up afterwards.

use std::collections::BTreeSet;

use crate::event::ClientTime;
use crate::key::EventName;
use crate::profile::ledger::{Entry, Known, Ledger, SPILL_ABOVE};
use crate::profile::page;
use crate::time::Timestamp;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn full() -> Ledger {
    let mut ledger = Ledger::default();
    for n in 0..SPILL_ABOVE {
        ledger.add(Entry { at: at(n.try_into().unwrap()), name: EventName(n as u64) });
    }
    ledger
}

#[test]
fn rule_01_only_entries_as_read_are_spilled() {
    let mut ledger = full();
    let as_read: BTreeSet<Entry> = ledger.entries().iter().copied().collect();
    let late = Entry { at: at(-5), name: EventName(999) };
    let spilled = ledger.spill(1);
    ledger.add(late);
    assert!(!spilled.is_empty());
    assert!(spilled.iter().all(|entry| as_read.contains(entry)));
    assert!(ledger.entries().contains(&late), "the oldest of all, and still not spilled");
}

#[test]
fn rule_02_a_time_equal_to_what_was_spilled_is_looked_up() {
    let mut ledger = full();
    let newest = ledger.spill(1).last().copied().unwrap();
    assert_eq!(ledger.spilled_to(), Some(newest.at));
    let same_moment = ledger.knows(EventName(777), ClientTime::Sent(newest.at));
    assert_eq!(same_moment, Known::AskPages { from: newest.at });
    assert_eq!(ledger.knows(EventName(777), ClientTime::Sent(newest.at.plus(1))), Known::New);
}

#[test]
fn rule_02_what_was_spilled_only_rises() {
    let mut ledger = full();
    ledger.spill(SPILL_ABOVE);
    let reach = ledger.spilled_to();
    ledger.add(Entry { at: at(-100), name: EventName(1_000) });
    ledger.spill(SPILL_ABOVE);
    assert_eq!(ledger.spilled_to(), reach);
}

#[test]
fn rule_03_an_event_without_a_time_is_always_looked_up_once_a_page_exists() {
    let mut ledger = full();
    let timeless = ClientTime::Absent(at(1_000_000));
    assert_eq!(ledger.knows(EventName(777), timeless), Known::New);
    ledger.spill(1);
    assert_eq!(ledger.knows(EventName(777), timeless), Known::AskPages { from: at(i64::MIN) });
}

#[test]
fn rule_09_a_union_reaches_as_far_as_either_side() {
    let mut left = full();
    left.spill(SPILL_ABOVE);
    let reach = left.spilled_to();
    let mut right = Ledger::default();
    right.absorb(left);
    assert_eq!(right.spilled_to(), reach);
}

#[test]
fn a_ledger_page_is_found_from_every_time_on_it() {
    let mut ledger = full();
    let spilled = ledger.spill(1);
    let pages = page::ledger(3, &spilled);
    for entry in &spilled {
        let (from, to) = page::ledger_range(3, entry.at);
        let found = pages.iter().filter(|item| item.key >= from && item.key < to);
        let names: BTreeSet<EventName> =
            found.flat_map(|item| page::read_ledger(&item.body).unwrap()).collect();
        assert!(names.contains(&entry.name));
    }
    let (from, to) = page::ledger_range(4, at(0));
    assert!(
        !pages.iter().any(|item| item.key >= from && item.key < to),
        "pages of another epoch are invisible"
    );
}
