//! The documents that say whom to ask, and how.

use serde::Deserialize;
use taxiway_engine::{Error, Result};

/// The most requests in flight at once.
const MAX_CONCURRENCY: usize = 4096;
/// Days, not years: a clock can be added to.
const MAX_SECONDS: f64 = 7.0 * 86_400.0;
const MAX_RATE: f64 = 10e6;

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// JSON over HTTP/1.1.
    Rest,
    /// Unary calls over HTTP/2.
    Grpc,
}

/// Where the server listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Endpoint {
    /// `host:port`.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(String),
}

/// Certificates, as PEM texts.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// What the server's certificate must be for.
    pub server_name: String,
    /// Who may have signed it.
    pub roots: String,
    /// Our own certificate, with its `key`.
    pub certificate: Option<String>,
    /// The private key of `certificate`.
    pub key: Option<String>,
}

/// Whom to ask.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Which protocol.
    pub protocol: Protocol,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// What it is called in requests: `host:port`.
    pub authority: String,
    /// None is no TLS.
    pub tls: Option<Tls>,
}

/// One stretch of load.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Connections, each with one request in flight.
    pub concurrency: usize,
    /// Threads that send.
    pub threads: usize,
    /// How long it is measured.
    pub seconds: f64,
    /// How long it runs before that.
    pub warm_up_seconds: f64,
    /// Requests a second that fall due; `None` is a closed loop.
    pub rate: Option<f64>,
    /// How long a request may take.
    pub timeout_seconds: f64,
}

impl Window {
    pub(crate) fn check(&self) -> Result<()> {
        let within = |name: &str, value: f64, most: f64| match value > 0.0 && value <= most {
            true => Ok(()),
            false => Err(Error::invalid(format!("{name} is {value}; it must be above 0 and at most {most}"))),
        };
        within("concurrency", self.concurrency as f64, MAX_CONCURRENCY as f64)?;
        within("threads", self.threads as f64, self.concurrency as f64)?;
        within("seconds", self.seconds, MAX_SECONDS)?;
        within("warm_up_seconds", self.warm_up_seconds + f64::MIN_POSITIVE, MAX_SECONDS)?;
        within("timeout_seconds", self.timeout_seconds, MAX_SECONDS)?;
        self.rate.map_or(Ok(()), |rate| within("rate", rate, MAX_RATE))
    }
}
