//! The deployed functions, run in this process as `template.yaml` wires them.

pub(crate) mod messaging;

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_dynamodb::Client;
use domain::key::IdKey;
use domain::time::Timestamp;
use dynamodb::{Idempotency, People, Rejections};
use ingest::Ingest;
use local::consumer::Consumer;
use local::template::{Function, When, Wiring};
use local::{Journal, LocalQueue, Mailbox, Queues};
use ports::Clock as _;
use profile::api::{Api, Ports};
use profile::signing::Renewed;
use profile::{Proper, Stage, Writer, batch};
use runtime::SystemEntropy;
use runtime::definitions::Cached;

use crate::boot::Definitions;
use crate::clock::LocalClock;
use crate::data::Keys;
use crate::operate::local::Folder;
use crate::output::Failed;
use crate::tools::{PREFIX, Tools};

type Queue = LocalQueue<LocalClock>;
type LocalIngest = Ingest<Definitions, Queue, Rejections<LocalClock>, LocalClock, SystemEntropy>;
type LocalApi = Api<
    People,
    Definitions,
    Rejections<LocalClock>,
    Queue,
    Idempotency,
    LocalClock,
    SystemEntropy,
    Renewed<Folder>,
>;
type LocalStage =
    Stage<People, Definitions, Rejections<LocalClock>, Queue, LocalClock, SystemEntropy, Proper>;
type LocalWriter = Writer<People, Queue, LocalClock, SystemEntropy>;
type LocalSegments = segments::Stage<People, Definitions, Queue, LocalClock, SystemEntropy>;

/// What a sweep runs with.
pub(crate) struct Sweep {
    pub(crate) writer: LocalWriter,
    pub(crate) definitions: Cached<Definitions>,
    /// The segments stage's queue.
    pub(crate) parts: Queue,
}
type LocalIdentity = identity::Stage<People, Definitions, Rejections<LocalClock>, LocalClock, SystemEntropy>;

/// What a function is built from.
pub(crate) struct Parts {
    pub(crate) wiring: Wiring,
    pub(crate) queues: Queues,
    pub(crate) client: Client,
    pub(crate) clock: LocalClock,
    pub(crate) keys: Keys,
    pub(crate) journal: Journal,
    pub(crate) folder: Folder,
    /// What is sent to people stays here.
    pub(crate) mailbox: Mailbox<LocalClock>,
}

/// The functions that answer HTTP.
pub(crate) struct Doors {
    ingest: LocalIngest,
    api: LocalApi,
    web: messaging::LocalWeb,
    tools: Tools,
}

#[derive(Debug, thiserror::Error)]
enum Unwired {
    #[error("the template has no function whose code is `{0}`")]
    Function(&'static str),
    #[error("the template gives `{function}` no variable {variable}")]
    Variable { function: &'static str, variable: &'static str },
    #[error("the template feeds `{0}` from no queue")]
    Mapping(&'static str),
    #[error("the template has function `{0}`, which this program does not know")]
    Unknown(String),
}

/// The functions that this program holds; the template may name no other.
const KNOWN: [&str; 10] = [
    "ingest-http",
    "profile-upsert",
    "profile-api",
    "profile-sweep",
    "identity-merge",
    "segments-backfill",
    "messaging-plan",
    "messaging-send",
    "messaging-web",
    "messaging-feedback",
];

/// A client of the embedded store; nobody checks its credentials.
pub(crate) fn client(url: &str) -> Client {
    let shared = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("local"))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
            Credentials::from_keys("local", "local", None),
        ))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    dynamodb::client(&shared, Some(url))
}

impl Parts {
    /// Refuses a template with functions that would silently not run.
    pub(crate) fn check(&self) -> Result<(), Failed> {
        let unknown = self.wiring.functions.iter().find(|function| !KNOWN.contains(&function.bin.as_str()));
        unknown.map_or(Ok(()), |function| Err(Unwired::Unknown(function.bin.clone()).into()))
    }

    fn function(&self, bin: &'static str) -> Result<&Function, Unwired> {
        self.wiring.function(bin).ok_or(Unwired::Function(bin))
    }

    /// A variable of a function: the name of a table or queue.
    fn variable(&self, function: &'static str, variable: &'static str) -> Result<String, Unwired> {
        let value = self.function(function)?.environment.get(variable);
        value.map(|value| value.name().to_owned()).ok_or(Unwired::Variable { function, variable })
    }

