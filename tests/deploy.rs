//! What people paste from deploy/ and the docs is true of this version: every metric, label, flag, variable and port in it
//! exists. `./dev deploy` has other programs look at the same files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use twsmux::config::settings;
use twsmux::telemetry::names::{self, Kind, Metric};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All documents of a YAML file.
fn yaml(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).iter().map(text).collect()
}

// ---- command lines ----

/// Asserts that the command line, without the program, is one of twsmux's.
fn is_accepted(place: &str, arguments: &[&str]) {
    let words = ["twsmux"].iter().chain(arguments);
    match twsmux::cli::command().try_get_matches_from(words) {
        Ok(_) => {}
        Err(e) if !e.use_stderr() => {} // help
        Err(e) => panic!("{place}: twsmux {}: {e}", arguments.join(" ")),
    }
}

/// Asserts that `run` would start with these arguments and variables.
fn is_right(place: &str, arguments: &[&str], variables: &[(String, String)]) {
    is_accepted(place, arguments);
    let (run, rest) = arguments.split_first().expect("a subcommand");
    assert_eq!(*run, "run", "{place}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let empty = file.path().display().to_string();
    // The file named there is the reader's own.
    let at = rest.iter().position(|word| *word == "--config").map(|at| at + 1);
    let rest = rest.iter().enumerate().map(|(i, word)| if Some(i) == at { &empty } else { *word });
    let output = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["config", "check"])
        .args(rest)
        .envs(variables.iter().cloned())
        .output()
        .unwrap();
    assert!(output.status.success(), "{place}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Every variable that some subcommand reads.
fn variables() -> BTreeSet<String> {
    fn collect(command: &clap::Command, into: &mut BTreeSet<String>) {
        into.extend(
            command.get_arguments().filter_map(|a| Some(a.get_env()?.to_string_lossy().into_owned())),
        );
        command.get_subcommands().for_each(|c| collect(c, into));
    }
    let mut all = BTreeSet::from(["TWSMUX_LOG".to_owned()]);
    collect(&twsmux::cli::command(), &mut all);
    let of_settings =
        settings::ALL.iter().filter(|s| s.key != settings::CLIENT).map(settings::Setting::variable);
    for variable in of_settings {
        assert!(all.contains(&variable), "{variable}");
    }
    all
}

/// Asserts that each `TWSMUX_...` in a text is a variable that is read.
fn names_known_variables(place: &str, text: &str) {
    let known = variables();
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    for word in text.split(|c| !is_name(c)).filter(|w| w.starts_with("TWSMUX_") && w.len() > 7) {
        assert!(known.contains(word), "{place}: nothing reads {word}");
    }
}

// ---- metrics ----

/// A metric as an expression names it: its declaration, and the labels that are chosen by.
struct Named {
    metric: Metric,
    chosen: Vec<(String, String)>,
}

/// The metrics of an expression.
fn metrics_in(place: &str, expression: &str) -> Vec<Named> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("twsmux_") {
        rest = &rest[at..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let known = |name: &str| names::ALL.iter().find(|m| m.name == name).copied();
        let series = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s));
        let metric = known(name)
            .filter(|m| m.kind != Kind::Histogram)
            .or_else(|| series.and_then(known).filter(|m| m.kind == Kind::Histogram));
        let metric = metric.unwrap_or_else(|| panic!("{place}: there is no {name} in {expression}"));
        let chosen = after.strip_prefix('{').and_then(|a| a.split_once('}')).map_or("", |(inside, _)| inside);
        let chosen = chosen.split(',').filter(|c| !c.is_empty()).map(|c| {
            let (label, value) = c.split_once('=').unwrap_or_else(|| panic!("{place}: {c}"));
            (
                label.trim_end_matches('!').to_owned(),
                value.trim_start_matches('~').trim_matches('"').to_owned(),
            )
        });
        found.push(Named { metric, chosen: chosen.collect() });
        rest = after;
    }
    found
}

