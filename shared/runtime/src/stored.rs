//! What the store holds, read by every stage in the same way.

use domain::key::ProfileId;
use domain::profile::Profile;
use domain::profile::packed::Corrupt;
use ports::people::StoredProfile;

use crate::failure::Failure;

#[derive(Debug, thiserror::Error)]
#[error("profile `{id}` cannot be read")]
struct Unreadable {
    id: ProfileId,
    #[source]
    cause: Corrupt,
}

/// Reads a profile item; one of a newer format waits for the build that knows it.
pub fn profile(id: ProfileId, stored: &StoredProfile) -> Result<Profile, Failure> {
    Profile::decode(&stored.body).map_err(|cause| {
        let newer = matches!(cause, Corrupt::Newer(_));
        let unreadable = Unreadable { id, cause };
        if newer { Failure::retry(unreadable) } else { Failure::reject(unreadable) }
    })
}
