//! The promises of the memory of requests.

use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::idempotency::{Claimed, Fingerprint, Idempotency};

use super::{answered, workspace};

const NOW: Timestamp = Timestamp::from_millis(1_795_343_400_000);

/// Checks a memory that remembers nothing yet.
pub async fn check(memory: &impl Idempotency) {
    let (shop, other) = (workspace("shop"), workspace("shop-2"));
    let check = async |workspace: &WorkspaceId, (key, body): (u8, u8), at: i64, expected, promise: &str| {
        let request = Fingerprint { key_sha256: [key; 32], body_sha256: [body; 32] };
        let (now, expires) = (NOW.plus(at), NOW.plus(at + Timestamp::HOUR));
        let claimed = answered(memory.claim(workspace, request, now, expires).await, promise);
        assert_eq!(claimed, expected, "{promise}");
    };
    check(&shop, (1, 1), 0, Claimed::New, "a key that nobody used is new").await;
    check(&shop, (1, 1), 1, Claimed::Same, "a request that is made again is the same").await;
    check(&shop, (1, 2), 2, Claimed::Other, "another body under a used key is another request").await;
    check(&shop, (1, 1), 3, Claimed::Same, "a refused claim changes nothing").await;
    check(&shop, (2, 1), 4, Claimed::New, "each key stands for itself").await;
    check(&other, (1, 2), 5, Claimed::New, "each workspace has its own keys").await;
    let (before, at_end) = (Timestamp::HOUR - 1, Timestamp::HOUR);
    check(
        &shop,
        (1, 2),
        before,
        Claimed::Other,
        "a claim holds to its last millisecond; asking does not renew it",
    )
    .await;
    check(&shop, (1, 2), at_end, Claimed::New, "what expired was never made, removed or not").await;
    check(&shop, (1, 1), at_end + 1, Claimed::Other, "the new claim takes the place of the old one").await;
}
