//! When sequences were completed, when nothing followed, when somebody returned:
//! the moments that conditions on more than one event ask about.

use std::collections::HashMap;

use super::{Counted, Person, Truth, covers};
use crate::segment::compiled::Picked;
use crate::segment::feature::Point;
use crate::segment::span::Span;
use crate::segment::value::Scalar;
use crate::time::Timestamp;

/// The moments that a condition asks about, as far as they are known.
#[derive(Default)]
pub(super) struct Moments {
    sure: Vec<Timestamp>,
    /// What was let go of says whether these are some.
    doubtful: Vec<Timestamp>,
    /// There may be others, up to this one.
    others_to: Option<Timestamp>,
}

impl Moments {
    /// Those that came until now.
    pub(super) fn until(mut self, now: Timestamp) -> Self {
        self.sure.retain(|at| *at <= now);
        self.doubtful.retain(|at| *at <= now);
        self
    }

    /// Whether one of them is in the window that ends now.
    pub(super) fn recent(&self, during: Option<Span>, now: Timestamp) -> Truth {
        let is_in = |at: &Timestamp| during.is_none_or(|during| during.after(*at) > now);
        if self.sure.iter().any(is_in) {
            return Truth::Yes;
        }
        let may_be = self.doubtful.iter().chain(&self.others_to).any(is_in);
        if may_be { Truth::Unknown } else { Truth::No }
    }

    /// When the next of them leaves the window.
    pub(super) fn leaves(&self, during: Span, now: Timestamp) -> Option<Timestamp> {
        let all = self.sure.iter().chain(&self.doubtful).chain(&self.others_to);
        all.map(|at| during.after(*at)).filter(|at| *at > now).min()
    }

    /// When the next of them comes.
    pub(super) fn comes(&self, now: Timestamp) -> Option<Timestamp> {
        self.sure.iter().chain(&self.doubtful).copied().filter(|at| *at > now).min()
    }
}

impl Person<'_> {
    /// When sequences were completed: for each last event the latest first one decides.
    pub(super) fn completions(&self, steps: &[Picked], within: Span, key: Option<usize>) -> Option<Moments> {
        let mut all: Vec<(&Point, usize)> = Vec::new();
        for (step, picked) in steps.iter().enumerate() {
            all.extend(self.all_points(picked)?.points.into_iter().map(|point| (point, step)));
        }
        // One event may be two steps, but not of one sequence: later steps first.
        all.sort_by(|(a, a_step), (b, b_step)| (a.at, a.name, b_step).cmp(&(b.at, b.name, a_step)));
        // Up to here what was let go may be the beginning of one, or a step.
        let doubted_to = steps.iter().filter_map(|step| self.floor(step)).max().map(|at| within.after(at));
        let mut completed = Moments { others_to: self.floor(steps.last()?), ..Moments::default() };
        let mut begun: HashMap<(usize, Option<&Scalar>), Timestamp> = HashMap::new();
        for (point, step) in all {
            let Some(of) = key_of(point, key) else { continue };
            let is_last = step + 1 == steps.len();
            let start = if step == 0 { Some(point.at) } else { begun.get(&(step - 1, of)).copied() };
            let Some(start) = start.filter(|start| within.after(*start) >= point.at) else {
                let is_doubtful = is_last && doubted_to.is_some_and(|to| point.at <= to);
                completed.doubtful.extend(is_doubtful.then_some(point.at));
                continue;
            };
            if is_last {
                completed.sure.push(point.at);
            }
            let latest = begun.entry((step, of)).or_insert(start);
            *latest = (*latest).max(start);
        }
        Some(completed)
    }

    /// From when on it was sure of each first event that nothing followed it.
    pub(super) fn absences(
        &self,
        after: &Picked,
        of: &Picked,
        span: Span,
        key: Option<usize>,
    ) -> Option<Moments> {
        let others_to = self.floor(after).map(|floor| span.after(floor));
        let (after, of) = (self.all_points(after)?, self.all_points(of)?);
        let mut absent = Moments { others_to, ..Moments::default() };
        for first in &after.points {
            let Some(wanted) = key_of(first, key) else { continue };
            let ends = span.after(first.at);
            let from = of.points.partition_point(|point| (point.at, point.name) <= (first.at, first.name));
            let mut following = of.points.iter().skip(from).take_while(|point| point.at <= ends);
            if following.any(|point| key_of(point, key) == Some(wanted)) {
                continue;
            }
            // What followed it may have been let go.
            let is_sure = covers(first.at, of.floor);
            if is_sure { absent.sure.push(ends) } else { absent.doubtful.push(ends) }
        }
        Some(absent)
    }

    /// When events were the first in a long time.
    pub(super) fn returns(&self, picked: &Picked, gap: Span) -> Option<Moments> {
        let Counted { points, floor, .. } = self.all_points(picked)?;
        let mut again = Moments { others_to: floor, ..Moments::default() };
        let pairs = points.iter().zip(points.iter().skip(1));
        let is_again = |before: Timestamp, after: Timestamp| gap.after(before) <= after;
        let after_gap = pairs.filter(|(before, after)| is_again(before.at, after.at));
        again.sure.extend(after_gap.map(|(_, after)| after.at));
        // The one before the first that is kept is the newest that was let go, if it counts.
        if let (Some(first), Some(floor)) = (points.first(), floor) {
            let is_plain = picked.filter.is_none() && picked.hours.is_none();
            if !is_plain {
                again.doubtful.push(first.at);
            } else if is_again(floor, first.at) {
                again.sure.push(first.at);
            }
        }
        Some(again)
    }
}

/// The value of a key; `None` if the event has none, so that it belongs to nothing.
#[expect(clippy::option_option, reason = "no key is asked for, or it has a value")]
fn key_of(point: &Point, key: Option<usize>) -> Option<Option<&Scalar>> {
    match key {
        None => Some(None),
        Some(place) => point.values.get(place)?.as_ref().map(Some),
    }
}
