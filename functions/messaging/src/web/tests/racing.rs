use futures_util::future::join;
use ports::people::SaveError;
use tokio::task::yield_now;

use super::*;

const LETTER: DeliveryId = DeliveryId::from_bytes([8; 16]);

/// Sends as the sender does: claims under the consent that it saw, and begins
/// no call once its claim is over. Between any two steps time goes by.
async fn send<P: People>(people: &P, clock: &TestClock, mut random: fastrand::Rng, log: &Mutex<Vec<&str>>) {
    let workspace = shop();
    loop {
        for _ in 0..random.usize(0..6) {
            clock.advance(random.i64(0..40));
            yield_now().await;
        }
        let seen = store::address(people, &workspace, collection()).await.unwrap();
        if !matches!(seen.address.status(Channel::Email, &topic("news")), Status::Subscribed { .. }) {
            return;
        }
        let until = clock.now().plus(random.i64(1..600));
        let state = State::Calling { until, attempt: 9 };
        let mut next = seen.address.clone();
        next.claim(Delivery { id: LETTER, at: clock.now(), state, ..delivery() }, clock.now());
        match people.replace(&workspace, collection(), seen.item.as_ref(), &next.item()).await {
            Ok(()) => (),
            Err(SaveError::Conflict) => continue,
            Err(SaveError::Unavailable(cause)) => panic!("{cause}"),
        }
        // Longer than all that leaving asks of the store.
        for _ in 0..random.usize(0..60) {
            clock.advance(random.i64(0..12));
            yield_now().await;
        }
        if clock.now() < until {
            log.lock().unwrap().push("call");
        }
        let settled = store::change_address(people, &workspace, collection(), |address| {
            (address.settle(LETTER, 9, State::Accepted), ())
        });
        return settled.await.unwrap();
    }
}

#[test]
fn in_10_000_races_no_call_begins_after_somebody_was_told_that_they_left() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut sent, mut unsent) = (0, 0);
    for _ in 0..10_000 {
        let world = World::new();
        let people = Faulty::new(world.people.clone(), |_| Fault::None);
        let log = Mutex::new(Vec::new());
        let (web, turns) = (world.over(people.clone()), random.usize(0..12));
        let leaving = async {
            for _ in 0..turns {
                yield_now().await;
            }
            let answer = web.handle(request("POST", &unsubscribe(Some("news")), &[], None)).await;
            assert_eq!(answer.status_code, 200);
            log.lock().unwrap().push("told");
        };
        finish(join(send(&people, &world.clock, random.fork(), &log), leaving));
        match log.into_inner().unwrap().as_slice() {
            ["told"] => unsent += 1,
            ["call", "told"] => sent += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(sent > 1_000 && unsent > 1_000, "{sent} sent and {unsent} not");
}
