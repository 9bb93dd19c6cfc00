//! A person's events over a period, the newest last.
//!
//! A timeline page proves nothing: an event is shown only if the ledger of the
//! same person names it. Pages overlap in time, and a person who took others in
//! has several collections of them; so what was read is kept back until no page
//! that is still to come can hold something earlier.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use domain::cursor::{BadCursor, SigningKeys};
use domain::event::{Event, EventKind};
use domain::key::{EventName, IdKey, ProfileId};
use domain::profile::ledger::Entry;
use domain::profile::page;
use domain::profile::stored::{Item, ItemKey};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::People;
use serde_json::{Value, json};

use super::answer::{Kind, Problem};
use super::find::{Found, unreadable};
use crate::write::after;

pub(crate) const PARAMETERS: [&str; 7] = ["from", "to", "type", "event", "source", "limit", "cursor"];
const LIMIT_DEFAULT: usize = 100;
pub(crate) const LIMIT_MAX: usize = 1_000;
/// Bytes of events in an answer; Lambda takes 6 MB.
const BYTES_MAX: usize = 3 * 1024 * 1024;
/// Reads of at most 1 MB in one request, once it has come further than its cursor.
const READS_MAX: usize = 16;

/// Which events are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    kinds: BTreeSet<EventKind>,
    event: Option<String>,
    source: Option<SourceId>,
    limit: usize,
    cursor: Option<String>,
}

/// Where the next request goes on: with the event of this stamp, or the first
/// one after it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    stamp: Stamp,
    /// The first page that may hold something not shown yet.
    page: ItemKey,
}

/// What orders the timeline; the name breaks ties.
type Stamp = (Timestamp, EventName);

impl Filter {
    pub(crate) fn read(parameters: &[(&'static str, Cow<'_, str>)]) -> Result<Self, Problem> {
        let of =
            |name: &str| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref());
        let filter = Self {
            from: of("from").map(|text| moment("from", text)).transpose()?,
            to: of("to").map(|text| moment("to", text)).transpose()?,
            kinds: of("type").map(kinds).transpose()?.unwrap_or_default(),
            event: of("event").map(ToOwned::to_owned),
            source: of("source").map(source).transpose()?,
            limit: of("limit").map(limit).transpose()?.unwrap_or(LIMIT_DEFAULT),
            cursor: of("cursor").map(ToOwned::to_owned),
        };
        match (filter.from, filter.to) {
            (Some(from), Some(to)) if from >= to => {
                Err(bad("to", "must be later than `from`; it is exclusive"))
            }
            _ => Ok(filter),
        }
    }

    fn matches(&self, event: &Event) -> bool {
        self.from.is_none_or(|from| event.event_time >= from)
            && self.to.is_none_or(|to| event.event_time < to)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.source.as_ref().is_none_or(|source| event.source == *source)
            && self.event.as_ref().is_none_or(|name| event_name(event).as_ref() == Some(name))
    }

    /// What a cursor is bound to: all but the size of an answer, which may change.
    fn text(&self) -> String {
        let time = |at: Option<Timestamp>| at.map(Timestamp::millis);
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let source = self.source.as_ref().map(SourceId::as_str);
        json!([time(self.from), time(self.to), kinds, self.event, source]).to_string()
    }
}

/// Reads one answer's worth of a profile's timeline.
pub(crate) async fn read<P: People>(
    people: &P,
    keys: (&IdKey, &SigningKeys),
    workspace: &WorkspaceId,
    found: &Found,
    filter: &Filter,
) -> Result<Value, Problem> {
    let (key, signing) = keys;
    let (id, text) = (found.id.to_string(), filter.text());
    let bound = ["timeline", workspace.as_str(), &id, &text];
    let position = filter.cursor.as_deref().map(|cursor| open(signing, &bound, cursor)).transpose()?;
    let reader = Reader { people, key, workspace, found, filter, after: position, state: State::default() };
    let (events, next) = reader.read().await?;
    let next = next.map(|position| signing.seal(&bound, &position.text()));
    Ok(json!({ "events": events, "cursor": next }))
}

fn open(signing: &SigningKeys, bound: &[&str], cursor: &str) -> Result<Position, Problem> {
    let position = signing.open(bound, cursor).and_then(|text| Position::parse(&text).ok_or(BadCursor));
    position.map_err(|bad| Problem::new(Kind::BadCursor, bad.to_string()))
}

impl Position {
    fn text(&self) -> String {
        let (at, EventName(name)) = self.stamp;
        format!("{} {name:016x} {}", at.millis(), self.page.0)
    }

    /// One page cannot say how far several collections were read: the time does.
    fn without_page(self) -> Self {
        Self { page: ItemKey(String::new()), ..self }
    }

    fn parse(text: &str) -> Option<Self> {
        let (at, rest) = text.split_once(' ')?;
        let (name, page) = rest.split_once(' ')?;
        let stamp =
            (Timestamp::from_millis(at.parse().ok()?), EventName(u64::from_str_radix(name, 16).ok()?));
        Some(Self { stamp, page: ItemKey(page.to_owned()) })
    }
}

