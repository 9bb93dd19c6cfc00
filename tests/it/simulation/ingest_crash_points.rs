//! Every call of ingest as a place to crash, in the first try of a sender and
//! in its second, which puts the same events into other requests.

use std::collections::BTreeSet;
use std::sync::Mutex;

use domain::event::Event;
use domain::time::Timestamp;
use domain::workspace::SourceId;
use ingest::{Ingest, Proper};
use ports::Entropy as _;
use testkit::{Faulty, MemoryQueue, SeededEntropy};

use super::crash_points::{Calls, ENDS, End, Point, Store, points, records};
use super::crowd::{Said, definitions, message_id, said, workspace};
use super::oracle;
use super::sdk::{self, Form};
use super::world::{Call, TestIngest, numbers_in};

/// A sender, and what outlives an instance of ingest.
struct Sender<'a> {
    said: &'a [Said],
    store: Store,
    queue: MemoryQueue,
    /// What it saw answered with 200.
    answered: BTreeSet<usize>,
}

/// Requests of one try: each in its form, with what it holds.
type Try = Vec<(Form, Vec<usize>)>;

impl<'a> Sender<'a> {
    fn new(said: &'a [Said]) -> Self {
        let (store, queue) = (Store::new(definitions()), MemoryQueue::default());
        Self { said, store, queue, answered: BTreeSet::new() }
    }

    /// Sends requests one after the other, until the process dies at a call;
    /// says what was called.
    fn send(&mut self, requests: &Try, end: Option<Point>) -> Vec<&'static str> {
        self.store.clock.advance(10 * Timestamp::SECOND);
        let calls = Calls::until(end);
        let ingest = self.ingest(&calls);
        let seen = Mutex::new(BTreeSet::new());
        calls.run(async {
            for (form, numbers) in requests {
                let events: Vec<_> = numbers.iter().map(|number| &self.said[*number].json).collect();
                let sent_at = ports::Clock::now(&self.store.clock);
                let request = sdk::request(*form, self.said[0].source, &events, sent_at);
                let status = ingest.handle(request).await.status_code;
                assert!([200, 503].contains(&status), "answered with {status}");
                if status == 200 {
                    seen.lock().unwrap().extend(numbers.iter().copied());
                }
            }
        });
        self.answered.extend(seen.into_inner().unwrap());
        calls.made()
    }

    fn ingest(&self, calls: &Calls) -> TestIngest<Proper> {
        let queue = Faulty::new(self.queue.clone(), calls.fates());
        let definitions = queue.sharing(self.store.definitions.clone());
        let rejections = queue.sharing(self.store.rejections.clone());
        Ingest::new(definitions, queue, rejections, self.store.clock.clone(), SeededEntropy::seeded(3))
    }

    /// What an answer of 200 promises, at this moment.
    fn check_promise(&self) -> Result<(), String> {
        let sent = self.queue.sent();
        let accepted: Vec<Vec<usize>> =
            sent.iter().map(|sent| numbers_in(&sent.body)).collect::<Result<_, _>>()?;
        let accepted: BTreeSet<usize> = accepted.into_iter().flatten().collect();
        let source = SourceId::parse(self.said[0].source).unwrap();
        let refused = self.store.rejections.kept(&workspace(), &source);
        for number in &self.answered {
            let (said, id) = (&self.said[*number], message_id(*number));
            let is_kept = match said.meant {
                Ok(_) => accepted.contains(number),
                Err(reason) => {
                    refused.iter().any(|kept| kept.reason == reason && kept.message_id.as_ref() == Some(&id))
                }
            };
            if !is_kept {
                return Err(format!("{id} was answered with 200 and is kept nowhere"));
            }
        }
        Ok(())
    }

    /// Folds what the queue has: what was answered is there, and nothing half.
    fn settled(&self) -> Result<(), String> {
        self.check_promise()?;
        let bodies = self.queue.sent().into_iter().map(|sent| sent.body).collect();
        self.store.deliver(&records(bodies), None);
        self.store.sweep(None);
        let tables = self.store.tables();
        let brought: Vec<Event> = oracle::brought(&tables, self.said, &self.answered)?;
        oracle::check(&tables, &brought)
    }
}

/// Eight events of one source, and one call that is refused.
fn few() -> Vec<Said> {
    let chance = SeededEntropy::seeded(8);
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    while good.len() < 8 || refused.is_empty() {
        let said = said(&chance, good.len());
        match &said.meant {
            Ok(_) if said.source == "web" && good.len() < 8 => good.push(said),
            Err(_) if said.source == "web" => refused.push(said),
            _ => (),
        }
    }
    let mut refused = refused.swap_remove(0);
    refused.json.insert("messageId".to_owned(), message_id(8).into());
    good.push(refused);
    good
}

