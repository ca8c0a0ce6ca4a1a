//! The addresses of this machine, without a system call that needs a socket.
//!
//! Owns: the parsing of `/proc/net/fib_trie` (IPv4) and `/proc/net/if_inet6`. May not know: TCP.
//! Driven by: [`super::table`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of this network namespace. What cannot be read counts as having none, which makes an address foreign
/// to this machine: the careful side, since the verdict is then "unknown".
pub fn addresses() -> Vec<IpAddr> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let v4 = ipv4(&read("/proc/net/fib_trie")).into_iter().map(IpAddr::V4);
    let v6 = ipv6(&read("/proc/net/if_inet6")).into_iter().map(IpAddr::V6);
    v4.chain(v6).collect()
}

/// The leaves of the routing trie that are local host addresses: a line with the address, then one with its kind.
fn ipv4(fib_trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut leaf: Option<Ipv4Addr> = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(leaf);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// One line an address: 32 hexadecimal digits, then index, prefix length, scope, flags and name of the interface.
fn ipv6(if_inet6: &str) -> Vec<Ipv6Addr> {
    let digits = if_inet6.lines().filter_map(|line| line.split_whitespace().next());
    digits.filter_map(|d| u128::from_str_radix(d, 16).ok()).map(Ipv6Addr::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routing_trie_names_the_addresses_of_the_machine_and_not_its_networks() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 10.1.2.0/24 2 0 2\n        |-- 10.1.2.0\n           /24 link UNICAST\n        |-- 10.1.2.3\n           /32 host LOCAL\n     |-- 10.1.2.255\n        /32 link BROADCAST\nLocal:\n        |-- 10.1.2.3\n           /32 host LOCAL\n";
        assert_eq!(ipv4(trie), [Ipv4Addr::new(10, 1, 2, 3)]);
    }

    #[test]
    fn interfaces_name_the_ipv6_addresses() {
        let text = "fe800000000000000000000000000005 04 40 20 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(ipv6(text), ["fe80::5".parse::<Ipv6Addr>().unwrap(), Ipv6Addr::LOCALHOST]);
    }
}
