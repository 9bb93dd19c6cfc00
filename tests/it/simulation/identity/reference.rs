//! What identity comes to, event by event and request by request, as an
//! operator would tell it from the rules: nothing here is of the stages.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A tie's two identifiers, the home of its event first.
pub(super) type Pair = (Identifier, Identifier);

/// One person so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Person {
    /// Each identifier with the time of the event that brought it.
    pub(super) held: BTreeMap<Identifier, i64>,
    /// The times of the events.
    pub(super) events: Vec<i64>,
    /// Others that became this person.
    pub(super) taken_in: usize,
    /// Ties that were noticed, so that each is asked for once.
    noticed: BTreeSet<Pair>,
}

/// Everybody so far, by the identifier with which their profile began.
#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) rules: Rules,
    pub(super) people: BTreeMap<Identifier, Person>,
    /// Identifiers that limits left out of an event, by the event's time.
    pub(super) left_out: BTreeSet<(i64, Identifier)>,
    pub(super) refused: BTreeMap<Pair, &'static str>,
}

impl Reference {
    fn whose(&self, identifier: &Identifier) -> Option<Identifier> {
        let holds = |(_, person): &(&Identifier, &Person)| person.held.contains_key(identifier);
        self.people.iter().find(holds).map(|(first, _)| first.clone())
    }

    fn has_room(&self, whose: &Identifier, new: &Identifier, at: i64) -> bool {
        let mut held: Vec<(Identifier, i64)> =
            self.people.get(whose).into_iter().flat_map(|person| person.held.clone()).collect();
        held.push((new.clone(), at));
        broken(&self.rules, &held).is_none()
    }

    /// An event that names these, strongest first; gives the ties that it asks for.
    pub(super) fn event(&mut self, at: i64, names: &[Identifier]) -> Vec<Pair> {
        let (home, mut others) = (names[0].clone(), names[1..].to_vec());
        // Whoever has the home has the event. A new home goes to whoever has
        // the strongest of the others and has room for it; where nobody has,
        // the weakest is left out, and so on.
        let person = loop {
            if let Some(known) = self.whose(&home) {
                break known;
            }
            match others.iter().find_map(|other| self.whose(other)) {
                Some(known) if self.has_room(&known, &home, at) => break known,
                None => break home.clone(),
                Some(_) => {
                    let weakest = others.pop().unwrap();
                    self.left_out.insert((at, weakest));
                }
            }
        };
        let of_home = self.people.entry(person.clone()).or_default();
        of_home.held.entry(home.clone()).or_insert(at);
        of_home.events.push(at);
        let mut ties = Vec::new();
        for other in others {
            match self.whose(&other) {
                Some(whose) if whose == person => (),
                Some(_) => {
                    let pair = (home.clone(), other);
                    if self.people.get_mut(&person).unwrap().noticed.insert(pair.clone()) {
                        ties.push(pair);
                    }
                }
                None if self.has_room(&person, &other, at) => {
                    self.people.get_mut(&person).unwrap().held.insert(other, at);
                }
                None => {
                    self.left_out.insert((at, other));
                }
            }
        }
        ties
    }

    /// A request to make one person of the two who have these.
    pub(super) fn merge(&mut self, pair: &Pair) {
        let [a, b] = [&pair.0, &pair.1].map(|one| self.whose(one).unwrap());
        if a == b {
            return;
        }
        if let Some(why) = self.refuses(pair, &self.people[&a], &self.people[&b]) {
            self.refused.insert(pair.clone(), why);
            return;
        }
        let first_seen = |person: &Identifier| self.people[person].events.iter().min().copied();
        let (stays, goes) = if first_seen(&a) < first_seen(&b) { (a, b) } else { (b, a) };
        let gone = self.people.remove(&goes).unwrap();
        let stays = self.people.get_mut(&stays).unwrap();
        stays.held.extend(gone.held);
        stays.events.extend(gone.events);
        stays.noticed.extend(gone.noticed);
        stays.taken_in += 1 + gone.taken_in;
    }

    fn refuses(&self, pair: &Pair, a: &Person, b: &Person) -> Option<&'static str> {
        let is_user = |person: &Person| person.held.keys().any(|one| one.kind() == "user_id");
        let is_shared = |one: &Identifier| self.rules.shared.iter().any(|kind| kind == one.kind());
        if (is_shared(&pair.0) || is_shared(&pair.1)) && is_user(a) && is_user(b) {
            return Some("shared_kind");
        }
        if a.taken_in + b.taken_in + 1 > self.rules.merges_max {
            return Some("merges");
        }
        let both: Vec<(Identifier, i64)> = a.held.clone().into_iter().chain(b.held.clone()).collect();
        broken(&self.rules, &both)
    }
}

/// Which limit a person would break who holds all these.
fn broken(rules: &Rules, held: &[(Identifier, i64)]) -> Option<&'static str> {
    let of = |kind: &str| held.iter().filter(|(one, _)| one.kind() == kind).count();
    let kinds: BTreeSet<&str> = held.iter().map(|(one, _)| one.kind()).collect();
    let limit = |kind: &str| {
        let named = rules.limits.iter().find(|(limited, _)| limited == kind);
        named.map_or(rules.limit_default, |(_, limit)| *limit)
    };
    if held.len() > rules.identifiers_max {
        return Some("identifiers");
    }
    if kinds.iter().any(|kind| of(kind) > limit(kind)) {
        return Some("limit");
    }
    if rules.cardinalities.iter().any(|rule| of(&rule.of) > 0 && of(&rule.kind) > rule.limit) {
        return Some("cardinality");
    }
    // Some moment begins a period with more new ones than may be.
    let is_too_often = |rule: &domain::rules::Frequency| {
        let new = || held.iter().filter(|(one, _)| one.kind() == rule.kind).map(|(_, at)| *at);
        new().any(|from| {
            new().filter(|at| (from..from + rule.period.millis()).contains(at)).count() > rule.limit
        })
    };
    rules.frequencies.iter().any(is_too_often).then_some("frequency")
}
