//! The figures of segments: how they are found, judged and shown.

use std::fmt::Write as _;

use prices::Prices;
use tokio::runtime::Runtime;

use super::SEGMENTS;
use super::asked::{self, A_THOUSAND, Asked};
use super::events::{self, Beside, MEASURED};
use super::sweeps::{self, Sweep};
use crate::callgrind::{self, Instructions};
use crate::corpus::Corpus;
use crate::failed::Failed;
use crate::measured::Measured;
use crate::report::{Goal, at_most};
use crate::rules::count;
use crate::slopes::{Point, slope};
use crate::template::Template;
use crate::tributary::Loaded;
use crate::usage::real;

const PROFILES: [u64; 5] = [10_000, 31_600, 100_000, 316_000, 1_000_000];
const FLIPS: [u64; 6] = [10, 32, 100, 316, 1_000, 3_160];
const FLIPS_DUE: u64 = 1_000;
const PROFILES_BESIDE: u64 = 10_000;
/// People whom callgrind sees asked.
const COUNTED: usize = 40;
const MONTHS: [usize; 2] = [1, 3];
/// What is asked in earnest: a million people, then fewer whose features are known.
const ASKED: [(usize, bool); 2] = [(1_000_000, false), (100_000, true)];
const ASKED_MONTHS: i64 = 3;
/// What is projected.
const PROJECTED: f64 = 1e8;

/// All that was found.
pub(crate) struct Found {
    beside: Vec<Beside>,
    by_profiles: Vec<Sweep>,
    by_flips: Vec<Sweep>,
    asked: Vec<Asked>,
    counted: Option<Counted>,
}

/// What callgrind counted.
struct Counted {
    /// By segments: an event that they ask, and one that none does.
    events: Vec<(u64, Instructions, Instructions)>,
    /// By months of history: new, known, naive.
    asking: Vec<(u64, [Instructions; 3])>,
}

/// Counts everything; asking is done outside, for it has a runtime of its own.
pub(crate) async fn find(
    template: &Template,
    loaded: &Loaded,
    corpus: &Corpus,
    asked: Vec<Asked>,
    counts: bool,
) -> Result<Found, Failed> {
    let mut beside = Vec::new();
    for segments in SEGMENTS {
        crate::say(&format!("counting events beside {segments} segments"));
        beside.push(events::beside(template, loaded, corpus, segments).await?);
    }
    let (mut by_profiles, mut by_flips) = (Vec::new(), Vec::new());
    for profiles in PROFILES {
        crate::say(&format!("sweeping {FLIPS_DUE} flips beside {profiles} profiles"));
        by_profiles.push(sweeps::sweep(template, corpus, (profiles, FLIPS_DUE)).await?);
    }
    for flips in FLIPS {
        crate::say(&format!("sweeping {flips} flips"));
        by_flips.push(sweeps::sweep(template, corpus, (PROFILES_BESIDE, flips)).await?);
    }
    let counted = if counts { Some(Counted::count()?) } else { None };
    Ok(Found { beside, by_profiles, by_flips, asked, counted })
}

/// Asks a million people.
pub(crate) fn ask(corpus: &Corpus) -> Result<Vec<Asked>, Failed> {
    let runtime = Runtime::new()?;
    let ask = |(profiles, is_built): (usize, bool)| {
        crate::say(&format!("asking {profiles} people about {A_THOUSAND} segments"));
        asked::ask(&runtime, corpus, (A_THOUSAND, profiles), (ASKED_MONTHS, is_built))
    };
    ASKED.into_iter().map(ask).collect()
}

/// What no change may break, on little data.
pub(crate) async fn quick(template: &Template, loaded: &Loaded, corpus: &Corpus) -> Result<(), Failed> {
    let beside = events::beside(template, loaded, corpus, 100).await?;
    let Beside { written, asked, unasked, .. } = beside;
    crate::say(&format!(
        "beside 100 segments: {written:.2} units an event; {asked:.2} if it changes no answer, {unasked:.2} if no segment asks it"
    ));
    let few = sweeps::sweep(template, corpus, (200, 20)).await?;
    let many = sweeps::sweep(template, corpus, (2_000, 20)).await?;
    crate::failed::ensure(few.write_units >= many.write_units && few.calls >= many.calls, || {
        format!("a sweep costs more beside more profiles: {few:?}, {many:?}")
    })?;
    crate::say(&format!("a sweep of 20 flips: {:.0} units written in {} calls", few.write_units, few.calls));
    crate::failed::ensure(asked <= unasked, || "an event that changes no answer costs more".to_owned())
}

