//! Certificate authorities that live as long as a sandbox does.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::SandboxError;

/// The names under which a server on loopback is reached.
const SERVER_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate authority. Each call of [`Authority::new`] makes an unrelated one,
/// so that a test of the wrong authority needs nothing but a second one.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a server needs to speak TLS, as PEM.
pub struct ServerCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

impl Authority {
    /// Makes an authority with a new key.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`] when the generator fails.
    pub fn new(common_name: &str) -> Result<Self, SandboxError> {
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, common_name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
        Ok(Self { issuer })
    }

    /// The authority's own certificate, which clients are given to trust.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Makes a certificate for a server on loopback: `localhost`, `127.0.0.1` and `::1`.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`] when the generator fails.
    pub fn issue(&self) -> Result<ServerCertificate, SandboxError> {
        self.issue_for(&SERVER_NAMES)
    }

    /// Makes a certificate for a server that is reached under `names`, and no others.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`] when the generator fails.
    pub fn issue_for(&self, names: &[&str]) -> Result<ServerCertificate, SandboxError> {
        let owned = names.iter().map(|name| (*name).to_owned());
        let mut parameters = CertificateParams::new(owned.collect::<Vec<String>>())?;
        let common_name = names.first().copied().unwrap_or_default();
        parameters
            .distinguished_name
            .push(DnType::CommonName, common_name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        Ok(ServerCertificate {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_authorities_are_unrelated_even_under_one_name() {
        let first = Authority::new("one name").expect("makes an authority");
        let second = Authority::new("one name").expect("makes an authority");
        assert_ne!(first.pem(), second.pem());
    }

    #[test]
    fn a_server_certificate_and_its_key_are_pem() {
        let authority = Authority::new("sandbox").expect("makes an authority");
        let issued = authority.issue().expect("issues");
        assert!(
            issued
                .certificate_pem
                .starts_with("-----BEGIN CERTIFICATE-----")
        );
        assert!(issued.key_pem.contains("PRIVATE KEY-----"));
    }
}
