//! The report that this project began with, on real sockets: a Gateway that keeps dead connections in CLOSE_WAIT and
//! then answers nobody. Clients die in every way there is; the Gateway must notice none of it.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::{PATIENCE, mux_for, sim, wait_until};
use twsmux::protocol::layout::Record;
use twsmux::sim::client::{ApiClient, ClientError, stock};
use twsmux::sim::{SimHandle, ZombieMode};
use twsmux::sockets::{self, table::State};

/// The environment by which this test binary runs itself as a client that waits to be killed.
const VICTIM: &str = "VICTIM_STAGE";

fn zombie_gateway() -> SimHandle {
    sim(|c| c.zombie = ZombieMode::EofRead)
}

fn close_waits(gateway: &SimHandle) -> usize {
    sockets::count(gateway.address().port(), State::CloseWait).expect("the kernel's table")
}

fn subscription(id: i32) -> Record {
    let mut r = stock("AAPL");
    r.set("reqId", id);
    r
}

#[test]
fn without_twsmux_the_first_client_that_dies_blocks_the_gateway() {
    let gateway = zombie_gateway();
    drop(ApiClient::open(gateway.address(), 176, 1).expect("the first client gets its accounts"));
    wait_until("a zombie in the kernel's table", || close_waits(&gateway) == 1);
    let mut second = ApiClient::dial(gateway.address()).expect("the port still accepts");
    second.patience = Duration::from_millis(700);
    let answer = second.greet(100, 176, "");
    assert!(matches!(answer, Err(ClientError::Timeout { .. })), "the handshake is not answered: {answer:?}");
}

/// How far a client comes before it dies.
const STAGES: [&str; 5] = ["connected", "half-greeting", "greeted", "started", "streaming"];

/// Not a test of its own: what a victim process does.
#[test]
fn victim() {
    let Ok(order) = std::env::var(VICTIM) else { return };
    let mut words = order.split(' ');
    let (stage, address, id) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let address: SocketAddr = address.parse().unwrap();
    let _held = reach(stage, address, id.parse().unwrap());
    println!("\nthere");
    std::io::stdout().flush().unwrap();
    // Ends when it is killed, or when its parent is gone.
    let _ = std::io::stdin().read(&mut [0]);
}

fn reach(stage: &str, address: SocketAddr, id: i32) -> ApiClient {
    let mut c = ApiClient::dial(address).expect("twsmux accepts");
    c.patience = PATIENCE;
    match stage {
        "connected" => {}
        "half-greeting" => c.send_raw(b"API\0\0\0\0").expect("sent"),
        _ => {
            c.greet(100, 176, "").expect("answered");
            if stage != "greeted" {
                c.start(id).expect("sent");
                c.expect("nextValidId").expect("started");
            }
            if stage == "streaming" {
                c.send("reqMktData", &subscription(1)).expect("sent");
                c.expect("tickPrice").expect("ticks");
            }
        }
    }
    c
}

struct Victim(Child);

impl Victim {
    fn start(stage: &str, address: SocketAddr, id: i32) -> Victim {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(VICTIM, format!("{stage} {address} {id}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("this binary runs");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let there = lines.map_while(Result::ok).any(|line| line == "there");
        assert!(there, "a victim reached {stage}");
        Victim(child)
    }

    fn kill(mut self) {
        self.0.kill().expect("our child");
        self.0.wait().expect("our child");
    }
}

#[test]
fn two_hundred_clients_die_in_every_way_and_the_gateway_notices_nothing() {
    let gateway = zombie_gateway();
    let mux = mux_for(&gateway, &[]);
    let address = mux.listen;
    let mut half_open: Vec<TcpStream> = Vec::new();
    std::thread::scope(|scope| {
        // Eight at a time, 25 each. The way to die changes with every one.
        let lanes: Vec<_> = (0..8)
            .map(|lane| {
                scope.spawn(move || {
                    let mut left_open = Vec::new();
                    for n in 0..25 {
                        let number = lane * 25 + n;
                        let stage = STAGES[number as usize % STAGES.len()];
                        let id = 1000 + number;
                        match number / 5 % 4 {
                            0 => Victim::start(stage, address, id).kill(),
                            1 => drop(reach(stage, address, id)),
                            2 => reach(stage, address, id).reset().expect("a reset"),
                            _ => {
                                // Says goodbye and stays: half of the connection remains open.
                                let c = reach(stage, address, id);
                                c.stream().shutdown(Shutdown::Write).expect("a half close");
                                left_open.push(c.stream().try_clone().expect("kept"));
                            }
                        }
                    }
                    left_open
                })
            })
            .collect();
        for lane in lanes {
            half_open.extend(lane.join().expect("the lane's clients died as they should"));
        }
    });
    assert_eq!(half_open.len(), 50);
    wait_until("twsmux to have forgotten all of them", || mux.status("/clients") == serde_json::json!([]));

    let mut fresh = ApiClient::open(address, 176, 1).expect("a fresh client starts");
    let accounts = fresh.ask("reqManagedAccts", &Record::new(), "managedAccounts").unwrap();
    assert_eq!(accounts.last().unwrap().text("accountsList"), "DU9000001");
    fresh.send("reqMktData", &subscription(1)).unwrap();
    fresh.expect("tickPrice").expect("and gets its data");

    let stats = gateway.stats();
    assert_eq!(stats.accepted, 1, "sockets ever accepted by the Gateway");
    assert_eq!(stats.most_open, 1);
    assert_eq!((stats.fins, stats.resets), (0, 0), "nothing that clients did reached it as a disconnect");
    assert_eq!(stats.malformed, 0, "{}", stats.last_malformed);
    assert_eq!(close_waits(&gateway), 0);
    // What the dead had subscribed is cancelled; the fresh client's line remains.
    gateway.wait(PATIENCE, |s| s.lines == 1).expect("one line");
}

#[test]
fn twsmux_does_not_dial_a_gateway_that_holds_a_zombie() {
    let gateway = zombie_gateway();
    drop(ApiClient::open(gateway.address(), 176, 1).expect("a client that goes around twsmux"));
    wait_until("its zombie", || close_waits(&gateway) == 1);
    let mux = support::Mux::start(&gateway.address().to_string(), &[]);
    mux.wait_log("CLOSE_WAIT");
    assert!(mux.log().contains("two-factor"), "the words say what to do: {}", mux.log());
    assert_eq!(gateway.stats().accepted, 1, "no dial of ours");
    // Whoever connects is told the same.
    let mut client = ApiClient::dial(mux.listen).unwrap();
    client.greet(100, 176, "").expect("the version reply is never held back");
    client.start(7).unwrap();
    let told = client.expect_error(-1, 504).expect("the reason");
    assert!(told.text("errorMsg").contains("CLOSE_WAIT"), "{}", told.line());
    client.expect_closed().expect("and closed");
}
