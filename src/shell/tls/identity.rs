//! The certificate of twsmux, and whose certificates it accepts, from their files.
//!
//! Owns: reading and checking the files. May not know: connections. Driven by: the settings, at the start, at SIGHUP, and in
//! `config check`; `check`, which reads files of the same kind for the other side.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, SignatureScheme,
};

use super::name;
use crate::limits;

/// The files, and the names that may connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// The certificate, with those between it and its CA.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the certificates of clients; without it clients need none.
    pub client_ca: Option<PathBuf>,
    /// The names in them that may connect; without any, all.
    pub client_names: Vec<String>,
}

/// What the files made.
#[derive(Clone)]
pub struct Identity {
    /// For the handshakes.
    pub(super) config: Arc<ServerConfig>,
    mutual: bool,
    expires: i64,
    /// What is not wrong and should be looked at.
    pub warnings: Vec<String>,
    /// The certificates, to tell whether another reading found others.
    contents: Vec<Vec<u8>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("mutual", &self.mutual).field("expires", &self.expires).finish()
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// The setting that names it.
    pub key: &'static str,
    /// In words.
    pub words: String,
}

impl Identity {
    /// Reads the files. What cannot work is a mistake; what will not work for long is a warning.
    ///
    /// # Errors
    /// [`Mistake`].
    pub fn read(files: &Files) -> Result<Identity, Mistake> {
        let chain = certificates("tls_cert", &files.cert)?;
        let key = key(&files.key)?;
        let mut warnings = Vec::new();
        let expires = expiry("tls_cert", &files.cert, &chain[0])?;
        warnings.extend(expires_soon("tls_cert", &files.cert, expires));
        if let Ok(found) = std::fs::metadata(&files.key)
            && found.permissions().mode() & 0o007 != 0
        {
            warnings
                .push(format!("tls_key: {} can be read by every user of this machine", files.key.display()));
        }
        let mut contents: Vec<Vec<u8>> = chain.iter().map(|c| c.to_vec()).collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.2 and 1.3");
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mistake = |words: String| Mistake { key: "tls_client_ca", words };
                let mut roots = RootCertStore::empty();
                for ca in certificates("tls_client_ca", path)? {
                    warnings.extend(expires_soon("tls_client_ca", path, expiry("tls_client_ca", path, &ca)?));
                    contents.push(ca.to_vec());
                    let added = roots.add(ca);
                    added.map_err(|e| {
                        mistake(format!("{} has a certificate that is no CA: {e}", path.display()))
                    })?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let verifier =
                    verifier.map_err(|e| mistake(format!("{} cannot be used: {e}", path.display())))?;
                builder.with_client_cert_verifier(Arc::new(Named {
                    verifier,
                    names: files.client_names.clone(),
                }))
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| Mistake {
            key: "tls_key",
            words: match error {
                rustls::Error::InconsistentKeys(_) => {
                    format!(
                        "{} is not the key of the certificate {}",
                        files.key.display(),
                        files.cert.display()
                    )
                }
                error => {
                    format!("{} and {} cannot be used: {error}", files.cert.display(), files.key.display())
                }
            },
        })?;
        // Every connection shows its certificate: nothing that was once let in comes back by a ticket.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let mutual = files.client_ca.is_some();
        Ok(Identity { config: Arc::new(config), mutual, expires, warnings, contents })
    }

    /// Whether clients need a certificate.
    pub fn is_mutual(&self) -> bool {
        self.mutual
    }

    /// When its certificate expires, seconds since 1970.
    pub fn expires(&self) -> i64 {
        self.expires
    }

    /// Whether the files had the same certificates.
    pub fn same_certificates(&self, other: &Identity) -> bool {
        self.contents == other.contents
    }
}

/// The verifier of rustls, and the list of names on top.
#[derive(Debug)]
struct Named {
    verifier: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.verifier.verify_client_cert(end_entity, intermediates, now)?;
        if self.names.is_empty() {
            return Ok(verified);
        }
        let name = name::of(end_entity).unwrap_or_default();
        if self.names.contains(&name) {
            return Ok(verified);
        }
        let words = format!("the certificate's name {name:?} is not in tls_client_names");
        Err(CertificateError::Other(OtherError(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(
            words,
        ))))
        .into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, Mistake> {
    let mistake = |words: String| Mistake { key: setting, words };
    let mut bytes = Vec::new();
    let most = limits::MAX_TLS_FILE;
    let found = std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    found.map_err(|error| mistake(format!("{} cannot be read: {error}", path.display())))?;
    match bytes.len() as u64 > most {
        true => Err(mistake(format!("{} has more than {most} bytes", path.display()))),
        false => Ok(bytes),
    }
}

/// The certificates of a PEM file, at least one.
///
/// # Errors
/// [`Mistake`], under the name of the setting.
pub(crate) fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Mistake> {
    let bytes = read(setting, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let words = match found {
        Ok(found) if !found.is_empty() => return Ok(found),
        Ok(_) => format!("{} has no certificate in PEM form", path.display()),
        Err(error) => format!("{} is no PEM file: {error}", path.display()),
    };
    Err(Mistake { key: setting, words })
}

/// The first private key of a PEM file.
///
/// # Errors
/// [`Mistake`], which repeats nothing of the file.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Mistake> {
    let bytes = read("tls_key", path)?;
    // What is wrong with a key is not repeated: the words go to logs.
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| Mistake {
        key: "tls_key",
        words: format!("{} has no private key in PEM form, or one with a passphrase", path.display()),
    })
}

/// When a certificate expires, seconds since 1970.
fn expiry(setting: &'static str, path: &Path, certificate: &CertificateDer<'_>) -> Result<i64, Mistake> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    match X509Certificate::from_der(certificate) {
        Ok((_, found)) => Ok(found.validity().not_after.timestamp()),
        Err(error) => Err(Mistake {
            key: setting,
            words: format!("{} has a certificate that cannot be read: {error}", path.display()),
        }),
    }
}

fn expires_soon(setting: &str, path: &Path, expires: i64) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    let left = expires - now;
    let path = path.display();
    match left {
        ..=0 => Some(format!("{setting}: the certificate in {path} has expired")),
        _ if left < limits::TLS_EXPIRY_WARNING.as_secs() as i64 => {
            Some(format!("{setting}: the certificate in {path} expires in {} days", left / 86_400))
        }
        _ => None,
    }
}
