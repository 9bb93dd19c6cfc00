//! Bodies made by chance from good ones, always the same.

const SEED: u64 = 4711;
const COUNT: usize = 120;

const SEEDS: [&str; 4] = [
    r#"{"batch":[{"type":"track","event":"Order Completed","userId":"u-1","properties":{"revenue":12.5,"items":[1,2,{"a":null}]}},{"type":"page","anonymousId":"a-1"}],"sentAt":"2026-11-22T01:27:24.983Z","context":{"library":{"name":"x"}}}"#,
    r#"{"type":"identify","userId":"u-2","traits":{"email":"u2@example.com","phone":"+4790012345","address":{"city":"Oslo"}},"messageId":"m-1","timestamp":"2026-11-22T01:27:24Z"}"#,
    r#"{"batch":[{"type":"group","groupId":"g","userId":"u-3","traits":{"n":-1e3}},{"type":"alias","userId":"u-3","previousId":"a-3"}],"writeKey":"x"}"#,
    r#"{"batch":[],"integrations":{"All":true},"context":{"page":{"url":"https://shop.example/?q=\u00e5"}}}"#,
];

/// What breaks parsers when it stands where it should not.
const PIECES: [&[u8]; 16] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"\\ud800",
    b"\\u0000",
    b"\0",
    b"\xff",
    b"NaN",
    b"1e999999",
    b"\"batch\":[",
    b"null",
];

pub(crate) fn all() -> Vec<Vec<u8>> {
    let mut chance = fastrand::Rng::with_seed(SEED);
    (0..COUNT).map(|number| mutant(SEEDS[number % SEEDS.len()].as_bytes(), &mut chance)).collect()
}

fn mutant(seed: &[u8], chance: &mut fastrand::Rng) -> Vec<u8> {
    let mut body = seed.to_vec();
    for _ in 0..chance.usize(1..6) {
        if body.len() < 4 {
            break;
        }
        let place = chance.usize(0..body.len());
        match chance.u8(0..5) {
            0 => body[place] = chance.u8(..),
            1 => drop(body.remove(place)),
            2 => {
                let piece = PIECES[chance.usize(0..PIECES.len())];
                body.splice(place..place, piece.iter().copied());
            }
            3 => {
                let end = chance.usize(place..body.len());
                let copy = body[place..end].to_vec();
                body.splice(place..place, copy);
            }
            _ => body.truncate(place + 1),
        }
    }
    body
}
