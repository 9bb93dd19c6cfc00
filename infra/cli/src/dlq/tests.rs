use std::sync::Mutex;

use clap::Parser as _;
use domain::identifier::Identifier;
use domain::identity_request::{IdentityRequest, Order as Ordered, Part, Work};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::queue::{Fifo, Outgoing};
use runtime::sqs::letter;

use super::shelf::Taken;
use super::*;
use crate::arguments::{Arguments, Command};

const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Queues in memory, which may be killed in the middle of the work.
#[derive(Default)]
struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    dead: Vec<Dead>,
    sent: Vec<(String, Outgoing)>,
    /// Calls until the process is gone; `None` lives.
    dies_after: Option<usize>,
    /// Whether the last call still does its work.
    dies_late: bool,
    /// Bodies that the queue does not take.
    refused: Vec<String>,
    /// Bodies that come straight back, by the stage (`true`) or by the queue itself.
    returned: Vec<(String, bool)>,
}

struct Dead {
    letter: Letter,
    is_hidden: bool,
}

impl Memory {
    fn of(letters: impl IntoIterator<Item = Letter>) -> Self {
        let dead = letters.into_iter().map(|letter| Dead { letter, is_hidden: false }).collect();
        Self(Mutex::new(State { dead, ..State::default() }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn call<T>(&self, work: impl FnOnce(&mut State) -> Result<T, Failed>) -> Result<T, Failed> {
        let mut state = self.state();
        match &mut state.dies_after {
            None => work(&mut state),
            Some(0) => {
                state.dies_after = Some(usize::MAX / 2);
                let is_late = std::mem::take(&mut state.dies_late);
                if is_late {
                    work(&mut state)?;
                }
                Err("killed".into())
            }
            Some(left) if *left >= usize::MAX / 4 => Err("killed".into()),
            Some(left) => {
                *left -= 1;
                work(&mut state)
            }
        }
    }

    /// Every timeout is over, and the next process is started.
    fn restart(&self) {
        let mut state = self.state();
        state.dies_after = None;
        state.dead.iter_mut().for_each(|dead| dead.is_hidden = false);
    }

    fn sent(&self) -> Vec<String> {
        self.state().sent.iter().map(|(_, sent)| sent.body.clone()).collect()
    }

    /// Bodies of the letters, and whether each can be received.
    fn dead(&self) -> Vec<(String, bool)> {
        self.state().dead.iter().map(|dead| (dead.letter.body.clone(), !dead.is_hidden)).collect()
    }
}

impl Shelf for Memory {
    async fn count(&self) -> Result<u64, Failed> {
        self.call(|state| Ok(state.dead.len() as u64))
    }

    async fn take(&self) -> Result<Vec<Taken>, Failed> {
        self.call(|state| {
            let visible = state.dead.iter_mut().filter(|dead| !dead.is_hidden).take(10);
            Ok(visible
                .map(|dead| {
                    dead.is_hidden = true;
                    Taken { letter: dead.letter.clone(), receipt: dead.letter.id.clone() }
                })
                .collect())
        })
    }

    async fn give_back(&self, receipt: &str) -> Result<(), Failed> {
        self.call(|state| {
            state
                .dead
                .iter_mut()
                .filter(|dead| dead.letter.id == receipt)
                .for_each(|dead| dead.is_hidden = false);
            Ok(())
        })
    }

    async fn delete(&self, receipt: &str) -> Result<(), Failed> {
        self.call(|state| {
            state.dead.retain(|dead| dead.letter.id != receipt);
            Ok(())
        })
    }

    async fn send(&self, message: Outgoing) -> Result<String, Failed> {
        self.call(|state| {
            if state.refused.contains(&message.body) {
                return Err("the queue does not take it".into());
            }
            let id = format!("sent-{}", state.sent.len());
            if let Some((_, by_stage)) = state.returned.iter().find(|(body, _)| *body == message.body) {
                let mut back =
                    dead(&if *by_stage { format!("letter-of-{id}") } else { id.clone() }, &message.body);
                if *by_stage {
                    back.attributes.push((letter::MESSAGE_ID.to_owned(), id.clone()));
                } else {
                    back.attributes.clear();
                }
                state.dead.push(Dead { letter: back, is_hidden: false });
            }
            state.sent.push((id.clone(), message));
            Ok(id)
        })
    }
}

fn dead(id: &str, body: &str) -> Letter {
    let attributes = [
        (letter::REASON, "the message is not JSON"),
        (letter::FATE, "rejected"),
        (letter::RECEIVES, "3"),
        (letter::TRACE, "t-1"),
    ];
    Letter {
        id: id.to_owned(),
        body: body.to_owned(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        receives: 1,
        sent: NOON,
        group: None,
    }
}

fn numbered(count: usize) -> Vec<Letter> {
    (0..count).map(|number| dead(&format!("d-{number:02}"), &format!("body {number}"))).collect()
}

fn because(mut letter: Letter, reason: &str) -> Letter {
    for (name, value) in &mut letter.attributes {
        if name == letter::REASON {
            reason.clone_into(value);
        }
    }
    letter
}

/// The order that these words give.
fn order(words: &[&str]) -> Order {
    let arguments = Arguments::try_parse_from(["tributary", "dlq"].iter().chain(words)).unwrap();
    let Command::Dlq(command) = arguments.command else { panic!("a command about dead letters") };
    command.order().1
}

async fn done(shelf: Memory, words: &[&str]) -> (Memory, Value) {
    let shelves = [("profile".to_owned(), shelf)];
    let answer = carry_out(&shelves, &order(words)).await.unwrap();
    let [(_, shelf)] = shelves;
    (shelf, answer)
}

fn count(answer: &Value, name: &str) -> u64 {
    answer["queues"][0][name].as_u64().unwrap_or_else(|| panic!("{name} of {answer}"))
}

#[tokio::test]
async fn a_list_counts_by_reason_and_leaves_every_letter_where_it_was() {
    let late = Letter { sent: NOON.plus(5), ..because(dead("c", "C"), "too deep") };
    let mut killed = Letter { sent: NOON.plus(-5), ..dead("k", "K") };
    killed.attributes.clear();
    let shelf = Memory::of(numbered(12).into_iter().chain([late, killed]));
    let (shelf, answer) = done(shelf, &["list"]).await;
    assert_eq!((count(&answer, "letters"), count(&answer, "looked_at")), (14, 14));
    assert_eq!(answer["queues"][0]["oldest"], NOON.plus(-5).rfc3339());
    let reasons = answer["queues"][0]["reasons"].as_array().unwrap();
    let told: Vec<_> =
        reasons.iter().map(|one| (one["count"].as_u64().unwrap(), one["fate"].as_str().unwrap())).collect();
    assert_eq!(told[0], (12, "rejected"));
    assert!(told.contains(&(1, "killed")), "{told:?}");
    assert!(shelf.dead().iter().all(|(_, is_visible)| *is_visible), "letters stay hidden");
    let text = shown::lines(What::List, &answer).join("\n");
    assert!(text.contains("14 letters") && text.contains("rejected  the message is not JSON"), "{text}");
    assert!(text.contains("killed    no stage gave a reason"), "{text}");
}

#[tokio::test]
async fn a_list_that_stops_early_says_so() {
    let (shelf, answer) = done(Memory::of(numbered(30)), &["list", "--max", "10"]).await;
    assert_eq!((count(&answer, "letters"), count(&answer, "looked_at")), (30, 10));
    assert!(shown::lines(What::List, &answer).join("\n").contains("10 were looked at"));
    assert!(shelf.dead().iter().all(|(_, is_visible)| *is_visible));
}

#[tokio::test]
async fn a_letter_is_shown_without_its_body_unless_it_is_asked_for() {
    let (shelf, answer) = done(Memory::of(numbered(3)), &["show", "d-01"]).await;
    let [letter] = &answer["letters"].as_array().unwrap()[..] else { panic!("one letter: {answer}") };
    let said = (&letter["id"], &letter["reason"], &letter["receives"], &letter["trace"], &letter["at"]);
    let at = json!(NOON.rfc3339());
    assert_eq!(said, (&json!("d-01"), &json!("the message is not JSON"), &json!(3), &json!("t-1"), &at));
    let text = shown::lines(What::Show { body: false }, &answer).join("\n");
    assert!(!text.contains("body 1") && !answer.to_string().contains("body 1"), "{text}");
    let (_, answer) = done(shelf, &["show", "--body", "d-01"]).await;
    assert!(shown::lines(What::Show { body: true }, &answer).join("\n").contains("body 1"));
}

#[tokio::test]
async fn bodies_beyond_what_an_answer_holds_are_left_out() {
    let large = |id: &str| dead(id, &"x".repeat(BODIES_BYTES_MAX / 2 + 1));
    let (_, answer) = done(Memory::of([large("a"), large("b")]), &["show", "--body"]).await;
    let bodies = answer["letters"].as_array().unwrap().iter().filter(|letter| letter.get("body").is_some());
    assert_eq!(bodies.count(), 1);
}

#[tokio::test]
async fn letters_go_back_as_the_records_that_they_were() {
    let (shelf, answer) = done(Memory::of(numbered(23)), &["redrive"]).await;
    assert_eq!((count(&answer, "sent"), shelf.dead().len()), (23, 0));
    let mut sent = shelf.sent();
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 23);
    let trace = vec![("trace".to_owned(), "t-1".to_owned())];
    assert!(shelf.state().sent.iter().all(|(_, sent)| sent.attributes == trace));
}

/// A queue that had the request once drops a second one of the same name: the letter would be gone for nothing.
#[tokio::test]
async fn a_letter_of_a_fifo_queue_goes_back_to_its_own_group_under_a_name_of_its_own() {
    let mut of_stage = Letter { group: Some("d-1".to_owned()), ..dead("d-1", "A") };
    of_stage.attributes.push((letter::GROUP.to_owned(), "person".to_owned()));
    let mut killed = Letter { group: Some("other".to_owned()), ..dead("d-2", "B") };
    killed.attributes.clear();
    let (shelf, _) = done(Memory::of([of_stage, killed, dead("d-3", "C")]), &["redrive"]).await;
    let fifo = |group: &str, id: &str| Some(Fifo { group: group.to_owned(), deduplication: id.to_owned() });
    let sent: Vec<_> = shelf.state().sent.iter().map(|(_, sent)| sent.fifo.clone()).collect();
    assert_eq!(sent, [fifo("person", "d-1"), fifo("other", "d-2"), None]);
    assert!(
        shelf.state().sent.iter().all(|(_, sent)| sent.attributes.iter().all(|(name, _)| name == "trace"))
    );
}

#[tokio::test]
async fn a_letter_of_identity_says_what_was_asked_and_of_whom_nothing() {
    let order = Ordered { id: "t".to_owned(), by: "key".to_owned(), why: "alice".to_owned() };
    let part = Part::Identifier(Identifier::parse("email", "alice@example.com", None).unwrap());
    let work = Work::TakeOut { part, order };
    let request = IdentityRequest { workspace: WorkspaceId::parse("shop").unwrap(), work };
    let (_, answer) = done(Memory::of([dead("d-1", &request.pack())]), &["show"]).await;
    assert!(!answer.to_string().contains("alice"), "{answer}");
    let lines = shown::lines(What::Show { body: false }, &answer).join("\n");
    assert!(lines.contains("a request to take out, in workspace shop"), "{lines}");
}

#[tokio::test]
async fn only_letters_that_are_meant_go_back() {
    let other = |shelf: &[usize]| {
        let letters = numbered(25).into_iter().enumerate();
        let letters =
            letters.map(|(n, letter)| if shelf.contains(&n) { because(letter, "Too deep") } else { letter });
        Memory::of(letters.collect::<Vec<_>>())
    };
    let (shelf, answer) = done(other(&[3, 21]), &["redrive", "--reason", "too DEEP"]).await;
    assert_eq!(shelf.sent(), ["body 3", "body 21"]);
    assert_eq!((count(&answer, "sent"), count(&answer, "left")), (2, 23));
    let (shelf, _) = done(other(&[]), &["redrive", "--id", "d-07", "--id", "d-24"]).await;
    assert_eq!(shelf.sent(), ["body 7", "body 24"]);
    let (shelf, answer) = done(other(&[]), &["redrive", "--max", "3"]).await;
    assert_eq!((shelf.sent().len(), shelf.dead().len(), count(&answer, "sent")), (3, 22, 3));
    assert!(shelf.dead().iter().all(|(_, is_visible)| *is_visible), "what was left stays hidden");
}

/// The cause is not mended: the stage writes the letter anew, or dies again.
#[tokio::test]
async fn what_comes_back_is_not_sent_again_and_again() {
    for by_stage in [true, false] {
        let shelf = Memory::of(numbered(3));
        shelf.state().returned.push(("body 1".to_owned(), by_stage));
        let (shelf, answer) = done(shelf, &["redrive"]).await;
        assert_eq!((count(&answer, "sent"), count(&answer, "came_back")), (3, 1), "{answer}");
        assert_eq!(shelf.dead(), [("body 1".to_owned(), true)]);
        assert!(shown::lines(What::Redrive, &answer).join("\n").contains("their cause is not mended"));
    }
}

#[tokio::test]
async fn a_letter_without_its_record_stays() {
    let pointer = r#"{"v":1,"too_large":true,"sha256":"00","length":2000000}"#;
    let (shelf, answer) = done(Memory::of([dead("p", pointer)]), &["redrive"]).await;
    assert_eq!((count(&answer, "without_body"), shelf.sent().len()), (1, 0));
    assert_eq!(shelf.dead(), [(pointer.to_owned(), true)]);
}

#[tokio::test]
async fn a_letter_that_its_queue_refuses_harms_only_itself_and_ends_the_command_with_an_error() {
    let shelf = Memory::of(numbered(12));
    shelf.state().refused.push("body 4".to_owned());
    let (shelf, answer) = done(shelf, &["redrive"]).await;
    assert_eq!((count(&answer, "sent"), shelf.dead()), (11, vec![("body 4".to_owned(), true)]));
    let error = check(&order(&["redrive"]), &answer).unwrap_err().to_string();
    assert!(
        error.contains("the queue does not take it") && error.contains("among the dead letters still"),
        "{error}"
    );
}

#[tokio::test]
async fn a_queue_out_of_reach_ends_the_run_after_one_batch() {
    let shelf = Memory::of(numbered(30));
    shelf.state().refused = numbered(30).into_iter().map(|letter| letter.body).collect();
    let (shelf, answer) = done(shelf, &["redrive"]).await;
    assert_eq!((count(&answer, "sent"), count(&answer, "left"), shelf.dead().len()), (0, 0, 30));
    assert!(shelf.dead().iter().all(|(_, is_visible)| *is_visible));
}

/// Whichever call is the last of a process, and whether it still did its work.
#[tokio::test]
async fn a_crash_leaves_a_copy_and_never_a_loss() {
    const LETTERS: usize = 12;
    let bodies: Vec<String> = numbered(LETTERS).into_iter().map(|letter| letter.body).collect();
    let (mut crashes, mut copies) = (0, 0);
    for (dies_after, dies_late) in (0..100).flat_map(|call| [(call, false), (call, true)]) {
        let shelf = Memory::of(numbered(LETTERS));
        (shelf.state().dies_after, shelf.state().dies_late) = (Some(dies_after), dies_late);
        let (shelf, answer) = done(shelf, &["redrive"]).await;
        let died = answer["queues"][0]["error"].is_string();
        crashes += usize::from(died);
        let dead: Vec<String> = shelf.dead().into_iter().map(|(body, _)| body).collect();
        let sent = shelf.sent();
        for body in &bodies {
            assert!(dead.contains(body) || sent.contains(body), "{body} is lost at call {dies_after}");
        }
        copies += bodies.iter().filter(|body| dead.contains(body) && sent.contains(body)).count();
        shelf.restart();
        let (shelf, answer) = done(shelf, &["redrive"]).await;
        assert!(answer["queues"][0]["error"].is_null() && shelf.dead().is_empty(), "{answer}");
        assert!(bodies.iter().all(|body| shelf.sent().contains(body)), "at call {dies_after}");
    }
    assert!(crashes > 50 && copies > 20, "{crashes} crashes, {copies} copies: nothing was shown");
}

#[tokio::test]
async fn an_unknown_queue_or_letter_is_an_error_that_says_what_there_is() {
    let shelves = [("profile".to_owned(), Memory::default())];
    let unknown = carry_out(&shelves, &order(&["list", "--queue", "identity"])).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no queue `identity`; there are: profile");
    for words in [["redrive", "--id", "d-1"].as_slice(), &["show", "d-1"]] {
        let (order, answer) = (order(words), carry_out(&shelves, &order(words)).await.unwrap());
        assert!(check(&order, &answer).unwrap_err().to_string().contains("no such letter"), "{words:?}");
    }
    for words in [["redrive"], ["list"], ["show"]] {
        let (order, answer) = (order(&words), carry_out(&shelves, &order(&words)).await.unwrap());
        check(&order, &answer).unwrap();
    }
}
