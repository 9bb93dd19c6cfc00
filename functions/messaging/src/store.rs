//! What the stage reads and writes of addresses, messages under way, and the pace.

use domain::key::{IdKey, ProfileId};
use domain::messaging::Channel;
use domain::messaging::address::{self, Address, Delivery};
use domain::messaging::outreach::MessageId;
use domain::messaging::pace::{self, Pace};
use domain::messaging::run::{self, Run};
use domain::profile::packed::Corrupt;
use domain::profile::stored::{Item, ItemKey};
use domain::workspace::WorkspaceId;
use ports::people::SaveError;
use ports::{People, Unavailable};

/// Readings of an item that somebody changed before it was written.
pub(crate) const ATTEMPTS_MAX: usize = 16;

#[derive(Debug, thiserror::Error)]
#[error("an item was changed by others in {ATTEMPTS_MAX} attempts")]
pub(crate) struct Contended;

/// One item of a collection, read consistently.
pub(crate) async fn item<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    collection: ProfileId,
    key: &ItemKey,
) -> Result<Option<Item>, Unavailable> {
    Ok(people.items(workspace, collection, key, &after(key)).await?.items.pop())
}

/// All items of a range, however many pages that takes.
pub(crate) async fn items<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    collection: ProfileId,
    (mut from, to): (ItemKey, ItemKey),
) -> Result<Vec<Item>, Unavailable> {
    let mut all = Vec::new();
    loop {
        let page = people.items(workspace, collection, &from, &to).await?;
        all.extend(page.items);
        match page.next {
            Some(last) => from = after(&last),
            None => return Ok(all),
        }
    }
}

/// The least key behind another.
pub(crate) fn after(key: &ItemKey) -> ItemKey {
    ItemKey(format!("{}\0", key.0))
}

pub(crate) fn unreadable(what: &'static str) -> impl Fn(Corrupt) -> Unavailable {
    move |cause| Unavailable::new(what, cause)
}

/// What is known of an address, and the item that said so.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) collection: ProfileId,
    pub(crate) item: Option<Item>,
    pub(crate) address: Address,
}

/// Reads an address.
pub(crate) async fn address<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    collection: ProfileId,
) -> Result<Seen, Unavailable> {
    let item = item(people, workspace, collection, &address::key()).await?;
    let address = Address::read(item.as_ref()).map_err(unreadable("reading an address"))?;
    Ok(Seen { collection, item, address })
}

/// The deliveries that an address's pages hold.
pub(crate) async fn paged<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    collection: ProfileId,
) -> Result<Vec<Delivery>, Unavailable> {
    let pages = items(people, workspace, collection, address::pages()).await?;
    let mut deliveries = Vec::new();
    for page in &pages {
        deliveries.extend(address::read_page(page).map_err(unreadable("reading deliveries"))?);
    }
    Ok(deliveries)
}

/// Changes an address, as often as others come between; `change` says whether
/// there is anything to write.
pub(crate) async fn change_address<P: People, T>(
    people: &P,
    workspace: &WorkspaceId,
    collection: ProfileId,
    mut change: impl FnMut(&mut Address) -> (bool, T),
) -> Result<T, Unavailable> {
    for _ in 0..ATTEMPTS_MAX {
        let Seen { item, mut address, .. } = self::address(people, workspace, collection).await?;
        let (is_changed, told) = change(&mut address);
        if !is_changed {
            return Ok(told);
        }
        match people.replace(workspace, collection, item.as_ref(), &address.item()).await {
            Ok(()) => return Ok(told),
            // Another writer came between, or this was ours and its answer was lost: look again.
            Err(SaveError::Conflict) => (),
            Err(SaveError::Unavailable(cause)) => return Err(cause),
        }
    }
    Err(Unavailable::new("changing an address", Contended))
}

/// How far a message came, and the item that said so.
pub(crate) async fn run<P: People>(
    people: &P,
    (key, workspace): (&IdKey, &WorkspaceId),
    message: &MessageId,
) -> Result<Option<(Item, Run)>, Unavailable> {
    let collection = key.message_run(workspace, message.as_str());
    let Some(found) = item(people, workspace, collection, &run::key()).await? else { return Ok(None) };
    let run = Run::read(&found).map_err(unreadable("reading how far a message is"))?;
    Ok(Some((found, run)))
}

/// Changes the pace of a channel, as often as others come between.
pub(crate) async fn change_pace<P: People, T>(
    people: &P,
    key: &IdKey,
    channel: Channel,
    mut change: impl FnMut(&mut Pace) -> T,
) -> Result<T, Unavailable> {
    let (workspace, collection) = (WorkspaceId::account(), pace::collection(key, channel));
    for _ in 0..ATTEMPTS_MAX {
        let seen = item(people, &workspace, collection, &pace::key()).await?;
        let mut pace = Pace::read(seen.as_ref()).map_err(unreadable("reading the pace"))?;
        let told = change(&mut pace);
        let next = pace.item();
        if seen.as_ref() == Some(&next) {
            return Ok(told);
        }
        match people.replace(&workspace, collection, seen.as_ref(), &next).await {
            Ok(()) => return Ok(told),
            Err(SaveError::Conflict) => (),
            Err(SaveError::Unavailable(cause)) => return Err(cause),
        }
    }
    Err(Unavailable::new("taking slots of the pace", Contended))
}
