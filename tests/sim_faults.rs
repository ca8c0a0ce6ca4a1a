//! What a test sees of the orders in the simulated Gateway, and the faults that it can make around them.

#[macro_use]
#[path = "support/versions.rs"]
mod versions;

use std::time::Duration;

use twsmux::{
    protocol::layout::Record,
    sim::{
        self, BookOrder, LATEST, SimConfig, SimHandle,
        client::{ApiClient, Received, order},
    },
};

const AAPL: i64 = 265_598;

fn gateway(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
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

fn client(gateway: &SimHandle, version: u16, id: i32) -> ApiClient {
    let mut client = ApiClient::open(gateway.address(), version, id).unwrap();
    client.fence().unwrap();
    client.transcript.clear();
    client
}

fn with(mut values: Record, more: &[(&'static str, &str)]) -> Record {
    for (name, value) in more {
        values.set(name, value);
    }
    values
}

fn limit(id: i32, price: &str) -> Record {
    order(id, "AAPL", "BUY", 10, "LMT", price)
}

fn status(m: &Received, id: i64, word: &str) -> bool {
    m.name == "orderStatus" && m.int("orderId") == id && m.text("status") == word
}

fn book_order(gateway: &SimHandle, client_id: i32, order_id: i32) -> BookOrder {
    let found =
        gateway.book_orders().into_iter().find(|o| (o.client_id, o.order_id) == (client_id, order_id));
    found.unwrap_or_else(|| panic!("no order {order_id} of client {client_id}: {:#?}", gateway.book_orders()))
}

at_versions!(the_book_shows_orders_and_executions_of_everybody,);

fn the_book_shows_orders_and_executions_of_everybody(version: u16) {
    let gateway = gateway(|c| c.fill_size = 6.0);
    let mut one = client(&gateway, version, 1);
    let mut two = client(&gateway, version, 2);
    assert!(gateway.book_orders().is_empty() && gateway.book_executions().is_empty());
    one.send("placeOrder", &with(limit(7, "260.0"), &[("orderRef", "bought")])).unwrap();
    one.find("Filled", |m| status(m, 7, "Filled")).unwrap();
    two.send("placeOrder", &with(limit(3, "100.5"), &[("transmit", "0"), ("ocaGroup", "g")])).unwrap();
    let stop = with(order(4, "AAPL", "SELL", 2, "STP", ""), &[("auxPrice", "50.0"), ("parentId", "3")]);
    two.send("placeOrder", &with(stop, &[("transmit", "0")])).unwrap();
    two.fence().unwrap();
    gateway.drive(|g, now| g.place_manual_order(now, AAPL, false, 5.0, 900.0)).unwrap();

    let filled = book_order(&gateway, 1, 7);
    assert_eq!(
        (filled.order_ref.as_str(), filled.action.as_str(), filled.order_type.as_str()),
        ("bought", "BUY", "LMT")
    );
    assert_eq!((filled.account.as_str(), filled.symbol.as_str()), ("DU9000001", "AAPL"));
    assert_eq!(
        (filled.limit, filled.quantity, filled.filled, filled.remaining),
        (Some(260.0), 10.0, 10.0, 0.0)
    );
    assert_eq!(
        (filled.status, filled.completed_status.as_str(), filled.average),
        ("Filled", "Filled Size: 10", 250.01)
    );
    assert!(filled.over && !filled.working && !filled.held && !filled.manual);
    let parent = book_order(&gateway, 2, 3);
    assert!(parent.held && !parent.over && !parent.working);
    assert_eq!((parent.oca_group.as_str(), parent.parent), ("g", 0));
    let child = book_order(&gateway, 2, 4);
    assert_eq!((child.parent, child.stop, child.limit), (3, Some(50.0), None));
    assert!(child.perm_id > parent.perm_id && parent.perm_id > filled.perm_id);
    let manual = book_order(&gateway, 0, 0);
    assert!(manual.manual && manual.working);

    let [first, second] = &gateway.book_executions()[..] else { panic!("{:?}", gateway.book_executions()) };
    assert_eq!((first.client_id, first.order_id, first.perm_id), (1, 7, filled.perm_id));
    assert_eq!((first.quantity, first.price, first.cumulative), (6.0, 250.01, 6.0));
    assert_eq!((second.quantity, second.cumulative), (4.0, 10.0));
    assert_eq!((second.order_ref.as_str(), second.buy), ("bought", true));
    assert_ne!(first.exec_id, second.exec_id);
}
