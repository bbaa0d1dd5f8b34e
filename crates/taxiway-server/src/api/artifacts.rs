//! What was made of a version for other places: phones, boards, web pages.

use http::HeaderValue;
use taxiway_engine::{Error, ErrorKind, Result};

use crate::lease::Lease;
use crate::table::{Artifact, Artifacts, Table, Target};

/// The version that is asked for and its artefacts.
///
/// # Errors
/// `NotFound` when it does not serve, also by a label that is not there: a device may ask before there is one.
pub(crate) fn list<'t>(table: &'t Table, target: Target<'_>) -> Result<(Lease, Option<&'t Artifacts>)> {
    let lease = table.lease(target).map_err(|error| not_found(error.message))?;
    let listed = table.model(target.model).and_then(|model| model.artifacts(lease.version));
    Ok((lease, listed))
}

/// An artefact, and the version whose it is.
///
/// # Errors
/// `NotFound` when the version does not serve or has no artefact of that name.
pub(crate) fn find<'t>(table: &'t Table, target: Target<'_>, name: &str) -> Result<(HeaderValue, &'t Artifact)> {
    let (lease, listed) = list(table, target)?;
    let artifact = listed.and_then(|listed| listed.get(name)).ok_or_else(|| {
        let (model, version) = (&lease.name, lease.version);
        not_found(format!("Model {model} version {version} has no artefact {name}; …/artifacts lists those it has"))
    })?;
    Ok((lease.header.clone(), artifact))
}

fn not_found(message: String) -> Error {
    Error::new(ErrorKind::NotFound, message)
}
