use proptest::prelude::*;

use super::*;

fn outcome(arrival: Arrival) -> Outcome {
    Outcome { arrival, ..Outcome::default() }
}

fn bought(amount: &str) -> BTreeMap<String, i128> {
    BTreeMap::from([("EUR".to_owned(), Money::parse(amount).unwrap())])
}

#[test]
fn each_delivery_is_counted_once_and_its_hits_as_often_as_they_came() {
    let mut report = Report::default();
    let read = Outcome {
        opens: Hits { all: 5, by_person: 3 },
        clicks: Hits { all: 2, by_person: 0 },
        read_seconds: 40,
        revenue: bought("19.99"),
        ..outcome(Arrival::Delivered)
    };
    let again = Outcome { revenue: bought("0.01"), is_unsubscribed: true, ..read.clone() };
    report.count("a", &read);
    report.count("a", &again);
    report.count("a", &outcome(Arrival::HardBounce));
    report.count("b", &Outcome { is_complained: true, ..outcome(Arrival::SoftBounce) });
    report.count("b", &outcome(Arrival::Sent));
    let a = &report.variants["a"];
    assert_eq!((a.sent, a.delivered, a.bounced), (3, 2, Bounces { hard: 1, transient: 0 }));
    assert_eq!(a.opened, Seen { letters: 2, hits: 10, people: 2, hits_by_people: 6 });
    assert_eq!(a.clicked, Seen { letters: 2, hits: 4, people: 0, hits_by_people: 0 });
    assert_eq!((a.unsubscribed, a.complained, a.read_seconds, a.readers), (1, 0, 80, 2));
    assert_eq!((a.revenue["EUR"].decimal().as_str(), a.revenue["EUR"].buyers), ("20", 2));
    let total = report.total();
    assert_eq!((total.sent, total.complained, total.bounced.transient), (5, 1, 1));
}

#[test]
fn an_order_is_put_down_to_the_last_touch_within_the_window() {
    let touch =
        |at, name| Touch { at: Timestamp::from_millis(at), delivery: DeliveryId::from_bytes([name; 16]) };
    let touches = [touch(50, 2), touch(10, 1), touch(90, 3)];
    let check = |at, window, expected: Option<u8>| {
        let expected = expected.map(|name| DeliveryId::from_bytes([name; 16]));
        let mut reversed = touches;
        reversed.reverse();
        for touches in [touches, reversed] {
            assert_eq!(attribute(&touches, Timestamp::from_millis(at), window), expected, "at {at}");
        }
    };
    check(100, 1_000, Some(3));
    check(89, 1_000, Some(2));
    check(90, 1_000, Some(3));
    check(9, 1_000, None);
    check(60, 10, Some(2));
    check(61, 10, None);
    check(60, -1, None);
    let at_once = [touch(5, 1), touch(5, 2)];
    assert_eq!(
        attribute(&at_once, Timestamp::from_millis(6), 10),
        attribute(&[at_once[1], at_once[0]], Timestamp::from_millis(6), 10)
    );
}

#[test]
fn a_broadcast_stops_at_a_complaint_in_a_thousand_or_a_bounce_in_twenty() {
    let check = |sent: u64, complained: u64, hard: u64, expected: Option<Pause>| {
        let bounced = Bounces { hard, transient: sent };
        let sums = Sums { sent, bounced, complained, ..Sums::default() };
        assert_eq!(pause(&sums, Limits::DEFAULT), expected, "{complained} and {hard} of {sent}");
    };
    check(0, 0, 0, None);
    check(499, 499, 499, None);
    check(500, 0, 24, None);
    check(500, 0, 25, Some(Pause::Bounces));
    check(500, 1, 0, Some(Pause::Complaints));
    check(1_000, 1, 0, Some(Pause::Complaints));
    check(1_001, 1, 0, None);
    check(2_000, 2, 100, Some(Pause::Complaints));
    check(100_000, 99, 4_999, None);
    check(100_000, 100, 0, Some(Pause::Complaints));
    check(100_000, 0, 5_000, Some(Pause::Bounces));
    check(u64::MAX, u64::MAX / 1_001, 0, None);
    let strict = Limits { complaints: 0, ..Limits::DEFAULT };
    let sums = |complained| Sums { sent: 1_000_000, complained, ..Sums::default() };
    assert_eq!((pause(&sums(0), strict), pause(&sums(1), strict)), (None, Some(Pause::Complaints)));
}

fn hits() -> impl Strategy<Value = Hits> {
    (0..4_u64, 0..4_u64).prop_map(|(people, machines)| Hits { all: people + machines, by_person: people })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let arrival = prop::sample::select(vec![
        Arrival::Sent,
        Arrival::SoftBounce,
        Arrival::Delivered,
        Arrival::HardBounce,
    ]);
    let revenue = prop::collection::btree_map("EUR|UAH|USD", -10_i128.pow(27)..10_i128.pow(27), 0..3);
    let said = (any::<bool>(), any::<bool>(), 0..200_u32);
    (arrival, hits(), hits(), said, revenue).prop_map(|(arrival, opens, clicks, said, revenue)| {
        let (is_complained, is_unsubscribed, read_seconds) = said;
        Outcome { arrival, is_complained, is_unsubscribed, opens, clicks, read_seconds, revenue }
    })
}

fn reports() -> impl Strategy<Value = Report> {
    prop::collection::vec(("a|b|c", outcomes()), 0..12).prop_map(|all| counted(&all))
}

fn counted(outcomes: &[(String, Outcome)]) -> Report {
    let mut report = Report::default();
    for (variant, outcome) in outcomes {
        report.count(variant, outcome);
    }
    report
}

fn sum(reports: &[&Report]) -> Report {
    let mut sum = Report::default();
    for report in reports {
        sum.absorb(report);
    }
    sum
}

proptest! {
    #[test]
    fn reports_add_up_in_any_order_and_grouping(a in reports(), b in reports(), c in reports()) {
        let all = sum(&[&a, &b, &c]);
        prop_assert_eq!(&sum(&[&c, &a, &b]), &all);
        prop_assert_eq!(&sum(&[&a, &sum(&[&b, &c])]), &all);
        prop_assert_eq!(&sum(&[&sum(&[&a, &b]), &c]), &all);
        prop_assert_eq!(&sum(&[&a, &Report::default()]), &a);
        let mut total = a.total();
        total.absorb(&b.total());
        prop_assert_eq!(total, sum(&[&a, &b]).total());
    }

    #[test]
    fn deliveries_counted_in_parts_come_to_the_same(
        mut all in prop::collection::vec(("a|b", outcomes()), 0..30), cut in 0..30_usize, order in any::<u64>()
    ) {
        let whole = counted(&all);
        fastrand::Rng::with_seed(order).shuffle(&mut all);
        let (left, right) = all.split_at(cut.min(all.len()));
        prop_assert_eq!(sum(&[&counted(left), &counted(right)]), whole.clone());
        let total = whole.total();
        prop_assert_eq!(total.sent, all.len() as u64);
        prop_assert!(total.opened.people <= total.opened.letters && total.opened.letters <= total.sent);
        let bounced = total.bounced.hard + total.bounced.transient;
        prop_assert!(total.delivered + bounced <= total.sent);
        let kept: Report = serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
        prop_assert_eq!(kept, whole);
    }
}
