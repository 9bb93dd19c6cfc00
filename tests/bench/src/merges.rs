//! What it takes to make two people one.

use std::collections::BTreeMap;

use domain::identifier::Identifier;
use domain::identity_request::{IdentityRequest, Work};
use domain::key::IdKey;
use domain::profile::outbox::{Tie, TieReason};
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use dynamodb::{Definitions, People, Rejections};
use identity::{Outcome, Stage};
use runtime::definitions::Kept;
use serde_json::json;
use testkit::{SeededEntropy, TestClock};

use crate::corpus::{Corpus, Sample, TODAY};
use crate::design::Design;
use crate::failed::{Failed, Wrong, ensure};
use crate::rules::{count, item_bytes, write_units};
use crate::sizes::{profile, text};
use crate::slopes::{Point, known_at_once};
use crate::template::Template;
use crate::tributary::{ID_KEY, Loaded, Tributary, WORKSPACE};
use crate::usage::{quantile, real};

const BIN: &str = "identity-merge";
/// Identifiers of one event of a system that knows many.
const AN_EVENT: usize = 12;
/// Events of the person who meets the measured one.
const OTHER: u32 = 1;

type RealStage =
    Stage<People, Kept<Definitions<TestClock>, TestClock>, Rejections<TestClock>, TestClock, SeededEntropy>;

/// What one merge took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merge {
    pub(crate) calls: u64,
    pub(crate) read_halves: u64,
    pub(crate) write_units: u64,
    /// KB of the two profiles, each as large as it was or is, begun ones whole, twice.
    pub(crate) twice_both: u64,
    /// Of these, units of ledger pages: what one ledger has no room for.
    pub(crate) ledger: u64,
    pub(crate) identifiers: u64,
}

/// Merges of the corpus's people, in pairs.
pub(crate) async fn of_pairs(template: &Template, loaded: &Loaded) -> Result<Vec<Merge>, Failed> {
    let world = Tributary::with(template, loaded).await?;
    let stage = stage(template, &world).await?;
    let mut firsts = Vec::new();
    for item in world.store.items(&world.people_table)?.iter().filter(|item| text(item, "sk") == "profile") {
        firsts.extend(profile(item)?.identifiers.keys().next().cloned());
    }
    let mut merges = Vec::new();
    for pair in firsts.chunks_exact(2) {
        if let [a, b] = pair {
            merges.push(merge(&world, &stage, [a, b]).await?);
        }
    }
    Ok(merges)
}

/// A merge of somebody with so many events and so many identifiers.
pub(crate) async fn of_somebody(
    template: &Template,
    corpus: &Corpus,
    events: usize,
    identifiers: usize,
) -> Result<Merge, Failed> {
    let world = Tributary::empty(template).await?;
    let stage = stage(template, &world).await?;
    let person = known_at_once(corpus)?;
    let mut history = person.history(events)?;
    for (number, first) in (0..identifiers).step_by(AN_EVENT).enumerate() {
        history.push(knowing(&history, number, first..identifiers.min(first + AN_EVENT))?);
    }
    let other: Vec<Sample> = corpus.history.iter().filter(|sample| sample.person == OTHER).cloned().collect();
    for samples in [history, other] {
        for request in samples.chunk_by(|a, b| a.sdk == b.sdk).flat_map(|of_one| of_one.chunks(100)) {
            world.post(&request.iter().collect::<Vec<_>>()).await?;
            world.work().await?;
        }
    }
    let mut firsts = Vec::new();
    for item in world.store.items(&world.people_table)?.iter().filter(|item| text(item, "sk") == "profile") {
        firsts.extend(profile(item)?.identifiers.keys().next().cloned());
    }
    let [a, b] = firsts.as_slice() else {
        return Err(Wrong(format!("two people were to meet, not {}", firsts.len())).into());
    };
    merge(&world, &stage, [a, b]).await
}

/// An event that also brings these cards.
fn knowing(history: &[Sample], number: usize, cards: std::ops::Range<usize>) -> Result<Sample, Failed> {
    let nobody = || Wrong("a history begins with its person".to_owned());
    let mut sample = history.first().cloned().ok_or_else(nobody)?;
    let ids: Vec<_> = cards.map(|card| json!({ "id": format!("card-{card:06}"), "type": "card" })).collect();
    let context = sample.event.entry("context").or_insert_with(|| json!({}));
    if let Some(context) = context.as_object_mut() {
        context.insert("externalIds".to_owned(), ids.into());
    }
    sample.event.insert("messageId".to_owned(), json!(format!("cards-{number}")));
    Ok(sample)
}

