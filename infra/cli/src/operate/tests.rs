use std::sync::Mutex;

use ::local::{Store, Wiring};
use clap::Parser as _;
use runtime::failure::chain;
use tempfile::TempDir;
use testkit::{SeededEntropy, TestClock};

use super::*;
use crate::arguments::{Arguments, Command};
use crate::{stack, tables};

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);
const TEMPLATE: &str = include_str!("../../../../template.yaml");

/// The table of the template in an embedded store.
pub(crate) struct Table {
    pub(crate) definitions: Definitions<TestClock>,
    pub(crate) clock: TestClock,
    pub(crate) chance: SeededEntropy,
    _store: Store,
    _folder: TempDir,
}

pub(crate) async fn table() -> Table {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::at(NOW));
    let store = Store::start(&folder.path().join("store.db"), clock.clone()).await.unwrap();
    let client = stack::client(&store.url());
    tables::create(&client, &Wiring::parse(TEMPLATE).unwrap().tables).await.unwrap();
    let definitions = Definitions::new(client, "DefinitionsTable", clock.clone());
    Table { definitions, clock, chance: SeededEntropy::seeded(1), _store: store, _folder: folder }
}

/// Signing keys that are kept in memory.
struct Kept(Mutex<SigningKeys>);

impl SigningKept for Kept {
    async fn load(&self) -> Result<SigningKeys, Failed> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn store(&self, keys: &SigningKeys) -> Result<(), Failed> {
        *self.0.lock().unwrap() = keys.clone();
        Ok(())
    }
}

struct Office {
    table: Table,
    kept: Kept,
}

impl Office {
    async fn empty() -> Self {
        let keys = SigningKeys::make("k1", [[1; 16]; 2]).unwrap();
        Self { table: table().await, kept: Kept(Mutex::new(keys)) }
    }

    /// One workspace `shop` with one source `web`.
    async fn with_a_shop() -> Self {
        let office = Self::empty().await;
        office.done("workspace create shop").await;
        office.done("source create web").await;
        office
    }

    async fn try_to(&self, words: &str) -> Result<Value, Failed> {
        self.carry_out(&order(words)).await
    }

    async fn carry_out(&self, order: &Order) -> Result<Value, Failed> {
        let Table { definitions, clock, chance, .. } = &self.table;
        let desk = Desk { definitions, signing: &self.kept, clock: clock.clone(), chance: chance.clone() };
        desk.carry_out(order).await
    }

    /// Sets what `rules show` prints, changed.
    async fn set_rules(&self, change: impl FnOnce(&mut Value)) -> Result<Value, Failed> {
        let mut rules = self.done("rules show").await["rules"].take();
        change(&mut rules);
        self.carry_out(&Order::SetRules { workspace: None, rules: rules.to_string() }).await
    }

    /// The rules as every stage reads them.
    async fn rules(&self) -> Rules {
        let shop = WorkspaceId::parse("shop").unwrap();
        self.table.definitions.workspace(&shop).await.unwrap().unwrap().rules
    }

    async fn done(&self, words: &str) -> Value {
        self.try_to(words).await.unwrap_or_else(|failed| panic!("{words}: {failed}"))
    }

    /// Why it cannot be done.
    async fn refused(&self, words: &str) -> String {
        let failed = self.try_to(words).await.unwrap_err();
        assert_eq!(super::local::status(&failed), Some(400), "{words}: {failed}");
        chain(failed.as_ref())
    }

    async fn opens(&self, made: &Value) -> bool {
        let key = AccessKey::parse(made["key"].as_str().unwrap()).unwrap();
        let stored = self.table.definitions.key(key.workspace(), key.id()).await.unwrap();
        stored.is_some_and(|stored| key.matches(&stored.secret_sha256))
    }
}

fn parsed(words: &str) -> Result<Order, clap::Error> {
    let arguments = Arguments::try_parse_from(["tributary"].into_iter().chain(words.split(' ')))?;
    Ok(match arguments.command {
        Command::Workspace(command) => command.order().1,
        Command::Source(command) => command.order().1,
        Command::Rules(command) => command.order().unwrap().1,
        Command::Key(command) => command.order().1,
        _ => panic!("{words}"),
    })
}

