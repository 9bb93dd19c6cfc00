//! The statements: sent messages as rows.
//!
//! What a list looks at stands before the bodies, which lie on pages of their
//! own if they are long and are not read then.

use domain::messaging::Channel;
use domain::time::Timestamp;
use ports::channel::{Letter, Text};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use super::{Content, Counts};

/// The layout below; a file with a greater one was written by a newer version.
pub(super) const LAYOUT: i64 = 1;
/// Characters of a text that a list has.
const BEGINNING: usize = 200;

const TABLES: &str = "
-- No number is given twice, and none is left out: names are made of them, and
-- they tell how many messages there were.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    channel TEXT NOT NULL,
    sender TEXT,
    sender_name TEXT,
    recipient TEXT NOT NULL,
    reply_to TEXT,
    subject TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL,
    configuration_set TEXT,
    is_promotional INTEGER NOT NULL DEFAULT 0,
    ttl_s INTEGER,
    max_price TEXT,
    headers TEXT NOT NULL DEFAULT '[]',
    text TEXT NOT NULL,
    html TEXT NOT NULL DEFAULT ''
);
-- Messages whose receipt nobody has taken.
CREATE TABLE untold (seq INTEGER PRIMARY KEY);
-- How many were sent in an hour, by its number since 1970; drops nothing with the messages.
CREATE TABLE hour (hour INTEGER PRIMARY KEY, sent INTEGER NOT NULL);
CREATE TABLE made (at INTEGER NOT NULL);
";

/// Makes the tables of a new file, which is made at this moment.
pub(super) fn create(db: &Connection, at: Timestamp) -> rusqlite::Result<()> {
    db.execute_batch(TABLES)?;
    db.execute("INSERT INTO made (at) VALUES (?1)", [at.millis()])?;
    Ok(())
}

pub(super) fn made(db: &Connection) -> rusqlite::Result<Timestamp> {
    db.query_row("SELECT at FROM made", [], |row| row.get(0)).map(Timestamp::from_millis)
}

/// A message as its row has it.
pub(super) struct Kept {
    pub(super) seq: i64,
    pub(super) at: Timestamp,
    pub(super) content: Content,
}

/// Keeps a message and drops what there is no room for; gives its number.
///
/// A message stays until its receipt was taken, so that where nobody takes any
/// there is room for no more, and `None` comes back.
pub(super) fn accept(
    db: &Connection,
    at: Timestamp,
    content: &Content,
    messages_max: u64,
) -> rusqlite::Result<Option<i64>> {
    let max = i64::try_from(messages_max).unwrap_or(i64::MAX);
    let dropped = newest_number(db)?.saturating_add(1).saturating_sub(max);
    if oldest_untold(db)?.is_some_and(|oldest| oldest <= dropped) {
        return Ok(None);
    }
    let seq = insert(db, at, content)?;
    db.prepare_cached("DELETE FROM message WHERE seq <= ?1")?.execute([dropped])?;
    db.prepare_cached("INSERT INTO untold (seq) VALUES (?1)")?.execute([seq])?;
    count_hour(db, hour(at))?;
    Ok(Some(seq))
}

fn newest_number(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT coalesce(max(seq), 0) FROM message")?.query_row([], |row| row.get(0))
}

fn oldest_untold(db: &Connection) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT min(seq) FROM untold")?.query_row([], |row| row.get(0))
}

fn insert(db: &Connection, at: Timestamp, content: &Content) -> rusqlite::Result<i64> {
    match content {
        Content::Letter(letter) => insert_letter(db, at, letter)?,
        Content::Text(text) => insert_text(db, at, text)?,
    }
    Ok(db.last_insert_rowid())
}

fn insert_letter(db: &Connection, at: Timestamp, letter: &Letter) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO message (at, channel, sender, sender_name, recipient, reply_to, subject, tags,
             configuration_set, headers, text, html)
         VALUES (:at, :channel, :sender, :sender_name, :recipient, :reply_to, :subject, :tags,
             :configuration_set, :headers, :text, :html)",
    )?
    .execute(named_params! {
        ":at": at.millis(), ":channel": Channel::Email.name(),
        ":sender": letter.from, ":sender_name": letter.from_name,
        ":recipient": letter.to, ":reply_to": letter.reply_to, ":subject": letter.subject,
        ":tags": pairs(&letter.tags), ":configuration_set": letter.configuration_set,
        ":headers": pairs(&letter.headers), ":text": letter.text, ":html": letter.html,
    })?;
    Ok(())
}

fn insert_text(db: &Connection, at: Timestamp, text: &Text) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO message (at, channel, sender, recipient, tags, configuration_set, is_promotional,
             ttl_s, max_price, text)
         VALUES (:at, :channel, :sender, :recipient, :tags, :configuration_set, :is_promotional,
             :ttl_s, :max_price, :text)",
    )?
    .execute(named_params! {
        ":at": at.millis(), ":channel": Channel::Sms.name(),
        ":sender": text.origination, ":recipient": text.to, ":tags": pairs(&text.context),
        ":configuration_set": text.configuration_set, ":is_promotional": text.is_promotional,
        ":ttl_s": text.ttl_s, ":max_price": text.max_price, ":text": text.body,
    })?;
    Ok(())
}

/// A list of pairs of texts: nothing that JSON could refuse.
fn pairs(pairs: &[(String, String)]) -> String {
    serde_json::to_string(pairs).unwrap_or_default()
}

