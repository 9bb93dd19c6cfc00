//! What a deployed stack used, as `CloudWatch` and `DynamoDB` tell it.

use cloudwatch::{Hour, Metric};
use domain::time::Timestamp;
use dynamodb::size::{self, Size, TableSize};
use futures_util::future::try_join_all;
use ports::Unavailable;
use prices::ITEM_OVERHEAD_BYTES;
use runtime::metrics::METRICS;

use super::bill::{Counted, Kind, Used};
use crate::deployed::{Architecture, Charged, FrontDoor, Function, Stack, StartedBy, YesNo};
use crate::output::Failed;

/// Every 64 KB of a message are a request.
const REQUEST_BYTES: f64 = 64.0 * 1_024.0;
const ACCEPTED: &str = "accepted";
/// What no event needs.
const OPERATING: &str = "operating";
const ONE: Share = Share::Sum(1.0);
/// Stages that a queue feeds, in the order in which an event meets them.
const BEHIND_QUEUES: [&str; 2] = ["profile", "identity"];
/// How the names of queues end that keep an order.
const FIFO: &str = ".fifo";

const NOTES: [&str; 4] = [
    "not included: data sent to the internet, requests to a customer key, X-Ray, what CloudFront asks, and commands \
     such as this one; nor is what is free: discounts, free tiers",
    "not included: the rest of each invocation's last millisecond, and the starts of functions",
    "a message counts as one request each time that it is sent, received or deleted, and each further 64 KB as \
     another; Lambda takes up to ten at once, so that under load the queue costs less than half of this",
    "tables are as large as DynamoDB last counted, which it does every six hours",
];

#[derive(Debug, thiserror::Error)]
enum Uncounted {
    #[error(
        "cannot read the metrics of stack `{stack}` in {region}, which takes the right cloudwatch:GetMetricData"
    )]
    Metrics {
        stack: String,
        region: String,
        #[source]
        cause: Unavailable,
    },
    #[error("cannot read how large table `{table}` is, which takes the right dynamodb:DescribeTable on it")]
    Size {
        table: String,
        #[source]
        cause: Unavailable,
    },
    #[error(
        "there are no metrics of stack `{stack}` in {region} since {since}: a new stack has some within ten minutes; \
         of an older one look at its region, or further back with --since"
    )]
    Nothing { stack: String, region: String, since: String },
}

/// Counts what the stack used in the last `back` milliseconds, or since it told
/// something first.
pub(super) async fn count(stack: &Stack, back: i64, now: Timestamp) -> Result<Counted, Failed> {
    let charged = stack.charged()?;
    let tables = tables(stack, charged).await?;
    let from = whole_hour(now.plus(-back));
    let mut asking = Asking::of(stack, charged, &tables);
    let metrics: Vec<Metric> = asking.asked.iter().map(|asked| asked.metric.clone()).collect();
    let hours = stack.metrics().hours(&metrics, from, now).await;
    let hours = hours.map_err(|cause| Uncounted::Metrics {
        stack: stack.name().to_owned(),
        region: stack.region().to_owned(),
        cause,
    })?;
    let first = hours.iter().flatten().map(|(moment, _)| *moment).min();
    let first = first.ok_or_else(|| Uncounted::Nothing {
        stack: stack.name().to_owned(),
        region: stack.region().to_owned(),
        since: from.rfc3339(),
    })?;
    let accepted = asking.take(&hours);
    asking.stored(&tables);
    asking.standing(stack, charged);
    Ok(Counted {
        of: format!("Stack `{}`", stack.name()),
        region: Some(stack.region().to_owned()),
        from: from.max(first),
        to: now,
        accepted,
        used: asking.used,
        notes: NOTES.map(str::to_owned).to_vec(),
    })
}

/// A table and how large it is.
struct Table {
    /// Whose it is; `shared`, if it is nobody's alone.
    stage: String,
    holds: String,
    name: String,
    size: TableSize,
}

async fn tables(stack: &Stack, charged: &Charged) -> Result<Vec<Table>, Failed> {
    let client = &stack.dynamodb();
    let named = charged.tables.iter().flat_map(|(stage, tables)| {
        tables.iter().map(move |(holds, name)| (stage.clone(), holds.clone(), name.clone()))
    });
    let sized = named.map(|(stage, holds, name)| async move {
        match size::of(client, &name).await {
            Ok(size) => Ok::<_, Failed>(Table { stage, holds, name, size }),
            Err(cause) => Err(Uncounted::Size { table: name, cause }.into()),
        }
    });
    try_join_all(sized).await
}

