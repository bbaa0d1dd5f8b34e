//! Answers in the words of each protocol.

pub(crate) mod grpc;
mod http_status;
pub(crate) mod models;
pub(crate) mod rest;

pub(crate) use http_status::http_status;
