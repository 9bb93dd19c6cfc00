//! Waiting until nothing is on its way any more.

use std::time::Duration;

use crate::http::{Http, Status};
use crate::problem::Problem;
use crate::stack::Running;

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longer than any visibility timeout: by then whatever was in flight is back.
const STUCK_AFTER: Duration = Duration::from_mins(10);

/// Waits until queues and outboxes are empty. What stays, in a dead-letter
/// queue too, is a finding.
pub(crate) async fn wait(http: &Http, running: &mut Running) -> Result<(), Problem> {
    let mut last = Status::default();
    let mut since = tokio::time::Instant::now();
    loop {
        running.still_runs()?;
        let status = http.status(&running.address()).await?;
        if status.is_empty() {
            return Ok(());
        }
        if status != last {
            last = status;
            since = tokio::time::Instant::now();
        }
        if since.elapsed() > STUCK_AFTER {
            return Err(Problem::NotDrained { seconds: STUCK_AFTER.as_secs(), left: last.to_string() });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
