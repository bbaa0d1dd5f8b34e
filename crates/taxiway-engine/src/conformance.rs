//! What every engine is to do, as checks that every engine runs.
//!
//! A test of an engine says how it opens each [`Model`] and what its runtime cannot express, and runs the suite:
//!
//! ```
//! use std::sync::Arc;
//! use taxiway_engine::conformance::{Capabilities, Suite};
//!
//! let suite = Suite { capabilities: Capabilities::ALL, open: &|model| Arc::new(model.reference()) };
//! let left_out = suite.run();
//! assert!(left_out.is_empty());
//! ```

use std::sync::Arc;

use crate::Engine;

mod checks;
mod models;

pub use models::Model;

/// What a runtime can express. What it cannot is left out of the suite, and listed by [`Suite::run`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It takes and gives strings.
    pub strings: bool,
    /// It takes tensors of any rank where a signature says that the rank is unknown.
    pub unknown_rank: bool,
    /// It stops a run that takes longer than its deadline.
    pub stops_runs: bool,
}

impl Capabilities {
    /// Everything the contract allows for.
    pub const ALL: Capabilities = Capabilities { strings: true, unknown_rank: true, stops_runs: true };

    fn allow(self, model: Model) -> bool {
        match model {
            Model::Strings => self.strings,
            Model::AnyRank => self.unknown_rank,
            Model::Endless => self.stops_runs,
            Model::HalfPlusTwo | Model::Several | Model::Scalars | Model::Types | Model::Product => true,
        }
    }
}

/// The suite for one engine.
pub struct Suite<'a> {
    /// What its runtime can express.
    pub capabilities: Capabilities,
    /// Opens a model anew.
    pub open: &'a dyn Fn(Model) -> Arc<dyn Engine>,
}

/// A model on the engine under test.
pub(crate) struct Subject<'a> {
    model: Model,
    open: &'a dyn Fn(Model) -> Arc<dyn Engine>,
    engine: Arc<dyn Engine>,
}

impl Suite<'_> {
    /// Runs every check on every model that the runtime can express, and returns the names of the models it cannot.
    ///
    /// # Panics
    /// When a check fails: with all that failed, a line each.
    pub fn run(&self) -> Vec<&'static str> {
        let (checked, left_out): (Vec<_>, Vec<_>) =
            Model::ALL.into_iter().partition(|&model| self.capabilities.allow(model));
        let mut failures = Vec::new();
        for model in checked {
            let subject = Subject { model, open: self.open, engine: (self.open)(model) };
            for (rule, check) in checks::CHECKS {
                if let Err(found) = check(&subject) {
                    failures.push(format!("{}: {rule}: {found}", model.name()));
                }
            }
        }
        assert!(failures.is_empty(), "the engine breaks its contract:\n{}", failures.join("\n"));
        left_out.into_iter().map(Model::name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeEngine;
    use crate::{Result, Tensor};

    #[test]
    fn the_reference_passes() {
        let left_out = Suite { capabilities: Capabilities::ALL, open: &|model| Arc::new(model.reference()) }.run();
        assert!(left_out.is_empty());
    }

    #[test]
    fn what_a_runtime_cannot_express_is_listed() {
        let capabilities = Capabilities { strings: false, unknown_rank: false, stops_runs: false };
        let left_out = Suite { capabilities, open: &|model| Arc::new(model.reference()) }.run();
        assert_eq!(left_out, ["strings", "any_rank", "endless"]);
    }

    /// Runs the suite on the reference with its answers changed by `spoil`, and returns what it says.
    fn findings(spoil: fn(Result<Vec<Tensor>>) -> Result<Vec<Tensor>>) -> String {
        let open = |model: Model| -> Arc<dyn Engine> {
            let reference = model.reference();
            let definitions = reference.signatures().definitions().clone();
            Arc::new(FakeEngine::new(definitions, move |call| spoil(reference.run(call))))
        };
        let run = std::panic::AssertUnwindSafe(|| Suite { capabilities: Capabilities::ALL, open: &open }.run());
        *std::panic::catch_unwind(run).unwrap_err().downcast::<String>().unwrap()
    }

    #[test]
    fn an_engine_that_ignores_the_order_of_outputs_is_found() {
        let said = findings(|answer| answer.map(|tensors| tensors.into_iter().rev().collect()));
        assert!(said.contains("several: outputs come in the order they are asked for"), "{said}");
    }

    #[test]
    fn an_engine_that_blames_itself_for_a_wrong_request_is_found() {
        let said = findings(|answer| answer.map_err(|error| crate::Error::internal(error.message)));
        assert!(said.contains("product: a wrong request is refused"), "{said}");
        assert!(said.contains("endless: a run stops at its deadline"), "{said}");
    }

    #[test]
    fn an_engine_with_wrong_values_is_found() {
        let said = findings(|answer| {
            let double = |tensor: Tensor| match tensor.values::<f32>() {
                Some(values) => {
                    Tensor::from_values(tensor.shape(), &values.iter().map(|v| v * 2.0).collect::<Vec<_>>())
                }
                None => Ok(tensor),
            };
            answer?.into_iter().map(double).collect()
        });
        assert!(said.contains("half_plus_two: answers are the model's"), "{said}");
    }
}
