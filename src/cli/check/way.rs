//! The ways to twsmux: a TCP port, one with TLS, a Unix socket.
//!
//! Owns: how an address is written, the connect, the TLS handshake, reading and writing. May not know: the API.
//! Driven by: [`super::visit`].
//!
//! **Each call of a [`Way`] waits for one read at most**, so that a peer that drips holds nobody: whoever calls it again looks at
//! the clock first.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, RootCertStore};

use super::super::doctor::host_and_port;
use super::super::status::clean;
use super::outcome::{Fault, Stage};
use crate::shell::tls;

/// Where twsmux listens, as its ready line writes it; a host may have a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// `HOST:PORT`, in clear unless a CA is given.
    Tcp(String),
    /// `tls://HOST:PORT`.
    Tls(String),
    /// `unix:/PATH`.
    Unix(PathBuf),
}

impl Target {
    /// Host and port, if it has them.
    pub fn port(&self) -> Option<&str> {
        match self {
            Target::Tcp(address) | Target::Tls(address) => Some(address),
            Target::Unix(_) => None,
        }
    }
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match Path::new(path).is_absolute() {
                true => Ok(Target::Unix(path.into())),
                false => Err("a Unix socket is unix:/PATH, with an absolute path".to_owned()),
            };
        }
        match text.strip_prefix("tls://") {
            Some(address) => host_and_port(address).map(Target::Tls),
            None => host_and_port(text.strip_prefix("tcp://").unwrap_or(text)).map(Target::Tcp),
        }
        .map_err(|words| format!("{words}; or tls://HOST:PORT, or unix:/PATH"))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Tcp(address) => f.write_str(address),
            Target::Tls(address) => write!(f, "tls://{address}"),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The files and the name that TLS is made with.
#[derive(Clone, Debug, clap::Args)]
pub struct TlsArgs {
    /// The CA that signed twsmux's certificate, a PEM file. Makes the connection one with TLS; no other CA is trusted
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The certificate to show, with those between it and its CA, a PEM file
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// Its key, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The name that twsmux's certificate must have [default: the host of --connect]
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_name: Option<String>,
}

/// What a TLS handshake is made with.
#[derive(Clone, Debug)]
pub struct Secure {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// Whether a certificate can be shown.
    shows: bool,
}

impl TlsArgs {
    /// Reads the files. `None`: no TLS is wanted.
    ///
    /// # Errors
    /// [`Fault::usage`]: the arguments do not fit together, or a file cannot be used.
    pub fn read(&self, target: &Target) -> Result<Option<Secure>, Fault> {
        let ca = match (&self.tls_ca, target) {
            (None, Target::Tcp(_) | Target::Unix(_)) => return Ok(None),
            (None, Target::Tls(_)) => {
                let words = "tls:// needs --tls-ca: the file with the CA that signed twsmux's certificate; the system's are \
                             not asked.";
                return Err(Fault::usage(words.to_owned()));
            }
            (Some(_), Target::Unix(_)) => {
                return Err(Fault::usage("A Unix socket has no TLS: leave --tls-ca out.".to_owned()));
            }
            (Some(ca), Target::Tcp(_) | Target::Tls(_)) => ca,
        };
        let mistake = |m: tls::Mistake| Fault::usage(format!("--{}: {}.", m.key.replace('_', "-"), m.words));
        let mut roots = RootCertStore::empty();
        for certificate in tls::certificates("tls_ca", ca).map_err(mistake)? {
            let added = roots.add(certificate);
            added.map_err(|e| {
                Fault::usage(format!("--tls-ca: {} has a certificate that is no CA: {e}.", ca.display()))
            })?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.2 and 1.3")
            .with_root_certificates(roots);
        let mut config = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => {
                let chain = tls::certificates("tls_cert", cert).map_err(mistake)?;
                let secret = tls::key(key).map_err(mistake)?;
                builder.with_client_auth_cert(chain, secret).map_err(|e| {
                    Fault::usage(format!(
                        "--tls-cert, --tls-key: {} and {} cannot be used together: {e}.",
                        cert.display(),
                        key.display()
                    ))
                })?
            }
            _ => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        let host = target.port().and_then(|address| address.rsplit_once(':')).map_or("", |(host, _)| host);
        let name = self.tls_name.as_deref().unwrap_or(host.trim_matches(['[', ']']));
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| Fault::usage(format!("--tls-name: {name:?} is no name of a host.")))?;
        Ok(Some(Secure { config: Arc::new(config), name, shows: self.tls_cert.is_some() }))
    }
}

/// A connection to twsmux.
pub enum Way {
    /// In clear.
    Tcp(TcpStream),
    /// With TLS.
    Tls(Box<Session>),
    /// Within the machine.
    Unix(UnixStream),
}

/// A TLS connection.
pub struct Session {
    tcp: TcpStream,
    tls: ClientConnection,
    shows: bool,
}