/// The order that these words give, as it arrives at another process.
fn order(words: &str) -> Order {
    let order = parsed(words).unwrap_or_else(|error| panic!("{error}"));
    let sent = serde_json::to_string(&order).unwrap();
    let read: Order = serde_json::from_str(&sent).unwrap();
    assert_eq!(read, order, "{sent}");
    read
}

#[tokio::test]
async fn all_that_is_set_on_a_source_is_kept_and_changed_alone() {
    let office = Office::with_a_shop().await;
    let words = "source create site --phone-region ru --rate 5 --origin https://Shop.example/ --origin http://localhost:3000";
    let created = office.done(words).await;
    let origins = json!(["https://shop.example", "http://localhost:3000"]);
    let expected = json!({ "source": "site", "phone_region": "RU", "origins": origins, "rate": 5 });
    assert_eq!(created, json!({ "workspace": "shop", "source": expected }));
    let changed = office.done("source change site --rate 7").await;
    assert_eq!((&changed["source"]["rate"], &changed["source"]["origins"]), (&json!(7), &origins));
    office.done("source change site --any-origin --no-phone-region").await;
    let web = json!({ "source": "web", "phone_region": null, "origins": [], "rate": RATE });
    let site = json!({ "source": "site", "phone_region": null, "origins": [], "rate": 7 });
    let listed = office.done("source list").await;
    assert_eq!(listed, json!({ "workspace": "shop", "sources": [site, web] }));
    let text = shown::lines(&order("source list"), &listed, "").join("\n");
    assert!(text.contains("source `web`: 1000 requests a second, international"), "{text}");
}

#[tokio::test]
async fn settings_that_would_not_work_are_refused_with_what_would() {
    let office = Office::with_a_shop().await;
    for origin in [
        "shop.example",
        "https://*.shop.example",
        "https://магазин.example",
        "https://a/b",
        "https://",
        "://a",
        "https://a@b",
    ] {
        let told = office.refused(&format!("source change web --origin {origin}")).await;
        assert!(told.contains("is no origin: write scheme and host"), "{origin}: {told}");
    }
    let told = office.refused("source create site --phone-region Russia").await;
    assert!(told.contains("two letters"), "{told}");
    assert!(office.refused("source create site --rate 0").await.contains("from 1 on"));
    let many: Vec<_> = (0..=ORIGINS_MAX).map(|n| format!("--origin https://s{n}.example")).collect();
    assert!(office.refused(&format!("source change web {}", many.join(" "))).await.contains("at most 100"));
    let sources = office.done("source list").await;
    assert_eq!(sources["sources"].as_array().unwrap().len(), 1, "{sources}");
}

#[tokio::test]
async fn rules_are_shown_changed_and_shown_again() {
    let office = Office::with_a_shop().await;
    let set = office
        .set_rules(|rules| {
            rules["kinds"] = json!([{"kind": "user_id", "limit": 1}, {"kind": "loyalty_card", "limit": 3}]);
            rules["blocked"]["values"] = json!(["test@example.com"]);
        })
        .await
        .unwrap();
    assert_eq!((&set["version"], &set["homes_from"]), (&json!(2), &json!("2026-11-22T10:33:00.000Z")));
    let rules = office.rules().await;
    assert_eq!((rules.version, rules.limit("loyalty_card")), (2, 3));
    assert_eq!(rules.homing.blocked, ["test@example.com"]);
    assert_eq!(rules.former.len(), 1, "what they were still says where copies of events are");
    let shown = office.done("rules show").await;
    assert_eq!(shown["rules"]["kinds"][1], json!({"kind": "loyalty_card", "limit": 3}));
    let text = shown::lines(&order("rules show"), &shown, "").join("\n");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), shown["rules"], "what is shown can be set");
    let limits = office.set_rules(|rules| rules["merges_max"] = json!(2)).await.unwrap();
    assert_eq!((&limits["version"], &limits["homes_from"]), (&json!(3), &set["homes_from"]));
}

