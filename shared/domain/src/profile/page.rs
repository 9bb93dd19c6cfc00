//! Pages: items of a profile's collection that hold what its own item cannot.
//!
//! A *timeline page* holds the events that one write brought, a *ledger page*
//! entries that the ledger spilled. A timeline page proves nothing: it may be
//! written by an attempt that fails. What a ledger (item or page) names was
//! applied.

use std::collections::BTreeSet;
use std::hash::Hasher;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::dictionary::{self, UNPACKED_MAX};
use super::ledger::Entry;
use super::outbox::Tie;
use super::packed::{self, Corrupt, kind_of, number};
use super::stored::{Item, ItemKey};
use super::words::{Expander, Shortener, Uuid, Words};
use crate::event::{ClientTime, Event, EventKind};
use crate::identifier::Identifier;
use crate::key::EventName;
use crate::time::Timestamp;
use crate::workspace::SourceId;

/// Events of one page lie at most this far apart, so that a reader of a period
/// knows where pages that reach into it can begin.
pub const SPAN_MAX: i64 = 31 * Timestamp::DAY;
/// `DynamoDB` takes 400 KB an item; a page's raw events stay below this, and
/// compressed they are far smaller.
pub const RAW_MAX: usize = 1024 * 1024;
/// What a stored page may be: an item stays under 300 KB.
pub const PACKED_MAX: usize = 280 * 1024;
/// The format of timeline pages. Format 1 is still read.
const TIMELINE_VERSION: u8 = 2;
/// A page of format 1 is a frame of zstd, and so it begins. No format may have
/// the number of its first byte, 40.
const FIRST: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

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
    let (uuids, packed) = pack(events);
    let uuids: Vec<[u8; 16]> = uuids.into_iter().map(Uuid::to_be_bytes).collect();
    let body = packed::append(vec![TIMELINE_VERSION], &uuids);
    let body = dictionary::PAGE.squeeze(body, &packed);
    if body.len() > PACKED_MAX && events.len() > 1 {
        let (front, back) = events.split_at(events.len() / 2);
        timeline_pages(epoch, front, pages);
        timeline_pages(epoch, back, pages);
        return;
    }
    pages.push(Item { key: timeline_key(epoch, first.event_time, Some(&body)), body });
}

/// An event on a page. Its times are short: the client's is what it is after
/// that of the event before, the others are what they are after the client's.
/// So are its texts.
#[derive(Serialize, Deserialize)]
struct PackedEvent {
    source: SourceId,
    kind: u8,
    client_says: u8,
    client_at: i64,
    event_time: i64,
    received_at: i64,
    rules: u32,
    message_id: String,
    /// Kind and value.
    identifiers: Vec<(String, String)>,
    blocked: Vec<(String, String)>,
    as_sent: String,
    payload: String,
}

impl PackedEvent {
    fn of(event: &Event, before: Timestamp, shortener: &mut Shortener) -> Self {
        let (client_says, client_at) = match event.client_time {
            ClientTime::Sent(at) => (0, at),
            ClientTime::Absent(at) => (1, at),
            ClientTime::Ours(at) => (2, at),
        };
        let mut words = Words::of(client_at);
        let message_id = shortener.shorten(&words, &event.message_id);
        words.add_message_id(&event.message_id);
        let mut short = |text: &str| shortener.shorten(&words, text);
        let mut identifier = |of: &Identifier| (of.kind().to_owned(), short(of.value()));
        Self {
            source: event.source.clone(),
            kind: number(event.kind),
            client_says,
            client_at: apart(client_at, before),
            event_time: apart(event.event_time, client_at),
            received_at: apart(event.received_at, client_at),
            rules: event.rules,
            message_id,
            identifiers: event.identifiers.iter().map(&mut identifier).collect(),
            blocked: event.blocked.iter().map(&mut identifier).collect(),
            as_sent: short(&event.as_sent),
            payload: short(&event.payload),
        }
    }

