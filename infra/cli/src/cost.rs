//! `tributary cost`: what a platform used, and what AWS asks for it.
//!
//! **Invariant:** what was not counted is not priced: the answer says so.

pub(crate) mod arguments;
mod bill;
mod local;
mod shown;
mod stack;

use domain::time::Timestamp;
use ports::Clock as _;
use prices::Prices;
use runtime::SystemClock;

use crate::client::Client;
use crate::deployed::Stack;
use crate::output::{Failed, line, lines};
use arguments::Cost;
use bill::Bill;
pub(crate) use local::sums;

/// The tool of a running platform that says what was measured.
pub(crate) const TOOL: &str = "sums";

pub(crate) async fn run(options: Cost) -> Result<(), Failed> {
    let Cost { since, place } = options;
    let back = i64::from(since) * Timestamp::SECOND;
    let counted = if let Some(name) = &place.stack {
        let stack = Stack::open(name, place.region.as_deref()).await?;
        stack.explained(stack::count(&stack, back, SystemClock.now()).await)?
    } else {
        let answer = Client::of(&place.target)?.get(&format!("/_local/{TOOL}?seconds={since}")).await?;
        local::counted(answer)?
    };
    let bill = Bill::of(counted, &Prices::read()?);
    if place.json {
        line(&shown::json(&bill).to_string());
    } else {
        lines(&shown::lines(&bill));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
