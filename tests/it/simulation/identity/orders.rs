//! Functions whose calls are made in every order, or in one that a seed gives.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use testkit::{Fault, Faulty, MemoryPeople};

/// A choice that was made, of so many.
#[derive(Debug, Clone, Copy)]
struct Choice {
    made: usize,
    of: usize,
}

/// One of all orders in which functions can make their calls.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    choices: Vec<Choice>,
    place: usize,
}

impl Schedule {
    /// Which of so many goes on.
    fn choose(&mut self, of: usize) -> usize {
        if self.place == self.choices.len() {
            self.choices.push(Choice { made: 0, of });
        }
        let choice = self.choices[self.place];
        assert_eq!(choice.of, of, "what was told once is told again");
        self.place += 1;
        choice.made
    }

    /// The next schedule, if there is one.
    fn next(&mut self) -> bool {
        self.place = 0;
        while let Some(last) = self.choices.last_mut() {
            last.made += 1;
            if last.made < last.of {
                return true;
            }
            self.choices.pop();
        }
        false
    }

    /// Who went on, for whoever looks at a failure.
    pub(super) fn told(&self) -> Vec<usize> {
        self.choices.iter().map(|choice| choice.made).collect()
    }
}

/// Lets functions meet in every order of their calls; gives back in how many.
pub(super) fn every(mut meet: impl FnMut(&mut Schedule)) -> usize {
    let mut schedule = Schedule::default();
    for count in 1.. {
        meet(&mut schedule);
        if !schedule.next() {
            return count;
        }
    }
    unreachable!("there are not so many orders")
}

/// A function that is interrupted at each of its calls.
pub(super) struct Running<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    calls: Arc<AtomicUsize>,
}

/// A store that counts the calls at which a function may be interrupted.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    calls: Arc<AtomicUsize>,
    only: Option<&'static [&'static str]>,
}

impl Counted {
    /// Where each order of all calls would be too many: what is not named is
    /// done at once with the call behind it.
    pub(super) fn only(names: &'static [&'static str]) -> Self {
        Self { only: Some(names), ..Self::default() }
    }

    pub(super) fn store(&self, people: &MemoryPeople) -> Faulty<MemoryPeople> {
        self.meeting(people, |_| Fault::None)
    }

    pub(super) fn meeting(
        &self,
        people: &MemoryPeople,
        mut fate: impl FnMut(&'static str) -> Fault + Send + 'static,
    ) -> Faulty<MemoryPeople> {
        let counted = self.clone();
        Faulty::new(people.clone(), move |call| {
            if counted.only.is_none_or(|names| names.contains(&call)) {
                counted.calls.fetch_add(1, Ordering::SeqCst);
            }
            fate(call)
        })
    }

    pub(super) fn running<T>(self, future: impl Future<Output = T> + 'static) -> Running<T> {
        let mut running = Running { future: Box::pin(future), calls: self.calls };
        // Up to its first call, of which nobody sees anything.
        assert!(running.poll().is_none(), "a function makes a call");
        running
    }
}

impl<T> Running<T> {
    fn poll(&mut self) -> Option<T> {
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    }

    /// Makes the next call, and what follows it up to the one behind it.
    pub(super) fn go_on(&mut self) -> Option<T> {
        let before = self.calls.load(Ordering::SeqCst);
        while self.calls.load(Ordering::SeqCst) == before {
            if let Some(ended) = self.poll() {
                return Some(ended);
            }
        }
        self.poll()
    }
}

/// Runs functions to their ends, in the schedule's order; what each gave.
pub(super) fn run<T>(schedule: &mut Schedule, functions: Vec<Running<T>>) -> Vec<T> {
    run_by(|of| schedule.choose(of), functions)
}

/// The same, in the order that somebody else tells.
pub(super) fn run_by<T>(mut choose: impl FnMut(usize) -> usize, functions: Vec<Running<T>>) -> Vec<T> {
    let mut ended: Vec<Option<T>> = functions.iter().map(|_| None).collect();
    let mut live: Vec<(usize, Running<T>)> = functions.into_iter().enumerate().collect();
    while !live.is_empty() {
        // The last has nobody to meet.
        let place = if live.len() == 1 { 0 } else { choose(live.len()) };
        let (number, running) = &mut live[place];
        if let Some(end) = running.go_on() {
            ended[*number] = Some(end);
            live.remove(place);
        }
    }
    ended.into_iter().map(Option::unwrap).collect()
}

#[test]
fn every_order_of_calls_is_run_once() {
    let mut orders = std::collections::BTreeSet::new();
    let count = every(|schedule| {
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let function = |name: usize, calls: usize| {
            let (told, people) = (Arc::clone(&told), MemoryPeople::default());
            let counted = Counted::default();
            let store = counted.meeting(&people, move |_| {
                told.lock().unwrap().push(name);
                Fault::None
            });
            counted.running(async move {
                for _ in 0..calls {
                    let _ = ports::People::identities(
                        &store,
                        &super::workspace(),
                        &[],
                        ports::people::Read::Eventual,
                    )
                    .await;
                }
            })
        };
        run(schedule, vec![function(1, 3), function(2, 2), function(3, 2)]);
        assert!(orders.insert(told.lock().unwrap().clone()), "an order is run once");
    });
    // 7! / (3! 2! 2!)
    assert_eq!((count, orders.len()), (210, 210));
}
