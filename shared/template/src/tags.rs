//! Reads what follows the name of a tag.

use liquid_core::parser::{FilterChain, Tag, TagToken};
use liquid_core::{Expression, Language};

use crate::place::Slip;
use crate::tree::{Comparison, Condition, Over, Test};
use crate::words::{self, begins_as_literal};

/// The conditions of `if`, `elsif` and `unless`.
pub(crate) fn condition(text: &str, negated: bool, language: &Language) -> Result<Condition, Slip> {
    let wrapped = format!("{{% x {text} %}}");
    let mut tag = words::tag(&wrapped)?;
    let mut any = vec![Vec::new()];
    loop {
        let left = next_chain(&mut tag, language)?;
        let mut joins = tag.tokens().next();
        let how = joins.as_ref().and_then(|token| Comparison::read(token.as_str()));
        let test = match how {
            None => Test::Holds(left),
            Some(how) => {
                let right = expected(&mut tag)?;
                let with_nothing = is_nothing(&left.to_string()) || is_nothing(right.as_str());
                let right = chain_of(&right, language)?;
                joins = tag.tokens().next();
                Test::Compares { left, how, right, with_nothing }
            }
        };
        if let Some(group) = any.last_mut() {
            group.push(test);
        }
        match joins.as_ref().map(TagToken::as_str) {
            None => return Ok(Condition { negated, any }),
            Some("and") => (),
            Some("or") => any.push(Vec::new()),
            Some(other) => {
                return Err(Slip::new(
                    format!("`{other}` joins no conditions"),
                    "write `and`, `or`, or one of == != < <= > >= contains",
                ));
            }
        }
    }
}

/// A missing value may be compared with these: that is what they are for.
fn is_nothing(text: &str) -> bool {
    matches!(text.trim().trim_end_matches(" |").trim(), "nil" | "null" | "empty" | "blank")
}

/// The values after `when`, each to be compared with `subject`.
pub(crate) fn when(subject: &str, text: &str, language: &Language) -> Result<Condition, Slip> {
    let wrapped = format!("{{% x {text} %}}");
    let mut tag = words::tag(&wrapped)?;
    let mut any = Vec::new();
    loop {
        let right = next_chain(&mut tag, language)?;
        let left = words::chain(subject, language)?;
        any.push(vec![Test::Compares { left, how: Comparison::Same, right, with_nothing: false }]);
        match tag.tokens().next().as_ref().map(TagToken::as_str) {
            None => return Ok(Condition { negated: false, any }),
            Some("," | "or") => (),
            Some(other) => {
                return Err(Slip::new(format!("`{other}` after a value"), "part values by commas"));
            }
        }
    }
}

pub(crate) struct ForHead {
    pub(crate) name: String,
    pub(crate) over: Over,
    pub(crate) limit: Option<Expression>,
    pub(crate) offset: Option<Expression>,
    pub(crate) reversed: bool,
}

/// `item in event.items limit: 3 offset: 1 reversed`, or `i in (1..5)`.
pub(crate) fn for_head(text: &str, language: &Language) -> Result<ForHead, Slip> {
    let wrapped = format!("{{% x {text} %}}");
    let mut tag = words::tag(&wrapped)?;
    let name = name(&mut tag)?;
    if expected(&mut tag)?.as_str() != "in" {
        return Err(Slip::new("`in` is missing", "write `for item in event.items`"));
    }
    let over = expected(&mut tag)?;
    let over = match words::range(over.as_str()) {
        Some((from, to)) => Over::Range(from, to),
        None => Over::List(chain_of(&over, language)?),
    };
    let mut head = ForHead { name, over, limit: None, offset: None, reversed: false };
    while let Some(token) = tag.tokens().next() {
        match token.as_str() {
            "reversed" => head.reversed = true,
            "limit" => head.limit = Some(after_colon(&mut tag)?),
            "offset" => head.offset = Some(after_colon(&mut tag)?),
            other => {
                let reason = format!("`{other}` in `for`");
                return Err(Slip::new(reason, "only `limit: 3`, `offset: 1` and `reversed` may stand here"));
            }
        }
    }
    Ok(head)
}

