//! Who is in a segment, by the book: a definition's document asked directly
//! about everything that ever happened, anew each time.
//!
//! It keeps nothing, looks ahead at nothing and shares with production only
//! how numbers, texts without case, lengths of time and calendars are read. It
//! is slow and plain on purpose: production has to agree with it at every moment.

mod values;

use std::collections::{BTreeMap, BTreeSet};

use domain::event::EventKind;
use domain::segment::span::{Calendar, Span, Unit};
use domain::time::Timestamp;
use serde_json::{Map, Value};

use values::{Known, number, passes};

const MEASURES: [&str; 9] =
    ["count", "sum", "avg", "min", "max", "distinct", "first", "last", "most_frequent"];

/// One event, once.
#[derive(Debug, Clone)]
pub struct Past {
    pub at: Timestamp,
    /// What breaks ties of time.
    pub name: u64,
    pub kind: EventKind,
    pub payload: Map<String, Value>,
}

/// A person, as everything that happened tells.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub events: Vec<Past>,
    pub identifier_kinds: BTreeSet<String>,
    /// The lot by which people fall into buckets.
    pub seed: Option<u64>,
    /// Other segments, by their ids.
    pub segments: BTreeMap<String, Value>,
    /// When the person entered which segment: recorded, for no event tells it.
    pub entered: BTreeMap<String, Vec<Timestamp>>,
}

/// Whether the person is in at a moment.
///
/// # Panics
/// On a document that is none: a test has read it before.
pub fn holds(when: &Value, history: &History, now: Timestamp) -> bool {
    let mut events: Vec<&Past> = history.events.iter().collect();
    events.sort_by_key(|past| (past.at, past.name));
    Asked { history, traits: traits(&events), events, now }.meets(when)
}

/// What a computed trait comes to at a moment.
pub fn value(value: &Value, history: &History, now: Timestamp) -> Option<Value> {
    let mut events: Vec<&Past> = history.events.iter().collect();
    events.sort_by_key(|past| (past.at, past.name));
    let asked = Asked { history, traits: traits(&events), events, now };
    let events = asked.windowed(value);
    let measure = MEASURES.into_iter().chain(["list"]).find(|measure| !value[*measure].is_null());
    let measure = measure.unwrap_or("count");
    found(measure, events.len(), &values_of(&events, &value[measure]))
}

/// A person at a moment.
struct Asked<'a> {
    history: &'a History,
    /// In their order.
    events: Vec<&'a Past>,
    traits: Value,
    now: Timestamp,
}

