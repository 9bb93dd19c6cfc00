//! `CloudFormation`'s functions, worked out as far as a template alone allows.
//!
//! Parameters are given or have their defaults, conditions follow from them, and what is
//! known only of a deployed resource stays as `{Ref: …}` or `{Fn::GetAtt: […]}`.

use serde_yaml_ng::{Mapping, Value};

use super::TemplateError;

/// Deeper is no template but an attack on the stack.
const DEPTH_MAX: usize = 64;

/// What a deployment here would be called.
const PSEUDO: [(&str, &str); 6] = [
    ("AWS::AccountId", "000000000000"),
    ("AWS::Partition", "aws"),
    ("AWS::Region", "local"),
    ("AWS::StackName", "local"),
    ("AWS::StackId", "local"),
    ("AWS::URLSuffix", "localhost"),
];

pub(super) struct Template {
    root: Value,
}

impl Template {
    /// A template as a deployment with these parameters reads it; the others
    /// have their defaults.
    pub(super) fn parse(text: &str, given: &[(&str, &str)]) -> Result<Self, TemplateError> {
        let mut root: Value = serde_yaml_ng::from_str(text).map_err(TemplateError::Yaml)?;
        for (name, value) in given {
            let parameter = root.get_mut("Parameters").and_then(|all| all.get_mut(*name)?.as_mapping_mut());
            let Some(parameter) = parameter else {
                return Err(TemplateError::wrong(
                    format!("Parameters.{name}"),
                    "is given, and the template has none",
                ));
            };
            parameter.insert(Value::String("Default".to_owned()), Value::String((*value).to_owned()));
        }
        Ok(Self { root })
    }

    /// The resources that are made, in their order, with their types.
    pub(super) fn resources(&self) -> Result<Vec<(&str, &str)>, TemplateError> {
        let resources = self.root.get("Resources").and_then(Value::as_mapping);
        let resources = resources.ok_or(TemplateError::Section { section: "Resources" })?;
        let mut made = Vec::new();
        for (id, resource) in resources {
            let (Some(id), Some(kind)) = (id.as_str(), resource.get("Type").and_then(Value::as_str)) else {
                return Err(TemplateError::wrong(format!("Resources.{id:?}"), "has no Type"));
            };
            let condition = resource.get("Condition").and_then(Value::as_str);
            if condition.map_or(Ok(true), |name| self.holds(name, id, 0))? {
                made.push((id, kind));
            }
        }
        Ok(made)
    }

    /// A resource's properties with all functions worked out.
    pub(super) fn properties(&self, id: &str) -> Result<Mapping, TemplateError> {
        let properties = self.root.get("Resources").and_then(|all| all.get(id)?.get("Properties"));
        self.section(properties, id)
    }

    /// The same of a section of the globals.
    pub(super) fn globals(&self, kind: &str) -> Result<Mapping, TemplateError> {
        self.section(self.root.get("Globals").and_then(|globals| globals.get(kind)), "Globals")
    }

    fn section(&self, section: Option<&Value>, place: &str) -> Result<Mapping, TemplateError> {
        let mut worked_out = Mapping::new();
        for (key, value) in section.and_then(Value::as_mapping).into_iter().flatten() {
            let place = format!("{place}.{}", key.as_str().unwrap_or_default());
            if let Some(value) = self.value(value, &place, 0)? {
                worked_out.insert(key.clone(), value);
            }
        }
        Ok(worked_out)
    }

    /// `None` is `AWS::NoValue`: as if it were not written.
    fn value(&self, value: &Value, place: &str, depth: usize) -> Result<Option<Value>, TemplateError> {
        if depth > DEPTH_MAX {
            return Err(TemplateError::wrong(place, "is nested too deeply"));
        }
        match call(value) {
            Some((name, argument)) => self.call(name, argument, place, depth + 1),
            None => match value {
                Value::Sequence(items) => {
                    let items = items.iter().map(|item| self.value(item, place, depth + 1));
                    let items: Vec<Option<Value>> = items.collect::<Result<_, _>>()?;
                    Ok(Some(Value::Sequence(items.into_iter().flatten().collect())))
                }
                Value::Mapping(mapping) => self.mapping(mapping, place, depth).map(Some),
                Value::Tagged(tagged) => {
                    Err(TemplateError::wrong(place, format!("has an unknown tag: {}", tagged.tag)))
                }
                plain => Ok(Some(plain.clone())),
            },
        }
    }

