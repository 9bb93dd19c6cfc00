//! Profiles that a system of record writes: each becomes an `identify` event
//! and takes the same path as every other event.

use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::{Identifier, InvalidIdentifier};
use domain::rules::Homing;
use domain::time::Timestamp;
use ports::definitions::{Source, Workspace};
use ports::idempotency::Fingerprint;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::answer::{Kind, Problem};
use super::fields::{BadField, Fields};

/// Items of one request.
pub(crate) const ITEMS_MAX: usize = 500;
/// How long an Idempotency-Key is remembered. The ids of its events are made
/// from the request too, so that a later use of the key loses nothing.
pub(crate) const REMEMBERED_FOR: i64 = Timestamp::DAY;
/// Bytes of one event: the same limit as at the front door.
const EVENT_MAX: usize = 32 * 1024;
/// More names than one person has in one system.
const IDENTIFIERS_MAX: usize = 20;
const MESSAGE_ID_LENGTH_MAX: usize = 256;
const KEY_LENGTH_MAX: usize = 255;
const ITEM: [&str; 5] = ["source", "identifiers", "traits", "timestamp", "messageId"];
const IDENTIFIER: [&str; 2] = ["kind", "value"];

/// Why one item is refused while the others are taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Field(#[from] BadField),
    #[error("the workspace has several sources: say which one in `source`")]
    SourceMissing,
    #[error("the workspace has no such source; see `tributary source list`")]
    SourceUnknown,
    #[error("all identifiers are values that name nobody, such as `null` or `-1`")]
    Blocked,
    #[error("the item makes an event of more than {EVENT_MAX} bytes: split its traits")]
    TooLarge,
}

impl Refused {
    const fn code(&self) -> &'static str {
        match self {
            Self::Field(_) => "bad_field",
            Self::SourceMissing => "source_missing",
            Self::SourceUnknown => "source_unknown",
            Self::Blocked => "blocked",
            Self::TooLarge => "too_large",
        }
    }
}

/// What an item's event takes from its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) at: Timestamp,
    pub(crate) request: Option<Fingerprint>,
    /// The item's place among those of the request.
    pub(crate) number: usize,
    /// For an id where nothing else gives one.
    pub(crate) chance: [u8; 16],
}

/// The Idempotency-Key of a request, with what it was used for.
pub(crate) fn fingerprint(
    key: Option<&str>,
    action: &str,
    body: &[u8],
) -> Result<Option<Fingerprint>, Problem> {
    let Some(key) = key.map(str::trim) else { return Ok(None) };
    if !(1..=KEY_LENGTH_MAX).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let wanted =
            format!("An Idempotency-Key has 1 to {KEY_LENGTH_MAX} visible ASCII characters; a UUID serves");
        return Err(Problem::new(Kind::BadIdempotencyKey, wanted));
    }
    let body = Sha256::new().chain_update(action).chain_update([0]).chain_update(body);
    Ok(Some(Fingerprint { key_sha256: Sha256::digest(key).into(), body_sha256: body.finalize().into() }))
}

/// The items of a batch.
pub(crate) fn items(body: &Map<String, Value>) -> Result<&[Value], Problem> {
    let fields = Fields::root(body);
    fields.only(&["profiles"])?;
    let items = fields.list("profiles")?;
    if !(1..=ITEMS_MAX).contains(&items.len()) {
        return Err(fields.bad("profiles", format!("must hold 1 to {ITEMS_MAX} items")).into());
    }
    Ok(items)
}

/// Makes an item's event.
pub(crate) fn event(item: &Value, place: &str, received: Received<'_>) -> Result<Event, Refused> {
    let fields = Fields::of(item, place)?;
    fields.only(&ITEM)?;
    let source = source(&fields, received.workspace)?;
    let Named { identifiers, blocked, as_sent } =
        identifiers(&fields, source, received.workspace.rules.homing(received.at))?;
    let traits = match fields.get("traits") {
        None => &Map::new(),
        Some(traits) => traits.as_object().ok_or_else(|| fields.bad("traits", "must be an object"))?,
    };
    let timestamp = fields.text("timestamp")?;
    let unreadable = || fields.bad("timestamp", "must be a time like 2026-01-31T12:00:00Z");
    let sent = timestamp.map(|text| Timestamp::parse(text).ok_or_else(unreadable)).transpose()?;
    let (message_id, is_ours) = message_id(&fields, received)?;
    let payload = payload(item, &message_id, timestamp, traits);
    if payload.len() > EVENT_MAX {
        return Err(Refused::TooLarge);
    }
    Ok(Event {
        source: source.id.clone(),
        message_id,
        kind: EventKind::Identify,
        identifiers,
        blocked,
        rules: received.workspace.rules.version,
        client_time: match sent {
            Some(at) => ClientTime::Sent(at),
            None if is_ours => ClientTime::Ours(received.at),
            // A request that is made again has the id, and another time.
            None => ClientTime::Absent(received.at),
        },
        event_time: Event::when(sent, None, received.at),
        received_at: received.at,
        payload,
        as_sent,
    })
}