/// Asserts that all metrics, labels and label values of an expression exist.
fn uses_what_exists(place: &str, expression: &str) {
    let found = metrics_in(place, expression);
    assert!(!found.is_empty(), "{place}: no metric in {expression}");
    let page = read("docs/metrics.md");
    for Named { metric, chosen } in &found {
        for (label, value) in chosen {
            if label == "instance" {
                continue; // the scraper's own
            }
            assert!(metric.labels.contains(&label.as_str()), "{place}: {} has no label {label}", metric.name);
            // A table explains the values of a label at one of the metrics that have it.
            let explained = names::ALL.iter().filter(|m| m.labels.contains(&label.as_str())).any(|m| {
                let row = page.lines().find(|line| line.starts_with(&format!("| `{}`", m.name)));
                row.expect("its row in docs/metrics.md").contains(&format!("`{value}`"))
            });
            assert!(explained, "{place}: {} has no {label}={value:?}", metric.name);
        }
    }
    for by in expression.split("by (").skip(1).filter_map(|rest| rest.split_once(')')) {
        for label in by.0.split(',').map(str::trim) {
            let has = |n: &Named| {
                n.metric.labels.contains(&label) || label == "le" && n.metric.kind == Kind::Histogram
            };
            assert!(found.iter().any(has), "{place}: nothing has the label {label} in {expression}");
        }
    }
}

#[test]
fn alerts_use_metrics_that_exist() {
    let file = &yaml("deploy/prometheus/alerts.yml")[0];
    let mut names = BTreeSet::new();
    for group in file["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            let name = text(&rule["alert"]);
            assert!(names.insert(name.to_owned()), "{name} twice");
            uses_what_exists(name, text(&rule["expr"]));
            assert!(["page", "warn"].contains(&text(&rule["labels"]["severity"])), "{name}");
            assert!(
                rule["annotations"]["summary"].is_string() && rule["annotations"]["description"].is_string()
            );
        }
    }
    // Whatever is to be watched has an alert.
    let page = read("docs/metrics.md");
    let (_, watch) = page.split_once("## What to watch").expect("the list");
    let watched: BTreeSet<&str> = metrics_in("what to watch", watch).iter().map(|n| n.metric.name).collect();
    let rules = read("deploy/prometheus/alerts.yml");
    for metric in watched {
        assert!(rules.contains(metric), "no alert for {metric}");
    }
    // The tests of the rules are about rules that are there.
    for test in yaml("deploy/prometheus/alerts_test.yml")[0]["tests"].as_array().unwrap() {
        for case in test["alert_rule_test"].as_array().unwrap() {
            assert!(names.contains(text(&case["alertname"])), "{case}");
        }
        for series in test["input_series"].as_array().unwrap() {
            metrics_in("alerts_test.yml", text(&series["series"]));
        }
    }
}

#[test]
fn the_dashboard_uses_metrics_that_exist() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/twsmux.json")).expect("JSON");
    let mut ids = BTreeSet::new();
    let mut expressions = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = text(&panel["title"]);
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = text(&target["expr"]);
            uses_what_exists(title, expression);
            expressions += 1;
            let legend = text(&target["legendFormat"]);
            for label in legend.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")) {
                let has = |n: &Named| n.metric.labels.contains(&label.0) || label.0 == "instance";
                assert!(metrics_in(title, expression).iter().any(has), "{title}: no label {}", label.0);
            }
        }
        let (at, width) = (&panel["gridPos"]["x"], &panel["gridPos"]["w"]);
        assert!(at.as_u64().unwrap() + width.as_u64().unwrap() <= 24, "{title}: beyond the right edge");
    }
    assert!(expressions > 20);
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            metrics_in("templating", text(&variable["definition"]));
        }
    }
}

#[test]
fn a_metric_that_does_not_exist_would_be_found() {
    for wrong in [
        "twsmux_upstream_upp == 0",
        "twsmux_queue_wait_seconds > 1",
        "rate(twsmux_clients_bucket[5m])",
        "twsmux_clients{reason=\"slow\"}",
        "increase(twsmux_upstream_connects_total{result=\"good\"}[1h])",
        "sum by (reason) (twsmux_clients)",
        "up == 0",
    ] {
        let found = std::panic::catch_unwind(|| uses_what_exists("here", wrong));
        assert!(found.is_err(), "{wrong}");
    }
}

// ---- the service ----

