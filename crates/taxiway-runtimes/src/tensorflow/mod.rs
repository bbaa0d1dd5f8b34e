//! TensorFlow through its C API.

mod deadline;
mod engine;
mod executor;
mod library;
mod op_libraries;
mod options;
mod session;
mod status;
mod tensor;
mod variables;

pub(crate) use engine::{holds_saved_model, no_saved_model, open};
pub(crate) use session::has_threads;
