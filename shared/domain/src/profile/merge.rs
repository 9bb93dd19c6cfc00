//! Two profiles that are one person: whether they may be made one, which of
//! them goes on, and what each is then.

use super::{Absorbed, Family, Profile, Standing, outbox::Outbox, outbox::Tie};
use crate::identifier::{Identifier, USER_ID};
use crate::key::ProfileId;
use crate::rules::{Broken, Rules};
use crate::segment::stored::SegmentId;
use crate::segment::{Cause, Change, Membership, Segments};
use crate::time::Timestamp;

/// A profile and its id.
pub type Named = (ProfileId, Profile);

/// What a merge writes, both in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub survivor: Named,
    /// Frozen but for the pointer to the survivor: an unmerge begins with it.
    pub absorbed: Named,
}

/// Why two profiles stay two.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("an operator took the two apart; allow the tie to make them one again")]
    Apart,
    #[error("the profile would hold more than {limit} of kind `{kind}`")]
    Limit { kind: String, limit: usize },
    #[error("the profile would take more than {limit} of kind `{kind}` in one {period}")]
    Frequency { kind: String, limit: usize, period: &'static str },
    #[error("a profile with a `{of}` may hold at most {limit} of kind `{kind}`")]
    Cardinality { of: String, kind: String, limit: usize },
    #[error("the profile would hold more than {limit} identifiers")]
    Identifiers { limit: usize },
    #[error("the profile would have taken in more than {limit} others")]
    Merges { limit: usize },
    #[error("identifiers of kind `{kind}` never make two known users one")]
    Shared { kind: String },
}

impl Refusal {
    /// The name by which refusals are counted and shown.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Apart => "taken_apart",
            Self::Limit { .. } => "limit",
            Self::Frequency { .. } => "frequency",
            Self::Cardinality { .. } => "cardinality",
            Self::Identifiers { .. } => "identifiers",
            Self::Merges { .. } => "merges",
            Self::Shared { .. } => "shared_kind",
        }
    }
}

/// Makes two profiles one, if the rules let them.
///
/// Both are at the end of their ways and live. The survivor follows from what
/// the two are and not from which came first: the one that was seen earlier,
/// else the one with the lesser id.
pub fn merge(rules: &Rules, tie: &Tie, now: Timestamp, a: Named, b: Named) -> Result<Merged, Refusal> {
    may(rules, tie, &a, &b)?;
    let (survivor, absorbed) = if rank(&a) <= rank(&b) { (a, b) } else { (b, a) };
    Ok(unite(tie, now, survivor, absorbed))
}

fn unite(tie: &Tie, now: Timestamp, (to, survivor): Named, (from, absorbed): Named) -> Merged {
    let how = Absorbed { epoch: absorbed.epoch, at: now, tie: tie.mark() };
    let withdrawn = withdrawn(from, &absorbed, now);
    let entered: Vec<Change> = absorbed
        .segments
        .memberships
        .iter()
        .filter(|(id, of)| of.holds && !survivor.segments.memberships.get(*id).is_some_and(|own| own.holds))
        .map(|(segment, of)| {
            let own = survivor.segments.memberships.get(segment);
            let seq = own.map_or(of.seq, |own| own.seq.max(of.seq)).saturating_add(1);
            let version = own.map_or(of.version, |own| own.version.max(of.version));
            let segment = segment.clone();
            Change {
                of: None,
                segment,
                version,
                seq,
                holds: true,
                at: now,
                cause: Cause::Merge,
                silent: true,
            }
        })
        .collect();
    let frozen = Profile {
        segments: frozen_segments(&absorbed),
        outbox: Outbox::default(),
        family: Family { absorbed_into: Some(to), ..absorbed.family.clone() },
        ..absorbed.clone()
    };
    // What it still had to tell it told of itself.
    let mut absorbed = absorbed;
    let changes = absorbed.outbox.changes().iter().cloned();
    let changes = changes.map(|change| Change { of: change.of.or(Some(from)), ..change }).collect();
    absorbed.outbox = Outbox::from_parts(absorbed.outbox.ties().to_vec(), changes);
    let mut united = survivor.union(absorbed);
    united.family.absorbed.insert(from, how);
    for change in &entered {
        if let Some(membership) = united.segments.memberships.get_mut(&change.segment) {
            membership.seq = change.seq;
        }
    }
    for change in withdrawn.into_iter().chain(entered) {
        united.outbox.change(change);
    }
    if !united.segments.is_empty() {
        united.segments.until = Some(now);
    }
    Merged { survivor: (to, united), absorbed: (from, frozen) }
}

