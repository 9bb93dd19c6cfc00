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
        match read(people, workspace, owner).await? {
            Some(found) if found.profile.standing == Standing::Erased => return Err(nobody()),
            // A row is believed only if the profile, read after it, agrees.
            Some(found) if holds(&found.profile, identifier, generation) => return Ok(found),
            Some(_) | None => (),
        }
    }
    Err(Problem::new(Kind::Unavailable, "The profile is being changed; ask again soon"))
}

/// A profile by its id. One that was erased is not there.
pub(crate) async fn by_id<P: People>(
    people: &P,
    workspace: &WorkspaceId,
    id: ProfileId,
) -> Result<Found, Problem> {
    let found = read(people, workspace, id).await?;
    found.filter(|found| found.profile.standing == Standing::Live).ok_or_else(nobody)
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
