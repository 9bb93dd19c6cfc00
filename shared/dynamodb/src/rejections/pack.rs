//! Refused events packed into items.

use domain::rejection::Rejection;
use ports::Unavailable;
use sha2::{Digest, Sha256};

use crate::item::malformed;

/// `DynamoDB` takes items up to 400 KB; what does not compress has to fit too.
const BYTES_MAX: usize = 350 * 1024;
/// What is longer says nothing more; samples end at [`Rejection::SAMPLE_MAX`].
const TEXT_BYTES_MAX: usize = 1024;
const LEVEL: i32 = 3;

/// A name that equal calls share.
pub(super) fn name(refused: &[&Rejection]) -> String {
    let digest = refused
        .iter()
        .fold(Sha256::new(), |hash, refused| hash.chain_update(json(refused)).chain_update(b"\n"));
    digest.finalize().iter().take(8).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Packs into as few bodies as fit.
pub(super) fn pack(refused: &[&Rejection]) -> Result<Vec<Vec<u8>>, Unavailable> {
    let mut bodies: Vec<String> = Vec::new();
    for refused in refused {
        let line = json(&bounded(refused));
        match bodies.last_mut() {
            Some(body) if body.len() + line.len() < BYTES_MAX => *body += &line,
            _ => bodies.push(line),
        }
        if let Some(body) = bodies.last_mut() {
            body.push('\n');
        }
    }
    let small = bodies.iter().map(|body| zstd::bulk::compress(body.as_bytes(), LEVEL));
    small.collect::<Result<_, _>>().map_err(|cause| Unavailable::new("compressing refused events", cause))
}

pub(super) fn unpack(body: &[u8]) -> Result<Vec<Rejection>, Unavailable> {
    let lines = zstd::bulk::decompress(body, BYTES_MAX).map_err(|_| malformed("b"))?;
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|_| malformed("b"))).collect()
}

/// No text of a refused event may keep the item from being written.
fn bounded(refused: &Rejection) -> Rejection {
    Rejection {
        at: refused.at,
        reason: refused.reason,
        detail: cut(&refused.detail, TEXT_BYTES_MAX),
        message_id: refused.message_id.as_deref().map(|id| cut(id, TEXT_BYTES_MAX)),
        sample: cut(&refused.sample, Rejection::SAMPLE_MAX),
    }
}

fn cut(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default().to_owned()
}

/// Texts and numbers: nothing that JSON could refuse.
fn json(refused: &Rejection) -> String {
    serde_json::to_string(refused).unwrap_or_default()
}
