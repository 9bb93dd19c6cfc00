//! The statements: what a queue's promises are on rows.
//!
//! Times are milliseconds. A message is *visible* from `visible` on; until then
//! it is *in flight* if it was received (`taken`), else *delayed*.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

/// The layout below; a file with a greater one was written by a newer version.
pub(super) const LAYOUT: i64 = 1;

const TABLES: &str = "
CREATE TABLE queue (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- A sequence number is never given twice: message ids are made of it.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    visible INTEGER NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0,
    receives INTEGER NOT NULL DEFAULT 0,
    first_received INTEGER,
    sent INTEGER NOT NULL,
    aged_from INTEGER NOT NULL,
    grp TEXT,
    dedup TEXT,
    attributes TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX message_visible ON message (queue, visible, seq, taken, aged_from);
CREATE INDEX message_in_order ON message (queue, seq) WHERE grp IS NOT NULL;
-- What a FIFO queue remembers of a message, also when it is deleted.
CREATE TABLE seen (
    queue INTEGER NOT NULL,
    scope TEXT NOT NULL,
    dedup TEXT NOT NULL,
    seq INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (queue, scope, dedup)
) WITHOUT ROWID;
CREATE TABLE salt (bytes BLOB NOT NULL);
";

/// Makes the tables of a new file; `salt` makes its message ids its own.
pub(super) fn create(db: &Connection, salt: [u8; 16]) -> rusqlite::Result<()> {
    db.execute_batch(TABLES)?;
    db.execute("INSERT INTO salt (bytes) VALUES (?1)", [salt])?;
    Ok(())
}

pub(super) fn salt(db: &Connection) -> rusqlite::Result<[u8; 16]> {
    db.query_row("SELECT bytes FROM salt", [], |row| row.get(0))
}

/// The id of a queue; one that is new to the file gets its row.
pub(super) fn define(db: &Connection, name: &str) -> rusqlite::Result<i64> {
    db.execute("INSERT INTO queue (name) VALUES (?1) ON CONFLICT DO NOTHING", [name])?;
    db.query_row("SELECT id FROM queue WHERE name = ?1", [name], |row| row.get(0))
}

/// A message on its way in.
pub(super) struct Incoming {
    pub(super) queue: i64,
    pub(super) now: i64,
    pub(super) visible: i64,
    pub(super) body: String,
    pub(super) attributes: String,
    pub(super) fifo: Option<Place>,
}

/// Where a message of a FIFO queue stands, and by what it is known again.
pub(super) struct Place {
    pub(super) group: String,
    pub(super) scope: String,
    pub(super) dedup: String,
    pub(super) until: i64,
}

/// Stores a message and gives its sequence number; one that was sent within
/// the last minutes keeps the number it has.
pub(super) fn send(db: &Connection, message: &Incoming) -> rusqlite::Result<i64> {
    let Some(place) = &message.fifo else { return insert(db, message, None) };
    let seen = db
        .prepare_cached("SELECT seq FROM seen WHERE queue = ?1 AND scope = ?2 AND dedup = ?3 AND until > ?4")?
        .query_row((message.queue, &place.scope, &place.dedup, message.now), |row| row.get(0))
        .optional()?;
    if let Some(seq) = seen {
        return Ok(seq);
    }
    let seq = insert(db, message, Some(place))?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO seen (queue, scope, dedup, seq, until) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((message.queue, &place.scope, &place.dedup, seq, place.until))?;
    Ok(seq)
}

fn insert(db: &Connection, message: &Incoming, place: Option<&Place>) -> rusqlite::Result<i64> {
    db.prepare_cached(
        "INSERT INTO message (queue, visible, sent, aged_from, grp, dedup, attributes, body)
         VALUES (:queue, :visible, :now, :now, :grp, :dedup, :attributes, :body)",
    )?
    .execute(named_params! {
        ":queue": message.queue, ":visible": message.visible, ":now": message.now,
        ":grp": place.map(|place| &place.group), ":dedup": place.map(|place| &place.dedup),
        ":attributes": message.attributes, ":body": message.body,
    })?;
    Ok(db.last_insert_rowid())
}

/// What a receiver asks for.
#[derive(Clone)]
pub(super) struct Take {
    pub(super) queue: i64,
    pub(super) now: i64,
    /// Until when the messages are hidden from others.
    pub(super) until: i64,
    pub(super) max: usize,
    /// Bodies and attributes that the answer may hold; one message it always may.
    pub(super) bytes_max: usize,
    /// What was sent before has ended.
    pub(super) alive_from: i64,
    pub(super) redrive: Option<Grave>,
    pub(super) fifo: bool,
}

/// Where messages end that were received often enough.
#[derive(Clone, Copy)]
pub(super) struct Grave {
    pub(super) queue: i64,
    pub(super) max_receives: u32,
}

#[derive(Default)]
pub(super) struct Taken {
    pub(super) messages: Vec<Stored>,
    /// How many went to the dead letters instead.
    pub(super) buried: usize,
}

/// A message as its row has it.
pub(super) struct Stored {
    pub(super) seq: i64,
    pub(super) visible: i64,
    pub(super) taken: bool,
    pub(super) receives: u32,
    pub(super) first_received: Option<i64>,
    pub(super) sent: i64,
    pub(super) group: Option<String>,
    pub(super) dedup: Option<String>,
    pub(super) attributes: String,
    pub(super) body: String,
}

impl Stored {
    const COLUMNS: &str = "seq, visible, taken, receives, first_received, sent, grp, dedup, attributes, body";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get("seq")?,
            visible: row.get("visible")?,
            taken: row.get("taken")?,
            receives: row.get("receives")?,
            first_received: row.get("first_received")?,
            sent: row.get("sent")?,
            group: row.get("grp")?,
            dedup: row.get("dedup")?,
            attributes: row.get("attributes")?,
            body: row.get("body")?,
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.body.len() + self.attributes.len()
    }
}

