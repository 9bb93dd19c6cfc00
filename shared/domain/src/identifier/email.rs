//! E-mail addresses: which strings are one, and which two are the same.
//!
//! A thin check over IDNA. What a mail provider makes of a local part (dots,
//! `+tags`) is its own affair and changes: nothing is stripped, and look-alike
//! letters stay apart, since a wrong merge costs more than a missed one.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// RFC 5321 leaves an address 254 bytes between the angle brackets.
pub const LENGTH_MAX: usize = 254;

/// Names that by their registration (RFC 6761, 6762, 7686) never take mail.
const NEVER_DELIVERED: [&str; 5] = ["arpa", "invalid", "local", "localhost", "onion"];

/// Set aside for tests by RFC 6761: the one name that needs no dot.
const TEST_NAME: &str = "test";

/// The form in which an address names a person; `None` if it is no address.
///
/// Trimmed and in NFC, the local part in lower case, the domain in lower-case
/// ASCII. Quoted local parts, comments, display names and address literals are
/// not read: in customer data they are mistakes.
pub fn normalise(raw: &str) -> Option<String> {
    let address = raw.trim();
    // Before any other work: what is measured here bounds what comes after.
    if address.len() > LENGTH_MAX {
        return None;
    }
    let (local, domain) = address.split_once('@')?;
    let address = format!("{}@{}", local_part(local)?, domain_name(domain)?);
    (address.len() <= LENGTH_MAX).then_some(address)
}

/// Composition can turn a letter into a separator (`U+037E` into `;`) and the
/// reverse, so the rule holds before it and after it.
fn local_part(raw: &str) -> Option<String> {
    let composed: String = raw.nfc().collect();
    if !is_dot_atom(raw) || !is_dot_atom(&composed) {
        return None;
    }
    // Lower-casing can leave a pair that composes: J with a caron is two letters, j with one is one.
    Some(composed.to_lowercase().nfc().collect())
}

/// RFC 5322's dot-atom with RFC 6531's letters beyond ASCII.
fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_text))
        && !begins_with_mark(local)
}

fn is_atom_text(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(letter)
        || (!letter.is_ascii() && is_visible(letter))
}

/// A mark would change the letter that stands before the address.
fn begins_with_mark(text: &str) -> bool {
    text.chars().next().is_some_and(|first| first.general_category_group() == GeneralCategoryGroup::Mark)
}

/// Spaces, controls, direction marks and unassigned characters make two
/// addresses look like one.
fn is_visible(letter: char) -> bool {
    match letter.general_category_group() {
        GeneralCategoryGroup::Letter
        | GeneralCategoryGroup::Mark
        | GeneralCategoryGroup::Number
        | GeneralCategoryGroup::Punctuation
        | GeneralCategoryGroup::Symbol => true,
        GeneralCategoryGroup::Separator | GeneralCategoryGroup::Other => false,
    }
}

fn domain_name(raw: &str) -> Option<String> {
    if !raw.chars().all(is_visible) {
        return None;
    }
    let idna = Uts46::new();
    let ascii = idna.to_ascii(raw.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify).ok()?;
    takes_mail(&ascii).then(|| ascii.into_owned())
}

/// Mail goes to a name below a top-level domain, and those end with a letter:
/// `localhost` and `127.0.0.1` have none.
fn takes_mail(domain: &str) -> bool {
    match domain.rsplit_once('.') {
        None => domain == TEST_NAME,
        Some((_, top)) => {
            top.ends_with(|last: char| last.is_ascii_alphabetic()) && !NEVER_DELIVERED.contains(&top)
        }
    }
}

#[cfg(test)]
mod tests;
