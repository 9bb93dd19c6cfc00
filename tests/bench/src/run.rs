//! A whole run, and a quick one.

use prices::Prices;

use crate::callgrind;
use crate::corpus::{Corpus, SESSION};
use crate::design::Design;
use crate::failed::{Failed, ensure};
use crate::flood;
use crate::measured::{LARGE, Measured, REQUESTS};
use crate::merges::{self, Merge};
use crate::mixes::{Figure, Mix};
use crate::naive::{Naive, Writes};
use crate::report::{Counted, EIGHT_QUEUES, Found, ONE_POLLER, ONE_REQUEST};
use crate::rules::count;
use crate::segments::asked::Asked;
use crate::segments::shown;
use crate::sessions::{self, Pollers, Spread};
use crate::sizes;
use crate::slopes::{self, Point};
use crate::store::Snapshot;
use crate::template::Template;
use crate::tributary::{Loaded, Tributary};
use crate::usage::{Cpu, Door, Usage};

const STORED_PROFILES: [u64; 5] = [1_000, 5_600, 31_600, 178_000, 1_000_000];
const HISTORIES: [usize; 5] = [1, 10, 100, 1_000, 10_000];
/// Beside the few that people of the corpus have; a profile holds 64.
const CARDS: [usize; 5] = [0, 6, 12, 24, 48];
const FLOOD: usize = 10_000;
/// People of the corpus that are enough to see a slope, or to check a count.
const FEW: u32 = 6;
/// What Lambda's pollers are measured by beside the default.
const MANY_POLLERS: usize = 10;

/// Counts everything.
pub(crate) async fn whole(asked: Vec<Asked>) -> Result<Found, Failed> {
    let template = Template::read()?;
    let corpus = Corpus::read()?;
    let prices = Prices::read()?;
    crate::say("folding a month of history");
    let loaded = Tributary::history(&template, &corpus).await?;
    let naive_loaded = Naive::history(&corpus).await?;
    let tributary = of_tributary(&template, &loaded, &corpus, &Mix::ALL).await?;
    let naive = of_naive(Writes::Plain, &naive_loaded, &corpus, &Mix::ALL).await?;
    let transactions = of_naive(Writes::Transaction, &naive_loaded, &corpus, &Mix::ALL).await?;
    let history = count(corpus.history.len());
    let instructions = instructions()?;
    Ok(Found {
        cpu: cpu(&prices, instructions.as_ref()),
        sizes: sizes::of(&corpus, &loaded.items)?,
        parts: sizes::parts(&loaded.items)?,
        stored: [(sizes::stored(&loaded.items), history), (sizes::stored(&naive_loaded), history)],
        spreads: spreads(&template, &loaded, &corpus).await?,
        flood: flood::run(&template, &loaded, &corpus, FLOOD).await?,
        slopes: slopes(&template, &loaded, &corpus, instructions.is_some()).await?,
        merges: merges::of_pairs(&template, &loaded).await?,
        merges_of: merges_of(&template, &corpus).await?,
        segments: shown::find(&template, &loaded, &corpus, asked, instructions.is_some()).await?,
        prices,
        tributary,
        naive,
        transactions,
        instructions,
    })
}

/// Counts a part, and checks what no change may break.
pub(crate) async fn quick() -> Result<(), Failed> {
    let template = Template::read()?;
    let corpus = Corpus::read()?.of_first(FEW);
    let prices = Prices::read()?;
    let loaded = Tributary::history(&template, &corpus).await?;
    let mixes = [Mix::Returning(1), Mix::Returning(5), Mix::Returning(20), Mix::NewPerson];
    let found = of_tributary(&template, &loaded, &corpus, &mixes).await?;
    let cpu = cpu(&prices, None);
    for (mix, figure) in &found {
        let dollars = figure.usage.bill(figure.events, Door::FunctionUrl, &prices, cpu).total();
        crate::say(&format!("{}: $ {dollars:.2} a million events", mix.name()));
        check(*mix, figure)?;
    }
    let naive_loaded = Naive::history(&corpus).await?;
    let naive = of_naive(Writes::Plain, &naive_loaded, &corpus, &[Mix::Returning(1)]).await?;
    for (mix, figure) in &naive {
        let store = &figure.usage.store;
        let dollars = figure.usage.bill(figure.events, Door::HttpApi, &prices, cpu).total();
        crate::say(&format!("naive, {}: $ {dollars:.2} a million events", mix.name()));
        ensure(store.reads_and_writes() == (figure.events, 2 * figure.events), || {
            format!("the naive design reads once and writes twice an event, not {:?}", store.calls)
        })?;
    }
    shown::quick(&template, &loaded, &corpus).await?;
    let packed = sessions::packed(&template, &loaded, &corpus).await?;
    ensure((packed.profile_writes_a_session - 1.0).abs() < f64::EPSILON, || {
        format!(
            "a session in one request takes one write of the profile, not {}",
            packed.profile_writes_a_session
        )
    })
}

