//! Two profiles of one person become one, and two again, as a caller sees it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::child::{PROGRAM, Platform};
use crate::http::Request;

struct World {
    platform: Platform,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { platform: Platform::start(&folder.path().join("data"), "warn"), folder }
    }

    /// Posts an event and waits until all that follows from it is done.
    fn say(&self, path: &str, event: &Value) {
        assert_eq!(self.platform.post(path, event).status, 200);
        self.platform.settle();
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.platform.ask(&Request::get(path).bearer(&self.platform.admin_key));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    fn order(&self, path: &str, order: &Value) {
        let order = Request::post(path, order.to_string()).bearer(&self.platform.admin_key);
        let answer = self.platform.ask(&order);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        self.platform.settle();
    }

    /// The id of whoever holds an identifier, with the names of all that they did, in order.
    fn person(&self, kind: &str, value: &str) -> (String, Vec<String>) {
        let profile = self.platform.find(kind, value);
        let id = profile["id"].as_str().unwrap().to_owned();
        let timeline = self.get(&format!("/v1/profiles/{id}/timeline"));
        let names: Vec<String> = timeline["events"].as_array().unwrap().iter().map(message_id).collect();
        assert_eq!(profile["counters"]["total"], names.len(), "{profile}");
        (id, names)
    }

    /// What a `tributary identity` command prints, when all that it ordered is done.
    fn identity(&self, words: &[&str]) -> Result<String, String> {
        self.run("identity", words)
    }

    fn rules(&self) -> Value {
        serde_json::from_str(&self.run("rules", &["show"]).unwrap()).unwrap()
    }

    fn run(&self, command: &str, words: &[&str]) -> Result<String, String> {
        let output = Command::new(PROGRAM)
            .arg(command)
            .args(words)
            .arg("--data")
            .arg(self.folder.path().join("data"))
            .output()
            .unwrap();
        self.platform.settle();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    fn lineage(&self, id: &str) -> Value {
        self.get(&format!("/v1/profiles/{id}/lineage"))
    }
}

fn message_id(event: &Value) -> String {
    event["message_id"].as_str().unwrap_or_else(|| panic!("{event}")).to_owned()
}

fn order(message_id: &str, minute: u32, revenue: u32, more: &Value) -> Value {
    let mut event = json!({
        "event": "Order Completed", "messageId": message_id, "timestamp": format!("2026-01-01T00:{minute:02}:00Z"),
        "properties": { "revenue": revenue, "currency": "EUR" },
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

#[test]
fn an_identify_that_names_two_profiles_leaves_one_with_all_that_both_had_and_a_way_back() {
    let world = World::new();
    world.say("/v1/track", &order("visit", 1, 10, &json!({ "anonymousId": "a-1" })));
    world.say("/v1/track", &order("login", 2, 20, &json!({ "userId": "u-1" })));
    let (visitor, user) = (world.person("anonymous_id", "a-1").0, world.person("user_id", "u-1").0);
    assert_ne!(visitor, user);

    let both = json!({
        "userId": "u-1", "anonymousId": "a-1", "messageId": "tie", "timestamp": "2026-01-01T00:03:00Z",
        "traits": { "email": "ann@example.com" },
    });
    world.say("/v1/identify", &both);
    let (id, events) = world.person("user_id", "u-1");
    assert_eq!(id, visitor, "the one who was seen first goes on");
    assert_eq!(events, ["visit", "login", "tie"]);
    for (kind, value) in [("anonymous_id", "a-1"), ("email", "ann@example.com")] {
        assert_eq!(world.person(kind, value), (id.clone(), events.clone()));
    }
    let of_old_id = world.get(&format!("/v1/profiles/{user}"));
    assert_eq!((&of_old_id["id"], &of_old_id["open_ties"]), (&json!(id), &json!([])));
    assert_eq!(of_old_id["counters"]["revenue"]["EUR"], json!({ "sum": "30", "count": 2 }), "{of_old_id}");
    let lineage = world.lineage(&id);
    assert_eq!(lineage["merges"][0]["absorbed"], json!(user));
    assert_eq!(lineage["merges"][0]["because"]["message_id"], "tie");

    // A copy of what both sides and the tie said, sent again, counts nowhere.
    world.say("/v1/track", &order("login", 2, 20, &json!({ "userId": "u-1" })));
    world.say("/v1/identify", &both);
    assert_eq!(world.person("user_id", "u-1"), (id.clone(), events));

    let taken_out = json!({ "absorbed": user, "why": "two customers at one desk" });
    world.order(&format!("/v1/profiles/{id}/take-out"), &taken_out);
    assert_eq!(world.person("anonymous_id", "a-1"), (visitor.clone(), vec!["visit".to_owned()]));
    let theirs = ["login", "tie"].map(str::to_owned).to_vec();
    assert_eq!(world.person("user_id", "u-1"), (user.clone(), theirs));
    let separation = &world.lineage(&visitor)["taken_apart"][0];
    assert_eq!((&separation["leaves"], &separation["why"]), (&json!(user), &taken_out["why"]));

    // What an operator took apart no event makes one again, until it is allowed.
    let once_more = |message_id: &str| {
        let both = json!({ "userId": "u-1", "anonymousId": "a-1", "messageId": message_id });
        world.say("/v1/identify", &both);
        world.person("user_id", "u-1").0 == world.person("anonymous_id", "a-1").0
    };
    assert!(!once_more("tie-2"));
    world.order(&format!("/v1/profiles/{user}/allow"), &json!({ "with": visitor }));
    assert!(once_more("tie-3"));
    assert_eq!(world.person("user_id", "u-1").1.len(), 5);
}

#[test]
fn rules_refuse_two_known_users_and_an_operator_orders_what_no_event_says() {
    let world = World::new();
    for (user, mail) in [("u-1", "one@example.com"), ("u-2", "two@example.com")] {
        world.say("/v1/identify", &json!({ "userId": user, "traits": { "email": mail } }));
    }
    // A shared address: one user is all that a profile holds.
    world.say(
        "/v1/identify",
        &json!({ "userId": "u-1", "messageId": "shared", "traits": { "email": "two@example.com" } }),
    );
    let (one, two) = (world.person("user_id", "u-1").0, world.person("user_id", "u-2").0);
    assert_ne!(one, two);
    for id in [&one, &two] {
        let refused = &world.lineage(id)["refusals"][0];
        assert_eq!((&refused["reason"], &refused["tie"]["message_id"]), (&json!("limit"), &json!("shared")));
    }

    world.say("/v1/track", &order("by phone", 1, 10, &json!({ "anonymousId": "a-9" })));
    let named = json!({ "identifier": { "kind": "anonymous_id", "value": "a-9" } });
    world.order(&format!("/v1/profiles/{one}/merge"), &named);
    let (id, events) = world.person("user_id", "u-1");
    assert!(events.contains(&"by phone".to_owned()), "{events:?}");
    assert_eq!(world.lineage(&id)["merges"][0]["because"]["reason"], "operator");
}

#[test]
fn an_operator_asks_why_takes_apart_and_makes_one_again_from_the_command_line() {
    let world = World::new();
    world.say("/v1/track", &order("visit", 1, 10, &json!({ "anonymousId": "a-1" })));
    world.say("/v1/track", &order("login", 2, 20, &json!({ "userId": "u-1" })));
    let user = world.person("user_id", "u-1").0;
    let both = json!({
        "userId": "u-1", "anonymousId": "a-1", "messageId": "tie", "timestamp": "2026-01-01T00:03:00Z",
        "traits": { "email": "ann@example.com" },
    });
    world.say("/v1/identify", &both);
    let why = world.identity(&["why", "Ann@example.com"]).unwrap();
    let tree = "\
anonymous_id a-1
│  track `visit` from web, 2026-01-01T00:01:00.000Z
└─ user_id u-1
   │  named together by `tie` from web, 2026-01-01T00:03:00.000Z
   │  took in profile ";
    assert!(why.contains(tree), "{why}");
    assert!(why.contains("   └─ email ann@example.com\n         identify `tie` from web"), "{why}");
    assert!(
        why.starts_with("profile ") && why.contains(": 3 identifiers, 1 of other profiles taken in"),
        "{why}"
    );

    let ordered =
        world.identity(&["take-out", "ann@example.com", "--profile", &user, "--why", "a shared tablet"]);
    assert!(ordered.unwrap().contains("tributary identity why ann@example.com"));
    assert_ne!(world.person("anonymous_id", "a-1").0, world.person("user_id", "u-1").0);
    let why = world.identity(&["why", "user_id:u-1"]).unwrap();
    assert!(why.contains("\ntaken apart\n  profile ") && why.contains(": a shared tablet\n"), "{why}");
    // Again, as after an answer that got lost: there is nothing to take out any more.
    let again = world.identity(&["take-out", "user_id:u-1", "--profile", &user]).unwrap_err();
    assert!(again.contains("`absorbed` must be one of the lineage's `merges`"), "{again}");

    let visitor = world.person("anonymous_id", "a-1").0;
    world.identity(&["merge", "user_id:u-1", "anonymous_id:a-1"]).unwrap();
    let why = world.identity(&["why", &visitor]).unwrap();
    assert!(why.contains("\nrefused\n"), "an operator's order too waits until it is allowed: {why}");
    world.identity(&["allow", "user_id:u-1", &visitor]).unwrap();
    world.identity(&["merge", "user_id:u-1", "anonymous_id:a-1"]).unwrap();
    assert_eq!(world.person("anonymous_id", "a-1").0, world.person("user_id", "u-1").0);

    for (words, told) in [
        (["why", "nobody@example.com"], "No profile of this workspace"),
        (["why", "ann"], "write an e-mail address, an identifier as KIND:VALUE"),
        (["take-out", "ann@example.com"], "--profile"),
        (["allow", "ann@example.com"], "<WITH>"),
    ] {
        let said = world.identity(&words).unwrap_err();
        assert!(said.contains(told), "{words:?}: {said}");
    }
}

#[test]
fn other_rules_are_tried_suspects_found_and_blocked_before_anything_changes() {
    let world = World::new();
    for user in ["u-1", "u-2", "u-3"] {
        world.say("/v1/identify", &json!({ "userId": user, "traits": { "plan": "free" } }));
    }
    let tablet =
        |user: &str| json!({ "userId": user, "context": { "device": { "id": "tablet" } }, "event": "Seen" });
    for user in ["u-1", "u-2", "u-3"] {
        world.say("/v1/track", &tablet(user));
    }
    let suspects = world.identity(&["suspects"]).unwrap();
    let tablets =
        "  device_id tablet: 3 people, tied to 2 identifiers, 2 ties refused, left out of 0 profiles\n";
    assert!(suspects.contains(tablets), "{suspects}");
    let block = suspects.lines().find(|line| line.contains("identity block")).unwrap();
    assert!(block.contains("block --data ") && block.ends_with(" -- 'tablet'"), "{suspects}");

    let before = world.person("user_id", "u-1");
    let rules = world.rules();
    let file = world.folder.path().join("rules.json");
    let dry_run = |rules: &Value| {
        std::fs::write(&file, rules.to_string()).unwrap();
        world.identity(&["dry-run", "--json", "--rules", file.to_str().unwrap()])
    };
    let found = |rules: &Value| serde_json::from_str::<Value>(&dry_run(rules).unwrap()).unwrap();
    let same = found(&rules);
    assert_eq!((&same["events"], &same["people"]), (&json!(6), &json!({ "now": 3, "then": 3 })), "{same}");
    assert_eq!(same["as_is"], json!({ "joined": 0, "split": 0 }));
    assert_eq!(
        (&same["joined"], &same["split"], &same["refused"]["limit"]),
        (&json!(0), &json!(0), &json!(2))
    );
    let mut three_users = rules.clone();
    three_users["kinds"][0]["limit"] = json!(3);
    let joined = found(&three_users);
    assert_eq!(
        (&joined["people"]["then"], &joined["joined"], &joined["merges"]),
        (&json!(1), &json!(1), &json!(2))
    );
    assert_eq!(joined["examples"]["joined"][0]["people"], 3, "{joined}");
    let mut blocking = three_users;
    blocking["blocked"]["values"] = json!(["tablet"]);
    let blocked = found(&blocking);
    assert_eq!(
        (&blocked["people"]["then"], &blocked["blocked"]["device_id"]),
        (&json!(3), &json!(3)),
        "{blocked}"
    );
    let mut wrong = rules.clone();
    wrong["kinds"][0]["limit"] = json!(0);
    assert!(dry_run(&wrong).unwrap_err().contains("`kinds[0].limit` is 1 to 64"));
    assert_eq!(world.person("user_id", "u-1"), before, "nothing was written");
    assert_eq!(world.rules(), rules);

    // Of people who are new with it, limits keep an address out: nothing ties them.
    for user in ["t-1", "t-2", "t-3"] {
        world.say("/v1/identify", &json!({ "userId": user, "traits": { "email": "test@example.com" } }));
    }
    let suspects = world.identity(&["suspects"]).unwrap();
    let address =
        "  email test@example.com: 3 people, tied to 0 identifiers, 0 ties refused, left out of 2 profiles\n";
    assert!(suspects.contains(address), "{suspects}");

    let told = world.identity(&["block", "tablet", "kiosk"]).unwrap();
    assert!(told.contains("Version 2 of the rules stands") && told.contains("from 20"), "{told}");
    let values = world.rules()["blocked"]["values"].as_array().unwrap().clone();
    assert!(values.ends_with(&[json!("tablet"), json!("kiosk")]), "{values:?}");
    assert!(world.identity(&["block", "tablet"]).unwrap().contains("Version 2 of the rules stands"));
    assert_eq!(world.rules()["version"], 2, "what is blocked is not blocked again");
}

/// The folder of a platform that had no identity stage: it recorded a tie, and
/// nobody acted on it.
#[test]
fn two_who_were_tied_before_there_was_an_identity_stage_become_one_when_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/identity/folder-before-identity");
    for file in std::fs::read_dir(kept).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), data.join(file.file_name())).unwrap();
    }
    let world = World { platform: Platform::start(&data, "warn"), folder };
    world.platform.settle();
    let (id, events) = world.person("user_id", "u-1");
    assert_eq!(events, ["visit", "login", "tie"]);
    assert_eq!(world.person("anonymous_id", "a-1"), (id.clone(), events.clone()));
    assert_eq!(world.lineage(&id)["merges"][0]["because"]["message_id"], "tie");
    // What was folded by that version is known to this one.
    world.say("/v1/track", &order("login", 2, 20, &json!({ "userId": "u-1" })));
    assert_eq!(world.person("user_id", "u-1").1, events);
    let again = world.identity(&["adopt"]).unwrap();
    assert!(again.contains("0 of 1 ties wait for the identity stage now"), "{again}");
}

