//! Secrets in SSM's Parameter Store, as `SecureString`s.
//!
//! **Invariant:** a secret's text is in no `Debug`, and an error names the
//! parameter, never what it holds.

mod client;
mod failure;
mod operator;

pub use client::client;

use aws_sdk_ssm::Client;
use futures_util::future::try_join_all;
use ports::Unavailable;

use failure::unavailable;

const OPERATION: &str = "GetParameter";

/// Reads parameters.
#[derive(Debug, Clone)]
pub struct Parameters {
    client: Client,
}

/// One parameter, for whoever reads it again and again.
#[derive(Debug, Clone)]
pub struct Parameter {
    parameters: Parameters,
    name: String,
}

/// The text of a parameter.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The parameter exists and holds nothing.
#[derive(Debug, thiserror::Error)]
#[error("parameter `{0}` holds no value; `tributary init` makes it")]
struct Empty(String);

impl Parameters {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Reads parameters at once, each in the place of its name. `GetParameter`
    /// names what it reads in the policy of one parameter, so that a function
    /// may read what it is told of and no more.
    pub async fn read<const N: usize>(&self, names: [&str; N]) -> Result<[Secret; N], Unavailable> {
        let read = try_join_all(names.map(|name| self.one(name))).await?;
        read.try_into().map_err(|_| Unavailable::new(OPERATION, Empty(names.join(", "))))
    }

    async fn one(&self, name: &str) -> Result<Secret, Unavailable> {
        let sent = self.client.get_parameter().name(name).with_decryption(true).send().await;
        let answer = sent.map_err(|error| unavailable(OPERATION, name, error))?;
        let value = answer.parameter.and_then(|parameter| parameter.value).filter(|value| !value.is_empty());
        value.map(Secret).ok_or_else(|| Unavailable::new(OPERATION, Empty(name.to_owned())))
    }
}

impl Parameter {
    pub fn new(parameters: Parameters, name: impl Into<String>) -> Self {
        Self { parameters, name: name.into() }
    }

    pub async fn read(&self) -> Result<Secret, Unavailable> {
        self.parameters.one(&self.name).await
    }
}

impl Secret {
    /// The secret itself, for whoever makes a key of it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests;
