//! A simulated Gateway that takes its time, in virtual time.

use std::time::Duration;

use bytes::BytesMut;
use twsmux::{
    limits,
    protocol::{dialect::Dialect, layout::Record},
    record,
    sim::{
        Answered, ArrivalKind, Close, SimConfig, ZombieMode,
        client::{ApiClient, order, put_request, stock},
        gateway::{ConnId, Gateway, Input, Output},
        spawn,
    },
    time::Time,
    wire::{
        frame::FrameBuffer,
        handshake::ClientHello,
        text::{self, Form},
    },
};

const VERSION: u16 = 176;
const DELAY: Duration = Duration::from_secs(3);

/// A Gateway, and what its connections received.
struct World {
    gateway: Gateway,
    tables: Dialect,
    now: Time,
}

/// When something came and what: the message, with status or error code where it has one.
type Seen = Vec<(f64, String)>;

impl World {
    fn new(change: impl FnOnce(&mut SimConfig)) -> World {
        let mut config = SimConfig { answer_delay: DELAY, repeats: 0, ..SimConfig::default() };
        change(&mut config);
        World { gateway: Gateway::new(config), tables: Dialect::new(VERSION), now: Time::ZERO }
    }

    /// A started client; what it was told at the start is over.
    fn client(&mut self, id: i32) -> ConnId {
        let conn = self.gateway.accepted(self.now);
        let mut bytes = BytesMut::new();
        ClientHello { min: VERSION, max: VERSION, options: String::new() }.put(&mut bytes);
        put_request("startApi", VERSION, &record! { clientId: id }, &mut bytes);
        self.gateway.handle(self.now, conn, Input::Bytes(&bytes));
        assert!(self.gateway.has_outputs(), "the start does not wait");
        self.gateway.outputs();
        conn
    }

    fn send(&mut self, conn: ConnId, requests: &[(&str, Record)]) {
        let mut bytes = BytesMut::new();
        for (name, values) in requests {
            put_request(name, VERSION, values, &mut bytes);
        }
        self.gateway.handle(self.now, conn, Input::Bytes(&bytes));
    }

    fn ask(&mut self, conn: ConnId, names: &[&str]) {
        let requests: Vec<_> = names.iter().map(|name| (*name, Record::new())).collect();
        self.send(conn, &requests);
    }

    /// Lets time pass from deadline to deadline; gives back what one connection was told, with the seconds since the
    /// beginning.
    fn pass(&mut self, conn: ConnId, time: Duration) -> Seen {
        let end = self.now + time;
        let mut seen = self.received(conn);
        while let Some(at) = self.gateway.next_deadline().filter(|at| *at <= end) {
            self.now = at;
            self.gateway.advance(at);
            seen.extend(self.received(conn));
        }
        self.now = end;
        seen
    }

    fn received(&mut self, conn: ConnId) -> Seen {
        let mut seen = Seen::new();
        for output in self.gateway.outputs() {
            let mut buffer = FrameBuffer::default();
            match output {
                Output::Send(to, bytes) if to == conn => buffer.extend(&bytes),
                Output::Close(closed, how) if closed == conn => {
                    seen.push((self.seconds(), format!("{how:?}")))
                }
                _ => {}
            }
            while let Some(payload) = buffer.next(limits::MAX_FRAME).unwrap() {
                let message = text::message(&payload, VERSION).unwrap();
                let shape = self.tables.response(message.id).unwrap();
                let values = shape.record(&message, Form::Text).unwrap();
                let more = values.get("status").or(values.get("errorCode")).unwrap_or_default();
                seen.push((self.seconds(), format!("{} {more}", shape.message.name).trim_end().to_owned()));
            }
        }
        seen
    }

    fn seconds(&self) -> f64 {
        self.now.since(Time::ZERO).as_secs_f64()
    }
}

fn seen<const N: usize>(expected: [(f64, &str); N]) -> Seen {
    expected.map(|(at, what)| (at, what.to_owned())).to_vec()
}

fn limit(id: i32) -> (&'static str, Record) {
    ("placeOrder", order(id, "AAPL", "BUY", 10, "LMT", "100.0"))
}

