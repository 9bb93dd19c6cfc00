//! Speaking to a platform over its public routes.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::arguments::Target;
use crate::data;
use crate::output::Failed;

/// A platform and the key that opens it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    admin_key: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("nothing answers at {url}: is the platform running? `tributary local` starts one")]
    Unreachable {
        url: String,
        #[source]
        cause: hyper_util::client::legacy::Error,
    },
    #[error("the answer of {url} broke off")]
    BrokeOff {
        url: String,
        #[source]
        cause: hyper::Error,
    },
    #[error("the platform answered {status}: {detail}")]
    Refused { status: StatusCode, detail: String },
    #[error("`{0}` is not a URL: write it as http://host:port")]
    Url(String),
    #[error("no admin key: give one with --admin-key, or --data with the folder of a local platform")]
    NoKey,
}

impl Client {
    /// The platform that the options or the data folder name.
    pub(crate) fn of(target: &Target) -> Result<Self, Failed> {
        let url = target.url.clone().map_or_else(|| data::url(&target.data), Ok)?;
        let kept = if target.admin_key.is_some() { None } else { data::keys(&target.data)? };
        let admin_key =
            target.admin_key.clone().or(kept.map(|keys| keys.admin_key)).ok_or(Unanswered::NoKey)?;
        let tls = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let pool = Pool::builder(TokioExecutor::new()).build(tls);
        Ok(Self { pool, url: url.trim_end_matches('/').to_owned(), admin_key })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Posts a batch as an SDK does, with a write key.
    pub(crate) async fn batch(&self, write_key: &str, body: String) -> Result<(), Unanswered> {
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{write_key}:"));
        self.send("POST", "/v1/batch", &format!("Basic {basic}"), body).await.map(|_| ())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Unanswered> {
        self.send("POST", path, &format!("Bearer {}", self.admin_key), body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Unanswered> {
        self.send("GET", path, &format!("Bearer {}", self.admin_key), String::new()).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        authorization: &str,
        body: String,
    ) -> Result<Value, Unanswered> {
        let url = format!("{}{path}", self.url);
        let request = Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", authorization)
            .header("content-type", "application/json")
            .body(Full::from(body))
            .map_err(|_| Unanswered::Url(self.url.clone()))?;
        let answer = self.pool.request(request).await;
        let answer = answer.map_err(|cause| Unanswered::Unreachable { url: self.url.clone(), cause })?;
        let status = answer.status();
        let collected = answer.into_body().collect().await;
        let body =
            collected.map_err(|cause| Unanswered::BrokeOff { url: self.url.clone(), cause })?.to_bytes();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let said = value.get("detail").or_else(|| value.get("message")).and_then(Value::as_str);
        Err(Unanswered::Refused { status, detail: said.unwrap_or("it gave no reason").to_owned() })
    }
}
