//! One event as sent becomes a domain event, or a rejection that says why not.
//!
//! The payload stays the text that was sent, without its write key and with
//! the envelope's context put under its own.

mod naming;
mod payload;

use std::borrow::Cow;

use domain::event::{ClientTime, Event, EventKind};
use domain::json;
use domain::rejection::{Reason, Rejection};
use domain::time::Timestamp;
use ports::Entropy;
use serde_json::value::RawValue;

use crate::answer::Refusal;
use crate::hex;
use crate::keys::Access;
use crate::wire::{self, EVENT_MAX, Envelope, Fields, present, string};
use naming::Naming;
pub(crate) use payload::Connection;

/// What the payloads of one request may come to once the envelope's context
/// stands in each: a small body must not become gigabytes.
const PAYLOADS_MAX: usize = 8 * 1024 * 1024;

/// A longer message id is not shown in a rejection.
const MESSAGE_ID_SHOWN_MAX: usize = 256;

/// What all events of one request share.
pub(crate) struct Reader<'a, E> {
    pub(crate) access: &'a Access,
    /// The kind of the path, for events that name none.
    pub(crate) kind: Option<EventKind>,
    pub(crate) received_at: Timestamp,
    pub(crate) connection: &'a Connection,
    pub(crate) entropy: &'a E,
}

/// A request's events, read.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) events: Vec<Event>,
    /// Refused events, and notes on what was left out of accepted ones.
    pub(crate) noted: Vec<Rejection>,
    /// How many events were refused.
    pub(crate) rejected: usize,
}

/// Why one event cannot be accepted.
#[derive(Debug)]
struct Refused {
    reason: Reason,
    detail: Cow<'static, str>,
}

impl<E: Entropy> Reader<'_, E> {
    /// Reads every event alone: a bad one costs only itself.
    pub(crate) fn read(&self, envelope: &Envelope<'_>) -> Result<Reading, Refusal> {
        let under = payload::Under::of(envelope);
        let mut reading = Reading::default();
        let mut bytes = 0;
        for raw in &envelope.events {
            match self.event(raw, &under) {
                Ok((event, left_out)) => {
                    bytes += event.payload.len();
                    if bytes > PAYLOADS_MAX {
                        return Err(Refusal::TooLarge);
                    }
                    for left_out in left_out {
                        self.note(&mut reading, left_out, Some(event.message_id.clone()), raw);
                    }
                    reading.events.push(event);
                }
                Err((refused, message_id)) => {
                    reading.rejected += 1;
                    self.note(&mut reading, refused, message_id, raw);
                }
            }
        }
        Ok(reading)
    }

    /// Past what is kept a minute anyway only the reason is passed on, to be
    /// counted: a flood of bad events costs no more than good ones.
    fn note(&self, reading: &mut Reading, refused: Refused, message_id: Option<String>, raw: &[u8]) {
        let kept = reading.noted.len() < Rejection::KEPT_A_MINUTE as usize;
        reading.noted.push(Rejection {
            at: self.received_at,
            reason: refused.reason,
            detail: if kept { refused.detail.into_owned() } else { String::new() },
            message_id: message_id.filter(|id| kept && id.len() <= MESSAGE_ID_SHOWN_MAX),
            sample: if kept { payload::sample(raw) } else { String::new() },
        });
    }

    fn event(
        &self,
        raw: &[u8],
        under: &payload::Under<'_>,
    ) -> Result<(Event, Vec<Refused>), (Refused, Option<String>)> {
        let unnamed = |reason: Reason| (Refused::plain(reason), None);
        let text = wire::text(raw).map_err(unnamed)?;
        let fields = Fields::parse(&text).ok_or_else(|| unnamed(Reason::Malformed))?;
        let sent_id = scalar("messageId", fields.get("messageId"));
        let shown = sent_id.as_ref().ok().cloned().flatten().map(Cow::into_owned);
        let read = sent_id.and_then(|id| {
            if raw.len() + under.len() > EVENT_MAX {
                return Err(Refused::plain(Reason::TooLarge));
            }
            if let Some(reason) = under.unfit {
                return Err(Refused::plain(reason));
            }
            if json::has_name_not_for_senders(&text) {
                return Err(Refused::plain(Reason::ReservedName));
            }
            self.fields(&fields, id, under)
        });
        read.map_err(|refused| (refused, shown))
    }

    fn fields(
        &self,
        fields: &Fields<'_>,
        message_id: Option<Cow<'_, str>>,
        under: &payload::Under<'_>,
    ) -> Result<(Event, Vec<Refused>), Refused> {
        let kind = self.kind(fields)?;
        if kind == EventKind::Track {
            check_name(fields.get("event"))?;
        }
        let context = object(fields.get("context"));
        let homing = self.access.rules.homing(self.received_at);
        let naming =
            Naming::read(self.access.source.region.as_deref(), homing, kind, fields, context.as_ref())?;
        let client = ["timestamp", "originalTimestamp"].iter().find_map(|name| time(fields.get(name)));
        let sent_at = time(fields.get("sentAt")).or(under.sent_at);
        let received_at = self.received_at;
        let client_time = match (&message_id, client) {
            (None, _) => ClientTime::Ours(received_at),
            (Some(_), Some(at)) => ClientTime::Sent(at),
            (Some(_), None) => ClientTime::Absent(received_at),
        };
        let made_up = || format!("tributary-{}", hex(self.entropy.bytes()));
        let event = Event {
            source: self.access.source.id.clone(),
            message_id: message_id.map_or_else(made_up, Cow::into_owned),
            kind,
            identifiers: naming.identifiers,
            blocked: naming.blocked,
            rules: self.access.rules.version,
            client_time,
            event_time: Event::when(client, sent_at, received_at),
            received_at,
            payload: payload::write(fields, context.as_ref(), under, self.connection),
            as_sent: naming.as_sent,
        };
        Ok((event, naming.left_out))
    }

    fn kind(&self, fields: &Fields<'_>) -> Result<EventKind, Refused> {
        let named = match scalar("type", fields.get("type"))? {
            Some(name) => EventKind::parse(&name),
            None => self.kind,
        };
        named.ok_or_else(|| Refused::plain(Reason::UnknownType))
    }
}

