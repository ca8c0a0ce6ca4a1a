//! Every metric, in one place: name, type, labels and what it says.
//!
//! A new metric is one entry here, one line in `docs/metrics.md` (a test compares them) and one line in
//! `exposition.rs`. Names begin with `twsmux_` and end in their base unit (`_seconds`, `_bytes`); counters end in
//! `_total`. **A label has few values and never one that a client or the Gateway can make up**: no client ids, no
//! symbols, no accounts.

/// The type of a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by class, with a sum.
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it counts in.
    pub unit: metrics::Unit,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// What it says, without a full stop.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident = $name:literal $kind:ident($unit:ident) [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: ::metrics::Unit::$unit,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// All of them.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    BUILD_INFO = "twsmux_build_info" Gauge(Count) ["version"]
        "Always 1; the label names the running version";
    CONFIG_LOADED = "twsmux_config_loaded_timestamp_seconds" Gauge(Seconds) []
        "When the settings in effect were read, seconds since 1970";
    CONFIG_RELOADS = "twsmux_config_reloads_total" Counter(Count) ["result"]
        "Readings of the configuration file at SIGHUP, by what came of them";
    UPSTREAM_UP = "twsmux_upstream_up" Gauge(Count) []
        "1 while clients can work: connected to the Gateway, accounts and next order id known";
    UPSTREAM_TROUBLE = "twsmux_upstream_trouble" Gauge(Count) ["case"]
        "1 for the case of trouble with the Gateway that holds now, 0 for the others";
    UPSTREAM_CONNECTS = "twsmux_upstream_connects_total" Counter(Count) ["result"]
        "Attempts to connect to the Gateway, by how they ended";
    UPSTREAM_HANDSHAKE = "twsmux_upstream_handshake_seconds" Gauge(Seconds) []
        "Duration of the last successful handshake with the Gateway; absent before the first";
    UPSTREAM_ROUND_TRIP = "twsmux_upstream_round_trip_seconds" Gauge(Seconds) []
        "Last measured round trip to the Gateway (a clock request and its answer); absent before the first";
    UPSTREAM_SERVER_VERSION = "twsmux_upstream_server_version" Gauge(Count) []
        "Server version negotiated with the Gateway, the last one while it is away; absent before the first";
    UPSTREAM_CLOSE_WAIT = "twsmux_upstream_close_wait_sockets" Gauge(Count) []
        "Sockets in CLOSE_WAIT on the Gateway's port, from the kernel's table; absent where it cannot be seen";
    CLIENTS = "twsmux_clients" Gauge(Count) ["phase"]
        "Connected clients, by how far they have come";
    CLIENT_CONNECTS = "twsmux_client_connects_total" Counter(Count) []
        "Client connections accepted";
    CLIENT_DISCONNECTS = "twsmux_client_disconnects_total" Counter(Count) ["reason"]
        "Client connections ended, by reason";
    CONNECTIONS_REFUSED = "twsmux_connections_refused_total" Counter(Count) ["reason"]
        "Connections that were refused before anything of the API was read from them, by reason";
    TLS_EXPIRES = "twsmux_tls_certificate_expires_timestamp_seconds" Gauge(Seconds) []
        "When the certificate of the TLS listeners expires, seconds since 1970; absent without TLS";
    FRAMES_RECEIVED = "twsmux_frames_received_total" Counter(Count) ["direction", "message"]
        "Frames received after the handshake, by sender and message";
    FRAMES_SENT = "twsmux_frames_sent_total" Counter(Count) ["direction"]
        "Frames sent, by receiver; a frame for several clients counts once for each";
    FRAMES_DROPPED = "twsmux_frames_dropped_total" Counter(Count) ["reason"]
        "Frames of the Gateway that were passed on to nobody, by reason";
    BYTES = "twsmux_bytes_total" Counter(Bytes) ["direction"]
        "Bytes of frames received, and bytes taken by the sockets sent to";
    DENIED = "twsmux_denied_requests_total" Counter(Count) []
        "Requests, clients that were not let in among them, that a policy or the kill switch denied";
    KILL_SWITCH = "twsmux_kill_switch" Gauge(Count) []
        "1 while no new orders and no modifications leave";
    DRAINING = "twsmux_draining" Gauge(Count) []
        "1 while no new clients are taken in";
    CONTROL_COMMANDS = "twsmux_control_commands_total" Counter(Count) ["command", "result"]
        "Commands of the admin endpoint, by what became of them";
    BAD_REQUESTS = "twsmux_bad_requests_total" Counter(Count) []
        "Requests of clients that were unreadable, unknown or not of this server version, none of them forwarded";
    ERRORS = "twsmux_errors_total" Counter(Count) ["origin", "code"]
        "Error messages and notices, by who made them and code";
    REQUESTS = "twsmux_requests_in_flight" Gauge(Count) []
        "Requests of clients that are open at the Gateway under a request id, subscriptions included";
    LANE_WAITERS = "twsmux_lane_waiters" Gauge(Count) []
        "Requests without an id that wait for the answer to another one";
    STREAM_SUBSCRIBERS = "twsmux_stream_subscribers" Gauge(Count) ["stream"]
        "Clients that share one upstream subscription, by stream";
    QUEUE_DEPTH = "twsmux_queue_depth" Gauge(Count) ["class"]
        "Messages that wait for the pacer before they are sent to the Gateway, by class";
    QUEUE_WAIT = "twsmux_queue_wait_seconds" Histogram(Seconds) ["class"]
        "How long messages waited for the pacer before they were sent to the Gateway, by class";
    HELD = "twsmux_history_held" Gauge(Count) []
        "Requests that wait because of the Gateway's pacing rules on historical data";
    PACER_LIMIT = "twsmux_pacer_limit_messages" Gauge(Count) []
        "Messages that may be sent to the Gateway in a second now; +Inf for any number";
    REQUESTS_EXPIRED = "twsmux_requests_expired_total" Counter(Count) ["class"]
        "Requests that waited too long for their turn and were not sent, by class; their askers were told";
    OUTBOX = "twsmux_client_outbox_bytes" Gauge(Bytes) []
        "Bytes that clients have not taken yet, all clients together";
    CLIENTS_BEHIND = "twsmux_clients_behind" Gauge(Count) []
        "Clients that read more slowly than they are sent to, so that something waits to be conflated";
    CONFLATED = "twsmux_conflated_ticks_total" Counter(Count) []
        "Values that clients were not told because newer ones came before they read";
    DEPTH_RESETS = "twsmux_depth_resets_total" Counter(Count) []
        "Books that were told anew (317) because a client had not read their changes";
    SHED = "twsmux_shed_requests_total" Counter(Count) []
        "Requests that ended with an error because the client had not read what it had";
    ORDERS = "twsmux_order_mappings" Gauge(Count) []
        "Orders whose owner and ids are remembered";
    LINES = "twsmux_upstream_lines" Gauge(Count) ["message"]
        "Subscriptions at the Gateway that clients share, or could share";
    LINE_SHARERS = "twsmux_line_sharers" Gauge(Count) ["message"]
        "Clients' subscriptions that are served by them";
    REQUESTS_SAVED = "twsmux_requests_saved_total" Counter(Count) ["by"]
        "Requests that did not go to the Gateway: joined to an equal one, answered from a kept answer, or from what is known of the asker's orders";
    KEPT_ANSWERS = "twsmux_kept_answers" Gauge(Count) []
        "Answers of the Gateway that are kept for those who ask the same";
    KEPT_ANSWER_BYTES = "twsmux_kept_answer_bytes" Gauge(Bytes) []
        "Bytes of these answers";
    KEPT = "twsmux_kept_messages" Gauge(Count) []
        "Messages about orders kept for clients that are away";
    ORDERS_UNKNOWN = "twsmux_orders_unknown_total" Counter(Count) []
        "Orders of which nobody knows what became of them; their owners were told";
    JOURNAL_WRITABLE = "twsmux_journal_writable" Gauge(Count) []
        "1 while the order journal can be written; new orders are refused while it is 0";
    JOURNAL_FAILURES = "twsmux_journal_failures_total" Counter(Count) []
        "Failed writes and syncs of the order journal";
    JOURNAL_BACKLOG = "twsmux_journal_backlog_records" Gauge(Count) []
        "Records that wait for the order journal's disk";
    JOURNAL_SYNC = "twsmux_journal_sync_seconds" Histogram(Seconds) []
        "How long the disk took to make a group of records durable";
    CAPTURE_RUNNING = "twsmux_capture_running" Gauge(Count) []
        "1 while a capture is being written";
    CAPTURE_BYTES = "twsmux_capture_bytes_total" Counter(Bytes) []
        "Bytes written to captures";
    CAPTURE_LEFT_OUT = "twsmux_capture_left_out_records_total" Counter(Count) []
        "Records that are missing in captures because the disk did not keep up";
    LOG_DROPPED = "twsmux_log_lines_dropped_total" Counter(Count) []
        "Log lines dropped because nobody took them fast enough";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Rows of the tables in `docs/metrics.md`: name, type, labels.
    fn documented() -> BTreeSet<(String, String, String)> {
        let page = include_str!("../../docs/metrics.md");
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| {
            let mut cells = row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', ""));
            let mut cell = || cells.next().unwrap_or_default();
            (cell(), cell(), cell())
        })
        .collect()
    }

    #[test]
    fn the_page_lists_each_metric_and_no_other() {
        let declared: BTreeSet<_> =
            ALL.iter().map(|m| (m.name.into(), m.kind.word().into(), m.labels.join(", "))).collect();
        let documented = documented();
        let missing: Vec<_> = declared.difference(&documented).collect();
        let surplus: Vec<_> = documented.difference(&declared).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "not on the page: {missing:?}; only there: {surplus:?}"
        );
    }

    #[test]
    fn names_keep_the_rules() {
        let names: BTreeSet<_> = ALL.iter().map(|m| m.name).collect();
        assert_eq!(names.len(), ALL.len(), "a name is used twice");
        for m in ALL {
            assert!(m.name.starts_with("twsmux_"), "{}", m.name);
            assert!(m.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", m.name);
            assert_eq!(m.name.ends_with("_total"), m.kind == Kind::Counter, "{}", m.name);
            let stem = m.name.trim_end_matches("_total");
            assert_eq!(m.unit == metrics::Unit::Seconds, stem.ends_with("_seconds"), "{}", m.name);
            assert_eq!(m.unit == metrics::Unit::Bytes, stem.ends_with("_bytes"), "{}", m.name);
            assert!(!m.help.is_empty() && !m.help.ends_with('.'), "{}", m.name);
        }
    }
}
