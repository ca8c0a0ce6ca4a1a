//! What goes into the core and what comes out: values, so that a simulation can stand in for the shell.

use std::fmt;

use crate::ids::{ClientId, ClientKey, LinkId};
use crate::journal::Record;
use crate::wire::{
    WireError,
    handshake::{ClientHello, ServerHello},
};

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A client's socket was accepted; the shell chose the key.
    ClientConnected {
        /// Its key, not in use.
        client: ClientKey,
        /// Its address, for logs.
        peer: String,
        /// The name in the certificate that it showed.
        certificate: Option<String>,
    },
    /// A client's greeting is whole.
    ClientHello {
        /// Whose.
        client: ClientKey,
        /// The greeting.
        hello: ClientHello,
    },
    /// A whole frame of a client.
    ClientFrame {
        /// Whose.
        client: ClientKey,
        /// The payload.
        payload: &'a [u8],
    },
    /// A client's bytes cannot be framed any more.
    ClientBroken {
        /// Whose.
        client: ClientKey,
        /// What is wrong with them.
        fault: WireError,
    },
    /// A client's socket is gone: end of stream, reset, or closed on our order.
    ClientGone {
        /// Whose.
        client: ClientKey,
        /// Why, for logs and metrics.
        reason: Gone,
    },
    /// The dial of `link` was accepted.
    UpstreamConnected {
        /// Which attempt.
        link: LinkId,
    },
    /// The dial of `link` failed.
    UpstreamRefused {
        /// Which attempt.
        link: LinkId,
        /// The system's words.
        error: String,
    },
    /// The dial of `link` was neither accepted nor refused.
    UpstreamUnreachable {
        /// Which attempt.
        link: LinkId,
        /// The system's words.
        error: String,
    },
    /// The Gateway's handshake reply.
    UpstreamHello {
        /// Which attempt.
        link: LinkId,
        /// The reply.
        hello: ServerHello,
    },
    /// A whole frame of the Gateway.
    UpstreamFrame {
        /// On which link.
        link: LinkId,
        /// The payload.
        payload: &'a [u8],
    },
    /// The Gateway's bytes cannot be read as handshake or frames.
    UpstreamBroken {
        /// On which link.
        link: LinkId,
        /// What is wrong with them.
        fault: WireError,
    },
    /// The upstream socket is gone.
    UpstreamGone {
        /// Which one.
        link: LinkId,
        /// The system's words.
        error: String,
    },
    /// Answer to [`Action::Look`]: what the kernel's table says of the Gateway port.
    Looked {
        /// Which attempt asked.
        link: LinkId,
        /// Sockets in CLOSE_WAIT there; `None` when the table does not tell (another host).
        zombies: Option<Zombies>,
    },
    /// Answer to [`Action::Examine`]: what the kernel's table says of the connection's other end.
    Examined {
        /// Of which link.
        link: LinkId,
        /// Sockets in CLOSE_WAIT on the port; `None` when the table does not tell.
        zombies: Option<Zombies>,
        /// The Gateway's end.
        end: FarEnd,
    },
    /// Facts up to this number are on disk.
    Journaled {
        /// The number of the last one.
        upto: u64,
        /// How long the disk took, microseconds.
        sync_us: u64,
    },
    /// The journal cannot be written: facts up to this number are not known to be on disk.
    JournalFailed {
        /// The number of the last one that was tried.
        upto: u64,
        /// The system's words.
        words: String,
    },
    /// The journal works again, and everything up to this number is on disk.
    JournalHealed {
        /// The number of the last one.
        upto: u64,
    },
    /// The settings were read anew. What cannot change under way stays as it was.
    Reconfigure {
        /// All of them.
        config: &'a super::Config,
    },
    /// A deadline may have passed.
    Tick,
    /// Wind down: no new requests, send what is queued, then [`Action::Finish`].
    Stop,
}

/// Sockets of the Gateway in CLOSE_WAIT: their clients have hung up, and it has not closed. By what it has not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Zombies {
    /// Accept the connection.
    pub never_accepted: usize,
    /// Read what the client sent.
    pub handshake_unread: usize,
    /// Read the end of the stream.
    pub fin_unread: usize,
    /// Close.
    pub not_closed: usize,
}

impl Zombies {
    /// All of them.
    pub fn total(&self) -> usize {
        self.never_accepted + self.handshake_unread + self.fin_unread + self.not_closed
    }
}

