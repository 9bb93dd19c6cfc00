//! What travels in the profile queue: the events of one request, packed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::workspace::WorkspaceId;

/// The format that this build writes; it reads this one and the one before.
pub const VERSION: u32 = 1;
/// SQS bills a request in steps of 64 KB: below it there is nothing to win.
pub const COMPRESS_ABOVE: usize = 60 * 1024;
/// SQS takes 1 MiB a message; a body beyond this is split in two.
pub const BODY_MAX: usize = 250 * 1024;
/// What a packed body may unfold to; ingest accepts 4 MB a request.
pub const UNPACKED_MAX: usize = 16 * 1024 * 1024;

/// The accepted events of one request on their way to their profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub workspace: WorkspaceId,
    /// Runs from the HTTP answer to the last log line.
    pub trace: String,
    pub events: Vec<Event>,
}

/// One of the two stands in a body.
#[derive(Deserialize)]
struct Envelope {
    message: Option<Message>,
    /// The message as JSON, compressed by zstd, in base64.
    packed: Option<String>,
}

/// Why a body from the queue cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A rollback is under way: whoever knows the format will read it.
    #[error("the message has version {0}, which is newer than this build's {VERSION}")]
    Newer(u32),
    #[error("the message has version {0}, which no build reads any more")]
    Older(u32),
    #[error("the message is not the JSON of a message")]
    Json,
    #[error("the packed part of the message is not base64")]
    Base64,
    #[error("the packed part of the message cannot be decompressed")]
    Compression,
    #[error("the message holds no events, or an event that names nobody")]
    Empty,
}

impl Message {
    /// Packs the message into as few queue bodies as are sensible.
    ///
    /// What is made here can be read again: a part that would unfold beyond
    /// [`UNPACKED_MAX`] is split, however well it compresses.
    pub fn pack(mut self) -> Vec<String> {
        let json = text(&self);
        let indivisible = self.events.len() < 2;
        if json.len() <= UNPACKED_MAX || indivisible {
            let body = squeezed(&json);
            if body.len() <= BODY_MAX || indivisible {
                return vec![body];
            }
        }
        let back = self.events.split_off(self.events.len() / 2);
        let back = Self { workspace: self.workspace.clone(), trace: self.trace.clone(), events: back };
        self.pack().into_iter().chain(back.pack()).collect()
    }

    /// Reads a queue body.
    pub fn unpack(body: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_str(body).map_err(|_| Unreadable::Json)?;
        match v {
            VERSION => (),
            newer if newer > VERSION => return Err(Unreadable::Newer(newer)),
            older => return Err(Unreadable::Older(older)),
        }
        let envelope: Envelope = serde_json::from_str(body).map_err(|_| Unreadable::Json)?;
        let message = match (envelope.message, envelope.packed) {
            (Some(message), None) => message,
            (None, Some(packed)) => unpacked(&packed)?,
            _ => return Err(Unreadable::Json),
        };
        let whole = message.events.iter().all(|event| event.home().is_some());
        if message.events.is_empty() || !whole {
            return Err(Unreadable::Empty);
        }
        Ok(message)
    }
}

/// The body around a message's JSON, compressed where that can save a billing step.
fn squeezed(json: &str) -> String {
    let plain = || sendable(format!(r#"{{"v":{VERSION},"message":{json}}}"#));
    if json.len() <= COMPRESS_ABOVE {
        return plain();
    }
    let Ok(small) = zstd::bulk::compress(json.as_bytes(), 1) else { return plain() };
    format!(r#"{{"v":{VERSION},"packed":"{}"}}"#, STANDARD.encode(small))
}

fn unpacked(packed: &str) -> Result<Message, Unreadable> {
    let small = STANDARD.decode(packed).map_err(|_| Unreadable::Base64)?;
    let json = zstd::bulk::decompress(&small, UNPACKED_MAX).map_err(|_| Unreadable::Compression)?;
    serde_json::from_slice(&json).map_err(|_| Unreadable::Json)
}

/// JSON without the two characters that JSON takes raw and SQS does not: it
/// would refuse the message, or put others in their place. They can only stand
/// within strings, where an escape says the same.
fn sendable(json: String) -> String {
    if json.contains('\u{fffe}') || json.contains('\u{ffff}') {
        return json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
    }
    json
}

fn text(value: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "no map of ours has a key that JSON could refuse")]
    let json = serde_json::to_string(value).expect("plain data");
    json
}

#[cfg(test)]
mod tests;
