//! The filters that templates may use: each is bounded, and none reads a clock.

mod text;
mod list;
mod number;
mod date;

use std::fmt;

use liquid_core::parser::{FilterArguments, ParameterReflection};
use liquid_core::{
    Error, Expression, Filter, FilterReflection, Language, ParseFilter, Runtime, Value, ValueView,
};

use crate::limits::VALUE_MAX;
use crate::meter::{self, Refusal};
use crate::value;

/// What a filter is given.
pub(crate) struct Call<'v> {
    input: &'v dyn ValueView,
    arguments: Vec<Value>,
}

impl Call<'_> {
    fn text(&self) -> Result<String, Refusal> {
        value::text(self.input)
    }

    fn items(&self) -> Result<Vec<Value>, Refusal> {
        value::items(self.input)
    }

    fn argument(&self, at: usize) -> Option<&Value> {
        self.arguments.get(at)
    }

    /// The text of an argument; one that is left out is empty.
    fn word(&self, at: usize) -> Result<String, Refusal> {
        self.argument(at).map_or(Ok(String::new()), |argument| value::text(argument))
    }

    fn whole(&self, at: usize) -> Result<Option<i64>, Refusal> {
        use rust_decimal::prelude::ToPrimitive;
        self.argument(at)
            .map(|argument| {
                value::number(argument).and_then(|number| number.trunc().to_i64()).ok_or(Refusal::NotANumber)
            })
            .transpose()
    }
}

/// Refuses to make a value that would be too large, before it is made.
fn room(bytes: usize) -> Result<(), Refusal> {
    let refusal = Refusal::TooMuch { what: "one value", max: VALUE_MAX, unit: "bytes" };
    if bytes > VALUE_MAX { Err(refusal) } else { Ok(()) }
}

type Apply = fn(&Call<'_>) -> Result<Value, Refusal>;

/// A filter's name, how many arguments it takes, and how it is written.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    name: &'static str,
    least: usize,
    most: usize,
    usage: &'static str,
    apply: Apply,
}

const fn known(name: &'static str, arguments: [usize; 2], usage: &'static str, apply: Apply) -> Known {
    let [least, most] = arguments;
    Known { name, least, most, usage, apply }
}

const DEFAULT: Known = known("default", [1, 1], "write `default: \"friend\"`", |call| {
    let given = call.input.query_state(liquid_core::model::State::DefaultValue);
    Ok(if given { call.argument(0).cloned().unwrap_or(Value::Nil) } else { call.input.to_value() })
});

fn all() -> impl Iterator<Item = &'static Known> {
    std::iter::once(&DEFAULT).chain(&text::ALL).chain(&list::ALL).chain(&number::ALL).chain(&date::ALL)
}

/// The language whose only words are these filters: tags are not left to the parser.
pub(crate) fn language() -> Language {
    let mut language = Language::empty();
    for filter in all() {
        language.filters.register(filter.name.to_owned(), Box::new(*filter));
    }
    language
}

pub(crate) fn is_known(name: &str) -> bool {
    all().any(|filter| filter.name == name)
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|filter| filter.name)
}

pub(crate) fn usage(name: &str) -> Option<&'static str> {
    all().find(|filter| filter.name == name).map(|filter| filter.usage)
}

impl ParseFilter for Known {
    fn parse(&self, given: FilterArguments<'_>) -> Result<Box<dyn Filter>, Error> {
        let arguments: Vec<Expression> = given.positional.collect();
        let mut named = given.keyword;
        if named.next().is_some() || !(self.least..=self.most).contains(&arguments.len()) {
            return Err(Error::with_msg(self.usage));
        }
        Ok(Box::new(Applied { known: *self, arguments }))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self
    }
}

impl FilterReflection for Known {
    fn name(&self) -> &str {
        self.name
    }

    fn description(&self) -> &str {
        self.usage
    }

    fn positional_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }

    fn keyword_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }
}

/// A filter in a template.
struct Applied {
    known: Known,
    arguments: Vec<Expression>,
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.known.name)
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.known.name)
    }
}

impl Filter for Applied {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value, Error> {
        self.applied(input, runtime).map_err(|refusal| {
            meter::with(runtime, |meter| meter.refused.get_or_insert(refusal).clone());
            Error::with_msg(self.known.name)
        })
    }
}

impl Applied {
    fn applied(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value, Refusal> {
        // A variable that is missing before a filter may be mended by a `default` after it; one that is
        // missing among the arguments may not.
        let missing = meter::with(runtime, |meter| meter.missing.take());
        let arguments = self.arguments.iter().map(|argument| {
            let value = argument.evaluate(runtime).map_err(|_| Refusal::NotAnIndex)?;
            Ok(value.into_owned())
        });
        let arguments: Vec<Value> = arguments.collect::<Result<_, Refusal>>()?;
        meter::with(runtime, |meter| {
            if let Some(name) = meter.missing.take() {
                return Err(Refusal::Missing(name));
            }
            meter.missing = missing.filter(|_| self.known.name != DEFAULT.name);
            meter.charge(value::size(input))
        })?;
        let made = (self.known.apply)(&Call { input, arguments });
        meter::with(runtime, |meter| {
            // What fails for lack of a variable is told as that.
            let made = made.map_err(|refusal| meter.missing.take().map_or(refusal, Refusal::Missing))?;
            let bytes = value::size(&made);
            room(bytes)?;
            meter.charge(bytes)?;
            Ok(made)
        })
    }
}
