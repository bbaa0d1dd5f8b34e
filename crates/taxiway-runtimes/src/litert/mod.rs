//! LiteRT through its C API.
use std::path::Path;
use std::sync::Arc;
use taxiway_engine::{Engine, Error, Result};
pub(crate) const MODEL_FILE: &str = "model.tflite";
pub(crate) fn open(_spec: &crate::LoadSpec, _library: &Path) -> Result<Arc<dyn Engine>> {
    Err(Error::new(taxiway_engine::ErrorKind::Unimplemented, "LiteRT models are not loaded yet"))
}