fn check_name(name: Option<&RawValue>) -> Result<(), Refused> {
    match present(name).map(RawValue::get) {
        None => Err(Refused::plain(Reason::NoEventName)),
        Some(text) if text.starts_with('"') => Ok(()),
        Some(_) => Err(Refused::wrong_type("event")),
    }
}

/// A text, or a number as its text; nothing where nothing is said.
fn scalar<'a>(name: &'static str, value: Option<&'a RawValue>) -> Result<Option<Cow<'a, str>>, Refused> {
    let Some(value) = present(value) else { return Ok(None) };
    match value.get().as_bytes().first() {
        Some(b'"') => Ok(string(value.get()).map(Cow::Owned)),
        Some(b'-' | b'0'..=b'9') => Ok(Some(Cow::Borrowed(value.get()))),
        _ => Err(Refused::wrong_type(name)),
    }
}

/// A time that cannot be read is as good as none.
fn time(value: Option<&RawValue>) -> Option<Timestamp> {
    string(present(value)?.get()).and_then(|text| Timestamp::parse(&text))
}

fn object(value: Option<&RawValue>) -> Option<Fields<'_>> {
    value.filter(|value| value.get().starts_with('{')).and_then(|value| Fields::parse(value.get()))
}

impl Refused {
    fn plain(reason: Reason) -> Self {
        let detail = match reason {
            Reason::Malformed => "the event is not a JSON object, or its JSON is broken",
            Reason::TooLarge => "the event is over 32 KB with the envelope's context; send less in it",
            Reason::TooDeep => "the event or the batch's context is nested deeper than 64 levels; flatten it",
            Reason::UnknownType => {
                "`type` is none of track, identify, page, screen, group and alias, and the path names none"
            }
            Reason::NoEventName => "a track needs the name of what happened in `event`",
            Reason::ReservedName => {
                "a name in the event or in the batch's context begins with `$serde_json::private::` or `$tributary`, which are reserved; rename it"
            }
            Reason::NoIdentifier => "nothing in the event names a person; set `userId` or `anonymousId`",
            Reason::Blocked => "every identifier of the event is blocked by the rules",
            _ => "the event was refused",
        };
        Self { reason, detail: Cow::Borrowed(detail) }
    }

    fn wrong_type(field: &str) -> Self {
        let detail = format!("`{field}` has a type that cannot be read; send a text");
        Self { reason: Reason::WrongType, detail: Cow::Owned(detail) }
    }
}

#[cfg(test)]
mod tests;
