//! The last things that happened, for people: how the upstream went, and which errors there were.
//!
//! Owns: two short lists. May not know: who reads them. Driven by: `link`, `route`, and whatever sends an error.
//!
//! **Nothing of accounts or of orders is kept**: names of accounts are blotted out, and of what the Gateway says about an
//! order only the code stays. The same event again counts up instead of pushing others out.

use std::collections::VecDeque;

use super::codes::{self, Class};
use super::link::Link;
use super::{Core, Ctx};
use crate::ids::ClientKey;
use crate::limits;
use crate::time::{Time, utc_style};

/// Who said an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The Gateway.
    Gateway,
    /// twsmux itself.
    Twsmux,
}

/// One change of the upstream, or several equal ones in a row.
#[derive(Debug)]
struct Turn {
    state: &'static str,
    words: String,
    first: Time,
    last: Time,
    times: u64,
}

/// One error, or the same several times.
#[derive(Debug)]
struct Fault {
    code: u16,
    origin: Origin,
    words: String,
    /// The client ids of those that it is for, the first few.
    to: Vec<i32>,
    last: Time,
    times: u64,
}

/// See the module's words.
#[derive(Debug, Default)]
pub struct Events {
    turns: VecDeque<Turn>,
    faults: VecDeque<Fault>,
}

/// A change of the upstream, in the view.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TurnView {
    /// When it came about, UTC.
    pub at: String,
    /// When it last came about again, UTC.
    pub last: String,
    /// How often, in a row.
    pub times: u64,
    /// `ready`, `learning`, or the case of trouble.
    pub state: &'static str,
    /// What was seen, in words.
    pub words: String,
}

/// An error, in the view.
#[derive(Clone, Debug, serde::Serialize)]
pub struct FaultView {
    /// When it last came, UTC.
    pub at: String,
    /// How often.
    pub times: u64,
    /// Its code.
    pub code: u16,
    /// Who said it.
    pub origin: Origin,
    /// Client ids of those that it was for, the first few; none when it was for nobody.
    pub to: Vec<i32>,
    /// Its words, shortened; empty where they may hold what an order says.
    pub words: String,
}

impl Events {
    fn turn(&mut self, now: Time, state: &'static str, words: &str) {
        let words = shortened(words);
        if let Some(turn) = self.turns.back_mut().filter(|t| t.state == state && t.words == words) {
            turn.last = now;
            turn.times += 1;
            return;
        }
        if self.turns.len() >= limits::MAX_SHOWN_EVENTS {
            self.turns.pop_front();
        }
        self.turns.push_back(Turn { state, words, first: now, last: now, times: 1 });
    }

    fn fault(&mut self, now: Time, code: u16, origin: Origin, to: Option<i32>, words: &str) {
        let words = shortened(words);
        let same = |f: &Fault| f.code == code && f.origin == origin && f.words == words;
        let known = self.faults.iter().position(same).and_then(|at| self.faults.remove(at));
        let new = || Fault { code, origin, words, to: Vec::new(), last: now, times: 0 };
        let mut fault = known.unwrap_or_else(new);
        fault.last = now;
        fault.times += 1;
        if let Some(id) = to.filter(|id| !fault.to.contains(id))
            && fault.to.len() < limits::MAX_SHOWN_ADDRESSEES
        {
            fault.to.push(id);
        }
        if self.faults.len() >= limits::MAX_SHOWN_EVENTS {
            self.faults.pop_front();
        }
        self.faults.push_back(fault);
    }

    /// How the upstream went, the latest first. `epoch_ms`: see [`Config`](super::Config).
    pub fn turns(&self, epoch_ms: u64) -> Vec<TurnView> {
        let shown = |t: &Turn| TurnView {
            at: utc(epoch_ms, t.first),
            last: utc(epoch_ms, t.last),
            times: t.times,
            state: t.state,
            words: t.words.clone(),
        };
        self.turns.iter().rev().map(shown).collect()
    }

    /// The errors, the latest first.
    pub fn faults(&self, epoch_ms: u64) -> Vec<FaultView> {
        let shown = |f: &Fault| FaultView {
            at: utc(epoch_ms, f.last),
            times: f.times,
            code: f.code,
            origin: f.origin,
            to: f.to.clone(),
            words: f.words.clone(),
        };
        self.faults.iter().rev().map(shown).collect()
    }

    /// The bounds hold (I10).
    pub fn check(&self) {
        assert!(self.turns.len() <= limits::MAX_SHOWN_EVENTS, "I10");
        assert!(self.faults.len() <= limits::MAX_SHOWN_EVENTS, "I10");
        assert!(self.faults.iter().all(|f| f.to.len() <= limits::MAX_SHOWN_ADDRESSEES), "I10");
    }
}

