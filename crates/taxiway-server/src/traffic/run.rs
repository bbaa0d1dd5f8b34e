//! Running a request so that an experiment sees what came of it.

use taxiway_engine::{Result, Tensor};

use crate::execute::{Run, execute};
use crate::lease::Lease;
use crate::metrics::Tracked;
use crate::server::Core;

/// Runs a request on the version that it was led to.
///
/// # Errors
/// Those of [`execute`].
pub(crate) async fn run(core: &Core, lease: &Lease, run: Run, tracked: &mut Tracked<'_>) -> Result<Vec<Tensor>> {
    let asked = tracked.exposure().and_then(|exposure| exposure.asked(&run));
    let tensors = tracked.timed(execute(&core.pool, lease, run)).await?;
    if let Some(exposure) = tracked.exposure() {
        exposure.answered(&core.memory, &tensors);
        if let Some(asked) = asked {
            core.shadows.offer(asked, &tensors, &core.memory);
        }
    }
    Ok(tensors)
}

/// What several signatures of one request answered, one behind the other. Such a request is not shadowed.
pub(crate) fn answered(core: &Core, tensors: Vec<Tensor>, tracked: &mut Tracked<'_>) {
    if let Some(exposure) = tracked.exposure() {
        exposure.answered(&core.memory, &tensors);
    }
}
