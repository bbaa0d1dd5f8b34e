//! gRPC's health protocol: whether this server wants requests.

use taxiway_engine::{Error, ErrorKind, Result};

use crate::grpc_proto::health::HealthCheckResponse;
use crate::grpc_proto::health::health_check_response::ServingStatus;

/// The services that have a health, by TensorFlow Serving's names for them; the empty one is the whole server.
const KNOWN: [&str; 3] = ["", "ModelService", "PredictionService"];

/// The answer to a single question.
///
/// # Errors
/// `NotFound` for a service that has no health.
pub(super) fn check(service: &str, serving: bool) -> Result<HealthCheckResponse> {
    if KNOWN.contains(&service) { Ok(state(service, serving)) } else { Err(Error::new(ErrorKind::NotFound, "")) }
}

/// The state of a service, for one who watches.
pub(super) fn state(service: &str, serving: bool) -> HealthCheckResponse {
    let status = match (KNOWN.contains(&service), serving) {
        (false, _) => ServingStatus::ServiceUnknown,
        (true, true) => ServingStatus::Serving,
        (true, false) => ServingStatus::NotServing,
    };
    HealthCheckResponse { status: status.into() }
}
