//! The admin API: people as operators and their systems see them.
//!
//! **Invariant:** nothing here writes a profile. What a caller tells becomes an
//! event in the profile queue; what a caller asks is read under the workspace
//! of the key, whatever the path says.

mod answer;
mod ask;
mod fields;
mod keys;
mod find;
mod shape;
mod timeline;
mod lineage;
mod rejections;
mod segments;
mod import;

pub use answer::TRACE;

use std::borrow::Cow;
use std::sync::Arc;

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use domain::cursor::SigningKeys;
use domain::identifier::Identifier;
use domain::key::IdKey;
use domain::message::Message;
use domain::segment::compiled::Compiled;
use domain::workspace::{SourceId, WorkspaceId};
use http::header::{self, HeaderName};
use ports::definitions::Workspace;
use ports::idempotency::Claimed;
use ports::queue::Outgoing;
use ports::{Clock, Definitions, Entropy, Idempotency, People, Queue, Rejections};
use runtime::definitions::Cached;
use runtime::failure::{chain, guard};
use serde_json::{Map, Value, json};

use crate::outbox::outgoing;
use crate::signing::Signing;
use answer::{Answer, Kind, Problem};
use ask::Route;
use fields::Fields;
use keys::Caller;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The outside world of the API.
#[derive(Debug)]
pub struct Ports<P, D, R, Q, I, C, E> {
    pub people: P,
    pub definitions: D,
    pub rejections: R,
    /// The profile queue.
    pub queue: Q,
    /// The identity stage's queue.
    pub merges: Q,
    pub idempotency: I,
    pub clock: C,
    pub entropy: E,
}

/// The API over its ports.
#[derive(Debug)]
pub struct Api<P, D, R, Q, I, C, E, S = SigningKeys> {
    people: P,
    definitions: Cached<D>,
    rejections: R,
    queue: Q,
    merges: Q,
    idempotency: I,
    clock: C,
    entropy: E,
    key: IdKey,
    signing: S,
}

