//! The rules of `template.yaml` that no linter knows.
#![cfg(test)]

mod idle;
mod known;
pub(crate) mod model;
mod operating;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use model::{Template, list, names, project, read};

const DAY_S: u64 = 24 * 60 * 60;

#[test]
fn the_sections_stand_in_flow_order_and_the_outputs_last() {
    let template = Template::load();
    let banners = template.text.lines().filter_map(|line| line.trim_start().strip_prefix("# ─── "));
    let sections: Vec<&str> = banners.map(|line| line.trim_end_matches(['─', ' '])).collect();
    assert_eq!(
        sections,
        ["shared data", "ingest", "profile", "identity", "segments", "messaging", "operating", "outputs"]
    );
    let stage =
        |id: &str| template.text.find(&format!("\n  {id}:\n")).expect("the function stands in the text");
    let places: Vec<usize> = template.functions().iter().map(|function| stage(function.id)).collect();
    assert!(places.is_sorted());
    let last = template.text.lines().rfind(|line| line.starts_with(char::is_alphabetic));
    assert_eq!(last, Some("Outputs:"));
}

#[test]
fn function_bin_and_folder_have_one_name() {
    for function in Template::load().functions() {
        let bin = function.bin();
        let words = bin.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
        assert_eq!(function.id, words.collect::<String>() + "Function");
        assert!(bins(function.stage()).contains(bin), "functions/{} has no bin {bin}", function.stage());
    }
}

#[test]
fn every_bin_of_a_stage_is_deployed() {
    let template = Template::load();
    let deployed: BTreeSet<String> =
        template.functions().iter().map(|function| function.bin().to_owned()).collect();
    assert_eq!(stages().iter().flat_map(|stage| bins(stage)).collect::<BTreeSet<_>>(), deployed);
}

#[test]
fn every_function_is_an_unmodified_bootstrap() {
    let template = Template::load();
    let globals = &template.section("Globals")["Function"];
    assert_eq!(globals["Handler"], "bootstrap");
    assert_eq!(globals["Runtime"], "provided.al2023");
    assert_eq!(names(&globals["Architectures"]), set(&["Architecture"]));
    for function in template.functions() {
        for shared in ["Handler", "Runtime", "Architectures"] {
            assert!(function.property(shared).is_null(), "{} sets its own {shared}", function.id);
        }
    }
}

/// A kind of event that these tests do not know would be looked at by none of them.
#[test]
fn every_event_is_a_queue_or_a_schedule() {
    for function in Template::load().functions() {
        let all = function.property("Events").as_mapping().map_or(0, serde_yaml_ng::Mapping::len);
        let known = function.events("SQS").len() + function.events("ScheduleV2").len();
        assert_eq!(all, known, "{}", function.id);
    }
}

#[test]
fn every_queue_gives_up_into_a_queue_that_keeps_messages_longer() {
    let template = Template::load();
    let dead = template.dead_letter_queues();
    for queue in template.queues() {
        let retention = queue.number("MessageRetentionPeriod");
        assert_eq!(queue.body["DeletionPolicy"], "Retain", "{} may hold answered events", queue.id);
        assert_eq!(queue.body["UpdateReplacePolicy"], "Retain", "{}", queue.id);
        if dead.contains(queue.id) {
            assert_eq!(retention, 14 * DAY_S, "{}", queue.id);
            continue;
        }
        assert!(queue.number("RedrivePolicy.maxReceiveCount") >= 5, "{}", queue.id);
        let target = names(queue.property("RedrivePolicy.deadLetterTargetArn"));
        let target = template.resource(target.first().expect("a dead-letter queue"));
        assert!(target.number("MessageRetentionPeriod") > retention, "{}", queue.id);
        assert_eq!(target.property("FifoQueue"), queue.property("FifoQueue"), "{}", queue.id);
    }
}

#[test]
fn a_message_reappears_only_long_after_its_function_ended() {
    let template = Template::load();
    assert!(!template.mappings().is_empty());
    for (function, queue, event) in template.mappings() {
        let window = event["MaximumBatchingWindowInSeconds"].as_u64().unwrap_or(0);
        let needed = 6 * function.number("Timeout") + window;
        assert!(template.resource(&queue).number("VisibilityTimeout") >= needed, "{queue} needs {needed} s");
    }
}

