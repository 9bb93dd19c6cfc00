//! Features: what of a person's events the conditions on events need, kept as
//! the events come so that no verdict reads them again.
//!
//! A feature is a fold over the events that its query selects: a union of
//! *points*, cut by rules on values and never by arrival, or *totals* over a
//! lifetime. So order, copies and batching do not change it, and two of them
//! make one. What was cut off is said by `floor`: of what lies before it a
//! feature knows only that there was something.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::definition::{Filter, What};
use super::span::Calendar;
use super::test::{Around, holds};
use super::value::{Number, Path, Scalar};
use crate::event::{Event, EventKind};
use crate::profile::counters::{Counters, spread};
use crate::profile::fold::traits;
use crate::profile::stamp::Stamp;
use crate::profile::traits::DEPTH_MAX;
use crate::time::Timestamp;

/// Points of one feature of one person; of more the oldest are let go.
pub const POINTS_MAX: usize = 500;
/// Values that a lifetime counts apart; kept are those of the least hashes.
pub const VALUES_MAX: usize = 100;
/// Runs of events that a session's feature keeps.
pub const RUNS_MAX: usize = 16;

/// The name of a feature on profiles: a hash of its query, of five bytes, for it
/// stands on every profile. Two queries of one name are refused when they are
/// published ([`super::compiled::Compiled::new`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureId(pub u64);

impl FeatureId {
    pub const BYTES: usize = 5;
    /// The greatest name.
    pub const MOST: u64 = (1 << (8 * Self::BYTES)) - 1;
}

/// What a feature keeps, of which events.
#[derive(Debug, Clone)]
pub struct Query {
    pub id: FeatureId,
    /// What its name is a hash of.
    pub text: String,
    pub of: Of,
    /// Values kept of each event.
    pub keep: Vec<Path>,
    pub retain: Retain,
}

/// Where a feature's points come from.
#[derive(Debug, Clone)]
pub enum Of {
    /// Events of a period, if there is one, unless they fail the filter.
    Events { what: What, filter: Option<Filter>, period: Option<(Timestamp, Timestamp)> },
    /// Every change of a trait, with the value that it got.
    Trait(Path),
    /// Runs of events of any kind without a longer gap.
    Runs { gap: i64 },
}

/// Which points are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retain {
    /// Those younger than so many milliseconds, and so many older ones.
    Points { horizon: Option<i64>, newest: usize, older: usize },
    /// None, but what the measure of all of them needs.
    Totals(Totalled),
}

/// What a lifetime is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Totalled {
    Sums,
    Ends,
    Values,
}

/// What is kept of one event, or of one run of events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Point {
    pub at: Timestamp,
    /// The event's name, for order among equals; of a run the moment of its end.
    pub name: u64,
    pub values: Vec<Option<Scalar>>,
}

/// One feature of one person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Feature {
    /// By time, then by name.
    pub points: Vec<Point>,
    /// The time of the newest point that was let go for want of room: all that
    /// are kept are as new. Totals of which something was let go are kept no more.
    pub floor: Option<Timestamp>,
    pub totals: Option<Totals>,
}

/// Measures of all events that a query selects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    pub count: u64,
    /// Events that had a number.
    pub numbers: u64,
    pub sum: Number,
    pub least: Option<Number>,
    pub most: Option<Number>,
    pub first: Option<(Timestamp, u64, Scalar)>,
    pub last: Option<(Timestamp, u64, Scalar)>,
    pub values: BTreeMap<Scalar, u64>,
    /// There were more values than are kept.
    pub overflow: bool,
}

impl Query {
    pub fn new(of: Of, text: &str, keep: Vec<Path>, retain: Retain) -> Self {
        let keep_text: Vec<String> = keep.iter().map(ToString::to_string).collect();
        let retain_text = match &retain {
            Retain::Points { horizon, newest, older } => format!("{horizon:?}/{newest}/{older}"),
            Retain::Totals(what) => format!("{}", *what as u8),
        };
        let text = [text, &keep_text.join(","), &retain_text].join("\u{1f}");
        Self { id: FeatureId(spread(&text) & FeatureId::MOST), of, keep, retain, text }
    }

