//! What is said about writing to an address, and what stands of it.

use domain::identifier::Identifier;
use domain::key::{IdKey, ProfileId};
use domain::messaging::address::{self, Address};
use domain::messaging::record::{self, Record};
use domain::profile::packed::Corrupt;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::people::SaveError;
use ports::{People, Unavailable};

use crate::store::{ATTEMPTS_MAX, item, items};

/// A word could not be kept; said again it changes nothing twice.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error("what is stored of the address cannot be read")]
    Corrupt(#[from] Corrupt),
    #[error("the address is being changed by many at once; try again soon")]
    Busy,
}

/// What became of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Whether it changed what stands: a copy, or an older word, does not.
    pub is_new: bool,
    /// Until when a call may still begin that the word forbids: before that
    /// nobody may be told that it is done.
    pub under_way: Option<Timestamp>,
}

/// Keeps a word with its proof, then folds it into what stands of the address.
/// After a crash between the two it is said again by whoever said it first.
pub async fn hear<P: People>(
    people: &P,
    (key, workspace): (&IdKey, &WorkspaceId),
    of: &Identifier,
    word: &Record,
    now: Timestamp,
) -> Result<Heard, Unheard> {
    hear_at(people, (workspace, key.address(workspace, of)), Some(of), word, now).await
}

/// The same of an address that is known by its collection, as links know it.
pub(crate) async fn hear_at<P: People>(
    people: &P,
    (workspace, collection): (&WorkspaceId, ProfileId),
    of: Option<&Identifier>,
    word: &Record,
    now: Timestamp,
) -> Result<Heard, Unheard> {
    people.put(workspace, collection, &[word.item()]).await?;
    for _ in 0..ATTEMPTS_MAX {
        let seen = item(people, workspace, collection, &address::key()).await?;
        let mut address = Address::read(seen.as_ref())?;
        if let Some(of) = of {
            address.name(of);
        }
        let is_new = address.hear(word.about.clone(), word.said, word.at, word.name);
        let heard = Heard { is_new, under_way: address.under_way(&word.about, now) };
        if !is_new {
            return Ok(heard);
        }
        match people.replace(workspace, collection, seen.as_ref(), &address.item()).await {
            Ok(()) => return Ok(heard),
            // Another writer came between, or this was ours and its answer was lost: look again.
            Err(SaveError::Conflict) => (),
            Err(SaveError::Unavailable(cause)) => return Err(cause.into()),
        }
    }
    Err(Unheard::Busy)
}

/// What stands of an address, and every word that was said of it.
pub async fn look<P: People>(
    people: &P,
    (key, workspace): (&IdKey, &WorkspaceId),
    of: &Identifier,
) -> Result<(Address, Vec<Record>), Unheard> {
    let collection = key.address(workspace, of);
    let item = item(people, workspace, collection, &address::key()).await?;
    let address = Address::read(item.as_ref())?;
    let words = items(people, workspace, collection, record::all()).await?;
    let words = words.iter().map(Record::read).collect::<Result<_, _>>()?;
    Ok((address, words))
}

#[cfg(test)]
mod tests;
