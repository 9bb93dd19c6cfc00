//! A request as an event of payload 2.0.

use std::net::IpAddr;

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpRequestContext};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::time::Timestamp;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What names the one route that a function URL has.
const ROUTE: &str = "$default";
const ACCOUNT: &str = "000000000000";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// `port` is the door's own.
pub(super) fn of(
    head: &Parts,
    body: &[u8],
    from: IpAddr,
    port: u16,
    now: Timestamp,
) -> ApiGatewayV2httpRequest {
    let query = head.uri.query().unwrap_or_default();
    let mut event = ApiGatewayV2httpRequest::default();
    event.version = Some("2.0".to_owned());
    event.route_key = Some(ROUTE.to_owned());
    event.raw_path = Some(head.uri.path().to_owned());
    event.raw_query_string = Some(query.to_owned());
    event.query_string_parameters = query.parse().unwrap_or_default();
    event.cookies = cookies(&head.headers);
    event.headers = joined(&head.headers);
    forwarded(&mut event.headers, from, port);
    event.request_context = context(head, from, now);
    if !body.is_empty() {
        let text = as_text(&head.headers, body);
        event.is_base64_encoded = text.is_none();
        event.body = Some(text.map_or_else(|| STANDARD.encode(body), str::to_owned));
    }
    event
}

fn context(head: &Parts, from: IpAddr, now: Timestamp) -> ApiGatewayV2httpRequestContext {
    let mut context = ApiGatewayV2httpRequestContext::default();
    context.account_id = Some(ACCOUNT.to_owned());
    context.route_key = Some(ROUTE.to_owned());
    context.stage = Some(ROUTE.to_owned());
    context.apiid = Some("local".to_owned());
    context.domain_name = text(&head.headers, &HOST);
    context.time_epoch = now.millis();
    context.http.method = head.method.clone();
    context.http.path = Some(head.uri.path().to_owned());
    context.http.protocol = Some(format!("{:?}", head.version));
    context.http.source_ip = Some(from.to_string());
    context.http.user_agent = text(&head.headers, &USER_AGENT);
    context
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Cookies have a list of their own and do not stand among the headers.
fn cookies(headers: &HeaderMap) -> Option<Vec<String>> {
    let lines = headers.get_all(COOKIE).iter();
    let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let each = lines.iter().flat_map(|line| line.split(';')).map(str::trim);
    let cookies: Vec<String> = each.filter(|cookie| !cookie.is_empty()).map(str::to_owned).collect();
    (!cookies.is_empty()).then_some(cookies)
}

/// Each name once, in lower case; what came several times is joined by commas.
fn joined(headers: &HeaderMap) -> HeaderMap {
    let names = headers.keys().filter(|name| **name != COOKIE);
    let join = |name: &HeaderName| {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        Some((name.clone(), HeaderValue::from_bytes(&values.join(&b","[..])).ok()?))
    };
    names.filter_map(join).collect()
}

/// What a door says of itself, whatever a client says of it: how it was
/// reached, which here is plain HTTP, and behind whom the client stands.
fn forwarded(headers: &mut HeaderMap, from: IpAddr, port: u16) {
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(FORWARDED_PORT, HeaderValue::from(port));
    let before = headers.get(&FORWARDED_FOR).and_then(|before| before.to_str().ok());
    let all = before.map_or_else(|| from.to_string(), |before| format!("{before}, {from}"));
    if let Ok(all) = HeaderValue::from_str(&all) {
        headers.insert(FORWARDED_FOR, all);
    }
}

/// A body goes as text if its headers call it text and it is; all else as base64.
fn as_text<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<&'a str> {
    let is_plain =
        text(headers, &CONTENT_ENCODING).is_none_or(|coding| coding.eq_ignore_ascii_case("identity"));
    let is_text = text(headers, &CONTENT_TYPE).is_none_or(|kind| is_text(&kind));
    if is_plain && is_text { std::str::from_utf8(body).ok() } else { None }
}

/// What AWS takes for text; forms it does not.
fn is_text(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let application = kind.strip_prefix("application/").unwrap_or_default();
    kind.starts_with("text/")
        || matches!(application, "json" | "javascript" | "xml")
        || application.ends_with("+json")
        || application.ends_with("+xml")
}
