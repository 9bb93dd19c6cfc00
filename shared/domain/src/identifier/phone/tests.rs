use proptest::prelude::*;

use super::*;

/// Numbers as people type them, with the answers of Google's libphonenumber.
const REFERENCE: &str = include_str!("../../../../../events/data/phones.csv");

fn check(raw: &str, region: Option<&str>, expected: Option<&str>) {
    assert_eq!(normalise(raw, region).as_deref(), expected, "{raw:?} in {region:?}");
}

#[test]
fn every_row_of_the_reference_agrees() {
    let mut reader = csv::Reader::from_reader(REFERENCE.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (id, raw, region, key) = (column("id"), column("raw"), column("default_region"), column("expected"));
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(rows.len() > 1_000, "the reference was cut short");
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let disagreeing: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let expected = given(&row[key]);
            let found = normalise(&row[raw], given(&row[region]).as_deref());
            (found != expected).then(|| format!("row {}: {found:?}, not {expected:?}", &row[id]))
        })
        .collect();
    assert!(disagreeing.is_empty(), "{}", disagreeing.join("\n"));
}

#[test]
fn a_national_number_needs_its_region() {
    check("8 (901) 122-63-19", Some("RU"), Some("+79011226319"));
    check("8 (901) 122-63-19", Some("ru"), Some("+79011226319"));
    check("8 (901) 122-63-19", None, None);
    // The same digits are a number in Munich: a wrong region makes another person.
    check("8 (901) 122-63-19", Some("DE"), Some("+4989011226319"));
}

#[test]
fn an_international_number_needs_none() {
    for region in [None, Some("RU"), Some("DE")] {
        check("+49 176 91916639", region, Some("+4917691916639"));
    }
}

#[test]
fn a_region_without_a_numbering_plan_reads_only_international_numbers() {
    for region in ["", "ZZ", "001", "Russia", "РФ"] {
        check("8 (901) 122-63-19", Some(region), None);
        check("+79011226319", Some(region), Some("+79011226319"));
    }
}

#[test]
fn longer_text_is_not_read() {
    let spaced = |spaces: usize| format!("+7{}9011226319", " ".repeat(spaces));
    check(&spaced(LENGTH_MAX - 12), None, Some("+79011226319"));
    check(&spaced(LENGTH_MAX - 11), None, None);
}

#[test]
fn a_region_is_one_that_reads_national_numbers() {
    assert!(["RU", "DE", "us", "KZ"].into_iter().all(is_region));
    for none in ["", "ZZ", "Russia", "001", "7"] {
        assert!(!is_region(none), "{none}");
    }
}

fn regions() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(vec![
        None,
        Some("RU"),
        Some("US"),
        Some("DE"),
        Some("IT"),
        Some("AR"),
        Some("MX"),
        Some("BR"),
        Some("CN"),
        Some("KZ"),
        Some("ZZ"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_makes_it_panic(raw in any::<String>(), region in any::<Option<String>>()) {
        normalise(&raw, region.as_deref());
    }

    #[test]
    fn nothing_like_a_number_makes_it_panic(raw in "[0-9+*#x;=:()~./ ０-９٠-٩a-zé\u{200b}-]{0,40}", region in regions()) {
        normalise(&raw, region);
    }

    #[test]
    fn a_normalised_number_stays_as_it_is_in_any_region(
        raw in "\\+?[1-9][0-9]{6,14}",
        region in regions(),
        elsewhere in regions(),
    ) {
        if let Some(once) = normalise(&raw, region) {
            prop_assert_eq!(normalise(&once, elsewhere), Some(once.clone()));
        }
    }
}
