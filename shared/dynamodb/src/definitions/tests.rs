use domain::access::AccessKey;
use domain::rules::Rules;
use domain::segment::stored::SegmentId;
use ports::Definitions as _;
use testkit::contract::definitions::{Given, check, grants, workspaces};
use testkit::{SeededEntropy, TestClock};

use super::*;
use crate::local;

const TABLE: &str = "definitions";
const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

struct Setting {
    definitions: Definitions<TestClock>,
    clock: TestClock,
    chance: SeededEntropy,
}

fn shop() -> WorkspaceId {
    WorkspaceId::parse("shop").unwrap()
}

fn web() -> Source {
    Source { id: SourceId::parse("web").unwrap(), region: None, origins: Vec::new(), rate: 1_000 }
}

/// A deployment without any definition.
async fn empty() -> Setting {
    let store = local::store().await;
    store.table(TABLE).await;
    let clock = TestClock::at(NOW);
    let definitions = Definitions::new(store.client, TABLE, clock.clone());
    Setting { definitions, clock, chance: SeededEntropy::seeded(1) }
}

/// The workspace `shop` with the source `web` and one write key.
async fn with_a_key() -> (Setting, AccessKey) {
    let setting = empty().await;
    setting.definitions.create_workspace(&shop(), &Rules::default()).await.unwrap();
    setting.definitions.create_source(&shop(), &web()).await.unwrap();
    let grant = Grant::Write(web().id);
    let key = setting.definitions.create_key(&shop(), &grant, &setting.chance).await.unwrap();
    (setting, key)
}

impl Setting {
    async fn opens(&self, key: &AccessKey) -> bool {
        let stored = self.definitions.key(key.workspace(), key.id()).await.unwrap();
        stored.is_some_and(|stored| key.matches(&stored.secret_sha256))
    }
}

#[tokio::test]
async fn definitions_in_dynamodb_keep_the_promises_of_definitions() {
    let Setting { definitions, chance, .. } = empty().await;
    for workspace in workspaces() {
        definitions.create_workspace(&workspace.id, &workspace.rules).await.unwrap();
        for source in &workspace.sources {
            definitions.create_source(&workspace.id, source).await.unwrap();
        }
    }
    let mut given = Vec::new();
    for grant in grants() {
        let key = definitions.create_key(&shop(), &grant, &chance).await.unwrap();
        given.push(Given { key, grant });
    }
    check(&definitions, &given, async |workspace, id| definitions.revoke_key(workspace, id).await.unwrap())
        .await;
    let names: Vec<_> = workspaces().into_iter().map(|workspace| workspace.id).collect();
    assert_eq!(definitions.workspaces().await.unwrap(), names);
}

#[tokio::test]
async fn what_exists_is_not_created_again() {
    let (Setting { definitions, .. }, _) = with_a_key().await;
    let again = definitions.create_workspace(&shop(), &Rules::default()).await;
    assert!(matches!(again, Err(DefineError::Exists("workspace"))), "{again:?}");
    let again = definitions.create_source(&shop(), &web()).await;
    assert!(matches!(again, Err(DefineError::Exists("source"))), "{again:?}");
}

#[tokio::test]
async fn nothing_is_created_for_what_is_not_there() {
    let Setting { definitions, chance, .. } = empty().await;
    let source = definitions.create_source(&shop(), &web()).await;
    assert!(matches!(source, Err(DefineError::Unknown("workspace"))), "{source:?}");
    let source = definitions.change_source(&shop(), &web()).await;
    assert!(matches!(source, Err(DefineError::Unknown("source"))), "{source:?}");
    let key = definitions.create_key(&shop(), &Grant::Write(web().id), &chance).await;
    assert!(matches!(key, Err(DefineError::Unknown("source"))), "{key:?}");
    let key = definitions.create_key(&shop(), &Grant::Admin(Vec::new()), &chance).await;
    assert!(matches!(key, Err(DefineError::Unknown("workspace"))), "{key:?}");
    let key = definitions.revoke_key(&shop(), "00000000").await;
    assert!(matches!(key, Err(DefineError::Unknown("key"))), "{key:?}");
    assert_eq!(definitions.workspace(&shop()).await.unwrap(), None);
}