impl<P, D, R, Q, I, C, E, S> Api<P, D, R, Q, I, C, E, S>
where
    P: People,
    D: Definitions,
    R: Rejections,
    Q: Queue,
    I: Idempotency,
    C: Clock,
    E: Entropy,
    S: Signing,
{
    pub fn new(ports: Ports<P, D, R, Q, I, C, E>, key: IdKey, signing: S) -> Self {
        let Ports { people, definitions, rejections, queue, merges, idempotency, clock, entropy } = ports;
        let definitions = Cached::new(definitions);
        Self { people, definitions, rejections, queue, merges, idempotency, clock, entropy, key, signing }
    }

    /// Answers one request; whatever happens, the answer has a form and a trace.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let trace = import::hex(self.entropy.bytes());
        // Boxed, because the SDK's futures within are deep and large.
        let answering = Box::pin(async { Ok(self.answer(&request, &trace).await) });
        let answered = guard(answering).await;
        let answered = answered.unwrap_or_else(|panicked| {
            Err(Problem::caused(
                Kind::Broken,
                "The request hit a bug; its log line has the trace id",
                panicked,
            ))
        });
        let answer = answered.unwrap_or_else(|problem| {
            let code = problem.name();
            if let Some(cause) = problem.cause().map(chain) {
                tracing::warn!(trace, code, cause, "Could not answer a request: {cause}");
            }
            problem.answer(&trace)
        });
        let status = answer.status();
        tracing::debug!(trace, status, "Answered a request with {status}");
        answer.finish(&trace)
    }

    async fn answer(&self, request: &ApiGatewayV2httpRequest, trace: &str) -> Result<Answer, Problem> {
        let route = Route::of(request)?;
        let caller = Caller::of(request, &self.definitions, self.clock.now()).await?;
        let ask = Ask { request, route, caller, trace };
        if let Err(problem) = ask.caller.may(route.scope()) {
            ask.audit("refused", "");
            return Err(problem);
        }
        match route {
            Route::Lookup => self.lookup(&ask).await,
            Route::Profile { id } => self.profile(&ask, id).await,
            Route::Timeline { id } => self.timeline(&ask, id).await,
            Route::Lineage { id } => self.lineage(&ask, id).await,
            Route::Merge { id } | Route::TakeOut { id } | Route::Allow { id } => self.order(&ask, id).await,
            Route::Rejections { source } => self.list_rejections(&ask, source).await,
            Route::Segments => self.segments(&ask).await,
            Route::Members { segment } => self.members(&ask, segment).await,
            Route::Sizes { segment } => self.sizes(&ask, segment).await,
            Route::SegmentsOf { id } => self.of_person(&ask, id).await,
            Route::Explain { segment } => self.explain(&ask, segment).await,
            Route::Import => self.import(&ask, Import::One).await,
            Route::ImportBatch => self.import(&ask, Import::Batch).await,
        }
    }

    /// Finds by an identifier in the body: in a path it would end in logs.
    async fn lookup(&self, ask: &Ask<'_>) -> Result<Answer, Problem> {
        let workspace = &ask.caller.workspace;
        let body = ask::object(&ask::body(ask.request)?)?;
        let identifier = identifier(&Fields::root(&body))?;
        ask.audit("allowed", &self.key.identifier(workspace, &identifier).to_string());
        let found = find::by_identifier(&self.people, &self.key, workspace, &identifier).await?;
        let ties = shape::ties(&self.people, workspace, &found).await?;
        let computed = self.computed(workspace, &found).await?;
        let answer = Answer::json(shape::profile(&found, &ties, &computed));
        Ok(answer.with(header::ETAG, &shape::etag(found.version, &ties, &computed)))
    }

    async fn profile(&self, ask: &Ask<'_>, id: &str) -> Result<Answer, Problem> {
        let workspace = &ask.caller.workspace;
        let id = find::id(id)?;
        ask.audit("allowed", &id.to_string());
        ask::parameters(ask.request, &[])?;
        let found = find::by_id(&self.people, workspace, id).await?;
        let ties = shape::ties(&self.people, workspace, &found).await?;
        let computed = self.computed(workspace, &found).await?;
        let etag = shape::etag(found.version, &ties, &computed);
        let known = ask::header(ask.request, header::IF_NONE_MATCH).is_some_and(|tags| lists(tags, &etag));
        let answer = if known {
            Answer::not_modified()
        } else {
            Answer::json(shape::profile(&found, &ties, &computed))
        };
        Ok(answer.with(header::ETAG, &etag))
    }

    async fn timeline(&self, ask: &Ask<'_>, id: &str) -> Result<Answer, Problem> {
        let workspace = &ask.caller.workspace;
        let id = find::id(id)?;
        ask.audit("allowed", &id.to_string());
        let parameters = ask::parameters(ask.request, &timeline::PARAMETERS)?;
        let filter = timeline::Filter::read(&parameters)?;
        let found = find::by_id(&self.people, workspace, id).await?;
        let signing = self.signing.keys(cursor(&parameters), self.clock.now()).await;
        let keys = (&self.key, &signing);
        timeline::read(&self.people, keys, workspace, &found, &filter).await.map(Answer::json)
    }

    async fn lineage(&self, ask: &Ask<'_>, id: &str) -> Result<Answer, Problem> {
        let workspace = &ask.caller.workspace;
        let id = find::id(id)?;
        ask.audit("allowed", &id.to_string());
        ask::parameters(ask.request, &[])?;
        let found = find::by_id(&self.people, workspace, id).await?;
        lineage::read(&self.people, &self.key, workspace, &found).await.map(Answer::json)
    }

    async fn segments(&self, ask: &Ask<'_>) -> Result<Answer, Problem> {
        ask::parameters(ask.request, &[])?;
        ask.audit("allowed", "");
        let set = self.definitions.store().segments(&ask.caller.workspace).await?;
        Ok(Answer::json(segments::listed(&set)))
    }

    async fn members(&self, ask: &Ask<'_>, segment: &str) -> Result<Answer, Problem> {
        let workspace = &ask.caller.workspace;
        let segment = segments::id(segment)?;
        ask.audit("allowed", segment.as_str());
        let parameters = ask::parameters(ask.request, &["limit", "cursor"])?;
        let limit = parameters.iter().find(|(name, _)| *name == "limit").map(|(_, limit)| limit.parse());
        let limit = match limit {
            None => segments::MEMBERS,
            Some(Ok(limit @ 1..=segments::MEMBERS_MAX)) => limit,
            Some(_) => {
                let detail = format!("`limit` is a number from 1 to {}", segments::MEMBERS_MAX);
                return Err(Problem::new(Kind::BadParameter, detail));
            }
        };
        let cursor = cursor(&parameters).map(segments::cursor).transpose()?;
        let set = self.definitions.store().segments(workspace).await?;
        let found = set.find(&segment).filter(|one| one.is_segment()).ok_or_else(segments::nowhere)?;
        segments::members(&self.people, &self.key, workspace, found, cursor, limit).await.map(Answer::json)
    }

    async fn sizes(&self, ask: &Ask<'_>, segment: &str) -> Result<Answer, Problem> {
        let workspace = &ask.caller.workspace;
        let segment = segments::id(segment)?;
        ask.audit("allowed", segment.as_str());
        ask::parameters(ask.request, &[])?;
        let store = self.definitions.store();
        let set = store.segments(workspace).await?;
        set.find(&segment).filter(|one| one.is_segment()).ok_or_else(segments::nowhere)?;
        let sizes = store.sizes(workspace, &segment).await?;
        Ok(Answer::json(segments::sizes(&segment, &sizes)))
    }

    async fn of_person(&self, ask: &Ask<'_>, id: &str) -> Result<Answer, Problem> {
        let workspace = &ask.caller.workspace;
        let (id, now) = (find::id(id)?, self.clock.now());
        ask.audit("allowed", &id.to_string());
        let parameters = ask::parameters(ask.request, &["cursor"])?;
        let behind = cursor(&parameters).map(segments::behind).transpose()?;
        let found = find::by_id(&self.people, workspace, id).await?;
        let compiled = self.compiled(workspace, &found).await?;
        segments::of_person(&self.people, workspace, &found, &compiled, behind, now).await.map(Answer::json)
    }

    async fn explain(&self, ask: &Ask<'_>, segment: &str) -> Result<Answer, Problem> {
        let workspace = &ask.caller.workspace;
        let segment = segments::id(segment)?;
        let parameters = ask::parameters(ask.request, &["profile"])?;
        let Some((_, id)) = parameters.first() else {
            return Err(Problem::new(Kind::BadParameter, "Say which `profile`: its id"));
        };
        let id = find::id(id)?;
        ask.audit("allowed", &id.to_string());
        let found = find::by_id(&self.people, workspace, id).await?;
        let compiled = self.compiled(workspace, &found).await?;
        segments::explained(&found, &compiled, &segment, self.clock.now()).map(Answer::json)
    }

    /// What computed traits come to at this moment.
    async fn computed(
        &self,
        workspace: &WorkspaceId,
        found: &find::Found,
    ) -> Result<Map<String, Value>, Problem> {
        let compiled = self.compiled(workspace, found).await?;
        Ok(segments::computed(&found.profile, &compiled, self.clock.now()))
    }

    async fn compiled(&self, workspace: &WorkspaceId, found: &find::Found) -> Result<Arc<Compiled>, Problem> {
        let known = self.definitions.workspace(workspace, self.clock.now()).await?;
        let wanted = known.map_or(0, |known| known.segments).max(found.profile.segments.definitions);
        Ok(self.definitions.segments(workspace, wanted).await?)
    }

    /// Hands an operator's order to the identity stage. It is carried out soon;
    /// the profile's lineage shows what came of it.
    async fn order(&self, ask: &Ask<'_>, id: &str) -> Result<Answer, Problem> {
        let workspace = &ask.caller.workspace;
        let id = find::id(id)?;
        ask.audit("allowed", &id.to_string());
        let body = ask::object(&ask::body(ask.request)?)?;
        let body = Fields::root(&body);
        let found = find::by_id(&self.people, workspace, id).await?;
        let (by, trace, now) = (ask.caller.key_id.as_str(), ask.trace, self.clock.now());
        let ordered = lineage::Ordered { workspace, by, trace, now };
        let request = match ask.route {
            Route::Merge { .. } => {
                let identifier = identifier(&body)?;
                let other = find::by_identifier(&self.people, &self.key, workspace, &identifier).await?;
                ordered.merge(&found, &body, (identifier, &other))?
            }
            Route::TakeOut { .. } => ordered.take_out(&found, &body)?,
            _ => ordered.allow(&found, &body)?,
        };
        let attributes = vec![("trace".to_owned(), trace.to_owned())];
        self.merges.send(vec![outgoing(&request, &self.key, attributes)]).await?;
        Ok(Answer::json(json!({ "order": trace })))
    }

    async fn list_rejections(&self, ask: &Ask<'_>, source: &str) -> Result<Answer, Problem> {
        let workspace = self.workspace(&ask.caller).await?;
        let source =
            SourceId::parse(source).ok().filter(|id| workspace.sources.iter().any(|known| known.id == *id));
        let source = source.ok_or_else(|| {
            Problem::new(Kind::SourceNotFound, "The key's workspace has no source of this name")
        })?;
        ask.audit("allowed", source.as_str());
        let parameters = ask::parameters(ask.request, &rejections::PARAMETERS)?;
        let (of, now) = ((&workspace.id, &source), self.clock.now());
        let signing = self.signing.keys(cursor(&parameters), now).await;
        rejections::read(&self.rejections, &signing, of, &parameters, now).await.map(Answer::json)
    }

    /// Claims the request's key before anything is sent: the same request made
    /// again sends the same events, which the ledger knows.
    async fn import(&self, ask: &Ask<'_>, form: Import) -> Result<Answer, Problem> {
        let workspace = self.workspace(&ask.caller).await?;
        let body = ask::body(ask.request)?;
        let key = ask::header(ask.request, IDEMPOTENCY_KEY);
        let request = import::fingerprint(key, form.name(), &body)?;
        let object = ask::object(&body)?;
        let one;
        let items = match form {
            Import::One => {
                one = [Value::Object(object)];
                one.as_slice()
            }
            Import::Batch => import::items(&object)?,
        };
        ask.audit("allowed", &format!("{} items", items.len()));
        let now = self.clock.now();
        if let Some(request) = request
            && self.idempotency.claim(&workspace.id, request, now, now.plus(import::REMEMBERED_FOR)).await?
                == Claimed::Other
        {
            let detail = "The Idempotency-Key came with another body or path before; use a new key";
            return Err(Problem::new(Kind::IdempotencyMismatch, detail));
        }
        let event = |(number, item)| {
            let chance = self.entropy.bytes();
            let received = import::Received { workspace: &workspace, at: now, request, number, chance };
            import::event(item, &form.place(number), received)
        };
        let outcomes: Vec<_> = items.iter().enumerate().map(event).collect();
        let results: Vec<Value> = outcomes.iter().map(import::result).collect();
        let events = outcomes.into_iter().filter_map(Result::ok).collect();
        self.send(Message { workspace: workspace.id.clone(), trace: ask.trace.to_owned(), events }).await?;
        Ok(Answer::json(json!({ "results": results })))
    }

    async fn send(&self, message: Message) -> Result<(), Problem> {
        if message.events.is_empty() {
            return Ok(());
        }
        Ok(self.queue.send(Outgoing::events(message)).await?)
    }

    async fn workspace(&self, caller: &Caller) -> Result<Arc<Workspace>, Problem> {
        let workspace = self.definitions.workspace(&caller.workspace, self.clock.now()).await?;
        workspace.ok_or_else(|| Problem::new(Kind::InvalidKey, "The key's workspace is no longer defined"))
    }
}