#[test]
fn one_bad_record_fails_alone_and_concurrency_is_bounded() {
    let template = Template::load();
    for (function, queue, event) in template.mappings() {
        let types = list(&event["FunctionResponseTypes"]);
        assert_eq!(types, ["ReportBatchItemFailures"], "{}", function.id);
        let concurrency = template.number(&event["ScalingConfig"]["MaximumConcurrency"]);
        assert!((2..=1000).contains(&concurrency), "{}", function.id);
        // Lambda asks for a window wherever a batch is larger than ten, and takes neither for a FIFO queue.
        let window = event["MaximumBatchingWindowInSeconds"].as_u64();
        let is_fifo = *template.resource(&queue).property("FifoQueue") == true;
        assert_eq!(window >= Some(1), !is_fifo, "{}", function.id);
        assert!(!is_fifo || event["BatchSize"].as_u64() <= Some(10), "{}", function.id);
    }
}

/// Else Lambda takes batches that it cannot start, and each such receive brings a record nearer to its end.
#[test]
fn a_function_may_run_as_often_as_its_queues_ask() {
    assert_eq!(starved(&Template::load()), Vec::<String>::new());
    let short = read("template.yaml").replacen(
        "CodeUri: target/lambda/profile-upsert/",
        "ReservedConcurrentExecutions: 4",
        1,
    );
    assert_eq!(starved(&Template::of(short)), ["ProfileUpsertFunction asks for 5 and has 4"]);
}

fn starved(template: &Template) -> Vec<String> {
    let mut starved = Vec::new();
    for function in template.functions() {
        let reserved = function.property("ReservedConcurrentExecutions");
        let events = function.events("SQS").into_iter();
        let asked: u64 =
            events.map(|event| template.number(&event["ScalingConfig"]["MaximumConcurrency"])).sum();
        if !reserved.is_null() && asked > 0 && template.number(reserved) < asked {
            starved.push(format!("{} asks for {asked} and has {}", function.id, template.number(reserved)));
        }
    }
    starved
}

/// An HTTP API waits for 30 seconds: a function that takes longer works for nobody.
#[test]
fn a_function_behind_http_ends_before_its_caller_is_answered_for_it() {
    let template = Template::load();
    for integration in template.of_type("AWS::ApiGatewayV2::Integration") {
        let function = names(integration.property("IntegrationUri")).pop_first().expect("a function");
        assert!(template.resource(&function).number("Timeout") < 30, "{function}");
    }
}

/// The stage itself gives up on the last receive, so it has to know which one that is.
#[test]
fn a_function_knows_how_often_its_messages_come_back() {
    let template = Template::load();
    for (function, queue, _) in template.mappings() {
        let variable = format!("{}_MAX_RECEIVES", function.stage().to_uppercase());
        let told = function.variables()[variable.as_str()].as_str().expect("a number in quotes");
        let receives = template.resource(&queue).number("RedrivePolicy.maxReceiveCount");
        assert_eq!(told, receives.to_string());
    }
}

#[test]
fn no_queue_feeds_itself() {
    let template = Template::load();
    let dead = template.dead_letter_queues();
    let mut feeds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (function, from, _) in template.mappings() {
        let sends = template
            .statements(function)
            .into_iter()
            .filter(|granted| granted.actions == ["sqs:SendMessage"]);
        let to =
            sends.flat_map(|granted| granted.resources).flat_map(names).filter(|queue| !dead.contains(queue));
        feeds.entry(from).or_default().extend(to);
    }
    for start in feeds.keys() {
        let mut reached: BTreeSet<&String> = BTreeSet::new();
        let mut next: Vec<&String> = feeds[start].iter().collect();
        while let Some(queue) = next.pop() {
            assert_ne!(queue, start, "{start} feeds itself");
            if reached.insert(queue) {
                next.extend(feeds.get(queue).into_iter().flatten());
            }
        }
    }
}

#[test]
fn every_queue_raises_an_alarm() {
    let template = Template::load();
    let dead = template.dead_letter_queues();
    let alarms = template.of_type("AWS::CloudWatch::Alarm");
    for queue in template.queues() {
        let metric = if dead.contains(queue.id) {
            ("ApproximateNumberOfMessagesVisible", 0)
        } else {
            ("ApproximateAgeOfOldestMessage", 300)
        };
        let watches = alarms.iter().any(|alarm| {
            names(alarm.property("Dimensions")) == set(&[queue.id])
                && (alarm.text("MetricName"), alarm.number("Threshold")) == metric
                && alarm.text("ComparisonOperator") == "GreaterThanThreshold"
        });
        assert!(watches, "no alarm watches {} of {}", metric.0, queue.id);
    }
}

