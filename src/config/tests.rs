use std::collections::BTreeSet;

use clap::{Args, Command, FromArgMatches};

use super::settings::Reload;
use super::*;
use crate::core::policy::GlobalCancel;

/// A file, and what flags give.
struct Case {
    dir: tempfile::TempDir,
    args: Vec<String>,
}

impl Case {
    fn new(text: &str, args: &[&str]) -> Case {
        let case =
            Case { dir: tempfile::tempdir().unwrap(), args: args.iter().map(|a| (*a).into()).collect() };
        case.write(text);
        case
    }

    fn write(&self, text: &str) {
        std::fs::write(self.dir.path().join("twsmux.toml"), text).unwrap();
    }

    fn given(&self) -> Given {
        let path = self.dir.path().join("twsmux.toml").display().to_string();
        let args = ["run".to_owned(), "--config".into(), path].into_iter().chain(self.args.clone());
        Given::from_arg_matches(&Given::augment_args(Command::new("run")).get_matches_from(args)).unwrap()
    }

    fn live(&self) -> Live {
        let given = self.given();
        let effective = given.complete().unwrap();
        Live::new(given, &effective)
    }
}

fn from_file(text: &str) -> Result<Effective, ConfigError> {
    Case::new(text, &[]).given().complete()
}

#[test]
fn a_file_fills_what_flags_leave_open() {
    let text = "upstream = \"127.0.0.1:4001\"\nlisten = [\"127.0.0.1:1\"]\nmax_server_version = \"latest\"\n\
                messages_per_second = 40\nduplicate_client = \"replace\"\nmax_clients = 3\n";
    let options = from_file(text).unwrap().options;
    assert_eq!(options.upstream.as_deref(), Some("127.0.0.1:4001"));
    assert_eq!(options.max_server_version, Some(LATEST_SERVER_VERSION));
    assert_eq!(options.core().messages_per_second, Some(40));
    assert_eq!(options.core().duplicate_client, DuplicateClient::Replace);
    assert_eq!(options.core().max_clients, 3);
    let flags = Case::new(text, &["--upstream", "sim"]).given().complete().unwrap().options;
    assert_eq!(flags.upstream.as_deref(), Some("sim"), "a flag wins");
    assert_eq!(flags.listen.len(), 1);
}

#[test]
fn a_client_id_has_its_own_policy_or_the_default_one() {
    let text =
        "[client.default]\nglobal_cancel = \"own\"\n[client.7]\nmaster = true\ncancel_on_disconnect = true\n";
    let policies = from_file(text).unwrap().options.core().policies;
    let (seven, other) = (policies.of(ClientId(7)), policies.of(ClientId(8)));
    assert_eq!((seven.master, seven.cancel_on_disconnect), (true, true));
    assert_eq!(seven.global_cancel, GlobalCancel::Forward, "its own policy replaces the default one");
    assert_eq!((other.master, other.global_cancel), (false, GlobalCancel::Own));
}

