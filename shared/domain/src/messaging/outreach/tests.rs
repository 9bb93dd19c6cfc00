use super::*;

const SETTINGS: &str = include_str!("../../../../../events/messaging/settings.json");
const WIN_BACK: &str = include_str!("../../../../../events/messaging/win-back.json");
const WELCOME: &str = include_str!("../../../../../events/messaging/welcome.json");

fn outreach() -> Outreach {
    let template = r#"{"kind": "promotional", "topic": "news"}"#.to_owned();
    let id = |name| TemplateId::parse(name).unwrap();
    Outreach {
        version: 1,
        settings: Settings::read(SETTINGS).unwrap(),
        templates: ["welcome", "win-back", "win-back-b"].map(|name| (id(name), template.clone())).into(),
        messages: BTreeMap::new(),
    }
}

fn told(mistakes: &[Mistake]) -> Vec<String> {
    mistakes.iter().map(ToString::to_string).collect()
}

fn changed(json: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value: serde_json::Value = serde_json::from_str(json).unwrap();
    change(&mut value);
    value.to_string()
}

fn check_message(change: impl FnOnce(&mut serde_json::Value), expected: &[&str]) {
    let document = MessageDocument::read(&changed(WIN_BACK, change));
    let found = document.and_then(|document| {
        let written = Written::Message(MessageId::parse("win-back").unwrap(), document);
        outreach().check(&written, |segment| segment.as_str() == "lapsing-buyers")
    });
    let found = found.err().map(|mistakes| told(&mistakes)).unwrap_or_default();
    let places: Vec<&str> = found.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(places, expected, "{found:?}");
}

#[test]
fn the_examples_are_read_and_stand_together() {
    let outreach = outreach();
    for (id, json) in [("win-back", WIN_BACK), ("welcome", WELCOME)] {
        let document = MessageDocument::read(json).unwrap();
        let written = Written::Message(MessageId::parse(id).unwrap(), document);
        assert_eq!(outreach.check(&written, |_| true), Ok(()), "{id}");
    }
    let policy = outreach.settings.policy();
    assert_eq!(policy.caps.len(), 2);
    assert!(policy.quiet.is_some());
}

#[test]
fn each_mistake_of_a_message_is_told_with_its_place() {
    check_message(|_| (), &[]);
    check_message(|json| json["channels"] = serde_json::json!([]), &["`channels`"]);
    check_message(|json| json["channels"] = serde_json::json!(["email", "email"]), &["`channels`"]);
    check_message(|json| json["channels"][0] = "fax".into(), &["`channels[0]`"]);
    check_message(|json| json["to"] = "nobody".into(), &["`to`"]);
    check_message(|json| json["entering"] = "newcomers".into(), &["`to`"]);
    check_message(|json| json["expires_after"] = "soon".into(), &["`expires_after`"]);
    check_message(|json| json["hold_out"] = 20.into(), &["`variants`"]);
    check_message(|json| json["variants"][0]["share"] = 1.into(), &["`variants`"]);
    check_message(|json| json["variants"][0]["template"] = "none".into(), &["`template`"]);
    check_message(|json| json["template"] = "welcome".into(), &["`template`"]);
    check_message(|json| json["surprise"] = true.into(), &["`surprise`"]);
}

#[test]
fn a_message_keeps_its_segment_and_a_topic_that_is_in_use_stays() {
    let mut outreach = outreach();
    let id = MessageId::parse("win-back").unwrap();
    outreach.messages.insert(id.clone(), MessageDocument::read(WIN_BACK).unwrap());
    let other = changed(WIN_BACK, |json| json["to"] = "newcomers".into());
    let written = Written::Message(id, MessageDocument::read(&other).unwrap());
    let mistakes = outreach.check(&written, |_| true).unwrap_err();
    assert!(told(&mistakes)[0].starts_with("`to` cannot change from `lapsing-buyers`"), "{mistakes:?}");
    let without = changed(SETTINGS, |json| {
        json["topics"].as_object_mut().unwrap().remove("news");
    });
    let written = Written::Settings(Settings::read(&without).unwrap());
    assert_eq!(outreach.check(&written, |_| true).unwrap_err().len(), 3);
}

#[test]
fn templates_of_one_message_are_for_the_same() {
    let mut outreach = outreach();
    let id = MessageId::parse("win-back").unwrap();
    outreach.messages.insert(id, MessageDocument::read(WIN_BACK).unwrap());
    let check = |document: &str| {
        let written = Written::Template(TemplateId::parse("win-back-b").unwrap(), document.to_owned());
        outreach.check(&written, |_| true).err().map(|mistakes| told(&mistakes)).unwrap_or_default()
    };
    assert_eq!(check(r#"{"kind": "promotional", "topic": "news"}"#), Vec::<String>::new());
    assert!(check(r#"{"kind": "promotional", "topic": "offers"}"#)[0].starts_with("`kind`"));
    assert!(check(r#"{"kind": "promotional"}"#)[0].starts_with("`topic` is missing"));
    assert!(check(r#"{"kind": "promotional", "topic": "weather"}"#)[0].contains("`news`, `offers`"));
    assert!(check(r#"{"topic": "news"}"#)[0].contains("missing field `kind`"));
}

#[test]
fn wrong_settings_are_told_with_their_places() {
    let check = |change: &dyn Fn(&mut serde_json::Value), place: &str| {
        let mistakes = told(&Settings::read(&changed(SETTINGS, change)).unwrap_err());
        assert!(mistakes[0].starts_with(place), "{mistakes:?}");
    };
    check(&|json| json["sender"]["email"] = "nobody".into(), "`sender.email`");
    check(&|json| json["sender"]["sms"] = "12".into(), "`sender.sms`");
    check(&|json| json["sender"]["name"] = "A\r\nBcc: all@example.com".into(), "`sender.name`");
    check(&|json| json["topics"]["A b"] = serde_json::json!({"name": {"en": "A"}}), "`topics.A b`");
    check(&|json| json["caps"][0]["most"] = 0.into(), "`caps[0].most`");
    check(&|json| json["caps"][0]["reserved"] = 9.into(), "`caps[0].reserved`");
    check(&|json| json["quiet"]["from"] = "9".into(), "`quiet.from`");
    check(&|json| json["caps"][0]["per"] = "hour".into(), "`caps[0].per`");
}

#[test]
fn shares_follow_the_lot_and_who_is_held_out_gets_nothing() {
    let message = MessageDocument::read(WIN_BACK).unwrap().message().unwrap();
    let template = |lot| message.variant(lot).map(|variant| variant.template.as_str());
    assert_eq!([0, 44, 45, 89].map(template), ["win-back", "win-back", "win-back-b", "win-back-b"].map(Some));
    assert_eq!([90, 99].map(template), [None, None]);
}
