//! One version on two engines, each with its signatures. What the second cannot run the first answers, or says what is wrong
//! with it: callers get the errors of what the version was made for.

use std::collections::BTreeMap;
use std::sync::Arc;

use taxiway_engine::{Call, Engine, Error, ErrorKind, Result, Signature, Signatures, Tensor};

/// The first engine's signatures, some of them run by the second.
pub(super) struct Split {
    signatures: Signatures,
    /// `None` when it was shown elsewhere that the second runs all that callers can ask.
    first: Option<Arc<dyn Engine>>,
    second: Arc<dyn Engine>,
    /// What the second calls those that it runs, by name.
    taken: BTreeMap<String, Arc<Signature>>,
    name: &'static str,
}

impl Split {
    /// Both engines as one; the first alone when nothing is taken from it. It is let go when all is, and all is `shown`.
    pub(super) fn of(
        first: Arc<dyn Engine>,
        second: Arc<dyn Engine>,
        taken: BTreeMap<String, Arc<Signature>>,
        shown: &[String],
    ) -> Arc<dyn Engine> {
        if taken.is_empty() {
            return first;
        }
        let signatures = first.signatures().clone();
        let all = signatures.callable().all(|signature| taken.contains_key(&signature.name));
        let name = if all { second.name() } else { "mixed" };
        let let_go = all && taken.keys().all(|name| shown.contains(name));
        Arc::new(Split { signatures, first: (!let_go).then_some(first), second, taken, name })
    }

    fn on_second(&self, signature: &Arc<Signature>, call: &Call<'_>) -> Result<Vec<Tensor>> {
        let answer = self.second.run(&Call { signature, ..*call });
        match (answer, &self.first) {
            (Err(error), _) if matches!(error.kind, ErrorKind::DeadlineExceeded | ErrorKind::Cancelled) => Err(error),
            (Err(_), Some(first)) => first.run(call),
            // What was made for the first engine and fits its signature fails by the values in the request, as a rule:
            // the caller's fault, and none that a rollout should be stopped for.
            (Err(Error { kind: ErrorKind::Internal, message }), None) => Err(Error::invalid(message)),
            (answer, _) => answer,
        }
    }

    fn is_first(&self, call: &Call<'_>) -> bool {
        !self.taken.contains_key(&call.signature.name)
    }
}

impl Engine for Split {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    fn run(&self, call: &Call<'_>) -> Result<Vec<Tensor>> {
        match (self.taken.get(&call.signature.name), &self.first) {
            (None, Some(first)) => first.run(call),
            (Some(signature), _) => self.on_second(signature, call),
            (None, None) => self.second.run(call),
        }
    }

    fn run_together(&self, calls: &[Call<'_>]) -> Result<Vec<Vec<Tensor>>> {
        match &self.first {
            Some(first) if calls.iter().all(|call| self.is_first(call)) => first.run_together(calls),
            _ => calls.iter().map(|call| self.run(call)).collect(),
        }
    }
}
