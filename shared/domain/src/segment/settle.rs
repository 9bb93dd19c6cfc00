//! From verdicts to memberships: what a profile's answers are now, what changed,
//! and when it has to be looked at again.

use std::collections::{BTreeSet, BinaryHeap};

use super::compiled::{Compiled, Segment, Touched};
use super::feature::FeatureId;
use super::verdict::{Person, Truth, Verdict, earliest};
use super::{Cause, Change, Membership, Next};
use crate::event::{Event, EventKind};
use crate::profile::Profile;
use crate::profile::fold::traits;
use crate::profile::stamp::Stamp;
use crate::time::Timestamp;

/// Moments that one settling goes through; the rest waits for the next.
const MOMENTS_MAX: usize = 2_000;
/// Bytes of all features of one person; beyond it the longest lose their oldest points,
/// or their values.
pub const FEATURE_BYTES_MAX: usize = 100 * 1024;

/// What has changed of a profile since its answers were given.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    touched: Touched,
    /// Whether all names of events had a counter of their own before.
    named: Option<bool>,
}

impl Changed {
    /// Notes what one event changes; asked before it is folded.
    pub fn event(&mut self, event: &Event, payload: &serde_json::Map<String, serde_json::Value>) {
        self.touched.seen = true;
        match event.kind {
            EventKind::Identify => self.touched.traits.extend(traits(payload).keys().cloned()),
            EventKind::Group => self.touched.groups = true,
            _ => (),
        }
    }

    /// The profile got an identifier.
    pub fn identifiers(&mut self) {
        self.touched.identifiers = true;
    }
}

/// Why a segment is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Not,
    /// All are.
    Whole,
    /// This profile was never asked, or another version answered last.
    New,
    /// Something that it reads has changed.
    Concerned,
}

impl Profile {
    /// Takes an event into the features that select it. Asked before the event
    /// is folded: whether an absent feature is empty the counters still tell.
    pub fn observe(
        &mut self,
        compiled: &Compiled,
        event: &Event,
        payload: &serde_json::Map<String, serde_json::Value>,
        stamp: Stamp,
        changed: &mut Changed,
    ) {
        changed.event(event, payload);
        changed.named.get_or_insert(self.counters.other_names.count == 0);
        for (id, query) in compiled.features_of(event, payload) {
            let is_known = self.segments.features.contains_key(&id) || query.is_ruled_out(&self.counters);
            if !is_known {
                continue;
            }
            let mut feature = self.segments.features.remove(&id).unwrap_or_default();
            if query.take(&mut feature, event, payload, stamp) {
                changed.touched.features.insert(id);
            }
            // One that is still empty says: known, and nothing.
            self.segments.features.insert(id, feature);
        }
    }

    /// Whether a feature is absent that may not be empty.
    pub fn lacks(&self, compiled: &Compiled) -> bool {
        compiled.features.iter().any(|(id, query)| {
            !self.segments.features.contains_key(id) && !query.is_ruled_out(&self.counters)
        })
    }

    /// Goes through all moments up to `now` at which an answer may have changed
    /// by itself, in their order: what opened and closed in between happened.
    pub fn advance(&mut self, compiled: &Compiled, now: Timestamp) {
        let from = self.segments.evaluated_at.min(now);
        for (id, feature) in &mut self.segments.features {
            if let Some(query) = compiled.features.get(id) {
                query.trim(feature, None);
            }
        }
        let mut moments: BTreeSet<(Timestamp, usize)> = BTreeSet::new();
        let known = self.segments.definitions;
        {
            let person = Person::new(compiled, self, &self.segments.memberships, from);
            for (place, segment) in compiled.segments.iter().enumerate() {
                // What this profile was never asked has no past to go through.
                if segment.since <= known {
                    moments.extend(person.verdict(&segment.ready.rule).until.map(|until| (until, place)));
                }
            }
        }
        let mut passed = 0;
        while let Some((at, _)) =
            moments.first().copied().filter(|(at, _)| *at <= now && passed < MOMENTS_MAX)
        {
            passed += 1;
            let mut due: BTreeSet<usize> = BTreeSet::new();
            while let Some((_, place)) = moments.first().copied().filter(|(moment, _)| *moment == at) {
                moments.pop_first();
                due.insert(place);
            }
            while let Some(place) = due.pop_first() {
                let Some(segment) = compiled.segments.get(place) else { continue };
                let verdict =
                    Person::new(compiled, self, &self.segments.memberships, at).verdict(&segment.ready.rule);
                moments.extend(verdict.until.filter(|until| *until > at).map(|until| (until, place)));
                if self.answer(segment, verdict, at, Cause::Time) {
                    due.extend(compiled.asking(&segment.id).filter(|asking| *asking > place));
                }
            }
            self.segments.evaluated_at = self.segments.evaluated_at.max(at);
        }
        let next = moments.first().map(|(at, _)| *at);
        if next.is_none_or(|next| next > now) {
            self.segments.evaluated_at = self.segments.evaluated_at.max(now);
        }
        self.segments.until = if self.lacks(compiled) { Some(now) } else { next };
    }

