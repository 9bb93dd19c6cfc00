//! A whole broadcast in the storm: unknown answers, throttling, senders that
//! die, parcels that come twice, two planners at once, people who leave and
//! people who become one meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::messaging::address::Reason;
use domain::messaging::consent::Said;
use domain::messaging::parcel::PEOPLE_MAX;
use domain::messaging::run::Outcome;
use domain::profile::Held;
use domain::time::Timestamp;
use ports::{Clock as _, People, Timer as _};
use testkit::MemoryPeople;
use testkit::channel::Verdict;

use super::careless::Careless;
use super::fleet::{Fleet, Hardship, beside};
use super::wire::{Post, Wire, lock};
use super::world::{World, allowed, email, key, person, word, workspace};
use crate::consent::hear;
use crate::store;

/// People of one ordinary run; `SIMULATION_RECIPIENTS` asks for more.
const RECIPIENTS: u32 = 20_000;
const SENDERS: u64 = 16;
const HARDSHIP: Hardship = Hardship { copied: 30, killed: 20 };
const MINUTES: u32 = 90;

#[expect(clippy::disallowed_methods, reason = "a test is asked for more by its caller")]
fn recipients() -> u32 {
    let wanted = std::env::var("SIMULATION_RECIPIENTS").ok().and_then(|wanted| wanted.parse().ok());
    wanted.unwrap_or(RECIPIENTS)
}

/// Of fifty people four are not to be written to, each for a reason of their own.
fn is_reader(number: u32) -> bool {
    number % 50 > 3
}

async fn crowd(world: &World, people: u32) {
    for number in 0..people {
        world.keep(person(number), &World::profile(number)).await;
        world.enlist(person(number), true).await;
        match number % 50 {
            0 => (),
            1 => {
                world.say(number, Said::Subscribed).await;
                let collection = key().address(&workspace(), &email(number));
                let suppress = |address: &mut domain::messaging::address::Address| {
                    (
                        address.suppress(
                            Some(Reason::Complained),
                            world.clock.now(),
                            domain::key::EventName(1),
                        ),
                        (),
                    )
                };
                store::change_address(&world.people, &workspace(), collection, suppress).await.unwrap();
            }
            2 => drop(world.say(number, Said::Asked).await),
            3 => drop(world.say(number, Said::Unsubscribed).await),
            _ => drop(world.say(number, Said::Subscribed).await),
        }
    }
}

/// When people who left were told that it is done.
type Left = Arc<Mutex<BTreeMap<u32, Option<Timestamp>>>>;

async fn leave(world: &World, people: u32, left: Left) {
    let store = Wire::new(world.people.clone(), Duration::from_millis(10));
    let mut rng = fastrand::Rng::with_seed(7);
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let number = rng.u32(0..people);
        let now = world.clock.now();
        let word = word(number, Said::Unsubscribed, now);
        lock(&left).entry(number).or_default();
        let heard = hear(&store, (&key(), &workspace()), &email(number), &word, now).await.unwrap();
        world.clock.until(heard.under_way.unwrap_or(now)).await;
        lock(&left).insert(number, Some(world.clock.now()));
    }
}

type Merged = Arc<Mutex<BTreeSet<u32>>>;

/// Makes two people one, as often as nobody of them is it already.
async fn merge(world: &World, people: u32, merged: Merged) {
    let mut rng = fastrand::Rng::with_seed(8);
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (survivor, absorbed) = (rng.u32(0..people), rng.u32(0..people));
        if survivor == absorbed || [survivor, absorbed].iter().any(|one| lock(&merged).contains(one)) {
            continue;
        }
        lock(&merged).extend([survivor, absorbed]);
        let mut gone = World::profile(absorbed);
        gone.family.absorbed_into = Some(person(survivor));
        world.keep(person(absorbed), &gone).await;
        let mut both = World::profile(survivor);
        both.identifiers.insert(email(absorbed), Held { generation: 1, since: world.clock.now() });
        world.keep(person(survivor), &both).await;
    }
}

/// Plans and sends until nobody is left.
async fn broadcast(world: &World, fleet: &Fleet) {
    let planners = [world.planner(), world.planner()];
    let mut rng = fastrand::Rng::with_seed(9);
    let mut idle = 0;
    for minute in 0..MINUTES {
        let life = Duration::from_millis(if rng.u8(0..4) == 0 { rng.u64(0..50) } else { 50_000 });
        let one = tokio::time::timeout(life, planners[0].plan());
        let (first, second) = futures_util::future::join(one, planners[1].plan()).await;
        let handed = first.map_or(1, |first| first.unwrap().handed) + second.unwrap().handed;
        fleet.receive(world, HARDSHIP, &mut rng);
        tokio::time::sleep(Duration::from_mins(1)).await;
        idle = if handed == 0 && fleet.is_idle() { idle + 1 } else { 0 };
        if idle > 3 {
            println!("it took {minute} minutes");
            return;
        }
    }
    panic!("not done in {MINUTES} minutes");
}