#[test]
fn every_table_is_billed_by_use_and_hard_to_lose() {
    let template = Template::load();
    for table in template.tables() {
        assert_eq!(table.text("BillingMode"), "PAY_PER_REQUEST", "{}", table.id);
        assert_eq!(table.body["DeletionPolicy"], "Retain", "{}", table.id);
        assert_eq!(table.body["UpdateReplacePolicy"], "Retain", "{}", table.id);
        assert_eq!(table.property("DeletionProtectionEnabled").as_bool(), Some(true), "{}", table.id);
        let recovery = table.property("PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled");
        assert_eq!(recovery.as_bool(), Some(true), "{}", table.id);
        // A stream would slow the embedded store down and bill every write again.
        assert!(table.property("StreamSpecification").is_null(), "{}", table.id);
    }
}

/// A changed key or a changed name of the TTL makes a new and empty table, or keeps what should have ended.
#[test]
fn the_keys_of_the_tables_are_frozen() {
    let template = Template::load();
    let shape = |id: &str| {
        let table = template.resource(id);
        let mut keys = key_schema(table.property("KeySchema"));
        for index in table.property("GlobalSecondaryIndexes").as_sequence().into_iter().flatten() {
            let name = index["IndexName"].as_str().unwrap_or_default();
            let projection = index["Projection"]["ProjectionType"].as_str().unwrap_or_default();
            keys = format!("{keys} | {name} {projection}: {}", key_schema(&index["KeySchema"]));
        }
        let types = list(table.property("AttributeDefinitions")).into_iter().map(|attribute| {
            format!("{}={}", text(attribute, "AttributeName"), text(attribute, "AttributeType"))
        });
        let ends =
            table.property("TimeToLiveSpecification.AttributeName").as_str().unwrap_or("never").to_owned();
        (keys, types.collect::<Vec<_>>().join(" "), ends)
    };
    let frozen = |keys: &str, types: &str, ends: &str| (keys.to_owned(), types.to_owned(), ends.to_owned());
    let due = "pk HASH, sk RANGE | due KEYS_ONLY: due_shard HASH, due RANGE";
    assert_eq!(shape("PeopleTable"), frozen(due, "pk=S sk=S due_shard=N due=N", "never"));
    assert_eq!(shape("IdentitiesTable"), frozen("pk HASH, sk RANGE", "pk=S sk=S", "never"));
    assert_eq!(shape("DefinitionsTable"), frozen("pk HASH, sk RANGE", "pk=S sk=S", "expires"));
    assert_eq!(shape("RejectionsTable"), frozen("pk HASH, sk RANGE", "pk=S sk=S", "expires"));
    assert_eq!(template.tables().len(), 4);
}

#[test]
fn a_customer_key_covers_tables_queues_logs_and_the_functions_that_use_them() {
    let template = Template::load();
    let uses = |value| names(value).contains("KmsKeyArn");
    assert!(template.tables().iter().all(|table| uses(table.property("SSESpecification"))));
    assert!(template.queues().iter().all(|queue| uses(queue.property("KmsMasterKeyId"))));
    assert!(template.of_type("AWS::Logs::LogGroup").iter().all(|group| uses(group.property("KmsKeyId"))));
    for function in template.functions() {
        let granted = template.statements(function);
        let key = granted.iter().find(|granted| granted.resources.iter().any(|resource| uses(resource)));
        assert_eq!(
            key.map(|granted| granted.actions.clone()),
            Some(vec!["kms:Decrypt", "kms:GenerateDataKey"])
        );
    }
}

