//! What AWS asks, from `prices.toml`.

use serde::Deserialize;

use crate::failed::Failed;

const FILE: &str = include_str!("../prices.toml");

/// Prices that no event pays (alarms, schedules) are passed over.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Prices {
    pub(crate) region: String,
    pub(crate) date: String,
    pub(crate) dynamodb: Dynamodb,
    pub(crate) sqs: Requests,
    pub(crate) lambda: Lambda,
    pub(crate) http_api: Requests,
    pub(crate) logs: Logs,
    pub(crate) time: Time,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dynamodb {
    pub(crate) source: String,
    pub(crate) write_units_million: f64,
    pub(crate) read_units_million: f64,
    pub(crate) storage_gb_month: f64,
    pub(crate) recovery_gb_month: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requests {
    pub(crate) source: String,
    pub(crate) requests_million: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lambda {
    pub(crate) source: String,
    pub(crate) requests_million: f64,
    pub(crate) gb_second: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logs {
    pub(crate) source: String,
    pub(crate) ingested_gb: f64,
    pub(crate) line_overhead_bytes: u64,
}

/// What a function is billed for beside its requests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Time {
    pub(crate) queue_call_ms: f64,
    pub(crate) store_call_ms: f64,
    pub(crate) store_calls_at_once: u64,
    pub(crate) instructions_a_second: f64,
    pub(crate) vcpu_mb: f64,
    pub(crate) ingest_instructions_a_request: f64,
    pub(crate) ingest_instructions_an_event: f64,
    pub(crate) upsert_instructions_an_event: f64,
}

impl Prices {
    pub(crate) fn read() -> Result<Self, Failed> {
        Ok(toml::from_str(FILE)?)
    }

    /// The pages on which the prices stand.
    pub(crate) fn sources(&self) -> [&str; 5] {
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
    fn every_price_is_there_and_above_nothing() {
        let prices = Prices::read().unwrap();
        let all = [
            prices.dynamodb.write_units_million,
            prices.dynamodb.read_units_million,
            prices.sqs.requests_million,
            prices.lambda.requests_million,
            prices.lambda.gb_second,
            prices.http_api.requests_million,
            prices.logs.ingested_gb,
        ];
        assert!(all.iter().all(|price| *price > 0.0));
        assert!(prices.sources().iter().all(|source| source.starts_with("https://aws.amazon.com/")));
    }
}
