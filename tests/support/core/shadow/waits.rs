//! What waits too long for its turn: it is not sent, and whoever asked is told.

use super::*;

/// What has not left of a shared stream, or has no answer.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    who: Who,
    since: u64,
    act: Act,
    /// It is asked for again after an outage, and never too late.
    again: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    Begin,
    End,
    /// The stream goes on, and the rest of its image is asked for.
    Rest,
}

/// Of which stream a message is the beginning or the end.
fn stream_of(message: u16) -> usize {
    match message {
        6 => ACCOUNTS,
        61 | 64 => POSITIONS,
        _ => BULLETINS,
    }
}

impl Shadow {
    pub(super) fn stream_waits(&mut self, stream: usize, who: Who, act: Act) {
        let since = self.now;
        self.waiting[stream].push_back(Waiting { who, since, act, again: false });
    }

    /// Whoever is subscribed, the stream begins again.
    pub(super) fn streams_wait_again(&mut self) {
        for (at, waiting) in self.waiting.iter_mut().enumerate() {
            if let Some(who) = self.streams[at].subscribers.first().copied() {
                self.streams[at].replaying = true;
                waiting.push_back(Waiting { who, since: self.now, act: Act::Begin, again: true });
            }
        }
    }

    /// reqAutoOpenOrders of client 0.
    pub fn binds(&mut self, who: Who) {
        self.bindings.push(Waiting { who, since: self.now, act: Act::Begin, again: false });
    }

    pub(super) fn binding_left(&mut self) {
        assert!(!self.bindings.is_empty(), "a binding that somebody asked for");
        self.bindings.remove(0);
    }

    pub(super) fn stream_left(&mut self, f: &Frame) {
        let item = self.waiting[stream_of(f.id)].pop_front().expect("somebody subscribed or left");
        let ends = match f.id {
            6 => !f.request().flag("subscribe"),
            61 | 12 => false,
            _ => true,
        };
        assert_eq!(item.act == Act::End, ends, "beginning and end of a stream keep their order");
        let stream = stream_of(f.id);
        if item.again && !self.waiting[stream].iter().any(|w| w.again) {
            self.stream_replayed(stream, true);
        }
    }

    pub(super) fn refuse_late_requests(&mut self) {
        let (now, wait) = (self.now, self.settings.request_wait);
        let late = |since: u64| since + wait <= now;
        let requests = self.insts.iter().enumerate();
        let requests: Vec<usize> = requests
            .filter(|(_, i)| {
                i.up.is_none() && !i.orphan && i.state != State::Ended && !i.again && late(i.since)
            })
            .filter(|(_, i)| i.asleep.is_none())
            .map(|(at, _)| at)
            .collect();
        let n = self.bindings.iter().filter(|b| late(b.since)).count();
        for at in requests {
            let (who, down, live) = (self.insts[at].who, self.insts[at].down, self.insts[at].live());
            (self.insts[at].state, self.insts[at].orphan) = (State::Ended, true);
            if live {
                self.error(who, down, &[322]);
            }
            for line in self.lines.values_mut() {
                line.retain(|item| item.turn != Turn::Query(at));
            }
            self.queries.retain(|(asker, _)| *asker != Asker::Client(at));
        }
        let mut unanswered = Vec::new();
        for stream in 0..self.waiting.len() {
            let waiting = &mut self.waiting[stream];
            let is_late = |w: &Waiting| w.act != Act::End && !w.again && late(w.since);
            let mut told = false;
            while let Some(at) = waiting.iter().position(is_late) {
                let Waiting { who, act, .. } = waiting.remove(at).expect("found");
                if act == Act::Rest {
                    self.streams[stream].has_all = false;
                    unanswered.push(who);
                    continue;
                }
                // What waits of its end goes with it, and what was asked for in between.
                told = true;
                while told && waiting.get(at).is_some_and(|w| w.act != Act::Begin) {
                    told = waiting.remove(at).expect("it is there").act != Act::End;
                }
                if !told && stream == ACCOUNTS {
                    self.own_unsubscribes -= 1;
                }
            }
            if !told {
                continue;
            }
            for who in std::mem::take(&mut self.streams[stream]).subscribers {
                self.error(who, -1, &[322]);
            }
        }
        unanswered.extend(self.bindings.drain(..n).map(|binding| binding.who));
        for who in unanswered {
            if self.is_ready(who) {
                self.error(who, -1, &[322]);
            }
        }
    }
}
