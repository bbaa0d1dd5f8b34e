//! Our own answers over REST: the list of models, readiness.

use std::collections::BTreeMap;

use serde::Serialize;
use taxiway_engine::Result;

use crate::loaded::Loaded;
use crate::render::rest::print;
use crate::table::{Artifacts, Readiness, State, Table};

#[derive(Serialize)]
struct List<'a> {
    models: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    name: &'a str,
    /// The version that answers a request that names none; versions are strings, as in every other answer.
    default_version: Option<String>,
    labels: BTreeMap<&'a str, String>,
    ready: bool,
    reason: &'a str,
    versions: Vec<Version>,
}

#[derive(Serialize)]
struct Version {
    version: String,
    state: State,
}

/// Every model with its versions and labels.
pub(crate) fn list(table: &Table) -> Result<Vec<u8>> {
    let models = table.models().into_iter().map(|(name, model)| Item {
        name,
        default_version: model.default_version().map(|version| version.to_string()),
        labels: model.labels().iter().map(|(label, version)| (label.as_str(), version.to_string())).collect(),
        ready: model.readiness().ready,
        reason: &model.readiness().reason,
        versions: model
            .statuses()
            .iter()
            .map(|status| Version { version: status.version.to_string(), state: status.state })
            .collect(),
    });
    print(&List { models: models.collect() })
}

#[derive(Serialize)]
struct ArtifactList<'a> {
    model: &'a str,
    version: String,
    artifacts: Vec<ArtifactItem<'a>>,
}

#[derive(Serialize)]
struct ArtifactItem<'a> {
    name: &'a str,
    target: &'a str,
    variant: &'a str,
    bytes: u64,
    sha256: &'a str,
    contract: &'a serde_json::Map<String, serde_json::Value>,
    /// Why this server cannot send it; empty when it can.
    missing: &'a str,
}

/// The artefacts of a version.
pub(crate) fn artifacts(loaded: &Loaded, listed: Option<&Artifacts>) -> Result<Vec<u8>> {
    let items = listed.into_iter().flatten().map(|(name, artifact)| ArtifactItem {
        name,
        target: &artifact.target,
        variant: &artifact.variant,
        bytes: artifact.bytes,
        sha256: &artifact.sha256,
        contract: &artifact.contract,
        missing: &artifact.missing,
    });
    print(&ArtifactList { model: &loaded.name, version: loaded.version.to_string(), artifacts: items.collect() })
}

#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    reason: &'a str,
}

/// Whether something should get traffic, and why not.
pub(crate) fn readiness(readiness: &Readiness) -> Result<Vec<u8>> {
    print(&Ready { ready: readiness.ready, reason: &readiness.reason })
}
