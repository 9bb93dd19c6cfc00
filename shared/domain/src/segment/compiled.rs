//! Definitions made ready: each condition on events names the features that it
//! reads, and all features of a workspace stand in one list, each once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::definition::{
    Absence, Condition, Events, Fact, Filter, Hours, Is, Measure, Moment, Operand, Reading, Regular,
    Returned, Select, Sequence, Test, Window,
};
use super::feature::{FeatureId, Of, POINTS_MAX, Query, RUNS_MAX, Retain, Totalled};
use super::read::filter_has_reference;
use super::span::{Span, Unit};
use super::stored::SegmentId;
use super::value::{Number, ONE, Path, Scalar};
use crate::event::{Event, EventKind};
use crate::time::Timestamp;

/// Features that one definition may need.
pub const FEATURES_MAX: usize = 32;

/// A condition that names its features, and how its author said it.
#[derive(Debug, Clone)]
pub struct Rule {
    pub said: String,
    pub node: Node,
    /// Its place among all conditions of a workspace: those that say the same
    /// share one, so that a person is asked each once.
    pub place: Option<usize>,
}

#[derive(Debug, Clone)]
pub enum Node {
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
    Trait { path: Path, test: Test },
    HeldFor { feature: FeatureId, test: Test, span: Span },
    Totals { feature: FeatureId, measure: Measure, test: Test },
    Points { points: Picked, window: Frame, measure: Measure, value: Option<usize>, test: Test },
    Sequence { steps: Vec<Picked>, within: Span, during: Option<Span>, key: Option<usize> },
    Absence { after: Picked, of: Picked, span: Span, during: Option<Span>, key: Option<usize> },
    Regular { points: Picked, at_least: u16, of_last: u16, unit: Unit },
    Returned { points: Picked, gap: Span, within: Span },
    Segment { id: SegmentId, reading: Reading },
    Identifier { kind: String },
    Group { id: String },
    Fact { fact: Fact, test: Test },
    Score { parts: Vec<(Rule, Number)>, test: Test },
    Bucket { salt: String, from: Number, to: Number },
}

/// A feature's points, and which of them count.
#[derive(Debug, Clone)]
pub struct Picked {
    pub feature: FeatureId,
    /// The places of values: what a filter that asks the person's traits reads.
    pub keep: Vec<Path>,
    pub filter: Option<Filter>,
    pub hours: Option<Hours>,
}

/// A window over points.
#[derive(Debug, Clone, Copy)]
pub enum Frame {
    All,
    Rolling(Span),
    Calendar { unit: Unit, back: u16 },
    Session { runs: FeatureId, gap: i64, current: bool },
}

/// A definition made ready, and what it reads.
#[derive(Debug, Clone)]
pub struct Ready {
    pub rule: Rule,
    pub features: BTreeMap<FeatureId, Query>,
    pub inputs: Inputs,
}

/// What can change a definition's answer with no time going by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    pub features: BTreeSet<FeatureId>,
    /// The first steps of paths of traits.
    pub traits: BTreeSet<String>,
    pub segments: BTreeSet<SegmentId>,
    /// Segments of which only the past is asked.
    pub histories: BTreeSet<SegmentId>,
    pub identifiers: bool,
    pub groups: bool,
    /// It asks when the person was seen: every event may change it.
    pub seen: bool,
}

/// The trait that says a person's time zone, by its IANA name.
pub const ZONE: &str = "timezone";

/// Makes a definition ready; the reason if it needs too much.
pub fn ready(condition: &Condition) -> Result<Ready, String> {
    let mut compiler = Compiler::default();
    let rule = compiler.rule(condition);
    let Compiler { features, inputs } = compiler;
    if features.len() > FEATURES_MAX {
        return Err(format!(
            "needs {} features of events, more than {FEATURES_MAX}; make a part of it a segment of its own",
            features.len()
        ));
    }
    Ok(Ready { rule, features, inputs })
}

#[derive(Default)]
struct Compiler {
    features: BTreeMap<FeatureId, Query>,
    inputs: Inputs,
}

