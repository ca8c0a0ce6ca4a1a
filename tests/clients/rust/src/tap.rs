//! Reads the raw bytes that the library receives and keeps, for each message that bears an id, what tells whose it is:
//! a second opinion, since the library passes over misdirected messages in silence.
//!
//! The bytes come from the library's own capture of its inbound stream, which IBAPI_RAW_CAPTURE_DIR switches on.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use prost::Message;

/// Message numbers whose first field is a request id.
const BEARING_REQUEST_ID: [u32; 48] = [
    1, 2, 10, 12, 13, 17, 18, 20, 21, 45, 46, 50, 52, 55, 57, 58, 63, 64, 67, 68, 71, 72, 73, 74, 75, 76, 77,
    79, 81, 82, 83, 84, 86, 87, 88, 89, 90, 91, 92, 94, 95, 96, 97, 98, 99, 106, 107, 108,
];

/// What is added to the number of a message whose body is protobuf.
const PROTOBUF: u32 = 200;

pub struct OpenOrder {
    pub order_id: i32,
    pub client_id: i32,
    pub order_ref: String,
}

pub struct Status {
    pub order_id: i32,
    pub client_id: i32,
    pub status: String,
}

pub struct Execution {
    /// -1 when nobody asked for it.
    pub request_id: i32,
    pub order_id: i32,
    pub client_id: i32,
    pub exec_id: String,
    pub order_ref: String,
}

pub struct ServerError {
    pub id: i32,
    pub code: i32,
    pub text: String,
}

#[derive(Default)]
pub struct Tap {
    /// Where the capture appears, until it is taken up.
    directory: Option<PathBuf>,
    file: Option<File>,
    buffer: Vec<u8>,
    greeted: bool,
    /// (request id, message number)
    pub requests: Vec<(i32, u32)>,
    pub open_orders: Vec<OpenOrder>,
    pub statuses: Vec<Status>,
    pub executions: Vec<Execution>,
    /// By execution id.
    pub commissions: Vec<String>,
    pub errors: Vec<ServerError>,
    /// Messages that could not be read.
    pub unreadable: Vec<String>,
}

impl Tap {
    /// Makes the library capture what it receives. Has to come before any thread is started.
    pub fn prepare() -> std::io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("twsmux-tour-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        // SAFETY: no other thread runs yet that could read or write the environment.
        unsafe { std::env::set_var("IBAPI_RAW_CAPTURE_DIR", &directory) };
        Ok(Self { directory: Some(directory), ..Self::default() })
    }

    /// Takes the capture up, once the library has opened it, and removes its names: it lasts as long as it is open.
    pub fn open(&mut self) {
        let Some(directory) = self.directory.take() else { return };
        let paths = fs::read_dir(&directory).into_iter().flatten().flatten().map(|entry| entry.path());
        let capture = paths.into_iter().find(|path| path.extension().is_some_and(|ext| ext == "bin"));
        self.file = capture.and_then(|path| File::open(path).ok());
        let _ = fs::remove_dir_all(directory);
    }

    /// Reads what has come since.
    pub fn poll(&mut self) {
        let Some(file) = &mut self.file else { return };
        if file.read_to_end(&mut self.buffer).is_err() {
            self.unreadable.push("the capture of what the library received".into());
        }
        let mut rest = self.buffer.as_slice();
        let mut frames = Vec::new();
        while let Some((length, body)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let Some((frame, after)) = body.split_at_checked(length) else { break };
            frames.push(frame.to_vec());
            rest = after;
        }
        self.buffer = rest.to_vec();
        for frame in frames {
            self.frame(&frame);
        }
    }

    fn frame(&mut self, frame: &[u8]) {
        if !self.greeted {
            self.greeted = true;
            return self.greeting(frame);
        }
        let Some((number, body)) = frame.split_first_chunk::<4>() else {
            return self.unreadable.push(format!("a message of {} bytes", frame.len()));
        };
        let number = u32::from_be_bytes(*number);
        match number.checked_sub(PROTOBUF) {
            None => self.unreadable.push(format!("a text message {number}")),
            Some(number) => {
                if let Err(error) = self.message(number, body) {
                    self.unreadable.push(format!("message {number}: {error}"));
                }
            }
        }
    }

