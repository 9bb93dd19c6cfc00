//! What is answered, in words that every SDK understands.
//!
//! **Invariant:** success is exactly 200; an error's body is an object with
//! `code` and `message`; every answer carries CORS, since a browser takes an
//! answer that it may not read for a broken network and sends again.

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use ports::Unavailable;
use ports::definitions::Source;
use serde_json::{Value, json};

/// Names the request in the answer, in the queue and in every log line.
pub(crate) const TRACE: HeaderName = HeaderName::from_static("x-tributary-trace");

/// What SDKs send beside the headers that need no leave.
const HEADERS_ALLOWED: &str = "authorization, content-type, x-retry-count, anonymousid, sentat, \
     rsa-recovered, rsa-retry-attempt, rsa-retry-reason, rsa-since-first-attempt, rsa-since-last-attempt";

/// A browser's header list beyond this is no SDK's.
const HEADERS_ASKED_MAX: usize = 1024;

/// Chromium keeps a preflight's answer for two hours at most.
const PREFLIGHT_KEPT: HeaderValue = HeaderValue::from_static("7200");

/// Some SDKs try four times within a second unless they are told to wait;
/// those that back off by themselves ignore it on a 503.
const UNAVAILABLE_RETRY_AFTER: u32 = 10;

/// The smallest transparent GIF.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Why a request was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "No write key. Send it as the user name of Basic authorization, as `writeKey` in the body, or as ?writeKey= in the address."
    )]
    NoWriteKey,
    #[error("The write key is unknown or revoked. Copy it again from the source's settings.")]
    UnknownWriteKey,
    #[error("Pages of this origin may not send to this source. Add the origin to the source's list.")]
    OriginNotAllowed,
    #[error(
        "This write key sends more requests a second than its source allows. Wait, or send larger batches."
    )]
    TooManyRequests { retry_after: u32 },
    #[error("The body is over 4 MB when unpacked. Send smaller batches.")]
    TooLarge,
    #[error("The batch holds more than {} events. Send smaller batches.", crate::wire::EVENTS_MAX)]
    TooManyEvents,
    #[error(
        "The body's encoding is broken: it is neither what its encoding says nor JSON. Check that no proxy changes binary bodies."
    )]
    MangledEncoding,
    #[error("The body is empty. Send an event, or an object with a `batch` of events, as JSON.")]
    EmptyBody,
    #[error(
        "The body is not a JSON object, or it is cut off. Send an event, or an object with a `batch` of events."
    )]
    Malformed,
    #[error("There is nothing at this path. Events go to /v1/batch, /v1/track and their like.")]
    NotFound,
    #[error("This path does not take this method.")]
    MethodNotAllowed { allowed: &'static str },
    #[error("The service cannot take events at this moment. Send the same events again.")]
    Unavailable(#[from] Unavailable),
}

impl Refusal {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::NoWriteKey => "no_write_key",
            Self::UnknownWriteKey => "unknown_write_key",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::TooLarge => "too_large",
            Self::TooManyEvents => "too_many_events",
            Self::MangledEncoding => "mangled_encoding",
            Self::EmptyBody => "empty_body",
            Self::Malformed => "malformed",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// 4xx makes SDKs drop the whole batch at once: it is for what will never
    /// succeed. 202, 204, 3xx, 408 and 501 lose or double events.
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::EmptyBody | Self::Malformed | Self::MangledEncoding => 400,
            Self::NoWriteKey | Self::UnknownWriteKey => 401,
            Self::OriginNotAllowed => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::TooLarge | Self::TooManyEvents => 413,
            Self::TooManyRequests { .. } => 429,
            Self::Unavailable(_) => 503,
        }
    }

    const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::TooManyRequests { retry_after } => Some(*retry_after),
            Self::Unavailable(_) => Some(UNAVAILABLE_RETRY_AFTER),
            _ => None,
        }
    }
}

/// Who may read the answer in a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readers {
    Anyone,
    /// The one origin that sent, for a source that lists its origins.
    Only(HeaderValue),
}

impl Readers {
    /// Asks the source's list; a server sends no origin and needs none.
    pub(crate) fn of(source: &Source, origin: Option<&HeaderValue>) -> Result<Self, Refusal> {
        let Some(origin) = origin.filter(|_| !source.origins.is_empty()) else { return Ok(Self::Anyone) };
        let same =
            |listed: &String| listed.trim_end_matches('/').as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        if source.origins.iter().any(same) {
            Ok(Self::Only(origin.clone()))
        } else {
            Err(Refusal::OriginNotAllowed)
        }
    }
}

/// An answer without its CORS and its trace.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Option<Body>,
    readers: Readers,
}

impl Answer {
    pub(crate) fn success(readers: Readers) -> Self {
        Self { readers, ..Self::json(200, &json!({ "success": true })) }
    }

    /// A document that browsers may keep for a few minutes.
    pub(crate) fn document(document: &Value, readers: Readers) -> Self {
        let mut answer = Self { readers, ..Self::json(200, document) };
        answer.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
        answer
    }