#[tokio::test]
async fn bad_rules_are_refused_with_place_and_reason_and_change_nothing() {
    let office = Office::with_a_shop().await;
    let before = office.rules().await;
    let refused = office
        .set_rules(|rules| {
            rules["kinds"][0]["limit"] = json!(0);
            rules["blocked"]["patterns"] = json!(["("]);
        })
        .await
        .unwrap_err();
    assert_eq!(super::local::status(&refused), Some(400));
    let told = refused.to_string();
    assert!(told.contains("\n  `kinds[0].limit` is 1 to 64"), "{told}");
    assert!(told.contains("\n  `blocked.patterns[0]` cannot be used"), "{told}");
    assert_eq!(office.rules().await, before);
}

#[tokio::test]
async fn of_two_operators_who_change_the_same_rules_the_second_is_told() {
    let office = Office::with_a_shop().await;
    let mut mine = office.done("rules show").await["rules"].take();
    office.set_rules(|rules| rules["identifiers_max"] = json!(30)).await.unwrap();
    mine["identifiers_max"] = json!(20);
    let late = Order::SetRules { workspace: None, rules: mine.to_string() };
    let told = office.carry_out(&late).await.unwrap_err().to_string();
    assert!(told.contains("changes version 1 of the rules, and version 2 stands"), "{told}");
    assert_eq!(office.rules().await.identifiers_max, 30);
}

#[tokio::test]
async fn rules_that_were_changed_too_often_say_when_there_is_room() {
    let office = Office::with_a_shop().await;
    let mut times = 0_u32;
    let told = loop {
        let values: Vec<String> = (0..240).map(|n| format!("{times}-{n}-{}", "x".repeat(240))).collect();
        let set = office.set_rules(|rules| rules["blocked"]["values"] = json!(values)).await;
        match set {
            Ok(_) => times += 1,
            Err(refused) => break refused.to_string(),
        }
        office.table.clock.advance(Timestamp::HOUR);
    };
    assert!(times > 2 && told.contains("there is room again from 2026-12-22T"), "{times}: {told}");
    office.table.clock.advance(31 * Timestamp::DAY);
    office.set_rules(|rules| rules["blocked"]["values"] = json!(["x"])).await.unwrap();
}

#[tokio::test]
async fn what_is_missing_or_there_already_is_said() {
    let office = Office::empty().await;
    assert!(office.refused("source list").await.contains("tributary workspace create"));
    office.done("workspace create shop").await;
    assert!(office.refused("workspace create shop").await.contains("workspace exists already"));
    assert!(office.refused("source list --workspace other").await.contains("no workspace `other`"));
    assert!(office.refused("source create web --workspace other").await.contains("no such workspace"));
    assert!(office.refused("source change web").await.contains("`shop` has no source `web`"));
    assert!(office.refused("key create --source web").await.contains("no such source"));
    assert!(office.refused("key revoke 00000000").await.contains("no such key"));
    assert!(office.refused("key rotate 00000000").await.contains("no such key"));
    office.done("workspace create mine").await;
    assert!(office.refused("source create web").await.ends_with("there are: mine, shop"));
    assert_eq!(office.done("workspace list").await, json!({ "workspaces": ["mine", "shop"] }));
}

#[tokio::test]
async fn a_key_is_rotated_without_a_gap_and_ends_when_it_is_revoked() {
    let office = Office::with_a_shop().await;
    let old = office.done("key create --source web").await;
    let id = old["id"].as_str().unwrap();
    let new = office.done(&format!("key rotate {id}")).await;
    assert_eq!((&new["source"], &new["old"]), (&json!("web"), &json!({ "id": id, "ends": null })));
    office.table.clock.advance(400 * Timestamp::DAY);
    assert!(office.opens(&old).await && office.opens(&new).await);
    office.done(&format!("key revoke {id}")).await;
    assert!(!office.opens(&old).await && office.opens(&new).await);
    let newer = office.done(&format!("key rotate {} --old-ends-in 24h", new["id"].as_str().unwrap())).await;
    assert!(office.opens(&new).await && office.opens(&newer).await);
    office.table.clock.advance(Timestamp::DAY);
    assert!(!office.opens(&new).await && office.opens(&newer).await);
}

