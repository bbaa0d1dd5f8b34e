//! TLS of a client.

use std::sync::Arc;

use taxiway_engine::{Error, Result};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::document::{Protocol, Tls};

/// What makes a connection secret, and the name that the server must prove.
///
/// # Errors
/// `InvalidArgument` when a PEM text is not what it should be, or the key is not the certificate's.
pub(crate) fn connector(tls: &Tls, protocol: Protocol) -> Result<(TlsConnector, ServerName<'static>)> {
    let name = ServerName::try_from(tls.server_name.clone())
        .map_err(|_| Error::invalid(format!("{:?} is no name that a certificate can be for", tls.server_name)))?;
    let mut roots = RootCertStore::empty();
    // A system's bundle may hold a certificate that nobody can use; the others are as good as before.
    let (usable, _) = roots.add_parsable_certificates(certificates("the authorities", &tls.roots)?);
    if usable == 0 {
        return Err(Error::invalid("the authorities hold no usable certificate"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(error.to_string()))?
        .with_root_certificates(roots);
    let mut config = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|error| Error::invalid(format!("the client's key is not a private key in PEM: {error}")))?;
            builder
                .with_client_auth_cert(certificates("the client's certificate", certificate)?, key)
                .map_err(|error| Error::invalid(format!("the client's certificate and key do not fit: {error}")))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![match protocol {
        Protocol::Rest => b"http/1.1".to_vec(),
        Protocol::Grpc => b"h2".to_vec(),
    }];
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::invalid(format!("{what}: not in PEM: {error}")))
}