#[test]
fn mistakes_are_named_with_line_and_key_and_what_is_allowed() {
    for (text, place, words) in [
        ("\nupstraem = \"x\"", ", line 2, key upstraem: ", "expected one of `upstream`"),
        ("max_server_version = 99", ", line 1, key max_server_version: ", "from 100 to 226"),
        ("admin = \"127.0.0.1:1\"\nmessages_per_second = 0", ", line 2, key messages_per_second: ", "from 1"),
        (
            "upstream_client_id = \"seven\"",
            ", line 1, key upstream_client_id: ",
            "allowed: a whole number from 0",
        ),
        ("upstream_client_id = -1", ", line 1, key upstream_client_id: ", "begin at 0"),
        ("duplicate_client = \"perhaps\"", ", line 1, key duplicate_client: ", "\"reject\" or \"replace\""),
        ("upstream_close = \"perhaps\"", ", line 1, key upstream_close: ", "\"reset\" or \"graceful\""),
        ("backoff_min = -1.0", ", line 1, key backoff_min: ", "above 0"),
        ("\n\nhandshake_time = 1e30", ", line 3, key handshake_time: ", "86400 at most"),
        ("backoff_max = 3.0\nbackoff_min = 9.0", ", line 2, key backoff_min: ", "above backoff_max"),
        ("listen = [\"nowhere\"]", ", line 1, key listen: ", "with port"),
        ("listen = [\n\"127.0.0.1:1\",\n\"nowhere\"]", "key listen: ", "with port"),
        ("allow = [\"192.168.1.7/24\"]", ", line 1, key allow: ", "192.168.1.0/24"),
        ("tls_key = \"x.key\"", ", line 1, key tls_key: ", "set tls_cert"),
        ("tls_cert = \"x.pem\"", ", line 1, key tls_cert: ", "set tls_key"),
        ("\ntls_client_ca = \"x.pem\"", ", line 2, key tls_client_ca: ", "without tls_cert and tls_key"),
        ("tls_client_names = [\"a\"]", ", line 1, key tls_client_names: ", "without tls_client_ca"),
        (
            "tls_cert = \"/no.pem\"\ntls_key = \"/no.key\"",
            ", line 1, key tls_cert: ",
            "/no.pem cannot be read",
        ),
        ("listen = [\"tls://127.0.0.1:1\"]", ", line 1, key listen: ", "set tls_cert and tls_key"),
        ("allow = [\"everybody\"]", ", line 1, key allow: ", "neither a network"),
        ("allow = [\"::/0\"]", ", line 1, key allow: ", "is everybody"),
        ("listen = [\"0.0.0.0:4010\"]", ", line 1, key listen: ", "ssh -L"),
        ("listen = [\"unix:api.sock\"]", ", line 1, key listen: ", "absolute path"),
        ("socket_mode = \"0400\"", ", line 1, key socket_mode: ", "neither 0600 nor"),
        ("socket_mode = 600", ", line 1, key socket_mode: ", "as a string"),
        ("admin = \"10.0.0.1:1\"", ", line 1, key admin: ", "loopback"),
        ("upstream = \"4002\"", ", line 1, key upstream: ", "HOST:PORT"),
        ("max_clients = 0", ", line 1, key max_clients: ", "at least 1"),
        ("max_clients = -1", ", line 1, key max_clients: ", "allowed: a whole number from 1"),
        ("max_requests_per_client = 0", ", line 1, key max_requests_per_client: ", "from 1 to 100000"),
        ("max_queued_per_client = 2001", ", line 1, key max_queued_per_client: ", "from 1 to 2000"),
        ("max_outbox_bytes = 1000", ", line 1, key max_outbox_bytes: ", "from 1048576 to 1073741824"),
        ("conflate_above_bytes = 4095", ", line 1, key conflate_above_bytes: ", "from 4096 to 1073741824"),
        ("slow_client_time = 26.0", ", line 1, key slow_client_time: ", "25 at most"),
        ("order_wait = 301.0", ", line 1, key order_wait: ", "300 at most"),
        ("request_wait = 3601.0", ", line 1, key request_wait: ", "3600 at most"),
        ("idle_client_time = 86401.0", ", line 1, key idle_client_time: ", "from 0 to 86400"),
        ("line_grace = -1.0", ", line 1, key line_grace: ", "from 0 to 3600"),
        ("repeat_time = 3601.0", ", line 1, key repeat_time: ", "from 0 to 3600"),
        ("drain_time = 0.0", ", line 1, key drain_time: ", "above 0, 60 at most"),
        ("[client.seven]\nmaster = true", ", line 1, key client.seven: ", "neither a client id nor"),
        (
            "[client.7]\nmax_order_value = -1.0",
            ", line 2, key client.7.max_order_value: ",
            "a number above 0",
        ),
        ("[client.7]\naccounts = [\"DU1,DU2\"]", ", line 2, key client.7.accounts: ", "one by one"),
        ("[client.007]\nmaster = true", ", line 1, key client.007: ", "neither a client id nor"),
        ("[client.7]\nmister = true", ", line 2, key client.7.mister: ", "`master`"),
        ("[client.7]\nmaster = 1", ", line 2, key client.7.master: ", "boolean"),
        ("[client.7]\nglobal_cancel = \"perhaps\"", ", line 2, key client.7.global_cancel: ", "`deny`"),
        ("backoff_min = 1.0\nbackoff_min = 2.0", ", line 2, key backoff_min: ", "duplicate key"),
        ("backoff_min = \n", ", line 1", "TOML"),
        ("upstream = \"127.0.0.1:1", ", line 1", ""),
    ] {
        let error = from_file(text).expect_err(text).to_string();
        assert!(error.contains("twsmux.toml"), "{text}: {error}");
        assert!(error.contains(place) && (words == "TOML" || error.contains(words)), "{text}: {error}");
        assert_eq!(error.lines().count(), 1, "{text}: {error}");
    }
}

