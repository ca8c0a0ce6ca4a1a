//! What the Gateway's own rules on historical data ([`RULES`]) let go, and when.
//!
//! Requests under these rules wait here, by sender, before they wait with the others for their turn; the senders take
//! turns. **A request that may go is counted from then on**, and its time runs from when it leaves: so no window of a rule
//! ever holds more than the rule allows, however long the way to the socket takes.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxBuildHasher;

use super::fair::{Fair, Sender};
use super::{Numbered, Queued};
use crate::ids::UpReqId;
use crate::limits;
use crate::protocol::pacing::{AT_ONCE, Paced, Per, RULES};
use crate::time::Time;

/// What the way to the Gateway may take at one time more than at another.
const JITTER: Duration = Duration::from_millis(100);

/// What of the rules concerns a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asks {
    /// What its declaration says.
    pub paced: &'static Paced,
    /// Which of the rules it falls under.
    pub rules: &'static [Per],
    /// Equal ones have equal numbers.
    pub request: u64,
    /// Those about the same contract, exchange and tick type have equal numbers.
    pub contract: u64,
    /// It counts as two, where a rule says so.
    pub twice: bool,
}

impl Asks {
    /// What it adds to the count of a rule, by the rule's own say.
    fn weight(&self, twice: bool) -> u32 {
        if twice && self.twice { 2 } else { 1 }
    }

    fn counts_with(&self, other: &Asks, per: Per) -> bool {
        other.rules.contains(&per)
            && match per {
                Per::Request => other.request == self.request,
                Per::Contract => other.contract == self.contract,
                Per::Everything => true,
            }
    }
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct History {
    on: bool,
    held: Fair,
    /// May go, and have not left.
    going: indexmap::IndexMap<UpReqId, Asks, FxBuildHasher>,
    /// Left within the longest time of the rules.
    sent: VecDeque<(Time, Asks)>,
    /// Left, count as open, and are not over.
    open: indexmap::IndexSet<UpReqId, FxBuildHasher>,
    /// The Gateway has complained: nothing goes before this, and the next complaint costs so much.
    pause: (Time, Duration),
    /// When something of what is held may go, unless something happens before; `None`: it is to be looked for.
    next: Option<Time>,
}

impl History {
    pub fn new(on: bool) -> Self {
        History {
            on,
            held: Fair::default(),
            going: Default::default(),
            sent: VecDeque::new(),
            open: Default::default(),
            pause: (Time::ZERO, limits::HISTORY_PAUSE_MIN),
            next: None,
        }
    }

    /// Whether the rules are kept.
    pub fn set(&mut self, on: bool) {
        self.on = on;
        self.next = None;
    }

    pub fn push(&mut self, sender: Sender, frame: Numbered) {
        self.held.push(sender, frame);
        self.next = None;
    }

    /// What is held.
    pub fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.held.iter()
    }

    /// Whether a request is held.
    pub fn holds(&self, up: UpReqId) -> bool {
        self.held.iter().any(|q| q.post.what == super::What::Request(up))
    }

    /// The Gateway says that it was asked too often: nothing goes for a while, longer with each complaint.
    /// Returns for how long; `None`: it is about what left before the last complaint.
    pub fn complained(&mut self, now: Time) -> Option<Duration> {
        let (until, pause) = self.pause;
        if now < until {
            return None;
        }
        let pause = match now.since(until) < limits::HISTORY_PAUSE_MAX {
            true => pause,
            false => limits::HISTORY_PAUSE_MIN,
        };
        self.pause = (now + pause, (pause * 2).min(limits::HISTORY_PAUSE_MAX));
        self.next = None;
        Some(pause)
    }

