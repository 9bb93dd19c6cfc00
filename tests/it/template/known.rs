//! Names of properties: a misspelt one is passed over in silence, by SAM at least, and no linter tells.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml_ng::Value;

use super::model::{Template, read};

/// Level → the names that it may have; `*` where any may stand.
type Known = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_property_is_known_at_its_level() {
    assert_eq!(unknown(&Template::load()), Vec::<String>::new());
}

#[test]
fn a_misspelt_property_is_noticed_at_any_level() {
    let misspelt = |from: &str, to: &str, place: &str| {
        let text = read("template.yaml");
        assert!(text.contains(from), "nothing is called {from}");
        let found = unknown(&Template::of(text.replacen(from, to, 1)));
        assert_eq!(found, [format!("{place} is unknown")]);
    };
    misspelt("BatchSize:", "BatchSizze:", "AWS::Serverless::Function SQS.BatchSizze");
    misspelt(
        "MaximumConcurrency:",
        "MaxConcurrency:",
        "AWS::Serverless::Function SQS.ScalingConfig.MaxConcurrency",
    );
    misspelt("ScheduleExpression:", "Schedule:", "AWS::Serverless::Function ScheduleV2.Schedule");
    misspelt("MemorySize:", "Memory:", "AWS::Serverless::Function.Memory");
    misspelt("SystemLogLevel:", "SystemLevel:", "Globals Function.LoggingConfig.SystemLevel");
    misspelt("maxReceiveCount:", "maxReceives:", "AWS::SQS::Queue.RedrivePolicy.maxReceives");
    misspelt("SSEType:", "SseType:", "AWS::DynamoDB::Table.SSESpecification.SseType");
    misspelt("    DeletionPolicy:", "    DeletePolicy:", "PeopleTable.DeletePolicy");
    misspelt("    AllowedValues:", "    Allowed:", "Architecture.Allowed");
}

/// Every name that stands where it means nothing.
fn unknown(template: &Template) -> Vec<String> {
    const RESOURCE: [&str; 6] =
        ["Type", "Condition", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy", "Properties"];
    const PARAMETER: [&str; 8] = [
        "Type",
        "Default",
        "AllowedValues",
        "AllowedPattern",
        "MinValue",
        "MaxValue",
        "ConstraintDescription",
        "Description",
    ];
    let mut finder = Finder { known: known(), found: Vec::new() };
    for resource in template.resources() {
        finder.only(resource.id, resource.body, &RESOURCE);
        let kind = resource.kind();
        let properties = entries(&resource.body["Properties"]);
        for (name, value) in properties.filter(|(name, _)| *name != "Events") {
            finder.property(kind, name, value);
        }
        for (name, event) in entries(resource.property("Events")) {
            finder.only(&format!("{}.{name}", resource.id), event, &["Type", "Properties"]);
            let source = event["Type"].as_str().unwrap_or_default();
            finder.walk(&format!("{kind} {source}"), &event["Properties"]);
        }
    }
    for (name, parameter) in entries(template.section("Parameters")) {
        finder.only(name, parameter, &PARAMETER);
    }
    for (name, output) in entries(template.section("Outputs")) {
        finder.only(name, output, &["Description", "Value", "Condition"]);
    }
    finder.only("Globals", template.section("Globals"), &["Function"]);
    finder.walk("Globals Function", &template.section("Globals")["Function"]);
    finder.found
}

struct Finder {
    known: Known,
    found: Vec<String>,
}

impl Finder {
    fn only(&mut self, place: &str, mapping: &Value, known: &[&str]) {
        let unknown = entries(mapping).filter(|(name, _)| !known.contains(name));
        self.found.extend(unknown.map(|(name, _)| format!("{place}.{name} is unknown")));
    }

    fn walk(&mut self, level: &str, value: &Value) {
        match value {
            // `!If [condition, this, that]`; other functions give values that have no names of their own.
            Value::Tagged(tagged) if tagged.tag == "If" => {
                let branches = tagged.value.as_sequence().into_iter().flatten();
                branches.skip(1).for_each(|branch| self.walk(level, branch));
            }
            Value::Sequence(values) => values.iter().for_each(|value| self.walk(level, value)),
            Value::Mapping(_) => {
                entries(value).for_each(|(name, inner)| self.property(level, name, inner));
            }
            Value::Tagged(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
        }
    }

    fn property(&mut self, level: &str, name: &str, value: &Value) {
        let Some(known) = self.known.get(level) else {
            self.found.push(format!("{level} has no list: run tests/it/template/known.py"));
            return;
        };
        if known.contains("*") {
            return;
        }
        let path = format!("{level}.{name}");
        if known.contains(name) {
            self.walk(&path, value);
        } else {
            self.found.push(format!("{path} is unknown"));
        }
    }
}

fn known() -> Known {
    let text = read("tests/it/template/known.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let levels = lines.map(|line| line.split_once(": ").expect("a level and its names"));
    levels.map(|(level, names)| (level.to_owned(), names.split(' ').map(str::to_owned).collect())).collect()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = value.as_mapping().into_iter().flatten();
    entries.map(|(name, value)| (name.as_str().expect("a name is text"), value))
}
