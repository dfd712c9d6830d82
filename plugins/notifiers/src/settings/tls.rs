//! `tls_config`, in Prometheus' form, for HTTP and SMTP alike.

use std::path::{Path, PathBuf};

use breakwatch_plugin_api::{Diagnostics, Node, Secret, Section};

/// rustls speaks 1.2 and 1.3 only. "At least 1.0" is met by that, "at most 1.0" is not.
const MIN_VERSIONS: [(&str, TlsVersion); 4] = [
    ("TLS10", TlsVersion::Tls12),
    ("TLS11", TlsVersion::Tls12),
    ("TLS12", TlsVersion::Tls12),
    ("TLS13", TlsVersion::Tls13),
];
const MAX_VERSIONS: [(&str, TlsVersion); 2] = [("TLS12", TlsVersion::Tls12), ("TLS13", TlsVersion::Tls13)];

/// A version of TLS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum TlsVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

/// How to speak TLS. The default trusts what the system trusts.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {
    /// Trust these authorities instead of the system's (PEM).
    pub(crate) ca: Option<Vec<u8>>,
    /// Our own certificate chain and key (PEM).
    pub(crate) identity: Option<(Vec<u8>, Secret)>,
    /// Expect the certificate to carry this name instead of the host's.
    pub(crate) server_name: Option<String>,
    /// Take any certificate.
    pub(crate) insecure_skip_verify: bool,
    /// The lowest version to speak.
    pub(crate) min_version: Option<TlsVersion>,
    /// The highest version to speak.
    pub(crate) max_version: Option<TlsVersion>,
}

impl TlsSettings {
    /// Reads a `tls_config` mapping. Files are read now: a certificate that cannot be read is a mistake.
    pub(crate) fn read(node: &Node, base_dir: &Path, diagnostics: &Diagnostics) -> Option<Self> {
        let mut section = Section::open(node, diagnostics)?;
        let ca = pem(&mut section, "ca", "ca_file", base_dir);
        let certificate = pem(&mut section, "cert", "cert_file", base_dir);
        let key = pem(&mut section, "key", "key_file", base_dir);
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Some((certificate, Secret::new(String::from_utf8_lossy(&key).into_owned())))
            }
            (None, None) => None,
            _ => {
                diagnostics.error(&node.place, "a client certificate needs both `cert_file` and `key_file`");
                None
            }
        };
        let settings = Self {
            ca,
            identity,
            server_name: section.string("server_name").filter(|name| !name.is_empty()),
            insecure_skip_verify: section.bool("insecure_skip_verify").unwrap_or(false),
            min_version: section.choice("min_version", &MIN_VERSIONS),
            max_version: section.choice("max_version", &MAX_VERSIONS),
        };
        if settings.insecure_skip_verify {
            let message = "the server's certificate is not checked: anybody in between can read along";
            diagnostics.warning(&node.place, message);
        }
        if settings.min_version > settings.max_version && settings.max_version.is_some() {
            section.error_at("min_version", "`min_version` lies beyond `max_version`");
        }
        section.finish();
        Some(settings)
    }
}

/// PEM text, inline or by file.
fn pem(
    section: &mut Section<'_>,
    key: &'static str,
    file_key: &'static str,
    base_dir: &Path,
) -> Option<Vec<u8>> {
    let inline = section.string(key);
    let file = section.string(file_key).filter(|path| !path.is_empty());
    let bytes = match (inline, file) {
        (Some(_), Some(_)) => {
            section.error_at(file_key, format!("at most one of `{key}` and `{file_key}` may be set"));
            return None;
        }
        (Some(text), None) => text.into_bytes(),
        (None, Some(path)) => {
            let path: PathBuf = base_dir.join(path);
            match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    section.error_at(file_key, format!("cannot read {}: {error}", path.display()));
                    return None;
                }
            }
        }
        (None, None) => return None,
    };
    if !bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        let written = if section.node().get(key).is_some() { key } else { file_key };
        section.error_at(written, "expected PEM text (`-----BEGIN …`)");
        return None;
    }
    Some(bytes)
}
