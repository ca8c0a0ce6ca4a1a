//! Short ways through the [`World`] for tests of single behaviours: everybody reads at once, everything works.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use twsmux::core::Config;
use twsmux::wire::{
    proto,
    text::{self, Form},
};

use super::{Frame, Who, World};

pub const SECOND: Duration = Duration::from_secs(1);

/// A world without a link, its core with the given settings.
pub fn world(change: impl FnOnce(&mut Config)) -> World {
    let mut config = Config::default();
    change(&mut config);
    World::new(config)
}

/// A world with a ready link at server version 176; upstream order ids begin at 50.
pub fn ready() -> World {
    let mut w = world(|_| {});
    w.link_up(176);
    w
}

/// Ids and codes of the errors among some frames.
pub fn errors(frames: &[Frame]) -> Vec<(i32, u16)> {
    frames.iter().filter_map(Frame::error).collect()
}

/// Message ids of frames.
pub fn ids(frames: &[Frame]) -> Vec<u16> {
    frames.iter().map(|f| f.id).collect()
}

/// A protobuf payload.
pub fn proto_payload(id: u16, version: u16, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    text::put_id(id.into(), Form::Proto, version, &mut out);
    write(&mut out);
    out.freeze()
}

/// A nested protobuf message.
pub fn nested(number: u32, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let mut inner = BytesMut::new();
    write(&mut inner);
    proto::put_bytes(number, &inner, out);
}

impl World {
    /// Time passes, tick by tick; everybody reads.
    pub fn pass(&mut self, time: Duration) {
        self.tick_until(self.now + time);
        self.flush();
    }

    /// Everybody reads everything; clients that are to be closed are.
    pub fn flush(&mut self) {
        if self.socket.is_some() {
            self.gateway_reads(usize::MAX);
        }
        for who in 0..self.peers.len() {
            if self.peers[who].open {
                self.read(who, usize::MAX);
                if self.peers[who].closing.is_some() {
                    self.gone(who, twsmux::core::io::Gone::Eof);
                }
            }
        }
        self.check();
    }

    /// The core looks, dials and is accepted.
    pub fn dial(&mut self) {
        while self.looking.is_none() {
            let due = self.core.next_deadline().expect("a dial is due");
            self.tick_until(due.max(self.now));
        }
        self.looked(Some(0));
        self.accepted();
        self.flush();
    }

    /// The link becomes ready.
    pub fn link_up(&mut self, version: u16) {
        self.dial();
        self.gateway_hello(version);
        self.flush();
        self.say_start(50);
        // What remains is what clients had asked for before.
        self.up.retain(|f| !matches!(f.id, 71 | 16 | 99 | 8 | 49 | 105));
    }

    /// managedAccounts and nextValidId.
    pub fn say_start(&mut self, next: i32) {
        self.say(15, &[("accountsList", "DU1")]);
        self.say(9, &[("orderId", &next.to_string())]);
        self.flush();
        let open = self.open_orders.clone();
        let open: Vec<_> = open.iter().map(|(up, status)| (&up[..], &status[..])).collect();
        self.lists(&open, &[], &[]);
    }

