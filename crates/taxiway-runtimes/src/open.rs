//! Which runtime loads a version.

use std::path::Path;
use std::sync::Arc;

use taxiway_engine::{Engine, Error, ErrorKind, Result};

use crate::faulty::Faulty;
use crate::litert::Naming;
use crate::{EngineChoice, LoadSpec, TensorFlowLibraries, litert, tensorflow};

/// Loads a version on the runtime that its spec asks for. Blocks for as long as reading the model takes.
///
/// # Errors
/// `FailedPrecondition` with the extra to install when the runtime is not installed; `NotFound` when the directory
/// holds no model for it; else the runtime's own error, with the path.
pub fn open(spec: &LoadSpec) -> Result<Arc<dyn Engine>> {
    let engine = open_sound(spec)?;
    Ok(match spec.faults {
        Some(faults) => Arc::new(Faulty::new(engine, faults)?),
        None => engine,
    })
}

fn open_sound(spec: &LoadSpec) -> Result<Arc<dyn Engine>> {
    match spec.engine {
        EngineChoice::TensorFlow => tensorflow::open(spec, installed_tensorflow(spec)?),
        EngineChoice::LiteRt => litert::open(spec, installed_litert(spec)?, Naming::Signatures),
        EngineChoice::PreferTflite if spec.path.join(litert::MODEL_FILE).is_file() => {
            litert::open(spec, installed_litert(spec)?, Naming::TensorFlowServing)
        }
        EngineChoice::PreferTflite => tensorflow::open(spec, installed_tensorflow(spec)?),
        EngineChoice::Auto => open_any(spec),
    }
}

fn open_any(spec: &LoadSpec) -> Result<Arc<dyn Engine>> {
    let saved_model = tensorflow::holds_saved_model(&spec.path);
    let flat_model = spec.path.join(litert::MODEL_FILE).is_file();
    match (saved_model, flat_model) {
        (true, true) => match installed_tensorflow(spec) {
            Ok(files) => tensorflow::open(spec, files),
            // The reason why it is not TensorFlow is only of interest when it cannot be LiteRT either.
            Err(missing) => litert::open(spec, installed_litert(spec).map_err(|_| missing)?, Naming::Signatures),
        },
        (false, true) => litert::open(spec, installed_litert(spec)?, Naming::Signatures),
        // An empty directory gets TensorFlow Serving's answer, whatever is installed.
        (false, false) => Err(tensorflow::no_saved_model(&spec.path)),
        (true, false) => tensorflow::open(spec, installed_tensorflow(spec)?),
    }
}

fn installed_tensorflow(spec: &LoadSpec) -> Result<&TensorFlowLibraries> {
    let present = |files: &&TensorFlowLibraries| files.core.is_file() && files.framework.is_file();
    spec.libraries.tensorflow.as_ref().filter(present).ok_or_else(|| not_installed(spec, "TensorFlow", "tensorflow"))
}

fn installed_litert(spec: &LoadSpec) -> Result<&Path> {
    let present = |path: &&Path| path.is_file();
    spec.libraries.litert.as_deref().filter(present).ok_or_else(|| not_installed(spec, "LiteRT", "litert"))
}

fn not_installed(spec: &LoadSpec, library: &str, extra: &str) -> Error {
    Error::new(
        ErrorKind::FailedPrecondition,
        format!(
            "model \"{}\" version {} needs the {library} library, which is not installed: install taxiway[{extra}]",
            spec.name, spec.version
        ),
    )
}
