//! Writes dictionaries for the formats to come:
//! `cargo test -p domain -- --ignored writes_dictionaries`, then rename them.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::Value;

use crate::event::{ClientTime, Event, EventKind};
use crate::identifier::{ANONYMOUS_ID, EMAIL, Identifier, USER_ID};
use crate::key::IdKey;
use crate::profile::ledger::Entry;
use crate::profile::{Held, Profile, page};
use crate::time::Timestamp;
use crate::workspace::SourceId;

const SHAPES: &str = include_str!("shapes.txt");
const SEED: u64 = 2;
const PEOPLE: usize = 1_500;
/// Larger ones are no better. Pages are of more kinds, by SDK and event.
const PROFILE_SIZE: usize = 8 * 1024;
const PAGE_SIZE: usize = 16 * 1024;

struct Grammar(BTreeMap<&'static str, Vec<&'static str>>);

struct Person<'a> {
    grammar: &'a Grammar,
    rng: Rng,
    mine: BTreeMap<String, String>,
    now: Timestamp,
}

impl Grammar {
    fn read() -> Self {
        let mut rules: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for line in SHAPES.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, text)) = line.split_once(": ") else { continue };
            rules.entry(name).or_default().push(text);
        }
        Self(rules)
    }
}

impl Person<'_> {
    /// Replaces every `<...>` of a text.
    fn expand(&mut self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((plain, after)) = rest.split_once('<') {
            let (name, after) = after.split_once('>').expect("a closing bracket");
            expanded.push_str(plain);
            expanded.push_str(&self.one(name));
            rest = after;
        }
        expanded + rest
    }

    fn one(&mut self, name: &str) -> String {
        let my = name.strip_suffix(".upper").or(name.strip_suffix(".lower")).unwrap_or(name);
        if my.starts_with("my.") {
            let known = self.mine.get(my).cloned();
            let value = known.unwrap_or_else(|| self.rule(my));
            self.mine.insert(my.to_owned(), value.clone());
            return match name.rsplit_once('.') {
                Some((_, "upper")) => value.to_uppercase(),
                Some((_, "lower")) => value.to_lowercase(),
                _ => value,
            };
        }
        match name {
            "uuid" => uuid(&mut self.rng),
            "upper" => uuid(&mut self.rng).to_uppercase(),
            "hex" => format!("{:024x}", self.rng.u128(..) >> 32),
            "digit" => self.rng.u8(1..10).to_string(),
            "time" => self.now.rfc3339(),
            "ms" => self.now.millis().to_string(),
            "Word" => {
                let word = self.rule("word");
                word[..1].to_uppercase() + &word[1..]
            }
            choice if choice.contains('|') => self.pick(&choice.split('|').collect::<Vec<_>>()),
            rule => self.rule(rule),
        }
    }

    fn rule(&mut self, name: &str) -> String {
        let texts = self.grammar.0.get(name).unwrap_or_else(|| panic!("no rule `{name}`"));
        let text = self.pick(texts);
        self.expand(&text)
    }

    fn pick(&mut self, texts: &[&str]) -> String {
        self.rng.choice(texts).copied().unwrap_or_default().to_owned()
    }

    /// One visit, all by one SDK.
    fn visit(&mut self, sender: &str, events: usize) -> Vec<Event> {
        self.now = self.now.plus(self.rng.i64(Timestamp::HOUR..7 * Timestamp::DAY));
        (0..events).map(|_| self.event(sender)).collect()
    }

    fn event(&mut self, sender: &str) -> Event {
        self.now = self.now.plus(self.rng.i64(1_000..60_000));
        let mut payload = self.rule(sender);
        let said: Value = serde_json::from_str(&payload).unwrap_or_else(|_| panic!("no JSON: {payload}"));
        if self.rng.bool() {
            payload = said.to_string(); // Many senders sort their keys, as Go and Rust do.
        }
        let text = |path: &str| said.pointer(path).and_then(Value::as_str);
        let named = [
            (USER_ID, text("/userId")),
            (ANONYMOUS_ID, text("/anonymousId")),
            (EMAIL, text("/traits/email")),
            ("device_id", text("/context/device/id")),
        ];
        let identifiers =
            named.iter().filter_map(|(kind, value)| Identifier::parse(kind, (*value)?, None).ok());
        let as_sent: Vec<&str> = named.iter().map(|(_, value)| value.unwrap_or_default()).collect();
        let late = self.rng.i64(50..2_000);
        Event {
            source: SourceId::parse(match sender {
                "browser" | "rudder" => "web",
                "phone" => "app",
                _ => "server",
            })
            .unwrap(),
            message_id: text("/messageId").unwrap().to_owned(),
            kind: EventKind::parse(text("/type").unwrap()).unwrap(),
            identifiers: identifiers.collect(),
            blocked: Vec::new(),
            rules: 1,
            client_time: ClientTime::Sent(self.now),
            event_time: self.now,
            received_at: self.now.plus(late),
            as_sent: as_sent.join("\u{1f}").trim_end_matches('\u{1f}').to_owned(),
            payload,
        }
    }
}

fn uuid(rng: &mut Rng) -> String {
    let hex = format!("{:032x}", rng.u128(..));
    [&hex[..8], &hex[8..12], &format!("4{}", &hex[13..16]), &hex[16..20], &hex[20..]].join("-")
}

/// People with a few visits each; the events of each visit arrive together.
fn people() -> Vec<Vec<Vec<Event>>> {
    let grammar = Grammar::read();
    let mut rng = Rng::with_seed(SEED);
    let person = |_| {
        let now = Timestamp::from_millis(1_750_000_000_000).plus(rng.i64(0..700 * Timestamp::DAY));
        let mut person = Person { grammar: &grammar, rng: rng.fork(), mine: BTreeMap::new(), now };
        let sender = person.pick(&["browser", "browser", "phone", "server", "rudder"]);
        let visits = person.rng.usize(1..8);
        (0..visits)
            .map(|visit| {
                let sender = if visit == 1 { "server" } else { &sender };
                let events = person.rng.usize(1..7);
                person.visit(sender, events)
            })
            .collect()
    };
    (0..PEOPLE).map(person).collect()
}

fn folded(visits: &[Vec<Event>]) -> Profile {
    let key = IdKey::new([7; IdKey::LENGTH]);
    let mut profile = Profile { seed: Some(7), ..Profile::default() };
    for event in visits.iter().flatten() {
        let name = event.name(&key);
        profile.ledger.spill(1);
        profile.ledger.add(Entry { at: event.client_time.at(), name });
        profile.fold(event, name);
        for identifier in &event.identifiers {
            let held = Held { generation: 0, since: event.event_time };
            profile.identifiers.entry(identifier.clone()).or_insert(held);
        }
    }
    profile
}

#[test]
#[ignore = "writes files, once for each new format"]
fn writes_dictionaries() {
    let people = people();
    let profiles: Vec<Vec<u8>> = people.iter().map(|visits| folded(visits).squeezed_part()).collect();
    let pages: Vec<Vec<u8>> =
        people.iter().flatten().map(|visit| page::pack(&visit.iter().collect::<Vec<_>>()).1).collect();
    for (name, samples, size) in [("profile", profiles, PROFILE_SIZE), ("page", pages, PAGE_SIZE)] {
        let dictionary = zstd::dict::from_samples(&samples, size).unwrap();
        let path = format!("{}/src/profile/dictionary/{name}-next.bin", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, dictionary).unwrap();
    }
}