impl Way {
    /// Connects to the first of the addresses that takes a connection, and shakes hands.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn open(
        target: &Target,
        secure: Option<&Secure>,
        deadline: Instant,
        seconds: f64,
    ) -> Result<Way, Fault> {
        let name = target.to_string();
        let path = match target {
            Target::Unix(path) => path,
            Target::Tcp(address) | Target::Tls(address) => {
                let tcp = dial(&name, address, deadline)?;
                return match secure {
                    None => Ok(Way::Tcp(tcp)),
                    Some(secure) => {
                        Session::open(tcp, secure, &name, deadline, seconds).map(Box::new).map(Way::Tls)
                    }
                };
            }
        };
        match dial_unix(path) {
            Ok(stream) => Ok(Way::Unix(stream)),
            // Connecting to a Unix socket is waiting for a place in its queue.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Fault::queue_full(&name)),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Fault::no_permission(&name)),
            Err(error) => Err(Fault::nothing_listens(&name, &error.to_string())),
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The system's or the session's; a time that ran out.
    pub fn write_all(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        match self {
            Way::Tcp(stream) => {
                stream.set_write_timeout(Some(patience))?;
                stream.write_all(bytes)
            }
            Way::Unix(stream) => {
                stream.set_write_timeout(Some(patience))?;
                stream.write_all(bytes)
            }
            Way::Tls(session) => {
                session.tcp.set_write_timeout(Some(patience))?;
                session.tls.writer().write_all(bytes)?;
                session.flush()
            }
        }
    }

    /// Reads what is there, or waits for one read. `WouldBlock`, `TimedOut` and `Interrupted` are no end.
    ///
    /// # Errors
    /// The system's or the session's.
    pub fn read(&mut self, into: &mut [u8], patience: Duration) -> io::Result<usize> {
        match self {
            Way::Tcp(stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.read(into)
            }
            Way::Unix(stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.read(into)
            }
            Way::Tls(session) => {
                session.tcp.set_read_timeout(Some(patience))?;
                match session.tls.reader().read(into) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    read => return read,
                }
                session.step()?;
                session.tls.reader().read(into)
            }
        }
    }

    /// What an error of reading means, if TLS has a word for it.
    pub fn fault(&self, name: &str, error: &io::Error) -> Option<Fault> {
        match self {
            Way::Tls(session) => session.fault(name, error),
            Way::Tcp(_) | Way::Unix(_) => None,
        }
    }
}

impl Session {
    fn open(
        tcp: TcpStream,
        secure: &Secure,
        name: &str,
        deadline: Instant,
        seconds: f64,
    ) -> Result<Session, Fault> {
        let tls = ClientConnection::new(secure.config.clone(), secure.name.clone())
            .map_err(|error| Fault::usage(format!("TLS cannot be used: {error}.")))?;
        let mut session = Session { tcp, tls, shows: secure.shows };
        while session.tls.is_handshaking() {
            let left = left(deadline);
            let _ = session.tcp.set_write_timeout(Some(left));
            let _ = session.tcp.set_read_timeout(Some(left));
            let moved = session.flush().and_then(|()| match session.tls.is_handshaking() {
                true => session.step(),
                false => Ok(()),
            });
            match moved {
                Ok(()) => {}
                Err(error) if is_pause(&error) => {}
                Err(error) => {
                    return Err(session
                        .fault(name, &error)
                        .unwrap_or_else(|| Fault::closed(name, Stage::Securing)));
                }
            }
            if Instant::now() >= deadline {
                return Err(Fault::no_answer(name, Stage::Securing, seconds));
            }
        }
        Ok(session)
    }

    /// One read, and what follows from it.
    fn step(&mut self) -> io::Result<()> {
        if self.tls.read_tls(&mut self.tcp)? == 0 {
            // A session that was not ended before its connection was.
            self.tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            return match self.tls.is_handshaking() {
                true => Err(ErrorKind::UnexpectedEof.into()),
                false => Ok(()),
            };
        }
        let read = self.tls.process_new_packets();
        // Also the alert that says what was wrong.
        let written = self.flush();
        read.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }

    fn fault(&self, name: &str, error: &io::Error) -> Option<Fault> {
        use AlertDescription as Alert;
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        let said = clean(&error.to_string());
        Some(match error {
            rustls::Error::InvalidCertificate(_) => Fault::server_certificate(name, &said),
            rustls::Error::AlertReceived(
                Alert::CertificateRequired
                | Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied,
            ) => Fault::client_certificate(name, &said, self.shows),
            _ => Fault::no_api(name, &format!("the TLS handshake failed, {said}")),
        })
    }
}

/// Whether waiting has ended and nothing else has happened.
pub fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The time that is left; never zero, which the system takes for "for ever".
pub fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn dial(name: &str, address: &str, deadline: Instant) -> Result<TcpStream, Fault> {
    let addresses: Vec<SocketAddr> = match address.to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(error) => return Err(Fault::unresolved(name, &clean(&error.to_string()))),
    };
    let mut fault = Fault::unresolved(name, "the resolver returned nothing");
    for address in addresses {
        let reset_at_close = |stream: TcpStream| {
            // Should this be a Gateway after all, the close must not leave a zombie there.
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        match TcpStream::connect_timeout(&address, left(deadline)).and_then(reset_at_close) {
            Ok(stream) => return Ok(stream),
            Err(error) => fault = Fault::nothing_listens(name, &error.to_string()),
        }
    }
    Err(fault)
}

fn dial_unix(path: &Path) -> io::Result<UnixStream> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&socket2::SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_target_is_written_as_the_ready_line_writes_listeners() {
        for (text, shown) in [
            ("127.0.0.1:4010", "127.0.0.1:4010"),
            ("twsmux.example:4010", "twsmux.example:4010"),
            ("tcp://[::1]:4010", "[::1]:4010"),
            ("tls://twsmux.example:4011", "tls://twsmux.example:4011"),
            ("unix:/run/twsmux/api.sock", "unix:/run/twsmux/api.sock"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown);
        }
        for text in ["4010", "unix:", "unix:api.sock", "tls://host", "udp://host:1x", "host:0", ""] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
