//! `twsmux decode`: recorded frames of any server version, readable.
//!
//! Owns: the arguments, and taking the input apart. May not know: how a message looks; that is in the tables, and
//! [`show`] prints it. Driven by: the command line.

pub(super) mod capture;
pub(super) mod show;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::capture::format::{Fault, MAGIC, Reader};
use crate::limits::{MAX_FRAME, MAX_GREETING};
use crate::protocol::dialect::Dialect;
use crate::protocol::model::{Direction, Message};
use crate::protocol::{request, requests, response, responses};
use crate::wire::frame::{self, FrameBuffer};
use crate::wire::handshake::{API_PREFIX, ClientHello, ServerHello};
use crate::wire::text::{self, RAW_ID_SINCE};
use capture::Paper;
use show::{Frame, Printer};

/// Arguments of `decode`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Input, recognised by what it holds:
  a capture             of `twsmux run --capture`; every connection in it says its server version
  a recording in text   lines `handshake {json}`, `raw server BASE64`, `raw client BASE64`
  a byte stream         of one direction, the handshake first (API\\0.. of a client, the hello of a Gateway)
  hexadecimal           one frame a line, its length in front or not; needs --direction and --server-version

Exit codes: 0 everything was readable; 1 a frame was not, and is shown with what is wrong; 2 the input or the arguments \
cannot be used.")]
pub struct DecodeArgs {
    /// The recording; - for standard input
    #[arg(value_name = "FILE|-")]
    file: String,
    /// Server version, where the input does not say
    #[arg(long, value_name = "N")]
    server_version: Option<u16>,
    /// Who wrote the frames, where the input does not say
    #[arg(long, value_name = "WHO", value_enum)]
    direction: Option<Side>,
    /// Print one JSON object per frame
    #[arg(long)]
    json: bool,
    /// Print the frames of this message only, for example openOrder
    #[arg(long, value_name = "NAME", value_parser = known_message)]
    message: Option<String>,
}

/// Who wrote a frame.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Side {
    /// An API client
    Client,
    /// The Gateway or TWS
    Gateway,
}

impl From<Side> for Direction {
    fn from(side: Side) -> Self {
        match side {
            Side::Client => Direction::Request,
            Side::Gateway => Direction::Response,
        }
    }
}

/// Why decoding ends early.
enum Stop {
    /// The input cannot be used, or not any further.
    Unusable(String),
    /// Nothing can be printed.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Output(error)
    }
}

/// Prints the recording.
pub fn run(args: &DecodeArgs) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut decoder = Decoder { args, printer: Printer::new(&mut out, args), dialect: None };
    let end = open(&args.file).and_then(|input| decoder.all(input));
    let (frames, unreadable) = decoder.printer.counts();
    match (end.and_then(|()| Ok(out.flush()?)), unreadable) {
        (Ok(()), 0) => ExitCode::SUCCESS,
        (Ok(()), _) => super::fail(1, format!("{unreadable} of {frames} frames could not be read")),
        (Err(Stop::Unusable(words)), _) => super::fail(2, words),
        // A reader that left early does not change what was found.
        (Err(Stop::Output(error)), _) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::from(u8::from(unreadable > 0))
        }
        (Err(Stop::Output(error)), _) => super::fail(2, format!("cannot write: {error}")),
    }
}

fn open(name: &str) -> Result<Box<dyn BufRead>, Stop> {
    match name {
        "-" => Ok(Box::new(io::stdin().lock())),
        name => match File::open(name) {
            Ok(file) => Ok(Box::new(BufReader::new(file))),
            Err(error) => Err(Stop::Unusable(format!("cannot read {name}: {error}"))),
        },
    }
}

fn known_message(name: &str) -> Result<String, String> {
    let mut names =
        requests().iter().map(|r| r.message.name).chain(responses().iter().map(|r| r.message.name));
    match names.any(|known| known == name) {
        true => Ok(name.to_owned()),
        false => {
            Err("no message has this name; names are those of the official clients, as reqMktData".into())
        }
    }
}

/// What the frames of a recording come in.
struct Decoder<'a, W: Write> {
    args: &'a DecodeArgs,
    printer: Printer<'a, W>,
    /// Of the connection that the frames belong to.
    dialect: Option<Dialect>,
}

/// The line before the frames of a connection.
#[derive(Deserialize)]
struct Handshake {
    server_version: u16,
    #[serde(default)]
    connection_time: String,
}