impl Compiler {
    fn rule(&mut self, condition: &Condition) -> Rule {
        Rule { said: condition.said.clone(), node: self.node(&condition.is), place: None }
    }

    fn rules(&mut self, conditions: &[Condition]) -> Vec<Rule> {
        conditions.iter().map(|condition| self.rule(condition)).collect()
    }

    fn node(&mut self, is: &Is) -> Node {
        match is {
            Is::All(inner) => Node::All(self.rules(inner)),
            Is::Any(inner) => Node::Any(self.rules(inner)),
            Is::Not(inner) => Node::Not(Box::new(self.rule(inner))),
            Is::Trait { path, test } => {
                self.reads(path);
                self.tested(test);
                Node::Trait { path: path.clone(), test: test.clone() }
            }
            Is::HeldFor { path, test, span } => {
                let retain = Retain::Points { horizon: Some(horizon(*span)), newest: POINTS_MAX, older: 1 };
                let query = Query::new(Of::Trait(path.clone()), &format!("trait {path}"), Vec::new(), retain);
                Node::HeldFor { feature: self.needs(query), test: test.clone(), span: *span }
            }
            Is::Events(events) => self.events(events),
            Is::Sequence(sequence) => self.sequence(sequence),
            Is::Absence(absence) => self.absence(absence),
            Is::Regular(Regular { select, at_least, of_last, unit }) => {
                self.zone();
                let longest = (i64::from(*of_last) + 1) * unit.days_max() * Timestamp::DAY;
                let points = self.points(select, None, Some(longest), POINTS_MAX, 0, None);
                Node::Regular { points, at_least: *at_least, of_last: *of_last, unit: *unit }
            }
            Is::Returned(Returned { select, gap, within }) => {
                // The one before may lie far back, behind others that do not count.
                let longest = is_plain(select).then(|| horizon(*within));
                let points = self.points(select, None, longest, POINTS_MAX, 1, None);
                Node::Returned { points, gap: *gap, within: *within }
            }
            Is::Segment { id, reading } => {
                let to = if *reading == Reading::Now {
                    &mut self.inputs.segments
                } else {
                    &mut self.inputs.histories
                };
                to.insert(id.clone());
                Node::Segment { id: id.clone(), reading: *reading }
            }
            Is::Identifier { kind } => {
                self.inputs.identifiers = true;
                Node::Identifier { kind: kind.clone() }
            }
            Is::Group { id } => {
                self.inputs.groups = true;
                Node::Group { id: id.clone() }
            }
            Is::Fact { fact, test } => {
                self.inputs.seen = true;
                self.tested(test);
                Node::Fact { fact: *fact, test: test.clone() }
            }
            Is::Score { parts, test } => {
                self.tested(test);
                let part = |(condition, points): &(Condition, Number)| (self.rule(condition), *points);
                Node::Score { parts: parts.iter().map(part).collect(), test: test.clone() }
            }
            Is::Bucket { salt, from, to } => {
                self.inputs.identifiers = true;
                Node::Bucket { salt: salt.clone(), from: *from, to: *to }
            }
        }
    }

    fn needs(&mut self, query: Query) -> FeatureId {
        let id = query.id;
        self.inputs.features.insert(id);
        self.features.entry(id).or_insert(query);
        id
    }

    fn reads(&mut self, path: &Path) {
        self.inputs.traits.extend(path.steps().first().cloned());
    }

    fn zone(&mut self) {
        self.inputs.traits.insert(ZONE.to_owned());
    }

    /// What a test asks beside its value.
    fn tested(&mut self, test: &Test) {
        let mut operand = |operand: &Operand| {
            if let Operand::Trait(path) = operand {
                self.reads(path);
            }
        };
        match test {
            Test::Is(one) | Test::IsNot(one) | Test::Order(_, one) => operand(one),
            Test::Between(low, high) => {
                operand(low);
                operand(high);
            }
            Test::Before(Moment::Trait(path)) | Test::After(Moment::Trait(path)) => self.reads(path),
            Test::AnniversaryWithin(_) => self.zone(),
            Test::Elements(_, filter) => self.filtered(filter),
            _ => (),
        }
    }