    /// The first answer: version and time, or an error in text from a server that refuses.
    fn greeting(&mut self, frame: &[u8]) {
        let text = String::from_utf8_lossy(frame);
        let fields: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
        if let ["4", _, id, code, words, ..] = fields[..] {
            let number = |field: &str| field.parse().unwrap_or(-1);
            self.errors.push(ServerError { id: number(id), code: number(code), text: words.into() });
        }
    }

    fn message(&mut self, number: u32, body: &[u8]) -> Result<(), prost::DecodeError> {
        match number {
            3 => {
                let m = wire::OrderStatus::decode(body)?;
                self.statuses.push(Status { order_id: m.order_id, client_id: m.client_id, status: m.status });
            }
            4 => {
                let m = wire::Error::decode(body)?;
                self.errors.push(ServerError { id: m.id.unwrap_or(-1), code: m.code, text: m.text });
            }
            5 => {
                let m = wire::OpenOrder::decode(body)?;
                let order = m.order.unwrap_or_default();
                let (client_id, order_ref) = (order.client_id, order.order_ref);
                self.open_orders.push(OpenOrder { order_id: m.order_id, client_id, order_ref });
            }
            11 => {
                let m = wire::ExecutionDetails::decode(body)?;
                let e = m.execution.unwrap_or_default();
                self.executions.push(Execution {
                    request_id: m.request_id.unwrap_or(-1),
                    order_id: e.order_id,
                    client_id: e.client_id,
                    exec_id: e.exec_id,
                    order_ref: e.order_ref,
                });
            }
            59 => self.commissions.push(wire::Commission::decode(body)?.exec_id),
            _ if BEARING_REQUEST_ID.contains(&number) => {
                let id = wire::Request::decode(body)?.request_id;
                self.requests.push((id.unwrap_or(-1), number));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The few fields of the messages that are looked at.
mod wire {
    #[derive(prost::Message)]
    pub struct Request {
        #[prost(int32, optional, tag = "1")]
        pub request_id: Option<i32>,
    }

    #[derive(prost::Message)]
    pub struct Error {
        #[prost(int32, optional, tag = "1")]
        pub id: Option<i32>,
        #[prost(int32, tag = "3")]
        pub code: i32,
        #[prost(string, tag = "4")]
        pub text: String,
    }

    #[derive(prost::Message)]
    pub struct OrderStatus {
        #[prost(int32, tag = "1")]
        pub order_id: i32,
        #[prost(string, tag = "2")]
        pub status: String,
        #[prost(int32, tag = "9")]
        pub client_id: i32,
    }

    #[derive(prost::Message)]
    pub struct OpenOrder {
        #[prost(int32, tag = "1")]
        pub order_id: i32,
        #[prost(message, optional, tag = "3")]
        pub order: Option<Order>,
    }

    #[derive(prost::Message)]
    pub struct Order {
        #[prost(int32, tag = "1")]
        pub client_id: i32,
        #[prost(string, tag = "28")]
        pub order_ref: String,
    }

    #[derive(prost::Message)]
    pub struct ExecutionDetails {
        #[prost(int32, optional, tag = "1")]
        pub request_id: Option<i32>,
        #[prost(message, optional, tag = "3")]
        pub execution: Option<Execution>,
    }

    #[derive(prost::Message)]
    pub struct Execution {
        #[prost(int32, tag = "1")]
        pub order_id: i32,
        #[prost(string, tag = "2")]
        pub exec_id: String,
        #[prost(int32, tag = "10")]
        pub client_id: i32,
        #[prost(string, tag = "14")]
        pub order_ref: String,
    }

    #[derive(prost::Message)]
    pub struct Commission {
        #[prost(string, tag = "1")]
        pub exec_id: String,
    }
}
