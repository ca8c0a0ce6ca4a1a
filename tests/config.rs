//! Settings as an operator meets them: `config check`, and SIGHUP while clients are connected.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{Mux, PATIENCE, mux_for, sim, wait_until};
use twsmux::record;
use twsmux::sim::SimHandle;
use twsmux::sim::client::ApiClient;

/// A folder with a configuration file.
struct Config(tempfile::TempDir);

impl Config {
    fn new(text: &str) -> Config {
        let config = Config(tempfile::tempdir().unwrap());
        config.write(text);
        config
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("twsmux.toml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    fn mux(&self, gateway: &SimHandle, more: &[&str]) -> Mux {
        let path = self.path().display().to_string();
        mux_for(gateway, &[&["--config", &path], more].concat())
    }
}

/// Readings at SIGHUP so far: applied, rejected.
fn readings(mux: &Mux) -> (u64, u64) {
    let n = |key: &str| mux.status(&format!("/config/{key}")).as_u64().expect("a number");
    (n("reloads_applied"), n("reloads_rejected"))
}

/// Has the file read again, waits until that is over, and gives back what the log says of it.
fn reload(mux: &Mux) -> String {
    let lines = |log: &str| log.lines().filter(|line| line.contains("SIGHUP: ")).count();
    let ((applied, rejected), before) = (readings(mux), lines(&mux.log()));
    mux.signal("HUP");
    wait_until("the file to be read again", || {
        let now = readings(mux);
        now.0 + now.1 == applied + rejected + 1
    });
    // The log is written by another thread.
    wait_until("the line in the log", || lines(&mux.log()) == before + 1);
    mux.log().lines().rfind(|line| line.contains("SIGHUP: ")).expect("just seen").to_owned()
}

fn client(mux: &Mux, id: i32) -> ApiClient {
    let mut c = ApiClient::dial(mux.listen).expect("twsmux accepts");
    c.patience = PATIENCE;
    c.greet(100, 176, "").unwrap();
    c.start(id).unwrap();
    c
}

/// A client that was let in.
fn started(mux: &Mux, id: i32) -> ApiClient {
    let mut c = client(mux, id);
    c.expect("nextValidId").unwrap();
    c
}

#[test]
fn what_can_be_applied_is_applied_to_clients_that_are_connected() {
    let gateway = sim(|_| {});
    let config = Config::new("duplicate_client = \"reject\"\n");
    let mux = config.mux(&gateway, &[]);
    let mut first = started(&mux, 9);
    client(&mux, 9).expect_error(-1, 326).unwrap();
    first.send("reqGlobalCancel", &record! {}).unwrap();
    first.fence().unwrap();
    config.write("duplicate_client = \"replace\"\n[client.9]\nglobal_cancel = \"deny\"\n");
    let line = reload(&mux);
    assert!(line.contains("duplicate_client = \"replace\" (was \"reject\")"), "{line}");
    assert!(line.contains("[client.9] is new") && line.contains("Needs a restart: nothing"), "{line}");
    first.send("reqGlobalCancel", &record! {}).unwrap();
    first.expect_error(-1, 321).unwrap();
    let mut second = started(&mux, 9);
    first.expect_closed().unwrap();
    assert!(second.fence().is_ok(), "the newcomer has the id");
    assert_eq!(gateway.stats().accepted, 1, "the Gateway noticed nothing");
}

#[test]
fn a_mistake_keeps_everything_as_it_was() {
    let gateway = sim(|_| {});
    let config = Config::new("duplicate_client = \"reject\"\n");
    let mux = config.mux(&gateway, &[]);
    let before = mux.status("/config/loaded_at");
    let _first = started(&mux, 9);
    config.write("duplicate_client = \"replace\"\nbackoff_min = \"soon\"\n");
    let line = reload(&mux);
    assert_eq!(readings(&mux), (0, 1));
    assert!(line.contains("ERROR") && line.contains("line 2, key backoff_min"), "{line}");
    assert!(mux.status("/config/error").as_str().unwrap().contains("backoff_min"));
    assert_eq!(mux.status("/config/loaded_at"), before);
    client(&mux, 9).expect_error(-1, 326).unwrap();
    // A file that is gone is a mistake too.
    std::fs::remove_file(config.path()).unwrap();
    reload(&mux);
    assert_eq!(readings(&mux), (0, 2));
    config.write("duplicate_client = \"replace\"\n");
    reload(&mux);
    assert_eq!((readings(&mux), mux.status("/config/error")), ((1, 2), serde_json::Value::Null));
    let metrics = mux.page("/metrics");
    for line in [
        "twsmux_config_reloads_total{result=\"applied\"} 1",
        "twsmux_config_reloads_total{result=\"rejected\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    started(&mux, 9);
}

#[test]
fn what_needs_a_restart_is_said_until_it_is_taken_back() {
    let gateway = sim(|_| {});
    let config = Config::new("upstream_client_id = 0\nmax_clients = 2\n");
    let mux = config.mux(&gateway, &[]);
    config.write("upstream_client_id = 3\nmax_clients = 1\n");
    for _ in 0..2 {
        let line = reload(&mux);
        let needed = mux.status("/config/restart_needed");
        assert_eq!(needed, serde_json::json!(["upstream_client_id = 3 (was 0)"]));
        assert!(line.contains("Needs a restart: upstream_client_id = 3 (was 0)"), "{line}");
    }
    let _one = started(&mux, 1);
    let mut other = ApiClient::dial(mux.listen).unwrap();
    other.patience = PATIENCE;
    other.expect_closed().expect("max_clients was applied");
    config.write("upstream_client_id = 0\nmax_clients = 2\n");
    reload(&mux);
    assert_eq!(mux.status("/config/restart_needed"), serde_json::json!([]));
    started(&mux, 2);
}

#[test]
fn a_flag_stays_on_top_of_the_file() {
    let gateway = sim(|_| {});
    let config = Config::new("duplicate_client = \"reject\"\n");
    let mux = config.mux(&gateway, &["--duplicate-client", "reject"]);
    config.write("duplicate_client = \"replace\"\n");
    let line = reload(&mux);
    assert!(line.contains("Applied: nothing"), "{line}");
    let _first = started(&mux, 9);
    client(&mux, 9).expect_error(-1, 326).unwrap();
}

#[test]
fn how_the_end_comes_can_still_be_changed() {
    let gateway = sim(|_| {});
    let config = Config::new("");
    let mut mux = config.mux(&gateway, &[]);
    config.write("upstream_close = \"graceful\"\n");
    reload(&mux);
    mux.signal("TERM");
    assert_eq!(mux.wait_exit().code(), Some(0));
    gateway.wait(PATIENCE, |s| s.open == 0).expect("closed");
    assert_eq!(gateway.stats().fins, 1, "not by reset");
}

#[test]
fn a_hangup_without_a_file_ends_nothing() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    mux.signal("HUP");
    mux.wait_log("started without --config");
    assert_eq!(mux.status("/config/file"), serde_json::Value::Null);
    started(&mux, 1);
}

fn check(config: &Path, more: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
    let names = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("TWSMUX_"));
    for name in names {
        command.env_remove(name);
    }
    command.args(["config", "check", "--config"]).arg(config).args(more).envs(variables.iter().copied());
    command.output().expect("the binary starts")
}

