//! The check: the sender's own file against the public API.

use std::collections::BTreeMap;
use std::path::Path;

use domain::profile::counters::Money;
use serde_json::Value;

use crate::http::{Address, Http};
use crate::problem::Problem;
use crate::record::{self, Expected};

/// What was found, over all people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    acknowledged: u64,
    lost: u64,
    doubled: u64,
    /// People whose counts are right and whose sums are not.
    wrong_sums: u64,
}

impl Findings {
    pub(crate) fn hold(&self) -> bool {
        self.acknowledged > 0 && self.lost == 0 && self.doubled == 0 && self.wrong_sums == 0
    }

    /// Compares one kind of event of one person.
    fn compare(&mut self, expected: u64, counted: u64) {
        self.lost += expected.saturating_sub(counted);
        self.doubled += counted.saturating_sub(expected);
    }
}

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { acknowledged, lost, doubled, wrong_sums } = self;
        write!(f, "acknowledged {acknowledged}, lost {lost}, doubled {doubled}")?;
        if *wrong_sums > 0 {
            write!(f, ", revenue wrong for {wrong_sums} people")?;
        }
        Ok(())
    }
}

/// Looks up every person of the file.
pub(crate) async fn all(http: &Http, address: &Address, path: &Path) -> Result<Findings, Problem> {
    let (people, acknowledged) = record::read(path)?;
    let mut findings = Findings { acknowledged, ..Findings::default() };
    for (user_id, expected) in &people {
        let profile = http.profile(address, user_id).await?;
        let counted = profile.as_ref().map_or_else(|| Some(Counted::default()), counted).ok_or(Problem::Shape {
            method: "POST",
            path: "/v1/profiles/lookup",
            expected: r#"{"counters":{"total":1,"names":{"<name>":{"count":1}},"revenue":{"<currency>":{"sum":"1.5"}}}}"#,
        })?;
        person(expected, &counted, &mut findings);
    }
    Ok(findings)
}

/// What a profile says of its events.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    total: u64,
    names: BTreeMap<String, u64>,
    /// In billionths of the currency's unit.
    revenue: BTreeMap<String, i128>,
}

fn counted(profile: &Value) -> Option<Counted> {
    let counters = profile.get("counters")?;
    let entries = |field: &str| counters.get(field).and_then(Value::as_object).into_iter().flatten();
    let count = |(name, value): (&String, &Value)| Some((name.clone(), value.get("count")?.as_u64()?));
    let sum = |(currency, value): (&String, &Value)| Some((currency.clone(), amount(value)?));
    Some(Counted {
        total: counters.get("total")?.as_u64()?,
        names: entries("names").map(count).collect::<Option<_>>()?,
        revenue: entries("revenue").map(sum).collect::<Option<_>>()?,
    })
}

/// A sum stands as `{"sum": …}`, exactly: as a decimal in a string, or as a number.
fn amount(value: &Value) -> Option<i128> {
    match value.get("sum")? {
        Value::String(text) => Money::parse(text),
        Value::Number(number) => Money::parse(&number.to_string()),
        _ => None,
    }
}

fn person(expected: &Expected, counted: &Counted, findings: &mut Findings) {
    let before = (findings.lost, findings.doubled);
    let names =
        expected.names.keys().chain(counted.names.keys().filter(|name| !expected.names.contains_key(*name)));
    for name in names {
        let of = |counts: &BTreeMap<String, u64>| counts.get(name).copied().unwrap_or_default();
        findings.compare(of(&expected.names), of(&counted.names));
    }
    // The total less all tracks is the identifies.
    let tracks: u64 = counted.names.values().sum();
    findings.compare(expected.identifies, counted.total.saturating_sub(tracks));
    if before == (findings.lost, findings.doubled) && revenue(expected) != counted.revenue {
        findings.wrong_sums += 1;
    }
}

fn revenue(expected: &Expected) -> BTreeMap<String, i128> {
    const CENT: i128 = 10_i128.pow(Money::SCALE - 2);
    expected.cents.iter().map(|(currency, cents)| (currency.clone(), i128::from(*cents) * CENT)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expected() -> Expected {
        Expected {
            identifies: 2,
            names: BTreeMap::from([("Order Completed".to_owned(), 3)]),
            cents: BTreeMap::from([("EUR".to_owned(), 12_345)]),
        }
    }

    fn found(total: u64, orders: u64, sum: &str) -> Findings {
        let profile = json!({ "counters": {
            "total": total,
            "names": { "Order Completed": { "count": orders } },
            "revenue": { "EUR": { "sum": sum, "count": orders } },
        }});
        let mut findings = Findings { acknowledged: 5, ..Findings::default() };
        person(&expected(), &counted(&profile).expect("counters"), &mut findings);
        findings
    }

    #[test]
    fn what_is_counted_once_holds() {
        assert!(found(5, 3, "123.45").hold());
    }

    #[test]
    fn a_lost_event_is_found() {
        assert_eq!(found(4, 2, "100").lost, 1);
        assert_eq!(found(4, 3, "123.45").lost, 1);
    }

    #[test]
    fn a_doubled_event_is_found() {
        assert_eq!(found(6, 4, "150").doubled, 1);
        assert_eq!(found(6, 3, "123.45").doubled, 1);
    }

    #[test]
    fn a_lost_event_that_a_doubled_one_makes_up_for_is_found_by_its_amount() {
        let findings = found(5, 3, "123.46");
        assert_eq!(findings, Findings { acknowledged: 5, wrong_sums: 1, ..Findings::default() });
        assert!(!findings.hold());
    }

    #[test]
    fn a_person_whom_nobody_knows_has_lost_everything() {
        let mut findings = Findings { acknowledged: 5, ..Findings::default() };
        person(&expected(), &Counted::default(), &mut findings);
        assert_eq!(findings.lost, 5);
    }

    #[test]
    fn nothing_acknowledged_proves_nothing() {
        assert!(!Findings::default().hold());
    }
}
