//! Writes a program for one person.

use liquid_core::model::KString;
use liquid_core::parser::FilterChain;
use liquid_core::{Expression, Object, Value, ValueCow, ValueView};

use crate::escape::escaped;
use crate::limits::VALUE_MAX;
use crate::meter::{self, Refusal, RenderError};
use crate::place::Spot;
use crate::scope::Scope;
use crate::tree::{Arm, Comparison, Condition, Duty, For, Node, Over, Print, Program, Test};
use crate::value::{self, Data};

/// How long a part may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) what: &'static str,
    pub(crate) max: usize,
    pub(crate) unit: Unit,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Characters,
}

/// What a rendering wrote, and which duties it fulfilled.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) fulfilled: Vec<Duty>,
}

pub(crate) fn render(program: &Program, data: &Data, bound: Bound) -> Result<Written, RenderError> {
    let scope = Scope::new(&data.object);
    let mut out = Out { text: String::new(), length: 0, bound, fulfilled: Vec::new() };
    Renderer { scope: &scope, part: &program.part }.all(&program.nodes, &mut out)?;
    Ok(Written { text: out.text, fulfilled: out.fulfilled })
}

struct Out {
    text: String,
    length: usize,
    bound: Bound,
    fulfilled: Vec<Duty>,
}

impl Out {
    fn push(&mut self, text: &str) -> Result<(), Refusal> {
        let Bound { what, max, unit } = self.bound;
        let (length, unit) = match unit {
            Unit::Bytes => (text.len(), "bytes"),
            Unit::Characters => (text.chars().count(), "characters"),
        };
        self.length = self.length.saturating_add(length);
        if self.length > max {
            return Err(Refusal::TooMuch { what, max, unit });
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// What a node leaves behind for those that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Renderer<'p, 'd> {
    scope: &'p Scope<'d>,
    part: &'p str,
}

impl<'p> Renderer<'p, '_> {
    fn all(&self, nodes: &'p [Node], out: &mut Out) -> Result<Flow, RenderError> {
        for node in nodes {
            match self.node(node, out)? {
                Flow::On => (),
                flow => return Ok(flow),
            }
        }
        Ok(Flow::On)
    }

    fn node(&self, node: &'p Node, out: &mut Out) -> Result<Flow, RenderError> {
        match node {
            Node::Text(text) => self.at(Spot::START, self.write(text, out))?,
            Node::Print(print) => self.at(print.spot, self.print(print, out))?,
            Node::Assign { spot, name, chain } => {
                let value = self.at(*spot, self.kept(chain))?;
                self.scope.assign(name, value);
            }
            Node::Capture { spot, name, body } => return self.capture(*spot, name, body, out),
            Node::Render { spot, given, program } => {
                let given = self.at(*spot, self.given(given))?;
                self.scope.enter(given);
                let rendered = Renderer { scope: self.scope, part: &program.part }.all(&program.nodes, out);
                self.scope.leave();
                rendered?;
            }
            Node::If { arms, otherwise } => return self.branch(arms, otherwise, out),
            Node::For(each) => return self.each(each, out),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn at<T>(&self, spot: Spot, done: Result<T, Refusal>) -> Result<T, RenderError> {
        done.map_err(|refusal| RenderError { place: spot.of(self.part), refusal })
    }

    fn write(&self, text: &str, out: &mut Out) -> Result<(), Refusal> {
        meter::with(self.scope, |meter| meter.charge(text.len()))?;
        out.push(text)
    }

    fn print(&self, print: &Print, out: &mut Out) -> Result<(), Refusal> {
        let value = self.evaluate(&print.chain)?;
        let text = escaped(&value::text(value.as_view())?, print.context)?;
        self.write(&text, out)?;
        if let Some(duty) = print.duty.filter(|_| !text.trim().is_empty()) {
            out.fulfilled.push(duty);
        }
        Ok(())
    }

    /// The value of a chain; what is missing has to have a `default`.
    fn evaluate<'s>(&'s self, chain: &'s FilterChain) -> Result<ValueCow<'s>, Refusal> {
        let (value, missing) = self.evaluate_or_nothing(chain)?;
        match missing {
            Some(name) => Err(Refusal::Missing(name)),
            None => Ok(value),
        }
    }

    /// The value of a chain, and which variable was missing.
    fn evaluate_or_nothing<'s>(
        &'s self,
        chain: &'s FilterChain,
    ) -> Result<(ValueCow<'s>, Option<String>), Refusal> {
        meter::with(self.scope, |meter| meter.charge(0))?;
        let value = chain.evaluate(self.scope);
        let (missing, refused) =
            meter::with(self.scope, |meter| (meter.missing.take(), meter.refused.take()));
        match value {
            Ok(value) => Ok((value, missing)),
            Err(_) => Err(refused.or(missing.map(Refusal::Missing)).unwrap_or(Refusal::NotAnIndex)),
        }
    }

    /// A value that is kept: it is charged once more.
    fn kept(&self, chain: &FilterChain) -> Result<Value, Refusal> {
        let value = self.evaluate(chain)?;
        let bytes = value::size(value.as_view());
        if bytes > VALUE_MAX {
            return Err(Refusal::TooMuch { what: "one value", max: VALUE_MAX, unit: "bytes" });
        }
        meter::with(self.scope, |meter| meter.charge(bytes))?;
        Ok(value.into_owned())
    }

    fn expression<'s>(&'s self, expression: &'s Expression) -> Result<ValueCow<'s>, Refusal> {
        let value = expression.evaluate(self.scope);
        let (missing, refused) =
            meter::with(self.scope, |meter| (meter.missing.take(), meter.refused.take()));
        match (value, missing) {
            (_, Some(name)) => Err(Refusal::Missing(name)),
            (Ok(value), None) => Ok(value),
            (Err(_), None) => Err(refused.unwrap_or(Refusal::NotAnIndex)),
        }
    }

    fn given(&self, given: &[(String, Expression)]) -> Result<Vec<(String, Value)>, Refusal> {
        given.iter().map(|(name, value)| Ok((name.clone(), self.expression(value)?.into_owned()))).collect()
    }

    fn capture(&self, spot: Spot, name: &str, body: &'p [Node], out: &mut Out) -> Result<Flow, RenderError> {
        let bound = Bound { what: "one value", max: VALUE_MAX, unit: Unit::Bytes };
        let mut captured = Out { text: String::new(), length: 0, bound, fulfilled: Vec::new() };
        let flow = self.all(body, &mut captured)?;
        self.at(spot, meter::with(self.scope, |meter| meter.charge(captured.text.len())))?;
        out.fulfilled.append(&mut captured.fulfilled);
        self.scope.assign(name, Value::scalar(captured.text));
        Ok(flow)
    }

    fn branch(&self, arms: &'p [Arm], otherwise: &'p [Node], out: &mut Out) -> Result<Flow, RenderError> {
        for arm in arms {
            if self.at(arm.spot, self.holds(&arm.condition))? {
                return self.all(&arm.body, out);
            }
        }
        self.all(otherwise, out)
    }

    fn holds(&self, condition: &Condition) -> Result<bool, Refusal> {
        for group in &condition.any {
            let mut all = true;
            for test in group {
                all = all && self.passes(test)?;
            }
            if all {
                return Ok(!condition.negated);
            }
        }
        Ok(condition.negated)
    }

    fn passes(&self, test: &Test) -> Result<bool, Refusal> {
        match test {
            // Whether something is there is what this asks.
            Test::Holds(chain) => Ok(value::is_truthy(self.evaluate_or_nothing(chain)?.0.as_view())),
            Test::Compares { left, how, right, with_nothing: true } => {
                let left = self.evaluate_or_nothing(left)?.0;
                let right = self.evaluate_or_nothing(right)?.0;
                self.compares(left.as_view(), *how, right.as_view())
            }
            Test::Compares { left, how, right, with_nothing: false } => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                self.compares(left.as_view(), *how, right.as_view())
            }
        }
    }

    fn compares(
        &self,
        left: &dyn ValueView,
        how: Comparison,
        right: &dyn ValueView,
    ) -> Result<bool, Refusal> {
        let bytes = value::size(left).saturating_add(value::size(right));
        meter::with(self.scope, |meter| meter.charge(bytes))?;
        let order = || value::compare(left, right);
        Ok(match how {
            Comparison::Same => value::same(left, right),
            Comparison::Other => !value::same(left, right),
            Comparison::Less => order().is_some_and(std::cmp::Ordering::is_lt),
            Comparison::AtMost => order().is_some_and(std::cmp::Ordering::is_le),
            Comparison::More => order().is_some_and(std::cmp::Ordering::is_gt),
            Comparison::AtLeast => order().is_some_and(std::cmp::Ordering::is_ge),
            Comparison::Contains => contains(left, right)?,
        })
    }

    fn each(&self, each: &'p For, out: &mut Out) -> Result<Flow, RenderError> {
        let offset = self.at(each.spot, self.count(each.offset.as_ref()))?.unwrap_or(0);
        let limit = self.at(each.spot, self.count(each.limit.as_ref()))?.unwrap_or(usize::MAX);
        let items = self.at(each.spot, self.items(&each.over, offset, limit))?;
        if items.is_empty() {
            return self.all(&each.otherwise, out);
        }
        let length = items.len();
        let items: Box<dyn Iterator<Item = Value>> =
            if each.reversed { Box::new(items.into_iter().rev()) } else { Box::new(items.into_iter()) };
        for (at, item) in items.enumerate() {
            self.at(each.spot, meter::with(self.scope, |meter| meter.charge(0)))?;
            self.scope.round(Some([(&each.name, item), ("forloop", Value::Object(forloop(at, length)))]));
            let flow = self.all(&each.body, out);
            self.scope.round(None);
            if flow? == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    /// What a loop goes through. The rounds are counted before anything is made.
    fn items(&self, over: &Over, offset: usize, limit: usize) -> Result<Vec<Value>, Refusal> {
        match over {
            Over::Range(from, to) => {
                let (from, to) = (self.whole(from)?, self.whole(to)?);
                let all = to.checked_sub(from).and_then(|steps| steps.checked_add(1)).unwrap_or(i64::MAX);
                let rounds = usize::try_from(all).unwrap_or(0).saturating_sub(offset).min(limit);
                meter::with(self.scope, |meter| meter.iterate(rounds))?;
                let begin = from.saturating_add(i64::try_from(offset).unwrap_or(i64::MAX));
                let count = i64::try_from(rounds).unwrap_or(0);
                Ok((0..count).map(|step| Value::scalar(begin.saturating_add(step))).collect())
            }
            Over::List(chain) => {
                let list = self.evaluate(chain)?;
                let rounds = list.as_array().map_or(0, |items| usize::try_from(items.size()).unwrap_or(0));
                let rounds = rounds.saturating_sub(offset).min(limit);
                meter::with(self.scope, |meter| {
                    meter.iterate(rounds)?;
                    meter.charge(value::size(list.as_view()))
                })?;
                Ok(value::items(list.as_view())?.into_iter().skip(offset).take(rounds).collect())
            }
        }
    }

    fn count(&self, expression: Option<&Expression>) -> Result<Option<usize>, Refusal> {
        expression.map(|expression| Ok(usize::try_from(self.whole(expression)?).unwrap_or(0))).transpose()
    }

    fn whole(&self, expression: &Expression) -> Result<i64, Refusal> {
        let value = self.expression(expression)?;
        let number = value::number(value.as_view()).ok_or(Refusal::NotANumber)?;
        i64::try_from(number.trunc()).map_err(|_| Refusal::NotANumber)
    }
}

fn contains(left: &dyn ValueView, right: &dyn ValueView) -> Result<bool, Refusal> {
    match left.as_array() {
        Some(items) => Ok(items.values().any(|item| value::same(item, right))),
        None if left.is_object() => Err(Refusal::NotAList),
        None => Ok(value::text(left)?.contains(&value::text(right)?)),
    }
}

fn forloop(at: usize, length: usize) -> Object {
    let number = |number: usize| Value::scalar(i64::try_from(number).unwrap_or(i64::MAX));
    [
        ("index", number(at + 1)),
        ("index0", number(at)),
        ("rindex", number(length - at)),
        ("rindex0", number(length - at - 1)),
        ("length", number(length)),
        ("first", Value::scalar(at == 0)),
        ("last", Value::scalar(at + 1 == length)),
    ]
    .into_iter()
    .map(|(name, value)| (KString::from_static(name), value))
    .collect()
}
