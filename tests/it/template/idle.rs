//! What a deployment costs while nobody uses it, counted from the template at list prices.

use domain::profile::stored::DUE_SHARDS;
use prices::{HOURS_A_MONTH, Prices};
use serde_json::{Map, Value, json};

use super::model::{Resource, Template, read};
use super::operating::{metrics, sub};

/// The most that an idle deployment may cost, in dollars a month.
const IDLE_MAX: f64 = 3.00;
const MONTH_S: f64 = HOURS_A_MONTH * 3600.0;
/// Lambda begins to poll a queue with five connections and keeps them while the queue is empty; each waits for up
/// to 20 seconds: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>.
const POLLERS: f64 = 5.0;
const POLL_S: f64 = 20.0;
/// A sweep that finds nothing asks each shard, one after the other; a query takes some 5 ms, the SDK's work as much.
const SWEEP_S: f64 = 0.1;
/// A query that finds nothing is billed as the least that there is, half as an eventually consistent one.
const QUERY_UNITS: f64 = 0.5;

/// One line of the bill.
struct Line {
    what: String,
    dollars: f64,
}

/// What the sweep of an idle deployment may cost, in dollars a month.
const SWEEP_MAX: f64 = 0.10;

#[test]
fn an_idle_deployment_costs_at_most_three_dollars_a_month() {
    let lines = idle(&Template::load());
    let total: f64 = lines.iter().map(|line| line.dollars).sum();
    let table = table(&lines, total);
    println!("{table}");
    assert!(total <= IDLE_MAX, "{table}");
    // Nothing is free by accident of a name that was not found.
    assert!(lines.iter().filter(|line| line.dollars > 0.0).count() >= 6, "{table}");
}

/// Windows end by themselves: looking for the next must cost next to nothing.
#[test]
fn sweeping_costs_at_most_ten_cents_a_month_while_nothing_is_due() {
    let lines = idle(&Template::load());
    let of_sweep = |line: &&Line| line.what.contains("profile-sweep");
    let (count, total) = lines
        .iter()
        .filter(of_sweep)
        .fold((0, 0.0), |(count, total), line| (count + 1, total + line.dollars));
    println!("an idle sweep: ${total:.4} a month over {count} lines");
    assert!(count == 3 && total <= SWEEP_MAX, "{count} lines, ${total:.4}");
}

#[test]
fn the_guide_lists_the_same_lines() {
    let lines = idle(&Template::load());
    let total = lines.iter().map(|line| line.dollars).sum();
    let table = table(&lines, total);
    assert!(read("docs/deploy.md").contains(&table), "docs/deploy.md lists other lines than these:\n{table}");
}

#[test]
fn what_is_added_by_default_is_on_the_bill() {
    let with = |from: &str, to: &str| {
        let text = read("template.yaml");
        assert!(text.contains(from), "nothing reads {from}");
        idle(&Template::of(text.replacen(from, to, 1))).iter().map(|line| line.dollars).sum::<f64>()
    };
    let before: f64 = idle(&Template::load()).iter().map(|line| line.dollars).sum();
    assert!(with("    Default: \"no\"", "    Default: \"yes\"") >= before + 3.0, "a dashboard");
    let sooner = with("rate(1 minute)", "rate(2 minutes)");
    assert!(sooner < before, "a schedule");
    assert!(with("          Type: SQS\n", "          Type: Other\n") < before - 0.2, "a queue's pollers");
}

/// `tributary cost` counts what these parameters name: one of every stack, and
/// one of messaging.
#[test]
fn what_is_charged_is_named_to_the_program() {
    let template = Template::load();
    let named = |id: &str| -> Value {
        let text = sub(template.resource(id).property("Value")).expect("a !Sub");
        assert!(text.len() < 2_048, "a parameter holds 4 KB, with names longer than these");
        serde_json::from_str(text).expect("JSON")
    };
    let (always, messaging) = (named("ResourcesParameter"), named("MessagingResourcesParameter"));
    let charged = &always["charged"];
    for (said, is_made) in [(&charged["functions"], true), (&messaging["functions"], false)] {
        let functions =
            template.functions().into_iter().filter(|function| template.is_made(*function) == is_made);
        assert_eq!(*said, Value::Object(functions.map(charged_for).collect::<Map<_, _>>()));
    }
    let stages = charged["tables"].as_object().expect("stages").values();
    let mut tables: Vec<&str> = stages
        .flat_map(|tables| tables.as_object().expect("tables").values())
        .filter_map(Value::as_str)
        .collect();
    tables.sort_unstable();
    let mut made: Vec<String> = template.tables().iter().map(|table| format!("${{{}}}", table.id)).collect();
    made.sort_unstable();
    assert_eq!(tables, made);
    for (said, is_made) in [(&charged["alarm_metrics"], true), (&messaging["alarm_metrics"], false)] {
        let alarms = template.of_type("AWS::CloudWatch::Alarm").into_iter();
        let alarms = alarms.filter(|alarm| template.is_made(*alarm) == is_made);
        assert_eq!(*said, alarms.map(|alarm| metrics(alarm).len()).sum::<usize>());
    }
    let text = always.to_string();
    for parameter in ["Architecture", "FrontDoor", "Dashboard"] {
        assert!(text.contains(&format!("\"${{{parameter}}}\"")), "{parameter}");
    }
}

