//! SQS's promises, as tests of anything that claims to keep them.

use super::settings::{Fifo, QueueSettings, Redrive};
use super::{Counts, Message, Received};

/// What the contract asks of its subject: the API of SQS, and a clock to move.
pub(super) trait Sqs {
    /// The id; `None` if it was refused.
    async fn send(&self, queue: &str, message: Message) -> Option<String>;
    async fn receive(&self, queue: &str, max: usize) -> Vec<Received>;
    async fn delete(&self, queue: &str, received: &Received);
    async fn hide(&self, queue: &str, received: &Received, seconds: u32);
    async fn counts(&self, queue: &str) -> Counts;
    fn advance(&self, seconds: i64);
}

/// The queues that the subject must have.
pub(super) fn queues() -> Vec<QueueSettings> {
    let redrive = |to: &str, max_receives| Some(Redrive { to: to.to_owned(), max_receives });
    let fifo = Some(Fifo::default());
    vec![
        QueueSettings { redrive: redrive("dead", 3), ..QueueSettings::standard("plain") },
        QueueSettings { retention_s: 14 * DAY_S, ..QueueSettings::standard("dead") },
        QueueSettings { delay_s: 10, ..QueueSettings::standard("late") },
        QueueSettings { fifo, redrive: redrive("dead.fifo", 2), ..QueueSettings::standard("line.fifo") },
        QueueSettings { fifo, ..QueueSettings::standard("dead.fifo") },
    ]
}

const DAY_S: u32 = 24 * 60 * 60;

fn message(body: &str) -> Message {
    Message { body: body.to_owned(), ..Message::default() }
}

/// `b2` is of group `b`; its deduplication id is its body.
fn in_line(body: &str) -> Message {
    Message { group: Some(body[..1].to_owned()), deduplication: Some(body.to_owned()), ..message(body) }
}

fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(|received| received.body.as_str()).collect()
}

async fn receive_all<S: Sqs>(sqs: &S, queue: &str) -> Vec<String> {
    sqs.receive(queue, 10).await.into_iter().map(|received| received.body).collect()
}

pub(super) async fn what_is_sent_is_received_with_its_attributes<S: Sqs>(sqs: &S) {
    let attributes = vec![("trace".to_owned(), "t-1".to_owned())];
    let id = sqs.send("plain", Message { attributes: attributes.clone(), ..message("one") }).await;
    let [received] = &sqs.receive("plain", 10).await[..] else { panic!("one message") };
    assert_eq!(Some(&received.id), id.as_ref());
    assert_eq!((received.body.as_str(), received.receives), ("one", 1));
    assert_eq!(received.attributes, attributes);
}

pub(super) async fn a_received_message_is_hidden_until_its_timeout_and_then_counted<S: Sqs>(sqs: &S) {
    sqs.send("plain", message("one")).await;
    let first = sqs.receive("plain", 10).await;
    assert_eq!(receive_all(sqs, "plain").await, [""; 0]);
    assert_eq!(sqs.counts("plain").await, Counts { in_flight: 1, ..Counts::default() });
    sqs.advance(29);
    assert_eq!(receive_all(sqs, "plain").await, [""; 0]);
    sqs.advance(1);
    let again = sqs.receive("plain", 10).await;
    assert_eq!((again[0].receives, &again[0].id), (2, &first[0].id));
    assert_eq!((again[0].sent, again[0].first_received), (first[0].sent, first[0].first_received));
}

pub(super) async fn a_deleted_message_never_comes_back<S: Sqs>(sqs: &S) {
    sqs.send("plain", message("one")).await;
    let received = sqs.receive("plain", 1).await;
    sqs.advance(31);
    sqs.delete("plain", &received[0]).await; // A standard queue allows it after the timeout too.
    sqs.advance(31);
    assert_eq!(receive_all(sqs, "plain").await, [""; 0]);
    assert_eq!(sqs.counts("plain").await, Counts::default());
}

