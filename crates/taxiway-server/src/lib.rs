//! placeholder
pub mod batch;
