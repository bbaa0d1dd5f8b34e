//! The table: which loaded version answers which request. Immutable; replaced as a whole.

mod document;

use std::collections::{BTreeMap, HashMap};

use taxiway_engine::{Error, ErrorKind, Result};

pub(crate) use document::{Artifact, Artifacts, State, VersionStatus};

use crate::lease::Lease;
use crate::loaded::Loaded;
use crate::server::Registry;
use crate::traffic::{Experiments, Found, Route};
use document::{ModelDocument, TableDocument};

/// Everything that can be asked for, at one moment.
#[derive(Default)]
pub(crate) struct Table {
    models: HashMap<String, Model>,
    labels_used: bool,
    /// Whether this server should get traffic.
    pub(crate) readiness: Readiness,
}

/// One model in a table.
pub(crate) struct Model {
    default: Option<i64>,
    versions: BTreeMap<i64, Lease>,
    labels: BTreeMap<String, i64>,
    statuses: Vec<VersionStatus>,
    readiness: Readiness,
    /// Boxed: most models have none.
    route: Option<Box<Route>>,
    artifacts: BTreeMap<i64, Artifacts>,
}

/// Whether something should get traffic, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    pub(crate) reason: String,
}

impl Default for Readiness {
    fn default() -> Readiness {
        Readiness { ready: false, reason: "no table has been published yet".to_owned() }
    }
}

/// Which version of a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    Default,
    Version(i64),
    Label(&'a str),
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) model: &'a str,
    pub(crate) choice: Choice<'a>,
}

impl Table {
    /// Reads a table document and takes leases on the versions it names.
    ///
    /// # Errors
    /// `InvalidArgument` when the document is not one, or contradicts itself; `NotFound` when it names a version that
    /// is not loaded; `ResourceExhausted` when an experiment in it has too many arms.
    pub(crate) fn read(document: &str, registry: &Registry, experiments: &Experiments) -> Result<Table> {
        let document: TableDocument =
            serde_json::from_str(document).map_err(|error| Error::invalid(format!("not a table: {error}")))?;
        let models = document.models.into_iter().map(|(name, model)| {
            let model = read_model(&name, model, registry, experiments)?;
            Ok((name, model))
        });
        let models: HashMap<String, Model> = models.collect::<Result<_>>()?;
        for (name, route) in models.iter().filter_map(|(name, model)| Some((name, model.route.as_ref()?))) {
            experiments.keep(name, route); // not before: a table that is refused begins nothing
        }
        Ok(Table {
            models,
            labels_used: document.labels_used,
            readiness: Readiness { ready: document.ready, reason: document.reason },
        })
    }

    /// A lease on the version that answers.
    ///
    /// # Errors
    /// TensorFlow Serving's, to the letter: clients wait for the word `Servable`.
    pub(crate) fn lease(&self, target: Target<'_>) -> Result<Lease> {
        self.find(target).map(|found| found.lease.clone())
    }

    /// The version that is asked for, and the route that may say another when none is.
    ///
    /// # Errors
    /// As [`Table::lease`].
    pub(crate) fn find(&self, target: Target<'_>) -> Result<Found<'_>> {
        let Target { model: name, choice } = target;
        if name.is_empty() {
            return Err(Error::invalid("ModelSpec has no name specified."));
        }
        let model = self.models.get(name);
        let version = match choice {
            Choice::Default => model
                .and_then(|model| model.default)
                .ok_or_else(|| not_found(format!("Servable not found for request: Latest({name})")))?,
            Choice::Version(version) => version,
            Choice::Label(label) => self.labelled(model, label)?,
        };
        let lease = model.and_then(|model| model.versions.get(&version));
        let lease =
            lease.ok_or_else(|| not_found(format!("Servable not found for request: Specific({name}, {version})")))?;
        let route = model.and_then(|model| model.route.as_deref()).filter(|_| choice == Choice::Default);
        Ok(Found { lease, route })
    }

    fn labelled(&self, model: Option<&Model>, label: &str) -> Result<i64> {
        if !self.labels_used {
            return Err(Error::new(ErrorKind::Unavailable, format!("Model labels does not init yet.{label}")));
        }
        let version = model.and_then(|model| model.labels.get(label));
        version.copied().ok_or_else(|| Error::invalid(format!("Unrecognized servable version label: {label}")))
    }

    /// A model by its name.
    pub(crate) fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name)
    }

    /// Whether a route leads traffic to a version that the default one would answer.
    pub(crate) fn is_on_trial(&self, loaded: &Loaded) -> bool {
        let route = self.model(&loaded.name).and_then(|model| model.route.as_ref());
        route.is_some_and(|route| route.tries(loaded.version))
    }

    /// Every model, ordered by name.
    pub(crate) fn models(&self) -> Vec<(&str, &Model)> {
        let mut models: Vec<_> = self.models.iter().map(|(name, model)| (name.as_str(), model)).collect();
        models.sort_unstable_by_key(|(name, _)| *name);
        models
    }
}

impl Model {
    /// The version that answers a request that names none.
    pub(crate) fn default_version(&self) -> Option<i64> {
        self.default
    }

    /// Every version there is or was, newest first.
    pub(crate) fn statuses(&self) -> &[VersionStatus] {
        &self.statuses
    }

    /// Labels and the versions they stand for.
    pub(crate) fn labels(&self) -> &BTreeMap<String, i64> {
        &self.labels
    }

    /// What was made of a version for other places.
    pub(crate) fn artifacts(&self, version: i64) -> Option<&Artifacts> {
        self.artifacts.get(&version)
    }

    /// Whether it should get traffic.
    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }
}

fn read_model(name: &str, document: ModelDocument, registry: &Registry, experiments: &Experiments) -> Result<Model> {
    if name.is_empty() {
        return Err(Error::invalid("a model in a table has no name"));
    }
    let versions = document.versions.into_iter().map(|(version, id)| {
        let lease = registry.lease(id).ok_or_else(|| {
            not_found(format!("model \"{name}\" version {version}: no loaded version has the id {id}"))
        })?;
        if (lease.name.as_str(), lease.version) != (name, version) {
            return Err(Error::invalid(format!(
                "model \"{name}\" version {version}: id {id} is model \"{}\" version {}",
                lease.name, lease.version
            )));
        }
        Ok((version, lease))
    });
    let versions: BTreeMap<i64, Lease> = versions.collect::<Result<_>>()?;
    if let Some(version) = document.default.filter(|version| !versions.contains_key(version)) {
        return Err(Error::invalid(format!(
            "model \"{name}\": its default, version {version}, is not among its versions"
        )));
    }
    let route = document.route.as_ref();
    let route = route.map(|route| Route::read(name, route, &versions, document.default, experiments)).transpose()?;
    Ok(Model {
        default: document.default,
        versions,
        labels: document.labels,
        statuses: document.statuses,
        readiness: Readiness { ready: document.ready, reason: document.reason },
        route: route.map(Box::new),
        artifacts: document.artifacts,
    })
}

fn not_found(message: String) -> Error {
    Error::new(ErrorKind::NotFound, message)
}

#[cfg(test)]
mod tests;
