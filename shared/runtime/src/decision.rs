//! What a stage decided on each event, for whoever follows one on its way.

/// The target of these lines; they are logged at `debug`.
pub const TARGET: &str = "decision";

/// One event's line. The trace is the id that the sender was answered with.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    pub stage: &'static str,
    pub trace: &'a str,
    /// [`domain::key::IdKey::message`] of the event's message id.
    pub message_key: u64,
    pub workspace: &'a str,
    pub source: &'a str,
    pub kind: &'static str,
    pub decision: &'static str,
    /// The profile that the event belongs to, if it came to one.
    pub profile: &'a str,
}

/// Whether anybody reads these lines.
pub fn wanted() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

impl Decision<'_> {
    pub fn log(&self) {
        let Self { stage, trace, workspace, source, kind, decision, profile, .. } = *self;
        let message_key = format!("{:016x}", self.message_key);
        tracing::debug!(
            target: TARGET,
            stage,
            trace,
            message_key,
            workspace,
            source,
            kind,
            decision,
            profile.id = profile,
            "Took an event: {decision}."
        );
    }
}
