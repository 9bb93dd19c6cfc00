//! Which run it is, and what its functions meet on the way.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use testkit::Fault;

use crate::simulation::chance::Chance;
use crate::simulation::crowd::Crowd;

/// Which function calls, and what.
pub(crate) type Call = (&'static str, &'static str);

/// In a thousand calls, how many meet a fault.
const FAULTS: u64 = 60;

/// A run: a seed, and what a shorter run leaves out of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) crowd: Crowd,
    /// What is not sent.
    pub(crate) without: BTreeSet<usize>,
    pub(crate) steps: Option<Vec<u64>>,
    pub(crate) fates: Option<Vec<u64>>,
    pub(crate) steps_max: Option<usize>,
    /// Whether the run is told line by line.
    pub(crate) is_told: bool,
}

/// What the functions of a run share with whoever looks at it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tale {
    pub(super) is_told: bool,
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    pub(super) calls: Arc<Mutex<BTreeSet<Call>>>,
    pub(super) statuses: Arc<Mutex<BTreeSet<i64>>>,
    pub(super) calm: Arc<AtomicBool>,
}

impl Tale {
    pub(super) fn line(&self, line: impl FnOnce() -> String) {
        if self.is_told {
            self.lines.lock().unwrap().push(line());
        }
    }

    /// The faults that a function meets.
    pub(super) fn fates(
        &self,
        function: &'static str,
        fates: &Chance,
    ) -> impl FnMut(&'static str) -> Fault + Send + use<> {
        let (tale, fates) = (self.clone(), fates.clone());
        move |call| {
            if call != "due index" {
                tale.calls.lock().unwrap().insert((function, call));
            }
            if tale.calm.load(Ordering::SeqCst) {
                return Fault::None;
            }
            let fault = fault(&fates, call);
            if fault != Fault::None {
                tale.line(|| format!("  {function}: `{call}` meets {fault:?}"));
            }
            fault
        }
    }
}

fn fault(fates: &Chance, call: &str) -> Fault {
    match (call, fates.rarely(FAULTS, 4)) {
        (_, 0) => Fault::None,
        ("due index", _) => Fault::Lagging,
        ("save" | "replace", 1) => Fault::Conflict,
        ("send", 1) => Fault::Part,
        (_, 2 | 3) => Fault::AnswerLost,
        _ => Fault::Refused,
    }
}
