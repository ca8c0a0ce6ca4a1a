//! The messages of the measurements at one server version: what clients ask, what the fake Gateway answers.
//!
//! Owns: their bytes. May not know: sockets, time, what is measured. Driven by: the fake Gateway and the clients.
//!
//! Ticks are written by hand, everything else by the tables or from a template with the ids replaced.

use std::io::Write;

use bytes::BytesMut;
use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::layout::Record;
use twsmux::protocol::model::Role;
use twsmux::record;
use twsmux::sim::client::{order, stock};
use twsmux::wire::text::{self, Form, Message};
use twsmux::wire::{frame, proto};

/// Server version from which ticks are protobuf.
const PROTO_TICKS: u16 = 206;
/// Server version from which the end of historical data is a message of its own.
const HISTORY_END: u16 = 196;
/// Contract id of the first instrument that ticks.
pub const FIRST_INSTRUMENT: i64 = 1_000_000;
/// Contract id of the first contract that is asked for.
pub const FIRST_CONTRACT: i64 = 5_000_000;

/// What a client is told, as far as the measurements look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// managedAccounts.
    Accounts,
    /// nextValidId.
    NextId,
    /// A price: request, the instrument, its number in the order of the instrument's ticks.
    Tick { req: i64, instrument: i64, seq: u64 },
    /// Contract details: request, contract.
    Contract { req: i64, contract: i64 },
    /// Their end.
    ContractEnd { req: i64 },
    /// An open order.
    Order { id: i64 },
    /// Its state.
    Status { id: i64 },
    /// Historical data: request, bytes.
    History { req: i64, bytes: usize },
    /// An error: id, code.
    Error { id: i64, code: i64 },
    /// Something else.
    Other,
}

/// The messages at one server version.
pub struct Speech {
    dialect: Dialect,
    details: BytesMut,
    shown: BytesMut,
}

impl Speech {
    /// At a server version.
    pub fn new(version: u16) -> Speech {
        let dialect = Dialect::new(version);
        let mut details = BytesMut::new();
        let contract = record! {
            reqId: 1, conId: FIRST_CONTRACT, symbol: "AAPL", secType: "STK", exchange: "SMART", currency: "USD",
            localSymbol: "AAPL", marketName: "NMS", tradingClass: "NMS", minTick: "0.01", priceMagnifier: 1,
            orderTypes: "ACTIVETIM,AD,ADJUST,ALERT,ALLOC,AVGCOST,BASKET,BENCHPX,CASHQTY,COND,DAY,DEACT,DIS,GAT,GTC",
            validExchanges: "SMART,AMEX,NYSE,CBOE,PHLX,ISE,CHX,ARCA,ISLAND,DRCTEDGE,BEX,BATS,EDGEA,BYX,IEX,PEARL",
            longName: "APPLE INC", industry: "Technology", category: "Computers", subcategory: "Computers",
            timeZoneId: "US/Eastern", stockType: "COMMON",
        };
        dialect.response(10).expect("contractDetails").compose(&contract, &mut details);
        let mut shown = BytesMut::new();
        let open = record! {
            orderId: 7, conId: FIRST_CONTRACT, symbol: "AAPL", secType: "STK", exchange: "SMART", currency: "USD",
            localSymbol: "AAPL", tradingClass: "NMS", action: "BUY", totalQuantity: 100, orderType: "LMT",
            lmtPrice: "1.0", auxPrice: "0.0", tif: "DAY", account: "DU1", clientId: 0, permId: 1,
            clearingIntent: "IB", status: "PreSubmitted", usePriceMgmtAlgo: 1,
        };
        dialect.response(5).expect("openOrder").compose(&open, &mut shown);
        Speech { dialect, details, shown }
    }

    /// The server version.
    pub fn version(&self) -> u16 {
        self.dialect.version()
    }