impl Core {
    /// The upstream has become ready, begins to learn, or is in trouble.
    pub(super) fn recall_turn(&mut self, now: Time) {
        let (state, words) = match self.link {
            Link::Ready { .. } => ("ready", self.diagnosis()),
            Link::Learning { .. } => ("learning", self.diagnosis()),
            _ => self.trouble_seen().unwrap_or_else(|| ("down", self.diagnosis())),
        };
        self.events.turn(now, state, &words);
    }

    /// twsmux has an error for a client.
    pub(super) fn recall_error(&mut self, now: Time, to: Option<ClientKey>, code: u16, words: &str) {
        let to = to.and_then(|key| self.clients.get(key)?.id).map(|id| id.0);
        self.stats.error(code);
        self.events.fault(now, code, Origin::Twsmux, to, words);
    }

    /// The Gateway has sent an error; those that only remark on something are none. `id`: what it is about.
    pub(super) fn recall_complaint(&mut self, ctx: &Ctx<'_>, id: i32, code: u16, words: &str) {
        let is_bad = match codes::class(code) {
            None => code != codes::ORDER_CANCELLED,
            Some(Class::Farm) => codes::is_broken_farm(code),
            Some(Class::Warning | Class::Unsubscribed) => false,
            Some(Class::Broadcast | Class::Rate | Class::ClientIdInUse | Class::PortReset) => true,
        };
        if !is_bad {
            return;
        }
        let asker = self.requests.get(crate::ids::UpReqId(id)).and_then(|e| e.members.first().copied());
        let owner = self.orders.get(crate::ids::UpOrderId(id)).map(|o| o.owner.0);
        let about_order = owner.is_some() || codes::is_about_an_order(code);
        let to = asker.and_then(|(key, _)| self.clients.get(key)?.id).map(|id| id.0).or(owner);
        let words = if about_order { "" } else { words };
        self.events.fault(ctx.now, code, Origin::Gateway, to, words);
    }
}

fn utc(epoch_ms: u64, at: Time) -> String {
    utc_style(epoch_ms + at.0 / 1000)
}

/// Words as they may be kept: short, on one line, and without what looks like the name of an account: a letter, and five
/// digits or more.
fn shortened(words: &str) -> String {
    const ACCOUNT_DIGITS: usize = 5;
    let mut out = String::new();
    let mut rest = words.chars().take(limits::MAX_EVENT_WORDS + 1).peekable();
    let mut taken = 0;
    while let Some(first) = rest.next() {
        taken += 1;
        if !first.is_alphanumeric() {
            out.push(if first.is_control() { ' ' } else { first });
            continue;
        }
        let mut word = String::from(first);
        while let Some(next) = rest.next_if(|c| c.is_alphanumeric()) {
            taken += 1;
            word.push(next);
        }
        let digits = word.chars().filter(char::is_ascii_digit).count();
        // One that is cut off may be one all the same.
        let cut = taken > limits::MAX_EVENT_WORDS;
        match first.is_alphabetic() && (digits >= ACCOUNT_DIGITS || cut && digits > 0) {
            true => out.push('…'),
            false => out.push_str(&word),
        }
    }
    if taken > limits::MAX_EVENT_WORDS {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_accounts_are_blotted_out_and_addresses_are_not() {
        for (words, kept) in [
            ("the journal belongs to DU1234567,U7654321.", "the journal belongs to …,…."),
            (
                "nothing listens at 127.0.0.1:45123 (os error 111)",
                "nothing listens at 127.0.0.1:45123 (os error 111)",
            ),
            ("a\nb\u{1b}[2J", "a b [2J"),
            ("server version 176, reqMktData", "server version 176, reqMktData"),
        ] {
            assert_eq!(shortened(words), kept);
        }
    }

    #[test]
    fn long_words_are_cut_and_leave_no_part_of_an_account() {
        let words = format!("{}DU1234567", "x ".repeat(limits::MAX_EVENT_WORDS / 2 - 2));
        let kept = shortened(&words);
        assert!(!kept.contains("DU") && kept.chars().count() <= limits::MAX_EVENT_WORDS + 2, "{kept}");
        assert!(shortened(&"é".repeat(1 << 20)).len() < 4 * limits::MAX_EVENT_WORDS);
    }

    #[test]
    fn the_same_again_counts_up_and_the_lists_stay_short() {
        let mut events = Events::default();
        for n in 0..1000u64 {
            events.turn(Time(n), "down", "nothing listens");
            events.fault(Time(n), 322, Origin::Twsmux, Some(n as i32), "too much");
        }
        assert_eq!(events.turns(0)[0].times, 1000);
        let faults = events.faults(0);
        assert_eq!((faults.len(), faults[0].times), (1, 1000));
        assert_eq!(faults[0].to.len(), limits::MAX_SHOWN_ADDRESSEES);
        for n in 0..1000u16 {
            events.turn(Time(0), "down", &format!("reason {n}"));
            events.fault(Time(0), n, Origin::Gateway, None, "");
            events.check();
        }
        assert_eq!(events.faults(0)[0].code, 999, "the latest first");
        assert_eq!(events.turns(0)[0].words, "reason 999");
    }
}
