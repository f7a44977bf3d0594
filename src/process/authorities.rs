//! Whom a TLS connection trusts: the authorities of this system, or those that somebody named.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificate authorities of a PEM text, or those of this system without one.
///
/// # Errors
/// A sentence when there is no usable certificate among them.
pub fn certificate_authorities(own: Option<&str>) -> Result<RootCertStore, String> {
    match own {
        Some(pem) => own_authorities(pem),
        None => system_authorities(),
    }
}

fn own_authorities(pem: &str) -> Result<RootCertStore, String> {
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
            "this system has no certificate authorities; name your own with `ca` in the settings"
                .to_owned(),
        );
    }
    Ok(roots)
}
