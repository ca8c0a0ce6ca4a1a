//! `run` and its order journal: whose it is, a disk that is full, and a start with one that cannot be used.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{Mux, PATIENCE, sim, wait_until};
use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::{ApiClient, order};
use twsmux::sim::{Restart, SimHandle};

fn start(state: &Path, gateway: &SimHandle) -> Mux {
    let upstream = gateway.address().to_string();
    let mux =
        Mux::start_in(state, &upstream, &["--messages-per-second", "unlimited", "--backoff-min", "0.05"]);
    mux.wait_ready();
    mux
}

fn file(state: &Path, gateway: &SimHandle) -> PathBuf {
    state.join(gateway.address().to_string().replace(':', "_")).join("orders.journal")
}

/// A `run` that is to end at once.
fn refused(state: &Path, gateway: &SimHandle, more: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--upstream", &gateway.address().to_string(), "--state-dir"])
        .arg(state)
        .args(more)
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "no ready line");
    output
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn at_work(c: &mut ApiClient, id: i32) {
    c.send("placeOrder", &order(id, "AAPL", "BUY", 1, "LMT", "1.0")).expect("sent");
    c.find("its status", |m| m.name == "orderStatus" && m.int("orderId") == i64::from(id)).expect("at work");
}

#[test]
fn the_journal_of_another_client_id_is_refused_with_the_way_out() {
    let gateway = sim(|_| {});
    let state = tempfile::tempdir().unwrap();
    drop(start(state.path(), &gateway));
    let output = refused(state.path(), &gateway, &["--upstream-client-id", "5"]);
    let words = words(&output);
    assert!(words.contains("client id 0") && words.contains("client id 5"), "{words}");
    assert!(words.contains("--upstream-client-id 0") && words.contains("--state-dir"), "{words}");
    drop(start(state.path(), &gateway));
}

#[test]
fn a_damaged_journal_and_one_of_a_newer_version_are_refused_and_left_as_they_are() {
    let gateway = sim(|_| {});
    let state = tempfile::tempdir().unwrap();
    let mux = start(state.path(), &gateway);
    let mut c = ApiClient::open(mux.listen, 176, 1).unwrap();
    (1..=5).for_each(|id| at_work(&mut c, id));
    drop((c, mux));
    let path = file(state.path(), &gateway);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    // The header of a later format: its number one higher, its checksum right.
    let mut newer = whole.clone();
    newer[8] += 1;
    let sum = crc32fast::hash(&newer[..20]).to_le_bytes();
    newer[20..24].copy_from_slice(&sum);
    for (bytes, word) in [(damaged, "journal repair"), (newer, "newer")] {
        std::fs::write(&path, &bytes).unwrap();
        let words = words(&refused(state.path(), &gateway, &[]));
        assert!(words.contains(word), "{words}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is left as it is");
    }
    std::fs::write(&path, &whole).unwrap();
    drop(start(state.path(), &gateway));
}

#[test]
fn a_gateway_with_other_accounts_than_those_of_the_journal_serves_nobody() {
    let gateway = sim(|c| c.accounts = vec!["DU9000001".into()]);
    let state = tempfile::tempdir().unwrap();
    let mux = start(state.path(), &gateway);
    let mut early = ApiClient::open(mux.listen, 176, 1).unwrap();
    early.patience = PATIENCE;
    at_work(&mut early, 1);
    gateway.restart_with(&Restart { accounts: Some(vec!["U7654321".into()]), ..Restart::default() }).unwrap();
    early.expect_error(-1, 1100).expect("the link is gone");
    let last = early.expect_closed().expect("a client whose view no longer holds is closed");
    assert!(last.iter().any(|m| m.int("errorCode") == 504), "{last:?}");
    mux.wait_log("belongs to the accounts DU9000001");
    wait_until("the reason", || mux.page("/readyz").contains("U7654321"));
    let mut late = ApiClient::dial(mux.listen).unwrap();
    late.patience = PATIENCE;
    late.greet(100, 176, "").unwrap();
    late.start(1).unwrap();
    let error = late.expect_error(-1, 504).expect("told why");
    assert!(error.text("errorMsg").contains("are of different accounts"), "{}", error.line());
    assert!(mux.page("/readyz").contains("--state-dir"), "what to do");
    // With the accounts of the journal it goes on, and the order is still its owner's.
    gateway
        .restart_with(&Restart { accounts: Some(vec!["DU9000001".into()]), ..Restart::default() })
        .unwrap();
    wait_until("the link", || mux.page("/readyz").contains("ok") || mux.status("/upstream/ready") == true);
    let mut again = ApiClient::dial(mux.listen).unwrap();
    again.patience = PATIENCE;
    again.greet(100, 176, "").unwrap();
    again.start(1).unwrap();
    assert_eq!(again.expect("openOrder").unwrap().int("orderId"), 1);
}

