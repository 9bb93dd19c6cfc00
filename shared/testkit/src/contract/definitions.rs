//! The promises of the store of definitions.

use domain::access::AccessKey;
use domain::rules::Rules;
use domain::workspace::WorkspaceId;
use ports::definitions::{Definitions, Grant, Scope, Source, Workspace};

use super::{answered, source, workspace};

/// A key that the store was given.
#[derive(Debug)]
pub struct Given {
    pub key: AccessKey,
    pub grant: Grant,
}

/// What the store has to hold before it is checked.
pub fn workspaces() -> Vec<Workspace> {
    let mut rules = Rules { version: 7, limit_default: 3, ..Rules::default() };
    rules.homing.blocked.push("никто \"нет\"".to_owned());
    let web = Source {
        id: source("web"),
        region: Some("RU".to_owned()),
        origins: vec!["https://shop.example".to_owned(), "https://магазин.example".to_owned()],
        rate: 1_000,
    };
    let plain = |name: &str| Source { id: source(name), region: None, origins: Vec::new(), rate: 1 };
    vec![
        Workspace {
            id: workspace("empty"),
            rules: Rules::default(),
            sources: Vec::new(),
            segments: 0,
            outreach: 0,
        },
        Workspace {
            id: workspace("shop"),
            rules,
            sources: vec![plain("app"), web],
            segments: 0,
            outreach: 0,
        },
        Workspace {
            id: workspace("shop-2"),
            rules: Rules::default(),
            sources: vec![plain("web")],
            segments: 0,
            outreach: 0,
        },
    ]
}

/// The grants for which the store has to hold a key in the workspace `shop`;
/// the last of them is revoked by the check.
pub fn grants() -> Vec<Grant> {
    vec![
        Grant::Write(source("web")),
        Grant::Write(source("app")),
        Grant::Admin(Scope::ALL.to_vec()),
        Grant::Admin(Vec::new()),
        Grant::Write(source("web")),
    ]
}

/// Checks a store that holds [`workspaces`] and, in `shop`, a key for each of
/// [`grants`]; `revoke` ends a key.
pub async fn check(store: &impl Definitions, given: &[Given], revoke: impl AsyncFn(&WorkspaceId, &str)) {
    for expected in workspaces() {
        workspace_is_found_whole(store, &expected).await;
    }
    let nobody = answered(store.workspace(&workspace("nobody")).await, "an unknown workspace is no error");
    assert_eq!(nobody, None, "an unknown workspace is none");
    for given in given {
        key_is_found_in_its_workspace_alone(store, given).await;
    }
    what_is_no_key_is_none(store).await;
    if let Some((last, others)) = given.split_last() {
        revoke(last.key.workspace(), last.key.id()).await;
        let found =
            answered(store.key(last.key.workspace(), last.key.id()).await, "a revoked key is no error");
        assert_eq!(found, None, "a revoked key is none");
        for given in others {
            key_is_found_in_its_workspace_alone(store, given).await;
        }
    }
}

async fn workspace_is_found_whole(store: &impl Definitions, expected: &Workspace) {
    let found = answered(store.workspace(&expected.id).await, "a workspace is found");
    let found = found.map(|mut found| {
        found.sources.sort_by(|a, b| a.id.cmp(&b.id));
        found
    });
    assert_eq!(
        found.as_ref(),
        Some(expected),
        "a workspace is found with its own rules and sources, and no others"
    );
}

async fn key_is_found_in_its_workspace_alone(store: &impl Definitions, Given { key, grant }: &Given) {
    let found = answered(store.key(key.workspace(), key.id()).await, "a key is found");
    let right = found.is_some_and(|found| key.matches(&found.secret_sha256) && found.grant == *grant);
    assert!(right, "a key is found by its id, with its own hash and grant");
    for other in ["shop-2", "empty", "nobody"] {
        let found = answered(store.key(&workspace(other), key.id()).await, "another's key is no error");
        assert_eq!(found, None, "a key is found in its own workspace alone");
    }
}

async fn what_is_no_key_is_none(store: &impl Definitions) {
    let long = "a".repeat(5_000);
    for id in ["00000000", "", "#", "workspace", "source#web", "Привет", &long] {
        let found = answered(store.key(&workspace("shop"), id).await, "what is no key's id is no error");
        assert_eq!(found, None, "what is no key's id is none");
    }
}