    fn event(self, before: Timestamp, expander: &mut Expander) -> Result<Event, Corrupt> {
        let client_at = after(self.client_at, before);
        let mut words = Words::of(client_at);
        let message_id = expander.expand(&words, &self.message_id)?;
        words.add_message_id(&message_id);
        let mut whole = |short: &str| expander.expand(&words, short);
        let mut identifiers = |packed: Vec<(String, String)>| {
            let read = |(kind, value): (String, String)| {
                Identifier::checked(kind, whole(&value)?).map_err(|_| Corrupt::Bytes)
            };
            packed.into_iter().map(read).collect::<Result<Vec<_>, _>>()
        };
        let (named, blocked) = (identifiers(self.identifiers)?, identifiers(self.blocked)?);
        Ok(Event {
            source: self.source,
            message_id,
            kind: kind_of(self.kind)?,
            identifiers: named,
            blocked,
            rules: self.rules,
            client_time: match self.client_says {
                0 => ClientTime::Sent(client_at),
                1 => ClientTime::Absent(client_at),
                2 => ClientTime::Ours(client_at),
                _ => return Err(Corrupt::Bytes),
            },
            event_time: after(self.event_time, client_at),
            received_at: after(self.received_at, client_at),
            as_sent: whole(&self.as_sent)?,
            payload: whole(&self.payload)?,
        })
    }
}

/// An event as pages of format 1 hold it.
#[derive(Deserialize)]
struct FirstEvent {
    source: SourceId,
    message_id: String,
    kind: EventKind,
    identifiers: Vec<Identifier>,
    rules: u32,
    client_time: ClientTime,
    event_time: Timestamp,
    received_at: Timestamp,
    payload: String,
    as_sent: String,
}

impl From<FirstEvent> for Event {
    fn from(first: FirstEvent) -> Self {
        Self {
            source: first.source,
            message_id: first.message_id,
            kind: first.kind,
            identifiers: first.identifiers,
            blocked: Vec::new(),
            rules: first.rules,
            client_time: first.client_time,
            event_time: first.event_time,
            received_at: first.received_at,
            payload: first.payload,
            as_sent: first.as_sent,
        }
    }
}

/// The UUIDs of a page, which nothing compresses, and the part that is squeezed.
pub(super) fn pack(events: &[&Event]) -> (Vec<Uuid>, Vec<u8>) {
    let mut shortener = Shortener::default();
    let before = events.iter().map(|event| event.client_time.at());
    let before = std::iter::once(Timestamp::default()).chain(before);
    let packed =
        events.iter().zip(before).map(|(event, before)| PackedEvent::of(event, before, &mut shortener));
    let packed: Vec<_> = packed.collect();
    (shortener.uuids(), packed::append(Vec::new(), &packed))
}

fn unpack(bytes: &[u8]) -> Result<Vec<Event>, Corrupt> {
    let (uuids, rest): (Vec<[u8; 16]>, _) = postcard::take_from_bytes(bytes).map_err(|_| Corrupt::Bytes)?;
    let mut expander = Expander::new(uuids.into_iter().map(Uuid::from_be_bytes).collect());
    let packed: Vec<PackedEvent> = packed::whole(&dictionary::PAGE.unfold(rest, UNPACKED_MAX)?)?;
    let mut before = Timestamp::default();
    let event = |packed: PackedEvent| {
        let event = packed.event(before, &mut expander)?;
        before = event.client_time.at();
        Ok(event)
    };
    packed.into_iter().map(event).collect()
}

const fn apart(at: Timestamp, from: Timestamp) -> i64 {
    at.millis().wrapping_sub(from.millis())
}

const fn after(apart: i64, from: Timestamp) -> Timestamp {
    Timestamp::from_millis(from.millis().wrapping_add(apart))
}

/// Reads a timeline page.
pub fn read_timeline(body: &[u8]) -> Result<Vec<Event>, Corrupt> {
    match body.split_first() {
        Some((&TIMELINE_VERSION, rest)) => unpack(rest),
        _ if body.starts_with(&FIRST) => {
            let unfolded = zstd::bulk::decompress(body, UNPACKED_MAX).map_err(|_| Corrupt::Bytes)?;
            let first: Vec<FirstEvent> = packed::decode(&unfolded)?;
            Ok(first.into_iter().map(Event::from).collect())
        }
        Some((&newer, _)) if newer > TIMELINE_VERSION => Err(Corrupt::Newer(newer)),
        Some(_) | None => Err(Corrupt::Bytes),
    }
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
    URL_SAFE_NO_PAD.encode(hasher.finish128().as_bytes())
}

/// Times before 1970 sort before those after it.
const fn sortable(at: Timestamp) -> u64 {
    at.millis().cast_unsigned() ^ (1 << 63)
}
