//! A running simulated Gateway, seen from outside: its statistics, and what tests do to it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    config::{Drip, SimConfig},
    gateway::{Close, Cut, Gateway, RejectRule, Rejection, Restart},
    server::{self, Command, Shared},
    stats::Stats,
    view::{Arrival, BookExecution, BookOrder},
};
use crate::time::Time;

/// A simulated Gateway in a thread of its own. Dropping it stops it.
#[derive(Debug)]
pub struct SimHandle {
    shared: Arc<Shared>,
    address: SocketAddr,
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a simulated Gateway; when this returns it listens.
///
/// # Errors
/// The listener cannot be opened, or the thread cannot be started.
pub fn spawn(config: SimConfig) -> io::Result<SimHandle> {
    let listener = server::listen(config.listen)?;
    let address = listener.local_addr()?;
    let shared = Arc::new(Shared::new(Gateway::new(config)));
    let (commands, receiver) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let theirs = shared.clone();
    let thread = std::thread::Builder::new().name("twsmux-sim".into()).spawn(move || {
        if let Err(error) = runtime.block_on(server::run(theirs, listener, receiver)) {
            tracing::error!(%error, "the simulated Gateway has stopped");
        }
    })?;
    Ok(SimHandle { shared, address, commands, thread: Some(thread) })
}

impl SimHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The highest version it offers.
    pub fn version(&self) -> u16 {
        self.shared.lock().config().max_version
    }

    /// What it has seen so far.
    pub fn stats(&self) -> Stats {
        self.shared.lock().stats().clone()
    }

    /// Every order in the book, also those that are over, by client id and order id.
    pub fn book_orders(&self) -> Vec<BookOrder> {
        self.shared.lock().book_orders()
    }

    /// Every execution in the book, oldest first.
    pub fn book_executions(&self) -> Vec<BookExecution> {
        self.shared.lock().book_executions()
    }

