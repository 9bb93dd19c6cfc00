//! What a profile keeps for segments, behind the rest: an item of a workspace
//! without segments has none of it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Corrupt;
use super::tables::{Place, Rows, Stamped, Tables};
use crate::key::EventName;
use crate::profile::stamp::Stamp;
use crate::segment::feature::{Feature, FeatureId, Point, Totals};
use crate::segment::stored::SegmentId;
use crate::segment::value::Scalar;
use crate::segment::{Cause, Change, Membership, Next, Segments};
use crate::time::Timestamp;

#[derive(Serialize, Deserialize)]
pub(super) struct PackedSegments {
    definitions: u64,
    evaluated_at: Place,
    stale: Option<Cause>,
    until: Option<Place>,
    memberships: Vec<PackedMembership>,
    /// Of those that say so: when the person last entered, and what a version to come says.
    entered: Vec<Place>,
    next: Vec<Next>,
    /// What was let go, and totals, by the places of their features.
    floors: Vec<(Place, Place)>,
    totals: Vec<(Place, Totals)>,
    points: Vec<Vec<PackedPoint>>,
    changes: Vec<PackedChange>,
}

/// Version, number, since when, and [flags](Flags).
type PackedMembership = (SegmentId, u32, u32, Place, u8);

/// Ledger and features name the same moments and events: each stands once.
type PackedPoint = (Stamped, Vec<Option<Scalar>>);

/// What a membership says in bits.
struct Flags;

impl Flags {
    const HOLDS: u8 = 1;
    /// The person entered, at the moment since when the answer stands.
    const ENTERED_SINCE: u8 = 2;
    /// The person entered at another moment.
    const ENTERED: u8 = 4;
    const NEXT: u8 = 8;
}

#[derive(Serialize, Deserialize)]
enum PackedChange {
    /// The last answer of the membership in this place.
    Last(Place, Cause, bool),
    Other(Change),
}

impl PackedSegments {
    pub(super) fn of(segments: &Segments, changes: &[Change], to: &mut Tables) -> Self {
        let (mut entered, mut next) = (Vec::new(), Vec::new());
        let mut membership = |(id, of): (&SegmentId, &Membership)| {
            let mut flags = if of.holds { Flags::HOLDS } else { 0 };
            match of.entered {
                Some(at) if at == of.since => flags |= Flags::ENTERED_SINCE,
                Some(at) => {
                    flags |= Flags::ENTERED;
                    entered.push(to.moment(at));
                }
                None => (),
            }
            if let Some(of) = of.next {
                flags |= Flags::NEXT;
                next.push(of);
            }
            (id.clone(), of.version, of.seq, to.moment(of.since), flags)
        };
        let memberships = segments.memberships.iter().map(&mut membership).collect();
        let (mut floors, mut totals) = (Vec::new(), Vec::new());
        let mut feature = |(place, (id, feature)): (Place, (&FeatureId, &Feature))| {
            to.feature(*id);
            floors.extend(feature.floor.map(|at| (place, to.moment(at))));
            totals.extend(feature.totals.clone().map(|totals| (place, totals)));
            let mut point = |point: &Point| {
                let stamp = Stamp { at: point.at, event: EventName(point.name) };
                (to.stamp(stamp), point.values.clone())
            };
            feature.points.iter().map(&mut point).collect()
        };
        let points = (0..).zip(&segments.features).map(&mut feature).collect();
        Self {
            definitions: segments.definitions,
            evaluated_at: to.moment(segments.evaluated_at),
            stale: segments.stale,
            until: segments.until.map(|at| to.moment(at)),
            memberships,
            entered,
            next,
            floors,
            totals,
            points,
            changes: packed(segments, changes),
        }
    }

