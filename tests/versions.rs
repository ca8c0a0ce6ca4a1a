//! Any client on any Gateway: what a client of one version sees through twsmux of a Gateway of another version is what it
//! would see at a Gateway of its own version, but for what the other one does not have.

mod support;

use std::sync::Arc;

use support::{as_known_to, distinct, mux_for, plain, script_at, sim};
use twsmux::protocol::dialect::Dialect;
use twsmux::sim::client::Received;

/// The versions of the libraries that people use, and those at which much changes.
const VERSIONS: [u16; 9] = [130, 157, 176, 193, 200, 203, 208, 213, 226];

#[test]
fn every_client_sees_every_gateway_as_one_of_its_own_version() {
    let mut differences = Vec::new();
    for client in VERSIONS {
        let direct = script_at(sim(|c| c.max_version = client).address(), 0, client, client);
        for gateway in VERSIONS {
            let upstream = sim(|c| c.max_version = gateway);
            let mux = mux_for(&upstream, &["--max-server-version", &gateway.to_string()]);
            let through = script_at(mux.listen, 0, client, client);
            let (own, other) = (Arc::new(Dialect::new(client)), Arc::new(Dialect::new(gateway)));
            let known = |all: &[Received]| -> Vec<String> {
                let known: Vec<_> = all.iter().filter_map(|m| as_known_to(&own, &other, m)).collect();
                distinct(&known.iter().map(plain).collect::<Vec<_>>())
            };
            let (seen, wanted) = (known(&through), known(&direct));
            let only = |some: &[String], others: &[String]| -> Vec<String> {
                some.iter().filter(|line| !others.contains(line)).cloned().collect()
            };
            let (more, less) = (only(&seen, &wanted), only(&wanted, &seen));
            if !more.is_empty() || !less.is_empty() {
                differences.push(format!(
                    "client {client}, Gateway {gateway}:\n- {}\n+ {}",
                    less.join("\n- "),
                    more.join("\n+ ")
                ));
            }
            assert_eq!(upstream.stats().malformed, 0, "{}", upstream.stats().last_malformed);
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
