//! What the API says, and in which form: JSON, or a problem (RFC 9457).

use std::error::Error;

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::ApiGatewayV2httpResponse;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ports::Unavailable;
use serde_json::{Value, json};

/// The id by which a request is found in every log.
pub const TRACE: HeaderName = HeaderName::from_static("x-tributary-trace");
/// Seconds after which a caller may ask a store again that gave no answer.
const RETRY_AFTER: u32 = 2;

/// An answer that is no problem.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Option<Value>,
}

/// What went wrong, as a caller may know it.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    /// For the log alone.
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// Kinds of problems; their names are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    NoRoute,
    MethodNotAllowed { allowed: &'static str },
    MissingKey,
    InvalidKey,
    AdminKeyRequired,
    MissingScope,
    MalformedBody,
    BodyTooLarge,
    UnsupportedEncoding,
    BadField,
    BadParameter,
    BadCursor,
    BadIdempotencyKey,
    IdempotencyMismatch,
    ProfileNotFound,
    SourceNotFound,
    SegmentNotFound,
    Unavailable,
    Broken,
}

impl Kind {
    const fn status(self) -> u16 {
        match self {
            Self::MalformedBody
            | Self::BadField
            | Self::BadParameter
            | Self::BadCursor
            | Self::BadIdempotencyKey => 400,
            Self::MissingKey | Self::InvalidKey => 401,
            Self::AdminKeyRequired | Self::MissingScope => 403,
            Self::NoRoute | Self::ProfileNotFound | Self::SourceNotFound | Self::SegmentNotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::BodyTooLarge => 413,
            Self::UnsupportedEncoding => 415,
            Self::IdempotencyMismatch => 422,
            Self::Broken => 500,
            Self::Unavailable => 503,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::MissingKey => "missing_key",
            Self::InvalidKey => "invalid_key",
            Self::AdminKeyRequired => "admin_key_required",
            Self::MissingScope => "missing_scope",
            Self::MalformedBody => "malformed_body",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::BadField => "bad_field",
            Self::BadParameter => "bad_parameter",
            Self::BadCursor => "bad_cursor",
            Self::BadIdempotencyKey => "bad_idempotency_key",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::ProfileNotFound => "profile_not_found",
            Self::SourceNotFound => "source_not_found",
            Self::SegmentNotFound => "segment_not_found",
            Self::Unavailable => "unavailable",
            Self::Broken => "broken",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::NoRoute => "There is nothing at this path",
            Self::MethodNotAllowed { .. } => "The path does not take this method",
            Self::MissingKey => "The request carries no key",
            Self::InvalidKey => "The key is not valid",
            Self::AdminKeyRequired => "This takes an admin key",
            Self::MissingScope => "The key lacks a scope",
            Self::MalformedBody => "The body is not JSON",
            Self::BodyTooLarge => "The body is too large",
            Self::UnsupportedEncoding => "The body's encoding is not read here",
            Self::BadField => "A field of the body is wrong",
            Self::BadParameter => "A parameter of the query is wrong",
            Self::BadCursor => "The cursor is not valid here",
            Self::BadIdempotencyKey => "The Idempotency-Key is not valid",
            Self::IdempotencyMismatch => "The Idempotency-Key was used for another request",
            Self::ProfileNotFound => "There is no such profile",
            Self::SourceNotFound => "There is no such source",
            Self::SegmentNotFound => "There is no such segment",
            Self::Unavailable => "The platform cannot answer just now",
            Self::Broken => "The platform failed",
        }
    }
}

impl Problem {
    /// `detail` goes to the caller only; it names places and remedies.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), cause: None }
    }

    pub(crate) fn caused(kind: Kind, detail: &str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, detail: detail.to_owned(), cause: Some(cause.into()) }
    }

    pub(crate) fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Some(cause) => Some(cause.as_ref()),
            None => None,
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.kind.name()
    }

    pub(crate) fn answer(&self, trace: &str) -> Answer {
        let (kind, status) = (self.kind, self.kind.status());
        let body = json!({
            "type": format!("urn:tributary:problem:{}", kind.name()),
            "title": kind.title(),
            "status": status,
            "detail": self.detail,
            "instance": trace,
            "code": kind.name(),
        });
        let mut answer = Answer::json(body).with(header::CONTENT_TYPE, "application/problem+json");
        answer.status = status;
        match kind {
            Kind::MethodNotAllowed { allowed } => answer.with(header::ALLOW, allowed),
            Kind::MissingKey | Kind::InvalidKey => answer.with(header::WWW_AUTHENTICATE, "Bearer"),
            Kind::Unavailable => answer.with(header::RETRY_AFTER, &RETRY_AFTER.to_string()),
            _ => answer,
        }
    }
}

/// A store that cannot be asked is never the caller's fault.
impl From<Unavailable> for Problem {
    fn from(cause: Unavailable) -> Self {
        Self::caused(Kind::Unavailable, "A store or queue gave no answer; ask again soon", cause)
    }
}

impl Answer {
    pub(crate) fn json(body: Value) -> Self {
        Self { status: 200, headers: HeaderMap::new(), body: Some(body) }
            .with(header::CONTENT_TYPE, "application/json")
    }

    /// The caller has it already.
    pub(crate) fn not_modified() -> Self {
        Self { status: 304, headers: HeaderMap::new(), body: None }
    }

    /// Sets a header; what no header can hold is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// The answer as both front doors take it. It holds personal data, so
    /// nobody between here and the caller may keep it.
    pub(crate) fn finish(self, trace: &str) -> ApiGatewayV2httpResponse {
        let this = self.with(TRACE, trace).with(header::CACHE_CONTROL, "no-store");
        let this = this.with(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = i64::from(this.status);
        response.headers = this.headers;
        response.body = this.body.map(|body| Body::Text(body.to_string()));
        response
    }
}