#[test]
fn a_value_that_a_flag_replaces_is_checked_too() {
    let error = Case::new("backoff_min = -1.0", &["--backoff-min", "2"]).given().complete().unwrap_err();
    assert!(error.to_string().contains("line 1, key backoff_min"), "{error}");
    let error = Case::new("backoff_max = 9.0", &["--backoff-min", "20"]).given().complete().unwrap_err();
    assert!(error.to_string().starts_with("the flag --backoff-min: 20 is above backoff_max"), "{error}");
}

#[test]
fn a_pause_that_was_given_bends_the_default_of_the_other() {
    let pauses = |text: &str| {
        let core = from_file(text).unwrap().options.core();
        (core.backoff_min.as_secs(), core.backoff_max.as_secs())
    };
    assert_eq!(pauses(""), (15, 300));
    assert_eq!(pauses("backoff_min = 400.0"), (400, 400));
    assert_eq!(pauses("backoff_max = 5.0"), (5, 5));
}

#[test]
fn a_file_without_end_is_not_read() {
    let mut given = Given::default();
    given.options.config = Some("/dev/zero".into());
    assert!(given.complete().unwrap_err().to_string().contains("more than"));
}

#[test]
fn a_variable_that_is_no_setting_is_an_error() {
    let names = |n: &str| vec![n.to_owned()].into_iter();
    assert!(check_environment(names("TWSMUX_UPSTREAM")).is_ok());
    assert!(check_environment(names("HOME")).is_ok());
    let error = check_environment(names("TWSMUX_UPSTRAEM")).unwrap_err().to_string();
    assert!(error.contains("TWSMUX_UPSTRAEM"), "{error}");
}

#[test]
fn the_table_has_every_setting_with_its_flag_and_variable_and_no_other() {
    let command = Options::augment_args(Command::new("run"));
    let declared: BTreeSet<_> = command
        .get_arguments()
        .filter(|a| !matches!(a.get_id().as_str(), "config" | "die"))
        .map(|a| {
            let variable = a.get_env().and_then(|v| v.to_str()).unwrap_or_default().to_owned();
            (a.get_id().to_string(), format!("--{}", a.get_long().unwrap_or_default()), variable)
        })
        .collect();
    let listed: BTreeSet<_> = settings::ALL
        .iter()
        .filter(|s| s.key != settings::CLIENT)
        .map(|s| (s.key.to_owned(), s.flag(), s.variable()))
        .collect();
    assert_eq!(declared, listed);
}

#[test]
fn the_defaults_are_those_of_the_table_and_of_the_help() {
    let command = Options::augment_args(Command::new("run"));
    let rows = settings::rows(&Options::default());
    for (setting, key, value) in rows {
        if key != "state_dir" {
            assert_eq!(setting.default, value, "{key}");
        }
        let help = command.get_arguments().find(|a| a.get_id() == setting.key).unwrap();
        let help = help.get_help().unwrap().to_string();
        if key != "state_dir" {
            let plain = value.trim_matches(['[', ']', '"']).trim_end_matches(".0");
            let plain = if plain.is_empty() { "none" } else { plain };
            assert!(help.contains(&format!("[default: {plain}")), "{key}: {help}");
        }
    }
}

