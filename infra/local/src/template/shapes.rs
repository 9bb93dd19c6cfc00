//! Resources as the template writes them, and what the local stack makes of them.
//!
//! Properties that change nothing here (encryption, back-ups) are passed over;
//! an unknown property of an *event* is an error, for no linter finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_yaml_ng::{Mapping as Yaml, Value};

use super::intrinsics::Template;
use super::{
    Attribute, AttributeKind, Function, Index, Key, Projection, Schedule, Setting, Source, Table,
    TemplateError, When,
};
use crate::consumer::Mapping;
use crate::queue::settings::{DeduplicationScope, Fifo, QueueSettings, Redrive};

/// What Lambda starts with where a mapping sets no bound.
const CONCURRENCY: usize = 5;
const BATCH_SIZE: usize = 10;
/// What Lambda gives a function that asks for nothing.
const TIMEOUT_S: u64 = 3;

fn shape<T: DeserializeOwned>(properties: Value, place: &str) -> Result<T, TemplateError> {
    serde_yaml_ng::from_value(properties)
        .map_err(|cause| TemplateError::Shape { place: place.to_owned(), cause })
}

/// A text, or a reference to a resource.
#[derive(Clone)]
struct Named(Setting);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Flag(bool),
            Number(i64),
            Decimal(f64),
            Ref {
                #[serde(rename = "Ref")]
                id: String,
            },
            GetAtt {
                #[serde(rename = "Fn::GetAtt")]
                pair: (String, String),
            },
        }
        let written = Written::deserialize(deserializer);
        let written = written.map_err(|_| D::Error::custom("this is neither a text nor a reference"))?;
        Ok(Self(match written {
            Written::Text(text) => Setting::Text(text),
            Written::Flag(flag) => Setting::Text(flag.to_string()),
            Written::Number(number) => Setting::Text(number.to_string()),
            Written::Decimal(number) => Setting::Text(number.to_string()),
            Written::Ref { id } => Setting::Resource(id),
            Written::GetAtt { pair: (resource, attribute) } => Setting::Attribute { resource, attribute },
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableShape {
    attribute_definitions: Vec<AttributeShape>,
    key_schema: Vec<KeyShape>,
    #[serde(default)]
    global_secondary_indexes: Vec<IndexShape>,
    #[serde(default)]
    local_secondary_indexes: Vec<Value>,
    time_to_live_specification: Option<LifeShape>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeShape {
    attribute_name: String,
    attribute_type: AttributeKind,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyShape {
    attribute_name: String,
    key_type: KeyType,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum KeyType {
    Hash,
    Range,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexShape {
    index_name: String,
    key_schema: Vec<KeyShape>,
    projection: ProjectionShape,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProjectionShape {
    projection_type: ProjectionType,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ProjectionType {
    All,
    KeysOnly,
    Include,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LifeShape {
    attribute_name: Option<String>,
    enabled: bool,
}

pub(super) fn table(template: &Template, id: &str) -> Result<Table, TemplateError> {
    let shape: TableShape = shape(Value::Mapping(template.properties(id)?), id)?;
    if !shape.local_secondary_indexes.is_empty() {
        return Err(TemplateError::wrong(
            id,
            "has local secondary indexes, which the local stack does not make",
        ));
    }
    let kinds: BTreeMap<&str, AttributeKind> = shape
        .attribute_definitions
        .iter()
        .map(|attribute| (attribute.attribute_name.as_str(), attribute.attribute_type))
        .collect();
    let indexes = shape.global_secondary_indexes.iter().map(|index| {
        let key = key(&index.key_schema, &kinds, &format!("{id}.{}", index.index_name))?;
        let projection = match index.projection.projection_type {
            ProjectionType::All => Projection::All,
            ProjectionType::KeysOnly => Projection::KeysOnly,
            ProjectionType::Include => Projection::Include(index.projection.non_key_attributes.clone()),
        };
        Ok(Index { name: index.index_name.clone(), key, projection })
    });
    let life = shape.time_to_live_specification.filter(|life| life.enabled);
    Ok(Table {
        name: id.to_owned(),
        key: key(&shape.key_schema, &kinds, id)?,
        indexes: indexes.collect::<Result<_, TemplateError>>()?,
        ends_by: life.and_then(|life| life.attribute_name),
    })
}

fn key(
    schema: &[KeyShape],
    kinds: &BTreeMap<&str, AttributeKind>,
    place: &str,
) -> Result<Key, TemplateError> {
    let attribute = |wanted: KeyType| {
        let Some(found) = schema.iter().find(|part| part.key_type == wanted) else { return Ok(None) };
        let name = found.attribute_name.clone();
        let Some(kind) = kinds.get(name.as_str()).copied() else {
            return Err(TemplateError::wrong(
                place,
                format!("has key `{name}` without an attribute definition"),
            ));
        };
        Ok(Some(Attribute { name, kind }))
    };
    let hash = attribute(KeyType::Hash)?.ok_or_else(|| TemplateError::wrong(place, "has no HASH key"))?;
    Ok(Key { hash, range: attribute(KeyType::Range)? })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueShape {
    #[serde(default = "visibility_s")]
    visibility_timeout: u32,
    #[serde(default)]
    delay_seconds: u32,
    #[serde(default = "retention_s")]
    message_retention_period: u32,
    redrive_policy: Option<RedriveShape>,
    #[serde(default)]
    fifo_queue: bool,
    #[serde(default)]
    content_based_deduplication: bool,
    #[serde(default)]
    deduplication_scope: ScopeShape,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveShape {
    dead_letter_target_arn: Named,
    max_receive_count: u32,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
enum ScopeShape {
    #[default]
    Queue,
    MessageGroup,
}

fn visibility_s() -> u32 {
    QueueSettings::VISIBILITY_S
}

fn retention_s() -> u32 {
    QueueSettings::RETENTION_S
}

pub(super) fn queue(template: &Template, id: &str) -> Result<QueueSettings, TemplateError> {
    let shape: QueueShape = shape(Value::Mapping(template.properties(id)?), id)?;
    let scope = match shape.deduplication_scope {
        ScopeShape::Queue => DeduplicationScope::Queue,
        ScopeShape::MessageGroup => DeduplicationScope::Group,
    };
    let redrive = shape.redrive_policy.map(|policy| Redrive {
        to: policy.dead_letter_target_arn.0.name().to_owned(),
        max_receives: policy.max_receive_count,
    });
    Ok(QueueSettings {
        name: id.to_owned(),
        visibility_s: shape.visibility_timeout,
        delay_s: shape.delay_seconds,
        retention_s: shape.message_retention_period,
        redrive,
        fifo: shape.fifo_queue.then_some(Fifo { scope, by_content: shape.content_based_deduplication }),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionShape {
    code_uri: String,
    timeout: Option<u64>,
    #[serde(default)]
    environment: EnvironmentShape,
    #[serde(default)]
    events: BTreeMap<String, EventShape>,
    function_url_config: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct EnvironmentShape {
    #[serde(default)]
    variables: BTreeMap<String, Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct EventShape {
    r#type: String,
    #[serde(default)]
    properties: Yaml,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SqsShape {
    queue: Named,
    #[serde(default = "batch_size")]
    batch_size: usize,
    #[serde(default)]
    maximum_batching_window_in_seconds: u16,
    #[serde(default)]
    function_response_types: Vec<String>,
    scaling_config: Option<ScalingShape>,
    #[serde(default = "yes")]
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ScalingShape {
    maximum_concurrency: usize,
}

/// `Schedule` and `ScheduleV2`, whose expressions have different names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ScheduleShape {
    #[serde(alias = "Schedule")]
    schedule_expression: String,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    state: StateShape,
    // What follows says nothing of when.
    #[serde(rename = "RetryPolicy")]
    _retry_policy: Option<Value>,
    #[serde(rename = "Description")]
    _description: Option<String>,
    #[serde(rename = "Name")]
    _name: Option<String>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum StateShape {
    #[default]
    Enabled,
    Disabled,
}

fn batch_size() -> usize {
    BATCH_SIZE
}

fn yes() -> bool {
    true
}

pub(super) fn function(
    template: &Template,
    id: &str,
    http: &BTreeSet<String>,
) -> Result<Function, TemplateError> {
    let shape: FunctionShape = shape(Value::Mapping(template.properties(id)?), id)?;
    let globals = template.globals("Function")?;
    let shared: EnvironmentShape = match globals.get("Environment") {
        Some(environment) => self::shape(environment.clone(), "Globals.Function.Environment")?,
        None => EnvironmentShape::default(),
    };
    let timeout =
        shape.timeout.or_else(|| globals.get("Timeout").and_then(Value::as_u64)).unwrap_or(TIMEOUT_S);
    let timeout = Duration::from_secs(timeout);
    let environment = shared.variables.into_iter().chain(shape.environment.variables);
    let (mut sources, mut schedules) = (Vec::new(), Vec::new());
    for (name, event) in shape.events {
        let place = format!("{id}.Events.{name}");
        let properties = Value::Mapping(event.properties);
        match event.r#type.as_str() {
            "SQS" => sources.extend(source(self::shape(properties, &place)?, timeout, &place)?),
            "Schedule" | "ScheduleV2" => {
                schedules.extend(schedule(&self::shape(properties, &place)?, name, &place)?);
            }
            other => {
                return Err(TemplateError::wrong(
                    place,
                    format!("is of type `{other}`, which the local stack does not know"),
                ));
            }
        }
    }
    Ok(Function {
        id: id.to_owned(),
        bin: bin(&shape.code_uri, id)?,
        timeout,
        environment: environment.map(|(name, Named(value))| (name, value)).collect(),
        sources,
        schedules,
        is_http: shape.function_url_config.is_some() || http.contains(id),
    })
}

/// `target/lambda/profile-upsert/` is what cargo-lambda makes of the bin `profile-upsert`.
fn bin(code_uri: &str, id: &str) -> Result<String, TemplateError> {
    let bin = code_uri.strip_prefix("target/lambda/").map(|bin| bin.trim_end_matches('/'));
    let bin = bin.filter(|bin| !bin.is_empty() && !bin.contains('/'));
    let wrong =
        || TemplateError::wrong(format!("{id}.CodeUri"), "is not `target/lambda/` and the name of a bin");
    bin.map(str::to_owned).ok_or_else(wrong)
}

fn source(shape: SqsShape, timeout: Duration, place: &str) -> Result<Option<Source>, TemplateError> {
    if !shape.enabled {
        return Ok(None);
    }
    // Without it Lambda takes every batch that returns for done, and records would be lost.
    if shape.function_response_types != ["ReportBatchItemFailures"] {
        return Err(TemplateError::wrong(
            place,
            "has not `FunctionResponseTypes: [ReportBatchItemFailures]`",
        ));
    }
    let concurrency = shape.scaling_config.map_or(CONCURRENCY, |scaling| scaling.maximum_concurrency);
    if !(2..=1000).contains(&concurrency) {
        return Err(TemplateError::wrong(place, "has a MaximumConcurrency that is not from 2 to 1000"));
    }
    let window_ms = i64::from(shape.maximum_batching_window_in_seconds) * 1_000;
    let mapping = Mapping { batch_size: shape.batch_size, window_ms, concurrency, timeout };
    Ok(Some(Source { queue: shape.queue.0.name().to_owned(), mapping }))
}

fn schedule(shape: &ScheduleShape, name: String, place: &str) -> Result<Option<Schedule>, TemplateError> {
    if !shape.enabled || shape.state == StateShape::Disabled {
        return Ok(None);
    }
    let when = When::parse(&shape.schedule_expression);
    let wrong = || {
        TemplateError::wrong(
            place,
            "has an expression that is neither `rate(…)` nor `cron(…)` as EventBridge reads them",
        )
    };
    Ok(Some(Schedule { name, when: when.ok_or_else(wrong)? }))
}

/// The functions that stand behind a function URL or an HTTP API of their own.
pub(super) fn behind_doors(template: &Template) -> Result<BTreeSet<String>, TemplateError> {
    let mut behind = BTreeSet::new();
    for (id, kind) in template.resources()? {
        let property = match kind {
            "AWS::Lambda::Url" => "TargetFunctionArn",
            "AWS::ApiGatewayV2::Integration" => "IntegrationUri",
            _ => continue,
        };
        if let Some(target) = template.properties(id)?.get(property) {
            let Named(target) = shape(target.clone(), &format!("{id}.{property}"))?;
            behind.insert(target.name().to_owned());
        }
    }
    Ok(behind)
}
