//! Reads what stands between braces, by the grammar of `liquid-core`.
//!
//! That parser was not written for strangers: it panics on a number of twenty digits and overflows
//! the stack on `a[a[a[..`. So everything is looked through before it is shown to it.

use liquid_core::parser::{FilterChain, Tag};
use liquid_core::{Expression, Language};

use crate::filters;
use crate::limits::{DIGITS_MAX, FILTERS_MAX, INDEX_DEPTH_MAX};
use crate::place::Slip;
use crate::scan::is_word;

/// Names with which every variable begins; the rest are made by the template itself.
pub(crate) const ROOTS: [&str; 6] = ["profile", "computed", "event", "message", "links", "sender"];

/// What was seen in an expression before it was parsed.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Variables, as they are written: `profile.name`.
    pub(crate) variables: Vec<String>,
    /// The filters' names, and where each ends its name and the bar before it stands.
    pub(crate) filters: Vec<(String, usize)>,
}

/// Looks through an expression for what the parser must not be given.
pub(crate) fn look(text: &str) -> Result<Seen, Slip> {
    let mut seen = Seen::default();
    let (mut depth, mut rest) = (0_usize, text);
    let mut bar = None;
    while let Some(char) = rest.chars().next() {
        let at = text.len() - rest.len();
        let length = match char {
            '"' | '\'' => quoted(rest, char)?,
            '[' | ']' => {
                depth = if char == '[' { depth + 1 } else { depth.saturating_sub(1) };
                1
            }
            '|' => {
                bar = Some(at);
                1
            }
            _ if char.is_ascii_digit() => digits(rest)?,
            _ if char.is_ascii_alphabetic() || char == '_' => {
                let word = path(rest);
                let after = rest.get(word.len()..).unwrap_or_default().trim_start();
                match bar.take() {
                    Some(bar) => seen.filters.push((word.to_owned(), bar)),
                    None if after.starts_with(':') || is_literal(word) => (),
                    None => seen.variables.push(word.to_owned()),
                }
                word.len()
            }
            _ => char.len_utf8(),
        };
        if depth > INDEX_DEPTH_MAX {
            let reason = format!("more than {INDEX_DEPTH_MAX} brackets in each other");
            return Err(Slip::new(reason, "take the inner one out by `assign`"));
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    known_filters(&seen)?;
    Ok(seen)
}

fn known_filters(seen: &Seen) -> Result<(), Slip> {
    if seen.filters.len() > FILTERS_MAX {
        return Err(Slip::new(format!("more than {FILTERS_MAX} filters"), "split them by `assign`"));
    }
    for (name, _) in &seen.filters {
        match name.as_str() {
            "raw" => (),
            "escape" | "escape_once" | "h" => {
                let reason = format!("the filter `{name}` would escape twice");
                return Err(Slip::new(reason, "leave it out: every value is escaped for its place"));
            }
            name if filters::is_known(name) => (),
            name => {
                let remedy = match nearest(name, filters::names()) {
                    Some(near) => format!("perhaps `{near}` is meant"),
                    None => "docs/templates.md lists the filters".to_owned(),
                };
                return Err(Slip::new(format!("there is no filter `{name}`"), remedy));
            }
        }
    }
    Ok(())
}

/// How many bytes a quoted text takes, its quotes included.
fn quoted(rest: &str, quote: char) -> Result<usize, Slip> {
    let inner = rest.get(1..).unwrap_or_default();
    let end = inner.find(quote).ok_or_else(|| Slip::new("a quote is not closed", "close it"))?;
    Ok(end + 2)
}

fn digits(rest: &str) -> Result<usize, Slip> {
    let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    if end > DIGITS_MAX {
        let reason = format!("a number of more than {DIGITS_MAX} digits");
        return Err(Slip::new(reason, "write it in quotes if it is no quantity"));
    }
    Ok(end)
}

/// `profile.address.city`, as far as it goes; a range's two dots end it.
fn path(rest: &str) -> &str {
    let mut end = 0;
    loop {
        let from = if end == 0 { 0 } else { end + 1 };
        let word = rest.get(from..).unwrap_or_default();
        let length = word.find(|char| !is_word(char)).unwrap_or(word.len());
        if length == 0 {
            break;
        }
        end = from + length;
        if !rest.get(end..).is_some_and(|rest| rest.starts_with('.')) {
            break;
        }
    }
    rest.get(..end).unwrap_or_default()
}

/// Words that are values and operators, not variables.
fn is_literal(word: &str) -> bool {
    const LITERALS: [&str; 15] = [
        "nil", "null", "empty", "blank", "true", "false", "and", "or", "contains", "in", "reversed", "limit",
        "offset", "with", "as",
    ];
    LITERALS.contains(&word)
}

/// Whether the grammar takes `name` for a literal and what follows it: it reads `nil` in `nilly`.
pub(crate) fn begins_as_literal(name: &str) -> bool {
    ["nil", "null", "empty", "blank", "true", "false"].iter().any(|literal| name.starts_with(literal))
}

/// The tag that the parser makes of `text`, if it takes all of it.
pub(crate) fn tag(text: &str) -> Result<Tag<'_>, Slip> {
    match Tag::new(text) {
        Ok(tag) if tag.as_str().len() == text.len() => Ok(tag),
        Ok(_) | Err(_) => Err(not_understood()),
    }
}

/// A value and its filters.
pub(crate) fn chain(text: &str, language: &Language) -> Result<FilterChain, Slip> {
    let wrapped = wrapped(text);
    let mut tag = tag(&wrapped)?;
    let token = tag.tokens().next().ok_or_else(|| Slip::new("nothing stands here", "name a value"))?;
    let chain = token.expect_filter_chain(language).into_result().map_err(|_| arguments(text))?;
    ends(&mut tag)?;
    Ok(chain)
}

/// `(1..5)`, or nothing if it is something else.
pub(crate) fn range(text: &str) -> Option<(Expression, Expression)> {
    let wrapped = wrapped(text);
    let mut tag = tag(&wrapped).ok()?;
    let range = tag.tokens().next()?.expect_range().into_result().ok()?;
    ends(&mut tag).ok()?;
    Some(range)
}

fn wrapped(text: &str) -> String {
    format!("{{% x {text} %}}")
}

fn ends(tag: &mut Tag<'_>) -> Result<(), Slip> {
    match tag.tokens().next() {
        None => Ok(()),
        Some(token) => {
            let reason = format!("`{}` is one too many", token.as_str());
            Err(Slip::new(reason, "leave it out, or write a filter's arguments after a colon"))
        }
    }
}

fn not_understood() -> Slip {
    Slip::new("this cannot be understood", "write a variable or a quoted text, and filters after `|`")
}

/// The parser tells no more than that it failed: with filters it is nearly always their arguments.
fn arguments(text: &str) -> Slip {
    match look(text)
        .ok()
        .and_then(|seen| seen.filters.into_iter().find_map(|(name, _)| filters::usage(&name)))
    {
        Some(usage) => Slip::new("a filter has too few or too many arguments", usage),
        None => not_understood(),
    }
}

/// The one of `names` that `name` was probably meant to be.
pub(crate) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    names
        .into_iter()
        .map(|known| (strsim::osa_distance(name, known), known))
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
