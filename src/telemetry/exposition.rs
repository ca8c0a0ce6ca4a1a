//! The Prometheus text of one moment.
//!
//! Owns: which number of the core becomes which metric. May not know: the core itself, sockets, time. Driven by:
//! the admin endpoint, once per scrape; nothing here runs per frame.
//!
//! **A function of what it is given**: each scrape fills a recorder of its own, so that nothing can go stale and what
//! is unknown now is absent now. Histograms are kept by the core as counts by class; the exporter takes only single
//! samples, so their lines are written here.

use std::fmt::Write;

use metrics::{Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::Loaded;
use super::captures;
use super::names::{self, Kind, Metric};
use super::refusals::{self, Refused};
use crate::core::client::Phase;
use crate::core::io::Gone;
use crate::core::stats::{ConnectResult, Drop, Saved, Stats, WAIT_BOUNDS_US, Waits};
use crate::core::trouble;
use crate::core::view::View;
use crate::protocol;
use crate::protocol::model::{Class, Shared};
use crate::shell::control;

/// What is counted outside the core.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Sockets in CLOSE_WAIT on the Gateway's port; absent when the kernel's table does not tell.
    pub close_wait: Option<usize>,
    /// Log lines dropped since the start.
    pub log_lines_dropped: u64,
    /// When the settings were read.
    pub loaded: Loaded,
    /// Connections that were refused.
    pub refused: refusals::Counts,
    /// Commands by what became of them.
    pub commands: control::Counts,
    /// How captures go.
    pub captures: captures::Numbers,
}

/// The media type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics in the text exposition format.
pub fn render(view: &View, beside: &Beside) -> String {
    let sheet = Sheet::new();
    upstream(&sheet, view, beside);
    clients(&sheet, view);
    frames(&sheet, &view.stats);
    work(&sheet, view);
    sheet.set(names::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
    sheet.set(names::CONFIG_LOADED, &[], beside.loaded.loaded_ms as f64 / 1e3);
    sheet.count(names::CONFIG_RELOADS, &["applied"], beside.loaded.applied);
    sheet.count(names::CONFIG_RELOADS, &["rejected"], beside.loaded.rejected);
    sheet.set_known(names::TLS_EXPIRES, beside.loaded.tls_expires.map(|at| at as f64));
    for (why, label) in Refused::ALL {
        sheet.count(names::CONNECTIONS_REFUSED, &[label], beside.refused[why as usize]);
    }
    for (name, counts) in control::NAMES.iter().zip(beside.commands) {
        for (result, count) in ["done", "refused"].into_iter().zip(counts) {
            sheet.count(names::CONTROL_COMMANDS, &[name, result], count);
        }
    }
    sheet.set(names::CAPTURE_RUNNING, &[], f64::from(u8::from(beside.captures.running)));
    sheet.count(names::CAPTURE_BYTES, &[], beside.captures.bytes);
    sheet.count(names::CAPTURE_LEFT_OUT, &[], beside.captures.left_out);
    sheet.count(names::LOG_DROPPED, &[], beside.log_lines_dropped);
    let mut text = sheet.0.handle().render();
    let classes = Class::ALL.iter().zip(&view.stats.queue_waits);
    let waits: Vec<_> = classes.map(|((_, class), waits)| (format!("class=\"{class}\""), waits)).collect();
    histogram(&mut text, names::QUEUE_WAIT, &waits);
    histogram(&mut text, names::JOURNAL_SYNC, &[(String::new(), &view.stats.syncs)]);
    text
}

/// A recorder for one scrape.
struct Sheet(PrometheusRecorder);

const METADATA: Metadata<'static> = Metadata::new("twsmux", Level::INFO, None);

impl Sheet {
    fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        for m in names::ALL {
            let (name, unit, help) = (m.name.into(), Some(m.unit), m.help.into());
            match m.kind {
                Kind::Counter => recorder.describe_counter(name, unit, help),
                Kind::Gauge => recorder.describe_gauge(name, unit, help),
                Kind::Histogram => {}
            }
        }
        Sheet(recorder)
    }

    fn key(metric: Metric, kind: Kind, values: &[&str]) -> Key {
        assert_eq!(
            (metric.kind, metric.labels.len()),
            (kind, values.len()),
            "{} is declared otherwise",
            metric.name
        );
        let labels =
            metric.labels.iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned()));
        Key::from_parts(metric.name, labels.collect::<Vec<_>>())
    }

    fn count(&self, metric: Metric, labels: &[&str], value: u64) {
        self.0.register_counter(&Self::key(metric, Kind::Counter, labels), &METADATA).absolute(value);
    }

    fn set(&self, metric: Metric, labels: &[&str], value: f64) {
        self.0.register_gauge(&Self::key(metric, Kind::Gauge, labels), &METADATA).set(value);
    }

    fn set_known(&self, metric: Metric, value: Option<f64>) {
        if let Some(value) = value {
            self.set(metric, &[], value);
        }
    }
}

