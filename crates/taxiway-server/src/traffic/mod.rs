//! Traffic: which version answers a request that names none, and what came of it.
//!
//! A model's [`Route`] is a part of the table. It leads each unit (a user, or a request without a key) to an arm by a
//! hash, so that a unit stays where it is; [`led::Led`] is one request's way. What the requests of an arm came to is counted
//! by its [`Experiment`](experiment::Experiment), which outlives tables; `shadow` compares another version's
//! answers to theirs, `memory` lets feedback find them. A model without a route has nothing of this.

mod counts;
mod document;
mod ended;
mod experiment;
mod hash;
mod led;
mod memory;
mod nan;
mod recent;
mod route;
mod run;
mod seen;
mod shadow;
mod sketch;
#[cfg(test)]
mod tests;
mod top;
pub(crate) mod unit;

pub(crate) use document::RouteDocument;
pub(crate) use experiment::Experiments;
pub(crate) use led::{Exposure, Found};
pub(crate) use memory::{Heard, Judgement, Memory, key_of};
pub(crate) use route::Route;
pub(crate) use run::{answered, run};
pub(crate) use shadow::Shadows;
pub(crate) use unit::Caller;
