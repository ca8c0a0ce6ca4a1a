//! The queues of one class: one for each sender, first in, first out, and the senders take turns.

use std::collections::VecDeque;

use rustc_hash::FxBuildHasher;

use super::{Numbered, Queued};
use crate::ids::{ClientId, ClientKey};

/// Whose queue it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Sender {
    /// twsmux itself.
    Own,
    /// A client.
    Client(ClientKey),
    /// What an owner of orders asks about them waits in its line of orders.
    Line(ClientId),
}

/// Frames for which a spare queue has room, at most.
const MOST_SPARE: usize = 64;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Fair {
    /// None is empty.
    queues: indexmap::IndexMap<Sender, VecDeque<Numbered>, FxBuildHasher>,
    /// Everybody for whom something waits; whose turn comes first stands first.
    ring: VecDeque<Sender>,
    /// How many the first one has sent in its turn.
    run: u32,
    /// An empty queue for the next sender: most frames leave as soon as they come.
    spare: VecDeque<Numbered>,
}

impl Fair {
    /// Somebody has something to send.
    pub fn enter(&mut self, sender: Sender) {
        if !self.ring.contains(&sender) {
            self.ring.push_back(sender);
        }
    }

    /// Somebody has nothing more to send.
    pub fn leave(&mut self, sender: Sender) {
        if self.ring.front() == Some(&sender) {
            self.run = 0;
        }
        self.ring.retain(|s| *s != sender);
    }

    /// Adds a frame at the end of its sender's queue.
    pub fn push(&mut self, sender: Sender, frame: Numbered) {
        match self.queues.get_mut(&sender) {
            Some(queue) => queue.push_back(frame),
            None => {
                let mut queue = std::mem::take(&mut self.spare);
                queue.push_back(frame);
                self.queues.insert(sender, queue);
                self.enter(sender);
            }
        }
    }

    /// Whose turn it is among those that `may` leave.
    pub fn turn(&self, may: impl Fn(Sender) -> bool) -> Option<Sender> {
        self.ring.iter().copied().find(|sender| may(*sender))
    }

    /// The frame of a sender whose turn it is.
    pub fn head(&self, sender: Sender) -> Option<&Queued> {
        Some(&self.queues.get(&sender)?.front()?.1)
    }

    /// Takes it.
    pub fn take(&mut self, sender: Sender) -> Option<Queued> {
        let queue = self.queues.get_mut(&sender)?;
        let taken = queue.pop_front();
        if queue.is_empty() {
            if let Some(queue) = self.queues.swap_remove(&sender).filter(|q| q.capacity() <= MOST_SPARE) {
                self.spare = queue;
            }
            self.leave(sender);
        }
        taken.map(|(_, q)| q)
    }

    /// A sender has sent one; after `turn` of them the next one's turn comes.
    pub fn sent(&mut self, sender: Sender, turn: u32) {
        let Some(at) = self.ring.iter().position(|s| *s == sender) else { return };
        if at == 0 {
            self.run += 1;
            if self.run < turn {
                return;
            }
            self.run = 0;
        }
        self.ring.remove(at);
        self.ring.push_back(sender);
    }

    /// Takes one that `may` leave: of the first sender who has one, who is last then.
    pub fn release(&mut self, mut may: impl FnMut(&Queued) -> bool) -> Option<Numbered> {
        let senders: Vec<Sender> = self.ring.iter().copied().collect();
        for sender in senders {
            let Some(queue) = self.queues.get_mut(&sender) else { continue };
            let Some(at) = queue.iter().position(|(_, q)| may(q)) else { continue };
            let taken = queue.remove(at);
            if queue.is_empty() {
                self.queues.swap_remove(&sender);
            }
            self.ring.retain(|s| *s != sender);
            if self.queues.contains_key(&sender) {
                self.ring.push_back(sender);
            }
            return taken;
        }
        None
    }

    /// Whether nothing waits here.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Takes out the frames that `void` picks.
    pub fn void(&mut self, void: &impl Fn(u64, &Queued) -> bool, out: &mut Vec<Numbered>) {
        self.queues.retain(|sender, queue| {
            super::sift(queue, void, out);
            if queue.is_empty() {
                if self.ring.front() == Some(sender) {
                    self.run = 0;
                }
                self.ring.retain(|s| s != sender);
            }
            !queue.is_empty()
        });
    }

    /// All that waits here.
    pub fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.numbered().map(|(_, q)| q)
    }

    /// Likewise, with its number in the order of arrival.
    pub fn numbered(&self) -> impl Iterator<Item = &Numbered> {
        self.queues.values().flatten()
    }
}
