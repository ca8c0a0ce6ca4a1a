//! What a socket's task waits for: its socket, and others who changed something of it.
//!
//! By hand, because every message passes here: of what `select!` and `Notify` offer, many tasks and many threads, nothing is
//! needed.

use std::cell::{Cell, RefCell};
use std::io;
use std::task::{Context, Poll, Waker};

/// Tells one task of the same thread that something of it has changed.
#[derive(Default)]
pub(super) struct Bell {
    rung: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Bell {
    /// The task is told, now or when it next waits.
    pub(super) fn ring(&self) {
        self.rung.set(true);
        let waiting = self.waiting.borrow_mut().take();
        if let Some(task) = waiting {
            task.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.rung.take() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        match &mut *waiting {
            Some(task) => task.clone_from(cx.waker()),
            None => *waiting = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

/// What a task was woken for.
#[derive(Debug)]
pub(super) enum Event {
    /// The bell was rung.
    Changed,
    /// There may be room to write.
    Writable(io::Result<()>),
    /// There may be something to read.
    Readable(io::Result<()>),
}

/// Waits for the first of these, in this order. Room is of interest where `writable` says so.
pub(super) async fn next(
    bell: &Bell,
    writable: Option<impl Fn(&mut Context<'_>) -> Poll<io::Result<()>>>,
    readable: impl Fn(&mut Context<'_>) -> Poll<io::Result<()>>,
) -> Event {
    std::future::poll_fn(|cx| {
        if bell.poll(cx).is_ready() {
            return Poll::Ready(Event::Changed);
        }
        if let Some(writable) = &writable
            && let Poll::Ready(room) = writable(cx)
        {
            return Poll::Ready(Event::Writable(room));
        }
        readable(cx).map(Event::Readable)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ready = fn(&mut Context<'_>) -> Poll<io::Result<()>>;
    const NEVER: Ready = |_| Poll::Pending;
    const AT_ONCE: Ready = |_| Poll::Ready(Ok(()));

    #[tokio::test(flavor = "current_thread")]
    async fn a_bell_is_heard_once_whether_it_rings_before_or_after() {
        let bell = std::rc::Rc::new(Bell::default());
        bell.ring();
        bell.ring();
        assert!(matches!(next(&bell, None::<Ready>, AT_ONCE).await, Event::Changed));
        assert!(matches!(next(&bell, None::<Ready>, AT_ONCE).await, Event::Readable(Ok(()))));
        tokio::task::LocalSet::new()
            .run_until(async {
                let waits = bell.clone();
                let task = tokio::task::spawn_local(async move { next(&waits, Some(NEVER), NEVER).await });
                tokio::task::yield_now().await;
                bell.ring();
                assert!(matches!(task.await, Ok(Event::Changed)));
            })
            .await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn room_comes_before_what_is_to_be_read() {
        let bell = Bell::default();
        assert!(matches!(next(&bell, Some(AT_ONCE), AT_ONCE).await, Event::Writable(Ok(()))));
        assert!(matches!(next(&bell, Some(NEVER), AT_ONCE).await, Event::Readable(Ok(()))));
    }
}