fn upstream(sheet: &Sheet, view: &View, beside: &Beside) {
    let (upstream, stats) = (&view.upstream, &view.stats);
    sheet.set(names::UPSTREAM_UP, &[], f64::from(u8::from(upstream.ready)));
    sheet.set_known(names::UPSTREAM_HANDSHAKE, stats.handshake_us.map(seconds));
    sheet.set_known(names::UPSTREAM_ROUND_TRIP, stats.round_trip_us.map(seconds));
    sheet.set_known(names::UPSTREAM_SERVER_VERSION, upstream.server_version.map(f64::from));
    sheet.set_known(names::UPSTREAM_CLOSE_WAIT, beside.close_wait.map(|n| n as f64));
    for row in trouble::TABLE {
        let holds = upstream.trouble.as_ref().is_some_and(|trouble| trouble.case == row.case);
        sheet.set(names::UPSTREAM_TROUBLE, &[row.name], f64::from(u8::from(holds)));
    }
    for (result, label) in ConnectResult::ALL {
        sheet.count(names::UPSTREAM_CONNECTS, &[label], stats.connects[result as usize]);
    }
}

fn clients(sheet: &Sheet, view: &View) {
    for (phase, label) in [
        (Phase::Greeting, "greeting"),
        (Phase::Starting, "starting"),
        (Phase::Held, "held"),
        (Phase::Ready, "ready"),
        (Phase::Closing, "closing"),
    ] {
        let n = view.clients.iter().filter(|c| c.phase == phase).count();
        sheet.set(names::CLIENTS, &[label], n as f64);
    }
    let outbox: usize = view.clients.iter().map(|c| c.outbox_bytes).sum();
    sheet.set(names::OUTBOX, &[], outbox as f64);
    let behind = view.clients.iter().filter(|c| c.waiting > 0).count();
    sheet.set(names::CLIENTS_BEHIND, &[], behind as f64);
    sheet.count(names::CONFLATED, &[], view.stats.conflated);
    sheet.count(names::DEPTH_RESETS, &[], view.stats.depth_resets);
    sheet.count(names::SHED, &[], view.stats.shed);
    sheet.count(names::CLIENT_CONNECTS, &[], view.stats.clients);
    for reason in Gone::ALL {
        sheet.count(names::CLIENT_DISCONNECTS, &[reason.label()], view.stats.gone[reason as usize]);
    }
}

fn frames(sheet: &Sheet, stats: &Stats) {
    received(sheet, "from_gateway", &stats.from_gateway, |id| Some(protocol::response(id)?.message.name));
    received(sheet, "from_clients", &stats.from_clients, |id| Some(protocol::request(id)?.message.name));
    sheet.count(names::FRAMES_SENT, &["to_gateway"], stats.frames_up);
    sheet.count(names::FRAMES_SENT, &["to_clients"], stats.frames_down);
    sheet.count(names::BYTES, &["from_gateway"], stats.bytes_from_gateway);
    sheet.count(names::BYTES, &["from_clients"], stats.bytes_from_clients);
    sheet.count(names::BYTES, &["to_gateway"], stats.bytes_up);
    sheet.count(names::BYTES, &["to_clients"], stats.bytes_down);
    for (reason, label) in Drop::ALL {
        sheet.count(names::FRAMES_DROPPED, &[label], stats.dropped[reason as usize]);
    }
    sheet.count(names::BAD_REQUESTS, &[], stats.bad_requests);
    sheet.count(names::DENIED, &[], stats.denied);
    for (origin, codes) in [("twsmux", &stats.errors), ("gateway", &stats.gateway_errors)] {
        for (code, n) in codes {
            let code = if *code == 0 { "other".to_owned() } else { code.to_string() };
            sheet.count(names::ERRORS, &[origin, &code], *n);
        }
    }
}

