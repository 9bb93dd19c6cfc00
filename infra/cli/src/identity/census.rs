//! What can only be told by reading everybody: who is suspicious, who would be
//! whom under other rules, and which ties of earlier data wait for identity.
//!
//! **Invariant:** nothing here writes to a table. What is to change goes to the
//! identity queue, as if an event had asked for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client as Store;
use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::identity_request::{IdentityRequest, Work};
use domain::key::{EventName, IdKey, ProfileId};
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::packed::Corrupt;
use domain::profile::{Profile, lineage, merge, page};
use domain::replay::{People, Replay};
use domain::rules::document::Document;
use domain::time::Timestamp;
use domain::workspace::SourceId;
use dynamodb::census::{self, CensusError, Found};
use ports::Queue;
use ports::definitions::Workspace;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::operate::Refused;
use crate::output::Failed;

/// The tool of a running platform that takes a census.
pub(crate) const TOOL: &str = "census";
/// Requests sent at once.
const REQUESTS_AT_ONCE: usize = 100;
/// Examples of each kind in an answer.
const EXAMPLES_MAX: usize = 10;
/// Identifiers of people who are shown as large: twice the most of one kind by default.
const LARGE: usize = 10;
/// People who share an identifier, from which on it is shown.
const SHARED: usize = 3;

/// What an operator asks of everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Census {
    Adopt,
    Suspects {
        top: usize,
    },
    DryRun {
        /// A [`Document`], as written.
        rules: String,
    },
}

/// Everybody of a workspace, and the queue of the identity stage.
pub(crate) struct Ground<'a, Q> {
    pub(crate) store: &'a Store,
    pub(crate) people_table: &'a str,
    pub(crate) workspace: Workspace,
    pub(crate) key: IdKey,
    pub(crate) identity: Q,
}

#[derive(Debug, thiserror::Error)]
#[error("an item of profile `{id}` cannot be read")]
struct Unreadable {
    id: ProfileId,
    #[source]
    cause: Corrupt,
}

