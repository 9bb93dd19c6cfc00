//! JSON as SDKs really write it: the envelope first, then each event alone.
//!
//! Python writes bare `NaN`, JavaScript and Python write halves of surrogate
//! pairs; a strict parser would throw the rest of the batch away with them. So
//! bodies are read strictly first and leniently only where that fails, and
//! every value stays raw text until somebody needs it.

mod mend;
mod scan;

use std::borrow::Cow;
use std::fmt;

use domain::json;
use domain::rejection::Reason;
use domain::time::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::answer::Refusal;

/// Bytes of one event: Segment's own limit.
pub(crate) const EVENT_MAX: usize = 32 * 1024;
/// Events of one request. SDKs stop at a hundred or at 500 KB.
pub(crate) const EVENTS_MAX: usize = 20_000;
/// Levels of objects and arrays in one event; parsers downstream stop at 128.
pub(crate) const DEPTH_MAX: usize = 64;

/// The members of an object in order, their values raw.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A request's body, opened but with every event still closed.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    key: Option<String>,
    pub(crate) sent_at: Option<Timestamp>,
    /// JSON objects that stand under those of every event.
    pub(crate) context: Option<Cow<'a, str>>,
    pub(crate) integrations: Option<Cow<'a, str>>,
    /// Bytes of the two as sent, also where they are too large to be read.
    pub(crate) shared: usize,
    /// Why one of the two can stand under no event.
    pub(crate) unfit: Option<Reason>,
    pub(crate) events: Vec<&'a [u8]>,
}

/// Opens a body: an object with an array `batch` is a batch, whatever its
/// path; any other object is one event.
pub(crate) fn open(body: &[u8]) -> Result<Envelope<'_>, Refusal> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    match body.first() {
        None => return Err(Refusal::EmptyBody),
        Some(b'{') => (),
        Some(_) => return Err(Refusal::Malformed),
    }
    let opened = match serde_json::from_slice::<Strict<'_>>(body) {
        Ok(strict) => strict.envelope(body)?,
        Err(_) => lenient(body)?,
    };
    if opened.events.len() > EVENTS_MAX { Err(Refusal::TooManyEvents) } else { Ok(opened) }
}

impl Envelope<'_> {
    /// The write key of the envelope, else of the first event that has one.
    pub(crate) fn key(&self) -> Option<String> {
        self.key.clone().or_else(|| self.events.iter().find_map(|event| key_of(event)))
    }
}

fn key_of(event: &[u8]) -> Option<String> {
    let text = text(event).ok()?;
    let fields = Fields::parse(&text)?;
    string(fields.get("writeKey")?.get())
}

/// One event's bytes as JSON text that every parser reads.
pub(crate) fn text(event: &[u8]) -> Result<Cow<'_, str>, Reason> {
    if event.len() > EVENT_MAX {
        return Err(Reason::TooLarge);
    }
    let (text, whole) = match std::str::from_utf8(event) {
        Ok(text) => (Cow::Borrowed(text), true),
        Err(_) => (String::from_utf8_lossy(event), false),
    };
    let survey = scan::survey(text.as_bytes());
    if survey.depth > DEPTH_MAX {
        return Err(Reason::TooDeep);
    }
    Ok(if survey.sound && whole { text } else { Cow::Owned(mend::mend(&text)) })
}

impl<'a> Fields<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// A member; of equal names the last wins, as everywhere.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `null`, `""`, and the `[]` that PHP writes for an empty object say nothing.
pub(crate) fn present(value: Option<&RawValue>) -> Option<&RawValue> {
    let nothing = |raw: &str| {
        matches!(raw, "null" | "\"\"")
            || (raw.starts_with('[') && raw.trim_matches(['[', ']']).trim().is_empty())
    };
    value.filter(|value| !nothing(value.get()))
}

/// A JSON string's text, if it has any.
pub(crate) fn string(raw: &str) -> Option<String> {
    serde_json::from_str::<String>(raw).ok().filter(|text| !text.is_empty())
}

/// The envelope of a body that is JSON throughout.
#[derive(Default)]
struct Strict<'a> {
    key: Option<&'a RawValue>,
    sent_at: Option<&'a RawValue>,
    context: Option<&'a RawValue>,
    integrations: Option<&'a RawValue>,
    batch: Option<Vec<&'a RawValue>>,
}

