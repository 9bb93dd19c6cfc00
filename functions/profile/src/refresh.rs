//! A person looked at with no event: what time changed, what new definitions
//! say, and features that have to be built from the timeline.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use domain::event::{Event, EventKind};
use domain::key::{EventName, ProfileId};
use domain::profile::ledger::Entry;
use domain::profile::merge::is_root;
use domain::profile::packed::Corrupt;
use domain::profile::stamp::Stamp;
use domain::profile::stored::ItemKey;
use domain::profile::{Profile, page};
use domain::segment::Cause;
use domain::segment::compiled::Compiled;
use domain::segment::feature::{Feature, FeatureId, Query};
use domain::segment::settle::Changed;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::people::{Save, SaveError, StoredProfile};
use ports::{Clock, Definitions, Entropy, People, Queue, Unavailable};
use runtime::definitions::Cached;
use runtime::failure::Failure;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::stage::Writer;
use crate::write::after;

/// What a look at one person came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// All is as it was.
    Same,
    Written,
    /// Another writer came between, and may have given no new answers.
    Overtaken,
}

impl<P: People, Q: Queue, C: Clock, E: Entropy> Writer<P, Q, C, E> {
    /// Brings a person's answers to this moment, under definitions of the
    /// version `at_least` or a newer one, and carries out what that causes.
    pub async fn refresh<D: Definitions>(
        &self,
        definitions: &Cached<D>,
        workspace: &WorkspaceId,
        id: ProfileId,
        (stored, profile): (&StoredProfile, &Profile),
        at_least: u64,
    ) -> Result<Refreshed, Failure> {
        let now = self.clock.now();
        let next = self.refreshed(definitions, workspace, id, (profile, at_least), now).await?;
        let next_stored = self.stored(Some(stored.version), &next);
        if is_same(&next, profile) && next_stored.due == stored.due {
            return Ok(Refreshed::Same);
        }
        let save = Save {
            id,
            seen: Some(stored.version),
            next: next_stored.clone(),
            claims: Vec::new(),
            with: Vec::new(),
            checks: Vec::new(),
        };
        match self.people.save(workspace, save).await {
            Ok(()) => (),
            Err(SaveError::Conflict) => return Ok(Refreshed::Overtaken),
            Err(SaveError::Unavailable(cause)) => return Err(Failure::retry(cause)),
        }
        if !next.outbox.is_empty() {
            self.flush(definitions, workspace, id, &next_stored, &next).await.map_err(Failure::retry)?;
        }
        Ok(Refreshed::Written)
    }

    /// A person as a look at this moment leaves it; nothing is written.
    pub async fn refreshed<D: Definitions>(
        &self,
        definitions: &Cached<D>,
        workspace: &WorkspaceId,
        id: ProfileId,
        (profile, at_least): (&Profile, u64),
        now: Timestamp,
    ) -> Result<Profile, Failure> {
        if !is_root(profile) {
            let mut next = profile.clone();
            next.segments.until = None;
            return Ok(next);
        }
        let known = definitions.workspace(workspace, now).await.map_err(Failure::retry)?;
        let wanted = known.map_or(0, |known| known.segments).max(profile.segments.definitions).max(at_least);
        let compiled = definitions.segments(workspace, wanted).await.map_err(Failure::retry)?;
        self.asked(&compiled, workspace, (id, profile), now).await.map_err(Failure::retry)
    }

    /// A person as they are under these definitions at this moment; nothing is written.
    pub async fn asked(
        &self,
        compiled: &Compiled,
        workspace: &WorkspaceId,
        (id, profile): (ProfileId, &Profile),
        now: Timestamp,
    ) -> Result<Profile, Unavailable> {
        let mut next = profile.clone();
        let lacked = next.lacks(compiled);
        if lacked {
            next.segments.features.extend(self.build(workspace, id, compiled, profile).await?);
        }
        if next.segments.until.is_some_and(|until| until <= now) {
            next.advance(compiled, now);
        }
        let whole = lacked || next.segments.definitions < compiled.version;
        next.settle(compiled, &Changed::default(), whole, now, Cause::Time);
        Ok(next)
    }

