//! A queue that remembers what was sent.

use std::sync::{Arc, Mutex};

use ports::Unavailable;
use ports::queue::{Outgoing, Queue};

use crate::{Injected, lock};

/// Keeps what was sent, in order; clones are the same queue.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueue(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    sent: Vec<Outgoing>,
    fail: u32,
    fail_body: Option<String>,
}

impl MemoryQueue {
    /// A message is a body with its attributes, as SQS counts them.
    pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

    /// What was accepted so far.
    pub fn sent(&self) -> Vec<Outgoing> {
        lock(&self.0).sent.clone()
    }

    /// Takes out what was accepted so far, as a receiver would.
    pub fn take(&self) -> Vec<Outgoing> {
        std::mem::take(&mut lock(&self.0).sent)
    }

    /// The next sends fail and accept nothing.
    pub fn fail_next(&self, sends: u32) {
        lock(&self.0).fail = sends;
    }

    /// Every send that holds this body accepts the messages before it and fails.
    pub fn fail_on(&self, body: &str) {
        lock(&self.0).fail_body = Some(body.to_owned());
    }
}

impl Queue for MemoryQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), Unavailable> {
        let mut state = lock(&self.0);
        if state.fail > 0 {
            state.fail -= 1;
            return Err(Unavailable::new("sending to the queue in memory", Injected));
        }
        for message in messages {
            if state.fail_body.as_deref() == Some(&message.body) || size(&message) > Self::MESSAGE_BYTES_MAX {
                return Err(Unavailable::new("sending to the queue in memory", Injected));
            }
            state.sent.push(message);
        }
        Ok(())
    }
}

fn size(message: &Outgoing) -> usize {
    let attributes = message.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len());
    message.body.len() + attributes.sum::<usize>()
}