    /// Messages about orders as they arrived, oldest first; see [`Gateway::arrivals`].
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.lock().arrivals()
    }

    /// Waits until something holds; false when the time is over before.
    pub fn wait_for(&self, timeout: Duration, mut holds: impl FnMut(&Gateway) -> bool) -> bool {
        let end = Instant::now() + timeout;
        let mut gateway = self.shared.lock();
        while !holds(&gateway) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(gateway, left);
            gateway = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Waits until the statistics are as wanted.
    ///
    /// # Errors
    /// The statistics as they are when the time is over.
    pub fn wait(&self, timeout: Duration, wanted: impl Fn(&Stats) -> bool) -> Result<Stats, Box<Stats>> {
        let mut found = None;
        self.wait_for(timeout, |gateway| {
            found = wanted(gateway.stats()).then(|| gateway.stats().clone());
            found.is_some()
        });
        found.ok_or_else(|| Box::new(self.stats()))
    }

    /// Does anything to the state machine; what it has to send then goes out.
    pub fn drive<R>(&self, what: impl FnOnce(&mut Gateway, Time) -> R) -> R {
        self.shared.drive(what)
    }

    /// Changes its behaviour from now on.
    pub fn configure(&self, change: impl FnOnce(&mut SimConfig)) {
        self.drive(|g, _| g.reconfigure(change));
    }

    /// Closes every connection: after what was sent (FIN), or at once (RST).
    pub fn close_all(&self, how: Close) {
        self.drive(|g, now| g.close_all(now, how));
    }

    /// Closes the connection of one client id; false when it is not connected.
    pub fn close_client(&self, client_id: i32, how: Close) -> bool {
        self.drive(|g, now| g.close_client(now, client_id, how))
    }

    /// With `true`, requests are read and nothing is answered any more.
    pub fn mute(&self, on: bool) {
        self.drive(|g, _| g.set_mute(on));
    }

    /// With `true`, nothing is read from any connection.
    pub fn stall_reading(&self, on: bool) {
        self.shared.stall(on);
    }

    /// With `true`, nothing is written to any connection; what was not written is afterwards.
    pub fn stall_writing(&self, on: bool) {
        self.drive(|g, now| g.hold_back(now, on));
    }

    /// Bytes leave in small pieces from now on, or at once again; see [`Gateway::set_drip`].
    pub fn drip(&self, drip: Option<Drip>) {
        self.drive(|g, now| g.set_drip(now, drip));
    }

    /// With `true`, answers do not end; see [`Gateway::set_endless`].
    pub fn endless(&self, on: bool) {
        self.drive(|g, _| g.set_endless(on));
    }

    /// So many updates of every line at once; see [`Gateway::burst`].
    pub fn burst(&self, n: u32) {
        self.drive(|g, now| g.burst(now, n));
    }

    /// Later greetings are answered only after this time.
    pub fn delay_handshakes(&self, delay: Duration) {
        self.configure(|c| c.handshake_delay = delay);
    }

    /// Requests are carried out so long after they arrive, also those that wait already; see [`SimConfig`].
    pub fn delay_answers(&self, delay: Duration, one_at_a_time: bool) {
        self.configure(|c| {
            c.answer_delay = delay;
            c.answers_one_at_a_time = one_at_a_time;
        });
    }

    /// Resets the connection on which the `nth` next placeOrder arrives; see [`Gateway::cut_at_order`].
    pub fn cut_at_order(&self, cut: Cut, nth: u32) {
        self.drive(|g, _| g.cut_at_order(cut, nth));
    }

    /// Resets the connection on which the `nth` next cancelOrder arrives.
    pub fn cut_at_cancel(&self, cut: Cut, nth: u32) {
        self.drive(|g, _| g.cut_at_cancel(cut, nth));
    }

    /// Refuses the next `n` orders; see [`Gateway::reject_next`].
    pub fn reject_next(&self, n: u32, rejection: Rejection) {
        self.drive(|g, _| g.reject_next(n, rejection));
    }

    /// Refuses orders by a rule; see [`Gateway::reject_orders`].
    pub fn reject_orders(&self, rule: RejectRule) {
        self.drive(|g, _| g.reject_orders(rule));
    }

    /// Refuses no more orders by rules.
    pub fn clear_rejections(&self) {
        self.drive(|g, _| g.clear_rejections());
    }

    /// Fills an order, or its next part, at once; false when the market does not allow it or there is no such order.
    pub fn fill_now(&self, client_id: i32, order_id: i32) -> bool {
        self.drive(|g, now| g.fill_now(now, client_id, order_id))
    }

    /// Sends bytes as they are to every started session.
    pub fn send_raw(&self, bytes: &[u8]) {
        self.drive(|g, now| g.broadcast_raw(now, bytes));
    }

    /// Sends an error message to one client id; false when it is not connected.
    pub fn send_error(&self, client_id: i32, id: i32, code: i32, text: &str) -> bool {
        self.drive(|g, now| g.send_error(now, client_id, id, code, text))
    }

    /// Sends an error message to every started session.
    pub fn broadcast_error(&self, id: i32, code: i32, text: &str) {
        self.drive(|g, now| g.broadcast_error(now, id, code, text));
    }

    /// Marks a farm as broken or restored, and tells everybody.
    pub fn set_farm(&self, name: &str, up: bool) {
        self.drive(|g, now| g.set_farm(now, name, up));
    }

    /// 1100 to everybody.
    pub fn lose_connectivity(&self) {
        self.drive(Gateway::lose_connectivity);
    }

    /// 1101 with lost subscriptions, or 1102.
    pub fn restore_connectivity(&self, data_lost: bool) {
        self.drive(|g, now| g.restore_connectivity(now, data_lost));
    }

    /// Moves the market of a contract; false when there is no such contract.
    pub fn set_price(&self, con_id: i64, price: f64) -> bool {
        self.drive(|g, now| g.set_price(now, con_id, price))
    }

    /// Opens the exchanges, or closes them.
    pub fn set_market_open(&self, open: bool) {
        self.drive(|g, now| g.set_market_open(now, open));
    }

    /// Makes the next order id of a client id anything, for example lower than before.
    pub fn set_next_order_id(&self, client_id: i32, next: i32) {
        self.drive(|g, _| g.set_next_order_id(client_id, next));
    }

    /// Closes the listener: connects are refused, existing connections stay.
    ///
    /// # Errors
    /// The server has stopped.
    pub fn refuse_connections(&self) -> io::Result<()> {
        self.listen(false)
    }

    /// Opens the listener on its old port again.
    ///
    /// # Errors
    /// The port is taken, or the server has stopped.
    pub fn accept_connections(&self) -> io::Result<()> {
        self.listen(true)
    }

    /// What a restart of the Gateway looks like: all connections are reset and the listener is opened anew. Orders,
    /// accounts and order ids stay.
    ///
    /// # Errors
    /// As [`SimHandle::accept_connections`].
    pub fn restart(&self) -> io::Result<()> {
        self.restart_with(&Restart::default())
    }

    /// The same with something different afterwards; see [`Restart`].
    ///
    /// # Errors
    /// As [`SimHandle::accept_connections`].
    pub fn restart_with(&self, how: &Restart) -> io::Result<()> {
        self.refuse_connections()?;
        self.drive(|g, now| g.restart(now, how));
        if how.stay_down { Ok(()) } else { self.accept_connections() }
    }

    fn listen(&self, on: bool) -> io::Result<()> {
        let (done, answer) = std::sync::mpsc::channel();
        let gone = || io::Error::other("the simulated Gateway has stopped");
        self.commands.send(Command::Listen(on, done)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
