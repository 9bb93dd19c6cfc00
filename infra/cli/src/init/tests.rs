use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws::service::{Asked, Service};
use ports::Definitions as _;
use runtime::failure::chain;
use serde_json::Value;
use testkit::{SeededEntropy, TestClock};

use super::*;
use crate::operate::tests::{Table, table};

const ID_KEY: &str = "/tributary/shop/id-key";
const SIGNING: &str = "/tributary/shop/signing-keys";

/// Parameters in memory.
#[derive(Clone, Default)]
struct Vault(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    kept: BTreeMap<String, String>,
    /// Requests that are answered until the process is gone.
    answered: Option<usize>,
    /// What somebody else puts before our first put.
    faster: Option<String>,
}

impl Vault {
    fn parameters(&self) -> Parameters {
        let vault = self.clone();
        let service = Service::new(move |asked| vault.answer(asked));
        Parameters::new(ssm::client(&service.config(), None))
    }

    fn answer(&self, asked: &Asked) -> (u16, String) {
        let mut state = self.0.lock().unwrap();
        if let Some(left) = &mut state.answered {
            let Some(rest) = left.checked_sub(1) else { return error("AccessDeniedException") };
            *left = rest;
        }
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let name = text("Name");
        if asked.target.ends_with("GetParameter") {
            let found = state.kept.get(&name);
            return found.map_or_else(
                || error("ParameterNotFound"),
                |value| (200, json!({ "Parameter": { "Value": value } }).to_string()),
            );
        }
        assert_eq!((&body["Overwrite"], &body["Type"]), (&json!(false), &json!("SecureString")));
        if let Some(theirs) = state.faster.take() {
            state.kept.insert(name.clone(), theirs);
        }
        if state.kept.contains_key(&name) {
            return error("ParameterAlreadyExists");
        }
        state.kept.insert(name, text("Value"));
        (200, json!({ "Version": 1 }).to_string())
    }

    fn kept(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap().kept.get(name).cloned()
    }
}

fn error(code: &str) -> (u16, String) {
    (400, json!({ "__type": code }).to_string())
}

struct World {
    table: Table,
    vault: Vault,
    shown: Mutex<Vec<AccessKey>>,
}

impl World {
    async fn new() -> Self {
        Self { table: table().await, vault: Vault::default(), shown: Mutex::default() }
    }

    async fn init(&self) -> Result<Done, Failed> {
        self.init_with(None).await
    }

    async fn init_with(&self, backup: Option<&str>) -> Result<Done, Failed> {
        let setup = Setup::<TestClock, SeededEntropy> {
            parameters: &self.vault.parameters(),
            id_key: ID_KEY.to_owned(),
            signing_keys: SIGNING.to_owned(),
            kms_key: None,
            definitions: &self.table.definitions,
            workspace: &WorkspaceId::parse("main").unwrap(),
            source: &SourceId::parse("web").unwrap(),
            backup: backup.map(str::to_owned),
            chance: self.table.chance.clone(),
        };
        let show = |keys: &FirstKeys| {
            self.shown.lock().unwrap().extend([keys.write.clone(), keys.admin.clone()]);
            Ok(())
        };
        setup.make(show).await
    }

    /// What was shown and opens something.
    async fn opening(&self) -> Vec<Grant> {
        let shown = self.shown.lock().unwrap().clone();
        let mut opening = Vec::new();
        for key in shown {
            let stored = self.table.definitions.key(key.workspace(), key.id()).await.unwrap();
            opening.extend(
                stored.filter(|stored| key.matches(&stored.secret_sha256)).map(|stored| stored.grant),
            );
        }
        opening
    }
}

fn main_workspace() -> WorkspaceId {
    WorkspaceId::parse("main").unwrap()
}

fn first_grants() -> [Grant; 2] {
    [Grant::Write(SourceId::parse("web").unwrap()), Grant::Admin(Scope::ALL.to_vec())]
}

#[tokio::test]
async fn the_first_run_makes_everything_and_the_second_changes_nothing() {
    let world = World::new().await;
    let made = Done { id_key: Step::Made, signing_keys: Step::Made, workspaces: Vec::new() };
    assert_eq!(world.init().await.unwrap(), made);
    let id_key = world.vault.kept(ID_KEY).unwrap();
    profile::settings::id_key(&id_key).unwrap();
    profile::settings::signing_keys(&world.vault.kept(SIGNING).unwrap()).unwrap();
    assert_eq!(world.opening().await, first_grants());

    let before = world.vault.0.lock().unwrap().kept.clone();
    let there = Done { id_key: Step::Kept, signing_keys: Step::Kept, workspaces: vec![main_workspace()] };
    assert_eq!(world.init().await.unwrap(), there);
    assert_eq!(world.vault.0.lock().unwrap().kept, before);
    assert_eq!(world.shown.lock().unwrap().len(), 2, "no key is made twice");
    assert_eq!(world.table.definitions.keys(&main_workspace()).await.unwrap().len(), 2);
}

