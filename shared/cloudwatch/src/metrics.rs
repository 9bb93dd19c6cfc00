//! Sums of metrics, by the hour.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric as Named, MetricDataQuery, MetricDataResult, MetricStat, StatusCode,
};
use aws_smithy_types::DateTime;
use domain::time::Timestamp;
use ports::Unavailable;

const OPERATION: &str = "GetMetricData";
/// `GetMetricData` takes no more at once.
const QUERIES_MAX: usize = 500;
/// Hours are kept for fifteen months, minutes for two weeks.
const PERIOD_S: i32 = 3_600;

/// Reads metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    client: Client,
}

/// A metric: its namespace, its name, and what it is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    pub namespace: String,
    pub name: String,
    /// Names and values.
    pub dimensions: Vec<(String, String)>,
}

/// When an hour began, and the sum of what was told in it.
pub type Hour = (Timestamp, f64);

/// An answer is not what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not whole: {0} of metric `{1}` of `{2}`")]
struct Incomplete(&'static str, String, String);

impl Metrics {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The hours in which each metric was told something, in the order in which
    /// the metrics were named; the oldest hour first.
    pub async fn hours(
        &self,
        metrics: &[Metric],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<Hour>>, Unavailable> {
        let mut all = Vec::new();
        for metrics in metrics.chunks(QUERIES_MAX) {
            all.extend(self.of_few(metrics, from, to).await?);
        }
        Ok(all)
    }

    async fn of_few(
        &self,
        metrics: &[Metric],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<Hour>>, Unavailable> {
        let queries = metrics.iter().enumerate().map(|(place, metric)| metric.query(place)).collect();
        let [from, to] = [from, to].map(|moment| DateTime::from_millis(moment.millis()));
        let ask = self.client.get_metric_data().set_metric_data_queries(Some(queries));
        let mut pages = ask.start_time(from).end_time(to).into_paginator().send();
        let mut found = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| aws::unavailable(OPERATION, error))?;
            for result in page.metric_data_results.unwrap_or_default() {
                take(&mut found, result);
            }
        }
        metrics.iter().enumerate().map(|(place, metric)| metric.told(found.remove(&id(place)))).collect()
    }
}

/// What the pages said of one metric so far.
#[derive(Default)]
struct Found {
    hours: Vec<Hour>,
    /// What the last page says of the whole.
    status: Option<StatusCode>,
    has_gaps: bool,
}

fn take(found: &mut BTreeMap<String, Found>, result: MetricDataResult) {
    let MetricDataResult { id: Some(id), timestamps, values, status_code, .. } = result else { return };
    let (timestamps, values) = (timestamps.unwrap_or_default(), values.unwrap_or_default());
    let found = found.entry(id).or_default();
    found.status = status_code;
    found.has_gaps |= timestamps.len() != values.len();
    let moments =
        timestamps.iter().map(|moment| Timestamp::from_millis(moment.to_millis().unwrap_or_default()));
    found.hours.extend(moments.zip(values));
}

impl Metric {
    fn query(&self, place: usize) -> MetricDataQuery {
        let dimensions =
            self.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build());
        let named = Named::builder()
            .namespace(&self.namespace)
            .metric_name(&self.name)
            .set_dimensions(Some(dimensions.collect()))
            .build();
        let stat = MetricStat::builder().metric(named).period(PERIOD_S).stat("Sum").build();
        MetricDataQuery::builder().id(id(place)).metric_stat(stat).build()
    }

    fn told(&self, found: Option<Found>) -> Result<Vec<Hour>, Unavailable> {
        let wrong = |what| {
            let cause = Incomplete(what, self.name.clone(), self.namespace.clone());
            Unavailable::new(OPERATION, cause)
        };
        let mut found = found.ok_or_else(|| wrong("there is nothing"))?;
        if found.has_gaps {
            return Err(wrong("there are moments without values"));
        }
        if found.status != Some(StatusCode::Complete) {
            return Err(wrong("there is but a part"));
        }
        found.hours.sort_by_key(|(moment, _)| *moment);
        Ok(found.hours)
    }
}

/// An id begins with a small letter.
fn id(place: usize) -> String {
    format!("m{place}")
}

#[cfg(test)]
mod tests {
    use aws::service::Service;
    use ports::Unavailable;
    use serde_json::{Value, json};

    use super::*;

    const FROM: Timestamp = Timestamp::from_millis(1_795_338_000_000);

