//! What callgrind counts: our own code, called through marked functions.
//!
//! The parent starts this program again under valgrind; everything outside the
//! marked functions is not collected.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use clap::ValueEnum;
use domain::access::{AccessKey, KeyKind};
use domain::key::IdKey;
use domain::message::Message;
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ingest::Ingest;
use ports::definitions::{Grant, Key, Source, Workspace};
use profile::{Proper, Stage, Writer};
use sqs::SqsQueue;
use testkit::{MemoryDefinitions, MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy, TestClock};
use tokio::runtime::Runtime;

use crate::corpus::{Corpus, SESSION, Sample, Sdk, TODAY};
use crate::failed::{Failed, Wrong, ensure};
use crate::segments::asked::{self, Of};
use crate::segments::events;
use crate::slopes::known_at_once;
use crate::tributary::ID_KEY;
use crate::{request, store};

const QUEUE_URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/profile";
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
/// Events of a large request.
pub(crate) const LARGE: usize = 100;
/// Requests of each kind that are measured.
pub(crate) const REQUESTS: usize = 16;

/// What is measured in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measured {
    /// Requests of 100 events, from what Lambda hands over to the signed request to the queue.
    IngestLarge,
    /// The same bodies, read by `serde_json` into a `Value`.
    ParseLarge,
    /// Requests of one event.
    IngestSmall,
    /// Batches of one event of a returning person.
    Upsert,
    /// The same of an event that segments ask, beside as many of them as there are "profiles".
    UpsertAsked,
    /// And of one that none asks.
    UpsertUnasked,
    /// A thousand new segments are asked of people with so many months of history.
    AskNew,
    /// The same where their features are known.
    AskKnown,
    /// The same naively.
    AskNaive,
}

impl Measured {
    /// The function within which instructions are collected.
    pub(crate) const fn marker(self) -> &'static str {
        match self {
            Self::IngestLarge | Self::IngestSmall => "measured_ingest",
            Self::ParseLarge => "measured_parse",
            Self::Upsert | Self::UpsertAsked | Self::UpsertUnasked => "measured_upsert",
            Self::AskNew | Self::AskKnown => "measured_look",
            Self::AskNaive => "measured_naive",
        }
    }

    /// Does the work, the marked part among it.
    pub(crate) fn run(self, history: usize, profiles: usize) -> Result<(), Failed> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let corpus = Corpus::read()?;
        match self {
            Self::IngestLarge => ingest(&runtime, &corpus, LARGE, false),
            Self::IngestSmall => ingest(&runtime, &corpus, 1, false),
            Self::ParseLarge => ingest(&runtime, &corpus, LARGE, true),
            Self::Upsert => upsert(&runtime, &corpus, history, profiles),
            Self::UpsertAsked => events::upsert(&runtime, &corpus, profiles, events::ASKED, measured_upsert),
            Self::UpsertUnasked => {
                events::upsert(&runtime, &corpus, profiles, events::UNASKED, measured_upsert)
            }
            Self::AskNew => asked::measured(&runtime, &corpus, Of::New, (i64::try_from(history)?, profiles)),
            Self::AskKnown => {
                asked::measured(&runtime, &corpus, Of::Known, (i64::try_from(history)?, profiles))
            }
            Self::AskNaive => {
                asked::measured(&runtime, &corpus, Of::Naive, (i64::try_from(history)?, profiles))
            }
        }
    }
}

type SmallIngest = Ingest<MemoryDefinitions, SqsQueue, MemoryRejections, TestClock, SeededEntropy>;
type SmallStage =
    Stage<MemoryPeople, MemoryDefinitions, MemoryRejections, MemoryQueue, TestClock, SeededEntropy, Proper>;

#[inline(never)]
fn measured_ingest(runtime: &Runtime, ingest: &SmallIngest, request: ApiGatewayV2httpRequest) -> i64 {
    runtime.block_on(ingest.handle(request)).status_code
}

#[inline(never)]
fn measured_parse(body: &[u8]) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_slice(body)
}

#[inline(never)]
fn measured_upsert(runtime: &Runtime, stage: &SmallStage, bodies: &[&str]) -> usize {
    let verdicts = runtime.block_on(stage.upsert(bodies, NEVER));
    verdicts.iter().filter(|verdict| verdict.is_err()).count()
}

