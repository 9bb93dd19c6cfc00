//! Definitions as people write them: JSON in which every mistake has a place,
//! a reason and, where one can be guessed, what was meant.

use std::collections::BTreeSet;

use jiff::civil::Weekday;
use regex_lite::Regex;
use serde_json::{Map, Value};

use super::definition::{
    Absence, Compare, Condition, Events, Fact, Filter, Hours, Is, Measure, Moment, Operand, Quantifier,
    Reading, Regular, Returned, Select, Sequence, Test, What, Window,
};
use super::list;
use super::span::{Span, Unit};
use super::stored::SegmentId;
use super::value::{self, Number, ONE, Path, Scalar};
use crate::event::EventKind;
use crate::identifier::is_kind;
use crate::profile::counters::Money;
use crate::time::Timestamp;

/// Bytes of one definition.
pub const LENGTH_MAX: usize = 64 * 1024;
/// Conditions within conditions.
pub const DEPTH_MAX: usize = 10;
/// Conditions and filters of one definition.
pub const NODES_MAX: usize = 300;
/// Values of one `in`.
pub const VALUES_MAX: usize = 1_000;
/// Steps of one sequence.
pub const SEQUENCE_MAX: usize = 8;
/// Periods that `regular` looks back.
pub const PERIODS_MAX: u16 = 60;
/// Bytes of one pattern.
pub const PATTERN_MAX: usize = 500;

/// What is wrong with a definition, and where: `when.all[1].within`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{place}` {reason}")]
pub struct Mistake {
    pub place: String,
    pub reason: String,
}

/// A definition that was read.
#[derive(Debug, Clone)]
pub struct Definition {
    /// What people call it.
    pub name: String,
    pub is: Defined,
}

/// What is defined.
#[derive(Debug, Clone)]
pub enum Defined {
    /// A segment, by the condition that a person has to meet.
    Segment(Condition),
    /// A computed trait, by a condition that asks nothing of its value.
    Computed(Condition),
}

impl Defined {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Segment(_) => "a segment",
            Self::Computed(_) => "a computed trait",
        }
    }
}

/// Reads a document, or says everything that is wrong with it.
pub fn read(document: &str) -> Result<Definition, Vec<Mistake>> {
    let whole = |reason: String| vec![Mistake { place: "the document".to_owned(), reason }];
    if document.len() > LENGTH_MAX {
        return Err(whole(format!("has {} bytes; a definition has at most {LENGTH_MAX}", document.len())));
    }
    let value: Value =
        serde_json::from_str(document).map_err(|error| whole(format!("is no JSON: {error}")))?;
    let mut reader = Reader::default();
    let mut fields = Fields::of(&value, "the document", &mut reader);
    let name = fields.text("name", &mut reader).unwrap_or_default();
    let is = match (fields.take("when"), fields.take("value")) {
        (Some((value, place)), None) => reader.condition(value, &place, 1).map(Defined::Segment),
        (None, Some((value, place))) => reader.computed(value, &place).map(Defined::Computed),
        (Some(_), Some(_)) => reader.wrong(
            "the document",
            "says `when` and `value`: a segment has the one, a computed trait the other",
        ),
        (None, None) => {
            reader.wrong("the document", "says no `when`: the condition that a person has to meet")
        }
    };
    fields.end(&mut reader);
    match is {
        Some(is) if reader.mistakes.is_empty() => Ok(Definition { name, is }),
        _ => Err(reader.mistakes),
    }
}

/// The object that is read, and which of its fields were asked for.
struct Fields<'a> {
    object: Option<&'a Map<String, Value>>,
    place: String,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, place: &str, reader: &mut Reader) -> Self {
        let object = value.as_object();
        if object.is_none() {
            reader.wrong::<()>(place, format!("is {}, not an object in {{}}", kind(value)));
        }
        // Places begin with the field, not with the document.
        let place = if place == "the document" { String::new() } else { place.to_owned() };
        Self { object, place, known: Vec::new() }
    }

    fn place(&self, field: &str) -> String {
        if self.place.is_empty() { field.to_owned() } else { format!("{}.{field}", self.place) }
    }

    fn has(&self, field: &str) -> bool {
        self.object.is_some_and(|object| object.contains_key(field))
    }

    fn take(&mut self, field: &'static str) -> Option<(&'a Value, String)> {
        self.known.push(field);
        let value = self.object?.get(field)?;
        Some((value, self.place(field)))
    }

    fn text(&mut self, field: &'static str, reader: &mut Reader) -> Option<String> {
        let (value, place) = self.take(field)?;
        reader.text(value, &place)
    }

    fn span(&mut self, field: &'static str, reader: &mut Reader) -> Option<Span> {
        let (value, place) = self.take(field)?;
        reader.span(value, &place)
    }

    fn path(&mut self, field: &'static str, reader: &mut Reader) -> Option<Path> {
        let (value, place) = self.take(field)?;
        reader.path(value, &place)
    }

    fn count(&mut self, field: &'static str, max: u16, reader: &mut Reader) -> Option<u16> {
        let (value, place) = self.take(field)?;
        let count = value.as_u64().and_then(|count| u16::try_from(count).ok());
        let count = count.filter(|count| (1..=max).contains(count));
        count.or_else(|| reader.wrong(&place, format!("is no whole number from 1 to {max}")))
    }

    /// Whatever was not asked for is a mistake, and most often one of spelling.
    fn end(self, reader: &mut Reader) {
        for field in self.object.into_iter().flat_map(Map::keys) {
            if self.known.contains(&field.as_str()) {
                continue;
            }
            let known: BTreeSet<&str> = self.known.iter().copied().collect();
            let meant = nearest(field, &known);
            let all: Vec<&str> = known.into_iter().collect();
            let remedy = meant.map_or_else(
                || format!("here may stand `{}`", all.join("`, `")),
                |meant| format!("did you mean `{meant}`?"),
            );
            reader.wrong::<()>(&self.place(field), format!("is not known here; {remedy}"));
        }
    }
}

