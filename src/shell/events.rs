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

use super::run::Shell;
use super::{downstream, upstream};

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

    /// It gets another turn, after the others have had theirs.
    pub(super) fn again(&self, whose: Whose) {
        self.again.borrow_mut().push((whose, Ready::AGAIN));
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

    /// Runs until `main` is done.
    ///
    /// # Errors
    /// The system's, when it does not say any more what happens.
    pub(super) fn run<T>(
        mut self,
        shell: &Rc<Shell>,
        main: impl Future<Output = T> + 'static,
    ) -> io::Result<T>
    where
        T: 'static,
    {
        let done = Rc::new(Cell::new(None));
        let result = done.clone();
        shell.events.spawn(async move { result.set(Some(main.await)) });
        let waker = Waker::from(self.alarm.clone());
        let mut tasks = FuturesUnordered::new();
        let mut ready = mio::Events::with_capacity(EVENTS);
        let mut turns = Vec::new();
        loop {
            if self.alarm.rung.swap(false, Ordering::AcqRel) {
                tasks.extend(shell.events.begun.borrow_mut().drain(..));
                let mut cx = Context::from_waker(&waker);
                while let Poll::Ready(Some(())) = pin!(tasks.next()).poll(&mut cx) {}
                if let Some(done) = done.take() {
                    return Ok(done);
                }
            }
            std::mem::swap(&mut turns, &mut *shell.events.again.borrow_mut());
            for (whose, ready) in turns.drain(..) {
                hand_over(shell, whose, ready);
            }
            let waits = shell.events.again.borrow().is_empty() && !self.alarm.rung.load(Ordering::Acquire);
            match self.poll.poll(&mut ready, if waits { None } else { Some(Duration::ZERO) }) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &ready {
                if let Some(whose) = Whose::of(event.token()) {
                    hand_over(shell, whose, Ready::of(event));
                }
            }
        }
    }
}

fn hand_over(shell: &Rc<Shell>, whose: Whose, ready: Ready) {
    match whose {
        Whose::Gateway => upstream::turn(shell, ready),
        Whose::Client(slot) => downstream::turn(shell, slot, ready),
        Whose::Door(number) => downstream::answer_door(shell, number),
    }
}