impl<Q: Queue> Ground<'_, Q> {
    pub(crate) async fn take(&self, census: &Census, progress: impl FnMut(u64)) -> Result<Value, Failed> {
        match census {
            Census::Adopt => self.adopt(progress).await,
            Census::Suspects { top } => self.suspects(*top, progress).await,
            Census::DryRun { rules } => self.dry_run(rules, progress).await,
        }
    }

    async fn read(
        &self,
        kinds: &[&str],
        progress: impl FnMut(u64),
        mut see: impl FnMut(&Found) -> Result<(), Corrupt>,
    ) -> Result<(), Failed> {
        let see = |found: Found| see(&found).map_err(|cause| Unreadable { id: found.id, cause });
        census::read(self.store, self.people_table, &self.workspace.id, kinds, see, progress).await.map_err(
            |error| match error {
                CensusError::Unavailable(cause) => cause.into(),
                CensusError::Unusable(unreadable) => unreadable.into(),
            },
        )
    }

    /// Sends each tie on which nothing was decided to the identity stage. What
    /// was sent before is decided by now, or is sent twice, which changes nothing.
    async fn adopt(&self, progress: impl FnMut(u64)) -> Result<Value, Failed> {
        let mut ties = Ties::default();
        self.read(&["profile", "tie#", "refusal#"], progress, |found| ties.see(found)).await?;
        let open: Vec<&Tie> = ties.open().collect();
        for some in open.chunks(REQUESTS_AT_ONCE) {
            let request = |tie: &&Tie| {
                let work = Work::Merge((*tie).clone());
                let request = IdentityRequest { workspace: self.workspace.id.clone(), work };
                profile::outbox::outgoing(&request, &self.key, Vec::new())
            };
            self.identity.send(some.iter().map(request).collect()).await?;
        }
        Ok(json!({ "workspace": self.workspace.id, "ties": ties.all.len(), "sent": open.len() }))
    }

    async fn suspects(&self, top: usize, progress: impl FnMut(u64)) -> Result<Value, Failed> {
        let mut ties = Ties::default();
        self.read(&["profile", "tie#", "refusal#"], progress, |found| ties.see(found)).await?;
        let mut large: Vec<(usize, usize, ProfileId)> = ties
            .sizes
            .iter()
            .filter(|(_, (identifiers, absorbed))| identifiers + absorbed > LARGE)
            .map(|(id, (identifiers, absorbed))| (*identifiers, *absorbed, *id))
            .collect();
        large.sort_unstable_by_key(|(identifiers, absorbed, id)| Reverse((identifiers + absorbed, *id)));
        let large = large.iter().take(top).map(|(identifiers, absorbed, id)| {
            json!({ "profile": id.to_string(), "identifiers": identifiers, "taken_in": absorbed })
        });
        let mut shared: Vec<(usize, usize, &Identifier)> = ties
            .sharing()
            .into_iter()
            .filter(|(_, (people, _))| people.len() >= SHARED)
            .map(|(identifier, (people, refused))| (people.len(), refused, identifier))
            .collect();
        shared.sort_unstable_by(|a, b| (b.0, b.1, a.2).cmp(&(a.0, a.1, b.2)));
        let shared = shared.iter().take(top).map(|(people, refused, one)| {
            json!({ "kind": one.kind(), "value": one.value(), "people": people, "refused": refused })
        });
        Ok(json!({
            "workspace": self.workspace.id,
            "large": large.collect::<Vec<_>>(),
            "shared": shared.collect::<Vec<_>>(),
        }))
    }

    async fn dry_run(&self, rules: &str, mut progress: impl FnMut(u64)) -> Result<Value, Failed> {
        let document = Document::read(rules).map_err(|mistake| Refused::Rules(vec![mistake]))?;
        let rules = document.rules().map_err(Refused::Rules)?;
        let mut proven: BTreeSet<EventName> = BTreeSet::new();
        let (mut now, mut apart, mut ordered) = (People::default(), 0, BTreeMap::new());
        let mut last = 0;
        let ledgers = |found: &Found| {
            if found.key == "profile" {
                let profile = Profile::decode(&found.body)?;
                apart += profile.family.apart.len();
                proven.extend(profile.ledger.entries().iter().map(|entry| entry.name));
                now.add(found.id, &profile);
            } else if found.key.starts_with("tie#") {
                let tie = page::read_tie(&found.body)?;
                if tie.reason == TieReason::Operator {
                    ordered.insert(tie.mark(), tie);
                }
            } else {
                proven.extend(page::read_ledger(&found.body)?);
            }
            Ok(())
        };
        let told = |read| {
            last = read;
            progress(read);
        };
        self.read(&["profile", "tie#", "ledger#"], told, ledgers).await?;
        // A page proves nothing; what a ledger names was folded, and once.
        let mut history = History::default();
        let pages = |found: &Found| {
            for event in page::read_timeline(&found.body)? {
                if proven.remove(&event.name(&self.key)) {
                    history.add(&event);
                }
            }
            Ok(())
        };
        self.read(&["page#"], |read| progress(last + read), pages).await?;
        let unkept = proven.len();
        let mut replay = Replay::new(&self.key, &self.workspace.id, &rules);
        let mut orders: Vec<Tie> = ordered.into_values().collect();
        orders.sort_by_key(|tie| Reverse(tie.at));
        for event in history.in_order() {
            while let Some(tie) = orders.pop_if(|tie| tie.at < event.event_time) {
                replay.tie(&tie, tie.at);
            }
            replay.event(&event);
        }
        for tie in orders.into_iter().rev() {
            replay.tie(&tie, tie.at);
        }
        let (seen, then) = replay.end();
        let difference = now.until(&then);
        let example = |people: &[(ProfileId, usize)]| {
            let some = people.iter().take(EXAMPLES_MAX);
            some.map(|(id, people)| json!({ "profile": id.to_string(), "people": people }))
                .collect::<Vec<_>>()
        };
        Ok(json!({
            "workspace": self.workspace.id,
            "version": rules.version,
            "events": seen.events,
            "events_not_kept": unkept,
            "people": { "now": now.sizes().len(), "then": then.sizes().len() },
            "largest": { "now": largest(&now), "then": largest(&then) },
            "joined": difference.joined.len(),
            "split": difference.split.len(),
            "examples": { "joined": example(&difference.joined), "split": example(&difference.split) },
            "merges": seen.merged,
            "refused": seen.refused,
            "left_out": seen.left_out,
            "blocked": seen.blocked,
            "nobodys": seen.nobodys,
            "taken_apart": apart,
        }))
    }
}

/// Identifiers of the largest people.
fn largest(people: &People) -> Vec<usize> {
    let mut sizes: Vec<usize> = people.sizes().into_values().collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.truncate(EXAMPLES_MAX);
    sizes
}

