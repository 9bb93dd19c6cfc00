//! What people there would be if all their events came again under other rules.
//!
//! The resolver and the merge are those that production runs, over profiles
//! that know nothing but their identifiers: what is said here is what would
//! happen. A profile takes about a kilobyte of memory, whatever its events.

use std::collections::{BTreeMap, HashMap};

use crate::event::Event;
use crate::identifier::Identifier;
use crate::key::{IdKey, ProfileId};
use crate::profile::merge;
use crate::profile::outbox::Tie;
use crate::profile::resolve::{self, Known, Plan, Unfolded};
use crate::profile::stored::{IdentityRow, Owner};
use crate::profile::{Held, Profile};
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::workspace::WorkspaceId;

/// A replay under way.
#[derive(Debug)]
pub struct Replay<'a> {
    key: &'a IdKey,
    workspace: &'a WorkspaceId,
    rules: &'a Rules,
    known: Known,
    seen: Seen,
}

/// What was met on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub events: u64,
    /// Events of which the rules block every identifier.
    pub nobodys: u64,
    /// Identifiers that rules block, by kind.
    pub blocked: BTreeMap<String, u64>,
    /// Identifiers that limits left out of their event, by kind.
    pub left_out: BTreeMap<String, u64>,
    /// Merges that were made.
    pub merged: u64,
    /// Ties that did not become merges, by the name of the rule; each counted once.
    pub refused: BTreeMap<&'static str, u64>,
    refused_ties: std::collections::BTreeSet<u64>,
}

/// Everybody whom there is, and where each identifier is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People(BTreeMap<Identifier, ProfileId>);

/// Who would be whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// People of now who would be one: how many, by one of them.
    pub joined: Vec<(ProfileId, usize)>,
    /// People of now who would be several, and how many.
    pub split: Vec<(ProfileId, usize)>,
}

impl<'a> Replay<'a> {
    pub fn new(key: &'a IdKey, workspace: &'a WorkspaceId, rules: &'a Rules) -> Self {
        Self { key, workspace, rules, known: Known::default(), seen: Seen::default() }
    }

    /// Reads an event as the edge would under these rules, and resolves it.
    /// Limits depend on the order in which events come.
    pub fn event(&mut self, event: &Event) {
        self.seen.events += 1;
        let (blocked, mut named): (Vec<Identifier>, Vec<Identifier>) =
            event.named().cloned().partition(|one| self.rules.homing.blocks(one));
        for one in &blocked {
            *self.seen.blocked.entry(one.kind().to_owned()).or_default() += 1;
        }
        self.rules.homing.sort(&mut named);
        named.dedup();
        if named.is_empty() {
            self.seen.nobodys += 1;
            return;
        }
        let read = Event { identifiers: named, blocked, rules: self.rules.version, ..event.clone() };
        // It ends: each round asks only for what was not known before.
        loop {
            match resolve::plan(self.key, self.workspace, self.rules, &[&read], &self.known) {
                Ok(plan) => return self.carry_out(&read, plan),
                Err(needs) => {
                    self.known.rows.extend(needs.rows.into_iter().map(|row| (row, None)));
                    self.known.profiles.extend(needs.profiles.into_iter().map(|id| (id, None)));
                }
            }
        }
    }

    /// A tie that no event says: an operator's.
    pub fn tie(&mut self, tie: &Tie, now: Timestamp) {
        let root = |one: &Identifier| match self.known.rows.get(one).copied().flatten()?.owner {
            Owner::Profile(owner) => self.root(owner),
            Owner::Nobody | Owner::Erased(_) => None,
        };
        let [Some(a), Some(b)] = tie.identifiers.each_ref().map(root) else { return };
        if a == b {
            return;
        }
        let profile = |id| self.known.profiles.get(&id).cloned().flatten().unwrap_or_default();
        match merge::merge(self.rules, tie, now, (a, profile(a)), (b, profile(b))) {
            Ok(merged) => {
                self.seen.merged += 1;
                for (id, profile) in [merged.survivor, merged.absorbed] {
                    self.known.profiles.insert(id, Some(profile));
                }
            }
            Err(refusal) => {
                if self.seen.refused_ties.insert(tie.mark()) {
                    *self.seen.refused.entry(refusal.name()).or_default() += 1;
                }
            }
        }
    }

