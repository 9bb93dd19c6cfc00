//! Filters of numbers. They reckon in decimals, so that 0.1 and 0.2 are 0.3.

use liquid_core::Value;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Call, Known, known};
use crate::meter::Refusal;
use crate::value;

const PLAIN: [usize; 2] = [0, 0];
const ONE: [usize; 2] = [1, 1];
const NO_ARGUMENTS: &str = "write no arguments after it";

pub(super) const ALL: [Known; 12] = [
    known("plus", ONE, "write `plus: 1`", |call| reckoned(call, Decimal::checked_add)),
    known("minus", ONE, "write `minus: 1`", |call| reckoned(call, Decimal::checked_sub)),
    known("times", ONE, "write `times: 2`", |call| reckoned(call, Decimal::checked_mul)),
    known("divided_by", ONE, "write `divided_by: 2`", divided),
    known("modulo", ONE, "write `modulo: 2`", |call| {
        nonzero(call)?;
        reckoned(call, Decimal::checked_rem)
    }),
    known("at_least", ONE, "write `at_least: 1`", |call| reckoned(call, |a, b| Some(a.max(b)))),
    known("at_most", ONE, "write `at_most: 1`", |call| reckoned(call, |a, b| Some(a.min(b)))),
    known("abs", PLAIN, NO_ARGUMENTS, |call| Ok(made(input(call)?.abs()))),
    known("ceil", PLAIN, NO_ARGUMENTS, |call| Ok(made(input(call)?.ceil()))),
    known("floor", PLAIN, NO_ARGUMENTS, |call| Ok(made(input(call)?.floor()))),
    known("round", [0, 1], "write `round` or `round: 2`", |call| Ok(made(rounded(call)?.normalize()))),
    known("fixed", ONE, "write `fixed: 2`", fixed),
];

fn input(call: &Call<'_>) -> Result<Decimal, Refusal> {
    value::number(call.input).ok_or(Refusal::NotANumber)
}

fn other(call: &Call<'_>) -> Result<Decimal, Refusal> {
    call.argument(0).and_then(|argument| value::number(argument)).ok_or(Refusal::NotANumber)
}

fn nonzero(call: &Call<'_>) -> Result<Decimal, Refusal> {
    Some(other(call)?).filter(|divisor| !divisor.is_zero()).ok_or(Refusal::DividedByZero)
}

fn reckoned(call: &Call<'_>, reckon: fn(Decimal, Decimal) -> Option<Decimal>) -> Result<Value, Refusal> {
    reckon(input(call)?, other(call)?).map(|result| made(result.normalize())).ok_or(Refusal::NotANumber)
}

/// Whole numbers divide to whole ones, as Liquid has it.
fn divided(call: &Call<'_>) -> Result<Value, Refusal> {
    let (dividend, divisor) = (input(call)?, nonzero(call)?);
    let result = dividend.checked_div(divisor).ok_or(Refusal::NotANumber)?;
    let whole = dividend.scale() == 0 && divisor.scale() == 0;
    Ok(made(if whole { result.floor() } else { result.normalize() }))
}

fn made(number: Decimal) -> Value {
    match number.to_i64().filter(|_| number.fract().is_zero()) {
        Some(whole) => Value::scalar(whole),
        None => Value::scalar(number.to_string()),
    }
}

fn digits(call: &Call<'_>) -> Result<u32, Refusal> {
    Ok(call.whole(0)?.map_or(0, |digits| u32::try_from(digits).unwrap_or(0).min(20)))
}

fn rounded(call: &Call<'_>) -> Result<Decimal, Refusal> {
    Ok(input(call)?.round_dp_with_strategy(digits(call)?, RoundingStrategy::MidpointAwayFromZero))
}

/// With so many digits after the point, zeros included: a price.
fn fixed(call: &Call<'_>) -> Result<Value, Refusal> {
    let digits = usize::try_from(digits(call)?).unwrap_or(0);
    Ok(Value::scalar(format!("{:.digits$}", rounded(call)?)))
}