/// `name = chain`.
pub(crate) fn assign(text: &str, language: &Language) -> Result<(String, FilterChain), Slip> {
    let wrapped = format!("{{% x {text} %}}");
    let mut tag = words::tag(&wrapped)?;
    let name = name(&mut tag)?;
    if expected(&mut tag)?.as_str() != "=" {
        return Err(Slip::new("`=` is missing", "write `assign name = value`"));
    }
    let chain = next_chain(&mut tag, language)?;
    nothing_more(&mut tag)?;
    Ok((name, chain))
}

pub(crate) fn only_name(text: &str) -> Result<String, Slip> {
    let wrapped = format!("{{% x {text} %}}");
    let mut tag = words::tag(&wrapped)?;
    let name = name(&mut tag)?;
    nothing_more(&mut tag)?;
    Ok(name)
}

/// `'footer', name: profile.name`.
pub(crate) fn render(text: &str) -> Result<(String, Vec<(String, Expression)>), Slip> {
    let wrapped = format!("{{% x {text} %}}");
    let mut tag = words::tag(&wrapped)?;
    let quoted = expected(&mut tag)?.as_str().to_owned();
    let unquoted = quoted.strip_prefix(['"', '\'']).and_then(|name| name.strip_suffix(['"', '\'']));
    let named = unquoted.ok_or_else(|| {
        Slip::new(
            "a snippet is named by no text in quotes",
            "write `render 'footer'`: no value may choose it",
        )
    })?;
    let mut given = Vec::new();
    while let Some(token) = tag.tokens().next() {
        if token.as_str() != "," {
            let reason = format!("`{}` after the snippet's name", token.as_str());
            return Err(Slip::new(reason, "write `render 'footer', name: value`"));
        }
        let name = name(&mut tag)?;
        given.push((name, after_colon(&mut tag)?));
    }
    Ok((named.to_owned(), given))
}

fn name(tag: &mut Tag<'_>) -> Result<String, Slip> {
    let token = expected(tag)?;
    let text = token.as_str().to_owned();
    let name = token.expect_identifier().into_result().map(ToOwned::to_owned);
    match name {
        Ok(name)
            if begins_as_literal(&name) || words::ROOTS.contains(&name.as_str()) || name == "forloop" =>
        {
            Err(Slip::new(format!("`{name}` cannot be a name here"), "choose another"))
        }
        Ok(name) => Ok(name),
        Err(_) if begins_as_literal(&text) => {
            Err(Slip::new(format!("a name here cannot begin with `{text}`"), "choose another"))
        }
        Err(_) => Err(Slip::new(format!("`{text}` is no name"), "use letters, digits and _")),
    }
}

fn after_colon(tag: &mut Tag<'_>) -> Result<Expression, Slip> {
    if expected(tag)?.as_str() != ":" {
        return Err(Slip::new("a colon is missing", "write `limit: 3`"));
    }
    let token = expected(tag)?;
    let text = token.as_str().to_owned();
    token
        .expect_value()
        .into_result()
        .map_err(|_| Slip::new(format!("`{text}` is no plain value"), "assign it first"))
}

fn next_chain(tag: &mut Tag<'_>, language: &Language) -> Result<FilterChain, Slip> {
    let token = expected(tag)?;
    chain_of(&token, language)
}

/// Read once more by itself, so that what is wrong with it is told.
fn chain_of(token: &TagToken<'_>, language: &Language) -> Result<FilterChain, Slip> {
    words::chain(token.as_str(), language)
}

fn expected<'t>(tag: &mut Tag<'t>) -> Result<TagToken<'t>, Slip> {
    tag.tokens().next().ok_or_else(|| Slip::new("the tag ends too early", "docs/templates.md shows it whole"))
}

fn nothing_more(tag: &mut Tag<'_>) -> Result<(), Slip> {
    match tag.tokens().next() {
        None => Ok(()),
        Some(token) => Err(Slip::new(format!("`{}` is one too many", token.as_str()), "leave it out")),
    }
}
