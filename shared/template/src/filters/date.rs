//! The filter of dates. `now` is no date here: a moment that matters comes with the data.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use liquid_core::Value;

use super::{Call, Known, known};
use crate::limits::DATE_FORMAT_MAX;
use crate::meter::Refusal;
use crate::value;

pub(super) const ALL: [Known; 1] =
    [known("date", [1, 2], "write `date: \"%d.%m.%Y\"` or `date: \"%H:%M\", profile.timezone`", formatted)];

/// Below, a number counts seconds; above, milliseconds: the year 5138 and March 1973.
const SECONDS_MAX: u64 = 100_000_000_000;

fn formatted(call: &Call<'_>) -> Result<Value, Refusal> {
    let (text, format) = (call.text()?, call.word(0)?);
    let zone = match call.argument(1) {
        None => TimeZone::UTC,
        Some(name) => {
            let name = value::text(name)?;
            TimeZone::get(&name).map_err(|_| Refusal::NotAZone)?
        }
    };
    if !is_format(&format) {
        return Err(Refusal::NotAFormat);
    }
    let moment = moment(text.trim(), zone).ok_or(Refusal::NotADate)?;
    jiff::fmt::strtime::format(&format, &moment).map(Value::scalar).map_err(|_| Refusal::NotAFormat)
}

/// Only letters that need no width: `%1000000d` is a letter of a megabyte.
fn is_format(format: &str) -> bool {
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            continue;
        }
        let letter = match chars.next() {
            Some('-') => chars.next(),
            letter => letter,
        };
        if !letter.is_some_and(|letter| "YmdeHIMSpjyaAbBuw%".contains(letter)) {
            return false;
        }
    }
    format.len() <= DATE_FORMAT_MAX
}

fn moment(text: &str, zone: TimeZone) -> Option<Zoned> {
    if let Ok(number) = text.parse::<i64>() {
        let moment = if number.unsigned_abs() < SECONDS_MAX {
            Timestamp::from_second(number)
        } else {
            Timestamp::from_millisecond(number)
        };
        return moment.ok().map(|moment| moment.to_zoned(zone));
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.to_zoned(zone));
    }
    // A day, or a time on the clock, is what it is in every zone.
    let date = text.parse::<Date>().map(|date| date.to_datetime(jiff::civil::Time::midnight()));
    let civil = if text.len() == 10 { date.ok() } else { text.parse::<DateTime>().ok() };
    civil?.to_zoned(zone).ok()
}
