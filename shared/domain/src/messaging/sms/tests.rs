use proptest::prelude::*;

use super::*;

fn check(text: &str, alphabet: Alphabet, units: usize, segments: usize) {
    let measure = Measure::of(text);
    assert_eq!((measure.alphabet, measure.units, measure.segments), (alphabet, units, segments), "{text}");
}

#[test]
fn texts_are_counted_to_the_last_unit_of_a_segment() {
    use Alphabet::{Gsm7, Ucs2};
    check("", Gsm7, 0, 0);
    check("Hello", Gsm7, 5, 1);
    check("ΔΦΓΛΩΠΨΣΘΞ", Gsm7, 10, 1);
    check("5 €", Gsm7, 4, 1);
    check(&"a".repeat(160), Gsm7, 160, 1);
    check(&"a".repeat(161), Gsm7, 161, 2);
    check(&"a".repeat(306), Gsm7, 306, 2);
    check(&"a".repeat(307), Gsm7, 307, 3);
    check(&"€".repeat(80), Gsm7, 160, 1);
    check(&"ж".repeat(70), Ucs2, 70, 1);
    check(&"ж".repeat(71), Ucs2, 71, 2);
    check(&"ж".repeat(134), Ucs2, 134, 2);
    check(&"ж".repeat(135), Ucs2, 135, 3);
    check(&"👍".repeat(35), Ucs2, 70, 1);
}

#[test]
fn what_takes_two_units_is_never_parted() {
    // 153 is odd: the last septet of each segment stays empty.
    check(&"€".repeat(152), Alphabet::Gsm7, 304, 2);
    check(&"€".repeat(153), Alphabet::Gsm7, 306, 3);
    // So is 67.
    check(&"👍".repeat(66), Alphabet::Ucs2, 132, 2);
    check(&"👍".repeat(67), Alphabet::Ucs2, 134, 3);
    let text = format!("{}€{}", "a".repeat(152), "b".repeat(50));
    assert_eq!(parts(&text), ["a".repeat(152), format!("€{}", "b".repeat(50))]);
}

#[test]
fn the_author_hears_which_characters_cost() {
    let measure = Measure::of("Ціна – 5 € – “вже”");
    assert_eq!(measure.foreign, ['Ц', 'і', 'н', 'а', '–', '“', 'в', 'ж', 'е', '”']);
    assert_eq!(Measure::of("He’s in").foreign, ['’']);
    assert!(Measure::of("[ok] ~ €").foreign.is_empty());
    assert_eq!((Measure::of("abc").room, Measure::of(&"a".repeat(161)).room), (157, 145));
}

#[test]
fn each_segment_is_paid_for() {
    let price = Decimal::new(728, 5);
    let cost = |text: &str| Measure::of(text).cost(price).to_string();
    assert_eq!(cost("Hello"), "0.00728");
    assert_eq!(cost(&"ж".repeat(135)), "0.02184");
    assert_eq!(cost(""), "0");
    assert_eq!(Measure::of(&"a".repeat(400)).cost(Decimal::MAX), Decimal::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn segments_are_the_text_and_none_is_too_long(text in "([a-z€^]|[а-я]|👍|\\PC){0,400}") {
        let (measure, parts) = (Measure::of(&text), parts(&text));
        let units = |part: &str| measure.alphabet.length(part);
        let most = if parts.len() > 1 { measure.alphabet.together() } else { measure.alphabet.alone() };
        prop_assert_eq!(parts.concat(), text.clone());
        prop_assert!(parts.iter().all(|part| units(part) <= most && !part.is_empty()));
        // No segment but the last has room for one more character of the widest kind.
        let full = parts.iter().rev().skip(1);
        prop_assert!(full.copied().all(|part| units(part) + 2 > most));
        prop_assert_eq!(measure.segments, parts.len());
        prop_assert_eq!(measure.foreign.is_empty(), measure.alphabet == Alphabet::Gsm7);
        if measure.alphabet == Alphabet::Ucs2 {
            prop_assert_eq!(measure.units, text.encode_utf16().count());
        }
    }
}
