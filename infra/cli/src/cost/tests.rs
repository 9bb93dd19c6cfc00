use aws::service::{Answer, Asked, Service};
use prices::Prices;
use runtime::failure::chain;
use runtime::metrics::METRICS;
use serde_json::{Value, json};

use super::bill::{Counted, Kind, Line, Used};
use super::*;

/// 12:30, so that the hour that runs is there by half.
const NOW: Timestamp = Timestamp::from_millis(1_795_350_600_000);
const DAY: i64 = Timestamp::DAY;

fn resources() -> Value {
    let function = |name: &str, memory_mb: u32, started_by: &str| json!({ "name": format!("shop-{name}"), "memory_mb": memory_mb, "started_by": started_by });
    json!({
        "v": 1, "definitions_table": "shop-definitions", "kms_key": "",
        "queues": {
            "profile": { "url": "https://q/1/shop-profile", "dead_letters": "https://q/1/shop-dead" },
            "identity": { "url": "https://q/1/shop-identity.fifo", "dead_letters": "https://q/1/shop-lost.fifo" },
        },
        "charged": {
            "architecture": "arm64", "front_door": "FunctionUrl", "dashboard": "no", "alarm_metrics": 12,
            "functions": {
                "ingest-http": function("ingest", 512, "http"),
                "profile-upsert": function("upsert", 1_024, "queue"),
                "profile-sweep": function("sweep", 256, "schedule"),
                "identity-merge": function("merge", 512, "queue"),
            },
            "tables": {
                "profile": { "people": "shop-people" },
                "shared": { "definitions": "shop-definitions" },
            },
        },
    })
}

/// What a metric was told in each of the last two hours.
fn told(name: &str, of: &str) -> f64 {
    match (name, of) {
        ("Duration", "shop-ingest") => 8_000_000.0,
        ("Invocations", "shop-upsert") => 50_000.0,
        ("Invocations", "shop-sweep") => 60.0,
        ("IncomingBytes", "/tributary/shop/ingest-http") => 1_073_741_824.0,
        ("Invocations", "shop-ingest")
        | ("NumberOfMessagesSent" | "NumberOfMessagesReceived" | "NumberOfMessagesDeleted", "shop-profile") => {
            1_000_000.0
        }
        ("NumberOfEmptyReceives", "shop-profile" | "shop-identity.fifo") => 500.0,
        ("SentMessageSize", "shop-profile") => 65_536_000.0,
        ("ConsumedWriteCapacityUnits", "shop-people") => 3_000_000.0,
        ("ConsumedReadCapacityUnits", "shop-people" | "shop-people/due") => 240.0,
        ("accepted", "") => 2_000_000.0,
        ("folded", "") => 1.0,
        _ => 0.0,
    }
}

fn metric_data(body: &str) -> Value {
    let body: Value = serde_json::from_str(body).unwrap();
    let result = |query: &Value| {
        let metric = &query["MetricStat"]["Metric"];
        let dimensions = metric["Dimensions"].as_array().unwrap();
        let of: Vec<&str> = dimensions.iter().map(|dimension| dimension["Value"].as_str().unwrap()).collect();
        let value = told(metric["MetricName"].as_str().unwrap(), &of.join("/"));
        let hours: &[&str] =
            if value > 0.0 { &["2026-11-22T12:00:00Z", "2026-11-22T11:00:00Z"] } else { &[] };
        json!({ "Id": query["Id"], "StatusCode": "Complete", "Timestamps": hours, "Values": vec![value; hours.len()] })
    };
    let results = body["MetricDataQueries"].as_array().unwrap().iter().map(result);
    json!({ "MetricDataResults": results.collect::<Vec<_>>() })
}

fn answer(resources: &Value, asked: &Asked) -> Answer {
    let answer = match asked.target.as_str() {
        "AmazonSSM.GetParameter" => json!({ "Parameter": { "Value": resources.to_string() } }),
        "DynamoDB_20120810.DescribeTable" if asked.body.contains("shop-people") => json!({ "Table": {
            "ItemCount": 1_000_000, "TableSizeBytes": 973_741_824,
            "GlobalSecondaryIndexes": [{ "IndexName": "due", "ItemCount": 0, "IndexSizeBytes": 0 }],
        }}),
        "DynamoDB_20120810.DescribeTable" => json!({ "Table": { "ItemCount": 0, "TableSizeBytes": 0 } }),
        "GetMetricData" => metric_data(&asked.body),
        other => panic!("{other} was not expected"),
    };
    (200, answer.to_string())
}