impl Asked<'_> {
    fn meets(&self, when: &Value) -> bool {
        let text = |field: &str| when[field].as_str();
        let span = |field: &str| text(field).and_then(|text| Span::parse(text).ok());
        let list = |field: &str| when[field].as_array().into_iter().flatten();
        if when["trait"].is_string() {
            let path = text("trait").unwrap_or_default();
            return match span("for") {
                Some(span) => self.held(path, when, span),
                None => passes(when, find(&self.traits, path), &self.known()),
            };
        }
        if when["all"].is_array() {
            return list("all").all(|part| self.meets(part));
        }
        if when["any"].is_array() {
            return list("any").any(|part| self.meets(part));
        }
        if when["not"].is_object() {
            return !self.meets(&when["not"]);
        }
        if is_selection(when) {
            return self.measured(when);
        }
        if when["sequence"].is_array() {
            let steps: Vec<Vec<&Past>> = list("sequence").map(|step| self.selected(step)).collect();
            let within = span("within").unwrap();
            return self.any_recent(&completions(&steps, within, text("same")), span("during"));
        }
        if when["absence"].is_object() {
            return self.absent(&when["absence"], text("same"), span("during"));
        }
        if when["regular"].is_object() {
            let unit = unit(text("unit").unwrap());
            let calendar = self.calendar();
            let (wanted, of) = (when["in_at_least"].as_u64().unwrap(), when["of_last"].as_i64().unwrap());
            let events = self.selected(&when["regular"]);
            let has = |back: i64| {
                let back = -i32::try_from(back).unwrap();
                let (from, to) =
                    (calendar.period(unit, self.now, back), calendar.period(unit, self.now, back + 1));
                events.iter().any(|past| past.at >= from && past.at < to)
            };
            return u64::try_from((0..of).filter(|back| has(*back)).count()).unwrap() >= wanted;
        }
        if when["returned"].is_object() {
            let (gap, within) = (span("after_gap").unwrap(), span("within").unwrap());
            let events = self.selected(&when["returned"]);
            let again = |pair: &[&Past]| match pair {
                [before, after] => gap.after(before.at) <= after.at && within.after(after.at) > self.now,
                _ => false,
            };
            return events.windows(2).any(again);
        }
        if when["lapsed"].is_object() || when["absent"].is_object() {
            return self.is_long_ago(when, span("for").unwrap());
        }
        if let Some(id) = text("segment") {
            let entered = self.history.entered.get(id);
            return match (when["ever"].as_bool(), span("entered_within")) {
                (Some(true), _) => entered.is_some_and(|entered| !entered.is_empty()),
                (_, Some(span)) => entered.into_iter().flatten().any(|at| span.after(*at) > self.now),
                _ => self.meets(&self.history.segments[id]),
            };
        }
        if let Some(list) = text("listed") {
            return self.is_listed(list, &when["since"]);
        }
        if let Some(kind) = text("identifier") {
            return self.history.identifier_kinds.contains(kind);
        }
        if let Some(group) = text("group") {
            let joined = |past: &&Past| past.kind == EventKind::Group && past.payload["groupId"] == *group;
            return self.events.iter().any(joined);
        }
        if let Some(fact) = text("fact") {
            let times = self.events.iter().map(|past| past.at);
            let at = if fact == "first_seen" { times.min() } else { times.max() };
            return passes(when, at.map(|at| Value::String(at.rfc3339())).as_ref(), &self.known());
        }
        if when["score"].is_array() {
            let parts = list("score").filter(|part| self.meets(&part["when"]));
            let score: i128 = parts.filter_map(|part| number(&part["points"])).sum();
            return passes(when, Some(&values::json(score)), &self.known());
        }
        let bucket = &when["bucket"];
        let lot = self.history.seed.map(|seed| {
            let lot = domain::profile::counters::spread(&format!(
                "{}\u{1f}{seed:016x}",
                bucket["salt"].as_str().unwrap()
            ));
            (i128::from(lot) * 100_000_000_000) >> 64
        });
        lot.is_some_and(|lot| number(&bucket["from"]).unwrap() <= lot && lot < number(&bucket["to"]).unwrap())
    }

    /// Nothing of it for so long, though it came before, or the person is known for as long.
    fn is_long_ago(&self, when: &Value, span: Span) -> bool {
        let is_lapsed = when["lapsed"].is_object();
        let events = self.selected(&when[if is_lapsed { "lapsed" } else { "absent" }]);
        let first_seen = self.events.iter().map(|past| past.at).min();
        let before = if is_lapsed {
            !events.is_empty()
        } else {
            first_seen.is_some_and(|at| span.after(at) <= self.now)
        };
        before && !events.iter().any(|past| span.after(past.at) > self.now)
    }

    fn is_listed(&self, list: &str, since: &Value) -> bool {
        let since = values::moment(since).map_or(0, |since| i128::from(since.millis()));
        let at = find(&self.traits, &format!("$tributary.lists.{list}")).and_then(number);
        at.is_some_and(|at| at >= since * 1_000_000_000)
    }

    fn known(&self) -> Known<'_> {
        Known { traits: &self.traits, now: self.now, calendar: self.calendar() }
    }

    fn calendar(&self) -> Calendar {
        Calendar::of(self.traits["timezone"].as_str())
    }

    /// The events that a selection means, by time.
    fn selected(&self, selection: &Value) -> Vec<&Past> {
        let kinds = [
            ("event", EventKind::Track, "event"),
            ("page", EventKind::Page, "name"),
            ("screen", EventKind::Screen, "name"),
        ];
        let (field, kind, named) =
            kinds.into_iter().find(|(field, ..)| !selection[*field].is_null()).unwrap();
        let names = &selection[field];
        let is_named = |past: &Past| {
            let name = past.payload.get(named).unwrap_or(&Value::Null);
            names == "*" || names == name || names.as_array().is_some_and(|names| names.contains(name))
        };
        let passes = |past: &&Past| {
            past.kind == kind
                && is_named(past)
                && (selection["where"].is_null() || self.filtered(&selection["where"], &past.payload))
                && (selection["hours"].is_null() || self.in_hours(&selection["hours"], past.at))
        };
        self.events.iter().copied().filter(passes).collect()
    }

    fn filtered(&self, filter: &Value, payload: &Map<String, Value>) -> bool {
        let list = |field: &str| filter[field].as_array();
        if let Some(path) = filter["property"].as_str() {
            return passes(filter, property(payload, path), &self.known());
        }
        if let Some(all) = list("all") {
            return all.iter().all(|part| self.filtered(part, payload));
        }
        if let Some(any) = list("any") {
            return any.iter().any(|part| self.filtered(part, payload));
        }
        !self.filtered(&filter["not"], payload)
    }

    fn in_hours(&self, hours: &Value, at: Timestamp) -> bool {
        let minute =
            |field: &str, otherwise: u16| match hours[field].as_str().and_then(|text| text.split_once(':')) {
                Some((hour, minute)) => hour.parse::<u16>().unwrap() * 60 + minute.parse::<u16>().unwrap(),
                None => otherwise,
            };
        let (from, to) = (minute("from", 0), minute("to", 1440));
        let (day, now) = self.calendar().time_of_week(at);
        let is_day = |day: jiff_weekday::Day| {
            hours["days"]
                .as_array()
                .is_none_or(|days| days.iter().any(|name| name == jiff_weekday::name(day)))
        };
        if from < to {
            return is_day(day) && now >= from && now < to;
        }
        now >= from && is_day(day) || now < to && is_day(day.previous())
    }

    /// The events of the window that a condition names.
    fn windowed(&self, when: &Value) -> Vec<&Past> {
        let mut events = self.selected(when);
        if let Some(span) = when["within"].as_str() {
            let span = Span::parse(span).unwrap();
            events.retain(|past| span.after(past.at) > self.now);
        }
        if let Some(period) = when["calendar"].as_object() {
            let calendar = self.calendar();
            let back = match period.get("this") {
                Some(_) => 0,
                None => period.get("back").and_then(Value::as_i64).unwrap_or(1),
            };
            let of = unit(period.get("this").or(period.get("last")).and_then(Value::as_str).unwrap());
            let back = -i32::try_from(back).unwrap();
            let (from, to) = (calendar.period(of, self.now, back), calendar.period(of, self.now, back + 1));
            events.retain(|past| past.at >= from && past.at < to);
        }
        if let Some(ends) = when["between"].as_array() {
            let ends: Vec<Timestamp> = ends.iter().filter_map(values::moment).collect();
            events.retain(|past| past.at >= ends[0] && past.at < ends[1]);
        }
        if when["session"].is_object() {
            let gap = Span::parse(when["session"]["gap"].as_str().unwrap_or("30m")).unwrap().longest();
            let times: Vec<Timestamp> = self.events.iter().map(|past| past.at).collect();
            let Some(end) = times.last().copied() else { return Vec::new() };
            if when["session"]["current"] == true && end.plus(gap) < self.now {
                return Vec::new();
            }
            let start =
                times.iter().rev().fold(end, |start, at| if start.since(*at) <= gap { *at } else { start });
            events.retain(|past| past.at >= start);
        }
        events
    }

    fn measured(&self, when: &Value) -> bool {
        let events = self.windowed(when);
        let Some(measure) = MEASURES.into_iter().find(|measure| !when[*measure].is_null()) else {
            return !events.is_empty();
        };
        let test = &when[measure];
        let values = values_of(&events, test);
        let numbers: Vec<i128> = values.iter().filter_map(number).collect();
        if measure == "avg" && !numbers.is_empty() {
            let (sum, count) = (numbers.iter().sum::<i128>(), i128::try_from(numbers.len()).unwrap());
            return values::passes_ratio(test, sum, count, &self.known());
        }
        passes(test, found(measure, events.len(), &values).as_ref(), &self.known())
    }

    /// A trait has passed for so long: since the first of the last writes that
    /// passed one after the other.
    fn held(&self, path: &str, test: &Value, span: Span) -> bool {
        let mut state = Value::Object(Map::new());
        let mut since = None;
        for past in self.events.iter().filter(|past| past.kind == EventKind::Identify) {
            let Some(said) = past.payload.get("traits").and_then(Value::as_object) else { continue };
            merge(&mut state, said, 1);
            if !touches(said, path) {
                continue;
            }
            let value = find(&state, path).and_then(values::scalar);
            since = passes(test, value.as_ref(), &self.known()).then(|| since.unwrap_or(past.at));
        }
        since.is_some_and(|since| span.after(since) <= self.now)
    }

    fn absent(&self, absence: &Value, same: Option<&str>, during: Option<Span>) -> bool {
        let span = Span::parse(absence["for"].as_str().unwrap()).unwrap();
        let following = self.selected(&absence["of"]);
        let is_sure = |first: &&Past| {
            let key = key(first, same);
            let ends = span.after(first.at);
            let follows = |past: &&Past| {
                (past.at, past.name) > (first.at, first.name)
                    && past.at <= ends
                    && self::key(past, same) == key
            };
            key.is_some() && ends <= self.now && !following.iter().any(follows)
        };
        let sure: Vec<Timestamp> = self
            .selected(&absence["after"])
            .into_iter()
            .filter(is_sure)
            .map(|past| span.after(past.at))
            .collect();
        self.any_recent(&sure, during)
    }

    fn any_recent(&self, moments: &[Timestamp], during: Option<Span>) -> bool {
        moments.iter().any(|at| during.is_none_or(|during| during.after(*at) > self.now))
    }
}