#[tokio::test]
async fn a_rotated_key_goes_on_until_its_end_beside_its_successor() {
    let (setting, old) = with_a_key().await;
    let until = NOW.plus(Timestamp::DAY);
    let new = setting.definitions.rotate_key(&shop(), old.id(), Some(until), &setting.chance).await.unwrap();
    assert!(setting.opens(&old).await && setting.opens(&new).await);
    setting.clock.set(until);
    assert!(!setting.opens(&old).await && setting.opens(&new).await);
    let grant = setting.definitions.key(&shop(), new.id()).await.unwrap().unwrap().grant;
    assert_eq!(grant, Grant::Write(web().id));
}

#[tokio::test]
async fn a_rotated_key_without_an_end_goes_on_until_it_is_revoked() {
    let (setting, old) = with_a_key().await;
    let new = setting.definitions.rotate_key(&shop(), old.id(), None, &setting.chance).await.unwrap();
    setting.clock.set(NOW.plus(400 * Timestamp::DAY));
    assert!(setting.opens(&old).await && setting.opens(&new).await);
    setting.definitions.revoke_key(&shop(), old.id()).await.unwrap();
    assert!(!setting.opens(&old).await && setting.opens(&new).await);
}

#[tokio::test]
async fn the_first_workspace_comes_with_its_keys_or_not_at_all() {
    let setting = empty().await;
    let first = |grant: Grant| (make_key(&shop(), &grant, &setting.chance), grant);
    let keys = || [first(Grant::Write(web().id)), first(Grant::Admin(Scope::ALL.to_vec()))];
    let (made, late) = (keys(), keys());
    setting.definitions.create_first(&shop(), &web(), &made).await.unwrap();
    let again = setting.definitions.create_first(&shop(), &web(), &late).await;
    assert!(matches!(again, Err(DefineError::Exists("workspace"))), "{again:?}");
    for (key, grant) in &made {
        let stored = setting.definitions.key(&shop(), key.id()).await.unwrap().unwrap();
        assert!(key.matches(&stored.secret_sha256) && stored.grant == *grant);
    }
    for (key, _) in &late {
        assert!(!setting.opens(key).await, "a key of the second who came opens something");
    }
    assert_eq!(setting.definitions.workspace(&shop()).await.unwrap().unwrap().sources, [web()]);
}

#[tokio::test]
async fn an_ended_key_is_never_brought_back() {
    let (setting, key) = with_a_key().await;
    setting.definitions.revoke_key(&shop(), key.id()).await.unwrap();
    setting.definitions.revoke_key(&shop(), key.id()).await.unwrap();
    let later = NOW.plus(Timestamp::DAY);
    let rotated = setting.definitions.rotate_key(&shop(), key.id(), Some(later), &setting.chance).await;
    assert!(matches!(rotated, Err(DefineError::Unknown("key"))), "{rotated:?}");
    assert!(!setting.opens(&key).await);
}

#[tokio::test]
async fn a_key_that_was_rotated_out_can_be_revoked_at_once() {
    let (setting, old) = with_a_key().await;
    setting
        .definitions
        .rotate_key(&shop(), old.id(), Some(NOW.plus(Timestamp::DAY)), &setting.chance)
        .await
        .unwrap();
    setting.definitions.revoke_key(&shop(), old.id()).await.unwrap();
    assert!(!setting.opens(&old).await);
}

#[tokio::test]
async fn keys_are_listed_without_anything_that_opens() {
    let (setting, key) = with_a_key().await;
    setting.definitions.revoke_key(&shop(), key.id()).await.unwrap();
    let listed = setting.definitions.keys(&shop()).await.unwrap();
    let expected =
        KeyListed { id: key.id().to_owned(), grant: Grant::Write(web().id), created: NOW, ends: Some(NOW) };
    assert_eq!(listed, [expected]);
    assert_eq!(setting.definitions.keys(&WorkspaceId::parse("shop-2").unwrap()).await.unwrap(), []);
}

