use super::*;

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn delivery(number: u8, claimed: i64, attempt: u64) -> Delivery {
    Delivery {
        id: DeliveryId::from_bytes([number; 16]),
        at: at(claimed),
        channel: Channel::Email,
        kind: Kind::Promotional,
        topic: Some(TopicId::parse("news").unwrap()),
        message: MessageId::parse("win-back").unwrap(),
        variant: 1,
        state: State::Calling { until: at(claimed + 10), attempt },
    }
}

fn about(topic: Option<&str>) -> About {
    About { channel: Channel::Email, topic: topic.map(|topic| TopicId::parse(topic).unwrap()) }
}

#[test]
fn rule_16_a_delivery_is_claimed_once_whoever_asks_for_it() {
    let mut address = Address::default();
    assert_eq!(address.claim(delivery(1, 0, 7), at(0)), Claimed::Now);
    assert_eq!(address.claim(delivery(1, 0, 7), at(1)), Claimed::Already);
    assert_eq!(address.claim(delivery(1, 5, 8), at(5)), Claimed::Busy { until: at(10 + CALL_MAX) });
    assert!(!address.settle(delivery(1, 0, 7).id, 8, State::Accepted), "it is not theirs");
    assert!(address.settle(delivery(1, 0, 7).id, 7, State::Accepted));
    assert_eq!(address.claim(delivery(1, 20, 9), at(20)), Claimed::Settled);
    assert_eq!(address.claim(delivery(2, 20, 9), at(20)), Claimed::Now);
}

#[test]
fn a_call_that_never_told_its_end_is_unknown_and_never_made_again() {
    let mut address = Address::default();
    address.claim(delivery(1, 0, 7), at(0));
    assert_eq!(address.claim(delivery(1, 10, 8), at(10 + CALL_MAX)), Claimed::Abandoned);
    assert_eq!(address.deliveries()[0].state, State::Unknown);
    assert_eq!(address.claim(delivery(1, 11, 9), at(11 + CALL_MAX)), Claimed::Settled);
    assert!(!address.settle(delivery(1, 0, 7).id, 7, State::Accepted), "its time was over");
    assert!(address.receipt(delivery(1, 0, 7).id), "but a receipt may tell");
    assert_eq!(address.deliveries()[0].state, State::Accepted);
    assert!(!address.receipt(delivery(1, 0, 7).id));
}

#[test]
fn a_claim_whose_call_sent_nothing_can_be_given_back_by_whoever_holds_it() {
    let mut address = Address::default();
    address.claim(delivery(1, 0, 7), at(0));
    assert!(!address.release(delivery(1, 0, 7).id, 8));
    assert!(address.release(delivery(1, 0, 7).id, 7));
    assert_eq!(address.claim(delivery(1, 5, 8), at(5)), Claimed::Now);
}

#[test]
fn a_withdrawal_knows_what_is_under_way() {
    let mut address = Address::default();
    address.claim(delivery(1, 0, 7), at(0));
    assert_eq!(address.under_way(&about(Some("news")), at(9)), Some(at(10)));
    assert_eq!(address.under_way(&about(None), at(9)), Some(at(10)));
    assert_eq!(address.under_way(&about(Some("offers")), at(9)), None);
    assert_eq!(address.under_way(&about(None), at(10)), None);
    address.settle(delivery(1, 0, 7).id, 7, State::Accepted);
    assert_eq!(address.under_way(&about(None), at(9)), None);
    let receipt = Delivery { kind: Kind::Transactional, ..delivery(2, 0, 7) };
    address.claim(receipt, at(0));
    assert_eq!(address.under_way(&about(None), at(9)), None, "what is ordered may come");
}

#[test]
fn an_address_is_suppressed_until_somebody_lifts_it_later() {
    let mut address = Address::default();
    assert!(address.suppress(Some(Reason::Bounced), at(5), EventName(1)));
    assert!(!address.suppress(Some(Reason::Bounced), at(5), EventName(1)));
    assert!(!address.suppress(None, at(4), EventName(2)));
    assert!(!address.suppress(None, at(5), EventName(9)), "at one moment it is");
    assert_eq!(address.suppressed(), Some(Reason::Bounced));
    assert!(address.suppress(None, at(6), EventName(3)));
    assert_eq!(address.suppressed(), None);
}

