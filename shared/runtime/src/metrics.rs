//! Metrics as lines of the log, in `CloudWatch`'s embedded metric format (EMF).
//!
//! An invocation tells what it did in one `tracing` event named [`EVENT`]. Its
//! line is both a log line and, through the member `_aws`, the metrics: nothing
//! is called, nothing waits, and a request costs one line. Names are fixed and
//! there is no dimension: a custom metric costs by the name and dimension, and
//! a workspace in either would be a customer's name in a bill.
//!
//! The form: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.

use std::fmt;

use ports::Clock as _;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::world::SystemClock;

/// The name of the event that carries metrics; its other fields are properties
/// of the line, to find it by.
pub const EVENT: &str = "metrics";

/// What is measured: the field of the event, which is also the metric's name.
///
/// One that is zero is left out. A sum is the same without it, the line is
/// shorter, and a metric is only charged for hours in which it was told.
pub const METRICS: [Metric; 16] = [
    Metric { name: "accepted", unit: None, of: "events that ingest handed to the profile queue" },
    Metric { name: "rejected", unit: None, of: "events that ingest refused" },
    Metric { name: "folded", unit: None, of: "events that became part of a profile" },
    Metric { name: "repeated", unit: None, of: "events that a profile had already" },
    Metric { name: "people", unit: None, of: "writes of profiles" },
    Metric {
        name: "write_units",
        unit: None,
        of: "write units of profiles, pages and claims, merges included, as counted by us",
    },
    Metric {
        name: "oldest_ms",
        unit: Some("Milliseconds"),
        of: "how long the oldest message of a batch had waited",
    },
    Metric { name: "merged", unit: None, of: "profiles that became one with another" },
    Metric { name: "refused", unit: None, of: "ties that rules or an operator kept from making two one" },
    Metric { name: "taken_apart", unit: None, of: "people that an operator made two again" },
    Metric { name: "failed", unit: None, of: "records that came back to their queue or died" },
    Metric { name: "resent", unit: None, of: "outboxes that the sweep carried out" },
    Metric { name: "unsent", unit: None, of: "outboxes that the sweep could not carry out" },
    Metric { name: "sent", unit: None, of: "letters and texts that a provider accepted" },
    Metric { name: "unknown", unit: None, of: "letters and texts of which nobody knows whether one did" },
    Metric { name: "waiting", unit: None, of: "letters and texts that the gate or the pace put off" },
];

/// A metric by its fixed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    /// A unit of `CloudWatch`'s; none for counts.
    pub unit: Option<&'static str>,
    /// What is counted.
    pub of: &'static str,
}

/// Whether an event of this description carries metrics.
pub fn carries(of: &Metadata<'_>) -> bool {
    of.name() == EVENT
}

/// The line of an event, without its end; `None` if all its metrics are zero.
fn line(namespace: &str, at_ms: i64, fields: &Map<String, Value>) -> Option<String> {
    let is_zero = |name: &str| fields.get(name).and_then(Value::as_f64).is_none_or(|value| value == 0.0);
    let told: Vec<&Metric> = METRICS.iter().filter(|metric| !is_zero(metric.name)).collect();
    if told.is_empty() {
        return None;
    }
    let metrics: Vec<Value> = told.iter().map(|metric| metric.described()).collect();
    let directive = json!({ "Namespace": namespace, "Dimensions": [[]], "Metrics": metrics });
    let mut members = fields.clone();
    members.retain(|name, _| METRICS.iter().all(|metric| metric.name != name || !is_zero(name)));
    members.insert("_aws".to_owned(), json!({ "Timestamp": at_ms, "CloudWatchMetrics": [directive] }));
    Some(Value::Object(members).to_string())
}

impl Metric {
    fn described(&self) -> Value {
        match self.unit {
            None => json!({ "Name": self.name }),
            Some(unit) => json!({ "Name": self.name, "Unit": unit }),
        }
    }
}

/// Writes events that carry metrics in EMF and all others as `plain` does.
#[derive(Debug)]
pub(crate) struct Lines<F> {
    pub(crate) plain: F,
    /// Where the metrics belong; `None` where nobody reads them.
    pub(crate) namespace: Option<String>,
    pub(crate) level: LevelFilter,
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, of: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if carries(event.metadata())
            && let Some(namespace) = &self.namespace
        {
            let mut fields = Fields::default();
            event.record(&mut fields);
            if let Some(line) = line(namespace, SystemClock.now().millis(), &fields.0) {
                return writeln!(to, "{line}");
            }
        }
        // Metrics are told at every level; what holds none is an ordinary line.
        if self.level >= *event.metadata().level() { self.plain.format_event(of, to, event) } else { Ok(()) }
    }
}

/// An event's fields, but for its message: in a line that is written once a
/// request it would say what the fields say.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        if field.name() != "message" {
            self.0.insert(field.name().to_owned(), value.into());
        }
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
