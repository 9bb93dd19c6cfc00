//! Alarms, metrics, logs: what an operator sees of a deployment.

use std::collections::BTreeSet;

use runtime::metrics::METRICS;
use serde_json::Value as Json;

use super::model::{Resource, Template, list, names};

const NAMESPACE: &str = "Tributary/${AWS::StackName}";

/// Whoever is woken by an alarm reads first what to do.
#[test]
fn every_alarm_has_its_runbook_and_reaches_whoever_is_told() {
    let template = Template::load();
    let lines: Vec<&str> = template.text.lines().collect();
    for alarm in alarms(&template) {
        let head = format!("  {}:", alarm.id);
        let place = lines.iter().position(|line| *line == head).expect("the alarm stands in the text");
        let runbook = lines[place - 1].trim_start().strip_prefix("# Runbook: ");
        assert!(runbook.is_some_and(|runbook| runbook.ends_with('.')), "{} has no runbook", alarm.id);
        assert!(alarm.text("AlarmDescription").len() > 20, "{}", alarm.id);
        assert!(names(alarm.property("AlarmActions")).contains("AlarmTopicArn"), "{}", alarm.id);
        assert!(alarm.property("TreatMissingData").is_string(), "{}: silence must mean something", alarm.id);
    }
}

/// What may go wrong, and the alarm that tells.
#[test]
fn every_kind_of_trouble_raises_an_alarm() {
    let template = Template::load();
    let watched: BTreeSet<(String, String)> = alarms(&template)
        .into_iter()
        .flat_map(|alarm| watched(alarm).into_iter().map(|metric| (alarm.id.to_owned(), metric)))
        .collect();
    let expected = [
        ("ProfileDlqAlarm", "ApproximateNumberOfMessagesVisible"),
        ("ProfileQueueAgeAlarm", "ApproximateAgeOfOldestMessage"),
        ("IdentityDlqAlarm", "ApproximateNumberOfMessagesVisible"),
        ("IdentityQueueAgeAlarm", "ApproximateAgeOfOldestMessage"),
        ("SegmentsDlqAlarm", "ApproximateNumberOfMessagesVisible"),
        ("SegmentsQueueAgeAlarm", "ApproximateAgeOfOldestMessage"),
        ("MessagingDlqAlarm", "ApproximateNumberOfMessagesVisible"),
        ("MessagingQueueAgeAlarm", "ApproximateAgeOfOldestMessage"),
        ("ReceiptsDlqAlarm", "ApproximateNumberOfMessagesVisible"),
        ("ReceiptsQueueAgeAlarm", "ApproximateAgeOfOldestMessage"),
        ("IngestErrorsAlarm", "Url5xxCount"),
        ("IngestErrorsAlarm", "5xx"),
        ("FoldErrorsAlarm", "failed"),
        ("FoldErrorsAlarm", "Errors"),
        ("FunctionThrottlesAlarm", "Throttles"),
        ("TableThrottlesAlarm", "WriteThrottleEvents"),
        ("TableThrottlesAlarm", "ReadThrottleEvents"),
        ("SweepAlarm", "Invocations"),
        ("SweepAlarm", "Errors"),
    ];
    let expected = expected.map(|(alarm, metric)| (alarm.to_owned(), metric.to_owned()));
    assert_eq!(watched, BTreeSet::from(expected));
}

/// A metric of ours that nobody tells would be an alarm that never rings.
#[test]
fn alarms_watch_metrics_that_functions_tell() {
    let template = Template::load();
    let told = &template.section("Globals")["Function"]["Environment"]["Variables"]["METRICS_NAMESPACE"];
    assert_eq!(sub(told), Some(NAMESPACE));
    for alarm in alarms(&template) {
        for metric in metrics(alarm) {
            if sub(&metric["Namespace"]).is_some() {
                assert_eq!(sub(&metric["Namespace"]), Some(NAMESPACE), "{}", alarm.id);
                let name = metric["MetricName"].as_str().unwrap_or_default();
                assert!(METRICS.iter().any(|metric| metric.name == name), "{}: {name}", alarm.id);
                assert!(metric["Dimensions"].is_null(), "{}: our metrics have none", alarm.id);
            }
        }
    }
}

#[test]
fn the_expression_of_an_alarm_uses_what_it_asks_for() {
    for alarm in alarms(&Template::load()) {
        let Some(all) = alarm.property("Metrics").as_sequence() else { continue };
        let (shown, asked): (Vec<_>, Vec<_>) = all.iter().partition(|one| !one["Expression"].is_null());
        assert_eq!(shown.len(), 1, "{}", alarm.id);
        let expression = shown[0]["Expression"].as_str().expect("an expression");
        let used: BTreeSet<&str> =
            expression.split("FILL(").skip(1).filter_map(|call| call.split(',').next()).collect();
        let ids: BTreeSet<&str> = asked.iter().filter_map(|one| one["Id"].as_str()).collect();
        assert_eq!(used, ids, "{}", alarm.id);
        assert!(asked.iter().all(|one| one["ReturnData"] == false), "{}", alarm.id);
    }
}

