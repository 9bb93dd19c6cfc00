use super::*;
use crate::messaging::Channel;
use crate::messaging::consent::TopicId;

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);
const PURPOSES: [Purpose; 5] =
    [Purpose::Open, Purpose::Click, Purpose::Unsubscribe, Purpose::Preferences, Purpose::Confirm];

fn keys(chance: u8) -> SigningKeys {
    SigningKeys::make("k1", [[chance; 16]; 2]).unwrap()
}

fn about() -> About {
    About { channel: Channel::Email, topic: Some(TopicId::parse("news").unwrap()) }
}

fn links() -> [Link; 5] {
    let target = Target::parse("https://shop.example/sale?utm_source=news").unwrap();
    [
        Link::Open,
        Link::Click { index: 3, target },
        Link::Unsubscribe { about: about() },
        Link::Preferences,
        Link::Confirm { about: About { channel: Channel::Sms, topic: None } },
    ]
}

fn token(link: Link) -> Token {
    Token {
        workspace: WorkspaceId::parse("shop").unwrap(),
        address: ProfileId::from_bytes([1; 16]),
        delivery: DeliveryId::from_bytes([2; 16]),
        issued: NOW,
        link,
    }
}

fn opens(keys: &SigningKeys, text: &str) -> bool {
    PURPOSES.iter().any(|purpose| Token::open(keys, *purpose, text, NOW) != Err(BadToken::Unknown))
}

#[test]
fn a_link_opens_as_what_it_is_and_as_nothing_else() {
    for link in links() {
        let token = token(link);
        let sealed = token.seal(&keys(1));
        for purpose in PURPOSES {
            let opened = Token::open(&keys(1), purpose, &sealed, NOW);
            let is_its_own = purpose == token.link.purpose();
            assert_eq!(opened, if is_its_own { Ok(token.clone()) } else { Err(BadToken::Unknown) });
        }
        assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
    }
}

/// Letters are kept for years: what an earlier build signed still opens.
#[test]
fn tokens_of_form_1_are_still_read() {
    let kept = [
        "m1.k1.BHNob3ABAQEBAQEBAQEBAQEBAQEBAgICAgICAgICAgICAgICAoDx8azAaAABtpGNUmbwXimBYJpCkd5n",
        "m1.k1.BHNob3ABAQEBAQEBAQEBAQEBAQEBAgICAgICAgICAgICAgICAoDx8azAaAEDKWh0dHBzOi8vc2hvcC5leGFtcGxlL3NhbGU_dXRtX3NvdXJjZT1uZXdzCBqRd5yDSo1nBTmYx4SsLQ",
        "m1.k1.BHNob3ABAQEBAQEBAQEBAQEBAQEBAgICAgICAgICAgICAgICAoDx8azAaAIAAQRuZXdzWBNeSLs_4EECshZj9CJ15w",
        "m1.k1.BHNob3ABAQEBAQEBAQEBAQEBAQEBAgICAgICAgICAgICAgICAoDx8azAaAPBEpJzIL9xnpNB39avceLd",
        "m1.k1.BHNob3ABAQEBAQEBAQEBAQEBAQEBAgICAgICAgICAgICAgICAoDx8azAaAQBAJcZs4seiRv_KMz1dpJdC2w",
    ];
    for (link, kept) in links().into_iter().zip(kept) {
        let token = token(link);
        assert_eq!(Token::open(&keys(1), token.link.purpose(), kept, NOW), Ok(token.clone()));
        assert_eq!(token.seal(&keys(1)), kept);
    }
}

#[test]
fn a_token_is_short_enough_for_a_letter() {
    let lengths = links().map(|link| token(link).seal(&keys(1)).len());
    assert_eq!(lengths, [86, 144, 96, 86, 89]);
}

#[test]
fn a_link_works_for_as_long_as_its_purpose_needs() {
    let check = |link: Link, age: i64, expected: Result<(), BadToken>| {
        let (purpose, sealed) = (link.purpose(), token(link).seal(&keys(1)));
        let opened = Token::open(&keys(1), purpose, &sealed, NOW.plus(age));
        assert_eq!(opened.map(|_| ()), expected, "{purpose:?} after {age} ms");
    };
    let [open, click, unsubscribe, preferences, confirm] = links();
    for link in [open, click, unsubscribe] {
        check(link.clone(), 3650 * Timestamp::DAY, Ok(()));
        check(link, -Timestamp::HOUR, Ok(()));
    }
    check(preferences.clone(), 60 * Timestamp::DAY - 1, Ok(()));
    check(preferences, 60 * Timestamp::DAY, Err(BadToken::Expired));
    check(confirm.clone(), 72 * Timestamp::HOUR - 1, Ok(()));
    check(confirm, 72 * Timestamp::HOUR, Err(BadToken::Expired));
}