/// The values of a key of a unit.
fn unit_values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_unit_starts_what_exists() {
    let unit = read("deploy/systemd/twsmux.service");
    let one = |key: &str| {
        let values = unit_values(&unit, key);
        assert_eq!(values.len(), 1, "{key}");
        values[0]
    };
    let words = |line: &'static str| -> Vec<&str> {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("/usr/local/bin/twsmux"));
        words.collect()
    };
    let start: &'static str = Box::leak(one("ExecStart").to_owned().into_boxed_str());
    let before: &'static str = Box::leak(one("ExecStartPre").to_owned().into_boxed_str());
    is_right("ExecStart", &words(start), &[]);
    is_accepted("ExecStartPre", &words(before));
    assert!(start.contains("--state-dir /var/lib/twsmux") && one("StateDirectory") == "twsmux");
    assert!(start.contains("--config /etc/twsmux/") && one("ConfigurationDirectory") == "twsmux");
    assert_eq!(one("Type"), "notify");
    assert!(one("WatchdogSec").parse::<u32>().unwrap() >= 10);
    assert_eq!(one("Restart"), "on-failure");
    // More than the time to send what waits, which is 3 s.
    assert!(one("TimeoutStopSec").parse::<f64>().unwrap() > 10.0);
    assert!(one("RestrictAddressFamilies").split(' ').any(|family| family == "AF_UNIX"), "the notify socket");
    // Nobody but twsmux holds its sockets, and the kernel's table of them can be read.
    for key in ["Sockets", "FileDescriptorStoreMax", "ProcSubset", "OpenFile", "PrivateNetwork"] {
        assert!(unit_values(&unit, key).is_empty(), "{key}");
    }
    assert!(!root().join("deploy/systemd/twsmux.socket").exists());
    names_known_variables("the unit", &unit);
    // The manual shows the same unit.
    let manual = read("docs/operations.md");
    assert!(manual.contains("deploy/systemd/twsmux.service"));
}

// ---- containers ----

/// The JSON list behind an instruction of a Dockerfile.
fn exec_form(line: &str) -> Vec<String> {
    let at = line.find('[').unwrap_or_else(|| panic!("not in exec form: {line}"));
    serde_json::from_str(&line[at..]).unwrap_or_else(|e| panic!("{line}: {e}"))
}

