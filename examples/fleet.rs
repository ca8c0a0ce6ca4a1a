//! Clients that do something, for looking at the page and for its test.
//!
//! ```text
//! cargo run --example fleet ADDRESS CLIENTS
//! ```
//! Connects the clients, of mixed versions, each with subscriptions, some of them shared, and every third with a live order;
//! prints `ready` and reads whatever comes until its standard input ends.

use std::io::{Read, Write};
use std::net::SocketAddr;

use twsmux::protocol::layout::Record;
use twsmux::sim::client::{ApiClient, ClientError, order, stock};

const SYMBOLS: [&str; 4] = ["AAPL", "MSFT", "SPY", "TSLA"];

fn main() -> Result<(), ClientError> {
    let mut arguments = std::env::args().skip(1);
    let (address, clients) = (arguments.next(), arguments.next());
    let address: SocketAddr = address.and_then(|a| a.parse().ok()).expect("usage: fleet ADDRESS CLIENTS");
    let clients: usize = clients.and_then(|n| n.parse().ok()).expect("usage: fleet ADDRESS CLIENTS");
    for n in 0..clients {
        let client = member(address, n)?;
        let mut stream = client.stream().try_clone()?;
        stream.set_read_timeout(None)?;
        std::thread::spawn(move || {
            let _client = client;
            let mut bytes = [0; 16 << 10];
            while stream.read(&mut bytes).is_ok_and(|n| n > 0) {}
        });
    }
    println!("ready");
    std::io::stdout().flush()?;
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest)?;
    Ok(())
}

fn member(address: SocketAddr, n: usize) -> Result<ApiClient, ClientError> {
    let mut client = ApiClient::dial(address)?;
    client.greet(100, [157, 176, 201][n % 3], "")?;
    client.start(1 + n as i32)?;
    let next = client.expect("nextValidId")?.int("orderId") as i32;
    for k in 0..1 + n % SYMBOLS.len() {
        let mut ask = stock(SYMBOLS[(n + k) % SYMBOLS.len()]);
        ask.set("reqId", 1 + k as i32);
        client.send("reqMktData", &ask)?;
    }
    if n.is_multiple_of(2) {
        client.ask("reqPositions", &Record::new(), "positionEnd")?;
    }
    if n.is_multiple_of(3) {
        client.send("placeOrder", &order(next, "AAPL", "BUY", 1, "LMT", "1.0"))?;
        client.find("its order", |m| m.name == "openOrder" && m.int("orderId") == i64::from(next))?;
    }
    if n == 1 {
        // Refused, so that there is an error to be seen.
        let mut ask = stock("NOSUCHTHING");
        ask.set("reqId", 99);
        client.send("reqContractDetails", &ask)?;
        client.find("the refusal", |m| m.name == "error" && m.int("id") == 99)?;
    }
    Ok(client)
}
