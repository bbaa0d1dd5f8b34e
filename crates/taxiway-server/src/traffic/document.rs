//! A route as the control plane writes it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How the requests of a model that name no version are shared out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteDocument {
    /// What is counted under this name goes on while it stays; another name begins anew.
    pub(crate) experiment: String,
    /// Hashed before every unit, so that two experiments do not share their units out alike.
    pub(crate) salt: String,
    pub(crate) key: KeyDocument,
    /// What they do not take, the default version answers, as the arm `stable`.
    pub(crate) arms: Vec<ArmDocument>,
    /// By the name of a guard, the time in microseconds above which an answer is slow.
    pub(crate) slow_us: BTreeMap<String, u64>,
}

/// Where a request says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyDocument {
    /// A header, over gRPC the metadata of that name.
    Header(String),
    /// The first element of that input, or that feature of the first example.
    Field(String),
}

/// An arm and the units that are its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArmDocument {
    pub(crate) name: String,
    pub(crate) version: i64,
    /// In millionths of all units.
    pub(crate) share_ppm: u32,
    /// Where its units begin, in the same measure; behind those of the arm before it when there is none. An arm that
    /// begins where it began keeps all its units as its share grows.
    #[serde(default)]
    pub(crate) begin_ppm: Option<u32>,
}
