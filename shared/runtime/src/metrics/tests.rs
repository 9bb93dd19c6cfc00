use std::collections::BTreeSet;

use super::*;

const NAMESPACE: &str = "Tributary/test";

fn fields(of: &Value) -> Map<String, Value> {
    of.as_object().unwrap().clone()
}

fn told(of: &Value) -> Value {
    serde_json::from_str(&line(NAMESPACE, 1_795_343_400_000, &fields(of)).unwrap()).unwrap()
}

/// What the specification asks of a document, and what `CloudWatch` drops in silence.
fn assert_is_emf(document: &Value) {
    let aws = &document["_aws"];
    assert!(aws["Timestamp"].is_u64(), "milliseconds since 1970");
    let directives = aws["CloudWatchMetrics"].as_array().unwrap();
    assert_eq!(aws.as_object().unwrap().len(), 2);
    for directive in directives {
        assert_eq!(directive.as_object().unwrap().len(), 3);
        assert!((1..=1024).contains(&directive["Namespace"].as_str().unwrap().len()));
        for set in directive["Dimensions"].as_array().unwrap() {
            assert!(set.as_array().unwrap().len() <= 30);
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            let name = metric["Name"].as_str().unwrap();
            assert!((1..=1024).contains(&name.len()));
            assert!(document[name].is_number(), "{name} stands at the top and is a number");
            assert!(
                metric
                    .get("Unit")
                    .is_none_or(|unit| ["Milliseconds", "Count"].contains(&unit.as_str().unwrap()))
            );
        }
    }
}

fn names(document: &Value) -> Vec<&str> {
    let metrics = document["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
    metrics.iter().map(|metric| metric["Name"].as_str().unwrap()).collect()
}

#[test]
fn a_line_is_a_document_of_the_embedded_metric_format() {
    let all: Map<String, Value> =
        METRICS.iter().map(|metric| (metric.name.to_owned(), Value::from(7))).collect();
    let document = told(&Value::Object(all));
    assert_is_emf(&document);
    assert_eq!(names(&document).len(), METRICS.len());
}

#[test]
fn what_is_zero_is_left_out_and_what_is_no_metric_is_kept() {
    let document = told(&json!({ "accepted": 3, "rejected": 0, "trace": "0f", "status": 200 }));
    assert_is_emf(&document);
    assert_eq!(names(&document), ["accepted"]);
    assert_eq!((&document["accepted"], &document["status"]), (&json!(3), &json!(200)));
    assert!(document.get("rejected").is_none());
}

#[test]
fn without_a_metric_there_is_no_document() {
    assert_eq!(line(NAMESPACE, 0, &fields(&json!({ "accepted": 0, "trace": "0f" }))), None);
    assert_eq!(line(NAMESPACE, 0, &fields(&json!({}))), None);
}

#[test]
fn a_metric_has_one_name_and_no_dimension() {
    let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    let document = told(&json!({ "accepted": 1, "workspace": "shop" }));
    assert_eq!(document["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([[]]));
}

/// Half a dollar a GB: a line a request must stay a small part of what a request costs.
#[test]
fn the_line_of_a_request_is_short() {
    let request =
        json!({ "trace": "f".repeat(32), "status": 200, "code": "ok", "accepted": 100, "rejected": 0 });
    let line = line("Tributary/production", 1_795_343_400_000, &fields(&request)).unwrap();
    assert!(line.len() <= 240, "{} bytes: {line}", line.len());
    let batch = json!({
        "folded": 10_000, "repeated": 10, "people": 1_000, "write_units": 20_000, "oldest_ms": 86_400_000, "failed": 3,
    });
    let line = super::line("Tributary/production", 1_795_343_400_000, &fields(&batch)).unwrap();
    assert!(line.len() <= 420, "{} bytes: {line}", line.len());
}