/// What a batch does about a person, whatever else changes.
fn check(mix: Mix, figure: &Figure) -> Result<(), Failed> {
    let store = &figure.usage.store;
    let people = match mix {
        Mix::Returning(events) => figure.events / count(events),
        _ => figure.events,
    };
    let (profiles, pages) = (store.kind("profile").items, store.kind("page").items);
    ensure(profiles == people && pages == people, || {
        format!(
            "{}: a person a batch takes one write of the profile and one page, not {profiles} and {pages} for {people}",
            mix.name()
        )
    })?;
    let put =
        |kind: &str| store.calls.get(&("PutItem".to_owned(), kind.to_owned())).copied().unwrap_or_default();
    match mix {
        Mix::Returning(_) => {
            let spilled = store.kind("ledger").items;
            let writes = put("profile") + put("page") + put("ledger");
            ensure(store.reads_and_writes().1 == writes && writes == 2 * people + spilled, || {
                format!(
                    "{}: a returning person takes two plain writes a batch, and one more when the ledger spills: {:?}",
                    mix.name(),
                    store.calls
                )
            })?;
            ensure(spilled * count(SESSION) <= 2 * figure.events + people, || {
                format!("{}: the ledger spilled {spilled} times", mix.name())
            })
        }
        _ => ensure(put("profile") + put("page") == 0, || {
            format!("{}: a new person is one transaction", mix.name())
        }),
    }?;
    let Usage { ingest, upsert, log_lines, .. } = &figure.usage;
    ensure(*log_lines == ingest.invocations + upsert.invocations, || {
        format!(
            "{}: {} requests and {} batches log a line each, not {log_lines}",
            mix.name(),
            ingest.invocations,
            upsert.invocations
        )
    })?;
    ensure(store.lost == 0, || format!("{}: {} races were lost with nobody to race", mix.name(), store.lost))
}

async fn of_tributary(
    template: &Template,
    loaded: &Loaded,
    corpus: &Corpus,
    mixes: &[Mix],
) -> Result<Vec<(Mix, Figure)>, Failed> {
    let mut figures = Vec::new();
    for mix in mixes {
        crate::say(&format!("counting: {}", mix.name()));
        let world = Tributary::with(template, loaded).await?;
        figures.push((*mix, mix.run(&world, corpus).await?));
    }
    Ok(figures)
}

async fn of_naive(
    writes: Writes,
    items: &Snapshot,
    corpus: &Corpus,
    mixes: &[Mix],
) -> Result<Vec<(Mix, Figure)>, Failed> {
    let mut figures = Vec::new();
    for mix in mixes {
        crate::say(&format!("counting the naive design: {}", mix.name()));
        let naive = Naive::with(writes, items).await?;
        naive.take()?;
        figures.push((*mix, mix.run(&naive, corpus).await?));
    }
    Ok(figures)
}

async fn spreads(
    template: &Template,
    loaded: &Loaded,
    corpus: &Corpus,
) -> Result<Vec<(String, Spread)>, Failed> {
    let default = usize::try_from(template.concurrency()?)?;
    let one = |batches, at_once| Pollers { queues: 1, batches, at_once };
    let many = Pollers { queues: 8, batches: 2, at_once: false };
    let all = [
        (ONE_POLLER.to_owned(), one(1, false)),
        (format!("5 requests, one queue, {default} batches (the default)"), one(default, false)),
        (format!("the same, the {default} batches folded at the same moment"), one(default, true)),
        (EIGHT_QUEUES.to_owned(), many),
        ("the same, all batches folded at the same moment".to_owned(), Pollers { at_once: true, ..many }),
        (format!("5 requests, one queue, {MANY_POLLERS} batches"), one(MANY_POLLERS, false)),
    ];
    let mut spreads = Vec::new();
    for (name, pollers) in all {
        crate::say(&format!("counting sessions: {name}"));
        spreads.push((name, sessions::spread(template, loaded, corpus, pollers).await?));
    }
    spreads.push((ONE_REQUEST.to_owned(), sessions::packed(template, loaded, corpus).await?));
    Ok(spreads)
}

