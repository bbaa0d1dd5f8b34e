//! What a model engine is.
//!
//! This crate is the contract between what serves requests (`taxiway-server`) and what runs graphs
//! (`taxiway-runtimes`): [`Tensor`], [`Signature`], [`Engine`], [`Error`]. It does no I/O, starts no thread,
//! knows no protocol server and no Python, and has no `unsafe`.
//!
//! With the feature `testing` it also carries fake engines and the conformance suite that every engine passes.
#![forbid(unsafe_code)]

mod dtype;
mod engine;
mod error;
mod scratch;
mod signature;
mod strings;
mod tensor;
mod wire;

/// TensorFlow's messages, generated from `proto/tensorflow`.
#[allow(missing_docs, clippy::all, clippy::too_many_lines, unreachable_pub)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/tensorflow.rs"));
}

#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(feature = "testing")]
pub mod fake;

pub use dtype::{DType, Element};
pub use engine::{Call, Engine};
pub use error::{Error, ErrorKind, Result};
pub use scratch::Scratch;
pub use signature::{DEFAULT_SIGNATURE, Port, Signature, Signatures, SpecShape};
pub use strings::{Strings, StringsBuilder};
pub use tensor::{ALIGNMENT, MAX_RANK, Shape, Tensor, TensorBuilder};
pub use wire::WireForm;
