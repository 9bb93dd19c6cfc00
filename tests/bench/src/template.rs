//! What the figures take from the template: tables, and the functions' memory.

use local::template::{Setting, Wiring};
use serde_yaml_ng::Value;

use crate::failed::{Failed, Wrong};

const FILE: &str = include_str!("../../../template.yaml");

/// The template, as far as it decides what is billed.
pub(crate) struct Template {
    pub(crate) wiring: Wiring,
    whole: Value,
}

impl Template {
    pub(crate) fn read() -> Result<Self, Failed> {
        Ok(Self { wiring: Wiring::parse(FILE)?, whole: serde_yaml_ng::from_str(FILE)? })
    }

    /// The name of the table that a function reads from a variable.
    pub(crate) fn table(&self, bin: &str, variable: &str) -> Result<String, Failed> {
        let setting = self.wiring.function(bin).and_then(|function| function.environment.get(variable));
        let name = setting.map(Setting::name).map(str::to_owned);
        name.ok_or_else(|| Wrong(format!("the template gives `{bin}` no {variable}")).into())
    }

    /// The function's memory in MB.
    pub(crate) fn memory(&self, bin: &str) -> Result<u64, Failed> {
        let resources = self.whole.get("Resources").and_then(Value::as_mapping);
        let properties =
            resources.into_iter().flatten().filter_map(|(_, resource)| resource.get("Properties"));
        let code = format!("target/lambda/{bin}/");
        let mut of_bin =
            properties.filter(|properties| properties.get("CodeUri").and_then(Value::as_str) == Some(&code));
        let memory = of_bin.next().and_then(|properties| properties.get("MemorySize")?.as_u64());
        memory.ok_or_else(|| Wrong(format!("the template gives `{bin}` no memory")).into())
    }

    /// Batches of the profile queue that are folded at once.
    pub(crate) fn concurrency(&self) -> Result<u64, Failed> {
        let found = self
            .whole
            .get("Parameters")
            .and_then(|all| all.get("ProfileConcurrency")?.get("Default")?.as_u64());
        found.ok_or_else(|| Wrong("the template has no ProfileConcurrency".to_owned()).into())
    }
}
