//! Rules as an operator writes them: JSON in which every mistake has a place.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Blocked, Cardinality, Frequency, Homing, Period, Rules};
use crate::identifier::{KIND_LENGTH_MAX, USER_ID, VALUE_LENGTH_MAX, is_kind};
use crate::profile::IDENTIFIERS_MAX;
use crate::time::Timestamp;

/// The rules stand in every stage's memory, and in one item of the store.
pub const LENGTH_MAX: usize = 64 * 1024;
/// A pattern that matches all of these would block people, not placeholders.
const PEOPLE: [&str; 3] = ["0e7a9e3c-1b1d-4c39-9a0e-5d6f7a8b9c0d", "ann@example.com", "8675309"];

/// The document: `tributary rules show` prints it, `rules set` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Of the rules that this document changes: what somebody else has changed
    /// meanwhile is not overwritten.
    pub version: u32,
    /// From the strongest. An event belongs to whoever its strongest one names.
    pub kinds: Vec<Kind>,
    /// Values of each kind that is not named above.
    pub limit_of_other_kinds: usize,
    #[serde(default)]
    pub blocked: Values,
    #[serde(default)]
    pub cardinalities: Vec<Cardinality>,
    /// Identifiers of all kinds on one profile.
    pub identifiers_max: usize,
    /// Profiles that one profile may take in.
    pub merges_max: usize,
}

/// A kind of identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    pub kind: String,
    /// Values that one profile may hold at all.
    pub limit: usize,
    /// New values that it may take in a period.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<New>,
    /// Several people use it, as a family its tablet: it never makes two known users one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shared: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    pub limit: usize,
    pub per: Period,
}

/// What names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    /// Compared without case.
    #[serde(default)]
    pub values: Vec<String>,
    /// Regular expressions for whole values.
    #[serde(default)]
    pub patterns: Vec<String>,
}

/// A mistake, and where it stands: `kinds[2].limit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{place}` {reason}")]
pub struct Mistake {
    pub place: String,
    pub reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Document {
    /// Reads a document; what is no document is one mistake.
    pub fn read(json: &str) -> Result<Self, Mistake> {
        let mistake = |place: &str, reason: String| Mistake { place: place.to_owned(), reason };
        if json.len() > LENGTH_MAX {
            return Err(mistake(
                "the document",
                format!("has {} bytes; rules have at most {LENGTH_MAX}", json.len()),
            ));
        }
        let reader = &mut serde_json::Deserializer::from_str(json);
        let document: Self = serde_path_to_error::deserialize(&mut *reader).map_err(|error| {
            let place = error.path().to_string();
            mistake(
                if place == "." { "the document" } else { &place },
                format!("cannot be read: {}", error.inner()),
            )
        })?;
        reader.end().map_err(|_| mistake("the document", "goes on behind its end".to_owned()))?;
        Ok(document)
    }

    /// The rules that stand.
    pub fn of(rules: &Rules) -> Self {
        let limited = rules.limits.iter().map(|(kind, _)| kind);
        let limited = limited.chain(rules.frequencies.iter().map(|rule| &rule.kind)).chain(&rules.shared);
        // As the rules sort them: whom the order does not name stands behind, by name.
        let behind: BTreeSet<&String> =
            limited.filter(|kind| !rules.homing.priority.contains(kind)).collect();
        let names: Vec<&String> = rules.homing.priority.iter().chain(behind).collect();
        let kind = |name: &&String| Kind {
            kind: (*name).clone(),
            limit: rules.limit(name),
            new: rules
                .frequencies
                .iter()
                .filter(|rule| rule.kind == **name)
                .map(|rule| New { limit: rule.limit, per: rule.period })
                .collect(),
            shared: rules.shared.contains(name),
        };
        Self {
            version: rules.version,
            kinds: names.iter().map(kind).collect(),
            limit_of_other_kinds: rules.limit_default,
            blocked: Values {
                values: rules.homing.blocked.clone(),
                patterns: rules.homing.blocked_patterns.iter().cloned().map(String::from).collect(),
            },
            cardinalities: rules.cardinalities.clone(),
            identifiers_max: rules.identifiers_max,
            merges_max: rules.merges_max,
        }
    }

    /// The rules of the next version, or every mistake of the document.
    pub fn rules(self) -> Result<Rules, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        mistakes.kinds(&self.kinds);
        mistakes.count("limit_of_other_kinds", self.limit_of_other_kinds, 1);
        mistakes.values(&self.blocked.values);
        let blocked_patterns = mistakes.patterns(self.blocked.patterns);
        mistakes.cardinalities(&self.cardinalities);
        mistakes.count("identifiers_max", self.identifiers_max, 1);
        mistakes.count("merges_max", self.merges_max, 0);
        let version = self.version.checked_add(1);
        if version.is_none() {
            mistakes.add("version".to_owned(), "is the last that there can be");
        }
        if !mistakes.0.is_empty() {
            return Err(mistakes.0);
        }
        let new = |kind: &Kind| {
            let rule = |new: &New| Frequency { kind: kind.kind.clone(), limit: new.limit, period: new.per };
            kind.new.iter().map(rule).collect::<Vec<_>>()
        };
        Ok(Rules {
            version: version.unwrap_or(self.version),
            homing: Homing {
                priority: self.kinds.iter().map(|kind| kind.kind.clone()).collect(),
                blocked: self.blocked.values,
                blocked_patterns,
            },
            limits: self.kinds.iter().map(|kind| (kind.kind.clone(), kind.limit)).collect(),
            limit_default: self.limit_of_other_kinds,
            frequencies: self.kinds.iter().flat_map(new).collect(),
            cardinalities: self.cardinalities,
            shared: self.kinds.iter().filter(|kind| kind.shared).map(|kind| kind.kind.clone()).collect(),
            identifiers_max: self.identifiers_max,
            merges_max: self.merges_max,
            former: Vec::new(),
            homes_from: Timestamp::default(),
        })
    }
}