/// One request on its way.
struct Ask<'a> {
    request: &'a ApiGatewayV2httpRequest,
    route: Route<'a>,
    caller: Caller,
    trace: &'a str,
}

impl Ask<'_> {
    /// Who did what to whom, with the whom as a keyed hash.
    fn audit(&self, outcome: &'static str, subject: &str) {
        let Caller { workspace, key_id, .. } = &self.caller;
        let (action, trace) = (self.route.action(), self.trace);
        tracing::info!(
            audit = true,
            workspace.id = %workspace,
            key.id = key_id,
            action,
            subject,
            outcome,
            trace,
            "Admin key `{key_id}` asked for {action}"
        );
    }
}

/// How many profiles a request brings.
#[derive(Debug, Clone, Copy)]
enum Import {
    One,
    Batch,
}

impl Import {
    const fn name(self) -> &'static str {
        match self {
            Self::One => "profiles",
            Self::Batch => "profiles/batch",
        }
    }

    /// Where in the body an item stands.
    fn place(self, number: usize) -> String {
        match self {
            Self::One => String::new(),
            Self::Batch => format!("profiles[{number}]"),
        }
    }
}

/// The cursor of a listing that goes on.
fn cursor<'a>(parameters: &'a [(&str, Cow<'_, str>)]) -> Option<&'a str> {
    parameters.iter().find(|(name, _)| *name == "cursor").map(|(_, cursor)| cursor.as_ref())
}

fn identifier(body: &Fields<'_>) -> Result<Identifier, Problem> {
    body.only(&["identifier"])?;
    named(body)
}

/// The identifier that a body names, beside whatever else it says.
fn named(body: &Fields<'_>) -> Result<Identifier, Problem> {
    let one = Fields::of(body.required("identifier")?, "identifier")?;
    one.only(&["kind", "value", "region"])?;
    let (kind, value) = (one.required_text("kind")?, import::value(&one)?);
    Ok(import::parsed(&one, kind, &value, one.text("region")?)?)
}

/// Whether an If-None-Match names this version; a weak tag does too.
fn lists(tags: &str, etag: &str) -> bool {
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    tags.split(',').map(str::trim).any(same)
}

#[cfg(test)]
mod tests;
