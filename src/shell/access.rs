//! Who may connect.
//!
//! Owns: the networks that are let in, the rule that nobody listens beyond this machine without protection. May not know:
//! what a client says. Driven by: the settings, which read and check; those who accept, who ask.

use std::fmt;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use ipnet::IpNet;

use super::listen::Listen;
use super::tls::Identity;
use super::token::Token;
use crate::telemetry::refusals::{Refusals, Refused};

/// A network whose clients are let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let one = |addr: IpAddr| IpNet::from(addr);
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse().ok().map(one));
        let Some(network) = network else {
            return Err(format!("{text:?} is neither a network, as 192.168.1.0/24, nor an address"));
        };
        if network.prefix_len() == 0 {
            return Err(format!("{text} is everybody, so it is neither an allow-list nor a protection"));
        }
        match network.trunc() == network {
            true => Ok(Network(network)),
            false => Err(format!(
                "{text} has more bits than its prefix: neither {network} nor {}",
                network.trunc()
            )),
        }
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Network, String> {
        text.parse()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What can change while twsmux runs.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The networks whose clients are let in; without any, everybody who reaches a listener.
    pub allow: Vec<Network>,
    /// The certificates, where there are any.
    pub tls: Option<Identity>,
    /// Who shows it at the admin port may give commands there.
    pub token: Option<Token>,
}

impl Rules {
    fn admit(&self, addr: IpAddr) -> bool {
        // A socket of both families shows IPv4 peers in an IPv6 address.
        let addr = addr.to_canonical();
        self.allow.is_empty() || self.allow.iter().any(|network| network.0.contains(&addr))
    }

    /// Whether nobody but whom somebody named can reach the listeners; otherwise words that say what to do.
    ///
    /// # Errors
    /// The words.
    pub fn protect(&self, listen: &[Listen]) -> Result<(), String> {
        if let Some(one) = listen.iter().find(|one| matches!(one, Listen::Tls(_)) && self.tls.is_none()) {
            return Err(format!("{one} needs a certificate and its key: set tls_cert and tls_key"));
        }
        let open = listen.iter().find(|one| match one {
            Listen::Tcp(addr) => !addr.ip().is_loopback() && self.allow.is_empty(),
            Listen::Tls(addr) => {
                let mutual = self.tls.as_ref().is_some_and(Identity::is_mutual);
                !addr.ip().is_loopback() && self.allow.is_empty() && !mutual
            }
            Listen::Unix(_) => false,
        });
        match open {
            None => Ok(()),
            Some(one) => Err(format!("{one} is not allowed: {UNPROTECTED}")),
        }
    }
}

/// Why a listener beyond loopback needs protection, and how it is given.
const UNPROTECTED: &str = "other machines reach it, and whoever reaches it can trade. Name the networks that may connect in \
                           `allow`, as [\"192.168.1.0/24\"], or let it ask clients for a certificate (tls://ADDR with tls_cert, tls_key and \
                           tls_client_ca), or listen on loopback and tunnel to it (for example with ssh -L)";

/// The rules in effect, and how many they kept out; shared by those who accept, on whatever thread.
#[derive(Debug)]
pub(super) struct Access {
    rules: Mutex<Arc<Rules>>,
    refusals: Arc<Refusals>,
}

impl Access {
    pub(super) fn new(rules: Rules, refusals: Arc<Refusals>) -> Access {
        Access { rules: Mutex::new(Arc::new(rules)), refusals }
    }

    /// The rules for the next connection.
    pub(super) fn rules(&self) -> Arc<Rules> {
        self.rules.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Replaces the rules; who is connected stays.
    pub(super) fn set(&self, rules: Rules) {
        *self.rules.lock().unwrap_or_else(|e| e.into_inner()) = Arc::new(rules);
    }

    /// Counts and logs a connection that is refused.
    pub(super) fn refuse(&self, why: Refused, peer: &str, words: &str) {
        self.refusals.count(why, peer, words);
    }

    /// Whether a connection may go on. **Asked before anything is read from it**; one that may not is reset, so that
    /// nothing of it stays.
    pub(super) fn admit(&self, stream: &impl AsFd, peer: std::net::SocketAddr) -> bool {
        let admitted = self.rules().admit(peer.ip());
        if !admitted {
            let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
            self.refuse(
                Refused::NotAllowed,
                &peer.ip().to_string(),
                "its address is in no network of `allow`",
            );
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str]) -> Rules {
        Rules { allow: allow.iter().map(|text| text.parse().unwrap()).collect(), tls: None, token: None }
    }

    #[test]
    fn an_address_is_let_in_by_the_network_that_has_it() {
        let some = rules(&["192.168.1.0/24", "10.0.0.7", "::1/128", "fd00::/8"]);
        for (addr, admitted) in [
            ("192.168.1.1", true),
            ("192.168.2.1", false),
            ("10.0.0.7", true),
            ("10.0.0.8", false),
            ("::1", true),
            ("::2", false),
            ("fd12::1", true),
            ("::ffff:192.168.1.9", true),
            ("::ffff:192.168.2.9", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(some.admit(addr.parse().unwrap()), admitted, "{addr}");
        }
        assert!(rules(&[]).admit("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn networks_that_are_mistakes_are_refused() {
        for text in ["0.0.0.0/0", "::/0", "192.168.1.7/24", "192.168.1.0/33", "lan", "", "10.0.0.0/8,"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_listener_beyond_loopback_needs_a_list() {
        for (listen, allow, fine) in [
            ("127.0.0.2:4010", &[][..], true),
            ("[::1]:4010", &[], true),
            ("unix:/run/api.sock", &[], true),
            ("0.0.0.0:4010", &[], false),
            ("[::]:4010", &[], false),
            ("192.168.1.5:4010", &[], false),
            ("192.168.1.5:4010", &["192.168.1.0/24"], true),
        ] {
            let listen: Listen = listen.parse().unwrap();
            let words = rules(allow).protect(std::slice::from_ref(&listen));
            assert_eq!(words.is_ok(), fine, "{listen}");
            assert!(words.err().is_none_or(|w| w.contains("`allow`") && w.contains("ssh -L")));
        }
    }
}
