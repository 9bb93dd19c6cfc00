//! A few people with devices, cards and addresses, and what their SDKs send.
//!
//! What an event means is said here a second time, apart from the code that
//! reads it: its identifiers, its name and its time are formats that last.

use domain::access::{AccessKey, KeyKind};
use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::key::IdKey;
use domain::message::Message;
use domain::rejection::Reason;
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::Entropy as _;
use ports::definitions::{Grant, Key, Source, Workspace};
use serde_json::{Map, Value, json};
use testkit::{MemoryDefinitions, SeededEntropy};

pub(crate) const SOURCES: [&str; 2] = ["web", "crm"];

pub(crate) fn key() -> IdKey {
    IdKey::new([9; IdKey::LENGTH])
}

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::parse("acme").unwrap()
}

/// The write key with which a source posts.
pub(crate) fn write_key(source: &str) -> AccessKey {
    let number = SOURCES.iter().position(|known| *known == source).unwrap();
    let chance = SeededEntropy::seeded(number as u64);
    AccessKey::make(KeyKind::Write, workspace(), chance.bytes(), [chance.bytes(), chance.bytes()])
}

/// No limit on identifiers is hit, so that the partition may not depend on order.
pub(crate) fn definitions() -> MemoryDefinitions {
    defined(Rules { limits: Vec::new(), limit_default: 1_000, ..Rules::default() }, 1_000)
}

/// The workspace with these rules and this rate, in requests a second.
pub(crate) fn defined(rules: Rules, rate: u32) -> MemoryDefinitions {
    let definitions = MemoryDefinitions::default();
    let source =
        |name: &str| Source { id: SourceId::parse(name).unwrap(), region: None, origins: Vec::new(), rate };
    definitions.define(Workspace {
        id: workspace(),
        rules,
        sources: SOURCES.map(source).to_vec(),
        segments: 0,
        outreach: 0,
    });
    for name in SOURCES {
        let key = write_key(name);
        let grant = Grant::Write(SourceId::parse(name).unwrap());
        definitions.add_key(&workspace(), key.id(), Key { secret_sha256: key.sha256(), grant });
    }
    definitions
}

pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-11-01T00:00:00Z").unwrap()
}

pub(crate) fn draw(chance: &SeededEntropy, below: u64) -> u64 {
    chance.number() % below.max(1)
}

/// What one call of an SDK sends, and what is to come of it.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) source: &'static str,
    pub(crate) json: Map<String, Value>,
    /// The event that it is, or why it is refused.
    pub(crate) meant: Result<Event, Reason>,
}

/// Whom an event names, as it is written.
#[derive(Default)]
struct Names {
    user: Option<String>,
    anonymous: Option<String>,
    previous: Option<String>,
    email: Option<String>,
    card: Option<String>,
}

/// Who is in a crowd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Crowd {
    /// Three people, in which some events tie a person's names together.
    #[default]
    Shop,
    /// So many names, of which any may be tied to any other.
    Names,
}

/// How a crowd's names are tied together.
enum Graph {
    Shop,
    /// Two names at most: the people of the end are few or many.
    Sparse(u64),
    /// Each name to the next.
    Chain(u64),
    /// Each name to the first.
    Star(u64),
    /// As many names as an event has room for.
    Dense(u64),
}

/// All that a crowd says; one call in fifteen is refused.
pub(crate) fn all_said(crowd: Crowd, chance: &SeededEntropy) -> Vec<Said> {
    let count = 60 + usize::try_from(draw(chance, 120)).unwrap();
    let graph = Graph::drawn(crowd, chance);
    (0..count).map(|number| said_in(&graph, chance, number)).collect()
}

/// One call of the shop's crowd.
pub(crate) fn said(chance: &SeededEntropy, number: usize) -> Said {
    said_in(&Graph::Shop, chance, number)
}

fn said_in(graph: &Graph, chance: &SeededEntropy, number: usize) -> Said {
    if draw(chance, 15) == 0 { refused(chance, number) } else { good(chance, number, graph) }
}

/// An event of the shop that is not refused.
pub(crate) fn event(chance: &SeededEntropy, number: usize) -> Event {
    good(chance, number, &Graph::Shop).meant.unwrap()
}

/// How an event is named to its SDK.
pub(crate) fn message_id(number: usize) -> String {
    format!("m{number}")
}

