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
use domain::rejection::Reason;
use domain::replay::{People, Replay, Seen};
use domain::rules::Rules;
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

impl Census {
    /// How often it reads the whole table.
    pub(crate) const fn passes(&self) -> u64 {
        match self {
            Self::Adopt | Self::Suspects { .. } => 1,
            Self::DryRun { .. } => 2,
        }
    }
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
        let kinds = ["profile", "tie#", "refusal#", "left-out#"];
        self.read(&kinds, progress, |found| ties.see(found)).await?;
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
        let mut shared: Vec<(&Identifier, Sharing<'_>)> =
            ties.sharing().into_iter().filter(|(_, sharing)| sharing.is_unusual()).collect();
        shared.sort_unstable_by(|(a, of_a), (b, of_b)| (of_b.rank(), a).cmp(&(of_a.rank(), b)));
        let shared = shared.iter().take(top).map(|(one, sharing)| {
            json!({
                "kind": one.kind(), "value": one.value(), "people": sharing.people.len(),
                "tied_to": sharing.tied_to.len(), "refused": sharing.refused, "left_out": sharing.left_out,
            })
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
        let events = history.in_order();
        let mut orders: Vec<Tie> = ordered.into_values().collect();
        orders.sort_by_key(|tie| tie.at);
        // What differs by the rules that stand differs for another reason.
        let (_, as_is) = self.replay(&self.workspace.rules, &events, &orders);
        let as_is = now.until(&as_is);
        let (seen, then) = self.replay(&rules, &events, &orders);
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
            "as_is": { "joined": as_is.joined.len(), "split": as_is.split.len() },
        }))
    }

    /// Events and operators' ties, each in the order in which they happened.
    fn replay(&self, rules: &Rules, events: &History, orders: &[Tie]) -> (Seen, People) {
        let mut replay = Replay::new(&self.key, &self.workspace.id, rules);
        let mut orders = orders.iter().peekable();
        for event in events.iter() {
            while let Some(tie) = orders.next_if(|tie| tie.at < event.event_time) {
                replay.tie(tie, tie.at);
            }
            replay.event(&event);
        }
        for tie in orders {
            replay.tie(tie, tie.at);
        }
        replay.end()
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
    /// Whose limits kept an identifier out: a person who is new with it has no tie.
    left_out: BTreeMap<Identifier, BTreeSet<ProfileId>>,
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
        } else if found.key.starts_with("left-out#") {
            let left = lineage::read_left_out(&found.body)?;
            if left.reason == Reason::IdentifierLimit {
                self.left_out.entry(left.identifier).or_default().insert(found.id);
            }
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
        self.apart.get(&a).is_some_and(|apart| apart.iter().any(|one| self.now(*one) == b))
    }

    /// The person that a profile is now.
    fn now(&self, id: ProfileId) -> ProfileId {
        self.taken_in.get(&id).copied().unwrap_or(id)
    }

    /// Whom each identifier was seen with.
    fn sharing(&self) -> HashMap<&Identifier, Sharing<'_>> {
        let mut all: HashMap<&Identifier, Sharing<'_>> = HashMap::new();
        let ties =
            self.all.iter().chain(self.refused.iter().filter(|(mark, _)| !self.all.contains_key(mark)));
        for (mark, tie) in ties {
            let [a, b] = &tie.identifiers;
            for (one, other) in [(a, b), (b, a)] {
                let sharing = all.entry(one).or_default();
                sharing.people.extend([a, b].into_iter().filter_map(|of| self.held.get(of)));
                sharing.tied_to.insert(other);
                sharing.refused += usize::from(self.refused.contains_key(mark));
            }
        }
        for (one, profiles) in &self.left_out {
            let sharing = all.entry(one).or_default();
            sharing.people.extend(self.held.get(one));
            sharing.people.extend(profiles.iter().map(|id| self.now(*id)));
            sharing.left_out += profiles.len();
        }
        all
    }
}

/// Whom an identifier was seen with.
#[derive(Default)]
struct Sharing<'a> {
    /// Everybody of now who holds it, was tied to it, or had no room for it.
    people: BTreeSet<ProfileId>,
    /// The identifiers that ties name beside it, merged since or not: one that
    /// made a hundred people one has one person left.
    tied_to: BTreeSet<&'a Identifier>,
    refused: usize,
    left_out: usize,
}

impl Sharing<'_> {
    fn is_unusual(&self) -> bool {
        self.people.len() >= SHARED || self.tied_to.len() > LARGE
    }

    fn rank(&self) -> (usize, usize) {
        (self.people.len().max(self.tied_to.len()), self.refused + self.left_out)
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

    /// Puts them in the order in which they happened.
    fn in_order(mut self) -> Self {
        self.places = HashMap::new();
        self.events.sort();
        self
    }

    fn iter(&self) -> impl Iterator<Item = Event> {
        let Self { identifiers, events, .. } = self;
        let source = SourceId::parse("replay");
        events.iter().filter_map(move |(at, kind, named)| {
            let at = Timestamp::from_millis(*at);
            let one = |place: &u32| identifiers.get(*place as usize).cloned();
            Some(Event {
                source: source.clone().ok()?,
                message_id: String::new(),
                kind: *kind,
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
