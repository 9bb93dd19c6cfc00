//! The verdict: whether a person is in, and until when that stands if nothing
//! new is heard of them.

mod moments;

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use serde_json::Value;

use super::Memberships;
use super::compiled::{Compiled, Frame, Node, Picked, Rule, ZONE};
use super::definition::{Compare, Fact, Hours, Measure, Operand, Reading, Test};
use super::feature::{Feature, FeatureId, Point};
use super::span::{Calendar, Span};
use super::stored::SegmentId;
use super::test::{Around, changes, holds, passes, passes_scalar};
use super::value::{Number, ONE, Path, Scalar};
use crate::profile::Profile;
use crate::profile::counters::spread;
use crate::time::Timestamp;

/// Moments at which an answer could change that one verdict looks ahead; if
/// none of them changes it, it is looked at again at the last of them.
const AHEAD_MAX: usize = 64;

/// What is known of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    Yes,
    No,
    /// A feature that it needs is not known, or was cut off.
    Unknown,
}

/// An answer, and the earliest moment at which it could be another with no new
/// event; `None` if it never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub truth: Truth,
    pub until: Option<Timestamp>,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Verdict {
    const fn always(truth: Truth) -> Self {
        Self { truth, until: None }
    }

    fn of(holds: bool, until: Option<Timestamp>) -> Self {
        Self { truth: holds.into(), until }
    }

    fn not(self) -> Self {
        let truth = match self.truth {
            Truth::Yes => Truth::No,
            Truth::No => Truth::Yes,
            Truth::Unknown => Truth::Unknown,
        };
        Self { truth, ..self }
    }
}

/// One person at one moment, as definitions ask them.
pub struct Person<'a> {
    compiled: &'a Compiled,
    profile: &'a Profile,
    features: &'a BTreeMap<FeatureId, Feature>,
    memberships: &'a Memberships,
    now: Timestamp,
    calendar: OnceCell<Calendar>,
    traits: RefCell<HashMap<Path, Rc<Option<Value>>>>,
    /// Verdicts by the conditions' places.
    given: RefCell<Vec<Option<Verdict>>>,
    asked: RefCell<HashMap<SegmentId, Verdict>>,
    empty: Feature,
}

impl std::fmt::Debug for Person<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("now", &self.now).finish_non_exhaustive()
    }
}

/// The points of a feature that count, and whether all of them are known.
struct Counted<'a> {
    points: Vec<&'a Point>,
    is_whole: bool,
    floor: Option<Timestamp>,
}

impl<'a> Person<'a> {
    pub fn new(
        compiled: &'a Compiled,
        profile: &'a Profile,
        memberships: &'a Memberships,
        now: Timestamp,
    ) -> Self {
        Self {
            compiled,
            profile,
            features: &profile.segments.features,
            memberships,
            now,
            calendar: OnceCell::new(),
            traits: RefCell::default(),
            given: RefCell::default(),
            asked: RefCell::default(),
            empty: Feature::default(),
        }
    }

    /// The same person at another moment.
    #[must_use]
    pub fn at(mut self, memberships: &'a Memberships, now: Timestamp) -> Self {
        self.now = now;
        self.memberships = memberships;
        self.asked.get_mut().clear();
        self.given.get_mut().clear();
        self
    }

    pub(super) fn rule_of(&self, id: &SegmentId) -> Option<&Rule> {
        self.compiled.segment(id).map(|segment| &segment.ready.rule)
    }

    pub(super) fn seen(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        self.profile.counters.seen()
    }

    pub(super) fn kinds(&self) -> BTreeSet<&str> {
        self.profile.identifiers.keys().map(crate::identifier::Identifier::kind).collect()
    }

