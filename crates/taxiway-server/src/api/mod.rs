//! What can be asked of the server, in terms of no protocol. REST and gRPC both end here, so that they agree.

pub(crate) mod artifacts;
pub(crate) mod examples;
pub(crate) mod feedback;
pub(crate) mod metadata;
pub(crate) mod predict;
pub(crate) mod status;
