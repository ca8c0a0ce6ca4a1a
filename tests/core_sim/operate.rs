//! A person at the controls: pauses, new connections, clients that are closed.
//!
//! A pause that waits for orders to settle is taken back at once; how it ends otherwise is in `core_behaviour::operate`.

use twsmux::core::operate::{Operation, Who as Whom};

use super::*;

impl Sim {
    pub(super) fn operate(&mut self) {
        match self.rng.below(4) {
            0 => self.kill(),
            // While one is tried it is refused.
            1 if self.up == Up::None && self.w.dialing.is_none() => self.wish(&Operation::Reconnect),
            _ => self.pause(),
        }
    }

    /// Something is wished for that must be possible; if the link is given up for it, the shadow is told before.
    fn wish(&mut self, operation: &Operation) {
        let (done, outcome) = self.w.operated(operation);
        done.unwrap_or_else(|refusal| panic!("{operation:?}: {refusal}"));
        if outcome.actions.iter().any(|action| matches!(action, Action::Abort { .. })) {
            self.link_is_gone();
        }
        self.feed(outcome, false);
    }

    fn pause(&mut self) {
        self.wish(&Operation::Pause);
        if self.up == Up::None {
            let micros = self.rng.below(40) as u64 * SECOND;
            self.advance(micros);
            assert!(self.w.dialing.is_none() && self.w.socket.is_none(), "I1: nothing is dialled in a pause");
        }
        self.wish(&Operation::Resume);
    }

    fn kill(&mut self) {
        let open = self.open_clients();
        let open: Vec<Who> = open.into_iter().filter(|who| self.w.peers[*who].closing.is_none()).collect();
        if open.is_empty() {
            return;
        }
        let who = *self.rng.pick(&open);
        if self.m.clients[who].stage != Stage::Connected {
            self.m.error(who, -1, &[504]);
        }
        self.m.release(who);
        self.wish(&Operation::Kill(Whom::Key(self.w.peers[who].key)));
    }
}
