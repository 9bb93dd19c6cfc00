//! Ingest: takes what SDKs post and hands it to the profile queue.
//!
//! **Invariants:** an answer of 200 is given only after the queue accepted
//! every event of the request, and after every refused one was recorded; no
//! key, path, query or payload reaches a log line.

pub mod settings;
pub mod conduct;
mod call;
mod route;
mod keys;
mod limit;
mod body;
mod wire;
mod read;
mod sdk;
mod answer;

use std::marker::PhantomData;
use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use domain::event::{Event, EventKind};
use domain::message::Message;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::queue::Outgoing;
use ports::{Clock, Definitions, Entropy, Queue, Rejections, Unavailable};
use runtime::metrics;

use answer::{Answer, Readers, Refusal};
use call::Call;
use conduct::Answered;
pub use conduct::{Conduct, Proper};
use keys::{Access, Keys};
use limit::Limiter;
use read::{Reader, Reading};
use route::Route;
pub use settings::Settings;

/// Payload bytes that travel in one message at most before they are packed.
/// They come to a few billing steps of the queue, and bound the memory that
/// packing a large request takes.
const MESSAGE_PAYLOADS_MAX: usize = 1024 * 1024;

/// The stage's shell: loads what a request needs, decides, sends.
pub struct Ingest<D, Q, R, C, E, X = Proper> {
    keys: Keys<D>,
    queue: Q,
    rejections: R,
    clock: C,
    entropy: E,
    limiter: Limiter,
    conduct: PhantomData<X>,
}

impl<D, Q, R, C, E, X> std::fmt::Debug for Ingest<D, Q, R, C, E, X> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").finish_non_exhaustive()
    }
}

/// What became of a request's events.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    accepted: usize,
    rejected: usize,
}

/// A sender whose key was found good.
struct Sender {
    access: Arc<Access>,
    readers: Readers,
}

impl<D: Definitions, Q: Queue, R: Rejections, C: Clock, E: Entropy> Ingest<D, Q, R, C, E> {
    pub fn new(definitions: D, queue: Q, rejections: R, clock: C, entropy: E) -> Self {
        Self::conducted(definitions, queue, rejections, clock, entropy)
    }
}