struct Reader<'a, P> {
    people: &'a P,
    key: &'a IdKey,
    workspace: &'a WorkspaceId,
    found: &'a Found,
    filter: &'a Filter,
    after: Option<Position>,
    state: State,
}

/// How far one of the person's collections has been read.
struct Collection {
    id: ProfileId,
    from: ItemKey,
    to: ItemKey,
    /// All events before this were read: of all pages, when nothing is left.
    complete: Timestamp,
    is_read: bool,
}

#[derive(Default)]
struct State {
    /// Read and not shown yet, each with the page that it stands on.
    waiting: BTreeMap<Stamp, (Event, ItemKey)>,
    shown: Vec<Value>,
    /// What was shown in this answer. Two proven copies of one event stand at
    /// two times only if the sender's clock is off and an attempt crashed
    /// between its page and its profile; if an answer ends between them, both
    /// are shown.
    names: BTreeSet<EventName>,
    bytes: usize,
    proof: Proof,
}

/// What the ledger's pages prove, from a time on.
#[derive(Default)]
struct Proof {
    entries: BTreeSet<Entry>,
    from: Option<Timestamp>,
}

impl<P: People> Reader<'_, P> {
    async fn read(mut self) -> Result<(Vec<Value>, Option<Position>), Problem> {
        let mut collections: Vec<Collection> = self
            .found
            .profile
            .collections(self.found.id)
            .map(|(id, epoch)| self.collection(id, epoch))
            .collect();
        let mut reads = 0;
        // The one that is behind is read on.
        while let Some(behind) =
            collections.iter_mut().filter(|one| !one.is_read).min_by_key(|one| one.complete)
        {
            self.read_on(behind).await?;
            let open = collections.iter().filter(|one| !one.is_read);
            let Some(complete) = open.map(|one| one.complete).min() else { break };
            self.show(Some(complete)).await?;
            if self.after.as_ref().is_none_or(|after| complete > after.stamp.0) {
                reads += 1;
            }
            if self.is_full() || reads >= READS_MAX {
                let own = collections.first().map_or_else(|| ItemKey(String::new()), |own| own.from.clone());
                return Ok(self.finish(Some(Position { stamp: (complete, EventName(0)), page: own })));
            }
        }
        self.show(None).await?;
        Ok(self.finish(None))
    }

    async fn read_on(&mut self, collection: &mut Collection) -> Result<(), Problem> {
        let Collection { id, from, to, .. } = &*collection;
        let read = self.people.items(self.workspace, *id, from, to).await?;
        for item in &read.items {
            // Pages are in the order of their first events: what is earlier
            // than the last one's has all been read.
            if let Some(begins) = self.take(item)? {
                collection.complete = begins;
            }
        }
        match read.next {
            Some(next) => collection.from = after(&next),
            None => collection.is_read = true,
        }
        Ok(())
    }

    /// The pages of a collection that may hold what is asked for.
    fn collection(&self, id: ProfileId, epoch: u32) -> Collection {
        let earliest = Timestamp::from_millis(i64::MIN);
        let latest = Timestamp::from_millis(i64::MAX);
        let from = self
            .filter
            .from
            .unwrap_or(earliest)
            .max(self.after.as_ref().map_or(earliest, |after| after.stamp.0));
        let (first, to) = page::timeline_range(epoch, from, self.filter.to.unwrap_or(latest));
        // A cursor from before a rebuild or a merge names a page that says
        // nothing any more.
        let is_alone = self.found.profile.family.absorbed.is_empty();
        let resumed = self.after.as_ref().map(|after| &after.page);
        let resumed = resumed.filter(|page| is_alone && (&first..&to).contains(page));
        let from = resumed.unwrap_or(&first).clone();
        Collection { id, from, to, complete: earliest, is_read: false }
    }

    /// Keeps what is asked for of one page; says when the page begins.
    fn take(&mut self, item: &Item) -> Result<Option<Timestamp>, Problem> {
        let events = page::read_timeline(&item.body).map_err(unreadable)?;
        let begins = events.iter().map(|event| event.event_time).min();
        for event in events {
            let stamp = (event.event_time, event.name(self.key));
            let is_past = self.after.as_ref().is_some_and(|after| stamp < after.stamp);
            if !is_past && self.filter.matches(&event) {
                self.state.waiting.entry(stamp).or_insert_with(|| (event, item.key.clone()));
            }
        }
        Ok(begins)
    }

    /// Moves to the answer what nothing earlier can follow any more.
    async fn show(&mut self, complete: Option<Timestamp>) -> Result<(), Problem> {
        let is_ready = |stamp: &Stamp| complete.is_none_or(|complete| stamp.0 < complete);
        let ready = self.state.waiting.iter().take_while(|(stamp, _)| is_ready(stamp));
        let asked: Vec<Entry> = ready.map(|(stamp, (event, _))| entry(*stamp, event)).collect();
        self.prove(&asked).await?;
        while !self.is_full() {
            let Some(first) = self.state.waiting.first_entry() else { break };
            if !is_ready(first.key()) {
                break;
            }
            let (stamp, (event, _)) = first.remove_entry();
            let proven = self.is_proven(entry(stamp, &event));
            if proven && self.state.names.insert(stamp.1) {
                self.state.bytes += event.payload.len();
                self.state.shown.push(shape(&event));
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.state.shown.len() >= self.filter.limit || self.state.bytes >= BYTES_MAX
    }

    /// The entry in the ledger is that of the copy that was applied; a copy
    /// that another time tells apart was not.
    fn is_proven(&self, entry: Entry) -> bool {
        self.found.profile.ledger.entries().binary_search(&entry).is_ok()
            || self.state.proof.entries.contains(&entry)
    }

    /// Reads the ledger's pages as far back as these events ask for.
    async fn prove(&mut self, asked: &[Entry]) -> Result<(), Problem> {
        let ledger = &self.found.profile.ledger;
        let Some(spilled_to) = ledger.spilled_to() else { return Ok(()) };
        let open = asked.iter().filter(|entry| entry.at <= spilled_to && !self.is_proven(**entry));
        let Some(from) = open.map(|entry| entry.at).min() else { return Ok(()) };
        if self.state.proof.from.is_some_and(|read| read <= from) {
            return Ok(());
        }
        let read_from = self.state.proof.from.replace(from);
        for (id, epoch) in self.found.profile.collections(self.found.id) {
            let (next, end) = page::ledger_range(epoch, from);
            let end = read_from.map_or(end, |read| page::ledger_range(epoch, read).0);
            self.prove_by(id, (next, end)).await?;
        }
        Ok(())
    }

    async fn prove_by(&mut self, id: ProfileId, (mut next, end): (ItemKey, ItemKey)) -> Result<(), Problem> {
        loop {
            let read = self.people.items(self.workspace, id, &next, &end).await?;
            for item in &read.items {
                self.state.proof.entries.extend(page::read_ledger_entries(&item.body).map_err(unreadable)?);
            }
            match read.next {
                Some(last) => next = after(&last),
                None => return Ok(()),
            }
        }
    }

    /// Goes on with the first event that waits, else where reading stopped.
    fn finish(self, stopped: Option<Position>) -> (Vec<Value>, Option<Position>) {
        let State { waiting, shown, .. } = self.state;
        let pages = waiting.values().map(|(_, page)| page);
        let next = match (waiting.keys().next(), pages.min()) {
            (Some(stamp), Some(page)) => Some(Position { stamp: *stamp, page: page.clone() }),
            _ => stopped,
        };
        let is_alone = self.found.profile.family.absorbed.is_empty();
        (shown, next.map(|next| if is_alone { next } else { next.without_page() }))
    }
}

fn entry((_, name): Stamp, event: &Event) -> Entry {
    Entry { at: event.client_time.at(), name }
}

/// An event as callers see it: what we made of it, and what was sent.
fn shape(event: &Event) -> Value {
    let sent: Option<Value> = serde_json::from_str(&event.payload).ok();
    json!({
        "message_id": event.message_id,
        "type": event.kind.name(),
        "event": event_name(event),
        "source": event.source.as_str(),
        "at": event.event_time.rfc3339(),
        "received_at": event.received_at.rfc3339(),
        "payload": sent,
    })
}

/// The name of a `track`.
fn event_name(event: &Event) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        event: String,
    }
    if event.kind != EventKind::Track {
        return None;
    }
    serde_json::from_str(&event.payload).ok().map(|Named { event }| event)
}

fn moment(name: &str, text: &str) -> Result<Timestamp, Problem> {
    // A `+` in a query is a blank.
    let text = text.replace(' ', "+");
    let midnight = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    Timestamp::parse(&text)
        .or_else(midnight)
        .ok_or_else(|| bad(name, "must be a time like 2026-01-31T12:00:00Z or a day like 2026-01-31"))
}

fn kinds(text: &str) -> Result<BTreeSet<EventKind>, Problem> {
    let kinds: Option<BTreeSet<EventKind>> =
        text.split(',').map(|name| EventKind::parse(name.trim())).collect();
    kinds.ok_or_else(|| {
        bad("type", "must be of track, identify, page, screen, group and alias, with commas between")
    })
}

fn source(text: &str) -> Result<SourceId, Problem> {
    SourceId::parse(text).map_err(|invalid| bad("source", &invalid.to_string()))
}

pub(crate) fn limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| bad("limit", &format!("must be a number from 1 to {LIMIT_MAX}")))
}

fn bad(name: &str, wanted: &str) -> Problem {
    Problem::new(Kind::BadParameter, format!("`{name}` {wanted}"))
}