    fn carry_out(&mut self, event: &Event, plan: Plan) {
        debug_assert!(
            plan.unfolded.iter().all(|(_, why)| *why == Unfolded::Erased),
            "rows and profiles agree: {:?}",
            plan.unfolded
        );
        let mut ties = Vec::new();
        for (id, group) in plan.groups {
            let slot = self.known.profiles.entry(id).or_default();
            let profile = slot.get_or_insert_with(Profile::default);
            profile.counters.event(event.kind, event.event_time);
            for claim in group.claims {
                let held = Held { generation: claim.generation, since: claim.since };
                profile.identifiers.insert(claim.identifier.clone(), held);
                let row = IdentityRow { owner: Owner::Profile(id), generation: claim.generation };
                self.known.rows.insert(claim.identifier, Some(row));
            }
            for (_, identifier, _) in group.dropped {
                *self.seen.left_out.entry(identifier.kind().to_owned()).or_default() += 1;
            }
            ties.extend(group.ties);
        }
        for (_, tie) in ties {
            self.tie(&tie, event.event_time);
        }
    }

    fn root(&self, mut id: ProfileId) -> Option<ProfileId> {
        loop {
            match self.known.profiles.get(&id)?.as_ref()?.family.absorbed_into {
                Some(next) => id = next,
                None => return Some(id),
            }
        }
    }

    /// What came of it.
    pub fn end(self) -> (Seen, People) {
        let mut people = People::default();
        for (id, profile) in &self.known.profiles {
            if let Some(profile) = profile {
                people.add(*id, profile);
            }
        }
        (self.seen, people)
    }
}

impl People {
    /// Takes a profile in; who was taken in by another is in that one.
    pub fn add(&mut self, id: ProfileId, profile: &Profile) {
        if merge::is_root(profile) {
            self.0.extend(profile.identifiers.keys().map(|one| (one.clone(), id)));
        }
    }

    /// The people, with how many identifiers each has.
    pub fn sizes(&self) -> BTreeMap<ProfileId, usize> {
        let mut sizes = BTreeMap::new();
        for id in self.0.values() {
            *sizes.entry(*id).or_default() += 1;
        }
        sizes
    }