/// Receives: what is visible is hidden and counted, or buried if it was
/// received often enough already.
pub(super) fn take(db: &Connection, wanted: &Take) -> rusqlite::Result<Taken> {
    let mut taken = Taken::default();
    let mut left = wanted.clone();
    loop {
        let room = Room { messages: left.max, bytes: left.bytes_max, empty: taken.messages.is_empty() };
        let found =
            if wanted.fifo { next_in_order(db, &left, room)? } else { next_visible(db, &left, room)? };
        let mut buried = 0;
        for message in found {
            if let Some(grave) = wanted.redrive.filter(|grave| message.receives >= grave.max_receives) {
                bury(db, &message, grave.queue, wanted)?;
                buried += 1;
            } else {
                left.max = left.max.saturating_sub(1);
                left.bytes_max = left.bytes_max.saturating_sub(message.bytes());
                taken.messages.push(hide(db, message, wanted)?);
            }
        }
        taken.buried += buried;
        // Where the dead stood, the living may stand behind them.
        let hides = wanted.until > wanted.now;
        if buried == 0 || left.max == 0 || left.bytes_max == 0 || !hides {
            return Ok(taken);
        }
    }
}

/// Those that have been visible for longest.
fn next_visible(db: &Connection, wanted: &Take, mut room: Room) -> rusqlite::Result<Vec<Stored>> {
    let sql = format!(
        "SELECT {} FROM message INDEXED BY message_visible
         WHERE queue = ?1 AND visible <= ?2 AND aged_from > ?3 ORDER BY visible, seq",
        Stored::COLUMNS
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query((wanted.queue, wanted.now, wanted.alive_from))?;
    let mut found = Vec::new();
    while !room.is_full() {
        let Some(row) = rows.next()? else { break };
        let message = Stored::read(row)?;
        if !room.take(&message) {
            break;
        }
        found.push(message);
    }
    Ok(found)
}

/// The first of each group, in order; a group of which something is in flight
/// or not yet visible waits from there on.
fn next_in_order(db: &Connection, wanted: &Take, mut room: Room) -> rusqlite::Result<Vec<Stored>> {
    let mut waiting = groups_in_flight(db, wanted)?;
    let sql = format!(
        "SELECT {} FROM message INDEXED BY message_in_order
         WHERE queue = ?1 AND grp IS NOT NULL AND aged_from > ?2 ORDER BY seq",
        Stored::COLUMNS
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query((wanted.queue, wanted.alive_from))?;
    let mut found = Vec::new();
    while !room.is_full() {
        let Some(row) = rows.next()? else { break };
        let group: String = row.get("grp")?;
        let visible: i64 = row.get("visible")?;
        if waiting.contains(&group) {
            continue;
        }
        if visible > wanted.now {
            waiting.insert(group);
            continue;
        }
        let message = Stored::read(row)?;
        if !room.take(&message) {
            break;
        }
        found.push(message);
    }
    Ok(found)
}

fn groups_in_flight(db: &Connection, wanted: &Take) -> rusqlite::Result<HashSet<String>> {
    let mut statement = db.prepare_cached(
        "SELECT DISTINCT grp FROM message WHERE queue = ?1 AND visible > ?2 AND taken AND grp IS NOT NULL",
    )?;
    statement.query_map((wanted.queue, wanted.now), |row| row.get(0))?.collect()
}

/// What an answer can still hold.
struct Room {
    messages: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
    fn is_full(&self) -> bool {
        self.messages == 0
    }

    /// Whether the message fits; the first always does.
    fn take(&mut self, message: &Stored) -> bool {
        let fits = self.empty || message.bytes() <= self.bytes;
        self.empty = false;
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(message.bytes());
        fits
    }
}

fn hide(db: &Connection, message: Stored, wanted: &Take) -> rusqlite::Result<Stored> {
    let first_received = message.first_received.unwrap_or(wanted.now);
    let receives = message.receives.saturating_add(1);
    db.prepare_cached(
        "UPDATE message SET visible = ?2, taken = 1, receives = ?3, first_received = ?4 WHERE seq = ?1",
    )?
    .execute((message.seq, wanted.until, receives, first_received))?;
    Ok(Stored {
        visible: wanted.until,
        taken: true,
        receives,
        first_received: Some(first_received),
        ..message
    })
}

/// A message keeps its id in the dead letters, and its age too, unless the
/// queue is FIFO: there it starts anew.
fn bury(db: &Connection, message: &Stored, to: i64, wanted: &Take) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE message SET queue = ?2, visible = ?3, taken = 0,
         aged_from = CASE WHEN ?4 THEN ?3 ELSE aged_from END WHERE seq = ?1",
    )?
    .execute((message.seq, to, wanted.now, wanted.fifo))?;
    Ok(())
}

