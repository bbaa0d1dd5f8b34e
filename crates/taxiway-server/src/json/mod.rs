//! TensorFlow Serving's JSON: requests straight into typed, flat tensors, answers straight from them.
//!
//! There is no intermediate tree and no recursion, so depth costs one bit a level. The dialect is RapidJSON 1.1.0's
//! as TensorFlow Serving sets it up: `NaN`, `Inf`, `Infinity` and their negatives are numbers, what follows the first
//! complete document is ignored, strings are bytes that nobody checks to be UTF-8, and of equal keys the first counts.
//!
//! A request is read once when the caller says which signature it expects ([`Document::parse_expecting`]), else
//! twice: its syntax, then its tensors. A request that is wrong is gone over again for its exact message.

mod cursor;
mod decimal;
mod dense;
mod document;
mod dump;
mod exact;
mod examples;
mod lanes;
mod longhand;
mod number;
mod predict;
mod pretty;
mod rows;
mod sink;
mod text;
mod write;

#[cfg(test)]
mod tests;

pub use document::Document;
pub use write::{write_classifications, write_error, write_predict, write_regressions};

/// How a predict request lays its tensors out, and its answer too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `instances` and `predictions`: a list with one element a row.
    Row,
    /// `inputs` and `outputs`: whole tensors.
    Columnar,
}
