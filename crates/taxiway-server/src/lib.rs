//! The request path between the wire and an engine.
#![forbid(unsafe_code)]

pub mod batch;
pub mod json;
