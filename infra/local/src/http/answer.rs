//! A function's answer as a response.

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::ApiGatewayV2httpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use super::PAYLOAD_BYTES_MAX;

pub(super) type Answer = Full<Bytes>;

/// Why an answer cannot be sent; nothing of the answer itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum WrongAnswer {
    #[error("{0} is no HTTP status")]
    Status(i64),
    #[error("its body is flagged as base64 and is not")]
    Base64,
    #[error("a cookie holds what a header may not")]
    Cookie,
    #[error("its body has {0} bytes; Lambda takes 6 MB")]
    TooLarge(usize),
}

pub(super) fn of(answer: ApiGatewayV2httpResponse) -> Result<Response<Answer>, WrongAnswer> {
    let status = u16::try_from(answer.status_code).ok().and_then(|status| StatusCode::from_u16(status).ok());
    // Below 200 an answer is none yet.
    let status = status.filter(|status| !status.is_informational());
    let mut response = Response::new(Full::new(body(answer.body, answer.is_base64_encoded)?));
    *response.status_mut() = status.ok_or(WrongAnswer::Status(answer.status_code))?;
    *response.headers_mut() = answer.headers;
    let headers = response.headers_mut();
    // These belong to the connection, which is not the function's.
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    for cookie in answer.cookies {
        headers.append(SET_COOKIE, HeaderValue::from_str(&cookie).map_err(|_| WrongAnswer::Cookie)?);
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The body as a client of a deployed function would get it: in the JSON of an
/// answer bytes stand as base64, and are decoded only if the flag says so.
fn body(body: Option<Body>, is_base64: bool) -> Result<Bytes, WrongAnswer> {
    let bytes = match body {
        Some(Body::Text(text)) if is_base64 => STANDARD.decode(text).map_err(|_| WrongAnswer::Base64)?,
        Some(Body::Text(text)) => text.into_bytes(),
        Some(Body::Binary(bytes)) if is_base64 => bytes,
        Some(Body::Binary(bytes)) => STANDARD.encode(bytes).into_bytes(),
        _ => Vec::new(),
    };
    if bytes.len() > PAYLOAD_BYTES_MAX { Err(WrongAnswer::TooLarge(bytes.len())) } else { Ok(bytes.into()) }
}

/// An answer of the front door itself. Browsers show pages only answers that allow their origin.
pub(super) fn refusal(status: StatusCode) -> Response<Answer> {
    let message = status.canonical_reason().unwrap_or("Error");
    let body = serde_json::json!({ "success": false, "message": message }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