async fn counted_of(service: &Service, back: i64) -> Result<Counted, Failed> {
    let stack = Stack::with("shop", service.config()).await?;
    stack.explained(stack::count(&stack, back, NOW).await)
}

async fn counted(resources: Value) -> Counted {
    let service = Service::new(move |asked| answer(&resources, asked));
    counted_of(&service, 30 * DAY).await.unwrap()
}

fn line<'a>(bill: &'a Bill, stage: &str, what: &str) -> &'a Line {
    let mut lines = bill.lines.iter().filter(|line| line.used.stage == stage && line.used.what == what);
    let found = lines.next().unwrap_or_else(|| panic!("{stage} {what} is not among {:?}", bill.lines));
    assert_eq!(lines.next(), None);
    found
}

fn about(value: f64, expected: f64) {
    assert!((value - expected).abs() <= expected.abs() * 1e-6, "{value} is not {expected}");
}

#[tokio::test]
async fn a_stack_is_priced_by_stage_from_what_it_told() {
    let prices = Prices::read().unwrap();
    let bill = Bill::of(counted(resources()).await, &prices);
    // It told something first at 11:00.
    about(bill.hours, 1.5);
    about(bill.counted.accepted, 4e6);
    let check = |stage: &str, what: &str, count: f64, dollars: f64| {
        let line = line(&bill, stage, what);
        about(line.used.count, count);
        about(line.dollars, dollars);
    };
    check("ingest", "ingest-http: requests", 2e6, 2.0 * prices.lambda.requests_million);
    // 16 million milliseconds at half a GB.
    check("ingest", "ingest-http: time", 8e3, 8e3 * prices.lambda.gb_second);
    check("ingest", "ingest-http: log", 2_147_483_648.0, 2.0 * prices.logs.ingested_gb);
    // Two hours of three million, 500 empty ones, and 1000 further pieces of 64 KB sent and received.
    check("profile", "queue", 6_005_000.0, 6.005 * prices.sqs.requests_million);
    check("identity", "queue", 1_000.0, 1e-3 * prices.sqs_fifo.requests_million);
    check("profile", "profile-sweep: schedule", 120.0, 120e-6 * prices.scheduler.invocations_million);
    check("profile", "people: writes", 6e6, 6.0 * prices.dynamodb.write_units_million);
    // The table and its index.
    check("profile", "people: reads", 960.0, 960e-6 * prices.dynamodb.read_units_million);
    check("operating", "metrics of our own", 4.0, 4.0 / 730.0 * prices.cloudwatch.metric_month);
    // A GB with 100 bytes an item, for an hour and a half of a month.
    let hours = 1.5 / 730.0;
    check("profile", "people: storage", 1_073_741_824.0, hours * prices.dynamodb.storage_gb_month);
    check("profile", "people: recovery", 1_073_741_824.0, hours * prices.dynamodb.recovery_gb_month);
    check("operating", "alarms", 12.0, hours * 12.0 * prices.cloudwatch.alarm_metric_month);
}

#[tokio::test]
async fn a_month_goes_on_as_the_period_did_and_what_stands_is_not_an_events() {
    let prices = Prices::read().unwrap();
    let bill = Bill::of(counted(resources()).await, &prices);
    let [writes, storage] = ["people: writes", "people: storage"].map(|what| line(&bill, "profile", what));
    about(writes.dollars_a_month.unwrap(), writes.dollars * 730.0 / 1.5);
    about(storage.dollars_a_month.unwrap(), prices.dynamodb.storage_gb_month);
    let stands: f64 = bill.lines.iter().filter(|line| line.price.by_month).map(|line| line.dollars).sum();
    assert!(stands > 0.0);
    let (used, all) = bill.dollars_a_million().unwrap();
    about(used, (bill.dollars() - stands) / 4.0);
    about(all, bill.dollars() / 4.0);

    let json = shown::json(&bill);
    about(json["dollars"].as_f64().unwrap(), bill.dollars());
    assert_eq!(json["lines"].as_array().unwrap().len(), bill.lines.len());
    let text = shown::lines(&bill).join("\n");
    let head = "Stack `shop` in eu-north-1, 2026-11-22T11:00:00.000Z to 2026-11-22T12:30:00.000Z: 1.5 hours, 4,000,000 events accepted.";
    assert!(text.starts_with(head), "{text}");
    let order = ["ingest ", "profile ", "identity ", "shared ", "operating ", "total "]
        .map(|stage| text.find(&format!("\n{stage}")).unwrap());
    assert!(order.is_sorted(), "{text}");
    assert!(text.contains("prices of eu-north-1 are others than these of us-east-1"), "{text}");
    assert!(text.contains("not included: data sent to the internet"), "{text}");
}