/// The known word that differs least, if it differs little.
fn nearest<'a>(word: &str, known: &BTreeSet<&'a str>) -> Option<&'a str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(word, known);
    let best = known.iter().copied().min_by_key(|known| distance(known))?;
    (distance(&best) <= best.len().max(3) / 3 + 1).then_some(best)
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Where a test stands: what it may lean on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A person's value now.
    Person,
    /// Something that has happened: its answer must not change by time alone.
    Past,
}

/// The words of tests, in the order in which they are offered.
const TESTS: [&str; 33] = [
    "is",
    "is_not",
    "less_than",
    "at_most",
    "more_than",
    "at_least",
    "between",
    "in",
    "not_in",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "matches",
    "exists",
    "missing",
    "before",
    "after",
    "within_last",
    "within_next",
    "older_than",
    "anniversary_within",
    "any",
    "every",
    "none",
    "version_is",
    "version_less_than",
    "version_at_most",
    "version_more_than",
    "version_at_least",
    "near",
    "is_true",
    "is_false",
];

/// What conditions begin with.
const HEADS: [&str; 20] = [
    "all",
    "any",
    "not",
    "trait",
    "event",
    "page",
    "screen",
    "sequence",
    "absence",
    "regular",
    "returned",
    "lapsed",
    "absent",
    "segment",
    "listed",
    "identifier",
    "group",
    "fact",
    "score",
    "bucket",
];

/// What is measured of events.
const MEASURES: [&str; 9] =
    ["count", "sum", "avg", "min", "max", "distinct", "first", "last", "most_frequent"];

/// What may stand beside a condition's head, tests aside.
const fn beside(head: &str) -> &'static [&'static str] {
    match head.as_bytes() {
        b"sequence" => &["within", "same", "during"],
        b"absence" => &["same", "during"],
        b"regular" => &["in_at_least", "of_last", "unit"],
        b"returned" => &["after_gap", "within"],
        b"trait" | b"lapsed" | b"absent" => &["for"],
        b"segment" => &["ever", "entered_within"],
        b"listed" => &["since"],
        _ => &[],
    }
}

#[derive(Debug, Default)]
struct Reader {
    mistakes: Vec<Mistake>,
    nodes: usize,
}

impl Reader {
    fn wrong<T>(&mut self, place: &str, reason: impl Into<String>) -> Option<T> {
        self.mistakes.push(Mistake { place: place.to_owned(), reason: reason.into() });
        None
    }

    fn node(&mut self, place: &str, depth: usize) -> Option<()> {
        self.nodes += 1;
        if depth > DEPTH_MAX {
            return self.wrong(
                place,
                format!("lies deeper than {DEPTH_MAX} conditions; make a part of it a segment of its own"),
            );
        }
        if self.nodes == NODES_MAX + 1 {
            return self.wrong(
                place,
                format!("is one condition more than {NODES_MAX}; make a part of it a segment of its own"),
            );
        }
        (self.nodes <= NODES_MAX).then_some(())
    }

    fn condition(&mut self, value: &Value, place: &str, depth: usize) -> Option<Condition> {
        self.node(place, depth)?;
        let mut fields = Fields::of(value, place, self);
        let object = fields.object?;
        // With an object `any` is a test of a trait's elements.
        let is_head =
            |head: &&'static str| object.get(*head).is_some_and(|value| *head != "any" || value.is_array());
        let heads: Vec<&'static str> = HEADS.into_iter().filter(is_head).collect();
        let head = match heads.as_slice() {
            [one] => *one,
            [] => {
                let known: BTreeSet<&str> = HEADS.into_iter().collect();
                let meant = object.keys().find_map(|field| Some((field, nearest(field, &known)?)));
                let remedy = match meant {
                    Some((field, meant)) => format!("did you mean `{meant}` where it says `{field}`?"),
                    None => format!("it begins with one of `{}`", HEADS.join("`, `")),
                };
                return self.wrong(place, format!("is no condition; {remedy}"));
            }
            [one, two, ..] => {
                return self.wrong(
                    place,
                    format!(
                        "says `{one}` and `{two}` at once; put two conditions into `all: [..]` or `any: [..]`"
                    ),
                );
            }
        };
        let is = self.headed(head, &mut fields, depth);
        fields.end(self);
        Some(Condition { said: value.to_string(), is: is? })
    }

