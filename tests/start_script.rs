//! The start script of docs/start-script.md, as it stands there: against a Gateway that keeps dead connections, a hundred
//! times.

mod support;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::{Mux, mux_for, sim, wait_for, wait_until};
use twsmux::sim::client::{ApiClient, stock};
use twsmux::sim::{SimHandle, ZombieMode};
use twsmux::sockets::{self, table::State};

/// The environment by which this test binary runs itself as the trading program.
const TRADER: &str = "TRADER_OF_THE_TEST";

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples/start-trader.sh")
}

fn zombie_gateway() -> SimHandle {
    sim(|c| c.zombie = ZombieMode::EofRead)
}

/// A run of the script, with its words in a file.
struct Run {
    child: Child,
    words: PathBuf,
}

impl Run {
    fn start(connect: SocketAddr, words: PathBuf) -> Run {
        let binaries = Path::new(env!("CARGO_BIN_EXE_twsmux")).parent().unwrap();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        let log = File::create(&words).unwrap();
        let child = Command::new(script())
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "trader", "--nocapture"])
            .env("PATH", path)
            .env("TWSMUX_CONNECT", connect.to_string())
            .env("WAIT_SECONDS", "60")
            .env(TRADER, "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("the script starts");
        Run { child, words }
    }

    fn words(&self) -> String {
        std::fs::read_to_string(&self.words).unwrap_or_default()
    }

    /// Its exit code.
    fn end(&mut self) -> i32 {
        let child = &mut self.child;
        let status = wait_for("the end of the script", || child.try_wait().expect("our child"));
        status.code().unwrap_or(-1)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test of its own: the trading program. It ends as programs do that crash.
#[test]
fn trader() {
    let variable = |name| std::env::var(name).unwrap();
    if std::env::var_os(TRADER).is_none() {
        return;
    }
    let address = format!("{}:{}", variable("IB_HOST"), variable("IB_PORT")).parse().unwrap();
    let mut client = ApiClient::open(address, 176, 1).expect("it connects");
    let accounts = client.ask("reqManagedAccts", &Default::default(), "managedAccounts").unwrap();
    assert_eq!(accounts.last().unwrap().text("accountsList"), variable("IB_ACCOUNTS"));
    let mut subscription = stock("AAPL");
    subscription.set("reqId", 1);
    client.send("reqMktData", &subscription).unwrap();
    client.expect("tickPrice").expect("and gets its data");
    println!("\ntraded");
    std::process::exit(0);
}

fn nothing_is_left(gateway: &SimHandle, mux: &Mux) {
    wait_until("twsmux to have forgotten them", || mux.status("/clients") == serde_json::json!([]));
    let stats = gateway.stats();
    assert_eq!((stats.accepted, stats.most_open), (1, 1), "sockets ever accepted by the Gateway");
    assert_eq!((stats.fins, stats.resets, stats.zombies), (0, 0, 0));
    assert_eq!(sockets::count(gateway.address().port(), State::CloseWait), Ok(0));
}

#[test]
fn it_works_a_hundred_times_and_leaves_nothing() {
    let gateway = zombie_gateway();
    let mux = mux_for(&gateway, &[]);
    let dir = tempfile::tempdir().unwrap();
    for n in 1..=100 {
        let mut run = Run::start(mux.listen, dir.path().join("words"));
        let code = run.end();
        let words = run.words();
        assert!(code == 0 && words.contains("\ntraded\n"), "run {n} ended with {code}: {words}");
        assert!(words.contains("the Gateway is ready, accounts DU9000001"), "run {n}: {words}");
    }
    nothing_is_left(&gateway, &mux);
}

#[test]
fn it_waits_for_a_gateway_that_is_away() {
    let gateway = zombie_gateway();
    gateway.refuse_connections().unwrap();
    let mux = Mux::start(&gateway.address().to_string(), &[]);
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(mux.listen, dir.path().join("words"));
    wait_until("its first try", || run.words().contains("has no Gateway: nothing listens"));
    gateway.accept_connections().unwrap();
    assert_eq!(run.end(), 0, "{}", run.words());
    nothing_is_left(&gateway, &mux);
}

#[test]
fn it_gives_up_at_once_where_waiting_does_not_help() {
    let gateway = sim(|c| c.accounts = vec![String::new()]);
    let mux = mux_for(&gateway, &[]);
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(mux.listen, dir.path().join("words"));
    assert_eq!(run.end(), 6, "{}", run.words());
    assert!(run.words().contains("manages no accounts") && !run.words().contains("is ready"));
}

#[test]
fn the_page_shows_the_script_that_is_tested() {
    let page = include_str!("../docs/start-script.md");
    let (_, rest) = page.split_once("```bash\n").expect("a script");
    let (shown, _) = rest.split_once("```").expect("its end");
    assert_eq!(shown, std::fs::read_to_string(script()).unwrap());
}
