//! Whom an event is about: its identifiers, normalised, strongest first.
//!
//! Only what the event itself says counts. A batch's shared context names no
//! one: it would tie everybody in the batch together.

use std::borrow::Cow;

use domain::event::EventKind;
use domain::identifier::{ANONYMOUS_ID, EMAIL, Identifier, InvalidIdentifier, PHONE, USER_ID};
use domain::rejection::Reason;
use domain::rules::Homing;
use serde_json::value::RawValue;

use super::{Refused, object, scalar};
use crate::wire::Fields;

const DEVICE_ID: &str = "device_id";
const ADVERTISING_ID: &str = "advertising_id";

/// Identifiers of one event. A profile takes them in one transaction, and a
/// person has not so many names at once.
pub(super) const IDENTIFIERS_MAX: usize = 16;

/// Fields that one note names.
const TOLD_MAX: usize = 8;

/// Parts of the event's name; no SDK writes this character.
const SEPARATOR: char = '\u{1f}';

/// An event's identifiers.
#[derive(Default)]
pub(super) struct Naming {
    /// Strongest first, never empty.
    pub(super) identifiers: Vec<Identifier>,
    pub(super) blocked: Vec<Identifier>,
    /// All of them as sent, for the event's name: equal for all its copies.
    pub(super) as_sent: String,
    /// What was left out of them, and why.
    pub(super) left_out: Vec<Refused>,
}

struct Collector<'a> {
    region: Option<&'a str>,
    homing: &'a Homing,
    naming: Naming,
    /// Fields whose values are blocked.
    blocked: Vec<&'static str>,
    /// Fields whose values are not what their kind wants.
    invalid: Vec<(&'static str, InvalidIdentifier)>,
}

impl Naming {
    pub(super) fn read(
        region: Option<&str>,
        homing: &Homing,
        kind: EventKind,
        fields: &Fields<'_>,
        context: Option<&Fields<'_>>,
    ) -> Result<Self, Refused> {
        let mut found =
            Collector { region, homing, naming: Self::default(), blocked: Vec::new(), invalid: Vec::new() };
        found.take(USER_ID, "userId", scalar("userId", fields.get("userId"))?);
        found.take(ANONYMOUS_ID, "anonymousId", scalar("anonymousId", fields.get("anonymousId"))?);
        let alias = kind == EventKind::Alias;
        let previous = fields.get("previousId").filter(|_| alias);
        found.take(ANONYMOUS_ID, "previousId", scalar("previousId", previous)?);
        let traits = traits(fields, context).filter(|_| kind == EventKind::Identify);
        found.take(EMAIL, "traits.email", lenient(traits.as_ref(), "email"));
        found.take(PHONE, "traits.phone", lenient(traits.as_ref(), "phone"));
        let device = context.and_then(|context| object(context.get("device")));
        found.take(DEVICE_ID, "context.device.id", lenient(device.as_ref(), "id"));
        found.take(ADVERTISING_ID, "context.device.advertisingId", lenient(device.as_ref(), "advertisingId"));
        found.external(context.and_then(|context| context.get("externalIds")));
        found.finish()
    }
}

