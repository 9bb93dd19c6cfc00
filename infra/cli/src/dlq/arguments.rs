//! The commands about dead letters and their options.

use clap::{Args, Subcommand};

use super::{Filter, Order, What};
use crate::operate::arguments::Place;

/// Letters that are looked at unless more are asked for.
const LOOKED_AT: usize = 1_000;
const SHOWN: usize = 10;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Lists the dead letters of each queue: how many, since when and why.
    ///
    /// To be looked at, letters are received. They are given back at the end,
    /// and come back by themselves after a minute if this is broken off.
    List {
        #[command(flatten)]
        which: Which,
        /// Looks at no more letters of a queue than this.
        #[arg(long, default_value_t = LOOKED_AT)]
        max: usize,
        #[command(flatten)]
        place: Place,
    },
    /// Shows letters: when and why they ended, how often they were tried, their
    /// trace, sources and number of events.
    ///
    /// To be looked at, letters are received. They are given back at the end,
    /// and come back by themselves after a minute if this is broken off.
    Show {
        /// The letter's id, as it was shown before; none shows the oldest.
        ids: Vec<String>,
        #[command(flatten)]
        which: Which,
        /// Shows no more letters of a queue than this.
        #[arg(long, default_value_t = SHOWN)]
        max: usize,
        /// Shows their bodies, which hold personal data.
        #[arg(long)]
        body: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Sends letters back to the queue that they came from.
    ///
    /// A letter is deleted when its queue has taken it. What was counted before
    /// is not counted again, so that a second redrive, or one that is broken
    /// off, harms nothing. Mend the cause first: what fails again comes back.
    Redrive {
        #[command(flatten)]
        which: Which,
        /// Only the letter with this id; give it again for each.
        #[arg(long = "id")]
        ids: Vec<String>,
        /// Sends no more letters of a queue than this.
        #[arg(long)]
        max: Option<usize>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only the queue that feeds this stage, such as `profile`.
    #[arg(long)]
    queue: Option<String>,
    /// Only letters whose reason holds this text.
    #[arg(long)]
    reason: Option<String>,
}

impl DlqCommand {
    pub(crate) fn order(self) -> (Place, Order) {
        let (place, Which { queue, reason }, ids, max, what) = match self {
            Self::List { which, max, place } => (place, which, Vec::new(), max, What::List),
            Self::Show { ids, which, max, body, place } => {
                let max = max.max(ids.len());
                (place, which, ids, max, What::Show { body })
            }
            Self::Redrive { which, ids, max, place } => {
                (place, which, ids, max.unwrap_or(usize::MAX), What::Redrive)
            }
        };
        (place, Order { queue, filter: Filter { ids, reason }, max, what })
    }
}
