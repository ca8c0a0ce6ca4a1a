//! How many messages may leave, and when: **never more than the limit in any window of one second** (I9).

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits;
use crate::time::Time;

/// The window: the second in which the Gateway counts, and on top of it what the way there may take at one time more than
/// at another. What leaves in two bursts a second apart arrives closer together when the first one is held up.
pub(super) const WINDOW: Duration = Duration::from_millis(1_100);

/// The times of the last sends, and what they leave room for.
#[derive(Debug)]
pub(super) struct Window {
    limit: Option<u32>,
    /// The highest limit before the last change, and when that was.
    before: Option<(Option<u32>, Time)>,
    sent: VecDeque<Time>,
    pause_until: Time,
    /// How often the limit is halved, and since when: the Gateway has complained.
    slowed: (u32, Time),
}

impl Window {
    /// `limit`: messages in any second, `None` for no limit.
    pub fn new(limit: Option<u32>) -> Self {
        Window {
            limit,
            before: None,
            sent: VecDeque::new(),
            pause_until: Time::ZERO,
            slowed: (0, Time::ZERO),
        }
    }

    /// Another limit from now on. What left before still counts.
    pub fn set_limit(&mut self, limit: Option<u32>, now: Time) {
        self.before = Some((self.most(now), now));
        if self.limit.is_none() {
            // Nobody has counted what left: it may have been any number.
            self.pause(now + WINDOW);
            self.sent.clear();
        }
        self.limit = limit;
    }

    /// The highest limit that was in force within the last second; `None` for no limit.
    pub fn most(&self, now: Time) -> Option<u32> {
        match self.before {
            Some((before, at)) if now < at + WINDOW => Some(self.limit?.max(before?)),
            _ => self.limit,
        }
    }

    /// The limit now: halved with each complaint of the Gateway, and doubled again with each quiet minute.
    pub fn limit(&self, now: Time) -> Option<u32> {
        let halved = self.halved(now);
        if halved == 0 {
            return self.limit;
        }
        Some((self.limit.unwrap_or(limits::MESSAGES_PER_SECOND) >> halved).max(1))
    }

    fn halved(&self, now: Time) -> u32 {
        let (halved, since) = self.slowed;
        let quiet = now.since(since).as_secs() / limits::SLOWED_TIME.as_secs();
        halved.saturating_sub(u32::try_from(quiet).unwrap_or(u32::MAX))
    }

    /// The Gateway says that messages come too fast: nothing leaves for a moment, and then less than before. `false`: it is
    /// about what left before the last complaint.
    pub fn slow_down(&mut self, now: Time) -> bool {
        if now < self.pause_until && self.halved(now) > 0 {
            return false;
        }
        let halved = (self.halved(now) + 1).min(limits::MOST_HALVINGS);
        self.slowed = (halved, now);
        self.pause(now + limits::RATE_ERROR_PAUSE.max(WINDOW));
        true
    }

    /// How many of the messages of a window are left to orders: an eighth at most, so that a small limit is not halved.
    fn reserve(&self, now: Time) -> u32 {
        self.limit(now).map_or(0, |limit| (limit / 8).min(limits::ORDERS_RESERVE))
    }

    /// When `n` messages may be sent together; `now` or later.
    pub fn ready_at(&self, n: usize, now: Time) -> Time {
        let mut at = now.max(self.pause_until);
        if let Some(limit) = self.limit(now) {
            let n = n.min(limit as usize);
            let free = limit as usize - n;
            if self.sent.len() > free {
                // All but `free` of the sends in the window must have left it.
                at = at.max(self.sent[self.sent.len() - 1 - free] + WINDOW);
            }
        }
        at
    }

    /// When a message may be sent that is not about an order: so that what is left to those stays free.
    pub fn ready_beside_orders(&self, now: Time) -> Time {
        self.ready_at(1 + self.reserve(now) as usize, now)
    }