#[test]
fn no_policy_has_a_wildcard() {
    let template = Template::load();
    for function in template.functions() {
        for granted in template.statements(function) {
            assert!(!granted.actions.is_empty());
            let actions_text = granted.actions.join(" ");
            assert!(!actions_text.contains('*'), "{}: {actions_text}", function.id);
            // A new segment is asked of everybody: whoever does it reads the whole table.
            let may_scan = function.id == "SegmentsBackfillFunction";
            assert!(may_scan || !actions_text.contains("dynamodb:Scan"), "{} scans a table", function.id);
            if WITHOUT_RESOURCES.iter().any(|actions| granted.actions == *actions) {
                continue;
            }
            for resource in granted.resources {
                let shown = serde_yaml_ng::to_string(resource).expect("YAML can be written");
                assert!(!shown.contains('*'), "{}: {shown}", function.id);
                assert!(
                    !names(resource).is_empty() || shown.contains("${AWS::StackName}"),
                    "{}: {shown}",
                    function.id
                );
            }
        }
        let managed = template.resource(&format!("{}Role", function.id.trim_end_matches("Function")));
        assert!(managed.property("ManagedPolicyArns").is_null(), "{} is broader than its policy", managed.id);
    }
}

/// Rules give events other homes only when every function knows of them.
#[test]
fn rule_08_no_function_works_by_rules_for_longer_than_their_rollout() {
    let template = Template::load();
    for function in template.functions() {
        let at_work = i64::from(u32::try_from(function.number("Timeout")).expect("seconds")) * 1_000;
        assert!(runtime::definitions::KEPT_FOR + at_work <= domain::rules::ROLLOUT, "{}", function.id);
    }
}

