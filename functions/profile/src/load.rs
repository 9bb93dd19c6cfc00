//! Reading what a plan needs.

use std::collections::HashMap;

use domain::event::Event;
use domain::key::{IdKey, ProfileId};
use domain::profile::resolve::{self, Known, Needs, Plan};
use domain::rules::Rules;
use domain::workspace::WorkspaceId;
use ports::people::{Read, StoredProfile};
use ports::{People, Unavailable};
use runtime::failure::Failure;
use runtime::stored;

/// Rounds of asking that a plan may take: rows, profiles, the rows of other
/// identifiers, their profiles. More would be a planner that never has enough.
const ROUNDS_MAX: usize = 8;

/// What was read for one batch, and under which versions.
#[derive(Debug, Default)]
pub struct Loaded {
    pub known: Known,
    pub stored: HashMap<ProfileId, StoredProfile>,
}

#[derive(Debug, thiserror::Error)]
#[error("the plan needs more than {ROUNDS_MAX} rounds of reading")]
struct Unsettled;

/// Plans a batch, reading what the plan asks for.
pub async fn plan<P: People>(
    people: &P,
    key: &IdKey,
    workspace: &WorkspaceId,
    rules: &Rules,
    events: &[&Event],
    read: Read,
) -> Result<(Plan, Loaded), Failure> {
    let mut loaded = Loaded::default();
    for _ in 0..ROUNDS_MAX {
        match resolve::plan(key, workspace, rules, events, &loaded.known) {
            Ok(plan) => return Ok((plan, loaded)),
            Err(needs) => loaded.read(people, key, workspace, needs, read).await?,
        }
    }
    Err(Failure::retry(Unsettled))
}

impl Loaded {
    async fn read<P: People>(
        &mut self,
        people: &P,
        key: &IdKey,
        workspace: &WorkspaceId,
        needs: Needs,
        read: Read,
    ) -> Result<(), Failure> {
        if !needs.rows.is_empty() {
            let keys: Vec<_> = needs.rows.iter().map(|row| key.identifier(workspace, row)).collect();
            let rows = people.identities(workspace, &keys, read).await.map_err(Failure::retry)?;
            self.known.rows.extend(needs.rows.into_iter().zip(rows));
        }
        if !needs.profiles.is_empty() {
            let ids: Vec<ProfileId> = needs.profiles.into_iter().collect();
            self.profiles(people, workspace, &ids, read).await?;
        }
        Ok(())
    }

    async fn profiles<P: People>(
        &mut self,
        people: &P,
        workspace: &WorkspaceId,
        ids: &[ProfileId],
        read: Read,
    ) -> Result<(), Failure> {
        let profiles = people.profiles(workspace, ids, read).await.map_err(Failure::retry)?;
        for (id, stored) in ids.iter().zip(profiles) {
            let profile = stored.as_ref().map(|stored| stored::profile(*id, stored)).transpose()?;
            self.known.profiles.insert(*id, profile);
            if let Some(stored) = stored {
                self.stored.insert(*id, stored);
            }
        }
        Ok(())
    }
}

/// Reads one profile, strongly consistent.
pub async fn one<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    id: ProfileId,
) -> Result<Option<StoredProfile>, Unavailable> {
    let mut found = people.profiles(workspace, &[id], Read::Consistent).await?;
    Ok(found.pop().flatten())
}