/// Whoever is in with the one that is taken in leaves the lists as that one,
/// those of versions to come included.
fn withdrawn(from: ProfileId, absorbed: &Profile, now: Timestamp) -> Vec<Change> {
    let leave = |segment: &SegmentId, version: u32, seq: u32| Change {
        of: Some(from),
        segment: segment.clone(),
        version,
        seq: seq.saturating_add(1),
        holds: false,
        at: now,
        cause: Cause::Merge,
        silent: true,
    };
    let of_one = |(segment, of): (&SegmentId, &Membership)| {
        let stands = of.holds.then(|| leave(segment, of.version, of.seq));
        let comes = of.next.filter(|next| next.holds).map(|next| leave(segment, next.version, next.seq));
        stands.into_iter().chain(comes).collect::<Vec<_>>()
    };
    absorbed.segments.memberships.iter().flat_map(of_one).collect()
}

/// The absorbed one acts no more: it is in no list, and nothing of it is due.
fn frozen_segments(absorbed: &Profile) -> Segments {
    let mut segments = absorbed.segments.clone();
    segments.until = None;
    segments.features.clear();
    for membership in segments.memberships.values_mut() {
        if membership.holds {
            membership.holds = false;
            membership.seq = membership.seq.saturating_add(1);
        }
        if let Some(next) = membership.next.as_mut().filter(|next| next.holds) {
            next.holds = false;
            next.seq = next.seq.saturating_add(1);
        }
    }
    segments
}

fn may(rules: &Rules, tie: &Tie, a: &Named, b: &Named) -> Result<(), Refusal> {
    if are_apart(a, b) || are_apart(b, a) {
        return Err(Refusal::Apart);
    }
    let (a, b) = (&a.1, &b.1);
    if let Some(shared) =
        tie.identifiers.iter().find(|one| rules.shared.iter().any(|kind| kind == one.kind()))
        && is_known(a)
        && is_known(b)
    {
        return Err(Refusal::Shared { kind: shared.kind().to_owned() });
    }
    if a.family.absorbed.len() + b.family.absorbed.len() >= rules.merges_max {
        return Err(Refusal::Merges { limit: rules.merges_max });
    }
    let held: Vec<(&Identifier, Timestamp)> =
        a.identifiers.iter().chain(&b.identifiers).map(|(one, held)| (one, held.since)).collect();
    rules.broken(&held).map_or(Ok(()), |broken| Err(broken.into()))
}

/// Whether one of `a` was taken apart from one of `b`.
fn are_apart((_, a): &Named, (id, b): &Named) -> bool {
    a.family.apart.iter().any(|apart| apart == id || b.family.absorbed.contains_key(apart))
}

fn is_known(profile: &Profile) -> bool {
    profile.identifiers.keys().any(|identifier| identifier.kind() == USER_ID)
}

/// What a merge leaves as it is in the survivor, or the order of three merges
/// would decide which of three goes on.
fn rank((id, profile): &Named) -> (Timestamp, ProfileId) {
    let (first, _) = profile.counters.seen();
    (first.unwrap_or_default(), *id)
}

/// Whether a profile can be merged at all.
pub fn is_root(profile: &Profile) -> bool {
    profile.standing == Standing::Live && profile.family.absorbed_into.is_none()
}

impl From<Broken<'_>> for Refusal {
    fn from(broken: Broken<'_>) -> Self {
        match broken {
            Broken::Limit { kind, limit } => Self::Limit { kind: kind.to_owned(), limit },
            Broken::Frequency(rule) => {
                Self::Frequency { kind: rule.kind.clone(), limit: rule.limit, period: rule.period.name() }
            }
            Broken::Cardinality(rule) => {
                Self::Cardinality { of: rule.of.clone(), kind: rule.kind.clone(), limit: rule.limit }
            }
            Broken::Identifiers { limit } => Self::Identifiers { limit },
        }
    }
}
