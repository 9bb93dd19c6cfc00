//! Makes HTML of MJML, with Liquid left in its places.
//!
//! `mrml` knows no Liquid: while it works a word of its own stands for each `{{ .. }}` and `{% .. %}`.
//! So MJML is read once, when a template is compiled, and no value of a person ever passes through it.

use mrml::prelude::parser::{Error, ParserOptions};
use mrml::prelude::render::RenderOptions;

use crate::limits::{COMPILED_MAX, MJML_DEPTH_MAX};
use crate::place::{Slip, Spot};
use crate::scan::{Piece, What};

/// Elements between whose children Liquid may stand by itself, which MJML would not take there.
const HOLDERS: [&str; 8] =
    ["mj-body", "mj-wrapper", "mj-section", "mj-column", "mj-group", "mj-hero", "mj-navbar", "mj-social"];
const REMEDY: &str = "close every element, and put every attribute into quotes";
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// The pieces of the HTML that the pieces of MJML become.
pub(crate) fn compiled(language: &str, source: &str, pieces: &[Piece]) -> Result<Vec<Piece>, (Spot, Slip)> {
    let word = word_not_in(source);
    let (mjml, begins) = with_words(pieces, &word);
    shallow(&mjml).map_err(|slip| (Spot::START, slip))?;
    let parsed = mrml::parse_with_options(&mjml, &ParserOptions::default()).map_err(|error| {
        let (at, reason) = told(&error);
        (spot(at, pieces, &begins), Slip::new(format!("this is no MJML: {reason}"), REMEDY))
    })?;
    let mut document = parsed.element;
    // Screen readers ask it how to speak.
    document.attributes.lang.get_or_insert_with(|| language.to_owned());
    let options = RenderOptions { disable_comments: true, ..RenderOptions::default() };
    let html = document.render(&options).map_err(|error| {
        (Spot::START, Slip::new(format!("MJML cannot be rendered: {error}"), "see its reference"))
    })?;
    if html.len() > COMPILED_MAX {
        let reason = format!("{} bytes of HTML are more than {COMPILED_MAX}", html.len());
        return Err((Spot::START, Slip::new(reason, "shorten it")));
    }
    split(&html, &word, pieces)
}

fn word_not_in(source: &str) -> String {
    let words = (0..).map(|number| format!("liquid{number}x"));
    words.into_iter().find(|word| !source.contains(word.as_str())).unwrap_or_default()
}

/// What `mrml` says, and where in its input, if it knows.
fn told(error: &Error) -> (usize, &'static str) {
    match error {
        Error::UnexpectedElement { position, .. } => (position.start, "this element may not stand here"),
        Error::UnexpectedToken { position, .. } => (position.start, "something else was expected here"),
        Error::MissingAttribute { position, .. } => (position.start, "the element lacks an attribute"),
        Error::InvalidAttribute { position, .. } => (position.start, "the attribute is wrong"),
        Error::InvalidFormat { position, .. } => (position.start, "the form is wrong"),
        Error::IncludeLoaderError { position, .. } => (position.start, "nothing is included: use a snippet"),
        Error::EndOfStream { .. } => (usize::MAX, "it ends too early"),
        Error::SizeLimit { .. } => (0, "it is too long"),
        Error::ParserError { .. } => (0, "its elements and attributes are not well formed"),
        Error::NoRootNode => (0, "there is no <mjml>"),
    }
}

/// Where in the source a byte of what `mrml` read stands.
fn spot(at: usize, pieces: &[Piece], begins: &[usize]) -> Spot {
    let found = begins.iter().zip(pieces).rfind(|(begin, _)| **begin <= at);
    match found {
        None => Spot::START,
        Some((begin, Piece { spot, what: What::Text(text) })) => {
            spot.after(text.get(..at - begin).unwrap_or(text))
        }
        Some((_, piece)) => piece.spot,
    }
}

