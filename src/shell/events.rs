//! The event loop: hands each event of a socket to the socket's owner, and runs the tasks that wait for anything else.
//!
//! Owns: the kernel's list of sockets, the tasks, the order in which things get their turn. May not know: frames, the core.
//! Driven by: `run`.
//!
//! **Sockets have no tasks**: every message passes here twice, and an event is a call and not a wake-up, a queue and a poll.
//! Tasks are for what happens seldom: timers, signals, commands, the disk, connecting. What they wait for works on other
//! threads, which wake the loop.
//!
//! Events are edge-triggered: whoever is given one reads until nothing is left, or asks for another turn with
//! [`Events::again`].

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;
use std::time::Duration;

use futures_util::future::{AbortHandle, LocalBoxFuture, abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use mio::event::{Event, Source};
use mio::{Interest, Registry, Token};

/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// Listeners have the numbers below those of clients.
const FIRST_CLIENT: usize = 1 << 16;
const WAKE: Token = Token(0);
const GATEWAY: Token = Token(1);
const FIRST_DOOR: usize = 2;

/// Whose event it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whose {
    /// The upstream socket's.
    Gateway,
    /// A listener's, by its number.
    Door(usize),
    /// A client's, by its slot. The slot may have got another client meanwhile, which then looks in vain.
    Client(u32),
}

impl Whose {
    fn token(self) -> Token {
        match self {
            Whose::Gateway => GATEWAY,
            Whose::Door(n) => Token(FIRST_DOOR + n),
            Whose::Client(slot) => Token(FIRST_CLIENT + slot as usize),
        }
    }

    /// `None`: the tasks'.
    fn of(token: Token) -> Option<Whose> {
        match token {
            WAKE => None,
            GATEWAY => Some(Whose::Gateway),
            Token(n) if n < FIRST_CLIENT => Some(Whose::Door(n - FIRST_DOOR)),
            Token(n) => Some(Whose::Client((n - FIRST_CLIENT) as u32)),
        }
    }
}

/// What a socket is ready for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ready {
    /// There may be something to read, an end or an error among it.
    pub(super) readable: bool,
    /// There may be room to write.
    pub(super) writable: bool,
    /// The peer has ended its side, or the connection is dead. **It is said once**, perhaps with the last bytes.
    pub(super) ended: bool,
}

impl Ready {
    /// Nothing is known of it: its owner has changed something and wants it looked at.
    pub(super) const LOOK: Ready = Ready { readable: false, writable: false, ended: false };
    /// It was not read to its end.
    const AGAIN: Ready = Ready { readable: true, writable: false, ended: false };

    fn of(event: &Event) -> Ready {
        let ended = event.is_read_closed() || event.is_error();
        Ready { readable: event.is_readable() || ended, writable: event.is_writable(), ended }
    }
}

/// The part of the loop that everybody has: sockets and tasks are added to it.
pub(super) struct Events {
    sockets: Registry,
    /// Those that want another turn, and what for.
    again: RefCell<Vec<(Whose, Ready)>>,
    /// Tasks that have not begun.
    begun: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    alarm: Arc<Alarm>,
}

impl Events {
    /// Watches a socket for everything, until it is dropped.
    pub(super) fn watch(&self, socket: &mut impl Source, whose: Whose) -> io::Result<()> {
        let interests = match whose {
            Whose::Door(_) => Interest::READABLE,
            Whose::Gateway | Whose::Client(_) => Interest::READABLE | Interest::WRITABLE,
        };
        self.sockets.register(socket, whose.token(), interests)
    }

    /// It gets another turn, after the others have had theirs. **One, however often it asks**: it may ask in that turn and in
    /// one that an event gives it, and who is sent more than can be read would get an ever larger share.
    pub(super) fn again(&self, whose: Whose) {
        let mut again = self.again.borrow_mut();
        if !again.contains(&(whose, Ready::AGAIN)) {
            again.push((whose, Ready::AGAIN));
        }
    }

    /// Its owner looks at it before the loop waits.
    pub(super) fn look(&self, whose: Whose) {
        self.again.borrow_mut().push((whose, Ready::LOOK));
    }

    /// Begins a task before the loop waits.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.begun.borrow_mut().push(Box::pin(task));
        self.alarm.wake_by_ref();
    }

    /// Likewise one that can be ended: then it is dropped before the loop waits.
    pub(super) fn spawn_abortable(&self, task: impl Future<Output = ()> + 'static) -> AbortHandle {
        let (task, handle) = abortable(task);
        self.spawn(async move { task.await.unwrap_or_default() });
        handle
    }
}

/// Tells the loop that a task can go on.
struct Alarm {
    rung: AtomicBool,
    waker: mio::Waker,
    /// The loop's thread, which need not wake itself: it looks before it waits.
    home: ThreadId,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Nothing fails here but a kernel without memory, and then the next event wakes the loop.
        if !self.rung.swap(true, Ordering::AcqRel) && std::thread::current().id() != self.home {
            let _ = self.waker.wake();
        }
    }
}

/// The loop.
pub(super) struct Loop {
    poll: mio::Poll,
    alarm: Arc<Alarm>,
}

