//! How the connections stand: what a capture must know that begins while they exist.

use super::Core;
use super::link::Link;
use crate::ids::{ClientId, ClientKey, LinkId};
use crate::time::Time;

/// The connections there are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// The clients, in the order of their slots.
    pub clients: Vec<StandingClient>,
    /// The connection to the Gateway, and its server version; 0 before its answer to the greeting.
    pub upstream: Option<(LinkId, u16)>,
    /// The account numbers that are known: the Gateway's managed accounts, and those that policies name.
    pub accounts: Vec<String>,
}

/// One client of a [`Standing`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandingClient {
    /// Its key.
    pub key: ClientKey,
    /// Its address.
    pub peer: String,
    /// The name in the certificate that it showed.
    pub certificate: Option<String>,
    /// Its server version; 0 before the greeting.
    pub version: u16,
    /// Its client id; `None` before startApi.
    pub id: Option<ClientId>,
}

impl Core {
    /// How the connections stand.
    pub fn standing(&self) -> Standing {
        let clients = self.clients.iter().map(|c| StandingClient {
            key: c.key,
            peer: c.peer.clone(),
            certificate: c.certificate.clone(),
            version: c.version,
            id: c.id,
        });
        let version = self.known.hello.as_ref().map_or(0, |hello| hello.version);
        let upstream = match self.link {
            Link::Down | Link::Looking | Link::Dialing { .. } => None,
            Link::Greeting { .. } => Some((self.link_id, 0)),
            _ => Some((self.link_id, version)),
        };
        let managed = self.known.accounts.iter().flat_map(|list| list.split(','));
        let named = self.config.policies.accounts();
        let accounts = managed.map(|name| name.trim().to_owned()).chain(named.cloned());
        Standing {
            clients: clients.collect(),
            upstream,
            accounts: accounts.filter(|name| !name.is_empty()).collect(),
        }
    }

    /// Whether it has been told nothing yet.
    pub fn is_untouched(&self) -> bool {
        self.link_id == LinkId(0) && self.clients.is_empty() && self.last_heard == Time::ZERO
    }

    /// The client id of a connection; `None` before startApi, and of a connection that is gone.
    pub fn client_id(&self, client: ClientKey) -> Option<ClientId> {
        self.clients.get(client)?.id
    }
}