    /// Whether it asks an event for more than its kind, its name and its time.
    pub const fn reads_properties(&self) -> bool {
        let is_filtered = matches!(self.of, Of::Events { filter: Some(_), .. } | Of::Trait(_));
        is_filtered || !self.keep.is_empty()
    }

    /// Whether a profile's counters show that it has no such event: then a
    /// feature that is absent is empty, and not unknown.
    pub fn is_ruled_out(&self, counters: &Counters) -> bool {
        let none = |kind: EventKind| counters.kinds.get(&kind).is_none_or(|count| count.count == 0);
        match &self.of {
            Of::Events { what: What { kind: EventKind::Track, names }, .. } if !names.is_empty() => {
                let named = names.iter().any(|name| counters.names.contains_key(name));
                !named && counters.other_names.count == 0
            }
            Of::Events { what, .. } => none(what.kind),
            Of::Trait(_) => none(EventKind::Identify),
            Of::Runs { .. } => counters.total() == 0,
        }
    }

    /// Takes one event in, if the query selects it; `false` if it does not.
    pub fn take(
        &self,
        feature: &mut Feature,
        event: &Event,
        payload: &Map<String, Value>,
        stamp: Stamp,
    ) -> bool {
        match &self.of {
            Of::Events { what, filter, period } => {
                let is_in = |(from, to): (Timestamp, Timestamp)| (from..to).contains(&stamp.at);
                if !what.selects(event.kind, payload) || !period.is_none_or(is_in) {
                    return false;
                }
                let find = |path: &Path| property(payload, path).map(std::borrow::Cow::Borrowed);
                // Filters of features lean on the event alone.
                let around = Around { now: stamp.at, calendar: &Calendar::UTC, traits: &|_| Rc::default() };
                if filter.as_ref().is_some_and(|filter| !holds(filter, &find, None, &around)) {
                    return false;
                }
                let kept = |path: &Path| property(payload, path).and_then(Scalar::of);
                let values: Vec<Option<Scalar>> = self.keep.iter().map(kept).collect();
                self.add(feature, Point { at: stamp.at, name: stamp.event.0, values });
            }
            Of::Trait(path) => {
                if event.kind != EventKind::Identify {
                    return false;
                }
                let Some(value) = change(traits(payload), path.steps(), 1) else { return false };
                self.add(feature, Point { at: stamp.at, name: stamp.event.0, values: vec![value] });
            }
            Of::Runs { .. } => {
                let end = stamp.at.millis().cast_unsigned();
                feature.points.push(Point { at: stamp.at, name: end, values: Vec::new() });
                self.trim(feature, None);
            }
        }
        true
    }

    fn add(&self, feature: &mut Feature, point: Point) {
        if let Retain::Totals(what) = self.retain {
            if feature.floor.is_none() {
                feature.totals.get_or_insert_default().add(what, point);
            }
            return;
        }
        if let Err(place) = feature.points.binary_search_by(|known| order(known, &point)) {
            feature.points.insert(place, point);
        }
        self.trim(feature, None);
    }

    /// Lets go of what no verdict from `now` on can need.
    pub fn trim(&self, feature: &mut Feature, now: Option<Timestamp>) {
        let Retain::Points { horizon, newest, older } = &self.retain else {
            // Totals that lack a part are none.
            feature.totals = feature.totals.take().filter(|_| feature.floor.is_none());
            return;
        };
        if let Of::Runs { gap } = self.of {
            join(&mut feature.points, gap);
        }
        if let (Some(horizon), Some(now)) = (horizon, now) {
            let old = feature.points.partition_point(|point| point.at.plus(*horizon) <= now);
            feature.points.drain(..old.saturating_sub(*older));
        }
        let excess = feature.points.len().saturating_sub(*newest);
        self.let_go(feature, excess);
    }

