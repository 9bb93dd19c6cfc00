//! The event's own text, with what stands around it merged under.

use std::borrow::Cow;

use domain::rejection::{Reason, Rejection};
use domain::time::Timestamp;

use super::object;
use crate::wire::{Envelope, Fields, present};

/// Longer user agents are made up.
const USER_AGENT_MAX: usize = 512;

/// What is known of the sender's connection, as JSON texts.
#[derive(Default)]
pub(crate) struct Connection(Vec<(&'static str, String)>);

impl Connection {
    pub(crate) fn new(ip: Option<&str>, user_agent: Option<&str>) -> Self {
        let members = [("ip", ip), ("userAgent", user_agent)].into_iter().filter_map(|(name, value)| {
            let value = value.filter(|value| !value.is_empty())?;
            let short = value.get(..value.floor_char_boundary(USER_AGENT_MAX))?;
            Some((name, quoted(short)))
        });
        Self(members.collect())
    }
}

/// What the envelope puts under every event.
pub(super) struct Under<'a> {
    context: Fields<'a>,
    integrations: Fields<'a>,
    pub(super) sent_at: Option<Timestamp>,
    shared: usize,
    /// Why it can stand under no event.
    pub(super) unfit: Option<Reason>,
}

impl<'a> Under<'a> {
    pub(super) fn of(envelope: &'a Envelope<'_>) -> Self {
        let fields =
            |text: &'a Option<Cow<'_, str>>| text.as_deref().and_then(Fields::parse).unwrap_or_default();
        Self {
            context: fields(&envelope.context),
            integrations: fields(&envelope.integrations),
            sent_at: envelope.sent_at,
            shared: envelope.shared,
            unfit: envelope.unfit,
        }
    }

    /// Bytes that it adds to an event at most.
    pub(super) const fn len(&self) -> usize {
        self.shared
    }
}

/// Writes the payload: every member as sent, but never the write key.
pub(super) fn write(
    fields: &Fields<'_>,
    context: Option<&Fields<'_>>,
    under: &Under<'_>,
    connection: &Connection,
) -> String {
    let known = connection.0.iter().map(|(name, value)| (*name, value.as_str()));
    let context = merged(fields, "context", context, texts(&under.context).chain(known));
    let own = object(fields.get("integrations"));
    let integrations = merged(fields, "integrations", own.as_ref(), texts(&under.integrations));
    let mut payload = Object::default();
    for (name, value) in fields.iter() {
        let replaced = match name {
            "writeKey" => true,
            "context" => context.is_some(),
            "integrations" => integrations.is_some(),
            _ => false,
        };
        if !replaced {
            payload.member(name, value.get());
        }
    }
    for (name, value) in [("context", context), ("integrations", integrations)] {
        if let Some(value) = value {
            payload.member(name, &value);
        }
    }
    payload.finish()
}

/// An event's object with what it lacks from below; `None` if it stands as it
/// is: nothing is missing, or it is no object at all.
fn merged<'a>(
    fields: &Fields<'_>,
    name: &str,
    own: Option<&Fields<'_>>,
    below: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<String> {
    if own.is_none() && present(fields.get(name)).is_some() {
        return None;
    }
    let mut added: Vec<(&str, &str)> = Vec::new();
    for (name, value) in below {
        let has = own.is_some_and(|own| present(own.get(name)).is_some());
        if !has && !added.iter().any(|(known, _)| *known == name) {
            added.push((name, value));
        }
    }
    if added.is_empty() {
        return None;
    }
    let mut object = Object::default();
    for (name, value) in own.into_iter().flat_map(texts) {
        if !added.iter().any(|(known, _)| *known == name) {
            object.member(name, value);
        }
    }
    for (name, value) in added {
        object.member(name, value);
    }
    Some(object.finish())
}

fn texts<'f>(fields: &'f Fields<'_>) -> impl Iterator<Item = (&'f str, &'f str)> {
    fields.iter().map(|(name, value)| (name, value.get()))
}

/// A JSON object in the making.
#[derive(Default)]
struct Object(String);

impl Object {
    fn member(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if name.bytes().all(plain) {
            self.0.push('"');
            self.0.push_str(name);
            self.0.push('"');
        } else {
            self.0.push_str(&quoted(name));
        }
        self.0.push(':');
        self.0.push_str(value);
    }

    fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The beginning of an event as sent, for the operator; keys are struck out.
pub(super) fn sample(raw: &[u8]) -> String {
    /// Enough for the sample even where keys are struck out.
    const READ_MAX: usize = 2 * Rejection::SAMPLE_MAX;
    let text = String::from_utf8_lossy(raw.get(..raw.len().min(READ_MAX)).unwrap_or_default());
    let mut parts = text.split("wk_");
    let mut sample = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let in_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        sample.push_str("wk_***");
        sample.push_str(part.trim_start_matches(in_key));
    }
    sample.truncate(sample.floor_char_boundary(Rejection::SAMPLE_MAX));
    sample
}
