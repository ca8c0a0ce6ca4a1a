//! What the tests of orders in the simulated Gateway share.
#![allow(dead_code)] // every test binary uses a part of it

use std::time::Duration;

use twsmux::{
    protocol::layout::Record,
    record,
    sim::{
        self, Answered, Arrival, ArrivalKind, BookOrder, LATEST, SimConfig, SimHandle,
        client::{ApiClient, Received, order},
    },
};

/// Contract id of the stock that is traded here.
pub const AAPL: i64 = 265_598;

/// A simulated Gateway that speaks every version and fills quickly.
pub fn gateway(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
    let mut config = SimConfig {
        max_version: LATEST,
        fill_delay: Duration::from_millis(2),
        global_cancel_delay: Duration::from_millis(10),
        repeats: 0,
        ..SimConfig::default()
    };
    change(&mut config);
    sim::spawn(config).expect("the simulated Gateway starts")
}

/// A started client; what came at the start is not in its transcript.
pub fn client(gateway: &SimHandle, version: u16, id: i32) -> ApiClient {
    let mut client = ApiClient::open(gateway.address(), version, id).unwrap();
    client.fence().unwrap();
    client.transcript.clear();
    client
}

/// Fields with others set.
pub fn with(mut values: Record, more: &[(&'static str, &str)]) -> Record {
    for (name, value) in more {
        values.set(name, value);
    }
    values
}

/// A limit order for ten AAPL.
pub fn limit(id: i32, price: &str) -> Record {
    order(id, "AAPL", "BUY", 10, "LMT", price)
}

/// Whether a message says this of an order.
pub fn status(m: &Received, id: i64, word: &str) -> bool {
    m.name == "orderStatus" && m.int("orderId") == id && m.text("status") == word
}

/// The names of messages.
pub fn names(messages: &[Received]) -> Vec<&'static str> {
    messages.iter().map(|m| m.name).collect()
}

/// An order of the book.
pub fn book_order(gateway: &SimHandle, client_id: i32, order_id: i32) -> BookOrder {
    let found =
        gateway.book_orders().into_iter().find(|o| (o.client_id, o.order_id) == (client_id, order_id));
    found.unwrap_or_else(|| panic!("no order {order_id} of client {client_id}: {:#?}", gateway.book_orders()))
}

/// What arrived and what became of it.
pub fn kinds(arrivals: &[Arrival]) -> Vec<(i32, ArrivalKind, Answered)> {
    arrivals.iter().map(|a| (a.order_id, a.kind, a.answered)).collect()
}

/// The next order id as the Gateway tells it.
pub fn next_id(client: &mut ApiClient) -> i64 {
    let answer = client.ask("reqIds", &record! { numIds: 1 }, "nextValidId").unwrap();
    answer.last().unwrap().int("orderId")
}
