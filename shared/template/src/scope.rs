//! What names mean at a moment of a rendering.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use liquid_core::model::{KString, KStringCow, KStringRef, ScalarCow, try_find};
use liquid_core::runtime::{PartialStore, Registers};
use liquid_core::{Error, Object, Renderable, Runtime, Value, ValueCow, ValueView};

use crate::meter::{self, Meter};

/// The runtime that expressions are evaluated in.
///
/// A name that is not there is nil and noted in the [`Meter`]: a `default` that follows may mend it.
pub(crate) struct Scope<'d> {
    data: &'d Object,
    frames: RefCell<Vec<Frame>>,
    registers: Registers,
}

/// The names of the template, or of one snippet, which sees none of those around it.
#[derive(Debug, Default)]
struct Frame {
    assigned: Vec<(String, Value)>,
    /// Of loops; the last one is the innermost.
    looped: Vec<(String, Value)>,
}

impl Frame {
    fn find(&self, name: &str) -> Option<&Value> {
        let named = |(known, value)| (known == name).then_some(value);
        let mut looped = self.looped.iter().rev().map(|(known, value)| (known.as_str(), value));
        let mut assigned = self.assigned.iter().map(|(known, value)| (known.as_str(), value));
        looped.find_map(named).or_else(|| assigned.find_map(named))
    }
}

impl<'d> Scope<'d> {
    pub(crate) fn new(data: &'d Object) -> Self {
        Self { data, frames: RefCell::new(vec![Frame::default()]), registers: Registers::default() }
    }

    pub(crate) fn assign(&self, name: &str, value: Value) {
        if let Some(frame) = self.frames.borrow_mut().last_mut() {
            match frame.assigned.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = value,
                None => frame.assigned.push((name.to_owned(), value)),
            }
        }
    }

    /// Begins a round of a loop, or with `None` ends it.
    pub(crate) fn round(&self, begins: Option<[(&str, Value); 2]>) {
        if let Some(frame) = self.frames.borrow_mut().last_mut() {
            match begins {
                Some(named) => frame.looped.extend(named.map(|(name, value)| (name.to_owned(), value))),
                None => frame.looped.truncate(frame.looped.len().saturating_sub(2)),
            }
        }
    }

    pub(crate) fn enter(&self, given: Vec<(String, Value)>) {
        self.frames.borrow_mut().push(Frame { assigned: given, looped: Vec::new() });
    }

    pub(crate) fn leave(&self) {
        self.frames.borrow_mut().pop();
    }

    fn find(&self, path: &[ScalarCow<'_>]) -> Option<ValueCow<'_>> {
        let (first, rest) = path.split_first()?;
        let name = first.to_kstr();
        if let Some(value) = self.frames.borrow().last().and_then(|frame| frame.find(&name)) {
            return try_find(value, rest).map(|found| ValueCow::Owned(found.into_owned()));
        }
        try_find(self.data.get(name.as_str())?, rest)
    }
}

impl Runtime for Scope<'_> {
    fn try_get(&self, path: &[ScalarCow<'_>]) -> Option<ValueCow<'_>> {
        self.find(path).filter(|found| !found.is_nil())
    }

    fn get(&self, path: &[ScalarCow<'_>]) -> Result<ValueCow<'_>, Error> {
        let found = self.try_get(path);
        let bytes = found.as_ref().map_or(0, |found| crate::value::size(found.as_view()));
        meter::with(self, |meter: &mut Meter| {
            if found.is_none() && meter.missing.is_none() {
                meter.missing = Some(spelled(path));
            }
            meter.charge(bytes).map_err(|refusal| {
                meter.refused = Some(refusal);
                Error::with_msg("")
            })
        })?;
        Ok(found.unwrap_or(ValueCow::Owned(Value::Nil)))
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }

    fn partials(&self) -> &dyn PartialStore {
        &NoPartials
    }

    fn name(&self) -> Option<KStringRef<'_>> {
        None
    }

    fn roots(&self) -> BTreeSet<KStringCow<'_>> {
        BTreeSet::new()
    }

    fn set_global(&self, _: KString, _: Value) -> Option<Value> {
        None
    }

    fn set_index(&self, _: KString, _: Value) -> Option<Value> {
        None
    }

    fn get_index<'a>(&'a self, _: &str) -> Option<ValueCow<'a>> {
        None
    }
}

/// A path as a template writes it. Of a name that came from data only its form is told.
fn spelled(path: &[ScalarCow<'_>]) -> String {
    let mut spelled = String::new();
    for (at, index) in path.iter().enumerate() {
        let name = index.to_kstr();
        match at {
            0 => spelled.push_str(&name),
            _ if name.len() <= 64 && name.chars().all(crate::scan::is_word) => {
                spelled.push('.');
                spelled.push_str(&name);
            }
            _ => spelled.push_str("[..]"),
        }
    }
    spelled
}

/// Snippets are nodes of the tree: the runtime knows none.
#[derive(Debug)]
struct NoPartials;

impl PartialStore for NoPartials {
    fn contains(&self, _: &str) -> bool {
        false
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn try_get(&self, _: &str) -> Option<Arc<dyn Renderable>> {
        None
    }

    fn get(&self, _: &str) -> Result<Arc<dyn Renderable>, Error> {
        Err(Error::with_msg(""))
    }
}
