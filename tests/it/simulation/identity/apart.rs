//! People who were made one, lived on as one, and are taken apart again: each
//! side is the fold of its own events, by an account of who owns what that is
//! kept beside the stages.

use std::cell::Cell;

use domain::profile::Held;
use domain::profile::lineage::{self, TakenApart};

use super::*;
use crate::simulation::crash_points::{Calls, ENDS, points};
use crate::simulation::crowd::{draw, payload, retry_of, start};
use crate::simulation::oracle;

/// Seeds of one ordinary run.
const SEEDS: u64 = 10;
/// Kind and value of an identifier.
type Named = (&'static str, String);

const KINDS: [&str; 3] = ["user_id", "anonymous_id", "card"];
const PEOPLE: [char; 5] = ['a', 'b', 'c', 'd', 'e'];
/// Events of the one person before they are taken apart.
const AFTER_MERGE: usize = 100;

fn named(kind: usize, of: char) -> Named {
    (KINDS[kind], format!("{}-{of}", KINDS[kind]))
}

/// Who owns which name, and who became whom.
#[derive(Debug, Default)]
struct Owners {
    owner: BTreeMap<Identifier, ProfileId>,
    into: BTreeMap<ProfileId, ProfileId>,
    /// Whom each had taken in by the time at which it was taken in itself.
    had: BTreeMap<ProfileId, BTreeSet<ProfileId>>,
    first_seen: BTreeMap<ProfileId, i64>,
}

impl Owners {
    fn root(&self, id: ProfileId) -> ProfileId {
        self.into.get(&id).map_or(id, |into| self.root(*into))
    }

    fn root_of(&self, name: &Identifier) -> Option<ProfileId> {
        self.owner.get(name).map(|owner| self.root(*owner))
    }

    /// The event's person owns whichever names are new.
    fn see(&mut self, event: &Event) {
        let of_home = event.identifiers.iter().find_map(|name| self.root_of(name));
        let root = of_home
            .unwrap_or_else(|| key().profile(key().identifier(&workspace(), &event.identifiers[0]), 0));
        for name in &event.identifiers {
            self.owner.entry(name.clone()).or_insert(root);
        }
        let at = event.event_time.millis();
        let first = self.first_seen.entry(root).or_insert(at);
        *first = at.min(*first);
    }

    /// Who was seen later becomes the other.
    fn unite(&mut self, event: &Event) {
        for name in &event.identifiers[1..] {
            let (a, b) = (self.root_of(&event.identifiers[0]).unwrap(), self.root_of(name).unwrap());
            if a == b {
                continue;
            }
            let (stays, goes) = if self.first_seen[&a] < self.first_seen[&b] { (a, b) } else { (b, a) };
            let had = self.group(goes);
            self.had.insert(goes, had);
            self.into.insert(goes, stays);
        }
    }

    fn group(&self, root: ProfileId) -> BTreeSet<ProfileId> {
        self.into.keys().copied().filter(|id| *id != root && self.root(*id) == root).collect()
    }

    /// All that leave with one who is taken out.
    fn leaving(&self, id: ProfileId) -> BTreeSet<ProfileId> {
        self.had[&id].iter().copied().chain([id]).collect()
    }
}

/// What was sent, to whom it was said, and the stages that heard it.
struct Life {
    store: Store,
    chance: SeededEntropy,
    owners: Owners,
    said: Cell<usize>,
    events: Vec<Event>,
    requests: Vec<String>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let chance = SeededEntropy::seeded(seed ^ 0xa9a7);
        let store = Store::new(defined(unlimited(), 1_000));
        let (owners, said) = (Owners::default(), Cell::new(0));
        Self { store, chance, owners, said, events: Vec::new(), requests: Vec::new() }
    }

    fn pick(&self, below: usize) -> usize {
        usize::try_from(draw(&self.chance, below as u64)).unwrap()
    }

    /// One of the names that somebody had from the beginning.
    fn name(&self, of: char) -> Named {
        named(self.pick(3), of)
    }

    /// An event of some kind, at some time.
    fn said(&self, names: &[Named]) -> Event {
        let number = i64::try_from(self.events.len() * 1_000 + self.pick(999)).unwrap();
        // Late ones among them.
        let number = if self.pick(4) == 0 { number / 3 } else { number };
        let (kind, payload) = payload(&self.chance);
        let names: Vec<(&str, &str)> = names.iter().map(|(kind, value)| (*kind, value.as_str())).collect();
        let mut event = Event { kind, payload: payload.to_string(), ..naming(number, &names) };
        event.message_id = format!("m{}", self.said.replace(self.said.get() + 1));
        Rules::default().homing.sort(&mut event.identifiers);
        event
    }

    /// Events in one batch, sometimes with copies of older ones, and all that
    /// comes of it; identity's queue repeats itself, too.
    fn hear(&mut self, events: Vec<Event>) {
        let older = self.events.iter().step_by(7).filter(|_| self.pick(4) == 0);
        let copies: Vec<Event> = older.map(|event| retry_of(event, 5_000)).collect();
        deliver(&self.store, &[&events.iter().chain(&copies).collect::<Vec<_>>()]);
        for event in &events {
            self.owners.see(event);
        }
        for event in &events {
            self.owners.unite(event);
        }
        self.events.extend(events);
        self.requests.extend(self.store.merges.take().into_iter().map(|sent| sent.body));
        for request in self.requests.iter().rev().take(3) {
            carry_out(&self.store, request).unwrap();
        }
    }

    fn say(&mut self, names: &[Named]) {
        let event = self.said(names);
        self.hear(vec![event]);
    }

    /// Two people with a life of their own become one, who lives on, and whom
    /// others join.
    fn until_apart(seed: u64) -> Self {
        let mut life = Self::new(seed);
        for person in PEOPLE {
            // The first time they are seen, each name with the one before it.
            life.say(&[named(0, person)]);
            life.say(&[named(0, person), named(1, person)]);
            life.say(&[named(1, person), named(2, person)]);
        }
        for _ in 0..60 {
            let name = life.name(PEOPLE[life.pick(2)]);
            let events = (0..=life.pick(3)).map(|_| life.said(std::slice::from_ref(&name))).collect();
            life.hear(events);
        }
        life.say(&[named(0, 'a'), named(1, 'b')]);
        let united = life.events.len();
        while life.events.len() < united + AFTER_MERGE {
            let [one, two] = [PEOPLE[life.pick(2)], PEOPLE[life.pick(2)]];
            match life.pick(12) {
                0 => {
                    let other = PEOPLE[2 + life.pick(3)];
                    let names = [life.name(one), life.name(other)];
                    life.say(&names);
                }
                1 => {
                    let new = ("email", format!("new-{}@example.com", life.events.len()));
                    let names = [life.name(one), new];
                    life.say(&names);
                }
                2..=4 => {
                    let names = [life.name(one), life.name(two)];
                    let names = &names[..if names[0] == names[1] { 1 } else { 2 }];
                    life.say(names);
                }
                _ => {
                    let name = life.name(one);
                    let events = (0..=life.pick(4)).map(|_| life.said(std::slice::from_ref(&name))).collect();
                    life.hear(events);
                }
            }
        }
        life
    }

    /// The person, and one of those whom it took in: more often one of the two
    /// who had a life of their own.
    fn part(&self) -> (ProfileId, ProfileId) {
        let [a, b] = ['a', 'b'].map(|of| {
            let (kind, value) = named(0, of);
            self.owners.owner[&id((kind, &value))]
        });
        let root = self.owners.root(a);
        let parts: Vec<ProfileId> = self.owners.group(root).into_iter().collect();
        let other = if root == a { b } else { a };
        (root, if self.pick(3) == 0 { parts[self.pick(parts.len())] } else { other })
    }

    /// Each of two is the fold of its own events, and everybody is somebody.
    fn check(&self, root: ProfileId, part: ProfileId) -> Result<(), String> {
        let tables = self.store.tables();
        oracle::invariants(&tables)?;
        let leaving = self.owners.leaving(part);
        let (mut counted, owner) = (0, |name: &Identifier| self.owners.owner[name]);
        for (who, leaves) in [(root, false), (part, true)] {
            let found = profile(&tables, who);
            let belongs = |name: &Identifier| {
                self.owners.root_of(name) == Some(root) && leaving.contains(&owner(name)) == leaves
            };
            let own: Vec<&Event> =
                self.events.iter().filter(|event| belongs(&event.identifiers[0])).collect();
            let mut expected = Profile { epoch: found.epoch, ..Profile::default() };
            for event in &own {
                expected.fold(event, event.name(&key()));
            }
            for name in self.owners.owner.keys().filter(|name| belongs(name)) {
                let held = Held { generation: 0, since: start() };
                expected.identifiers.insert(name.clone(), held);
            }
            if oracle::told(&found) != oracle::told(&expected) {
                let counts = (found.counters.total(), expected.counters.total());
                return Err(format!("who {} has {counts:?} events", if leaves { "leaves" } else { "stays" }));
            }
            let names: BTreeSet<_> = own.iter().map(|event| event.name(&key())).collect();
            let proven = oracle::entries(&tables, who, &found)?;
            if proven.iter().map(|entry| entry.name).collect::<BTreeSet<_>>() != names {
                return Err("a ledger names what is not its own".to_owned());
            }
            counted += own.len();
        }
        let all: BTreeSet<_> = self.events.iter().map(|event| event.name(&key())).collect();
        let shown: BTreeSet<_> = oracle::applied(&tables)?.into_keys().collect();
        if shown != all || counted < AFTER_MERGE {
            return Err(format!("{} of {} events are shown, {counted} of the two", shown.len(), all.len()));
        }
        Ok(())
    }

    /// The events of the person that name somebody of either side.
    fn naming_both(&self, root: ProfileId, part: ProfileId) -> BTreeSet<String> {
        let leaving = self.owners.leaving(part);
        let of_person = |event: &&Event| self.owners.root_of(&event.identifiers[0]) == Some(root);
        let sides = |event: &&Event| {
            let leaves = |name: &Identifier| leaving.contains(&self.owners.owner[name]);
            event.identifiers.iter().any(leaves) && !event.identifiers.iter().all(leaves)
        };
        let both = self.events.iter().filter(of_person).filter(sides);
        both.map(|event| event.message_id.clone()).collect()
    }
}