/// The instructions of the Dockerfile, one a line.
fn instructions() -> Vec<String> {
    let file = read("deploy/docker/Dockerfile").replace("\\\n", " ");
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_image_runs_what_exists() {
    let lines = instructions();
    let last =
        |word: &str| lines.iter().rfind(|l| l.starts_with(word)).unwrap_or_else(|| panic!("no {word}"));
    let entry = exec_form(last("ENTRYPOINT"));
    let command = exec_form(last("CMD"));
    assert_eq!(entry, ["/usr/local/bin/twsmux"]);
    let variables: Vec<(String, String)> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("ENV ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    is_right("CMD", &command, &variables);
    let health = exec_form(last("HEALTHCHECK"));
    assert_eq!(health[0], entry[0]);
    is_accepted("HEALTHCHECK", &health[1..].iter().map(String::as_str).collect::<Vec<_>>());
    assert!(last("USER").starts_with("USER 65532"), "not root");
    names_known_variables("the Dockerfile", &read("deploy/docker/Dockerfile"));
    let toolchain: toml::Table = toml::from_str(&read("rust-toolchain.toml")).unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    assert!(lines[0].starts_with(&format!("FROM rust:{channel}-")), "{} and {channel}", lines[0]);
}

#[test]
fn the_image_is_built_from_what_is_there() {
    let ignore = read("deploy/docker/Dockerfile.dockerignore");
    let let_through: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut copied = BTreeSet::new();
    for line in instructions() {
        let Some(files) = line.strip_prefix("COPY ").filter(|l| !l.contains("--from")) else { continue };
        let files: Vec<&str> = files.split(' ').collect();
        copied.extend(files[..files.len() - 1].iter().map(|f| (*f).to_owned()));
    }
    for file in &copied {
        assert!(root().join(file).exists(), "{file}");
        assert!(let_through.contains(&file.as_str()), "{file} is ignored");
    }
    assert_eq!(copied.len(), let_through.len(), "{let_through:?}");
    // What Cargo.toml names must be there, or cargo does not begin.
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    for (kind, folder) in [("bench", "benches"), ("test", "tests"), ("example", "examples")] {
        for target in manifest.get(kind).and_then(toml::Value::as_array).into_iter().flatten() {
            let name = target["name"].as_str().unwrap();
            let there = [folder.to_owned(), format!("{folder}/{name}.rs")].iter().any(|f| copied.contains(f));
            assert!(there, "{kind} {name}");
        }
    }
    assert!(copied.contains("build.rs") && copied.contains("layout"), "what builds it, and what that reads");
}

/// `${NAME:-value}` as its value, and `${NAME:?why}` as a word.
fn substituted(text: &str) -> String {
    match text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) {
        Some(inside) => inside.split_once(":-").map_or("given", |(_, default)| default).to_owned(),
        None => text.to_owned(),
    }
}

#[test]
fn the_compose_file_puts_twsmux_in_place_of_socat() {
    let file = &yaml("deploy/docker/compose.yaml")[0];
    let services = &file["services"];
    for service in ["ib-gateway", "twsmux", "strategy"] {
        assert_eq!(services[service]["network_mode"], "service:net", "{service}");
        assert!(services[service].get("ports").is_none(), "ports go where the namespace is");
    }
    let twsmux = &services["twsmux"];
    let variables: Vec<(String, String)> = twsmux["environment"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), substituted(text(value))))
        .collect();
    is_right("compose", &texts(&twsmux["command"]), &variables);
    names_known_variables("compose", &read("deploy/docker/compose.yaml"));
    // The ports of the Gateway and of its socat are published nowhere.
    for port in texts(&services["net"]["ports"]) {
        assert!(port.starts_with("127.0.0.1:"), "{port}");
        for inside in ["4001", "4002", "4003", "4004", "4010", "9410"] {
            assert!(!port.contains(inside), "{port}");
        }
    }
    let mounts = texts(&services["ib-gateway"]["volumes"]);
    let (script, _) = mounts[0].split_once(':').unwrap();
    assert!(root().join("deploy/docker").join(script).exists(), "{script}");
    let build = &twsmux["build"];
    assert_eq!((text(&build["context"]), text(&build["dockerfile"])), ("../..", "deploy/docker/Dockerfile"));
    assert_eq!(services["strategy"]["environment"]["IB_PORT"], "4010");
    // The volume is mounted where the image keeps its state.
    assert!(instructions().contains(&"ENV TWSMUX_STATE_DIR=/var/lib/twsmux".to_owned()));
    assert_eq!(texts(&twsmux["volumes"]), ["state:/var/lib/twsmux"]);
}

#[test]
fn the_pod_has_twsmux_as_its_sidecar() {
    let documents = yaml("deploy/kubernetes/ib-gateway.yaml");
    let of = |kind: &str| documents.iter().find(|d| d["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let pod = &of("StatefulSet")["spec"]["template"]["spec"];
    assert_eq!(of("StatefulSet")["spec"]["replicas"], 1);
    let twsmux = &pod["initContainers"][0];
    assert_eq!((text(&twsmux["name"]), text(&twsmux["restartPolicy"])), ("twsmux", "Always"));
    assert_eq!(text(&twsmux["image"]), concat!("twsmux:", env!("CARGO_PKG_VERSION")));
    is_right("args", &texts(&twsmux["args"]), &[]);
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let command = texts(&twsmux[probe]["exec"]["command"]);
        assert_eq!(command[0], "twsmux");
        is_accepted(probe, &command[1..]);
        // The probe must not be ended before its own patience is, or its words are lost.
        let at = command.iter().position(|w| *w == "--timeout").unwrap();
        let patience: f64 = command[at + 1].parse().unwrap();
        assert!(patience < twsmux[probe]["timeoutSeconds"].as_f64().unwrap(), "{probe}");
    }
    assert_eq!(pod["enableServiceLinks"], false, "they would be taken for settings");
    assert_eq!(of("ConfigMap")["data"]["run_socat.sh"], read("deploy/docker/no-socat.sh"));
    let user = twsmux["securityContext"]["runAsUser"].to_string();
    assert!(instructions().iter().any(|line| line.starts_with(&format!("USER {user}:"))), "{user}");
    let variables = read("deploy/kubernetes/ib-gateway.yaml").replace("TWSMUX_*", "");
    names_known_variables("the manifest", &variables);
}

// ---- the docs ----

/// The lines of the code blocks of a page that are shell.
fn shell_lines(page: &str) -> Vec<String> {
    let mut block = None;
    let mut lines = Vec::new();
    for line in page.lines() {
        match (line.trim().strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(kind), None) => block = Some(["console", "sh", "bash", "", "text"].contains(&kind)),
            (None, Some(true)) => lines.push(line.to_owned()),
            (None, _) => {}
        }
    }
    lines
}