impl Loop {
    /// A loop for this thread, and what everybody has of it.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new() -> io::Result<(Loop, Events)> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKE)?;
        let alarm = Alarm { rung: AtomicBool::new(false), waker, home: std::thread::current().id() };
        let alarm = Arc::new(alarm);
        let events = Events {
            sockets: poll.registry().try_clone()?,
            again: RefCell::default(),
            begun: RefCell::default(),
            alarm: alarm.clone(),
        };
        Ok((Loop { poll, alarm }, events))
    }

    /// Runs until `main` is done. `turn` gives a socket's owner its turn.
    ///
    /// # Errors
    /// The system's, when it does not say any more what happens.
    pub(super) fn run<T: 'static>(
        mut self,
        events: &Events,
        mut turn: impl FnMut(Whose, Ready),
        main: impl Future<Output = T> + 'static,
    ) -> io::Result<T> {
        let done = Rc::new(Cell::new(None));
        let result = done.clone();
        events.spawn(async move { result.set(Some(main.await)) });
        let waker = Waker::from(self.alarm.clone());
        let mut tasks = FuturesUnordered::new();
        let mut ready = mio::Events::with_capacity(EVENTS);
        let mut turns = Vec::new();
        loop {
            if self.alarm.rung.swap(false, Ordering::AcqRel) {
                tasks.extend(events.begun.borrow_mut().drain(..));
                let mut cx = Context::from_waker(&waker);
                while let Poll::Ready(Some(())) = pin!(tasks.next()).poll(&mut cx) {}
                if let Some(done) = done.take() {
                    return Ok(done);
                }
            }
            std::mem::swap(&mut turns, &mut *events.again.borrow_mut());
            for (whose, ready) in turns.drain(..) {
                turn(whose, ready);
            }
            let waits = events.again.borrow().is_empty() && !self.alarm.rung.load(Ordering::Acquire);
            match self.poll.poll(&mut ready, if waits { None } else { Some(Duration::ZERO) }) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &ready {
                if let Some(whose) = Whose::of(event.token()) {
                    turn(whose, Ready::of(event));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use mio::net::UnixStream;
    use tokio::sync::oneshot;

    use super::*;

    /// Runs a loop until `main` is done; what `turn` does with a turn, it does with the loop's events at hand.
    fn turned<T: 'static, F: Future<Output = T> + 'static>(
        main: impl FnOnce(Rc<Events>) -> F,
        mut turn: impl FnMut(&Events, Whose, Ready),
    ) -> T {
        let (turning, events) = Loop::new().unwrap();
        let events = Rc::new(events);
        let main = main(events.clone());
        turning.run(&events, |whose, ready| turn(&events, whose, ready), main).unwrap()
    }

    #[test]
    fn a_task_is_woken_by_its_like_and_by_another_thread() {
        let (tell, told) = oneshot::channel();
        let done = turned(
            |events| async move {
                let (ask, asked) = oneshot::channel();
                events.spawn(async move {
                    // From another thread, while the loop waits for sockets and nothing else happens.
                    std::thread::spawn(move || tell.send(1).unwrap());
                    ask.send(told.await.unwrap() + 1).unwrap();
                });
                asked.await.unwrap()
            },
            |_, _, _| {},
        );
        assert_eq!(done, 2);
    }

    #[test]
    fn a_task_that_is_ended_is_dropped_before_others_go_on() {
        turned(
            |events| async move {
                let (held, dropped) = oneshot::channel::<()>();
                let task = events.spawn_abortable(async move {
                    std::future::pending::<()>().await;
                    drop(held);
                });
                task.abort();
                assert!(dropped.await.is_err());
            },
            |_, _, _| {},
        );
    }

    #[test]
    fn whoever_asks_for_another_turn_gets_it_after_those_who_have_events() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let (done, end) = oneshot::channel();
        let (mut done, mut turns) = (Some(done), Vec::new());
        turned(
            |events| async move {
                events.watch(&mut near, Whose::Client(3)).unwrap();
                events.again(Whose::Gateway);
                end.await.unwrap();
                drop(near);
            },
            |events, whose, ready| {
                if ready.readable {
                    turns.push(whose);
                }
                match turns.len() {
                    // Something for the client comes while the Gateway has its first turn, which was not enough.
                    1 => {
                        far.write_all(b"x").unwrap();
                        events.again(Whose::Gateway);
                    }
                    3 => done.take().expect("the end is told once").send(()).unwrap(),
                    _ => {}
                }
            },
        );
        assert_eq!(turns, [Whose::Gateway, Whose::Client(3), Whose::Gateway]);
    }

    #[test]
    fn who_asks_for_several_turns_gets_one() {
        let (done, end) = oneshot::channel();
        let (mut done, mut turns) = (Some(done), 0);
        turned(
            |events| async move {
                for _ in 0..3 {
                    events.again(Whose::Client(1));
                }
                events.again(Whose::Client(2));
                end.await.unwrap();
            },
            |_, whose, _| match whose {
                Whose::Client(1) => turns += 1,
                _ => done.take().expect("one turn").send(()).unwrap(),
            },
        );
        assert_eq!(turns, 1);
    }

    #[test]
    fn an_end_that_comes_with_the_last_bytes_is_told_with_them() {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"last words").unwrap();
        drop(far);
        let (done, end) = oneshot::channel();
        let (mut done, near) = (Some(done), Rc::new(RefCell::new(near)));
        let read = near.clone();
        turned(
            |events| async move {
                events.watch(&mut *near.borrow_mut(), Whose::Client(0)).unwrap();
                end.await.unwrap();
            },
            |_, whose, ready| {
                assert_eq!(whose, Whose::Client(0));
                assert!(ready.readable && ready.ended, "{ready:?}");
                let mut words = [0; 64];
                assert_eq!(read.borrow_mut().read(&mut words).unwrap(), 10);
                done.take().expect("one event for both").send(()).unwrap();
            },
        );
    }
}