/// The source with `word`, the piece's number and `x` for each piece of Liquid, and where pieces begin.
fn with_words(pieces: &[Piece], word: &str) -> (String, Vec<usize>) {
    let (mut mjml, mut begins, mut open) = (String::new(), Vec::new(), Vec::new());
    for (at, piece) in pieces.iter().enumerate() {
        begins.push(mjml.len());
        let within = open.last().is_some_and(|name: &String| HOLDERS.contains(&name.as_str()));
        let between = within && mjml.trim_end().ends_with('>');
        match &piece.what {
            What::Text(text) => {
                mjml.push_str(text);
                follow(text, &mut open);
            }
            What::Output(_) | What::Tag { .. } if between => {
                mjml.extend(["<mj-raw>", word, &at.to_string(), "x</mj-raw>"]);
            }
            What::Output(_) | What::Tag { .. } => mjml.extend([word, &at.to_string(), "x"]),
        }
    }
    (mjml, begins)
}

/// Which elements are open after `text`. What it takes wrongly `mrml` refuses.
fn follow(text: &str, open: &mut Vec<String>) {
    let mut rest = text;
    while let Some(begin) = rest.find('<') {
        rest = rest.get(begin + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").and_then(|end| comment.get(end..)).unwrap_or_default();
            continue;
        }
        let closing = rest.starts_with('/');
        let name = rest.trim_start_matches('/');
        let end = name.find(|char: char| !crate::scan::is_word(char)).unwrap_or(name.len());
        let name = name.get(..end).unwrap_or_default();
        let empty = rest.split('>').next().is_some_and(|tag| tag.ends_with('/'));
        match closing {
            true => {
                open.pop();
            }
            false if name.is_empty() || empty || VOID.contains(&name) => (),
            false => open.push(name.to_owned()),
        }
    }
}

fn shallow(mjml: &str) -> Result<(), Slip> {
    let (mut depth, mut rest) = (0_usize, mjml);
    while let Some(begin) = rest.find('<') {
        rest = rest.get(begin + 1..).unwrap_or_default();
        let end = rest.find(|char: char| !crate::scan::is_word(char)).unwrap_or(0);
        let name = rest.get(..end).unwrap_or_default();
        let empty = rest.split('>').next().is_some_and(|tag| tag.ends_with('/'));
        match rest.chars().next() {
            Some('/') => depth = depth.saturating_sub(1),
            Some('a'..='z' | 'A'..='Z') if !empty && !VOID.contains(&name) => depth += 1,
            _ => (),
        }
        if depth > MJML_DEPTH_MAX {
            let reason = format!("elements more than {MJML_DEPTH_MAX} deep in each other");
            return Err(Slip::new(reason, "close every element"));
        }
    }
    Ok(())
}

/// Takes the HTML apart at the words.
fn split(html: &str, word: &str, pieces: &[Piece]) -> Result<Vec<Piece>, (Spot, Slip)> {
    let mut made = Vec::new();
    let mut seen = vec![false; pieces.len()];
    for (at, chunk) in html.split(word).enumerate() {
        let mut text = chunk;
        if at > 0 {
            let (number, rest) = chunk.split_once('x').unwrap_or((chunk, ""));
            let number = number.parse::<usize>().ok();
            if let Some((piece, seen)) = number.and_then(|at| pieces.get(at).zip(seen.get_mut(at))) {
                made.push(piece.clone());
                *seen = true;
            }
            text = rest;
        }
        if !text.is_empty() {
            made.push(Piece { spot: Spot::START, what: What::Text(text.to_owned()) });
        }
    }
    // A tag that were lost would leave its end, or a condition, behind.
    let lost = pieces.iter().zip(&seen).find(|(piece, seen)| !**seen && !matches!(piece.what, What::Text(_)));
    match lost {
        None => Ok(made),
        Some((piece, _)) => {
            let slip = Slip::new(
                "MJML drops what stands here",
                "move it into an element that shows text, or into {% comment %}",
            );
            Err((piece.spot, slip))
        }
    }
}
