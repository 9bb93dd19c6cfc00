//! Phone numbers: which strings are one, and which two are the same.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};

/// Google's own limit on what it reads as a number: its patterns were not made
/// for longer text.
pub const LENGTH_MAX: usize = 250;

/// The number in E.164, without its extension; `None` if it is no valid number.
///
/// `region` (`RU`, `DE`) reads national numbers; without one, or with one that
/// has no numbering plan, only international numbers are read.
pub fn normalise(raw: &str, region: Option<&str>) -> Option<String> {
    if raw.len() > LENGTH_MAX {
        return None;
    }
    let region = region.and_then(|code| Region::from_code(code).ok());
    let number = PHONE_NUMBER_UTIL.parse(raw, region).ok()?;
    number.is_valid().then(|| number.format_as(PhoneNumberFormat::E164).into_owned())
}

/// The country (`RU`, `DE`) of a number in E.164.
pub fn country(number: &str) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(number, None).ok()?;
    number.get_region_code().map(|region| region.to_string())
}

/// Whether a code (`RU`, `DE`) is that of a region with a numbering plan.
pub fn is_region(code: &str) -> bool {
    Region::from_code(code)
        .is_ok_and(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some())
}

#[cfg(test)]
mod tests;
