use serde_json::Value;

use super::*;

const SENT: Timestamp = Timestamp::from_millis(1_795_343_400_000);
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36";
const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";

fn hit(what: What, seconds: f64) -> Hit {
    Hit {
        at: after(seconds),
        what,
        method: Method::Get,
        user_agent: CHROME.to_owned(),
        address: "203.0.113.7".parse().unwrap(),
        language: Language::Said,
    }
}

fn click(index: u16, seconds: f64) -> Hit {
    hit(What::Click { index }, seconds)
}

fn after(seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "seconds of a test")]
    let millis = (seconds * 1_000.0).round() as i64;
    SENT.plus(millis)
}

fn letter(links: u16, hits: &[Hit]) -> Letter<'_> {
    Letter { delivered: Some(SENT), links, hits }
}

fn check(hit: &Hit, expected: Class) {
    assert_eq!(classify(hit, &letter(5, &[])), expected, "{hit:?}");
}

#[test]
fn a_person_reads_and_clicks() {
    check(&hit(What::Open, 30.0), Class::Person);
    check(&click(0, 40.0), Class::Person);
    let unknown = Letter { delivered: None, links: 5, hits: &[] };
    assert_eq!(classify(&click(0, 1.0), &unknown), Class::Person);
    check(&Hit { language: Language::Unknown, ..click(0, 40.0) }, Class::Person);
}

#[test]
fn what_a_hit_says_of_itself_is_believed() {
    let says = |user_agent: &str, what: What| Hit { user_agent: user_agent.to_owned(), ..hit(what, 60.0) };
    check(&Hit { method: Method::of("HEAD"), ..click(0, 60.0) }, Class::Machine(Why::Method));
    check(&says("Barracuda Sentinel (EE)", What::Click { index: 0 }), Class::Machine(Why::Gateway));
    check(&says("curl/8.5.0", What::Open), Class::Machine(Why::Program));
    check(&says("Mozilla/5.0", What::Open), Class::Machine(Why::Prefetch));
    check(&says("Mozilla/5.0", What::Click { index: 0 }), Class::Machine(Why::Program));
    check(&says("", What::Open), Class::Unsure(Doubt::Nameless));
    check(&says("okhttp/4.12.0", What::Open), Class::Person);
    check(&says("okhttp/4.12.0", What::Click { index: 0 }), Class::Unsure(Doubt::NoBrowser));
    check(&Hit { language: Language::Missing, ..click(0, 60.0) }, Class::Unsure(Doubt::Wordless));
    check(&Hit { language: Language::Missing, ..hit(What::Open, 60.0) }, Class::Person);
}

#[test]
fn gateways_and_apple_are_known_by_their_networks() {
    let from = |address: &str, what: What| Hit { address: address.parse().unwrap(), ..hit(what, 60.0) };
    check(&from("209.222.82.3", What::Open), Class::Machine(Why::Gateway));
    check(&from("148.163.150.1", What::Click { index: 0 }), Class::Machine(Why::Gateway));
    check(&from("17.58.1.1", What::Open), Class::Machine(Why::Prefetch));
    // People follow links through Apple's relay.
    check(&from("17.58.1.1", What::Click { index: 0 }), Class::Person);
}

#[test]
fn nobody_reads_before_the_letter_is_there() {
    for seconds in [-3.0, 0.0, 4.999] {
        check(&click(0, seconds), Class::Machine(Why::Early));
    }
    check(&click(0, 5.0), Class::Person);
    check(&hit(What::Open, 1.999), Class::Machine(Why::Early));
    check(&hit(What::Open, 2.0), Class::Unsure(Doubt::Soon));
    check(&hit(What::Open, 5.0), Class::Person);
    let gmail = |seconds| Hit { user_agent: GMAIL.to_owned(), ..hit(What::Open, seconds) };
    check(&gmail(0.8), Class::Machine(Why::Early));
    check(&gmail(60.0), Class::Person);
}

