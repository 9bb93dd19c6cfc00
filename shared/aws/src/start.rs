//! What a start should not spend its time on, and what it should.

use std::future::Future;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;

/// The five roots of Amazon Trust Services, all of which its repository asks
/// those to include who keep a trust store of their own
/// (<https://www.amazontrust.com/repository/>). The first ends in 2037.
const AMAZON: &[u8] = include_bytes!("amazon.pem");

/// Whoever sets one of these may mean a service that Amazon has not certified.
const ELSEWHERE: [&str; 9] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_SSM",
    "AWS_ENDPOINT_URL_SESV2",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// Regions in partitions of their own, with certificates of their own.
const APART: [&str; 5] = ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"];

const PROVIDER: Provider = Provider::Rustls(CryptoMode::AwsLc);

/// A start that cannot open its connections goes on without.
const WARM_WITHIN: Duration = Duration::from_secs(1);

/// What the environment says about region, credentials and endpoints.
///
/// Where all services are AWS's own, only the roots of Amazon are trusted:
/// reading the hundred and more of the system costs each start a millisecond
/// of CPU. Everywhere else the system's roots are.
pub async fn config(lookup: impl Fn(&str) -> Option<String>) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let loader = if is_amazon(lookup) { loader.http_client(amazon()) } else { loader };
    loader.load().await
}

/// Waits for a call that opens a connection, for a second at most: a start has
/// more CPU than the first invocation, which would have to wait for it. What
/// comes of the call does not matter; if it failed, the next one will say so.
pub async fn warm<T>(call: impl Future<Output = T>) {
    let _ = tokio::time::timeout(WARM_WITHIN, call).await;
}

fn is_amazon(lookup: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let region = set("AWS_REGION");
    region.is_some_and(|region| !APART.iter().any(|apart| region.starts_with(apart)))
        && !ELSEWHERE.iter().any(|name| set(name).is_some())
}

fn amazon() -> SharedHttpClient {
    Builder::new().tls_provider(PROVIDER).tls_context(context()).build_https()
}

fn context() -> TlsContext {
    let roots = TrustStore::empty().with_pem_certificate(AMAZON);
    TlsContext::builder().with_trust_store(roots).build().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aws_smithy_http_client::Connector;
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    fn check(variables: &[(&str, &str)], expected: bool) {
        let found = is_amazon(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        });
        assert_eq!(found, expected, "{variables:?}");
    }

    #[test]
    fn amazons_roots_are_enough_where_all_services_are_amazons() {
        check(&[("AWS_REGION", "eu-central-1")], true);
        check(&[("AWS_REGION", "us-east-1"), ("SSL_CERT_FILE", "")], true);
        check(&[], false);
        check(&[("AWS_REGION", "cn-north-1")], false);
        check(&[("AWS_REGION", "us-gov-west-1")], false);
        check(&[("AWS_REGION", "eusc-de-east-1")], false);
        check(&[("AWS_REGION", "eu-central-1"), ("SSL_CERT_FILE", "/roots.pem")], false);
        check(&[("AWS_REGION", "ru-central1"), ("AWS_ENDPOINT_URL_DYNAMODB", "https://ydb.example")], false);
    }

    #[test]
    fn the_roots_are_those_that_amazon_publishes() {
        let text = std::str::from_utf8(AMAZON).unwrap();
        let certificates = text.split("-----BEGIN CERTIFICATE-----").skip(1);
        let found: Vec<[u8; 4]> = certificates
            .map(|certificate| {
                let (body, _) = certificate.split_once("-----END").unwrap();
                let der = BASE64_STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap();
                *Sha256::digest(der).first_chunk().unwrap()
            })
            .collect();
        // The first bytes of their fingerprints.
        let published = [
            [0x8e, 0xcd, 0xe6, 0x88],
            [0x1b, 0xa5, 0xb2, 0xaa],
            [0x18, 0xce, 0x6c, 0xfe],
            [0xe3, 0x5d, 0x28, 0x41],
            [0x56, 0x8d, 0x69, 0x05],
        ];
        assert_eq!(found, published);
    }

    #[test]
    fn a_connector_takes_the_roots() {
        // It panics if they cannot be read.
        let _ = Connector::builder().tls_provider(PROVIDER).tls_context(context()).build();
    }
}