/// What the program is told of a function.
fn charged_for(function: Resource<'_>) -> (String, Value) {
    let started_by = match (function.events("SQS").len(), function.events("ScheduleV2").len()) {
        (0, 0) => "http",
        (_, 0) => "queue",
        _ => "schedule",
    };
    let name = format!("${{{}}}", function.id);
    let said = json!({ "name": name, "memory_mb": function.number("MemorySize"), "started_by": started_by });
    (function.bin().to_owned(), said)
}

fn idle(template: &Template) -> Vec<Line> {
    let prices = Prices::read().expect("the price file is sound");
    let million = |count: f64, price: f64| count / 1e6 * price;
    let mut lines = Vec::new();
    let mut add = |what: String, dollars: f64| lines.push(Line { what, dollars });
    for (_, queue, _) in template.mappings().into_iter().filter(|(function, ..)| template.is_made(*function))
    {
        let polls = POLLERS * MONTH_S / POLL_S;
        let is_fifo = *template.resource(&queue).property("FifoQueue") == true;
        add(
            format!("empty receives of {queue}: {POLLERS} pollers, {POLL_S} s each"),
            million(
                polls,
                if is_fifo { prices.sqs_fifo.requests_million } else { prices.sqs.requests_million },
            ),
        );
    }
    for function in template.functions().into_iter().filter(|function| template.is_made(*function)) {
        for event in function.events("ScheduleV2") {
            let runs = MONTH_S / period_s(event["ScheduleExpression"].as_str().unwrap_or_default());
            let gb_seconds =
                runs * SWEEP_S * f64::from(u32::try_from(function.number("MemorySize")).expect("MB"))
                    / 1024.0;
            let bin = function.bin();
            add(
                format!("the schedule of {bin}: {runs:.0} runs"),
                million(runs, prices.scheduler.invocations_million),
            );
            let lambda = million(runs, prices.lambda.requests_million) + gb_seconds * prices.lambda.gb_second;
            add(format!("{bin}: requests, and {:.0} ms each", SWEEP_S * 1e3), lambda);
            // Of the index; one that is consistent for the definitions to be asked of everybody; one for the
            // counts that are due.
            let units = runs * (f64::from(DUE_SHARDS) * QUERY_UNITS + 2.0 * QUERY_UNITS + QUERY_UNITS);
            add(
                format!("{bin}: {} queries each", DUE_SHARDS + 2),
                million(units, prices.dynamodb.read_units_million),
            );
        }
    }
    let made: Vec<Resource<'_>> =
        template.resources().filter(|resource| template.is_made(*resource)).collect();
    let alarms = made.iter().filter(|resource| resource.kind() == "AWS::CloudWatch::Alarm");
    let watched = alarms.clone().map(|alarm| metrics(*alarm).len()).sum::<usize>();
    let dollars = f64::from(u32::try_from(watched).expect("some")) * prices.cloudwatch.alarm_metric_month;
    add(format!("{} alarms over {watched} metrics", alarms.count()), dollars);
    for resource in &made {
        let dollars = match resource.kind() {
            "AWS::CloudWatch::Dashboard" => prices.cloudwatch.dashboard_month,
            "AWS::KMS::Key" => prices.kms.key_month,
            // Counted above, charged by use or by what they hold, or not charged at all.
            "AWS::Serverless::Function"
            | "AWS::CloudWatch::Alarm"
            | "AWS::DynamoDB::Table"
            | "AWS::SQS::Queue"
            | "AWS::SSM::Parameter"
            | "AWS::Logs::LogGroup"
            | "AWS::Lambda::Url"
            | "AWS::ApiGatewayV2::Api"
            | "AWS::ApiGatewayV2::Integration"
            | "AWS::ApiGatewayV2::Route"
            | "AWS::ApiGatewayV2::Stage"
            | "AWS::Lambda::Permission"
            | "AWS::IAM::Role"
            | "AWS::Budgets::Budget" => continue,
            other => panic!("say here what {other} costs while nobody uses it"),
        };
        add(resource.id.to_owned(), dollars);
    }
    lines
}

/// `rate(2 minutes)` in seconds.
fn period_s(rate: &str) -> f64 {
    let period = rate.strip_prefix("rate(").and_then(|rate| rate.split_once(" minute"));
    let minutes = period.and_then(|(minutes, _)| minutes.parse::<f64>().ok());
    minutes.unwrap_or_else(|| panic!("read here what {rate} means")) * 60.0
}

fn table(lines: &[Line], total: f64) -> String {
    let rows = lines.iter().map(|Line { what, dollars }| format!("| {what} | {dollars:.2} |\n"));
    format!("{}| **a month** | **{total:.2}** |\n", rows.collect::<String>())
}