impl Counted {
    fn count() -> Result<Self, Failed> {
        let mut events = Vec::new();
        for segments in SEGMENTS {
            crate::say(&format!("counting instructions beside {segments} segments"));
            let count = |what| callgrind::count(what, 1, segments);
            events.push((count_of(segments), count(Measured::UpsertAsked)?, count(Measured::UpsertUnasked)?));
        }
        let mut asking = Vec::new();
        for months in MONTHS {
            crate::say(&format!("counting instructions of asking people of {months} months"));
            let count = |what| callgrind::count(what, months, COUNTED);
            let all = [Measured::AskNew, Measured::AskKnown, Measured::AskNaive];
            let [new, known, naive] = all.map(count);
            asking.push((count_of(months), [new?, known?, naive?]));
        }
        Ok(Self { events, asking })
    }
}

fn count_of(number: usize) -> u64 {
    count(number)
}

impl Found {
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let by_profiles =
            |of: fn(&Sweep) -> f64| slope(&points(&self.by_profiles, |sweep| sweep.profiles, of));
        let by_flips = |of: fn(&Sweep) -> f64| slope(&points(&self.by_flips, |sweep| sweep.flips, of));
        let units = |sweep: &Sweep| sweep.read_units + sweep.write_units;
        let mut goals = vec![
            at_most(
                &format!("slope of a sweep's units against profiles, {FLIPS_DUE} flips"),
                0.05,
                by_profiles(units),
                4,
            ),
            at_most("the same of its calls", 0.05, by_profiles(|sweep| real(sweep.calls)), 4),
            at_most(
                "the same of its CPU time, the store's among it",
                0.05,
                by_profiles(|sweep| sweep.seconds),
                2,
            ),
            at_most("slope of a sweep's units against flips", 1.05, by_flips(units), 2),
            at_most("the same of its CPU time", 1.05, by_flips(|sweep| sweep.seconds), 2),
        ];
        let most = self.beside.iter().map(|beside| beside.asked / beside.unasked).fold(0.0, f64::max);
        goals.push(at_most(
            "units of an event that changes no answer ÷ one that no segment asks, beside up to 1000 segments",
            1.0,
            most,
            2,
        ));
        if let Some(counted) = &self.counted {
            let ratio = |(_, asked, unasked): &(u64, Instructions, Instructions)| {
                asked.per(MEASURED) / unasked.per(MEASURED)
            };
            let most = counted.events.iter().map(ratio).fold(0.0, f64::max);
            goals.push(at_most("the same of its instructions", 1.1, most, 2));
            if let Some((months, [new, known, naive])) = counted.asking.last() {
                let of = |what: &str| {
                    format!(
                        "instructions of asking {A_THOUSAND} segments ÷ a naive pass, {what}, {months} months of history"
                    )
                };
                let ratio = |of: &Instructions| of.per(COUNTED) / naive.per(COUNTED);
                goals.push(at_most(&of("features known"), 0.2, ratio(known), 2));
                goals.push(at_most(&of("features built from the timeline"), 0.2, ratio(new), 2));
            }
        }
        for asked in &self.asked {
            goals.push(at_most(
                &format!(
                    "CPU time of asking {} people ÷ a naive pass, {}",
                    asked.profiles,
                    if asked.is_built { "features known" } else { "features built" }
                ),
                0.2,
                asked.ratio(),
                2,
            ));
        }
        goals
    }

    pub(crate) fn document(&self, text: &mut String, prices: &Prices) -> std::fmt::Result {
        writeln!(text, "## Segments\n")?;
        writeln!(
            text,
            "Segments are made up from a seed: one to three conditions each, four in ten of them on traits, the others on counts and sums of twelve events within windows of up to a year ([made.rs](tests/bench/src/segments/made.rs)). Units are of one event of a returning person a request, as above; a flip writes the person's history and the segment's list besides.\n"
        )?;
        writeln!(
            text,
            "| segments | units written an event | read | flips an event | profile item | features a person | an event that changes no answer | one that no segment asks |\n|---|---|---|---|---|---|---|---|"
        )?;
        for beside in &self.beside {
            let Beside { segments, written, read, flips, bytes, features, asked, unasked } = beside;
            writeln!(
                text,
                "| {segments} | {written:.2} | {read:.2} | {flips:.2} | {bytes:.0} bytes | {features:.0} | {asked:.2} | {unasked:.2} |"
            )?;
        }
        if let Some(counted) = &self.counted {
            writeln!(
                text,
                "\n| segments | instructions of an event that changes no answer | of one that no segment asks | ÷ |\n|---|---|---|---|"
            )?;
            for (segments, asked, unasked) in &counted.events {
                let [asked, unasked] = [asked, unasked].map(|of| of.per(MEASURED));
                writeln!(text, "| {segments} | {asked:.0} | {unasked:.0} | {:.2} |", asked / unasked)?;
            }
        }
        self.sweeps(text)?;
        self.asking(text, prices)
    }

    fn sweeps(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\nA sweep in which so many windows end. CPU time is of the whole process with the embedded store in it, and the one figure here that another run finds otherwise.\n"
        )?;
        writeln!(
            text,
            "| profiles | flips | units read | units written | calls | CPU seconds |\n|---|---|---|---|---|---|"
        )?;
        for sweep in self.by_profiles.iter().chain(&self.by_flips) {
            let Sweep { profiles, flips, read_units, write_units, calls, seconds } = sweep;
            writeln!(
                text,
                "| {profiles} | {flips} | {read_units:.1} | {write_units:.0} | {calls} | {seconds:.2} |"
            )?;
        }
        writeln!(text)
    }

    fn asking(&self, text: &mut String, prices: &Prices) -> std::fmt::Result {
        writeln!(
            text,
            "A thousand new segments are asked of everybody. *Built*: nobody's features are known, so that the timeline is read and unpacked; *known*: as when definitions change. Counted is all above the store's port: the item unpacked, features, every answer, the item made again. The naive pass parses a person's traits and events once into a `serde_json::Value` and walks all segments through it ([naive.rs](tests/bench/src/segments/naive.rs)); it writes nothing, and finds the same members.\n"
        )?;
        if let Some(counted) = &self.counted {
            writeln!(
                text,
                "| months of history | instructions a person, built | known | naive | built ÷ naive | known ÷ naive |\n|---|---|---|---|---|---|"
            )?;
            for (months, all) in &counted.asking {
                let [new, known, naive] = all.map(|of| of.per(COUNTED));
                writeln!(
                    text,
                    "| {months} | {new:.0} | {known:.0} | {naive:.0} | {:.2} | {:.2} |",
                    new / naive,
                    known / naive
                )?;
            }
            writeln!(text)?;
        }
        writeln!(
            text,
            "| people | features | CPU µs a person | a segment, ns | naive µs | ÷ | answers that hold | item before and after | peak memory before and after |\n|---|---|---|---|---|---|---|---|---|"
        )?;
        for asked in &self.asked {
            let Asked { profiles, segments, seconds, naive_seconds, memberships, bytes, memory, .. } = asked;
            writeln!(
                text,
                "| {profiles} | {} | {:.0} | {:.0} | {:.0} | {:.2} | {memberships:.0} | {:.0} → {:.0} bytes | {:.1} → {:.1} MB |",
                if asked.is_built { "known" } else { "built" },
                seconds * 1e6,
                seconds * 1e9 / real(*segments),
                naive_seconds * 1e6,
                asked.ratio(),
                bytes[0],
                bytes[1],
                real(memory[0]) / 1e6,
                real(memory[1]) / 1e6,
            )?;
        }
        if let Some(asked) = self.asked.first() {
            let hours = asked.seconds * PROJECTED / 3_600.0;
            writeln!(
                text,
                "\nA hundred million people: 10⁸ × {:.0} µs = {hours:.1} hours of one CPU, in eight parts {:.1}, and at 512 MB, which buy 0.29 of a CPU, ${:.0} of Lambda's time; memory stays, for a page of people is held at once.\n",
                asked.seconds * 1e6,
                hours / 8.0,
                asked.seconds * PROJECTED / 0.29 * 0.5 * prices.lambda.gb_second,
            )?;
        }
        Ok(())
    }
}

fn points(sweeps: &[Sweep], x: fn(&Sweep) -> u64, y: impl Fn(&Sweep) -> f64) -> Vec<Point> {
    sweeps.iter().map(|sweep| (x(sweep), y(sweep))).collect()
}
