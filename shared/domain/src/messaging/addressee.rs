//! A person as somebody who is written to: by which addresses, in which
//! language, and in which hours of the day.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::Channel;
use super::quiet::Zones;
use crate::identifier::{Identifier, PHONE, phone};
use crate::profile::Profile;
use crate::profile::counters::spread;
use crate::segment::compiled::ZONE;

/// Traits that say a person's language, from the one that is asked first.
const LANGUAGES: [&[&str]; 2] = [&["language"], &["locale"]];
/// Traits that say a person's country, by its code.
const COUNTRIES: [&[&str]; 3] = [&["country"], &["address", "country"], &["country_code"]];

/// Time zones by country, as the IANA database has them.
const TABLE: &str = include_str!("zones.tsv");

/// Codes of countries with the zones that their clocks show.
static ZONES: LazyLock<HashMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut zones: HashMap<&str, Vec<&str>> = HashMap::new();
    let rows = TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
    for (countries, zone) in rows {
        for country in countries.split(',') {
            zones.entry(country).or_default().push(zone);
        }
    }
    zones
});

/// A person's addresses of these channels, in their order. Of several of one
/// channel comes first what a trait of that name says, then what was heard last.
pub fn addresses(profile: &Profile, channels: &[Channel]) -> Vec<(Channel, Identifier)> {
    let of_channel = |channel: &Channel| {
        let kind = channel.kind();
        let said = text(profile, &[kind]).and_then(|said| Identifier::parse(kind, &said, None).ok());
        let mut held: Vec<_> = profile.identifiers.iter().filter(|(one, _)| one.kind() == kind).collect();
        held.sort_by_key(|(one, held)| (Some(*one) != said.as_ref(), std::cmp::Reverse(held.since)));
        let channel = *channel;
        held.into_iter().map(move |(one, _)| (channel, one.clone()))
    };
    channels.iter().flat_map(of_channel).collect()
}

/// Where a person may live: what the trait says, else the zones of their
/// phone's country, else of the country that a trait names. With none of these
/// it is UTC that counts.
pub fn zones(profile: &Profile) -> Zones {
    if let Some(zones) = text(profile, &[ZONE]).and_then(|name| Zones::named(&name)) {
        return zones;
    }
    let phones = profile.identifiers.keys().filter(|one| one.kind() == PHONE);
    let mut countries: Vec<String> = phones.filter_map(|one| phone::country(one.value())).collect();
    if countries.is_empty() {
        let said = COUNTRIES.iter().filter_map(|path| text(profile, path));
        countries.extend(said.map(|code| code.to_ascii_uppercase()));
    }
    Zones::of(countries.iter().filter_map(|country| ZONES.get(country.as_str())).flatten().copied())
}

/// The language that a person's traits name.
pub fn language(profile: &Profile) -> Option<String> {
    LANGUAGES.iter().find_map(|path| text(profile, path))
}

/// A person's lot from 0 to 99; it follows from their identifiers, so that a
/// merge moves nobody to another variant than one of the two.
pub fn lot(profile: &Profile, salt: &str) -> u8 {
    let lot = spread(&format!("{salt}\u{1f}{:016x}", profile.seed.unwrap_or_default()));
    u8::try_from((u128::from(lot) * 100) >> 64).unwrap_or_default()
}

fn text(profile: &Profile, path: &[&str]) -> Option<String> {
    let steps: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
    match profile.traits.get(&steps)? {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::EventName;
    use crate::profile::Held;
    use crate::profile::stamp::Stamp;
    use crate::time::Timestamp;
    use crate::workspace::SourceId;

    fn person(identifiers: &[(&str, &str)], traits: &Value) -> Profile {
        let mut profile = Profile::default();
        for (number, (kind, value)) in (0..).zip(identifiers) {
            let since = Timestamp::from_millis(number);
            let identifier = Identifier::parse(kind, value, None).unwrap();
            profile.identifiers.insert(identifier, Held { generation: 0, since });
        }
        let stamp = Stamp { at: Timestamp::from_millis(1), event: EventName(1) };
        profile.traits.observe(traits.as_object().unwrap(), stamp, &SourceId::parse("web").unwrap());
        profile
    }

    fn values(profile: &Profile, channels: &[Channel]) -> Vec<String> {
        addresses(profile, channels).into_iter().map(|(_, one)| one.value().to_owned()).collect()
    }

    #[test]
    fn the_address_that_a_trait_names_comes_first_then_the_newest() {
        let both = [("email", "a@example.com"), ("email", "b@example.com"), ("phone", "+4722222222")];
        let channels = [Channel::Sms, Channel::Email];
        let newest = ["+4722222222", "b@example.com", "a@example.com"];
        assert_eq!(values(&person(&both, &json!({})), &channels), newest);
        let said = person(&both, &json!({"email": "A@example.com"}));
        assert_eq!(values(&said, &channels), ["+4722222222", "a@example.com", "b@example.com"]);
        assert_eq!(values(&said, &[]), Vec::<String>::new());
        let foreign = person(&both, &json!({"email": "c@example.com"}));
        assert_eq!(values(&foreign, &[Channel::Email]), ["b@example.com", "a@example.com"]);
    }

    #[test]
    fn a_person_lives_where_the_trait_says_else_where_the_phone_is() {
        let check = |identifiers: &[(&str, &str)], traits: Value, expected: &[&str]| {
            assert_eq!(zones(&person(identifiers, &traits)), Zones::of(expected.iter().copied()), "{traits}");
        };
        let oslo = [("phone", "+4722222222")];
        check(&oslo, json!({"timezone": "Asia/Tokyo"}), &["Asia/Tokyo"]);
        check(&oslo, json!({"timezone": "Middle/Earth"}), &["Europe/Berlin"]);
        check(&oslo, json!({"country": "JP"}), &["Europe/Berlin"]);
        check(&[], json!({"address": {"country": "jp"}}), &["Asia/Tokyo"]);
        check(&[], json!({}), &["UTC"]);
        let kyiv = [("phone", "+380441234567")];
        check(&kyiv, json!({}), &["Europe/Simferopol", "Europe/Kyiv"]);
        assert_eq!(ZONES.get("US").map(Vec::len), Some(29));
        let known = |zone: &&&str| Zones::named(zone).is_none();
        assert_eq!(ZONES.values().flatten().find(known), None, "every zone of the table has its rules");
    }

    #[test]
    fn lots_are_spread_evenly_and_stay() {
        let mut counts = [0_u32; 100];
        for seed in 0..20_000_u64 {
            let profile =
                Profile { seed: Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), ..Profile::default() };
            let drawn = lot(&profile, "win-back");
            assert_eq!(drawn, lot(&profile, "win-back"));
            counts[usize::from(drawn)] += 1;
        }
        assert!(counts.iter().all(|count| (120..290).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_language_is_what_the_traits_name() {
        assert_eq!(language(&person(&[], &json!({"locale": "uk-UA"}))).as_deref(), Some("uk-UA"));
        let both = json!({"locale": "uk-UA", "language": "ru"});
        assert_eq!(language(&person(&[], &both)).as_deref(), Some("ru"));
        assert_eq!(language(&person(&[], &json!({"language": 7}))), None);
    }
}
