//! A stack in AWS, found by its name.
//!
//! The template writes down what it made, in the parameter
//! `/tributary/<stack>/resources`, so that finding it takes one read of a
//! service that is needed anyway.

mod remedy;

use std::collections::BTreeMap;
use std::error::Error;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use cloudwatch::Metrics;
use domain::cursor::{InvalidSigningKeys, SigningKeys};
use domain::key::IdKey;
use runtime::SystemClock;
use serde::Deserialize;
use sqs::SqsQueue;
use ssm::Parameters;

use crate::dlq::SqsShelf;
use crate::operate::SigningKept;
use crate::output::Failed;

/// The form of the resources that this build reads.
const FORM: u32 = 1;
/// As `CloudFormation` allows.
const NAME_LENGTH_MAX: usize = 128;

pub(crate) struct Stack {
    name: String,
    region: String,
    config: SdkConfig,
    parameters: Parameters,
    resources: Resources,
}

/// What the template says that it made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Resources {
    v: u32,
    pub(crate) definitions_table: String,
    /// The ARN of a customer's key; empty without one.
    kms_key: String,
    /// By the name of the stage that a queue feeds.
    pub(crate) queues: BTreeMap<String, Fed>,
    /// Older templates did not say.
    #[serde(default)]
    charged: Option<Charged>,
}

/// What the template says that it made of messaging.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct MessagingResources {
    v: u32,
    queues: BTreeMap<String, Fed>,
    alarm_metrics: u32,
    functions: BTreeMap<String, Function>,
}

/// The URLs of a queue and of its dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Fed {
    pub(crate) url: String,
    pub(crate) dead_letters: String,
}

/// What AWS charges for, beside the queues.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Charged {
    pub(crate) architecture: Architecture,
    pub(crate) front_door: FrontDoor,
    pub(crate) dashboard: YesNo,
    /// Metrics that alarms look at.
    pub(crate) alarm_metrics: u32,
    /// By the name of their bin.
    pub(crate) functions: BTreeMap<String, Function>,
    /// By the stage that they belong to, then by what they hold.
    pub(crate) tables: BTreeMap<String, BTreeMap<String, String>>,
}

/// A deployed function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) memory_mb: u32,
    pub(crate) started_by: StartedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StartedBy {
    Http,
    Queue,
    Schedule,
}

/// The parameter of the template, as it is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Architecture {
    #[serde(rename = "arm64")]
    Arm64,
    #[serde(rename = "x86_64")]
    X86,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum FrontDoor {
    FunctionUrl,
    HttpApi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum YesNo {
    Yes,
    No,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    #[error("`{0}` is no name of a stack: give the one that it was deployed under")]
    Name(String),
    #[error("no region is set: give one with --region, or set AWS_REGION")]
    NoRegion,
    #[error(
        "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; from a \
         sign-on that needs the AWS command line, `eval \"$(aws configure export-credentials --format env)\"` sets them"
    )]
    NoCredentials(#[source] Box<dyn Error + Send + Sync>),
    #[error(
        "there is no stack `{stack}` in {region}, or one of an older version: look at its name and region, or \
         deploy it with this version's template.yaml (parameter `{parameter}` is not there)"
    )]
    NoStack { stack: String, region: String, parameter: String },
    #[error(
        "stack `{0}` says in another form than this version reads what it is made of: update `tributary`, or deploy the stack again"
    )]
    Resources(String),
    #[error(
        "stack `{0}` does not say what of it is charged for: it was deployed with an older template.yaml; deploy it again with this version's"
    )]
    NothingCharged(String),
    #[error("stack `{0}` has no id key yet: run `tributary init --stack {0}`")]
    NoIdKey(String),
    #[error("stack `{0}` has no signing keys yet: run `tributary init --stack {0}`")]
    NoSigningKeys(String),
    #[error(
        "the signing keys of stack `{stack}` cannot be read: delete parameter `{parameter}` and run `tributary init` again; cursors that were handed out end"
    )]
    SigningKeys {
        stack: String,
        parameter: String,
        #[source]
        cause: InvalidSigningKeys,
    },
}

impl Stack {
    /// Finds a stack by what the environment says about credentials, endpoints
    /// and, without a `region`, about that too.
    pub(crate) async fn open(name: &str, region: Option<&str>) -> Result<Self, Failed> {
        let loader = aws_config::defaults(BehaviorVersion::latest());
        let loader = match region {
            Some(region) => loader.region(Region::new(region.to_owned())),
            None => loader,
        };
        Self::with(name, loader.load().await).await?.with_messaging().await
    }

    /// Adds what the template made of messaging, if it did.
    async fn with_messaging(mut self) -> Result<Self, Failed> {
        let said = self.parameters.find(&self.parameter("resources-messaging")).await;
        let Some(said) = said.map_err(|cause| remedy::explained(&self.name, cause.into()))? else {
            return Ok(self);
        };
        let messaging = MessagingResources::parse(said.expose());
        let messaging = messaging.ok_or_else(|| StackError::Resources(self.name.clone()))?;
        self.resources.add(messaging);
        Ok(self)
    }