/// The values of a property, as far as it has some.
fn values_of(events: &[&Past], measure: &Value) -> Vec<Value> {
    let of = measure["of"].as_str().unwrap_or_default();
    events.iter().filter_map(|past| property(&past.payload, of)).filter_map(values::scalar).collect()
}

/// What a measure comes to over so many events with these values.
fn found(measure: &str, events: usize, values: &[Value]) -> Option<Value> {
    let numbers: Vec<i128> = values.iter().filter_map(number).collect();
    let whole = |count: usize| Some(values::json(i128::try_from(count).unwrap() * 1_000_000_000));
    match measure {
        "count" => whole(events),
        "sum" => Some(values::json(numbers.iter().sum())),
        "avg" if numbers.is_empty() => None,
        "avg" => Some(values::json(numbers.iter().sum::<i128>() / i128::try_from(numbers.len()).unwrap())),
        "min" => numbers.iter().min().map(|number| values::json(*number)),
        "max" => numbers.iter().max().map(|number| values::json(*number)),
        "distinct" => whole(values::counts(values).len()),
        "first" => values.first().cloned(),
        "last" => values.last().cloned(),
        "list" => Some(Value::Array(values::counts(values).into_values().map(|(_, value)| value).collect())),
        _ => values::most_frequent(values),
    }
}

