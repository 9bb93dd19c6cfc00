//! What orders two writes of one thing.

use crate::key::EventName;
use crate::time::Timestamp;

/// When an event happened; the event's name breaks ties, so that arrival never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    pub at: Timestamp,
    pub event: EventName,
}
