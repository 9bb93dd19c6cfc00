//! What was sent, as pages for a browser on this machine and as JSON for
//! scripts.
//!
//! **Invariant:** there is no script in any page, and nothing that was sent
//! stands in one unescaped but the HTML of a letter, alone in a sandbox. Pages
//! of other origins cannot read these, nor frame them.

mod html;
mod list;
mod message;
mod json;

use std::fmt;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ports::Clock;
use runtime::failure::chain;

use super::rows::{self, Filter};
use super::{Mailbox, Message};
use crate::file::FileError;
use list::Shown;

/// Where the pages stand.
pub const PATH: &str = "/_local/sent";

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
/// Messages on one page of the list.
const LISTED: usize = 50;
/// Messages in one answer in JSON, and how many bytes they may have together;
/// escaped they are more.
const GIVEN: usize = 100;
const GIVEN_MAX: usize = 1_000;
const GIVEN_BYTES_MAX: usize = 768 * 1024;

/// The HTML of a letter may show pictures, and be styled as mail programs let it.
const LETTER_POLICY: &str = "default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'self'; \
     sandbox allow-popups allow-popups-to-escape-sandbox";
/// An answer in JSON is no page.
const JSON_POLICY: &str = "default-src 'none'; frame-ancestors 'self'";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// An answer to a GET.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    pub status: u16,
    pub content_type: &'static str,
    /// Besides the content type; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// Only what no person can be told by.
impl fmt::Debug for Page {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, content_type, body, .. } = self;
        let mut out = out.debug_struct("Page");
        out.field("status", status).field("content_type", content_type).field("bytes", &body.len());
        out.finish_non_exhaustive()
    }
}

impl Page {
    fn new(status: u16, content_type: &'static str, policy: String, body: String) -> Self {
        let text = str::to_owned;
        let headers = vec![
            ("content-security-policy", policy),
            ("x-content-type-options", text("nosniff")),
            ("referrer-policy", text("no-referrer")),
            ("cross-origin-resource-policy", text("same-origin")),
            ("cache-control", text("no-store")),
        ];
        Self { status, content_type, headers, body }
    }

    fn html(status: u16, title: &str, body: &str) -> Self {
        Self::new(status, HTML, html::policy(), html::page(title, body))
    }

    fn json(status: u16, body: String) -> Self {
        Self::new(status, JSON, JSON_POLICY.to_owned(), body)
    }

    /// A message in plain words; nobody's data is in them.
    fn words(status: u16, words: &str) -> Self {
        Self::html(status, words, &format!("<p>{}</p>{}", html::escaped(words), html::BACK))
    }

    fn mistake(words: &str) -> Self {
        Self::json(400, serde_json::json!({"detail": words}).to_string())
    }
}

impl From<Page> for ApiGatewayV2httpResponse {
    fn from(page: Page) -> Self {
        let mut response = Self::default();
        response.status_code = i64::from(page.status);
        response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
        for (name, value) in page.headers {
            // Our own words, all ASCII.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers.insert(HeaderName::from_static(name), value);
            }
        }
        response.body = Some(Body::Text(page.body));
        response
    }
}