    pub(super) fn segments(self, rows: &Rows) -> Result<(Segments, Vec<Change>), Corrupt> {
        let moment = |place: Place| rows.moment(place);
        let (mut entered, mut next) = (self.entered.into_iter(), self.next.into_iter());
        let mut memberships = Vec::new();
        for (id, version, seq, since, flags) in self.memberships {
            let since = moment(since)?;
            let entered = match flags {
                flags if flags & Flags::ENTERED_SINCE != 0 => Some(since),
                flags if flags & Flags::ENTERED != 0 => Some(moment(entered.next().ok_or(Corrupt::Bytes)?)?),
                _ => None,
            };
            let next = (flags & Flags::NEXT != 0).then(|| next.next().ok_or(Corrupt::Bytes)).transpose()?;
            let holds = flags & Flags::HOLDS != 0;
            memberships.push((id, Membership { version, holds, seq, since, entered, next }));
        }
        let changes = self.changes.into_iter().map(|change| unpacked(change, &memberships));
        let changes = changes.collect::<Result<_, _>>()?;
        let mut features = rows.features().zip(self.points).map(|(id, points)| {
            let point = |(stamp, values): PackedPoint| {
                let Stamp { at, event } = rows.stamp(stamp)?;
                Ok(Point { at, name: event.0, values })
            };
            let points = points.into_iter().map(point).collect::<Result<_, Corrupt>>()?;
            Ok((id, Feature { points, ..Feature::default() }))
        });
        let mut features: Vec<(FeatureId, Feature)> = features.by_ref().collect::<Result<_, Corrupt>>()?;
        for (place, at) in self.floors {
            at_place(&mut features, place)?.floor = Some(moment(at)?);
        }
        for (place, totals) in self.totals {
            at_place(&mut features, place)?.totals = Some(totals);
        }
        let segments = Segments {
            definitions: self.definitions,
            evaluated_at: moment(self.evaluated_at)?,
            stale: self.stale,
            until: self.until.map(moment).transpose()?,
            memberships: memberships.into_iter().collect(),
            features: features.into_iter().collect(),
        };
        Ok((segments, changes))
    }

    /// Whether there is nothing to be stored.
    pub(super) fn is_nothing(segments: &Segments, changes: &[Change]) -> bool {
        let is_asked = segments.evaluated_at != Timestamp::default()
            || segments.definitions != 0
            || segments.until.is_some();
        changes.is_empty() && !is_asked && segments.memberships.is_empty() && segments.features.is_empty()
    }
}

fn at_place(features: &mut [(FeatureId, Feature)], place: Place) -> Result<&mut Feature, Corrupt> {
    features.get_mut(place as usize).map(|(_, feature)| feature).ok_or(Corrupt::Bytes)
}

/// Most changes are the last answer of their membership, which says all but why.
fn packed(segments: &Segments, changes: &[Change]) -> Vec<PackedChange> {
    if changes.is_empty() {
        return Vec::new();
    }
    let memberships = || (0..).zip(&segments.memberships);
    let places: HashMap<&SegmentId, (Place, &Membership)> =
        memberships().map(|(place, (id, of))| (id, (place, of))).collect();
    let pack = |change: &Change| match places.get(&change.segment) {
        Some((place, of)) if *change == last(&change.segment, of, change.cause, change.silent) => {
            PackedChange::Last(*place, change.cause, change.silent)
        }
        _ => PackedChange::Other(change.clone()),
    };
    changes.iter().map(pack).collect()
}

fn unpacked(change: PackedChange, memberships: &[(SegmentId, Membership)]) -> Result<Change, Corrupt> {
    match change {
        PackedChange::Other(change) => Ok(change),
        PackedChange::Last(place, cause, silent) => {
            let (id, of) = memberships.get(place as usize).ok_or(Corrupt::Bytes)?;
            Ok(last(id, of, cause, silent))
        }
    }
}

fn last(segment: &SegmentId, of: &Membership, cause: Cause, silent: bool) -> Change {
    let Membership { version, seq, holds, since: at, .. } = *of;
    Change { of: None, segment: segment.clone(), version, seq, holds, at, cause, silent }
}
