//! What can be called on a version.

use taxiway_engine::{Error, Result};

/// The only field of metadata that there is.
pub(crate) const SIGNATURE_DEF: &str = "signature_def";

/// Checks the fields that a request asks for.
///
/// # Errors
/// `InvalidArgument` when it asks for none, or for an unknown one.
pub(crate) fn check_fields(fields: &[String]) -> Result<()> {
    if fields.is_empty() {
        return Err(Error::invalid("GetModelMetadataRequest must specify at least one metadata_field"));
    }
    match fields.iter().find(|field| *field != SIGNATURE_DEF) {
        Some(field) => Err(Error::invalid(format!("Metadata field {field} is not supported"))),
        None => Ok(()),
    }
}
