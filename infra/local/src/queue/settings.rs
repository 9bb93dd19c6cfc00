//! What a queue promises, in the words of its template.

/// A queue as `template.yaml` defines it; times are in whole seconds, as there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    pub name: String,
    /// For how long a received message is hidden from other receivers.
    pub visibility_s: u32,
    /// For how long a sent message is hidden at first.
    pub delay_s: u32,
    pub retention_s: u32,
    pub redrive: Option<Redrive>,
    pub fifo: Option<Fifo>,
}

/// Where a message goes that was received often enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the dead-letter queue.
    pub to: String,
    pub max_receives: u32,
}

/// What only FIFO queues have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fifo {
    pub scope: DeduplicationScope,
    /// A message without a deduplication id is known by its body.
    pub by_content: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeduplicationScope {
    #[default]
    Queue,
    Group,
}

impl QueueSettings {
    /// What SQS assumes where a template says nothing.
    pub const VISIBILITY_S: u32 = 30;
    pub const RETENTION_S: u32 = 4 * 24 * 60 * 60;

    /// A standard queue with SQS's defaults.
    pub fn standard(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            visibility_s: Self::VISIBILITY_S,
            delay_s: 0,
            retention_s: Self::RETENTION_S,
            redrive: None,
            fifo: None,
        }
    }
}
