//! `template.yaml` as the local stack needs it: which tables and queues there
//! are, and what calls which function.
//!
//! It is read as a deployment with every parameter at its default, but for those that are given. A resource's
//! logical id is its name here.

mod intrinsics;
mod shapes;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use domain::time::Timestamp;

use crate::consumer::Mapping;
use crate::queue::settings::QueueSettings;
use intrinsics::Template;

/// All that the local stack takes from the template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wiring {
    pub tables: Vec<Table>,
    pub queues: Vec<QueueSettings>,
    pub functions: Vec<Function>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    pub key: Key,
    pub indexes: Vec<Index>,
    /// The attribute whose time ends an item.
    pub ends_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    pub key: Key,
    pub projection: Projection,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub hash: Attribute,
    pub range: Option<Attribute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    pub kind: AttributeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub enum AttributeKind {
    #[serde(rename = "S")]
    Text,
    #[serde(rename = "N")]
    Number,
    #[serde(rename = "B")]
    Binary,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    All,
    KeysOnly,
    Include(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The logical id.
    pub id: String,
    /// The bin whose bootstrap is deployed: the folder of `CodeUri`.
    pub bin: String,
    pub timeout: Duration,
    /// Its variables, those that all functions share among them.
    pub environment: BTreeMap<String, Setting>,
    pub sources: Vec<Source>,
    pub schedules: Vec<Schedule>,
    /// Whether it answers HTTP, by a function URL or an HTTP API.
    pub is_http: bool,
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    Text(String),
    /// `!Ref` of a resource: a table's name, a queue's URL.
    Resource(String),
    /// `!GetAtt` of a resource.
    Attribute {
        resource: String,
        attribute: String,
    },
}

impl Setting {
    /// The text, or the logical id of the resource.
    pub fn name(&self) -> &str {
        match self {
            Self::Text(name) | Self::Resource(name) | Self::Attribute { resource: name, .. } => name,
        }
    }
}

/// A queue that feeds a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub queue: String,
    pub mapping: Mapping,
}

/// A function that is called by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The name of the event within its function.
    pub name: String,
    pub when: When,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    Rate {
        every_ms: i64,
    },
    /// What stands in `cron(…)`, in UTC.
    Cron(String),
}

impl When {
    /// Reads `rate(5 minutes)` or `cron(0 12 * * ? *)`.
    pub fn parse(expression: &str) -> Option<Self> {
        let (kind, inner) = expression.trim().strip_suffix(')')?.split_once('(')?;
        match kind {
            "rate" => rate_ms(inner).map(|every_ms| Self::Rate { every_ms }),
            "cron" => crate::schedule::cron(inner).map(|_| Self::Cron(inner.to_owned())),
            _ => None,
        }
    }
}

fn rate_ms(inner: &str) -> Option<i64> {
    let (count, unit) = inner.trim().split_once(' ')?;
    let unit = match unit.trim() {
        "minute" | "minutes" => Timestamp::MINUTE,
        "hour" | "hours" => Timestamp::HOUR,
        "day" | "days" => Timestamp::DAY,
        _ => return None,
    };
    let count: i64 = count.parse().ok().filter(|count| *count > 0)?;
    count.checked_mul(unit)
}

/// The template says something that the local stack cannot do, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("cannot read the template `{}`: start in the project's folder, or name the template", file.display())]
    Read {
        file: std::path::PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("the template is not YAML")]
    Yaml(#[source] serde_yaml_ng::Error),
    #[error("the template has no `{section}`")]
    Section { section: &'static str },
    #[error("the template's `{place}` is not as the local stack can read it")]
    Shape {
        place: String,
        #[source]
        cause: serde_yaml_ng::Error,
    },
    #[error("the template's `{place}` {why}")]
    Wrong { place: String, why: String },
}

impl TemplateError {
    fn wrong(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Wrong { place: place.into(), why: why.into() }
    }
}

impl Wiring {
    pub fn read(file: &Path) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(file);
        Self::parse(&text.map_err(|cause| TemplateError::Read { file: file.to_owned(), cause })?)
    }

    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::parse_with(text, &[])
    }

    /// A template as a deployment with these parameters has it.
    pub fn parse_with(text: &str, given: &[(&str, &str)]) -> Result<Self, TemplateError> {
        let template = Template::parse(text, given)?;
        let http = shapes::behind_doors(&template)?;
        let mut wiring = Self::default();
        for (id, kind) in template.resources()? {
            match kind {
                "AWS::DynamoDB::Table" => wiring.tables.push(shapes::table(&template, id)?),
                "AWS::SQS::Queue" => wiring.queues.push(shapes::queue(&template, id)?),
                "AWS::Serverless::Function" => wiring.functions.push(shapes::function(&template, id, &http)?),
                _ => (), // Roles, logs, alarms, doors: there is nothing of them here.
            }
        }
        wiring.check()?;
        Ok(wiring)
    }

    /// Checks what no resource can say alone.
    fn check(&self) -> Result<(), TemplateError> {
        for queue in &self.queues {
            let Some(redrive) = &queue.redrive else { continue };
            let place = format!("{}.RedrivePolicy", queue.name);
            let Some(grave) = self.queue(&redrive.to) else {
                return Err(TemplateError::wrong(place, format!("names no queue: `{}`", redrive.to)));
            };
            if grave.fifo.is_some() != queue.fifo.is_some() {
                return Err(TemplateError::wrong(place, "joins a FIFO queue and one that is not"));
            }
        }
        let mut sources = self.functions.iter().flat_map(|function| &function.sources);
        sources.try_for_each(|source| self.check_source(source))
    }

    fn check_source(&self, Source { queue: name, mapping }: &Source) -> Result<(), TemplateError> {
        let wrong = |why: &str| Err(TemplateError::wrong(format!("mapping of {name}"), why));
        let Some(queue) = self.queue(name) else { return wrong("names no queue") };
        let Mapping { batch_size, window_ms, .. } = *mapping;
        match (&queue.fifo, batch_size, window_ms) {
            (Some(_), 11.., _) => wrong("has a BatchSize over 10, which a FIFO queue does not take"),
            (Some(_), _, 1..) => wrong("has a window, which a FIFO queue does not take"),
            (None, 11.., 0) => wrong("has a BatchSize over 10 and no MaximumBatchingWindowInSeconds"),
            (_, 0 | 10_001.., _) => wrong("has a BatchSize that is not from 1 to 10000"),
            _ => Ok(()),
        }
    }

    pub fn queue(&self, name: &str) -> Option<&QueueSettings> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The function that runs this bin.
    pub fn function(&self, bin: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.bin == bin)
    }
}

#[cfg(test)]
mod tests;
