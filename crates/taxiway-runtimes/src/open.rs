//! Which runtime loads a version.

use std::path::Path;
use std::sync::Arc;

use taxiway_engine::{Engine, Error, ErrorKind, Result, Signature, Signatures};

use crate::faulty::Faulty;
use crate::litert::Naming;
use crate::{EngineChoice, LoadSpec, TensorFlowLibraries, litert, tensorflow};

/// Loads a version on the runtime that its spec asks for. Blocks for as long as reading the model takes.
///
/// # Errors
/// `FailedPrecondition` with the extra to install when the runtime is not installed; `NotFound` when the directory
/// holds no model for it; else the runtime's own error, with the path.
pub fn open(spec: &LoadSpec) -> Result<Arc<dyn Engine>> {
    with_faults(open_sound(spec)?, spec)
}

/// The engine with the faults that the spec asks for.
///
/// # Errors
/// `InvalidArgument` when a rate of faults is none.
pub fn with_faults(engine: Arc<dyn Engine>, spec: &LoadSpec) -> Result<Arc<dyn Engine>> {
    Ok(match spec.faults {
        Some(faults) => Arc::new(Faulty::new(engine, faults)?),
        None => engine,
    })
}

/// What a version can be run on, without faults.
pub struct Candidates {
    /// What runs it when nothing more is found out.
    pub engine: Arc<dyn Engine>,
    /// LiteRT, where the version has files for both runtimes and it is open which is to run it.
    pub litert: Option<Arc<dyn Engine>>,
    /// Why only one is a candidate although the version has files for both; empty when it has not, or the spec says
    /// which it is to be.
    pub why: String,
}

impl Candidates {
    fn one(engine: Arc<dyn Engine>, why: impl Into<String>) -> Candidates {
        Candidates { engine, litert: None, why: why.into() }
    }
}

/// Threads that loading may begin. They keep the priority of the thread that loads, whatever they do later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Whatever a runtime begins.
    Any,
    /// None that requests would be run on.
    None,
}

/// Loads a version on every runtime that may come to run it: two with [`EngineChoice::Auto`] where there are files and
/// libraries for both. TensorFlow is left alone when publishing has shown that LiteRT does all that it would do.
///
/// `None` when it would begin other threads than it may: TensorFlow those of the process with the first model, LiteRT
/// those of each model that is to use several.
///
/// # Errors
/// As [`open`]. A `model.tflite` that LiteRT refuses is none, where there is a SavedModel.
pub fn candidates(spec: &LoadSpec, threads: Threads) -> Result<Option<Candidates>> {
    let saved_model = tensorflow::holds_saved_model(&spec.path);
    let flat_model = spec.path.join(litert::MODEL_FILE).is_file();
    let is_forbidden = threads == Threads::None;
    let begins_tensorflow = is_forbidden && saved_model && !tensorflow::has_threads();
    let begins_litert = is_forbidden && flat_model && spec.session.intra_op_threads > 1;
    if begins_litert && spec.engine != EngineChoice::TensorFlow {
        return Ok(None);
    }
    if spec.engine != EngineChoice::Auto || !(saved_model && flat_model) {
        if begins_tensorflow && spec.engine != EngineChoice::LiteRt {
            return Ok(None);
        }
        return Ok(Some(Candidates::one(open_sound(spec)?, "")));
    }
    let lite = installed_litert(spec).and_then(|library| litert::open(spec, library, Naming::Signatures));
    let files = installed_tensorflow(spec);
    let found = match (files, lite) {
        (_, Ok(lite)) if does_all(spec, lite.as_ref()) => {
            Candidates::one(lite, "publishing found that LiteRT answers alike, and faster")
        }
        (Ok(_), _) if begins_tensorflow => return Ok(None),
        (Ok(files), Ok(lite)) => {
            Candidates { engine: tensorflow::open(spec, files)?, litert: Some(lite), why: String::new() }
        }
        (Ok(files), Err(error)) => {
            Candidates::one(tensorflow::open(spec, files)?, format!("LiteRT cannot run it: {}", error.message))
        }
        (Err(_), Ok(lite)) => Candidates::one(lite, "TensorFlow is not installed"),
        // The reason why it is not TensorFlow is only of interest when it cannot be LiteRT either.
        (Err(missing), Err(_)) => return Err(missing),
    };
    Ok(Some(found))
}

/// Whether publishing has shown that LiteRT is to run every signature that the SavedModel has for callers.
fn does_all(spec: &LoadSpec, lite: &dyn Engine) -> bool {
    if spec.shown.is_empty() {
        return false;
    }
    let saved = Signatures::new(litert::saved_signatures(&spec.path, &spec.tags));
    let mut asked = saved.callable().filter(|signature| signature.is_for_callers()).peekable();
    let covered = |signature: &Arc<Signature>| {
        let own = lite.signatures().get(&signature.name).and_then(std::result::Result::ok);
        spec.shown.contains(&signature.name) && own.is_some_and(|own| signature.unlike(own).is_none())
    };
    asked.peek().is_some() && asked.all(covered)
}

fn open_sound(spec: &LoadSpec) -> Result<Arc<dyn Engine>> {
    match spec.engine {
        EngineChoice::TensorFlow => tensorflow::open(spec, installed_tensorflow(spec)?),
        EngineChoice::LiteRt => litert::open(spec, installed_litert(spec)?, Naming::Signatures),
        EngineChoice::PreferTflite if spec.path.join(litert::MODEL_FILE).is_file() => {
            litert::open(spec, installed_litert(spec)?, Naming::TensorFlowServing)
        }
        EngineChoice::PreferTflite => tensorflow::open(spec, installed_tensorflow(spec)?),
        EngineChoice::PreferTensorFlow | EngineChoice::Auto => open_any(spec),
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