/// Merges of somebody with so many events, and with so many identifiers.
async fn merges_of(template: &Template, corpus: &Corpus) -> Result<[Vec<(u64, Merge)>; 2], Failed> {
    let (mut by_events, mut by_identifiers) = (Vec::new(), Vec::new());
    for events in HISTORIES {
        crate::say(&format!("counting a merge after {events} events"));
        by_events.push((count(events), merges::of_somebody(template, corpus, events, 0).await?));
    }
    for identifiers in CARDS {
        crate::say(&format!("counting a merge with {identifiers} more identifiers"));
        let merge = merges::of_somebody(template, corpus, 1, identifiers).await?;
        by_identifiers.push((merge.identifiers, merge));
    }
    Ok([by_events, by_identifiers])
}

type Slope = (&'static str, &'static str, Vec<Point>);

async fn slopes(
    template: &Template,
    loaded: &Loaded,
    corpus: &Corpus,
    counts: bool,
) -> Result<Vec<Slope>, Failed> {
    let few = corpus.of_first(FEW);
    let (mut beside, mut after) = (Vec::new(), Vec::new());
    for profiles in STORED_PROFILES {
        crate::say(&format!("counting beside {profiles} stored profiles"));
        beside.push(slopes::beside_profiles(template, loaded, &few, profiles).await?);
    }
    for events in HISTORIES {
        crate::say(&format!("counting after {events} events of history"));
        after.push(slopes::after_history(template, corpus, events).await?);
    }
    let mut slopes = vec![("stored profiles", "units", beside), ("events of history", "units", after)];
    if counts {
        slopes.push(("events of history", "instructions", folding(&HISTORIES, &[0; 5])?));
        slopes.push((
            "other profiles in a store in memory",
            "instructions",
            folding(&[1; 5], &[10, 32, 100, 316, 1_000])?,
        ));
    }
    Ok(slopes)
}

/// Instructions of folding an event, by history or by stored profiles.
fn folding(histories: &[usize; 5], profiles: &[usize; 5]) -> Result<Vec<Point>, Failed> {
    let by_history = profiles.iter().all(|profiles| *profiles == 0);
    let point = |(history, profiles): (&usize, &usize)| {
        crate::say(&format!("counting instructions: {history} events of history, {profiles} other profiles"));
        let counted = callgrind::count(Measured::Upsert, *history, *profiles)?;
        Ok((count(if by_history { *history } else { *profiles }), counted.per(slopes::MEASURED)))
    };
    histories.iter().zip(profiles).map(point).collect()
}

/// Counts instructions where that can be done.
fn instructions() -> Result<Option<Counted>, Failed> {
    let Some(version) = callgrind::version().filter(|_| !cfg!(debug_assertions)) else { return Ok(None) };
    crate::say("counting instructions of ingest");
    Ok(Some(Counted {
        version,
        ingest_large: callgrind::count(Measured::IngestLarge, 1, 0)?,
        parse_large: callgrind::count(Measured::ParseLarge, 1, 0)?,
        ingest_small: callgrind::count(Measured::IngestSmall, 1, 0)?,
        upsert: callgrind::count(Measured::Upsert, LARGE, 0)?,
    }))
}

/// The instructions by which Lambda's time is priced: counted, else assumed.
fn cpu(prices: &Prices, counted: Option<&Counted>) -> Cpu {
    let time = &prices.time;
    let assumed = Cpu {
        ingest_request: time.ingest_instructions_a_request,
        ingest_event: time.ingest_instructions_an_event,
        upsert_event: time.upsert_instructions_an_event,
    };
    counted.map_or(assumed, |counted| {
        let an_event = counted.ingest_large.per(LARGE * REQUESTS);
        Cpu {
            ingest_request: (counted.ingest_small.per(REQUESTS) - an_event).max(0.0),
            ingest_event: an_event,
            upsert_event: counted.upsert.per(slopes::MEASURED),
        }
    })
}