    /// When a request may go; `None`: not before another one has left or is over.
    fn free_at(&self, asks: &Asks, now: Time) -> Option<Time> {
        if !self.on {
            return Some(now);
        }
        if asks.paced.at_once {
            let going = self.going.values().filter(|other| other.paced.at_once).count();
            if self.open.len() + going >= AT_ONCE {
                return None;
            }
        }
        let mut at = if asks.rules.is_empty() { now } else { now.max(self.pause.0) };
        for rule in RULES.iter().filter(|rule| asks.rules.contains(&rule.per)) {
            let counted = |other: &Asks| match asks.counts_with(other, rule.per) {
                true => other.weight(rule.twice),
                false => 0,
            };
            let mut sum = asks.weight(rule.twice) + self.going.values().map(counted).sum::<u32>();
            if sum > rule.most {
                return None;
            }
            for (sent, other) in self.sent.iter().rev() {
                sum += counted(other);
                if sum > rule.most {
                    at = at.max(*sent + rule.within + JITTER);
                    break;
                }
            }
        }
        Some(at)
    }

    /// Takes one that may go now.
    pub fn release(&mut self, now: Time) -> Option<Numbered> {
        if self.held.is_empty() || self.next.is_some_and(|next| now < next) {
            return None;
        }
        let mut next: Option<Time> = None;
        let mut held = std::mem::take(&mut self.held);
        let released = held.release(|queued| {
            // What falls under no rule was not to be held.
            let at = queued.asks.map_or(Some(now), |asks| self.free_at(&asks, now));
            if let Some(at) = at.filter(|at| *at > now) {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
            at == Some(now)
        });
        self.held = held;
        match &released {
            Some((_, Queued { post, asks: Some(asks), .. })) => {
                if let super::What::Request(up) = post.what {
                    self.going.insert(up, *asks);
                }
            }
            Some(_) => {}
            None => self.next = Some(next.unwrap_or(Time(u64::MAX))),
        }
        released
    }

    /// When [`History::release`] is to be called again, if nothing happens before.
    pub fn next(&self) -> Option<Time> {
        self.next.filter(|at| !self.held.is_empty() && *at < Time(u64::MAX))
    }

    /// One has left.
    pub fn left(&mut self, up: UpReqId, asks: &Asks, now: Time) {
        self.going.swap_remove(&up);
        self.next = None;
        if asks.paced.at_once {
            self.open.insert(up);
        }
        let longest = RULES.iter().map(|rule| rule.within).max().unwrap_or_default() + JITTER;
        while self.sent.front().is_some_and(|(at, _)| *at + longest <= now) {
            self.sent.pop_front();
        }
        // While nobody keeps the rules there may be any number.
        if self.on && !asks.rules.is_empty() {
            self.sent.push_back((now, *asks));
        }
    }

    /// One is over, or will not leave.
    pub fn ended(&mut self, up: UpReqId) {
        if self.open.swap_remove(&up) | self.going.swap_remove(&up).is_some() {
            self.next = None;
        }
    }

    /// Takes out the frames that `void` picks.
    pub fn void(&mut self, void: &impl Fn(u64, &Queued) -> bool, out: &mut Vec<Numbered>) {
        self.held.void(void, out);
        self.next = None;
    }

    /// A new link: nothing is open. What was asked on the old one still counts.
    pub fn reset(&mut self) {
        self.open.clear();
        self.next = None;
    }

    /// Asserts what must always hold.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let most = RULES.iter().map(|rule| rule.most).max().unwrap_or_default() as usize;
        assert!(self.sent.len() <= most, "I10: what the rules count is bounded by them");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::core::pacer::{Post, What};
    use crate::protocol::model::Class;
    use crate::protocol::pacing::{BARS, REAL_TIME_BARS};

    fn queued(up: u32, asks: Asks) -> Queued {
        Queued {
            post: Post::own(What::Request(UpReqId(up as i32))),
            frame: Bytes::new(),
            since: Time::ZERO,
            class: Class::History,
            asks: Some(asks),
        }
    }

    fn bars(request: u64, contract: u64, twice: bool) -> Asks {
        Asks { paced: &BARS, rules: BARS.rules, request, contract, twice }
    }

    proptest! {
        /// Counted anew from the times at which requests left, no rule is ever broken, and everything leaves in the end.
        #[test]
        fn no_rule_is_ever_broken_and_everything_leaves(
            wanted in proptest::collection::vec((0u64..4, 0u64..12, any::<bool>(), 0u64..20_000), 1..150),
            way in 0u64..3_000,
        ) {
            let mut history = History::new(true);
            let (mut now, mut left): (Time, Vec<(Time, Asks)>) = (Time::ZERO, Vec::new());
            let mut answered: VecDeque<UpReqId> = VecDeque::new();
            for (n, (request, contract, twice, gap)) in wanted.iter().enumerate() {
                now = now + Duration::from_millis(*gap);
                // Equal requests are about the same contract.
                let asks = bars(contract * 10 + request, *contract, *twice && *request == 1);
                history.push(Sender::Own, (n as u64, queued(n as u32, asks)));
            }
            let mut rounds = 0;
            while left.len() < wanted.len() {
                rounds += 1;
                prop_assert!(rounds < 100_000, "{} of {} left", left.len(), wanted.len());
                let mut gone = Vec::new();
                while let Some((_, q)) = history.release(now) {
                    gone.push(q);
                }
                history.check();
                let next = history.next();
                for q in gone {
                    now = now + Duration::from_millis(way % 50);
                    let What::Request(up) = q.post.what else { unreachable!() };
                    let asks = q.asks.expect("it falls under the rules");
                    history.left(up, &asks, now);
                    left.push((now, asks));
                    answered.push_back(up);
                }
                while answered.len() > 20 {
                    history.ended(answered.pop_front().expect("there is one"));
                }
                if let Some(at) = next {
                    now = now.max(at);
                }
            }
            for rule in RULES {
                for (i, (from, asks)) in left.iter().enumerate() {
                    let within = left[i..].iter().take_while(|(at, _)| at.since(*from) <= rule.within);
                    let same = within.filter(|(_, other)| asks.counts_with(other, rule.per));
                    let sum: u32 = same.map(|(_, other)| other.weight(rule.twice)).sum();
                    prop_assert!(sum <= rule.most, "{sum} within {:?} of {:?}", rule.within, rule.per);
                }
            }
        }
    }

    #[test]
    fn no_more_are_open_than_the_gateway_takes() {
        let mut history = History::new(true);
        let large = Asks { rules: &[], ..bars(1, 1, false) };
        for n in 0..60 {
            history.push(Sender::Own, (u64::from(n), queued(n, large)));
        }
        let mut left = Vec::new();
        while let Some((_, q)) = history.release(Time::ZERO) {
            let What::Request(up) = q.post.what else { unreachable!() };
            history.left(up, &large, Time::ZERO);
            left.push(up);
        }
        assert_eq!((left.len(), history.next()), (AT_ONCE, None), "no time will help");
        history.ended(left[7]);
        assert!(history.release(Time::ZERO).is_some());
        assert!(history.release(Time::ZERO).is_none());
    }

    #[test]
    fn complaints_of_the_gateway_cost_more_each_time_and_are_forgiven() {
        let mut history = History::new(true);
        let asks = Asks { paced: &REAL_TIME_BARS, rules: REAL_TIME_BARS.rules, ..bars(1, 1, false) };
        let first = limits::HISTORY_PAUSE_MIN;
        assert_eq!(history.complained(Time(1_000_000)), Some(first));
        assert_eq!(history.complained(Time(2_000_000)), None, "one more about what left before");
        let at = history.free_at(&asks, Time(3_000_000));
        assert_eq!(at, Some(Time(1_000_000) + first));
        let again = Time(1_000_000) + first + Duration::from_secs(1);
        assert_eq!(history.complained(again), Some(first * 2));
        let later = again + limits::HISTORY_PAUSE_MAX * 3;
        assert_eq!(history.complained(later), Some(first));
    }
}