    /// Whether the person meets a rule.
    pub fn verdict(&self, rule: &Rule) -> Verdict {
        match &rule.node {
            Node::All(rules) => all(rules.iter().map(|rule| self.verdict(rule))),
            Node::Any(rules) => all(rules.iter().map(|rule| self.verdict(rule).not())).not(),
            Node::Not(rule) => self.verdict(rule).not(),
            Node::Score { parts, test } => self.score(parts, test),
            node => {
                let Some(place) = rule.place else { return self.of(node) };
                if let Some(Some(given)) = self.given.borrow().get(place) {
                    return *given;
                }
                let verdict = self.of(node);
                let mut given = self.given.borrow_mut();
                if given.len() <= place {
                    given.resize(place + 1, None);
                }
                if let Some(given) = given.get_mut(place) {
                    *given = Some(verdict);
                }
                verdict
            }
        }
    }

    /// The verdict of a condition that has no parts.
    fn of(&self, node: &Node) -> Verdict {
        match node {
            Node::Trait { path, test } => self.of_value(Option::as_ref(&self.find(path)), test),
            Node::Fact { fact, test } => {
                let (first, last) = self.profile.counters.seen();
                let at = if *fact == Fact::FirstSeen { first } else { last };
                self.of_value(at.map(|at| Value::String(at.rfc3339())).as_ref(), test)
            }
            Node::HeldFor { feature, test, span } => self.held(*feature, test, *span),
            Node::Totals { feature, measure, test } => match self.feature(*feature) {
                Some(feature) => Verdict::always(self.judge(&totalled(feature, measure), test, self.now)),
                None => Verdict::always(Truth::Unknown),
            },
            Node::Segment { id, reading } => self.of_segment(id, *reading),
            Node::Identifier { kind } => {
                Verdict::of(self.profile.identifiers.keys().any(|held| held.kind() == kind), None)
            }
            Node::Group { id } => Verdict::of(self.profile.groups.contains(id), None),
            Node::Bucket { salt, from, to } => {
                Verdict::of(self.bucket(salt).is_some_and(|at| (*from..*to).contains(&at)), None)
            }
            node => self.ahead(node),
        }
    }

    /// The value of a trait.
    pub(super) fn find(&self, path: &Path) -> Rc<Option<Value>> {
        if let Some(known) = self.traits.borrow().get(path) {
            return Rc::clone(known);
        }
        let value = Rc::new(self.profile.traits.get(path.steps()));
        self.traits.borrow_mut().insert(path.clone(), Rc::clone(&value));
        value
    }

    fn calendar(&self) -> &Calendar {
        self.calendar.get_or_init(|| {
            let zone = self.profile.traits.get(&[ZONE.to_owned()]);
            Calendar::of(zone.as_ref().and_then(Value::as_str))
        })
    }

