//! What a run used, as AWS would count it, and what that costs.

use std::collections::BTreeMap;

use prices::{GB, Prices};

use crate::rules::count;

const MILLION: f64 = 1e6;

/// Counted requests, units and bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Requests at the front door, as an HTTP API would count them.
    pub(crate) front_door: u64,
    pub(crate) ingest: Work,
    pub(crate) upsert: Work,
    /// Requests of queues, each 64 KB.
    pub(crate) queue_requests: u64,
    pub(crate) store: Store,
    pub(crate) log_lines: u64,
    pub(crate) log_bytes: u64,
}

/// What one function did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) memory_mb: u64,
    pub(crate) invocations: u64,
    pub(crate) events: u64,
    /// Calls of a queue for which it waited one after another.
    pub(crate) queue_waits: u64,
    /// The same of the store; calls made at once count as one.
    pub(crate) store_waits: u64,
}

/// What the store was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Store {
    /// Read units in halves.
    pub(crate) read_halves: u64,
    pub(crate) write_units: u64,
    /// Calls by operation and by what they were about.
    pub(crate) calls: BTreeMap<(String, String), u64>,
    /// What was written, by kind of item.
    pub(crate) written: BTreeMap<String, Written>,
    /// Writes whose condition failed, and transactions that were cancelled.
    pub(crate) lost: u64,
}

/// The writes of one kind of item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) items: u64,
    pub(crate) units: u64,
    pub(crate) bytes: u64,
    pub(crate) largest: u64,
}

impl Written {
    pub(crate) fn add(&mut self, units: u64, bytes: u64) {
        self.items += 1;
        self.units += units;
        self.bytes += bytes;
        self.largest = self.largest.max(bytes);
    }
}

impl Store {
    pub(crate) fn kind(&self, kind: &str) -> Written {
        self.written.get(kind).copied().unwrap_or_default()
    }

    /// Calls that read, and calls that write.
    pub(crate) fn reads_and_writes(&self) -> (u64, u64) {
        let of = |reads: bool| {
            let calls = self.calls.iter().filter(|((operation, _), _)| is_read(operation) == reads);
            calls.map(|(_, calls)| calls).sum()
        };
        (of(true), of(false))
    }
}

fn is_read(operation: &str) -> bool {
    matches!(operation, "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems")
}

/// Instructions of our own code, where callgrind counted them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) ingest_request: f64,
    pub(crate) ingest_event: f64,
    pub(crate) upsert_event: f64,
}

/// What a usage costs, by line, in dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Bill {
    pub(crate) lambda_requests: f64,
    pub(crate) lambda_time: f64,
    pub(crate) queue: f64,
    pub(crate) reads: f64,
    pub(crate) writes: f64,
    pub(crate) logs: f64,
    /// Nothing at a function URL.
    pub(crate) front_door: f64,
}

impl Bill {
    pub(crate) fn total(&self) -> f64 {
        let Self { lambda_requests, lambda_time, queue, reads, writes, logs, front_door } = *self;
        lambda_requests + lambda_time + queue + reads + writes + logs + front_door
    }
}

/// What stands in front of ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    FunctionUrl,
    HttpApi,
}

impl Usage {
    /// The bill, scaled from `events` to a million of them.
    pub(crate) fn bill(&self, events: u64, door: Door, prices: &Prices, cpu: Cpu) -> Bill {
        let scale = MILLION / real(events.max(1));
        let requests = |number: u64, million: f64| real(number) * million / MILLION * scale;
        let gb_seconds = self.ingest.gb_seconds(prices, cpu.ingest_request, cpu.ingest_event)
            + self.upsert.gb_seconds(prices, 0.0, cpu.upsert_event);
        let logged = self.log_bytes + self.log_lines * u64::from(prices.logs.line_overhead_bytes);
        Bill {
            lambda_requests: requests(
                self.ingest.invocations + self.upsert.invocations,
                prices.lambda.requests_million,
            ),
            lambda_time: gb_seconds * prices.lambda.gb_second * scale,
            queue: requests(self.queue_requests, prices.sqs.requests_million),
            reads: requests(self.store.read_halves, prices.dynamodb.read_units_million) / 2.0,
            writes: requests(self.store.write_units, prices.dynamodb.write_units_million),
            logs: real(logged) / GB * prices.logs.ingested_gb * scale,
            front_door: match door {
                Door::FunctionUrl => 0.0,
                Door::HttpApi => requests(self.front_door, prices.http_api.requests_million),
            },
        }
    }
}

