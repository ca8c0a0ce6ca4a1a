//! The clients: who they are, how far they have come, what they hold.
//!
//! ```text
//! Greeting --hello--> Starting --startApi--> Held --upstream ready--> Ready
//!     |                  |                    |                        |
//!     +------------------+---- refused / gone / slow -----------------+--> Closing --> (gone)
//! ```

use rustc_hash::FxBuildHasher;

use super::backlog::Backlog;
use super::io::Level;
use super::io::{Gone, Note};
use super::outbox::Outbox;
use super::speech::Speech;
use crate::ids::{ClientId, ClientKey, DownReqId, UpReqId};
use crate::time::Time;

/// How far a client has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing or a part of the greeting has come.
    Greeting,
    /// The version reply is out; startApi has not come.
    Starting,
    /// startApi has come; the upstream is not ready.
    Held,
    /// Working.
    Ready,
    /// Told why; its outbox is sent, then it is closed. It holds nothing any more.
    Closing,
}

/// One client connection.
#[derive(Debug)]
pub struct Client {
    /// Its key.
    pub key: ClientKey,
    /// Its address, for people.
    pub peer: String,
    /// The name in its certificate, if it showed one.
    pub certificate: Option<String>,
    /// How far it has come.
    pub phase: Phase,
    /// When it connected.
    pub since: Time,
    /// The version it was told; 0 before the greeting.
    pub version: u16,
    /// How it and the Gateway understand each other; `None` before the greeting.
    pub speech: Option<std::sync::Arc<Speech>>,
    /// The version range and connect options of its greeting.
    pub range: (u16, u16),
    /// Connect options, verbatim.
    pub options: String,
    /// Its client id; `None` before startApi.
    pub id: Option<ClientId>,
    /// What is on its way to it.
    pub outbox: Outbox,
    /// What waits because it reads slowly.
    pub backlog: Backlog,
    /// Values that it was not told because newer ones came before it read.
    pub conflated: u64,
    /// Its active requests: the latest upstream id under each (request message, its own id).
    pub requests: indexmap::IndexMap<(u16, DownReqId), UpReqId, FxBuildHasher>,
    /// Everything upstream that is routed to it, including requests that `requests` knows no more.
    pub active: indexmap::IndexSet<UpReqId, FxBuildHasher>,
    /// Its own market data type (1 live, 2 frozen, 3 delayed, 4 delayed frozen).
    pub market_data_type: i32,
    /// Messages and bytes of it that wait for the pacer.
    pub queued: (usize, usize),
    /// Why it is closing.
    pub closing: Option<Gone>,
    /// When it last said something.
    pub heard: Time,
    /// Frames from and to it.
    pub frames: (u64, u64),
}

impl Client {
    /// A client that just connected.
    pub fn new(key: ClientKey, peer: String, certificate: Option<String>, now: Time) -> Self {
        Client {
            key,
            peer,
            certificate,
            phase: Phase::Greeting,
            since: now,
            version: 0,
            speech: None,
            range: (0, 0),
            options: String::new(),
            id: None,
            outbox: Outbox::default(),
            backlog: Backlog::default(),
            conflated: 0,
            requests: Default::default(),
            active: Default::default(),
            market_data_type: 1,
            queued: (0, 0),
            closing: None,
            heard: now,
            frames: (0, 0),
        }
    }

    /// How many requests it has, of those that are limited.
    pub fn asks_for(&self) -> usize {
        self.active.len().max(self.requests.len())
    }

    /// A log line about it.
    pub fn note(&self, level: Level, text: String) -> Note {
        Note { level, client: Some((self.key, self.id, self.peer.clone())), text }
    }
}

/// All clients by slot.
#[derive(Debug, Default)]
pub struct Clients {
    slots: Vec<Option<Client>>,
    count: usize,
}

impl Clients {
    /// Puts a client into its slot, which must be free.
    pub fn insert(&mut self, client: Client) {
        let slot = client.key.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        assert!(self.slots[slot].is_none(), "a slot is given out once at a time");
        self.slots[slot] = Some(client);
        self.count += 1;
    }

    /// The client under `key`; `None` when it is gone, also when its slot has a new tenant.
    pub fn get(&self, key: ClientKey) -> Option<&Client> {
        self.slots.get(key.slot as usize)?.as_ref().filter(|c| c.key == key)
    }

    /// Likewise, to change it.
    pub fn get_mut(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.slots.get_mut(key.slot as usize)?.as_mut().filter(|c| c.key == key)
    }

    /// Takes the client out.
    pub fn remove(&mut self, key: ClientKey) -> Option<Client> {
        self.get(key)?;
        self.count -= 1;
        self.slots[key.slot as usize].take()
    }

    /// All clients in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slots.iter().flatten()
    }

    /// The keys of the clients in `phase`, in the order of their slots.
    pub fn keys_in(&self, phase: Phase) -> Vec<ClientKey> {
        self.iter().filter(|c| c.phase == phase).map(|c| c.key).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