    fn metric(name: &str) -> Metric {
        let dimensions = vec![("FunctionName".to_owned(), "shop-ingest".to_owned())];
        Metric { namespace: "AWS/Lambda".to_owned(), name: name.to_owned(), dimensions }
    }

    fn result(id: &str, status: &str, hours: &[(i64, f64)]) -> Value {
        let moments: Vec<String> =
            hours.iter().map(|(hour, _)| FROM.plus(hour * Timestamp::HOUR).rfc3339()).collect();
        let values: Vec<f64> = hours.iter().map(|(_, value)| *value).collect();
        json!({ "Id": id, "StatusCode": status, "Timestamps": moments, "Values": values })
    }

    async fn asked(
        metrics: &[Metric],
        answers: impl IntoIterator<Item = Value>,
    ) -> (Result<Vec<Vec<Hour>>, Unavailable>, Service) {
        let service = Service::replay(answers.into_iter().map(|answer| (200, answer.to_string())));
        let reader = Metrics::new(crate::client(&service.config(), None));
        (reader.hours(metrics, FROM, FROM.plus(2 * Timestamp::HOUR)).await, service)
    }

    #[tokio::test]
    async fn hours_come_in_order_whatever_page_they_are_on() {
        let first = json!({
            "MetricDataResults": [result("m0", "PartialData", &[(1, 2.5)]), result("m1", "Complete", &[])],
            "NextToken": "more",
        });
        let second = json!({ "MetricDataResults": [result("m0", "Complete", &[(0, 4.0)])] });
        let (found, service) = asked(&[metric("Duration"), metric("Errors")], [first, second]).await;
        let hours = vec![(FROM, 4.0), (FROM.plus(Timestamp::HOUR), 2.5)];
        assert_eq!(found.unwrap(), [hours, Vec::new()]);

        let [first, second] = &service.asked()[..] else { panic!("two pages") };
        assert_eq!(first.target, "GetMetricData");
        let [first, second] =
            [first, second].map(|asked| serde_json::from_str::<Value>(&asked.body).unwrap());
        assert_eq!((&first["NextToken"], &second["NextToken"]), (&Value::Null, &json!("more")));
        let query = json!({ "Id": "m0", "MetricStat": {
            "Metric": {
                "Namespace": "AWS/Lambda", "MetricName": "Duration",
                "Dimensions": [{ "Name": "FunctionName", "Value": "shop-ingest" }],
            },
            "Period": 3600, "Stat": "Sum",
        }});
        assert_eq!(first["MetricDataQueries"][0], query);
        assert_eq!(first["StartTime"], "2026-11-22T09:00:00Z");
        assert_eq!(first["EndTime"], "2026-11-22T11:00:00Z");
    }

    #[tokio::test]
    async fn an_answer_that_is_not_whole_is_no_answer() {
        let mut gap = result("m0", "Complete", &[(0, 1.0)]);
        gap["Values"] = json!([]);
        let wrong = [
            (json!([]), "there is nothing"),
            (json!([result("m0", "InternalError", &[])]), "there is but a part"),
            (json!([result("m0", "PartialData", &[(0, 1.0)])]), "there is but a part"),
            (json!([gap]), "there are moments without values"),
        ];
        for (results, expected) in wrong {
            let (found, _) = asked(&[metric("Duration")], [json!({ "MetricDataResults": results })]).await;
            let cause = found.unwrap_err().cause.to_string();
            assert_eq!(
                cause,
                format!("the answer is not whole: {expected} of metric `Duration` of `AWS/Lambda`")
            );
        }
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_code() {
        let denied = json!({ "__type": "AccessDeniedException", "message": "who are you" }).to_string();
        let service = Service::replay([(403, denied)]);
        let reader = Metrics::new(crate::client(&service.config(), None));
        let error = reader.hours(&[metric("Errors")], FROM, FROM).await.unwrap_err();
        assert_eq!(error.cause.to_string(), "the service answered 403 AccessDeniedException");
    }

    #[tokio::test]
    async fn the_environment_names_the_endpoint() {
        let service = Service::replay([]);
        let config = service.config_with_endpoint("CloudWatch", "https://metrics.example");
        assert!(
            Metrics::new(crate::client(&config, None)).hours(&[metric("Errors")], FROM, FROM).await.is_err()
        );
        assert!(service.asked()[0].uri.starts_with("https://metrics.example/"), "{:?}", service.asked());
    }
}