    fn mapping(&self, mapping: &Mapping, place: &str, depth: usize) -> Result<Value, TemplateError> {
        let mut worked_out = Mapping::new();
        for (key, value) in mapping {
            let place = format!("{place}.{}", key.as_str().unwrap_or_default());
            if let Some(value) = self.value(value, &place, depth + 1)? {
                worked_out.insert(key.clone(), value);
            }
        }
        Ok(Value::Mapping(worked_out))
    }

    fn call(
        &self,
        name: &str,
        argument: &Value,
        place: &str,
        depth: usize,
    ) -> Result<Option<Value>, TemplateError> {
        match (name, argument) {
            ("Ref", Value::String(name)) => self.reference(name, place),
            ("GetAtt", _) => attribute(argument, place).map(Some),
            ("Sub", Value::String(text)) => self.substitute(text, None, place).map(Some),
            ("Sub", Value::Sequence(parts)) => match parts.as_slice() {
                [Value::String(text), Value::Mapping(own)] => {
                    let own = self.mapping(own, place, depth)?;
                    self.substitute(text, own.as_mapping(), place).map(Some)
                }
                _ => Err(TemplateError::wrong(place, "has a `!Sub` that is not [text, names]")),
            },
            ("If", Value::Sequence(parts)) => match parts.as_slice() {
                [Value::String(condition), yes, no] => {
                    let branch = if self.holds(condition, place, depth)? { yes } else { no };
                    self.value(branch, place, depth)
                }
                _ => Err(TemplateError::wrong(place, "has an `!If` that is not [condition, yes, no]")),
            },
            ("Join", Value::Sequence(parts)) => match parts.as_slice() {
                [Value::String(between), list] => self.join(between, list, place, depth).map(Some),
                _ => Err(TemplateError::wrong(place, "has a `!Join` that is not [text, list]")),
            },
            _ => Err(TemplateError::wrong(
                place,
                format!("uses `!{name}` in a way the local stack cannot work out"),
            )),
        }
    }

    fn reference(&self, name: &str, place: &str) -> Result<Option<Value>, TemplateError> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(known) = self.known(name, place)? {
            return Ok(Some(known));
        }
        if self.root.get("Resources").and_then(|all| all.get(name)).is_some() {
            return Ok(Some(long_form("Ref", Value::String(name.to_owned()))));
        }
        Err(TemplateError::wrong(place, format!("refers to `{name}`, which the template has not")))
    }

    /// What a parameter or pseudo parameter is.
    fn known(&self, name: &str, place: &str) -> Result<Option<Value>, TemplateError> {
        if let Some((_, text)) = PSEUDO.iter().find(|(pseudo, _)| *pseudo == name) {
            return Ok(Some(Value::String((*text).to_owned())));
        }
        let Some(parameter) = self.root.get("Parameters").and_then(|all| all.get(name)) else {
            return Ok(None);
        };
        let default = parameter.get("Default").cloned();
        let missing =
            || TemplateError::wrong(place, format!("needs parameter `{name}`, which has no default"));
        default.map(Some).ok_or_else(missing)
    }

    /// Replaces each `${name}`; resources go by their logical ids.
    fn substitute(&self, text: &str, own: Option<&Mapping>, place: &str) -> Result<Value, TemplateError> {
        let mut parts = text.split("${");
        let mut made = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let Some((name, rest)) = part.split_once('}') else {
                return Err(TemplateError::wrong(place, "has a `${` without its `}`"));
            };
            if let Some(literal) = name.strip_prefix('!') {
                made.extend(["${", literal, "}"]);
            } else {
                made.push_str(&self.named(name.trim(), own, place)?);
            }
            made.push_str(rest);
        }
        Ok(Value::String(made))
    }

    fn named(&self, name: &str, own: Option<&Mapping>, place: &str) -> Result<String, TemplateError> {
        if let Some(own) = own.and_then(|own| own.get(name)) {
            return text(own, place);
        }
        if name.contains('.') {
            let why =
                format!("has `{name}` inside a `!Sub`; the local stack knows it only as a `!GetAtt` alone");
            return Err(TemplateError::wrong(place, why));
        }
        match self.reference(name, place)? {
            Some(value) => text(&value, place),
            None => Ok(String::new()),
        }
    }

    fn join(&self, between: &str, list: &Value, place: &str, depth: usize) -> Result<Value, TemplateError> {
        let Some(Value::Sequence(items)) = self.value(list, place, depth)? else {
            return Err(TemplateError::wrong(place, "joins what is no list"));
        };
        let items: Vec<String> = items.iter().map(|item| text(item, place)).collect::<Result<_, _>>()?;
        Ok(Value::String(items.join(between)))
    }

    /// Whether a condition holds with every parameter at its default.
    fn holds(&self, name: &str, place: &str, depth: usize) -> Result<bool, TemplateError> {
        let Some(condition) = self.root.get("Conditions").and_then(|all| all.get(name)) else {
            return Err(TemplateError::wrong(
                place,
                format!("has condition `{name}`, which the template has not"),
            ));
        };
        self.is_true(condition, &format!("Conditions.{name}"), depth + 1)
    }

    fn is_true(&self, condition: &Value, place: &str, depth: usize) -> Result<bool, TemplateError> {
        let wrong = || TemplateError::wrong(place, "is no condition that the local stack can work out");
        if depth > DEPTH_MAX {
            return Err(TemplateError::wrong(place, "is nested too deeply"));
        }
        let (name, argument) = call(condition).ok_or_else(wrong)?;
        if let ("Condition", Value::String(name)) = (name, argument) {
            return self.holds(name, place, depth);
        }
        let parts = argument.as_sequence().ok_or_else(wrong)?;
        let mut each = parts.iter().map(|part| self.is_true(part, place, depth + 1));
        match (name, parts.as_slice()) {
            ("Equals", [one, other]) => {
                let [one, other] = [one, other].map(|side| self.value(side, place, depth));
                Ok(plain(one?.as_ref(), place)? == plain(other?.as_ref(), place)?)
            }
            ("Not", [inner]) => self.is_true(inner, place, depth + 1).map(|holds| !holds),
            ("And", _) => each.try_fold(true, |all, holds| Ok(all && holds?)),
            ("Or", _) => each.try_fold(false, |any, holds| Ok(any || holds?)),
            _ => Err(wrong()),
        }
    }
}