fn whole_hour(moment: Timestamp) -> Timestamp {
    Timestamp::from_millis(moment.millis().div_euclid(Timestamp::HOUR) * Timestamp::HOUR)
}

/// The metrics that are asked for, and the counts that they add up to.
#[derive(Default)]
struct Asking {
    used: Vec<Used>,
    asked: Vec<Asked>,
}

struct Asked {
    metric: Metric,
    /// Which counts it adds to, and how much of each.
    shares: Vec<(usize, Share)>,
}

#[derive(Clone, Copy)]
enum Share {
    /// Its sum, times this.
    Sum(f64),
    /// The hours in which it was told.
    Hours,
}

impl Asking {
    /// In the order in which an event meets them.
    fn of(stack: &Stack, charged: &Charged, tables: &[Table]) -> Self {
        let mut asking = Self::default();
        let behind_a_queue = |bin: &str| stack.queues().contains_key(stage_of(bin));
        let (behind, first): (Vec<_>, Vec<_>) =
            charged.functions.iter().partition(|(bin, _)| behind_a_queue(bin));
        asking.functions(stack, charged, &first);
        for stage in BEHIND_QUEUES {
            asking.queue(stack, stage);
            let of_it: Vec<_> = behind.iter().copied().filter(|(bin, _)| stage_of(bin) == stage).collect();
            asking.functions(stack, charged, &of_it);
        }
        asking.tables(tables);
        asking.our_own(stack);
        asking
    }

    /// A count, which metrics or sizes add to.
    fn line(&mut self, stage: &str, what: impl Into<String>, kind: Kind) -> usize {
        self.count(stage, what, kind, 0.0);
        self.used.len() - 1
    }

    fn ask(&mut self, namespace: &str, name: &str, of: &[(&str, &str)], shares: Vec<(usize, Share)>) {
        let dimensions = of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let metric = Metric { namespace: namespace.to_owned(), name: name.to_owned(), dimensions };
        self.asked.push(Asked { metric, shares });
    }

    fn functions(&mut self, stack: &Stack, charged: &Charged, functions: &[(&String, &Function)]) {
        const LAMBDA: &str = "AWS/Lambda";
        for (bin, function) in functions {
            let stage = stage_of(bin);
            let of = [("FunctionName", function.name.as_str())];
            let mut runs = vec![(self.line(stage, format!("{bin}: requests"), Kind::FunctionRequest), ONE)];
            match function.started_by {
                StartedBy::Http if charged.front_door == FrontDoor::HttpApi => {
                    runs.push((self.line(stage, format!("{bin}: HTTP API"), Kind::DoorRequest), ONE));
                }
                StartedBy::Schedule => {
                    runs.push((self.line(stage, format!("{bin}: schedule"), Kind::ScheduledRun), ONE));
                }
                StartedBy::Http | StartedBy::Queue => (),
            }
            self.ask(LAMBDA, "Invocations", &of, runs);
            let kind = match charged.architecture {
                Architecture::Arm64 => Kind::GbSecondArm,
                Architecture::X86 => Kind::GbSecondX86,
            };
            let time = self.line(stage, format!("{bin}: time"), kind);
            let gb_seconds_a_ms = f64::from(function.memory_mb) / 1_024.0 / 1_000.0;
            self.ask(LAMBDA, "Duration", &of, vec![(time, Share::Sum(gb_seconds_a_ms))]);
            let logs = self.line(stage, format!("{bin}: log"), Kind::LogByte);
            let group = format!("/tributary/{}/{bin}", stack.name());
            self.ask("AWS/Logs", "IncomingBytes", &[("LogGroupName", &group)], vec![(logs, ONE)]);
        }
    }

