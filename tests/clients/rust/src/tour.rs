//! The state of one tour: its transcript, the means to wait and to check, and the end.
//!
//! The transcript is what the other drivers print, too: one line of JSON when the tour ends, well or not.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use ibapi::Error;
use ibapi::subscriptions::SubscriptionItem;
use serde_json::{Value, json};

use crate::args::Args;
use crate::complaints;
use crate::tap::Tap;

/// Codes that a tour may meet without having failed: farm notices, warnings on orders and on market data, the answer to
/// an unsubscribe, and the confirmation of a cancel.
const HARMLESS: [i32; 16] =
    [202, 399, 2100, 2103, 2104, 2105, 2106, 2107, 2108, 2109, 2110, 2119, 2137, 2157, 2158, 10167];

const PAUSE: Duration = Duration::from_millis(10);

/// A step did not show what it had to show; the text says which and what.
pub struct Failed(pub String);

pub type Outcome<T = ()> = Result<T, Failed>;

struct State {
    step: String,
    awaited: String,
    transcript: Value,
    /// How many of the tap's errors stand in the transcript.
    errors: usize,
    said: bool,
    tap: Tap,
}

#[derive(Clone)]
pub struct Tour {
    pub args: Args,
    pub order_ref: String,
    state: Arc<Mutex<State>>,
    /// Dropped when the deadline no longer counts.
    watch: Arc<Mutex<Option<Sender<()>>>>,
}

impl Tour {
    pub fn new(args: Args, tap: Tap, library: &str, version: &str) -> Self {
        let transcript = json!({
            "library": library,
            "library_version": version,
            "client_id": args.client_id,
            "tour": args.tour,
            "ok": false,
            "failure": null,
            "server_version": null,
            "next_valid_id": null,
            "accounts": [],
            "steps": [],
            "errors": [],
            "strangers": [],
        });
        let state =
            State { step: "start".into(), awaited: String::new(), transcript, errors: 0, said: false, tap };
        let (watch, expiry) = channel::<()>();
        let tour = Self {
            order_ref: format!("twsmux-{}", args.client_id),
            args,
            state: Arc::new(Mutex::new(state)),
            watch: Arc::new(Mutex::new(Some(watch))),
        };
        let watched = tour.clone();
        thread::spawn(move || {
            if expiry.recv_timeout(watched.args.deadline) == Err(RecvTimeoutError::Timeout) {
                watched.overdue();
            }
        });
        tour
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    // Facts

    /// Names the step in hand, for the messages of failed waits and checks.
    pub fn begin(&self, step: &str) {
        self.state().step = step.into();
    }

    /// Notes what a step has shown: an object.
    pub fn step(&self, name: &str, mut facts: Value) {
        facts["step"] = name.into();
        push(&mut self.state().transcript, "steps", facts);
    }

    pub fn set(&self, key: &str, value: Value) {
        self.state().transcript[key] = value;
    }

    pub fn get(&self, key: &str) -> Value {
        self.state().transcript[key].clone()
    }

    /// Notes something that was not for this client.
    pub fn stranger(&self, what: &str, mut facts: Value) {
        let mut state = self.state();
        facts["what"] = what.into();
        facts["during"] = state.step.clone().into();
        if state.transcript["strangers"].as_array().is_some_and(|all| all.len() < 50) {
            push(&mut state.transcript, "strangers", facts);
        }
    }

    /// What the library has received so far.
    pub fn tap<T>(&self, look: impl FnOnce(&mut Tap) -> T) -> T {
        let mut state = self.state();
        state.poll();
        look(&mut state.tap)
    }

    /// Fails when an error came that nothing in the tour explains: each is allowed as a pair of id and code.
    pub fn only_harmless_errors(&self, allowed: &[(i32, i32)]) -> Outcome {
        let odd: Vec<String> = self.tap(|tap| {
            let odd = tap
                .errors
                .iter()
                .filter(|e| !HARMLESS.contains(&e.code) && !allowed.contains(&(e.id, e.code)));
            odd.map(|e| format!("{} for {}: {}", e.code, e.id, e.text)).collect()
        });
        self.check(odd.is_empty(), || format!("unexpected errors {odd:?}"))
    }

    // Checks and waits

    pub fn failed<T>(&self, what: impl AsRef<str>) -> Outcome<T> {
        Err(Failed(format!("{}: {}", self.state().step, what.as_ref())))
    }

    /// Fails the tour when the condition does not hold.
    pub fn check(&self, condition: bool, what: impl FnOnce() -> String) -> Outcome {
        if condition { Ok(()) } else { self.failed(what()) }
    }

    /// Notes what is awaited from now on.
    pub fn await_for(&self, what: &str) {
        self.state().awaited = what.into();
    }

    /// The value of a call of the library, or a failure that says what was awaited.
    pub fn answer<T>(&self, answer: Result<T, Error>, what: &str) -> Outcome<T> {
        match answer {
            Ok(value) => Ok(value),
            Err(Error::Timeout) => {
                self.failed(format!("waited in vain for {what}; {}", self.recent_errors()))
            }
            Err(error) => self.failed(format!("the library said {error:?}, while waiting for {what}")),
        }
    }

    /// Reads items of a subscription until `enough` says so. The items are those of an iterator that waits for each no
    /// longer than the patience lasts.
    pub fn read<T>(
        &self,
        items: impl Iterator<Item = Result<SubscriptionItem<T>, Error>>,
        what: &str,
        mut enough: impl FnMut(SubscriptionItem<T>) -> bool,
    ) -> Outcome {
        self.await_for(what);
        let until = Instant::now() + self.args.patience;
        for item in items {
            if enough(self.answer(item, what)?) {
                return Ok(());
            }
            if Instant::now() >= until {
                break;
            }
        }
        self.failed(format!("waited in vain for {what}; {}", self.recent_errors()))
    }

    /// Reads a subscription until it is refused, and returns the code. The library takes some codes for the end of the
    /// subscription and hands over others, like those of warnings, as notices.
    pub fn refusal<T>(
        &self,
        items: impl Iterator<Item = Result<SubscriptionItem<T>, Error>>,
        what: &str,
    ) -> Outcome<i32> {
        self.await_for(what);
        for item in items {
            match item {
                Ok(SubscriptionItem::Data(_)) => {}
                Ok(SubscriptionItem::Notice(notice)) | Err(Error::Notice(notice)) => return Ok(notice.code),
                Err(error) => {
                    return self.failed(format!("the library said {error:?}, while waiting for {what}"));
                }
            }
        }
        self.failed(format!("waited in vain for {what}; {}", self.recent_errors()))
    }

    /// Waits until the condition holds.
    pub fn wait(&self, what: &str, limit: Duration, mut condition: impl FnMut() -> Outcome<bool>) -> Outcome {
        self.await_for(what);
        let until = Instant::now() + limit;
        while !condition()? {
            if Instant::now() >= until {
                return self.failed(format!("waited in vain for {what}; {}", self.recent_errors()));
            }
            thread::park_timeout(PAUSE);
        }
        Ok(())
    }

    fn recent_errors(&self) -> String {
        let errors = self.tap(|tap| {
            let last = tap.errors.iter().rev().take(3).rev();
            last.map(|e| format!("{} for {}: {}", e.code, e.id, e.text)).collect::<Vec<_>>()
        });
        format!("the last errors were {errors:?}; the library complained {:?}", complaints::found())
    }

    /// Waits until every party of the run has come as far as this, so that all of them overlap.
    pub fn meet(&self, place: &str) -> Outcome {
        if self.args.meet.is_empty() {
            return Ok(());
        }
        self.leave_mark(place)?;
        let there = Path::new(&self.args.meet).join(place);
        let failed = Path::new(&self.args.meet).join("failed");
        let what = format!("{} clients at '{place}'", self.args.parties);
        self.wait(&what, self.args.deadline, || {
            self.check(!failed.is_dir(), || {
                format!("another client failed, no use in waiting at '{place}'")
            })?;
            Ok(fs::read_dir(&there).is_ok_and(|marks| marks.count() >= self.args.parties))
        })
    }

    fn leave_mark(&self, place: &str) -> Outcome {
        let directory = Path::new(&self.args.meet).join(place);
        let mark = directory.join(self.args.client_id.to_string());
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(mark, ""))
            .or_else(|error| self.failed(format!("no mark could be left at '{place}': {error}")))
    }

