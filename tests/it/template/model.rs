//! `template.yaml` as these tests see it: resources, and whom they refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_yaml_ng::Value;

pub(super) struct Template {
    pub(super) text: String,
    root: Value,
}

/// One resource under its logical id.
#[derive(Clone, Copy)]
pub(super) struct Resource<'a> {
    pub(super) id: &'a str,
    pub(super) body: &'a Value,
}

/// A statement of a policy: who may do what with which resources.
pub(super) struct Statement<'a> {
    pub(super) actions: Vec<&'a str>,
    pub(super) resources: Vec<&'a Value>,
}

/// A file or folder of the project.
pub(super) fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

pub(crate) fn read(path: &str) -> String {
    let place = project(path);
    std::fs::read_to_string(&place).unwrap_or_else(|error| panic!("cannot read {}: {error}", place.display()))
}

impl Template {
    pub(super) fn load() -> Self {
        Self::of(read("template.yaml"))
    }

    pub(super) fn of(text: String) -> Self {
        let root = serde_yaml_ng::from_str(&text).expect("template.yaml is YAML");
        Self { text, root }
    }

    pub(super) fn section(&self, name: &str) -> &Value {
        &self.root[name]
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = Resource<'_>> {
        let resources = self.root["Resources"].as_mapping().expect("Resources is a mapping");
        resources.iter().map(|(id, body)| Resource { id: id.as_str().expect("a logical id is text"), body })
    }

    pub(super) fn of_type(&self, kind: &str) -> Vec<Resource<'_>> {
        self.resources().filter(|resource| resource.kind() == kind).collect()
    }

    pub(super) fn functions(&self) -> Vec<Resource<'_>> {
        self.of_type("AWS::Serverless::Function")
    }

    pub(super) fn tables(&self) -> Vec<Resource<'_>> {
        self.of_type("AWS::DynamoDB::Table")
    }

    pub(super) fn queues(&self) -> Vec<Resource<'_>> {
        self.of_type("AWS::SQS::Queue")
    }

    pub(super) fn resource(&self, id: &str) -> Resource<'_> {
        self.resources()
            .find(|resource| resource.id == id)
            .unwrap_or_else(|| panic!("there is no resource {id}"))
    }

    /// The queues that others redrive to.
    pub(super) fn dead_letter_queues(&self) -> BTreeSet<String> {
        let targets =
            self.queues().into_iter().map(|queue| queue.property("RedrivePolicy.deadLetterTargetArn"));
        targets.flat_map(names).collect()
    }

    /// Event source mappings: the function, the queue's logical id, the event's properties.
    pub(super) fn mappings(&self) -> Vec<(Resource<'_>, String, &Value)> {
        let mut mappings = Vec::new();
        for function in self.functions() {
            for event in function.events("SQS") {
                let queue = names(&event["Queue"]).pop_first().expect("a mapping names its queue");
                mappings.push((function, queue, event));
            }
        }
        mappings
    }

    /// A number, written down or the default of a parameter.
    pub(super) fn number(&self, value: &Value) -> u64 {
        let parameter = names(value).pop_first();
        let written = parameter.map_or(value, |name| &self.root["Parameters"][name.as_str()]["Default"]);
        written.as_u64().unwrap_or_else(|| panic!("{written:?} is no number"))
    }

    /// Whether a deployment with every parameter at its default has the resource.
    pub(super) fn is_made(&self, resource: Resource<'_>) -> bool {
        let condition = resource.body["Condition"].as_str();
        condition.is_none_or(|name| self.holds(&self.root["Conditions"][name]))
    }

    fn holds(&self, condition: &Value) -> bool {
        let Value::Tagged(tagged) = condition else { panic!("{condition:?} is no condition") };
        if let ("!Condition", Some(name)) = (tagged.tag.to_string().as_str(), tagged.value.as_str()) {
            return self.holds(&self.root["Conditions"][name]);
        }
        let parts = list(&tagged.value);
        match (tagged.tag.to_string().as_str(), parts.as_slice()) {
            ("!Not", [one]) => !self.holds(one),
            ("!And", all) => all.iter().all(|one| self.holds(one)),
            ("!Equals", [one, other]) => self.by_default(one) == self.by_default(other),
            (tag, _) => panic!("say here what {tag} means"),
        }
    }

    fn by_default<'a>(&'a self, value: &'a Value) -> &'a Value {
        let parameter = names(value).pop_first();
        parameter.map_or(value, |name| &self.root["Parameters"][name.as_str()]["Default"])
    }

    /// All that a function's role allows.
    pub(super) fn statements(&self, function: Resource<'_>) -> Vec<Statement<'_>> {
        let role = self.resource(&names(function.property("Role")).pop_first().expect("a role of its own"));
        let policies = list(&role.body["Properties"]["Policies"]);
        let documents = policies.into_iter().flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]));
        documents.map(statement).collect()
    }
}