pub(super) async fn a_receipt_of_an_earlier_receive_deletes_nothing<S: Sqs>(sqs: &S) {
    sqs.send("plain", message("one")).await;
    let stale = sqs.receive("plain", 1).await;
    sqs.advance(31);
    assert_eq!(receive_all(sqs, "plain").await, ["one"]);
    sqs.delete("plain", &stale[0]).await;
    sqs.advance(31);
    assert_eq!(receive_all(sqs, "plain").await, ["one"]);
}

pub(super) async fn visibility_can_be_ended_and_prolonged<S: Sqs>(sqs: &S) {
    sqs.send("plain", message("one")).await;
    let first = sqs.receive("plain", 1).await;
    sqs.hide("plain", &first[0], 0).await;
    let second = sqs.receive("plain", 1).await;
    assert_eq!(second[0].receives, 2);
    sqs.hide("plain", &second[0], 100).await;
    sqs.advance(99);
    assert_eq!(receive_all(sqs, "plain").await, [""; 0]);
    sqs.advance(1);
    assert_eq!(receive_all(sqs, "plain").await, ["one"]);
}

pub(super) async fn a_delayed_message_is_hidden_at_first<S: Sqs>(sqs: &S) {
    sqs.send("late", message("by the queue")).await;
    sqs.send("plain", Message { delay_s: Some(20), ..message("by itself") }).await;
    sqs.send("late", Message { delay_s: Some(0), ..message("at once") }).await;
    assert_eq!(receive_all(sqs, "late").await, ["at once"]);
    assert_eq!(sqs.counts("plain").await, Counts { delayed: 1, ..Counts::default() });
    sqs.advance(10);
    assert_eq!(receive_all(sqs, "late").await, ["by the queue"]);
    assert_eq!(receive_all(sqs, "plain").await, [""; 0]);
    sqs.advance(10);
    assert_eq!(receive_all(sqs, "plain").await, ["by itself"]);
}

pub(super) async fn what_was_received_too_often_goes_to_the_dead_letters<S: Sqs>(sqs: &S) {
    let id = sqs.send("plain", message("poison")).await;
    for receives in 1..=3 {
        assert_eq!(sqs.receive("plain", 10).await[0].receives, receives);
        sqs.advance(31);
    }
    sqs.send("plain", message("good")).await;
    assert_eq!(receive_all(sqs, "plain").await, ["good"]);
    let dead = sqs.receive("dead", 10).await;
    assert_eq!((bodies(&dead), Some(&dead[0].id)), (vec!["poison"], id.as_ref()));
    assert_eq!(dead[0].receives, 4, "counted across queues");
}

pub(super) async fn a_message_ends_with_its_retention_and_keeps_its_age_in_the_dead_letters<S: Sqs>(sqs: &S) {
    sqs.send("plain", message("old")).await;
    for _ in 0..3 {
        sqs.receive("plain", 10).await;
        sqs.advance(31);
    }
    assert_eq!(receive_all(sqs, "plain").await, [""; 0]);
    sqs.send("plain", message("forgotten")).await;
    sqs.advance(5 * i64::from(DAY_S));
    assert_eq!(receive_all(sqs, "plain").await, [""; 0]);
    assert_eq!(sqs.counts("dead").await, Counts { visible: 1, ..Counts::default() });
    sqs.advance(9 * i64::from(DAY_S));
    assert_eq!(sqs.counts("dead").await, Counts::default());
}

pub(super) async fn what_sqs_would_refuse_is_refused<S: Sqs>(sqs: &S) {
    let attribute = |value: &str| vec![("reason".to_owned(), value.to_owned())];
    assert_eq!(sqs.send("plain", message("")).await, None);
    assert_eq!(sqs.send("plain", message("\u{0}")).await, None);
    assert_eq!(sqs.send("plain", message(&"x".repeat(1024 * 1024 + 1))).await, None);
    assert_eq!(sqs.send("plain", Message { attributes: attribute(""), ..message("one") }).await, None);
    assert_eq!(sqs.send("plain", Message { delay_s: Some(901), ..message("one") }).await, None);
    assert_eq!(sqs.send("plain", in_line("a1")).await, None);
    assert_eq!(sqs.send("line.fifo", message("one")).await, None);
    assert_eq!(sqs.send("line.fifo", Message { delay_s: Some(1), ..in_line("a1") }).await, None);
    assert!(sqs.send("plain", message(&"x".repeat(1024 * 1024))).await.is_some());
}

