//! From what the front door hands over to the bytes that the SDK meant.
//!
//! **Invariant:** never more than [`LIMIT`] bytes are unpacked, however small
//! the body came in. Content-Type is not looked at: browsers say `text/plain`,
//! Rudder's Node SDK sends gzip as a form.

use std::io::Read;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::answer::Refusal;

/// Bytes of JSON a request; `RudderStack` has the same bound, and Lambda's own
/// limit of 6 MB leaves no room for more in base64.
pub(crate) const LIMIT: usize = 4 * 1024 * 1024;

const GZIP: &[u8] = b"\x1f\x8b";
/// Gzip's magic after somebody read the body as UTF-8.
const GZIP_AS_TEXT: &[u8] = b"\x1f\xef\xbf\xbd";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes and unpacks a body; the bytes win over what the headers say.
pub(crate) fn read(body: Option<String>, is_base64: bool, encoding: &str) -> Result<Vec<u8>, Refusal> {
    let body = body.unwrap_or_default();
    if body.len() > LIMIT / 3 * 4 + 4 {
        return Err(Refusal::TooLarge); // Gzip of so much unpacks to more.
    }
    let bytes = if is_base64 {
        BASE64.decode(&body).map_err(|_| Refusal::MangledEncoding)?
    } else {
        body.into_bytes()
    };
    unpacked(bytes, encoding)
}

fn unpacked(bytes: Vec<u8>, encoding: &str) -> Result<Vec<u8>, Refusal> {
    let says = |name: &str| encoding.split(',').any(|word| word.trim().eq_ignore_ascii_case(name));
    if bytes.starts_with(GZIP) {
        return bounded(MultiGzDecoder::new(bytes.as_slice()), bytes.len());
    }
    if bytes.starts_with(GZIP_AS_TEXT) {
        return Err(Refusal::MangledEncoding);
    }
    match looks_like_json(&bytes) {
        false if says("deflate") => inflated(&bytes),
        false if (says("gzip") || says("x-gzip")) && !bytes.is_empty() => Err(Refusal::MangledEncoding),
        _ if bytes.len() > LIMIT => Err(Refusal::TooLarge),
        _ => Ok(bytes),
    }
}

/// The name `deflate` means zlib's format, but some send it without its header.
fn inflated(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    match bounded(ZlibDecoder::new(bytes), bytes.len()) {
        Err(Refusal::MangledEncoding) => bounded(DeflateDecoder::new(bytes), bytes.len()),
        read => read,
    }
}

fn bounded(decoder: impl Read, packed: usize) -> Result<Vec<u8>, Refusal> {
    let most = LIMIT + 1;
    let mut bytes = Vec::with_capacity(packed.saturating_mul(6).min(most));
    decoder.take(most as u64).read_to_end(&mut bytes).map_err(|_| Refusal::MangledEncoding)?;
    if bytes.len() > LIMIT { Err(Refusal::TooLarge) } else { Ok(bytes) }
}

