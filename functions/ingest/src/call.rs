//! A request as both front doors hand it over: function URL and HTTP API
//! (payload 2.0) differ in nothing that is read here.

use std::borrow::Cow;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};

use crate::read::Connection;

/// What is read of a request.
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    query: String,
    headers: HeaderMap,
    ip: Option<String>,
    domain: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) is_base64: bool,
}

impl From<ApiGatewayV2httpRequest> for Call {
    fn from(request: ApiGatewayV2httpRequest) -> Self {
        let context = request.request_context;
        Self {
            method: context.http.method.as_str().to_owned(),
            path: request.raw_path.or(context.http.path).unwrap_or_default(),
            query: request.raw_query_string.unwrap_or_default(),
            headers: request.headers,
            ip: context.http.source_ip,
            domain: context.domain_name,
            body: request.body,
            is_base64: request.is_base64_encoded,
        }
    }
}

impl Call {
    /// The user name of Basic authorization; the password says nothing, and
    /// Bearer is no write key.
    pub(crate) fn basic_key(&self) -> Option<String> {
        let value = self.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, credentials) = value.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
        let name = decoded.split_once(':').map_or(decoded.as_str(), |(name, _)| name);
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The key in the address, as beacons send it.
    pub(crate) fn query_key(&self) -> Option<String> {
        let found = self.query().find(|(name, value)| name == "writeKey" && !value.is_empty());
        found.map(|(_, value)| value.into_owned())
    }

    pub(crate) fn query(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.query.as_bytes())
    }

    pub(crate) fn origin(&self) -> Option<&HeaderValue> {
        self.headers.get(header::ORIGIN)
    }

    /// The headers that a browser asks to send.
    pub(crate) fn asked_headers(&self) -> Option<&HeaderValue> {
        self.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
    }

    pub(crate) fn encoding(&self) -> &str {
        self.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn connection(&self) -> Connection {
        let agent = self.headers.get(header::USER_AGENT);
        let agent = agent.map(|value| String::from_utf8_lossy(value.as_bytes()));
        Connection::new(self.ip.as_deref(), agent.as_deref())
    }

    /// Where the sender reached us: `https` unless the front door says otherwise.
    pub(crate) fn reached_at(&self) -> (&str, &str) {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = match text("x-forwarded-proto") {
            Some("http") => "http",
            _ => "https",
        };
        let host = text("host").or(self.domain.as_deref()).unwrap_or_default();
        (scheme, host)
    }
}
