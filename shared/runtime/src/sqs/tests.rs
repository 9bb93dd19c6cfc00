use std::error::Error;

use aws_lambda_events::event::sqs::SqsMessageAttribute;
use testkit::MemoryQueue;

use super::*;

const RECEIVES_MAX: u32 = 5;

fn record(id: &str, body: &str, receives: u32) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(id.to_owned());
    record.body = Some(body.to_owned());
    record.attributes.insert("ApproximateReceiveCount".to_owned(), receives.to_string());
    let mut trace = SqsMessageAttribute::default();
    trace.string_value = Some(trace_of(id));
    record.message_attributes.insert("trace".to_owned(), trace);
    record
}

/// 32 hex digits, as ours are.
fn trace_of(id: &str) -> String {
    format!("{id:0>32}")
}

fn wrong() -> Result<(), Failure> {
    Err(Failure::reject("the message is not JSON"))
}

fn trouble() -> Result<(), Failure> {
    Err(Failure::retry("the table is throttled"))
}

fn reported(response: &SqsBatchResponse) -> Vec<&str> {
    response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
}

fn attribute<'a>(letter: &'a Outgoing, name: &str) -> Option<&'a str> {
    letter.attributes.iter().find(|(named, _)| named == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_bad_record_harms_only_itself() {
    let dlq = MemoryQueue::default();
    let records = [record("a", "A", 1), record("b", "B", 1), record("c", "C", 2)];
    let response = settle(&dlq, &records, vec![Ok(()), wrong(), trouble()], RECEIVES_MAX).await;
    assert_eq!(reported(&response), ["c"]);
    let [letter] = &dlq.sent()[..] else { panic!("one letter") };
    assert_eq!(letter.body, "B");
    assert_eq!(attribute(letter, "reason"), Some("the message is not JSON"));
    assert_eq!(attribute(letter, "fate"), Some("rejected"));
    assert_eq!(attribute(letter, "message_id"), Some("b"));
    assert_eq!(attribute(letter, "trace"), Some(trace_of("b").as_str()));
}

#[tokio::test]
async fn the_last_receive_ends_among_the_dead_letters_with_its_last_cause() {
    let dlq = MemoryQueue::default();
    let records = [record("a", "A", RECEIVES_MAX - 1), record("b", "B", RECEIVES_MAX)];
    let response = settle(&dlq, &records, vec![trouble(), trouble()], RECEIVES_MAX).await;
    assert_eq!(reported(&response), ["a"]);
    let [letter] = &dlq.sent()[..] else { panic!("one letter") };
    assert_eq!(attribute(letter, "fate"), Some("given_up"));
    assert_eq!(attribute(letter, "reason"), Some("the table is throttled"));
    assert_eq!(attribute(letter, "receives"), Some("5"));
}

#[tokio::test]
async fn a_record_whose_letter_was_not_accepted_comes_back() {
    let dlq = MemoryQueue::default();
    dlq.fail_next(u32::MAX);
    let response = settle(&dlq, &[record("a", "A", 1)], vec![wrong()], RECEIVES_MAX).await;
    assert_eq!(reported(&response), ["a"]);
    assert_eq!(dlq.sent(), []);
}

#[tokio::test]
async fn a_letter_that_the_queue_refuses_harms_only_itself() {
    let dlq = MemoryQueue::default();
    dlq.fail_on("B");
    let records = [record("a", "A", 1), record("b", "B", 1), record("c", "C", 1)];
    let response = settle(&dlq, &records, vec![wrong(), wrong(), wrong()], RECEIVES_MAX).await;
    assert_eq!(reported(&response), ["b"]);
    let sent = dlq.sent();
    assert!(["A", "C"].iter().all(|body| sent.iter().any(|letter| letter.body == *body)));
}

#[tokio::test]
async fn an_outage_of_the_dead_letters_reports_every_record_without_asking_for_each() {
    let dlq = MemoryQueue::default();
    dlq.fail_next(11);
    let records: Vec<_> = (0..35).map(|n| record(&n.to_string(), "x", 1)).collect();
    let response = settle(&dlq, &records, records.iter().map(|_| wrong()).collect(), RECEIVES_MAX).await;
    assert_eq!(response.batch_item_failures.len(), 35);
    assert_eq!(dlq.sent(), [], "the twelfth send would have been accepted");
}

#[tokio::test]
async fn a_record_without_a_verdict_is_not_deleted() {
    let dlq = MemoryQueue::default();
    let response =
        settle(&dlq, &[record("a", "A", 1), record("b", "B", 1)], vec![Ok(())], RECEIVES_MAX).await;
    assert_eq!(reported(&response), ["b"]);
}

#[tokio::test]
async fn a_record_without_an_id_never_gives_an_empty_identifier() {
    for id in [None, Some(String::new())] {
        let mut nameless = record("", "A", 1);
        nameless.message_id = id;
        let response = settle(&MemoryQueue::default(), &[nameless], vec![trouble()], RECEIVES_MAX).await;
        assert_eq!(reported(&response), [WITHOUT_ID]);
    }
}

fn letter_of(body: &str, reason: &str) -> Outgoing {
    let cause: Box<dyn Error + Send + Sync> = reason.to_owned().into();
    letter::write(&record("a", body, 1), cause.as_ref(), Fate::Rejected)
}

#[test]
fn a_letter_of_a_fifo_queue_hides_no_other_and_remembers_its_group() {
    let cause: Box<dyn Error + Send + Sync> = "no".into();
    let mut of_fifo = record("a", "A", 1);
    of_fifo.attributes.insert("MessageGroupId".to_owned(), "person".to_owned());
    let letter = letter::write(&of_fifo, cause.as_ref(), Fate::Rejected);
    let fifo = letter.fifo.as_ref().unwrap();
    assert_eq!((fifo.group.as_str(), fifo.deduplication.as_str()), ("a", "a"));
    assert_eq!(attribute(&letter, letter::GROUP), Some("person"));
    assert_eq!(letter::unwrap(letter.attributes), [("trace".to_owned(), trace_of("a"))]);
    assert_eq!(letter_of("A", "no").fifo, None, "a standard queue takes no group");
}

#[test]
fn a_reason_is_cut_at_a_character_and_holds_only_what_sqs_takes() {
    let letter = letter_of("A", &format!("\u{0}\u{1b}{}", "й".repeat(2_000)));
    let reason = attribute(&letter, "reason").unwrap();
    assert_eq!(reason.len(), letter::REASON_BYTES_MAX);
    assert!(reason.chars().all(|letter| letter == 'й'));
}

#[test]
fn a_letter_that_goes_back_keeps_what_the_record_had() {
    let letter = letter_of("A", "no");
    assert_eq!(letter::unwrap(letter.attributes), [("trace".to_owned(), trace_of("a"))]);
}

#[test]
fn a_trace_that_is_not_ours_is_not_repeated() {
    let mut foreign = record("a", "A", 1);
    foreign.message_attributes.get_mut("trace").unwrap().string_value = Some("alice@example.com".to_owned());
    let cause: Box<dyn Error + Send + Sync> = "no".into();
    assert_eq!(attribute(&letter::write(&foreign, cause.as_ref(), Fate::Rejected), "trace"), None);
}

#[test]
fn a_body_that_leaves_no_room_for_its_reason_goes_in_as_a_pointer() {
    let beside: usize = letter_of("A", "no").attributes.iter().map(|(n, v)| n.len() + 6 + v.len()).sum();
    let fits = "x".repeat(letter::MESSAGE_BYTES_MAX - beside);
    assert_eq!(letter_of(&fits, "no").body, fits);
    assert!(!letter::is_pointer(&fits) && !letter::is_pointer(r#"{"v":1,"message":{}}"#));
    let over = fits + "x";
    assert!(
        letter::is_pointer(&letter_of(&over, "no").body) && letter::is_pointer(&letter_of("", "no").body)
    );
    let pointer: serde_json::Value = serde_json::from_str(&letter_of(&over, "no").body).unwrap();
    assert_eq!(pointer["v"], 1);
    assert_eq!(pointer["too_large"], true);
    assert_eq!(pointer["length"], over.len());
    assert_eq!(pointer["sha256"].as_str().unwrap().len(), 64);
}
