//! What several clients share, and the clock.

use super::waits::Act;
use super::*;

impl Shadow {
    pub fn join(&mut self, who: Who, stream: usize, account: &str, all: bool) {
        if self.stopping {
            return self.refuse(who, -1);
        }
        if stream == ACCOUNTS {
            let s = &mut self.streams[ACCOUNTS];
            if !s.subscribers.is_empty() && s.account != account {
                if s.subscribers.iter().any(|c| *c != who) {
                    return self.error(who, -1, &[2101]);
                }
                self.leave(who, ACCOUNTS, true);
            }
            self.streams[ACCOUNTS].account = account.to_owned();
        }
        let s = &mut self.streams[stream];
        s.waiting_end.insert(who);
        if s.subscribers.is_empty() {
            s.subscribers.push(who);
            s.rows.clear();
            s.end = None;
            s.has_all = all;
            if self.ready {
                self.stream_waits(stream, who, Act::Begin);
            }
            return;
        }
        if !s.subscribers.contains(&who) {
            s.subscribers.push(who);
        }
        if s.end.is_some() {
            s.waiting_end.remove(&who);
        }
        if stream != BULLETINS || all {
            let image: Vec<Message> = s.rows.iter().map(|r| r.1.clone()).chain(s.end.clone()).collect();
            for (message, values) in image {
                self.tells(who, message, &values);
            }
        }
        if all && !std::mem::replace(&mut self.streams[stream].has_all, true) && self.ready {
            self.stream_waits(stream, who, Act::Rest);
        }
    }

    /// `asked`: the client asks to leave, as opposed to being gone.
    pub fn leave(&mut self, who: Who, stream: usize, asked: bool) {
        if asked && self.stopping {
            return self.refuse(who, -1);
        }
        let s = &mut self.streams[stream];
        s.waiting_end.remove(&who);
        let Some(at) = s.subscribers.iter().position(|c| *c == who) else { return };
        s.subscribers.remove(at);
        let last = s.subscribers.is_empty();
        let news = s.replaying;
        if last {
            *s = Stream::default();
        }
        if last && self.ready {
            self.stream_waits(stream, who, Act::End);
        }
        if asked && stream == ACCOUNTS {
            self.error(who, -1, &[2100]);
        }
        if news {
            self.welcome_back();
        }
        if last && stream == ACCOUNTS && self.ready {
            self.own_unsubscribes += 1;
        }
    }

    /// A row or end of a shared stream comes. `account` where it names one.
    pub fn hear_shared(
        &mut self,
        stream: usize,
        key: Option<String>,
        account: Option<&str>,
        message: Message,
    ) {
        let s = &mut self.streams[stream];
        if s.subscribers.is_empty() || account.is_some_and(|a| !s.account.is_empty() && a != s.account) {
            return;
        }
        let mut gone = Vec::new();
        if key.is_none() {
            let rows = &s.rows;
            gone = std::mem::take(&mut s.before);
            gone.retain(|(key, row)| matches!(row.0, 7 | 61) && !rows.iter().any(|r| r.0 == *key));
        }
        match key {
            None => {
                s.end = Some(message.clone());
                s.waiting_end.clear();
            }
            Some(key) => match s.rows.iter_mut().find(|(k, _)| *k == key && !key.is_empty()) {
                Some(row) => row.1 = message.clone(),
                None => s.rows.push((key, message.clone())),
            },
        }
        let subscribers = s.subscribers.clone();
        for (_, (row, mut values)) in gone {
            let fields: &[&'static str] = match row {
                61 => &["position", "avgCost"],
                _ => &["position", "marketValue", "unrealizedPNL"],
            };
            for field in fields {
                values.set(field, 0);
            }
            for who in &subscribers {
                self.tells(*who, row, &values);
            }
        }
        for who in subscribers {
            self.tells(who, message.0, &message.1);
        }
    }

    /// reqCurrentTime or reqCurrentTimeInMillis.
    pub fn clock_asked(&mut self, who: Who, message: u16, now: u64) {
        if !self.available() {
            return self.refuse(who, -1);
        }
        match self.clock {
            Some((at, millis)) => {
                let millis = millis + (now - at) as i64 / 1000;
                let mut r = Record::new();
                r.set("time", millis / 1000).set("timeInMillis", millis);
                self.own(who, if message == 49 { 49 } else { 109 }, &r);
            }
            None => self.clock_waiters.push((who, message)),
        }
    }

    pub fn hear_clock(&mut self, millis: i64, now: u64) {
        self.clock = Some((now, millis));
        for (who, message) in std::mem::take(&mut self.clock_waiters) {
            if self.is_ready(who) {
                self.clock_asked(who, message, now);
            }
        }
    }
}
