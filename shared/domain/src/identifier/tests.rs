use proptest::prelude::*;

use super::*;

fn check(kind: &str, raw: &str, expected: Result<&str, InvalidIdentifier>) {
    let found = Identifier::parse(kind, raw, None);
    assert_eq!(found.as_ref().map(Identifier::value), expected.as_ref().copied(), "{kind}: {raw:?}");
}

#[test]
fn each_kind_is_normalised_by_its_own_rules() {
    check(EMAIL, " John@Example.COM ", Ok("john@example.com"));
    check(PHONE, " +7 901 122-63-19 ", Ok("+79011226319"));
    check(USER_ID, " John@Example.COM\n", Ok("John@Example.COM"));
    check("loyalty.card-2", "\tА 1\t", Ok("А 1"));
}

#[test]
fn what_is_no_value_of_its_kind_is_refused() {
    check(EMAIL, "john", Err(InvalidIdentifier::Email));
    check(PHONE, "8 901 122-63-19", Err(InvalidIdentifier::Phone));
}

#[test]
fn the_region_reads_national_numbers() {
    let found = Identifier::parse(PHONE, "8 901 122-63-19", Some("RU"));
    assert_eq!(found, Identifier::parse(PHONE, "+79011226319", None));
}

#[test]
fn a_blank_value_is_empty_whatever_its_kind() {
    for kind in [EMAIL, PHONE, USER_ID, "crm"] {
        check(kind, "", Err(InvalidIdentifier::Empty));
        check(kind, " \t\n", Err(InvalidIdentifier::Empty));
    }
}

#[test]
fn a_value_is_measured_in_bytes_after_trimming() {
    let long = "x".repeat(VALUE_LENGTH_MAX);
    check(USER_ID, &format!("  {long}  "), Ok(&long));
    check(USER_ID, &format!("{long}x"), Err(InvalidIdentifier::TooLong));
    check(USER_ID, &"я".repeat(VALUE_LENGTH_MAX / 2 + 1), Err(InvalidIdentifier::TooLong));
}

#[test]
fn a_kind_must_be_safe_in_a_key() {
    for kind in ["", "a b", "a#b", "вид", "a/b", "a\u{0}"] {
        check(kind, "1", Err(InvalidIdentifier::Kind));
    }
    let long = "k".repeat(KIND_LENGTH_MAX);
    check(&long, "1", Ok("1"));
    check(&format!("{long}k"), "1", Err(InvalidIdentifier::Kind));
}

#[test]
fn an_identifier_prints_its_kind_and_never_its_value() {
    let identifier = Identifier::parse(EMAIL, "canary@example.com", None).unwrap();
    assert_eq!(format!("{identifier:?}"), "Identifier(email: ***)");
}

#[test]
fn no_error_repeats_the_value() {
    for (kind, raw) in [(EMAIL, "canary"), (PHONE, "canary"), ("canary ", "canary")] {
        let error = Identifier::parse(kind, raw, None).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[test]
fn what_is_read_back_keeps_the_value_that_it_had() {
    let older = r#"{"kind":"email","value":"As.It.Was@EXAMPLE.com"}"#;
    let found: Identifier = serde_json::from_str(older).unwrap();
    assert_eq!(found.value(), "As.It.Was@EXAMPLE.com");
}

#[test]
fn what_could_never_have_been_written_is_not_read_back() {
    let long = "x".repeat(VALUE_LENGTH_MAX + 1);
    for (kind, value) in [("", "1"), ("a b", "1"), ("crm", ""), ("crm", long.as_str())] {
        let json = serde_json::json!({ "kind": kind, "value": value }).to_string();
        assert!(serde_json::from_str::<Identifier>(&json).is_err(), "{json}");
    }
}

fn kinds() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(EMAIL.to_owned()),
        Just(PHONE.to_owned()),
        Just(USER_ID.to_owned()),
        "[a-zA-Z0-9._-]{1,70}",
        any::<String>(),
    ]
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-zA-Z.]{1,9}@[a-z]{1,9}\\.[a-z]{2,3}", "\\+[1-9][0-9]{6,13}"]
}

proptest! {
    #[test]
    fn what_is_parsed_once_is_parsed_to_itself_and_within_the_limits(
        kind in kinds(),
        raw in values(),
        region in prop::option::of("[A-Z]{2}"),
    ) {
        if let Ok(once) = Identifier::parse(&kind, &raw, region.as_deref()) {
            prop_assert!((1..=VALUE_LENGTH_MAX).contains(&once.value().len()));
            prop_assert_eq!(once.value().trim(), once.value());
            let again = Identifier::parse(once.kind(), once.value(), region.as_deref());
            prop_assert_eq!(again, Ok(once));
        }
    }

    #[test]
    fn an_identifier_survives_each_format_that_keeps_it(kind in kinds(), raw in values()) {
        if let Ok(identifier) = Identifier::parse(&kind, &raw, None) {
            let json = serde_json::to_string(&identifier).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Identifier>(&json).unwrap(), &identifier);
            let bytes = postcard::to_stdvec(&identifier).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Identifier>(&bytes).unwrap(), identifier);
        }
    }
}