#[test]
fn command_lines_in_the_docs_are_accepted() {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.push(root().join("README.md"));
    let mut count = 0;
    for page in pages {
        let text = read(&page);
        for line in shell_lines(&text) {
            let line = line.trim_start().trim_start_matches("$ ");
            let Some(command) = line.strip_prefix("twsmux ") else { continue };
            // Without remarks, pipes and redirections.
            let command = command.split(" #").next().unwrap().split(['|', '>', ';', '&']).next().unwrap();
            if command.contains("...") || command.trim().starts_with(':') {
                continue;
            }
            is_accepted(&page.display().to_string(), &command.split_whitespace().collect::<Vec<_>>());
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
}

/// The rows of a page's tables under a heading, as cells.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let lines = page.lines().skip_while(|l| l.trim_start_matches('#').trim() != heading).skip(1);
    let table = lines.take_while(|l| !l.starts_with("## ")).filter(|l| l.starts_with("| "));
    table.map(|l| l.trim_matches('|').split(" | ").map(|c| c.trim().to_owned()).collect()).collect()
}

/// All sources below a folder, strings over several lines as one line.
fn sources(folder: &Path, into: &mut String) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => sources(&path, into),
            false => into.extend(read(path).split("\\\n").map(str::trim_start)),
        }
    }
}

#[test]
fn every_reason_for_a_gateway_that_is_away_is_explained_in_its_own_words() {
    let mut joined = String::new();
    sources(&root().join("src/core"), &mut joined);
    let page = read("docs/troubleshooting.md");
    let reasons = rows(&page, "twsmux has no Gateway");
    let reasons = reasons.iter().map(|row| &row[0]).take_while(|reason| !reason.starts_with("exit code"));
    let mut count = 0;
    for reason in reasons.filter(|r| *r != "words") {
        for part in reason.split("...") {
            assert!(joined.contains(part.trim()), "{part:?} of {reason:?} is not said by the core");
        }
        count += 1;
    }
    assert!(count >= 9, "{count}");
}

#[test]
fn every_code_that_twsmux_uses_is_explained() {
    let numbers = |cell: &str| -> Vec<u32> {
        cell.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
    };
    let manual = read("docs/operations.md");
    let used: BTreeSet<u32> =
        rows(&manual, "What twsmux itself says to clients").iter().flat_map(|row| numbers(&row[0])).collect();
    let page = read("docs/troubleshooting.md");
    let explained: BTreeSet<u32> = ["A program cannot connect", "Orders", "Data and requests"]
        .iter()
        .flat_map(|heading| rows(&page, heading))
        .flat_map(|row| numbers(&row[0]))
        .collect();
    let missing: Vec<&u32> = used.difference(&explained).collect();
    assert!(used.len() > 20 && missing.is_empty(), "{missing:?}");
}

#[test]
fn links_in_the_docs_lead_somewhere() {
    for page in std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .chain([root().join("README.md")])
    {
        if page.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            if link.starts_with("http") || link.contains(' ') {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let anchor = |line: &str| {
                    let title = line.trim_start_matches('#').trim().to_lowercase();
                    let kept: String =
                        title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
                    kept.replace(' ', "-")
                };
                let there = read(&target).lines().any(|l| l.starts_with('#') && anchor(l) == heading);
                assert!(there, "{}: no heading for {link}", page.display());
            }
        }
    }
}