    /// The same people with others' ids are the same.
    pub fn until(&self, then: &Self) -> Difference {
        let mut of_then: HashMap<ProfileId, Vec<ProfileId>> = HashMap::new();
        let mut of_now: BTreeMap<ProfileId, Vec<ProfileId>> = BTreeMap::new();
        for (identifier, now) in &self.0 {
            let Some(then) = then.0.get(identifier) else { continue };
            for (all, one) in
                [(of_then.entry(*then).or_default(), now), (of_now.entry(*now).or_default(), then)]
            {
                if !all.contains(one) {
                    all.push(*one);
                }
            }
        }
        let joined = of_then.into_values().filter(|people| people.len() > 1);
        let mut joined: Vec<_> =
            joined.filter_map(|people| Some((*people.iter().min()?, people.len()))).collect();
        joined.sort_unstable();
        let split = of_now.into_iter().filter(|(_, people)| people.len() > 1);
        Difference { joined, split: split.map(|(id, people)| (id, people.len())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{ClientTime, EventKind};
    use crate::rules::Homing;
    use crate::workspace::SourceId;

    fn id(text: &str) -> Identifier {
        let (kind, value) = text.split_once(':').unwrap();
        Identifier::parse(kind, value, None).unwrap()
    }

    fn event(number: i64, named: &[&str]) -> Event {
        let at = Timestamp::from_millis(1_700_000_000_000 + number);
        Event {
            source: SourceId::parse("web").unwrap(),
            message_id: format!("m{number}"),
            kind: EventKind::Track,
            identifiers: named.iter().map(|one| id(one)).collect(),
            blocked: Vec::new(),
            rules: 1,
            client_time: ClientTime::Sent(at),
            event_time: at,
            received_at: at,
            payload: "{}".to_owned(),
            as_sent: named.join(" "),
        }
    }

    fn replayed(rules: &Rules, events: &[Event]) -> (Seen, People) {
        let key = IdKey::new([7; IdKey::LENGTH]);
        let workspace = WorkspaceId::parse("shop").unwrap();
        let mut replay = Replay::new(&key, &workspace, rules);
        for event in events {
            replay.event(event);
        }
        replay.end()
    }

    #[test]
    fn other_rules_split_and_join_people_and_say_which() {
        let events = [
            event(1, &["user_id:1", "email:shared@example.com"]),
            event(2, &["user_id:2", "email:shared@example.com"]),
            event(3, &["user_id:3", "card:a"]),
        ];
        let (seen, now) = replayed(&Rules::default(), &events);
        assert_eq!((seen.merged, &seen.left_out), (0, &BTreeMap::from([("email".to_owned(), 1)])));
        assert_eq!(now.sizes().len(), 3);
        let two = Rules { limits: vec![("user_id".to_owned(), 2)], ..Rules::default() };
        let (seen, then) = replayed(&two, &events);
        assert_eq!((seen.merged, seen.left_out.len(), then.sizes().len()), (0, 0, 2));
        let difference = now.until(&then);
        assert_eq!((difference.joined.len(), difference.split.len()), (1, 0));
        assert_eq!(difference.joined[0].1, 2);
        let back = then.until(&now);
        assert_eq!((back.joined.len(), back.split.len()), (0, 1));
        let blocked = vec!["shared@example.com".to_owned()];
        let blocking = Rules { homing: Homing { blocked, ..Homing::default() }, ..two };
        let (seen, then) = replayed(&blocking, &events);
        assert_eq!(
            (seen.merged, then.sizes().len(), &seen.blocked),
            (0, 3, &BTreeMap::from([("email".to_owned(), 2)]))
        );
        let (seen, _) = replayed(&blocking, &[event(4, &["email:shared@example.com"])]);
        assert_eq!((seen.events, seen.nobodys), (1, 1));
    }

    #[test]
    fn a_refusal_of_the_same_tie_is_counted_once() {
        let [one, two] = ["user_id:1", "user_id:2"];
        let both = |number| event(number, &[one, "card:2"]);
        let events = [event(1, &[one]), event(2, &[two, "card:2"]), both(3), both(4)];
        let (seen, _) = replayed(&Rules::default(), &events);
        assert_eq!(seen.refused, BTreeMap::from([("limit", 1)]));
    }

    proptest! {
        /// Where no limit is hit the people are the components of the graph.
        #[test]
        fn people_are_what_union_find_says(
            pairs in prop::collection::vec((0..12_usize, 0..12_usize), 0..30),
        ) {
            let name = |n: usize| format!("{}:n{n}", ["user_id", "crm", "card"][n % 3]);
            let events: Vec<Event> = pairs
                .iter()
                .zip(0..)
                .map(|((a, b), number)| {
                    let (a, b) = (name(*a), name(*b));
                    let named = if a == b { vec![a.as_str()] } else { vec![a.as_str(), b.as_str()] };
                    event(number, &named)
                })
                .collect();
            let most = Rules::default().identifiers_max;
            let rules = Rules { limits: Vec::new(), limit_default: most, ..Rules::default() };
            let (seen, people) = replayed(&rules, &events);
            prop_assert!(seen.refused.is_empty() && seen.left_out.is_empty());
            let mut group: Vec<usize> = (0..12).collect();
            for (a, b) in &pairs {
                let (a, b) = (group[*a], group[*b]);
                group.iter_mut().filter(|of| **of == b).for_each(|of| *of = a);
            }
            for a in 0..12 {
                for b in 0..12 {
                    let whose = |n: usize| people.0.get(&id(&name(n)));
                    if let (Some(one), Some(other)) = (whose(a), whose(b)) {
                        prop_assert_eq!(one == other, group[a] == group[b], "{} {}", a, b);
                    }
                }
            }
        }
    }
}
