//! The contract of what runs graphs.

use std::time::Duration;

use crate::{Result, Signature, Signatures, Tensor};

/// One run of a signature.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// One of the engine's own signatures.
    pub signature: &'a Signature,
    /// One tensor for each of `signature.inputs`, in their order.
    pub inputs: &'a [Tensor],
    /// The wanted outputs, as indices into `signature.outputs`, without repeats.
    pub outputs: &'a [usize],
    /// How long the run may take. Engines that cannot stop a run midway may ignore it.
    pub timeout: Option<Duration>,
}

/// What runs a graph: a loaded version on one runtime.
///
/// An engine may be called from any number of threads at once, and runs on the thread that calls it.
/// The suite in `conformance` states the rest as tests.
pub trait Engine: Send + Sync {
    /// The runtime's name as people read it: `tensorflow`, `litert`.
    fn name(&self) -> &'static str;

    /// What can be called.
    fn signatures(&self) -> &Signatures;

    /// Runs a signature and returns one tensor for each of `call.outputs`, in that order.
    ///
    /// # Errors
    /// The runtime's own text. A request that does not fit the graph is `InvalidArgument`, a run that takes
    /// longer than `call.timeout` is `DeadlineExceeded`. The engine stays usable after any error.
    fn run(&self, call: &Call<'_>) -> Result<Vec<Tensor>>;

    /// Runs several signatures and returns the tensors of each call: in one run of the graph where the runtime can do
    /// that and all calls share one slice of inputs, else one after the other.
    ///
    /// # Errors
    /// As [`Engine::run`]; the first one ends all.
    fn run_together(&self, calls: &[Call<'_>]) -> Result<Vec<Vec<Tensor>>> {
        calls.iter().map(|call| self.run(call)).collect()
    }
}
