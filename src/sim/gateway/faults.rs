//! What tests do to a Gateway from outside: notices, errors, raw bytes, lost order ids, closed connections.

use bytes::Bytes;

use super::{Close, ConnId, Gateway, Input};
use crate::time::Time;

impl Gateway {
    /// The client's connection with this client id, if it is connected.
    pub fn connection_of(&self, client_id: i32) -> Option<ConnId> {
        self.sessions.iter().find(|(_, s)| s.client_id == Some(client_id)).map(|(c, _)| *c)
    }

    /// Sends an error message to every started session.
    pub fn broadcast_error(&mut self, now: Time, id: i32, code: i32, text: &str) {
        self.advance(now);
        for conn in self.started() {
            self.error(conn, id, code, text);
        }
    }

    /// Sends an error message to one client; false when it is not connected.
    pub fn send_error(&mut self, now: Time, client_id: i32, id: i32, code: i32, text: &str) -> bool {
        self.advance(now);
        let Some(conn) = self.connection_of(client_id) else { return false };
        self.error(conn, id, code, text);
        true
    }

    /// Sends bytes as they are to every connection that has a session.
    pub fn broadcast_raw(&mut self, now: Time, bytes: &[u8]) {
        self.advance(now);
        self.flush();
        for conn in self.started() {
            self.emit(conn, Bytes::copy_from_slice(bytes));
        }
    }

    /// Marks a farm as broken or restored and tells everybody; an unknown name becomes a market data farm.
    pub fn set_farm(&mut self, now: Time, name: &str, up: bool) {
        use super::conduct::{Farm, FarmKind};
        let at = match self.farms.iter().position(|f| f.name == name) {
            Some(at) => at,
            None => {
                self.farms.push(Farm { name: name.into(), kind: FarmKind::MarketData, up });
                self.farms.len() - 1
            }
        };
        self.farms[at].up = up;
        let (code, text) = self.farms[at].notice();
        self.broadcast_error(now, -1, code, &text);
    }

    /// The connection of the Gateway to its back end is lost: 1100.
    pub fn lose_connectivity(&mut self, now: Time) {
        self.broadcast_error(
            now,
            -1,
            1100,
            "Connectivity between IBKR and Trader Workstation has been lost.",
        );
    }

    /// It is back. With `data_lost` all market data subscriptions are gone (1101), otherwise they go on (1102).
    pub fn restore_connectivity(&mut self, now: Time, data_lost: bool) {
        if data_lost {
            for session in self.sessions.values_mut() {
                self.stats.lines -= session.lines();
                session.subscriptions.retain(|_, s| !s.feed.is_line());
            }
        }
        let (code, what) = match data_lost {
            true => (1101, "data lost. Please resubscribe"),
            false => (1102, "data maintained"),
        };
        let text = format!("Connectivity between IBKR and Trader Workstation has been restored- {what}.");
        self.broadcast_error(now, -1, code, &text);
    }

    /// From now on requests are read, and nothing is sent to anybody.
    pub fn set_mute(&mut self, mute: bool) {
        self.mute = mute;
    }

    /// Makes the next order id of a client id what it should never be: lower than before.
    pub fn set_next_order_id(&mut self, client_id: i32, next: i32) {
        self.book.set_next(client_id, next);
    }

    /// Closes every connection.
    pub fn close_all(&mut self, now: Time, how: Close) {
        self.advance(now);
        for conn in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.close(conn, how);
        }
    }

    /// Closes the connection of one client; false when it is not connected.
    pub fn close_client(&mut self, now: Time, client_id: i32, how: Close) -> bool {
        self.advance(now);
        let Some(conn) = self.connection_of(client_id) else { return false };
        self.close(conn, how);
        true
    }

    /// Whether this connection still exists.
    pub fn is_open(&self, conn: ConnId) -> bool {
        self.sessions.contains_key(&conn)
    }

    /// A connection that was never read is found to be closed by its client.
    pub fn closed_unread(&mut self, now: Time, conn: ConnId) {
        self.handle(now, conn, Input::Eof);
    }
}
