//! A line of the journal: which are kept, and how one is written.

use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use domain::time::Timestamp;
use ports::Clock;
use runtime::{decision, metrics, telemetry};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::Shared;

/// Longer values are cut: they are for reading.
const VALUE_BYTES_MAX: usize = 1024;
/// What a line has beyond is left out of it.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// Runs from the HTTP answer to the last log line; what has none is nobody's way.
const TRACE: &str = "trace";
pub(super) const STAGE: &str = "stage";
pub(super) const TIME: &str = "time";
/// On lines that in a function would be metrics: the stage that measured.
pub(super) const MEASURED: &str = "measured";
/// The stage of lines that the journal writes of itself, and what they count.
pub(super) const JOURNAL: &str = "journal";
pub(super) const LOST: &str = "lost";

/// Whether a line belongs in the journal, as far as its place in the code tells.
pub(super) fn is_kept(of: &Metadata<'_>) -> bool {
    if of.is_span() {
        return false;
    }
    if of.target() == decision::TARGET {
        return *of.level() <= Level::DEBUG;
    }
    let is_known = metrics::carries(of) || of.fields().field(TRACE).is_some();
    *of.level() <= Level::INFO && telemetry::is_ours(of.target()) && is_known
}

/// The layer: turns what was logged into lines.
pub(super) struct Keeper<C> {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: C,
}

impl<S: Subscriber, C: Clock + 'static> Layer<S> for Keeper<C> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let now = self.clock.now();
        let mut line = Line::begun(now, event.metadata());
        event.record(&mut line);
        if let Some(text) = line.finished(event.metadata()) {
            self.shared.push(&text, now);
        }
    }
}

/// What is written of lines that were lost.
pub(super) fn of_lost(lost: u64, now: Timestamp) -> String {
    format!("{{\"{TIME}\":\"{}\",\"{STAGE}\":\"{JOURNAL}\",\"{LOST}\":{lost}}}\n", now.rfc3339())
}

struct Line {
    text: String,
    has_trace: bool,
    has_stage: bool,
    /// What a decision says in words stands in its fields already.
    is_decision: bool,
}

impl Line {
    fn begun(now: Timestamp, of: &Metadata<'_>) -> Self {
        let mut text = String::with_capacity(512);
        // Writing to a string cannot fail.
        let _ = write!(text, "{{\"{TIME}\":\"{}\",\"level\":\"{}\"", now.rfc3339(), of.level());
        let is_decision = of.target() == decision::TARGET;
        Self { text, has_trace: false, has_stage: false, is_decision }
    }

    /// The name is that of a field in our code: it needs no escapes.
    fn raw(&mut self, name: &str, value: &dyn std::fmt::Display) {
        if self.text.len() < LINE_BYTES_MAX {
            let _ = write!(self.text, ",\"{name}\":{value}");
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        let value = value.get(..value.floor_char_boundary(VALUE_BYTES_MAX)).unwrap_or_default();
        // A text is nothing that JSON could refuse.
        self.raw(name, &serde_json::to_string(value).unwrap_or_default());
    }

    /// `None` if it turned out to have no trace, and measures nothing.
    fn finished(mut self, of: &Metadata<'_>) -> Option<String> {
        let place = of.target().split("::").next().unwrap_or_default();
        if !self.has_stage {
            self.text(STAGE, place);
        }
        let measures = metrics::carries(of);
        if measures {
            self.text(MEASURED, place);
        }
        self.text.push_str("}\n");
        (self.has_trace || measures).then_some(self.text)
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            TRACE => self.has_trace = !value.is_empty(),
            STAGE => self.has_stage = true,
            _ => (),
        }
        self.text(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.raw(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.raw(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.raw(field.name(), &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if !(self.is_decision && field.name() == "message") {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

/// A line as it stands in the file, for a search that parses only what it finds.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        Self(line)
    }

    /// The value of a field that holds an id or a time: a text without escapes.
    pub fn text(self, name: &str) -> Option<&'a str> {
        // Within another value the quotes would be escaped.
        let (_, behind) = self.0.split_once(&format!("\"{name}\":\""))?;
        behind.split_once('"').map(|(value, _)| value)
    }

    /// The whole line; nothing if a kill cut it off.
    pub(super) fn parsed(self) -> Value {
        serde_json::from_str(self.0).unwrap_or_default()
    }
}