    pub(crate) fn refusal(refusal: &Refusal) -> Self {
        let body = json!({ "success": false, "code": refusal.code(), "message": refusal.to_string() });
        let mut answer = Self::json(refusal.status(), &body);
        if let Some(seconds) = refusal.retry_after() {
            answer.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Refusal::MethodNotAllowed { allowed } = refusal {
            answer.headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        answer
    }

    pub(crate) fn gif() -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self { status: 200, headers, body: Some(Body::Binary(GIF.to_vec())), readers: Readers::Anyone }
    }

    /// Allows what SDKs send and what was asked for: a header that is missing
    /// here passes every happy test and loses events on the first retry.
    pub(crate) fn preflight(asked: Option<&HeaderValue>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(asked));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_KEPT);
        Self { status: 204, headers, body: None, readers: Readers::Anyone }
    }

    fn json(status: u16, body: &Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { status, headers, body: Some(Body::Text(body.to_string())), readers: Readers::Anyone }
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// The answer as both front doors take it.
    pub(crate) fn finish(self, trace: &str) -> ApiGatewayV2httpResponse {
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = i64::from(self.status);
        response.is_base64_encoded = matches!(self.body, Some(Body::Binary(_)));
        response.body = self.body;
        response.headers = self.headers;
        let headers = &mut response.headers;
        if let Ok(trace) = HeaderValue::from_str(trace) {
            headers.insert(TRACE, trace);
        }
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after, x-tributary-trace"),
        );
        let origin = match self.readers {
            Readers::Anyone => HeaderValue::from_static("*"),
            Readers::Only(origin) => {
                headers.insert(header::VARY, HeaderValue::from_static("origin"));
                origin
            }
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response
    }
}

fn allowed_headers(asked: Option<&HeaderValue>) -> HeaderValue {
    let ours = HeaderValue::from_static(HEADERS_ALLOWED);
    let asked = asked.and_then(|asked| asked.to_str().ok()).filter(|asked| asked.len() <= HEADERS_ASKED_MAX);
    let Some(asked) = asked else { return ours };
    let new = asked.split(',').map(str::trim).filter(|name| {
        HeaderName::from_bytes(name.as_bytes()).is_ok()
            && !HEADERS_ALLOWED.split(", ").any(|ours| ours.eq_ignore_ascii_case(name))
    });
    let all: Vec<&str> = std::iter::once(HEADERS_ALLOWED).chain(new).collect();
    HeaderValue::from_str(&all.join(", ")).unwrap_or(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::workspace::SourceId;

    fn source(origins: &[&str]) -> Source {
        let origins = origins.iter().map(ToString::to_string).collect();
        Source { id: SourceId::parse("web").unwrap(), region: None, origins, rate: 1 }
    }

    fn check(origins: &[&str], origin: Option<&'static str>, allowed: bool) {
        let origin = origin.map(HeaderValue::from_static);
        assert_eq!(Readers::of(&source(origins), origin.as_ref()).is_ok(), allowed, "{origins:?} {origin:?}");
    }

    #[test]
    fn only_listed_origins_may_send_where_there_is_a_list() {
        check(&[], Some("https://anywhere.example"), true);
        check(&["https://shop.example"], Some("https://shop.example"), true);
        check(&["https://Shop.example/"], Some("https://shop.example"), true);
        check(&["https://shop.example"], Some("https://shop.example.evil.example"), false);
        check(&["https://shop.example"], Some("http://shop.example"), false);
        check(&["https://shop.example"], Some("null"), false);
    }

    #[test]
    fn a_server_has_no_origin_and_needs_none() {
        check(&["https://shop.example"], None, true);
    }

    #[test]
    fn a_preflight_allows_what_is_asked_and_what_retries_will_ask() {
        let asked = HeaderValue::from_static("authorization, x-future, bad name");
        let allowed = allowed_headers(Some(&asked));
        assert_eq!(allowed.to_str().unwrap(), format!("{HEADERS_ALLOWED}, x-future"));
    }

    #[test]
    fn no_refusal_has_a_status_that_loses_or_doubles_events() {
        let unavailable = Refusal::Unavailable(Unavailable::new("test", "cause"));
        let refusals = [
            Refusal::NoWriteKey,
            Refusal::UnknownWriteKey,
            Refusal::OriginNotAllowed,
            Refusal::TooManyRequests { retry_after: 1 },
            Refusal::TooLarge,
            Refusal::TooManyEvents,
            Refusal::MangledEncoding,
            Refusal::EmptyBody,
            Refusal::Malformed,
            Refusal::NotFound,
            Refusal::MethodNotAllowed { allowed: "POST" },
            unavailable,
        ];
        for refusal in refusals {
            let status = refusal.status();
            assert!(status >= 400 && ![408, 410, 501, 505, 511].contains(&status), "{status}");
        }
    }
}