#[test]
fn each_request_is_carried_out_so_long_after_it_came() {
    let mut w = World::new(|_| {});
    let conn = w.client(1);
    w.ask(conn, &["reqManagedAccts", "reqAllOpenOrders"]);
    assert_eq!(w.pass(conn, Duration::from_secs(1)), []);
    w.ask(conn, &["reqCompletedOrders"]);
    assert_eq!(w.gateway.stats().waiting, 3);
    assert_eq!(w.gateway.stats().count(99), 1, "it is counted when it comes");
    assert_eq!(
        w.pass(conn, 2 * DELAY),
        seen([(3.0, "managedAccounts"), (3.0, "openOrderEnd"), (4.0, "completedOrdersEnd")])
    );
    assert_eq!(w.gateway.stats().waiting, 0);
}

#[test]
fn one_at_a_time_each_follows_the_one_before() {
    let mut w = World::new(|c| c.answers_one_at_a_time = true);
    let (one, two) = (w.client(1), w.client(2));
    w.ask(one, &["reqManagedAccts", "reqAllOpenOrders"]);
    w.ask(two, &["reqManagedAccts"]);
    // Big steps make no difference.
    w.now = Time::ZERO + Duration::from_secs(1);
    w.gateway.advance(w.now);
    w.ask(one, &["reqCompletedOrders"]);
    let first = w.pass(one, Duration::from_secs(5));
    assert_eq!(first, seen([(3.0, "managedAccounts"), (6.0, "openOrderEnd")]));
    assert_eq!(w.pass(one, Duration::from_secs(14)), seen([(9.0, "completedOrdersEnd")]));
    // One that finds nobody before it waits for itself alone.
    w.ask(one, &["reqManagedAccts"]);
    w.ask(two, &["reqManagedAccts"]);
    assert_eq!(w.pass(two, Duration::from_secs(5)), seen([(23.0, "managedAccounts")]));
}

#[test]
fn orders_and_cancels_keep_their_places_and_ticks_do_not_wait() {
    let mut w = World::new(|c| {
        c.answers_one_at_a_time = true;
        c.tick_interval = Duration::from_secs(10);
    });
    let conn = w.client(1);
    let mut quotes = stock("AAPL");
    quotes.set("reqId", 7);
    w.send(
        conn,
        &[
            limit(1),
            ("reqMktData", quotes),
            ("reqAllOpenOrders", Record::new()),
            ("cancelOrder", record! { orderId: 1 }),
            ("cancelMktData", record! { reqId: 7 }),
        ],
    );
    assert_eq!(
        w.pass(conn, Duration::from_secs(5)),
        seen([(3.0, "openOrder Submitted"), (3.0, "orderStatus Submitted")])
    );
    let image = w.pass(conn, Duration::from_secs(2));
    assert!(
        image.iter().all(|(at, _)| *at == 6.0) && image.iter().any(|(_, m)| m == "tickPrice"),
        "{image:?}"
    );
    let list = w.pass(conn, Duration::from_secs(2));
    let open = [(9.0, "openOrder Submitted"), (9.0, "orderStatus Submitted"), (9.0, "openOrderEnd")];
    assert_eq!(list, seen(open));
    let end = w.pass(conn, DELAY);
    assert_eq!(end, seen([(12.0, "orderStatus Cancelled"), (12.0, "error 202")]));
    assert_eq!(w.gateway.stats().lines, 1);
    w.pass(conn, DELAY);
    assert_eq!((w.gateway.stats().lines, w.gateway.stats().waiting), (0, 0));
    let arrivals = w.gateway.arrivals();
    assert_eq!(arrivals.iter().map(|a| a.time.0 / 1_000_000).collect::<Vec<_>>(), [3, 12]);
}

