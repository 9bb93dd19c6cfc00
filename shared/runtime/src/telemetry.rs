//! Logs as JSON lines on stdout: what was done and to which id, never to whom.

use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::metrics;

/// Whose events are logged, by the first part of their target.
///
/// Other crates are silent at every level: the SDKs log bodies at `trace`, and
/// the Lambda runtime logs the message of a panic at `error`; both may hold
/// personal data. What they fail at comes back to us as an error anyway.
const OURS: [&str; 17] = [
    "decision",
    "domain",
    "runtime",
    "dynamodb",
    "sqs",
    "ses",
    "sms",
    "ingest",
    "profile",
    "identity",
    "segments",
    "messaging",
    "cloudwatch",
    "tributary",
    "ports",
    "ssm",
    "local",
];
/// Its spans carry the id of the invocation, which belongs on our lines.
const LAMBDA: &str = "lambda_runtime";

/// The name of the variable that holds the level: `error`, `warn`, `info`
/// (the default), `debug`, `trace` or `off`.
pub const LOG_LEVEL: &str = "LOG_LEVEL";
/// The name of the variable that holds the namespace of the metrics; without
/// it, lines that would carry metrics are ordinary ones.
pub const METRICS_NAMESPACE: &str = "METRICS_NAMESPACE";

/// Starts a function's logging, and keeps the messages of panics out of the log.
///
/// A second call changes nothing, so that tests and embedders may call it too.
pub fn init() {
    let namespace = variable(METRICS_NAMESPACE).filter(|name| !name.is_empty());
    start(LevelFilter::INFO, |level| {
        tracing_subscriber::registry().with(function_lines(std::io::stdout, level, namespace))
    });
}

/// Starts the logging of a program that a person runs: what it says goes to
/// stdout, so logs go to stderr, and ordinary requests are not worth a line.
pub fn init_program() {
    start(LevelFilter::WARN, |level| tracing_subscriber::registry().with(lines(std::io::stderr, level)));
}

/// The same with a layer beside it, which hears of everything that its own
/// filter lets through, whatever [`LOG_LEVEL`] says.
pub fn init_program_with<L>(beside: L)
where
    L: Layer<Registry> + Send + Sync,
{
    let both = |level| tracing_subscriber::registry().with(beside).with(lines(std::io::stderr, level));
    start(LevelFilter::WARN, both);
}

/// Whether lines with this target are our own crates'.
pub fn is_ours(target: &str) -> bool {
    let part = target.split("::").next().unwrap_or_default();
    OURS.contains(&part.split('_').next().unwrap_or_default())
}

fn start<S>(default: LevelFilter, subscriber: impl FnOnce(LevelFilter) -> S)
where
    S: SubscriberInitExt,
{
    let wanted = variable(LOG_LEVEL);
    let level = wanted.as_deref().map(str::parse);
    let unreadable = matches!(level, Some(Err(_)));
    let level = level.and_then(Result::ok).unwrap_or(default);
    let started = subscriber(level).try_init();
    std::panic::set_hook(Box::new(log_panic));
    if started.is_ok() && unreadable {
        tracing::warn!("{LOG_LEVEL} is none of error, warn, info, debug, trace and off; using the default");
    }
}

fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "logging starts before any settings type can be read")]
    std::env::var(name).ok()
}

fn lines<S, W>(writer: W, level: LevelFilter) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    function_lines(writer, level, None)
}

/// The lines of a function: JSON, and in the embedded metric format where they
/// carry metrics and there is a namespace for them. Metrics are written
/// whatever the level is.
pub fn function_lines<S, W>(writer: W, level: LevelFilter, namespace: Option<String>) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let measures = namespace.is_some();
    let shown = move |of: &Metadata<'_>| {
        let wanted = level >= *of.level() || (measures && metrics::carries(of));
        let ours = is_ours(of.target()) && wanted;
        ours || (of.is_span() && of.target().starts_with(LAMBDA) && *of.level() <= Level::INFO)
    };
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .map_event_format(|plain| metrics::Lines { plain, namespace, level })
        .with_writer(writer)
        .with_filter(filter_fn(shown))
}