/// Servers' requests: they are the ones that send a hundred events at once.
fn ingest(runtime: &Runtime, corpus: &Corpus, events: usize, parse: bool) -> Result<(), Failed> {
    let key = write_key()?;
    let queue = SqsQueue::new(sqs::client(&store::aws(Accepting), None), QUEUE_URL);
    let ingest = Ingest::new(
        definitions(&key)?,
        queue,
        MemoryRejections::default(),
        clock(),
        SeededEntropy::seeded(1),
    );
    let samples: Vec<&Sample> =
        (0..SESSION).flat_map(|at| corpus.today.iter().filter_map(move |session| session.get(at))).collect();
    let sdk = if events == 1 { None } else { Some(Sdk::Server) };
    let posted = samples.iter().enumerate().map(|(at, first)| {
        let of: Vec<&Sample> = samples.iter().cycle().skip(at).take(events).copied().collect();
        request::post(sdk.unwrap_or(first.sdk), &of, &key.reveal(), clock_now())
    });
    let mut posted = posted.take(REQUESTS + 2).collect::<Result<Vec<_>, _>>()?;
    let warm = posted.split_off(REQUESTS);
    for posted in &warm {
        let answer = runtime.block_on(ingest.handle(request::invocation(posted, &key.reveal())?));
        ensure(answer.status_code == 200, || format!("ingest answered {}", answer.status_code))?;
    }
    for posted in &posted {
        if parse {
            measured_parse(posted.body.as_bytes())?;
            continue;
        }
        let status = measured_ingest(runtime, &ingest, request::invocation(posted, &key.reveal())?);
        ensure(status == 200, || format!("ingest answered {status}"))?;
    }
    Ok(())
}

fn upsert(runtime: &Runtime, corpus: &Corpus, history: usize, profiles: usize) -> Result<(), Failed> {
    let key = write_key()?;
    let queue = MemoryQueue::default();
    let definitions = definitions(&key)?;
    let ingest = Ingest::new(
        definitions.clone(),
        queue.clone(),
        MemoryRejections::default(),
        clock(),
        SeededEntropy::seeded(1),
    );
    let writer = Writer {
        people: MemoryPeople::default(),
        merges: MemoryQueue::default(),
        messages: None,
        clock: clock(),
        entropy: SeededEntropy::seeded(2),
        key: IdKey::new(ID_KEY),
    };
    let stage: SmallStage = Stage::new(writer, definitions, MemoryRejections::default());
    let person = known_at_once(corpus)?;
    let post = |samples: &[&Sample]| -> Result<Vec<String>, Failed> {
        let posted = request::post(Sdk::Web, samples, &key.reveal(), clock_now())?;
        let answer = runtime.block_on(ingest.handle(request::invocation(&posted, &key.reveal())?));
        ensure(answer.status_code == 200, || format!("ingest answered {}", answer.status_code))?;
        Ok(queue.take().into_iter().map(|message| message.body).collect())
    };
    let fold = |bodies: Vec<String>| -> Result<(), Failed> {
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let failed =
            runtime.block_on(stage.upsert(&bodies, NEVER)).iter().filter(|verdict| verdict.is_err()).count();
        ensure(failed == 0, || "the profile stage failed".to_owned())
    };
    for samples in person.history(history)?.chunks(LARGE) {
        fold(post(&samples.iter().collect::<Vec<_>>())?)?;
    }
    let models = person.next.iter().take(1).cycle().take(profiles);
    let others: Vec<Sample> =
        models.zip(0..).map(|(model, number)| crate::mixes::stranger(model, number)).collect();
    for samples in others.chunks(LARGE) {
        fold(post(&samples.iter().collect::<Vec<_>>())?)?;
    }
    let (warm, rest) = person.next.split_first().ok_or_else(|| Wrong("the corpus is empty".to_owned()))?;
    fold(post(&[warm])?)?;
    for sample in rest {
        let bodies = post(&[sample])?;
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        ensure(bodies.iter().all(|body| Message::unpack(body).is_ok()), || {
            "a message cannot be read".to_owned()
        })?;
        let failed = measured_upsert(runtime, &stage, &bodies);
        ensure(failed == 0, || "the profile stage failed".to_owned())?;
    }
    Ok(())
}

fn clock_now() -> Timestamp {
    Timestamp::parse(TODAY).unwrap_or_default().plus(12 * Timestamp::HOUR)
}

fn clock() -> TestClock {
    TestClock::at(clock_now())
}

fn write_key() -> Result<AccessKey, Failed> {
    Ok(AccessKey::make(KeyKind::Write, WorkspaceId::parse("northbound")?, [1; 16], [[2; 16], [3; 16]]))
}

fn definitions(key: &AccessKey) -> Result<MemoryDefinitions, Failed> {
    let id = SourceId::parse("web")?;
    let source =
        Source { id: id.clone(), region: Some("DE".to_owned()), origins: Vec::new(), rate: 1_000_000 };
    let definitions = MemoryDefinitions::default();
    definitions.define(Workspace {
        segments: 0,
        outreach: 0,
        id: key.workspace().clone(),
        rules: Rules::default(),
        sources: vec![source],
    });
    definitions.add_key(
        key.workspace(),
        key.id(),
        Key { secret_sha256: key.sha256(), grant: Grant::Write(id) },
    );
    Ok(definitions)
}

/// A queue service that accepts whatever it is sent, unread.
#[derive(Debug, Clone)]
struct Accepting;

impl HttpClient for Accepting {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Accepting {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        const ANSWER: &str =
            r#"{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"d"}],"Failed":[]}"#;
        let answered =
            StatusCode::try_from(200).map(|status| HttpResponse::new(status, SdkBody::from(ANSWER)));
        HttpConnectorFuture::ready(answered.map_err(|error| {
            aws_smithy_runtime_api::client::result::ConnectorError::other(error.into(), None)
        }))
    }
}
