//! What the profile queue brings.

use domain::message::{Message, Unreadable};
use domain::workspace::SourceId;
use ports::definitions::Workspace;
use runtime::failure::Failure;

/// Why a message that can be read is refused.
#[derive(Debug, thiserror::Error)]
pub enum Foreign {
    #[error("the message names a workspace that is not defined here")]
    Workspace,
    #[error("the message names a source that its workspace does not have")]
    Source,
}

/// Reads a queue body.
pub fn read(body: &str) -> Result<Message, Failure> {
    Message::unpack(body).map_err(|unreadable| match unreadable {
        Unreadable::Newer(_) => Failure::retry(unreadable),
        Unreadable::Older(_)
        | Unreadable::Json
        | Unreadable::Base64
        | Unreadable::Compression
        | Unreadable::Empty => Failure::reject(unreadable),
    })
}

/// A message is folded only where it belongs.
pub fn belongs(message: &Message, workspace: Option<&Workspace>) -> Result<(), Failure> {
    let workspace = workspace.ok_or_else(|| Failure::reject(Foreign::Workspace))?;
    let own = SourceId::messaging();
    let known =
        |source: &SourceId| *source == own || workspace.sources.iter().any(|known| known.id == *source);
    let all_known = message.events.iter().all(|event| known(&event.source));
    all_known.then_some(()).ok_or_else(|| Failure::reject(Foreign::Source))
}
