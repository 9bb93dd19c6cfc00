//! What was refused of a source's events, for its operator.

use std::borrow::Cow;

use domain::cursor::{BadCursor, SigningKeys};
use domain::rejection::Rejection;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::Rejections;
use ports::rejections::{Kept, Part, Place};
use serde_json::{Map, Value, json};

use super::answer::{Kind, Problem};
use super::timeline::limit;

pub(crate) const PARAMETERS: [&str; 3] = ["day", "limit", "cursor"];
const LIMIT_DEFAULT: usize = 100;
/// Bytes of an answer as Lambda counts them, of which it takes 6 MB: our JSON
/// travels as a text in its own, where quotes are escaped again.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads one answer's worth of a day's refused events.
///
/// Without `day` it is today's; a cursor goes on in the day on which its
/// listing began.
pub(crate) async fn read<R: Rejections>(
    store: &R,
    signing: &SigningKeys,
    (workspace, source): (&WorkspaceId, &SourceId),
    parameters: &[(&'static str, Cow<'_, str>)],
    now: Timestamp,
) -> Result<Value, Problem> {
    let of =
        |name: &str| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref());
    let asked = of("day");
    let bound = ["rejections", workspace.as_str(), source.as_str(), asked.unwrap_or_default()];
    let limit = of("limit").map(limit).transpose()?.unwrap_or(LIMIT_DEFAULT);
    let today = asked.map(day).transpose()?.unwrap_or(now);
    let (day, after) = match of("cursor") {
        None => (today, None),
        Some(cursor) => open(signing, &bound, cursor).map(|(day, after)| (day, Some(after)))?,
    };
    let counts = store.counts(workspace, source, day).await?;
    let part = store.kept(workspace, source, day, after.as_ref(), limit).await?;
    let (kept, next) = fitting(part);
    let next = next.map(|Place(place)| signing.seal(&bound, &format!("{} {place}", day.millis())));
    Ok(json!({
        "source": source.as_str(),
        "day": day.rfc3339().get(..10),
        "counts": counts.into_iter().map(|(reason, count)| (reason, count.into())).collect::<Map<_, _>>(),
        "kept": kept,
        "cursor": next,
    }))
}

fn open(signing: &SigningKeys, bound: &[&str], cursor: &str) -> Result<(Timestamp, Place), Problem> {
    let position = signing.open(bound, cursor).and_then(|text| {
        let (day, place) = text.split_once(' ').ok_or(BadCursor)?;
        Ok((Timestamp::from_millis(day.parse().map_err(|_| BadCursor)?), Place(place.to_owned())))
    });
    position.map_err(|bad| Problem::new(Kind::BadCursor, bad.to_string()))
}

/// A UTC day.
fn day(text: &str) -> Result<Timestamp, Problem> {
    let whole = (text.len() == "2026-01-31".len()).then(|| format!("{text}T00:00:00Z"));
    let day = whole.and_then(|midnight| Timestamp::parse(&midnight));
    day.ok_or_else(|| Problem::new(Kind::BadParameter, "`day` must be a UTC day like 2026-01-31"))
}

/// As much as an answer holds, one at least, and where the next one goes on.
fn fitting(part: Part) -> (Vec<Value>, Option<Place>) {
    let (mut shown, mut last, mut bytes) = (Vec::new(), None, 0);
    for Kept { place, rejection } in part.kept {
        let value = shape(&rejection);
        bytes += weight(&value.to_string());
        if bytes > BYTES_MAX && !shown.is_empty() {
            return (shown, last);
        }
        shown.push(value);
        last = Some(place);
    }
    (shown, last.filter(|_| part.more))
}

fn weight(json: &str) -> usize {
    json.len() + json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

fn shape(refused: &Rejection) -> Value {
    json!({
        "at": refused.at.rfc3339(),
        "reason": refused.reason.name(),
        "detail": refused.detail,
        "message_id": refused.message_id,
        "sample": refused.sample,
    })
}