    fn around<R>(&self, now: Timestamp, ask: impl FnOnce(&Around<'_>) -> R) -> R {
        ask(&Around { now, calendar: self.calendar(), traits: &|path| self.find(path) })
    }

    /// A feature; one that is absent is empty if it is known to be, else unknown.
    pub(super) fn feature(&self, id: FeatureId) -> Option<&Feature> {
        let known = self.features.get(&id);
        known.or_else(|| {
            let query = self.compiled.features.get(&id)?;
            query.is_ruled_out(&self.profile.counters).then_some(&self.empty)
        })
    }

    fn of_value(&self, value: Option<&Value>, test: &Test) -> Verdict {
        self.around(self.now, |around| Verdict::of(passes(test, value, around), changes(test, value, around)))
    }

    fn of_segment(&self, id: &SegmentId, reading: Reading) -> Verdict {
        let membership = self.memberships.get(id);
        match reading {
            Reading::Ever => Verdict::of(membership.is_some_and(|of| of.entered.is_some()), None),
            Reading::EnteredWithin(span) => {
                let entered = membership.and_then(|of| of.entered).map(|at| span.after(at));
                Verdict::of(
                    entered.is_some_and(|ends| ends > self.now),
                    entered.filter(|ends| *ends > self.now),
                )
            }
            Reading::Now => match self.compiled.segment(id) {
                Some(segment) => {
                    if let Some(known) = self.asked.borrow().get(id) {
                        return *known;
                    }
                    let verdict = self.verdict(&segment.ready.rule);
                    self.asked.borrow_mut().insert(id.clone(), verdict);
                    verdict
                }
                None => Verdict::of(membership.is_some_and(|of| of.holds), None),
            },
        }
    }

    fn score(&self, parts: &[(Rule, Number)], test: &Test) -> Verdict {
        let (mut score, mut until, mut unknown) = (0, None, false);
        for (rule, points) in parts {
            let verdict = self.verdict(rule);
            until = earliest(until, verdict.until);
            match verdict.truth {
                Truth::Yes => score += points,
                Truth::No => (),
                Truth::Unknown => unknown = true,
            }
        }
        if unknown {
            return Verdict { truth: Truth::Unknown, until };
        }
        Verdict {
            truth: self
                .around(self.now, |around| passes_scalar(test, Some(&Scalar::Number(score)), around))
                .into(),
            until,
        }
    }

    /// A person's lot from 0 to 100 percent; it follows from their identifiers.
    pub(super) fn bucket(&self, salt: &str) -> Option<Number> {
        let seed = self.profile.seed?;
        let lot = spread(&format!("{salt}\u{1f}{seed:016x}"));
        Some((Number::from(lot) * 100 * ONE) >> 64)
    }

    /// A trait passed the test from some change on, and does until now.
    fn held(&self, feature: FeatureId, test: &Test, span: Span) -> Verdict {
        let Some(feature) = self.feature(feature) else { return Verdict::always(Truth::Unknown) };
        let passing = |point: &&Point| {
            self.around(self.now, |around| {
                passes_scalar(test, point.values.first().and_then(Option::as_ref), around)
            })
        };
        // Of those of the floor's own moment it is not known which was the last.
        let is_known = |point: &&Point| feature.floor.is_none_or(|floor| point.at > floor);
        let known: Vec<&Point> = feature.points.iter().filter(is_known).collect();
        let run = known.iter().copied().rev().take_while(passing);
        let (count, since) = run.fold((0, None), |(count, _), point| (count + 1, Some(point.at)));
        // What was let go may have passed, too, and earlier.
        let is_open = count == known.len() && feature.floor.is_some();
        let Some(since) = since else {
            return Verdict::always(if is_open { Truth::Unknown } else { Truth::No });
        };
        let holds_from = span.after(since);
        if holds_from <= self.now {
            return Verdict::always(Truth::Yes);
        }
        Verdict { truth: if is_open { Truth::Unknown } else { Truth::No }, until: Some(holds_from) }
    }

    /// Events of a rolling window, counted: the window only loses some, so that
    /// the answer and its end follow from one place among them. `None` if more is
    /// asked than that, or not all is known.
    fn counted(&self, node: &Node) -> Option<Verdict> {
        let Node::Points { points, window: Frame::Rolling(span), measure: Measure::Count, test, .. } = node
        else {
            return None;
        };
        let Test::Order(compare, Operand::Value(Scalar::Number(number))) = test else { return None };
        let feature = self.feature(points.feature)?;
        if points.filter.is_some() || points.hours.is_some() {
            return None;
        }
        let ceil = -(-number).div_euclid(ONE);
        let (least, is_reached) = match compare {
            Compare::AtLeast => (ceil, Truth::Yes),
            Compare::More => (number.div_euclid(ONE) + 1, Truth::Yes),
            Compare::AtMost => (number.div_euclid(ONE) + 1, Truth::No),
            Compare::Less => (ceil, Truth::No),
            Compare::Is => return None,
        };
        let verdict = |is_there: bool, until| {
            let verdict = Verdict { truth: is_reached, until };
            if is_there { verdict } else { verdict.not() }
        };
        let Ok(least) = usize::try_from(least) else { return Some(verdict(true, None)) };
        let inside =
            feature.points.len() - feature.points.partition_point(|at| span.after(at.at) <= self.now);
        if inside < least {
            // What was let go may be inside, too.
            let is_whole = feature.floor.is_none_or(|floor| span.after(floor) <= self.now);
            return is_whole.then(|| verdict(false, None));
        }
        // Fewer are left once the last of so many has gone.
        let last = feature.points.len().checked_sub(least).and_then(|place| feature.points.get(place));
        Some(verdict(true, last.map(|point| span.after(point.at))))
    }

    /// The answer now, and the first of the next moments that changes it.
    fn ahead(&self, node: &Node) -> Verdict {
        if let Some(verdict) = self.counted(node) {
            return verdict;
        }
        let truth = self.at_moment(node, self.now);
        let mut at = self.now;
        for _ in 0..AHEAD_MAX {
            match self.next(node, at) {
                None => return Verdict::always(truth),
                Some(next) if self.at_moment(node, next) != truth => {
                    return Verdict { truth, until: Some(next) };
                }
                Some(next) => at = next,
            }
        }
        Verdict { truth, until: Some(at) }
    }

    fn at_moment(&self, node: &Node, now: Timestamp) -> Truth {
        match node {
            Node::Points { points, window, measure, value, test } => {
                match self.window(points, *window, now) {
                    Some(counted) => self.judge(&measured(&counted, measure, *value), test, now),
                    None => Truth::Unknown,
                }
            }
            Node::Sequence { steps, within, during, key } => self
                .completions(steps, *within, *key)
                .map_or(Truth::Unknown, |completed| completed.recent(*during, now)),
            Node::Absence { after, of, span, during, key } => self
                .absences(after, of, *span, *key)
                .map_or(Truth::Unknown, |absent| absent.until(now).recent(*during, now)),
            Node::Regular { points, at_least, of_last, unit } => {
                let first = self.calendar().period(*unit, now, 1 - i32::from(*of_last));
                let end = self.calendar().period(*unit, now, 1);
                self.all_points(points).map_or(Truth::Unknown, |counted| {
                    let inside = counted.points.iter().filter(|point| (first..end).contains(&point.at));
                    let periods: BTreeSet<Timestamp> =
                        inside.map(|point| self.calendar().period(*unit, point.at, 0)).collect();
                    let enough = periods.len() >= usize::from(*at_least);
                    if enough || covers(first, self.floor(points)) { enough.into() } else { Truth::Unknown }
                })
            }
            Node::Returned { points, gap, within } => {
                self.returns(points, *gap).map_or(Truth::Unknown, |again| again.recent(Some(*within), now))
            }
            _ => Truth::Unknown,
        }
    }

    /// When the answer of a node could next be another one.
    fn next(&self, node: &Node, now: Timestamp) -> Option<Timestamp> {
        // What was let go may stand where the newest of it does.
        let last = |id: &FeatureId| {
            let feature = self.feature(*id)?;
            feature.points.last().map(|point| point.at).max(feature.floor)
        };
        match node {
            Node::Points { points, window, .. } => match window {
                Frame::All => None,
                Frame::Rolling(span) => {
                    let all = self.feature(points.feature)?;
                    let times = all.floor.into_iter().chain(all.points.iter().map(|point| point.at));
                    times.map(|at| span.after(at)).find(|at| *at > now)
                }
                Frame::Calendar { unit, back } => {
                    // With nothing in the window or behind it, all to come are empty.
                    let from = self.calendar().period(*unit, now, -i32::from(*back));
                    (last(&points.feature)? >= from).then(|| self.calendar().period(*unit, now, 1))
                }
                Frame::Session { runs, gap, current } => {
                    let runs = self.feature(*runs)?;
                    let end = runs.points.last().map(end).max(runs.floor)?;
                    let over = end.plus(*gap).plus(1);
                    (*current && over > now).then_some(over)
                }
            },
            Node::Sequence { steps, within, during: Some(during), key } => {
                self.completions(steps, *within, *key)?.leaves(*during, now)
            }
            Node::Absence { after, of, span, during, key } => {
                let absent = self.absences(after, of, *span, *key)?;
                earliest(absent.comes(now), during.and_then(|during| absent.leaves(during, now)))
            }
            Node::Regular { points, unit, of_last, .. } => {
                let next = self.calendar().period(*unit, now, 1);
                // Once all events lie behind the periods no new one changes the answer.
                let first = self.calendar().period(*unit, now, 1 - i32::from(*of_last));
                (last(&points.feature)? >= first).then_some(next)
            }
            Node::Returned { points, gap, within } => self.returns(points, *gap)?.leaves(*within, now),
            _ => None,
        }
    }

    fn floor(&self, picked: &Picked) -> Option<Timestamp> {
        self.feature(picked.feature)?.floor
    }

    /// All points of a feature that pass what is asked of them now.
    fn all_points(&self, picked: &Picked) -> Option<Counted<'_>> {
        let feature = self.feature(picked.feature)?;
        let points = feature.points.iter().filter(|point| self.is_picked(picked, point)).collect();
        Some(Counted { points, is_whole: feature.floor.is_none(), floor: feature.floor })
    }

