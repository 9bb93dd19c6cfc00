//! `/_local/…`: what only a platform on this machine offers.

use std::time::Duration;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::query_map::QueryMap;
use domain::key::IdKey;
use domain::time::Timestamp;
use local::{Journal, Mailbox, Queues};
use ports::Clock as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::boot::Definitions;
use crate::clock::LocalClock;
use crate::identity::census;
use crate::operate::local::{Folder, status};
use crate::output::Failed;
use crate::segments::preview;
use crate::{consent, cost, dlq, messages, operate, summary};

/// The path under which the tools stand.
pub(crate) const PREFIX: &str = "/_local/";

/// What the tools look at.
pub(crate) struct Tools {
    pub(crate) queues: Queues,
    pub(crate) clock: LocalClock,
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) people_table: String,
    pub(crate) identities_table: String,
    pub(crate) identity_queue: String,
    pub(crate) rejections: dynamodb::Rejections<LocalClock>,
    pub(crate) definitions: Definitions,
    pub(crate) journal: Journal,
    /// By it the journal knows message ids.
    pub(crate) key: IdKey,
    pub(crate) folder: Folder,
    pub(crate) mailbox: Mailbox<LocalClock>,
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "there is no tool `{0}`; there are status, summary, clock, journal, trace, sums, operate, dlq, census, preview, consent and messages"
    )]
    Unknown(String),
    #[error("the body has to be {{\"advance_seconds\": number}} with a number from 1 on")]
    Advance,
    #[error("`{0}` has to be a whole number")]
    Number(&'static str),
    #[error("the tools are for programs: a page in a browser may not use them")]
    Browser,
    #[error("the body has to be {{\"id\": text}} with a message id or a trace")]
    Id,
}

/// For how long a reader of the journal may wait for more; a client's patience is longer.
const WAIT_MAX: Duration = Duration::from_secs(20);

impl Tools {
    pub(crate) async fn answer(&self, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        // The one tool that is for browsers, and only to look at.
        if let Some(page) = self.mailbox.respond(request).await {
            return page;
        }
        let path = request.raw_path.as_deref().unwrap_or_default();
        let tool = path.strip_prefix(PREFIX).unwrap_or_default();
        let (status, answer) = match self.use_tool(tool, request).await {
            Ok(answer) => (200, answer),
            Err(failed) if failed.is::<Refusal>() => (400, json!({"detail": failed.to_string()})),
            Err(failed) => {
                (status(&failed).unwrap_or(503), json!({"detail": runtime::failure::chain(failed.as_ref())}))
            }
        };
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = status;
        response.body = Some(Body::Text(answer.to_string()));
        response.headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        response
    }

    async fn use_tool(&self, tool: &str, request: &ApiGatewayV2httpRequest) -> Result<Value, Failed> {
        // Browsers let any site post to this machine, and say which site it was.
        if request.headers.contains_key(http::header::ORIGIN) {
            return Err(Refusal::Browser.into());
        }
        let body = request.body.as_deref().unwrap_or_default();
        match tool {
            "status" => self.status().await,
            "summary" => summary::of(&self.client, &self.people_table, &self.rejections, &self.clock).await,
            "clock" => self.advance(body),
            "journal" => self.read_journal(&request.query_string_parameters).await,
            "trace" => Ok(serde_json::to_value(self.trail(&asked_id(body)?).await?)?),
            cost::TOOL => self.sums(&request.query_string_parameters).await,
            operate::TOOL => self.operate(request).await,
            dlq::TOOL => self.dead_letters(request).await,
            census::TOOL => self.census(request).await,
            preview::TOOL => self.preview(request).await,
            consent::TOOL => self.consent(request).await,
            messages::TOOL => self.messages(request).await,
            other => Err(Refusal::Unknown(other.to_owned()).into()),
        }
    }

    /// What is on its way: messages in queues, and profiles that are due.
    async fn status(&self) -> Result<Value, Failed> {
        let mut queues = serde_json::Map::new();
        for name in self.queues.names() {
            let counts = self.queues.queue(name, self.clock.clone())?.counts().await?;
            let counts =
                json!({"visible": counts.visible, "in_flight": counts.in_flight, "delayed": counts.delayed});
            queues.insert(name.to_owned(), counts);
        }
        let mut due = 0;
        for shard in 0..domain::profile::stored::DUE_SHARDS {
            let query = self
                .client
                .query()
                .table_name(&self.people_table)
                .index_name("due")
                .select(aws_sdk_dynamodb::types::Select::Count)
                .key_condition_expression("due_shard = :shard AND due <= :now")
                .expression_attribute_values(
                    ":now",
                    aws_sdk_dynamodb::types::AttributeValue::N(self.clock.now().millis().to_string()),
                )
                .expression_attribute_values(
                    ":shard",
                    aws_sdk_dynamodb::types::AttributeValue::N(shard.to_string()),
                );
            due += query.send().await.map_err(|error| dynamodb::unavailable("Query", error))?.count();
        }
        Ok(json!({"queues": queues, "due": due}))
    }

    /// The journal behind the place `after`, or only where it ends. If there is
    /// nothing yet it waits, for `wait` seconds at most.
    async fn read_journal(&self, query: &QueryMap) -> Result<Value, Failed> {
        let wait = number(query, "wait")?.map_or(WAIT_MAX, Duration::from_secs).min(WAIT_MAX);
        self.journal.flush().await;
        let Some(after) = number(query, "after")? else {
            return Ok(json!({"entries": [], "next": self.journal.end()}));
        };
        let mut part = self.journal.after(after).await?;
        if part.entries.is_empty() && !wait.is_zero() {
            // Whether it came to something or not: what is there now is the answer.
            let _ = tokio::time::timeout(wait, self.journal.wait(part.next)).await;
            part = self.journal.after(part.next).await?;
        }
        Ok(json!({"entries": part.entries, "next": part.next}))
    }

    /// What was measured in the last `seconds`, a month of them by default.
    async fn sums(&self, query: &QueryMap) -> Result<Value, Failed> {
        let now = self.clock.now();
        let seconds = number(query, "seconds")?.and_then(|seconds| i64::try_from(seconds).ok());
        let back = seconds.map_or(30 * Timestamp::DAY, |seconds| seconds.saturating_mul(Timestamp::SECOND));
        Ok(serde_json::to_value(cost::sums(&self.journal, now.plus(back.saturating_neg()), now).await?)?)
    }

    fn advance(&self, body: &str) -> Result<Value, Failed> {
        #[derive(Deserialize)]
        struct Asked {
            advance_seconds: u32,
        }
        let asked: Asked = serde_json::from_str(body).map_err(|_| Refusal::Advance)?;
        let ahead = self.clock.advance(i64::from(asked.advance_seconds) * Timestamp::SECOND)?;
        self.queues.wake();
        Ok(json!({"ahead_seconds": ahead / Timestamp::SECOND}))
    }
}

fn number(query: &QueryMap, name: &'static str) -> Result<Option<u64>, Refusal> {
    query.first(name).map(str::parse).transpose().map_err(|_| Refusal::Number(name))
}

/// The id whose way is asked for.
fn asked_id(body: &str) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    struct Asked {
        id: String,
    }
    let asked: Asked = serde_json::from_str(body).map_err(|_| Refusal::Id)?;
    Some(asked.id).filter(|id| !id.is_empty()).ok_or(Refusal::Id)
}
