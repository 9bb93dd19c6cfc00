//! `/_local/…`: what only a platform on this machine offers.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use domain::time::Timestamp;
use local::Queues;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::LocalClock;
use crate::output::Failed;
use crate::summary;

/// The path under which the tools stand.
pub(crate) const PREFIX: &str = "/_local/";

/// What the tools look at.
pub(crate) struct Tools {
    pub(crate) queues: Queues,
    pub(crate) clock: LocalClock,
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) people_table: String,
    pub(crate) rejections: dynamodb::Rejections<LocalClock>,
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("there is no tool `{0}`; there are status, summary and clock")]
    Unknown(String),
    #[error("the body has to be {{\"advance_seconds\": number}} with a number from 1 on")]
    Advance,
}

impl Tools {
    pub(crate) async fn answer(&self, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let path = request.raw_path.as_deref().unwrap_or_default();
        let tool = path.strip_prefix(PREFIX).unwrap_or_default();
        let (status, answer) = match self.use_tool(tool, request.body.as_deref()).await {
            Ok(answer) => (200, answer),
            Err(failed) if failed.is::<Refusal>() => (400, json!({"detail": failed.to_string()})),
            Err(failed) => (503, json!({"detail": runtime::failure::chain(failed.as_ref())})),
        };
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = status;
        response.body = Some(Body::Text(answer.to_string()));
        response.headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        response
    }

    async fn use_tool(&self, tool: &str, body: Option<&str>) -> Result<Value, Failed> {
        match tool {
            "status" => self.status().await,
            "summary" => summary::of(&self.client, &self.people_table, &self.rejections, &self.clock).await,
            "clock" => self.advance(body.unwrap_or_default()),
            other => Err(Refusal::Unknown(other.to_owned()).into()),
        }
    }

    /// What is on its way: messages in queues, and profiles with something to send.
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
                .key_condition_expression("due_shard = :shard")
                .expression_attribute_values(
                    ":shard",
                    aws_sdk_dynamodb::types::AttributeValue::N(shard.to_string()),
                );
            due += query.send().await.map_err(|error| dynamodb::unavailable("Query", error))?.count();
        }
        Ok(json!({"queues": queues, "due": due}))
    }

    fn advance(&self, body: &str) -> Result<Value, Failed> {
        #[derive(Deserialize)]
        struct Asked {
            advance_seconds: u32,
        }
        let asked: Asked = serde_json::from_str(body).map_err(|_| Refusal::Advance)?;
        let ahead = self.clock.advance(i64::from(asked.advance_seconds) * Timestamp::SECOND);
        self.queues.wake();
        Ok(json!({"ahead_seconds": ahead / Timestamp::SECOND}))
    }
}