#[test]
fn each_value_is_shown_with_its_source_and_reads_as_toml() {
    let text = "backoff_max = 20.0\nbackoff_min = 2.0\n[client.7]\nmaster = true\n";
    let effective = Case::new(text, &["--backoff-max", "30"]).given().complete().unwrap();
    let lines: Vec<String> = effective.lines.iter().map(ToString::to_string).collect();
    let starts = |words: &str| {
        lines.iter().find(|line| line.starts_with(words)).unwrap_or_else(|| panic!("{lines:?}"))
    };
    assert!(starts("backoff_max").ends_with("= 30.0  # flag --backoff-max"));
    assert!(
        starts("backoff_min").contains("= 2.0  # file ") && starts("backoff_min").ends_with("twsmux.toml:2")
    );
    assert!(starts("handshake_time").ends_with("= 60.0  # default"));
    assert!(starts("client.7.master").ends_with("twsmux.toml:4"));
    assert!(starts("client.7.cancel_foreign").ends_with("= false  # default"));
    let again = from_file(&lines.join("\n")).unwrap();
    let values = |e: &Effective| e.lines.iter().map(|l| (l.key.clone(), l.value.clone())).collect::<Vec<_>>();
    assert_eq!(values(&again), values(&effective), "what is printed can be a file");
}

#[test]
fn a_second_reading_tells_what_is_applied_and_what_needs_a_restart() {
    let case = Case::new(
        "backoff_min = 1.0\nadmin = \"127.0.0.1:1\"\n[client.7]\nmaster = true\n",
        &["--max-clients", "9"],
    );
    let mut live = case.live();
    let change = live.reload().unwrap();
    assert!(change.applied.is_empty() && change.restart.is_empty(), "{change:?}");
    case.write("backoff_min = 2.0\nadmin = \"127.0.0.1:2\"\nmax_clients = 5\n[client.7]\nmaster = false\n[client.8]\n");
    for applied in
        [&["backoff_min = 2.0 (was 1.0)", "client.7.master = false (was true)", "[client.8] is new"][..], &[]]
    {
        let change = live.reload().unwrap();
        assert_eq!(change.applied, applied);
        assert_eq!(
            change.restart,
            ["admin = \"127.0.0.1:2\" (was \"127.0.0.1:1\")"],
            "as long as it runs with the old one"
        );
        assert_eq!(change.options.core().max_clients, 9, "the flag stays on top");
    }
    case.write("backoff_min = 2.0\nadmin = \"127.0.0.1:1\"\n[client.7]\n");
    let change = live.reload().unwrap();
    assert_eq!(change.applied, ["[client.8] is gone"]);
    assert!(change.restart.is_empty(), "{change:?}");
}

#[test]
fn a_second_reading_does_not_uncover_a_listener_that_is_open() {
    let case = Case::new("listen = [\"0.0.0.0:1\"]\nallow = [\"10.0.0.0/8\"]\n", &[]);
    let mut live = case.live();
    // What the file asks for would be fine, what runs would not.
    case.write("listen = [\"127.0.0.1:1\"]\n");
    let error = live.reload().unwrap_err().to_string();
    assert!(error.contains("the listeners that are open") && error.contains("`allow`"), "{error}");
    case.write("listen = [\"127.0.0.1:1\"]\nallow = [\"10.1.0.0/16\"]\n");
    assert_eq!(live.reload().unwrap().applied.len(), 1);
}

#[test]
fn a_second_reading_with_a_mistake_changes_nothing() {
    let case = Case::new("backoff_min = 1.0\n", &[]);
    let mut live = case.live();
    case.write("backoff_min = 2.0\nbackoff_mux = 2.0\n");
    let error = live.reload().unwrap_err().to_string();
    assert!(error.contains("line 2, key backoff_mux"), "{error}");
    case.write("backoff_min = 1.0\n");
    assert!(live.reload().unwrap().applied.is_empty(), "1.0 is still what runs");
}

#[test]
fn the_page_has_the_table() {
    let page = include_str!("../../docs/configuration.md");
    let table = settings::page();
    assert!(page.contains(&table), "docs/configuration.md must have this table:\n{table}");
    for line in
        from_file("[client.7]\n").unwrap().lines.iter().filter(|line| line.key.starts_with("client.7."))
    {
        let policy = line.key.trim_start_matches("client.7.");
        let row = page.lines().find(|row| row.starts_with(&format!("| `{policy}` |")));
        let row = row.unwrap_or_else(|| panic!("{policy} is not in docs/configuration.md"));
        assert!(row.contains(&format!("| `{}` |", line.value)), "its default is {}: {row}", line.value);
    }
}

