//! Segments: who is in one, in which somebody is, and why.

use domain::key::{IdKey, ProfileId};
use domain::profile::Profile;
use domain::segment::compiled::{Compiled, Computed};
use domain::segment::list::{self, Answer as Given};
use domain::segment::settle::Changed;
use domain::segment::size::Size;
use domain::segment::stored::{SegmentId, SegmentSet, StoredSegment};
use domain::segment::verdict::Person;
use domain::segment::{Cause, Membership};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::People;
use serde_json::{Map, Value, json};

use super::answer::{Kind, Problem};
use super::find::{Found, unreadable};
use crate::write::after;

/// Members of one answer.
pub(crate) const MEMBERS_MAX: usize = 1_000;
/// What is asked for if the caller does not say.
pub(crate) const MEMBERS: usize = 100;
/// Rows that one answer reads: of those who left theirs stay, and there may be
/// far more of these than members.
pub(crate) const ROWS_MAX: usize = 5_000;
/// Changes of one answer about a person.
pub(crate) const HISTORY_MAX: usize = 1_000;

pub(crate) fn id(text: &str) -> Result<SegmentId, Problem> {
    SegmentId::parse(text).map_err(|_| nowhere())
}

pub(crate) fn nowhere() -> Problem {
    Problem::new(Kind::SegmentNotFound, "Look for its id in the list of segments")
}

/// All segments and computed traits of a workspace.
pub(crate) fn listed(set: &SegmentSet) -> Value {
    let (segments, computed): (Vec<&StoredSegment>, Vec<&StoredSegment>) =
        set.standing().partition(|one| one.is_segment());
    let all = |of: Vec<&StoredSegment>| of.into_iter().map(one).collect::<Vec<_>>();
    json!({ "version": set.version, "segments": all(segments), "computed": all(computed) })
}

/// How many people were in a segment, day by day.
pub(crate) fn sizes(segment: &SegmentId, sizes: &[Size]) -> Value {
    let size = |Size { day, version, members }: &Size| json!({ "day": day.to_string(), "version": version, "members": members });
    json!({ "segment": segment, "sizes": sizes.iter().map(size).collect::<Vec<_>>() })
}

/// Each computed trait with its value at this moment; one that is not known yet
/// has none, and is not complete.
pub(crate) fn computed(profile: &Profile, compiled: &Compiled, now: Timestamp) -> Map<String, Value> {
    let person = Person::new(compiled, profile, &profile.segments.memberships, now);
    let stand = compiled.computed.iter().filter(|computed| !computed.is_silent);
    let value = |computed: &Computed| {
        let (value, complete) = person.value(&computed.ready.rule).unwrap_or((Value::Null, false));
        (computed.id.to_string(), json!({ "value": value, "complete": complete }))
    };
    stand.map(value).collect()
}

/// One segment with its document and where its versions are.
pub(crate) fn one(segment: &StoredSegment) -> Value {
    let document = segment.document().unwrap_or_default();
    json!({
        "id": segment.id,
        "name": document.get("name"),
        "active_version": segment.active.as_ref().map(|versioned| versioned.version),
        "pending_version": segment.pending.as_ref().map(|versioned| versioned.version),
        "document": document,
    })
}

/// The members of a segment, as its list has them: at most two minutes behind.
pub(crate) async fn members<P: People>(
    people: &P,
    key: &IdKey,
    workspace: &WorkspaceId,
    segment: &StoredSegment,
    cursor: Option<(u8, ProfileId)>,
    limit: usize,
) -> Result<Value, Problem> {
    let Some(version) = segment.active.as_ref().or(segment.pending.as_ref()) else { return Err(nowhere()) };
    let mut members = Vec::new();
    let (mut shard, mut behind) = cursor.map_or((0, None), |(shard, behind)| (shard, Some(behind)));
    let (mut rows, mut last, mut next) = (0, None::<ProfileId>, None);
    'shards: while shard < list::SHARDS {
        let collection = list::collection(key, workspace, &segment.id, version.version, shard);
        let (mut from, to) = list::rows_after(behind.take());
        loop {
            let page = people.items(workspace, collection, &from, &to).await?;
            for item in &page.items {
                let row = list::read_row(item).map_err(unreadable)?;
                if members.len() == limit || rows == ROWS_MAX {
                    next = last.map(|of| format!("{}{of}", list::shard(of)));
                    break 'shards;
                }
                (rows, last) = (rows + 1, Some(row.profile));
                if row.holds {
                    members.push((row.profile, row.since));
                }
            }
            match page.next {
                Some(last) => from = after(&last),
                None => break,
            }
        }
        shard += 1;
    }
    let member =
        |(of, since): &(ProfileId, Timestamp)| json!({ "id": of.to_string(), "since": since.rfc3339() });
    Ok(json!({
        "segment": segment.id,
        "version": version.version,
        "complete": segment.active.is_some(),
        "members": members.iter().map(member).collect::<Vec<_>>(),
        "next": next,
    }))
}

