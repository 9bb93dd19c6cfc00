//! The figures as a document.

use std::fmt::Write as _;
use std::process::Command;

use prices::{Dynamodb, GB, Prices};

use crate::callgrind::Instructions;
use crate::flood::Flood;
use crate::measured::{LARGE, REQUESTS};
use crate::merges::{self, Merge};
use crate::mixes::{Figure, Mix};
use crate::sessions::{EVENTS, Spread};
use crate::sizes::Sizes;
use crate::slopes::{MEASURED, Point, slope};
use crate::usage::{Bill, Cpu, Door, real};

/// All that one run found.
pub(crate) struct Found {
    pub(crate) prices: Prices,
    pub(crate) cpu: Cpu,
    pub(crate) sizes: Vec<Sizes>,
    /// What a profile item's bytes are spent on.
    pub(crate) parts: Vec<(&'static str, u64)>,
    pub(crate) tributary: Vec<(Mix, Figure)>,
    pub(crate) naive: Vec<(Mix, Figure)>,
    pub(crate) transactions: Vec<(Mix, Figure)>,
    /// Stored bytes and stored events, of this design and of the naive one.
    pub(crate) stored: [(u64, u64); 2],
    pub(crate) spreads: Vec<(String, Spread)>,
    pub(crate) flood: Flood,
    pub(crate) slopes: Vec<(&'static str, &'static str, Vec<Point>)>,
    pub(crate) instructions: Option<Counted>,
    /// Of the corpus's people, in pairs.
    pub(crate) merges: Vec<Merge>,
    /// By events, and by identifiers of the survivor.
    pub(crate) merges_of: [Vec<(u64, Merge)>; 2],
    pub(crate) segments: crate::segments::shown::Found,
}

/// What callgrind counted.
pub(crate) struct Counted {
    pub(crate) version: String,
    pub(crate) ingest_large: Instructions,
    pub(crate) parse_large: Instructions,
    pub(crate) ingest_small: Instructions,
    /// Folding an event of somebody with a hundred before.
    pub(crate) upsert: Instructions,
}

/// A goal, and how far it is.
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) goal: String,
    pub(crate) found: String,
    pub(crate) reached: bool,
}

/// The naive design's price as it was worked out beforehand, in dollars.
const NAIVE_EXPECTED: f64 = 4.28;
/// Events of somebody whose ledger is full.
const LEDGER_FULL: u64 = 100;
/// Events are kept for good; this is how many months of them are priced.
const MONTHS: f64 = 12.0;

impl Found {
    fn bill(&self, figure: &Figure, door: Door) -> Bill {
        figure.usage.bill(figure.events, door, &self.prices, self.cpu)
    }

    fn total(&self, of: &[(Mix, Figure)], mix: Mix, door: Door) -> f64 {
        let figure = of.iter().find(|(other, _)| *other == mix);
        figure.map_or(f64::NAN, |(_, figure)| self.bill(figure, door).total())
    }

    fn spread(&self, name: &str) -> Option<Spread> {
        self.spreads.iter().find(|(other, _)| other == name).map(|(_, spread)| *spread)
    }

    fn spread_ratio(&self, name: &str) -> f64 {
        let units = |name| self.spread(name).map_or(f64::NAN, |spread| spread.units_a_session);
        units(name) / units(ONE_POLLER)
    }