impl<'a> Resource<'a> {
    pub(super) fn kind(self) -> &'a str {
        self.body["Type"].as_str().expect("a resource has a type")
    }

    /// A property by its path; `Null` where there is none.
    pub(super) fn property(self, path: &str) -> &'a Value {
        path.split('.').fold(&self.body["Properties"], |value, step| value.get(step).unwrap_or(&Value::Null))
    }

    pub(super) fn text(self, path: &str) -> &'a str {
        self.property(path).as_str().unwrap_or_else(|| panic!("{} of {} is no text", path, self.id))
    }

    pub(super) fn number(self, path: &str) -> u64 {
        self.property(path).as_u64().unwrap_or_else(|| panic!("{} of {} is no number", path, self.id))
    }

    /// The properties of a function's events of one type.
    pub(super) fn events(self, kind: &str) -> Vec<&'a Value> {
        let events = self.property("Events").as_mapping();
        let events = events.into_iter().flat_map(serde_yaml_ng::Mapping::values);
        events.filter(|event| event["Type"] == kind).map(|event| &event["Properties"]).collect()
    }

    /// A function's own environment variables; those that all share are in the globals.
    pub(super) fn variables(self) -> BTreeMap<&'a str, &'a Value> {
        let variables = self.property("Environment.Variables").as_mapping();
        let variables = variables.into_iter().flatten();
        variables.map(|(name, value)| (name.as_str().expect("a name is text"), value)).collect()
    }

    /// `ProfileUpsertFunction` runs the bin `profile-upsert`.
    pub(super) fn bin(self) -> &'a str {
        let folder = self.text("CodeUri").strip_prefix("target/lambda/");
        folder.and_then(|folder| folder.strip_suffix('/')).unwrap_or_else(|| panic!("CodeUri of {}", self.id))
    }

    /// The bin `profile-upsert` belongs to the stage `profile`.
    pub(super) fn stage(self) -> &'a str {
        self.bin().split('-').next().expect("a bin has a name")
    }
}

fn statement(value: &Value) -> Statement<'_> {
    // `!If [HasKmsKey, statement, nothing]`: what is granted if there is a key.
    let conditional = value.as_sequence().and_then(|branches| branches.get(1));
    let value = conditional.unwrap_or(value);
    assert_eq!(value["Effect"], "Allow", "a policy only allows: {value:?}");
    let actions =
        list(&value["Action"]).into_iter().map(|action| action.as_str().expect("an action is text"));
    let resource = &value["Resource"];
    let is_list = resource.is_sequence() && !matches!(resource, Value::Tagged(_));
    let resources = if is_list { list(resource) } else { vec![resource] };
    Statement { actions: actions.collect(), resources }
}

pub(super) fn list(value: &Value) -> Vec<&Value> {
    value.as_sequence().unwrap_or_else(|| panic!("{value:?} is no list")).iter().collect()
}

/// The logical ids and parameters that `!Ref`, `!GetAtt` and `!Sub` name, at any depth.
pub(super) fn names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Tagged(tagged) => match (tagged.tag.to_string().as_str(), tagged.value.as_str()) {
            ("!Ref" | "!GetAtt", Some(name)) => first_step(name).into_iter().collect(),
            ("!Sub", Some(text)) => text.split("${").skip(1).filter_map(first_step).collect(),
            _ => names(&tagged.value),
        },
        Value::Sequence(values) => values.iter().flat_map(names).collect(),
        Value::Mapping(mapping) => mapping.values().flat_map(names).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    }
}

/// `PeopleTable.Arn}/index/due` names `PeopleTable`; pseudo parameters name nothing of ours.
fn first_step(text: &str) -> Option<String> {
    let name = text.split(['.', '}']).next()?;
    (!name.starts_with("AWS::")).then(|| name.to_owned())
}