impl<D, Q, R, C, E, X> Ingest<D, Q, R, C, E, X>
where
    D: Definitions,
    Q: Queue,
    R: Rejections,
    C: Clock,
    E: Entropy,
    X: Conduct,
{
    /// The stage with a conduct of the caller's choice; production is [`new`](Ingest::new).
    pub fn conducted(definitions: D, queue: Q, rejections: R, clock: C, entropy: E) -> Self {
        let (keys, limiter) = (Keys::new(definitions), Limiter::default());
        Self { keys, queue, rejections, clock, entropy, limiter, conduct: PhantomData }
    }

    /// Answers one request of either front door. Whatever goes wrong is said
    /// in the answer; there is no error beside it.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let trace = hex(self.entropy.bytes());
        let mut call = Call::from(request);
        let path = std::mem::take(&mut call.path);
        let route = Route::find(&call.method, &path);
        let mut counts = Counts::default();
        let answered = self.answer(route, call, &trace, &mut counts).await;
        let code = answered.as_ref().map_or_else(Refusal::code, |_| "ok");
        if let Err(Refusal::Unavailable(cause)) = &answered {
            tracing::error!(trace, "Could not take a request: {}", chain(cause));
        }
        let answer = match (answered, route) {
            (Err(_), Route::Pixel(_)) => Answer::gif(), // An image tag reads no errors.
            (Err(refusal), _) => Answer::refusal(&refusal),
            (Ok(answer), _) => answer,
        };
        let status = answer.status();
        let Counts { accepted, rejected } = counts;
        // One line a request, the metrics within it.
        tracing::info!(
            name: metrics::EVENT, trace, status, code, accepted, rejected, "Answered a request with {status}."
        );
        answer.finish(&trace)
    }

    async fn answer(
        &self,
        route: Route<'_>,
        call: Call,
        trace: &str,
        counts: &mut Counts,
    ) -> Result<Answer, Refusal> {
        match route {
            Route::Preflight => Ok(Answer::preflight(call.asked_headers())),
            Route::Telemetry => Ok(Answer::success(Readers::Anyone)),
            Route::Collect(kind) => self.collect(call, kind, trace, counts).await,
            Route::Pixel(kind) => self.pixel(call, kind, trace, counts).await,
            Route::Settings { key } => self.settings(&call, key).await,
            Route::SourceConfig => self.source_config(&call).await,
            Route::WrongMethod(allowed) => Err(Refusal::MethodNotAllowed { allowed }),
            Route::Unknown => Err(Refusal::NotFound),
        }
    }

    async fn collect(
        &self,
        mut call: Call,
        kind: Option<EventKind>,
        trace: &str,
        counts: &mut Counts,
    ) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        // A key in the header is checked before anything is unpacked.
        let sender = match call.basic_key() {
            Some(key) => Some(self.admit(&key, &call, now).await?),
            None => None,
        };
        let body = body::read(call.body.take(), call.is_base64, call.encoding())?;
        let (sender, reading) = self.read(&call, sender, &body, kind, now).await?;
        drop(body);
        *counts = self.accept(&sender.access, reading, trace).await?;
        Ok(Answer::success(sender.readers))
    }

    async fn pixel(
        &self,
        call: Call,
        kind: &str,
        trace: &str,
        counts: &mut Counts,
    ) -> Result<Answer, Refusal> {
        let body = sdk::pixel_body(&call);
        let (sender, reading) =
            self.read(&call, None, &body, EventKind::parse(kind), self.clock.now()).await?;
        *counts = self.accept(&sender.access, reading, trace).await?;
        Ok(Answer::gif())
    }

    /// Opens a body, finds its sender if the headers did not say, and reads
    /// its events.
    async fn read(
        &self,
        call: &Call,
        sender: Option<Sender>,
        body: &[u8],
        kind: Option<EventKind>,
        now: Timestamp,
    ) -> Result<(Sender, Reading), Refusal> {
        let envelope = wire::open(body);
        let sender = if let Some(sender) = sender {
            sender
        } else {
            let key = envelope.as_ref().ok().and_then(wire::Envelope::key).or_else(|| call.query_key());
            let Some(key) = key else { return Err(envelope.err().unwrap_or(Refusal::NoWriteKey)) };
            self.admit(&key, call, now).await?
        };
        let connection = call.connection();
        let (access, entropy) = (&sender.access, &self.entropy);
        let reader = Reader { access, kind, received_at: now, connection: &connection, entropy };
        let reading = reader.read(&envelope?)?;
        Ok((sender, reading))
    }

    /// Lets a sender in: a good key, a listed origin, a rate within its limit.
    async fn admit(&self, key: &str, call: &Call, now: Timestamp) -> Result<Sender, Refusal> {
        let access = self.keys.open(key, now).await?;
        let readers = Readers::of(&access.source, call.origin())?;
        let taken = self.limiter.take(&access.name, access.source.rate, now);
        taken.map_err(|retry_after| Refusal::TooManyRequests { retry_after })?;
        Ok(Sender { access, readers })
    }

    /// Records what was refused, then sends what was read: only the queue's
    /// word makes an answer.
    async fn accept(&self, access: &Access, reading: Reading, trace: &str) -> Result<Counts, Refusal> {
        let Reading { events, noted, rejected } = reading;
        if !noted.is_empty() {
            self.rejections.record(&access.workspace, &access.source.id, &noted).await?;
        }
        drop(noted);
        let accepted = events.len();
        if accepted > 0 {
            let sent = self.queue.send(outgoing(&access.workspace, events, trace)).await;
            if X::ANSWERED == Answered::AfterQueue {
                sent?;
            }
        }
        Ok(Counts { accepted, rejected })
    }

    async fn settings(&self, call: &Call, key: &str) -> Result<Answer, Refusal> {
        let access = self.keys.open(key, self.clock.now()).await?;
        let readers = Readers::of(&access.source, call.origin())?;
        let (scheme, host) = call.reached_at();
        Ok(Answer::document(&sdk::settings(key, scheme, host), readers))
    }

    async fn source_config(&self, call: &Call) -> Result<Answer, Refusal> {
        let key = call.basic_key().or_else(|| call.query_key()).ok_or(Refusal::NoWriteKey)?;
        let access = self.keys.open(&key, self.clock.now()).await?;
        let readers = Readers::of(&access.source, call.origin())?;
        Ok(Answer::document(&sdk::source_config(&access, &key), readers))
    }
}

/// The answer for a request that took too long: its SDK sends it again.
pub fn overdue() -> ApiGatewayV2httpResponse {
    let cause = Unavailable::new("answering in time", "the store or the queue did not answer");
    tracing::error!("Gave a request up: {}", chain(&cause));
    Answer::refusal(&Refusal::Unavailable(cause)).finish("")
}

/// Packs events into as few messages as are sensible.
fn outgoing(workspace: &WorkspaceId, events: Vec<Event>, trace: &str) -> Vec<Outgoing> {
    let mut groups: Vec<Vec<Event>> = Vec::new();
    let mut bytes = MESSAGE_PAYLOADS_MAX;
    for event in events {
        bytes += event.payload.len();
        if let Some(group) = groups.last_mut().filter(|_| bytes <= MESSAGE_PAYLOADS_MAX) {
            group.push(event);
        } else {
            bytes = event.payload.len();
            groups.push(vec![event]);
        }
    }
    let messages = groups.into_iter().map(|events| Message {
        workspace: workspace.clone(),
        trace: trace.to_owned(),
        events,
    });
    let attributes = vec![("trace".to_owned(), trace.to_owned())];
    let outgoing = |body| Outgoing { body, attributes: attributes.clone(), fifo: None };
    messages.flat_map(Message::pack).map(outgoing).collect()
}

fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
