//! Write keys: what they open, and how long an answer about one is believed.
//!
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::access::{AccessKey, KeyKind};
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::definitions::{Grant, Source};
use ports::{Definitions, Unavailable};

use crate::answer::Refusal;

/// How long a known key is believed without asking again: a revoked key stops
/// within a minute, with room for a store that answers a little behind.
const KNOWN_LIFE: i64 = 55 * Timestamp::SECOND;
/// Shorter, so that a key made a moment ago soon works.
const UNKNOWN_LIFE: i64 = 10 * Timestamp::SECOND;
/// Answers kept; made-up keys must not fill the memory.
const KEPT_MAX: usize = 10_000;

/// What a write key opens: one source of one workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) workspace: WorkspaceId,
    pub(crate) rules: Rules,
    pub(crate) source: Source,
    /// The key's public part, for the limiter.
    pub(crate) name: String,
    secret_sha256: [u8; 32],
}

#[cfg(test)]
impl Access {
    pub(crate) fn test(workspace: WorkspaceId, rules: Rules, source: Source) -> Self {
        Self { workspace, rules, source, name: "shop_key00001".to_owned(), secret_sha256: [0; 32] }
    }
}

/// The store of keys behind a short memory.
pub(crate) struct Keys<D> {
    definitions: D,
    seen: Mutex<HashMap<String, Seen>>,
}

#[derive(Clone)]
struct Seen {
    at: Timestamp,
    access: Option<Arc<Access>>,
}

impl Seen {
    fn lives(&self, now: Timestamp) -> bool {
        let life = if self.access.is_some() { KNOWN_LIFE } else { UNKNOWN_LIFE };
        (0..life).contains(&now.since(self.at))
    }
}

impl<D: Definitions> Keys<D> {
    pub(crate) fn new(definitions: D) -> Self {
        Self { definitions, seen: Mutex::default() }
    }

    /// What the key opens. A store that cannot be asked is never a 401: that
    /// would make SDKs throw their events away.
    pub(crate) async fn open(&self, key: &str, now: Timestamp) -> Result<Arc<Access>, Refusal> {
        let key = AccessKey::parse(key).map_err(|_| Refusal::UnknownWriteKey)?;
        if key.kind() != KeyKind::Write {
            return Err(Refusal::UnknownWriteKey);
        }
        let name = public(&key);
        let seen = if let Some(seen) = self.remembered(&name, now) {
            seen
        } else {
            let seen = Seen { at: now, access: self.find(&key, &name).await?.map(Arc::new) };
            self.remember(&name, seen.clone());
            seen
        };
        let opened = seen.access.filter(|access| key.matches(&access.secret_sha256));
        opened.ok_or(Refusal::UnknownWriteKey)
    }

    async fn find(&self, key: &AccessKey, name: &str) -> Result<Option<Access>, Unavailable> {
        let Some(stored) = self.definitions.key(key.workspace(), key.id()).await? else { return Ok(None) };
        let Grant::Write(source) = stored.grant else { return Ok(None) };
        // Read after the key: a source is always defined before its keys.
        let Some(found) = self.definitions.workspace(key.workspace()).await? else { return Ok(None) };
        let source = found.sources.into_iter().find(|known| known.id == source);
        Ok(source.map(|source| Access {
            workspace: found.id,
            rules: found.rules,
            source,
            name: name.to_owned(),
            secret_sha256: stored.secret_sha256,
        }))
    }

    fn remembered(&self, name: &str, now: Timestamp) -> Option<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(name).filter(|seen| seen.lives(now)).cloned()
    }

    fn remember(&self, name: &str, answer: Seen) {
        let now = answer.at;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEPT_MAX {
            seen.retain(|_, known| known.access.is_some() && known.lives(now));
        }
        if seen.len() >= KEPT_MAX {
            seen.clear();
        }
        seen.insert(name.to_owned(), answer);
    }
}

