//! Clients that read slowly: what they need not be told at once, and what they are told in the end.
//!
//! Owns: what is owed to them, by rows, and which of their books lack changes. May not know: when the core decides that
//! somebody is behind; only whether it may, from the bytes that the client has not read.
//! Driven by: the simulation's comparison, frame by frame.
//!
//! - Only the latest of each row may wait, and changes of a book; **everything else comes at once**, also orders' events.
//! - **A row that comes late is the latest one**, and nothing older comes after a newer one.
//! - What ends a request, or says something about it once, comes behind what waits of it.
//! - Nothing of a request comes after its end; what waits of it then is owed no more.
//! - A large answer ends with an error for who has half of its limit unread, and for nobody else.
//! - Who has read everything is owed nothing.
//!
//! Not here: the limit of bytes at which a client is closed, and that a book told anew is complete
//! (`core_behaviour/slow.rs` has both); of its rows only that they are the Gateway's.

use std::collections::{BTreeMap, BTreeSet};

use twsmux::protocol::model::{Conflate, Route, Row};
use twsmux::protocol::response;

use super::*;

/// What a message is about: a request of the client, or a shared stream by its message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum About {
    Request(i32),
    Stream(usize),
}

/// A row: what it is about, its message, and what tells it from others.
type RowKey = (About, u16, String);

/// See the module's words.
#[derive(Default)]
pub struct Slow {
    owed: BTreeMap<(Who, RowKey), Expect>,
    /// Books that lack changes, by the message that changes them.
    books: BTreeSet<(Who, i32, u16)>,
    /// What marks the rows that were told of a book.
    marks: BTreeMap<(Who, i32), BTreeSet<String>>,
    /// The book that is being told anew.
    telling: Option<(Who, i32)>,
    /// Since when something is owed.
    since: BTreeMap<Who, u64>,
    /// The request whose answer the Gateway gives, and the message.
    answering: Option<(usize, u16)>,
    /// Rows that came late.
    pub came_late: u64,
    /// Rows that never came because newer ones did.
    pub left_out: u64,
}

impl Slow {
    /// Since when something has been owed to a client.
    pub fn since(&self, who: Who) -> Option<u64> {
        self.since.get(&who).copied()
    }

    /// Whether something is owed to a client.
    pub fn owes(&self, who: Who) -> bool {
        self.owed.range((who, FIRST)..).next().is_some_and(|((of, _), _)| *of == who)
            || self.books.iter().any(|(of, ..)| *of == who)
    }
}

const FIRST: RowKey = (About::Request(i32::MIN), 0, String::new());

/// The request id in what a message says.
fn down_of(said: &Said) -> i32 {
    said.get("reqId").or(said.get("id")).and_then(|id| id.parse().ok()).unwrap_or(0)
}

fn about(message: u16, said: &Said) -> About {
    match response(message.into()).expect("declared").route {
        Route::Shared { .. } if matches!(message, 61 | 62) => About::Stream(POSITIONS),
        Route::Shared { .. } if message == 14 => About::Stream(BULLETINS),
        Route::Shared { .. } => About::Stream(ACCOUNTS),
        _ => About::Request(down_of(said)),
    }
}

/// The row of a message; `None` for what is no row.
fn row(message: u16, said: &Said) -> Option<RowKey> {
    let decl = response(message.into()).expect("declared");
    let Conflate::Latest(row) = decl.conflate else { return None };
    let number = || {
        // Whatever has a row key calls it so.
        said.get("tickType").cloned().unwrap_or_default()
    };
    let key = match row {
        Row::One => String::new(),
        Row::Key => number(),
        Row::KeyBut(events) if events.iter().any(|e| number() == e.to_string()) => return None,
        Row::KeyBut(_) => number(),
        Row::Fields(names) => {
            names.iter().map(|n| format!("{}/", said.get(*n).map_or("", String::as_str))).collect()
        }
        Row::Book => return None,
    };
    Some((about(message, said), message, key))
}

/// Whether a message is a part of an answer that can be large.
pub fn is_large(message: u16) -> bool {
    response(message.into()).expect("declared").conflate == Conflate::Bulk
}

/// What marks a row of a book.
fn mark(said: &Said) -> Option<String> {
    said.get("price").or(said.get("marketMaker")).cloned()
}

impl Shadow {
    fn message_of(&self, e: &Expect) -> Option<u16> {
        match &e.what {
            What::Exact(payload) => {
                let version = self.clients[e.who].version;
                Some(twsmux::wire::text::message(payload, version).expect("a message id").id as u16)
            }
            What::Says(message, _) | What::Message(message) => Some(*message),
            What::Error(..) | What::Code(_) => None,
        }
    }

    /// Message and words of what is expected.
    fn said_of(&self, e: &Expect) -> Option<(u16, Said)> {
        match &e.what {
            What::Exact(payload) => {
                let frame = Frame::new(payload, self.clients[e.who].version);
                Some((frame.id, speech::told(&frame)))
            }
            What::Says(message, said) => Some((*message, said.clone())),
            What::Error(..) | What::Code(_) | What::Message(_) => None,
        }
    }

    /// Whether something may come later than its time, for a client that is behind.
    pub fn may_wait(&self, e: &Expect) -> bool {
        let Some((message, said)) = self.said_of(e) else { return false };
        if matches!(message, 12 | 13) {
            return true;
        }
        // The last message of an answer does not wait.
        row(message, &said).is_some_and(|(about, ..)| match about {
            About::Request(down) => self.wants(e.who, down, message),
            About::Stream(_) => true,
        })
    }