/// Whether a metric has this value.
fn metric(mux: &Mux, line: &str) -> bool {
    mux.page("/metrics").lines().any(|l| l == line)
}

/// A disk without room is a limit on the size of files here: above it writes fail.
#[cfg(target_os = "linux")]
#[test]
fn with_a_full_disk_new_orders_are_refused_and_cancels_pass_until_there_is_room() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    const BEFORE: i32 = 40;
    let gateway = sim(|_| {});
    let state = tempfile::tempdir().unwrap();
    let mut mux = start(state.path(), &gateway);
    let mut c = ApiClient::open(mux.listen, 176, 1).unwrap();
    (1..=BEFORE).for_each(|id| at_work(&mut c, id));
    mux.signal("TERM");
    assert!(mux.wait_exit().success());
    drop((c, mux));
    let mut shell = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -S -f 1; exec \"$0\" \"$@\"";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_twsmux")]);
    let upstream = gateway.address().to_string();
    let mux = Mux::spawn(shell, state.path(), &upstream, &["--messages-per-second", "unlimited"]);
    mux.wait_ready();
    mux.wait_log("new orders are refused until it works again, cancels pass");
    wait_until("the metric", || metric(&mux, "twsmux_journal_writable 0"));
    let mut c = ApiClient::dial(mux.listen).unwrap();
    c.patience = PATIENCE;
    c.greet(100, 176, "").unwrap();
    c.start(1).unwrap();
    c.expect("nextValidId").unwrap();
    let arrived = gateway.arrivals().len();
    for id in 5000..5003 {
        c.send("placeOrder", &order(id, "AAPL", "BUY", 1, "LMT", "1.0")).unwrap();
        let error = c.expect_error(id.into(), 201).expect("refused at once");
        let text = error.text("errorMsg");
        assert!(
            text.contains("journal") && text.contains("File too large") && text.contains("disk"),
            "{text}"
        );
    }
    assert_eq!(gateway.arrivals().len(), arrived, "nothing that is not recorded leaves");
    // A modification and a cancel of what is at work pass.
    c.send("placeOrder", &order(1, "AAPL", "BUY", 2, "LMT", "1.0")).unwrap();
    c.find("the modification", |m| m.name == "openOrder" && m.text("totalQuantity") == "2").unwrap();
    c.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    c.expect_error(1, 202).expect("cancelled");
    // Room again: it heals by itself.
    let pid = Pid::from_raw(mux.pid() as i32).expect("a process");
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: None, maximum: None })
        .expect("the limit is raised");
    wait_until("the journal to work again", || metric(&mux, "twsmux_journal_writable 1"));
    at_work(&mut c, 5003);
    // And nothing was forgotten.
    drop((c, mux));
    let mux = start(state.path(), &gateway);
    let mut c = ApiClient::dial(mux.listen).unwrap();
    c.patience = PATIENCE;
    c.greet(100, 176, "").unwrap();
    c.start(1).unwrap();
    c.expect("managedAccounts").unwrap();
    let shown = c.transcript.iter().filter(|m| m.name == "openOrder").count() as i32;
    assert_eq!(shown, BEFORE, "those from before less the cancelled one, and the one after");
}