    fn queue(&self, function: &'static str, variable: &'static str) -> Result<Queue, Failed> {
        Ok(self.queues.queue(&self.variable(function, variable)?, self.clock.clone())?)
    }

    fn people(&self, function: &'static str) -> Result<People, Failed> {
        let table = |name| self.variable(function, name);
        Ok(People::new(self.client.clone(), table("PEOPLE_TABLE")?, table("IDENTITIES_TABLE")?))
    }

    fn definitions(&self, function: &'static str) -> Result<Definitions, Failed> {
        let table = self.variable(function, "DEFINITIONS_TABLE")?;
        Ok(Definitions::new(self.client.clone(), table, self.clock.clone()))
    }

    fn rejections(&self, function: &'static str) -> Result<Rejections<LocalClock>, Failed> {
        let table = self.variable(function, "REJECTIONS_TABLE")?;
        Ok(Rejections::new(self.client.clone(), table, self.clock.clone()))
    }

    fn id_key(&self) -> Result<IdKey, Failed> {
        Ok(profile::settings::id_key(&self.keys.id_key)?)
    }

    pub(crate) fn doors(&self) -> Result<Doors, Failed> {
        const INGEST: &str = "ingest-http";
        const API: &str = "profile-api";
        let ingest = Ingest::new(
            self.definitions(INGEST)?,
            self.queue(INGEST, "PROFILE_QUEUE_URL")?,
            self.rejections(INGEST)?,
            self.clock.clone(),
            SystemEntropy,
        );
        let ports = Ports {
            people: self.people(API)?,
            definitions: self.definitions(API)?,
            rejections: self.rejections(API)?,
            queue: self.queue(API, "PROFILE_QUEUE_URL")?,
            merges: self.queue(API, "IDENTITY_QUEUE_URL")?,
            idempotency: Idempotency::new(self.client.clone(), self.variable(API, "DEFINITIONS_TABLE")?),
            clock: self.clock.clone(),
            entropy: SystemEntropy,
        };
        let tools = Tools {
            queues: self.queues.clone(),
            clock: self.clock.clone(),
            client: self.client.clone(),
            people_table: self.variable(API, "PEOPLE_TABLE")?,
            identities_table: self.variable(API, "IDENTITIES_TABLE")?,
            identity_queue: self.variable(API, "IDENTITY_QUEUE_URL")?,
            rejections: self.rejections(API)?,
            definitions: self.definitions(API)?,
            journal: self.journal.clone(),
            key: self.id_key()?,
            folder: self.folder.clone(),
            mailbox: self.mailbox.clone(),
        };
        let signing = profile::settings::signing_keys(&self.keys.signing_keys)?;
        let signing = Renewed::new(self.folder.clone(), signing, self.clock.now());
        let api = Api::new(ports, self.id_key()?, signing);
        Ok(Doors { ingest, api, web: self.web()?, tools })
    }

    /// Starts what queues feed; `url` is where this platform answers.
    pub(crate) fn consumers(&self, url: &str) -> Result<Vec<Consumer>, Failed> {
        let mut consumers = self.profile_consumers()?;
        consumers.extend(self.identity_consumers()?);
        consumers.extend(self.segments_consumers()?);
        consumers.extend(self.messaging_consumers(url)?);
        consumers.extend(self.feedback_consumers()?);
        Ok(consumers)
    }

    fn profile_consumers(&self) -> Result<Vec<Consumer>, Failed> {
        const UPSERT: &str = "profile-upsert";
        let stage: Arc<LocalStage> =
            Arc::new(Stage::new(self.writer(UPSERT)?, self.definitions(UPSERT)?, self.rejections(UPSERT)?));
        let dead_letters = self.queue(UPSERT, "PROFILE_DLQ_URL")?;
        let max_receives = self.variable(UPSERT, "PROFILE_MAX_RECEIVES")?.parse()?;
        self.fed(UPSERT, move |event, deadline| {
            let (stage, dead_letters) = (Arc::clone(&stage), dead_letters.clone());
            async move { batch::fold(&stage, &dead_letters, event.records, deadline, max_receives).await }
        })
    }