    /// Every goal that this run can speak of.
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for (events, dollars) in [(1, 2.60), (5, 0.55), (20, 0.22)] {
            let found = self.total(&self.tributary, Mix::Returning(events), Door::FunctionUrl);
            goals.push(at_most(
                &format!("$ per million events, {events} of a returning person a request"),
                dollars,
                found,
                2,
            ));
        }
        let naive = self.total(&self.naive, Mix::Returning(1), Door::HttpApi);
        goals.push(Goal {
            what: "the naive design, $ per million events".to_owned(),
            goal: format!("{NAIVE_EXPECTED} ± 10 %"),
            found: format!("{naive:.2}"),
            reached: (naive / NAIVE_EXPECTED - 1.0).abs() <= 0.10,
        });
        goals.push(at_most(
            "write units of a session of 5 requests, 8 queues ÷ one poller",
            2.0,
            self.spread_ratio(EIGHT_QUEUES),
            2,
        ));
        goals.push(at_most(
            "the same of one request of 5 events ÷ one poller",
            1.0,
            self.spread_ratio(ONE_REQUEST),
            2,
        ));
        let flood = &self.flood;
        goals.push(at_most(
            &format!("profile writes of {} events in one batch", flood.events),
            2.0,
            real(flood.profile_writes),
            0,
        ));
        goals.push(at_most("write units per KB of them", 1.2, flood.units_a_kb(), 2));
        goals.push(at_most("largest item of them, KB", 300.0, real(flood.largest_item) / 1_024.0, 0));
        for (what, unit, points) in &self.slopes {
            goals.push(at_most(&format!("slope of {unit} an event against {what}"), 0.02, slope(points), 4));
        }
        goals.extend(self.merge_goals());
        goals.extend(self.segments.goals());
        if let Some(counted) = &self.instructions {
            let events = LARGE * REQUESTS;
            let ingest = counted.ingest_large.per_without_hashing(events);
            goals.push(at_most(
                "ingest instructions an event ÷ parsing the body, without SHA-256",
                0.5,
                ingest / counted.parse_large.per(events),
                2,
            ));
            goals.push(at_most("ingest instructions an event, without SHA-256", 25_000.0, ingest, 0));
        }
        goals
    }

    /// The whole document.
    pub(crate) fn document(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        self.head(&mut text)?;
        self.goal_table(&mut text)?;
        self.corpus(&mut text)?;
        self.costs(&mut text)?;
        self.storage(&mut text)?;
        self.months(&mut text)?;
        self.sessions(&mut text)?;
        self.one_batch(&mut text)?;
        self.growth(&mut text)?;
        self.merging(&mut text)?;
        self.segments.document(&mut text, &self.prices)?;
        self.instructions(&mut text)?;
        Ok(text)
    }

    fn head(&self, text: &mut String) -> std::fmt::Result {
        let Prices { region, date, .. } = &self.prices;
        writeln!(text, "# Benchmarks\n")?;
        writeln!(
            text,
            "Written by `cargo run --release -p bench`; do not edit. Every figure but instructions is a count that is the same on any machine; where CPU time stands beside them, it says so.\n"
        )?;
        writeln!(
            text,
            "| | |\n|---|---|\n| commit | {} |\n| machine | {} |\n| compiler | {} |",
            commit(),
            machine(),
            told("rustc", &["--version"])
        )?;
        writeln!(
            text,
            "| prices | {region}, {date}, [prices.toml](infra/prices/prices.toml); no free tier |\n"
        )?;
        let sources = self.prices.sources().map(|source| format!("<{source}>")).join(", ");
        writeln!(text, "Prices were taken from {sources}.\n")
    }

    fn goal_table(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "## Goals\n\n| what | goal | found | |\n|---|---|---|---|")?;
        for Goal { what, goal, found, reached } in self.goals() {
            writeln!(
                text,
                "| {what} | {goal} | {found} | {} |",
                if reached { "reached" } else { "**missed**" }
            )?;
        }
        writeln!(text)
    }

    fn corpus(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "## What the figures rest on\n")?;
        writeln!(
            text,
            "[events.jsonl](tests/bench/corpus/events.jsonl): made-up people of a shop, 30 days of history and a session of 20 events each, in the shapes that analytics.js, the mobile and the Node SDK send; written from a seed by `cargo run -p bench -- corpus`. The history goes through the production stages first.\n"
        )?;
        writeln!(text, "| | median | p90 | mean | number |\n|---|---|---|---|---|")?;
        for sizes in &self.sizes {
            let Sizes { what, unit, values } = sizes;
            writeln!(
                text,
                "| {what} | {} {unit} | {} {unit} | {:.0} {unit} | {} |",
                sizes.median(),
                sizes.p90(),
                sizes.mean(),
                values.len()
            )?;
        }
        writeln!(
            text,
            "\nBytes of a profile item, medians of what each part adds:\n\n| part | bytes |\n|---|---|"
        )?;
        for (part, bytes) in &self.parts {
            writeln!(text, "| {part} | {bytes} |")?;
        }
        writeln!(text)
    }

    fn costs(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "## Cost of a million events\n")?;
        writeln!(
            text,
            "The production code of ingest and profile runs over the AWS SDK. Between the SDK and an embedded store stands a counter, which weighs each call by DynamoDB's rules (1 KB a write unit, 4 KB a read unit, transactions twice, indexes, conditions that fail, each item of a batch); between the SDK and the queue another, which counts 64 KB a request, and Lambda's pollers receiving and deleting ten messages at a time. Log lines are counted in bytes. Lambda is billed by requests and by time: waits of typical length, and instructions at the speed that prices.toml states.\n"
        )?;
        writeln!(
            text,
            "| $ a million events | function URL | HTTP API | naive | naive with transactions |\n|---|---|---|---|---|"
        )?;
        for (mix, figure) in &self.tributary {
            let [url, api] = [Door::FunctionUrl, Door::HttpApi].map(|door| self.bill(figure, door).total());
            let [naive, transactions] =
                [&self.naive, &self.transactions].map(|of| self.total(of, *mix, Door::HttpApi));
            writeln!(text, "| {} | {url:.2} | {api:.2} | {naive:.2} | {transactions:.2} |", mix.name())?;
        }
        writeln!(text, "\nBy line, at a function URL; below the naive design, at its HTTP API:\n")?;
        self.lines(text, &self.tributary, Door::FunctionUrl)?;
        self.lines(text, &self.naive, Door::HttpApi)?;
        writeln!(
            text,
            "The naive design is an HTTP API, a message an event, and for each event a read, an update and a put, in batches of ten; it counts a repeated message twice. Its profile holds traits, identifiers, revenue, the last campaign, and how often, since when and until when each event came, as plain attributes; a leaner one under 1 KB would take one write unit an event less. With transactions it does not: the update, the event and a row that remembers the event are written together.\n"
        )
    }

    fn lines(&self, text: &mut String, of: &[(Mix, Figure)], door: Door) -> std::fmt::Result {
        writeln!(
            text,
            "| | Lambda requests | Lambda time | queue | reads | writes | logs | front door | units written an event | units read an event |\n|---|---|---|---|---|---|---|---|---|---|"
        )?;
        for (mix, figure) in of {
            let Bill { lambda_requests, lambda_time, queue, reads, writes, logs, front_door } =
                self.bill(figure, door);
            let store = &figure.usage.store;
            let [written, read] = [real(store.write_units), real(store.read_halves) / 2.0]
                .map(|units| units / real(figure.events));
            writeln!(
                text,
                "| {} | {lambda_requests:.3} | {lambda_time:.3} | {queue:.3} | {reads:.3} | {writes:.3} | {logs:.3} | {front_door:.3} | {written:.2} | {read:.2} |",
                mix.name()
            )?;
        }
        writeln!(text)
    }

    fn storage(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "## Storage\n\n| | bytes an event | $ a month a million events, storage | with point-in-time recovery |\n|---|---|---|---|"
        )?;
        for (name, (bytes, events)) in ["Tributary", "naive"].iter().zip(self.stored) {
            let an_event = real(bytes) / real(events.max(1));
            let [plain, kept] = [false, true].map(|recovers| self.stored_month((bytes, events), recovers));
            writeln!(text, "| {name} | {an_event:.0} | {plain:.3} | {kept:.3} |")?;
        }
        writeln!(text)
    }

    /// What docs/deploy.md points to: nobody thinks in millions.
    fn months(&self, text: &mut String) -> std::fmt::Result {
        let stored = self.stored.first().map_or(0.0, |stored| self.stored_month(*stored, true));
        let mixes = self
            .tributary
            .iter()
            .map(|(mix, figure)| (mix.name(), self.bill(figure, Door::FunctionUrl).total()));
        let storage = format!("storage of {MONTHS} months of them, with point-in-time recovery");
        writeln!(
            text,
            "## A month\n\nThe same for so many events a month, in $ a month at a function URL, without discounts for volume. To this comes what stands [while idle](docs/deploy.md#what-it-costs). Below some thirty events a minute most batches hold one request, as in a quiet hour.\n\n| $ a month | 1 million events | 10 million | 100 million |\n|---|---|---|---|"
        )?;
        for (name, dollars) in mixes.chain([(storage, stored * MONTHS)]) {
            writeln!(text, "| {name} | {dollars:.2} | {:.1} | {:.0} |", dollars * 10.0, dollars * 100.0)?;
        }
        writeln!(text)
    }

    /// $ a month for so many stored bytes, scaled from their events to a million.
    fn stored_month(&self, (bytes, events): (u64, u64), recovers: bool) -> f64 {
        let Dynamodb { storage_gb_month, recovery_gb_month, .. } = self.prices.dynamodb;
        let price = storage_gb_month + if recovers { recovery_gb_month } else { 0.0 };
        real(bytes) / real(events.max(1)) * 1e6 / GB * price
    }

    fn sessions(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "## Sessions and pollers\n\nA session of {EVENTS} events inside one batching window. Pollers take messages at random; with several queues the person chooses the queue. The template has one queue: more are modelled here, by which batch a message goes to. Batches are folded one after another, or all at the same moment: there every writer of a person reads before any other has written, which is the worst that can happen.\n"
        )?;
        writeln!(
            text,
            "| | write units a session | ÷ one poller | profile writes | lost races |\n|---|---|---|---|---|"
        )?;
        for (name, spread) in &self.spreads {
            let Spread { units_a_session, profile_writes_a_session, lost_a_session, .. } = spread;
            writeln!(
                text,
                "| {name} | {units_a_session:.2} | {:.2} | {profile_writes_a_session:.2} | {lost_a_session:.2} |",
                self.spread_ratio(name)
            )?;
        }
        writeln!(text)
    }

    fn one_batch(&self, text: &mut String) -> std::fmt::Result {
        let Flood {
            events,
            messages,
            message_bytes,
            profile_writes,
            page_writes,
            ledger_writes,
            write_units,
            written_bytes,
            largest_item,
        } = &self.flood;
        writeln!(
            text,
            "## {events} events of one person in one batch\n\n{messages} messages of {message_bytes} bytes in all (Lambda takes 6 MB a batch); {profile_writes} writes of the profile, {page_writes} of timeline pages, {ledger_writes} of ledger pages; {write_units} write units for {written_bytes} bytes, {:.2} a KB; the largest item has {largest_item} bytes.\n",
            self.flood.units_a_kb()
        )
    }

    fn growth(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "## Growth\n\nThe slope is that of the line through the logarithms, by least squares.\n"
        )?;
        for (what, unit, points) in &self.slopes {
            writeln!(text, "| {what} | {unit} an event |\n|---|---|")?;
            for (size, value) in points {
                writeln!(text, "| {size} | {value:.3} |")?;
            }
            writeln!(text, "| slope | {:.4} |\n", slope(points))?;
        }
        Ok(())
    }

    fn merge_goals(&self) -> Vec<Goal> {
        let all = || self.merges.iter().chain(self.merges_of.iter().flatten().map(|(_, merge)| merge));
        let beyond = all().map(|merge| merge.write_units - merge.ledger - merge.twice_both).max();
        let [by_events, by_identifiers] =
            self.merges_of.each_ref().map(|merges| slope(&merges::points(merges, |merge| merge.calls)));
        // With fewer events the ledgers are not full, and the merge is cheaper.
        let full: Vec<_> =
            self.merges_of[0].iter().filter(|(events, _)| *events >= LEDGER_FULL).copied().collect();
        let units = slope(&merges::points(&full, |merge| merge.write_units));
        vec![
            at_most(
                "units of a merge, median",
                8.0,
                real(merges::median(&self.merges, |merge| merge.write_units)),
                0,
            ),
            at_most(
                "units of a merge beyond 2 × (KB of survivor + KB of absorbed) and its ledger page, at most",
                0.0,
                real(beyond.unwrap_or_default()),
                0,
            ),
            at_most(
                "calls of a merge, at most",
                3.0,
                real(all().map(|merge| merge.calls).max().unwrap_or_default()),
                0,
            ),
            at_most(
                &format!("slope of a merge's units against events, from {LEDGER_FULL} on"),
                0.02,
                units,
                4,
            ),
            at_most("slope of a merge's calls against events", 0.0, by_events, 4),
            at_most("slope of a merge's calls against identifiers", 0.0, by_identifiers, 4),
        ]
    }

    fn merging(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "## Merges\n\nTwo profiles become one in one transaction over their two items; rows of identifiers, pages and events are not touched, so that a merge costs what the two items weigh. What one ledger has no room for goes to a page in the same transaction. The corpus's people in pairs: {} merges; read units {:.1}, write units {}, of these ledger pages {}, calls {} (medians). Nobody had anything in an outbox or the index of who is due, which are written with the same two items, nor was anybody in a segment, whose lists are told of a merge by the outbox.\n",
            self.merges.len(),
            real(merges::median(&self.merges, |merge| merge.read_halves)) / 2.0,
            merges::median(&self.merges, |merge| merge.write_units),
            merges::median(&self.merges, |merge| merge.ledger),
            merges::median(&self.merges, |merge| merge.calls),
        )?;
        for (what, merges) in ["events of one of them", "identifiers of both"].iter().zip(&self.merges_of) {
            writeln!(
                text,
                "| {what} | calls | read units | write units | 2 × KB of both | ledger page |\n|---|---|---|---|---|---|"
            )?;
            for (size, Merge { calls, read_halves, write_units, twice_both, ledger, .. }) in merges {
                let read = real(*read_halves) / 2.0;
                writeln!(text, "| {size} | {calls} | {read:.1} | {write_units} | {twice_both} | {ledger} |")?;
            }
            writeln!(text)?;
        }
        Ok(())
    }

    fn instructions(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "## Instructions\n")?;
        let Some(counted) = &self.instructions else {
            return writeln!(
                text,
                "Not counted in this run: it takes valgrind and a release build. Lambda's time above is priced with the instructions that prices.toml assumes."
            );
        };
        let events = LARGE * REQUESTS;
        let Counted { version, ingest_large, parse_large, ingest_small, upsert } = counted;
        writeln!(
            text,
            "Counted by {version} (callgrind) within marked functions, x86-64, the store and the network left out. Valgrind's CPU has no SHA extensions, so hashing stands here at its dearest.\n"
        )?;
        writeln!(text, "| instructions an event | with SHA-256 | without |\n|---|---|---|")?;
        writeln!(
            text,
            "| ingest, {LARGE} events a request: from what Lambda hands over to the signed request to the queue | {:.0} | {:.0} |",
            ingest_large.per(events),
            ingest_large.per_without_hashing(events)
        )?;
        writeln!(
            text,
            "| `serde_json::from_slice::<Value>` of the same body | {:.0} | |",
            parse_large.per(events)
        )?;
        writeln!(
            text,
            "| ingest, 1 event a request | {:.0} | {:.0} |",
            ingest_small.per(REQUESTS),
            ingest_small.per_without_hashing(REQUESTS)
        )?;
        writeln!(
            text,
            "| profile, 1 event of a returning person a batch, above the store's port | {:.0} | {:.0} |",
            upsert.per(MEASURED),
            upsert.per_without_hashing(MEASURED)
        )
    }
}