impl Kept {
    /// All columns but the bodies.
    const HEAD: &str = "seq, at, channel, sender, sender_name, recipient, reply_to, subject, tags,
        configuration_set, is_promotional, ttl_s, max_price, headers";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let channel: String = row.get("channel")?;
        let content = if channel == Channel::Sms.name() { text(row)? } else { letter(row)? };
        Ok(Self { seq: row.get("seq")?, at: Timestamp::from_millis(row.get("at")?), content })
    }

    fn bytes(&self) -> usize {
        self.content.bytes()
    }
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Content> {
    Ok(Content::Letter(Letter {
        from: row.get::<_, Option<String>>("sender")?.unwrap_or_default(),
        from_name: row.get("sender_name")?,
        to: row.get("recipient")?,
        reply_to: row.get("reply_to")?,
        subject: row.get("subject")?,
        html: row.get("html")?,
        text: row.get("text")?,
        headers: read_pairs(row, "headers")?,
        configuration_set: row.get("configuration_set")?,
        tags: read_pairs(row, "tags")?,
    }))
}

fn text(row: &Row<'_>) -> rusqlite::Result<Content> {
    Ok(Content::Text(Text {
        to: row.get("recipient")?,
        origination: row.get("sender")?,
        body: row.get("text")?,
        is_promotional: row.get("is_promotional")?,
        ttl_s: row.get("ttl_s")?,
        max_price: row.get("max_price")?,
        context: read_pairs(row, "tags")?,
        configuration_set: row.get("configuration_set")?,
    }))
}

/// We wrote them ourselves; a row that someone else changed has none.
fn read_pairs(row: &Row<'_>, column: &str) -> rusqlite::Result<Vec<(String, String)>> {
    Ok(serde_json::from_str(&row.get::<_, String>(column)?).unwrap_or_default())
}

pub(super) fn find(db: &Connection, seq: i64) -> rusqlite::Result<Option<Kept>> {
    let sql = format!("SELECT {}, text, html FROM message WHERE seq = ?1", Kept::HEAD);
    db.prepare_cached(&sql)?.query_row([seq], Kept::read).optional()
}

/// Messages behind a number, oldest first, of together at most `bytes_max`
/// bytes; one message may be larger.
pub(super) fn after(
    db: &Connection,
    after: i64,
    limit: usize,
    bytes_max: usize,
) -> rusqlite::Result<Vec<Kept>> {
    let sql = format!("SELECT {}, text, html FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2", Kept::HEAD);
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query((after, whole(limit)))?;
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    while let Some(row) = rows.next()? {
        let kept = Kept::read(row)?;
        bytes = bytes.saturating_add(kept.bytes());
        if bytes > bytes_max && !found.is_empty() {
            break;
        }
        found.push(kept);
    }
    Ok(found)
}

/// What a list is asked for; an empty text asks for nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Only messages before this number.
    pub(super) before: Option<i64>,
    /// A part of the address, in any case.
    pub(super) address: String,
    /// A part of a tag's value; the message with the number `seq` is found as well.
    pub(super) tag: String,
    pub(super) seq: Option<i64>,
}

/// Newest first, with the beginning of the text and without the HTML.
pub(super) fn newest(db: &Connection, filter: &Filter, limit: usize) -> rusqlite::Result<Vec<Kept>> {
    let sql = format!(
        "SELECT {}, substr(text, 1, {BEGINNING}) AS text, '' AS html FROM message
         WHERE seq < ?1 AND (?2 = '' OR instr(lower(recipient), lower(?2)) > 0)
             AND (?3 = '' OR EXISTS (SELECT 1 FROM json_each(tags) WHERE instr(value ->> 1, ?3) > 0)
                 OR seq = ?4)
         ORDER BY seq DESC LIMIT ?5",
        Kept::HEAD
    );
    let mut statement = db.prepare_cached(&sql)?;
    let before = filter.before.unwrap_or(i64::MAX);
    let asked = (before, &filter.address, &filter.tag, filter.seq, whole(limit));
    statement.query_map(asked, Kept::read)?.collect()
}

pub(super) fn count(db: &Connection) -> rusqlite::Result<Counts> {
    let sql = "SELECT count(*), coalesce(min(seq) - 1, 0), (SELECT count(*) FROM untold) FROM message";
    db.prepare_cached(sql)?
        .query_row([], |row| Ok(Counts { kept: row.get(0)?, dropped: row.get(1)?, receipts: row.get(2)? }))
}

/// The oldest messages whose receipt nobody has taken.
pub(super) fn untold(db: &Connection, limit: usize) -> rusqlite::Result<Vec<Kept>> {
    let sql = format!(
        "SELECT {}, text, html FROM untold JOIN message USING (seq) ORDER BY seq LIMIT ?1",
        Kept::HEAD
    );
    db.prepare_cached(&sql)?.query_map([whole(limit)], Kept::read)?.collect()
}

pub(super) fn told(db: &Connection, seqs: &[i64]) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached("DELETE FROM untold WHERE seq = ?1")?;
    seqs.iter().try_for_each(|seq| statement.execute([seq]).map(|_| ()))
}

const fn hour(at: Timestamp) -> i64 {
    at.millis().div_euclid(Timestamp::HOUR)
}

/// The first hour of which a part is in the last 24.
const fn day_from(hour: i64) -> i64 {
    hour.saturating_sub(24)
}

fn count_hour(db: &Connection, hour: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO hour (hour, sent) VALUES (?1, 1) ON CONFLICT DO UPDATE SET sent = sent + 1",
    )?
    .execute([hour])?;
    db.prepare_cached("DELETE FROM hour WHERE hour < ?1")?.execute([day_from(hour)])?;
    Ok(())
}

/// What was sent in the last 24 hours and the hour before them that they cut.
pub(super) fn sent_in_a_day(db: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT coalesce(sum(sent), 0) FROM hour WHERE hour >= ?1")?
        .query_row([day_from(hour(now))], |row| row.get(0))
}

fn whole(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
