//! What was refused of a source's events, for its operator.

use std::borrow::Cow;

use domain::rejection::Rejection;
use domain::time::Timestamp;
use ports::rejections::Listing;
use serde_json::{Map, Value, json};

use super::answer::{Kind, Problem};

pub(crate) const PARAMETERS: [&str; 1] = ["day"];
/// Bytes of samples in an answer; Lambda takes 6 MB.
const BYTES_MAX: usize = 3 * 1024 * 1024;

/// The UTC day asked for; today if none is.
pub(crate) fn day(parameters: &[(&'static str, Cow<'_, str>)], now: Timestamp) -> Result<Timestamp, Problem> {
    let Some((_, text)) = parameters.first() else { return Ok(now) };
    let whole = (text.len() == "2026-01-31".len()).then(|| format!("{text}T00:00:00Z"));
    let day = whole.and_then(|midnight| Timestamp::parse(&midnight));
    day.ok_or_else(|| Problem::new(Kind::BadParameter, "`day` must be a UTC day like 2026-01-31"))
}

pub(crate) fn shape(source: &str, day: Timestamp, listing: &Listing) -> Value {
    let counts = listing.counts.iter().map(|(reason, count)| (reason.clone(), Value::from(*count)));
    let mut bytes = 0;
    let fit = listing.kept.iter().take_while(|one| {
        bytes += one.sample.len() + one.detail.len();
        bytes <= BYTES_MAX
    });
    let kept: Vec<Value> = fit.map(rejection).collect();
    json!({
        "source": source,
        "day": day.rfc3339().get(..10),
        "counts": counts.collect::<Map<_, _>>(),
        "left_out": listing.kept.len() - kept.len(),
        "kept": kept,
    })
}

fn rejection(refused: &Rejection) -> Value {
    json!({
        "at": refused.at.rfc3339(),
        "reason": refused.reason.name(),
        "detail": refused.detail,
        "message_id": refused.message_id,
        "sample": refused.sample,
    })
}
