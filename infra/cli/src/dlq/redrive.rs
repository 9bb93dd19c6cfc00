//! The way back: receive, send, delete.

use std::collections::HashSet;

use futures_util::future::join_all;
use runtime::failure::chain;
use serde_json::{Value, json};

use super::Filter;
use super::shelf::{Held, Shelf, Taken};
use crate::output::Failed;

/// What became of the letters of one queue.
#[derive(Debug, Default)]
pub(super) struct Redriven {
    /// Went back, and are no longer among the dead letters.
    sent: usize,
    /// Went back, and could not be deleted: there are two of each now.
    copied: usize,
    /// Were sent in this run and ended here again.
    came_back: usize,
    /// Hold nothing that could go back.
    without_body: usize,
    /// Were not meant, or were more than was asked for.
    left: usize,
    /// The first of the errors.
    error: Option<Failed>,
}

impl Redriven {
    pub(super) fn shape(&self, queue: &str) -> Value {
        let Self { sent, copied, came_back, without_body, left, error } = self;
        json!({
            "queue": queue,
            "sent": sent,
            "copied": copied,
            "came_back": came_back,
            "without_body": without_body,
            "left": left,
            "error": error.as_ref().map(|error| chain(error.as_ref())),
        })
    }
}

/// Sends letters that are meant back to their queue, `max` at most. Those that
/// come back meanwhile, because their cause is not mended, stay.
pub(super) async fn redrive<S: Shelf>(shelf: &S, filter: &Filter, max: usize) -> Redriven {
    let (gone, held, told) = (HashSet::new(), Held::default(), Redriven::default());
    let mut run = Run { shelf, filter, left: max, gone, held, told };
    if let Err(error) = run.all().await {
        run.told.error.get_or_insert(error);
    }
    run.held.give_back(shelf).await;
    run.told
}

struct Run<'a, S> {
    shelf: &'a S,
    filter: &'a Filter,
    /// Letters that may still go.
    left: usize,
    /// Records that went back, by the id that they have in their queue.
    gone: HashSet<String>,
    held: Held,
    told: Redriven,
}

/// What became of one letter.
enum Moved {
    Sent(String),
    Copied(String, Failed),
    Refused(Failed),
}

impl<S: Shelf> Run<'_, S> {
    async fn all(&mut self) -> Result<(), Failed> {
        while self.left > 0 && !self.held.has_seen_all() {
            let taken = self.shelf.take().await?;
            let chosen = self.choose(taken);
            let moved = join_all(chosen.iter().map(|taken| self.send_back(taken))).await;
            let is_out_of_reach =
                !moved.is_empty() && moved.iter().all(|moved| matches!(moved, Moved::Refused(_)));
            for (taken, moved) in chosen.iter().zip(moved) {
                self.note(taken, moved);
            }
            if is_out_of_reach {
                break; // Each further one would take as long to fail.
            }
        }
        Ok(())
    }

    /// Those of the letters that are to go; the others are kept.
    fn choose(&mut self, taken: Vec<Taken>) -> Vec<Taken> {
        let mut chosen = Vec::new();
        for taken in self.held.new_of(taken) {
            let count = if self.gone.contains(taken.letter.record_id()) {
                &mut self.told.came_back
            } else if !self.filter.means(&taken.letter) || chosen.len() >= self.left {
                &mut self.told.left
            } else if taken.letter.is_without_body() {
                &mut self.told.without_body
            } else {
                chosen.push(taken);
                continue;
            };
            *count += 1;
            self.held.keep(&taken);
        }
        chosen
    }

    /// The letter is deleted only when its queue has taken the record.
    async fn send_back(&self, taken: &Taken) -> Moved {
        let id = match self.shelf.send(taken.letter.record()).await {
            Ok(id) => id,
            Err(error) => return Moved::Refused(error),
        };
        match self.shelf.delete(&taken.receipt).await {
            Ok(()) => Moved::Sent(id),
            Err(error) => Moved::Copied(id, error),
        }
    }

    fn note(&mut self, taken: &Taken, moved: Moved) {
        let (error, went) = match moved {
            Moved::Sent(id) => (None, Some((id, &mut self.told.sent))),
            Moved::Copied(id, error) => (Some(error), Some((id, &mut self.told.copied))),
            Moved::Refused(error) => (Some(error), None),
        };
        if let Some((id, count)) = went {
            *count += 1;
            self.gone.insert(id);
            self.left = self.left.saturating_sub(1);
        }
        if let Some(error) = error {
            self.held.keep(taken);
            self.told.error.get_or_insert(error);
        }
    }
}