    /// Answers anew what the changes concern, and what this profile was never
    /// asked; all of it if `whole`. Afterwards `until` says when to look again: now,
    /// if a feature is absent that may not be empty.
    pub fn settle(
        &mut self,
        compiled: &Compiled,
        changed: &Changed,
        whole: bool,
        now: Timestamp,
        cause: Cause,
    ) {
        if compiled.is_empty() && self.segments.is_empty() {
            return;
        }
        let now = now.max(self.segments.evaluated_at);
        let stale = self.segments.stale.take();
        let (whole, cause) = (whole || stale.is_some(), stale.unwrap_or(cause));
        self.forget(compiled, now);
        // What is not asked now stands as long as it did.
        let before = self.segments.until;
        let mut until = if whole { None } else { before };
        let mut asks = self.asks(compiled, changed, whole);
        let mut heard = vec![false; compiled.segments.len()];
        for place in self.segments.memberships.keys().flat_map(|id| compiled.versions(id)) {
            set(&mut heard, place, true);
        }
        let mut verdicts: Vec<(usize, Verdict, Cause)> = Vec::new();
        // Histories are the one input that an answer here can change: who asks
        // one, or somebody who does, is answered after whom they ask.
        let mut later: Vec<(usize, Cause)> = Vec::new();
        let person = Person::new(compiled, self, &self.segments.memberships, now);
        for (place, segment) in compiled.segments.iter().enumerate() {
            let cause = match asks.get(place) {
                None | Some(Ask::Not) => continue,
                Some(Ask::New) => Cause::Definition,
                Some(Ask::Whole | Ask::Concerned) => cause,
            };
            for asking in compiled.asking(&segment.id) {
                set(&mut asks, asking, Ask::Concerned);
            }
            if compiled.recalls(place) {
                later.push((place, cause));
                continue;
            }
            let verdict = person.verdict(&segment.ready.rule);
            until = earliest(until, verdict.until);
            // Most people are not, and never were, in most segments.
            if verdict.truth == Truth::Yes || heard.get(place) == Some(&true) {
                verdicts.push((place, verdict, cause));
            }
        }
        drop(person);
        for (place, verdict, cause) in verdicts {
            if let Some(segment) = compiled.segments.get(place) {
                self.answer(segment, verdict, now, cause);
            }
        }
        for (place, cause) in later {
            let Some(segment) = compiled.segments.get(place) else { continue };
            let verdict =
                Person::new(compiled, self, &self.segments.memberships, now).verdict(&segment.ready.rule);
            until = earliest(until, verdict.until);
            self.answer(segment, verdict, now, cause);
        }
        let is_first = self.segments.definitions < compiled.version;
        self.segments.definitions = self.segments.definitions.max(compiled.version);
        self.segments.evaluated_at = now;
        // Features become absent by new definitions, by what made `whole`, and
        // by the first event whose name has no counter; else none does.
        let unnamed = changed.named == Some(true) && self.counters.other_names.count > 0;
        let may_lack = whole || is_first || unnamed || before.is_some_and(|before| before <= now);
        self.segments.until = if may_lack && self.lacks(compiled) { Some(now) } else { until };
    }

    /// Which segments have to be asked, by their places.
    fn asks(&self, compiled: &Compiled, changed: &Changed, whole: bool) -> Vec<Ask> {
        let mut asks = vec![if whole { Ask::Whole } else { Ask::Not }; compiled.segments.len()];
        let known = self.segments.definitions;
        if known != compiled.version {
            let memberships = &self.segments.memberships;
            for (ask, segment) in asks.iter_mut().zip(&compiled.segments) {
                let is_replaced = || {
                    let membership = memberships.get(&segment.id);
                    !segment.is_silent && membership.is_some_and(|of| of.version != segment.version)
                };
                if segment.since > known || is_replaced() {
                    *ask = Ask::New;
                }
            }
        }
        for place in compiled.reading(&changed.touched) {
            set(&mut asks, place, Ask::Concerned);
        }
        asks
    }

