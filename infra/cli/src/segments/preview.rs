//! How many people a definition would hold, before it is published.
//!
//! People fall into the parts of a store by chance, so that the first of many
//! parts is a fair sample, and all parts of one are everybody.

use std::collections::{BTreeMap, BTreeSet};

use domain::key::ProfileId;
use domain::profile::merge::is_root;
use domain::segment::compiled::Compiled;
use domain::segment::read::{Defined, Mistake, read};
use domain::segment::stored::{SegmentId, SegmentSet};
use domain::segment::verdict::{Person, Truth};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use futures_util::StreamExt as _;
use ports::people::Read;
use ports::{Clock, Definitions, Entropy, People, Queue, Unavailable};
use profile::Writer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::deployed::Stack;
use crate::operate::arguments::Place;
use crate::operate::{self, Refused};
use crate::output::{self, Failed};

/// The tool of a running platform that previews.
pub(crate) const TOOL: &str = "preview";
/// Parts into which the store falls: few people are looked for in few parts.
const PARTS: [u32; 6] = [32_768, 4_096, 512, 64, 8, 1];
/// People who are asked side by side.
const AT_ONCE: usize = 16;
/// People who are read at once.
const READ_AT_ONCE: usize = 100;
/// People who are named.
const EXAMPLES: usize = 5;
/// Other segments that are named: those that have most of the people.
const OVERLAPS: usize = 10;
/// Of so many standard deviations 95 in 100 samples are within.
const DEVIATIONS: f64 = 1.96;
/// The name of a definition that has none yet.
const UNNAMED: &str = "preview";

/// What is to be previewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) workspace: Option<WorkspaceId>,
    /// The segment that it is to change.
    pub(crate) segment: Option<SegmentId>,
    /// JSON, as written.
    pub(crate) document: String,
    /// People who are asked at least.
    pub(crate) sample: u32,
}

pub(crate) async fn run(place: &Place, asked: &Asked) -> Result<(), Failed> {
    let answer = if let Some(name) = &place.stack {
        let stack = Stack::open(name, place.region.as_deref()).await?;
        stack.explained(of_stack(&stack, asked).await)?
    } else {
        Client::of(&place.target)?.post(&format!("/_local/{TOOL}"), &serde_json::to_value(asked)?).await?
    };
    if place.json {
        output::line(&answer.to_string());
    } else {
        output::lines(&lines(&answer));
    }
    Ok(())
}

async fn of_stack(stack: &Stack, asked: &Asked) -> Result<Value, Failed> {
    let table = |holds| stack.table("profile", holds);
    let writer = Writer {
        people: dynamodb::People::new(stack.dynamodb(), table("people")?, table("identities")?),
        merges: stack.queue("identity")?,
        messages: None,
        clock: runtime::SystemClock,
        entropy: runtime::SystemEntropy,
        key: stack.id_key().await?,
    };
    let definitions = stack.definitions();
    let workspace = operate::workspace(&definitions, asked.workspace.as_ref()).await?;
    preview(&writer, &definitions, &workspace.id, asked).await
}

/// What was found of people who were asked.
#[derive(Debug, Default)]
struct Found {
    asked: u64,
    members: u64,
    /// Who cannot be told, for not all is kept that would have to be known.
    unknown: u64,
    examples: Vec<ProfileId>,
    /// Of other segments: members who were asked, and those who are in both.
    others: BTreeMap<SegmentId, (u64, u64)>,
}

/// Asks a sample, and says what it tells of everybody. Nothing is written.
pub(crate) async fn preview<P: People, Q: Queue, C: Clock, E: Entropy, D: Definitions>(
    writer: &Writer<P, Q, C, E>,
    definitions: &D,
    workspace: &WorkspaceId,
    asked: &Asked,
) -> Result<Value, Failed> {
    let set = definitions.segments(workspace).await?;
    let id = asked.segment.clone().map_or_else(|| SegmentId::parse(UNNAMED), Ok)?;
    let compiled = proposed(&set, &id, asked, writer.clock.now())?;
    let (ids, parts) = sample(&writer.people, workspace, asked.sample).await?;
    let mut found = Found::default();
    for some in ids.chunks(READ_AT_ONCE) {
        found.ask(writer, workspace, (&compiled, &id), some).await?;
    }
    let [members, least, most] = estimate(found.members, parts);
    let share = |of: u64, all: u64| (all > 0).then(|| ratio(of, all));
    let mut others: Vec<(SegmentId, (u64, u64))> = found.others.into_iter().collect();
    others.retain(|(_, (_, both))| *both > 0);
    others.sort_by(|(a, (_, a_both)), (b, (_, b_both))| b_both.cmp(a_both).then_with(|| a.cmp(b)));
    let other = |(id, (size, both)): (SegmentId, (u64, u64))| json!({ "segment": id, "share_of_these": share(both, found.members), "share_of_it": share(both, size) });
    Ok(json!({
        "workspace": workspace,
        "asked": found.asked,
        "of": estimate(found.asked, parts)[0],
        "members": { "estimate": members, "at_least": least, "at_most": most },
        "unknown": found.unknown,
        "examples": found.examples.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "overlap": others.into_iter().take(OVERLAPS).map(other).collect::<Vec<_>>(),
    }))
}