fn received(sheet: &Sheet, direction: &str, counts: &[u64], name: fn(u32) -> Option<&'static str>) {
    let mut unknown = 0;
    // Only what has come: some 170 messages exist, and a session uses a score of them.
    for (id, n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        match name(id as u32) {
            Some(name) => sheet.count(names::FRAMES_RECEIVED, &[direction, name], *n),
            None => unknown += n,
        }
    }
    if unknown > 0 {
        sheet.count(names::FRAMES_RECEIVED, &[direction, "unknown"], unknown);
    }
}

fn work(sheet: &Sheet, view: &View) {
    sheet.set(names::REQUESTS, &[], view.requests as f64);
    sheet.set(names::LANE_WAITERS, &[], view.lane_waiters as f64);
    for queue in &view.queues {
        sheet.set(names::QUEUE_DEPTH, &[queue.class], queue.waiting as f64);
    }
    sheet.set(names::KILL_SWITCH, &[], f64::from(u8::from(view.kill_switch)));
    sheet.set(names::DRAINING, &[], f64::from(u8::from(view.draining)));
    sheet.set(names::HELD, &[], view.held as f64);
    sheet.set(names::PACER_LIMIT, &[], view.messages_per_second.map_or(f64::INFINITY, f64::from));
    sheet.set(names::ORDERS, &[], view.orders as f64);
    for of in &view.lines_by_message {
        sheet.set(names::LINES, &[of.message], of.lines as f64);
        sheet.set(names::LINE_SHARERS, &[of.message], of.sharers as f64);
    }
    for (class, label) in Class::ALL {
        sheet.count(names::REQUESTS_EXPIRED, &[label], view.stats.expired[class as usize]);
    }
    for (how, label) in Saved::ALL {
        sheet.count(names::REQUESTS_SAVED, &[label], view.stats.saved[how as usize]);
    }
    sheet.set(names::KEPT_ANSWERS, &[], view.kept_answers as f64);
    sheet.set(names::KEPT_ANSWER_BYTES, &[], view.kept_answer_bytes as f64);
    sheet.set(names::KEPT, &[], view.kept as f64);
    sheet.count(names::ORDERS_UNKNOWN, &[], view.stats.unknown_orders);
    sheet.set(names::JOURNAL_WRITABLE, &[], f64::from(u8::from(view.journal_ok)));
    sheet.count(names::JOURNAL_FAILURES, &[], view.stats.journal_failures);
    sheet.set(names::JOURNAL_BACKLOG, &[], view.journal_backlog as f64);
    for stream in &view.streams {
        let label = match stream.stream {
            Shared::AccountUpdates => "account_updates",
            Shared::Positions => "positions",
            Shared::Bulletins => "bulletins",
        };
        sheet.set(names::STREAM_SUBSCRIBERS, &[label], stream.subscribers as f64);
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// A histogram, for each of its labels.
fn histogram(text: &mut String, metric: Metric, rows: &[(String, &Waits)]) {
    let Metric { name, help, .. } = metric;
    let mut lines = format!("# HELP {name} {help}\n# TYPE {name} histogram\n");
    for (label, waits) in rows {
        let (comma, braces) = match label.is_empty() {
            true => ("", String::new()),
            false => (",", format!("{{{label}}}")),
        };
        let mut count = 0;
        for (bound, n) in WAIT_BOUNDS_US.iter().zip(waits.counts) {
            count += n;
            let _ = writeln!(lines, "{name}_bucket{{{label}{comma}le=\"{}\"}} {count}", seconds(*bound));
        }
        count += waits.counts[WAIT_BOUNDS_US.len()];
        let _ = writeln!(lines, "{name}_bucket{{{label}{comma}le=\"+Inf\"}} {count}");
        let _ = writeln!(lines, "{name}_sum{braces} {}\n{name}_count{braces} {count}", seconds(waits.sum_us));
    }
    text.push_str(&lines);
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::core::view::ClientView;
    use crate::core::{Config, Core};
    use crate::time::Time;

    /// A view in which every number is there and, where it can, differs from the others.
    fn full() -> View {
        let mut view = Core::new(Config::default()).view(Time::ZERO);
        view.upstream.ready = true;
        view.upstream.trouble = Some(trouble_of(trouble::Case::NoAnswer));
        view.upstream.server_version = Some(176);
        view.requests = 3;
        view.orders = 4;
        view.queues[2].waiting = 5;
        view.lane_waiters = 6;
        view.held = 4;
        view.messages_per_second = Some(22);
        for (n, phase) in [Phase::Ready, Phase::Ready, Phase::Held].into_iter().enumerate() {
            view.clients.push(ClientView {
                key: n.to_string(),
                client_id: None,
                certificate: None,
                peer: String::new(),
                phase,
                server_version: 0,
                connected_seconds: 0.0,
                requests: 0,
                holds: Vec::new(),
                queued: 0,
                wants_pacing: false,
                outbox_bytes: 50,
                waiting: n, // the first is not behind
                conflated: 0,
                frames_received: 0,
                frames_sent: 0,
            });
        }
        let stats = &mut view.stats;
        (stats.conflated, stats.depth_resets, stats.shed) = (17, 18, 19);
        stats.from_gateway[1] = 11;
        stats.from_gateway[127] = 12;
        stats.from_clients[1] = 13;
        stats.connects[ConnectResult::Refused as usize] = 14;
        stats.errors.insert(504, 15);
        stats.gateway_errors.insert(0, 16);
        stats.handshake_us = Some(1_500_000);
        stats.round_trip_us = Some(250);
        stats.expired[3] = 17;
        stats.queue_waits[1].counts = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        stats.queue_waits[1].sum_us = 25_000_100;
        view
    }

    fn trouble_of(case: trouble::Case) -> trouble::TroubleView {
        let trouble::Row { means, steps, .. } = *case.row();
        trouble::TroubleView { case, seen: String::new(), means, steps, since_seconds: 1.0, zombies: None }
    }

    fn beside() -> Beside {
        let loaded = Loaded {
            loaded_ms: 1_500_250,
            applied: 9,
            rejected: 10,
            tls_expires: Some(77),
            ..Loaded::default()
        };
        Beside {
            close_wait: Some(7),
            log_lines_dropped: 8,
            loaded,
            refused: std::array::from_fn(|n| 20 + n as u64),
            commands: std::array::from_fn(|n| [60 + n as u64, 80 + n as u64]),
            captures: captures::Numbers { running: true, bytes: 30, left_out: 31 },
        }
    }

    fn series(text: &str) -> BTreeMap<&str, &str> {
        text.lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
            .filter_map(|l| l.rsplit_once(' '))
            .collect()
    }

    #[test]
    fn every_declared_metric_is_exported_and_described() {
        let text = render(&full(), &beside());
        let exported: BTreeSet<_> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")).collect();
        let declared: Vec<_> = names::ALL.iter().map(|m| format!("{} {}", m.name, m.kind.word())).collect();
        assert_eq!(exported, declared.iter().map(String::as_str).collect());
        for m in names::ALL {
            assert!(text.contains(&format!("# HELP {} {}\n", m.name, m.help)), "{}", m.name);
        }
    }

    #[test]
    fn numbers_stand_where_they_belong() {
        let text = render(&full(), &beside());
        let series = series(&text);
        for (name, value) in [
            ("twsmux_upstream_up", "1"),
            ("twsmux_upstream_trouble{case=\"no_answer\"}", "1"),
            ("twsmux_upstream_trouble{case=\"zombies\"}", "0"),
            ("twsmux_upstream_connects_total{result=\"refused\"}", "14"),
            ("twsmux_upstream_connects_total{result=\"ready\"}", "0"),
            ("twsmux_upstream_handshake_seconds", "1.5"),
            ("twsmux_upstream_round_trip_seconds", "0.00025"),
            ("twsmux_upstream_server_version", "176"),
            ("twsmux_upstream_close_wait_sockets", "7"),
            ("twsmux_clients{phase=\"ready\"}", "2"),
            ("twsmux_clients{phase=\"held\"}", "1"),
            ("twsmux_clients{phase=\"closing\"}", "0"),
            ("twsmux_connections_refused_total{reason=\"not_allowed\"}", "20"),
            ("twsmux_connections_refused_total{reason=\"tls_busy\"}", "23"),
            ("twsmux_control_commands_total{command=\"pause\",result=\"done\"}", "60"),
            ("twsmux_control_commands_total{command=\"policy\",result=\"refused\"}", "86"),
            ("twsmux_tls_certificate_expires_timestamp_seconds", "77"),
            ("twsmux_client_outbox_bytes", "150"),
            ("twsmux_clients_behind", "2"),
            ("twsmux_conflated_ticks_total", "17"),
            ("twsmux_depth_resets_total", "18"),
            ("twsmux_shed_requests_total", "19"),
            ("twsmux_frames_received_total{direction=\"from_gateway\",message=\"tickPrice\"}", "11"),
            ("twsmux_frames_received_total{direction=\"from_gateway\",message=\"unknown\"}", "12"),
            ("twsmux_frames_received_total{direction=\"from_clients\",message=\"reqMktData\"}", "13"),
            ("twsmux_errors_total{origin=\"twsmux\",code=\"504\"}", "15"),
            ("twsmux_errors_total{origin=\"gateway\",code=\"other\"}", "16"),
            ("twsmux_requests_in_flight", "3"),
            ("twsmux_order_mappings", "4"),
            ("twsmux_queue_depth{class=\"market_data\"}", "5"),
            ("twsmux_queue_depth{class=\"orders\"}", "0"),
            ("twsmux_requests_expired_total{class=\"history\"}", "17"),
            ("twsmux_history_held", "4"),
            ("twsmux_pacer_limit_messages", "22"),
            ("twsmux_lane_waiters", "6"),
            ("twsmux_queue_wait_seconds_bucket{class=\"account\",le=\"0.001\"}", "1"),
            ("twsmux_queue_wait_seconds_bucket{class=\"account\",le=\"10\"}", "1"),
            ("twsmux_queue_wait_seconds_bucket{class=\"account\",le=\"+Inf\"}", "3"),
            ("twsmux_queue_wait_seconds_sum{class=\"account\"}", "25.0001"),
            ("twsmux_queue_wait_seconds_count{class=\"account\"}", "3"),
            ("twsmux_log_lines_dropped_total", "8"),
            ("twsmux_config_loaded_timestamp_seconds", "1500.25"),
            ("twsmux_config_reloads_total{result=\"applied\"}", "9"),
            ("twsmux_config_reloads_total{result=\"rejected\"}", "10"),
        ] {
            assert_eq!(series.get(name), Some(&value), "{name} in\n{text}");
        }
    }

    #[test]
    fn what_is_unknown_is_absent_and_not_zero() {
        let view = Core::new(Config::default()).view(Time::ZERO);
        let text = render(&view, &Beside::default());
        for name in [
            "twsmux_upstream_close_wait_sockets",
            "twsmux_upstream_round_trip_seconds",
            "twsmux_upstream_handshake_seconds",
            "twsmux_upstream_server_version",
        ] {
            assert!(!text.contains(name), "{name}");
        }
        assert_eq!(series(&text).get("twsmux_upstream_up"), Some(&"0"));
    }
}
