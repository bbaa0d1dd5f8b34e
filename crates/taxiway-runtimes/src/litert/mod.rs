//! LiteRT through its C API.

mod buckets;
mod buffer;
mod describe;
mod engine;
mod flexmap;
mod instance;
mod library;
mod model;
mod pool;
mod watch;

pub(crate) use describe::{Naming, saved_signatures};
pub(crate) use engine::open;

/// The file beside, or instead of, a SavedModel.
pub(crate) const MODEL_FILE: &str = "model.tflite";
