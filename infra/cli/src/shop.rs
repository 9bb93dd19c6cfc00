//! `tributary demo`: a year of a made-up shop, streamed in, and what came out.

use std::collections::BTreeMap;
use std::time::Duration;

use demo::{Events, Truth};
use domain::time::Timestamp;
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use ports::Clock as _;
use runtime::SystemClock;
use serde_json::Value;

use crate::arguments::Demo;
use crate::client::{Client, Unanswered};
use crate::data;
use crate::output::{Failed, line};

/// Requests in flight: enough to keep two cores busy.
const AT_ONCE: usize = 16;
/// Tries of one request, as an SDK makes them.
const TRIES_MAX: u32 = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(250);

#[derive(Debug, thiserror::Error)]
#[error("the folder has no write key for source `{0}`: the demo needs the folder of a `tributary local`")]
struct NoWriteKey(&'static str);

pub(crate) async fn run(options: Demo) -> Result<(), Failed> {
    let client = Client::of(&options.target)?;
    let keys = data::keys(&options.target.data)?.map(|keys| keys.write_keys).unwrap_or_default();
    // The year ends with the platform's yesterday: nothing in it is still to come.
    let ahead = data::clock_ahead(&options.target.data)?;
    let mut year = demo::events_until(options.seed, options.people, now(ahead));
    line(&format!("A year of {} people streams into {} …", options.people, client.url()));
    let bar = progress();
    stream(&client, &keys, ahead, &mut year, &bar).await?;
    bar.finish_and_clear();
    drained(&client).await?;
    let found = client.get("/_local/summary").await?;
    for text in summary(year.truth(), &found) {
        line(&text);
    }
    Ok(())
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(demo::DAYS).unwrap_or_default());
    let style = ProgressStyle::with_template("{bar:40} day {pos} of {len}  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

async fn stream(
    client: &Client,
    keys: &BTreeMap<String, String>,
    ahead: i64,
    year: &mut Events,
    bar: &ProgressBar,
) -> Result<(), Failed> {
    let mut sent = 0_usize;
    let mut start = None;
    let requests = year.by_ref().map(|request| {
        sent += request.len();
        let first = *start.get_or_insert(request.at);
        bar.set_position(u64::try_from(request.at.since(first) / Timestamp::DAY).unwrap_or_default());
        bar.set_message(format!("{sent} events"));
        let key = keys.get(request.source.id()).cloned().ok_or(NoWriteKey(request.source.id()));
        async move { Ok::<(), Failed>(deliver(client, &key?, ahead, &request).await?) }
    });
    let mut answers = futures_util::stream::iter(requests).buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(())
}

/// The time by the platform's clock.
fn now(ahead: i64) -> Timestamp {
    SystemClock.now().plus(ahead)
}

/// Sends a request until it is taken, as SDKs do: each try with a new `sentAt`.
async fn deliver(client: &Client, key: &str, ahead: i64, request: &demo::Request) -> Result<(), Unanswered> {
    let mut tries = 0;
    loop {
        tries += 1;
        match client.batch(key, request.stamped(now(ahead))).await {
            Err(Unanswered::Refused { status, .. }) if tries < TRIES_MAX && status.is_server_error() => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            answer => return answer,
        }
    }
}

/// Waits until nothing is on its way any more.
async fn drained(client: &Client) -> Result<(), Failed> {
    loop {
        let status = client.get("/_local/status").await?;
        let queues = status.get("queues").and_then(Value::as_object).into_iter().flatten();
        let waiting = |counts: &Value| {
            let count = |name: &str| counts.get(name).and_then(Value::as_u64).unwrap_or_default();
            count("visible") + count("in_flight") + count("delayed")
        };
        let dead = |name: &str| name.ends_with("Dlq");
        let left: u64 = queues.filter(|(name, _)| !dead(name)).map(|(_, counts)| waiting(counts)).sum();
        if left == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What went in beside what came out.
fn summary(truth: &Truth, found: &Value) -> Vec<String> {
    let number = |path: &str| found.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let row = |what: &str, sent: u64, came: u64| format!("{what:<34} {sent:>10} {came:>10}");
    let refused: u64 = truth.refused.values().sum();
    let mut lines = vec![
        format!("{:<34} {:>10} {:>10}", "", "went in", "came out"),
        row("events", truth.events, number("/events")),
        row("repeated events", truth.repeated, 0),
        row("refused events", refused, number("/refused")),
        format!(
            "{:<34} {:>10} {:>10}  ({} profiles, {} ties left open)",
            "people",
            truth.people,
            number("/people"),
            number("/profiles"),
            number("/open_ties")
        ),
    ];
    lines.push(row("traces, and whose they are", number("/identifiers"), number("/profiles")));
    for (what, pointer) in [("merged because of", "/merges"), ("kept apart by", "/refusals")] {
        let counts = found.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        lines.extend(
            counts
                .map(|(reason, count)| format!("{:<34} {:>10} {count:>10}", format!("{what} {reason}"), "")),
        );
    }
    for (currency, cents) in &truth.revenue_cents {
        let sum = found.pointer(&format!("/revenue/{currency}")).and_then(Value::as_str).unwrap_or("0");
        lines.push(format!(
            "{:<34} {:>10}.{:02} {sum:>10}",
            format!("revenue {currency}"),
            cents / 100,
            cents % 100
        ));
    }
    lines
}
