//! Counts the log lines that functions write, in the form in which they write them.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use runtime::telemetry;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::rules::count;

static LINES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Where the metrics of a stack of usual name belong.
const NAMESPACE: &str = "Tributary/production";

struct Counter;

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // A line is written at once; its end is not billed.
        let ends = usize::from(bytes.ends_with(b"\n"));
        LINES.fetch_add(count(ends), Ordering::Relaxed);
        BYTES.fetch_add(count(bytes.len() - ends), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Starts counting what a function writes at its default level.
pub(crate) fn start() {
    let lines = telemetry::function_lines(|| Counter, LevelFilter::INFO, Some(NAMESPACE.to_owned()));
    // A second start changes nothing.
    drop(tracing_subscriber::registry().with(lines).try_init());
}

/// Lines and bytes since the last time.
pub(crate) fn take() -> (u64, u64) {
    (LINES.swap(0, Ordering::Relaxed), BYTES.swap(0, Ordering::Relaxed))
}

/// The span that Lambda's runtime puts around an invocation; it is on every line.
pub(crate) fn invocation() -> Span {
    tracing::info_span!(
        target: "lambda_runtime::layers::trace",
        "Lambda runtime invoke",
        requestId = "8f507cfc-xmpl-4697-b07a-ac58fc914c95",
        xrayTraceId = "Root=1-5e34a614-10bdxmplf1fb44f07bc535a1;Parent=07b0d6xmpl4ec51f;Sampled=0;Lineage=1:8f507cfc:0"
    )
}
