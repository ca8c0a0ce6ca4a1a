//! `twsmux status`: the admin endpoint's `/status`, for people.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::http::{self, Failure};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the status was printed, whether or not the Gateway is there (see `twsmux check` and \
                        /readyz for that); 2 wrong arguments; 3 nothing listens; 5 what answers is no admin endpoint \
                        of twsmux; 6 no answer in time."
)]
pub struct StatusArgs {
    /// Where the admin endpoint listens: its port, or its socket.
    #[arg(long, env = "TWSMUX_ADMIN", value_name = "HOST:PORT|unix:PATH", default_value = "127.0.0.1:9410")]
    admin: String,
    /// Print the JSON as it came.
    #[arg(long)]
    json: bool,
    /// Patience, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    timeout: f64,
}

impl StatusArgs {
    /// For the endpoint at an address, with the usual patience.
    pub(super) fn at(admin: &str) -> Self {
        StatusArgs::within(admin, 5.0)
    }

    /// For the endpoint at an address, with a patience in seconds.
    pub(super) fn within(admin: &str, timeout: f64) -> Self {
        StatusArgs { admin: admin.into(), json: false, timeout }
    }
}

/// Runs `status`.
pub fn run(args: &StatusArgs) -> ExitCode {
    let printed = fetch(args).and_then(|body| {
        let status = parse(&args.admin, &body)?;
        let text = if args.json { body } else { page(&status, None) };
        // A reader that has seen enough (`| head`) is no failure.
        let _ = std::io::stdout().write_all(format!("{}\n", text.trim_end()).as_bytes());
        Ok(())
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, words)) => super::fail(code, words),
    }
}

/// The status at this moment.
///
/// # Errors
/// Exit code and words.
pub(super) fn picture(args: &StatusArgs) -> Result<Value, Failure> {
    parse(&args.admin, &fetch(args)?)
}

fn fetch(args: &StatusArgs) -> Result<String, Failure> {
    let name = &args.admin;
    let answer = http::exchange(name, args.timeout, &http::Request::get("/status"))?;
    match answer.code {
        200 => Ok(answer.body),
        _ => Err((
            5,
            format!(
                "{name} is no admin endpoint of twsmux: it says {}: {}",
                answer.status,
                answer.first_line()
            ),
        )),
    }
}

fn parse(name: &str, body: &str) -> Result<Value, Failure> {
    match serde_json::from_str::<Value>(body) {
        Ok(status) if status.get("upstream").is_some() => Ok(status),
        _ => Err((5, format!("{name} is no admin endpoint of twsmux: its /status is something else"))),
    }
}

// ---- the page ----

/// The status as text, with rates if there is an earlier one. What is missing shows as `-`, so that another version's status
/// is readable too.
pub(super) fn page(status: &Value, before: Option<&Value>) -> String {
    let mut out = String::new();
    upstream(&status["upstream"], &mut out);
    let count = |name: &str| shown(&status[name]);
    let _ = writeln!(
        out,
        "now       {} requests, {} queued, {} waiting for another's answer, {} orders live, {} known",
        count("requests"),
        count("queued"),
        count("lane_waiters"),
        count("live_orders"),
        count("orders")
    );
    let most =
        status["messages_per_second"].as_u64().map_or("no limit".into(), |n| format!("at most {n} now"));
    let _ = writeln!(out, "pacer     {} messages left in the last second, {most}", count("sent_last_second"));
    for queue in status["queues"].as_array().into_iter().flatten().filter(|q| q["waiting"] != 0) {
        let _ = writeln!(
            out,
            "queue     {} {}, the first for {} s",
            shown(&queue["waiting"]),
            shown(&queue["class"]).replace('_', " "),
            decimals(&queue["oldest_seconds"], 1.0, 1)
        );
    }
    if status["kill_switch"] == true {
        out.push_str("KILL SWITCH: no new orders and no modifications leave\n");
    }
    if status["draining"] == true {
        out.push_str("DRAINING: no new clients are taken in\n");
    }
    for key in status["config"]["changed_by_hand"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "BY HAND   {}", shown(key));
    }
    if status["held"].as_u64().unwrap_or(0) > 0 {
        let _ = writeln!(out, "held      {} by IB's rules on historical data", shown(&status["held"]));
    }
    let _ = writeln!(
        out,
        "version   twsmux {}, picture {} s old",
        count("version"),
        decimals(&status["age_seconds"], 1.0, 1)
    );
    config(&status["config"], &mut out);
    clients(status, before, &mut out);
    owners(status, &mut out);
    errors(&status["errors"], &mut out);
    history(&status["upstream"]["history"], &mut out);
    streams(&status["streams"], &mut out);
    lines(status, &mut out);
    totals(&status["totals"], &mut out);
    out
}

