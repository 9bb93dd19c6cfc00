//! Fields of a JSON object, read so that an error names its place.

use serde_json::{Map, Value};

use super::answer::{Kind, Problem};

/// An object and where in the body it stands.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    place: String,
}

/// A field is wrong: which, and what it should be. Never what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{place}` {wanted}")]
pub(crate) struct BadField {
    pub(crate) place: String,
    pub(crate) wanted: String,
}

impl From<BadField> for Problem {
    fn from(bad: BadField) -> Self {
        Self::new(Kind::BadField, bad.to_string())
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn root(object: &'a Map<String, Value>) -> Self {
        Self { object, place: String::new() }
    }

    pub(crate) fn of(value: &'a Value, place: &str) -> Result<Self, BadField> {
        let object = value.as_object().ok_or_else(|| bad(place, "must be an object"))?;
        Ok(Self { object, place: place.to_owned() })
    }

    pub(crate) fn place(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    pub(crate) fn bad(&self, name: &str, wanted: impl Into<String>) -> BadField {
        bad(&self.place(name), wanted)
    }

    /// Refuses fields that would be passed over in silence.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), BadField> {
        let unknown = self.object.keys().find(|name| !known.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some(name) => Err(self.bad(name, format!("is not known here; there are: {}", known.join(", ")))),
        }
    }

    /// A field; `null` is the same as none.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, BadField> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.bad(name, "must be a string"))
    }

    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, BadField> {
        self.text(name)?.ok_or_else(|| self.bad(name, "is missing"))
    }

    pub(crate) fn required(&self, name: &str) -> Result<&'a Value, BadField> {
        self.get(name).ok_or_else(|| self.bad(name, "is missing"))
    }

    pub(crate) fn list(&self, name: &str) -> Result<&'a [Value], BadField> {
        let list = self.required(name)?.as_array().map(Vec::as_slice);
        list.ok_or_else(|| self.bad(name, "must be an array"))
    }
}

fn bad(place: &str, wanted: impl Into<String>) -> BadField {
    BadField { place: place.to_owned(), wanted: wanted.into() }
}