#[test]
fn the_oldest_that_are_settled_go_to_pages_and_are_known_to_be_there() {
    let mut address = Address::default();
    for number in 0..20 {
        assert_eq!(address.page(), None);
        address.claim(delivery(number, i64::from(number), 7), at(0));
        if number != 3 {
            address.settle(delivery(number, 0, 7).id, 7, State::Accepted);
        }
    }
    let page = address.page().unwrap();
    let paged = read_page(&page).unwrap();
    assert_eq!((paged.len(), address.deliveries().len()), (10, 10));
    assert!(paged.iter().all(|known| known.id != delivery(3, 0, 7).id), "one is still being called");
    assert_eq!((address.is_paged(at(10)), address.is_paged(at(11))), (true, false));
    let (from, to) = (delivery(1, 0, 7), at(100));
    assert_eq!(address.clone().claim(from.clone(), to), Claimed::Now, "of pages nothing is known");
    let before = address.sent(None, None, at(-1)).len();
    address.recall(paged);
    assert_eq!(address.claim(from, to), Claimed::Settled, "until they are recalled");
    assert_eq!(address.sent(None, None, at(-1)).len(), before + 10);
    assert_eq!(Address::read(Some(&address.item())).unwrap().deliveries().len(), 10);
    assert!(page.key >= pages().0 && page.key < pages().1);
    assert_eq!(address.page(), None);
}

#[test]
fn what_stands_on_a_page_and_with_the_address_counts_once() {
    let mut address = Address::default();
    address.claim(delivery(1, 0, 7), at(0));
    address.recall(vec![delivery(1, 0, 7), delivery(2, 1, 7), delivery(2, 1, 7)]);
    assert_eq!(address.sent(None, None, at(-1)).len(), 2);
}

#[test]
fn an_address_is_read_as_it_was_written_and_is_small() {
    let mut address = Address::default();
    address.name(&Identifier::parse("email", "ann.somebody@example.com", None).unwrap());
    address.hear(about(Some("news")), Said::Subscribed, at(1_790_000_000_000), EventName(u64::MAX));
    address.hear(about(None), Said::Unsubscribed, at(1_790_000_000_001), EventName(u64::MAX));
    address.suppress(Some(Reason::Complained), at(1_790_000_000_002), EventName(u64::MAX));
    for number in 0..20 {
        address.claim(delivery(number, 1_790_000_000_000, u64::MAX), at(0));
        address.settle(delivery(number, 0, 7).id, u64::MAX, State::Accepted);
    }
    let item = address.item();
    assert_eq!(Address::read(Some(&item)).unwrap(), address);
    assert_eq!(Address::read(None).unwrap(), Address::default());
    assert!(item.body.len() < 880, "{} bytes", item.body.len());
    let torn = Item { body: item.body[..item.body.len() - 1].to_vec(), ..item };
    assert_eq!(Address::read(Some(&torn)), Err(Corrupt::Bytes));
}

#[test]
fn caps_count_what_is_promotional_by_channel_and_topic() {
    let mut address = Address::default();
    for number in 1..6 {
        address.claim(delivery(number, 10 * i64::from(number), 7), at(0));
    }
    let other = Delivery { topic: None, channel: Channel::Sms, ..delivery(9, 35, 7) };
    address.claim(other, at(0));
    address.claim(Delivery { kind: Kind::Transactional, ..delivery(10, 36, 7) }, at(0));
    let news = TopicId::parse("news").unwrap();
    assert_eq!(address.sent(None, None, at(20)), [at(30), at(35), at(40), at(50)]);
    assert_eq!(address.sent(Some(Channel::Email), None, at(20)).len(), 3);
    assert_eq!(address.sent(None, Some(&news), at(40)), [at(50)]);
}