    pub(crate) async fn with(name: &str, config: SdkConfig) -> Result<Self, Failed> {
        if !is_stack_name(name) {
            return Err(StackError::Name(name.to_owned()).into());
        }
        let region = config.region().map(ToString::to_string).filter(|region| !region.is_empty());
        let region = region.ok_or(StackError::NoRegion)?;
        signed_in(&config).await?;
        let parameters = Parameters::new(ssm::client(&config, None));
        let place = parameter(name, "resources");
        let said = parameters.find(&place).await.map_err(|cause| remedy::explained(name, cause.into()))?;
        let Some(said) = said else {
            return Err(StackError::NoStack { stack: name.to_owned(), region, parameter: place }.into());
        };
        let resources =
            Resources::parse(said.expose()).ok_or_else(|| StackError::Resources(name.to_owned()))?;
        Ok(Self { name: name.to_owned(), region, config, parameters, resources })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    pub(crate) const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The name of one of the stack's parameters.
    pub(crate) fn parameter(&self, name: &str) -> String {
        parameter(&self.name, name)
    }

    pub(crate) fn kms_key(&self) -> Option<&str> {
        Some(self.resources.kms_key.as_str()).filter(|key| !key.is_empty())
    }

    pub(crate) fn definitions(&self) -> dynamodb::Definitions<SystemClock> {
        let client = dynamodb::client(&self.config, None);
        dynamodb::Definitions::new(client, &self.resources.definitions_table, SystemClock)
    }

    /// The dead letters of each queue, by the name of the stage that it feeds.
    pub(crate) fn shelves(&self) -> Vec<(String, SqsShelf)> {
        let client = sqs::client(&self.config, None);
        let shelf = |fed: &Fed| SqsShelf {
            queue: SqsQueue::new(client.clone(), &fed.url),
            dead_letters: SqsQueue::new(client.clone(), &fed.dead_letters),
        };
        self.resources.queues.iter().map(|(name, fed)| (name.clone(), shelf(fed))).collect()
    }

    pub(crate) fn charged(&self) -> Result<&Charged, StackError> {
        self.resources.charged.as_ref().ok_or_else(|| StackError::NothingCharged(self.name.clone()))
    }

    pub(crate) const fn queues(&self) -> &BTreeMap<String, Fed> {
        &self.resources.queues
    }

    /// A table, by its stage and by what it holds.
    pub(crate) fn table(&self, stage: &str, holds: &str) -> Result<&str, StackError> {
        let table = self.charged()?.tables.get(stage).and_then(|tables| tables.get(holds));
        table.map(String::as_str).ok_or_else(|| StackError::Resources(self.name.clone()))
    }

    /// The queue that feeds a stage.
    pub(crate) fn queue(&self, stage: &str) -> Result<SqsQueue, StackError> {
        let fed =
            self.resources.queues.get(stage).ok_or_else(|| StackError::NothingCharged(self.name.clone()))?;
        Ok(SqsQueue::new(sqs::client(&self.config, None), &fed.url))
    }

    pub(crate) async fn id_key(&self) -> Result<IdKey, Failed> {
        let place = self.parameter("id-key");
        let kept = self.parameters.find(&place).await?;
        let kept = kept.ok_or_else(|| StackError::NoIdKey(self.name.clone()))?;
        Ok(profile::settings::id_key(kept.expose())?)
    }

    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::new(cloudwatch::client(&self.config, None))
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        dynamodb::client(&self.config, None)
    }

    /// Says of what failed what can be done about it.
    pub(crate) fn explained<T>(&self, result: Result<T, Failed>) -> Result<T, Failed> {
        result.map_err(|cause| remedy::explained(&self.name, cause))
    }
}

impl SigningKept for Stack {
    async fn load(&self) -> Result<SigningKeys, Failed> {
        let place = self.parameter("signing-keys");
        let kept = self.parameters.find(&place).await?;
        let kept = kept.ok_or_else(|| StackError::NoSigningKeys(self.name.clone()))?;
        let wrong = |cause| StackError::SigningKeys { stack: self.name.clone(), parameter: place, cause };
        Ok(SigningKeys::parse(kept.expose().trim()).map_err(wrong)?)
    }

    async fn store(&self, keys: &SigningKeys) -> Result<(), Failed> {
        let place = self.parameter("signing-keys");
        Ok(self.parameters.replace(&place, &keys.reveal(), self.kms_key()).await?)
    }
}

impl MessagingResources {
    /// `None` is another form than this build's.
    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text).ok().filter(|resources| resources.v == FORM)
    }
}

impl Resources {
    fn add(&mut self, messaging: MessagingResources) {
        self.queues.extend(messaging.queues);
        if let Some(charged) = &mut self.charged {
            charged.alarm_metrics = charged.alarm_metrics.saturating_add(messaging.alarm_metrics);
            charged.functions.extend(messaging.functions);
        }
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|resources: &Self| resources.v == FORM)
    }
}

/// Asks for credentials at once: what a service says later is harder to understand.
async fn signed_in(config: &SdkConfig) -> Result<(), StackError> {
    let provider = config
        .credentials_provider()
        .ok_or_else(|| StackError::NoCredentials("there is no provider".into()))?;
    let found = provider.provide_credentials().await;
    found.map(|_| ()).map_err(|cause| StackError::NoCredentials(cause.into()))
}

fn parameter(stack: &str, name: &str) -> String {
    format!("/tributary/{stack}/{name}")
}

fn is_stack_name(name: &str) -> bool {
    name.len() <= NAME_LENGTH_MAX
        && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests;
