//! Our own answers over REST: the list of models, readiness.

use std::collections::BTreeMap;

use serde::Serialize;
use taxiway_engine::Result;

use crate::render::rest::print;
use crate::table::{Readiness, State, Table};

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
struct Ready<'a> {
    ready: bool,
    reason: &'a str,
}

/// Whether something should get traffic, and why not.
pub(crate) fn readiness(readiness: &Readiness) -> Result<Vec<u8>> {
    print(&Ready { ready: readiness.ready, reason: &readiness.reason })
}