/// Reads the cursor that an answer gave.
pub(crate) fn cursor(text: &str) -> Result<(u8, ProfileId), Problem> {
    let read = || {
        let (shard, id) = text.split_at_checked(1)?;
        Some((shard.parse().ok().filter(|shard| *shard < list::SHARDS)?, ProfileId::parse(id)?))
    };
    read().ok_or_else(bad_cursor)
}

/// The change with which an answer about a person ended: whose it was, of which
/// segment, and its number.
pub(crate) type Behind = (ProfileId, SegmentId, u32);

/// Reads the cursor that an answer about a person gave.
pub(crate) fn behind(text: &str) -> Result<Behind, Problem> {
    let read = || {
        let (of, rest) = text.split_once('.')?;
        let (segment, seq) = rest.split_once('.')?;
        Some((ProfileId::parse(of)?, SegmentId::parse(segment).ok()?, seq.parse().ok()?))
    };
    read().ok_or_else(bad_cursor)
}

fn bad_cursor() -> Problem {
    Problem::new(Kind::BadCursor, "Send the `next` of the answer before, as it was")
}

/// In which segments somebody is at this moment, and what changed: by whom of
/// those who are one now, by segment, so many changes an answer.
pub(crate) async fn of_person<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    found: &Found,
    compiled: &Compiled,
    cursor: Option<Behind>,
    now: Timestamp,
) -> Result<Value, Problem> {
    let profile = at(&found.profile, compiled, now);
    let answers: Vec<Value> = compiled
        .segments
        .iter()
        .filter(|segment| !segment.is_silent)
        .map(|segment| {
            let membership = profile.segments.memberships.get(&segment.id);
            let verdict =
                Person::new(compiled, &profile, &profile.segments.memberships, profile.segments.evaluated_at)
                    .verdict(&segment.ready.rule);
            json!({
                "segment": segment.id,
                "version": segment.version,
                "in": membership.is_some_and(|of| of.holds),
                "answer": verdict.truth.name(),
                "until": verdict.until.map(Timestamp::rfc3339),
                "since": membership.map(|of| of.since.rfc3339()),
                "entered": membership.and_then(entered),
            })
        })
        .collect();
    let (mut history, next) = history(people, workspace, found, cursor).await?;
    history.sort_by(|a, b| (a.at, &a.segment, a.seq).cmp(&(b.at, &b.segment, b.seq)));
    Ok(json!({
        "id": found.id.to_string(),
        "at": profile.segments.evaluated_at.rfc3339(),
        "segments": answers,
        "history": history.iter().map(given).collect::<Vec<_>>(),
        "next": next,
    }))
}

/// The next changes of a person, and the cursor of those that follow.
async fn history<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    found: &Found,
    mut cursor: Option<Behind>,
) -> Result<(Vec<Given>, Option<String>), Problem> {
    let mut history: Vec<Given> = Vec::new();
    let mut last = None;
    for (id, _) in found.profile.collections(found.id) {
        if cursor.as_ref().is_some_and(|(of, ..)| *of != id) {
            continue;
        }
        let behind = cursor.take();
        let behind = behind.map(|(_, segment, seq)| list::answers_behind(&segment, seq));
        let (mut from, to) = behind.unwrap_or_else(|| list::answers(None));
        loop {
            let page = people.items(workspace, id, &from, &to).await?;
            for item in &page.items {
                if history.len() == HISTORY_MAX {
                    return Ok((history, last));
                }
                let answer = list::read_answer(item).map_err(unreadable)?;
                last = Some(format!("{id}.{}.{}", answer.segment, answer.seq));
                history.push(answer);
            }
            match page.next {
                Some(next) => from = after(&next),
                None => break,
            }
        }
    }
    // Whose it was is not one of these any more.
    if cursor.is_some() { Err(bad_cursor()) } else { Ok((history, None)) }
}

/// Why somebody is in a segment or not, at this moment.
pub(crate) fn explained(
    found: &Found,
    compiled: &Compiled,
    segment: &SegmentId,
    now: Timestamp,
) -> Result<Value, Problem> {
    let of = compiled.segment(segment).ok_or_else(nowhere)?;
    let profile = at(&found.profile, compiled, now);
    let at = profile.segments.evaluated_at;
    let person = Person::new(compiled, &profile, &profile.segments.memberships, at);
    let explained = person.explain(&of.ready.rule);
    Ok(json!({
        "id": found.id.to_string(),
        "segment": segment,
        "version": of.version,
        "at": at.rfc3339(),
        "because": explained.json(),
    }))
}

/// The profile as it is at this moment, whatever the sweep has not seen yet.
fn at(profile: &Profile, compiled: &Compiled, now: Timestamp) -> Profile {
    let mut profile = profile.clone();
    if profile.segments.until.is_some_and(|until| until <= now) {
        profile.advance(compiled, now);
    }
    profile.settle(compiled, &Changed::default(), true, now, Cause::Time);
    profile
}

fn entered(membership: &Membership) -> Option<String> {
    membership.entered.map(Timestamp::rfc3339)
}

fn given(answer: &Given) -> Value {
    let Given { segment, version, holds, at, cause, .. } = answer;
    let what = if *holds { "entered" } else { "exited" };
    json!({ "segment": segment, "version": version, "what": what, "at": at.rfc3339(), "cause": cause.name() })
}
