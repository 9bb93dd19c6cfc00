//! Ten megabytes that unpack to ten gigabytes, and what of them passes the door.

use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::child::Platform;
use crate::hostile::{gzip, warm_up};
use crate::http::{Answer, Body, Request};

/// What one block unpacks to.
const BLOCK: usize = 1024 * 1024;
const GIGABYTE: usize = 1024 * BLOCK;
/// What memory may grow by at its peak.
const GROWTH_MAX: u64 = 32 * 1024 * 1024;

/// A whole, sound gzip of so many blocks of blanks. The block is packed once:
/// behind a flush it stands on whole bytes and looks back at nothing.
fn bomb(blocks: usize) -> Vec<u8> {
    let blanks = vec![b' '; BLOCK];
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&blanks).unwrap();
    encoder.flush().unwrap();
    let block = encoder.get_ref().clone();
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];
    bomb.extend(block.repeat(blocks));
    bomb.extend([3, 0]); // The last block, an empty one.
    let length = blocks * BLOCK;
    bomb.extend(sum(&blanks, blocks).to_le_bytes());
    bomb.extend(u32::try_from(length % (1 << 32)).unwrap().to_le_bytes());
    bomb
}

/// The sum of so many blocks, by doubling.
fn sum(block: &[u8], blocks: usize) -> u32 {
    let mut power = Crc::new();
    power.update(block);
    let mut sum = Crc::new();
    let mut left = blocks;
    while left > 0 {
        if left % 2 == 1 {
            sum.combine(&power);
        }
        let mut same = Crc::new();
        same.combine(&power);
        power.combine(&same);
        left /= 2;
    }
    sum.sum()
}

#[test]
fn the_bombs_of_these_tests_are_sound() {
    let mut whole = Vec::new();
    GzDecoder::new(bomb(5).as_slice()).read_to_end(&mut whole).unwrap();
    assert!(whole.len() == 5 * BLOCK && whole.iter().all(|byte| *byte == b' '));
}

struct World {
    platform: Platform,
    _data: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let platform = Platform::start(&data.path().join("data"), "warn");
        warm_up(&platform);
        Self { platform, _data: data }
    }

    fn post(&self, body: Vec<u8>) -> Answer {
        let request = Request::post("/v1/batch", "").basic(&self.platform.write_key);
        self.platform.ask(&request.header("content-encoding", "gzip").body(Body::Whole(body)))
    }
}

#[test]
fn a_gzip_of_ten_gigabytes_is_refused_and_fills_no_memory() {
    let world = World::new();
    let start = world.platform.memory("VmRSS");
    let whole = bomb(10 * GIGABYTE / BLOCK);
    assert!(whole.len() < 12_000_000, "{}", whole.len());
    // The largest that the door lets in; the ten gigabytes packed once more, which
    // it takes for something small; and all of them, which it does not let in.
    let largest = bomb(3_900_000 / (whole.len() / (10 * GIGABYTE / BLOCK)));
    let twice = gzip(&whole);
    assert!(twice.len() < 200_000, "{}", twice.len());
    for (name, body) in [("the largest", largest), ("packed twice", twice), ("whole", whole)] {
        for _ in 0..3 {
            // In the time that the client has, nobody unpacks ten gigabytes.
            let answer = world.post(body.clone());
            assert_eq!(answer.status, 413, "{name}: {}", answer.text());
        }
    }
    let good = serde_json::json!({ "userId": "after", "event": "Good" });
    assert_eq!(world.platform.post("/v1/track", &good).status, 200);
    world.platform.settle();
    assert_eq!(world.platform.look_up("after")["counters"]["total"], 1);
    let Some((start, peak)) = start.zip(world.platform.memory("VmHWM")) else { return };
    let growth = peak.saturating_sub(start);
    println!("memory grew from {start} to {peak} bytes at its peak, by {growth}");
    assert!(growth <= GROWTH_MAX, "memory grew from {start} to {peak} bytes at its peak, by {growth}");
}