    fn headed(&mut self, head: &'static str, fields: &mut Fields<'_>, depth: usize) -> Option<Is> {
        // Known even if the head turns out to be wrong: one mistake is told once.
        fields.known.extend(beside(head));
        if matches!(head, "event" | "page" | "screen") {
            return self.events(fields);
        }
        let (value, place) = fields.take(head)?;
        match head {
            "all" => self.conditions(value, &place, depth).map(Is::All),
            "any" => self.conditions(value, &place, depth).map(Is::Any),
            "not" => {
                let inner = self.condition(value, &place, depth + 1)?;
                Some(Is::Not(Box::new(inner)))
            }
            "trait" => {
                let path = self.path(value, &place);
                let span = fields.span("for", self);
                let of = if span.is_some() { Of::Past } else { Of::Person };
                let test = self.test(fields, of, depth)?;
                let path = path?;
                Some(match span {
                    Some(span) => {
                        if has_reference(&test) {
                            return self.wrong(&place, "cannot be compared with another trait and have a `for`: which of the two changed?");
                        }
                        Is::HeldFor { path, test, span }
                    }
                    None => Is::Trait { path, test },
                })
            }
            "sequence" => self.sequence(value, &place, fields),
            "absence" => self.absence(value, &place, fields),
            "regular" => self.regular(value, &place, fields),
            "returned" => {
                let select = self.select(value, &place);
                let gap = fields.span("after_gap", self);
                let within = fields.span("within", self);
                match (gap, within) {
                    (Some(gap), Some(within)) => {
                        Some(Is::Returned(Returned { select: select?, gap, within }))
                    }
                    _ => self.wrong(
                        &place,
                        "needs `after_gap`, how long nothing came, and `within`, how long ago it came again",
                    ),
                }
            }
            "lapsed" | "absent" => self.lapsed(head, value, &place, fields),
            "segment" => self.segment(value, &place, fields),
            "listed" => self.listed(value, &place, fields),
            "identifier" => {
                let kind = self.text(value, &place)?;
                if !is_kind(&kind) {
                    return self
                        .wrong(&place, "is no kind of identifiers, such as `email`, `phone` or `user_id`");
                }
                Some(Is::Identifier { kind })
            }
            "group" => self.text(value, &place).map(|id| Is::Group { id }),
            "fact" => {
                let test = self.test(fields, Of::Person, depth);
                let fact = match self.text(value, &place)?.as_str() {
                    "first_seen" => Fact::FirstSeen,
                    "last_seen" => Fact::LastSeen,
                    _ => return self.wrong(&place, "is neither `first_seen` nor `last_seen`"),
                };
                Some(Is::Fact { fact, test: test? })
            }
            "score" => self.score(value, &place, fields, depth),
            "bucket" => self.bucket(value, &place),
            _ => None,
        }
    }

    fn conditions(&mut self, value: &Value, place: &str, depth: usize) -> Option<Vec<Condition>> {
        let list = self.list(value, place)?;
        let read: Vec<Option<Condition>> = list
            .iter()
            .enumerate()
            .map(|(at, value)| self.condition(value, &format!("{place}[{at}]"), depth + 1))
            .collect();
        read.into_iter().collect()
    }

