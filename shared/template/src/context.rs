//! Where in HTML a value stands, which decides how it is escaped.
//!
//! A state machine over the text between values. It knows what browsers know of tags, attributes,
//! comments and raw text (WHATWG's tokenizer without its error tokens), and reads the content of
//! conditional comments as HTML, as Outlook does: what is escaped for that is safe in a comment.

use crate::place::Slip;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// As it is: plain text, or HTML that somebody answers for by `| raw`.
    Plain,
    /// HTML text, or a quoted attribute.
    Html,
    /// A part of an address.
    Component,
    /// The whole address of a link.
    Link,
    /// The whole address of a picture.
    Source,
    /// A value within a style.
    Style,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// No HTML at all.
    Plain,
    Text,
    /// After `<`.
    Open,
    TagName {
        name: String,
        closing: bool,
    },
    /// Between attributes.
    Tag {
        name: String,
    },
    /// After a branch that may or may not have written attributes: a name must not go on.
    Gap {
        name: String,
        spaced: bool,
    },
    AttributeName {
        tag: String,
        name: String,
    },
    AfterName {
        tag: String,
        name: String,
    },
    /// After `=`.
    BeforeValue {
        tag: String,
        name: String,
    },
    Unquoted {
        tag: String,
    },
    Value {
        tag: String,
        quote: char,
        kind: Attribute,
    },
    /// After `<!`, with the beginning of what follows.
    Bang {
        begin: String,
    },
    /// In a comment, with the end of what was read.
    Comment {
        tail: String,
    },
    /// In an element whose content is no HTML, with the end of what was read.
    Raw {
        name: String,
        tail: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attribute {
    Words,
    Style,
    /// An address, with its beginning.
    Address {
        picture: bool,
        begin: String,
    },
    /// An address that one value gave whole: nothing may follow.
    Given,
    /// Nothing that data may reach: a script, a list of addresses.
    Closed,
}

/// Elements whose content browsers do not read as HTML.
const RAW: [&str; 8] = ["script", "style", "iframe", "xmp", "noembed", "noframes", "plaintext", "noscript"];
/// Elements whose content is text with entities.
const TEXT_ONLY: [&str; 2] = ["title", "textarea"];
const ADDRESSES: [&str; 12] = [
    "href",
    "src",
    "action",
    "formaction",
    "background",
    "cite",
    "poster",
    "data",
    "longdesc",
    "lowsrc",
    "dynsrc",
    "xlink:href",
];
const PICTURES: [&str; 5] = ["src", "background", "poster", "lowsrc", "dynsrc"];
const CLOSED: [&str; 5] = ["srcset", "srcdoc", "imagesrcset", "ping", "http-equiv"];
/// How a comment begins that Outlook reads as HTML, from its `!` on.
const CONDITIONAL: &str = "!--[if";
/// As much of an address as shows its scheme.
const PREFIX_MAX: usize = 10;

impl State {
    /// Reads on.
    pub(crate) fn feed(&mut self, text: &str) -> Result<(), Slip> {
        if *self == State::Plain {
            return Ok(());
        }
        text.chars().try_for_each(|char| {
            let next = std::mem::replace(self, State::Text).after(char)?;
            *self = next;
            Ok(())
        })
    }

    fn after(self, char: char) -> Result<State, Slip> {
        Ok(match self {
            State::Plain => State::Plain,
            State::Text if char == '<' => State::Open,
            State::Text => State::Text,
            State::Open => match char {
                '!' | '?' => State::Bang { begin: if char == '?' { "?".to_owned() } else { String::new() } },
                '/' => State::TagName { name: String::new(), closing: true },
                '<' => State::Open,
                _ if char.is_ascii_alphabetic() => {
                    State::TagName { name: char.to_ascii_lowercase().to_string(), closing: false }
                }
                _ => State::Text,
            },
            State::TagName { name, .. }
                if matches!(name.as_str(), "svg" | "math") && !char.is_ascii_alphanumeric() =>
            {
                // Other rules hold in them, and hardly a mail client shows them.
                return Err(Slip::new(format!("<{name}> in a letter"), "take in a picture by <img>"));
            }
            State::TagName { .. } => self.in_tag_name(char),
            State::Bang { .. } | State::Comment { .. } | State::Raw { .. } => self.in_no_element(char),
            State::Value { tag, quote, kind } => {
                if char == quote {
                    State::Tag { name: tag }
                } else {
                    State::Value { tag, quote, kind: kind.after(char)? }
                }
            }
            State::Gap { name, spaced } => match char {
                '>' => opened(&name),
                '/' => State::Tag { name },
                _ if is_space(char) => State::Gap { name, spaced: true },
                _ if spaced && char != '=' => {
                    State::AttributeName { tag: name, name: char.to_ascii_lowercase().to_string() }
                }
                _ => return Err(uneven()),
            },
            _ => self.in_tag(char),
        })
    }

    /// The tag whose attributes may begin or go on here.
    fn between_attributes(&self) -> Option<&str> {
        match self {
            State::TagName { name, closing: false } | State::Tag { name } | State::Gap { name, .. } => {
                Some(name)
            }
            State::AttributeName { tag, .. } | State::AfterName { tag, .. } => Some(tag),
            _ => None,
        }
    }

    fn in_tag_name(self, char: char) -> State {
        let State::TagName { mut name, closing } = self else { return self };
        match char {
            '>' if closing && name.is_empty() => State::Text,
            // `</1` is a comment up to `>`, as browsers have it.
            _ if closing && name.is_empty() && !char.is_ascii_alphabetic() => {
                State::Bang { begin: "?".to_owned() }
            }
            '>' if closing => State::Text,
            '>' => opened(&name),
            '/' | ' ' | '\t' | '\n' | '\r' | '\x0c' => {
                // The attributes of a closing tag mean nothing, but they end as those of others.
                State::Tag { name: if closing { format!("/{name}") } else { name } }
            }
            _ => {
                name.push(char.to_ascii_lowercase());
                State::TagName { name, closing }
            }
        }
    }

    fn in_tag(self, char: char) -> State {
        let space = is_space(char);
        match self {
            State::Tag { name } | State::Unquoted { tag: name } if char == '>' => opened(&name),
            State::Unquoted { tag } if space => State::Tag { name: tag },
            State::Tag { name } if space || char == '/' => State::Tag { name },
            State::Tag { name } => {
                State::AttributeName { tag: name, name: char.to_ascii_lowercase().to_string() }
            }
            State::AttributeName { tag, name } | State::AfterName { tag, name } if char == '=' => {
                State::BeforeValue { tag, name }
            }
            State::AttributeName { tag, .. }
            | State::AfterName { tag, .. }
            | State::BeforeValue { tag, .. }
                if char == '>' =>
            {
                opened(&tag)
            }
            State::AttributeName { tag, .. } | State::AfterName { tag, .. } if char == '/' => {
                State::Tag { name: tag }
            }
            State::AttributeName { tag, name } | State::AfterName { tag, name } if space => {
                State::AfterName { tag, name }
            }
            State::AttributeName { tag, mut name } => {
                name.push(char.to_ascii_lowercase());
                State::AttributeName { tag, name }
            }
            State::AfterName { tag, .. } => {
                State::AttributeName { tag, name: char.to_ascii_lowercase().to_string() }
            }
            State::BeforeValue { tag, name } if space => State::BeforeValue { tag, name },
            State::BeforeValue { tag, name } if matches!(char, '"' | '\'') => {
                let kind = Attribute::of(&tag, &name);
                State::Value { tag, quote: char, kind }
            }
            State::BeforeValue { tag, .. } | State::Unquoted { tag } => State::Unquoted { tag },
            other => other,
        }
    }

    fn in_no_element(self, char: char) -> State {
        match self {
            State::Bang { .. } if char == '>' => State::Text,
            State::Bang { mut begin } => {
                if begin.len() < 2 {
                    begin.push(char);
                }
                match begin.as_str() {
                    "--" => State::Comment { tail: "!--".to_owned() },
                    _ => State::Bang { begin },
                }
            }
            State::Comment { tail } => in_comment(tail, char),
            State::Raw { name, tail } => in_raw(name, tail, char),
            other => other,
        }
    }

    /// How a value is to be written that stands here, or why none may.
    pub(crate) fn output(&mut self) -> Result<Context, Slip> {
        let quotes = "put the attribute's value into quotes";
        match self {
            State::Plain => Ok(Context::Plain),
            State::Text | State::Comment { .. } => Ok(Context::Html),
            State::Raw { name, .. } if TEXT_ONLY.contains(&name.as_str()) => Ok(Context::Html),
            State::Raw { name, .. } => Err(Slip::new(
                format!("a value in <{name}>, where nothing can be escaped"),
                "take it out of there",
            )),
            State::Unquoted { .. } | State::BeforeValue { .. } => {
                Err(Slip::new("a value in an attribute without quotes", quotes))
            }
            State::Value { kind, .. } => kind.output(),
            State::Open
            | State::TagName { .. }
            | State::Tag { .. }
            | State::Gap { .. }
            | State::Bang { .. } => {
                Err(Slip::new("a value among the names of a tag", "write names out, and values in quotes"))
            }
            State::AttributeName { .. } | State::AfterName { .. } => {
                Err(Slip::new("a value in the name of an attribute", "write names out, and values in quotes"))
            }
        }
    }

    /// Where one is after two branches, if they end alike.
    pub(crate) fn joined(self, other: State) -> Result<State, Slip> {
        match (self, other) {
            (a, b) if a == b => Ok(a),
            (
                State::Value { tag, quote, kind },
                State::Value { tag: other_tag, quote: other_quote, kind: other },
            ) if tag == other_tag && quote == other_quote => {
                Ok(State::Value { tag, quote, kind: kind.joined(other)? })
            }
            // What was read of a comment's end is the same only if it is nothing.
            (State::Comment { tail: a }, State::Comment { tail: b })
                if !begins_end(&a) && !begins_end(&b) =>
            {
                Ok(State::Comment { tail: String::new() })
            }
            (a, b) => match (a.between_attributes(), b.between_attributes()) {
                (Some(name), Some(other)) if name == other => {
                    Ok(State::Gap { name: name.to_owned(), spaced: false })
                }
                _ => Err(uneven()),
            },
        }
    }
}

fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

fn uneven() -> Slip {
    Slip::new(
        "a branch or a loop begins and ends in different places of the HTML",
        "let each hold whole elements, or stand within one attribute's quotes",
    )
}

/// After the `>` of an opening tag.
fn opened(name: &str) -> State {
    if RAW.contains(&name) || TEXT_ONLY.contains(&name) {
        State::Raw { name: name.to_owned(), tail: String::new() }
    } else {
        State::Text
    }
}

/// A comment ends with `-->` or `--!>`, and at once with `<!-->` and `<!--->`.
fn in_comment(mut tail: String, char: char) -> State {
    let ends = tail.ends_with("--") || tail.ends_with("--!") && tail != "!--!";
    // What Outlook reads as HTML begins with `<!--[if ..]>`.
    let conditional = tail.starts_with(CONDITIONAL) && tail.ends_with(']');
    if char == '>' && (ends || conditional) {
        return State::Text;
    }
    tail.push(char);
    if tail.starts_with(CONDITIONAL) && tail.len() < 128 || CONDITIONAL.starts_with(&tail) {
        return State::Comment { tail };
    }
    let from = tail.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    State::Comment { tail: tail.split_off(from) }
}

/// Whether a comment's last letters may belong to what ends it.
fn begins_end(tail: &str) -> bool {
    tail.ends_with(['-', '!']) || tail.starts_with(CONDITIONAL) || CONDITIONAL.starts_with(tail)
}

fn in_raw(name: String, mut tail: String, char: char) -> State {
    let char = char.to_ascii_lowercase();
    if matches!(char, '>' | '/' | ' ' | '\t' | '\n' | '\r' | '\x0c') && tail.strip_prefix("</") == Some(&name)
    {
        return if char == '>' { State::Text } else { State::Tag { name: format!("/{name}") } };
    }
    if char == '<' {
        tail.clear();
    }
    if char == '<' || !tail.is_empty() && tail.len() < name.len() + 2 {
        tail.push(char);
    } else {
        tail.clear();
    }
    State::Raw { name, tail }
}

impl Attribute {
    fn of(tag: &str, name: &str) -> Self {
        if tag == "meta" || tag == "base" || name.starts_with("on") || CLOSED.contains(&name) {
            return Attribute::Closed;
        }
        match name {
            "style" => Attribute::Style,
            _ if ADDRESSES.contains(&name) => {
                Attribute::Address { picture: PICTURES.contains(&name), begin: String::new() }
            }
            _ => Attribute::Words,
        }
    }

    fn after(self, char: char) -> Result<Self, Slip> {
        match self {
            Attribute::Address { picture, mut begin } => {
                if begin.len() < PREFIX_MAX && !(begin.is_empty() && char.is_whitespace()) {
                    begin.push(char.to_ascii_lowercase());
                }
                Ok(Attribute::Address { picture, begin })
            }
            Attribute::Given if !char.is_whitespace() => Err(whole_or_part()),
            other => Ok(other),
        }
    }

    fn output(&mut self) -> Result<Context, Slip> {
        match self {
            Attribute::Words => Ok(Context::Html),
            Attribute::Style => Ok(Context::Style),
            Attribute::Closed => Err(Slip::new(
                "a value in an attribute that data must not reach",
                "write it out, or leave it out",
            )),
            Attribute::Given => Err(whole_or_part()),
            Attribute::Address { picture, begin } if begin.is_empty() => {
                let context = if *picture { Context::Source } else { Context::Link };
                *self = Attribute::Given;
                Ok(context)
            }
            Attribute::Address { begin, .. } if is_scheme(begin) => Ok(Context::Component),
            Attribute::Address { .. } => Err(Slip::new(
                "a value in an address that does not begin with http://, https://, mailto: or tel:",
                "write the address out from its beginning",
            )),
        }
    }

    fn joined(self, other: Self) -> Result<Self, Slip> {
        match (self, other) {
            (a, b) if a == b => Ok(a),
            (Attribute::Given, Attribute::Address { .. }) | (Attribute::Address { .. }, Attribute::Given) => {
                Ok(Attribute::Given)
            }
            (Attribute::Address { picture, begin: a }, Attribute::Address { begin: b, .. }) => {
                // What is worse of the two: nothing may follow what is no scheme yet.
                let begin = if is_scheme(&a) { b } else { a };
                let begin = if begin.is_empty() { "?".to_owned() } else { begin };
                Ok(Attribute::Address { picture, begin })
            }
            _ => Err(uneven()),
        }
    }
}

fn is_scheme(begin: &str) -> bool {
    ["http://", "https://", "mailto:", "tel:"].iter().any(|scheme| begin.starts_with(scheme))
}

fn whole_or_part() -> Slip {
    Slip::new(
        "an address that begins with a value and goes on",
        "give the whole address in one value, or write its beginning out: https://shop.example/{{ .. }}",
    )
}
