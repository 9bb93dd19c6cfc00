//! The rule that makes an answer a promise, as a constant of a type.
//!
//! Production is [`Proper`]. Tests compile the same stage with the rule broken,
//! to see that the simulation catches it.

/// What an answer of 200 waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// The queue's word that it holds every event.
    AfterQueue,
    /// Nothing: the events are on their way, whatever becomes of them.
    BeforeQueue,
}

/// How the stage behaves; production has one way.
pub trait Conduct: Send + Sync + 'static {
    const ANSWERED: Answered = Answered::AfterQueue;
}

/// The production stage.
#[derive(Debug, Clone, Copy)]
pub struct Proper;

impl Conduct for Proper {}