    fn list<'a>(&mut self, value: &'a Value, place: &str) -> Option<&'a Vec<Value>> {
        match value {
            Value::Array(list) if !list.is_empty() => Some(list),
            Value::Array(_) => self.wrong(place, "is empty, and so says nothing"),
            other => self.wrong(place, format!("is {}, not a list in []", kind(other))),
        }
    }

    fn text(&mut self, value: &Value, place: &str) -> Option<String> {
        match value {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::String(_) => self.wrong(place, "is empty"),
            other => self.wrong(place, format!("is {}, not a text", kind(other))),
        }
    }

    fn span(&mut self, value: &Value, place: &str) -> Option<Span> {
        let text = self.text(value, place)?;
        Span::parse(&text).map_or_else(|reason| self.wrong(place, reason), Some)
    }

    fn path(&mut self, value: &Value, place: &str) -> Option<Path> {
        let text = self.text(value, place)?;
        let path = Path::parse(&text);
        path.or_else(|| {
            self.wrong(
                place,
                format!("is no path of at most {} steps, such as `address.city`", value::STEPS_MAX),
            )
        })
    }

    fn events(&mut self, fields: &mut Fields<'_>) -> Option<Is> {
        let select = self.selection(fields);
        let window = self.window(fields);
        let (measure, test) = self.measure(fields)?;
        Some(Is::Events(Events { select: select?, window: window?, measure, test }))
    }

    fn select(&mut self, value: &Value, place: &str) -> Option<Select> {
        self.node(place, 1)?;
        let mut fields = Fields::of(value, place, self);
        fields.object?;
        let select = self.selection(&mut fields);
        fields.end(self);
        select
    }

    /// Reads `event`, `page` or `screen`, `where` and `hours`.
    fn selection(&mut self, fields: &mut Fields<'_>) -> Option<Select> {
        let kinds = [("event", EventKind::Track), ("page", EventKind::Page), ("screen", EventKind::Screen)];
        let mut found = None;
        for (field, kind) in kinds {
            if let Some((value, place)) = fields.take(field) {
                found = Some((kind, value, place));
            }
        }
        let Some((kind, names, place)) = found else {
            let place = fields.place.clone();
            return self
                .wrong(&place, "names no event; say `event: \"Order Completed\"`, or `page` or `screen`");
        };
        let names = self.names(names, &place);
        let mut text = format!("{}{}", kind.name(), serde_json::to_string(&names).unwrap_or_default());
        let filter = match fields.take("where") {
            Some((value, place)) => {
                text.push_str(&value.to_string());
                Some(self.filter(value, &place, 1, false)?)
            }
            None => None,
        };
        let hours = match fields.take("hours") {
            Some((value, place)) => Some(self.hours(value, &place)?),
            None => None,
        };
        Some(Select { what: What { kind, names: names? }, filter, hours, text })
    }

    fn names(&mut self, value: &Value, place: &str) -> Option<BTreeSet<String>> {
        match value {
            Value::String(any) if any == "*" => Some(BTreeSet::new()),
            Value::Array(_) => {
                let list = self.list(value, place)?;
                let names: Option<BTreeSet<String>> = list
                    .iter()
                    .enumerate()
                    .map(|(at, name)| self.text(name, &format!("{place}[{at}]")))
                    .collect();
                names
            }
            _ => self.text(value, place).map(|name| BTreeSet::from([name])),
        }
    }

    fn filter(&mut self, value: &Value, place: &str, depth: usize, is_element: bool) -> Option<Filter> {
        self.node(place, depth)?;
        let mut fields = Fields::of(value, place, self);
        let object = fields.object?;
        let is = |field: &str| object.contains_key(field);
        let filter = if is("property") {
            let (value, place) = fields.take("property")?;
            let path = self.path(value, &place);
            let test = self.test(&mut fields, Of::Past, depth);
            Some(Filter::Property { path: path?, test: test? })
        } else if is("all") || is("any") && object.get("any").is_some_and(Value::is_array) {
            let head = if is("all") { "all" } else { "any" };
            let (value, place) = fields.take(head)?;
            let list = self.list(value, &place)?;
            let inner: Vec<Option<Filter>> = list
                .iter()
                .enumerate()
                .map(|(at, value)| self.filter(value, &format!("{place}[{at}]"), depth + 1, is_element))
                .collect();
            let inner: Option<Vec<Filter>> = inner.into_iter().collect();
            inner.map(if head == "all" { Filter::All } else { Filter::Any })
        } else if is("not") {
            let (value, place) = fields.take("not")?;
            let inner = self.filter(value, &place, depth + 1, is_element);
            inner.map(|inner| Filter::Not(Box::new(inner)))
        } else if is_element {
            self.test(&mut fields, Of::Past, depth).map(Filter::Element)
        } else {
            return self.wrong(place, "is no filter; it begins with `property`, `all`, `any` or `not`");
        };
        fields.end(self);
        filter
    }

    fn hours(&mut self, value: &Value, place: &str) -> Option<Hours> {
        const DAYS: [(&str, Weekday); 7] = [
            ("mon", Weekday::Monday),
            ("tue", Weekday::Tuesday),
            ("wed", Weekday::Wednesday),
            ("thu", Weekday::Thursday),
            ("fri", Weekday::Friday),
            ("sat", Weekday::Saturday),
            ("sun", Weekday::Sunday),
        ];
        let mut fields = Fields::of(value, place, self);
        let mut days = Vec::new();
        if let Some((value, place)) = fields.take("days") {
            for (at, value) in self.list(value, &place)?.iter().enumerate() {
                let place = format!("{place}[{at}]");
                let name = self.text(value, &place)?;
                match DAYS.iter().find(|(day, _)| *day == name) {
                    Some((_, day)) => days.push(*day),
                    None => {
                        return self.wrong(
                            &place,
                            "is no weekday: `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`",
                        );
                    }
                }
            }
        }
        let from = self.minute(&mut fields, "from")?.unwrap_or(0);
        let to = self.minute(&mut fields, "to")?.unwrap_or(24 * 60);
        fields.end(self);
        if from == to {
            return self.wrong(place, "begins and ends at the same time, and so is empty");
        }
        Some(Hours { days, from, to })
    }

    #[expect(clippy::option_option, reason = "a mistake, nothing, or a minute")]
    fn minute(&mut self, fields: &mut Fields<'_>, field: &'static str) -> Option<Option<u16>> {
        let Some((value, place)) = fields.take(field) else { return Some(None) };
        let text = self.text(value, &place)?;
        let minute = text.split_once(':').and_then(|(hour, minute)| {
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            let minutes = hour.checked_mul(60)?.checked_add(minute)?;
            (minute < 60 && minutes <= 24 * 60).then_some(minutes)
        });
        match minute {
            Some(minute) => Some(Some(minute)),
            None => self.wrong(&place, "is no time of day such as `18:30`"),
        }
    }

    fn window(&mut self, fields: &mut Fields<'_>) -> Option<Window> {
        let mut windows = Vec::new();
        if let Some((value, place)) = fields.take("within") {
            windows.push(self.span(value, &place).map(Window::Rolling));
        }
        if let Some((value, place)) = fields.take("calendar") {
            windows.push(self.calendar(value, &place));
        }
        if let Some((value, place)) = fields.take("between") {
            windows.push(self.between(value, &place));
        }
        if let Some((value, place)) = fields.take("session") {
            windows.push(self.session(value, &place));
        }
        match windows.len() {
            0 => Some(Window::Lifetime),
            1 => windows.pop().flatten(),
            _ => {
                let place = fields.place.clone();
                self.wrong(
                    &place,
                    "has two windows; keep one of `within`, `calendar`, `between` and `session`",
                )
            }
        }
    }

    fn unit(&mut self, value: &Value, place: &str) -> Option<Unit> {
        let name = self.text(value, place)?;
        let unit = Unit::ALL.into_iter().find(|unit| unit.name() == name);
        unit.or_else(|| self.wrong(place, "is no period: `day`, `week`, `month`, `quarter` or `year`"))
    }

    fn calendar(&mut self, value: &Value, place: &str) -> Option<Window> {
        let mut fields = Fields::of(value, place, self);
        let this = fields.take("this");
        let last = fields.take("last");
        let back = fields.count("back", PERIODS_MAX, self);
        fields.end(self);
        match (this, last) {
            (Some((value, place)), None) => {
                self.unit(value, &place).map(|unit| Window::Calendar { unit, back: 0 })
            }
            (None, Some((value, place))) => {
                self.unit(value, &place).map(|unit| Window::Calendar { unit, back: back.unwrap_or(1) })
            }
            _ => self.wrong(place, "is neither `this: month` nor `last: month`"),
        }
    }

    fn between(&mut self, value: &Value, place: &str) -> Option<Window> {
        let ends = value.as_array().map(|list| list.iter().map(value::moment).collect::<Option<Vec<_>>>());
        match ends.flatten().as_deref() {
            Some([from, to]) if from < to => Some(Window::Between(*from, *to)),
            _ => {
                self.wrong(place, "is not two moments, the earlier first: `[\"2026-11-01\", \"2026-12-01\"]`")
            }
        }
    }

    fn session(&mut self, value: &Value, place: &str) -> Option<Window> {
        let mut fields = Fields::of(value, place, self);
        let gap = fields.span("gap", self).unwrap_or(Span::millis(30 * Timestamp::MINUTE));
        let current = match fields.take("current") {
            None => false,
            Some((Value::Bool(current), _)) => *current,
            Some((_, place)) => return self.wrong(&place, "is neither true nor false"),
        };
        fields.end(self);
        if gap.longest() > Timestamp::DAY {
            return self.wrong(place, "has a gap of more than a day; that is no session");
        }
        Some(Window::Session { gap: gap.longest(), current })
    }

    /// A measure without a test: what it comes to is the trait.
    fn computed(&mut self, value: &Value, place: &str) -> Option<Condition> {
        let mut fields = Fields::of(value, place, self);
        fields.object?;
        let select = self.selection(&mut fields);
        let window = self.window(&mut fields);
        let measured = self.one_measure(&mut fields, &[&MEASURES[..], &["list"]].concat())?;
        let measure = match measured {
            None => Some(Measure::Count),
            Some((name, value, place)) => {
                let mut inner = Fields::of(value, &place, self);
                inner.object?;
                let path = if name == "count" { None } else { inner.path("of", self) };
                inner.end(self);
                self.measure_of(name, path, &place)
            }
        };
        fields.end(self);
        let test = Test::Exists(true);
        let events = Events { select: select?, window: window?, measure: measure?, test };
        Some(Condition { said: value.to_string(), is: Is::Events(events) })
    }

    /// The one measure that stands among the fields, or none.
    #[expect(clippy::option_option, reason = "a mistake, none, or one")]
    fn one_measure<'a>(
        &mut self,
        fields: &mut Fields<'a>,
        names: &[&'static str],
    ) -> Option<Option<(&'static str, &'a Value, String)>> {
        let mut found = Vec::new();
        for name in names {
            if let Some((value, place)) = fields.take(name) {
                found.push((*name, value, place));
            }
        }
        if found.len() > 1 {
            let place = fields.place.clone();
            return self.wrong(&place, "measures two things at once; put two conditions into `all: [..]`");
        }
        Some(found.pop())
    }

    fn measure_of(&mut self, name: &str, path: Option<Path>, place: &str) -> Option<Measure> {
        if name == "count" {
            return Some(Measure::Count);
        }
        let Some(path) = path else {
            return self.wrong(place, "says not `of` which property");
        };
        Some(match name {
            "sum" => Measure::Sum(path),
            "avg" => Measure::Avg(path),
            "min" => Measure::Min(path),
            "max" => Measure::Max(path),
            "distinct" => Measure::Distinct(path),
            "first" => Measure::First(path),
            "last" => Measure::Last(path),
            "list" => Measure::List(path),
            _ => Measure::MostFrequent(path),
        })
    }

    fn measure(&mut self, fields: &mut Fields<'_>) -> Option<(Measure, Test)> {
        let Some((name, value, place)) = self.one_measure(fields, &MEASURES)? else {
            return Some((
                Measure::Count,
                Test::Order(Compare::AtLeast, Operand::Value(Scalar::Number(ONE))),
            ));
        };
        let mut inner = Fields::of(value, &place, self);
        inner.object?;
        let path = if name == "count" { None } else { inner.path("of", self) };
        let test = self.test(&mut inner, Of::Past, 1);
        inner.end(self);
        let test = test?;
        if name == "count" {
            return self.counted(&place, test).map(|test| (Measure::Count, test));
        }
        self.measure_of(name, path, &place).map(|measure| (measure, test))
    }

    /// A count is a whole number that is compared with whole numbers.
    fn counted(&mut self, place: &str, test: Test) -> Option<Test> {
        match test {
            Test::Is(_) | Test::IsNot(_) | Test::Order(..) | Test::Between(..) => Some(test),
            _ => self.wrong(place, "compares a count; use `is`, `is_not`, `at_least`, `at_most`, `more_than`, `less_than` or `between`"),
        }
    }

    fn sequence(&mut self, value: &Value, place: &str, fields: &mut Fields<'_>) -> Option<Is> {
        let list = self.list(value, place)?;
        if !(2..=SEQUENCE_MAX).contains(&list.len()) {
            return self
                .wrong(place, format!("has {} steps; a sequence has 2 to {SEQUENCE_MAX}", list.len()));
        }
        let steps: Vec<Option<Select>> = list
            .iter()
            .enumerate()
            .map(|(at, value)| self.select(value, &format!("{place}[{at}]")))
            .collect();
        let same = fields.path("same", self);
        let during = fields.span("during", self);
        let Some(within) = fields.span("within", self) else {
            return self.wrong(place, "needs `within`: how long the last event may come after the first");
        };
        Some(Is::Sequence(Sequence {
            steps: steps.into_iter().collect::<Option<_>>()?,
            within,
            same,
            during,
        }))
    }

    fn absence(&mut self, value: &Value, place: &str, fields: &mut Fields<'_>) -> Option<Is> {
        let mut inner = Fields::of(value, place, self);
        let after = inner.take("after");
        let of = inner.take("of");
        let span = inner.span("for", self);
        inner.end(self);
        let same = fields.path("same", self);
        let during = fields.span("during", self);
        let (Some((after, after_place)), Some((of, of_place)), Some(span)) = (after, of, span) else {
            return self.wrong(
                place,
                "needs `after`, the event that came, `of`, the one that did not, and `for`, how long",
            );
        };
        let after = self.select(after, &after_place);
        let of = self.select(of, &of_place);
        Some(Is::Absence(Absence { after: after?, of: of?, span, same, during }))
    }

    fn regular(&mut self, value: &Value, place: &str, fields: &mut Fields<'_>) -> Option<Is> {
        let select = self.select(value, place);
        let at_least = fields.count("in_at_least", PERIODS_MAX, self);
        let of_last = fields.count("of_last", PERIODS_MAX, self);
        let unit = fields.take("unit");
        let (Some(at_least), Some(of_last), Some((unit, unit_place))) = (at_least, of_last, unit) else {
            return self.wrong(place, "needs `in_at_least: 3`, `of_last: 4` and `unit: week`");
        };
        if at_least > of_last {
            return self
                .wrong(place, format!("asks for {at_least} of {of_last} periods, which nobody can reach"));
        }
        let unit = self.unit(unit, &unit_place)?;
        Some(Is::Regular(Regular { select: select?, at_least, of_last, unit }))
    }

    /// "Not within 30 days" has two readings: `lapsed` did it before, `absent`
    /// was known for as long; plain `not` takes newcomers, too.
    fn lapsed(&mut self, head: &str, value: &Value, place: &str, fields: &mut Fields<'_>) -> Option<Is> {
        let select = self.select(value, place);
        let Some(span) = fields.span("for", self) else {
            return self.wrong(place, "needs `for`: how long it did not happen");
        };
        let select = select?;
        let once = Test::Order(Compare::AtLeast, Operand::Value(Scalar::Number(ONE)));
        let events = |window| {
            Is::Events(Events { select: select.clone(), window, measure: Measure::Count, test: once.clone() })
        };
        let said = |what: String| format!("{value} {what}");
        let first = if head == "lapsed" {
            Condition { said: said("at any time".to_owned()), is: events(Window::Lifetime) }
        } else {
            let is = Is::Fact { fact: Fact::FirstSeen, test: Test::OlderThan(span) };
            Condition { said: format!("first seen {span} ago or earlier"), is }
        };
        let since = Condition { said: said(format!("within {span}")), is: events(Window::Rolling(span)) };
        let not = Condition { said: format!("not {}", since.said), is: Is::Not(Box::new(since)) };
        Some(Is::All(vec![first, not]))
    }

    fn segment(&mut self, value: &Value, place: &str, fields: &mut Fields<'_>) -> Option<Is> {
        let id = self.text(value, place)?;
        let Ok(id) = SegmentId::parse(&id) else {
            return self.wrong(place, "is no segment's id");
        };
        let entered = fields.span("entered_within", self);
        let reading = match (fields.take("ever"), entered) {
            (None, None) => Reading::Now,
            (None, Some(span)) => Reading::EnteredWithin(span),
            (Some((Value::Bool(true), _)), None) => Reading::Ever,
            _ => return self.wrong(place, "has either `ever: true` or `entered_within: 7d`"),
        };
        Some(Is::Segment { id, reading })
    }

    /// Somebody put the person on a list by hand, with the moment at which they did.
    fn listed(&mut self, value: &Value, place: &str, fields: &mut Fields<'_>) -> Option<Is> {
        let name = self.text(value, place)?;
        let Ok(name) = SegmentId::parse(&name) else {
            return self.wrong(place, "is no list's name, which has 1 to 64 of a-z, 0-9 and -");
        };
        let since = match fields.take("since") {
            None => Timestamp::from_millis(0),
            Some((since, place)) => match value::moment(since) {
                Some(since) => since,
                None => return self.wrong(&place, "is no moment such as `2026-11-23T18:00:00Z`"),
            },
        };
        let since = Scalar::Number(Number::from(since.millis()) * ONE);
        let test = Test::Order(Compare::AtLeast, Operand::Value(since));
        Some(Is::Trait { path: Path::parse(&list::path(&name))?, test })
    }

    fn score(&mut self, value: &Value, place: &str, fields: &mut Fields<'_>, depth: usize) -> Option<Is> {
        let list = self.list(value, place)?;
        let mut parts = Vec::new();
        for (at, value) in list.iter().enumerate() {
            let place = format!("{place}[{at}]");
            let mut part = Fields::of(value, &place, self);
            let (when, points) = (part.take("when"), part.take("points"));
            part.end(self);
            let points = points.and_then(|(points, _)| Scalar::of(points)?.number());
            let (Some((when, when_place)), Some(points)) = (when, points) else {
                self.wrong::<()>(&place, "needs `when`, a condition, and `points`, a number");
                continue;
            };
            if let Some(when) = self.condition(when, &when_place, depth + 1) {
                parts.push((when, points));
            }
        }
        let test = self.test(fields, Of::Past, depth)?;
        let test = self.counted(place, test)?;
        Some(Is::Score { parts, test })
    }

    fn bucket(&mut self, value: &Value, place: &str) -> Option<Is> {
        let mut fields = Fields::of(value, place, self);
        let salt = fields.text("salt", self);
        let percent = |value: Option<(&Value, String)>| {
            let number = value.and_then(|(value, _)| Scalar::of(value)?.number());
            number.filter(|number| (0..=100 * ONE).contains(number))
        };
        let (from, to) = (percent(fields.take("from")), percent(fields.take("to")));
        fields.end(self);
        match (salt, from, to) {
            (Some(salt), Some(from), Some(to)) if from < to => Some(Is::Bucket { salt, from, to }),
            _ => self.wrong(
                place,
                "needs `salt`, a text, and `from` and `to`, percentages from 0 to 100, the lesser first",
            ),
        }
    }

    /// Reads the one test that stands among the fields.
    fn test(&mut self, fields: &mut Fields<'_>, of: Of, depth: usize) -> Option<Test> {
        let found: Vec<&'static str> = TESTS.into_iter().filter(|test| fields.has(test)).collect();
        match found.as_slice() {
            [one] => {
                let (value, place) = fields.take(one)?;
                fields.known.extend(TESTS);
                self.one_test(one, value, &place, of, depth)
            }
            [] => {
                let place = fields.place.clone();
                let known: BTreeSet<&str> = TESTS.into_iter().collect();
                let strange = fields.object.into_iter().flat_map(Map::keys);
                let mut strange = strange.filter(|field| !fields.known.contains(&field.as_str()));
                let meant: Option<(&String, &str)> =
                    strange.find_map(|field| Some((field, nearest(field, &known)?)));
                fields.known.extend(TESTS);
                match meant {
                    Some((field, meant)) => {
                        let place = fields.place(field);
                        let field = field.clone();
                        self.mistakes.retain(|mistake| mistake.place != place);
                        self.wrong(&place, format!("is not known here; `{field}` was meant to be `{meant}`?"))
                    }
                    None => self.wrong(
                        &place,
                        "says nothing about the value; add a test such as `is`, `at_least` or `exists`",
                    ),
                }
            }
            [one, two, ..] => {
                let place = fields.place.clone();
                fields.known.extend(TESTS);
                self.wrong(&place, format!("has two tests, `{one}` and `{two}`; put two conditions into `all: [..]`, or use `between`"))
            }
        }
    }

    fn one_test(&mut self, name: &str, value: &Value, place: &str, of: Of, depth: usize) -> Option<Test> {
        if of == Of::Past
            && matches!(name, "within_last" | "within_next" | "older_than" | "anniversary_within")
        {
            return self.wrong(place, "looks at the clock, which a past event cannot; compare with `before` or `after`, or give the event a window with `within`");
        }
        Some(match name {
            "is" => Test::Is(self.operand(value, place)?),
            "is_not" => Test::IsNot(self.operand(value, place)?),
            "is_true" | "is_false" => match value {
                Value::Bool(true) => Test::Is(Operand::Value(Scalar::Bool(name == "is_true"))),
                _ => return self.wrong(place, "is written `is_true: true` or `is_false: true`"),
            },
            "less_than" => Test::Order(Compare::Less, self.number(value, place)?),
            "at_most" => Test::Order(Compare::AtMost, self.number(value, place)?),
            "more_than" => Test::Order(Compare::More, self.number(value, place)?),
            "at_least" => Test::Order(Compare::AtLeast, self.number(value, place)?),
            "between" => match value.as_array().map(Vec::as_slice) {
                Some([low, high]) => Test::Between(
                    self.number(low, &format!("{place}[0]"))?,
                    self.number(high, &format!("{place}[1]"))?,
                ),
                _ => return self.wrong(place, "is not a list of two numbers: `[10, 20]`"),
            },
            "in" => Test::In(self.scalars(value, place)?),
            "not_in" => Test::NotIn(self.scalars(value, place)?),
            "contains" => Test::Contains(value::fold(&self.text(value, place)?)),
            "not_contains" => Test::NotContains(value::fold(&self.text(value, place)?)),
            "starts_with" => Test::StartsWith(value::fold(&self.text(value, place)?)),
            "ends_with" => Test::EndsWith(value::fold(&self.text(value, place)?)),
            "matches" => Test::Matches(self.pattern(value, place)?),
            "exists" | "missing" => match value {
                Value::Bool(said) => Test::Exists(*said == (name == "exists")),
                _ => return self.wrong(place, "is neither true nor false"),
            },
            "before" => Test::Before(self.moment(value, place)?),
            "after" => Test::After(self.moment(value, place)?),
            "within_last" => Test::WithinLast(self.span(value, place)?),
            "within_next" => Test::WithinNext(self.span(value, place)?),
            "older_than" => Test::OlderThan(self.span(value, place)?),
            "anniversary_within" => {
                let days =
                    value.as_u64().and_then(|days| u16::try_from(days).ok()).filter(|days| *days <= 180);
                match days {
                    Some(days) => Test::AnniversaryWithin(days),
                    None => return self.wrong(place, "is no number of days from 0 (today) to 180"),
                }
            }
            "any" => Test::Elements(Quantifier::Any, Box::new(self.filter(value, place, depth + 1, true)?)),
            "every" => {
                Test::Elements(Quantifier::Every, Box::new(self.filter(value, place, depth + 1, true)?))
            }
            "none" => Test::Elements(Quantifier::None, Box::new(self.filter(value, place, depth + 1, true)?)),
            "near" => self.near(value, place)?,
            _ => self.version(name, value, place)?,
        })
    }

    fn operand(&mut self, value: &Value, place: &str) -> Option<Operand> {
        if let Some(path) = self.reference(value, place)? {
            return Some(Operand::Trait(path));
        }
        match Scalar::of(value) {
            Some(value) => Some(Operand::Value(value)),
            None => self.wrong(place, format!("is {}; compare with a text of at most {} bytes, a number, true or false, or `{{trait: ..}}`", kind(value), value::TEXT_MAX)),
        }
    }

    fn number(&mut self, value: &Value, place: &str) -> Option<Operand> {
        if let Some(path) = self.reference(value, place)? {
            return Some(Operand::Trait(path));
        }
        match value {
            Value::Number(number) => {
                let number = Money::parse(&number.to_string());
                let number = number.map(|number| Operand::Value(Scalar::Number(number)));
                number.or_else(|| self.wrong(place, "is beyond 10^18"))
            }
            other => self.wrong(
                place,
                format!("is {}, not a number; dates are compared with `before` and `after`", kind(other)),
            ),
        }
    }

    /// `{trait: address.city}` stands for the person's own trait.
    #[expect(clippy::option_option, reason = "a mistake, no reference, or one")]
    fn reference(&mut self, value: &Value, place: &str) -> Option<Option<Path>> {
        if !value.is_object() {
            return Some(None);
        }
        let mut fields = Fields::of(value, place, self);
        let path = fields.path("trait", self);
        fields.end(self);
        match path {
            Some(path) => Some(Some(path)),
            None => self.wrong(place, "is no value; another trait is written `{trait: city}`"),
        }
    }

    fn moment(&mut self, value: &Value, place: &str) -> Option<Moment> {
        if let Some(path) = self.reference(value, place)? {
            return Some(Moment::Trait(path));
        }
        let at = value::moment(value).map(Moment::At);
        at.or_else(|| self.wrong(place, "is no moment such as `2026-11-23` or `2026-11-23T18:00:00Z`"))
    }

    fn scalars(&mut self, value: &Value, place: &str) -> Option<Vec<Scalar>> {
        let list = self.list(value, place)?;
        if list.len() > VALUES_MAX {
            return self.wrong(
                place,
                format!(
                    "has {} values, more than {VALUES_MAX}; make it a list with `tributary segments append`",
                    list.len()
                ),
            );
        }
        let values: Option<Vec<Scalar>> = list.iter().map(Scalar::of).collect();
        values.or_else(|| self.wrong(place, "holds what is no text, number, true or false"))
    }

    fn pattern(&mut self, value: &Value, place: &str) -> Option<Regex> {
        let pattern = self.text(value, place)?;
        if pattern.len() > PATTERN_MAX {
            return self
                .wrong(place, format!("has {} bytes; a pattern has at most {PATTERN_MAX}", pattern.len()));
        }
        Regex::new(&pattern).map_or_else(|error| self.wrong(place, format!("is no pattern: {error}")), Some)
    }

    fn near(&mut self, value: &Value, place: &str) -> Option<Test> {
        let mut fields = Fields::of(value, place, self);
        let mut number = |field, range: std::ops::RangeInclusive<f64>| {
            fields.take(field).and_then(|(value, _)| value.as_f64()).filter(|number| range.contains(number))
        };
        let (latitude, longitude) = (number("lat", -90.0..=90.0), number("lon", -180.0..=180.0));
        let kilometres = number("km", 0.0..=20_038.0);
        fields.end(self);
        match (latitude, longitude, kilometres) {
            (Some(latitude), Some(longitude), Some(kilometres)) => {
                Some(Test::Near { latitude, longitude, kilometres })
            }
            _ => self.wrong(place, "needs `lat` (-90 to 90), `lon` (-180 to 180) and `km`"),
        }
    }

    fn version(&mut self, name: &str, value: &Value, place: &str) -> Option<Test> {
        let compare = match name {
            "version_is" => Compare::Is,
            "version_less_than" => Compare::Less,
            "version_at_most" => Compare::AtMost,
            "version_more_than" => Compare::More,
            _ => Compare::AtLeast,
        };
        let version = self.text(value, place)?;
        if version_compare::Version::from(&version).is_none() {
            return self.wrong(place, "is no version such as `2.10.1`; write it as a text");
        }
        Some(Test::Version(compare, version))
    }
}

fn has_reference(test: &Test) -> bool {
    let is = |operand: &Operand| matches!(operand, Operand::Trait(_));
    match test {
        Test::Is(operand) | Test::IsNot(operand) | Test::Order(_, operand) => is(operand),
        Test::Between(low, high) => is(low) || is(high),
        Test::Before(moment) | Test::After(moment) => matches!(moment, Moment::Trait(_)),
        Test::Elements(_, filter) => filter_has_reference(filter),
        _ => false,
    }
}

/// Whether a filter compares with the person's traits.
pub fn filter_has_reference(filter: &Filter) -> bool {
    match filter {
        Filter::All(inner) | Filter::Any(inner) => inner.iter().any(filter_has_reference),
        Filter::Not(inner) => filter_has_reference(inner),
        Filter::Property { test, .. } | Filter::Element(test) => has_reference(test),
    }
}