pub(super) async fn a_group_keeps_its_order_and_others_pass<S: Sqs>(sqs: &S) {
    for body in ["a1", "a2", "b1", "a3", "b2"] {
        sqs.send("line.fifo", in_line(body)).await;
    }
    let first = sqs.receive("line.fifo", 2).await;
    assert_eq!(bodies(&first), ["a1", "a2"]);
    assert_eq!(receive_all(sqs, "line.fifo").await, ["b1", "b2"], "a3 waits behind a1 and a2");
    sqs.delete("line.fifo", &first[0]).await;
    assert_eq!(receive_all(sqs, "line.fifo").await, [""; 0], "a3 waits behind a2");
    sqs.delete("line.fifo", &first[1]).await;
    assert_eq!(receive_all(sqs, "line.fifo").await, ["a3"]);
}

pub(super) async fn order_outlives_a_visibility_timeout<S: Sqs>(sqs: &S) {
    for body in ["a1", "a2", "a3"] {
        sqs.send("line.fifo", in_line(body)).await;
    }
    assert_eq!(bodies(&sqs.receive("line.fifo", 1).await), ["a1"]);
    sqs.advance(31);
    assert_eq!(receive_all(sqs, "line.fifo").await, ["a1", "a2", "a3"]);
}

pub(super) async fn a_released_head_waits_for_what_is_in_flight_behind_it<S: Sqs>(sqs: &S) {
    for body in ["a1", "a2"] {
        sqs.send("line.fifo", in_line(body)).await;
    }
    let both = sqs.receive("line.fifo", 2).await;
    sqs.hide("line.fifo", &both[0], 0).await;
    assert_eq!(receive_all(sqs, "line.fifo").await, [""; 0]);
    sqs.delete("line.fifo", &both[1]).await;
    assert_eq!(receive_all(sqs, "line.fifo").await, ["a1"]);
}

pub(super) async fn an_expired_receipt_of_a_fifo_queue_deletes_nothing<S: Sqs>(sqs: &S) {
    sqs.send("line.fifo", in_line("a1")).await;
    let expired = sqs.receive("line.fifo", 1).await;
    sqs.advance(31);
    sqs.delete("line.fifo", &expired[0]).await;
    assert_eq!(receive_all(sqs, "line.fifo").await, ["a1"]);
}

pub(super) async fn a_repeat_is_known_for_five_minutes_also_after_it_was_deleted<S: Sqs>(sqs: &S) {
    let first = sqs.send("line.fifo", in_line("a1")).await;
    assert_eq!(sqs.send("line.fifo", in_line("a1")).await, first);
    let received = sqs.receive("line.fifo", 10).await;
    assert_eq!(bodies(&received), ["a1"]);
    sqs.delete("line.fifo", &received[0]).await;
    sqs.advance(299);
    assert_eq!(sqs.send("line.fifo", in_line("a1")).await, first);
    assert_eq!(receive_all(sqs, "line.fifo").await, [""; 0]);
    sqs.advance(1);
    assert_ne!(sqs.send("line.fifo", in_line("a1")).await, first);
    assert_eq!(receive_all(sqs, "line.fifo").await, ["a1"]);
}

pub(super) async fn a_dead_head_lets_its_group_go_on<S: Sqs>(sqs: &S) {
    sqs.send("line.fifo", in_line("a1")).await;
    for _ in 0..2 {
        assert_eq!(bodies(&sqs.receive("line.fifo", 1).await), ["a1"]);
        sqs.advance(31);
    }
    sqs.send("line.fifo", in_line("a2")).await;
    assert_eq!(receive_all(sqs, "line.fifo").await, ["a2"]);
    let dead = sqs.receive("dead.fifo", 10).await;
    assert_eq!((bodies(&dead), dead[0].group.as_deref()), (vec!["a1"], Some("a")));
}