    fn filtered(&mut self, filter: &Filter) {
        match filter {
            Filter::All(inner) | Filter::Any(inner) => inner.iter().for_each(|filter| self.filtered(filter)),
            Filter::Not(inner) => self.filtered(inner),
            Filter::Property { test, .. } | Filter::Element(test) => self.tested(test),
        }
    }

    fn events(&mut self, Events { select, window, measure, test }: &Events) -> Node {
        self.tested(test);
        let is_plain = is_plain(select);
        let period = if let Window::Between(from, to) = window { Some((*from, *to)) } else { None };
        if is_plain && matches!(window, Window::Lifetime | Window::Between(..)) {
            let totalled = match measure {
                Measure::Count | Measure::Sum(_) | Measure::Avg(_) | Measure::Min(_) | Measure::Max(_) => {
                    Totalled::Sums
                }
                Measure::First(_) | Measure::Last(_) => Totalled::Ends,
                Measure::Distinct(_) | Measure::MostFrequent(_) | Measure::List(_) => Totalled::Values,
            };
            let keep = measure.path().cloned().into_iter().collect();
            let query = selected(select, keep, period, Retain::Totals(totalled));
            return Node::Totals { feature: self.needs(query), measure: measure.clone(), test: test.clone() };
        }
        let ends_now =
            matches!(window, Window::Rolling(_) | Window::Session { .. } | Window::Calendar { back: 0, .. });
        let newest =
            if is_plain && ends_now && *measure == Measure::Count { enough(test) } else { POINTS_MAX };
        let (window, longest) = match window {
            Window::Lifetime | Window::Between(..) => (Frame::All, None),
            Window::Rolling(span) => (Frame::Rolling(*span), Some(horizon(*span))),
            Window::Calendar { unit, back } => {
                self.zone();
                let longest = (i64::from(*back) + 1) * unit.days_max() * Timestamp::DAY;
                (Frame::Calendar { unit: *unit, back: *back }, Some(rounded(longest + 2 * Timestamp::DAY)))
            }
            Window::Session { gap, current } => {
                let retain = Retain::Points { horizon: None, newest: RUNS_MAX, older: 0 };
                let query = Query::new(Of::Runs { gap: *gap }, &format!("runs {gap}"), Vec::new(), retain);
                (Frame::Session { runs: self.needs(query), gap: *gap, current: *current }, None)
            }
        };
        let points = self.points(select, measure.path(), longest, newest, 0, period);
        let value = measure.path().and_then(|path| points.keep.iter().position(|kept| kept == path));
        Node::Points { points, window, measure: measure.clone(), value, test: test.clone() }
    }

    /// The points of a selection; a filter that asks the person's traits is
    /// asked again with each verdict, so that its properties are kept.
    fn points(
        &mut self,
        select: &Select,
        value: Option<&Path>,
        horizon: Option<i64>,
        newest: usize,
        older: usize,
        period: Option<(Timestamp, Timestamp)>,
    ) -> Picked {
        let asks = select.filter.as_ref().filter(|filter| filter_has_reference(filter));
        let mut keep: BTreeSet<Path> = value.cloned().into_iter().collect();
        if let Some(filter) = asks {
            self.filtered(filter);
            properties(filter, &mut keep);
        }
        if select.hours.is_some() {
            self.zone();
        }
        let keep: Vec<Path> = keep.into_iter().collect();
        let query = selected(select, keep.clone(), period, Retain::Points { horizon, newest, older });
        Picked { feature: self.needs(query), keep, filter: asks.cloned(), hours: select.hours.clone() }
    }

    fn sequence(&mut self, Sequence { steps, within, same, during }: &Sequence) -> Node {
        let longest = during.map(|during| rounded(horizon(*within) + during.longest()));
        let steps: Vec<Picked> =
            steps.iter().map(|step| self.points(step, same.as_ref(), longest, POINTS_MAX, 0, None)).collect();
        let key = same.as_ref().map(|_| 0);
        Node::Sequence { steps, within: *within, during: *during, key }
    }

