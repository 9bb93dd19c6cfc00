//! Small items, squeezed by what most of them have in common.
//!
//! Alone a small item repeats little. A dictionary holds what SDKs, the Segment
//! spec and our own formats write everywhere, so that an item only points there.
//! Dictionaries are **frozen**: stored items cannot be read without theirs.
//! [`make`] writes the next ones; give each a new format and keep the old.

use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::get_frame_content_size;

use super::packed::Corrupt;

/// What an item may unfold to: a small one must not become gigabytes.
pub(super) const UNPACKED_MAX: usize = 8 * 1024 * 1024;
/// By size alone. The slower levels save below 1 % of items as small as ours.
const LEVEL: i32 = 6;

/// Of profile items of format 2.
pub(super) static PROFILE: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary::new(include_bytes!("dictionary/profile-2.bin")));
/// Of timeline pages of format 2.
pub(super) static PAGE: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary::new(include_bytes!("dictionary/page-2.bin")));

thread_local! {
    // To set them up takes longer than to use them once.
    static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::default();
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// How the bytes that follow are written.
const PLAIN: u8 = 0;
const SQUEEZED: u8 = 1;

/// A dictionary, prepared once: that costs more than its use.
pub(super) struct Dictionary {
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    fn new(bytes: &[u8]) -> Self {
        Self { encoder: EncoderDictionary::copy(bytes, LEVEL), decoder: DecoderDictionary::copy(bytes) }
    }

    /// Appends the bytes, squeezed where that makes them fewer.
    pub(super) fn squeeze(&'static self, mut to: Vec<u8>, bytes: &[u8]) -> Vec<u8> {
        let squeezed = self.squeezed(bytes).ok().filter(|squeezed| squeezed.len() < bytes.len());
        to.push(if squeezed.is_some() { SQUEEZED } else { PLAIN });
        to.extend_from_slice(squeezed.as_deref().unwrap_or(bytes));
        to
    }

    fn squeezed(&'static self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        COMPRESSOR.with_borrow_mut(|compressor| {
            compressor.set_prepared_dictionary(&self.encoder)?;
            compressor.include_dictid(false)?; // The item's format says which it is.
            compressor.compress(bytes)
        })
    }

    /// Reads what [`Self::squeeze`] appended, if it is at most `max` bytes.
    pub(super) fn unfold(&'static self, bytes: &[u8], max: usize) -> Result<Vec<u8>, Corrupt> {
        match bytes.split_first() {
            Some((&PLAIN, rest)) if rest.len() <= max => Ok(rest.to_vec()),
            Some((&SQUEEZED, rest)) => {
                let size = get_frame_content_size(rest).ok().flatten().ok_or(Corrupt::Bytes)?;
                let size = usize::try_from(size).ok().filter(|size| *size <= max).ok_or(Corrupt::Bytes)?;
                let unfolded = DECOMPRESSOR.with_borrow_mut(|decompressor| {
                    decompressor.set_prepared_dictionary(&self.decoder)?;
                    decompressor.decompress(rest, size)
                });
                unfolded.map_err(|_| Corrupt::Bytes)
            }
            _ => Err(Corrupt::Bytes),
        }
    }
}

#[cfg(test)]
mod make;
