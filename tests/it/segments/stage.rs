//! Segments through the profile stage: folds, sweeps, fills, and what becomes
//! of them when definitions and people change in between.

use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::key::{IdKey, ProfileId};
use domain::message::Message;
use domain::profile::Profile;
use domain::profile::stored::Item;
use domain::rules::Rules;
use domain::segment::fill::{PARTS, Part, ROLLOUT, ROUNDS_MAX, Request, Walked};
use domain::segment::list;
use domain::segment::size::{Counting, Day};
use domain::segment::stored::SegmentId;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::Definitions as _;
use ports::definitions::{Source, Workspace};
use profile::{Stage, Writer};
use runtime::definitions::Cached;
use segments::Walk;
use serde_json::{Value, json};
use testkit::{
    Fault, Faulty, MemoryDefinitions, MemoryPeople, MemoryQueue, MemoryRejections, SeededEntropy, TestClock,
};

use crate::simulation::finish;

const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

type TestStage =
    Stage<MemoryPeople, MemoryDefinitions, MemoryRejections, MemoryQueue, TestClock, SeededEntropy>;

type Backfill<P = MemoryPeople> =
    segments::Stage<P, MemoryDefinitions, MemoryQueue, TestClock, SeededEntropy>;

struct Shop {
    people: MemoryPeople,
    definitions: MemoryDefinitions,
    clock: TestClock,
    stage: TestStage,
    backfill: Backfill,
    sent: u32,
}

fn workspace() -> WorkspaceId {
    WorkspaceId::parse("shop").unwrap()
}

fn key() -> IdKey {
    IdKey::new([7; IdKey::LENGTH])
}

impl Shop {
    fn new() -> Self {
        let (people, definitions) = (MemoryPeople::default(), MemoryDefinitions::default());
        let source =
            Source { id: SourceId::parse("web").unwrap(), region: None, origins: Vec::new(), rate: 1_000 };
        definitions.define(Workspace {
            id: workspace(),
            rules: Rules::default(),
            sources: vec![source],
            segments: 0,
            outreach: 0,
        });
        let clock = TestClock::at(super::BEGIN);
        let stage = stage(&people, &definitions, &clock);
        let definitions_kept = Cached::new(definitions.clone());
        let backfill = Backfill { writer: writer(&people, &clock), definitions: definitions_kept };
        Self { people, definitions, clock, stage, backfill, sent: 0 }
    }

    fn publish(&self, name: &str, when: &Value) {
        let set = finish(self.definitions.segments(&workspace())).unwrap();
        let document = json!({"name": name, "when": when}).to_string();
        let segment = set.publish(&super::id(name), &document, now(&self.clock)).unwrap();
        self.definitions.publish(&workspace(), segment, now(&self.clock));
        // Stages keep what they know for a minute.
        self.clock.advance(61 * Timestamp::SECOND);
    }

    fn event(&mut self, user: &str, name: &str) {
        let body = self.body(user, name);
        let verdicts = finish(self.stage.upsert(&[&body], NEVER));
        assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    }

    fn body(&mut self, user: &str, name: &str) -> String {
        self.sent += 1;
        let at = now(&self.clock);
        let event = Event {
            source: SourceId::parse("web").unwrap(),
            message_id: format!("m-{}", self.sent),
            kind: EventKind::Track,
            identifiers: vec![Identifier::parse("user_id", user, None).unwrap()],
            blocked: Vec::new(),
            rules: 1,
            client_time: ClientTime::Sent(at),
            event_time: at,
            received_at: at,
            payload: json!({"event": name}).to_string(),
            as_sent: user.to_owned(),
        };
        let message = Message { workspace: workspace(), trace: "0".repeat(32), events: vec![event] };
        message.pack().pop().unwrap()
    }

    fn sweep(&self) {
        while finish(self.stage.sweep()).unwrap().due > 0 {}
    }

    /// Asks everybody, as far as one minute's sweep says.
    fn fill(&self) -> Walk {
        self.fill_with(&self.backfill)
    }

    fn fill_with<P: ports::People>(&self, backfill: &Backfill<P>) -> Walk {
        let parts = MemoryQueue::default();
        finish(profile::fill::send(&self.stage.definitions, &parts, &self.clock)).unwrap();
        let mut all = Walk::default();
        for part in parts.take() {
            let walk = finish(backfill.walk(&part.body, NEVER)).unwrap();
            all.looked_at += walk.looked_at;
            all.written += walk.written;
            all.failed += walk.failed;
            all.left_out += walk.left_out;
            all.ended += walk.ended;
        }
        all
    }