/// What the core applies is what the table says that is applied.
#[test]
fn the_core_applies_what_the_table_says() {
    use crate::core::{
        Core,
        io::{Actions, Input},
    };
    use crate::time::Time;
    let text = "upstream = \"127.0.0.1:1\"\nlisten = [\"127.0.0.1:1\", \"unix:/x/api.sock\"]\nallow = [\"10.0.0.0/8\"]\ntls_cert = \"\"\ntls_key = \"\"\ntls_client_ca = \"\"\ntls_client_names = []\nsocket_mode = \"0660\"\nadmin = \"127.0.0.1:1\"\nadmin_socket = \"/x/admin.sock\"\nadmin_token_file = \"\"\nstate_dir = \"/x\"\n\
                upstream_client_id = 5\nmax_server_version = 150\nmessages_per_second = 5\nduplicate_client = \"replace\"\nhistorical_pacing = \"off\"\nkill_switch = true\n\
                us_stock_sizes = \"as-sent\"\nupstream_close = \"graceful\"\nbackoff_min = 5.0\nbackoff_max = 6.0\n\
                handshake_time = 5.0\nmax_clients = 5\nmax_requests_per_client = 5\nmax_queued_per_client = 6\n\
                max_outbox_bytes = 2000000\nconflate_above_bytes = 5000\nslow_client_time = 5.0\norder_wait = 7.0\nrequest_wait = 10.0\ndrain_time = 8.0\n\
                idle_client_time = 11.0\nline_grace = 9.0\nrepeat_time = 0.0\ncapture = \"/x/a.cap\"\ncapture_limit = 70000\ncapture_mask = true\n[client.7]\nmaster = true\n";
    let new = from_file(text).unwrap();
    for line in &new.lines {
        // Each value has come back as it stands there, so none was mistaken for another.
        let as_given = text.contains(&format!("{} = {}\n", line.key, line.value));
        assert!(as_given || line.key.starts_with("client.7."), "{line}: the test leaves it out");
    }
    let json = serde_json::to_string(&new.options.core()).unwrap();
    let again: crate::core::Config = serde_json::from_str(&json).unwrap();
    assert_eq!(
        format!("{again:?}"),
        format!("{:?}", new.options.core()),
        "a capture has all that the core reads"
    );
    let (old, new) = (Options::default().core(), new.options.core());
    let mut core = Core::new(old.clone());
    core.handle(Time::ZERO, Input::Reconfigure { config: &new }, &mut Actions::default());
    let (old, new, now) = (fields(&old), fields(&new), fields(core.config()));
    // What the core keeps under another name; all of the limits are applied.
    let field = |key| match key {
        "client" => "policies",
        "max_requests_per_client"
        | "max_queued_per_client"
        | "max_outbox_bytes"
        | "conflate_above_bytes"
        | "slow_client_time"
        | "order_wait"
        | "request_wait"
        | "drain_time" => "limits",
        _ => key,
    };
    for (setting, field) in settings::ALL.iter().map(|s| (s, field(s.key))) {
        let Some(at) = old.iter().position(|(name, _)| name == field) else { continue };
        assert_ne!(old[at], new[at], "{field}: the test changes it");
        let expected = if matches!(setting.reload, Reload::Applied(_)) { &new[at] } else { &old[at] };
        assert_eq!(&now[at], expected, "{field}");
    }
}

/// The fields of the core's settings, by name, as they print themselves.
fn fields(config: &crate::core::Config) -> Vec<(String, String)> {
    let shown = format!("{config:#?}");
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in shown.lines() {
        match line.strip_prefix("    ").filter(|rest| !rest.starts_with([' ', '}', ')'])) {
            Some(rest) => {
                let (name, value) = rest.split_once(": ").unwrap_or((rest, ""));
                fields.push((name.to_owned(), value.to_owned()));
            }
            None => fields.iter_mut().last().map_or((), |(_, value)| value.push_str(line)),
        }
    }
    fields
}