#[test]
fn a_changed_delay_holds_for_those_that_wait_and_their_order_stays() {
    let mut w = World::new(|c| c.answers_one_at_a_time = true);
    let conn = w.client(1);
    w.ask(conn, &["reqManagedAccts", "reqAllOpenOrders", "reqCompletedOrders"]);
    assert_eq!(w.pass(conn, Duration::from_secs(4)), seen([(3.0, "managedAccounts")]));
    w.gateway.reconfigure(|c| c.answer_delay = Duration::from_secs(5));
    assert_eq!(w.pass(conn, Duration::from_secs(5)), seen([(8.0, "openOrderEnd")]));
    w.gateway.reconfigure(|c| c.answer_delay = Duration::ZERO);
    w.ask(conn, &["reqManagedAccts"]);
    assert_eq!(w.pass(conn, Duration::ZERO), seen([(9.0, "completedOrdersEnd"), (9.0, "managedAccounts")]));
    w.ask(conn, &["reqManagedAccts"]);
    assert_eq!(w.pass(conn, Duration::ZERO), seen([(9.0, "managedAccounts")]));
}

#[test]
fn the_end_of_a_connection_is_noticed_behind_what_waits() {
    for (zombie, last) in [(ZombieMode::Off, Some((6.0, "Graceful"))), (ZombieMode::EofRead, None)] {
        let mut w = World::new(|c| {
            c.zombie = zombie;
            c.answers_one_at_a_time = true;
        });
        let conn = w.client(1);
        w.send(conn, &[limit(1), limit(2)]);
        w.gateway.handle(w.now, conn, Input::Eof);
        assert_eq!((w.gateway.stats().open, w.gateway.stats().zombies), (1, 0));
        let told = w.pass(conn, 3 * DELAY);
        let words = |id: u32| {
            [(f64::from(id) * 3.0, "openOrder Submitted"), (f64::from(id) * 3.0, "orderStatus Submitted")]
        };
        // The second answer and the end fall together, and a zombie is told nothing more.
        let expected = [&words(1)[..], &words(2)[..], last.as_slice()].concat();
        assert_eq!(told, expected.into_iter().map(|(at, what)| (at, what.to_owned())).collect::<Seen>());
        assert_eq!(w.gateway.book_orders().len(), 2);
        assert_eq!(w.gateway.stats().zombies, u64::from(last.is_none()));
    }
}

#[test]
fn what_waits_on_a_connection_that_breaks_is_lost() {
    let mut w = World::new(|_| {});
    for (number, how) in ["reset", "closed here", "restart"].into_iter().enumerate() {
        let conn = w.client(1);
        w.send(conn, &[limit(1), ("cancelOrder", record! { orderId: 1 })]);
        match how {
            "reset" => w.gateway.handle(w.now, conn, Input::Reset),
            "closed here" => assert!(w.gateway.close_client(w.now, 1, Close::Reset)),
            _ => w.gateway.restart(w.now, &Default::default()),
        }
        w.pass(conn, DELAY);
        let arrivals = w.gateway.arrivals();
        let both = [(ArrivalKind::Place, Answered::Lost), (ArrivalKind::Cancel, Answered::Lost)];
        assert_eq!(arrivals.iter().skip(2 * number).map(|a| (a.kind, a.answered)).collect::<Vec<_>>(), both);
        assert_eq!((w.gateway.book_orders().len(), w.gateway.stats().waiting), (0, 0));
    }
}

#[test]
fn of_too_many_the_first_do_not_wait() {
    let mut w = World::new(|c| c.messages_per_second = None);
    let conn = w.client(1);
    w.ask(conn, &["reqAllOpenOrders"]);
    let flood = vec!["reqManagedAccts"; limits::MAX_SIM_WAITING];
    w.ask(conn, &flood);
    assert_eq!(w.received(conn), seen([(0.0, "openOrderEnd")]));
    assert_eq!(w.gateway.stats().waiting, limits::MAX_SIM_WAITING as u64);
    assert_eq!(w.pass(conn, DELAY).len(), limits::MAX_SIM_WAITING);
}

#[test]
fn a_running_one_can_be_made_slow_and_fast() {
    let gateway = spawn(SimConfig::default()).unwrap();
    let mut client = ApiClient::open(gateway.address(), VERSION, 1).unwrap();
    gateway.delay_answers(Duration::from_secs(3600), true);
    client.send("reqPositions", &Record::new()).unwrap();
    assert!(gateway.wait_for(client.patience, |g| g.stats().waiting == 1));
    gateway.delay_answers(Duration::ZERO, false);
    client.expect("positionEnd").unwrap();
    assert_eq!(gateway.stats().waiting, 0);
}