fn taken_apart(came: Came) -> TakenApart {
    match came.unwrap() {
        Outcome::TakenApart(record) => record,
        other => panic!("not taken apart: {other:?}"),
    }
}

#[test]
fn each_side_is_the_fold_of_its_own_events_after_a_life_as_one() {
    for seed in seeds(SEEDS) {
        let mut life = Life::until_apart(seed);
        let (root, part) = life.part();
        let record = taken_apart(carry_out(&life.store, &take_out(Part::Absorbed(part), seed)));
        assert_eq!(life.check(root, part), Ok(()), "SEED={seed}");
        assert_eq!((record.stays, record.leaves), (root, part), "SEED={seed}");
        // What named both is listed, with either.
        let both = life.naming_both(root, part);
        assert_eq!(record.both, both.len() as u64, "SEED={seed}");
        let listed: BTreeSet<String> = record.named_both.iter().cloned().collect();
        assert!(listed.is_subset(&both) && listed.len() == both.len().min(100), "SEED={seed}");
        let tables = life.store.tables();
        for id in [root, part] {
            let item = lineage::taken_apart(&record);
            assert_eq!(tables.items.get(&(workspace(), id, item.key)), Some(&item.body), "SEED={seed}");
        }
        // All copies that still come go where what they repeat is, and no old
        // tie makes the two one.
        let copies: Vec<Event> = life.events.iter().map(|event| retry_of(event, 60_000)).collect();
        for some in copies.chunks(9) {
            deliver(&life.store, &[&some.iter().collect::<Vec<_>>()]);
        }
        assert_eq!(life.store.merges.take().len(), 0, "SEED={seed}: a copy ties nothing");
        for request in std::mem::take(&mut life.requests) {
            carry_out(&life.store, &request).unwrap();
        }
        assert_eq!(life.check(root, part), Ok(()), "SEED={seed}: after all copies");
        println!("SEED={seed}: {:?} events, {} named both", record.events, record.both);
    }
}