pub(crate) fn result(outcome: &Result<Event, Refused>) -> Value {
    match outcome {
        Ok(event) => json!({ "status": "accepted", "messageId": event.message_id }),
        Err(refused) => {
            json!({ "status": "rejected", "code": refused.code(), "detail": refused.to_string() })
        }
    }
}

/// The source that an item names, or the only one there is.
fn source<'a>(fields: &Fields<'_>, workspace: &'a Workspace) -> Result<&'a Source, Refused> {
    match (fields.text("source")?, workspace.sources.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Refused::SourceMissing),
        (Some(name), sources) => {
            sources.iter().find(|source| source.id.as_str() == name).ok_or(Refused::SourceUnknown)
        }
    }
}

/// The identifiers of an item.
struct Named {
    /// Those that name the person, the strongest first.
    identifiers: Vec<Identifier>,
    blocked: Vec<Identifier>,
    /// All of them.
    as_sent: String,
}

fn identifiers(fields: &Fields<'_>, source: &Source, homing: &Homing) -> Result<Named, Refused> {
    let list = fields.list("identifiers")?;
    if !(1..=IDENTIFIERS_MAX).contains(&list.len()) {
        return Err(fields
            .bad("identifiers", format!("must hold 1 to {IDENTIFIERS_MAX} identifiers"))
            .into());
    }
    let (mut named, mut blocked) = (Vec::new(), Vec::new());
    let mut as_sent = String::new();
    for (place, item) in list.iter().enumerate() {
        let one = Fields::of(item, &fields.place(&format!("identifiers[{place}]")))?;
        one.only(&IDENTIFIER)?;
        let (kind, value) = (one.required_text("kind")?, value(&one)?);
        as_sent.extend([kind, "\u{1e}", &value, "\u{1f}"]);
        let identifier = Identifier::parse(kind, &value, source.region.as_deref());
        let identifier =
            identifier.map_err(|invalid| one.bad("value", format!("is not valid: {invalid}")))?;
        let list = if homing.blocks(&identifier) { &mut blocked } else { &mut named };
        if !list.contains(&identifier) {
            list.push(identifier);
        }
    }
    homing.sort(&mut named);
    if named.is_empty() { Err(Refused::Blocked) } else { Ok(Named { identifiers: named, blocked, as_sent }) }
}

/// Normalises an identifier; an error names the field that is wrong.
pub(crate) fn parsed(
    fields: &Fields<'_>,
    kind: &str,
    value: &str,
    region: Option<&str>,
) -> Result<Identifier, BadField> {
    Identifier::parse(kind, value, region).map_err(|invalid| {
        let name = if invalid == InvalidIdentifier::Kind { "kind" } else { "value" };
        fields.bad(name, format!("is not valid: {invalid}"))
    })
}

/// Many systems keep their ids as numbers.
pub(crate) fn value(fields: &Fields<'_>) -> Result<String, BadField> {
    match fields.required("value")? {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(fields.bad("value", "must be a string or a number")),
    }
}

/// The sender's id, else one that follows from the request, else one of ours;
/// and whether it is ours, which no second request can have.
fn message_id(fields: &Fields<'_>, received: Received<'_>) -> Result<(String, bool), BadField> {
    if let Some(id) = fields.text("messageId")? {
        let fits = (1..=MESSAGE_ID_LENGTH_MAX).contains(&id.len());
        let bad = || fields.bad("messageId", format!("must have 1 to {MESSAGE_ID_LENGTH_MAX} bytes"));
        return fits.then(|| (id.to_owned(), false)).ok_or_else(bad);
    }
    let Some(Fingerprint { key_sha256, body_sha256 }) = received.request else {
        return Ok((format!("api-{}", hex(received.chance)), true));
    };
    let hash = Sha256::new().chain_update(key_sha256).chain_update(body_sha256);
    let hash = hash.chain_update((received.number as u64).to_be_bytes()).finalize();
    Ok((format!("idem-{}", hex(hash.first_chunk().copied().unwrap_or_default())), false))
}

/// The event as a client of the front door would have sent it.
fn payload(item: &Value, message_id: &str, timestamp: Option<&str>, traits: &Map<String, Value>) -> String {
    let mut payload = json!({
        "type": EventKind::Identify.name(),
        "messageId": message_id,
        "channel": "api",
        "identifiers": item.get("identifiers"),
        "traits": traits,
    });
    if let (Some(timestamp), Value::Object(payload)) = (timestamp, &mut payload) {
        payload.insert("timestamp".to_owned(), Value::from(timestamp));
    }
    payload.to_string()
}

pub(crate) fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}