    fn is_picked(&self, picked: &Picked, point: &Point) -> bool {
        let in_hours = |hours: &Hours| hours.contain(self.calendar(), point.at);
        let passes = |filter| {
            let kept = |path: &Path| {
                let place = picked.keep.iter().position(|kept| kept == path)?;
                let value = point.values.get(place)?.as_ref()?;
                Some(Cow::Owned(value.json()))
            };
            self.around(self.now, |around| holds(filter, &kept, None, around))
        };
        picked.hours.as_ref().is_none_or(in_hours) && picked.filter.as_ref().is_none_or(passes)
    }

    fn window(&self, picked: &Picked, frame: Frame, now: Timestamp) -> Option<Counted<'_>> {
        let mut counted = self.all_points(picked)?;
        let floor = self.floor(picked);
        match frame {
            Frame::All => (),
            Frame::Rolling(span) => {
                counted.points.retain(|point| span.after(point.at) > now);
                counted.is_whole = floor.is_none_or(|floor| span.after(floor) <= now);
            }
            Frame::Calendar { unit, back } => {
                let back = i32::from(back);
                let (from, to) =
                    (self.calendar().period(unit, now, -back), self.calendar().period(unit, now, 1 - back));
                counted.points.retain(|point| (from..to).contains(&point.at));
                counted.is_whole = covers(from, floor);
            }
            Frame::Session { runs, gap, current } => {
                let runs = self.feature(runs)?;
                let end = runs.points.last().map(end).max(runs.floor);
                // There was none, or it is over.
                if end.is_none_or(|end| current && end.plus(gap) < now) {
                    counted.points.clear();
                    counted.is_whole = true;
                    return Some(counted);
                }
                let last = runs.points.last()?;
                if runs.floor.is_some_and(|floor| last.at.since(floor) <= gap) {
                    return None;
                }
                counted.points.retain(|point| point.at >= last.at);
                counted.is_whole = covers(last.at, floor);
            }
        }
        Some(counted)
    }

    /// What a computed trait comes to now, and whether that is all; `None` if it
    /// is not known.
    pub fn value(&self, rule: &Rule) -> Option<(Value, bool)> {
        let measured = match &rule.node {
            Node::Totals { feature, measure, .. } => totalled(self.feature(*feature)?, measure),
            Node::Points { points, window, measure, value, .. } => {
                measured(&self.window(points, *window, self.now)?, measure, *value)
            }
            _ => return None,
        };
        let number = |number: Number| Scalar::Number(number).json();
        Some(match measured {
            Measured::Value(value) => (value.as_ref().map_or(Value::Null, Scalar::json), true),
            Measured::Average(_, 0) => (Value::Null, true),
            Measured::Average(sum, count) => (number(sum / Number::from(count)), true),
            Measured::AtLeast(least) => (number(least), false),
            Measured::Values(values, is_whole) => (values.iter().map(Scalar::json).collect(), is_whole),
            Measured::Unknown => return None,
        })
    }

    fn judge(&self, measured: &Measured, test: &Test, now: Timestamp) -> Truth {
        let passes =
            |value: Option<&Scalar>| self.around(now, |around| passes_scalar(test, value, around)).into();
        match measured {
            Measured::Value(value) => passes(value.as_ref()),
            Measured::Average(sum, count) => self.average(*sum, *count, test),
            Measured::AtLeast(least) => at_least(*least, test),
            // Nothing can be said of a list, which is no value.
            Measured::Values(..) => passes(None),
            Measured::Unknown => Truth::Unknown,
        }
    }

    /// An average is compared without dividing, so that nothing is rounded.
    fn average(&self, sum: Number, count: u64, test: &Test) -> Truth {
        if count == 0 {
            return self.around(self.now, |around| passes_scalar(test, None, around)).into();
        }
        let compare = |operand: &Operand| {
            let other = match operand {
                Operand::Value(value) => value.number(),
                Operand::Trait(path) => {
                    self.find(path).as_ref().as_ref().and_then(Scalar::of).and_then(|value| value.number())
                }
            };
            other.map(|other| sum.cmp(&other.saturating_mul(Number::from(count))))
        };
        let is = |how: Compare, operand: &Operand| compare(operand).is_some_and(|order| how.holds(order));
        match test {
            Test::Is(operand) => is(Compare::Is, operand),
            Test::IsNot(operand) => !is(Compare::Is, operand),
            Test::Order(how, operand) => is(*how, operand),
            Test::Between(low, high) => is(Compare::AtLeast, low) && is(Compare::AtMost, high),
            other => {
                let average = Scalar::Number(sum / Number::from(count));
                self.around(self.now, |around| passes_scalar(other, Some(&average), around))
            }
        }
        .into()
    }
}