    /// Something did not come at once, and need not.
    pub fn owe(&mut self, e: Expect) {
        let (message, said) = self.said_of(&e).expect("a row or a change of a book");
        if matches!(message, 12 | 13) {
            self.slow.books.insert((e.who, down_of(&said), message));
            return;
        }
        let key = row(message, &said).expect("a row");
        let before = self.slow.owed.insert((e.who, key), e);
        self.slow.left_out += u64::from(before.is_some());
    }

    /// What a client is about to be told of books, so that it is known when they are told anew.
    pub fn mark_books(&mut self) {
        let of_books = self.out.iter().filter(|e| matches!(self.message_of(e), Some(12 | 13)));
        let marked: Vec<_> = of_books.filter_map(|e| Some((e.who, self.said_of(e)?))).collect();
        for (who, (message, said)) in marked {
            if let (12 | 13, Some(mark)) = (message, mark(&said)) {
                self.slow.marks.entry((who, down_of(&said))).or_default().insert(mark);
            }
        }
    }

    /// A frame came that nothing of now explains. Whether it was owed.
    pub fn was_owed(&mut self, who: Who, f: &Frame, same: impl Fn(&What, &Frame) -> bool) -> bool {
        let said = speech::told(f);
        if let Some((id, 317)) = f.error()
            && [12, 13].iter().any(|message| self.slow.books.remove(&(who, id, *message)))
        {
            self.slow.telling = Some((who, id));
            return true;
        }
        if matches!(f.id, 12 | 13) {
            let book = (who, down_of(&said));
            let known = self.slow.marks.get(&book).zip(mark(&said)).is_some_and(|(all, m)| all.contains(&m));
            return self.slow.telling == Some(book) && known;
        }
        let Some(key) = row(f.id, &said).map(|key| (who, key)) else { return false };
        let owed = self.slow.owed.get(&key).is_some_and(|e| same(&e.what, f));
        if owed {
            self.slow.owed.remove(&key);
            self.slow.came_late += 1;
        }
        owed
    }

    /// A frame came at its time.
    pub fn came(&mut self, who: Who, f: &Frame) {
        if !self.slow.owes(who) {
            return;
        }
        let said = speech::told(f);
        if let Some(key) = row(f.id, &said) {
            let older = self.slow.owed.remove(&(who, key));
            self.slow.left_out += u64::from(older.is_some());
        } else if f.error().is_none_or(|e| e.1 != 317)
            && response(f.id.into()).expect("declared").conflate == Conflate::Kept
        {
            let about = about(f.id, &said);
            // Requests of other kinds may have the same id.
            let together = |row: u16| {
                let mut all = twsmux::protocol::requests().iter();
                matches!(about, About::Stream(_))
                    || all.any(|r| r.answers.contains(&f.id) && r.answers.contains(&row))
            };
            let waits =
                self.slow.owed.keys().find(|(of, key)| *of == who && key.0 == about && together(key.1));
            assert!(waits.is_none(), "{f:?} comes before {waits:?}");
        }
    }

    /// The Gateway answers a request.
    pub(super) fn answers_with(&mut self, at: usize, message: u16) {
        self.slow.answering = Some((at, message));
    }

    /// The most that what is owed to a client can take up at twsmux.
    pub fn owed_at_most(&self, who: Who) -> usize {
        (self.slow.owed.keys().filter(|(of, _)| *of == who).count()
            + self.slow.books.iter().filter(|(of, ..)| *of == who).count())
            * 600
    }

    /// A client was told that a large answer has no room. Whether one came; for this client it is over.
    pub fn sheds(&mut self, who: Who, down: i32) -> bool {
        if down == -1 {
            let large = |e: &Expect| e.who == who && self.said_of(e).is_some_and(|(m, _)| is_large(m));
            let Some(at) = self.out.iter().position(large) else { return false };
            self.out.remove(at);
            self.error(who, -1, &[322]);
            return true;
        }
        let Some((at, message)) = self.slow.answering else { return false };
        if !is_large(message) || (self.insts[at].who, self.insts[at].down) != (who, down) {
            return false;
        }
        let of_it = |e: &Expect| {
            e.who == who && self.said_of(e).is_some_and(|(m, said)| m != 4 && down_of(&said) == down)
        };
        let rest: Vec<Expect> = self.out.iter().filter(|e| !of_it(e)).cloned().collect();
        self.out = rest;
        self.error(who, down, &[322]);
        self.insts[at].state = State::Ended;
        self.replayed(at);
        true
    }

    /// What is owed no more: of requests that are over, and to clients that are gone.
    pub fn tidy_owed(&mut self) {
        self.slow.telling = None;
        self.slow.answering = None;
        let now = self.now;
        let mut slow = std::mem::take(&mut self.slow);
        slow.owed.retain(|(who, (about, message, _)), _| match about {
            _ if !self.is_ready(*who) => false,
            About::Request(down) => self.wants(*who, *down, *message),
            About::Stream(stream) => self.streams[*stream].subscribers.contains(who),
        });
        slow.books.retain(|(who, down, _)| self.is_ready(*who) && self.wants(*who, *down, 12));
        let owes: BTreeSet<Who> =
            slow.owed.keys().map(|(who, _)| *who).chain(slow.books.iter().map(|(who, ..)| *who)).collect();
        slow.since.retain(|who, _| owes.contains(who));
        for who in owes {
            slow.since.entry(who).or_insert(now);
        }
        self.slow = slow;
    }

    /// Whether a request of a client under this id goes on that answers with this message.
    fn wants(&self, who: Who, down: i32, message: u16) -> bool {
        self.insts.iter().any(|inst| {
            let answers = request(inst.message().into()).expect("declared").answers;
            inst.who == who && inst.down == down && inst.live() && answers.contains(&message)
        })
    }
}