#[test]
fn what_happened_while_twsmux_was_down_is_told_to_the_owners_once() {
    let gateway = sim(|_| {});
    let state = tempfile::tempdir().unwrap();
    let mux = start(state.path(), &gateway);
    let mut c = ApiClient::open(mux.listen, 176, 3).unwrap();
    c.patience = PATIENCE;
    at_work(&mut c, 1);
    at_work(&mut c, 2);
    mux.signal("KILL");
    c.expect_closed().expect("it died");
    drop(mux);
    let aapl = gateway.drive(|g, _| g.con_id_of("AAPL")).expect("it is there");
    assert!(gateway.set_price(aapl, 0.5));
    assert!(
        gateway.wait_for(PATIENCE, |g| g.book_executions().len() == 2),
        "both fill while nobody is there"
    );
    for round in 0..2 {
        let mux = start(state.path(), &gateway);
        let mut c = ApiClient::dial(mux.listen).unwrap();
        c.patience = PATIENCE;
        c.greet(100, 176, "").unwrap();
        c.start(3).unwrap();
        c.expect("nextValidId").unwrap();
        // Nothing else is asked: what comes by itself is what is kept, or what the lists brought to light.
        let complete = |c: &ApiClient| {
            let count = |name: &str| c.transcript.iter().filter(|m| m.name == name).count();
            (count("execDetails"), count("commissionAndFeesReport"), count("orderStatus"))
        };
        if round == 0 {
            while complete(&c) != (2, 2, 2) {
                c.find("what happened", |m| {
                    matches!(m.name, "execDetails" | "commissionAndFeesReport" | "orderStatus")
                })
                .unwrap_or_else(|e| panic!("{:?}: {e}", complete(&c)));
            }
            assert!(
                c.transcript.iter().filter(|m| m.name == "orderStatus").all(|m| m.text("status") == "Filled")
            );
            assert!(c.transcript.iter().filter(|m| m.name == "execDetails").all(|m| m.int("reqId") == -1));
        }
        // The lists are in when an answer behind them is.
        c.ask("reqAllOpenOrders", &Record::new(), "openOrderEnd").unwrap();
        c.ask("reqExecutions", &record! { reqId: 77 }, "execDetailsEnd").unwrap();
        let live = c.transcript.iter().filter(|m| m.name == "execDetails" && m.int("reqId") == -1).count();
        assert_eq!(live, if round == 0 { 2 } else { 0 }, "round {round}: told once");
        drop(c);
    }
}

#[test]
fn what_happened_before_twsmux_came_is_no_news_and_its_ids_are_not_used_again() {
    let gateway = sim(|_| {});
    // A program that used the Gateway directly, under the client id that twsmux takes.
    let mut before = ApiClient::open(gateway.address(), 176, 0).unwrap();
    before.patience = PATIENCE;
    before.send("placeOrder", &order(7, "AAPL", "BUY", 1, "LMT", "1000000")).unwrap();
    before.expect("commissionAndFeesReport").expect("filled");
    at_work(&mut before, 9);
    drop(before);
    assert!(gateway.wait(PATIENCE, |s| s.open == 0).is_ok());
    // A Gateway whose counter went back offers ids that were used.
    gateway.set_next_order_id(0, 3);
    let state = tempfile::tempdir().unwrap();
    let mux = start(state.path(), &gateway);
    let mut zero = ApiClient::dial(mux.listen).unwrap();
    zero.patience = PATIENCE;
    zero.greet(100, 176, "").unwrap();
    zero.start(0).unwrap();
    zero.expect("nextValidId").unwrap();
    zero.fence().unwrap();
    let names: Vec<&str> = zero.transcript.iter().map(|m| m.name).collect();
    assert!(
        names.starts_with(&["openOrder", "orderStatus", "openOrderEnd"]),
        "its live order is shown: {names:?}"
    );
    assert!(!names.contains(&"execDetails"), "a fill that it was told is not told again: {names:?}");
    let mut other = ApiClient::open(mux.listen, 176, 5).unwrap();
    other.patience = PATIENCE;
    at_work(&mut other, 1);
    let ids: Vec<i32> = gateway.book_orders().iter().map(|o| o.order_id).collect();
    assert_eq!(ids, [7, 9, 10], "above every id that was ever used");
}