/// A panic's message may hold what the record held: only its place is logged.
fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    tracing::error!(panic.place = place, "Panicked at {place}");
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LevelFilter, work: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::registry().with(lines(move || writer.clone(), level));
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn our_lines_are_json_with_their_fields_at_the_top() {
        let line = logged(LevelFilter::INFO, || tracing::warn!(record.id = "r-1", "Will retry record `r-1`"));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["record.id"], "r-1");
        assert_eq!(line["message"], "Will retry record `r-1`");
        assert_eq!(line["level"], "WARN");
    }

    #[test]
    fn below_the_level_nothing_is_logged() {
        assert_eq!(logged(LevelFilter::WARN, || tracing::info!("quiet")), "");
        assert_eq!(logged(LevelFilter::OFF, || tracing::error!("quiet")), "");
    }

    fn measured(level: LevelFilter, work: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let lines = function_lines(move || writer.clone(), level, Some("Tributary/test".to_owned()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    fn answered(accepted: usize) {
        let trace = "0f";
        tracing::info!(name: metrics::EVENT, target: "ingest", trace, status = 200_u16, accepted, rejected = 0, "Answered.");
    }

    #[test]
    fn a_line_that_carries_metrics_is_one_line_at_every_level() {
        for level in [LevelFilter::OFF, LevelFilter::WARN, LevelFilter::TRACE] {
            let lines = measured(level, || answered(3));
            let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
            assert_eq!(lines.lines().count(), 1, "{lines}");
            assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"], "accepted");
            assert_eq!(
                (&line["accepted"], &line["status"], &line["trace"]),
                (&3.into(), &200.into(), &"0f".into())
            );
        }
    }

    #[test]
    fn a_line_whose_metrics_are_all_zero_is_an_ordinary_one() {
        assert_eq!(measured(LevelFilter::WARN, || answered(0)), "");
        let line: serde_json::Value =
            serde_json::from_str(&measured(LevelFilter::INFO, || answered(0))).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"Answered.".into()));
        assert!(line.get("_aws").is_none());
    }

    #[test]
    fn without_a_namespace_nothing_is_measured() {
        assert_eq!(logged(LevelFilter::WARN, || answered(3)), "");
        let line = logged(LevelFilter::INFO, || answered(3));
        assert!(line.contains("\"accepted\":3") && !line.contains("_aws"), "{line}");
    }

    #[test]
    fn other_crates_are_silent_even_at_trace() {
        let lines = logged(LevelFilter::TRACE, || {
            tracing::error!(target: "lambda_runtime::layers::panic", "alice@example.com");
            tracing::trace!(target: "aws_smithy_runtime::client", "alice@example.com");
            tracing::trace!(target: "profile_upsert", "ours");
        });
        assert!(!lines.contains("alice"), "{lines}");
        assert!(lines.contains("ours"), "{lines}");
    }

    #[test]
    fn a_layer_beside_hears_what_the_level_hides() {
        let (shown, kept) = (Written::default(), Written::default());
        let (to_shown, to_kept) = (shown.clone(), kept.clone());
        let subscriber = tracing_subscriber::registry()
            .with(lines(move || to_kept.clone(), LevelFilter::DEBUG))
            .with(lines(move || to_shown.clone(), LevelFilter::OFF));
        tracing::subscriber::with_default(subscriber, || tracing::debug!("Decided"));
        assert!(shown.0.lock().unwrap().is_empty());
        assert!(String::from_utf8_lossy(&kept.0.lock().unwrap()).contains("Decided"));
    }

    #[test]
    fn the_id_of_the_invocation_stands_on_our_lines() {
        let line = logged(LevelFilter::INFO, || {
            let _entered =
                tracing::info_span!(target: "lambda_runtime::layers::trace", "Lambda runtime invoke", requestId = "q-1")
                    .entered();
            tracing::info!("Applied");
        });
        assert!(line.contains("q-1"), "{line}");
    }

    #[test]
    fn a_panic_is_logged_by_its_place_alone() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        let line = logged(LevelFilter::INFO, || {
            let caught = std::panic::catch_unwind(|| panic!("alice@example.com"));
            assert!(caught.is_err());
        });
        std::panic::set_hook(hook);
        assert!(line.contains("telemetry.rs") && !line.contains("alice"), "{line}");
    }
}
