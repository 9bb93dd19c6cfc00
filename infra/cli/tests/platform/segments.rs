//! Segments beside a running platform, as a marketer types them.

use serde_json::{Value, json};

use crate::child::PAUSE;
use crate::http::Request;
use crate::operator::World;

/// Minutes after which everybody has been asked: a few, of which a schedule
/// notices one a second.
const MINUTES_MAX: usize = 600;

impl World {
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    /// Minutes go by until nobody is left to be asked.
    fn everybody_is_asked(&self) {
        for _ in 0..MINUTES_MAX {
            if self.json("segments list")["fill"].is_null() {
                return self.platform.settle();
            }
            self.wait_a_minute();
            std::thread::sleep(PAUSE);
        }
        panic!("not everybody was asked: {}", self.done("segments list"));
    }

    /// Minutes go by until the members of a version were counted; the sizes then.
    fn is_counted(&self, segment: &str, version: u32) -> Value {
        for _ in 0..MINUTES_MAX {
            let sizes = self.json(&format!("segments sizes {segment}"));
            if sizes["sizes"]
                .as_array()
                .and_then(|sizes| sizes.last())
                .is_some_and(|last| last["version"] == version)
            {
                return sizes;
            }
            self.wait_a_minute();
            std::thread::sleep(PAUSE);
        }
        panic!("version {version} was not counted: {}", self.done(&format!("segments sizes {segment}")));
    }

    fn buy(&self, user: &str, revenue: f64, category: &str) {
        let properties = json!({ "revenue": revenue, "category": category });
        let body = json!({ "userId": user, "event": "Order Completed", "properties": properties });
        let posted = Request::post("/v1/track", body.to_string()).basic(&self.platform.write_key);
        assert_eq!(self.platform.ask(&posted).status, 200);
    }

    /// The users of a segment's members, by their profiles.
    fn members(&self, segment: &str) -> Vec<String> {
        let listed = self.done(&format!("segments members {segment}"));
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        let user = |id: String| {
            let shown = self.done(&format!("profile show {id}"));
            let user = shown.lines().find_map(|line| line.trim().strip_prefix("user_id"));
            user.unwrap_or_default().trim().to_owned()
        };
        let mut users: Vec<String> = listed.lines().map(id).map(user).collect();
        users.sort();
        users
    }
}

#[test]
fn a_list_made_by_hand_takes_in_replaces_and_lets_go() {
    let world = World::new();
    let two = world.file("two.csv", "user_id,email\nu-1,ann@example.com\nu-2,\n");
    let said = world.done(&format!("segments append vip {two} --source crm"));
    assert!(said.contains("2 people are put on `vip`"), "{said}");
    world.everybody_is_asked();
    assert_eq!(world.members("vip"), ["u-1", "u-2"]);

    let other = world.file("other.csv", "user_id\nu-2\nu-3\n");
    world.done(&format!("segments replace vip {other} --source crm"));
    world.platform.settle();
    // Whoever is new is in already, and nobody has left yet.
    assert_eq!(world.members("vip"), ["u-1", "u-2", "u-3"]);
    world.everybody_is_asked();
    assert_eq!(world.members("vip"), ["u-2", "u-3"]);
    // A minute that the test lets go by may end the function that counts: the next one counts then.
    let sizes = world.is_counted("vip", 2);
    let [.., last] = &sizes["sizes"].as_array().unwrap()[..] else { panic!("{sizes}") };
    assert_eq!(last["members"], 2, "{sizes}");
    assert!(world.done("segments sizes vip").ends_with("  2\n"));

    let one = world.file("one.csv", "user_id\nu-3\n");
    world.done(&format!("segments remove vip {one} --source crm"));
    world.platform.settle();
    assert_eq!(world.members("vip"), ["u-2"]);

    // Nobody gets there by a public key, and a row that cannot be read is told.
    let body =
        json!({ "userId": "u-9", "traits": { "$tributary": { "lists": { "vip": 9e12 } } } }).to_string();
    let posted = Request::post("/v1/identify", body).basic(&world.platform.write_key);
    assert_eq!(world.platform.ask(&posted).status, 200);
    let bad = world.file("bad.csv", "email\nnobody\nbo@example.com\n");
    let refused = world.try_to(&format!("segments append vip {bad} --source crm")).unwrap_err();
    assert!(refused.contains("refused rows: 1") && refused.contains("line 2: "), "{refused}");
    world.platform.settle();
    assert_eq!(world.members("vip").len(), 2);
    let unknown = world.try_to(&format!("segments remove nothing {one}")).unwrap_err();
    assert!(unknown.contains("there is no segment `nothing`"), "{unknown}");
}

#[test]
fn a_computed_trait_stands_with_the_profile_and_a_preview_tells_before() {
    let world = World::new();
    for (user, revenue, category) in [("u-1", 20.5, "wine"), ("u-1", 4.5, "tea"), ("u-2", 3.0, "tea")] {
        world.buy(user, revenue, category);
    }
    world.platform.settle();
    let spent = json!({"name": "Spent", "value": {"event": "Order Completed", "within": "90d", "sum": {"of": "revenue"}}});
    let kinds = json!({"name": "Bought", "value": {"event": "Order Completed", "list": {"of": "category"}}});
    for (name, document) in [("spent", spent), ("bought", kinds)] {
        let file = world.file(name, &document.to_string());
        world.done(&format!("segments set {name} {file}"));
    }
    world.everybody_is_asked();
    let shown = world.done("profile show user_id:u-1");
    assert!(shown.contains("spent          25\n"), "{shown}");
    assert!(shown.contains(r#"bought         ["tea","wine"]"#), "{shown}");
    let listed = world.done("segments list");
    assert!(listed.contains("spent  Spent  computed trait, version 1"), "{listed}");

    let when = json!({"name": "Spenders", "when": {"event": "Order Completed", "sum": {"of": "revenue", "at_least": 10}}});
    let file = world.file("spenders", &when.to_string());
    let told = world.json(&format!("segments preview {file}"));
    assert_eq!(told["members"], json!({"estimate": 1, "at_least": 1, "at_most": 1}));
    assert_eq!(told["examples"][0], world.platform.look_up("u-1")["id"]);
    let told = world.done(&format!("segments preview {file}"));
    assert!(told.starts_with("1 of 2 people: all of them were asked."), "{told}");
    assert_eq!(world.json("segments list")["segments"].as_array().map(Vec::len), Some(2));

    let two = world.file("two.csv", "user_id\nu-1\n");
    let refused = world.try_to(&format!("segments append spent {two}")).unwrap_err();
    assert!(refused.contains("`spent` has a condition of its own"), "{refused}");
}
