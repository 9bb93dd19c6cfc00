//! What a caller asks: the route, the parameters, the body.

use std::borrow::Cow;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::json;
use http::header::{self, HeaderName};
use ports::definitions::Scope;
use serde_json::{Map, Value};

use super::answer::{Kind, Problem};

/// Bytes of a body: Lambda's own limit of 6 MB leaves no room for more in base64.
pub(crate) const BODY_MAX: usize = 4 * 1024 * 1024;

/// Values of a body's JSON: each takes some hundred bytes once it is read. 500
/// profiles of a hundred traits each have fewer.
const VALUES_MAX: usize = 60_000;

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Lookup,
    Profile { id: &'a str },
    Timeline { id: &'a str },
    Lineage { id: &'a str },
    Merge { id: &'a str },
    TakeOut { id: &'a str },
    Allow { id: &'a str },
    Rejections { source: &'a str },
    Segments,
    Members { segment: &'a str },
    Sizes { segment: &'a str },
    SegmentsOf { id: &'a str },
    Explain { segment: &'a str },
    Import,
    ImportBatch,
}

impl<'a> Route<'a> {
    /// Slashes at the end, or twice, make no other path.
    pub(crate) fn of(request: &'a ApiGatewayV2httpRequest) -> Result<Self, Problem> {
        let path = request.raw_path.as_deref().unwrap_or_default();
        let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
        let (route, allowed) = match steps.as_slice() {
            ["v1", "profiles"] => (Self::Import, "POST"),
            ["v1", "profiles", "batch"] => (Self::ImportBatch, "POST"),
            ["v1", "profiles", "lookup"] => (Self::Lookup, "POST"),
            ["v1", "profiles", id] => (Self::Profile { id }, "GET"),
            ["v1", "profiles", id, "timeline"] => (Self::Timeline { id }, "GET"),
            ["v1", "profiles", id, "lineage"] => (Self::Lineage { id }, "GET"),
            ["v1", "profiles", id, "merge"] => (Self::Merge { id }, "POST"),
            ["v1", "profiles", id, "take-out"] => (Self::TakeOut { id }, "POST"),
            ["v1", "profiles", id, "allow"] => (Self::Allow { id }, "POST"),
            ["v1", "profiles", id, "segments"] => (Self::SegmentsOf { id }, "GET"),
            ["v1", "segments"] => (Self::Segments, "GET"),
            ["v1", "segments", segment, "explain"] => (Self::Explain { segment }, "GET"),
            ["v1", "segments", segment, "sizes"] => (Self::Sizes { segment }, "GET"),
            ["v1", "segments", segment, "members"] => (Self::Members { segment }, "GET"),
            ["v1", "sources", source, "rejections"] => (Self::Rejections { source }, "GET"),
            _ => return Err(Problem::new(Kind::NoRoute, "See the OpenAPI document for the paths there are")),
        };
        if request.request_context.http.method.as_str() == allowed {
            return Ok(route);
        }
        Err(Problem::new(Kind::MethodNotAllowed { allowed }, format!("This path takes {allowed}")))
    }

    /// What a key must be allowed.
    pub(crate) const fn scope(self) -> Scope {
        match self {
            Self::Lookup
            | Self::Profile { .. }
            | Self::Timeline { .. }
            | Self::Lineage { .. }
            | Self::Segments
            | Self::Members { .. }
            | Self::Sizes { .. }
            | Self::SegmentsOf { .. }
            | Self::Explain { .. } => Scope::ProfilesRead,
            Self::Import
            | Self::ImportBatch
            | Self::Merge { .. }
            | Self::TakeOut { .. }
            | Self::Allow { .. } => Scope::ProfilesWrite,
            Self::Rejections { .. } => Scope::SourcesRead,
        }
    }

    /// The name of the action in the audit log.
    pub(crate) const fn action(self) -> &'static str {
        match self {
            Self::Lookup => "profile.lookup",
            Self::Profile { .. } => "profile.read",
            Self::Timeline { .. } => "profile.timeline",
            Self::Lineage { .. } => "profile.lineage",
            Self::Merge { .. } => "profile.merge",
            Self::TakeOut { .. } => "profile.take_out",
            Self::Allow { .. } => "profile.allow",
            Self::Rejections { .. } => "source.rejections",
            Self::Segments => "segment.list",
            Self::Members { .. } => "segment.members",
            Self::Sizes { .. } => "segment.sizes",
            Self::SegmentsOf { .. } => "profile.segments",
            Self::Explain { .. } => "segment.explain",
            Self::Import | Self::ImportBatch => "profile.import",
        }
    }
}

pub(crate) fn header(request: &ApiGatewayV2httpRequest, name: HeaderName) -> Option<&str> {
    request.headers.get(name).and_then(|value| value.to_str().ok())
}

/// The parameters of the query, each at most once and none that is not known:
/// a filter that is misspelt must not show everything.
pub(crate) fn parameters<'a>(
    request: &'a ApiGatewayV2httpRequest,
    known: &[&'static str],
) -> Result<Vec<(&'static str, Cow<'a, str>)>, Problem> {
    let query = request.raw_query_string.as_deref().unwrap_or_default();
    let mut parameters: Vec<(&'static str, Cow<'a, str>)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let bad =
            |what: &str| Problem::new(Kind::BadParameter, format!("{what}; there are: {}", known.join(", ")));
        let Some(name) = known.iter().find(|known| **known == name) else {
            return Err(bad("A parameter is not known here"));
        };
        if parameters.iter().any(|(before, _)| before == name) {
            return Err(bad("A parameter stands twice"));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// The body's bytes.
pub(crate) fn body(request: &ApiGatewayV2httpRequest) -> Result<Cow<'_, [u8]>, Problem> {
    let encoding = header(request, header::CONTENT_ENCODING).unwrap_or("identity");
    if !encoding.trim().eq_ignore_ascii_case("identity") {
        return Err(Problem::new(
            Kind::UnsupportedEncoding,
            "Send the body as plain JSON, without Content-Encoding",
        ));
    }
    let too_large = || Problem::new(Kind::BodyTooLarge, format!("A body has at most {BODY_MAX} bytes"));
    let text = request.body.as_deref().unwrap_or_default();
    if text.len() > BODY_MAX / 3 * 4 + 4 {
        return Err(too_large());
    }
    let bytes =
        if request.is_base64_encoded {
            let bytes = STANDARD.decode(text);
            Cow::Owned(bytes.map_err(|_| {
                Problem::new(Kind::MalformedBody, "The body is not the base64 it claims to be")
            })?)
        } else {
            Cow::Borrowed(text.as_bytes())
        };
    if bytes.len() > BODY_MAX { Err(too_large()) } else { Ok(bytes) }
}

/// The body's JSON object.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::new(Kind::MalformedBody, "The body is not UTF-8, as JSON has to be"))?;
    if json::has_reserved_name(text) {
        let detail = "The body uses a name that is reserved: one that begins with `$serde_json::private::`";
        return Err(Problem::new(Kind::MalformedBody, detail));
    }
    if json::values(text) > VALUES_MAX {
        let detail = format!("The body holds more than {VALUES_MAX} values; send fewer profiles at once");
        return Err(Problem::new(Kind::BodyTooLarge, detail));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::new(Kind::MalformedBody, "The body is JSON, but not an object")),
        // The parser's own words can quote the body.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(Problem::new(Kind::MalformedBody, format!("The JSON breaks at line {line}, column {column}")))
        }
    }
}
