//! Carrying out what profiles' outboxes hold.

use domain::identity_request::{IdentityRequest, Work};
use domain::key::{IdKey, ProfileId};
use domain::messaging::parcel::Recipient;
use domain::profile::outbox::Tie;
use domain::profile::stored::{IdentityRow, Owner};
use domain::profile::{Profile, page};
use domain::segment::{Change, list};
use domain::workspace::WorkspaceId;
use ports::people::{Read, Save, SaveError, StoredProfile};
use ports::queue::{Fifo, Outgoing};
use ports::{Clock, Definitions, Entropy, People, Queue, Unavailable};
use runtime::definitions::Cached;

use crate::stage::Writer;
use crate::write::after;

impl<P: People, Q: Queue, C: Clock, E: Entropy> Writer<P, Q, C, E> {
    /// Carries out a profile's outbox as read, then clears what was carried
    /// out, by id. If another writer came between, the entries stay and are
    /// carried out again: that changes nothing.
    pub async fn flush<D: Definitions>(
        &self,
        definitions: &Cached<D>,
        workspace: &WorkspaceId,
        id: ProfileId,
        stored: &StoredProfile,
        profile: &Profile,
    ) -> Result<(), Unavailable> {
        let (mut sent, mut requests) = (Vec::new(), Vec::new());
        for tie in profile.outbox.ties() {
            if self.record_tie(workspace, id, tie).await? {
                sent.push(tie.mark());
                requests.push(self.request(workspace, tie));
            }
        }
        let mut told = Vec::new();
        for change in profile.outbox.changes() {
            self.tell(workspace, id, change).await?;
            told.push(change.id());
        }
        // With nothing to send there is still a profile to take from the index.
        if sent.is_empty() && told.is_empty() && !profile.outbox.is_empty() {
            return Err(Unavailable::new("carrying out an outbox", Unowned));
        }
        if !requests.is_empty() {
            self.merges.send(requests).await?;
        }
        self.send_messages(definitions, workspace, id, profile.outbox.changes()).await?;
        let mut next = profile.clone();
        next.outbox.clear(&sent);
        next.outbox.clear_changes(&told);
        let next = self.stored(Some(stored.version), &next);
        let save = Save {
            id,
            seen: Some(stored.version),
            next,
            claims: Vec::new(),
            with: Vec::new(),
            checks: Vec::new(),
        };
        match self.people.save(workspace, save).await {
            Ok(()) | Err(SaveError::Conflict) => Ok(()),
            Err(SaveError::Unavailable(cause)) => Err(cause),
        }
    }

    /// Hands whoever entered a segment to the messaging stage, for each message
    /// that waits for it; a copy of it sends nothing twice.
    async fn send_messages<D: Definitions>(
        &self,
        definitions: &Cached<D>,
        workspace: &WorkspaceId,
        id: ProfileId,
        changes: &[Change],
    ) -> Result<(), Unavailable> {
        let entered: Vec<&Change> = changes.iter().filter(|change| change.has_entered()).collect();
        let Some(queue) = self.messages.as_ref().filter(|_| !entered.is_empty()) else { return Ok(()) };
        let known = definitions.workspace(workspace, self.clock.now()).await?;
        let outreach = definitions.outreach(workspace, known.map_or(0, |known| known.outreach)).await?;
        let parcels = entered.into_iter().flat_map(|change| {
            let to = Recipient { profile: id, turn: change.seq, due: change.at };
            outreach.entered(workspace, &change.segment, to)
        });
        let parcels: Vec<Outgoing> =
            parcels.map(|parcel| Outgoing { body: parcel.pack(), ..Outgoing::default() }).collect();
        if parcels.is_empty() { Ok(()) } else { queue.send(parcels).await }
    }

    /// Writes a changed answer into the person's own collection and into the
    /// segment's list, whose row only a newer answer replaces.
    async fn tell(&self, workspace: &WorkspaceId, id: ProfileId, change: &Change) -> Result<(), Unavailable> {
        let of = change.of.unwrap_or(id);
        if !change.silent {
            self.people.put(workspace, of, &[list::answer(change)]).await?;
        }
        let (segment, version) = (&change.segment, change.version);
        let collection = list::collection(&self.key, workspace, segment, version, list::shard(of));
        let key = list::row_key(of);
        for _ in 0..ROW_ATTEMPTS_MAX {
            let found = self.people.items(workspace, collection, &key, &after(&key)).await?;
            let standing = found.items.first();
            let row = list::row(of, change, standing);
            let row = row.map_err(|cause| Unavailable::new("reading a row of a segment's list", cause))?;
            let Some(row) = row else { return Ok(()) };
            match self.people.replace(workspace, collection, standing, &row).await {
                Ok(()) => return Ok(()),
                Err(SaveError::Conflict) => (),
                Err(SaveError::Unavailable(cause)) => return Err(cause),
            }
        }
        Err(Unavailable::new("writing a row of a segment's list", RowContended))
    }

    fn request(&self, workspace: &WorkspaceId, tie: &Tie) -> Outgoing {
        let request = IdentityRequest { workspace: workspace.clone(), work: Work::Merge(tie.clone()) };
        outgoing(&request, &self.key, Vec::new())
    }

    /// A tie stands with both profiles, merged or not: it says why.
    async fn record_tie(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        tie: &Tie,
    ) -> Result<bool, Unavailable> {
        let item = [page::tie(tie)];
        self.people.put(workspace, id, &item).await?;
        let keys: Vec<_> = tie.identifiers.iter().map(|one| self.key.identifier(workspace, one)).collect();
        let rows = self.people.identities(workspace, &keys, Read::Consistent).await?;
        let is_whole = rows.iter().all(Option::is_some);
        for row in rows.into_iter().flatten() {
            if let IdentityRow { owner: Owner::Profile(other), .. } = row
                && other != id
            {
                self.people.put(workspace, other, &item).await?;
            }
        }
        Ok(is_whole)
    }
}

/// A request on its way into the identity stage's queue.
pub fn outgoing(request: &IdentityRequest, key: &IdKey, attributes: Vec<(String, String)>) -> Outgoing {
    let fifo = Fifo { group: request.group(key), deduplication: request.deduplication() };
    Outgoing { body: request.pack(), attributes, fifo: Some(fifo) }
}

/// Lost races over one row before the change is left to the sweep.
const ROW_ATTEMPTS_MAX: usize = 8;

#[derive(Debug, thiserror::Error)]
#[error("a row was taken by others in {ROW_ATTEMPTS_MAX} attempts")]
struct RowContended;

#[derive(Debug, thiserror::Error)]
#[error("an identifier that a tie names has no owner yet")]
struct Unowned;