impl<'a> Strict<'a> {
    fn envelope(self, body: &'a [u8]) -> Result<Envelope<'a>, Refusal> {
        let Some(batch) = self.batch else { return Ok(single(body)) };
        if batch.len() > EVENTS_MAX {
            return Err(Refusal::TooManyEvents);
        }
        let bytes = |value: Option<&'a RawValue>| value.map_or(&[][..], |value| value.get().as_bytes());
        let (context, integrations) = (bytes(self.context), bytes(self.integrations));
        let string = |value: Option<&'a RawValue>| string(value?.get());
        Ok(Envelope {
            key: string(self.key),
            sent_at: string(self.sent_at).and_then(|text| Timestamp::parse(&text)),
            context: object(context),
            integrations: object(integrations),
            shared: context.len() + integrations.len(),
            unfit: unfit(context).or_else(|| unfit(integrations)),
            events: batch.into_iter().map(|event| event.get().as_bytes()).collect(),
        })
    }
}

/// One event is its own envelope; what it says is read with the event.
fn single(body: &[u8]) -> Envelope<'_> {
    Envelope {
        key: None,
        sent_at: None,
        context: None,
        integrations: None,
        shared: 0,
        unfit: None,
        events: vec![body],
    }
}

/// An object that may stand under an event's own.
fn object(raw: &[u8]) -> Option<Cow<'_, str>> {
    let text = text(raw).ok().filter(|text| text.starts_with('{'))?;
    Fields::parse(&text).is_some_and(|fields| !fields.is_empty()).then_some(text)
}

/// Why an object cannot stand under an event's own; one that is too large
/// counts against each event's size.
fn unfit(raw: &[u8]) -> Option<Reason> {
    match text(raw) {
        Ok(text) => json::has_name_not_for_senders(&text).then_some(Reason::ReservedName),
        Err(Reason::TooDeep) => Some(Reason::TooDeep),
        Err(_) => None,
    }
}

/// Opens a body that is not JSON throughout, by its braces and strings alone.
fn lenient(body: &[u8]) -> Result<Envelope<'_>, Refusal> {
    let members = scan::members(body).ok_or(Refusal::Malformed)?;
    let member = |name: &str| {
        let named = |(raw, _): &&(&[u8], &[u8])| {
            std::str::from_utf8(raw).ok().and_then(string).is_some_and(|known| known == name)
        };
        members.iter().rev().find(named).map(|(_, value)| *value)
    };
    let Some(batch) = member("batch").filter(|batch| batch.first() == Some(&b'[')) else {
        // Of one event alone nothing can be saved if it stays unreadable.
        let broken = text(body).is_ok_and(|text| Fields::parse(&text).is_none());
        return if broken { Err(Refusal::Malformed) } else { Ok(single(body)) };
    };
    let string = |name: &str| text(member(name)?).ok().and_then(|text| string(&text));
    let [context, integrations] = ["context", "integrations"].map(|name| member(name).unwrap_or_default());
    Ok(Envelope {
        key: string("writeKey"),
        sent_at: string("sentAt").and_then(|text| Timestamp::parse(&text)),
        context: object(context),
        integrations: object(integrations),
        shared: context.len() + integrations.len(),
        unfit: unfit(context).or_else(|| unfit(integrations)),
        events: scan::elements(batch, EVENTS_MAX + 1).ok_or(Refusal::Malformed)?,
    })
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Strict<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Strict<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut strict = Strict::default();
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    match name.as_ref() {
                        "writeKey" => strict.key = Some(map.next_value()?),
                        "sentAt" => strict.sent_at = Some(map.next_value()?),
                        "context" => strict.context = Some(map.next_value()?),
                        "integrations" => strict.integrations = Some(map.next_value()?),
                        "batch" => strict.batch = map.next_value::<Batch<'de>>()?.0,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(strict)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// The elements of an array; anything else is no batch.
struct Batch<'a>(Option<Vec<&'a RawValue>>);

impl<'de: 'a, 'a> Deserialize<'de> for Batch<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        if !raw.get().starts_with('[') {
            return Ok(Self(None));
        }
        let mut json = serde_json::Deserializer::from_str(raw.get());
        json.deserialize_seq(Elements).map(|elements| Self(Some(elements))).map_err(serde::de::Error::custom)
    }
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            // One too many is told from enough; the rest only fills memory.
            if elements.len() <= EVENTS_MAX {
                elements.push(element);
            }
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests;
