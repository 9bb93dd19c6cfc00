//! Asking everybody about a thousand new segments, beside a naive pass.

use domain::time::Timestamp;
use ports::Clock as _;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::people::{self, Known, Town};
use super::{made, naive, peak_bytes, thread_seconds};
use crate::corpus::Corpus;
use crate::failed::{Failed, ensure};
use crate::rules::count;
use crate::usage::real;

pub(crate) const A_THOUSAND: usize = 1_000;
/// Of so many people one is also walked naively: that is slow.
const NAIVE_EVERY: usize = 10;
/// People who differ; more are these again.
const VARIANTS: usize = 400;

/// What asking took.
pub(crate) struct Asked {
    pub(crate) segments: u64,
    pub(crate) profiles: u64,
    /// Whether features are known already.
    pub(crate) is_built: bool,
    /// Seconds a profile: its item and pages read, all segments asked, the item made again.
    pub(crate) seconds: f64,
    pub(crate) naive_seconds: f64,
    pub(crate) memberships: f64,
    /// Bytes of a profile item before and after, on average.
    pub(crate) bytes: [f64; 2],
    /// Peak memory before and after all of them, in bytes.
    pub(crate) memory: [u64; 2],
}

impl Asked {
    pub(crate) fn ratio(&self) -> f64 {
        self.seconds / self.naive_seconds
    }
}

/// Asks so many people about so many segments that nobody was asked before; with
/// `is_built` their features are known, as when definitions change that share them.
pub(crate) fn ask(
    runtime: &Runtime,
    corpus: &Corpus,
    (segments, profiles): (usize, usize),
    (months, is_built): (i64, bool),
) -> Result<Asked, Failed> {
    let town = Town::new()?;
    let mut known = town.settle(runtime, corpus, (VARIANTS.min(profiles), months))?;
    let set = made::set(segments, town.clock.now())?;
    let conditions = made::conditions(segments);
    town.define(set);
    let now = town.clock.now();
    if is_built {
        for one in &mut known {
            one.stored.body = known_but_not_asked(runtime, &town, one)?;
        }
    }
    agree(runtime, &town, &known, &conditions, now)?;
    let memory = peak_bytes()?;
    let (mut ours, mut theirs, mut walked) = (0.0, 0.0, 0_usize);
    let (mut memberships, mut bytes) = (0_u64, [0_u64; 2]);
    for (number, one) in known.iter().cycle().take(profiles).enumerate() {
        let before = thread_seconds()?;
        let next = look(runtime, &town, one)?;
        ours += thread_seconds()? - before;
        memberships += count(next.1);
        bytes = [bytes[0] + count(one.stored.body.len()), bytes[1] + count(next.0.len())];
        if number % NAIVE_EVERY == 0 {
            let before = thread_seconds()?;
            std::hint::black_box(naive::walk(&one.naive, &conditions, now)?);
            theirs += thread_seconds()? - before;
            walked += 1;
        }
    }
    let all = real(count(profiles));
    Ok(Asked {
        segments: count(segments),
        profiles: count(profiles),
        is_built,
        seconds: ours / all,
        naive_seconds: theirs / real(count(walked)),
        memberships: real(memberships) / all,
        bytes: bytes.map(|bytes| real(bytes) / all),
        memory: [memory, peak_bytes()?],
    })
}

/// What callgrind counts of asking: so many people, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Features are built from the timeline, answers given, the item made.
    New,
    /// The same of somebody whose features are known.
    Known,
    Naive,
}

/// Asks so many people about a thousand segments, for callgrind.
pub(crate) fn measured(
    runtime: &Runtime,
    corpus: &Corpus,
    of: Of,
    (months, profiles): (i64, usize),
) -> Result<(), Failed> {
    let town = Town::new()?;
    let mut known = town.settle(runtime, corpus, (profiles, months))?;
    let conditions = made::conditions(A_THOUSAND);
    town.define(made::set(A_THOUSAND, town.clock.now())?);
    for one in &mut known {
        // Warms what a function remembers, and gives whom to ask.
        let body = known_but_not_asked(runtime, &town, one)?;
        if of == Of::Known {
            one.stored.body = body;
        }
    }
    for one in &known {
        if of == Of::Naive {
            std::hint::black_box(measured_naive(&one.naive, &conditions, town.clock.now())?);
        } else {
            std::hint::black_box(measured_look(runtime, &town, one)?);
        }
    }
    Ok(())
}

#[inline(never)]
fn measured_naive(profile: &[u8], conditions: &[Value], now: Timestamp) -> Result<usize, serde_json::Error> {
    naive::walk(profile, conditions, now)
}

#[inline(never)]
fn measured_look(runtime: &Runtime, town: &Town, one: &Known) -> Result<usize, Failed> {
    Ok(look(runtime, town, one)?.0.len())
}

/// One person as the segments stage looks at them: read, asked, made again.
#[inline(never)]
fn look(runtime: &Runtime, town: &Town, one: &Known) -> Result<(Vec<u8>, usize), Failed> {
    let writer = &town.stage.writer;
    let profile =
        runtime::stored::profile(one.id, &one.stored).map_err(|failure| people::failed(&failure))?;
    let next = runtime
        .block_on(writer.refreshed(
            &town.stage.definitions,
            &town.workspace,
            one.id,
            (&profile, 0),
            town.clock.now(),
        ))
        .map_err(|failure| people::failed(&failure))?;
    let holding = next.segments.memberships.values().filter(|of| of.holds).count();
    Ok((next.encode(), holding))
}

/// Both designs see the same members, or the ratio means nothing.
fn agree(
    runtime: &Runtime,
    town: &Town,
    known: &[Known],
    conditions: &[Value],
    now: Timestamp,
) -> Result<(), Failed> {
    for one in known {
        let (_, ours) = look(runtime, town, one)?;
        let theirs = naive::walk(&one.naive, conditions, now)?;
        ensure(ours == theirs, || {
            format!("{ours} segments hold somebody whom the naive pass sees in {theirs}")
        })?;
    }
    Ok(())
}

/// A profile whose features are built, and which was asked nothing.
fn known_but_not_asked(runtime: &Runtime, town: &Town, one: &Known) -> Result<Vec<u8>, Failed> {
    let (body, _) = look(runtime, town, one)?;
    let mut profile = domain::profile::Profile::decode(&body)?;
    profile.segments.definitions = 0;
    profile.segments.memberships.clear();
    profile.outbox = domain::profile::outbox::Outbox::default();
    Ok(profile.encode())
}
