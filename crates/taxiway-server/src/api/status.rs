//! The status of a model's versions.

use taxiway_engine::{Error, ErrorKind, Result};

use crate::table::{Choice, Table, Target, VersionStatus};

/// The versions of a model, newest first, or the one that is asked for. A label is ignored, as TensorFlow Serving does.
///
/// # Errors
/// `NotFound` when there is none.
pub(crate) fn status<'t>(table: &'t Table, target: Target<'_>) -> Result<Vec<&'t VersionStatus>> {
    let Target { model: name, choice } = target;
    if name.is_empty() {
        return Err(Error::invalid("ModelSpec has no name specified."));
    }
    let statuses = table.model(name).map(|model| model.statuses()).unwrap_or_default();
    let not_found = |message| Err(Error::new(ErrorKind::NotFound, message));
    if statuses.is_empty() {
        return not_found(format!("Could not find any versions of model {name}"));
    }
    let Choice::Version(version) = choice else { return Ok(statuses.iter().collect()) };
    match statuses.iter().find(|status| status.version == version) {
        Some(status) => Ok(vec![status]),
        None => not_found(format!("Could not find version {version} of model {name}")),
    }
}
