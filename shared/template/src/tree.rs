//! A part of a template, ready to be rendered.

use std::collections::BTreeSet;
use std::sync::Arc;

use liquid_core::Expression;
use liquid_core::parser::FilterChain;

use crate::context::Context;
use crate::place::Spot;

/// What one part, or one snippet, says.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) part: String,
    pub(crate) nodes: Vec<Node>,
    /// Which variables are printed, here or in snippets.
    pub(crate) prints: BTreeSet<String>,
    /// How many programs stand in each other, this one included.
    pub(crate) depth: usize,
}

#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Print(Print),
    If { arms: Vec<Arm>, otherwise: Vec<Node> },
    For(Box<For>),
    Assign { spot: Spot, name: String, chain: FilterChain },
    Capture { spot: Spot, name: String, body: Vec<Node> },
    Render { spot: Spot, given: Vec<(String, Expression)>, program: Arc<Program> },
    Break,
    Continue,
}

#[derive(Debug)]
pub(crate) struct Print {
    pub(crate) spot: Spot,
    pub(crate) chain: FilterChain,
    pub(crate) context: Context,
    pub(crate) duty: Option<Duty>,
}

/// What a promotional letter must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    Unsubscribe,
    Address,
}

impl Duty {
    pub(crate) const ALL: [Duty; 2] = [Duty::Unsubscribe, Duty::Address];

    pub(crate) fn variable(self) -> &'static str {
        match self {
            Duty::Unsubscribe => "links.unsubscribe",
            Duty::Address => "sender.postal_address",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) spot: Spot,
    pub(crate) condition: Condition,
    pub(crate) body: Vec<Node>,
}

/// Any of the groups has to hold as a whole: `a and b or c`.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) negated: bool,
    pub(crate) any: Vec<Vec<Test>>,
}

#[derive(Debug)]
pub(crate) enum Test {
    Holds(FilterChain),
    Compares { left: FilterChain, how: Comparison, right: FilterChain, with_nothing: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Same,
    Other,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
}

impl Comparison {
    pub(crate) fn read(word: &str) -> Option<Self> {
        Some(match word {
            "==" => Comparison::Same,
            "!=" | "<>" => Comparison::Other,
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            ">" => Comparison::More,
            ">=" => Comparison::AtLeast,
            "contains" => Comparison::Contains,
            _ => return None,
        })
    }
}

#[derive(Debug)]
pub(crate) struct For {
    pub(crate) spot: Spot,
    pub(crate) name: String,
    pub(crate) over: Over,
    pub(crate) limit: Option<Expression>,
    pub(crate) offset: Option<Expression>,
    pub(crate) reversed: bool,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

#[derive(Debug)]
pub(crate) enum Over {
    List(FilterChain),
    Range(Expression, Expression),
}
