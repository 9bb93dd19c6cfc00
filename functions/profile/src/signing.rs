//! The signing keys, read again now and then: a rotation reaches a function
//! that runs, without a new deployment.

use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::cursor::SigningKeys;
use domain::time::Timestamp;
use runtime::failure::chain;

use crate::settings;

/// A rotation is seen within this time.
pub const KEPT_FOR: i64 = 5 * Timestamp::MINUTE;
/// A cursor of an unknown key asks for the keys anew, but not more often than
/// this: anyone can make up a cursor.
const LOOK_AGAIN: i64 = 10 * Timestamp::SECOND;
/// When what could not be read is asked for again.
const TRY_AGAIN: i64 = 30 * Timestamp::SECOND;

/// Whoever knows the signing keys of the deployment.
pub trait Signing: Send + Sync {
    /// The keys as they are at `now`, and if possible those that sealed `cursor`.
    fn keys(&self, cursor: Option<&str>, now: Timestamp) -> impl Future<Output = SigningKeys> + Send;
}

/// Keys that are never rotated.
impl Signing for SigningKeys {
    async fn keys(&self, _: Option<&str>, _: Timestamp) -> SigningKeys {
        self.clone()
    }
}

/// Why the keys could not be read.
pub type Unread = Box<dyn Error + Send + Sync>;

/// Where the signing keys are kept.
pub trait Kept: Send + Sync {
    fn read(&self) -> impl Future<Output = Result<SigningKeys, Unread>> + Send;
}

impl Kept for ssm::Parameter {
    async fn read(&self) -> Result<SigningKeys, Unread> {
        let secret = ssm::Parameter::read(self).await?;
        Ok(settings::signing_keys(secret.expose())?)
    }
}

/// Keys that are read again every five minutes; while that fails, the last ones
/// are believed.
#[derive(Debug)]
pub struct Renewed<K> {
    kept: K,
    known: Mutex<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    keys: SigningKeys,
    /// When they were asked for last.
    asked: Timestamp,
    /// From when on they are asked for without a reason.
    due: Timestamp,
}

impl<K: Kept> Renewed<K> {
    /// `keys` were read at `now`.
    pub fn new(kept: K, keys: SigningKeys, now: Timestamp) -> Self {
        Self { kept, known: Mutex::new(Known { keys, asked: now, due: now.plus(KEPT_FOR) }) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The known keys, and whether the caller is to read them anew; others go on meanwhile.
    fn look(&self, cursor: Option<&str>, now: Timestamp) -> (SigningKeys, bool) {
        let mut known = self.known();
        let is_unknown = cursor.is_some_and(|cursor| !known.keys.know(cursor));
        let is_due = now >= known.due || is_unknown && now.since(known.asked) >= LOOK_AGAIN;
        if is_due {
            known.asked = now;
            known.due = now.plus(TRY_AGAIN);
        }
        (known.keys.clone(), is_due)
    }
}

impl<K: Kept> Signing for Renewed<K> {
    async fn keys(&self, cursor: Option<&str>, now: Timestamp) -> SigningKeys {
        let (known, is_due) = self.look(cursor, now);
        if !is_due {
            return known;
        }
        match self.kept.read().await {
            Ok(keys) => {
                *self.known() = Known { keys: keys.clone(), asked: now, due: now.plus(KEPT_FOR) };
                keys
            }
            Err(failed) => {
                let cause = chain(failed.as_ref());
                tracing::warn!(cause, "Goes on with the signing keys that it has: {cause}");
                known
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);
    const BOUND: [&str; 1] = ["question"];

    /// Keys that a test rotates.
    struct Shelf {
        keys: Mutex<Option<SigningKeys>>,
        reads: AtomicU32,
    }

    impl Kept for &Shelf {
        async fn read(&self) -> Result<SigningKeys, Unread> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            self.keys.lock().unwrap().clone().ok_or_else(|| "out of reach".into())
        }
    }

    impl Shelf {
        fn put(&self, keys: Option<&SigningKeys>) {
            *self.keys.lock().unwrap() = keys.cloned();
        }

        fn reads(&self) -> u32 {
            self.reads.load(Ordering::SeqCst)
        }
    }

    fn first() -> SigningKeys {
        SigningKeys::make("k1", [[1; 16]; 2]).unwrap()
    }

    fn second() -> SigningKeys {
        first().rotate("k2", [[2; 16]; 2]).unwrap()
    }

    fn shelf(keys: &SigningKeys) -> Shelf {
        Shelf { keys: Mutex::new(Some(keys.clone())), reads: AtomicU32::new(0) }
    }

    #[tokio::test]
    async fn a_rotation_is_seen_within_five_minutes() {
        let shelf = shelf(&second());
        let signing = Renewed::new(&shelf, first(), NOW);
        let before = signing.keys(None, NOW.plus(KEPT_FOR - 1)).await;
        assert_eq!((before.reveal(), shelf.reads()), (first().reveal(), 0));
        let after = signing.keys(None, NOW.plus(KEPT_FOR)).await;
        assert_eq!((after.reveal(), shelf.reads()), (second().reveal(), 1));
        signing.keys(None, NOW.plus(2 * KEPT_FOR - 1)).await;
        assert_eq!(shelf.reads(), 1);
    }

    /// Another instance has seen the rotation before this one.
    #[tokio::test]
    async fn a_cursor_of_a_new_key_opens_before_that() {
        let shelf = shelf(&second());
        let signing = Renewed::new(&shelf, first(), NOW);
        let cursor = second().seal(&BOUND, "7");
        let keys = signing.keys(Some(&cursor), NOW.plus(LOOK_AGAIN)).await;
        assert_eq!(keys.open(&BOUND, &cursor).as_deref(), Ok("7"));
        let known = first().seal(&BOUND, "7");
        signing.keys(Some(&known), NOW.plus(2 * LOOK_AGAIN)).await;
        assert_eq!(shelf.reads(), 1, "a key that is known asks for nothing");
    }

    #[tokio::test]
    async fn made_up_cursors_do_not_ask_more_often_than_every_ten_seconds() {
        let shelf = shelf(&first());
        let signing = Renewed::new(&shelf, first(), NOW);
        for second in 0..60 {
            signing.keys(Some("c1.made-up.x.y"), NOW.plus(second * Timestamp::SECOND)).await;
        }
        assert_eq!(shelf.reads(), 5);
    }

    #[tokio::test]
    async fn keys_that_cannot_be_read_stay_those_that_are_known() {
        let shelf = shelf(&second());
        shelf.put(None);
        let signing = Renewed::new(&shelf, first(), NOW);
        let due = NOW.plus(KEPT_FOR);
        assert_eq!(signing.keys(None, due).await.reveal(), first().reveal());
        signing.keys(None, due.plus(TRY_AGAIN - 1)).await;
        assert_eq!(shelf.reads(), 1);
        shelf.put(Some(&second()));
        assert_eq!(signing.keys(None, due.plus(TRY_AGAIN)).await.reveal(), second().reveal());
    }
}
