//! Which language a person is written to in.

/// RFC 5646 asks programs to take tags of 35 letters; no longer one is in use.
const LENGTH_MAX: usize = 35;

/// The tag of `known` that fits best: `uk-UA`, then `uk`; `None` if there is neither.
pub(crate) fn best<'k>(wanted: &str, known: &(impl Iterator<Item = &'k str> + Clone)) -> Option<&'k str> {
    let mut wanted = wanted.trim();
    if wanted.len() > LENGTH_MAX {
        return None;
    }
    loop {
        let same = |known: &&str| normalized(known) == normalized(wanted);
        if let Some(found) = known.clone().find(same) {
            return Some(found);
        }
        (wanted, _) = wanted.rsplit_once(['-', '_'])?;
    }
}

fn normalized(tag: &str) -> String {
    tag.to_ascii_lowercase().replace('_', "-")
}

/// Whether a tag is written as BCP 47 has it, as far as that concerns us.
pub(crate) fn is_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let word =
        |part: &str| (1..=8).contains(&part.len()) && part.chars().all(|char| char.is_ascii_alphanumeric());
    tag.len() <= LENGTH_MAX
        && (2..=3).contains(&first.len())
        && first.chars().all(|char| char.is_ascii_lowercase())
        && parts.all(word)
}