/// Wherever the process was killed, the next run ends as one that was not.
#[tokio::test]
async fn a_run_that_was_broken_off_is_mended_by_the_next() {
    for answered in 0..4 {
        let world = World::new().await;
        world.vault.0.lock().unwrap().answered = Some(answered);
        let failed = world.init().await.unwrap_err();
        assert!(chain(failed.as_ref()).contains("AccessDenied"), "{failed}");
        assert_eq!(world.shown.lock().unwrap().len(), 0);
        let id_key = world.vault.kept(ID_KEY);
        assert_eq!(id_key.is_some(), answered > 1, "after {answered} requests");

        world.vault.0.lock().unwrap().answered = None;
        let done = world.init().await.unwrap();
        assert_eq!(done.id_key, if id_key.is_some() { Step::Kept } else { Step::Made });
        assert!(id_key.is_none() || world.vault.kept(ID_KEY) == id_key, "an id key that was made stays");
        assert_eq!(world.opening().await, first_grants());
    }
}

/// What nobody has read must open nothing.
#[tokio::test]
async fn keys_that_could_not_be_shown_are_not_stored() {
    let world = World::new().await;
    let (parameters, workspace, source) =
        (world.vault.parameters(), main_workspace(), SourceId::parse("web").unwrap());
    let setup = Setup {
        parameters: &parameters,
        id_key: ID_KEY.to_owned(),
        signing_keys: SIGNING.to_owned(),
        kms_key: None,
        definitions: &world.table.definitions,
        workspace: &workspace,
        source: &source,
        backup: None,
        chance: world.table.chance.clone(),
    };
    let failed = setup.make(|_| Err(std::io::ErrorKind::BrokenPipe.into())).await.unwrap_err();
    assert!(failed.to_string().contains("were not stored"), "{failed}");
    assert_eq!(world.table.definitions.workspaces().await.unwrap(), []);
    world.init().await.unwrap();
    assert_eq!(world.opening().await, first_grants());
}

#[tokio::test]
async fn an_id_key_that_somebody_else_makes_meanwhile_is_kept() {
    let world = World::new().await;
    let theirs = "0f".repeat(32);
    world.vault.0.lock().unwrap().faster = Some(theirs.clone());
    assert_eq!(world.init().await.unwrap().id_key, Step::Kept);
    assert_eq!(world.vault.kept(ID_KEY), Some(theirs));
}

#[tokio::test]
async fn of_two_who_init_at_once_one_is_told_that_its_keys_open_nothing() {
    let world = World::new().await;
    let source = Source { id: SourceId::parse("web").unwrap(), region: None, origins: Vec::new(), rate: 1 };
    let parameters = world.vault.parameters();
    let setup = Setup {
        parameters: &parameters,
        id_key: ID_KEY.to_owned(),
        signing_keys: SIGNING.to_owned(),
        kms_key: None,
        definitions: &world.table.definitions,
        workspace: &main_workspace(),
        source: &source.id,
        backup: None,
        chance: world.table.chance.clone(),
    };
    world.table.definitions.create_first(&main_workspace(), &source, &[]).await.unwrap();
    let failed = setup.make_first(|_| Ok(())).await.unwrap_err();
    assert!(failed.to_string().contains("the keys above open nothing"), "{failed}");
    assert_eq!(world.table.definitions.keys(&main_workspace()).await.unwrap(), []);
}

#[tokio::test]
async fn a_lost_id_key_is_never_replaced_by_a_new_one() {
    let world = World::new().await;
    world.init().await.unwrap();
    let backup = world.vault.kept(ID_KEY).unwrap();
    world.vault.0.lock().unwrap().kept.remove(ID_KEY);
    let failed = world.init().await.unwrap_err();
    assert!(failed.to_string().contains("--restore-id-key FILE; nothing was made"), "{failed}");
    assert_eq!(world.vault.kept(ID_KEY), None);
    assert_eq!(world.init_with(Some(&backup)).await.unwrap().id_key, Step::Restored);
    assert_eq!(world.vault.kept(ID_KEY), Some(backup.clone()));
    assert_eq!(world.init_with(Some(&backup)).await.unwrap().id_key, Step::Kept);
}

#[tokio::test]
async fn a_backup_of_another_key_changes_nothing() {
    let world = World::new().await;
    world.init().await.unwrap();
    let before = world.vault.kept(ID_KEY);
    let failed = world.init_with(Some(&"0f".repeat(32))).await.unwrap_err();
    assert!(failed.to_string().contains("another id key than the backup"), "{failed}");
    assert_eq!(world.vault.kept(ID_KEY), before);
}

#[tokio::test]
async fn what_is_no_key_is_named_and_left_alone() {
    for (name, remedy) in [(ID_KEY, "put it back from its backup"), (SIGNING, "delete it and try again")] {
        let world = World::new().await;
        world.vault.0.lock().unwrap().kept.insert(name.to_owned(), "secret words".to_owned());
        let failed = world.init().await.unwrap_err();
        let told = chain(failed.as_ref());
        assert!(told.contains(name) && told.contains(remedy) && !told.contains("secret words"), "{told}");
        assert_eq!(world.vault.kept(name).as_deref(), Some("secret words"));
        assert_eq!(world.shown.lock().unwrap().len(), 0);
    }
}

#[test]
fn a_backup_is_read_whole_or_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    let missing = read_backup(&file).unwrap_err().to_string();
    assert!(missing.contains(&*file.to_string_lossy()), "{missing}");
    std::fs::write(&file, "secret words\n").unwrap();
    let wrong = read_backup(&file).unwrap_err();
    assert!(chain(&wrong).contains("64 hexadecimal digits") && !chain(&wrong).contains("secret"), "{wrong}");
    std::fs::write(&file, format!("{}\n", "0F".repeat(32))).unwrap();
    assert_eq!(read_backup(&file).unwrap(), "0f".repeat(32));
}
