//! JSON as senders write it.

use crate::segment::list::RESERVED;

/// How the names begin that `serde_json` keeps for its own numbers and raw
/// texts.
const PARSERS: &str = "$serde_json::private::";

/// Whether an object anywhere in this JSON has a name that `serde_json` would
/// take for one of its own: read as a value, something else would stand in the
/// object's place, or the whole text would not be read at all.
pub fn has_reserved_name(json: &str) -> bool {
    has_name(json, &[PARSERS])
}

/// The same, or a name under which this platform itself writes: what comes in
/// at the front door with a public key must not have it.
pub fn has_name_not_for_senders(json: &str) -> bool {
    has_name(json, &[PARSERS, RESERVED])
}

/// Names are looked at as they are meant, however they are escaped; values may
/// say what they like.
fn has_name(json: &str, beginnings: &[&str]) -> bool {
    // However the name is written, it holds itself or an escape of ASCII.
    if !beginnings.iter().any(|beginning| json.contains(beginning)) && !json.contains("\\u00") {
        return false;
    }
    let mut rest = json;
    while let Some((text, behind)) = next_string(rest) {
        rest = behind;
        let is_name = behind.trim_ascii_start().starts_with(':');
        let is_one = |name: String| beginnings.iter().any(|beginning| name.starts_with(beginning));
        if is_name && serde_json::from_str(text).is_ok_and(is_one) {
            return true;
        }
    }
    false
}

/// How many values this JSON holds, itself among them, within a few: what
/// reading it as a tree will take. Of what is no JSON it tells nothing.
pub fn values(json: &str) -> usize {
    let opens = |text: &str| text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    let (mut count, mut rest) = (1, json);
    while let Some((text, behind)) = next_string(rest) {
        let before = rest.len() - behind.len() - text.len();
        count += rest.get(..before).map_or(0, opens);
        rest = behind;
    }
    count + opens(rest)
}

/// The next string with its quotes, and what stands behind it.
fn next_string(json: &str) -> Option<(&str, &str)> {
    let json = json.get(json.find('"')?..)?;
    let mut end = 1;
    loop {
        end += json.get(end..)?.find(['"', '\\'])?;
        if json.get(end..)?.starts_with('"') {
            return json.split_at_checked(end + 1);
        }
        // What is escaped may be longer than a byte; then the JSON is broken anyway.
        end += 1 + json.get(end + 1..)?.chars().next()?.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn check(json: &str, expected: bool) {
        assert_eq!(has_reserved_name(json), expected, "{json}");
    }

    #[test]
    fn a_reserved_name_is_found_however_it_is_written() {
        for name in ["Number", "RawValue", "anything"] {
            check(&format!(r#"{{"$serde_json::private::{name}":"1"}}"#), true);
            check(&format!(r#"{{"a":[{{"b":1,"$serde_json::private::{name}" : 1}}]}}"#), true);
            check(&format!(r#"{{"\u0024serde_json::private::{name}":"1"}}"#), true);
            check(&format!(r#"{{"x\"\\":"y\\","$serde\u005fjson::private::{name}":"1"}}"#), true);
        }
    }

    #[test]
    fn what_this_platform_writes_no_sender_may() {
        for (json, expected) in [
            (r#"{"traits":{"$tributary":{"lists":{"vip":1}}}}"#, true),
            (r#"{"\u0024tributary.lists":1}"#, true),
            (r#"{"$serde_json::private::Number":"1"}"#, true),
            (r#"{"name":"$tributary","tributary":1}"#, false),
        ] {
            assert_eq!(has_name_not_for_senders(json), expected, "{json}");
            assert_eq!(has_reserved_name(json), json.contains("serde"), "{json}");
        }
    }

    #[test]
    fn a_value_may_say_what_a_name_may_not() {
        check(r#"{"message":"panicked at $serde_json::private::Number","a":"\u0024"}"#, false);
        check(r#"{"a":["$serde_json::private::Number"]}"#, false);
        check(r#"{"\u0024browser":1,"serde_json::private::Number":1}"#, false);
    }

    #[test]
    fn values_are_counted_outside_of_strings() {
        let counts =
            [("1", 1), ("[1,2,3]", 4), (r#"{"a":[],"b,[{":"c,[{\\\",["}"#, 4), (r#"["\\",",,,"]"#, 3)];
        for (json, expected) in counts {
            assert_eq!(values(json), expected, "{json}");
        }
        assert!(values("[[[[\",") >= 5);
    }

    #[test]
    fn broken_json_is_looked_at_without_harm() {
        for json in ["", "\"", r#"{"\u00"#, r#""\u0024é\"#, "\\u00\"\\é\":", r#"{"a\u0024"#] {
            check(json, false);
        }
    }

    /// A crate that switches `preserve_order` on does it for all that are built with it.
    #[test]
    fn a_map_is_sorted_in_tests_as_it_is_in_production() {
        let map = serde_json::from_str::<Value>(r#"{"b":1,"a":2}"#).unwrap();
        assert_eq!(map.to_string(), r#"{"a":2,"b":1}"#);
    }

    /// Why the names are reserved; a parser that lets them be needs no such rule.
    #[test]
    fn the_parser_takes_a_reserved_name_for_its_own() {
        let read = |json: &str| serde_json::from_str::<Value>(json).map(|value| value.is_object());
        assert!(!read(r#"{"$serde_json::private::Number":"1"}"#).unwrap());
        assert!(!read(r#"{"\u0024serde_json::private::RawValue":"[1]"}"#).unwrap());
        assert!(read(r#"{"$serde_json::private::Number":"abc"}"#).is_err());
    }
}