fn refused(chance: &SeededEntropy, number: usize) -> Said {
    let (reason, json) = match draw(chance, 4) {
        0 => (Reason::NoIdentifier, json!({"type": "page"})),
        1 => (Reason::Blocked, json!({"type": "page", "userId": "null"})),
        2 => (Reason::UnknownType, json!({"type": "charge", "userId": "u0"})),
        _ => (Reason::NoEventName, json!({"type": "track", "userId": "u0"})),
    };
    let mut json = object(json);
    json.insert("messageId".to_owned(), message_id(number).into());
    Said { source: source(chance), json, meant: Err(reason) }
}

fn source(chance: &SeededEntropy) -> &'static str {
    SOURCES[usize::from(draw(chance, 3) == 0)]
}

fn good(chance: &SeededEntropy, number: usize, graph: &Graph) -> Said {
    let (kind, payload) = payload(chance);
    let mut json = object(payload);
    let names = graph.names(chance, kind);
    let email_is_trait = kind == EventKind::Identify;
    names.write(&mut json, email_is_trait);
    json.insert("type".to_owned(), kind.name().into());
    json.insert("messageId".to_owned(), message_id(number).into());
    // Few distinct moments, so that equal times are ordinary.
    let at = start().plus(i64::try_from(draw(chance, 40)).unwrap() * Timestamp::SECOND);
    // A group's item stands outside the ledger: without a time of its own, two
    // copies of what it was told would be two things that it was told.
    let timeless = draw(chance, 20) == 0 && kind != EventKind::Group;
    if !timeless {
        let name = if draw(chance, 2) == 0 { "timestamp" } else { "originalTimestamp" };
        json.insert(name.to_owned(), at.rfc3339().into());
    }
    let source = source(chance);
    let mut identifiers = names.identifiers();
    Rules::default().homing.sort(&mut identifiers);
    let event = Event {
        source: SourceId::parse(source).unwrap(),
        message_id: message_id(number),
        kind,
        as_sent: names.as_sent(email_is_trait),
        identifiers,
        blocked: Vec::new(),
        rules: 1,
        client_time: if timeless { ClientTime::Absent(at) } else { ClientTime::Sent(at) },
        event_time: at,
        received_at: at,
        payload: Value::Object(json.clone()).to_string(),
    };
    Said { source, json, meant: Ok(event) }
}

fn names(chance: &SeededEntropy, kind: EventKind) -> Names {
    let person = draw(chance, 3);
    let user = Some(format!("u{person}"));
    let anonymous = Some(format!("a{person}{}", draw(chance, 2)));
    let email = Some(format!(" P{person}@Example.com"));
    let none = Names::default();
    let alias = kind == EventKind::Alias && draw(chance, 2) == 0;
    match draw(chance, 10) {
        0..=3 => Names { anonymous, ..none },
        4..=6 => Names { user, ..none },
        7 if alias => Names { user, previous: anonymous, ..none },
        7 => Names { user, anonymous, ..none },
        8 => Names { email, card: Some(format!("c{person}")), ..none },
        _ => Names { user, email, ..none },
    }
}

impl Graph {
    fn drawn(crowd: Crowd, chance: &SeededEntropy) -> Self {
        if crowd == Crowd::Shop {
            return Self::Shop;
        }
        let shape =
            [Self::Sparse, Self::Chain, Self::Star, Self::Dense][usize::try_from(draw(chance, 4)).unwrap()];
        shape(8 + draw(chance, 25))
    }

    fn names(&self, chance: &SeededEntropy, kind: EventKind) -> Names {
        let mut numbers = match self {
            Self::Shop => return names(chance, kind),
            Self::Sparse(count) => vec![draw(chance, *count), draw(chance, *count)],
            Self::Chain(count) => {
                let first = draw(chance, *count);
                vec![first, first + 1]
            }
            Self::Star(count) => vec![0, draw(chance, *count)],
            Self::Dense(count) => (0..4).map(|_| draw(chance, *count)).collect(),
        };
        // Each name is said alone, too.
        if draw(chance, 3) == 0 {
            numbers.remove(0);
            numbers.truncate(1);
        }
        let names = Names::numbered(&numbers);
        if kind == EventKind::Alias && names.user.is_some() {
            return Names { previous: names.anonymous, anonymous: None, ..names };
        }
        names
    }
}

impl Names {
    /// Names of four kinds, by their numbers.
    fn numbered(numbers: &[u64]) -> Self {
        let mut names = Self::default();
        for number in numbers {
            match number % 4 {
                0 => names.user = Some(format!("u{number}")),
                1 => names.anonymous = Some(format!("a{number}")),
                2 => names.email = Some(format!(" P{number}@Example.com")),
                _ => names.card = Some(format!("c{number}")),
            }
        }
        names
    }

