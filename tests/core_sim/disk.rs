//! The disk of the journal: it works on, it refuses, it works again.

use super::*;

impl Sim {
    /// The disk does something, if it has anything to do.
    pub(super) fn disk_step(&mut self) {
        let (given, done) = self.w.facts;
        if self.m.disk_broken && self.rng.one_in(3) {
            return self.disk_does_all();
        }
        if done == given {
            return;
        }
        let upto = done + 1 + self.rng.below((given - done) as usize) as u64;
        let outcome = match self.m.disk_broken || self.rng.one_in(12) {
            true => {
                self.m.disk_fails(self.w.facts.1, upto);
                self.w.disk_fails(upto)
            }
            false => self.w.synced_to(upto),
        };
        self.feed(outcome, false);
    }

    /// Everything is on disk, also if it refused before.
    pub(super) fn disk_does_all(&mut self) {
        let outcome = match std::mem::take(&mut self.m.disk_broken) {
            true => self.w.disk_heals(),
            false => self.w.synced(),
        };
        if outcome.actions.contains(&Action::Finish) {
            self.finished();
        }
        self.feed(outcome, false);
    }
}