impl Work {
    /// Lambda bills each invocation in whole milliseconds; waiting is most of it.
    fn gb_seconds(&self, prices: &Prices, instructions_a_request: f64, instructions_an_event: f64) -> f64 {
        if self.invocations == 0 {
            return 0.0;
        }
        let time = &prices.time;
        let memory = real(self.memory_mb);
        let instructions =
            real(self.invocations) * instructions_a_request + real(self.events) * instructions_an_event;
        let share = (memory / time.vcpu_mb).min(1.0);
        let waits = real(self.queue_waits) * time.queue_call_ms + real(self.store_waits) * time.store_call_ms;
        let ms = waits + instructions / (time.instructions_a_second * share) * 1_000.0;
        let each = (ms / real(self.invocations)).ceil();
        each * real(self.invocations) / 1_000.0 * memory / 1_024.0
    }
}

/// Counts fit a float exactly up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no count of ours comes near 2^53")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// The value below which `permille` of a thousand lie; 0 of nothing.
pub(crate) fn quantile(values: &[u64], permille: usize) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * permille).div_ceil(1_000).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

pub(crate) fn mean(values: &[u64]) -> f64 {
    real(values.iter().sum()) / real(count(values.len()).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
    }

    const NO_CPU: Cpu = Cpu { ingest_request: 0.0, ingest_event: 0.0, upsert_event: 0.0 };

    #[test]
    fn a_million_units_cost_what_a_million_units_cost() {
        let store = Store { read_halves: 2_000_000, write_units: 1_000_000, ..Store::default() };
        let usage = Usage { store, queue_requests: 1_000_000, front_door: 1_000_000, ..Usage::default() };
        let prices = Prices::read().unwrap();
        let bill = usage.bill(1_000_000, Door::HttpApi, &prices, NO_CPU);
        about(bill.writes, prices.dynamodb.write_units_million);
        about(bill.reads, prices.dynamodb.read_units_million);
        about(bill.queue, prices.sqs.requests_million);
        about(bill.front_door, prices.http_api.requests_million);
        about(usage.bill(1_000_000, Door::FunctionUrl, &prices, NO_CPU).front_door, 0.0);
        about(usage.bill(500_000, Door::HttpApi, &prices, NO_CPU).total(), 2.0 * bill.total());
    }

    #[test]
    fn time_is_memory_by_whole_milliseconds() {
        let mut prices = Prices::read().unwrap();
        prices.time.queue_call_ms = 7.5;
        let work =
            Work { memory_mb: 512, invocations: 1_000, events: 1_000, queue_waits: 1_000, store_waits: 0 };
        let usage = Usage { ingest: work, ..Usage::default() };
        let bill = usage.bill(1_000, Door::FunctionUrl, &prices, NO_CPU);
        // 8 ms at half a GB, a million times.
        about(bill.lambda_time, 0.008 * 0.5 * 1e6 * prices.lambda.gb_second);
        about(bill.lambda_requests, prices.lambda.requests_million);
    }

    #[test]
    fn quantiles_are_values_that_occur() {
        let values = [5, 1, 4, 2, 3, 6, 7, 8, 9, 10];
        assert_eq!((quantile(&values, 500), quantile(&values, 900), quantile(&values, 1_000)), (5, 9, 10));
        assert_eq!((quantile(&[], 500), quantile(&[7], 900)), (0, 7));
    }
}