/// What a measure comes to.
enum Measured {
    Value(Option<Scalar>),
    /// A sum, and of how many.
    Average(Number, u64),
    /// It is so great or greater: not all is known.
    AtLeast(Number),
    /// Each value once, and whether these are all.
    Values(Vec<Scalar>, bool),
    Unknown,
}

fn totalled(feature: &Feature, measure: &Measure) -> Measured {
    if feature.floor.is_some() {
        return Measured::Unknown;
    }
    let none = super::feature::Totals::default();
    let totals = feature.totals.as_ref().unwrap_or(&none);
    let count = |count: u64| Some(Scalar::Number(Number::from(count) * ONE));
    Measured::Value(match measure {
        Measure::Count => count(totals.count),
        Measure::Sum(_) => Some(Scalar::Number(totals.sum)),
        Measure::Avg(_) => return Measured::Average(totals.sum, totals.numbers),
        Measure::Min(_) => totals.least.map(Scalar::Number),
        Measure::Max(_) => totals.most.map(Scalar::Number),
        Measure::First(_) => totals.first.as_ref().map(|(_, _, value)| value.clone()),
        Measure::Last(_) => totals.last.as_ref().map(|(_, _, value)| value.clone()),
        Measure::Distinct(_) => {
            let known = u64::try_from(totals.values.len()).unwrap_or(u64::MAX);
            if totals.overflow {
                return Measured::AtLeast(Number::from(known + 1) * ONE);
            }
            count(known)
        }
        Measure::MostFrequent(_) if totals.overflow => return Measured::Unknown,
        Measure::MostFrequent(_) => {
            most_frequent(totals.values.iter().map(|(value, count)| (value, *count))).cloned()
        }
        Measure::List(_) => {
            return Measured::Values(totals.values.keys().cloned().collect(), !totals.overflow);
        }
    })
}