    /// Takes a payload apart.
    pub fn read<'a>(&self, payload: &'a [u8]) -> Result<Message<'a>, String> {
        text::message(payload, self.version()).map_err(|error| error.to_string())
    }

    /// Appends a request's frame.
    pub fn ask(&self, id: u32, values: &Record, out: &mut BytesMut) {
        let shape = self.dialect.request(id).expect("a request of this version");
        frame::put_with(out, |out| shape.compose(values, out));
    }

    /// Appends an answer's frame.
    pub fn tell(&self, id: u32, values: &Record, out: &mut BytesMut) {
        let shape = self.dialect.response(id).expect("a response of this version");
        frame::put_with(out, |out| shape.compose(values, out));
    }

    /// startApi.
    pub fn start(&self, client: i32, out: &mut BytesMut) {
        self.ask(71, &record! { clientId: client }, out);
    }

    /// reqMktData of an instrument.
    pub fn subscribe(&self, req: i64, instrument: i64, out: &mut BytesMut) {
        self.ask(1, contract(FIRST_INSTRUMENT + instrument).set("reqId", req), out);
    }

    /// reqContractDetails.
    pub fn ask_contract(&self, req: i64, contract_id: i64, out: &mut BytesMut) {
        self.ask(9, contract(contract_id).set("reqId", req), out);
    }

    /// placeOrder.
    pub fn place(&self, id: i32, out: &mut BytesMut) {
        self.ask(3, order(id, "AAPL", "BUY", 1, "LMT", "1.0").set("conId", FIRST_CONTRACT), out);
    }

    /// reqHistoricalData; each with another end, so that none is a repetition.
    pub fn ask_history(&self, req: i64, contract_id: i64, out: &mut BytesMut) {
        let mut values = contract(contract_id);
        values.set("reqId", req).set("endDateTime", "20260105-21:00:00").set("barSizeSetting", "1 day");
        values.set("durationStr", "1 Y").set("useRTH", 1).set("whatToShow", "TRADES").set("formatDate", 1);
        self.ask(20, &values, out);
    }

    /// The request (or order) id and the contract id of a request.
    pub fn ids(&self, message: &Message<'_>) -> (i64, i64) {
        // Before these the messages have a version in front.
        let first = match message.id {
            3 => 1 + usize::from(self.version() < 145),
            20 => 1 + usize::from(self.version() < 124),
            _ => 2,
        };
        match message.form {
            Form::Text => {
                let int = |index| text::int(message.body, index).unwrap_or(-1);
                (int(first), int(first + 1))
            }
            Form::Proto => {
                let int = |path: &[u32]| proto::get_int(message.body, path).ok().flatten().unwrap_or(-1);
                (int(&[1]), int(&[2, 1]))
            }
        }
    }

    /// A price. Instrument and number stand in what clients are shown, so that a wrong one is noticed.
    pub fn tick(&self, req: i64, instrument: i64, seq: u64, out: &mut BytesMut) {
        frame::put_with(out, |out| match self.version() < PROTO_TICKS {
            true => {
                text::put_id(1, Form::Text, self.version(), out);
                text::put_int(6, out);
                text::put_int(req, out);
                text::put_int(1, out);
                text::put_int(seq as i64, out);
                text::put_int(100 + instrument, out);
                text::put_int(1, out);
            }
            false => {
                text::put_id(1, Form::Proto, self.version(), out);
                proto::put_int(1, req, out);
                proto::put_int(2, 1, out);
                proto::put_double(3, seq as f64, out);
                proto::put_bytes(4, digits(100 + instrument, &mut [0; 24]), out);
                proto::put_int(5, 1, out);
            }
        });
    }

    /// Contract details and their end.
    pub fn details(&self, req: i64, contract_id: i64, out: &mut BytesMut) {
        let shape = self.dialect.response(10).expect("contractDetails");
        let message = text::message(&self.details, self.version()).expect("our own");
        let mut body = BytesMut::new();
        match message.form {
            Form::Text => {
                let at = 12 - usize::from(self.version() >= 164) + usize::from(self.version() >= 182);
                text::patch(message.body, [(at + 1, contract_id)], &mut body).expect("our own");
            }
            Form::Proto => {
                proto::patch(message.body, &[(&[2, 1], contract_id)], &mut body).expect("our own");
            }
        }
        let message = Message { body: &body, ..message };
        frame::put_with(out, |out| shape.patch(&message, &[(Role::ReqId, req)], out).expect("our own"));
        self.tell(52, &record! { reqId: req }, out);
    }

    /// An order at work: openOrder and orderStatus.
    pub fn at_work(&self, id: i64, client: i32, out: &mut BytesMut) {
        let shape = self.dialect.response(5).expect("openOrder");
        let message = text::message(&self.shown, self.version()).expect("our own");
        let perm = 1_000_000 + id;
        let edits = [(Role::OrderId, id), (Role::ClientId, client.into()), (Role::PermId, perm)];
        frame::put_with(out, |out| shape.patch(&message, &edits, out).expect("our own"));
        let status = record! {
            orderId: id, status: "PreSubmitted", filled: 0, remaining: 1, avgFillPrice: "0.0", permId: perm,
            parentId: 0, lastFillPrice: "0.0", clientId: client, mktCapPrice: "0.0",
        };
        self.tell(3, &status, out);
    }

    /// Historical data of about so many bytes. Protobuf versions only.
    pub fn history(&self, req: i64, bytes: usize, out: &mut BytesMut) {
        frame::put_with(out, |out| {
            let start = out.len();
            text::put_id(17, Form::Proto, self.version(), out);
            proto::put_int(1, req, out);
            let mut bar = BytesMut::new();
            for n in 0.. {
                bar.clear();
                proto::put_bytes(1, b"20260105", &mut bar);
                for (field, price) in [(2, 227.0), (3, 229.5), (4, 226.0), (5, 228.0)] {
                    proto::put_double(field, price, &mut bar);
                }
                proto::put_bytes(6, digits(1000 + n % 1000, &mut [0; 24]), &mut bar);
                proto::put_bytes(7, b"227.5", &mut bar);
                proto::put_int(8, 17, &mut bar);
                if out.len() - start + bar.len() + 8 > bytes {
                    break;
                }
                proto::put_bytes(2, &bar, out);
            }
        });
    }

    /// Gives historical data another request id in place; `false` where that takes other room.
    pub fn renumber(&self, history: &mut BytesMut, req: i64) -> bool {
        let mut id = BytesMut::new();
        proto::put_int(1, req, &mut id);
        // Frame length and message id stand in front; the last byte of a varint has no high bit.
        let start = frame::PREFIX + 4;
        let Some(there) = history.get(start + 1..) else { return false };
        let length = there.iter().position(|b| b & 0x80 == 0).map_or(0, |at| at + 2);
        if length != id.len() {
            return false;
        }
        history[start..start + length].copy_from_slice(&id);
        true
    }

    /// The end of historical data, where it is a message of its own.
    pub fn history_end(&self, req: i64, out: &mut BytesMut) {
        if self.version() >= HISTORY_END {
            self.tell(108, &record! { reqId: req, startDate: "20250105", endDate: "20260105" }, out);
        }
    }

    /// What a client is told.
    pub fn told(&self, payload: &[u8]) -> Result<Told, String> {
        let message = self.read(payload)?;
        let body = message.body;
        let int = |index: usize, path: &[u32]| match message.form {
            Form::Text => text::int(body, index).map_err(|error| error.to_string()),
            Form::Proto => Ok(proto::get_int(body, path).map_err(|error| error.to_string())?.unwrap_or(0)),
        };
        Ok(match message.id {
            1 => self.price(&message)?,
            3 => Told::Status { id: int(1 + usize::from(self.version() < 131), &[1])? },
            4 => Told::Error {
                id: int(1 + usize::from(self.version() < 194), &[1])?,
                code: int(2 + usize::from(self.version() < 194), &[3])?,
            },
            5 => Told::Order { id: int(1 + usize::from(self.version() < 145), &[1])? },
            9 => Told::NextId,
            10 => {
                let first = 1 + usize::from(self.version() < 164);
                let at = first + 10 + usize::from(self.version() >= 182);
                Told::Contract { req: int(first, &[1])?, contract: int(at + 1, &[2, 1])? }
            }
            15 => Told::Accounts,
            17 => Told::History { req: int(1 + usize::from(self.version() < 124), &[1])?, bytes: body.len() },
            52 => Told::ContractEnd { req: int(2, &[1])? },
            _ => Told::Other,
        })
    }

    fn price(&self, message: &Message<'_>) -> Result<Told, String> {
        let bad = || format!("a tick that was never sent: {:?}", String::from_utf8_lossy(message.body));
        let (req, seq, size) = match message.form {
            Form::Text => {
                let mut fields = text::fields(message.body);
                let mut next = || fields.next().unwrap_or_default();
                let (_, req, _, price, size) = (next(), next(), next(), next(), next());
                let whole = price.split(|b| *b == b'.').next().unwrap_or_default();
                (text::parse_int(req), text::parse_int(whole), text::parse_int(size))
            }
            Form::Proto => {
                let (mut req, mut seq, mut size) = (None, None, None);
                for field in proto::fields(message.body) {
                    match field.map_err(|error| error.to_string())? {
                        (1, proto::Value::Varint(n)) => req = Some(n as i64),
                        (3, proto::Value::Fixed64(n)) => seq = Some(f64::from_bits(n) as i64),
                        (4, proto::Value::Bytes(b)) => size = text::parse_int(b),
                        _ => {}
                    }
                }
                (req, seq, size)
            }
        };
        match (req, seq, size) {
            (Some(req), Some(seq), Some(size)) => {
                Ok(Told::Tick { req, instrument: size - 100, seq: u64::try_from(seq).map_err(|_| bad())? })
            }
            _ => Err(bad()),
        }
    }
}

fn contract(id: i64) -> Record {
    let mut values = stock("AAPL");
    values.set("conId", id);
    values
}

/// A number as text, without memory from the heap.
fn digits(n: i64, room: &mut [u8; 24]) -> &[u8] {
    let mut rest = &mut room[..];
    write!(rest, "{n}").expect("24 bytes are enough");
    let left = rest.len();
    &room[..24 - left]
}
