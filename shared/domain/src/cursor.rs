//! Cursors: where a listing goes on, signed so that nobody can forge one.
//!
//! A cursor is bound to what was asked (workspace, profile, filter): one that
//! was made for another question does not open. It is signed, not encrypted:
//! nothing personal belongs into its position.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use crate::signing::{InvalidSigningKeys, KEYS_MAX, SigningKeys};

/// The form of cursors that this build writes and reads.
const FORM: &str = "c1";
/// A cursor travels in a URL; what is longer was not made here.
pub const LENGTH_MAX: usize = 1024;

/// The cursor is damaged, forged, too old, or was made for another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor was not made for this question; ask again without one")]
pub struct BadCursor;

impl SigningKeys {
    /// Signs a position for whoever asks the same again.
    pub fn seal(&self, bound: &[&str], position: &str) -> String {
        let (id, signature) = self.sign(FORM, &parts(bound, position));
        let (position, signature) = (URL_SAFE_NO_PAD.encode(position), URL_SAFE_NO_PAD.encode(signature));
        format!("{FORM}.{id}.{position}.{signature}")
    }

    /// The position in a cursor that was sealed for the same question.
    pub fn open(&self, bound: &[&str], cursor: &str) -> Result<String, BadCursor> {
        if cursor.len() > LENGTH_MAX {
            return Err(BadCursor);
        }
        let mut pieces = cursor.split('.');
        let (Some(FORM), Some(id), Some(position), Some(signature), None) =
            (pieces.next(), pieces.next(), pieces.next(), pieces.next(), pieces.next())
        else {
            return Err(BadCursor);
        };
        let decoded = |piece: &str| URL_SAFE_NO_PAD.decode(piece).map_err(|_| BadCursor);
        let position = String::from_utf8(decoded(position)?).map_err(|_| BadCursor)?;
        let signature: [u8; Self::SIGNATURE_LENGTH] =
            decoded(signature)?.try_into().map_err(|_| BadCursor)?;
        let is_ours = self.verify(FORM, id, &parts(bound, &position), &signature);
        is_ours.then_some(position).ok_or(BadCursor)
    }
}

fn parts<'a>(bound: &[&'a str], position: &'a str) -> Vec<&'a [u8]> {
    bound.iter().chain([&position]).map(|part| part.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: [&str; 3] = ["shop", "profile-1", "type=track"];

    fn keys(chance: u8) -> SigningKeys {
        SigningKeys::make("k1", [[chance; 16]; 2]).unwrap()
    }

    #[test]
    fn a_cursor_opens_for_the_question_it_was_made_for() {
        let cursor = keys(1).seal(&BOUND, "1700000000000 abc é");
        assert_eq!(keys(1).open(&BOUND, &cursor).unwrap(), "1700000000000 abc é");
        assert!(
            cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            "{cursor}"
        );
    }

    #[test]
    fn a_cursor_of_an_earlier_build_opens() {
        let kept = "c1.k1.MTcwMDAwMDAwMDAwMA.isEf3Js5xytbDQEKos4Q0S1nbEMBuEYoGRJRluFtZUM";
        assert_eq!(keys(1).open(&BOUND, kept).as_deref(), Ok("1700000000000"));
    }

    #[test]
    fn a_cursor_of_another_question_does_not_open() {
        let cursor = keys(1).seal(&BOUND, "7");
        let others: [&[&str]; 5] = [
            &["other", "profile-1", "type=track"],
            &["shop", "profile-2", "type=track"],
            &["shop", "profile-1", "type=page"],
            &["shop", "profile-1"],
            &["shopprofile-1", "", "type=track"],
        ];
        for other in others {
            assert_eq!(keys(1).open(other, &cursor), Err(BadCursor), "{other:?}");
        }
    }

    #[test]
    fn no_changed_character_goes_unnoticed() {
        let cursor = keys(1).seal(&BOUND, "1700000000000");
        for place in 0..cursor.len() {
            for letter in ["A", "z", "0", "."] {
                let mut forged = cursor.clone();
                forged.replace_range(place..=place, letter);
                assert!(forged == cursor || keys(1).open(&BOUND, &forged) == Err(BadCursor), "{forged}");
            }
            assert_eq!(keys(1).open(&BOUND, &cursor[..place]), Err(BadCursor));
        }
        assert_eq!(keys(1).open(&BOUND, &"c1.k1.".repeat(500)), Err(BadCursor));
    }

    #[test]
    fn a_cursor_of_another_deployment_does_not_open() {
        assert_eq!(keys(2).open(&BOUND, &keys(1).seal(&BOUND, "7")), Err(BadCursor));
    }

    #[test]
    fn the_current_and_the_previous_key_are_believed_and_no_older_one() {
        let first = keys(1);
        let second = first.clone().rotate("k2", [[2; 16]; 2]).unwrap();
        let third = second.clone().rotate("k3", [[3; 16]; 2]).unwrap();
        let [of_first, of_second] = [&first, &second].map(|keys| keys.seal(&BOUND, "7"));
        assert_eq!(second.open(&BOUND, &of_first).as_deref(), Ok("7"));
        assert_eq!(third.open(&BOUND, &of_second).as_deref(), Ok("7"));
        assert_eq!(third.open(&BOUND, &of_first), Err(BadCursor));
        assert_eq!([&first, &second, &third].map(|keys| keys.know(&of_second)), [false, true, true]);
        assert!(!third.know(&of_first) && !third.know("") && !third.know("k3"));
        assert_eq!(first.rotate("k1", [[2; 16]; 2]).unwrap_err(), InvalidSigningKeys::Count);
    }
}