    /// Lets go of the older half of what a feature keeps, or of the half of its
    /// values, and at last of its totals; `false` if there is nothing any more.
    pub fn shrink(&self, feature: &mut Feature) -> bool {
        if !feature.points.is_empty() {
            let half = feature.points.len().div_ceil(2);
            self.let_go(feature, half);
            return true;
        }
        let Some(totals) = &mut feature.totals else { return false };
        if !totals.halve() {
            let last = totals.last.as_ref().map(|(at, ..)| *at).unwrap_or_default();
            (feature.totals, feature.floor) = (None, Some(last));
        }
        true
    }

    /// Lets go of the oldest points. What comes from before them later, late or
    /// with another profile, goes too: it would stand there without its neighbours.
    fn let_go(&self, feature: &mut Feature, count: usize) {
        let last = feature.points.drain(..count).next_back();
        feature.floor = feature.floor.max(last.map(|point| self.last_of(&point)));
        // A run may begin before the floor and end behind it.
        if let (Some(floor), false) = (feature.floor, matches!(self.of, Of::Runs { .. })) {
            let before = feature.points.partition_point(|point| point.at < floor);
            feature.points.drain(..before);
        }
    }

    fn last_of(&self, point: &Point) -> Timestamp {
        match self.of {
            Of::Runs { .. } => Timestamp::from_millis(point.name.cast_signed()),
            _ => point.at,
        }
    }
}

impl Feature {
    /// Bytes that it takes, about: a point has its time, its name and its values.
    pub fn size(&self) -> usize {
        let text = |value: &Scalar| if let Scalar::Text(text) = value { 2 + text.len() } else { 8 };
        let points =
            self.points.iter().map(|point| 14 + point.values.iter().flatten().map(text).sum::<usize>());
        let totals = self.totals.iter().map(|totals| {
            let ends = totals.first.iter().chain(&totals.last).map(|(_, _, value)| 14 + text(value));
            let values = totals.values.keys().map(|value| 4 + text(value));
            40 + ends.chain(values).sum::<usize>()
        });
        10 + points.sum::<usize>() + totals.sum::<usize>()
    }

    /// The union of two; whoever knows the query trims it.
    pub fn unite(&mut self, other: Self) {
        self.points.extend(other.points);
        self.points.sort_by(order);
        self.points.dedup_by(|a, b| order(a, b).is_eq());
        self.floor = self.floor.max(other.floor);
        match (&mut self.totals, other.totals) {
            (Some(mine), Some(other)) => mine.unite(other),
            (mine @ None, other) => *mine = other,
            (Some(_), None) => (),
        }
    }
}

fn order(a: &Point, b: &Point) -> std::cmp::Ordering {
    (a.at, a.name).cmp(&(b.at, b.name))
}

/// Joins runs that lie no further apart than the gap.
fn join(runs: &mut Vec<Point>, gap: i64) {
    runs.sort_by(order);
    let mut joined: Vec<Point> = Vec::with_capacity(runs.len());
    for run in runs.drain(..) {
        match joined.last_mut() {
            Some(last) if run.at.millis().saturating_sub(last.name.cast_signed()) <= gap => {
                last.name = last.name.cast_signed().max(run.name.cast_signed()).cast_unsigned();
            }
            _ => joined.push(run),
        }
    }
    *runs = joined;
}

impl Totals {
    fn add(&mut self, what: Totalled, point: Point) {
        self.count += 1;
        let Some(value) = point.values.into_iter().next().flatten() else { return };
        match what {
            Totalled::Sums => {
                if let Some(number) = value.number() {
                    self.numbers += 1;
                    self.sum = self.sum.saturating_add(number);
                    self.least = Some(self.least.map_or(number, |least| least.min(number)));
                    self.most = Some(self.most.map_or(number, |most| most.max(number)));
                }
            }
            Totalled::Ends => {
                let end = Some((point.at, point.name, value));
                self.first = self.first.take().into_iter().chain(end.clone()).min();
                self.last = self.last.take().max(end);
            }
            Totalled::Values => self.count(value),
        }
    }

