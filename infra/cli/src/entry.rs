//! A line of the journal, as the commands that show it read it.

use serde::Deserialize;
use serde_json::Value;

/// What stages log about an event or a request; a line has some of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entry {
    pub(crate) time: String,
    pub(crate) stage: String,
    pub(crate) trace: Option<String>,
    /// Only lines about one event have it.
    pub(crate) message_key: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) kind: Option<String>,
    decision: Option<String>,
    #[serde(rename = "profile.id")]
    pub(crate) profile: Option<String>,
    detail: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    accepted: Option<u64>,
    rejected: Option<u64>,
    #[serde(rename = "record.receives")]
    receives: Option<u32>,
    cause: Option<String>,
    message: Option<String>,
    /// Lines for which the journal had no room.
    pub(crate) lost: Option<u64>,
}

/// The decisions that a line can tell of.
pub(crate) const DECISIONS: [&str; 7] =
    ["folded", "repeated", "dropped", "refused", "waits", "rejected", "given_up"];

impl Entry {
    /// A line of a newer or an older build may say less.
    pub(crate) fn of(line: &Value) -> Self {
        Self::deserialize(line).unwrap_or_default()
    }

    /// What was decided, if the line tells of a decision: a stage's on an event
    /// or on a record, or that a request's events were refused.
    pub(crate) fn decision(&self) -> Option<&str> {
        let refuses = self.accepted.is_some() && (self.status >= Some(400) || self.rejected > Some(0));
        self.decision.as_deref().or(refuses.then_some("refused"))
    }

    pub(crate) fn is(&self, decision: &str) -> bool {
        self.decision() == Some(decision)
    }

    /// Whether the line is about a request that was taken or not.
    pub(crate) fn is_answer(&self) -> bool {
        self.accepted.is_some()
    }

    /// The profile, if the event came to one.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref().filter(|profile| !profile.is_empty())
    }

    /// What is to be said beside the decision.
    pub(crate) fn why(&self) -> Option<String> {
        if let (Some(status), Some(accepted)) = (self.status, self.accepted) {
            let rejected = self.rejected.unwrap_or_default();
            return Some(match &self.code {
                Some(code) if status >= 400 => format!("answered {status} ({code})"),
                _ => format!("answered {status}, {accepted} accepted, {rejected} refused"),
            });
        }
        let cause = self.cause.clone().or_else(|| self.detail.clone());
        let cause = cause.or_else(|| self.message.clone().filter(|_| self.decision.is_none()));
        match (self.receives, cause) {
            (Some(receives), Some(cause)) => Some(format!("receive {receives}: {cause}")),
            (_, cause) => cause,
        }
    }

    /// The stage in the words of the operator: what happens to a whole record
    /// happens at its queue.
    pub(crate) fn place(&self) -> &str {
        if self.stage == "runtime" { "queue" } else { &self.stage }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(line: &Value, decision: Option<&str>, why: Option<&str>) {
        let entry = Entry::of(line);
        assert_eq!((entry.decision(), entry.why().as_deref()), (decision, why));
    }

    #[test]
    fn a_line_is_read_by_what_it_has() {
        let answer = |status, code, accepted, rejected| {
            json!({"stage": "ingest", "status": status, "code": code, "accepted": accepted,
                   "rejected": rejected, "message": "Answered"})
        };
        check(&answer(200, "ok", 2, 0), None, Some("answered 200, 2 accepted, 0 refused"));
        check(&answer(200, "ok", 1, 1), Some("refused"), Some("answered 200, 1 accepted, 1 refused"));
        check(&answer(401, "invalid_key", 0, 0), Some("refused"), Some("answered 401 (invalid_key)"));
        check(&json!({"stage": "profile", "decision": "folded", "kind": "track"}), Some("folded"), None);
        check(
            &json!({"stage": "runtime", "decision": "waits", "record.receives": 2, "cause": "throttled",
                    "message": "Will retry: throttled"}),
            Some("waits"),
            Some("receive 2: throttled"),
        );
        check(&json!({"stage": "profile", "message": "Admin key asked"}), None, Some("Admin key asked"));
        check(&json!({"stage": 5}), None, None);
    }
}