/// When a chain of events, one of each step, came to its end: every chain is tried.
fn completions(steps: &[Vec<&Past>], within: Span, same: Option<&str>) -> Vec<Timestamp> {
    fn extend<'a>(
        chain: &mut Vec<&'a Past>,
        steps: &[Vec<&'a Past>],
        within: Span,
        same: Option<&str>,
        ends: &mut Vec<Timestamp>,
    ) {
        let Some((step, rest)) = steps.split_first() else {
            ends.extend(chain.last().map(|last| last.at));
            return;
        };
        for past in step {
            let follows = chain.last().is_none_or(|last| (last.at, last.name) < (past.at, past.name));
            let in_time = chain.first().is_none_or(|first| past.at <= within.after(first.at));
            let is_same = key(past, same).is_some()
                && chain.first().is_none_or(|first| key(first, same) == key(past, same));
            if follows && in_time && is_same {
                chain.push(past);
                extend(chain, rest, within, same, ends);
                chain.pop();
            }
        }
    }
    let mut ends = Vec::new();
    extend(&mut Vec::new(), steps, within, same, &mut ends);
    ends
}

/// What has to be the same in all events; `None` of one that has none.
fn key(past: &Past, same: Option<&str>) -> Option<Value> {
    match same {
        None => Some(Value::Null),
        Some(path) => property(&past.payload, path).and_then(values::scalar),
    }
}

fn is_selection(value: &Value) -> bool {
    ["event", "page", "screen"].into_iter().any(|field| !value[field].is_null())
}

fn unit(name: &str) -> Unit {
    Unit::ALL.into_iter().find(|unit| unit.name() == name).unwrap()
}

fn find<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(object, |value, step| value.get(step)).filter(|value| !value.is_null())
}

fn property<'a>(payload: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if first == "context" {
        return find(payload.get("context")?, rest);
    }
    find(payload.get("properties")?, path)
}

/// All traits, each `identify` applied to those before it.
fn traits(events: &[&Past]) -> Value {
    let mut state = Value::Object(Map::new());
    for past in events.iter().filter(|past| past.kind == EventKind::Identify) {
        if let Some(said) = past.payload.get("traits").and_then(Value::as_object) {
            merge(&mut state, said, 1);
        }
    }
    state
}

fn merge(into: &mut Value, said: &Map<String, Value>, depth: usize) {
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Some(known) = into.as_object_mut() else { return };
    for (name, value) in said {
        match value {
            Value::Null => {
                known.remove(name);
            }
            Value::Object(inner) if inner.is_empty() => (),
            Value::Object(inner) if depth < domain::profile::traits::DEPTH_MAX => {
                let below = known.entry(name).or_insert(Value::Null);
                merge(below, inner, depth + 1);
                if below.as_object().is_some_and(Map::is_empty) {
                    known.remove(name);
                }
            }
            value => {
                known.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Whether traits say anything of a path.
fn touches(said: &Map<String, Value>, path: &str) -> bool {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match said.get(first) {
        None => false,
        Some(Value::Object(inner)) if inner.is_empty() => false,
        Some(Value::Object(inner)) if !rest.is_empty() => touches(inner, rest),
        Some(_) => true,
    }
}

/// The names of weekdays.
mod jiff_weekday {
    pub(super) use jiff::civil::Weekday as Day;

    pub(super) fn name(day: Day) -> &'static str {
        match day {
            Day::Monday => "mon",
            Day::Tuesday => "tue",
            Day::Wednesday => "wed",
            Day::Thursday => "thu",
            Day::Friday => "fri",
            Day::Saturday => "sat",
            Day::Sunday => "sun",
        }
    }
}
