//! The control endpoint of `twsmux sim`: tests in other processes drive the simulated Gateway over TCP.
//!
//! Owns: its listener and connections, a thread for each; **loopback only**, for whoever connects may do anything.
//! May not know: what a command means, that is `commands`. Driven by: `cli::sim`.
//!
//! One JSON object per line in, one JSON object per line out, in turn.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use super::{commands, handle::SimHandle};
use crate::limits;

/// Serves commands until the process ends; gives back where.
///
/// # Errors
/// The address is not of this machine alone, or cannot be listened on; or there is no thread to be had.
pub fn serve(address: SocketAddr, gateway: Arc<SimHandle>) -> io::Result<SocketAddr> {
    if !address.ip().is_loopback() {
        let text =
            format!("{address} can be reached from other machines, and whoever connects may do anything");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("twsmux-sim-control".into()).spawn(move || {
        // Each connection's thread holds one more of them.
        let seat = Arc::new(());
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                // The other side has changed its mind.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return tracing::error!(%error, "no more control connections are taken"),
            };
            if Arc::strong_count(&seat) > limits::MAX_SIM_CONTROLS {
                let _ = write(&stream, &commands::error("too many control connections"));
                continue;
            }
            let theirs = (gateway.clone(), seat.clone());
            let thread = std::thread::Builder::new().name("twsmux-sim-control".into());
            let _ = thread.spawn(move || {
                let (gateway, _seat) = theirs;
                converse(&stream, &gateway)
            });
        }
    })?;
    Ok(address)
}

/// Answers line by line until the other side closes; of a line that is too long nothing is kept.
fn converse(stream: &TcpStream, gateway: &SimHandle) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut reader).take(limits::MAX_SIM_CONTROL_LINE as u64).read_until(b'\n', &mut line)?;
        match line.last() {
            None => return Ok(()),
            Some(b'\n') => write(stream, &commands::answer(gateway, &line))?,
            Some(_) if line.len() < limits::MAX_SIM_CONTROL_LINE => return Ok(()),
            Some(_) => {
                reader.skip_until(b'\n')?;
                write(stream, &commands::error("the line is too long"))?;
            }
        }
    }
}

fn write(mut stream: &TcpStream, answer: &serde_json::Value) -> io::Result<()> {
    let mut line = answer.to_string();
    line.push('\n');
    stream.write_all(line.as_bytes())
}