/// The identity stage over the world's store; no limit keeps people apart.
async fn stage(template: &Template, world: &Tributary) -> Result<RealStage, Failed> {
    let clock = TestClock::at(Timestamp::parse(TODAY).unwrap_or_default().plus(Timestamp::DAY));
    let client = || world.store.client.clone();
    let definitions = Definitions::new(client(), template.table(BIN, "DEFINITIONS_TABLE")?, clock.clone());
    let most = Rules::default().identifiers_max;
    let rules = Rules { version: 2, limits: Vec::new(), limit_default: most, ..Rules::default() };
    definitions.replace_rules(&WorkspaceId::parse(WORKSPACE)?, 1, &rules).await?;
    Ok(Stage {
        people: People::new(
            client(),
            template.table(BIN, "PEOPLE_TABLE")?,
            template.table(BIN, "IDENTITIES_TABLE")?,
        ),
        rejections: Rejections::new(client(), template.table(BIN, "REJECTIONS_TABLE")?, clock.clone()),
        definitions: Kept::new(definitions, clock.clone()),
        clock,
        entropy: SeededEntropy::seeded(3),
        key: IdKey::new(ID_KEY),
    })
}

async fn merge(world: &Tributary, stage: &RealStage, pair: [&Identifier; 2]) -> Result<Merge, Failed> {
    let tie = Tie {
        identifiers: pair.map(Clone::clone),
        reason: TieReason::SameEvent,
        source: "web".to_owned(),
        message_id: "both".to_owned(),
        at: Timestamp::parse(TODAY).unwrap_or_default(),
    };
    let request = IdentityRequest { workspace: WorkspaceId::parse(WORKSPACE)?, work: Work::Merge(tie) };
    // Definitions are read once a minute, not once a merge.
    ports::Definitions::workspace(&stage.definitions, &request.workspace).await?;
    let before = sizes(world)?;
    world.take()?;
    let outcome = stage.carry_out(&request.pack()).await;
    let Ok(Outcome::Merged { survivor, absorbed }) = outcome else {
        return Err(Wrong(format!("two people were to become one: {outcome:?}")).into());
    };
    let store = world.take()?.store;
    let after = sizes(world)?;
    let of = |sizes: &BTreeMap<String, (u64, u64)>, id| {
        sizes.get(&format!("{WORKSPACE}#{id}")).copied().unwrap_or_default()
    };
    let kb = |id| write_units(Some(of(&before, id).0), Some(of(&after, id).0));
    let twice_both = 2 * (kb(survivor) + kb(absorbed));
    let (_, identifiers) = of(&after, survivor);
    let merge = Merge {
        calls: store.calls.values().sum(),
        read_halves: store.read_halves,
        write_units: store.write_units,
        twice_both,
        ledger: store.kind("ledger").units,
        identifiers,
    };
    ensure(store.lost == 0, || format!("a merge was cancelled with nobody to race: {merge:?}"))?;
    Ok(merge)
}

/// Bytes and identifiers of each profile.
fn sizes(world: &Tributary) -> Result<BTreeMap<String, (u64, u64)>, Failed> {
    let items = world.store.items(&world.people_table)?;
    let profiles = items.iter().filter(|item| text(item, "sk") == "profile");
    let size =
        |item| Ok((text(item, "pk").to_owned(), (item_bytes(item), count(profile(item)?.identifiers.len()))));
    profiles.map(size).collect()
}

/// The median of what merges took.
pub(crate) fn median(merges: &[Merge], of: fn(&Merge) -> u64) -> u64 {
    quantile(&merges.iter().map(of).collect::<Vec<_>>(), 500)
}

/// What merges took, for a slope.
pub(crate) fn points(merges: &[(u64, Merge)], of: fn(&Merge) -> u64) -> Vec<Point> {
    merges.iter().map(|(size, merge)| (*size, real(of(merge)))).collect()
}
