//! A program of a client's machine, as `socat` or `stunnel`: a loopback port in front of what API clients cannot dial
//! themselves.
#![allow(dead_code)] // every test binary uses a part of it

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Where it leads.
#[derive(Clone)]
pub enum Target {
    /// To a Unix socket.
    Unix(PathBuf),
    /// To a TLS listener, with the name that its certificate must have.
    Tls(SocketAddr, Arc<ClientConfig>, &'static str),
}

/// Starts one on a free port; it lives as long as the test. Each connection leads to one of its own.
pub fn forward(target: Target) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let work = async move {
        let listener = TcpListener::from_std(listener).expect("a listener");
        while let Ok((mut near, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                near.set_nodelay(true)?;
                match target {
                    Target::Unix(path) => {
                        copy_bidirectional(&mut near, &mut UnixStream::connect(path).await?).await
                    }
                    Target::Tls(addr, config, name) => {
                        let name = name.try_into().expect("a name");
                        let far = TcpStream::connect(addr).await?;
                        far.set_nodelay(true)?;
                        let mut far = TlsConnector::from(config).connect(name, far).await?;
                        copy_bidirectional(&mut near, &mut far).await
                    }
                }
            });
        }
    };
    std::thread::spawn(move || runtime.block_on(work));
    addr
}

/// One to a Unix socket.
pub fn to_unix(path: &Path) -> SocketAddr {
    forward(Target::Unix(path.to_owned()))
}