fn config(config: &Value, out: &mut String) {
    let file = config["file"].as_str().map_or("no file".into(), clean);
    let _ = writeln!(out, "settings  {file}, read {}", shown(&config["loaded_at"]));
    if let Some(error) = config["error"].as_str() {
        let _ = writeln!(out, "          NOT READ AGAIN: {}", clean(error));
    }
    for setting in config["restart_needed"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "          needs a restart: {}", shown(setting));
    }
}

fn upstream(up: &Value, out: &mut String) {
    let ready = up["ready"].as_bool() == Some(true);
    let state = if ready { "ready".into() } else { format!("NOT READY ({})", shown(&up["state"])) };
    let _ = writeln!(out, "gateway   {} {state}", shown(&up["gateway"]));
    if !ready {
        trouble(up, out);
    }
    let _ = writeln!(
        out,
        "          accounts {}, server version {}, client id {}",
        shown(&up["accounts"]),
        shown(&up["server_version"]),
        shown(&up["client_id"])
    );
    let _ = writeln!(
        out,
        "          round trip {} ms, {} sockets in CLOSE_WAIT, {} times ready",
        decimals(&up["round_trip_seconds"], 1000.0, 1),
        up["close_wait"].as_u64().map_or("unknown".into(), |n| n.to_string()),
        shown(&up["times_ready"])
    );
}

/// What is the matter and what to do about it; the plain diagnosis while nothing is known to be.
fn trouble(up: &Value, out: &mut String) {
    let trouble = &up["trouble"];
    if !trouble.is_object() {
        let _ = writeln!(out, "          {}", shown(&up["diagnosis"]));
        return;
    }
    let since = decimals(&trouble["since_seconds"], 1.0, 0);
    let _ =
        writeln!(out, "trouble   {}, for {since} s: {}", shown(&trouble["case"]), shown(&trouble["seen"]));
    let _ = writeln!(out, "          usually: {}", shown(&trouble["means"]));
    for (number, step) in trouble["steps"].as_array().into_iter().flatten().enumerate() {
        let _ = writeln!(out, "          {}. {}", number + 1, shown(step));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[][..], Vec::as_slice)
}

/// Frames a second from and to a client since an earlier status.
fn rates(client: &Value, status: &Value, before: &Value) -> [String; 2] {
    let passed = status["uptime_seconds"].as_f64().zip(before["uptime_seconds"].as_f64()).map(|(a, b)| a - b);
    let earlier = list(&before["clients"]).iter().find(|c| c["key"] == client["key"]);
    ["frames_received", "frames_sent"].map(|name| {
        let frames = earlier.and_then(|e| Some(client[name].as_f64()? - e[name].as_f64()?));
        let rate = frames.zip(passed).filter(|(_, passed)| *passed > 0.0).map(|(n, passed)| n / passed);
        rate.map_or("-".into(), |rate| format!("{rate:.1}"))
    })
}

fn clients(status: &Value, before: Option<&Value>, out: &mut String) {
    let clients = list(&status["clients"]);
    let head = [
        "client",
        "id",
        "name",
        "peer",
        "phase",
        "version",
        "seconds",
        "requests",
        "queued",
        "unsent",
        "conflated",
        "received",
        "sent",
        if before.is_some() { "in/s" } else { "" },
        if before.is_some() { "out/s" } else { "" },
        "holds",
    ];
    let head: Vec<&str> = head.into_iter().filter(|name| !name.is_empty()).collect();
    let holds = |c: &Value| {
        let kinds = list(&c["holds"]).iter();
        let requests = kinds.map(|h| format!("{} {}", shown(&h["count"]), shown(&h["message"])));
        let is_in = |stream: &&Value| list(&stream["sharers"]).contains(&c["client_id"]);
        let streams = list(&status["streams"]).iter().filter(is_in).map(|stream| shown(&stream["stream"]));
        requests.chain(streams).collect::<Vec<_>>().join(", ")
    };
    let rows = clients.iter().map(|c| {
        let mut row = vec![
            shown(&c["key"]),
            shown(&c["client_id"]),
            shown(&c["certificate"]),
            shown(&c["peer"]),
            shown(&c["phase"]),
            shown(&c["server_version"]),
            decimals(&c["connected_seconds"], 1.0, 0),
            shown(&c["requests"]),
            shown(&c["queued"]),
            shown(&c["outbox_bytes"]),
            shown(&c["conflated"]),
            shown(&c["frames_received"]),
            shown(&c["frames_sent"]),
        ];
        row.extend(before.into_iter().flat_map(|before| rates(c, status, before)));
        row.push(holds(c));
        row
    });
    let _ = writeln!(out, "\nclients: {}", clients.len());
    table(&head, rows.collect(), out);
}