struct Found {
    world: World,
    post: Post,
    left: BTreeMap<u32, Option<Timestamp>>,
    merged: BTreeSet<u32>,
    killed: usize,
    most_held: usize,
}

async fn storm<P: People + 'static>(people: u32, over: impl FnOnce(MemoryPeople) -> P) -> Found {
    let world = World::new();
    world.mail.set_quota(allowed(200));
    crowd(&world, people).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut rng = fastrand::Rng::with_seed(3);
    let post = Post::new(world.mail.clone(), world.clock, Duration::from_millis(80)).answering(move || {
        match rng.u8(0..100) {
            0 => Verdict::AcceptedUnknown,
            1 => Verdict::Throttled,
            _ => Verdict::Accepted,
        }
    });
    let store = Wire::new(over(world.people.clone()), Duration::from_millis(8));
    let fleet = Fleet::start(&world, world.sender_over(store, post.clone()), SENDERS, HARDSHIP);
    let (left, merged) = (Left::default(), Merged::default());
    world.start("sale").await;
    world.start("sale").await;
    tokio::select! {
        () = broadcast(&world, &fleet) => (),
        () = leave(&world, people, Arc::clone(&left)) => (),
        () = merge(&world, people, Arc::clone(&merged)) => (),
    }
    let (left, merged) = (lock(&left).clone(), lock(&merged).clone());
    let [killed, most_held] =
        [&fleet.deeds.killed, &fleet.deeds.most_held].map(|count| count.load(Ordering::SeqCst));
    drop(fleet);
    Found { world, post, left, merged, killed, most_held }
}

/// Nobody twice, nobody who did not want it, and nobody after they left.
fn assert_only_who_wanted(found: &Found, letters: &BTreeMap<String, usize>) {
    let twice = letters.values().filter(|letters| **letters > 1).count();
    assert_eq!(twice, 0, "addresses with more than one letter");
    let numbers: BTreeMap<String, u32> =
        (0..recipients()).map(|number| (email(number).value().to_owned(), number)).collect();
    for (at, to) in found.post.begun() {
        let number = numbers[&to];
        assert!(is_reader(number), "a call to {number} began");
        let answered = found.left.get(&number).copied().flatten();
        assert!(answered.is_none_or(|answered| at < answered), "a call to {number} began behind an answer");
    }
}

/// Everybody who was to get it has it, or it is said that nobody knows.
async fn assert_everybody(found: &Found, letters: &BTreeMap<String, usize>, people: u32) {
    let outcomes = found.world.outcomes("sale").await;
    let unknown: BTreeSet<String> = found.post.unknown().into_iter().collect();
    let (mut sent, mut listed) = (0, 0);
    for number in 0..people {
        let outcome = outcomes.get(&person(number));
        assert!(!matches!(outcome, None | Some(Outcome::Waits { .. })), "{number} came to {outcome:?}");
        let is_unknown = matches!(outcome, Some(Outcome::Unknown(..)));
        listed += usize::from(is_unknown);
        sent += usize::from(matches!(outcome, Some(Outcome::Sent(..))));
        let address = email(number).value().to_owned();
        let is_plain =
            is_reader(number) && !found.left.contains_key(&number) && !found.merged.contains(&number);
        if is_plain {
            let has_one = letters.contains_key(&address);
            assert!(has_one || is_unknown, "{number} has none and came to {outcome:?}");
            assert!(is_unknown || !unknown.contains(&address), "{number} came to {outcome:?}");
        }
    }
    // Whoever dies may hold claims whose calls did not begin.
    let (injected, killed, left) = (unknown.len(), found.killed, found.left.len());
    println!(
        "{people} people: {} letters, {sent} said to be sent, {listed} unknown, of which {injected} calls were; \
         {killed} senders died, {left} people left, {} became one",
        letters.len(),
        found.merged.len()
    );
    assert!(listed <= injected + killed * PEOPLE_MAX, "{listed} are unknown");
    assert!(killed > 10 && left > 50 && found.merged.len() > 50, "it was too calm");
}

#[tokio::test(start_paused = true)]
async fn rule_12_in_the_storm_no_address_gets_two_letters_and_nobody_is_forgotten() {
    let people = recipients();
    let found = Box::pin(beside(storm(people, |people| people))).await;
    let letters = found.world.letters();
    assert_only_who_wanted(&found, &letters);
    assert_everybody(&found, &letters, people).await;
    let bound = usize::try_from(SENDERS).unwrap() * PEOPLE_MAX;
    assert!(found.most_held <= bound, "{} people were held at once", found.most_held);
}

#[tokio::test(start_paused = true)]
async fn a_store_without_conditions_is_caught_in_the_storm() {
    let found = Box::pin(beside(storm(1_000, Careless))).await;
    let twice = found.world.letters().into_values().filter(|letters| *letters > 1).count();
    assert!(twice > 0, "nobody saw it");
}