/// The public part of a key: all but the secret.
fn public(key: &AccessKey) -> String {
    format!("{}_{}", key.workspace(), key.id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::workspace::SourceId;
    use ports::definitions::{Key, Scope, Workspace};
    use testkit::MemoryDefinitions;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const WRONG: &str = "0123456789abcdef0123456789abcdeF";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * seconds)
    }

    fn shop() -> WorkspaceId {
        WorkspaceId::parse("shop").unwrap()
    }

    fn key(public: &str) -> String {
        format!("{public}_{SECRET}")
    }

    fn stored(text: &str, grant: Grant) -> Key {
        Key { secret_sha256: AccessKey::parse(text).unwrap().sha256(), grant }
    }

    fn defined() -> MemoryDefinitions {
        let web = SourceId::parse("web").unwrap();
        let definitions = MemoryDefinitions::default();
        let source = Source { id: web.clone(), region: None, origins: Vec::new(), rate: 10 };
        definitions.define(Workspace {
            id: shop(),
            rules: Rules::default(),
            sources: vec![source],
            segments: 0,
            outreach: 0,
        });
        definitions.add_key(&shop(), "key00001", stored(&key("wk_shop_key00001"), Grant::Write(web)));
        definitions
    }

    async fn code(keys: &Keys<MemoryDefinitions>, key: &str, now: Timestamp) -> &'static str {
        keys.open(key, now).await.map_or_else(|refusal| refusal.code(), |_| "open")
    }

    async fn ours(keys: &Keys<MemoryDefinitions>, seconds: i64) -> &'static str {
        code(keys, &key("wk_shop_key00001"), at(seconds)).await
    }

    #[tokio::test]
    async fn a_key_opens_its_source() {
        let keys = Keys::new(defined());
        let access = keys.open(&key("wk_shop_key00001"), at(0)).await.unwrap();
        assert_eq!((access.workspace.as_str(), access.source.id.as_str()), ("shop", "web"));
        assert!(!access.name.contains(SECRET));
    }

    #[tokio::test]
    async fn what_is_not_the_very_key_opens_nothing() {
        let definitions = defined();
        let admin = Grant::Admin(vec![Scope::SourcesRead]);
        definitions.add_key(&shop(), "admin001", stored(&key("ak_shop_admin001"), admin.clone()));
        definitions.add_key(&shop(), "admin002", stored(&key("wk_shop_admin002"), admin));
        let keys = Keys::new(definitions);
        let wrong = [
            String::new(),
            "wk_".to_owned(),
            SECRET.to_owned(),
            "wk_shop_key00001_".to_owned(),
            format!("wk_shop_key00001_{WRONG}"),
            key("wk_shop_key00002"),
            key("wk_other_key00001"),
            key("ak_shop_key00001"),
            key("ak_shop_admin001"),
            key("wk_shop_admin002"),
            key("wk_SHOP_key00001"),
            "wk_shop_key00001_".repeat(100),
        ];
        for key in wrong {
            assert_eq!(code(&keys, &key, at(0)).await, "unknown_write_key", "{key}");
        }
    }

    #[tokio::test]
    async fn a_store_failure_is_never_a_wrong_key() {
        let definitions = defined();
        let keys = Keys::new(definitions.clone());
        definitions.set_failing(true);
        assert_eq!(ours(&keys, 0).await, "unavailable");
        definitions.set_failing(false);
        assert_eq!(ours(&keys, 0).await, "open");
        definitions.set_failing(true);
        assert_eq!(ours(&keys, 50).await, "open");
        assert_eq!(ours(&keys, 60).await, "unavailable");
    }

    #[tokio::test]
    async fn a_revoked_key_stops_within_a_minute() {
        let definitions = defined();
        let keys = Keys::new(definitions.clone());
        assert_eq!(ours(&keys, 0).await, "open");
        definitions.revoke_key(&shop(), "key00001");
        assert_eq!(ours(&keys, 30).await, "open");
        assert_eq!(ours(&keys, 60).await, "unknown_write_key");
    }

    #[tokio::test]
    async fn a_new_key_works_soon_after_it_was_asked_for_too_early() {
        let definitions = MemoryDefinitions::default();
        let keys = Keys::new(definitions.clone());
        assert_eq!(ours(&keys, 0).await, "unknown_write_key");
        let made = defined();
        definitions.define(made.workspace(&shop()).await.unwrap().unwrap());
        definitions.add_key(&shop(), "key00001", made.key(&shop(), "key00001").await.unwrap().unwrap());
        assert_eq!(ours(&keys, 10).await, "open");
    }

    #[tokio::test]
    async fn the_store_is_asked_once_a_while_for_good_keys_and_bad() {
        let definitions = defined();
        let keys = Keys::new(definitions.clone());
        for _ in 0..5 {
            assert_eq!(ours(&keys, 0).await, "open");
            assert_eq!(code(&keys, &format!("wk_shop_key00001_{WRONG}"), at(1)).await, "unknown_write_key");
            assert_eq!(code(&keys, &key("wk_shop_key00009"), at(1)).await, "unknown_write_key");
        }
        assert_eq!(definitions.reads(), 3);
    }

    #[tokio::test]
    async fn made_up_keys_do_not_fill_the_memory() {
        let keys = Keys::new(defined());
        for number in 0..KEPT_MAX + 10 {
            code(&keys, &key(&format!("wk_shop_{number:08}")), at(0)).await;
        }
        assert!(keys.seen.lock().unwrap().len() <= KEPT_MAX);
    }
}