#[tokio::test]
async fn what_a_parameter_adds_is_on_the_bill() {
    let mut resources = resources();
    let charged = &mut resources["charged"];
    charged["architecture"] = json!("x86_64");
    charged["front_door"] = json!("HttpApi");
    charged["dashboard"] = json!("yes");
    resources["kms_key"] = json!("arn:aws:kms:eu-north-1:123456789012:key/1");
    let prices = Prices::read().unwrap();
    let bill = Bill::of(counted(resources).await, &prices);
    about(line(&bill, "ingest", "ingest-http: HTTP API").dollars, 2.0 * prices.http_api.requests_million);
    about(line(&bill, "ingest", "ingest-http: time").dollars, 8e3 * prices.lambda.gb_second_x86);
    about(line(&bill, "operating", "dashboard").dollars_a_month.unwrap(), prices.cloudwatch.dashboard_month);
    about(line(&bill, "operating", "customer key").dollars_a_month.unwrap(), prices.kms.key_month);
    assert!(bill.lines.iter().all(|line| line.used.what != "profile-upsert: HTTP API"));
}

#[tokio::test]
async fn every_metric_of_ours_is_asked_for_in_the_stacks_own_namespace() {
    let service = Service::new(|asked| answer(&resources(), asked));
    counted_of(&service, 7 * DAY).await.unwrap();
    let asked = service.asked().into_iter().find(|asked| asked.target == "GetMetricData").unwrap();
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body["StartTime"], "2026-11-15T12:00:00Z");
    let metrics = body["MetricDataQueries"].as_array().unwrap().iter();
    let ours = metrics
        .map(|query| &query["MetricStat"]["Metric"])
        .filter(|metric| metric["Namespace"] == "Tributary/shop");
    let ours: Vec<&str> = ours.map(|metric| metric["MetricName"].as_str().unwrap()).collect();
    assert_eq!(ours, METRICS.map(|metric| metric.name));
}

/// What is said where the service answers so from one operation on.
async fn refused(operation: &'static str, said: Answer) -> String {
    let service = Service::new(move |asked| {
        if asked.target.ends_with(operation) { said.clone() } else { answer(&resources(), asked) }
    });
    chain(counted_of(&service, DAY).await.unwrap_err().as_ref())
}

#[tokio::test]
async fn what_cannot_be_read_is_named_with_the_right_that_it_takes() {
    let denied = || (400, json!({ "__type": "AccessDeniedException" }).to_string());
    let told = refused("GetMetricData", denied()).await;
    assert!(told.starts_with("these credentials may not do this with stack `shop`"), "{told}");
    assert!(
        told.contains(
            "the metrics of stack `shop` in eu-north-1, which takes the right cloudwatch:GetMetricData"
        ),
        "{told}"
    );
    assert!(told.ends_with("the service answered 400 AccessDeniedException"), "{told}");
    let told = refused("DescribeTable", denied()).await;
    assert!(told.contains("table `shop-people` is, which takes the right dynamodb:DescribeTable"), "{told}");
}

#[tokio::test]
async fn a_stack_that_told_nothing_and_one_of_an_older_template_say_so() {
    let nothing = Service::new(|asked| {
        let (status, mut said) = answer(&resources(), asked);
        if asked.target == "GetMetricData" {
            let mut data = metric_data(&asked.body);
            for result in data["MetricDataResults"].as_array_mut().unwrap() {
                (result["Timestamps"], result["Values"]) = (json!([]), json!([]));
            }
            said = data.to_string();
        }
        (status, said)
    });
    let told = counted_of(&nothing, DAY).await.unwrap_err().to_string();
    assert!(
        told.starts_with("there are no metrics of stack `shop` in eu-north-1 since 2026-11-21T12:00"),
        "{told}"
    );
    let mut older = resources();
    older.as_object_mut().unwrap().remove("charged");
    let service = Service::new(move |asked| answer(&older, asked));
    let told = counted_of(&service, DAY).await.unwrap_err().to_string();
    assert!(told.contains("deploy it again"), "{told}");
}

