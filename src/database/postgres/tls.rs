//! TLS of PostgreSQL connections: verify-full with an own authority, or none.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connector that verifies the chain and the host name.
///
/// # Errors
/// A sentence when the PEM holds no usable certificate.
pub(super) fn verify_full(authority: Option<&str>) -> Result<MakeRustlsConnect, String> {
    let roots = match authority {
        Some(pem) => own_authority(pem)?,
        None => system_authorities()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn own_authority(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
            .map_err(|error| format!("the certificate authority cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err("the certificate authority's file holds no certificate".to_owned());
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(
            "this system has no certificate authorities; name your own with `tls.ca`".to_owned(),
        );
    }
    Ok(roots)
}