    /// The Gateway answers what twsmux asks of it when a link begins: its open orders (upstream id, status), its
    /// executions (upstream order id, execution id), its completed orders (upstream id, status).
    pub fn lists(&mut self, open: &[(&str, &str)], executions: &[(&str, &str)], completed: &[(&str, &str)]) {
        for list in [16, 7, 99] {
            self.flush();
            while !self.up.iter().any(|f| f.id == list) && self.core.view(self.now).queued > 0 {
                self.pass(SECOND / 10);
            }
            // A client's own question of this kind has left before.
            let asked = self.up.iter().rposition(|f| f.id == list);
            let Some(asked) = asked.map(|at| self.up.remove(at)) else { return };
            match asked.id {
                16 => {
                    for (up, status) in open {
                        self.shows(up, status);
                    }
                    self.say(53, &[]);
                }
                7 => {
                    let request = asked.request().get("reqId").expect("an id").to_owned();
                    for (up, exec) in executions {
                        let values = [
                            ("reqId", &request[..]),
                            ("orderId", up),
                            ("clientId", "0"),
                            ("execId", exec),
                            ("avgPrice", "10.5"),
                            ("price", "10.6"),
                        ];
                        self.say(11, &values);
                    }
                    for (_, exec) in executions {
                        self.say(59, &[("execId", exec), ("commission", "1.5")]);
                    }
                    self.say(55, &[("reqId", &request)]);
                }
                _ => {
                    for (up, status) in completed {
                        let filled = if *status == "Filled" { "3" } else { "1" };
                        let values = [
                            ("orderId", *up),
                            ("clientId", "0"),
                            ("permId", up),
                            ("status", status),
                            ("totalQuantity", "3"),
                            ("filledQuantity", filled),
                        ];
                        self.say(101, &values);
                    }
                    self.say(102, &[]);
                }
            }
        }
    }

    /// A client connects, greets with everything up to 225 and starts.
    pub fn client(&mut self, id: i32) -> Who {
        let who = self.starting(100, 225);
        self.start(who, id);
        who
    }

    /// A client with its version reply.
    pub fn starting(&mut self, min: u16, max: u16) -> Who {
        let (who, _) = self.connect();
        self.greet(who, min, max);
        who
    }

    /// A client starts.
    pub fn start(&mut self, who: Who, id: i32) {
        self.request(who, 71, &[("clientId", &id.to_string())]);
        self.flush();
    }

    /// A client that has had its first messages.
    pub fn started(&mut self, id: i32) -> Who {
        let who = self.client(id);
        self.got(who);
        who
    }

    /// What a client got since the last time.
    pub fn got(&mut self, who: Who) -> Vec<Frame> {
        self.flush();
        std::mem::take(&mut self.peers[who].got)
    }

    /// What went upstream since the last time, clock requests left out.
    pub fn went_up(&mut self) -> Vec<Frame> {
        self.flush();
        let up = std::mem::take(&mut self.up);
        up.into_iter().filter(|f| !matches!(f.id, 49 | 105)).collect()
    }

    /// A client asks; the one frame that goes upstream for it.
    pub fn asks(&mut self, who: Who, id: u16, values: &[(&'static str, &str)]) -> Frame {
        self.went_up();
        self.request(who, id, values);
        let mut up = self.went_up();
        assert_eq!(up.len(), 1, "one frame goes upstream: {up:?}");
        up.remove(0)
    }

    /// A client asks; the request id under which that goes upstream.
    pub fn asks_id(&mut self, who: Who, id: u16, values: &[(&'static str, &str)]) -> String {
        self.asks(who, id, values).request().get("reqId").expect("a request id").to_owned()
    }

    /// A client places an order; its id upstream.
    pub fn places(&mut self, who: Who, order: &str) -> String {
        self.asks(who, 3, &[("orderId", order)]).request().get("orderId").expect("an id").to_owned()
    }

    /// The Gateway shows an order as it does: openOrder, then orderStatus.
    pub fn shows(&mut self, up: &str, status: &str) {
        match status {
            "Filled" | "Cancelled" => self.open_orders.remove(up),
            _ => self.open_orders.insert(up.to_owned(), status.to_owned()),
        };
        self.say(5, &[("orderId", up), ("clientId", "0"), ("status", status), ("ocaGroup", status)]);
        self.say(3, &[("orderId", up), ("clientId", "0"), ("status", status)]);
    }
}

/// The Gateway is back, and has not listed its orders yet.
pub fn link_again(w: &mut World, version: u16) {
    w.dial();
    w.gateway_hello(version);
    w.flush();
    w.say(15, &[("accountsList", "DU1")]);
    w.say(9, &[("orderId", "50")]);
    w.flush();
}