/// Whose the orders are.
fn owners(status: &Value, out: &mut String) {
    let rows = list(&status["owners"])
        .iter()
        .map(|o| vec![shown(&o["client_id"]), shown(&o["live"]), shown(&o["orders"]), shown(&o["kept"])]);
    let _ = writeln!(out, "\norders by client id: {}", shown(&status["owners_total"]));
    table(&["id", "live", "known", "kept for it"], rows.collect(), out);
}

fn errors(errors: &Value, out: &mut String) {
    let rows = list(errors).iter().map(|e| {
        let to = list(&e["to"]).iter().map(shown).collect::<Vec<_>>().join(" ");
        let words = e["words"].as_str().filter(|words| !words.is_empty());
        let words = words.map_or("about an order; its owner was told".into(), clean);
        vec![shown(&e["at"]), shown(&e["code"]), shown(&e["times"]), shown(&e["origin"]), to, words]
    });
    let _ = writeln!(out, "\nrecent errors: {}", list(errors).len());
    table(&["last", "code", "times", "by", "to", "words"], rows.collect(), out);
}

/// How the upstream went.
fn history(history: &Value, out: &mut String) {
    let rows = list(history)
        .iter()
        .map(|t| vec![shown(&t["at"]), shown(&t["state"]), shown(&t["times"]), shown(&t["words"])]);
    let _ = writeln!(out, "\nhow the Gateway was");
    table(&["since", "state", "times", "words"], rows.collect(), out);
}

fn streams(streams: &Value, out: &mut String) {
    let streams = list(streams);
    let rows = streams
        .iter()
        .map(|s| vec![shown(&s["stream"]), shown(&s["account"]), shown(&s["rows"]), sharers(&s["sharers"])]);
    let _ = writeln!(out, "\nshared streams");
    table(&["stream", "account", "rows", "clients"], rows.collect(), out);
}

/// The lines that clients share, and whose they are.
fn lines(status: &Value, out: &mut String) {
    let lines = list(&status["lines"]);
    let rows = lines.iter().map(|line| {
        vec![
            shown(&line["message"]),
            shown(&line["about"]),
            shown(&line["upstream_id"]),
            shown(&line["rows"]),
            sharers(&line["sharers"]),
        ]
    });
    let _ = writeln!(out, "\nlines: {}", shown(&status["lines_total"]));
    table(&["line", "of", "id", "rows", "clients"], rows.collect(), out);
}

/// The client ids of those who share something.
fn sharers(ids: &Value) -> String {
    const SHOWN: usize = 20;
    let ids = ids.as_array().map_or(&[][..], Vec::as_slice);
    let mut text = ids.iter().take(SHOWN).map(shown).collect::<Vec<_>>().join(" ");
    match ids.len() {
        0 => "nobody".into(),
        n if n > SHOWN => {
            text += &format!(" and {} more", n - SHOWN);
            text
        }
        _ => text,
    }
}

fn totals(totals: &Value, out: &mut String) {
    let _ = writeln!(out, "\nsince the start");
    let rows = totals.as_object().into_iter().flatten();
    table(&[], rows.map(|(name, n)| vec![clean(&name.replace('_', " ")), shown(n)]).collect(), out);
}