fn measured(counted: &Counted<'_>, measure: &Measure, value: Option<usize>) -> Measured {
    let values = || counted.points.iter().filter_map(|point| point.values.get(value?)?.as_ref());
    let numbers = || values().filter_map(Scalar::number);
    let number = |count: usize| Number::try_from(count).unwrap_or(Number::MAX / ONE) * ONE;
    let sum = || numbers().fold(0, Number::saturating_add);
    let once = || values().collect::<BTreeSet<_>>();
    let is_valued =
        |point: &&&Point| value.is_some_and(|place| matches!(point.values.get(place), Some(Some(_))));
    let last = || counted.points.iter().rev().find(is_valued);
    Measured::Value(match measure {
        Measure::Count if !counted.is_whole => return Measured::AtLeast(number(counted.points.len())),
        // Whatever was let go came before it.
        Measure::Last(_) if last().is_some_and(|last| covers(last.at, counted.floor)) => {
            values().next_back().cloned()
        }
        Measure::List(_) => {
            return Measured::Values(once().into_iter().cloned().collect(), counted.is_whole);
        }
        _ if !counted.is_whole => return Measured::Unknown,
        Measure::Count => Some(Scalar::Number(number(counted.points.len()))),
        Measure::Sum(_) => Some(Scalar::Number(sum())),
        Measure::Avg(_) => {
            return Measured::Average(sum(), u64::try_from(numbers().count()).unwrap_or_default());
        }
        Measure::Min(_) => numbers().min().map(Scalar::Number),
        Measure::Max(_) => numbers().max().map(Scalar::Number),
        Measure::Distinct(_) => Some(Scalar::Number(number(once().len()))),
        Measure::First(_) => values().next().cloned(),
        Measure::Last(_) => values().next_back().cloned(),
        Measure::MostFrequent(_) => {
            let mut counts: BTreeMap<&Scalar, u64> = BTreeMap::new();
            values().for_each(|value| *counts.entry(value).or_default() += 1);
            most_frequent(counts.into_iter()).cloned()
        }
    })
}

