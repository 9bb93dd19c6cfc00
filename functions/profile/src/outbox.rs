//! Carrying out what profiles' outboxes hold.

use domain::identity_request::{IdentityRequest, Work};
use domain::key::ProfileId;
use domain::profile::outbox::Tie;
use domain::profile::stored::{IdentityRow, Owner};
use domain::profile::{Profile, page};
use domain::workspace::WorkspaceId;
use ports::people::{Read, Save, SaveError, StoredProfile};
use ports::queue::{Fifo, Outgoing};
use ports::{Clock, Entropy, People, Queue, Unavailable};

use crate::stage::Writer;

impl<P: People, Q: Queue, C: Clock, E: Entropy> Writer<P, Q, C, E> {
    /// Carries out a profile's outbox as read, then clears what was carried
    /// out, by id. If another writer came between, the entries stay and are
    /// carried out again: that changes nothing.
    pub async fn flush(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        stored: &StoredProfile,
        profile: &Profile,
    ) -> Result<(), Unavailable> {
        for tie in profile.outbox.ties() {
            self.record_tie(workspace, id, tie).await?;
        }
        let requests = profile.outbox.ties().iter().map(|tie| self.request(workspace, tie)).collect();
        self.merges.send(requests).await?;
        let sent: Vec<u64> = profile.outbox.ties().iter().map(Tie::mark).collect();
        let mut next = profile.clone();
        next.outbox.clear(&sent);
        let next = self.stored(Some(stored.version), &next);
        let save = Save { id, seen: Some(stored.version), next, claims: Vec::new(), with: Vec::new() };
        match self.people.save(workspace, save).await {
            Ok(()) | Err(SaveError::Conflict) => Ok(()),
            Err(SaveError::Unavailable(cause)) => Err(cause),
        }
    }

    fn request(&self, workspace: &WorkspaceId, tie: &Tie) -> Outgoing {
        let request = IdentityRequest { workspace: workspace.clone(), work: Work::Merge(tie.clone()) };
        let fifo = Fifo { group: request.group(&self.key), deduplication: request.deduplication() };
        Outgoing { body: request.pack(), attributes: Vec::new(), fifo: Some(fifo) }
    }

    /// A tie stands with both profiles, merged or not: it says why.
    async fn record_tie(&self, workspace: &WorkspaceId, id: ProfileId, tie: &Tie) -> Result<(), Unavailable> {
        let item = [page::tie(tie)];
        self.people.put(workspace, id, &item).await?;
        let keys: Vec<_> = tie.identifiers.iter().map(|one| self.key.identifier(workspace, one)).collect();
        let rows = self.people.identities(workspace, &keys, Read::Consistent).await?;
        for row in rows.into_iter().flatten() {
            if let IdentityRow { owner: Owner::Profile(other), .. } = row
                && other != id
            {
                self.people.put(workspace, other, &item).await?;
            }
        }
        Ok(())
    }
}