#[test]
fn a_crash_at_any_call_of_a_separation_then_redelivery_gives_two_people() {
    let life = Life::until_apart(3);
    let (root, part) = life.part();
    let tables = life.store.tables();
    let order = take_out(Part::Absorbed(part), 1);
    let deliver = |life: &Life, number, end| {
        let calls = Calls::until(end);
        let people = Faulty::new(life.store.people.clone(), calls.fates());
        drop(calls.run(stage(&life.store, number, people).carry_out(&order)));
        calls.made()
    };
    let calls = deliver(&life, 1, None);
    assert_eq!(life.check(root, part), Ok(()));
    // Of calls that follow one another alike, the first and the last.
    let differs = |place: &usize| {
        let of = |place: usize| calls.get(place);
        of(*place) != of(place + 1) || place.checked_sub(1).is_none_or(|before| of(before) != of(*place))
    };
    for (place, end) in points(calls.len()).filter(|(place, _)| differs(place)) {
        life.store.people.alter(|crashed| *crashed = tables.clone());
        deliver(&life, 2, Some((place, end)));
        let at = format!("{end:?} at call {place}, `{}`", calls[place]);
        assert_eq!(oracle::invariants(&life.store.tables()), Ok(()), "{at}");
        deliver(&life, 3, None);
        assert_eq!(life.check(root, part), Ok(()), "{at}");
    }
    println!("{} calls of {} kinds of ends", calls.len(), ENDS.len());
}
