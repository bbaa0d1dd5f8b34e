//! What to load, as one document.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Faults;

/// One version to load. Every key is required and an unknown one is refused: defaults live in one place, the
/// settings table of the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSpec {
    /// The model's name, for messages.
    pub name: String,
    /// The version's number, for messages.
    pub version: i64,
    /// The version's directory, absolute.
    pub path: PathBuf,
    /// Which runtime is to run it.
    pub engine: EngineChoice,
    /// Signatures that LiteRT was found to answer like TensorFlow, and faster, when the version was published: of these
    /// nothing needs to be found out with [`EngineChoice::Auto`].
    pub shown: Vec<String>,
    /// The tags of the graph in the SavedModel: `serve`.
    pub tags: Vec<String>,
    /// Where the runtimes are.
    pub libraries: Libraries,
    /// Libraries of more operations for TensorFlow, absolute paths. Each is loaded once in a process, and its
    /// operations stay known to all models.
    pub op_libraries: Vec<PathBuf>,
    /// How a runtime is to use the machine.
    pub session: SessionOptions,
    /// Whether the caller runs the version's own requests before it serves. Nothing here acts on it.
    pub warm_up: WarmUp,
    /// How the server gathers the version's requests; null runs each on its own, `"auto"` finds out.
    /// Nothing here acts on it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub batching: Option<serde_json::Value>,
    /// Where a sample of its requests is logged, if it is; the server reads it.
    pub request_log: Option<serde_json::Value>,
    /// What goes wrong on purpose, in a drill; null for nothing.
    #[serde(deserialize_with = "Option::deserialize")]
    pub faults: Option<Faults>,
    /// Whether it is loaded at full speed, whatever other versions serve meanwhile. Nothing here acts on it.
    pub urgent: bool,
}

/// Which runtime is to run a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The one that the version has files for and that is installed. With files for both it is for the caller to find
    /// out which is to run it: see [`crate::candidates`]; [`crate::open`] then takes TensorFlow.
    Auto,
    /// TensorFlow, or an error.
    TensorFlow,
    /// LiteRT, or an error.
    LiteRt,
    /// As with TensorFlow Serving's `--prefer_tflite_model`: LiteRT when the version has a `model.tflite`, with
    /// signatures from its metadata or of its graph's own names, else TensorFlow.
    #[serde(rename = "prefer_tflite")]
    PreferTflite,
    /// As with TensorFlow Serving otherwise: TensorFlow when the version has a SavedModel and the library is installed,
    /// else LiteRT when it has a `model.tflite` and that library is.
    #[serde(rename = "prefer_tensorflow")]
    PreferTensorFlow,
}

/// Where the runtimes are; null for one that is not installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Libraries {
    /// TensorFlow's.
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub tensorflow: Option<TensorFlowLibraries>,
    /// `libLiteRt.so`.
    #[serde(deserialize_with = "Option::deserialize")]
    pub litert: Option<PathBuf>,
}

/// TensorFlow's two libraries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorFlowLibraries {
    /// `libtensorflow_cc.so.2`.
    pub core: PathBuf,
    /// `libtensorflow_framework.so.2`.
    pub framework: PathBuf,
}

/// How a runtime is to use the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOptions {
    /// Threads inside one operation; 0 leaves it to TensorFlow (all cores) and means 1 to LiteRT. TensorFlow has one
    /// such pool in a process: the first model's number counts.
    pub intra_op_threads: u32,
    /// Threads that run independent operations of one request. 0 and 1 run a request on the thread that brought it,
    /// which is fastest for small graphs and for many requests at once; more hand it to a pool of TensorFlow's.
    pub inter_op_threads: u32,
    /// The part of a GPU's memory that TensorFlow may take, 0 to 1; 0 leaves it to TensorFlow.
    pub gpu_memory_fraction: f64,
    /// Whether TensorFlow takes GPU memory as it needs it instead of all at once.
    pub gpu_allow_growth: bool,
    /// Whether an operation without a kernel on its device may run on another.
    pub allow_soft_placement: bool,
}

/// Whether a version's own requests are run before it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// Whether they are.
    pub enabled: bool,
    /// How often each.
    pub iterations: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"name": "m", "version": 3, "path": "/models/m/3", "engine": "litert", "shown": [], "tags": ["serve"],
        "libraries": {"tensorflow": {"core": "/cc", "framework": "/fw"}, "litert": null}, "op_libraries": ["/ops/_text.so"],
        "session": {"intra_op_threads": 0, "inter_op_threads": 0, "gpu_memory_fraction": 0, "gpu_allow_growth": false,
                    "allow_soft_placement": true},
        "warm_up": {"enabled": true, "iterations": 1}, "batching": null, "request_log": null,
        "faults": null, "urgent": false}"#;

    #[test]
    fn the_document_is_read() {
        let spec: LoadSpec = serde_json::from_str(DOCUMENT).unwrap();
        assert_eq!((spec.engine, spec.libraries.litert.as_ref()), (EngineChoice::LiteRt, None));
        assert_eq!(spec.op_libraries, [PathBuf::from("/ops/_text.so")]);
        assert_eq!(spec.libraries.tensorflow.unwrap().framework, PathBuf::from("/fw"));
    }

    #[test]
    fn unknown_and_missing_keys_are_refused() {
        for (from, to) in [
            ("\"name\"", "\"nam\""),
            ("\"litert\": null", "\"lite\": null"),
            (", \"litert\": null", ""),
            ("\"op_libraries\": [\"/ops/_text.so\"],", ""),
            ("\"gpu_memory_fraction\": 0, ", ""),
            ("\"litert\", \"shown\"", "\"onnx\", \"shown\""),
            ("\"iterations\": 1", "\"iterations\": 1, \"more\": 2"),
            ("\"faults\": null", "\"faults\": {\"error_rate\": 1}"),
        ] {
            assert!(DOCUMENT.contains(from), "{from}");
            let refused = serde_json::from_str::<LoadSpec>(&DOCUMENT.replace(from, to));
            assert!(refused.is_err(), "{from} as {to} was taken");
        }
    }
}
