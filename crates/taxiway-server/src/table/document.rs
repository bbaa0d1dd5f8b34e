//! The table as the control plane writes it.

use std::collections::BTreeMap;

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