    /// Builds the absent features from the events that the ledger proves: of the
    /// pages one at a time is held, for a timeline has no bound.
    async fn build(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        compiled: &Compiled,
        profile: &Profile,
    ) -> Result<BTreeMap<FeatureId, Feature>, Unavailable> {
        let (always, ever) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        let mut proven: BTreeSet<Entry> = profile.ledger.entries().iter().copied().collect();
        for (of, epoch) in profile.collections(id) {
            let mut take = |body: &[u8]| {
                proven.extend(page::read_ledger_entries(body)?);
                Ok(())
            };
            self.bodies(workspace, of, page::ledger_range(epoch, always), &mut take).await?;
        }
        let absent = |feature: &FeatureId| !profile.segments.features.contains_key(feature);
        let mut built: BTreeMap<FeatureId, Feature> =
            compiled.features.keys().filter(|id| absent(id)).map(|id| (*id, Feature::default())).collect();
        let mut taken: BTreeSet<EventName> = BTreeSet::new();
        for (of, epoch) in profile.collections(id) {
            let mut take = |body: &[u8]| {
                for event in page::read_timeline(body)? {
                    let name = event.name(&self.key);
                    let is_proven = proven.contains(&Entry { at: event.client_time.at(), name });
                    if compiled.takes(event.kind) && is_proven && taken.insert(name) {
                        take_into(&mut built, compiled, &event, name);
                    }
                }
                Ok(())
            };
            self.bodies(workspace, of, page::timeline_range(epoch, always, ever), &mut take).await?;
        }
        Ok(built)
    }

    /// Gives the bodies of a range's items to `take`, page by page.
    async fn bodies(
        &self,
        workspace: &WorkspaceId,
        id: ProfileId,
        (mut from, to): (ItemKey, ItemKey),
        take: &mut (dyn FnMut(&[u8]) -> Result<(), Corrupt> + Send),
    ) -> Result<(), Unavailable> {
        loop {
            let read = self.people.items(workspace, id, &from, &to).await?;
            for item in read.items {
                take(&item.body).map_err(|cause| Unavailable::new("reading a page", cause))?;
            }
            match read.next {
                Some(next) => from = after(&next),
                None => return Ok(()),
            }
        }
    }
}

/// Takes an event into those features of a profile that are built.
fn take_into(built: &mut BTreeMap<FeatureId, Feature>, compiled: &Compiled, event: &Event, name: EventName) {
    let stamp = Stamp { at: event.event_time, event: name };
    let mut payload = named(&event.payload);
    let reads = |(id, query): (FeatureId, &Query)| query.reads_properties() && built.contains_key(&id);
    if event.kind == EventKind::Identify || compiled.features_of(event, &payload).any(reads) {
        payload = serde_json::from_str(&event.payload).unwrap_or_default();
    }
    for (id, query) in compiled.features_of(event, &payload) {
        if let Some(feature) = built.get_mut(&id) {
            query.take(feature, event, &payload, stamp);
        }
    }
}

/// Only what names an event: most features ask no more of it.
fn named(payload: &str) -> Map<String, Value> {
    #[derive(Deserialize)]
    struct Names<'a> {
        #[serde(borrow)]
        event: Option<Cow<'a, str>>,
        #[serde(borrow)]
        name: Option<Cow<'a, str>>,
    }
    // What is not of this form has no name.
    let Ok(Names { event, name }) = serde_json::from_str(payload) else { return Map::new() };
    let named = |key: &str, name: Option<Cow<'_, str>>| Some((key.to_owned(), name?.into_owned().into()));
    named("event", event).into_iter().chain(named("name", name)).collect()
}

/// Whether there is nothing to write: that somebody was asked, and when, need
/// not be kept of whom no answer and no feature says anything.
fn is_same(next: &Profile, before: &Profile) -> bool {
    let (new, old) = (&next.segments, &before.segments);
    let is_stale = old.stale.is_some();
    !is_stale
        && new.memberships == old.memberships
        && new.features == old.features
        && new.until == old.until
        && next.outbox == before.outbox
}