/// Actions for which no policy can name a resource.
const WITHOUT_RESOURCES: [&[&str]; 3] = [
    &["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    &["ses:GetAccount"],
    &["sns:Publish"], // a phone number
];

#[test]
fn every_wildcard_gives_its_reason() {
    let template = Template::load();
    let wildcards: Vec<&str> = template.text.lines().filter(|line| line.contains("\"*\"")).collect();
    assert!(!wildcards.is_empty());
    for line in wildcards {
        let reason = line.split_once(" # ").map(|(_, reason)| reason);
        assert!(reason.is_some_and(|reason| reason.len() > 20), "say why: {line}");
    }
}

/// What a function is told of and what it may touch are one list; its mapping may take from a queue besides.
#[test]
fn a_function_may_touch_what_its_variables_name_and_nothing_else() {
    let template = Template::load();
    let stores = |named: BTreeSet<String>| -> BTreeSet<String> {
        let is_store =
            |id: &String| template.tables().iter().chain(&template.queues()).any(|store| store.id == id);
        named.into_iter().filter(is_store).collect()
    };
    for function in template.functions() {
        let told = function.variables().into_values().flat_map(names).collect();
        let mapped = template.mappings().into_iter().filter(|(mapped, ..)| mapped.id == function.id);
        let mut expected = stores(told);
        expected.extend(mapped.map(|(_, queue, _)| queue));
        let granted = template.statements(function).into_iter().flat_map(|granted| granted.resources);
        assert_eq!(stores(granted.flat_map(names).collect()), expected, "{}", function.id);
    }
}

/// A parameter of the store of secrets is named twice, as a variable and in the policy.
#[test]
fn a_function_may_read_the_secrets_that_its_variables_name_and_no_other() {
    let template = Template::load();
    for function in template.functions() {
        let variables = function.variables().into_iter().filter(|(name, _)| name.ends_with("_PARAMETER"));
        let told: BTreeSet<&str> = variables.filter_map(|(_, value)| value.as_str()).collect();
        let reads = template
            .statements(function)
            .into_iter()
            .filter(|granted| granted.actions == ["ssm:GetParameter"]);
        let arns: Vec<&str> =
            reads.flat_map(|granted| granted.resources).filter_map(|arn| arn.as_str()).collect();
        let granted = arns.iter().filter_map(|arn| arn.split_once(":parameter").map(|(_, name)| name));
        assert_eq!(granted.collect::<BTreeSet<_>>(), told, "{}", function.id);
    }
}

#[test]
fn every_function_has_a_role_and_a_log_group_of_its_own() {
    let template = Template::load();
    let globals = &template.section("Globals")["Function"]["LoggingConfig"];
    assert_eq!(globals["LogFormat"], "JSON");
    for function in template.functions() {
        let stem = function.id.trim_end_matches("Function");
        assert_eq!(names(function.property("Role")), set(&[&format!("{stem}Role")]));
        assert_eq!(names(function.property("LoggingConfig.LogGroup")), set(&[&format!("{stem}Logs")]));
        let group = template.resource(&format!("{stem}Logs"));
        assert_eq!(names(group.property("RetentionInDays")), set(&["LogRetentionDays"]));
        assert!(group.text("LogGroupName").ends_with(&format!("/{}", function.bin())));
    }
    assert_eq!(template.of_type("AWS::IAM::Role").len(), template.functions().len());
    assert_eq!(template.of_type("AWS::Logs::LogGroup").len(), template.functions().len());
}

#[test]
fn both_front_doors_lead_to_the_same_functions() {
    let template = Template::load();
    let behind = |kind: &str, property: &str| -> BTreeSet<String> {
        template.of_type(kind).iter().flat_map(|door| names(door.property(property))).collect()
    };
    let http = set(&["IngestHttpFunction", "ProfileApiFunction"]);
    // Links of letters have one door: who wants a domain of their own puts CloudFront before it.
    let links = set(&["MessagingWebFunction"]);
    assert_eq!(behind("AWS::Lambda::Url", "TargetFunctionArn"), http.union(&links).cloned().collect());
    assert_eq!(behind("AWS::ApiGatewayV2::Integration", "IntegrationUri"), http);
    for (kind, condition) in
        [("AWS::Lambda::Url", "UseFunctionUrl"), ("AWS::ApiGatewayV2::Api", "UseHttpApi")]
    {
        let is_right =
            |door: &model::Resource<'_>| door.body["Condition"] == condition || door.id == "MessagingWebUrl";
        assert!(template.of_type(kind).iter().all(is_right));
    }
    let integrations = template.of_type("AWS::ApiGatewayV2::Integration");
    assert!(integrations.iter().all(|integration| integration.text("PayloadFormatVersion") == "2.0"));
    assert!(
        template.of_type("AWS::ApiGatewayV2::Route").iter().all(|route| route.text("RouteKey") == "$default")
    );
}

/// Two owners of CORS make an answer with two origins, which browsers refuse.
#[test]
fn no_front_door_has_a_cors_configuration() {
    let template = Template::load();
    assert!(template.of_type("AWS::Lambda::Url").iter().all(|door| door.property("Cors").is_null()));
    assert!(
        template
            .of_type("AWS::ApiGatewayV2::Api")
            .iter()
            .all(|door| door.property("CorsConfiguration").is_null())
    );
}

/// SDKs give up after ten seconds; an answer that comes later is a duplicate in the making.
#[test]
fn ingest_answers_or_fails_before_sdks_give_up() {
    assert!(Template::load().resource("IngestHttpFunction").number("Timeout") <= 10);
}

#[test]
fn the_sweep_looks_once_a_minute() {
    let template = Template::load();
    let events = template.resource("ProfileSweepFunction").events("ScheduleV2");
    let rates: Vec<&str> = events.iter().map(|event| text(event, "ScheduleExpression")).collect();
    assert_eq!(rates, ["rate(1 minute)"]);
}

#[test]
fn every_parameter_is_used_and_has_a_default() {
    let template = Template::load();
    let parameters = template.section("Parameters").as_mapping().expect("Parameters is a mapping");
    let mut used: BTreeSet<String> = template.resources().flat_map(|resource| names(resource.body)).collect();
    used.extend(["Globals", "Conditions"].iter().flat_map(|section| names(template.section(section))));
    for (name, parameter) in parameters {
        let name = name.as_str().unwrap_or_default();
        assert!(used.contains(name), "{name} is used by nothing");
        assert!(!parameter["Default"].is_null(), "{name} has no default: `deploy` would need an answer");
        assert!(!parameter["Description"].is_null(), "{name} says nothing");
    }
}

/// A function's settings ask for exactly the variables that it is given.
#[test]
fn every_variable_is_read_and_every_variable_read_is_given() {
    let template = Template::load();
    for function in template.functions() {
        let given: BTreeSet<String> = function.variables().into_keys().map(str::to_owned).collect();
        assert_eq!(asked(function.bin()), given, "{}", function.id);
    }
}

/// Where logging starts there are no settings yet, so it reads its one variable itself.
#[test]
fn the_variables_that_all_functions_share_are_read_by_the_runtime() {
    let template = Template::load();
    let shared =
        template.section("Globals")["Function"]["Environment"]["Variables"].as_mapping().expect("a mapping");
    let given: BTreeSet<String> = shared.keys().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    assert_eq!(variables_in(&read("shared/runtime/src/telemetry.rs")), given);
}

/// Whose lines are dropped tells no metrics and no trouble either.
#[test]
fn the_lines_of_every_stage_are_logged() {
    for stage in stages() {
        assert!(runtime::telemetry::is_ours(&format!("{stage}::batch")), "{stage} is silent");
    }
}

/// The manifest names the adapters, the policy names the services: one list in two languages.
#[test]
fn manifest_and_policy_name_the_same_services() {
    let template = Template::load();
    for stage in stages() {
        let manifest = read(&format!("functions/{stage}/Cargo.toml"));
        let functions = template.functions().into_iter().filter(|function| function.stage() == stage);
        let granted: BTreeSet<&str> = functions
            .flat_map(|function| template.statements(function))
            .flat_map(|granted| granted.actions)
            .filter_map(|action| action.split_once(':').map(|(service, _)| service))
            .collect();
        for adapter in ["dynamodb", "sqs", "ssm"] {
            let listed = manifest.lines().any(|line| line == format!("{adapter}.workspace = true"));
            assert_eq!(listed, granted.contains(adapter), "{stage} and {adapter}");
        }
    }
}

fn stages() -> Vec<String> {
    let folders = std::fs::read_dir(project("functions")).expect("functions/ can be listed");
    let names = folders.map(|entry| entry.expect("an entry").file_name().into_string().expect("plain names"));
    let mut stages: Vec<String> = names.collect();
    stages.sort();
    stages
}

/// The bins of a stage: those that its manifest names, and `src/bin/*.rs`.
fn bins(stage: &str) -> BTreeSet<String> {
    let manifest = read(&format!("functions/{stage}/Cargo.toml"));
    let named = manifest.split("[[bin]]").skip(1).filter_map(|bin| bin.split('"').nth(1)).map(str::to_owned);
    let files = std::fs::read_dir(project(&format!("functions/{stage}/src/bin"))).into_iter().flatten();
    let files = files.map(|entry| entry.expect("an entry").file_name().into_string().expect("plain names"));
    named.chain(files.filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))).collect()
}