impl Collector<'_> {
    /// What cannot name a person is left out; its place in the name stays.
    fn take(&mut self, kind: &str, field: &'static str, raw: Option<Cow<'_, str>>) {
        let raw = raw.unwrap_or_default();
        self.naming.as_sent.push_str(&raw);
        self.naming.as_sent.push(SEPARATOR);
        match Identifier::parse(kind, &raw, self.region) {
            Ok(identifier) if self.homing.blocks(&identifier) => {
                self.blocked.push(field);
                self.naming.blocked.push(identifier);
            }
            Ok(identifier) => self.naming.identifiers.push(identifier),
            Err(InvalidIdentifier::Empty) => (), // It was not sent at all.
            Err(why) => self.invalid.push((field, why)),
        }
    }

    /// `context.externalIds`: `[{id, type, collection?}]`, of people only.
    fn external(&mut self, list: Option<&RawValue>) {
        let list = list.map_or_else(Vec::new, |list| {
            serde_json::from_str::<Vec<&RawValue>>(list.get()).unwrap_or_default()
        });
        for entry in list {
            let Some(entry) = object(Some(entry)) else { continue };
            let people = lenient(Some(&entry), "collection").is_none_or(|collection| collection == "users");
            let kind = lenient(Some(&entry), "type").filter(|_| people);
            if let (Some(kind), Some(id)) = (kind, lenient(Some(&entry), "id")) {
                self.naming.as_sent.push_str(&kind);
                self.naming.as_sent.push(SEPARATOR);
                self.take(&kind, "context.externalIds", Some(id));
            }
        }
    }

    fn finish(self) -> Result<Naming, Refused> {
        let Self { homing, mut naming, blocked, invalid, .. } = self;
        if naming.identifiers.is_empty() {
            return Err(match (blocked.as_slice(), invalid.as_slice()) {
                ([], []) => Refused::plain(Reason::NoIdentifier),
                ([], invalid) => Refused::nobody_valid(invalid),
                _ => Refused::plain(Reason::Blocked),
            });
        }
        if !blocked.is_empty() {
            naming.left_out.push(Refused::blocked(blocked));
        }
        if !invalid.is_empty() {
            naming.left_out.push(Refused::invalid(&invalid));
        }
        homing.sort(&mut naming.identifiers);
        naming.identifiers.dedup();
        naming.blocked.sort();
        naming.blocked.dedup();
        naming.blocked.truncate(IDENTIFIERS_MAX);
        if naming.identifiers.len() > IDENTIFIERS_MAX {
            naming.left_out.push(Refused::too_many());
            naming.identifiers.truncate(IDENTIFIERS_MAX);
        }
        let kept = naming.as_sent.trim_end_matches(SEPARATOR).len();
        naming.as_sent.truncate(kept);
        Ok(naming)
    }
}

impl Refused {
    fn too_many() -> Self {
        let detail =
            format!("the event has more than {IDENTIFIERS_MAX} identifiers; the weakest were left out");
        Self { reason: Reason::IdentifierLimit, detail: Cow::Owned(detail) }
    }

    fn blocked(mut fields: Vec<&'static str>) -> Self {
        fields.dedup();
        fields.truncate(TOLD_MAX);
        let detail = format!(
            "left out as identifiers, because the rules block them: {}",
            fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
        );
        Self { reason: Reason::IdentifierBlocked, detail: Cow::Owned(detail) }
    }

    /// The event stands by what else it has.
    fn invalid(fields: &[(&'static str, InvalidIdentifier)]) -> Self {
        let detail = format!("left out as identifiers: {}", told(fields));
        Self { reason: Reason::InvalidIdentifier, detail: Cow::Owned(detail) }
    }

    fn nobody_valid(fields: &[(&'static str, InvalidIdentifier)]) -> Self {
        let detail = format!("nothing valid in the event names a person: {}", told(fields));
        Self { reason: Reason::NoIdentifier, detail: Cow::Owned(detail) }
    }
}

/// Which fields are wrong, and why; never what they hold.
fn told(fields: &[(&'static str, InvalidIdentifier)]) -> String {
    let mut told: Vec<String> = fields.iter().map(|(field, why)| format!("`{field}`: {why}")).collect();
    told.dedup();
    told.truncate(TOLD_MAX);
    told.join("; ")
}

/// The traits of an `identify`: at the root, else in the context, where
/// Rudder's SDKs put them.
fn traits<'a>(fields: &Fields<'a>, context: Option<&Fields<'a>>) -> Option<Fields<'a>> {
    let root = object(fields.get("traits")).filter(|traits| !traits.is_empty());
    root.or_else(|| object(context?.get("traits")))
}

/// A value that names a person if it is a text or a number, and otherwise is
/// only a trait.
fn lenient<'a>(fields: Option<&Fields<'a>>, name: &'static str) -> Option<Cow<'a, str>> {
    scalar(name, fields?.get(name)).ok().flatten()
}
