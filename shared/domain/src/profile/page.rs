//! Pages: items of a profile's collection that hold what its own item cannot.
//!
//! A *timeline page* holds the events that one write brought, a *ledger page*
//! entries that the ledger spilled. A timeline page proves nothing: it may be
//! written by an attempt that fails. What a ledger (item or page) names was
//! applied.

use std::collections::BTreeSet;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::ledger::Entry;
use super::outbox::Tie;
use super::packed::{self, Corrupt};
use super::stored::{Item, ItemKey};
use crate::event::Event;
use crate::key::EventName;
use crate::time::Timestamp;

/// Events of one page lie at most this far apart, so that a reader of a period
/// knows where pages that reach into it can begin.
pub const SPAN_MAX: i64 = 31 * Timestamp::DAY;
/// `DynamoDB` takes 400 KB an item; a page's raw events stay below this, and
/// compressed they are far smaller.
pub const RAW_MAX: usize = 1024 * 1024;
/// What a stored page may be: an item stays under 300 KB.
pub const PACKED_MAX: usize = 280 * 1024;
/// What a page may unfold to.
const UNPACKED_MAX: usize = 8 * 1024 * 1024;
/// Fast, and within a few per cent of the slower levels on small pages.
const LEVEL: i32 = 3;

/// Cuts events into pages, oldest first.
pub fn timeline(epoch: u32, events: &[&Event]) -> Vec<Item> {
    let mut sorted: Vec<&Event> = events.to_vec();
    sorted.sort_by(|a, b| (a.event_time, &a.message_id).cmp(&(b.event_time, &b.message_id)));
    let mut pages = Vec::new();
    let mut rest = sorted.as_slice();
    while let Some(first) = rest.first() {
        let mut size = 0;
        let fits = rest.iter().take_while(|event| {
            size += event.payload.len();
            event.event_time.since(first.event_time) <= SPAN_MAX && size <= RAW_MAX
        });
        let (page, after) = rest.split_at(fits.count().max(1));
        timeline_pages(epoch, page, &mut pages);
        rest = after;
    }
    pages
}

/// One page, or two halves where one would be too large for an item.
fn timeline_pages(epoch: u32, events: &[&Event], pages: &mut Vec<Item>) {
    let Some(first) = events.first() else { return };
    let body = compress(&packed::encode(&events));
    if body.len() > PACKED_MAX && events.len() > 1 {
        let (front, back) = events.split_at(events.len() / 2);
        timeline_pages(epoch, front, pages);
        timeline_pages(epoch, back, pages);
        return;
    }
    pages.push(Item { key: timeline_key(epoch, first.event_time, Some(&body)), body });
}

/// Reads a timeline page.
pub fn read_timeline(body: &[u8]) -> Result<Vec<Event>, Corrupt> {
    packed::decode(&decompress(body)?)
}

/// The range of keys of pages that may hold events of a period.
pub fn timeline_range(epoch: u32, from: Timestamp, to: Timestamp) -> (ItemKey, ItemKey) {
    (timeline_key(epoch, from.plus(-SPAN_MAX), None), timeline_key(epoch, to.plus(1), None))
}

/// Packs spilled entries into a page, under the newest time among them.
pub fn ledger(epoch: u32, entries: &[Entry]) -> Vec<Item> {
    let chunk = |entries: &[Entry]| {
        let packed: Vec<PackedEntry> =
            entries.iter().map(|entry| (entry.at.millis(), entry.name.0.to_le_bytes())).collect();
        let body = packed::encode(&packed);
        let newest = entries.iter().map(|entry| entry.at).max()?;
        Some(Item { key: ledger_key(epoch, newest, Some(&body)), body })
    };
    entries.chunks(super::ledger::ADDED_MAX).filter_map(chunk).collect()
}

/// Reads a ledger page.
pub fn read_ledger(body: &[u8]) -> Result<BTreeSet<EventName>, Corrupt> {
    Ok(read_ledger_entries(body)?.into_iter().map(|entry| entry.name).collect())
}

/// Reads a ledger page with the times that its events' copies share.
pub fn read_ledger_entries(body: &[u8]) -> Result<Vec<Entry>, Corrupt> {
    let packed: Vec<PackedEntry> = packed::decode(body)?;
    let entry =
        |(at, name)| Entry { at: Timestamp::from_millis(at), name: EventName(u64::from_le_bytes(name)) };
    Ok(packed.into_iter().map(entry).collect())
}

/// The range of keys of all pages whose newest entry is at `from` or later.
pub fn ledger_range(epoch: u32, from: Timestamp) -> (ItemKey, ItemKey) {
    (ledger_key(epoch, from, None), ItemKey(format!("ledger#{epoch:08x}#~")))
}

/// A tie, as an item of each of the collections that it ties.
pub fn tie(tie: &Tie) -> Item {
    Item { key: ItemKey(format!("tie#{:016x}", tie.mark())), body: packed::encode(tie) }
}

/// Reads a tie item.
pub fn read_tie(body: &[u8]) -> Result<Tie, Corrupt> {
    packed::decode(body)
}

/// The range of keys of all ties of a profile.
pub fn tie_range() -> (ItemKey, ItemKey) {
    (ItemKey("tie#".to_owned()), ItemKey("tie#~".to_owned()))
}

type PackedEntry = (i64, [u8; 8]);

fn timeline_key(epoch: u32, at: Timestamp, body: Option<&[u8]>) -> ItemKey {
    ItemKey(format!("page#{epoch:08x}#{:016x}#{}", sortable(at), content(body)))
}

fn ledger_key(epoch: u32, at: Timestamp, body: Option<&[u8]>) -> ItemKey {
    ItemKey(format!("ledger#{epoch:08x}#{:016x}#{}", sortable(at), content(body)))
}

/// Pages are keyed by their content: writing one twice writes one.
fn content(body: Option<&[u8]>) -> String {
    let Some(body) = body else { return String::new() };
    let mut hasher = SipHasher24::new();
    hasher.write(body);
    format!("{:032x}", hasher.finish128().as_u128())
}

/// Times before 1970 sort before those after it.
const fn sortable(at: Timestamp) -> u64 {
    at.millis().cast_unsigned() ^ (1 << 63)
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "compressing into memory fails only for want of memory")]
    let small = zstd::bulk::compress(bytes, LEVEL).expect("memory to compress in");
    small
}

fn decompress(body: &[u8]) -> Result<Vec<u8>, Corrupt> {
    zstd::bulk::decompress(body, UNPACKED_MAX).map_err(|_| Corrupt::Bytes)
}