/// All ties, and what became of them.
#[derive(Default)]
struct Ties {
    /// By their marks: each stands with both of its profiles.
    all: BTreeMap<u64, Tie>,
    refused: BTreeMap<u64, Tie>,
    /// Who holds an identifier now.
    held: HashMap<Identifier, ProfileId>,
    /// Whom operators took apart from whom.
    apart: BTreeMap<ProfileId, BTreeSet<ProfileId>>,
    /// Who was taken in by whom.
    taken_in: HashMap<ProfileId, ProfileId>,
    /// How many identifiers, and how many profiles taken in.
    sizes: BTreeMap<ProfileId, (usize, usize)>,
}

impl Ties {
    fn see(&mut self, found: &Found) -> Result<(), Corrupt> {
        if found.key == "profile" {
            let profile = Profile::decode(&found.body)?;
            if merge::is_root(&profile) {
                self.held.extend(profile.identifiers.keys().map(|one| (one.clone(), found.id)));
                self.taken_in.extend(profile.family.absorbed.keys().map(|one| (*one, found.id)));
                self.sizes.insert(found.id, (profile.identifiers.len(), profile.family.absorbed.len()));
                self.apart.insert(found.id, profile.family.apart);
            }
        } else if found.key.starts_with("tie#") {
            let tie = page::read_tie(&found.body)?;
            self.all.insert(tie.mark(), tie);
        } else if found.key.starts_with("refusal#") {
            let refused = lineage::read_refused(&found.body)?;
            self.refused.insert(refused.tie.mark(), refused.tie);
        }
        Ok(())
    }

    /// Ties between two people on which nothing was decided.
    fn open(&self) -> impl Iterator<Item = &Tie> {
        let undecided = self.all.iter().filter(|(mark, _)| !self.refused.contains_key(mark));
        undecided.map(|(_, tie)| tie).filter(|tie| match self.both(tie) {
            Some([a, b]) => a != b && !self.are_apart(a, b) && !self.are_apart(b, a),
            None => false, // One of them is nobody's any more.
        })
    }

    fn both(&self, tie: &Tie) -> Option<[ProfileId; 2]> {
        let [a, b] = tie.identifiers.each_ref().map(|one| self.held.get(one).copied());
        Some([a?, b?])
    }

    fn are_apart(&self, a: ProfileId, b: ProfileId) -> bool {
        let now = |id: &ProfileId| self.taken_in.get(id).copied().unwrap_or(*id);
        self.apart.get(&a).is_some_and(|apart| apart.iter().any(|one| now(one) == b))
    }

    /// The people whom each identifier was tied to, itself included, and how
    /// many of these ties were refused.
    fn sharing(&self) -> HashMap<&Identifier, (BTreeSet<ProfileId>, usize)> {
        let mut sharing: HashMap<&Identifier, (BTreeSet<ProfileId>, usize)> = HashMap::new();
        let all = self.all.iter().chain(self.refused.iter().filter(|(mark, _)| !self.all.contains_key(mark)));
        for (mark, tie) in all {
            for one in &tie.identifiers {
                let (people, refused) = sharing.entry(one).or_default();
                people.extend(tie.identifiers.iter().filter_map(|of| self.held.get(of)));
                *refused += usize::from(self.refused.contains_key(mark));
            }
        }
        sharing
    }
}

/// Events with nothing but who, what kind and when: some forty bytes each, and
/// each identifier once.
#[derive(Default)]
struct History {
    identifiers: Vec<Identifier>,
    places: HashMap<Identifier, u32>,
    events: Vec<(i64, EventKind, Box<[u32]>)>,
}

impl History {
    fn add(&mut self, event: &Event) {
        let Self { identifiers, places, events } = self;
        let place = |one: &Identifier| {
            *places.entry(one.clone()).or_insert_with(|| {
                identifiers.push(one.clone());
                u32::try_from(identifiers.len() - 1).unwrap_or(u32::MAX)
            })
        };
        let named: Box<[u32]> = event.named().map(place).collect();
        events.push((event.event_time.millis(), event.kind, named));
    }

    /// In the order in which they happened.
    fn in_order(mut self) -> impl Iterator<Item = Event> {
        self.events.sort();
        let Self { identifiers, events, .. } = self;
        let source = SourceId::parse("replay");
        events.into_iter().filter_map(move |(at, kind, named)| {
            let at = Timestamp::from_millis(at);
            let one = |place: &u32| identifiers.get(*place as usize).cloned();
            Some(Event {
                source: source.clone().ok()?,
                message_id: String::new(),
                kind,
                identifiers: named.iter().filter_map(one).collect(),
                blocked: Vec::new(),
                rules: 0,
                client_time: ClientTime::Sent(at),
                event_time: at,
                received_at: at,
                payload: String::new(),
                as_sent: String::new(),
            })
        })
    }
}
