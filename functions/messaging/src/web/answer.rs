//! What is answered: pages that run nothing, load nothing, and are kept nowhere.

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::ApiGatewayV2httpResponse;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::page::Page;

/// Who is told to come again is asked to wait so many seconds.
const AGAIN_AFTER: HeaderValue = HeaderValue::from_static("10");
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// The smallest transparent GIF.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Answer {
    status: i64,
    headers: HeaderMap,
    body: Body,
}

impl Answer {
    pub(crate) fn page(status: i64, page: &Page) -> Self {
        let mut answer = Self::of(status, "text/html; charset=utf-8", Body::Text(page.html()));
        let language = HeaderValue::from_static(page.language().code());
        answer.headers.insert(header::CONTENT_LANGUAGE, language);
        answer.headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
        answer
    }

    /// What was asked for may be done in a while.
    pub(crate) fn later(page: &Page) -> Self {
        let mut answer = Self::page(503, page);
        answer.headers.insert(header::RETRY_AFTER, AGAIN_AFTER);
        answer
    }

    pub(crate) fn gif() -> Self {
        Self::of(200, "image/gif", Body::Binary(GIF.to_vec()))
    }

    /// To another page; `None` if its address fits no header.
    pub(crate) fn to(target: &str) -> Option<Self> {
        let target = HeaderValue::from_str(target).ok()?;
        let mut answer = Self::of(302, "text/plain; charset=utf-8", Body::Text(String::new()));
        answer.headers.insert(header::LOCATION, target);
        Some(answer)
    }

    #[must_use]
    pub(crate) fn allowing(mut self, methods: &'static str) -> Self {
        self.headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        self
    }

    fn of(status: i64, kind: &'static str, body: Body) -> Self {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store, private, max-age=0")),
            (ROBOTS, HeaderValue::from_static("noindex, nofollow")),
        ];
        Self { status, headers: headers.into_iter().collect(), body }
    }

    /// The answer as both front doors take it; to HEAD it has no body.
    pub(crate) fn finish(self, is_head: bool) -> ApiGatewayV2httpResponse {
        let Self { status, headers, body } = self;
        let body = if is_head { Body::Empty } else { body };
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = status;
        response.is_base64_encoded = matches!(body, Body::Binary(_));
        response.headers = headers;
        response.body = Some(body);
        response
    }
}