    fn profile(&self, user: &str) -> (ProfileId, Profile) {
        let row = key().identifier(&workspace(), &Identifier::parse("user_id", user, None).unwrap());
        let id = key().profile(row, 0);
        let stored = self.people.tables().profiles[&(workspace(), id)].clone();
        (id, Profile::decode(&stored.body).unwrap())
    }

    /// What somebody was told of a segment: `+` entered, `-` exited.
    fn told(&self, user: &str, segment: &str) -> String {
        let (id, _) = self.profile(user);
        let (from, to) = list::answers(Some(&super::id(segment)));
        let items = self.people.tables().items;
        let of_segment = items.range((workspace(), id, from)..(workspace(), id, to));
        let read = |((_, _, key), body): (&(_, _, _), &Vec<u8>)| {
            let key: &domain::profile::stored::ItemKey = key;
            list::read_answer(&Item { key: key.clone(), body: body.clone() }).unwrap()
        };
        of_segment.map(read).map(|answer| if answer.holds { '+' } else { '-' }).collect()
    }

    /// How many are in the list of a version.
    fn listed(&self, segment: &str, version: u32) -> usize {
        let tables = self.people.tables();
        let of_shard = |shard| {
            let collection = list::collection(&key(), &workspace(), &super::id(segment), version, shard);
            let (from, to) = list::rows_after(None);
            let rows = tables.items.range((workspace(), collection, from)..(workspace(), collection, to));
            let read = |((_, _, key), body): (&(_, _, _), &Vec<u8>)| {
                let key: &domain::profile::stored::ItemKey = key;
                list::read_row(&Item { key: key.clone(), body: body.clone() }).unwrap()
            };
            rows.map(read).filter(|row| row.holds).count()
        };
        (0..list::SHARDS).map(of_shard).sum()
    }

    fn is_in(&self, user: &str, segment: &str) -> bool {
        let (_, profile) = self.profile(user);
        profile.segments.memberships.get(&super::id(segment)).is_some_and(|of| of.holds)
    }
}

fn now(clock: &TestClock) -> Timestamp {
    use ports::Clock as _;
    clock.now()
}

fn stage(people: &MemoryPeople, definitions: &MemoryDefinitions, clock: &TestClock) -> TestStage {
    Stage::new(writer(people, clock), definitions.clone(), MemoryRejections::new(clock.clone()))
}

fn writer<P: Clone>(people: &P, clock: &TestClock) -> Writer<P, MemoryQueue, TestClock, SeededEntropy> {
    Writer {
        people: people.clone(),
        merges: MemoryQueue::default(),
        messages: None,
        clock: clock.clone(),
        entropy: SeededEntropy::seeded(1),
        key: key(),
    }
}

fn ordered_within(span: &str) -> Value {
    json!({"event": "Ordered", "within": span})
}

#[test]
fn a_window_ends_by_itself_at_its_very_moment() {
    let mut shop = Shop::new();
    shop.publish("recent", &ordered_within("1d"));
    shop.event("ann", "Ordered");
    let ordered = now(&shop.clock);
    assert!(shop.is_in("ann", "recent") && shop.listed("recent", 1) == 1);
    shop.clock.advance(2 * Timestamp::DAY);
    shop.sweep();
    assert_eq!((shop.told("ann", "recent").as_str(), shop.listed("recent", 1)), ("+-", 0));
    let (_, ann) = shop.profile("ann");
    let since = ann.segments.memberships[&super::id("recent")].since;
    assert_eq!(since, ordered.plus(Timestamp::DAY), "not when the sweep came");
    assert_eq!(ann.segments.until, None, "nothing more can change by itself");
}

#[test]
fn rule_21_what_opened_and_closed_between_two_looks_is_two_changes_in_order() {
    let mut shop = Shop::new();
    let quiet = json!({"all": [{"fact": "last_seen", "older_than": "1d"}, {"not": {"fact": "last_seen", "older_than": "2d"}}]});
    shop.publish("quiet", &quiet);
    shop.event("ann", "Ordered");
    shop.clock.advance(10 * Timestamp::DAY);
    // An event comes before any sweep does: what was before it was.
    shop.event("ann", "Viewed");
    assert_eq!(shop.told("ann", "quiet"), "+-");
    let (_, ann) = shop.profile("ann");
    let looked = ann.segments.evaluated_at;
    // A sweep that was late looks no earlier than whoever looked last.
    let mut late = ann.clone();
    let set = finish(shop.definitions.segments(&workspace())).unwrap().compile().unwrap();
    late.advance(&set, looked.plus(-Timestamp::DAY));
    assert_eq!((late.segments.evaluated_at, late.segments.memberships), (looked, ann.segments.memberships));
}