impl<W: Write> Decoder<'_, W> {
    fn all(&mut self, mut input: Box<dyn BufRead>) -> Result<(), Stop> {
        self.dialect = self.args.server_version.map(Dialect::new);
        let mut head = Vec::new();
        (&mut input).take(API_PREFIX.len() as u64).read_to_end(&mut head).map_err(unreadable)?;
        // Text begins with neither: the length of a frame begins with a zero byte.
        let is_stream = head.starts_with(&[0]) || head == API_PREFIX;
        if MAGIC.starts_with(&head) && head.len() == API_PREFIX.len() {
            return self.capture(head.chain(input));
        }
        match (head.is_empty(), is_stream) {
            (true, _) => Err(Stop::Unusable("there is nothing in it".into())),
            (_, true) => self.stream(head.chain(input)),
            (_, false) => self.lines(head.chain(input)),
        }
    }

    fn capture(&mut self, input: impl Read) -> Result<(), Stop> {
        let fault = |fault: Fault| Stop::Unusable(fault.to_string());
        let mut reader = Reader::new(input).map_err(fault)?;
        let mut paper = Paper::new(&mut self.printer, self.args.server_version);
        paper.begin(reader.begin())?;
        loop {
            match reader.next() {
                Ok(Some(record)) => paper.record(&record)?,
                Ok(None) => return Ok(()),
                // As it is while it is being written.
                Err(torn @ Fault::Torn(_)) => return Ok(self.printer.note(&torn.to_string())?),
                Err(other) => return Err(fault(other)),
            }
        }
    }

    /// The version as the input has it; the option must agree.
    fn version(&mut self, version: u16) -> Result<(), Stop> {
        match self.args.server_version {
            Some(wanted) if wanted != version => Err(Stop::Unusable(format!(
                "it was recorded at server version {version}, not at {wanted} as --server-version says"
            ))),
            _ => {
                self.dialect = Some(Dialect::new(version));
                Ok(())
            }
        }
    }

    fn stream(&mut self, mut input: impl BufRead) -> Result<(), Stop> {
        let mut buffer = FrameBuffer::default();
        let mut begun = None;
        loop {
            let chunk = input.fill_buf().map_err(unreadable)?;
            let (read, ended) = (chunk.len(), chunk.is_empty());
            buffer.extend(chunk);
            input.consume(read);
            if begun.is_none() {
                begun = self.beginning(&mut buffer, ended)?;
            }
            let Some(direction) = begun else { continue };
            loop {
                match buffer.next(MAX_FRAME) {
                    Ok(Some(payload)) => self.frame(direction, &payload)?,
                    Ok(None) => break,
                    Err(fault) => return Ok(self.printer.lost(direction, &fault, buffer.pending())?),
                }
            }
            if ended {
                return match buffer.pending() {
                    [] => Ok(()),
                    rest => Ok(self.printer.lost(direction, &"the last frame is cut off", rest)?),
                };
            }
        }
    }

    /// Takes the handshake from the beginning of a stream; it says the direction. `None`: more bytes are needed.
    fn beginning(&mut self, buffer: &mut FrameBuffer, ended: bool) -> Result<Option<Direction>, Stop> {
        let unusable = |fault: &dyn std::fmt::Display| Stop::Unusable(fault.to_string());
        if buffer.pending().starts_with(&API_PREFIX[..1]) {
            return match ClientHello::take(buffer, MAX_GREETING) {
                Ok(Some(hello)) => {
                    self.printer.greeting(&hello)?;
                    self.range(&hello).map(|()| Some(Direction::Request))
                }
                Ok(None) if ended => Err(Stop::Unusable("it ends within the greeting of a client".into())),
                Ok(None) => Ok(None),
                Err(fault) => Err(unusable(&fault)),
            };
        }
        let hello = match frame::split(buffer.pending(), MAX_FRAME) {
            Ok(None) if !ended => return Ok(None),
            Ok(Some((payload, _))) => ServerHello::parse(payload).map_err(|fault| unusable(&fault)),
            Ok(None) => Err(Stop::Unusable("it ends within its first frame".into())),
            Err(fault) => Err(unusable(&fault)),
        };
        match (hello, self.args.direction, &self.dialect) {
            (Ok(hello), ..) => {
                // It was seen just now.
                let _ = buffer.next(MAX_FRAME);
                self.version(hello.version)?;
                self.printer.hello(&hello)?;
                Ok(Some(Direction::Response))
            }
            (Err(_), Some(direction), Some(_)) => Ok(Some(direction.into())),
            (Err(Stop::Unusable(fault)), ..) => Err(Stop::Unusable(format!(
                "it does not begin with a handshake ({fault}); --direction and --server-version say what it is"
            ))),
            (Err(stop), ..) => Err(stop),
        }
    }

    /// A client names a range; which version was agreed on is said by the other side alone.
    fn range(&mut self, hello: &ClientHello) -> Result<(), Stop> {
        match self.args.server_version {
            None if hello.min == hello.max => self.version(hello.min),
            None => Err(Stop::Unusable(format!(
                "the client offers the server versions {} to {}; --server-version says which one was agreed on",
                hello.min, hello.max
            ))),
            Some(version) if version < hello.min || hello.max < version => Err(Stop::Unusable(format!(
                "the client offers the server versions {} to {}, and {version} is not among them",
                hello.min, hello.max
            ))),
            Some(_) => Ok(()),
        }
    }

    fn lines(&mut self, mut input: impl BufRead) -> Result<(), Stop> {
        /// Two digits a byte, a blank between bytes, and words in front.
        const LONGEST: u64 = 3 * MAX_FRAME as u64 + 1024;
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = (&mut input).take(LONGEST).read_until(b'\n', &mut line).map_err(unreadable)?;
            if read as u64 == LONGEST {
                return Err(Stop::Unusable(format!("line {number} is longer than any frame")));
            }
            if read == 0 {
                break;
            }
            let at = |words: String| Stop::Unusable(format!("line {number}: {words}"));
            let line = std::str::from_utf8(&line).map_err(|_| at("it is no text".into()))?;
            self.line(line.trim()).map_err(|stop| match stop {
                Stop::Unusable(words) => at(words),
                output => output,
            })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), Stop> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (word, rest.split_once(char::is_whitespace)) {
            ("", _) => Ok(()),
            (comment, _) if comment.starts_with('#') => Ok(()),
            ("handshake", _) => {
                let hello: Handshake = serde_json::from_str(rest)
                    .map_err(|error| Stop::Unusable(format!("no handshake: {error}")))?;
                self.version(hello.server_version)?;
                let hello = ServerHello { version: hello.server_version, time: hello.connection_time };
                Ok(self.printer.hello(&hello)?)
            }
            ("disconnect" | "sleep", _) => Ok(self.printer.note(line)?),
            ("raw", Some(("server", frame))) => self.base64(Direction::Response, frame),
            ("raw", Some(("client", frame))) => self.base64(Direction::Request, frame),
            _ => self.hexadecimal(line),
        }
    }

    fn base64(&mut self, direction: Direction, text: &str) -> Result<(), Stop> {
        if self.dialect.is_none() {
            return Err(Stop::Unusable(
                "no handshake came before this frame; --server-version says its version".into(),
            ));
        }
        let bytes = match STANDARD.decode(text.trim()) {
            Ok(bytes) => bytes,
            Err(fault) => return Ok(self.printer.lost(direction, &fault, text.as_bytes())?),
        };
        match frame::split(&bytes, MAX_FRAME) {
            Ok(Some((payload, []))) => self.frame(direction, payload),
            Ok(Some(_)) => Ok(self.printer.lost(direction, &"more bytes than the frame has", &bytes)?),
            Ok(None) => Ok(self.printer.lost(direction, &"the frame is cut off", &bytes)?),
            Err(fault) => Ok(self.printer.lost(direction, &fault, &bytes)?),
        }
    }

    fn hexadecimal(&mut self, line: &str) -> Result<(), Stop> {
        let bytes = unhex(line).ok_or_else(|| {
            Stop::Unusable("it is neither a line of a recording nor a frame in hexadecimal".into())
        })?;
        let (Some(direction), Some(dialect)) = (self.args.direction.map(Direction::from), &self.dialect)
        else {
            return Err(Stop::Unusable("hexadecimal needs --direction and --server-version".into()));
        };
        let known = |payload: &[u8]| {
            let id = text::message(payload, dialect.version()).map(|m| m.id);
            id.is_ok_and(|id| declared(direction, id).is_some())
        };
        match frame::split(&bytes, MAX_FRAME) {
            // A raw message id can look like a length, and then what follows does not look like a message.
            Ok(Some((payload, []))) if dialect.version() < RAW_ID_SINCE || known(payload) => {
                self.frame(direction, payload)
            }
            _ => self.frame(direction, &bytes),
        }
    }

    fn frame(&mut self, direction: Direction, payload: &[u8]) -> Result<(), Stop> {
        let dialect = self.dialect.as_ref().expect("a version is known before the first frame");
        let frame = Frame::of(dialect, direction, payload);
        Ok(self.printer.frame(direction, dialect.version(), payload, &frame)?)
    }
}

fn unreadable(error: io::Error) -> Stop {
    Stop::Unusable(format!("cannot read on: {error}"))
}

fn declared(direction: Direction, id: u32) -> Option<&'static Message> {
    match direction {
        Direction::Request => request(id).map(|r| &r.message),
        Direction::Response => response(id).map(|r| &r.message),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