#[test]
fn a_platform_on_this_machine_is_priced_by_what_it_measured() {
    let answer = json!({
        "from": NOW.plus(-2 * Timestamp::HOUR).millis(), "to": NOW.millis(), "requests": 1_000_000,
        "accepted": 2_000_000, "batches": 1_000, "messages": 1_000_000, "write_units": 4_000_000,
        "identity_batches": 1_000, "identity_requests": 2_000_000, "identity_write_units": 500_000, "lost": 3,
    });
    let prices = Prices::read().unwrap();
    let bill = Bill::of(local::counted(answer).unwrap(), &prices);
    about(line(&bill, "profile", "queue").dollars, 3.0 * prices.sqs.requests_million);
    about(
        line(&bill, "profile", "people, identities: writes").dollars,
        4.0 * prices.dynamodb.write_units_million,
    );
    about(line(&bill, "identity", "queue").dollars, 6.0 * prices.sqs_fifo.requests_million);
    about(
        line(&bill, "identity", "people, identities: writes").dollars,
        0.5 * prices.dynamodb.write_units_million,
    );
    about(line(&bill, "identity", "identity-merge: requests").dollars, 1e-3 * prices.lambda.requests_million);
    about(bill.dollars_a_month().unwrap(), bill.dollars() * 365.0);
    let (used, all) = bill.dollars_a_million().unwrap();
    about(used, bill.dollars() / 2.0);
    about(all, used);
    let text = shown::lines(&bill).join("\n");
    assert!(text.contains("no room for 3 lines") && text.contains("not included"), "{text}");
}

#[test]
fn less_than_an_hour_foretells_no_month() {
    let answer = |millis: i64| {
        json!({
            "from": NOW.plus(-millis).millis(), "to": NOW.millis(), "requests": 9, "accepted": 9, "batches": 1,
            "messages": 9, "write_units": 90, "identity_batches": 0, "identity_requests": 0, "identity_write_units": 0, "lost": 0,
        })
    };
    let prices = Prices::read().unwrap();
    let bill_of = |millis| Bill::of(local::counted(answer(millis)).unwrap(), &prices);
    let (short, long) = (bill_of(Timestamp::HOUR - 1), bill_of(Timestamp::HOUR));
    assert!(short.dollars_a_month().is_none() && long.dollars_a_month().is_some());
    about(short.dollars(), long.dollars());
    assert_eq!(shown::json(&short)["dollars_a_month"], Value::Null);
    let said = "less than an hour foretells no month";
    let [short, long] = [short, long].map(|bill| shown::lines(&bill).join("\n").contains(said));
    assert!(short && !long);
}

#[test]
fn without_an_event_there_is_no_price_of_one() {
    let none = json!({ "from": null, "to": 0, "requests": 0, "accepted": 0, "batches": 0, "messages": 0, "write_units": 0, "identity_batches": 0, "identity_requests": 0, "identity_write_units": 0, "lost": 0 });
    assert!(local::counted(none).unwrap_err().to_string().contains("measured nothing yet"));
    assert!(local::counted(json!({})).unwrap_err().to_string().contains("of another version"));
    let used = vec![Used {
        stage: "ingest".to_owned(),
        what: "requests".to_owned(),
        kind: Kind::FunctionRequest,
        count: 5.0,
    }];
    let (from, notes) = (NOW.plus(-DAY), Vec::new());
    let counted = Counted { of: "it".to_owned(), region: None, from, to: NOW, accepted: 0.0, used, notes };
    let bill = Bill::of(counted, &Prices::read().unwrap());
    assert_eq!(bill.dollars_a_million(), None);
    assert!(shown::lines(&bill).join("\n").contains("No event was accepted"));
    assert_eq!(shown::json(&bill)["dollars_a_million"], Value::Null);
}