/// What a function's settings look up; those that look for other clouds' endpoints, which this template does not
/// deploy to, are left out.
fn asked(bin: &str) -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        Some("1".to_owned())
    };
    let complete = match bin {
        "ingest-http" => ingest::Settings::read(lookup).is_ok(),
        "profile-upsert" => profile::settings::Upsert::read(lookup).is_ok(),
        "profile-api" => profile::settings::Api::read(lookup).is_ok(),
        "profile-sweep" => profile::settings::Sweep::read(lookup).is_ok(),
        "identity-merge" => identity::settings::Merge::read(lookup).is_ok(),
        "segments-backfill" => segments::settings::Backfill::read(lookup).is_ok(),
        "messaging-plan" => messaging::settings::Plan::read(lookup).is_ok(),
        "messaging-send" => messaging::settings::Send::read(lookup).is_ok(),
        "messaging-web" => messaging::settings::Web::read(lookup).is_ok(),
        "messaging-feedback" => messaging::settings::Feedback::read(lookup).is_ok(),
        bin => panic!("say here which settings {bin} reads"),
    };
    assert!(complete, "{bin} stopped reading at the first variable");
    asked.into_inner().into_iter().filter(|variable| !variable.ends_with("_ENDPOINT")).collect()
}

/// Text in quotes that is written as variables are.
fn variables_in(source: &str) -> BTreeSet<String> {
    let is_variable = |text: &&str| {
        text.contains('_') && text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
    };
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    code.split('"').skip(1).step_by(2).filter(is_variable).map(str::to_owned).collect()
}

fn key_schema(schema: &serde_yaml_ng::Value) -> String {
    let keys = list(schema)
        .into_iter()
        .map(|key| format!("{} {}", text(key, "AttributeName"), text(key, "KeyType")));
    keys.collect::<Vec<_>>().join(", ")
}

fn text<'a>(value: &'a serde_yaml_ng::Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn set<T: AsRef<str>, const N: usize>(items: &[T; N]) -> BTreeSet<String> {
    items.iter().map(|item| item.as_ref().to_owned()).collect()
}