    /// Takes an answer down; `true` if it is another one than before.
    fn answer(&mut self, segment: &Segment, verdict: Verdict, at: Timestamp, cause: Cause) -> bool {
        let memberships = &mut self.segments.memberships;
        let known = memberships.get(&segment.id).copied();
        let version = segment.version;
        let said = known.and_then(|known| known.next).filter(|next| next.version == version);
        let holds = match (verdict.truth, known) {
            (Truth::Yes, _) => true,
            (Truth::No, _) => false,
            // As it was, until it is known. Once a version is in force its list has to
            // hear that: it was last as this version said, or the one that it replaces.
            (Truth::Unknown, Some(known)) if !segment.is_silent => {
                said.map_or(known.holds, |said| said.holds)
            }
            (Truth::Unknown, _) => return false,
        };
        if segment.is_silent {
            if said.is_some_and(|said| said.holds == holds) || said.is_none() && !holds {
                return false;
            }
            let seq = said.map_or(1, |next| next.seq.saturating_add(1));
            let next = Some(Next { version, holds, seq });
            let membership = known.unwrap_or(Membership {
                version: 0,
                holds: false,
                seq: 0,
                since: at,
                entered: None,
                next: None,
            });
            memberships.insert(segment.id.clone(), Membership { next, ..membership });
            let segment = segment.id.clone();
            self.outbox.append(Change { of: None, segment, version, seq, holds, at, cause, silent: true });
            return false;
        }
        let before = known.is_some_and(|known| known.holds);
        let is_replaced = known.is_some_and(|known| known.version != version);
        if before == holds && !is_replaced {
            return false;
        }
        let next = known.and_then(|known| known.next);
        // The list of this version may have heard of the person already.
        let heard = said.map_or(0, |said| said.seq);
        let seq = known.map_or(0, |known| known.seq).max(heard).saturating_add(1);
        let membership = Membership {
            version,
            holds,
            seq,
            since: if before == holds { known.map_or(at, |known| known.since) } else { at },
            entered: if holds && !before { Some(at) } else { known.and_then(|known| known.entered) },
            next: next.filter(|next| next.version > version),
        };
        memberships.insert(segment.id.clone(), membership);
        let is_told = before != holds;
        let segment = segment.id.clone();
        self.outbox.append(Change { of: None, segment, version, seq, holds, at, cause, silent: !is_told });
        is_told
    }

    /// Lets go of features that no definition needs, of what lies behind all
    /// windows, and of answers of segments that have ended.
    fn forget(&mut self, compiled: &Compiled, now: Timestamp) {
        if compiled.version < self.segments.definitions {
            return;
        }
        self.segments.features.retain(|id, _| compiled.features.contains_key(id));
        for (id, feature) in &mut self.segments.features {
            if let Some(query) = compiled.features.get(id) {
                query.trim(feature, Some(now));
            }
        }
        // A feature that the counters rule out needs not be said to be empty.
        let counters = &self.counters;
        self.segments.features.retain(|id, feature| {
            let is_empty = feature.points.is_empty() && feature.floor.is_none() && feature.totals.is_none();
            !is_empty || compiled.features.get(id).is_some_and(|query| !query.is_ruled_out(counters))
        });
        self.bound(compiled);
        // What was counted stays: the segment may return under its id.
        for (id, membership) in &mut self.segments.memberships {
            if compiled.has(id) || !membership.holds {
                continue;
            }
            membership.holds = false;
            membership.seq = membership.seq.saturating_add(1);
            (membership.since, membership.next) = (now, None);
            let (segment, cause) = (id.clone(), Cause::Definition);
            let Membership { version, seq, .. } = *membership;
            self.outbox.append(Change {
                of: None,
                segment,
                version,
                seq,
                holds: false,
                at: now,
                cause,
                silent: false,
            });
        }
    }

    /// Keeps all features within their bound: the longest let go first.
    fn bound(&mut self, compiled: &Compiled) {
        let features = &mut self.segments.features;
        let mut longest: BinaryHeap<(usize, FeatureId)> =
            features.iter().map(|(id, feature)| (feature.size(), *id)).collect();
        let mut bytes: usize = longest.iter().map(|(size, _)| size).sum();
        while bytes > FEATURE_BYTES_MAX {
            let Some((size, id)) = longest.pop() else { return };
            let (Some(query), Some(feature)) = (compiled.features.get(&id), features.get_mut(&id)) else {
                continue;
            };
            if query.shrink(feature) {
                let less = feature.size();
                bytes = bytes.saturating_sub(size).saturating_add(less);
                longest.push((less, id));
            }
        }
    }
}

fn set<T>(all: &mut [T], place: usize, to: T) {
    if let Some(one) = all.get_mut(place) {
        *one = to;
    }
}

#[cfg(test)]
mod tests;
