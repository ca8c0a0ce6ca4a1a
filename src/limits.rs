//! Every limit, named and explained. A number that bounds a queue, map, buffer or wait stands here and nowhere
//! else.

use std::time::Duration;

/// Largest frame accepted from either side, bytes of payload. The official clients refuse more than 0xFFFFFF.
pub const MAX_FRAME: usize = 0x00FF_FFFF;
/// Largest frame accepted from a client, bytes of payload; the largest requests (FA configuration) are far smaller.
pub const MAX_CLIENT_FRAME: usize = 1 << 20;
/// Likewise at the Gateway's server version, with room for longer ids.
pub const MAX_CONVERTED_FRAME: usize = MAX_CLIENT_FRAME + 4096;
/// Largest frame accepted from a client before startApi; a greeting is a few dozen bytes.
pub const MAX_GREETING: usize = 4096;
/// Clients connected at once, those that have not said who they are included.
pub const MAX_CLIENTS: usize = 4096;
/// Open files that clients are not given: the Gateway's socket above all, listeners, the admin endpoint, TLS handshakes, the
/// kernel's tables. Of a small allowance they are given half.
pub const RESERVED_FILES: u64 = 224;
/// Time a client has from connecting to a complete greeting. Slower is a stalled or foreign program.
pub const GREETING_TIME: Duration = Duration::from_secs(15);
/// Time a client has from the version reply to startApi. Libraries may pause here (AsyncEConnect).
pub const START_API_TIME: Duration = Duration::from_secs(60);
/// How long a started client waits for managedAccounts and nextValidId while the upstream is not ready. Libraries
/// give up after 2 to 4 s; the answer with the reason must reach them before.
pub const HOLD_TIME: Duration = Duration::from_millis(1500);
/// Time a closing client has to take what is still in its outbox.
pub const CLOSE_TIME: Duration = Duration::from_secs(2);
/// A client whose outbox made no progress for this long does not count as alive when its id is wanted.
pub const STALL_TIME: Duration = Duration::from_secs(5);
/// Unsent bytes held for one client. A client over it is told so and closed; above half of it large answers end with an
/// error. At least two frames of the largest size.
pub const MAX_OUTBOX: usize = 40 << 20;
/// Unsent bytes of one client above which it gets the latest of each row instead of every tick; a quarter of
/// [`MAX_OUTBOX`] where that is less.
pub const CONFLATE_ABOVE: usize = 1 << 20;
/// Bytes that all clients together may have unsent before each counts as behind with its share of them.
pub const UNSENT_BEFORE_CONFLATION: usize = 16 << 20;
/// The least such share, however many clients there are.
pub const LEAST_CONFLATE_ABOVE: usize = 8 << 10;
/// Bytes that the kernel takes for a client before it has sent them; what is beyond waits here.
pub const UNSENT_IN_KERNEL: u32 = 128 << 10;
/// Bytes that one read from the Gateway may become, over all clients, before they are written to them.
pub const MAX_PER_PASS: usize = 16 << 20;
/// Buffers of clients that were written out, kept for those who are sent much next.
pub const MAX_SPARE_BUFFERS: usize = 16;
/// Bytes that such a buffer held at most; a larger one is given back to the system.
pub const MAX_SPARE_BUFFER: usize = 128 << 10;
/// Bytes that are read from the Gateway at once at least, however many clients there are.
pub const MIN_READ: usize = 4 << 10;
/// Time without reading anything after which a client over [`CONFLATE_ABOVE`] is told and closed. Less than its socket's
/// user timeout, which closes without a word.
pub const SLOW_TIME: Duration = Duration::from_secs(20);
/// Requests of one client that are active at once, cancelled ones not counted.
pub const MAX_REQUESTS_PER_CLIENT: usize = 5000;
/// First time for which nothing more of historical data is asked for after the Gateway has complained of it; doubles.
pub const HISTORY_PAUSE_MIN: Duration = Duration::from_secs(15);
/// Longest such time.
pub const HISTORY_PAUSE_MAX: Duration = Duration::from_secs(600);
/// Messages of one client that wait for the pacer.
pub const MAX_QUEUED_PER_CLIENT: usize = 2000;
/// Order cancels of one client that may wait beyond [`MAX_QUEUED_PER_CLIENT`]: a flood of its own must not keep it from
/// cancelling.
pub const QUEUED_CANCELS_RESERVE: usize = 1000;
/// Bytes of one client that wait for the pacer.
pub const MAX_QUEUED_BYTES_PER_CLIENT: usize = 32 << 20;
/// Requests without an id that are under way or wait for their turn, over all lanes and clients.
pub const MAX_LANE_REQUESTS: usize = 1000;
/// Time after which the asker at the head of a lane gets an error. The lane stays shut until its end marker comes.
pub const LANE_TIME: Duration = Duration::from_secs(30);
/// Ended or cancelled request ids that are remembered, so that late frames are recognised and dropped.
pub const MAX_RETIRED: usize = 20_000;
/// Orders that are remembered; beyond it the oldest dead ones are forgotten, and without dead ones new orders are
/// refused.
pub const MAX_ORDERS: usize = 500_000;
/// Different client ids whose order ids are remembered.
pub const MAX_OWNERS: usize = 10_000;
/// Orders of other programs that are remembered, so that their ids are not used again.
pub const MAX_FOREIGN_ORDERS: usize = 100_000;
/// So much higher do the order ids of every client begin after a twsmux that did not stop in order: at most so many of a
/// client's orders were read and not recorded.
pub const ID_GAP: i32 = MAX_QUEUED_PER_CLIENT as i32;
/// Longest that a new order or a modification waits for the journal and the pacer; beyond it it is refused, because an
/// order that leaves late may be worse than none.
pub const ORDER_WAIT: Duration = Duration::from_secs(10);
/// Longest that a request waits for its turn; beyond it it is not sent, and its asker is told. Above it is the time that ten
/// clients need to send 500 requests each.
pub const REQUEST_WAIT: Duration = Duration::from_secs(300);
/// Likewise of a client that asks to be paced instead of refused (`+PACEAPI`): longer than the longest of the Gateway's own
/// pacing rules looks back, several times.
pub const PACED_REQUEST_WAIT: Duration = Duration::from_secs(3600);
/// Facts handed to the journal and not yet on disk, above which new orders are refused and messages for absent owners
/// are kept in memory alone.
pub const MAX_JOURNAL_BACKLOG: u64 = 100_000;
/// Messages kept for one owner that is away; beyond it the oldest are dropped.
pub const MAX_KEPT_PER_OWNER: usize = 10_000;
/// Bytes of messages kept for owners that are away, over all of them.
pub const MAX_KEPT_BYTES: usize = 64 << 20;
/// Bytes of order messages that a Gateway may send before its accounts are known; beyond it they are dropped, because
/// they are asked for anyway.
pub const MAX_START_PUSH: usize = 32 << 20;
/// Time the Gateway has for each list of orders or executions that twsmux asks for when a link begins, from when the
/// request leaves.
pub const RECONCILE_TIME: Duration = Duration::from_secs(30);
/// Executions remembered, so that each is told once; more than any account has in the days that a Gateway lists.
pub const MAX_EXECUTIONS: usize = 400_000;
/// Commission reports held because their execution has not come yet.
pub const MAX_EARLY_COMMISSIONS: usize = 1000;
/// Places on one side of the book of a depth subscription.
pub const MAX_BOOK_ROWS: usize = 500;
/// Lines that the status page lists.
pub const MAX_SHOWN_LINES: usize = 500;
/// Client ids with orders that the status page lists.
pub const MAX_SHOWN_OWNERS: usize = 200;
/// Orders up to which those that are not over are counted by owner: it is done once a second.
pub const MAX_COUNTED_ORDERS: usize = 20_000;
/// Changes of the upstream, and errors, that the status page lists.
pub const MAX_SHOWN_EVENTS: usize = 50;
/// Characters of the words of such an event.
pub const MAX_EVENT_WORDS: usize = 200;
/// Client ids that are named with such an error.
pub const MAX_SHOWN_ADDRESSEES: usize = 8;
/// Rows in the image of what clients share. An account summary has a row for each account and tag.
pub const MAX_IMAGE_ROWS: usize = 50_000;
/// Account summaries that one client may have at once, as at the Gateway.
pub const MAX_SUMMARIES_PER_CLIENT: usize = 2;
/// Lines that stay for a while after their last client left; beyond it the oldest end at once.
pub const MAX_LINGERING: usize = 1000;
/// Bytes of a request that is kept to be asked again after an outage; a larger one ends with an error.
pub const MAX_ASKED_AGAIN: usize = 64 << 10;
/// Time that a question waits for a link before it ends with an error; subscriptions wait as long as their clients.
pub const OUTAGE_WAIT: Duration = Duration::from_secs(30);
/// Bytes of one answer that is kept for those who ask the same again; scanner parameters are 2 MB.
pub const MAX_KEPT_ANSWER: usize = 8 << 20;
/// Bytes of all such answers; beyond it the oldest are forgotten.
pub const MAX_KEPT_ANSWERS: usize = 64 << 20;
/// Longest that a list of orders or executions serves again while twsmux hears of no change: of what other programs do it
/// hears nothing.
pub const UNCHANGED_TIME: Duration = Duration::from_secs(30);
/// Time after which the Gateway's pacing rules allow the same request again (PROTOCOL.md (c)).
pub const REPEAT_TIME: Duration = Duration::from_secs(15);
/// Farms whose last notice is kept for newcomers.
pub const MAX_FARMS: usize = 64;
/// Clients that wait for the first clock answer.
pub const MAX_CLOCK_WAITERS: usize = 10_000;
/// Bytes handed to the upstream socket and not yet taken by it, above which the pacer waits.
pub const MAX_UPSTREAM_OUT: usize = 256 << 10;
/// Recent requests without id to which an error without id can be attributed.
pub const MAX_SUSPECTS: usize = 64;
/// How long after a request without id an error without id is attributed to it.
pub const SUSPECT_TIME: Duration = Duration::from_secs(10);
/// How long after a global cancel has left a broken link makes it doubtful whether it arrived.
pub const GLOBAL_CANCEL_TIME: Duration = Duration::from_secs(10);
/// How long after a modification or a cancel has left what the Gateway says of the order may be from before it.
pub const AMENDMENT_TIME: Duration = Duration::from_secs(10);
/// Time the Gateway has for the handshake. A slow one is waited for: closing and retrying makes zombies.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(60);
/// Silence in the handshake after which it is looked up what the Gateway has done with the connection; half the patience
/// where that is less.
pub const EXAMINE_AFTER: Duration = Duration::from_secs(3);
/// Pause between two such looks. Each reads the kernel's table, and the processes that hold its sockets.
pub const EXAMINE_EVERY: Duration = Duration::from_secs(10);
/// Shortest distance of two clock requests; the Gateway drops closer ones (LIVE.md section 5).
pub const CLOCK_DISTANCE: Duration = Duration::from_secs(5);
/// Silence of the Gateway after which it is asked for its clock.
pub const IDLE_BEFORE_PROBE: Duration = Duration::from_secs(20);
/// Silence of the Gateway after which it is taken for dead.
pub const SILENCE_IS_DEATH: Duration = Duration::from_secs(75);
/// A link that was ready for this long is stable: the back-off starts anew.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);
/// Pause before a refused connect is tried again. A refused connect costs the Gateway nothing.
pub const REFUSED_PAUSE: Duration = Duration::from_millis(1500);
/// First pause after a connect that was accepted and then failed; doubles with each.
pub const BACKOFF_MIN: Duration = Duration::from_secs(15);
/// Longest pause after a connect that was accepted and then failed.
pub const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// Pause in sending after the Gateway reported error 100 (message rate).
pub const RATE_ERROR_PAUSE: Duration = Duration::from_secs(1);
/// Each such error halves the number of messages per second, as often as this at most.
pub const MOST_HALVINGS: u32 = 4;
/// After so long without one the number is doubled again.
pub const SLOWED_TIME: Duration = Duration::from_secs(60);
/// Messages per second sent upstream unless configured otherwise; the Gateway's limit is 50.
pub const MESSAGES_PER_SECOND: u32 = 45;
/// Messages of each window that are left to orders and cancels: whatever else waits, so many of them leave at once. Of a small
/// limit it is an eighth.
pub const ORDERS_RESERVE: u32 = 5;
/// Different error codes of the Gateway that are counted one by one.
pub const MAX_ERROR_CODES: usize = 256;
/// Time a stopping twsmux gives what is queued for the Gateway.
pub const DRAIN_TIME: Duration = Duration::from_secs(3);
/// Highest order id that is given out: order ids are 32-bit and must not wrap.
pub const LAST_ORDER_ID: i32 = i32::MAX - 1_000_000;
/// Bytes of the configuration file.
pub const MAX_CONFIG_FILE: u64 = 1 << 20;
/// Messages kept for a service manager that does not read; beyond it the oldest are dropped.
pub const MAX_NOTICES: usize = 16;
/// TLS handshakes that are not complete; one more takes the place of the oldest, so that who does not finish never locks out who
/// does.
pub const MAX_TLS_HANDSHAKES: usize = 64;
/// Time that a TLS handshake has.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Bytes that are read and thrown away after a failed TLS handshake, so that the peer gets to read why.
pub const MAX_TLS_REST: usize = 64 << 10;
/// Bytes that a TLS session takes for a client before it has sent them; what is beyond waits in the outbox.
pub const TLS_UNSENT: usize = 64 << 10;
/// Bytes of a file with certificates or a key.
pub const MAX_TLS_FILE: u64 = 1 << 20;
/// Time before a certificate expires from which on it is warned of.
pub const TLS_EXPIRY_WARNING: Duration = Duration::from_secs(1_209_600);
/// Shortest distance of two log lines about refused connections; those in between are counted.
pub const REFUSAL_LOG_DISTANCE: Duration = Duration::from_secs(10);
/// Log lines that wait to be written; beyond it lines are dropped and counted.
pub const MAX_LOG_LINES: usize = 10_000;
/// Connections to the admin endpoint at once; one more closes the oldest, so that a full house never locks a health
/// check out.
pub const MAX_ADMIN_CONNECTIONS: usize = 64;
/// Bytes of an admin request: line and headers, for there is no body.
pub const MAX_ADMIN_REQUEST: usize = 16 << 10;
/// Time an admin client has to send its request.
pub const ADMIN_REQUEST_TIME: Duration = Duration::from_secs(5);
/// Time an admin connection lives, request and answer together.
pub const ADMIN_CONNECTION_TIME: Duration = Duration::from_secs(15);
/// Time in which what the Gateway says along with its last answer is awaited, before a link is given up on purpose.
pub const SETTLE_TIME: Duration = Duration::from_millis(100);
/// Commands of the admin endpoint that wait for the event loop.
pub const MAX_WAITING_COMMANDS: usize = 16;
/// Time that the event loop has to carry a command out.
pub const COMMAND_TIME: Duration = Duration::from_secs(10);
/// Bytes of the reason that is given for a command; it goes into the log.
pub const MAX_REASON: usize = 200;
/// Client ids whose policy was changed by hand.
pub const MAX_CHANGED_POLICIES: usize = 1000;
/// Age of the published picture above which the event loop is taken for stuck; it publishes every second.
pub const STALE_VIEW: Duration = Duration::from_secs(10);
/// Shortest distance of two looks at the kernel's socket table for the sake of a scrape.
pub const SOCKET_TABLE_DISTANCE: Duration = Duration::from_secs(3);

