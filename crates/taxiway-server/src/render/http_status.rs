//! Which HTTP status an error kind is. gRPC's code is the kind's own number.

use http::StatusCode;
use taxiway_engine::ErrorKind;

/// TensorFlow Serving's table.
pub(crate) fn http_status(kind: ErrorKind) -> StatusCode {
    let code = match kind {
        ErrorKind::InvalidArgument | ErrorKind::FailedPrecondition | ErrorKind::OutOfRange => 400,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::PermissionDenied => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::AlreadyExists | ErrorKind::Aborted => 409,
        ErrorKind::ResourceExhausted => 429,
        ErrorKind::Cancelled => 499,
        ErrorKind::Unknown | ErrorKind::Internal | ErrorKind::DataLoss => 500,
        ErrorKind::Unimplemented => 501,
        ErrorKind::Unavailable => 503,
        ErrorKind::DeadlineExceeded => 504,
    };
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    // tfs: error-statuses
    #[test]
    fn every_kind_has_its_status() {
        let codes: Vec<u16> = ErrorKind::ALL.into_iter().map(|kind| http_status(kind).as_u16()).collect();
        assert_eq!(codes, [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]);
    }
}