/// One receive of one message; a later receive makes it stale.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) queue: i64,
    pub(super) seq: i64,
    pub(super) receives: u32,
}

/// Deletes; of a FIFO queue only what is still in flight. Gives whether it was there.
pub(super) fn delete(db: &Connection, held: Held, fifo: bool, now: i64) -> rusqlite::Result<bool> {
    let deleted = db
        .prepare_cached(
            "DELETE FROM message WHERE seq = ?1 AND queue = ?2 AND receives = ?3 AND (NOT ?4 OR visible > ?5)",
        )?
        .execute((held.seq, held.queue, held.receives, fifo, now))?;
    Ok(deleted > 0)
}

/// Hides a message that is in flight until another time. Gives whether it was.
pub(super) fn hide_until(db: &Connection, held: Held, until: i64, now: i64) -> rusqlite::Result<bool> {
    let hidden = db
        .prepare_cached(
            "UPDATE message SET visible = ?4
             WHERE seq = ?1 AND queue = ?2 AND receives = ?3 AND taken AND visible > ?5",
        )?
        .execute((held.seq, held.queue, held.receives, until, now))?;
    Ok(hidden > 0)
}

/// Makes all that is in flight visible, whoever held it, as if it had not been
/// received.
pub(super) fn release(db: &Connection, queue: i64, now: i64) -> rusqlite::Result<usize> {
    db.execute(
        "UPDATE message SET visible = ?2, receives = max(receives - 1, 0)
         WHERE queue = ?1 AND visible > ?2 AND taken",
        (queue, now),
    )
}

/// Visible, in flight, delayed.
pub(super) fn count(db: &Connection, queue: i64, now: i64, alive_from: i64) -> rusqlite::Result<[u64; 3]> {
    db.prepare_cached(
        "SELECT coalesce(sum(visible <= ?2), 0), coalesce(sum(visible > ?2 AND taken), 0),
                coalesce(sum(visible > ?2 AND NOT taken), 0)
         FROM message INDEXED BY message_visible WHERE queue = ?1 AND aged_from > ?3",
    )?
    .query_row((queue, now, alive_from), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
}

/// Messages in the order of arrival, after one of them; they stay as they are.
pub(super) fn list(
    db: &Connection,
    queue: i64,
    alive_from: i64,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Stored>> {
    let sql = format!(
        "SELECT {} FROM message WHERE queue = ?1 AND aged_from > ?2 AND seq > ?3 ORDER BY seq LIMIT ?4",
        Stored::COLUMNS
    );
    let mut statement = db.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.query_map((queue, alive_from, after, limit), Stored::read)?.collect()
}

/// Deletes what has ended: messages by their age, and what was remembered of them.
pub(super) fn tidy(db: &Connection, queue: i64, alive_from: i64, now: i64) -> rusqlite::Result<()> {
    db.execute("DELETE FROM message WHERE queue = ?1 AND aged_from <= ?2", (queue, alive_from))?;
    db.execute("DELETE FROM seen WHERE queue = ?1 AND until <= ?2", (queue, now))?;
    Ok(())
}
