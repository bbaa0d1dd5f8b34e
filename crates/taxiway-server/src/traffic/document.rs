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
    /// Which version gets copies; none when there is none.
    #[serde(default)]
    pub(crate) shadow: Option<ShadowDocument>,
}

/// A version that answers copies of what the default version answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShadowDocument {
    pub(crate) version: i64,
    /// In millionths of those requests.
    pub(crate) share_ppm: u32,
    /// How far two numbers may be apart and still agree, times the default version's where that is above 1.
    #[serde(default = "ShadowDocument::usual_tolerance")]
    pub(crate) tolerance: f64,
}

impl ShadowDocument {
    /// What another order of the same sums comes to in 32 bits, and more.
    fn usual_tolerance() -> f64 {
        1e-4
    }
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
