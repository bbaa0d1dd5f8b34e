//! Who this server is, and who may ask: TLS of both protocols.

use std::sync::Arc;

use taxiway_engine::{Error, Result};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::config::TlsConfig;
use crate::metrics::Protocol;

/// What takes the connections of one protocol.
///
/// # Errors
/// `InvalidArgument` when a PEM text is not what it should be, or the key is not the certificate's.
pub(crate) fn acceptor(config: &TlsConfig, protocol: Protocol) -> Result<TlsAcceptor> {
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(config.key.as_bytes())
        .map_err(|error| Error::invalid(format!("the server's key is not a private key in PEM: {error}")))?;
    let chain = certificates("the server's certificate", &config.certificate)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(error.to_string()))?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| Error::invalid(error.to_string()))?)
        }
    };
    let mut tls = builder
        .with_single_cert(chain, key)
        .map_err(|error| Error::invalid(format!("the server's certificate and key do not fit: {error}")))?;
    tls.alpn_protocols = vec![match protocol {
        Protocol::Rest => b"http/1.1".to_vec(),
        Protocol::Grpc => b"h2".to_vec(),
    }];
    Ok(TlsAcceptor::from(Arc::new(tls)))
}

fn roots(pem: &str) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for root in certificates("the clients' CA", pem)? {
        roots.add(root).map_err(|error| Error::invalid(format!("the clients' CA is not usable: {error}")))?;
    }
    Ok(roots)
}

/// The certificates in a PEM text, one at least.
fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::invalid(format!("{what} is not in PEM: {error}")))?;
    match found.is_empty() {
        true => Err(Error::invalid(format!("{what} holds no certificate"))),
        false => Ok(found),
    }
}
