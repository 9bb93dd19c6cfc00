//! From an identifier to the profile that holds it now.

use std::collections::HashMap;

use domain::identifier::Identifier;
use domain::key::{IdKey, ProfileId};
use domain::profile::stored::{IdentityRow, Owner, Version};
use domain::profile::{Profile, Standing};
use domain::workspace::WorkspaceId;
use ports::People;
use ports::people::{Read, StoredProfile};
use runtime::failure::Failure;
use runtime::stored;

/// Profiles that a way to the one that took them all in may pass.
const HOPS_MAX: usize = 128;

/// A profile at the end of its way, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    pub id: ProfileId,
    pub version: Version,
    pub profile: Profile,
}

/// Whose two identifiers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    Two(Box<[Root; 2]>),
    One(ProfileId),
    /// One of them belongs to nobody any more: its row says so. A row that is
    /// not there says nothing, so that [`both`] fails and is tried again.
    Nobody,
    /// Rows and profiles disagree: somebody is changing them. Read again.
    Stale,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "an identifier that the request names has no row; whoever wrote the request knew it, so it should come"
)]
pub(crate) struct NoRow;

/// Reads whose two identifiers are, in as few calls as the way is long.
pub async fn both<P: People>(
    people: &P,
    key: &IdKey,
    workspace: &WorkspaceId,
    identifiers: &[Identifier; 2],
) -> Result<Resolved, Failure> {
    let keys = identifiers.each_ref().map(|identifier| key.identifier(workspace, identifier));
    let rows = people.identities(workspace, &keys, Read::Consistent).await.map_err(Failure::retry)?;
    let mut owners = Vec::new();
    for (identifier, row) in identifiers.iter().zip(rows) {
        match row.ok_or_else(|| Failure::retry(NoRow))? {
            IdentityRow { owner: Owner::Profile(owner), generation } => {
                owners.push((identifier, owner, generation));
            }
            IdentityRow { owner: Owner::Nobody | Owner::Erased(_), .. } => return Ok(Resolved::Nobody),
        }
    }
    let mut read = Reader { people, workspace, known: HashMap::new() };
    let mut at: Vec<ProfileId> = owners.iter().map(|(_, owner, _)| *owner).collect();
    for _ in 0..=HOPS_MAX {
        read.profiles(&at).await?;
        let next: Vec<ProfileId> = at.iter().map(|id| read.next(*id)).collect();
        if next == at {
            break;
        }
        at = next;
    }
    let mut roots = Vec::new();
    for ((identifier, owner, generation), root) in owners.into_iter().zip(at) {
        match read.root(root, owner, identifier, generation) {
            Some(root) => roots.push(root),
            None => return Ok(Resolved::Stale),
        }
    }
    Ok(match <[Root; 2]>::try_from(roots) {
        Ok([a, b]) if a.id == b.id => Resolved::One(a.id),
        Ok(two) => Resolved::Two(Box::new(two)),
        Err(_) => Resolved::Stale, // Not reached: each identifier gave one.
    })
}

struct Reader<'a, P> {
    people: &'a P,
    workspace: &'a WorkspaceId,
    known: HashMap<ProfileId, Option<(StoredProfile, Profile)>>,
}

impl<P: People> Reader<'_, P> {
    async fn profiles(&mut self, ids: &[ProfileId]) -> Result<(), Failure> {
        let mut wanted: Vec<ProfileId> =
            ids.iter().filter(|id| !self.known.contains_key(id)).copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self.people.profiles(self.workspace, &wanted, Read::Consistent).await;
        for (id, stored) in wanted.into_iter().zip(found.map_err(Failure::retry)?) {
            let read = match stored {
                Some(stored) => Some((stored.clone(), stored::profile(id, &stored)?)),
                None => None,
            };
            self.known.insert(id, read);
        }
        Ok(())
    }

    fn profile(&self, id: ProfileId) -> Option<&(StoredProfile, Profile)> {
        self.known.get(&id).and_then(Option::as_ref)
    }

    fn next(&self, id: ProfileId) -> ProfileId {
        self.profile(id).and_then(|(_, profile)| profile.family.absorbed_into).unwrap_or(id)
    }

    /// The end of a way, if it agrees with its beginning: it lists the owner
    /// and holds the identifier in the row's generation.
    fn root(
        &self,
        id: ProfileId,
        owner: ProfileId,
        identifier: &Identifier,
        generation: u32,
    ) -> Option<Root> {
        let (stored, profile) = self.profile(id)?;
        let lists = id == owner || profile.family.absorbed.contains_key(&owner);
        let holds = profile.identifiers.get(identifier).is_some_and(|held| held.generation == generation);
        let live = profile.standing == Standing::Live && profile.family.absorbed_into.is_none();
        (lists && holds && live).then(|| Root { id, version: stored.version, profile: profile.clone() })
    }
}
