//! A client that trades: what it sent, what it read, and what it therefore believes.

use std::collections::BTreeMap;

use twsmux::ids::ClientKey;
use twsmux::wire::frame::FrameBuffer;

use super::support::Frame;

/// One order of a client.
#[derive(Debug, Default)]
pub struct Mine {
    /// What the order says of itself in its orderRef; nobody else's order says it.
    pub token: String,
    /// The twsmux that it was sent to, counted from 0.
    pub run: u32,
    /// How often it was placed or modified; the limit price tells which time it was.
    pub versions: u32,
    pub parent: Option<i32>,
    pub what_if: bool,
    /// The last status that was read.
    pub status: Option<String>,
    /// A status that says that it is over was read.
    pub done: Option<String>,
    pub perm: i64,
    /// Codes of the errors that were read.
    pub errors: Vec<u16>,
    /// It was said that nobody knows what became of it.
    pub unknown: bool,
    /// Executions that were read: how often as a live fill, and whether with their commission.
    pub fills: BTreeMap<String, (u32, bool)>,
    /// A connection broke with something unread in it: what was in there is not known here.
    pub gap: bool,
    /// The last list of open orders had it: quantity and limit price.
    pub listed: Option<(String, String)>,
}

impl Mine {
    /// Whether the client knows that there is no order to worry about.
    pub fn is_settled(&self) -> bool {
        self.done.is_some()
            || self.unknown
            || self.errors.iter().any(|code| !matches!(code, 399 | 161 | 10148))
    }
}

/// What a client waits for.
#[derive(Default)]
pub struct Asked {
    /// Lists of orders.
    pub lists: u32,
    /// Whether one of them was to have everybody's.
    pub everybody: bool,
    /// Lists of executions.
    pub executions: u32,
}

pub struct Client {
    pub id: i32,
    pub range: (u16, u16),
    pub key: Option<ClientKey>,
    pub version: u16,
    /// Its first messages have come.
    pub started: bool,
    pub reader: FrameBuffer,
    pub greeted: bool,
    /// The core wants it closed, once its outbox is read.
    pub closing: bool,
    /// What nextValidId said at most.
    pub told_next: i32,
    /// The highest id that it used.
    pub used: i32,
    pub orders: BTreeMap<i32, Mine>,
    pub asked: Asked,
    /// Executions read in answers and as fills, with their order ids.
    pub seen: BTreeMap<String, i32>,
    pub requests: i32,
}

impl Client {
    pub fn new(id: i32, range: (u16, u16)) -> Client {
        Client {
            id,
            range,
            key: None,
            version: 0,
            started: false,
            reader: FrameBuffer::default(),
            greeted: false,
            closing: false,
            told_next: 0,
            used: 0,
            orders: BTreeMap::new(),
            asked: Asked::default(),
            seen: BTreeMap::new(),
            requests: 0,
        }
    }

    /// The connection is over. `lost`: something in it was not read.
    pub fn disconnected(&mut self, lost: bool) {
        self.key = None;
        self.started = false;
        self.greeted = false;
        self.closing = false;
        self.reader = FrameBuffer::default();
        self.asked = Asked::default();
        if lost {
            self.orders.values_mut().for_each(|o| o.gap = true);
        }
    }

    fn asks_for_all(&self) -> bool {
        self.asked.lists > 0 && self.asked.everybody
    }

    /// A message came.
    pub fn hears(&mut self, f: &Frame) {
        let r = f.response();
        let int = |name: &str| r.int(name).unwrap_or(0);
        match f.id {
            9 => {
                let next = int("orderId") as i32;
                assert!(
                    next > self.used,
                    "client {}: nextValidId {next} after {} was used",
                    self.id,
                    self.used
                );
                assert!(next >= self.told_next, "client {}: nextValidId went back", self.id);
                self.told_next = next;
                self.started = true;
            }
            5 => {
                let (order, client) = (int("orderId") as i32, int("clientId") as i32);
                let token = r.get("orderRef").unwrap_or_default();
                if client != self.id {
                    assert!(self.asks_for_all(), "client {}: a stranger's order {token}", self.id);
                    return;
                }
                let mine = self.orders.get_mut(&order);
                let mine =
                    mine.unwrap_or_else(|| panic!("client {} never placed {order} ({token})", self.id));
                assert_eq!(mine.token, token, "client {}: order {order} is another one", self.id);
                let perm = int("permId");
                assert!(mine.perm == 0 || mine.perm == perm, "one permanent id per order");
                mine.perm = perm;
                let text = |name: &str| r.get(name).unwrap_or_default().to_owned();
                if !r.flag("whatIf") {
                    mine.listed = Some((text("totalQuantity"), text("lmtPrice")));
                }
            }
            3 => {
                let (order, client) = (int("orderId") as i32, int("clientId") as i32);
                if client != self.id {
                    assert!(self.asks_for_all(), "client {}: the status of a stranger's order", self.id);
                    return;
                }
                let mine = self.orders.get_mut(&order);
                let mine = mine.unwrap_or_else(|| panic!("client {} never placed {order}", self.id));
                let perm = int("permId");
                assert!(mine.perm == 0 || perm == 0 || mine.perm == perm, "one permanent id per order");
                let status = r.get("status").unwrap_or_default().to_owned();
                mine.done =
                    matches!(&status[..], "Filled" | "Cancelled" | "Inactive").then(|| status.clone());
                mine.status = Some(status);
            }
            11 => {
                let (order, client, live) = (int("orderId") as i32, int("clientId") as i32, int("reqId") < 0);
                let exec = r.get("execId").unwrap_or_default().to_owned();
                if client != self.id {
                    assert!(
                        !live && self.asked.executions > 0,
                        "client {}: a stranger's fill {exec}",
                        self.id
                    );
                    return;
                }
                let mine = self.orders.get_mut(&order);
                let mine = mine.unwrap_or_else(|| panic!("client {} never placed {order}", self.id));
                let fill = mine.fills.entry(exec.clone()).or_default();
                fill.0 += u32::from(live);
                self.seen.insert(exec, order);
            }
            59 => {
                let exec = r.get("execId").unwrap_or_default();
                let order = self.seen.get(exec).copied();
                let mine = order.and_then(|order| self.orders.get_mut(&order));
                match mine {
                    Some(mine) => mine.fills.get_mut(exec).expect("it was seen").1 = true,
                    // The execution itself may have been in what was not read.
                    None => assert!(
                        self.asked.executions > 0 || self.orders.values().any(|o| o.gap),
                        "client {}: a commission of {exec}",
                        self.id
                    ),
                }
            }
            53 if !self.started => {} // the end of the orders that are shown at the start
            53 | 102 => self.asked.lists -= 1,
            55 => self.asked.executions -= 1,
            101 => assert!(self.asked.lists > 0, "an answer that nobody asked for"),
            4 => {
                let (id, code) = f.error().expect("an error");
                if id >= 1_000_000 {
                    self.asked.executions -= 1;
                    return;
                }
                if id < 0 {
                    assert_ne!(code, 322, "an answer took longer than this Gateway ever takes");
                    if code == 504 && self.started {
                        self.asked.lists = self.asked.lists.saturating_sub(1);
                    }
                    return;
                }
                let mine = self.orders.get_mut(&id);
                let mine =
                    mine.unwrap_or_else(|| panic!("client {}: error {code} on {id}, never placed", self.id));
                mine.errors.push(code);
                mine.unknown |= code == 399 && f.words().contains("is unknown");
                if code == 202 {
                    mine.done = Some("Cancelled".into());
                }
            }
            _ => {}
        }
    }
}