/// So much that a request becomes more than one message.
fn many() -> Vec<Said> {
    let chance = SeededEntropy::seeded(9);
    let noise = || -> String {
        (0..1_950)
            .flat_map(|_| chance.bytes())
            .map(|byte| char::from(b'0' + byte % 75))
            .filter(|letter| *letter != '\\')
            .collect()
    };
    let mut many = few();
    for said in &mut many {
        said.json.insert("noise".to_owned(), noise().into());
    }
    many
}

/// The first try, and the second: other requests with the same events.
fn tries(said: &[Said]) -> [Try; 2] {
    let all: Vec<usize> = (0..said.len()).collect();
    let (front, back) = all.split_at(all.len() / 2);
    let second = vec![(Form::Beacon, back.to_vec()), (Form::Enveloped, front.to_vec())];
    [vec![(Form::Batch, all)], second]
}

/// The third try: each event alone.
fn singly(said: &[Said]) -> Try {
    (0..said.len()).map(|number| (Form::Single, vec![number])).collect()
}

/// Every call of ingest that has crash points here.
pub(crate) fn covered() -> BTreeSet<Call> {
    let said = few();
    let [first, _] = tries(&said);
    Sender::new(&said).send(&first, None).into_iter().map(|call| ("ingest", call)).collect()
}

#[test]
fn a_crash_at_any_call_of_ingest_loses_nothing_that_was_answered_and_halves_nothing() {
    let said = few();
    let [first, second] = tries(&said);
    let calls = Sender::new(&said).send(&first, None);
    let again = Sender::new(&said).send(&second, None);
    for point in points(calls.len()) {
        let mut sender = Sender::new(&said);
        sender.send(&first, Some(point));
        assert_eq!(sender.settled(), Ok(()), "{point:?}, and never sent again");
        for next in points(again.len()) {
            let mut sender = Sender::new(&said);
            sender.send(&first, Some(point));
            sender.send(&second, Some(next));
            assert_eq!(sender.check_promise(), Ok(()), "{point:?}, then {next:?}");
            sender.send(&singly(&said), None);
            assert_eq!(sender.answered.len(), said.len(), "{point:?}, then {next:?}");
            assert_eq!(sender.settled(), Ok(()), "{point:?}, then {next:?}");
        }
    }
    println!("{} pairs of crash points", (calls.len() * again.len()) * ENDS.len().pow(2));
}

#[test]
fn a_request_of_several_messages_of_which_the_queue_took_some_is_not_answered() {
    let said = many();
    let [first, second] = tries(&said);
    let mut sender = Sender::new(&said);
    let calls = sender.send(&first, None);
    assert!(sender.queue.sent().len() > 1, "the request is to be more than one message");
    let send = calls.iter().position(|call| *call == "send").unwrap();
    for end in [End::Part, End::NotDone, End::Done, End::AnswerLost] {
        let mut sender = Sender::new(&said);
        sender.send(&first, Some((send, end)));
        assert_eq!(sender.answered, BTreeSet::new(), "{end:?}");
        let took = sender.queue.sent().len();
        assert_eq!(sender.settled(), Ok(()), "{end:?}, and never sent again");
        sender.send(&second, None);
        assert_eq!(sender.answered.len(), said.len(), "{end:?}");
        assert_eq!(sender.settled(), Ok(()), "{end:?}");
        println!("{end:?}: the queue took {took} messages of the first try");
    }
}

#[test]
fn ingest_reads_of_a_request_what_the_crowd_means_by_it() {
    let chance = SeededEntropy::seeded(4);
    let crowd: Vec<Said> =
        (0..300).map(|number| said(&chance, number)).filter(|said| said.source == "web").collect();
    let mut sender = Sender::new(&crowd);
    for number in 0..crowd.len() {
        let form = Form::ALL[number % Form::ALL.len()];
        sender.send(&vec![(form, vec![number])], None);
    }
    let read: Vec<Event> = sender
        .queue
        .sent()
        .iter()
        .flat_map(|sent| domain::message::Message::unpack(&sent.body).unwrap().events)
        .collect();
    let meant: Vec<&Event> = crowd.iter().filter_map(|said| said.meant.as_ref().ok()).collect();
    assert_eq!(read.len(), meant.len());
    for (read, meant) in read.iter().zip(meant) {
        assert_eq!(
            (&read.source, &read.message_id, read.kind),
            (&meant.source, &meant.message_id, meant.kind)
        );
        assert_eq!((&read.as_sent, &read.identifiers), (&meant.as_sent, &meant.identifiers));
        if meant.client_time == domain::event::ClientTime::Sent(meant.event_time) {
            assert_eq!((read.client_time, read.event_time), (meant.client_time, meant.event_time));
        } else {
            assert_eq!(read.client_time, domain::event::ClientTime::Absent(read.received_at));
        }
    }
}
