//! CAs and certificates for tests, made on the spot.
#![allow(dead_code)] // every test binary uses a part of it

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// A CA.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

/// A certificate and its key, in PEM form.
#[derive(Clone)]
pub struct Signed {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Ca {
    /// A new one.
    pub fn new(name: &str) -> Ca {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Ca { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for DNS names or addresses, valid from yesterday to `days` from now.
    pub fn sign(&self, names: &[&str], days: i32) -> Signed {
        self.sign_with(names, days, |_| {})
    }

    /// The same, changed before it is signed.
    pub fn sign_with(
        &self,
        names: &[&str],
        days: i32,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Signed {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let now = SystemTime::now();
        params.not_before = (now - 30 * DAY).into();
        params.not_after = match days {
            0.. => now + DAY * days as u32,
            _ => now - DAY * days.unsigned_abs(),
        }
        .into();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { cert, key: key.serialize_pem() }
    }
}

/// Gives a certificate a common name and a mail address.
pub fn named(common: &str, mail: Option<&str>) -> impl FnOnce(&mut CertificateParams) {
    move |params| {
        params.distinguished_name.push(DnType::CommonName, common);
        if let Some(mail) = mail {
            params.subject_alt_names.push(SanType::Rfc822Name(mail.try_into().unwrap()));
        }
    }
}

/// Files of a twsmux with TLS.
pub struct Files(pub tempfile::TempDir);

impl Files {
    /// In a folder of their own.
    pub fn new(server: &Signed, clients: Option<&Ca>) -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        files.write(server, clients);
        files
    }

    /// Replaces them.
    pub fn write(&self, server: &Signed, clients: Option<&Ca>) {
        put(&self.path("server.pem"), &server.cert);
        put(&self.path("server.key"), &server.key);
        if let Some(ca) = clients {
            put(&self.path("clients.pem"), &ca.pem);
        }
    }

    /// One of them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The flags that name them.
    pub fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        for (flag, name) in
            [("--tls-cert", "server.pem"), ("--tls-key", "server.key"), ("--tls-client-ca", "clients.pem")]
        {
            if self.path(name).exists() {
                flags.extend([flag.to_owned(), self.path(name).display().to_string()]);
            }
        }
        flags
    }
}

fn put(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// What a client trusts and shows, with the versions of TLS that it offers.
pub fn client(
    trusts: &Ca,
    shows: Option<&Signed>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    client_of(&trusts.pem, shows, versions)
}

/// The same, with the CA in PEM form.
pub fn client_of(
    trusts: &str,
    shows: Option<&Signed>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusts.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some(signed) => {
            let chain =
                CertificateDer::pem_slice_iter(signed.cert.as_bytes()).collect::<Result<_, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}
