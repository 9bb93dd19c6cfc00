//! Takes a source apart into texts, `{{ outputs }}` and `{% tags %}`.
//!
//! Nothing but this reads braces: the parser of `liquid-core` sees one expression at a time, whose
//! size is bounded, and never the text between them.

use crate::limits::{PIECE_MAX, PIECES_MAX, SOURCE_MAX};
use crate::place::{Slip, Spot};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) spot: Spot,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Text(String),
    Output(String),
    Tag { name: String, rest: String },
}

/// The pieces of a source, in order, with whitespace control carried out.
pub(crate) fn scan(source: &str) -> Result<Vec<Piece>, (Spot, Slip)> {
    if source.len() > SOURCE_MAX {
        let reason = format!("{} bytes are more than {SOURCE_MAX}", source.len());
        return Err((Spot::START, Slip::new(reason, "shorten it, or move parts into snippets")));
    }
    let mut scanner = Scanner { rest: source, spot: Spot::START, pieces: Vec::new(), trim: false };
    while !scanner.rest.is_empty() {
        scanner.step()?;
        if scanner.pieces.len() > PIECES_MAX {
            let reason = format!("more than {PIECES_MAX} pieces of text, values and tags");
            return Err((scanner.spot, Slip::new(reason, "split the template")));
        }
    }
    Ok(scanner.pieces)
}

struct Scanner<'s> {
    rest: &'s str,
    spot: Spot,
    pieces: Vec<Piece>,
    /// The piece before ended with `-}}`: whitespace that follows is dropped.
    trim: bool,
}

/// What stands between two braces.
struct Inner<'s> {
    text: &'s str,
    spot: Spot,
    trims_after: bool,
}

impl<'s> Scanner<'s> {
    fn step(&mut self) -> Result<(), (Spot, Slip)> {
        let begin = [self.rest.find("{{"), self.rest.find("{%")].into_iter().flatten().min();
        match begin {
            None => self.text_up_to(self.rest.len()),
            Some(0) if self.rest.starts_with("{{") => {
                let inner = self.inner("}}")?;
                self.trim = inner.trims_after;
                self.pieces.push(Piece { spot: inner.spot, what: What::Output(inner.text.to_owned()) });
            }
            Some(0) => self.tag()?,
            Some(begin) => self.text_up_to(begin),
        }
        Ok(())
    }

    fn tag(&mut self) -> Result<(), (Spot, Slip)> {
        let inner = self.inner("%}")?;
        self.trim = inner.trims_after;
        let end = inner.text.find(|char: char| !is_word(char)).unwrap_or(inner.text.len());
        let (name, rest) = inner.text.split_at(end);
        match name {
            "raw" | "comment" => self.verbatim(name, inner.spot),
            _ => {
                let what = What::Tag { name: name.to_owned(), rest: rest.trim().to_owned() };
                self.pieces.push(Piece { spot: inner.spot, what });
                Ok(())
            }
        }
    }

    /// `raw` is text as it stands; a `comment` is nothing.
    fn verbatim(&mut self, name: &str, opened: Spot) -> Result<(), (Spot, Slip)> {
        let mut from = 0;
        while let Some(found) = self.rest.get(from..).and_then(|rest| rest.find("{%")) {
            let begin = from + found;
            if let Some((closing, trims_before, trims_after)) = closes(self.rest.get(begin..), name) {
                if name == "raw" {
                    self.text_up_to(begin);
                    if trims_before {
                        self.trim_last_text();
                    }
                } else {
                    self.advance(begin);
                }
                self.advance(closing);
                self.trim = trims_after;
                return Ok(());
            }
            from = begin + 2;
        }
        let reason = format!("`{name}` is not closed");
        Err((opened, Slip::new(reason, format!("add `{{% end{name} %}}`"))))
    }

    /// What stands up to `close`, which does not count within quotes.
    fn inner(&mut self, close: &str) -> Result<Inner<'s>, (Spot, Slip)> {
        let spot = self.spot;
        let body = self.rest.get(2..).unwrap_or_default();
        let Some(length) = end_of(body, close) else {
            let reason = format!("`{}` is not closed", if close == "}}" { "{{" } else { "{%" });
            return Err((spot, Slip::new(reason, format!("add `{close}`, and close every quote before it"))));
        };
        let text = body.get(..length).unwrap_or_default();
        if text.len() > PIECE_MAX {
            let reason = format!("{} bytes between braces are more than {PIECE_MAX}", text.len());
            return Err((spot, Slip::new(reason, "split it by `assign`")));
        }
        self.advance(2 + length + close.len());
        let (text, trims_before) = text.strip_prefix('-').map_or((text, false), |text| (text, true));
        let (text, trims_after) = text.strip_suffix('-').map_or((text, false), |text| (text, true));
        if trims_before {
            self.trim_last_text();
        }
        Ok(Inner { text: text.trim(), spot, trims_after })
    }

    fn text_up_to(&mut self, length: usize) {
        let text = self.rest.get(..length).unwrap_or_default();
        let spot = self.spot;
        self.advance(length);
        let kept = if self.trim { text.trim_start() } else { text };
        if !kept.is_empty() {
            self.pieces.push(Piece { spot, what: What::Text(kept.to_owned()) });
        }
        self.trim = false;
    }

    fn trim_last_text(&mut self) {
        if let Some(Piece { what: What::Text(text), .. }) = self.pieces.last_mut() {
            text.truncate(text.trim_end().len());
        }
    }

    fn advance(&mut self, length: usize) {
        let (passed, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.spot = self.spot.after(passed);
        self.rest = rest;
    }
}

/// How many bytes stand before `close`, if it comes.
fn end_of(body: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    for (at, char) in body.char_indices() {
        match (quote, char) {
            (Some(open), _) if open == char => quote = None,
            (None, '"' | '\'') => quote = Some(char),
            (None, _) if body.get(at..).is_some_and(|rest| rest.starts_with(close)) => return Some(at),
            (Some(_) | None, _) => (),
        }
    }
    None
}

/// Whether `text` begins with the tag that ends `name`: its length, and what it trims.
fn closes(text: Option<&str>, name: &str) -> Option<(usize, bool, bool)> {
    let text = text?;
    let inner = text.strip_prefix("{%")?;
    let (inner, before) = inner.strip_prefix('-').map_or((inner, false), |inner| (inner, true));
    let inner = inner.trim_start().strip_prefix("end")?.strip_prefix(name)?.trim_start();
    let (inner, after) = inner.strip_prefix('-').map_or((inner, false), |inner| (inner, true));
    let rest = inner.strip_prefix("%}")?;
    Some((text.len() - rest.len(), before, after))
}

pub(crate) fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-')
}