#[tokio::test]
async fn an_admin_key_has_the_scopes_that_it_was_given() {
    let office = Office::with_a_shop().await;
    let made =
        office.done("key create --scope sources:read --scope profiles:read --scope sources:read").await;
    assert_eq!(made["scopes"], json!(["profiles:read", "sources:read"]));
    assert!(made["key"].as_str().unwrap().starts_with("ak_shop_"));
    let wrong = Order::CreateKey { workspace: None, grant: Granted::Admin(vec!["all".to_owned()]) };
    let desk = Desk {
        definitions: &office.table.definitions,
        signing: &office.kept,
        clock: office.table.clock.clone(),
        chance: office.table.chance.clone(),
    };
    let told = desk.carry_out(&wrong).await.unwrap_err().to_string();
    assert!(told.ends_with("there are: profiles:read, profiles:write, sources:read"), "{told}");
}

#[tokio::test]
async fn a_key_is_shown_once_and_is_in_no_list() {
    let office = Office::with_a_shop().await;
    let made = office.done("key create --source web").await;
    let key = made["key"].as_str().unwrap();
    let secret = key.rsplit('_').next().unwrap();
    let shown_once = shown::lines(&order("key create --source web"), &made, "").join("\n");
    assert!(shown_once.contains(key), "{shown_once}");
    office.done(&format!("key revoke {}", made["id"].as_str().unwrap())).await;
    let listed = office.done("key list").await;
    assert_eq!(listed["keys"][0]["opens"], json!(false));
    let text = shown::lines(&order("key list"), &listed, "").join("\n");
    assert!(text.contains("writes as source `web`") && text.contains(", ended 20"), "{text}");
    assert!(!listed.to_string().contains(secret) && !text.contains(secret));
    // Whoever pastes the whole key is not shown it again.
    let told = office.refused(&format!("key revoke {key}")).await;
    assert!(told.contains("never the key itself") && !told.contains(secret), "{told}");
}

#[tokio::test]
async fn signing_keys_rotate_with_two_valid_at_once() {
    let office = Office::empty().await;
    let sealed = office.kept.load().await.unwrap().seal(&["q"], "1");
    let id = office.done("key rotate-signing").await["signing_key"].as_str().unwrap().to_owned();
    let rotated = office.kept.load().await.unwrap();
    assert_eq!(rotated.open(&["q"], &sealed).as_deref(), Ok("1"));
    assert!(rotated.seal(&["q"], "1").starts_with(&format!("c1.{id}.")));
    office.done("key rotate-signing").await;
    assert!(office.kept.load().await.unwrap().open(&["q"], &sealed).is_err(), "an older key is believed");
}

#[test]
fn a_key_is_for_a_source_or_has_scopes() {
    for words in ["key create", "key create --source web --scope profiles:read", "key create --scope all"] {
        assert!(parsed(words).is_err(), "{words}");
    }
}

#[test]
fn times_are_numbers_with_a_unit() {
    let end = |time: &str| match parsed(&format!("key rotate 00000000 --old-ends-in {time}")) {
        Ok(Order::RotateKey { old_ends_in_s, .. }) => old_ends_in_s,
        _ => None,
    };
    for (time, seconds) in [("90s", 90), ("90m", 5_400), ("24h", 86_400), ("365d", 31_536_000)] {
        assert_eq!(end(time), Some(seconds), "{time}");
    }
    for wrong in ["7", "d", "0d", "366d", "99999999999d", "1.5h", "7д"] {
        assert_eq!(end(wrong), None, "{wrong}");
    }
}

#[test]
fn the_next_command_is_told_with_the_place_of_this_one() {
    let next = |words: &str| {
        let arguments = Arguments::try_parse_from(["tributary"].into_iter().chain(words.split(' '))).unwrap();
        let Command::Workspace(command) = arguments.command else { panic!("{words}") };
        let (place, order) = command.order();
        shown::lines(&order, &json!({ "workspace": "shop" }), &place.options()).remove(1)
    };
    let same = "It has no source yet: tributary source create NAME --workspace shop";
    assert_eq!(next("workspace create shop"), same);
    assert_eq!(next("workspace create shop --data here"), format!("{same} --data here"));
    let there = "workspace create shop --stack main --region eu-north-1";
    assert_eq!(next(there), format!("{same} --stack main --region eu-north-1"));
}

#[test]
fn a_region_belongs_to_a_stack() {
    assert!(parsed("workspace list --region eu-north-1").is_err());
    assert!(parsed("workspace list --region eu-north-1 --stack shop").is_ok());
}