    fn absence(&mut self, Absence { after, of, span, same, during }: &Absence) -> Node {
        let longest = during.map(|during| rounded(horizon(*span) + during.longest()));
        let after = self.points(after, same.as_ref(), longest, POINTS_MAX, 0, None);
        let of = self.points(of, same.as_ref(), longest, POINTS_MAX, 0, None);
        Node::Absence { after, of, span: *span, during: *during, key: same.as_ref().map(|_| 0) }
    }
}

fn selected(
    select: &Select,
    keep: Vec<Path>,
    period: Option<(Timestamp, Timestamp)>,
    retain: Retain,
) -> Query {
    let filter = select.filter.as_ref().filter(|filter| !filter_has_reference(filter)).cloned();
    let mut text = select.text.clone();
    if let Some((from, to)) = period {
        text = format!("{text} from {} to {}", from.millis(), to.millis());
    }
    Query::new(Of::Events { what: select.what.clone(), filter, period }, &text, keep, retain)
}

/// Whether an event is selected for good: no trait of the person changes it.
fn is_plain(select: &Select) -> bool {
    select.hours.is_none() && !select.filter.as_ref().is_some_and(filter_has_reference)
}

/// The properties that a filter reads.
fn properties(filter: &Filter, to: &mut BTreeSet<Path>) {
    match filter {
        Filter::All(inner) | Filter::Any(inner) => inner.iter().for_each(|filter| properties(filter, to)),
        Filter::Not(inner) => properties(inner, to),
        Filter::Property { path, .. } => {
            to.insert(path.clone());
        }
        Filter::Element(_) => (),
    }
}

fn horizon(span: Span) -> i64 {
    rounded(span.longest())
}

/// Rounded up, so that windows of a like length share a feature.
fn rounded(millis: i64) -> i64 {
    const DAYS: [i64; 7] = [1, 7, 31, 92, 184, 366, 732];
    let step = DAYS.into_iter().map(|days| days * Timestamp::DAY).find(|step| *step >= millis);
    step.unwrap_or(millis)
}

/// How many of the newest points settle a test of their count.
fn enough(test: &Test) -> usize {
    let number = |operand: &Operand| match operand {
        Operand::Value(Scalar::Number(number)) => usize::try_from(number / ONE).ok(),
        _ => None,
    };
    let greatest = match test {
        Test::Is(one) | Test::IsNot(one) | Test::Order(_, one) => number(one),
        Test::Between(_, high) => number(high),
        _ => None,
    };
    greatest.map_or(POINTS_MAX, |most| (most + 1).next_power_of_two().clamp(4, POINTS_MAX))
}

/// One segment of a workspace, made ready.
#[derive(Debug, Clone)]
pub struct Segment {
    pub id: SegmentId,
    pub version: u32,
    /// The version of the whole set that brought it.
    pub since: u64,
    pub ready: Ready,
    /// It is to replace a version that is in force, once every profile was
    /// looked at; until then nobody is told, and nobody asks it.
    pub is_silent: bool,
}

/// A computed trait of a workspace, made ready.
#[derive(Debug, Clone)]
pub struct Computed {
    pub id: SegmentId,
    pub ready: Ready,
    /// It is to replace another once every profile was looked at.
    pub is_silent: bool,
}

/// All segments of a workspace and all that they need.
#[derive(Debug, Clone, Default)]
pub struct Compiled {
    /// The version of the whole set.
    pub version: u64,
    /// Those that others ask stand before these.
    pub segments: Vec<Segment>,
    pub features: BTreeMap<FeatureId, Query>,
    pub computed: Vec<Computed>,
    by_id: HashMap<SegmentId, usize>,
    /// The places of all versions of a segment.
    versions: HashMap<SegmentId, Vec<usize>>,
    /// Who reads what, by place.
    readers: Readers,
    /// Features by the kind of the events that they take.
    by_kind: BTreeMap<EventKind, Vec<FeatureId>>,
    /// Of `track` events that are named, by their name.
    by_name: HashMap<String, Vec<FeatureId>>,
    asking: HashMap<SegmentId, Vec<usize>>,
    /// By place: whether a segment asks a history, or one that does.
    recalls: Vec<bool>,
}