/// Whether all from a moment on is known.
fn covers(from: Timestamp, floor: Option<Timestamp>) -> bool {
    floor.is_none_or(|floor| floor < from)
}

impl Hours {
    fn contain(&self, calendar: &Calendar, at: Timestamp) -> bool {
        let (day, minute) = calendar.time_of_week(at);
        let is_day = |day| self.days.is_empty() || self.days.contains(&day);
        if self.from < self.to {
            return is_day(day) && (self.from..self.to).contains(&minute);
        }
        // Over midnight: the hours belong to the day on which they begin.
        if minute >= self.from { is_day(day) } else { minute < self.to && is_day(day.previous()) }
    }
}

/// A conjunction: false until the last of what fails could pass, true until the
/// first could fail.
fn all(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let (mut no, mut other) = (None::<Verdict>, Verdict::always(Truth::Yes));
    for verdict in verdicts {
        if verdict.truth == Truth::No {
            if verdict.until.is_none() {
                return verdict;
            }
            let until = no.map_or(verdict.until, |no| no.until.max(verdict.until));
            no = Some(Verdict { truth: Truth::No, until });
            continue;
        }
        if verdict.truth == Truth::Unknown {
            other.truth = Truth::Unknown;
        }
        other.until = earliest(other.until, verdict.until);
    }
    no.unwrap_or(other)
}

pub(super) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// What is known if a number is at least so great.
fn at_least(least: Number, test: &Test) -> Truth {
    let number = |operand: &Operand| match operand {
        Operand::Value(value) => value.number(),
        Operand::Trait(_) => None,
    };
    let beyond = |operand: &Operand| number(operand).is_some_and(|other| least > other);
    let reaches = |operand: &Operand| number(operand).is_some_and(|other| least >= other);
    match test {
        Test::Order(Compare::AtLeast, operand) if reaches(operand) => Truth::Yes,
        Test::Order(Compare::More, operand) if beyond(operand) => Truth::Yes,
        Test::Order(Compare::AtMost | Compare::Is, operand)
        | Test::Is(operand)
        | Test::Between(_, operand)
            if beyond(operand) =>
        {
            Truth::No
        }
        Test::Order(Compare::Less, operand) if reaches(operand) => Truth::No,
        Test::IsNot(operand) if beyond(operand) => Truth::Yes,
        _ => Truth::Unknown,
    }
}

/// The value that came most often; of several the least.
fn most_frequent<'v>(values: impl Iterator<Item = (&'v Scalar, u64)>) -> Option<&'v Scalar> {
    values
        .max_by(|(a, a_count), (b, b_count)| a_count.cmp(b_count).then_with(|| b.cmp(a)))
        .map(|(value, _)| value)
}

/// The end of a run of events.
const fn end(run: &Point) -> Timestamp {
    Timestamp::from_millis(run.name.cast_signed())
}
