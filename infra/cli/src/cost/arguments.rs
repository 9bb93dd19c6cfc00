//! The options of `tributary cost`.

use clap::Args;

use crate::operate::arguments::{Place, seconds};

#[derive(Debug, Args)]
pub(crate) struct Cost {
    /// Counts what was used in the last so much time, such as 90m, 24h or 30d.
    #[arg(long, value_parser = seconds, default_value = "30d", value_name = "TIME")]
    pub(crate) since: u32,
    #[command(flatten)]
    pub(crate) place: Place,
}