/// The places of segments by what they read.
#[derive(Debug, Clone, Default)]
struct Readers {
    features: HashMap<FeatureId, Vec<usize>>,
    traits: HashMap<String, Vec<usize>>,
    identifiers: Vec<usize>,
    groups: Vec<usize>,
    seen: Vec<usize>,
}

/// What new events changed of a profile.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    pub features: BTreeSet<FeatureId>,
    /// The first steps of paths of traits.
    pub traits: BTreeSet<String>,
    pub identifiers: bool,
    pub groups: bool,
    pub seen: bool,
}

impl Compiled {
    /// Puts segments together; whatever asks a segment that is not there, or in
    /// a circle, is given back with the reason.
    pub fn new(version: u64, segments: Vec<Segment>, computed: Vec<Computed>) -> Result<Self, String> {
        let mut segments = ordered(segments)?;
        let (mut features, mut places) = (BTreeMap::<FeatureId, Query>::new(), HashMap::new());
        let of_segments = segments.iter().map(|segment| (&segment.id, &segment.ready));
        for (of, ready) in of_segments.chain(computed.iter().map(|one| (&one.id, &one.ready))) {
            for (id, query) in &ready.features {
                let known: &Query = features.entry(*id).or_insert_with(|| query.clone());
                if known.text != query.text {
                    return Err(format!(
                        "a condition of `{of}` and one of another share a name by chance; say one of them in other words"
                    ));
                }
            }
        }
        for segment in &mut segments {
            number(&mut segment.ready.rule, &mut places);
        }
        let mut compiled = Self { version, segments, features, computed, ..Self::default() };
        compiled.index();
        Ok(compiled)
    }

    fn index(&mut self) {
        for (place, segment) in self.segments.iter().enumerate() {
            if !segment.is_silent {
                self.by_id.insert(segment.id.clone(), place);
            }
            self.versions.entry(segment.id.clone()).or_default().push(place);
            let inputs = &segment.ready.inputs;
            let recalls = |id| self.by_id.get(id).and_then(|place| self.recalls.get(*place)) == Some(&true);
            self.recalls.push(!inputs.histories.is_empty() || inputs.segments.iter().any(recalls));
            for asked in inputs.segments.iter().chain(&inputs.histories) {
                self.asking.entry(asked.clone()).or_default().push(place);
            }
            let readers = &mut self.readers;
            for id in &inputs.features {
                readers.features.entry(*id).or_default().push(place);
            }
            for name in &inputs.traits {
                readers.traits.entry(name.clone()).or_default().push(place);
            }
            for (reads, readers) in [
                (inputs.identifiers, &mut readers.identifiers),
                (inputs.groups, &mut readers.groups),
                (inputs.seen, &mut readers.seen),
            ] {
                readers.extend(reads.then_some(place));
            }
        }
        for (id, query) in &self.features {
            match &query.of {
                Of::Events { what, .. } if what.kind == EventKind::Track && !what.names.is_empty() => {
                    for name in &what.names {
                        self.by_name.entry(name.clone()).or_default().push(*id);
                    }
                }
                Of::Events { what, .. } => self.by_kind.entry(what.kind).or_default().push(*id),
                Of::Trait(_) => self.by_kind.entry(EventKind::Identify).or_default().push(*id),
                Of::Runs { .. } => {
                    for kind in EventKind::ALL {
                        self.by_kind.entry(kind).or_default().push(*id);
                    }
                }
            }
        }
    }

    /// Whether a feature may take events of a kind.
    pub fn takes(&self, kind: EventKind) -> bool {
        self.by_kind.contains_key(&kind) || kind == EventKind::Track && !self.by_name.is_empty()
    }

