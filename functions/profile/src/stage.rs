//! What the stage works with.

use std::marker::PhantomData;

use domain::key::{IdKey, halves};
use domain::profile::Profile;
use domain::profile::stored::Version;
use domain::time::Timestamp;
use ports::people::StoredProfile;
use ports::{Clock, Definitions, Entropy, People, Queue, Rejections};
use runtime::definitions::Cached;
use runtime::failure::Failure;

use crate::conduct::{Conduct, Proper};
use crate::sweep::Swept;

/// What writing a profile takes; the sweep needs no more.
#[derive(Debug)]
pub struct Writer<P, Q, C, E> {
    pub people: P,
    /// The identity stage's queue.
    pub merges: Q,
    /// The messaging stage's; a deployment that writes to nobody has none.
    pub messages: Option<Q>,
    pub clock: C,
    pub entropy: E,
    pub key: IdKey,
}

impl<P: People, Q, C: Clock, E: Entropy> Writer<P, Q, C, E> {
    /// A profile as it is stored next: under a version that never recurs, due
    /// at once if it has something to send, else when an answer may change.
    pub(crate) fn stored(&self, seen: Option<Version>, profile: &Profile) -> StoredProfile {
        let now = (!profile.outbox.is_empty()).then(|| self.clock.now());
        let due = now.into_iter().chain(profile.segments.until).min().map(Timestamp::floor_to_minute);
        StoredProfile { version: self.version(seen), body: profile.encode(), due }
    }

    pub(crate) fn version(&self, seen: Option<Version>) -> Version {
        let counter = seen.map_or(1, |seen| seen.counter.saturating_add(1));
        let [write, _] = halves(self.entropy.bytes());
        Version { counter, write }
    }
}

/// The profile stage over its ports.
#[derive(Debug)]
pub struct Stage<P, D, R, Q, C, E, X = Proper> {
    pub writer: Writer<P, Q, C, E>,
    pub definitions: Cached<D>,
    pub rejections: R,
    conduct: PhantomData<X>,
}

impl<P, D, R, Q, C, E, X> Stage<P, D, R, Q, C, E, X>
where
    P: People,
    D: Definitions,
    R: Rejections,
    Q: Queue,
    C: Clock,
    E: Entropy,
    X: Conduct,
{
    pub fn new(writer: Writer<P, Q, C, E>, definitions: D, rejections: R) -> Self {
        Self { writer, definitions: Cached::new(definitions), rejections, conduct: PhantomData }
    }

    /// Looks at whoever is due, as [`Writer::sweep`] does, with all the time there is.
    pub async fn sweep(&self) -> Result<Swept, Failure> {
        self.writer.sweep_of(X::SWEPT, &self.definitions, Timestamp::from_millis(i64::MAX)).await
    }
}
