//! Where values begin and end, by braces and strings alone.
//!
//! It reads what no parser would: an event that is broken inside still ends
//! where its braces end, so the next one can be read.

/// What one look at an event's bytes tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Survey {
    pub(super) depth: usize,
    /// Nothing in it that SDKs write and parsers refuse.
    pub(super) sound: bool,
}

/// Measures depth, and looks for what has to be mended.
pub(super) fn survey(bytes: &[u8]) -> Survey {
    let mut survey = Survey { depth: 0, sound: true };
    let (mut depth, mut in_string, mut at) = (0_usize, false, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                survey.sound &= !suspicious(bytes.get(at..).unwrap_or_default());
                at += 1;
            }
            _ if in_string => survey.sound &= byte >= b' ',
            b'{' | b'[' => {
                depth += 1;
                survey.depth = survey.depth.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'N' | b'I' => survey.sound = false, // NaN, Infinity
            _ => (),
        }
    }
    survey
}

/// An escape that may be half a surrogate pair, or NUL.
fn suspicious(escape: &[u8]) -> bool {
    match escape {
        [b'u', b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..] => true,
        [b'u', rest @ ..] => rest.starts_with(b"0000"),
        _ => false,
    }
}

/// The members of the object that is the whole of `bytes`: raw names, raw values.
pub(super) fn members(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut members = Vec::new();
    let mut at = skip_space(bytes, 1);
    if bytes.get(at) == Some(&b'}') {
        return rest_is_empty(bytes, at + 1).then_some(members);
    }
    loop {
        let name_end = (bytes.get(at) == Some(&b'"')).then(|| string_end(bytes, at)).flatten()?;
        let name = bytes.get(at..name_end)?;
        let colon = skip_space(bytes, name_end);
        let from = (bytes.get(colon) == Some(&b':')).then(|| skip_space(bytes, colon + 1))?;
        let end = value_end(bytes, from)?;
        if members.len() < MEMBERS_MAX {
            members.push((name, bytes.get(from..end)?.trim_ascii()));
        }
        match bytes.get(end)? {
            b',' => at = skip_space(bytes, end + 1),
            b'}' => return rest_is_empty(bytes, end + 1).then_some(members),
            _ => return None,
        }
    }
}

/// No envelope has so many members; a hostile one only fills memory.
const MEMBERS_MAX: usize = 1_000;

/// The elements of the array that is the whole of `bytes`, at most `most`.
pub(super) fn elements(bytes: &[u8], most: usize) -> Option<Vec<&[u8]>> {
    let mut elements = Vec::new();
    let mut at = skip_space(bytes, 1);
    if bytes.get(at) == Some(&b']') {
        return rest_is_empty(bytes, at + 1).then_some(elements);
    }
    loop {
        let end = value_end(bytes, at)?;
        if elements.len() < most {
            elements.push(bytes.get(at..end)?.trim_ascii());
        }
        match bytes.get(end)? {
            b',' => at = skip_space(bytes, end + 1),
            b']' => return rest_is_empty(bytes, end + 1).then_some(elements),
            _ => return None,
        }
    }
}

/// Where a value ends: at the first comma or closing brace outside of it.
///
/// A brace that closes nothing that the value opened belongs to whatever the
/// value stands in; what the value left open ends with it.
fn value_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut open: Vec<u8> = Vec::new();
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at)?;
                continue;
            }
            b'{' | b'[' => open.push(byte),
            b',' if open.is_empty() => return Some(at),
            b'}' | b']' => {
                let partner = if byte == b'}' { b'{' } else { b'[' };
                let Some(place) = open.iter().rposition(|opened| *opened == partner) else { return Some(at) };
                open.truncate(place);
            }
            _ => (),
        }
        at += 1;
    }
    None
}

/// Behind the closing quote of the string that begins at `from`.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    let space = bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace());
    from + space.count()
}

fn rest_is_empty(bytes: &[u8], from: usize) -> bool {
    bytes.get(from..).unwrap_or_default().trim_ascii().is_empty()
}
