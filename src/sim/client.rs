//! A scripted API client for tests: blocking, with a bound on every wait.
//!
//! Owns: one socket and what came in on it. Speaks every version in the form that it has, by the same tables as
//! everybody else; values have their names and spelling of the text form throughout. May not know: what it talks to; a Gateway, a simulated one and twsmux look the same.
//! Driven by: tests.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

use super::dialect;
use crate::{
    limits,
    protocol::{
        self,
        layout::{LayoutError, Record},
    },
    wire::{
        WireError,
        frame::{self, FrameBuffer},
        handshake::{ClientHello, ServerHello},
        text::{self, Form},
    },
};

/// How long a client waits unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Why a wait ended without what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing of the kind came in time; what came instead.
    #[error("waited for {wanted} in vain; got {instead:?}")]
    Timeout {
        /// What was waited for.
        wanted: String,
        /// Names and values of the last messages that came instead.
        instead: Vec<String>,
    },
    /// The other side closed; what came before.
    #[error("the connection was closed while waiting for {wanted}; got {instead:?}")]
    Closed {
        /// What was waited for.
        wanted: String,
        /// Names and values of the last messages that came before.
        instead: Vec<String>,
    },
    /// The socket broke.
    #[error("the socket broke: {0}")]
    Io(#[from] io::Error),
    /// What came is no message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// What came has not the layout of its message.
    #[error("{name} at version {version}: {error}")]
    Layout {
        /// Name of the message.
        name: String,
        /// Negotiated version.
        version: u16,
        /// What is wrong with it.
        error: LayoutError,
    },
}

/// A message as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Name as in the tables.
    pub name: &'static str,
    /// Message id.
    pub id: u32,
    /// Its fields.
    pub values: Record,
    /// The whole payload.
    pub payload: Bytes,
}

impl Received {
    /// A field as text; empty when the message does not have it.
    pub fn text(&self, field: &str) -> &str {
        self.values.get(field).unwrap_or_default()
    }

    /// A field as a whole number; `i64::MIN` when it is none.
    pub fn int(&self, field: &str) -> i64 {
        self.values.int(field).unwrap_or(i64::MIN)
    }

    /// A field as a number; not a number when it is none.
    pub fn float(&self, field: &str) -> f64 {
        self.values.float(field).unwrap_or(f64::NAN)
    }

    /// Name and values in one line.
    pub fn line(&self) -> String {
        let values: Vec<_> = self.values.iter().take(12).map(|(n, v)| format!("{n}={v}")).collect();
        format!("{} {}", self.name, values.join(" "))
    }
}

/// One connection. Dropping it closes the socket: with FIN when everything that came was read from it (see
/// [`ApiClient::fence`]), otherwise the kernel sends RST.
#[derive(Debug)]
pub struct ApiClient {
    stream: TcpStream,
    buffer: FrameBuffer,
    version: u16,
    /// How long every wait may take.
    pub patience: Duration,
    /// Everything received so far, oldest first; cleared by nobody but the test.
    pub transcript: Vec<Received>,
}

