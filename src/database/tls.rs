//! TLS of every connection: what is verified of a certificate, by mode, and which
//! certificate a server showed.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};

use super::Tls;
use crate::process::certificate_authorities;

/// What all connections to one target share.
pub(super) struct TlsConnector {
    config: ClientConfig,
    rule: Arc<dyn ServerCertVerifier>,
}

impl TlsConnector {
    /// The connector of a mode; `None` for the one without TLS.
    ///
    /// # Errors
    /// A sentence when the PEM holds no usable certificate.
    pub(super) fn new(settings: &Tls) -> Result<Option<Self>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let rule: Arc<dyn ServerCertVerifier> = match settings {
            Tls::VerifyFull { authority } => full(authority.as_deref(), &provider)?,
            Tls::VerifyCa { authority } => Arc::new(Partial {
                roots: Some(certificate_authorities(authority.as_deref())?),
                algorithms: provider.signature_verification_algorithms,
            }),
            Tls::Require => Arc::new(Partial {
                roots: None,
                algorithms: provider.signature_verification_algorithms,
            }),
            Tls::Disable => return Ok(None),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&rule))
            .with_no_client_auth();
        // In a resumed session no certificate is shown, and so none could be reported.
        config.resumption = Resumption::disabled();
        Ok(Some(Self { config, rule }))
    }

    /// The configuration of one connection, and what that connection will be shown: a
    /// witness of its own, so that connections that run side by side are not mixed up.
    pub(super) fn connection(&self) -> (ClientConfig, Arc<Witness>) {
        let witness = Arc::new(Witness {
            rule: Arc::clone(&self.rule),
            shown: Mutex::new(None),
        });
        let mut config = self.config.clone();
        config
            .dangerous()
            .set_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>);
        (config, witness)
    }
}

/// Chain and host name.
fn full(
    authority: Option<&str>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let roots = Arc::new(certificate_authorities(authority)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| format!("the certificate authority cannot be used: {error}"))?;
    Ok(verifier)
}

/// Less than everything: the chain alone, or nothing. That the server holds the key of
/// the certificate that it shows is verified in any case, or else the fingerprint that is
/// reported could be anybody's.
#[derive(Debug)]
struct Partial {
    /// Who may have signed; without it, anybody.
    roots: Option<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Partial {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if let Some(roots) = &self.roots {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifies by a rule and remembers which certificate passed, of one connection.
#[derive(Debug)]
pub(super) struct Witness {
    rule: Arc<dyn ServerCertVerifier>,
    shown: Mutex<Option<String>>,
}

impl Witness {
    /// The SHA-256 of the server's certificate, in lower-case hex.
    pub(super) fn fingerprint(&self) -> Option<String> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified = self.rule.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(hex::encode(Sha256::digest(end_entity)));
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.rule
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.rule
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rule.supported_verify_schemes()
    }
}
