use proptest::prelude::*;
use unicode_normalization::is_nfc;

use super::*;

/// Addresses from the test suites of python-email-validator and `is_email`.
const REFERENCE: &str = include_str!("../../../../../events/data/emails.csv");

fn check(raw: &str, expected: Option<&str>) {
    assert_eq!(normalise(raw).as_deref(), expected, "{raw:?}");
}

#[test]
fn every_row_of_the_reference_agrees() {
    let mut reader = csv::Reader::from_reader(REFERENCE.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (id, raw, valid, key) =
        (column("id"), column("raw"), column("valid_trimmed"), column("identity_key"));
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(rows.len() > 200, "the reference was cut short");
    let disagreeing: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let expected = (&row[valid] == "1").then(|| row[key].to_owned());
            let found = normalise(&row[raw]);
            (found != expected).then(|| format!("row {}: {found:?}, not {expected:?}", &row[id]))
        })
        .collect();
    assert!(disagreeing.is_empty(), "{}", disagreeing.join("\n"));
}

#[test]
fn case_and_surrounding_space_do_not_tell_people_apart() {
    check(" John.Doe@Example.COM\n", Some("john.doe@example.com"));
    check("ИВАН@ПРИМЕР.РФ", Some("иван@xn--e1afmkfd.xn--p1ai"));
    check("J\u{30c}@example.com", Some("\u{1f0}@example.com"));
}

#[test]
fn dots_tags_and_look_alikes_tell_people_apart() {
    check("u.ser+shop@gmail.com", Some("u.ser+shop@gmail.com"));
    check("\u{430}dmin@example.com", Some("\u{430}dmin@example.com"));
}

#[test]
fn a_domain_has_one_form_however_it_is_written() {
    check("a@bücher.example", Some("a@xn--bcher-kva.example"));
    check("a@BU\u{308}CHER.example", Some("a@xn--bcher-kva.example"));
    check("a@XN--BCHER-KVA.example", Some("a@xn--bcher-kva.example"));
    check("a@bücher。example", Some("a@xn--bcher-kva.example"));
}

#[test]
fn what_composition_turns_into_ascii_is_judged_before_and_after() {
    check("me\u{37e}you@example.com", None);
    check("a<\u{338}b@example.com", None);
}

#[test]
fn what_cannot_be_seen_is_refused_anywhere() {
    for hidden in ['\u{ad}', '\u{200b}', '\u{202e}', '\u{feff}', '\u{e000}', '\u{a0}', '\u{378}', '\u{0}'] {
        check(&format!("us{hidden}er@example.com"), None);
        check(&format!("user@exam{hidden}ple.com"), None);
    }
    check("\u{301}user@example.com", None);
    check("user@\u{301}example.com", None);
}

#[test]
fn names_that_never_take_mail_are_refused() {
    for name in
        ["localhost", "printer.local", "a.invalid", "hidden.onion", "1.in-addr.arpa", "10.0.0.1", "com"]
    {
        check(&format!("user@{name}"), None);
    }
    check("user@test", Some("user@test"));
    check("user@shop.test", Some("user@shop.test"));
    check("user@localhost.example.com", Some("user@localhost.example.com"));
}

#[test]
fn the_length_is_measured_as_written_and_as_kept() {
    let local = |length: usize| format!("{}@example.com", "x".repeat(length));
    check(&local(LENGTH_MAX - 12), Some(&local(LENGTH_MAX - 12)));
    check(&local(LENGTH_MAX - 11), None);
    // Short as written, too long once each label is in ASCII.
    check(&format!("{}@{}com", "x".repeat(150), "ä.".repeat(20)), None);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(raw in any::<String>()) {
        normalise(&raw);
    }

    #[test]
    fn a_normalised_address_stays_as_it_is(local in "\\PC{1,12}", domain in "[\\PC--[@\\.]]{1,12}", top in "[\\w--\\d]{2,6}") {
        if let Some(once) = normalise(&format!("{local}@{domain}.{top}")) {
            prop_assert_eq!(normalise(&once), Some(once.clone()));
        }
    }

    #[test]
    fn a_plain_address_is_kept_in_lower_case(
        local in "[A-Za-z0-9_+-]{1,20}(\\.[A-Za-z0-9_+-]{1,20}){0,2}",
        domain in "[A-Za-z0-9]{3,20}\\.[A-Za-z]{2,6}",
    ) {
        prop_assume!(!NEVER_DELIVERED.iter().any(|name| domain.to_ascii_lowercase().ends_with(&format!(".{name}"))));
        let raw = format!("{local}@{domain}");
        prop_assert_eq!(normalise(&raw), Some(raw.to_ascii_lowercase()));
    }

    #[test]
    fn what_is_kept_is_trimmed_composed_and_in_lower_case(local in "[\\p{L}\\p{M}]{1,8}", space in "[ \t\r\n]{0,3}") {
        let raw = format!("{space}{local}@example.com{space}");
        if let Some(kept) = normalise(&raw) {
            prop_assert_eq!(kept.trim(), &kept);
            prop_assert!(is_nfc(&kept));
            prop_assert_eq!(&kept.to_lowercase(), &kept);
        }
    }

    #[test]
    fn composed_and_decomposed_spellings_are_one_person(local in "[\\p{Latin}\\p{Cyrillic}]{1,8}") {
        let spelling = |text: String| normalise(&format!("{text}@example.com"));
        prop_assert_eq!(spelling(local.nfd().collect()), spelling(local.nfc().collect()));
    }
}