    // The end

    fn say(&self) -> bool {
        let mut state = self.state();
        if std::mem::replace(&mut state.said, true) {
            return false;
        }
        state.tap.open();
        state.poll();
        println!("{}", state.transcript);
        true
    }

    fn overdue(&self) {
        let mut state = self.state();
        state.transcript["failure"] = format!(
            "{}: the tour took more than {} s, last waiting for {}; the library complained {:?}",
            state.step,
            self.args.deadline.as_secs_f64(),
            state.awaited,
            complaints::found()
        )
        .into();
        drop(state);
        self.end(false);
    }

    fn end(&self, ok: bool) -> ! {
        if !ok && !self.args.meet.is_empty() {
            let _ = self.leave_mark("failed");
        }
        self.say();
        std::process::exit(if ok { 0 } else { 1 });
    }

    /// Prints the transcript and ends the process: the library's threads cannot hold it up.
    pub fn finish(&self, failure: Option<String>) -> ! {
        self.watch.lock().map(|mut watch| watch.take()).ok();
        let strangers = self.get("strangers").as_array().map_or(0, Vec::len);
        let failure = failure
            .or_else(|| (strangers > 0).then(|| format!("{strangers} messages were not for this client")));
        let ok = failure.is_none();
        self.set("failure", json!(failure));
        self.set("ok", json!(ok));
        self.end(ok)
    }

    /// For the tour that ends only by a signal: prints the transcript while the connection goes on.
    pub fn hang(&self) -> ! {
        self.watch.lock().map(|mut watch| watch.take()).ok();
        self.set("ok", json!(true));
        self.say();
        loop {
            thread::park();
        }
    }
}

impl State {
    fn poll(&mut self) {
        self.tap.poll();
        for e in &self.tap.errors[self.errors..] {
            let text: String = e.text.chars().take(300).collect();
            push(&mut self.transcript, "errors", json!({"id": e.id, "code": e.code, "text": text}));
        }
        self.errors = self.tap.errors.len();
    }
}

fn push(transcript: &mut Value, key: &str, value: Value) {
    if let Some(list) = transcript[key].as_array_mut() {
        list.push(value);
    }
}

/// Quantities come as floating point numbers.
pub fn same(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}