    fn write(&self, json: &mut Map<String, Value>, email_is_trait: bool) {
        let plain =
            [("userId", &self.user), ("anonymousId", &self.anonymous), ("previousId", &self.previous)];
        for (name, value) in plain {
            json.extend(value.iter().map(|value| (name.to_owned(), value.as_str().into())));
        }
        if let (Some(email), true) = (&self.email, email_is_trait) {
            let traits = json.entry("traits").or_insert_with(|| json!({}));
            traits["email"] = email.as_str().into();
        }
        let external: Vec<Value> = self
            .external(email_is_trait)
            .map(|(kind, id)| json!({"id": id, "type": kind, "collection": "users", "encoding": "none"}))
            .collect();
        if !external.is_empty() {
            json.entry("context").or_insert_with(|| json!({}))["externalIds"] = external.into();
        }
    }

    fn external(&self, email_is_trait: bool) -> impl Iterator<Item = (&'static str, &str)> {
        let email = self.email.as_deref().filter(|_| !email_is_trait).map(|email| ("email", email));
        email.into_iter().chain(self.card.as_deref().map(|card| ("loyalty_card", card)))
    }

    fn identifiers(&self) -> Vec<Identifier> {
        let named = [
            ("user_id", &self.user),
            ("anonymous_id", &self.anonymous),
            ("anonymous_id", &self.previous),
            ("email", &self.email),
            ("loyalty_card", &self.card),
        ];
        let parse = |(kind, value): (&str, &Option<String>)| {
            value.as_ref().map(|value| Identifier::parse(kind, value, None).unwrap())
        };
        named.into_iter().filter_map(parse).collect()
    }

    /// Seven fields that may name a person, then kind and value of all others.
    fn as_sent(&self, email_is_trait: bool) -> String {
        let of = |value: &Option<String>| value.clone().unwrap_or_default();
        let email = if email_is_trait { of(&self.email) } else { String::new() };
        let (phone, device, advertising) = Default::default();
        let mut parts =
            vec![of(&self.user), of(&self.anonymous), of(&self.previous), email, phone, device, advertising];
        parts.extend(self.external(email_is_trait).flat_map(|(kind, id)| [kind.to_owned(), id.to_owned()]));
        parts.join("\u{1f}").trim_end_matches('\u{1f}').to_owned()
    }
}

pub(crate) fn payload(chance: &SeededEntropy) -> (EventKind, Value) {
    match draw(chance, 6) {
        0 => (
            EventKind::Identify,
            json!({"traits": {"plan": draw(chance, 3), "address": {"city": draw(chance, 2)}}}),
        ),
        1 => (EventKind::Identify, json!({"traits": {"plan": null, "address": "none"}})),
        2 => (EventKind::Page, json!({"context": {"campaign": {"name": format!("c{}", draw(chance, 3))}}})),
        3 => (EventKind::Group, json!({"groupId": "g", "traits": {"size": draw(chance, 5)}})),
        4 => (EventKind::Alias, json!({})),
        _ => (
            EventKind::Track,
            json!({"event": "Order Completed", "properties": {"revenue": draw(chance, 1_000)}}),
        ),
    }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { unreachable!("an event is an object") };
    object
}

/// An event that names somebody, at the second of its number.
pub(crate) fn naming(number: i64, names: &[(&str, &str)]) -> Event {
    let at = start().plus(number * Timestamp::SECOND);
    let identifiers: Vec<Identifier> =
        names.iter().map(|(kind, value)| Identifier::parse(kind, value, None).unwrap()).collect();
    let as_sent: Vec<&str> = names.iter().map(|(_, value)| *value).collect();
    Event {
        source: SourceId::parse("web").unwrap(),
        message_id: format!("m{number}"),
        kind: EventKind::Track,
        as_sent: as_sent.join("\u{1f}"),
        identifiers,
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(at),
        event_time: at,
        received_at: at,
        payload: json!({"event": "Seen"}).to_string(),
    }
}

/// A retry as SDKs make it: the same message id and timestamp, sent later,
/// in another batch. Only what the edge saw differs.
pub(crate) fn retry_of(event: &Event, later: i64) -> Event {
    Event { received_at: event.received_at.plus(later), ..event.clone() }
}

pub(crate) fn bodies(events: Vec<Event>) -> Vec<String> {
    Message { workspace: workspace(), trace: "t".to_owned(), events }.pack()
}