/// A function and its argument, as a tag (`!Ref x`) or in the long form.
fn call(value: &Value) -> Option<(&str, &Value)> {
    const NAMES: [&str; 15] = [
        "Ref",
        "GetAtt",
        "Sub",
        "If",
        "Join",
        "Condition",
        "Equals",
        "Not",
        "And",
        "Or",
        "Select",
        "Split",
        "FindInMap",
        "ImportValue",
        "Base64",
    ];
    let (name, argument) = match value {
        // serde_yaml_ng gives a tag its `!` only when it is printed.
        Value::Tagged(tagged) => (NAMES.iter().find(|name| tagged.tag == **name)?, &tagged.value),
        Value::Mapping(mapping) if mapping.len() == 1 => {
            let (key, argument) = mapping.iter().next()?;
            let key = key.as_str()?;
            let short = key.strip_prefix("Fn::").or_else(|| (key == "Ref").then_some(key))?;
            (NAMES.iter().find(|name| **name == short)?, argument)
        }
        _ => return None,
    };
    Some((name, argument))
}

/// `Queue.Arn` or `[Queue, Arn]` as `{Fn::GetAtt: [Queue, Arn]}`.
fn attribute(argument: &Value, place: &str) -> Result<Value, TemplateError> {
    let pair = match argument {
        Value::String(path) => path.split_once('.'),
        Value::Sequence(parts) => match parts.as_slice() {
            [Value::String(resource), Value::String(name)] => Some((resource.as_str(), name.as_str())),
            _ => None,
        },
        _ => None,
    };
    let (resource, name) =
        pair.ok_or_else(|| TemplateError::wrong(place, "has a `!GetAtt` without an attribute"))?;
    let pair = [resource, name].map(|part| Value::String(part.to_owned()));
    Ok(long_form("Fn::GetAtt", Value::Sequence(pair.to_vec())))
}

fn long_form(name: &str, argument: Value) -> Value {
    Value::Mapping(Mapping::from_iter([(Value::String(name.to_owned()), argument)]))
}

/// A value as text; of a resource its logical id.
fn text(value: &Value, place: &str) -> Result<String, TemplateError> {
    if let Some(("Ref", Value::String(id))) = call(value) {
        return Ok(id.clone());
    }
    plain(Some(value), place)
}

fn plain(value: Option<&Value>, place: &str) -> Result<String, TemplateError> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Bool(flag)) => Ok(flag.to_string()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(TemplateError::wrong(place, "uses as text what is none")),
    }
}