#[test]
fn two_keys_are_valid_at_once_and_no_third() {
    let first = keys(1);
    let second = first.clone().rotate("k2", [[2; 16]; 2]).unwrap();
    let third = second.clone().rotate("k3", [[3; 16]; 2]).unwrap();
    let [of_first, of_second] = [&first, &second].map(|keys| token(Link::Open).seal(keys));
    assert!(opens(&second, &of_first) && opens(&third, &of_second));
    assert!(!opens(&third, &of_first) && !opens(&first, &of_second) && !opens(&keys(9), &of_first));
    assert!(!first.know(&of_second) && third.know(&of_second));
}

#[test]
fn a_cursor_is_no_link_and_a_link_no_cursor() {
    let keys = keys(1);
    let sealed = token(Link::Open).seal(&keys);
    assert!(keys.open(&[], &sealed).is_err());
    assert!(!opens(&keys, &keys.seal(&[], "7")));
    // The same bytes, signed as a cursor's are.
    let bytes = postcard::to_stdvec(&token(Link::Open)).unwrap();
    let (id, signature) = keys.sign("c1", &[&bytes]);
    let forged = URL_SAFE_NO_PAD.encode([bytes.as_slice(), &signature[..SIGNATURE_LENGTH]].concat());
    assert!(!opens(&keys, &format!("{FORM}.{id}.{forged}")));
}

/// What an attacker may know: every other byte of a token, and what it means.
#[test]
fn no_other_workspace_person_or_page_is_reached_with_an_old_signature() {
    let keys = keys(1);
    let sealed = token(links()[1].clone());
    let forge = |change: &dyn Fn(&mut Token)| {
        let mut forged = sealed.clone();
        change(&mut forged);
        assert_ne!(forged, sealed);
        let mut bytes = postcard::to_stdvec(&forged).unwrap();
        let (id, signature) = keys.sign(FORM, &[&postcard::to_stdvec(&sealed).unwrap()]);
        bytes.extend(&signature[..SIGNATURE_LENGTH]);
        assert!(!opens(&keys, &format!("{FORM}.{id}.{}", URL_SAFE_NO_PAD.encode(bytes))), "{forged:?}");
    };
    let evil = Target::parse("https://evil.example").unwrap();
    forge(&|token| token.workspace = WorkspaceId::parse("pohs").unwrap());
    forge(&|token| token.address = ProfileId::from_bytes([3; 16]));
    forge(&|token| token.delivery = DeliveryId::from_bytes([1; 16]));
    forge(&|token| token.issued = NOW.plus(1));
    forge(&|token| token.link = Link::Click { index: 3, target: evil.clone() });
    forge(&|token| token.link = Link::Unsubscribe { about: about() });
}

#[test]
fn a_page_that_is_none_does_not_open_even_if_it_was_signed() {
    #[derive(Serialize)]
    struct Other<'a>(&'a str, [u8; 16], [u8; 16], i64, u32, u16, &'a str);
    let keys = keys(1);
    let sign = |url: &str| {
        let mut bytes = postcard::to_stdvec(&Other("shop", [1; 16], [2; 16], 0, 1, 3, url)).unwrap();
        let (id, signature) = keys.sign(FORM, &[&bytes]);
        bytes.extend(&signature[..SIGNATURE_LENGTH]);
        opens(&keys, &format!("{FORM}.{id}.{}", URL_SAFE_NO_PAD.encode(bytes)))
    };
    assert!(sign("https://shop.example/"), "the bytes are those of a token");
    assert!(!sign("javascript:alert(1)") && !sign("//evil.example"));
}

#[test]
fn of_100_000_tokens_that_nobody_signed_none_opens() {
    let keys = keys(1);
    let mut random = fastrand::Rng::with_seed(7);
    let sealed = links().map(|link| token(link).seal(&keys));
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ %";
    let mut tried = 0;
    while tried < 100_000 {
        let of = &sealed[random.usize(..sealed.len())];
        let forged = forged(of, &sealed, &mut random, letters);
        if sealed.contains(&forged) {
            continue;
        }
        assert!(!opens(&keys, &forged), "{forged}");
        tried += 1;
    }
}

fn forged(of: &str, all: &[String], random: &mut fastrand::Rng, letters: &[u8]) -> String {
    let mut bytes = of.as_bytes().to_vec();
    let letter = |random: &mut fastrand::Rng| letters[random.usize(..letters.len())];
    let place = random.usize(..bytes.len());
    match random.u8(..6) {
        0 => (0..random.usize(1..4)).for_each(|_| bytes[random.usize(..of.len())] = letter(random)),
        1 => bytes.truncate(place),
        2 => bytes.insert(place, letter(random)),
        3 => drop(bytes.remove(place)),
        // The beginning of one, the end of another.
        4 => {
            let other = all[random.usize(..all.len())].as_bytes();
            bytes.truncate(place);
            bytes.extend(&other[random.usize(..other.len())..]);
        }
        _ => {
            let body: Vec<u8> = (0..random.usize(..200)).map(|_| random.u8(..)).collect();
            bytes = format!("{FORM}.k1.{}", URL_SAFE_NO_PAD.encode(body)).into_bytes();
        }
    }
    String::from_utf8(bytes).unwrap()
}
