//! When the fake Gateway sends which tick.
//!
//! Owns: the schedule. May not know: sockets, messages. Driven by: the fake Gateway.

use crate::clock::SECOND;

/// Ticks that an instrument gets in one go of a flood.
const BATCH: u64 = 64;

/// How ticks are to come.
#[derive(Clone, Copy, Debug)]
pub enum Flow {
    /// To a schedule, whatever becomes of them: nobody waits for who is late.
    Paced {
        /// How many instruments tick.
        instruments: usize,
        /// Ticks of each per second.
        rate: u64,
        /// When it begins.
        start: u64,
        /// Ticks of each.
        count: u64,
        /// All instruments at the same moments, or spread evenly.
        together: bool,
    },
    /// As fast as they are taken.
    Flood {
        /// How many instruments tick.
        instruments: usize,
        /// Ticks of each.
        count: u64,
        /// Ticks of each that may be under way; without it the sockets alone say when.
        window: Option<u64>,
        /// When it ends at the latest.
        until: u64,
    },
}

impl Flow {
    /// When a tick is meant to be sent.
    pub fn intended(&self, instrument: usize, seq: u64) -> u64 {
        match *self {
            Flow::Paced { instruments, rate, start, together, .. } => {
                let distance = SECOND / rate;
                let phase = if together { 0 } else { distance * instrument as u64 / instruments as u64 };
                start + phase + (seq - 1) * distance
            }
            Flow::Flood { .. } => 0,
        }
    }
}

/// A flow under way. Ticks of an instrument count from 1.
pub struct Stream {
    flow: Flow,
    /// The next instrument, and how many whole rounds are sent.
    at: usize,
    rounds: u64,
    /// Rounds that this go ends with.
    go: u64,
    ended: bool,
    /// What must be delivered before it goes on; half a window at a time, so that it is not woken for each tick.
    wanted: Option<u64>,
    /// Room for the numbers of connections that got something.
    pub touched: Vec<usize>,
}

impl Stream {
    /// A flow that begins.
    pub fn new(flow: Flow) -> Stream {
        Stream { flow, at: 0, rounds: 0, go: BATCH, ended: false, wanted: None, touched: Vec::new() }
    }

    /// How many ticks of an instrument are sent.
    pub fn seq(&self, instrument: usize) -> u64 {
        self.rounds + u64::from(instrument < self.at)
    }

    /// Whether only sockets hold it up.
    pub fn never_waits(&self) -> bool {
        matches!(self.flow, Flow::Flood { window: None, .. }) && !self.ended
    }

    /// What must be delivered before it goes on.
    pub fn wanted(&self) -> Option<u64> {
        self.wanted
    }

    /// The next tick that is to be sent now.
    pub fn due(&mut self, now: u64, delivered: u64) -> Option<(usize, u64)> {
        let (instruments, count) = match self.flow {
            Flow::Paced { instruments, count, .. } | Flow::Flood { instruments, count, .. } => {
                (instruments, count)
            }
        };
        let seq = self.rounds + 1;
        if self.wanted.is_some_and(|wanted| delivered < wanted) {
            return None;
        }
        self.wanted = None;
        match self.flow {
            _ if seq > count => {
                self.ended = true;
                return None;
            }
            Flow::Paced { .. } if self.flow.intended(self.at, seq) > now => return None,
            Flow::Paced { .. } => {}
            Flow::Flood { window, until, .. } => {
                if now > until {
                    self.ended = true;
                    return None;
                }
                if let Some(window) = window
                    && seq > delivered + window
                {
                    self.wanted = Some(seq - (window / 2).max(1));
                    return None;
                }
                if window.is_none() && seq > self.go {
                    self.go = self.rounds + BATCH;
                    return None;
                }
            }
        }
        let tick = (self.at, seq);
        self.at += 1;
        if self.at == instruments {
            (self.at, self.rounds) = (0, seq);
        }
        Some(tick)
    }

    /// When the next tick is due, of those that have a schedule.
    pub fn next(&self) -> Option<u64> {
        match self.flow {
            Flow::Paced { .. } if !self.ended => Some(self.flow.intended(self.at, self.rounds + 1)),
            _ => None,
        }
    }
}