#[test]
fn rule_08_a_copy_that_comes_after_a_change_of_rules_is_known_for_one() {
    let world = World::new();
    let both = |user: &str| json!({ "userId": user, "anonymousId": "tablet" });
    world.say("/v1/track", &order("first", 1, 10, &both("u-1")));
    world.say("/v1/track", &order("second", 2, 20, &both("u-2")));
    let (one, two) = (world.person("user_id", "u-1"), world.person("user_id", "u-2"));
    assert_eq!((one.1.as_slice(), two.1.as_slice()), (&["first".to_owned()][..], &["second".to_owned()][..]));
    world.identity(&["block", "u-2"]).unwrap();
    let later = Request::post("/_local/clock", json!({ "advance_seconds": 300 }).to_string());
    assert_eq!(world.platform.ask(&later).status, 200);
    // Its home is the tablet's person now, who never saw it; the other did.
    world.say("/v1/track", &order("second", 2, 20, &both("u-2")));
    assert_eq!(world.person("user_id", "u-1"), one);
    world.say("/v1/track", &order("third", 3, 30, &both("u-2")));
    assert_eq!(world.person("user_id", "u-1").1, ["first", "third"]);
    let lineage = world.lineage(&one.0);
    assert_eq!(
        (&lineage["blocked"][0]["kind"], &lineage["blocked"][0]["count"]),
        (&json!("user_id"), &json!(1))
    );
}