/// Columns as wide as their widest cell.
fn table(head: &[&str], rows: Vec<Vec<String>>, out: &mut String) {
    if rows.is_empty() {
        return;
    }
    let head = (!head.is_empty()).then(|| head.iter().map(|cell| (*cell).to_owned()).collect());
    let rows: Vec<Vec<String>> = head.into_iter().chain(rows).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(out, "  {}", line.trim_end());
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

fn decimals(value: &Value, factor: f64, digits: usize) -> String {
    value.as_f64().map_or("-".into(), |n| format!("{:.digits$}", n * factor))
}

/// Without control characters: what a terminal shows must not be able to steer it.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Value {
        serde_json::json!({
            "version": "0.1.0", "age_seconds": 0.25, "requests": 3, "orders": 1, "queued": 6, "held": 2, "lane_waiters": 0,
            "queues": [{"class": "orders", "waiting": 0, "oldest_seconds": 0.0},
                       {"class": "market_data", "waiting": 6, "oldest_seconds": 1.25}],
            "upstream": {
                "gateway": "127.0.0.1:4002", "ready": false, "state": "down", "diagnosis": "nothing listens there",
                "server_version": null, "accounts": null, "client_id": 0, "close_wait": null,
                "round_trip_seconds": null, "times_ready": 0,
                "history": [{"at": "2026-11-23T22:07:40Z", "state": "down", "times": 3, "words": "nothing listens"}]
            },
            "clients": [{
                "key": "1.1", "client_id": 7, "certificate": "strategy-a", "peer": "127.0.0.1:5\u{1b}[2J", "phase": "ready", "server_version": 176,
                "connected_seconds": 12.6, "requests": 2, "queued": 0, "outbox_bytes": 0, "conflated": 4, "frames_received": 5,
                "frames_sent": 6, "holds": [{"message": "reqMktData", "count": 2}]
            }],
            "uptime_seconds": 10.0, "live_orders": 1, "sent_last_second": 7, "messages_per_second": 45,
            "owners": [{"client_id": 7, "live": 1, "orders": 3, "kept": 0}], "owners_total": 1,
            "errors": [{"at": "2026-11-23T22:08:00Z", "code": 201, "times": 2, "origin": "gateway", "to": [7], "words": ""}],
            "streams": [{"stream": "Positions", "account": null, "subscribers": 1, "sharers": [7], "rows": 4}],
            "lines": [{"message": "reqMktData", "about": "AAPL STK", "upstream_id": 1073741824, "sharers": [7, 9], "rows": 12}],
            "lines_total": 1,
            "config": {"file": "/etc/twsmux.toml", "loaded_at": "2026-11-23T22:07:38Z", "error": "line 3 is wrong",
                       "restart_needed": ["admin = 1 (was 2)"]},
            "totals": {"clients": 9}
        })
    }

    #[test]
    fn the_page_says_what_is_wrong_and_who_is_there() {
        let page = page(&status(), None);
        for words in [
            "NOT READY (down)",
            "nothing listens there",
            "unknown sockets in CLOSE_WAIT",
            "queue     6 market data, the first for 1.2 s",
            "held      2 by IB's rules on historical data",
            "clients: 1",
            "Positions",
            "lines: 1",
            "reqMktData  AAPL STK  1073741824  12    7 9",
            "1 orders live, 1 known",
            "7 messages left in the last second, at most 45 now",
            "orders by client id: 1",
            "2026-11-23T22:08:00Z  201   2      gateway  7   about an order; its owner was told",
            "2026-11-23T22:07:40Z  down   3      nothing listens",
            "/etc/twsmux.toml, read 2026-11-23T22:07:38Z",
            "NOT READ AGAIN: line 3 is wrong",
            "needs a restart: admin = 1 (was 2)",
        ] {
            assert!(page.contains(words), "{words} in\n{page}");
        }
        let row = page.lines().find(|line| line.contains("1.1")).unwrap();
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>().join(" "),
            "1.1 7 strategy-a 127.0.0.1:5?[2J ready 176 13 2 0 0 4 5 6 2 reqMktData, Positions"
        );
    }

    #[test]
    fn trouble_is_told_with_what_to_do_about_it() {
        let mut status = status();
        status["upstream"]["trouble"] = serde_json::json!({
            "case": "no_answer", "seen": "not answered", "means": "a login waits", "steps": ["Log in.", "Or\u{7} else."],
            "since_seconds": 61.4, "zombies": null
        });
        let page = page(&status, None);
        for words in [
            "trouble   no_answer, for 61 s: not answered\n",
            "usually: a login waits\n",
            "1. Log in.\n",
            "2. Or? else.\n",
        ] {
            assert!(page.contains(words), "{words} in\n{page}");
        }
        assert!(!page.contains("nothing listens there"), "not the same again in other words");
    }

    #[test]
    fn a_status_of_another_version_is_still_shown() {
        let page = page(&serde_json::json!({"upstream": {"ready": true, "new": 1}}), None);
        assert!(page.contains("ready") && page.contains('-'), "{page}");
    }

    #[test]
    fn rates_are_those_between_two_pictures() {
        let (before, mut now) = (status(), status());
        now["uptime_seconds"] = 12.0.into();
        now["clients"][0]["frames_sent"] = 11.into();
        let page = page(&now, Some(&before));
        let row = page.lines().find(|line| line.contains("1.1")).unwrap();
        assert!(row.ends_with("5         11    0.0   2.5    2 reqMktData, Positions"), "{row}");
        assert!(
            super::page(&before, Some(&before)).contains(" -     -      2 reqMktData, Positions"),
            "no time passed"
        );
    }
}
