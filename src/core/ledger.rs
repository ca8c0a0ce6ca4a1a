//! What the core hands to the journal, and how far the disk has come with it (I5).
//!
//! Every fact gets a number. An order waits in the pacer until the number of its record is durable; nothing else waits.

use crate::ids::ClientId;
use crate::journal::State;
use crate::limits;

/// How the journal stands.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The number of the last fact that was handed over.
    last: u64,
    /// Facts up to this one are on disk.
    durable: u64,
    /// Clients are let in when facts up to this one are on disk.
    opening: u64,
    /// Whether nothing in it is known to be on disk.
    is_new: bool,
    /// Why nothing can be recorded at the moment.
    broken: Option<String>,
    /// The managed accounts that the journal belongs to; `None` before the first Gateway.
    accounts: Option<Vec<String>>,
}

impl Ledger {
    /// Nothing handed over yet.
    ///
    /// # Panics
    /// When the journal is that of another client id: the shell refuses such a one.
    pub fn new(state: &State, upstream_client: ClientId) -> Self {
        if let Some(identity) = &state.identity {
            assert_eq!(identity.upstream_client, upstream_client, "the journal of another client id");
        }
        let accounts = state.identity.as_ref().map(|i| i.accounts.clone());
        Ledger { is_new: accounts.is_none(), accounts, ..Ledger::default() }
    }

    /// Clients are let in when facts up to this one are on disk: that the journal is in use, whose it is, and where
    /// everybody's order ids begin.
    pub fn opens_with(&mut self, fact: u64) {
        self.opening = fact;
    }

    /// Whether clients may be let in: nobody must be told an order id that a crash makes be told again. With a disk that
    /// refuses they may, because orders can be cancelled all the same; but not with a journal that never began, for then
    /// there are none.
    pub fn is_open(&self) -> bool {
        self.durable >= self.opening || self.is_broken() && !self.is_new
    }

    /// The number of the next fact.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The number of the last fact that was handed over.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Facts up to this one are on disk.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Facts up to `upto` are on disk.
    pub fn reached(&mut self, upto: u64) {
        self.durable = self.durable.max(upto.min(self.last));
        self.is_new &= self.accounts.is_none() || self.durable < self.opening;
    }

    /// The disk refuses.
    pub fn fail(&mut self, words: String) {
        self.broken = Some(words);
    }

    /// Everything up to `upto` is on disk again.
    pub fn heal(&mut self, upto: u64) {
        self.broken = None;
        self.reached(upto);
    }

    /// Whether the disk refuses.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Why no new order can be recorded, in words for its client.
    pub fn refusal(&self) -> Option<String> {
        if let Some(words) = &self.broken {
            return Some(format!(
                "{words}, and an order must not leave unrecorded; free or repair the disk of the state directory, twsmux \
                 tries it again every second. Cancels are sent"
            ));
        }
        self.is_behind().then(|| {
            "the disk of the order journal does not keep up, and an order must not leave unrecorded; try again"
                .to_owned()
        })
    }

    /// Whether too much waits for the disk.
    pub fn is_behind(&self) -> bool {
        self.last - self.durable > limits::MAX_JOURNAL_BACKLOG
    }

    /// The accounts that it belongs to; `None` for a journal that has just begun.
    pub fn accounts(&self) -> Option<&[String]> {
        self.accounts.as_deref()
    }

    /// It belongs to these accounts from now on.
    pub fn belongs_to(&mut self, accounts: Vec<String>) {
        self.accounts = Some(accounts);
    }
}
