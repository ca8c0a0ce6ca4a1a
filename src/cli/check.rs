//! `twsmux check`: what a start script asks before it starts a strategy.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::core::compose;
use crate::protocol::dialect::Dialect;
use crate::protocol::model::{Role, Route};
use crate::wire::{
    frame::FrameBuffer,
    handshake::{ClientHello, ServerHello},
    text,
};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 accounts printed; 3 nothing listens; 4 twsmux has no Gateway (the reason is \
                        printed); 5 the handshake was refused; 6 no accounts came in time."
)]
pub struct CheckArgs {
    /// Where twsmux listens. Never the Gateway itself: every connect of its own is a risk for it.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4010")]
    connect: String,
    /// Client id to use [default: one that no program is likely to use]
    #[arg(long, value_name = "N")]
    client_id: Option<i32>,
    /// Patience, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    timeout: f64,
}

/// Why a check failed: exit code and words.
type Failure = (u8, String);

/// Runs the check.
pub fn run(args: &CheckArgs) -> ExitCode {
    match check(args) {
        Ok((accounts, version)) => {
            eprintln!("server version {version}");
            println!("{accounts}");
            ExitCode::SUCCESS
        }
        Err((code, words)) => super::fail(code, words),
    }
}

fn check(args: &CheckArgs) -> Result<(String, u16), Failure> {
    let name = &args.connect;
    let deadline =
        Instant::now() + Duration::try_from_secs_f64(args.timeout).unwrap_or(Duration::from_secs(5));
    let addr = name
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| (2, format!("{name:?} is not HOST:PORT")))?;
    let mut stream = connect(addr, deadline).map_err(|error| {
        (3, format!("nothing answers at {name} ({error}). Is `twsmux run` running there?"))
    })?;
    let mut out = BytesMut::new();
    let max = crate::config::LATEST_SERVER_VERSION;
    ClientHello { min: 100, max, options: String::new() }.put(&mut out);
    write(&mut stream, &out)?;
    let mut buffer = FrameBuffer::default();
    let hello = next(&mut stream, &mut buffer, deadline)?;
    let hello =
        ServerHello::parse(&hello).map_err(|fault| (5, format!("{name} is no API server: {fault}")))?;
    let dialect = Dialect::new(hello.version);
    // Above every id that people choose, and different for checks that run at the same time.
    let id = args.client_id.unwrap_or(1_900_000_000 + (std::process::id() & 0xFF_FFFF) as i32);
    out.clear();
    compose::start_api(hello.version, id, "", &mut out);
    write(&mut stream, &out)?;
    loop {
        let payload = next(&mut stream, &mut buffer, deadline)?;
        let Ok(message) = text::message(&payload, hello.version) else { continue };
        let Some(shape) = dialect.response(message.id) else { continue };
        let words = |name| shape.field(&message, name).ok().flatten().unwrap_or_default();
        match shape.decl.route {
            Route::ManagedAccounts => {
                let accounts = words("accountsList");
                return match accounts.trim_matches(',').is_empty() {
                    true => Err((6, "the Gateway manages no accounts".into())),
                    false => Ok((accounts, hello.version)),
                };
            }
            Route::Error => match shape.int(&message, Role::Code) {
                Ok(Some(504)) => return Err((4, words("errorMsg"))),
                Ok(Some(code @ (326 | 506 | 507))) => {
                    return Err((5, format!("refused ({code}): {}", words("errorMsg"))));
                }
                _ => {}
            },
            _ => {}
        }
    }
}

fn connect(addr: SocketAddr, deadline: Instant) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, left(deadline))?;
    // Should this be a Gateway after all, the close must not leave a zombie there.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn write(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), Failure> {
    stream.write_all(bytes).map_err(|error| (5, format!("the connection broke: {error}")))
}

fn next(
    stream: &mut TcpStream,
    buffer: &mut FrameBuffer,
    deadline: Instant,
) -> Result<bytes::Bytes, Failure> {
    let mut chunk = [0u8; 16 << 10];
    loop {
        match buffer.next(crate::limits::MAX_FRAME) {
            Ok(Some(payload)) => return Ok(payload),
            Ok(None) => {}
            Err(fault) => return Err((5, format!("no API server: {fault}"))),
        }
        if Instant::now() >= deadline {
            return Err((6, "no accounts came in time".into()));
        }
        let _ = stream.set_read_timeout(Some(left(deadline)));
        match stream.read(&mut chunk) {
            Ok(0) => return Err((5, "the connection was closed during the handshake".into())),
            Ok(n) => buffer.extend(&chunk[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err((5, format!("the connection broke: {error}"))),
        }
    }
}