fn looks_like_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    const JSON: &[u8] = br#"{"type":"track"}"#;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// As a front door hands binary bodies over.
    fn door(bytes: &[u8], encoding: &str) -> Result<Vec<u8>, &'static str> {
        read(Some(BASE64.encode(bytes)), true, encoding).map_err(|refusal| refusal.code())
    }

    fn text(body: &str, encoding: &str) -> Result<Vec<u8>, &'static str> {
        read(Some(body.to_owned()), false, encoding).map_err(|refusal| refusal.code())
    }

    #[test]
    fn gzip_is_known_by_its_magic_whatever_the_headers_say() {
        for encoding in ["gzip", "", "identity", "deflate"] {
            assert_eq!(door(&gzip(JSON), encoding), Ok(JSON.to_vec()));
        }
    }

    #[test]
    fn json_that_says_gzip_is_read_as_json() {
        assert_eq!(door(JSON, "gzip"), Ok(JSON.to_vec()));
        assert_eq!(text(" {}", "gzip"), Ok(b" {}".to_vec()));
    }

    #[test]
    fn a_body_that_says_gzip_and_is_neither_is_mangled() {
        assert_eq!(door(b"\x00\x01 rubbish", "gzip"), Err("mangled_encoding"));
        assert_eq!(door(&gzip(JSON)[..12], "gzip"), Err("mangled_encoding"));
        let read_as_text = String::from_utf8_lossy(&gzip(JSON)).into_owned();
        assert_eq!(text(&read_as_text, "gzip"), Err("mangled_encoding"));
        assert_eq!(text(&read_as_text, ""), Err("mangled_encoding"));
    }

    #[test]
    fn deflate_is_read_with_and_without_its_header() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(JSON).unwrap();
        assert_eq!(door(&zlib.finish().unwrap(), "deflate"), Ok(JSON.to_vec()));
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(JSON).unwrap();
        assert_eq!(door(&raw.finish().unwrap(), "deflate"), Ok(JSON.to_vec()));
    }

    #[test]
    fn broken_base64_is_mangled() {
        assert_eq!(read(Some("a*b".into()), true, "").map_err(|r| r.code()), Err("mangled_encoding"));
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = gzip(&gzip(&vec![b' '; 64 * 1024 * 1024]));
        let inner = door(&bomb, "gzip").unwrap();
        assert!(inner.len() < LIMIT);
        assert_eq!(door(&inner, "gzip"), Err("too_large"));
    }

    /// A gzip of so many megabytes of blanks, made while it is read.
    struct Endless {
        block: Vec<u8>,
        left: usize,
        ready: Vec<u8>,
    }

    impl Endless {
        fn of_megabytes(left: usize) -> Self {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&vec![b' '; 1024 * 1024]).unwrap();
            encoder.flush().unwrap(); // It ends on a whole byte, and the next one looks back at nothing.
            Self {
                block: encoder.get_ref().clone(),
                left,
                ready: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff],
            }
        }
    }

    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.ready.is_empty() && self.left > 0 {
                self.left -= 1;
                self.ready = self.block.clone();
            }
            let read = self.ready.len().min(into.len());
            into[..read].copy_from_slice(&self.ready[..read]);
            self.ready.drain(..read);
            Ok(read)
        }
    }

    /// Counts what is read through it.
    struct Counted<'a, R>(R, &'a mut usize);

    impl<R: Read> Read for Counted<'_, R> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let read = self.0.read(into)?;
            *self.1 += read;
            Ok(read)
        }
    }

    #[test]
    fn of_ten_gigabytes_no_more_than_the_limit_is_unpacked_or_read() {
        let (mut packed, mut unpacked) = (0, 0);
        let bomb = Counted(Endless::of_megabytes(10 * 1024), &mut packed);
        let refused = bounded(Counted(MultiGzDecoder::new(bomb), &mut unpacked), 10_000_000);
        assert_eq!(refused.map_err(|refusal| refusal.code()), Err("too_large"));
        assert!(unpacked <= LIMIT + 1, "{unpacked}");
        assert!(packed < 64 * 1024, "{packed}");
        // What is counted is a real gzip: a small one of its kind is read whole.
        let mut small = Vec::new();
        Endless::of_megabytes(2).read_to_end(&mut small).unwrap();
        small.extend([3, 0]); // The last block, an empty one; the sum is not looked at before it.
        let mut whole = Vec::new();
        let _ = MultiGzDecoder::new(small.as_slice()).read_to_end(&mut whole);
        assert_eq!(whole, vec![b' '; 2 * 1024 * 1024]);
    }

    #[test]
    fn four_megabytes_pass_and_a_byte_more_does_not() {
        let whole = vec![b' '; LIMIT];
        assert_eq!(door(&gzip(&whole), "").map(|bytes| bytes.len()), Ok(LIMIT));
        let body = String::from_utf8(whole).unwrap();
        assert_eq!(text(&body, "").map(|bytes| bytes.len()), Ok(LIMIT));
        assert_eq!(text(&(body + " "), ""), Err("too_large"));
    }

    #[test]
    fn no_body_is_an_empty_one() {
        assert!(read(None, false, "gzip").unwrap().is_empty());
        assert!(read(None, true, "").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(bytes: Vec<u8>, body: String, encoding in "gzip|deflate|br|") {
            let _ = door(&bytes, &encoding);
            let _ = door(&[GZIP, &bytes].concat(), &encoding);
            let _ = text(&body, &encoding);
            let _ = read(Some(body), true, &encoding);
        }
    }
}
