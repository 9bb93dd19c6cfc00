//! Sixty-four workers at once, interrupted at every call, of whose writes a
//! third is refused without cause.
//!
//! *An attempt* begins with the reading of the two rows. *The optimum* of a
//! schedule is one attempt a request, and one more for each write that was
//! refused without cause: no scheduler could do with less. *A round* is as many
//! calls as there are workers. A conflict that is nobody's invention but that
//! of another worker's write is none of the optimum's.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::orders::{Counted, Running};
use super::*;
use crate::simulation::crowd::draw;
use crate::simulation::oracle;

const WORKERS: usize = 64;
/// In a thousand writes, how many are refused without cause.
const FORCED: u64 = 350;
/// In a thousand writes so far, how many are at least.
const FORCED_MIN: usize = 320;
/// Seeds of one ordinary run.
const SEEDS: u64 = 3;

/// What a run took.
#[derive(Debug, Default)]
struct Taken {
    requests: usize,
    deliveries: usize,
    attempts: usize,
    writes: usize,
    forced: usize,
    calls: usize,
}

impl Taken {
    fn rounds(&self) -> usize {
        self.calls.div_ceil(WORKERS)
    }
}

/// A request in the queue: its FIFO group, and its body.
type Queued = (String, String);

fn queued((a, b): (usize, usize)) -> Queued {
    let names = [a, b].map(|number| number.to_string());
    let body = request(("card", &names[0]), ("card", &names[1]));
    (IdentityRequest::unpack(&body).unwrap().group(&key()), body)
}

/// So many people, each with a card.
fn crowd(count: usize) -> Store {
    let store = Store::new(defined(unlimited(), 1_000));
    let events: Vec<Event> = (0..count)
        .map(|number| naming(i64::try_from(number).unwrap(), &[("card", &number.to_string())]))
        .collect();
    deliver(&store, &[&events.iter().collect::<Vec<_>>()]);
    store
}

/// Lets the workers carry all requests out; a group has one at a time.
fn work(store: &Store, requests: Vec<Queued>, chance: &SeededEntropy) -> Taken {
    let mut taken = Taken { requests: requests.len(), ..Taken::default() };
    let count = || Arc::new(AtomicUsize::new(0));
    let (attempts, writes, forced) = (count(), count(), count());
    let mut queue: VecDeque<Queued> = requests.into();
    let mut live: Vec<(Queued, Running<Came>)> = Vec::new();
    loop {
        while live.len() < WORKERS {
            let is_free = |queued: &Queued| live.iter().all(|((group, _), _)| *group != queued.0);
            let Some(place) = queue.iter().position(is_free) else { break };
            let queued = queue.remove(place).unwrap();
            taken.deliveries += 1;
            let fates = SeededEntropy::seeded(chance.number());
            let (attempts, writes, forced) = (attempts.clone(), writes.clone(), forced.clone());
            let counted = Counted::default();
            let people = counted.meeting(&store.people, move |call| {
                attempts.fetch_add(usize::from(call == "identities"), Ordering::SeqCst);
                if call != "save_all" {
                    return Fault::None;
                }
                let writes = 1 + writes.fetch_add(1, Ordering::SeqCst);
                let so_far = forced.load(Ordering::SeqCst);
                if draw(&fates, 1_000) >= FORCED && so_far * 1_000 >= writes * FORCED_MIN {
                    return Fault::None;
                }
                forced.fetch_add(1, Ordering::SeqCst);
                Fault::Conflict
            });
            let stage = stage(store, chance.number(), people);
            let body = queued.1.clone();
            live.push((queued, counted.running(async move { stage.carry_out(&body).await })));
        }
        if live.is_empty() {
            break;
        }
        let place = usize::try_from(draw(chance, live.len() as u64)).unwrap();
        taken.calls += 1;
        if let Some(came) = live[place].1.go_on() {
            let (queued, _) = live.swap_remove(place);
            match came {
                Ok(_) => (),
                Err(Failure::Retry(_)) => queue.push_back(queued),
                Err(Failure::Reject(cause)) => panic!("a right request is rejected: {cause}"),
            }
        }
        if taken.calls.is_multiple_of(2_000) {
            assert_eq!(oracle::invariants(&store.tables()), Ok(()));
        }
    }
    let number = |counter: Arc<AtomicUsize>| counter.load(Ordering::SeqCst);
    (taken.attempts, taken.writes, taken.forced) = (number(attempts), number(writes), number(forced));
    taken
}

fn find(above: &[usize], of: usize) -> usize {
    if above[of] == of { of } else { find(above, above[of]) }
}