/// Whether an answer goes to a program, or to a page of this very origin, or to
/// whoever sits at this browser.
///
/// A name that was pointed at this machine makes its pages ones of "this
/// origin": so the host has to be one of the machine's own names.
pub fn may_read(headers: &HeaderMap) -> bool {
    let is = |name: &HeaderName, wanted: &[&str]| {
        let value = headers.get(name).map(|value| value.to_str().unwrap_or_default());
        value.is_none_or(|value| wanted.contains(&value))
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let came = is(&SEC_FETCH_SITE, &["same-origin", "none"]) || is(&SEC_FETCH_DEST, &["document"]);
    is_loopback(host) && !headers.contains_key(ORIGIN) && came
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

impl<C: Clock> Mailbox<C> {
    /// Answers a request under [`PATH`]; `None` if its path is another.
    pub async fn respond(&self, request: &ApiGatewayV2httpRequest) -> Option<ApiGatewayV2httpResponse> {
        let path = request.raw_path.as_deref().unwrap_or_default();
        Route::of(path)?;
        if !matches!(request.request_context.http.method, Method::GET | Method::HEAD) {
            return Some(Page::words(405, "What was sent can only be read.").into());
        }
        if !may_read(&request.headers) {
            return Some(Page::words(403, "Only a browser on this machine may read this.").into());
        }
        let query = request.query_string_parameters.iter();
        let query: Vec<_> = query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.answer(path, &query).await.map(Into::into)
    }

    /// Answers a GET of somebody who [may read](may_read); `None` if the path
    /// is none of these pages.
    pub async fn answer(&self, path: &str, query: &[(String, String)]) -> Option<Page> {
        let answered = match Route::of(path)? {
            Route::List => self.list(query).await,
            Route::Json => self.json(query).await,
            Route::Message(id) => self.show(id, |found| Some(message::page(found))).await,
            Route::Html(id) => self.show(id, message::html_part).await,
            Route::Nothing => Ok(Page::words(404, "There is no such page.")),
        };
        Some(answered.unwrap_or_else(|failed| Page::words(503, &chain(&failed))))
    }

    async fn show(&self, id: &str, page: impl FnOnce(&Message) -> Option<Page>) -> Result<Page, FileError> {
        let found = self.find(id).await?;
        let missing = || Page::words(404, "There is no such message, or it was dropped.");
        Ok(found.as_ref().and_then(page).unwrap_or_else(missing))
    }

    async fn list(&self, query: &[(String, String)]) -> Result<Page, FileError> {
        let (address, tag) = (value(query, "address"), value(query, "message"));
        let before = self.shared.names.seq_of(value(query, "before"));
        let filter = Filter {
            before,
            address: address.to_owned(),
            tag: tag.to_owned(),
            seq: self.shared.names.seq_of(tag),
        };
        // One more than is shown: whether there are older ones.
        let found = self.shared.writer.run(move |db| rows::newest(db, &filter, LISTED + 1)).await?;
        let mut messages: Vec<_> = found.into_iter().map(|kept| self.shared.names.message(kept)).collect();
        let has_older = messages.len() > LISTED;
        messages.truncate(LISTED);
        let counts = self.counts().await?;
        let shown =
            Shown { messages: &messages, has_older, is_newest: before.is_none(), address, tag, counts };
        Ok(Page::html(200, "Sent messages", &shown.page()))
    }

    async fn json(&self, query: &[(String, String)]) -> Result<Page, FileError> {
        let limit = match value(query, "limit") {
            "" => GIVEN,
            text => match text.parse() {
                Ok(limit) if (1..=GIVEN_MAX).contains(&limit) => limit,
                _ => return Ok(Page::mistake("`limit` has to be a whole number from 1 to 1000")),
            },
        };
        let after = value(query, "after");
        let seq = if after.is_empty() { Some(0) } else { self.shared.names.seq_of(after) };
        let Some(seq) = seq else {
            return Ok(Page::mistake("`after` has to be the id of a message of this data folder"));
        };
        let found = self.shared.writer.run(move |db| rows::after(db, seq, limit, GIVEN_BYTES_MAX)).await?;
        let messages: Vec<_> = found.into_iter().map(|kept| self.shared.names.message(kept)).collect();
        Ok(Page::json(200, json::answer(&messages, after, self.counts().await?)))
    }
}

/// Which page a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    List,
    Json,
    Message(&'a str),
    /// The HTML part of a letter, alone.
    Html(&'a str),
    /// Below these pages, and none of them.
    Nothing,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix(PATH)?;
        let mut steps = rest.strip_prefix('/').unwrap_or_default().split('/');
        match (rest, steps.next(), steps.next(), steps.next()) {
            ("" | "/", ..) => Some(Self::List),
            (".json", ..) => Some(Self::Json),
            (rest, ..) if !rest.starts_with('/') => None,
            (_, Some(id), None, None) => Some(Self::Message(id)),
            (_, Some(id), Some("html"), None) => Some(Self::Html(id)),
            _ => Some(Self::Nothing),
        }
    }
}

/// What a query says by a name; nothing is an empty text.
fn value<'a>(query: &'a [(String, String)], name: &str) -> &'a str {
    query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
}

#[cfg(test)]
mod tests;