    fn queue(&mut self, stack: &Stack, stage: &str) {
        const MESSAGES: [&str; 4] = [
            "NumberOfMessagesSent",
            "NumberOfMessagesReceived",
            "NumberOfMessagesDeleted",
            "NumberOfEmptyReceives",
        ];
        let Some(fed) = stack.queues().get(stage) else { return };
        for (what, url) in [("queue", &fed.url), ("dead letters", &fed.dead_letters)] {
            let kind = if url.ends_with(FIFO) { Kind::FifoRequest } else { Kind::QueueRequest };
            let line = self.line(stage, what, kind);
            let of = [("QueueName", url.rsplit('/').next().unwrap_or_default())];
            for name in MESSAGES {
                self.ask("AWS/SQS", name, &of, vec![(line, ONE)]);
            }
            // What is sent is also received.
            let further = Share::Sum(2.0 / REQUEST_BYTES);
            self.ask("AWS/SQS", "SentMessageSize", &of, vec![(line, further)]);
        }
    }

    fn tables(&mut self, tables: &[Table]) {
        const DYNAMODB: &str = "AWS/DynamoDB";
        const UNITS: [(&str, &str, Kind); 2] = [
            ("ConsumedReadCapacityUnits", "reads", Kind::ReadUnit),
            ("ConsumedWriteCapacityUnits", "writes", Kind::WriteUnit),
        ];
        for Table { stage, holds, name: table, size } in tables {
            for (name, what, kind) in UNITS {
                let line = self.line(stage, format!("{holds}: {what}"), kind);
                self.ask(DYNAMODB, name, &[("TableName", table)], vec![(line, ONE)]);
                for (index, _) in &size.indexes {
                    let of = [("TableName", table.as_str()), ("GlobalSecondaryIndexName", index)];
                    self.ask(DYNAMODB, name, &of, vec![(line, ONE)]);
                }
            }
        }
    }

    fn our_own(&mut self, stack: &Stack) {
        let hours = self.line(OPERATING, "metrics of our own", Kind::MetricHour);
        let namespace = format!("Tributary/{}", stack.name());
        for metric in METRICS {
            self.ask(&namespace, metric.name, &[], vec![(hours, Share::Hours)]);
        }
    }

    /// Adds up what was told; gives how many events were accepted.
    fn take(&mut self, told: &[Vec<Hour>]) -> f64 {
        let mut accepted = 0.0;
        for (Asked { metric, shares }, hours) in self.asked.iter().zip(told) {
            let sum: f64 = hours.iter().map(|(_, value)| value).sum();
            if metric.name == ACCEPTED {
                accepted = sum;
            }
            for (line, share) in shares {
                let Some(used) = self.used.get_mut(*line) else { continue };
                used.count += match share {
                    Share::Sum(of_it) => sum * of_it,
                    Share::Hours => hours.iter().map(|_| 1.0).sum(),
                };
            }
        }
        accepted
    }

    /// Point-in-time recovery is on wherever the template made the table.
    fn stored(&mut self, tables: &[Table]) {
        for Table { stage, holds, size: TableSize { table, indexes }, .. } in tables {
            let indexes = indexes.iter().map(|(_, size)| bytes(*size)).sum::<f64>();
            self.count(stage, format!("{holds}: storage"), Kind::StoredByte, bytes(*table) + indexes);
            self.count(stage, format!("{holds}: recovery"), Kind::RecoverableByte, bytes(*table));
        }
    }

    fn standing(&mut self, stack: &Stack, charged: &Charged) {
        self.count(OPERATING, "alarms", Kind::AlarmMetric, charged.alarm_metrics.into());
        if charged.dashboard == YesNo::Yes {
            self.count(OPERATING, "dashboard", Kind::Dashboard, 1.0);
        }
        if stack.kms_key().is_some() {
            self.count(OPERATING, "customer key", Kind::Key, 1.0);
        }
    }

    fn count(&mut self, stage: &str, what: impl Into<String>, kind: Kind, count: f64) {
        self.used.push(Used { stage: stage.to_owned(), what: what.into(), kind, count });
    }
}

/// For which storage is billed.
#[expect(clippy::cast_precision_loss, reason = "no table of ours comes near 2^53 bytes")]
fn bytes(size: Size) -> f64 {
    (size.bytes + size.items * ITEM_OVERHEAD_BYTES) as f64
}

/// `profile-upsert` belongs to the stage `profile`.
fn stage_of(bin: &str) -> &str {
    bin.split('-').next().unwrap_or_default()
}