impl fmt::Display for Zombies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.never_accepted, "never accepted"),
            (self.handshake_unread, "with what the client sent unread"),
            (self.fin_unread, "with only the hang-up unread"),
            (self.not_closed, "read to the end and not closed"),
        ];
        let kinds: Vec<String> =
            kinds.iter().filter(|(n, _)| *n > 0).map(|(n, kind)| format!("{n} {kind}")).collect();
        f.write_str(&kinds.join(", "))
    }
}

/// What the Gateway has done with our connection, as far as its end of it shows.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FarEnd {
    /// Its end cannot be seen. Says why.
    OutOfSight(String),
    /// It has not accepted the connection.
    NotAccepted,
    /// It has not read so many bytes.
    Unread(u32),
    /// It has read everything.
    Read,
}

/// Something that the shell carries out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the kernel's table for the Gateway port and answer with [`Input::Looked`].
    Look {
        /// The attempt that asks.
        link: LinkId,
    },
    /// Look, without a word to the Gateway, what it has done with the connection, and answer with [`Input::Examined`].
    Examine {
        /// Which one.
        link: LinkId,
    },
    /// Open the upstream socket. There is none.
    Dial {
        /// The attempt.
        link: LinkId,
    },
    /// Close the upstream socket by reset, now.
    Abort {
        /// Which one.
        link: LinkId,
    },
    /// Close a client's socket. It stays known until [`Input::ClientGone`].
    CloseClient {
        /// Whose.
        client: ClientKey,
        /// Whether what is in its outbox is sent first.
        flush: bool,
    },
    /// Write a fact to the journal. The numbers grow by one.
    Journal {
        /// Its number, for [`Input::Journaled`].
        seq: u64,
        /// The fact.
        record: Record,
        /// Whether somebody waits until it is on disk; otherwise it may take a second.
        sync: bool,
    },
    /// Tell the log.
    Note(Note),
    /// Nothing is left to send: close the upstream when its send queue is empty, then end.
    Finish,
}

/// Importance of a [`Note`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// For somebody who looks for a fault.
    Debug,
    /// What an operator wants to see of a normal day.
    Info,
    /// Something that may need a look.
    Warn,
    /// Something that needs a hand.
    Error,
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How important it is.
    pub level: Level,
    /// Which client it concerns: key, client id as far as known, address.
    pub client: Option<(ClientKey, Option<ClientId>, String)>,
    /// The words.
    pub text: String,
}

/// Why a client's socket is gone; a label of the disconnect metric.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// The client closed.
    Eof,
    /// The client reset the connection, or it timed out.
    Error,
    /// twsmux closed it after telling why.
    Refused,
    /// It did not take its data.
    Slow,
    /// It did not greet or start in time.
    Timeout,
    /// It held nothing and said nothing for too long.
    Idle,
    /// Its bytes made no sense.
    Protocol,
    /// A newer client took its id.
    Replaced,
    /// A person closed it.
    Killed,
    /// twsmux stops.
    Stopping,
}

impl Gone {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [Gone; 10] = [
        Gone::Eof,
        Gone::Error,
        Gone::Refused,
        Gone::Slow,
        Gone::Timeout,
        Gone::Idle,
        Gone::Protocol,
        Gone::Replaced,
        Gone::Killed,
        Gone::Stopping,
    ];

    /// The metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Gone::Eof => "eof",
            Gone::Error => "error",
            Gone::Refused => "refused",
            Gone::Slow => "slow",
            Gone::Timeout => "timeout",
            Gone::Idle => "idle",
            Gone::Protocol => "protocol",
            Gone::Replaced => "replaced",
            Gone::Killed => "killed",
            Gone::Stopping => "stopping",
        }
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gone::Eof => "the client closed the connection",
            Gone::Error => "the connection broke",
            Gone::Refused => "the client was refused",
            Gone::Slow => "the client did not take its data",
            Gone::Timeout => "the client did not finish its handshake in time",
            Gone::Idle => "the client held nothing and said nothing for too long",
            Gone::Protocol => "the client's bytes made no sense",
            Gone::Replaced => "a newer client took the client id",
            Gone::Killed => "it was closed by the operator of twsmux",
            Gone::Stopping => "twsmux stops",
        })
    }
}

/// Collects what a call to `handle` wants done.
#[derive(Debug, Default)]
pub struct Actions {
    /// In the order in which they are to be carried out.
    pub list: Vec<Action>,
    /// Clients that have new bytes in their outbox, each once.
    pub dirty: Vec<ClientKey>,
    /// Whether there are new bytes for the upstream.
    pub upstream_dirty: bool,
}

impl Actions {
    pub(super) fn push(&mut self, action: Action) {
        self.list.push(action);
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.dirty.is_empty() && !self.upstream_dirty
    }
}
