//! What is compared: a design takes requests, works them off, and says what it used.

use std::future::Future;

use crate::corpus::Sample;
use crate::failed::Failed;
use crate::usage::Usage;

/// A design of the whole way from a request to a profile.
pub(crate) trait Design {
    /// One request of one person, in the shape of its events' SDK.
    fn post(&self, samples: &[&Sample]) -> impl Future<Output = Result<(), Failed>>;

    /// One request of a server, about several people.
    fn post_mixed(&self, samples: &[&Sample]) -> impl Future<Output = Result<(), Failed>>;

    /// Works off all that waits in the queue.
    fn work(&self) -> impl Future<Output = Result<(), Failed>>;

    /// What was used since the last time.
    fn take(&self) -> Result<Usage, Failed>;
}