    /// One message was sent.
    pub fn sent(&mut self, now: Time) {
        if self.limit(now).is_none() {
            return;
        }
        // By time, not by number: the invariant is to see it if there were too many.
        while self.sent.front().is_some_and(|t| *t + WINDOW <= now) {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// Sends nothing before `until`.
    pub fn pause(&mut self, until: Time) {
        self.pause_until = self.pause_until.max(until);
    }

    /// A new link: no pause. What was sent on the old one still counts: the Gateway may count by program.
    pub fn reset(&mut self) {
        self.pause_until = Time::ZERO;
    }

    /// The number of sends in the second before `now`, for the invariant and the view.
    pub fn in_window(&self, now: Time) -> usize {
        self.sent.iter().filter(|t| **t + Duration::from_secs(1) > now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The most sends of any second, both of its ends included.
    fn most_in_a_second(sends: &[Time]) -> usize {
        let from =
            |i: usize| sends[i..].iter().take_while(|u| u.since(sends[i]) <= Duration::from_secs(1)).count();
        (0..sends.len()).map(from).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_second_ever_holds_more_than_the_limit(
            limit in 1u32..60,
            gaps in proptest::collection::vec((0u64..300_000, 1usize..3), 1..400),
        ) {
            let mut window = Window::new(Some(limit));
            let mut now = Time::ZERO;
            let mut sends: Vec<Time> = Vec::new();
            for (gap, n) in gaps {
                now = now + Duration::from_micros(gap);
                let n = n.min(limit as usize);
                now = window.ready_at(n, now);
                for _ in 0..n {
                    window.sent(now);
                    sends.push(now);
                }
            }
            prop_assert!(most_in_a_second(&sends) <= limit as usize);
        }

        #[test]
        fn what_is_not_about_orders_leaves_room_for_them(
            limit in 1u32..100,
            gaps in proptest::collection::vec((0u64..200_000, any::<bool>()), 1..400),
        ) {
            let mut window = Window::new(Some(limit));
            let reserve = window.reserve(Time::ZERO);
            prop_assert!(reserve < limit && reserve <= limits::ORDERS_RESERVE);
            let (mut now, mut all, mut others) = (Time::ZERO, Vec::new(), Vec::new());
            for (gap, is_order) in gaps {
                now = now + Duration::from_micros(gap);
                now = if is_order { window.ready_at(1, now) } else { window.ready_beside_orders(now) };
                window.sent(now);
                all.push(now);
                if !is_order {
                    others.push(now);
                }
            }
            prop_assert!(most_in_a_second(&all) <= limit as usize);
            prop_assert!(most_in_a_second(&others) <= (limit - reserve) as usize);
        }
    }

    #[test]
    fn each_complaint_halves_the_limit_and_each_quiet_minute_doubles_it() {
        let second = Duration::from_secs(1);
        for (limit, base) in [(Some(45), 45), (None, limits::MESSAGES_PER_SECOND)] {
            let mut window = Window::new(limit);
            let mut now = Time::ZERO + second * 1000;
            assert!(window.slow_down(now));
            assert!(!window.slow_down(now + second / 2), "one more about what left before");
            assert!(window.ready_at(1, now) >= now + WINDOW);
            assert_eq!(window.limit(now), Some(base / 2));
            now = now + second * 10;
            assert!(window.slow_down(now));
            assert_eq!(window.limit(now), Some(base / 4));
            let mut sent = 0;
            for _ in 0..3000 {
                now = now + Duration::from_millis(10);
                if window.ready_at(1, now) == now {
                    window.sent(now);
                    sent += 1;
                }
            }
            assert!(sent <= 30 * base / 4, "{sent} messages in half a minute");
            now = now + limits::SLOWED_TIME;
            assert_eq!(window.limit(now), Some(base / 2));
            now = now + limits::SLOWED_TIME;
            assert_eq!(window.limit(now), limit);
            for _ in 0..100 {
                now = now + second * 2;
                window.slow_down(now);
            }
            assert_eq!(window.limit(now), Some((base >> limits::MOST_HALVINGS).max(1)));
        }
    }

    #[test]
    fn a_limit_is_used_to_the_full() {
        let mut window = Window::new(Some(45));
        let mut sent = 0;
        let mut now = Time::ZERO;
        while now < Time(10_000_000) {
            now = window.ready_at(1, now);
            window.sent(now);
            sent += 1;
        }
        assert!(sent >= 45 * 9, "{sent} messages in ten seconds");
    }
}
