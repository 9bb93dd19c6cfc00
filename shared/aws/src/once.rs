//! Calls that must not be made twice, and whether one that failed was made.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{DispatchFailure, SdkError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use hyper_util::client::legacy::Error as HttpError;
use ports::Unavailable;

use crate::{CONNECT_TIMEOUT, Cause};

/// "The request took too long to arrive": somebody before the service may say so
/// of one that he handed on.
const REQUEST_TIMEOUT: u16 = 408;

/// The configuration of a client that tries once and waits for so long: what it
/// asks for could happen twice if it tried again.
pub fn once(shared: &SdkConfig, within: Duration) -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT.min(within)).operation_timeout(within);
    shared.to_builder().timeout_config(timeouts.build()).retry_config(RetryConfig::disabled()).build()
}

/// Whether a request was given to the network; clones watch the same request.
///
/// It is an interceptor of one call. What fails before it sees the request
/// leave (credentials, an endpoint, a signature) surely did nothing.
#[derive(Debug, Clone, Default)]
pub struct Departure(Arc<AtomicBool>);

/// How a call failed that is made once.
#[derive(Debug)]
pub enum Failed<E> {
    /// Surely the service never had it.
    NotSent(Unavailable),
    /// The service may have done it.
    Unknown(Unavailable),
    /// The service says that it did nothing, and why.
    Refused { error: E, unavailable: Unavailable },
}

impl Departure {
    /// Tells what may have happened from how a call of this client ended.
    pub fn failed<E>(&self, operation: &'static str, error: SdkError<E, HttpResponse>) -> Failed<E>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let unavailable = |cause| Unavailable::new(operation, cause);
        if !self.0.load(Ordering::SeqCst) {
            return Failed::NotSent(unavailable(Cause::of(error)));
        }
        match error {
            SdkError::ServiceError(refused) => {
                let status = refused.raw().status().as_u16();
                let error = refused.into_err();
                let code = error.code().unwrap_or("without a code").to_owned();
                let unavailable = unavailable(Cause::Refused { status, code });
                let is_refusal = (400..500).contains(&status) && status != REQUEST_TIMEOUT;
                if is_refusal { Failed::Refused { error, unavailable } } else { Failed::Unknown(unavailable) }
            }
            SdkError::DispatchFailure(failure) if never_connected(&failure) => {
                Failed::NotSent(unavailable(Cause::of::<E>(SdkError::DispatchFailure(failure))))
            }
            error => Failed::Unknown(unavailable(Cause::of(error))),
        }
    }
}

impl Intercept for Departure {
    fn name(&self) -> &'static str {
        "Departure"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// Whether there never was a connection that the request could have gone over:
/// no name, no answer, no handshake.
fn never_connected(failure: &DispatchFailure) -> bool {
    let mut next = failure.as_connector_error().and_then(Error::source);
    while let Some(cause) = next {
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return http.is_connect();
        }
        next = cause.source();
    }
    false
}
