//! Real API clients over what they cannot dial themselves: a forwarder on their side, as `stunnel` or `socat`, to a TLS
//! listener that wants a certificate, and to a Unix socket.
//!
//! They must be set up (`tests/clients/setup.sh`); `./dev clients` does that and runs this file.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/forwarder.rs"]
mod forwarder;
mod support;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use certificates::{Ca, Files};
use forwarder::{Target, forward, to_unix};
use support::{mux_for, sim, wait_until};

/// A library, the program of its environment, and the driver.
const CLIENTS: [(&str, &str, &str); 6] = [
    ("ib_async", "ib_async/bin/python", "ib_async_tour.py"),
    ("ib_insync", "ib_insync/bin/python", "ib_insync_tour.py"),
    ("ibapi", "ibapi/bin/python", "ibapi_tour.py"),
    ("ibapi-stable", "ibapi-stable/bin/python", "ibapi_tour.py"),
    ("node", "node", "stoqey_tour.cjs"),
    ("rust", "rust/debug/tour", ""),
];

fn drivers() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients"))
}

/// Where the libraries are set up.
fn place() -> PathBuf {
    std::env::var_os("TWSMUX_CLIENTS_DIR").map_or_else(|| drivers().join(".venvs"), PathBuf::from)
}

/// Starts one; what it prints goes to a file, so that it never waits for a reader.
fn tour(program: &str, driver: &str, port: SocketAddr, client_id: usize, output: &Path) -> Child {
    let output = File::create(output).unwrap();
    let mut command = match program {
        "node" => Command::new("node"),
        program => Command::new(place().join(program)),
    };
    if !driver.is_empty() {
        command.arg(drivers().join(driver));
    }
    command
        .args(["--port", &port.port().to_string(), "--client-id", &client_id.to_string()])
        .env("TWSMUX_CLIENTS_DIR", place())
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; tests/clients/setup.sh sets it up"))
}

#[test]
#[ignore = "needs the real clients; ./dev clients sets them up and runs it"]
fn real_clients_work_through_tls_and_a_unix_socket_and_the_plain_port() {
    let gateway = sim(|_| {});
    let (server, clients) = (Ca::new("server CA"), Ca::new("client CA"));
    let files = Files::new(&server.sign(&["twsmux.test"], 300), Some(&clients));
    let socket = files.path("api.sock");
    let listen = format!("tls://127.0.0.1:0,unix:{}", socket.display());
    let flags = files.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let names: Vec<&str> = CLIENTS.iter().map(|(name, ..)| *name).collect();
    let names = names.join(",");
    let more = ["--listen", &listen, "--tls-client-names", &names];
    let mux = mux_for(&gateway, &[&more, &flags[..]].concat());
    let tls = mux.also[0].strip_prefix("tls://").expect("the TLS listener").parse().unwrap();
    // Each with client ids of its own: a tour wants no orders from before.
    for (way, ids) in [("tls", 10), ("unix", 20), ("plain", 30)] {
        let running: Vec<_> = CLIENTS
            .iter()
            .enumerate()
            .map(|(n, (name, program, driver))| {
                let port = match way {
                    "tls" => {
                        let signed = clients.sign(&[name], 300);
                        let config = certificates::client(&server, Some(&signed), rustls::DEFAULT_VERSIONS);
                        forward(Target::Tls(tls, config, "twsmux.test"))
                    }
                    "unix" => to_unix(&socket),
                    _ => mux.listen,
                };
                let output = files.path(&format!("{name}.{way}"));
                (name, tour(program, driver, port, ids + n, &output), output)
            })
            .collect();
        // Each tour has a deadline of its own.
        let ends = running.into_iter().map(|(name, mut child, output)| {
            let status = child.wait().expect("our child");
            println!("{name} over {way}: {status}");
            (name, status, std::fs::read_to_string(output).unwrap_or_default())
        });
        let bad: Vec<_> =
            ends.collect::<Vec<_>>().into_iter().filter(|(_, status, _)| !status.success()).collect();
        assert!(bad.is_empty(), "over {way}: {bad:?}");
        wait_until("all to be gone", || mux.status("/clients") == serde_json::json!([]));
    }
    for name in CLIENTS.map(|(name, ..)| name) {
        assert!(
            mux.log().lines().any(|line| line.contains("startApi") && line.contains(&format!(" {name}\"")))
        );
    }
    assert_eq!(gateway.stats().accepted, 1);
}
