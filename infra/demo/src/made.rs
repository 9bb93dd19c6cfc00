//! An event as a source made it, with what is true of it.

use domain::event::EventKind;
use domain::rejection::Reason;
use domain::time::Timestamp;
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Made {
    /// The event's own JSON.
    pub(crate) text: String,
    /// By the client's clock.
    pub(crate) at: Timestamp,
    pub(crate) verdict: Verdict,
    /// Who did it; a walk-in customer is nobody.
    pub(crate) person: Option<u32>,
    /// Whether it says who the person is, by more than a device.
    pub(crate) names_them: bool,
    pub(crate) revenue: Option<(&'static str, u32)>,
    /// Sent before, in another batch.
    pub(crate) again: bool,
}

/// What the platform has to make of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good(EventKind),
    /// Not quite JSON, but what is meant is clear.
    Mended(EventKind),
    Refused(Reason),
}

impl Verdict {
    pub(crate) fn accepted(self) -> Option<EventKind> {
        match self {
            Self::Good(kind) | Self::Mended(kind) => Some(kind),
            Self::Refused(_) => None,
        }
    }
}

/// Stands in a value for what JSON cannot say: Python sends a bare `NaN`.
pub(crate) const NOT_A_NUMBER: &str = "<not a number>";
/// Stands in a text for half of an emoji, as JavaScript cuts it.
pub(crate) const HALF_AN_EMOJI: &str = "<half an emoji>";

impl Made {
    pub(crate) fn new(event: &Value, kind: EventKind, at: Timestamp, person: u32) -> Self {
        let plain = event.to_string();
        let text = plain.replace(&format!("\"{NOT_A_NUMBER}\""), "NaN").replace(HALF_AN_EMOJI, "\\ud83c");
        let verdict = if text == plain { Verdict::Good(kind) } else { Verdict::Mended(kind) };
        let names_them = event.get("userId").is_some_and(|id| !id.is_null());
        Self { text, at, verdict, person: Some(person), names_them, revenue: None, again: false }
    }

    /// An event that has to be refused.
    pub(crate) fn refused(event: &Value, reason: Reason, at: Timestamp) -> Self {
        let verdict = Verdict::Refused(reason);
        Self {
            text: event.to_string(),
            at,
            verdict,
            person: None,
            names_them: false,
            revenue: None,
            again: false,
        }
    }
}

/// Sets a field of an object.
pub(crate) fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value.into());
    }
}