/// Messages about orders that a simulated Gateway remembers.
pub const MAX_SIM_ARRIVALS: usize = 100_000;
/// Longest that a simulated Gateway that restarts waits for its port.
pub const SIM_LISTEN_TIME: Duration = Duration::from_secs(5);
/// Faults of one kind that may be planned at once in a simulated Gateway.
pub const MAX_SIM_PLANS: usize = 1000;
/// Requests of one connection that wait in a simulated Gateway that is slow; one more, and the first of them waits no
/// longer.
pub const MAX_SIM_WAITING: usize = 10_000;
/// Updates of each subscription in one burst of a simulated Gateway.
pub const MAX_SIM_BURST: u32 = 100_000;
/// Connections to the control endpoint of a simulated Gateway at once; one more is told so and closed.
pub const MAX_SIM_CONTROLS: usize = 16;
/// Bytes of a line of the control endpoint, its end included.
pub const MAX_SIM_CONTROL_LINE: usize = 64 << 10;

/// Bytes of historical data that are kept until the message with the rest of it comes, over all clients.
pub const MAX_HELD_BYTES: usize = 64 * 1024 * 1024;

/// Largest record of the order journal, bytes. Whatever comes out of one frame fits, also a frame that is nothing but
/// names of accounts of one letter each; a length above it is damage.
pub const MAX_JOURNAL_RECORD: usize = 4 * MAX_FRAME;
/// Size of the order journal up to which it is never written anew, bytes.
pub const JOURNAL_COMPACT_ABOVE: u64 = 4 << 20;
/// How many times larger than what it says the order journal may become before it is written anew.
pub const JOURNAL_COMPACT_FACTOR: u64 = 4;
/// Bytes that are handed to the disk at once while the order journal is written anew.
pub const JOURNAL_CHUNK: usize = 1 << 20;
/// Records that go into the order journal with one write.
pub const JOURNAL_BATCH: usize = 4096;
/// Longest time for which a record that nobody waits for is only in the system's memory.
pub const JOURNAL_SYNC_WITHIN: Duration = Duration::from_secs(1);
/// Distance of two attempts to write a broken order journal anew.
pub const JOURNAL_HEAL_EVERY: Duration = Duration::from_secs(1);
/// Time a stopping twsmux gives the order journal to reach the disk.
pub const JOURNAL_CLOSE_TIME: Duration = Duration::from_secs(2);
/// Order ids that a repair of the order journal leaves out: more than can have been given out in what is lost.
pub const JOURNAL_REPAIR_MARGIN: i32 = 10_000;

