//! Whose certificate it is.
//!
//! Owns: which field of a certificate is the name. May not know: whether the certificate is to be trusted. Driven by: the
//! handshake.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Longest name that is taken.
const LONGEST: usize = 64;

/// The name in a certificate: the first DNS name, else the first mail address, else the common name. `None` where it has
/// none, or one that cannot be printed as a word.
pub(super) fn of(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let alternatives = alternatives.map_or(&[][..], |names| &names.value.general_names);
    let dns = alternatives.iter().find_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    let mail = alternatives.iter().find_map(|name| match name {
        GeneralName::RFC822Name(name) => Some(*name),
        _ => None,
    });
    let common = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    dns.or(mail).or(common).filter(|name| is_word(name)).map(str::to_owned)
}

/// Whether a name can stand in logs, lists and labels as it is.
pub(super) fn is_word(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && !b"\"'\\,".contains(&b))
}
