//! What an operator does: makes a secret once, replaces one, and looks for what
//! may not be there.

use aws_sdk_ssm::error::ProvideErrorMetadata as _;
use aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use ports::Unavailable;

use crate::failure::{unavailable, unwritten};
use crate::{OPERATION, Parameters, Secret};

const PUT: &str = "PutParameter";

impl Parameters {
    /// Reads a parameter; one that is not there is `None`, not an error.
    pub async fn find(&self, name: &str) -> Result<Option<Secret>, Unavailable> {
        let sent = self.client.get_parameter().name(name).with_decryption(true).send().await;
        match sent {
            Ok(answer) => Ok(answer.parameter.and_then(|parameter| parameter.value).map(Secret)),
            Err(error) if error.code() == Some("ParameterNotFound") => Ok(None),
            Err(error) => Err(unavailable(OPERATION, name, error)),
        }
    }

    /// Makes a secret, unless there is a parameter of this name: then nothing
    /// changes and `false` is given back. `kms_key` is a customer's key for it.
    ///
    /// `false` may also be the answer to the SDK's own second try, after the
    /// first had come through: whoever cares reads what is there.
    pub async fn create(&self, name: &str, secret: &str, kms_key: Option<&str>) -> Result<bool, Unavailable> {
        match self.put(name, secret, kms_key).overwrite(false).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ParameterAlreadyExists") => Ok(false),
            Err(error) => Err(unwritten(PUT, name, error)),
        }
    }

    /// Replaces a secret. The old one stays in the parameter's history, which
    /// asks for a right of its own.
    pub async fn replace(&self, name: &str, secret: &str, kms_key: Option<&str>) -> Result<(), Unavailable> {
        let sent = self.put(name, secret, kms_key).overwrite(true).send().await;
        sent.map(|_| ()).map_err(|error| unwritten(PUT, name, error))
    }

    fn put(&self, name: &str, secret: &str, kms_key: Option<&str>) -> PutParameterFluentBuilder {
        self.client
            .put_parameter()
            .name(name)
            .value(secret)
            .set_key_id(kms_key.map(str::to_owned))
            .r#type(ParameterType::SecureString)
            .tier(ParameterTier::Standard) // Costs nothing, and holds 4 KB.
    }
}