    fn unite(&mut self, other: Self) {
        let cut = self.cut().into_iter().chain(other.cut()).min();
        self.count += other.count;
        self.numbers += other.numbers;
        self.sum = self.sum.saturating_add(other.sum);
        self.least = self.least.into_iter().chain(other.least).min();
        self.most = self.most.max(other.most);
        self.first = self.first.take().into_iter().chain(other.first).min();
        self.last = self.last.take().max(other.last);
        for (value, count) in other.values {
            *self.values.entry(value).or_default() += count;
        }
        self.overflow |= other.overflow;
        self.values.retain(|value, _| cut.is_none_or(|cut| rank(value) <= cut));
        self.keep(VALUES_MAX);
    }

    /// A value that is kept at the end was kept from its first event on: one that
    /// may have been let go is not taken again.
    fn count(&mut self, value: Scalar) {
        if let Some(count) = self.values.get_mut(&value) {
            *count += 1;
        } else if self.cut().is_none_or(|cut| rank(&value) < cut) {
            self.values.insert(value, 1);
            self.keep(VALUES_MAX);
        }
    }

    /// Keeps so many values, of the least ranks.
    fn keep(&mut self, most: usize) {
        if self.values.len() <= most {
            return;
        }
        let mut ranks: Vec<u64> = self.values.keys().map(rank).collect();
        ranks.sort_unstable();
        let last = most.checked_sub(1).and_then(|last| ranks.get(last));
        self.values.retain(|value, _| last.is_some_and(|last| rank(value) <= *last));
        self.overflow = true;
    }

    /// Lets go of the half of its values; `false` if it has none.
    fn halve(&mut self) -> bool {
        let is_some = !self.values.is_empty();
        self.keep(self.values.len() / 2);
        is_some
    }

    /// The rank up to which all values are kept; `None` if all of all are.
    fn cut(&self) -> Option<u64> {
        self.overflow.then(|| self.values.keys().map(rank).max().unwrap_or_default())
    }
}

/// By which values are kept or let go: it follows from the value alone.
fn rank(value: &Scalar) -> u64 {
    spread(&value.json().to_string())
}

impl What {
    /// Whether an event is of this kind and has one of the names.
    pub fn selects(&self, kind: EventKind, payload: &Map<String, Value>) -> bool {
        let name = if kind == EventKind::Track { "event" } else { "name" };
        let has = |name: &str| {
            payload.get(name).and_then(Value::as_str).is_some_and(|name| self.names.contains(name))
        };
        kind == self.kind && (self.names.is_empty() || has(name))
    }
}

/// A property of an event; `context.device.type` is one of its context.
pub fn property<'a>(payload: &'a Map<String, Value>, path: &Path) -> Option<&'a Value> {
    if path.steps().first().is_some_and(|step| step == "context") {
        return path.find(payload);
    }
    path.find(payload.get("properties")?.as_object()?)
}

/// What an `identify` does to the trait at a path: nothing, a value, or its end.
#[expect(clippy::option_option, reason = "no change, an end, or a value")]
fn change(traits: &Map<String, Value>, steps: &[String], depth: usize) -> Option<Option<Scalar>> {
    let (first, rest) = steps.split_first()?;
    match traits.get(first)? {
        Value::Object(inner) if inner.is_empty() => None,
        Value::Object(inner) if !rest.is_empty() && depth < DEPTH_MAX => change(inner, rest, depth + 1),
        value if rest.is_empty() => Some(Scalar::of(value)),
        // Something else stands above it, or nothing any more.
        _ => Some(None),
    }
}
