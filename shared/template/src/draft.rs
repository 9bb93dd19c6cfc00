//! A template as somebody wrote it, and as it is stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::place::{Mistake, Spot};

/// Snippets by name, which templates take in with `{% render 'name' %}`.
pub type Partials = BTreeMap<String, String>;

/// What the law asks of a message depends on why it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It answers what somebody did: a receipt, a password.
    Transactional,
    /// It asks somebody to do something.
    Promotional,
}

/// The source of a template. It is all that is stored: it is compiled whenever it is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    pub kind: Kind,
    /// What it is about, that people can take or leave; only what is promotional is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    pub default_language: String,
    /// The words, by language: `en`, `uk`, `pt-BR`.
    pub languages: BTreeMap<String, Body>,
    /// Snippets of this template alone; they stand before the workspace's of the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partials: Partials,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<Sms>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preheader: Option<String>,
    /// Either this or `mjml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mjml: Option<String>,
    /// Made from the HTML if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sms {
    pub text: String,
}

impl Draft {
    /// Reads a document; what is wrong with its form is told with the path to it.
    pub fn read(document: &str) -> Result<Self, Mistake> {
        let mut json = serde_json::Deserializer::from_str(document);
        serde_path_to_error::deserialize(&mut json).map_err(|error| Mistake {
            place: Spot { line: error.inner().line(), column: error.inner().column() }
                .of(&error.path().to_string()),
            reason: error.inner().to_string(),
            remedy: "write it as docs/templates.md shows".to_owned(),
        })
    }
}
