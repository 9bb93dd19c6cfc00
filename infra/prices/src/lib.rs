//! What AWS asks, from `prices.toml`: for the program, which prices what a
//! platform used, and for the benchmark.

use serde::Deserialize;

const FILE: &str = include_str!("../prices.toml");

/// Hours of a month, as AWS's own estimates count them.
pub const HOURS_A_MONTH: f64 = 730.0;
/// Bytes of what AWS calls a GB.
pub const GB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Bytes that `DynamoDB` bills storage for beside each item.
pub const ITEM_OVERHEAD_BYTES: u64 = 100;

/// The price file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    pub region: String,
    pub date: String,
    pub dynamodb: Dynamodb,
    pub sqs: Requests,
    pub sqs_fifo: Requests,
    pub lambda: Lambda,
    pub http_api: Requests,
    pub logs: Logs,
    pub cloudwatch: CloudWatch,
    pub scheduler: Scheduler,
    pub kms: Kms,
    pub time: Time,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dynamodb {
    pub source: String,
    pub write_units_million: f64,
    pub read_units_million: f64,
    pub storage_gb_month: f64,
    pub recovery_gb_month: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    pub source: String,
    pub requests_million: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    pub source: String,
    pub requests_million: f64,
    /// On arm64.
    pub gb_second: f64,
    pub gb_second_x86: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    pub source: String,
    pub ingested_gb: f64,
    pub line_overhead_bytes: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudWatch {
    pub source: String,
    pub alarm_metric_month: f64,
    pub dashboard_month: f64,
    pub metric_month: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduler {
    pub source: String,
    pub invocations_million: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kms {
    pub source: String,
    pub key_month: f64,
}

/// What a function is billed for beside its requests, where nobody measured it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    pub queue_call_ms: f64,
    pub store_call_ms: f64,
    pub store_calls_at_once: u64,
    pub instructions_a_second: f64,
    pub vcpu_mb: f64,
    pub ingest_instructions_a_request: f64,
    pub ingest_instructions_an_event: f64,
    pub upsert_instructions_an_event: f64,
}

/// The file that this build holds is not what this build reads.
pub type Unreadable = toml::de::Error;

impl Prices {
    pub fn read() -> Result<Self, Unreadable> {
        toml::from_str(FILE)
    }

    /// The pages on which the prices of an event stand.
    pub fn sources(&self) -> [&str; 5] {
        [
            &self.dynamodb.source,
            &self.sqs.source,
            &self.lambda.source,
            &self.http_api.source,
            &self.logs.source,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_price_is_there_above_nothing_and_has_its_source() {
        let prices = Prices::read().unwrap();
        let file: toml::Table = FILE.parse().unwrap();
        let sections: Vec<_> =
            file.iter().filter_map(|(name, section)| Some((name, section.as_table()?))).collect();
        assert_eq!(sections.len(), 10);
        for (name, section) in sections {
            let is_some = |value: &toml::Value| {
                value.as_float().map(|price| price > 0.0).or(value.as_integer().map(|number| number > 0))
            };
            let numbers: Vec<bool> = section.values().filter_map(is_some).collect();
            assert!(!numbers.is_empty() && numbers.into_iter().all(|is_some| is_some), "{name}");
            let source = section.get("source").and_then(toml::Value::as_str).unwrap_or_default();
            assert!(name == "time" || source.starts_with("https://aws.amazon.com/"), "{name}");
        }
        assert!(prices.sources().iter().all(|source| source.starts_with("https://aws.amazon.com/")));
        assert!(prices.lambda.gb_second < prices.lambda.gb_second_x86, "arm64 is the cheaper one");
    }
}