    /// The features that may take an event.
    pub fn features_of<'a>(
        &'a self,
        event: &Event,
        payload: &'a Map<String, Value>,
    ) -> impl Iterator<Item = (FeatureId, &'a Query)> {
        let name = payload.get("event").and_then(Value::as_str).filter(|_| event.kind == EventKind::Track);
        let named = name.and_then(|name| self.by_name.get(name)).into_iter().flatten();
        let of_kind = self.by_kind.get(&event.kind).into_iter().flatten();
        named.chain(of_kind).filter_map(|id| Some((*id, self.features.get(id)?)))
    }

    /// The places of segments that read what was touched.
    pub fn reading<'a>(&'a self, touched: &'a Touched) -> impl Iterator<Item = usize> + 'a {
        let readers = &self.readers;
        let features = touched.features.iter().filter_map(|id| readers.features.get(id)).flatten();
        let traits = touched.traits.iter().filter_map(|name| readers.traits.get(name)).flatten();
        let facts = [
            (touched.identifiers, &readers.identifiers),
            (touched.groups, &readers.groups),
            (touched.seen, &readers.seen),
        ];
        let facts = facts.into_iter().filter(|(is_touched, _)| *is_touched).flat_map(|(_, readers)| readers);
        features.chain(traits).chain(facts).copied()
    }

    /// The places of all versions of a segment.
    pub fn versions(&self, id: &SegmentId) -> impl Iterator<Item = usize> {
        self.versions.get(id).into_iter().flatten().copied()
    }

    /// The places of segments that ask another one.
    pub fn asking(&self, id: &SegmentId) -> impl Iterator<Item = usize> {
        self.asking.get(id).into_iter().flatten().copied()
    }

    /// Whether the segment in a place asks a history, or one that does: what
    /// others answer just now may change its answer.
    pub fn recalls(&self, place: usize) -> bool {
        self.recalls.get(place) == Some(&true)
    }

    /// Whether a segment stands.
    pub fn has(&self, id: &SegmentId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The version of a segment that is in force.
    pub fn segment(&self, id: &SegmentId) -> Option<&Segment> {
        self.segments.get(*self.by_id.get(id)?)
    }

    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.computed.is_empty()
    }
}

/// Gives conditions that say the same the same place.
fn number(rule: &mut Rule, places: &mut HashMap<String, usize>) {
    match &mut rule.node {
        Node::All(rules) | Node::Any(rules) => rules.iter_mut().for_each(|rule| number(rule, places)),
        Node::Not(rule) => number(rule, places),
        Node::Score { parts, .. } => parts.iter_mut().for_each(|(rule, _)| number(rule, places)),
        _ => {
            let next = places.len();
            rule.place = Some(*places.entry(rule.said.clone()).or_insert(next));
        }
    }
}

/// Puts whom others ask in front of these.
fn ordered(segments: Vec<Segment>) -> Result<Vec<Segment>, String> {
    let active: BTreeSet<SegmentId> =
        segments.iter().filter(|segment| !segment.is_silent).map(|segment| segment.id.clone()).collect();
    let mut placed: BTreeSet<SegmentId> = BTreeSet::new();
    let (mut ordered, mut left) = (Vec::new(), segments);
    while !left.is_empty() {
        let is_ready = |segment: &Segment| {
            let inputs = &segment.ready.inputs;
            inputs.segments.iter().chain(&inputs.histories).all(|id| placed.contains(id))
        };
        let (now, later): (Vec<Segment>, Vec<Segment>) = left.into_iter().partition(is_ready);
        if now.is_empty() {
            return Err(why_not(&later, &active));
        }
        placed.extend(
            now.iter()
                .filter(|segment| !segment.is_silent || !active.contains(&segment.id))
                .map(|segment| segment.id.clone()),
        );
        ordered.extend(now);
        left = later;
    }
    Ok(ordered)
}

fn why_not(left: &[Segment], active: &BTreeSet<SegmentId>) -> String {
    let asked = |segment: &Segment| {
        let inputs = &segment.ready.inputs;
        inputs.segments.iter().chain(&inputs.histories).cloned().collect::<Vec<_>>()
    };
    for segment in left {
        let known = |id: &SegmentId| active.contains(id) || left.iter().any(|other| other.id == *id);
        if let Some(missing) = asked(segment).into_iter().find(|id| !known(id)) {
            return format!(
                "the segment `{}` asks the segment `{missing}`, which does not exist",
                segment.id
            );
        }
    }
    let names: Vec<String> = left.iter().map(|segment| format!("`{}`", segment.id)).collect();
    format!("segments ask each other in a circle: {}", names.join(", "))
}