#[test]
fn all_links_at_once_are_a_machine_and_one_after_the_other_are_not() {
    let check = |links: u16, hits: &[Hit], expected: Class| {
        for hit in hits {
            assert_eq!(classify(hit, &letter(links, hits)), expected, "{hit:?} of {links} links");
        }
    };
    let clicks = |count: u16, gap: f64| -> Vec<Hit> {
        (0..count).map(|index| click(index, 60.0 + gap * f64::from(index))).collect()
    };
    let burst = Class::Machine(Why::Burst);
    check(3, &clicks(3, 5.0), burst);
    check(3, &clicks(3, 5.1), Class::Person);
    check(40, &clicks(5, 2.5), burst);
    check(40, &clicks(4, 1.0), Class::Person);
    check(2, &clicks(2, 0.1), Class::Person);
    check(4, &clicks(3, 0.1), Class::Person);
    // Its opening belongs to it, and one link again and again does not make it.
    check(3, &[clicks(3, 1.0), vec![hit(What::Open, 61.0)]].concat(), burst);
    check(3, &[click(0, 60.0), click(0, 61.0), click(1, 62.0)], Class::Person);
    let mut elsewhere = clicks(3, 1.0);
    elsewhere[1].address = "198.51.100.1".parse().unwrap();
    check(3, &elsewhere, Class::Person);
    elsewhere[1].address = "203.0.113.99".parse().unwrap();
    check(3, &elsewhere, burst);
}

#[test]
fn who_follows_what_nobody_sees_gives_its_neighbours_away() {
    let trap = hit(What::Trap, 60.0);
    let hits = [trap.clone(), click(0, 119.0), click(1, 121.0), click(2, 1.0)];
    let classes = hits.each_ref().map(|hit| classify(hit, &letter(9, &hits)));
    assert_eq!(classes[..2], [Class::Machine(Why::Trap); 2]);
    assert_eq!(classes[2], Class::Person);
    assert_eq!(classes[3], Class::Machine(Why::Trap));
    let other = Hit { address: "198.51.100.1".parse().unwrap(), ..click(0, 61.0) };
    assert_eq!(classify(&other, &letter(9, &hits)), Class::Person);
}

#[test]
fn a_hit_prints_nothing_of_a_person() {
    assert_eq!(format!("{:?}", click(3, 0.0)), "Hit(Click { index: 3 } at 2026-11-22T10:30:00.000Z)");
}

/// One row of the labelled hits.
fn read(row: &Value, delivered: Timestamp) -> (Hit, bool) {
    let text = |name: &str| row[name].as_str().unwrap();
    let what = match text("what").split_once(' ') {
        Some(("click", index)) => What::Click { index: index.parse().unwrap() },
        None if text("what") == "open" => What::Open,
        _ => What::Trap,
    };
    let language = if text("language") == "said" { Language::Said } else { Language::Missing };
    let hit = Hit {
        at: delivered.plus(after(row["after"].as_f64().unwrap()).since(SENT)),
        what,
        method: Method::of(text("method")),
        user_agent: text("agent").to_owned(),
        address: text("from").parse().unwrap(),
        language,
    };
    (hit, text("is") == "machine")
}

#[test]
fn of_labelled_hits_nearly_all_are_told_right() {
    let letters: Vec<Value> =
        serde_json::from_str(include_str!("../../../../../events/messaging/hits.json")).unwrap();
    // Machines told, people called machines, machines missed, people told, people in doubt.
    let [mut told, mut wronged, mut missed, mut people, mut doubted] = [0.0; 5];
    for row in &letters {
        let delivered = Timestamp::parse(row["delivered"].as_str().unwrap()).unwrap();
        let rows = row["hits"].as_array().unwrap();
        let labelled: Vec<(Hit, bool)> = rows.iter().map(|row| read(row, delivered)).collect();
        let hits: Vec<Hit> = labelled.iter().map(|(hit, _)| hit.clone()).collect();
        let links = row["links"].as_u64().unwrap().try_into().unwrap();
        let letter = Letter { delivered: Some(delivered), links, hits: &hits };
        for (hit, is_machine) in &labelled {
            let class = classify(hit, &letter);
            let count = match (is_machine, class) {
                (true, Class::Machine(_)) => &mut told,
                (true, Class::Person | Class::Unsure(_)) => &mut missed,
                (false, Class::Machine(_)) => &mut wronged,
                (false, Class::Person) => &mut people,
                (false, Class::Unsure(_)) => &mut doubted,
            };
            *count += 1.0;
        }
    }
    let (precision, recall) = (told / (told + wronged), told / (told + missed));
    let kept = people / (people + wronged + doubted);
    println!("machines: precision {precision:.3}, recall {recall:.3}; people kept {kept:.3}");
    println!("told {told}, wronged {wronged}, missed {missed}, people {people}, doubted {doubted}");
    assert!(told + wronged + missed + people + doubted >= 200.0);
    assert!(precision >= 0.94 && recall >= 0.92 && kept >= 0.85, "{precision} {recall} {kept}");
}