#[test]
fn everybody_is_asked_about_a_new_segment_once_no_writer_knows_the_old_ones() {
    let mut shop = Shop::new();
    for user in ["ann", "bob", "cid", "dan", "eva"] {
        shop.event(user, if user == "eva" { "Viewed" } else { "Ordered" });
    }
    let before = shop.profile("eva");
    shop.publish("buyers", &json!({"event": "Ordered"}));
    let filled = shop.fill();
    assert_eq!(filled.looked_at, 0, "a stage may still know the old definitions");
    shop.clock.advance(ROLLOUT);
    let filled = shop.fill();
    assert_eq!(
        (filled.looked_at, filled.written, filled.ended),
        (5, 4, 1),
        "whom it does not concern costs no write"
    );
    assert_eq!((shop.listed("buyers", 1), shop.profile("eva") == before), (4, true));
    assert_eq!(shop.told("ann", "buyers"), "+");
    let set = finish(shop.definitions.segments(&workspace())).unwrap();
    assert!(set.segments[0].active.is_some() && set.segments[0].pending.is_none());
    assert_eq!(shop.fill().looked_at, 0, "it is over");
}

/// An outbox that is carried out meanwhile is written with the answers of before.
#[test]
fn whoever_is_overtaken_is_asked_again() {
    let mut shop = Shop::new();
    shop.event("ann", "Ordered");
    shop.publish("buyers", &json!({"event": "Ordered"}));
    shop.clock.advance(ROLLOUT);
    let mut races = 3;
    let overtaken = Faulty::new(shop.people.clone(), move |call| {
        let is_raced = call == "save" && races > 0;
        races -= u32::from(is_raced);
        if is_raced { Fault::Conflict } else { Fault::None }
    });
    let backfill = segments::Stage {
        writer: writer(&overtaken, &shop.clock),
        definitions: Cached::new(shop.definitions.clone()),
    };
    let filled = shop.fill_with(&backfill);
    assert_eq!((filled.written, filled.failed, filled.ended), (1, 0, 1));
    assert!(shop.is_in("ann", "buyers"));
}

/// Somebody who is due, at this very moment, to no effect.
fn due(shop: &mut Shop, user: &str, at: Timestamp) -> ProfileId {
    shop.event(user, "Viewed");
    let (id, _) = shop.profile(user);
    shop.people.alter(|tables| tables.profiles.get_mut(&(workspace(), id)).unwrap().due = Some(at));
    id
}

/// A timeline that takes all memory ends the whole function, and the profile stays as it was.
#[test]
fn who_ends_a_sweep_each_minute_does_not_keep_others_waiting() {
    let mut shop = Shop::new();
    let began = now(&shop.clock);
    let mut killer = due(&mut shop, "killer", began);
    let others: Vec<ProfileId> = (0..40).map(|n| due(&mut shop, &format!("u-{n}"), began.plus(1))).collect();
    shop.publish("long", &json!({"event": "Viewed", "within": "1y", "sum": {"of": "total", "at_least": 1}}));
    for other in &others {
        // Only the killer's timeline is read.
        shop.people.alter(|tables| {
            let stored = tables.profiles.get_mut(&(workspace(), *other)).unwrap();
            let mut profile = Profile::decode(&stored.body).unwrap();
            profile.counters = Profile::default().counters;
            stored.body = profile.encode();
        });
    }
    let dies = |call: &'static str| if call == "items" { Fault::DiesBefore } else { Fault::None };
    let writer = writer(&Faulty::new(shop.people.clone(), dies), &shop.clock);
    let is_due = |id: &ProfileId| shop.people.tables().profiles[&(workspace(), *id)].due.is_some();
    for _ in 0..48 {
        let mut sweep = std::pin::pin!(writer.sweep(&shop.stage.definitions, NEVER));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!((0..2_000).all(|_| sweep.as_mut().poll(&mut context).is_pending()), "it died");
        shop.clock.advance(Timestamp::MINUTE);
    }
    assert!(is_due(&killer) && others.iter().all(|other| !is_due(other)));
    // Whoever has a sweep's time and no more is put off, and not tried first again.
    killer = shop.profile("killer").0;
    let slow = Faulty::new(shop.people.clone(), {
        let clock = shop.clock.clone();
        move |call| {
            if call == "items" {
                clock.advance(Timestamp::MINUTE);
            }
            Fault::None
        }
    });
    let until = now(&shop.clock).plus(Timestamp::MINUTE / 2);
    let swept = finish(self::writer(&slow, &shop.clock).sweep(&shop.stage.definitions, until)).unwrap();
    assert_eq!((swept.due, swept.failed), (1, 1));
    let put_off = shop.people.tables().profiles[&(workspace(), killer)].due;
    assert!(put_off.is_some_and(|due| due > until), "{put_off:?}");
    assert!(finish(shop.stage.writer.sweep(&shop.stage.definitions, now(&shop.clock))).unwrap().due == 0);
    shop.clock.advance(Timestamp::HOUR);
    shop.sweep();
    assert!(!is_due(&killer));
}