/// Bytes of a capture's file at which it ends.
pub const CAPTURE_LIMIT: u64 = 64 << 20;
/// Bytes of one record of a capture; one that would be larger is left out and counted.
pub const MAX_CAPTURE_RECORD: usize = 2 * MAX_FRAME + 4096;
/// Records of a capture that wait for the disk; beyond it they are left out and counted.
pub const MAX_CAPTURE_QUEUE: usize = 65_536;
/// Bytes of these records.
pub const MAX_CAPTURE_QUEUE_BYTES: usize = 64 << 20;
/// Records kept of a connection until it says which client it is, while a capture is of one client.
pub const MAX_CAPTURE_UNNAMED: usize = 64;
/// Bytes kept of what a client sent that is no frame; what is wrong with it shows in the first of them.
pub const MAX_CAPTURE_BROKEN: usize = 2 * MAX_GREETING;
/// Account numbers of which a capture tells one from another; those beyond lose all their digits.
pub const MAX_MASKED_ACCOUNTS: usize = 10_000;
/// Time a stopping twsmux gives a capture to reach the disk.
pub const CAPTURE_CLOSE_TIME: Duration = Duration::from_secs(2);
/// Bytes of what clients sent in a capture that `replay --against` keeps.
pub const MAX_SCRIPT: usize = 256 << 20;
/// Time a twsmux that ends by a panic gives a capture to have what led to it; the Gateway's socket ends that much later.
pub const CAPTURE_PANIC_TIME: Duration = Duration::from_millis(200);
