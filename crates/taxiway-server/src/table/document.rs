//! The table as the control plane writes it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::traffic::RouteDocument;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableDocument {
    pub(super) models: BTreeMap<String, ModelDocument>,
    /// Whether this server has ever been given a label.
    pub(super) labels_used: bool,
    pub(super) ready: bool,
    pub(super) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelDocument {
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub(super) default: Option<i64>,
    /// Version → id of a loaded version.
    pub(super) versions: BTreeMap<i64, u64>,
    /// A label may stand for a version that is not there now; asking for it is then `NotFound`.
    pub(super) labels: BTreeMap<String, i64>,
    pub(super) ready: bool,
    pub(super) reason: String,
    /// Newest first.
    pub(super) statuses: Vec<VersionStatus>,
    /// How requests that name no version are shared out; may be left out, and the default answers them all.
    #[serde(default)]
    pub(super) route: Option<RouteDocument>,
    /// Version → what was made of it for other places; may be left out.
    #[serde(default)]
    pub(super) artifacts: BTreeMap<i64, Artifacts>,
}

/// Artefacts of a version by name, such as `edge/int8.tflite`.
pub(crate) type Artifacts = BTreeMap<String, Artifact>;

/// A file that was made of a version for another place to run it. Nothing else of a version can be downloaded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Artifact {
    pub(crate) target: String,
    pub(crate) variant: String,
    pub(crate) bytes: u64,
    /// In hexadecimal.
    pub(crate) sha256: String,
    /// How its answers were held to the version's.
    pub(crate) contract: serde_json::Map<String, serde_json::Value>,
    /// The file, absolute; null when this machine does not have it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) path: Option<PathBuf>,
    /// Why not.
    pub(crate) missing: String,
}

/// Where one version stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionStatus {
    pub(crate) version: i64,
    pub(crate) state: State,
    /// 0, or the code of an [`taxiway_engine::ErrorKind`].
    pub(crate) error_code: i32,
    pub(crate) error_message: String,
}

/// The states of TensorFlow Serving's protocol, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum State {
    Start = 10,
    Loading = 20,
    Available = 30,
    Unloading = 40,
    End = 50,
}