/// The groups that a union-find makes of ties.
fn expected(count: usize, ties: &[(usize, usize)]) -> BTreeSet<BTreeSet<Identifier>> {
    let mut above: Vec<usize> = (0..count).collect();
    for (a, b) in ties {
        let (a, b) = (find(&above, *a), find(&above, *b));
        above[a] = b;
    }
    let mut groups: BTreeMap<usize, BTreeSet<Identifier>> = BTreeMap::new();
    for number in 0..count {
        groups.entry(find(&above, number)).or_default().insert(id(("card", &number.to_string())));
    }
    groups.into_values().collect()
}

fn run(seed: u64, count: usize, ties: &[(usize, usize)]) -> Taken {
    let store = crowd(count);
    let taken = work(&store, ties.iter().copied().map(queued).collect(), &SeededEntropy::seeded(seed));
    let tables = store.tables();
    assert_eq!(oracle::invariants(&tables), Ok(()), "SEED={seed}"); // No cycle among it.
    assert_eq!(partition(&tables), expected(count, ties), "SEED={seed}");
    let profiles = tables.profiles.values().map(|stored| Profile::decode(&stored.body).unwrap());
    let roots = profiles.filter(|profile| profile.family.absorbed_into.is_none());
    assert_eq!(
        roots.map(|root| root.counters.total()).sum::<u64>(),
        count as u64,
        "SEED={seed}: none is lost"
    );
    taken
}

/// How the ties of one person are laid.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Each to any before it, and as many more between any two.
    Any,
    /// Each to any before it: without one of them they would be two people.
    Tree,
    /// Each to the one before it.
    Chain,
    /// All to one.
    Star,
}

/// Ties that make one person of so many, each in its place of a shuffled list;
/// one in eight comes twice.
fn ties(groups: &[usize], shape: Shape, chance: &SeededEntropy) -> Vec<(usize, usize)> {
    let pick = |of: usize| usize::try_from(draw(chance, of as u64)).unwrap();
    let (mut ties, mut first) = (Vec::new(), 0);
    for size in groups {
        for number in 1..*size {
            let to = match shape {
                Shape::Any | Shape::Tree => pick(number),
                Shape::Chain => number - 1,
                Shape::Star => 0,
            };
            ties.push((first + number, first + to));
            if matches!(shape, Shape::Any) {
                let one = pick(*size);
                ties.push((first + one, first + (one + 1 + pick(size - 1)) % size));
            }
        }
        first += size;
    }
    let again: Vec<_> = ties.iter().copied().filter(|_| pick(8) == 0).collect();
    ties.extend(again);
    for place in (1..ties.len()).rev() {
        ties.swap(place, pick(place + 1));
    }
    ties
}

/// Runs seeds, and says of each what it took.
fn check(label: &str, shape: Shape, sizes: impl Fn(&SeededEntropy) -> Vec<usize>, most: &Most) {
    for seed in seeds(SEEDS) {
        let chance = SeededEntropy::seeded(seed ^ 0x64);
        let sizes = sizes(&chance);
        let taken = run(seed, sizes.iter().sum(), &ties(&sizes, shape, &chance));
        let Taken { requests, attempts, writes, forced, .. } = taken;
        let (optimum, rounds) = (requests + forced, taken.rounds());
        println!(
            "{label}, SEED={seed}: {requests} requests, {forced} of {writes} writes refused without cause, \
             {attempts} attempts where {optimum} are the optimum, {rounds} rounds"
        );
        assert!(forced * 10 >= writes * 3, "SEED={seed}: a third of the writes is to fail");
        assert!(attempts * 100 <= optimum * most.percent, "SEED={seed}: {attempts} attempts for {optimum}");
        assert!(rounds <= most.rounds, "SEED={seed}: {rounds} rounds");
        assert!(taken.deliveries * 100 <= requests * most.deliveries, "SEED={seed}: {taken:?}");
    }
}

/// What a run may take at most.
struct Most {
    /// Attempts, in a hundred of the optimum.
    percent: usize,
    rounds: usize,
    /// Deliveries, in a hundred of the requests.
    deliveries: usize,
}

/// Two to twelve names a person, the most with a few: as people are.
fn of_people(chance: &SeededEntropy) -> Vec<usize> {
    (0..40).map(|_| 2 + usize::try_from(draw(chance, 11).min(draw(chance, 11))).unwrap()).collect()
}

#[test]
fn sixty_four_workers_take_at_most_1_3_times_the_optimum() {
    let most = &Most { percent: 130, rounds: 48, deliveries: 105 };
    for shape in [Shape::Any, Shape::Tree, Shape::Chain, Shape::Star] {
        check(&format!("{shape:?} of forty people"), shape, of_people, most);
    }
}

/// All workers at one person, of whom only one can write at a time: what a
/// tablet does that a whole town uses, in the worst second of its life.
#[test]
fn sixty_four_workers_at_one_person_converge_too() {
    let most = &Most { percent: 230, rounds: 48, deliveries: 150 };
    for shape in [Shape::Any, Shape::Tree, Shape::Chain, Shape::Star] {
        check(&format!("{shape:?} of one person"), shape, |_| vec![60], most);
    }
}