pub(crate) const ONE_POLLER: &str = "5 requests, one poller";
pub(crate) const ONE_REQUEST: &str = "one request of 5 events";
pub(crate) const EIGHT_QUEUES: &str = "5 requests, 8 queues, 2 batches each";

pub(crate) fn at_most(what: &str, goal: f64, found: f64, digits: usize) -> Goal {
    let unit = 10_f64.powi(i32::try_from(digits).unwrap_or_default());
    // What is printed is what is judged.
    let reached = (found * unit).round() <= (goal * unit).round();
    Goal {
        what: what.to_owned(),
        goal: format!("≤ {goal:.digits$}"),
        found: format!("{found:.digits$}"),
        reached,
    }
}

fn commit() -> String {
    let changed = !told("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!(
        "{}{}",
        told("git", &["rev-parse", "--short=12", "HEAD"]),
        if changed { ", with changes" } else { "" }
    )
}

fn machine() -> String {
    let file = |path| std::fs::read_to_string(path).unwrap_or_default();
    let of = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(':').nth(1)).unwrap_or_default().trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{cores} × {}, {} memory",
        of(&file("/proc/cpuinfo"), "model name"),
        of(&file("/proc/meminfo"), "MemTotal")
    )
}

/// What a program says of itself; nothing where there is none.
fn told(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
