//! What one rendering has used so far, and why it had to end.

use liquid_core::Runtime;

use crate::limits::{ITERATIONS_MAX, STEP_WORK, WORK_MAX};
use crate::place::Place;

/// Why a message cannot be rendered for this person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("`{0}` is missing")]
    Missing(String),
    #[error("the value is no link that a letter may hold")]
    NotALink,
    #[error("the value holds what may not stand in a style")]
    NotAStyle,
    #[error("the value is a list or an object, and no text")]
    NotAText,
    #[error("the value is not a list")]
    NotAList,
    #[error("the value is not a number that can be reckoned with")]
    NotANumber,
    #[error("a division by zero")]
    DividedByZero,
    #[error("the value is not a date")]
    NotADate,
    #[error("the format of the date has what none may have")]
    NotAFormat,
    #[error("the value is not a time zone")]
    NotAZone,
    #[error("an index is neither a text nor a number")]
    NotAnIndex,
    #[error("more than {max} {unit} of {what}")]
    TooMuch { what: &'static str, max: usize, unit: &'static str },
    #[error("nothing is left of it")]
    Empty,
    #[error("the link to unsubscribe or the sender's address was left out")]
    NoWayOut,
    #[error("the template has no such message in any language")]
    NoSuchMessage,
}

impl Refusal {
    pub fn remedy(&self) -> &'static str {
        match self {
            Refusal::Missing(_) => "add `| default: \"..\"`, or ask for it by `{% if %}` first",
            Refusal::NotALink => "give a whole address that begins with http, https, mailto or tel",
            Refusal::NotAStyle => "give a colour or a size: letters, digits and # % . , -",
            Refusal::NotAText => "name one of its values, or add `| join: \", \"`",
            Refusal::NotAList => "go through a list, or make one by `| split: \",\"`",
            Refusal::NotANumber => "give a number of at most 28 digits",
            Refusal::DividedByZero => "ask by `{% if %}` whether it is zero",
            Refusal::NotADate => {
                "give 2026-11-23, RFC 3339, or seconds or milliseconds since 1970; no clock is read"
            }
            Refusal::NotAFormat => "use %Y %m %d %H %M %S and the others of docs/templates.md",
            Refusal::NotAZone => "use a name such as Europe/Kyiv",
            Refusal::NotAnIndex => "write a text or a number between the brackets",
            Refusal::TooMuch { .. } => "shorten it: `truncate`, `limit`",
            Refusal::Empty => "write words that stand whatever the data is",
            Refusal::NoWayOut => "take both out of any `{% if %}`",
            Refusal::NoSuchMessage => "write it for the template's default language",
        }
    }
}

/// A refusal and where it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {refusal}; {}", refusal.remedy())]
pub struct RenderError {
    pub place: Place,
    pub refusal: Refusal,
}

/// Kept with the runtime, where filters find it, too.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    work: usize,
    iterations: usize,
    /// The first variable of this expression that was not there.
    pub(crate) missing: Option<String>,
    /// Why the expression failed: errors of `liquid-core` are texts, and quote values.
    pub(crate) refused: Option<Refusal>,
}

impl Meter {
    /// Counts a step that handles `bytes`, before it is made.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.work = self.work.saturating_add(bytes).saturating_add(STEP_WORK);
        let spent = self.work > WORK_MAX;
        let refusal = Refusal::TooMuch { what: "work", max: WORK_MAX, unit: "bytes" };
        if spent { Err(refusal) } else { Ok(()) }
    }

    pub(crate) fn iterate(&mut self, rounds: usize) -> Result<(), Refusal> {
        self.iterations = self.iterations.saturating_add(rounds);
        let spent = self.iterations > ITERATIONS_MAX;
        let refusal = Refusal::TooMuch { what: "loops", max: ITERATIONS_MAX, unit: "rounds" };
        if spent { Err(refusal) } else { Ok(()) }
    }
}

/// Asks the meter of a runtime; it must not be asked again within `ask`.
pub(crate) fn with<T>(runtime: &dyn Runtime, ask: impl FnOnce(&mut Meter) -> T) -> T {
    ask(&mut runtime.registers().get_mut::<Meter>())
}
