//! Why somebody is in a segment or not: each condition with its answer, what it
//! was given on, and until when it stands.

use serde_json::{Value, json};

use super::compiled::{Node, Picked, Rule};
use super::definition::Fact;
use super::feature::Feature;
use super::value::Scalar;
use super::verdict::{Person, Truth, Verdict};
use crate::time::Timestamp;

/// Events that an explanation names; the rest is counted.
const SHOWN_MAX: usize = 5;

/// One condition's answer, and those of its parts.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The condition as its author wrote it.
    pub said: String,
    pub verdict: Verdict,
    /// What the answer was given on.
    pub data: Option<Value>,
    pub parts: Vec<Explained>,
}

impl Truth {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "holds",
            Self::No => "fails",
            Self::Unknown => "unknown",
        }
    }
}

impl Explained {
    pub fn json(&self) -> Value {
        let said: Value =
            serde_json::from_str(&self.said).unwrap_or_else(|_| Value::String(self.said.clone()));
        json!({
            "condition": said,
            "answer": self.verdict.truth.name(),
            "until": self.verdict.until.map(Timestamp::rfc3339),
            "data": self.data,
            "parts": self.parts.iter().map(Self::json).collect::<Vec<_>>(),
        })
    }
}

impl Person<'_> {
    /// A rule's verdict with its reasons.
    pub fn explain(&self, rule: &Rule) -> Explained {
        let parts = match &rule.node {
            Node::All(rules) | Node::Any(rules) => rules.iter().map(|rule| self.explain(rule)).collect(),
            Node::Not(rule) => vec![self.explain(rule)],
            Node::Score { parts, .. } => parts.iter().map(|(rule, _)| self.explain(rule)).collect(),
            Node::Segment { id, .. } => self.rule_of(id).into_iter().map(|rule| self.explain(rule)).collect(),
            _ => Vec::new(),
        };
        Explained { said: rule.said.clone(), verdict: self.verdict(rule), data: self.data(&rule.node), parts }
    }

    fn data(&self, node: &Node) -> Option<Value> {
        Some(match node {
            Node::Trait { path, .. } => json!({ "value": *self.find(path) }),
            Node::Fact { fact, .. } => {
                let (first, last) = self.seen();
                let at = if *fact == Fact::FirstSeen { first } else { last };
                json!({ "value": at.map(Timestamp::rfc3339) })
            }
            Node::HeldFor { feature, .. } => json!({ "changes": self.feature(*feature).map(points) }),
            Node::Totals { feature, .. } => totals(self.feature(*feature)?),
            Node::Points { points, .. } | Node::Regular { points, .. } | Node::Returned { points, .. } => {
                self.picked(points)
            }
            Node::Sequence { steps, .. } => {
                json!({ "steps": steps.iter().map(|step| self.picked(step)).collect::<Vec<_>>() })
            }
            Node::Absence { after, of, .. } => json!({ "after": self.picked(after), "of": self.picked(of) }),
            Node::Bucket { salt, .. } => {
                json!({ "lot": self.bucket(salt).map(|lot| Scalar::Number(lot).json()) })
            }
            Node::Identifier { kind } => json!({ "kinds": self.kinds(), "wanted": kind }),
            _ => return None,
        })
    }

    fn picked(&self, picked: &Picked) -> Value {
        json!({ "events": self.feature(picked.feature).map(points) })
    }
}

/// The newest points, and how many there are.
fn points(feature: &Feature) -> Value {
    let newest = feature.points.iter().rev().take(SHOWN_MAX).map(|point| {
        let values: Vec<Value> =
            point.values.iter().map(|value| value.as_ref().map_or(Value::Null, Scalar::json)).collect();
        json!({ "at": point.at.rfc3339(), "values": values })
    });
    json!({
        "kept": feature.points.len(),
        "newest": newest.collect::<Vec<_>>(),
        "older_let_go": feature.floor.map(Timestamp::rfc3339),
    })
}

fn totals(feature: &Feature) -> Value {
    if feature.floor.is_some() {
        return json!({ "let_go": true });
    }
    let Some(totals) = &feature.totals else { return json!({ "count": 0 }) };
    json!({
        "count": totals.count,
        "numbers": totals.numbers,
        "sum": Scalar::Number(totals.sum).json(),
        "least": totals.least.map(|least| Scalar::Number(least).json()),
        "most": totals.most.map(|most| Scalar::Number(most).json()),
        "first": totals.first.as_ref().map(|(_, _, value)| value.json()),
        "last": totals.last.as_ref().map(|(_, _, value)| value.json()),
        "values": totals.values.len(),
    })
}
