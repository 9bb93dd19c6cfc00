//! What was used, priced.

use domain::time::Timestamp;
use prices::{GB, HOURS_A_MONTH, Prices};

const MILLION: f64 = 1e6;
/// From less than this no month is foretold.
const HOURS_MIN: f64 = 1.0;

/// What a platform used in a period.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counted {
    /// Whose it is, in words.
    pub(super) of: String,
    /// Where it stands, if it stands in AWS.
    pub(super) region: Option<String>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// Events that ingest accepted.
    pub(super) accepted: f64,
    /// In the order in which an event meets the stages.
    pub(super) used: Vec<Used>,
    /// What the figures do not hold, or hold roughly.
    pub(super) notes: Vec<String>,
}

/// A count of something that AWS charges for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Used {
    pub(super) stage: String,
    pub(super) what: String,
    pub(super) kind: Kind,
    pub(super) count: f64,
}

/// What AWS charges for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    FunctionRequest,
    GbSecondArm,
    GbSecondX86,
    DoorRequest,
    QueueRequest,
    /// Of a queue that keeps an order.
    FifoRequest,
    ReadUnit,
    WriteUnit,
    LogByte,
    ScheduledRun,
    /// An hour in which a metric of ours was told something.
    MetricHour,
    StoredByte,
    /// A byte that point-in-time recovery keeps.
    RecoverableByte,
    AlarmMetric,
    Dashboard,
    Key,
}

/// A price, for so many of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Price {
    pub(super) unit: &'static str,
    pub(super) dollars: f64,
    pub(super) per: f64,
    pub(super) per_in_words: &'static str,
    /// It is asked each month for what is there, whatever is used.
    pub(super) by_month: bool,
}

/// A priced count.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) used: Used,
    pub(super) price: Price,
    /// In the period.
    pub(super) dollars: f64,
    /// In a month like the period, if that was long enough to tell.
    pub(super) dollars_a_month: Option<f64>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bill {
    pub(super) counted: Counted,
    pub(super) lines: Vec<Line>,
    pub(super) hours: f64,
    /// Where and when the prices were those.
    pub(super) prices_of: (String, String),
}

impl Kind {
    pub(super) fn price(self, prices: &Prices) -> Price {
        let million =
            |unit, dollars| Price { unit, dollars, per: MILLION, per_in_words: "a million", by_month: false };
        let monthly =
            |unit, dollars| Price { unit, dollars, per: 1.0, per_in_words: "a month", by_month: true };
        let stored = |dollars| Price {
            unit: "bytes",
            dollars,
            per: GB,
            per_in_words: "a GB and month",
            by_month: true,
        };
        match self {
            Self::FunctionRequest => million("requests", prices.lambda.requests_million),
            Self::GbSecondArm => million("GB-seconds", prices.lambda.gb_second * MILLION),
            Self::GbSecondX86 => million("GB-seconds", prices.lambda.gb_second_x86 * MILLION),
            Self::DoorRequest => million("requests", prices.http_api.requests_million),
            Self::QueueRequest => million("requests", prices.sqs.requests_million),
            Self::FifoRequest => million("requests", prices.sqs_fifo.requests_million),
            Self::ReadUnit => million("units", prices.dynamodb.read_units_million),
            Self::WriteUnit => million("units", prices.dynamodb.write_units_million),
            Self::LogByte => Price {
                unit: "bytes",
                dollars: prices.logs.ingested_gb,
                per: GB,
                per_in_words: "a GB",
                by_month: false,
            },
            Self::ScheduledRun => million("runs", prices.scheduler.invocations_million),
            Self::MetricHour => Price {
                unit: "hours",
                dollars: prices.cloudwatch.metric_month,
                per: HOURS_A_MONTH,
                per_in_words: "a month",
                by_month: false,
            },
            Self::StoredByte => stored(prices.dynamodb.storage_gb_month),
            Self::RecoverableByte => stored(prices.dynamodb.recovery_gb_month),
            Self::AlarmMetric => monthly("metrics", prices.cloudwatch.alarm_metric_month),
            Self::Dashboard => monthly("dashboards", prices.cloudwatch.dashboard_month),
            Self::Key => monthly("keys", prices.kms.key_month),
        }
    }
}

impl Bill {
    pub(super) fn of(counted: Counted, prices: &Prices) -> Self {
        let hours = hours(counted.from, counted.to);
        let lines = counted.used.iter().map(|used| Line::of(used, hours, prices)).collect();
        Self { counted, lines, hours, prices_of: (prices.region.clone(), prices.date.clone()) }
    }

    pub(super) fn dollars(&self) -> f64 {
        self.lines.iter().map(|line| line.dollars).sum()
    }

    pub(super) fn dollars_a_month(&self) -> Option<f64> {
        self.lines.iter().map(|line| line.dollars_a_month).sum()
    }

    /// Whether the period tells nothing of a month.
    pub(super) fn is_short(&self) -> bool {
        self.hours < HOURS_MIN
    }

    /// Of a million accepted events: what they used, and that with what stands
    /// by the month. `None` if none was accepted.
    pub(super) fn dollars_a_million(&self) -> Option<(f64, f64)> {
        let used =
            self.lines.iter().filter(|line| !line.price.by_month).map(|line| line.dollars).sum::<f64>();
        let a_million = |dollars: f64| dollars / self.counted.accepted * MILLION;
        (self.counted.accepted > 0.0).then(|| (a_million(used), a_million(self.dollars())))
    }
}

impl Line {
    fn of(used: &Used, hours: f64, prices: &Prices) -> Self {
        let price = used.kind.price(prices);
        let asked = used.count / price.per * price.dollars;
        let (dollars, dollars_a_month) = if price.by_month {
            (asked * hours / HOURS_A_MONTH, Some(asked))
        } else {
            (asked, (hours >= HOURS_MIN).then(|| asked * HOURS_A_MONTH / hours))
        };
        Self { used: used.clone(), price, dollars, dollars_a_month }
    }
}

/// Never nothing: a period divides.
fn hours(from: Timestamp, to: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a year has fewer milliseconds than 2^53")]
    let millis = to.since(from).max(1) as f64;
    #[expect(clippy::cast_precision_loss, reason = "an hour has fewer milliseconds than 2^53")]
    let hour = Timestamp::HOUR as f64;
    millis / hour
}