/// All that is wrong, so that an operator mends it at once.
#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, place: String, reason: impl Into<String>) {
        self.0.push(Mistake { place, reason: reason.into() });
    }

    fn kinds(&mut self, kinds: &[Kind]) {
        let mut seen = BTreeSet::new();
        for (at, kind) in kinds.iter().enumerate() {
            let place = |field: &str| format!("kinds[{at}].{field}");
            self.kind(place("kind"), &kind.kind);
            if !seen.insert(kind.kind.as_str()) {
                self.add(place("kind"), "is named twice: its order would have two answers");
            }
            self.count(&place("limit"), kind.limit, 1);
            if kind.shared && kind.kind == USER_ID {
                self.add(place("shared"), "cannot be: a user id says who somebody is");
            }
            let mut periods = BTreeSet::new();
            for (nth, new) in kind.new.iter().enumerate() {
                let place = |field: &str| format!("kinds[{at}].new[{nth}].{field}");
                self.count(&place("limit"), new.limit, 1);
                if new.limit >= kind.limit {
                    self.add(
                        place("limit"),
                        format!("is never reached: the kind's own limit is {}", kind.limit),
                    );
                }
                if !periods.insert(new.per.name()) {
                    self.add(place("per"), "is limited twice");
                }
            }
        }
    }

    fn kind(&mut self, place: String, kind: &str) {
        if !is_kind(kind) {
            self.add(place, format!("has 1 to {KIND_LENGTH_MAX} of a-z, A-Z, 0-9, `.`, `_` and `-`"));
        }
    }

    fn count(&mut self, place: &str, count: usize, min: usize) {
        if !(min..=IDENTIFIERS_MAX).contains(&count) {
            self.add(place.to_owned(), format!("is {min} to {IDENTIFIERS_MAX}"));
        }
    }

    fn values(&mut self, values: &[String]) {
        for (at, value) in values.iter().enumerate() {
            if value.trim().is_empty() || value.len() > VALUE_LENGTH_MAX {
                self.add(
                    format!("blocked.values[{at}]"),
                    format!("has 1 to {VALUE_LENGTH_MAX} bytes, as identifiers have"),
                );
            }
        }
    }

    fn patterns(&mut self, patterns: Vec<String>) -> Vec<Blocked> {
        let mut read = Vec::new();
        for (at, pattern) in patterns.into_iter().enumerate() {
            let place = format!("blocked.patterns[{at}]");
            match Blocked::try_from(pattern) {
                Ok(pattern) if PEOPLE.iter().all(|value| pattern.matches(value)) => {
                    self.add(place, "matches anybody's identifiers");
                }
                Ok(pattern) => read.push(pattern),
                Err(bad) => self.add(place, format!("cannot be used: {bad}")),
            }
        }
        read
    }

    fn cardinalities(&mut self, rules: &[Cardinality]) {
        let mut seen = BTreeSet::new();
        for (at, rule) in rules.iter().enumerate() {
            let place = |field: &str| format!("cardinalities[{at}].{field}");
            self.kind(place("of"), &rule.of);
            self.kind(place("kind"), &rule.kind);
            self.count(&place("limit"), rule.limit, 1);
            if rule.of == rule.kind {
                self.add(place("kind"), "is the same as `of`: give the kind a limit of its own instead");
            }
            if !seen.insert((rule.of.as_str(), rule.kind.as_str())) {
                self.add(place("of"), "is limited twice for this kind");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn document(change: impl FnOnce(&mut Value)) -> String {
        let mut value = serde_json::to_value(Document::of(&Rules::default())).unwrap();
        change(&mut value);
        value.to_string()
    }

    /// What is said of the default rules with one change, a mistake each.
    fn said(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let read = Document::read(&document(change)).map_err(|mistake| vec![mistake]);
        read.and_then(Document::rules).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_rules_come_back_as_the_next_version() {
        let rules = Document::read(&document(|_| ())).unwrap().rules().unwrap();
        assert_eq!(rules, Rules { version: 2, ..expected_default() });
    }

    /// The limit of e-mails is the default one, and a document names it.
    fn expected_default() -> Rules {
        Rules { limits: vec![("user_id".to_owned(), 1), ("email".to_owned(), 5)], ..Rules::default() }
    }

    #[test]
    fn every_rule_can_be_written_down() {
        let text = document(|value| {
            value["kinds"] = json!([
                {"kind": "user_id", "limit": 2},
                {"kind": "loyalty_card", "limit": 5, "new": [{"limit": 1, "per": "day"}, {"limit": 3, "per": "year"}]},
                {"kind": "device_id", "limit": 9, "shared": true},
            ]);
            value["blocked"]["patterns"] = json!(["test.*@example\\.com"]);
            value["cardinalities"] = json!([{"of": "loyalty_card", "kind": "user_id", "limit": 1}]);
        });
        let document = Document::read(&text).unwrap();
        let rules = document.clone().rules().unwrap();
        assert_eq!(rules.homing.priority, ["user_id", "loyalty_card", "device_id"]);
        assert_eq!((rules.limit("user_id"), rules.limit("device_id"), rules.limit("email")), (2, 9, 5));
        assert_eq!(rules.frequencies.len(), 2);
        assert_eq!(rules.shared, ["device_id"]);
        let again = Document::of(&rules);
        assert_eq!(again, Document { version: document.version + 1, ..document });
    }

    #[test]
    fn each_mistake_is_told_with_its_place_and_reason() {
        let cases: [(&str, Value, &str); 15] = [
            ("/kinds/0/limit", json!(0), "`kinds[0].limit` is 1 to 64"),
            (
                "/kinds/0/limit",
                json!("five"),
                "`kinds[0].limit` cannot be read: invalid type: string \"five\", expected usize at line 1 column 186",
            ),
            (
                "/kinds/0/kind",
                json!("user id"),
                "`kinds[0].kind` has 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`",
            ),
            (
                "/kinds/1/kind",
                json!("user_id"),
                "`kinds[1].kind` is named twice: its order would have two answers",
            ),
            ("/kinds/0/shared", json!(true), "`kinds[0].shared` cannot be: a user id says who somebody is"),
            (
                "/kinds/1/new",
                json!([{"limit": 5, "per": "day"}]),
                "`kinds[1].new[0].limit` is never reached: the kind's own limit is 5",
            ),
            (
                "/kinds/1/new",
                json!([{"limit": 1, "per": "day"}, {"limit": 2, "per": "day"}]),
                "`kinds[1].new[1].per` is limited twice",
            ),
            ("/limit_of_other_kinds", json!(65), "`limit_of_other_kinds` is 1 to 64"),
            ("/identifiers_max", json!(0), "`identifiers_max` is 1 to 64"),
            ("/merges_max", json!(1_000), "`merges_max` is 0 to 64"),
            ("/blocked/values/0", json!(" "), "`blocked.values[0]` has 1 to 256 bytes, as identifiers have"),
            (
                "/blocked/patterns",
                json!(["["]),
                "`blocked.patterns[0]` cannot be used: `[` is no regular expression",
            ),
            ("/blocked/patterns", json!(["a", ".*"]), "`blocked.patterns[1]` matches anybody's identifiers"),
            (
                "/cardinalities",
                json!([{"of": "a", "kind": "a", "limit": 1}]),
                "`cardinalities[0].kind` is the same as `of`: give the kind a limit of its own instead",
            ),
            (
                "/cardinalities",
                json!([{"of": "a", "kind": "b", "limit": 1}, {"of": "a", "kind": "b", "limit": 2}]),
                "`cardinalities[1].of` is limited twice for this kind",
            ),
        ];
        for (place, value, expected) in cases {
            let set = |document: &mut Value| {
                let (parent, field) = place.rsplit_once('/').unwrap();
                match document.pointer_mut(parent).unwrap() {
                    Value::Array(items) => items[field.parse::<usize>().unwrap()] = value.clone(),
                    object => object[field] = value.clone(),
                }
            };
            assert_eq!(said(set), [expected], "{place} = {value}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let said = said(|value| {
            value["identifiers_max"] = json!(0);
            value["merges_max"] = json!(65);
        });
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[test]
    fn what_is_no_document_says_where() {
        let unknown = said(|value| value["limits"] = json!([]));
        assert!(unknown[0].contains("unknown field `limits`"), "{unknown:?}");
        assert!(Document::read("{").unwrap_err().reason.contains("EOF"));
        let twice = format!("{} {}", document(|_| ()), document(|_| ()));
        assert_eq!(Document::read(&twice).unwrap_err().reason, "goes on behind its end");
        let long = " ".repeat(LENGTH_MAX + 1);
        assert!(Document::read(&long).unwrap_err().reason.contains("at most 65536"));
    }

    proptest! {
        #[test]
        fn what_is_accepted_comes_back_as_it_was_written(
            limits in prop::collection::vec(1..=IDENTIFIERS_MAX, 1..5),
            other in 1..=IDENTIFIERS_MAX,
            shared in any::<bool>(),
        ) {
            let kind = |(at, limit): (usize, &usize)| Kind {
                kind: format!("kind_{at}"),
                limit: *limit,
                new: if *limit > 1 { vec![New { limit: 1, per: Period::Week }] } else { Vec::new() },
                shared,
            };
            let document = Document {
                version: 7,
                kinds: limits.iter().enumerate().map(kind).collect(),
                limit_of_other_kinds: other,
                ..Document::of(&Rules::default())
            };
            let rules = document.clone().rules().unwrap();
            prop_assert_eq!(Document::of(&rules), Document { version: 8, ..document });
        }
    }
}
