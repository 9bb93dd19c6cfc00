//! What the segments stage has to do: that everybody is asked about new
//! definitions, and that members are counted once a day. Each minute the sweep
//! sends what is still open of it.

use domain::segment::fill::{Fill, Request};
use ports::queue::{Fifo, Outgoing};
use ports::{Clock, Definitions, Queue};
use runtime::definitions::Cached;
use runtime::failure::Failure;

/// Sends all parts that are open of fills whose time has come, and all counts
/// that are due; says how many.
pub async fn send<D: Definitions, Q: Queue, C: Clock>(
    definitions: &Cached<D>,
    queue: &Q,
    clock: &C,
) -> Result<usize, Failure> {
    let (now, store) = (clock.now(), definitions.store());
    let fills = store.fills().await.map_err(Failure::retry)?;
    let counts = store.counts().await.map_err(Failure::retry)?;
    let open = fills.iter().filter(|fill| !fill.waits(now)).flat_map(Fill::open).map(Request::Part);
    let due = counts.iter().filter_map(|counting| counting.due(now)).map(Request::Count);
    let requests: Vec<Outgoing> = open
        .chain(due)
        .map(|request| Outgoing {
            body: request.pack(),
            attributes: Vec::new(),
            fifo: Some(Fifo { group: request.group(), deduplication: request.deduplication(now) }),
        })
        .collect();
    let sent = requests.len();
    if sent > 0 {
        queue.send(requests).await.map_err(Failure::retry)?;
    }
    Ok(sent)
}
