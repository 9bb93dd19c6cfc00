//! A request as the front doors hand it over.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, header};

use super::language::Language;

/// Bytes of a form that are read; ours are smaller.
const FORM_MAX: usize = 64 * 1024;
/// Characters of a header that are kept as a proof or looked at.
const HEADER_MAX: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Other,
}

/// What is read of a request. It names a person: of it nothing is printed.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    headers: HeaderMap,
    /// The network address that it came from.
    pub(crate) origin: Option<String>,
    body: Vec<u8>,
}

impl From<ApiGatewayV2httpRequest> for Ask {
    fn from(request: ApiGatewayV2httpRequest) -> Self {
        let http = request.request_context.http;
        let method = match http.method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            _ => Method::Other,
        };
        let text = request.body.unwrap_or_default();
        // A body that is not what it says is an odd one, and odd ones count as empty.
        let body = if request.is_base64_encoded {
            STANDARD.decode(text).unwrap_or_default()
        } else {
            text.into_bytes()
        };
        Self {
            method,
            path: request.raw_path.or(http.path).unwrap_or_default(),
            headers: request.headers,
            origin: http.source_ip,
            body,
        }
    }
}

impl Ask {
    /// A header's text, cut where nobody's browser would still go on.
    pub(crate) fn header(&self, name: HeaderName) -> Option<String> {
        let value = self.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).chars().take(HEADER_MAX).collect())
    }

    /// The language that its reader reads, of those that pages are written in.
    pub(crate) fn reads(&self) -> Option<Language> {
        Language::accepted(&self.header(header::ACCEPT_LANGUAGE)?)
    }

    pub(crate) fn language(&self) -> Language {
        self.reads().unwrap_or_default()
    }

    /// The fields of a form of ours.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let body = self.body.get(..FORM_MAX).unwrap_or(&self.body);
        form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    /// Whether a form of ours has this field with this value.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.form().iter().any(|(one, other)| one == name && other == value)
    }
}
