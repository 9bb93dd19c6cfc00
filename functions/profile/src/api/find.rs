//! Finding a person's profile.

use domain::identifier::Identifier;
use domain::key::{IdKey, ProfileId};
use domain::profile::packed::Corrupt;
use domain::profile::stored::{IdentityRow, Owner, Version};
use domain::profile::{Profile, Standing};
use domain::workspace::WorkspaceId;
use ports::People;
use ports::people::Read;

use super::answer::{Kind, Problem};

/// Readings of a row and its profile that disagree before the caller is asked
/// to try again: each pair was read while somebody changed both.
const ATTEMPTS_MAX: usize = 4;

/// Profiles that a way to the one that took them all in may pass.
const HOPS_MAX: usize = 128;

/// A profile as it was read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: ProfileId,
    pub(crate) version: Version,
    pub(crate) profile: Profile,
}

/// The profile that holds an identifier now.
pub(crate) async fn by_identifier<P: People>(
    people: &P,
    key: &IdKey,
    workspace: &WorkspaceId,
    identifier: &Identifier,
) -> Result<Found, Problem> {
    let place = key.identifier(workspace, identifier);
    for _ in 0..ATTEMPTS_MAX {
        let row = people.identities(workspace, &[place], Read::Consistent).await?.pop().flatten();
        let Some(IdentityRow { owner: Owner::Profile(owner), generation }) = row else {
            return Err(nobody());
        };
        match root(people, workspace, owner).await? {
            Way::End(found) if found.profile.standing == Standing::Erased => return Err(nobody()),
            // A row is believed only if the profile, read after it, agrees.
            Way::End(found) if holds(&found.profile, identifier, generation) => return Ok(*found),
            Way::End(_) | Way::Nowhere | Way::Changing => (),
        }
    }
    Err(busy())
}

/// A profile by its id, or by that of one that it took in. One that was
/// erased is not there.
pub(crate) async fn by_id<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    id: ProfileId,
) -> Result<Found, Problem> {
    for _ in 0..ATTEMPTS_MAX {
        match root(people, workspace, id).await? {
            Way::End(found) if found.profile.standing == Standing::Live => return Ok(*found),
            Way::End(_) | Way::Nowhere => return Err(nobody()),
            Way::Changing => (),
        }
    }
    Err(busy())
}

/// Where following a profile to the one that took it in leads.
enum Way {
    End(Box<Found>),
    /// There is no such profile.
    Nowhere,
    /// The end does not list the beginning: somebody is changing them.
    Changing,
}

async fn root<P: People>(people: &P, workspace: &WorkspaceId, id: ProfileId) -> Result<Way, Problem> {
    let mut next = id;
    for _ in 0..=HOPS_MAX {
        let Some(found) = read(people, workspace, next).await? else {
            return Ok(if next == id { Way::Nowhere } else { Way::Changing });
        };
        match found.profile.family.absorbed_into {
            Some(further) => next = further,
            None if next == id || found.profile.family.absorbed.contains_key(&id) => {
                return Ok(Way::End(Box::new(found)));
            }
            None => break,
        }
    }
    Ok(Way::Changing)
}

fn busy() -> Problem {
    Problem::new(Kind::Unavailable, "The profile is being changed; ask again soon")
}

/// Reads an id as it stands in a path.
pub(crate) fn id(text: &str) -> Result<ProfileId, Problem> {
    ProfileId::parse(text)
        .ok_or_else(|| Problem::new(Kind::ProfileNotFound, "A profile's id has 32 hexadecimal digits"))
}

fn holds(profile: &Profile, identifier: &Identifier, generation: u32) -> bool {
    profile.identifiers.get(identifier).is_some_and(|held| held.generation == generation)
}

async fn read<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    id: ProfileId,
) -> Result<Option<Found>, Problem> {
    let Some(stored) = people.profiles(workspace, &[id], Read::Consistent).await?.pop().flatten() else {
        return Ok(None);
    };
    let profile = Profile::decode(&stored.body).map_err(unreadable)?;
    Ok(Some(Found { id, version: stored.version, profile }))
}

/// What a newer build wrote this one cannot read, but others can.
pub(crate) fn unreadable(cause: Corrupt) -> Problem {
    match cause {
        Corrupt::Newer(_) => {
            Problem::caused(Kind::Unavailable, "A deployment is under way; ask again soon", cause)
        }
        Corrupt::Older(_) | Corrupt::Bytes => Problem::caused(
            Kind::Broken,
            "A stored item cannot be read; its log line has the trace id",
            cause,
        ),
    }
}

fn nobody() -> Problem {
    Problem::new(Kind::ProfileNotFound, "No profile of this workspace has this id or identifier")
}