    fn identity_consumers(&self) -> Result<Vec<Consumer>, Failed> {
        const MERGE: &str = "identity-merge";
        let stage: Arc<LocalIdentity> = Arc::new(identity::Stage {
            people: self.people(MERGE)?,
            definitions: self.definitions(MERGE)?,
            rejections: self.rejections(MERGE)?,
            clock: self.clock.clone(),
            entropy: SystemEntropy,
            key: self.id_key()?,
        });
        let dead_letters = self.queue(MERGE, "IDENTITY_DLQ_URL")?;
        let max_receives = self.variable(MERGE, "IDENTITY_MAX_RECEIVES")?.parse()?;
        self.fed(MERGE, move |event, deadline| {
            let (stage, dead_letters) = (Arc::clone(&stage), dead_letters.clone());
            async move {
                identity::batch::merge(&stage, &dead_letters, &event.records, deadline, max_receives).await
            }
        })
    }

    fn segments_consumers(&self) -> Result<Vec<Consumer>, Failed> {
        const BACKFILL: &str = "segments-backfill";
        let stage: Arc<LocalSegments> = Arc::new(segments::Stage {
            writer: self.writer(BACKFILL)?,
            definitions: Cached::new(self.definitions(BACKFILL)?),
        });
        let dead_letters = self.queue(BACKFILL, "SEGMENTS_DLQ_URL")?;
        let max_receives = self.variable(BACKFILL, "SEGMENTS_MAX_RECEIVES")?.parse()?;
        self.fed(BACKFILL, move |event, deadline| {
            let (stage, dead_letters) = (Arc::clone(&stage), dead_letters.clone());
            async move {
                segments::batch::walk(&stage, &dead_letters, &event.records, deadline, max_receives).await
            }
        })
    }

    /// Feeds a function as the template says.
    fn fed<H, F>(&self, function: &'static str, handle: H) -> Result<Vec<Consumer>, Failed>
    where
        H: Fn(SqsEvent, Timestamp) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = SqsBatchResponse> + Send + 'static,
    {
        let sources = &self.function(function)?.sources;
        if sources.is_empty() {
            return Err(Unwired::Mapping(function).into());
        }
        let start = |fed: &local::template::Source| -> Result<Consumer, Failed> {
            let queue = self.queues.queue(&fed.queue, self.clock.clone())?;
            let (clock, timeout) = (self.clock.clone(), i64::try_from(fed.mapping.timeout.as_millis())?);
            let handle = handle.clone();
            let handle = move |event: SqsEvent| handle(event, clock.now().plus(timeout));
            Ok(Consumer::start(queue, fed.mapping, handle))
        };
        sources.iter().map(start).collect()
    }

    fn writer(&self, function: &'static str) -> Result<LocalWriter, Failed> {
        Ok(Writer {
            people: self.people(function)?,
            merges: self.queue(function, "IDENTITY_QUEUE_URL")?,
            messages: Some(self.queue(function, "MESSAGING_QUEUE_URL")?),
            clock: self.clock.clone(),
            entropy: SystemEntropy,
            key: self.id_key()?,
        })
    }

    /// What schedules start, and when.
    pub(crate) fn sweep(&self) -> Result<(Sweep, Vec<When>), Failed> {
        const SWEEP: &str = "profile-sweep";
        let sweep = Sweep {
            writer: self.writer(SWEEP)?,
            definitions: Cached::new(self.definitions(SWEEP)?),
            parts: self.queue(SWEEP, "SEGMENTS_QUEUE_URL")?,
        };
        let schedules = &self.function(SWEEP)?.schedules;
        Ok((sweep, schedules.iter().map(|schedule| schedule.when.clone()).collect()))
    }
}

/// Paths of the admin API; everything else is ingest's, which answers what it
/// does not know.
fn is_admin(path: &str) -> bool {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    matches!(steps.as_slice(), ["v1", "profiles" | "sources" | "segments", ..])
}

/// Paths of the links of letters.
fn is_link(path: &str) -> bool {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    matches!(steps.as_slice(), ["u" | "p" | "o" | "c" | "confirm", token] if token.contains('.'))
}

impl Doors {
    /// See [`Tools::adopt`].
    pub(crate) async fn adopt(&self) -> Result<(), Failed> {
        self.tools.adopt().await
    }

    pub(crate) async fn answer(&self, request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let path = request.raw_path.as_deref().unwrap_or_default();
        if path.starts_with(PREFIX) {
            return self.tools.answer(&request).await;
        }
        if is_link(path) {
            return self.web.handle(request).await;
        }
        if is_admin(path) { self.api.handle(request).await } else { self.ingest.handle(request).await }
    }
}