#[tokio::test]
async fn rules_and_sources_change_only_from_what_was_seen() {
    let (Setting { definitions, .. }, _) = with_a_key().await;
    let next = Rules { version: 2, limit_default: 9, ..Rules::default() };
    definitions.replace_rules(&shop(), 1, &next).await.unwrap();
    let late = definitions.replace_rules(&shop(), 1, &Rules::default()).await;
    assert!(matches!(late, Err(DefineError::Conflict)), "{late:?}");
    let changed = Source { rate: 5, region: Some("DE".to_owned()), ..web() };
    definitions.change_source(&shop(), &changed).await.unwrap();
    let found = definitions.workspace(&shop()).await.unwrap().unwrap();
    assert_eq!((found.rules, found.sources), (next, vec![changed]));
}

#[tokio::test]
async fn an_item_of_a_newer_form_is_not_taken_for_nothing() {
    let (Setting { definitions, .. }, made) = with_a_key().await;
    for sk in [WORKSPACE.to_owned(), format!("{KEY}{}", made.id())] {
        let update = definitions.client.update_item().table_name(TABLE).set_key(Some(key("shop", sk)));
        let update =
            update.update_expression("SET v = :v").expression_attribute_values(":v", crate::item::n(2));
        update.send().await.unwrap();
    }
    assert!(definitions.workspace(&shop()).await.is_err());
    assert!(definitions.key(&shop(), made.id()).await.is_err());
}

#[tokio::test]
async fn a_fill_is_walked_part_by_part_and_ends_once() {
    let Setting { definitions, .. } = empty().await;
    definitions.create_workspace(&shop(), &Rules::default()).await.unwrap();
    let set = definitions.segments(&shop()).await.unwrap();
    let id = SegmentId::parse("buyers").unwrap();
    let document = r#"{"name": "Buyers", "when": {"event": "Ordered"}}"#;
    let buyers = set.publish(&id, document, NOW).unwrap();
    definitions.publish_segments(&shop(), set.version, std::slice::from_ref(&buyers)).await.unwrap();
    let late = definitions.publish_segments(&shop(), set.version, &[buyers]).await;
    assert!(matches!(late, Err(DefineError::Conflict)), "somebody published before: {late:?}");
    assert_eq!(definitions.workspace(&shop()).await.unwrap().unwrap().segments, 1);

    let [fill] = definitions.fills().await.unwrap().try_into().unwrap();
    assert_eq!(fill, Fill::new(shop(), 1, NOW));
    let there = Walked { cursor: Some("shop#1|profile".to_owned()), ..Walked::default() };
    let done = Walked::done();
    // Two workers of different parts do not meet; two of one part do.
    definitions.walk(&fill, 3, &there, 5).await.unwrap();
    definitions.walk(&fill, 4, &done, 2).await.unwrap();
    let again = definitions.walk(&fill, 3, &done, 5).await;
    assert!(matches!(again, Err(SaveError::Conflict)), "{again:?}");
    let [walked] = definitions.fills().await.unwrap().try_into().unwrap();
    assert_eq!(
        (walked.parts[3].clone(), walked.parts[4].clone(), walked.looked_at),
        (there, done.clone(), 7)
    );
    definitions.walk(&walked, 3, &done, 1).await.unwrap();

    let set = definitions.segments(&shop()).await.unwrap();
    let (switched, tell) = walked.switch(&set, NOW);
    assert_eq!((switched.len(), tell), (1, None));
    let tell = Fill::new(shop(), 2, NOW);
    let old = definitions.switch(&walked.is, 0, &switched, Some(&tell)).await;
    assert!(matches!(old, Err(SaveError::Conflict)), "the segments changed meanwhile: {old:?}");
    definitions.switch(&walked.is, 1, &switched, Some(&tell)).await.unwrap();
    let lost = definitions.switch(&walked.is, 1, &switched, Some(&tell)).await;
    assert!(matches!(lost, Err(SaveError::Conflict)), "{lost:?}");
    let now = definitions.segments(&shop()).await.unwrap();
    assert_eq!((now.version, now.segments[0].pending.clone()), (2, None));
    assert!(matches!(definitions.walk(&walked, 0, &done, 1).await, Err(SaveError::Conflict)));
    assert_eq!(definitions.fills().await.unwrap(), std::slice::from_ref(&tell));
    definitions.end(&tell.is).await.unwrap();
    assert_eq!(definitions.fills().await.unwrap(), []);
    assert!(matches!(definitions.end(&tell.is).await, Err(SaveError::Conflict)));
}