#[test]
fn the_dashboard_shows_every_metric_and_every_alarm() {
    let template = Template::load();
    let dashboards = template.of_type("AWS::CloudWatch::Dashboard");
    let [dashboard] = dashboards.as_slice() else { panic!("one dashboard") };
    let body: Json =
        serde_json::from_str(sub(dashboard.property("DashboardBody")).expect("a !Sub")).expect("JSON");
    let (mut shown, mut ours) = (0, BTreeSet::new());
    for widget in body["widgets"].as_array().expect("widgets") {
        let mut namespace = "";
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            shown += 1;
            // `.` repeats the field above, `...` all fields but the last.
            let name = metric[0].as_str().expect("a namespace");
            namespace = if name.starts_with('.') { namespace } else { name };
            if namespace == NAMESPACE {
                ours.insert(metric[1].as_str().expect("a name").to_owned());
            }
        }
    }
    assert_eq!(ours, METRICS.iter().map(|metric| metric.name.to_owned()).collect());
    assert!(shown <= 50, "a free dashboard has at most 50 metrics, this one has {shown}");
    let listed = names(dashboard.property("DashboardBody"));
    // Of what not every stack has a dashboard that every stack may have cannot speak.
    for alarm in alarms(&template).into_iter().filter(|alarm| template.is_made(*alarm)) {
        assert!(listed.contains(alarm.id), "{} is not on the dashboard", alarm.id);
    }
}

/// START, END and REPORT would cost more than the work. Lambda takes a line that names no level for INFO, and
/// metrics name none: where its filter stood at WARN, it would drop them. The functions filter by themselves.
#[test]
fn lambda_logs_no_lines_of_its_own_and_drops_none_of_ours() {
    let template = Template::load();
    let logging = &template.section("Globals")["Function"]["LoggingConfig"];
    assert_eq!(logging["LogFormat"], "JSON");
    assert_eq!(logging["SystemLogLevel"], "WARN");
    assert_eq!(logging["ApplicationLogLevel"], "TRACE");
    for function in template.functions() {
        let own = function.property("LoggingConfig").as_mapping().expect("its log group");
        assert_eq!(own.keys().collect::<Vec<_>>(), ["LogGroup"], "{}", function.id);
    }
}

#[test]
fn what_costs_by_the_month_is_off_unless_asked_for() {
    let template = Template::load();
    for kind in ["AWS::CloudWatch::Dashboard", "AWS::Budgets::Budget"] {
        for resource in template.of_type(kind) {
            assert!(!template.is_made(resource), "{} is made by default", resource.id);
        }
    }
    assert_eq!(template.section("Parameters")["Tracing"]["Default"], "PassThrough");
    assert_eq!(
        names(&template.section("Globals")["Function"]["Tracing"]),
        BTreeSet::from(["Tracing".to_owned()])
    );
}

fn alarms(template: &Template) -> Vec<Resource<'_>> {
    template.of_type("AWS::CloudWatch::Alarm")
}

/// The metrics that an alarm looks at; each is charged.
pub(super) fn metrics(alarm: Resource<'_>) -> Vec<&serde_yaml_ng::Value> {
    let several = alarm.property("Metrics").as_sequence();
    let one = several.is_none().then_some(&alarm.body["Properties"]);
    let several = several.into_iter().flatten().map(|metric| &metric["MetricStat"]["Metric"]);
    one.into_iter().chain(several.filter(|metric| !metric.is_null())).collect()
}

fn watched(alarm: Resource<'_>) -> BTreeSet<String> {
    let mut watched = BTreeSet::new();
    for metric in metrics(alarm) {
        match &metric["MetricName"] {
            // `!If [condition, this, that]`
            serde_yaml_ng::Value::Tagged(either) => {
                watched.extend(
                    list(&either.value)
                        .into_iter()
                        .skip(1)
                        .filter_map(|name| name.as_str())
                        .map(str::to_owned),
                );
            }
            name => watched.extend(name.as_str().map(str::to_owned)),
        }
    }
    watched
}

/// The text of a `!Sub`.
pub(super) fn sub(value: &serde_yaml_ng::Value) -> Option<&str> {
    let serde_yaml_ng::Value::Tagged(tagged) = value else { return None };
    (tagged.tag == "Sub").then(|| tagged.value.as_str()).flatten()
}
