//! Accepting, and shaking hands, on a thread beside the event loop: a handshake costs a thousand times what a frame costs.
//!
//! Owns: connections until their handshake is complete. May not know: the core. Driven by: itself; the event loop gets what has
//! arrived through a channel, and ends the thread by dropping its end.
//!
//! **Bounded in time and number**: a handshake has `TLS_HANDSHAKE_TIME`, and when there are `MAX_TLS_HANDSHAKES` a new one
//! takes the place of the oldest, so that who does not finish never locks out who does. Whatever ends before it is complete is
//! reset, or told why where TLS has a word for it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConnection;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::name;
use super::stream::push;
use crate::limits;
use crate::shell::access::Access;
use crate::shell::sys;
use crate::telemetry::refusals::Refused;

/// A client whose handshake is complete.
#[derive(Debug)]
pub(in crate::shell) struct Arrived {
    pub(in crate::shell) socket: std::net::TcpStream,
    pub(in crate::shell) session: ServerConnection,
    /// Its address, and the name in its certificate.
    pub(in crate::shell) peer: String,
    /// That name alone.
    pub(in crate::shell) name: Option<String>,
}

/// Opens the doors.
///
/// # Errors
/// The system's.
pub(in crate::shell) fn open(
    listeners: Vec<std::net::TcpListener>,
    access: Arc<Access>,
) -> io::Result<mpsc::Receiver<Arrived>> {
    let (send, arrivals) = mpsc::channel(limits::MAX_TLS_HANDSHAKES);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let under_way = Arc::new(UnderWay::default());
    let work = async move {
        for listener in listeners {
            let listener = TcpListener::from_std(listener)?;
            tokio::spawn(accept(listener, access.clone(), under_way.clone(), send.clone()));
        }
        send.closed().await;
        Ok::<(), io::Error>(())
    };
    let run = move || {
        if let Err(error) = runtime.block_on(work) {
            tracing::error!(%error, "TLS listeners cannot be watched");
        }
    };
    std::thread::Builder::new().name("tls".into()).spawn(run)?;
    Ok(arrivals)
}

/// Handshakes that are not complete, the oldest first.
#[derive(Debug, Default)]
struct UnderWay(Mutex<VecDeque<(AbortHandle, SocketAddr)>>);

impl UnderWay {
    /// Adds one; gives back whose place it took.
    fn add(&self, task: AbortHandle, peer: SocketAddr) -> Option<SocketAddr> {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        all.retain(|(task, _)| !task.is_finished());
        all.push_back((task, peer));
        if all.len() <= limits::MAX_TLS_HANDSHAKES {
            return None;
        }
        let (oldest, peer) = all.pop_front()?;
        oldest.abort();
        Some(peer)
    }
}

async fn accept(
    listener: TcpListener,
    access: Arc<Access>,
    under_way: Arc<UnderWay>,
    send: mpsc::Sender<Arrived>,
) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client; trying again");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if !access.admit(&stream, peer) {
            continue;
        }
        let task = tokio::spawn(greet(stream, peer, access.clone(), send.clone()));
        if let Some(oldest) = under_way.add(task.abort_handle(), peer) {
            let words = "too many TLS handshakes at once, and its own was the oldest";
            access.refuse(Refused::TlsBusy, &oldest.ip().to_string(), words);
        }
        // A burst of connections must not take the places of those before it whose turn has not come.
        tokio::task::yield_now().await;
    }
}

async fn greet(stream: TcpStream, peer: SocketAddr, access: Arc<Access>, send: mpsc::Sender<Arrived>) {
    let ip = peer.ip().to_string();
    // Whatever ends this task ends the connection by reset; nothing of it stays.
    if SockRef::from(&stream).set_linger(Some(Duration::ZERO)).is_err()
        || sys::client_socket(&stream).is_err()
    {
        return; // gone already
    }
    let rules = access.rules();
    let Some(identity) = &rules.tls else {
        access.refuse(Refused::Tls, &ip, "there is no certificate");
        return;
    };
    let session = match ServerConnection::new(identity.config.clone()) {
        Ok(session) => session,
        Err(error) => return access.refuse(Refused::Tls, &ip, &error.to_string()),
    };
    let outcome = tokio::time::timeout(limits::TLS_HANDSHAKE_TIME, shake(&stream, session)).await;
    let (session, words) = match outcome {
        Ok(Ok(session)) => (session, None),
        Ok(Err((session, words))) => (session, Some(words)),
        Err(_) => {
            let words = format!("no complete TLS handshake in {} s", limits::TLS_HANDSHAKE_TIME.as_secs());
            return access.refuse(Refused::TlsTime, &ip, &words);
        }
    };
    if SockRef::from(&stream).set_linger(None).is_err() {
        return;
    }
    if let Some(words) = words {
        access.refuse(Refused::Tls, &ip, &format!("the TLS handshake failed: {words}"));
        explain(&stream, session).await;
        return;
    }
    let name = session.peer_certificates().and_then(|chain| name::of(chain.first()?));
    let peer = name.as_ref().map_or_else(|| format!("tls://{peer}"), |name| format!("tls://{peer} {name}"));
    match stream.into_std() {
        Ok(socket) => drop(send.send(Arrived { socket, session, peer, name }).await),
        Err(error) => tracing::debug!(%error, "a client was gone after its handshake"),
    }
}

/// The socket as the session wants it.
struct Plain<'a>(&'a TcpStream);

impl Read for Plain<'_> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(chunk)
    }
}

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The handshake, or the session with an alert to send and the words for the log.
async fn shake(
    socket: &TcpStream,
    mut session: ServerConnection,
) -> Result<ServerConnection, (ServerConnection, String)> {
    loop {
        match push(&mut Plain(socket), &mut session) {
            Ok(()) if !session.is_handshaking() => return Ok(session),
            Ok(()) => {
                if socket.readable().await.is_err() {
                    return Err((session, "the connection broke".to_owned()));
                }
                match session.read_tls(&mut Plain(socket)) {
                    Ok(0) => return Err((session, "the connection was closed".to_owned())),
                    Ok(_) => {
                        if let Err(error) = session.process_new_packets() {
                            return Err((session, error.to_string()));
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err((session, error.to_string())),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if socket.writable().await.is_err() {
                    return Err((session, "the connection broke".to_owned()));
                }
            }
            Err(error) => return Err((session, error.to_string())),
        }
    }
}

/// Sends the alert, and gives the peer a moment to read it: a close with unread bytes would be a reset, which takes it away.
/// What it sends is thrown away as it came.
async fn explain(socket: &TcpStream, mut session: ServerConnection) {
    let _ = push(&mut Plain(socket), &mut session);
    let _ = SockRef::from(socket).shutdown(std::net::Shutdown::Write);
    let rest = async {
        let mut chunk = [0; 4096];
        let mut left = limits::MAX_TLS_REST;
        while left > 0 && socket.readable().await.is_ok() {
            match socket.try_read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => left = left.saturating_sub(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    let _ = tokio::time::timeout(limits::CLOSE_TIME, rest).await;
}