/// One item that no build can read is not to keep the segments of all from
/// coming into force.
#[test]
fn who_cannot_be_asked_holds_a_fill_up_for_half_an_hour_and_is_then_left_out() {
    let mut shop = Shop::new();
    for user in ["ann", "bob"] {
        shop.event(user, "Ordered");
    }
    let (bob, _) = shop.profile("bob");
    shop.people.alter(|tables| {
        tables.profiles.get_mut(&(workspace(), bob)).unwrap().body = vec![1];
    });
    shop.publish("buyers", &json!({"event": "Ordered"}));
    shop.clock.advance(ROLLOUT);
    let mut left_out = 0;
    for round in 1..=ROUNDS_MAX {
        let filled = shop.fill();
        assert_eq!((filled.failed, filled.ended), (1, usize::from(round == ROUNDS_MAX)), "round {round}");
        left_out += filled.left_out;
        shop.clock.advance(Timestamp::MINUTE);
    }
    assert_eq!((left_out, shop.listed("buyers", 1)), (1, 1));
    let set = finish(shop.definitions.segments(&workspace())).unwrap();
    assert!(set.segments[0].active.is_some());
}

#[test]
fn rule_26_a_changed_segment_answers_silently_until_all_were_asked_and_tells_the_difference_once() {
    let mut shop = Shop::new();
    shop.publish("buyers", &json!({"event": "Ordered"}));
    for (user, orders) in [("ann", 1), ("bob", 2), ("cid", 0)] {
        (0..orders).for_each(|_| shop.event(user, "Ordered"));
        shop.event(user, "Viewed");
    }
    shop.clock.advance(ROLLOUT);
    shop.fill();
    shop.publish(
        "buyers",
        &json!({"any": [{"event": "Ordered", "count": {"at_least": 2}}, {"not": {"event": "Ordered"}}]}),
    );
    // A writer that knows the new version says nothing of it.
    shop.event("cid", "Viewed");
    assert_eq!(
        (shop.told("cid", "buyers").as_str(), shop.listed("buyers", 2), shop.listed("buyers", 1)),
        ("", 1, 2)
    );
    shop.clock.advance(ROLLOUT);
    shop.fill();
    // It is in force. Once every writer knows that, the second walk tells.
    shop.clock.advance(ROLLOUT);
    shop.fill();
    let told = ["ann", "bob", "cid"].map(|user| shop.told(user, "buyers"));
    assert_eq!(told, ["+-", "+", "+"], "bob was in and is in");
    assert_eq!(shop.listed("buyers", 2), 2);
    assert_eq!(["ann", "bob", "cid"].map(|user| shop.is_in(user, "buyers")), [false, true, true]);
    shop.clock.advance(ROLLOUT);
    shop.fill();
    shop.event("ann", "Viewed");
    assert_eq!(shop.told("ann", "buyers"), "+-", "once");
}

#[test]
fn rule_24_a_writer_with_older_definitions_reads_them_again() {
    let mut shop = Shop::new();
    shop.event("ann", "Ordered");
    // A second worker, which knows no segment and keeps that for a minute.
    let behind = stage(&shop.people, &shop.definitions, &shop.clock);
    let first = shop.body("zoe", "Viewed");
    assert!(finish(behind.upsert(&[&first], NEVER))[0].is_ok());
    let set = finish(shop.definitions.segments(&workspace())).unwrap();
    let document = json!({"when": {"event": "Ordered", "count": {"at_least": 2}}}).to_string();
    let segment = set.publish(&super::id("twice"), &document, now(&shop.clock)).unwrap();
    shop.definitions.publish(&workspace(), segment, now(&shop.clock));
    // One that starts now knows it, and builds the feature.
    shop.stage = stage(&shop.people, &shop.definitions, &shop.clock);
    shop.event("ann", "Viewed");
    shop.sweep();
    let second = shop.body("ann", "Ordered");
    assert!(finish(behind.upsert(&[&second], NEVER))[0].is_ok());
    assert!(
        shop.is_in("ann", "twice"),
        "the event was counted though its worker had not heard of the segment"
    );
}