impl ApiClient {
    /// Connects, and sends nothing.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn dial(address: SocketAddr) -> Result<Self, ClientError> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        Ok(ApiClient {
            stream,
            buffer: FrameBuffer::default(),
            version: 0,
            patience: PATIENCE,
            transcript: Vec::new(),
        })
    }

    /// Connects, offers exactly `version`, starts as `client_id`, and waits for accounts and the next order id.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn open(address: SocketAddr, version: u16, client_id: i32) -> Result<Self, ClientError> {
        let mut client = Self::dial(address)?;
        client.greet(version, version, "")?;
        client.start(client_id)?;
        client.until_both("managedAccounts", "nextValidId")?;
        Ok(client)
    }

    /// Sends the greeting and reads the answer.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn greet(&mut self, min: u16, max: u16, options: &str) -> Result<ServerHello, ClientError> {
        let mut out = BytesMut::new();
        ClientHello { min, max, options: options.into() }.put(&mut out);
        self.send_raw(&out)?;
        self.hello()
    }

    /// Reads the answer to a greeting that was sent before.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn hello(&mut self) -> Result<ServerHello, ClientError> {
        let hello = ServerHello::parse(&self.payload("the handshake's answer")?)?;
        self.version = hello.version;
        Ok(hello)
    }

    /// Sends startApi.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn start(&mut self, client_id: i32) -> Result<(), ClientError> {
        self.send("startApi", &record! { clientId: client_id })
    }

    /// The negotiated version; 0 before the greeting was answered.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Those of the socket.
    ///
    /// # Panics
    /// When there is no request of this name.
    pub fn send(&mut self, name: &str, values: &Record) -> Result<(), ClientError> {
        let mut out = BytesMut::new();
        put_request(name, self.version, values, &mut out);
        self.send_raw(&out)
    }

    fn payload(&mut self, wanted: &str) -> Result<Bytes, ClientError> {
        let end = Instant::now() + self.patience;
        loop {
            if let Some(payload) = self.buffer.next(limits::MAX_FRAME)? {
                return Ok(payload);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClientError::Timeout { wanted: wanted.into(), instead: self.tail() });
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 64 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ClientError::Closed { wanted: wanted.into(), instead: self.tail() }),
                Ok(n) => self.buffer.extend(&chunk[..n]),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn tail(&self) -> Vec<String> {
        let from = self.transcript.len().saturating_sub(12);
        self.transcript[from..].iter().map(Received::line).collect()
    }

    /// The next message, whatever it is.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn receive(&mut self) -> Result<Received, ClientError> {
        self.next_for("any message")
    }

    fn next_for(&mut self, wanted: &str) -> Result<Received, ClientError> {
        let payload = self.payload(wanted)?;
        let message = text::message(&payload, self.version)?;
        let id = message.id;
        let Some(shape) = dialect(self.version).response(id) else {
            return Err(WireError::BadMessageId(id.to_string()).into());
        };
        let name = shape.message.name;
        let values = shape.record(&message, Form::Text).map_err(|error| ClientError::Layout {
            name: name.into(),
            version: self.version,
            error,
        })?;
        let received = Received { name, id, values, payload };
        self.transcript.push(received.clone());
        Ok(received)
    }

    /// Reads on until a message fits; the ones before it are in the transcript only.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn find(&mut self, wanted: &str, fits: impl Fn(&Received) -> bool) -> Result<Received, ClientError> {
        // A stream of other messages must not make the wait endless.
        let end = Instant::now() + self.patience;
        loop {
            let received = self.next_for(wanted)?;
            if fits(&received) {
                return Ok(received);
            }
            if Instant::now() >= end {
                return Err(ClientError::Timeout { wanted: wanted.into(), instead: self.tail() });
            }
        }
    }

    /// Reads on until a message of this name.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn expect(&mut self, name: &str) -> Result<Received, ClientError> {
        self.find(name, |m| m.name == name)
    }

    /// The very next message must have this name.
    ///
    /// # Errors
    /// All of [`ClientError`]; another message counts as a timeout.
    pub fn exactly(&mut self, name: &str) -> Result<Received, ClientError> {
        let received = self.next_for(name)?;
        match received.name == name {
            true => Ok(received),
            false => Err(ClientError::Timeout { wanted: name.into(), instead: vec![received.line()] }),
        }
    }

    /// Reads on until an error with this id and code.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn expect_error(&mut self, id: i64, code: i64) -> Result<Received, ClientError> {
        self.find(&format!("error {code} on {id}"), |m| {
            m.name == "error" && m.int("id") == id && m.int("errorCode") == code
        })
    }

    /// Everything up to and with the first message of this name.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn until(&mut self, name: &str) -> Result<Vec<Received>, ClientError> {
        let from = self.transcript.len();
        self.expect(name)?;
        Ok(self.transcript[from..].to_vec())
    }

    fn until_both(&mut self, one: &str, other: &str) -> Result<(), ClientError> {
        let first = self.find(&format!("{one} and {other}"), |m| m.name == one || m.name == other)?;
        self.expect(if first.name == one { other } else { one })?;
        Ok(())
    }

    /// Sends a request whose end is one message, and gives back everything that came for it.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn ask(&mut self, name: &str, values: &Record, end: &str) -> Result<Vec<Received>, ClientError> {
        self.send(name, values)?;
        self.until(end)
    }

    /// Makes sure that everything sent before was carried out, and that nothing else is on its way: asks for the
    /// managed accounts and gives back what came before the answer.
    ///
    /// # Errors
    /// All of [`ClientError`].
    pub fn fence(&mut self) -> Result<Vec<Received>, ClientError> {
        self.ask("reqManagedAccts", &Record::new(), "managedAccounts")
    }

    /// Reads on until the other side closes (FIN or RST), and gives back what came before.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] when it does not, and those of broken messages.
    pub fn expect_closed(&mut self) -> Result<Vec<Received>, ClientError> {
        let from = self.transcript.len();
        let end = Instant::now() + self.patience;
        while Instant::now() < end {
            match self.next_for("the end of the connection") {
                Ok(_) => {}
                Err(ClientError::Closed { .. }) => return Ok(self.transcript[from..].to_vec()),
                Err(ClientError::Io(e)) if e.kind() == io::ErrorKind::ConnectionReset => {
                    return Ok(self.transcript[from..].to_vec());
                }
                Err(other) => return Err(other),
            }
        }
        Err(ClientError::Timeout { wanted: "the end of the connection".into(), instead: self.tail() })
    }

    /// Closes with RST instead of FIN.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn reset(self) -> Result<(), ClientError> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        Ok(())
    }
}

/// Appends a whole frame with a request in the form that the version has; the values are spelled as in text.
///
/// # Panics
/// When the version has no request of this name.
pub fn put_request(name: &str, version: u16, values: &Record, out: &mut BytesMut) {
    let request = protocol::requests().iter().find(|r| r.message.name == name);
    let shape = request.and_then(|r| dialect(version).request(u32::from(r.message.id)));
    let shape = shape.unwrap_or_else(|| panic!("there is no request {name} at server version {version}"));
    frame::put_with(out, |out| shape.compose(values, out));
}

/// The contract fields of a US stock, to which a test adds the rest of its request.
pub fn stock(symbol: &str) -> Record {
    record! { symbol: symbol, secType: "STK", exchange: "SMART", currency: "USD" }
}

/// The fields of a placeOrder: `orderId`, side, quantity, type and limit of an order in a US stock.
pub fn order(order_id: i32, symbol: &str, action: &str, quantity: u32, kind: &str, limit: &str) -> Record {
    let mut values = stock(symbol);
    values
        .set("orderId", order_id)
        .set("action", action)
        .set("totalQuantity", quantity)
        .set("orderType", kind)
        .set("lmtPrice", limit)
        .set("tif", "DAY")
        .set("transmit", true)
        .set("openClose", "O")
        .set("exemptCode", -1);
    values
}
