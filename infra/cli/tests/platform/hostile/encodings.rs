//! Bodies that are not in the encoding that they claim, or in too much of it.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::http::Request;

use super::Case;
use super::Expected::{self, Refused, Taken};

const GOOD: &[u8] = br#"{"batch":[{"type":"track","event":"Hostile","userId":"hostile"}]}"#;

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn altered(mut bytes: Vec<u8>, place: usize) -> Vec<u8> {
    bytes[place] ^= 0xff;
    bytes
}

pub(crate) fn all(key: &str) -> Vec<Case> {
    let case = |name: &str, encoding: &str, body: Vec<u8>, expected: Expected| {
        let request = Request::post("/v1/batch", body).basic(key).header("content-encoding", encoding);
        Case::new(name, request.header("content-type", "application/octet-stream"), expected)
    };
    let packed = gzip(GOOD);
    let end = packed.len();
    let spaces = vec![b' '; 64 * 1024 * 1024];
    let empty_members = gzip(b"").repeat(100_000);
    let mut named = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
    named.extend(vec![b'n'; 3_000_000]); // A file name that never ends.
    vec![
        case("gzip that says nothing of it", "", packed.clone(), Taken),
        case("gzip that says deflate", "deflate", packed.clone(), Taken),
        case(
            "two gzips one behind the other",
            "gzip",
            [gzip(&GOOD[..20]), gzip(&GOOD[20..])].concat(),
            Taken,
        ),
        case("JSON that says gzip", "gzip", GOOD.to_vec(), Taken),
        case("JSON that says br", "br", GOOD.to_vec(), Taken),
        case("JSON that says what there is not", "hostile, ;;=", GOOD.to_vec(), Taken),
        case("zlib", "deflate", zlib(GOOD), Taken),
        case("deflate without its header", "deflate", deflate(GOOD), Taken),
        case("gzip's magic alone", "gzip", packed[..2].to_vec(), Refused(400)),
        case("gzip's header alone", "gzip", packed[..10].to_vec(), Refused(400)),
        case("half a gzip", "gzip", packed[..end / 2].to_vec(), Refused(400)),
        case("a gzip without its sum", "gzip", packed[..end - 8].to_vec(), Refused(400)),
        case("a gzip without its last byte", "gzip", packed[..end - 1].to_vec(), Refused(400)),
        case("a gzip with a wrong sum", "gzip", altered(packed.clone(), end - 6), Refused(400)),
        case("a gzip with a wrong length", "gzip", altered(packed.clone(), end - 1), Refused(400)),
        case("a gzip with a wrong block", "gzip", altered(packed.clone(), 10), Refused(400)),
        case("a gzip of another method", "gzip", altered(packed.clone(), 2), Refused(400)),
        case("a gzip with all flags", "gzip", altered(packed.clone(), 3), Refused(400)),
        case("something behind a gzip", "gzip", [&packed[..], b"and more"].concat(), Refused(400)),
        case(
            "a gzip read as text",
            "gzip",
            String::from_utf8_lossy(&packed).into_owned().into_bytes(),
            Refused(400),
        ),
        case("a gzip of a gzip", "gzip, gzip", gzip(&packed), Refused(400)),
        case("a gzip of nothing", "gzip", gzip(b""), Refused(400)),
        case("a gzip of null", "gzip", gzip(b"null"), Refused(400)),
        case("100,000 gzips of nothing", "gzip", empty_members, Refused(400)),
        case("a gzip with an endless name", "gzip", named, Refused(400)),
        case("a gzip of 64 MB", "gzip", gzip(&spaces), Refused(413)),
        case("a zlib of 64 MB", "deflate", zlib(&spaces), Refused(413)),
        case("a deflate of 64 MB", "deflate", deflate(&spaces), Refused(413)),
        case("rubbish that says gzip", "gzip", b"\x00\x01 rubbish".to_vec(), Refused(400)),
        case("rubbish that says deflate", "deflate", b"\x00\x01 rubbish".to_vec(), Refused(400)),
        case("half a zlib", "deflate", zlib(GOOD)[..20].to_vec(), Refused(400)),
        case("brotli that says so", "br", vec![0x0b, 0x02, 0x80, 0x7b, 0x7d, 0x03], Refused(400)),
        case("zstd that says so", "zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00, 0x11], Refused(400)),
    ]
}