/// The definitions as they would be with this one in force.
fn proposed(set: &SegmentSet, id: &SegmentId, asked: &Asked, now: Timestamp) -> Result<Compiled, Failed> {
    let refuse =
        |reason: String| Refused::Segment(vec![Mistake { place: "the document".to_owned(), reason }]);
    let definition = read(&asked.document).map_err(Refused::Segment)?;
    if let Defined::Computed(_) = definition.is {
        return Err(refuse("defines a computed trait, which nobody is in".to_owned()).into());
    }
    let mut next = set.publish(id, &asked.document, now).map_err(Refused::Segment)?;
    next.active = next.pending.take();
    Ok(set.with(next).compile()?)
}

/// People of the first of so many parts that they are enough, and of how many parts.
async fn sample<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    least: u32,
) -> Result<(Vec<ProfileId>, u32), Unavailable> {
    let mut ids = Vec::new();
    let mut of = 1;
    for parts in PARTS {
        (ids, of) = (Vec::new(), parts);
        let mut cursor = None;
        loop {
            let page = people.everyone(0, parts, cursor.as_deref()).await?;
            ids.extend(page.people.into_iter().filter(|(whose, _)| whose == workspace).map(|(_, id)| id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        if ids.len() >= least as usize {
            break;
        }
    }
    Ok((ids, of))
}

impl Found {
    async fn ask<P: People, Q: Queue, C: Clock, E: Entropy>(
        &mut self,
        writer: &Writer<P, Q, C, E>,
        workspace: &WorkspaceId,
        (compiled, id): (&Compiled, &SegmentId),
        ids: &[ProfileId],
    ) -> Result<(), Failed> {
        let stored = writer.people.profiles(workspace, ids, Read::Eventual).await?;
        let there = ids.iter().copied().zip(stored).filter_map(|(id, stored)| Some((id, stored?)));
        let asks = there.map(|(of, stored)| async move {
            let profile = runtime::stored::profile(of, &stored);
            let profile = profile.map_err(|failure| runtime::failure::chain(failure.cause()))?;
            if !is_root(&profile) {
                return Ok(None);
            }
            let asked = writer.asked(compiled, workspace, (of, &profile), writer.clock.now()).await?;
            Ok::<_, Failed>(Some((of, asked)))
        });
        let mut asks = futures_util::stream::iter(asks).buffered(AT_ONCE);
        while let Some(asked) = asks.next().await {
            let Some((of, profile)) = asked? else { continue };
            self.asked += 1;
            let memberships = profile.segments.memberships.iter().filter(|(_, of)| of.holds);
            let holding: BTreeSet<&SegmentId> = memberships.map(|(segment, _)| segment).collect();
            let is_in = holding.contains(id);
            if is_in {
                self.members += 1;
                if self.examples.len() < EXAMPLES {
                    self.examples.push(of);
                }
            }
            let segments = &profile.segments;
            let person = Person::new(compiled, &profile, &segments.memberships, segments.evaluated_at);
            let truth = compiled.segment(id).map(|segment| person.verdict(&segment.ready.rule).truth);
            self.unknown += u64::from(truth == Some(Truth::Unknown));
            for other in holding.into_iter().filter(|other| *other != id) {
                let (size, both) = self.others.entry(other.clone()).or_default();
                *size += 1;
                *both += u64::from(is_in);
            }
        }
        Ok(())
    }
}

/// How many there are of whom so many were found in one of `parts`, and the
/// bounds within which that is in 95 of 100 samples: each person is in the
/// sample by the same chance, apart from all others, so that their number has
/// Poisson's distribution, narrowed by the share that was asked; the bounds are
/// those of Wilson's score.
fn estimate(found: u64, parts: u32) -> [u64; 3] {
    let [found, parts] = [real(found), f64::from(parts)];
    let spread = DEVIATIONS * DEVIATIONS * (1.0 - 1.0 / parts);
    let (middle, half) = (found + spread / 2.0, (spread * found + spread * spread / 4.0).sqrt());
    // Whoever was found is there.
    let least = ((middle - half) * parts).max(found);
    [whole(found * parts), whole(least.floor()), whole(((middle + half) * parts).ceil())]
}

fn real(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an estimate of people")]
    let real = number as f64;
    real
}

fn whole(number: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of people")]
    let whole = number.round() as u64;
    whole
}

fn ratio(of: u64, all: u64) -> f64 {
    (real(of) / real(all) * 1_000.0).round() / 1_000.0
}

fn lines(answer: &Value) -> Vec<String> {
    let number = |path: &str| answer.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let list = |field: &str| answer.get(field).and_then(Value::as_array).into_iter().flatten();
    let (members, asked, of) = (number("/members/estimate"), number("/asked"), number("/of"));
    let (least, most) = (number("/members/at_least"), number("/members/at_most"));
    let mut lines = vec![if least == most {
        format!("{members} of {of} people: all of them were asked.")
    } else {
        format!("About {members} of {of} people, in 95 of 100 cases {least} to {most}: {asked} were asked.")
    }];
    let unknown = number("/unknown");
    if unknown > 0 {
        lines.push(format!(
            "Of {unknown} who were asked it cannot be told: not all is kept that it asks for."
        ));
    }
    let percent =
        |one: &Value, field: &str| one.get(field).and_then(Value::as_f64).map_or(0.0, |of| of * 100.0);
    for one in list("overlap") {
        let segment = one.get("segment").and_then(Value::as_str).unwrap_or_default();
        let (these, it) = (percent(one, "share_of_these"), percent(one, "share_of_it"));
        lines.push(format!("{these:.1} % of them are in `{segment}`, of whose members they are {it:.1} %."));
    }
    let examples: Vec<&str> = list("examples").filter_map(Value::as_str).collect();
    if !examples.is_empty() {
        lines.push(format!("Some of them: {}", examples.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests;
