//! What is measured, and how often.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::Failed;
use crate::cloud::{Cloud, ID_KEY, SIGNING_KEYS};
use crate::function::Function;
use crate::process::Environment;
use crate::store::{self, Keys};

/// Memory is read for the first time once caches and pools are filled.
const SETTLED_AFTER: usize = 100;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The folder of `<bin>/bootstrap`.
    pub bootstraps: PathBuf,
    /// Starts of which the median is taken.
    pub starts: usize,
    /// Invocations of one environment, more than a hundred.
    pub invocations: usize,
    /// PEM of roots that functions load beside the measuring one.
    pub roots: String,
}

/// What one function costs.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub function: Function,
    pub bytes: u64,
    /// As Lambda keeps it: deflated.
    pub compressed: u64,
    /// CPU from the start of the process until it asks for its first invocation.
    pub init: Duration,
    /// The same, where the services are reached through TLS.
    pub init_tls: Duration,
    /// CPU of the first invocation.
    pub first: Duration,
    pub first_tls: Duration,
    /// CPU of an invocation, over all after the first hundred.
    pub warm: Duration,
    /// KiB after a hundred invocations, and after all.
    pub resident: [u64; 2],
}

struct Bench<'a> {
    plan: &'a Plan,
    cloud: Cloud,
    keys: Keys,
    roots: PathBuf,
    sent: Vec<String>,
}

/// Measures every function.
pub async fn measure(plan: &Plan) -> Result<Vec<Measured>, Failed> {
    let folder = tempfile::tempdir()?;
    let cloud = Cloud::start().await?;
    let keys = store::define(&cloud.store).await?;
    let roots = cloud.write_roots(folder.path(), &plan.roots)?;
    let mut bench = Bench { plan, cloud, keys, roots, sent: Vec::new() };
    let mut measured = Vec::new();
    for function in Function::ALL {
        measured.push(bench.function(function).await?);
    }
    Ok(measured)
}

impl Bench<'_> {
    async fn function(&mut self, function: Function) -> Result<Measured, Failed> {
        let bootstrap = self.plan.bootstraps.join(function.bin()).join("bootstrap");
        let (warm, resident) = self.run(function, &bootstrap).await?;
        if function == Function::IngestHttp {
            self.sent = self.cloud.take_sent();
        }
        let [init, first] = self.starts(function, &bootstrap, &self.cloud.plain).await?;
        let [init_tls, first_tls] = self.starts(function, &bootstrap, &self.cloud.tls).await?;
        let (bytes, compressed) = sizes(&bootstrap)?;
        Ok(Measured { function, bytes, compressed, init, init_tls, first, first_tls, warm, resident })
    }

    /// Invokes one environment over and over.
    async fn run(&self, function: Function, bootstrap: &Path) -> Result<(Duration, [u64; 2]), Failed> {
        let mut environment =
            Environment::start(bootstrap, &self.variables(function, &self.cloud.tls)).await?;
        let settled = SETTLED_AFTER.min(self.plan.invocations);
        self.invoke(function, &mut environment, 0..settled).await?;
        let (cpu, resident) = (environment.cpu()?, environment.resident()?);
        self.invoke(function, &mut environment, settled..self.plan.invocations).await?;
        let count = u32::try_from(self.plan.invocations - settled)?.max(1);
        let warm = environment.cpu()?.saturating_sub(cpu) / count;
        let resident = [resident, environment.resident()?];
        environment.stop().await?;
        Ok((warm, resident))
    }

    async fn invoke(
        &self,
        function: Function,
        environment: &mut Environment,
        which: std::ops::Range<usize>,
    ) -> Result<(), Failed> {
        for n in which {
            function.check(&environment.feed(function.event(n, &self.keys, &self.sent)).await?)?;
        }
        Ok(())
    }

    /// The medians of a start and of its first invocation.
    async fn starts(&self, function: Function, bootstrap: &Path, url: &str) -> Result<[Duration; 2], Failed> {
        let (mut inits, mut firsts) = (Vec::new(), Vec::new());
        for n in 0..self.plan.starts {
            let mut environment = Environment::start(bootstrap, &self.variables(function, url)).await?;
            let init = environment.cpu()?;
            function.check(&environment.invoke(function.event(n, &self.keys, &self.sent)).await?)?;
            firsts.push(environment.cpu()?.saturating_sub(init));
            inits.push(init);
            environment.stop().await?;
        }
        Ok([median(inits), median(firsts)])
    }

    /// What Lambda and the template set, for all functions alike.
    fn variables(&self, function: Function, url: &str) -> Vec<(String, String)> {
        let roots = self.roots.display().to_string();
        let all = [
            ("AWS_LAMBDA_FUNCTION_NAME", function.bin()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "none"),
            ("AWS_SESSION_TOKEN", "none"),
            ("AWS_ENDPOINT_URL", url),
            ("SSL_CERT_FILE", roots.as_str()),
            ("LOG_LEVEL", "INFO"),
            ("PEOPLE_TABLE", store::PEOPLE),
            ("IDENTITIES_TABLE", store::IDENTITIES),
            ("DEFINITIONS_TABLE", store::DEFINITIONS),
            ("REJECTIONS_TABLE", store::REJECTIONS),
            ("PROFILE_QUEUE_URL", url),
            ("PROFILE_DLQ_URL", url),
            ("PROFILE_MAX_RECEIVES", "5"),
            ("IDENTITY_QUEUE_URL", url),
            ("IDENTITY_DLQ_URL", url),
            ("IDENTITY_MAX_RECEIVES", "5"),
            ("SEGMENTS_QUEUE_URL", url),
            ("SEGMENTS_DLQ_URL", url),
            ("SEGMENTS_MAX_RECEIVES", "5"),
            ("ID_KEY_PARAMETER", ID_KEY.0),
            ("SIGNING_KEYS_PARAMETER", SIGNING_KEYS.0),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn sizes(bootstrap: &Path) -> Result<(u64, u64), Failed> {
    let bytes = std::fs::read(bootstrap)?;
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
    deflated.write_all(&bytes)?;
    Ok((u64::try_from(bytes.len())?, u64::try_from(deflated.finish()?.len())?))
}