#[test]
fn rule_25_a_feature_that_only_one_of_two_knew_is_built_anew() {
    let mut shop = Shop::new();
    shop.event("ann", "Ordered");
    shop.event("bob", "Ordered");
    shop.publish("twice", &json!({"event": "Ordered", "count": {"at_least": 2}}));
    shop.event("ann", "Viewed");
    let (ann, bob) = (shop.profile("ann"), shop.profile("bob"));
    let features = |of: &(ProfileId, Profile)| of.1.segments.features.len();
    shop.sweep();
    let built = shop.profile("ann");
    assert_eq!((features(&ann), features(&built), features(&bob)), (0, 1, 0), "ann's is known, bob's is not");
    let united = built.1.union(bob.1);
    let set = finish(shop.definitions.segments(&workspace())).unwrap().compile().unwrap();
    assert!(united.segments.features.is_empty() && united.lacks(&set), "unknown is not zero");
}

#[test]
fn a_segment_that_ends_is_left_by_all_and_may_return() {
    let mut shop = Shop::new();
    shop.publish("buyers", &json!({"event": "Ordered"}));
    shop.event("ann", "Ordered");
    let end = |shop: &Shop| {
        let set = finish(shop.definitions.segments(&workspace())).unwrap();
        shop.definitions.publish(
            &workspace(),
            set.end(&SegmentId::parse("buyers").unwrap()).unwrap(),
            now(&shop.clock),
        );
        shop.clock.advance(ROLLOUT);
        shop.fill();
    };
    end(&shop);
    assert_eq!((shop.told("ann", "buyers").as_str(), shop.is_in("ann", "buyers")), ("+-", false));
    shop.publish("buyers", &json!({"event": "Ordered"}));
    shop.clock.advance(ROLLOUT);
    shop.fill();
    assert_eq!((shop.told("ann", "buyers").as_str(), shop.listed("buyers", 2)), ("+-+", 1));
}

#[test]
fn members_are_counted_once_a_day_and_when_a_version_comes_into_force() {
    let mut shop = Shop::new();
    for user in ["u-1", "u-2", "u-3"] {
        shop.event(user, "Ordered");
    }
    shop.publish("buyers", &json!({"event": "Ordered"}));
    shop.clock.advance(ROLLOUT);
    shop.fill();
    let sizes = |shop: &Shop| {
        let sizes = finish(shop.definitions.sizes(&workspace(), &super::id("buyers"))).unwrap();
        sizes.iter().map(|size| (size.day.to_string(), size.members)).collect::<Vec<_>>()
    };
    let first = ("2026-11-01".to_owned(), 3);
    assert_eq!(sizes(&shop), std::slice::from_ref(&first));

    shop.event("u-4", "Ordered");
    shop.clock.advance(Timestamp::DAY);
    let queue = MemoryQueue::default();
    let send = |shop: &Shop| {
        finish(profile::fill::send(&shop.stage.definitions, &queue, &shop.clock)).unwrap();
        queue.take()
    };
    let sent = send(&shop);
    assert_eq!(sent.len(), 1);
    // Nothing is counted once the time is up, and the next minute sends it again.
    finish(shop.backfill.walk(&sent[0].body, now(&shop.clock))).unwrap();
    assert_eq!(sizes(&shop), std::slice::from_ref(&first));
    for request in send(&shop) {
        finish(shop.backfill.walk(&request.body, NEVER)).unwrap();
    }
    assert_eq!(sizes(&shop), [first, ("2026-11-02".to_owned(), 4)]);
    assert_eq!(send(&shop).len(), 0);
}

#[test]
fn a_version_comes_into_force_though_no_time_is_left_to_count_its_members() {
    let mut shop = Shop::new();
    shop.event("u-1", "Ordered");
    shop.publish("buyers", &json!({"event": "Ordered"}));
    shop.clock.advance(ROLLOUT);
    let fill = finish(shop.definitions.fills()).unwrap().remove(0);
    let through = Walked::done();
    for number in 0..PARTS {
        finish(shop.definitions.walk(&fill, number, &through, 0)).unwrap();
    }
    let part = Request::Part(Part { of: fill.is, number: 0 });
    let counted = Counting { done: Some(Day::of(now(&shop.clock))), ..Counting::new(workspace()) };
    finish(shop.definitions.count_on(&counted)).unwrap();
    let walk = finish(shop.backfill.walk(&part.pack(), now(&shop.clock))).unwrap();
    let sizes =
        |shop: &Shop| finish(shop.definitions.sizes(&workspace(), &super::id("buyers"))).unwrap().len();
    assert_eq!((walk.ended, sizes(&shop)), (1, 0));
    shop.fill();
    assert_eq!(sizes(&shop), 1, "the next minute counts them, though this day was counted before");
}