#[test]
fn the_check_prints_every_setting_with_its_source() {
    let config = Config::new("backoff_min = 3.0\n[client.7]\nmaster = true\n");
    let variables = [("TWSMUX_HANDSHAKE_TIME", "7"), ("TWSMUX_MAX_CLIENTS", "8")];
    let output = check(&config.path(), &["--max-clients", "9"], &variables);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let path = config.path().display().to_string();
    for line in [
        "messages_per_second = 45  # default",
        "handshake_time = 7.0  # environment TWSMUX_HANDSHAKE_TIME",
        "max_clients = 9  # flag --max-clients",
        &format!("backoff_min = 3.0  # file {path}:1"),
        &format!("client.7.master = true  # file {path}:3"),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}

#[test]
fn the_check_tells_mistakes_apart() {
    let config = Config::new("messages_per_second = 0\n");
    let gone = config.0.path().join("gone.toml");
    let right = Config::new("");
    for (output, code, words) in [
        (check(&config.path(), &[], &[]), 2, "line 1, key messages_per_second: 0 is neither `unlimited`"),
        (check(&gone, &[], &[]), 3, "gone.toml cannot be read"),
        (check(&right.path(), &["--backoff-min", "0"], &[]), 2, "the flag --backoff-min: 0 is not allowed"),
        (
            check(&right.path(), &[], &[("TWSMUX_BACKOFF_MIN", "0")]),
            2,
            "the environment variable TWSMUX_BACKOFF_MIN: ",
        ),
        (check(&right.path(), &[], &[("TWSMUX_BACKOF_MIN", "1")]), 2, "TWSMUX_BACKOF_MIN is no setting"),
    ] {
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(words) && error.lines().count() == 1, "{words}: {error}");
        assert!(output.stdout.is_empty());
    }
}
