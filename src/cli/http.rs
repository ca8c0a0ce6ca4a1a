//! One request to the admin endpoint, within a bounded time.
//!
//! Owns: the connection to its port or its socket, the shape of an HTTP answer. May not know: what is asked. Driven by:
//! `status`, `top` and `control`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::status::clean;

/// Why there is no answer: exit code and words. 2: wrong arguments; 3: nothing listens; 4: not permitted; 5: it is no admin
/// endpoint of twsmux; 6: no answer in time.
pub(super) type Failure = (u8, String);

/// Most bytes that an answer may have; a status with all clients that fit stays far below.
const MAX_ANSWER: usize = 32 << 20;

/// What is asked.
#[derive(Debug)]
pub(super) struct Request<'a> {
    method: &'static str,
    path: &'a str,
    body: String,
    token: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Request { method: "GET", path, body: String::new(), token: None }
    }

    pub(super) fn post(path: &'a str, body: String, token: Option<&'a str>) -> Self {
        Request { method: "POST", path, body, token }
    }

    fn text(&self, host: &str) -> String {
        let Request { method, path, body, token } = self;
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{length}{token}\r\n{body}")
    }
}

/// A whole answer.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    /// The code with its words, as `404 Not Found`.
    pub(super) status: String,
    pub(super) body: String,
}

impl Answer {
    /// The first line of the body, fit for a terminal.
    pub(super) fn first_line(&self) -> String {
        clean(self.body.lines().next().unwrap_or_default())
    }
}

/// Asks the endpoint at a place, HOST:PORT or unix:PATH, within so many seconds.
///
/// # Errors
/// [`Failure`].
pub(super) fn exchange(place: &str, seconds: f64, request: &Request<'_>) -> Result<Answer, Failure> {
    let patience = Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|patience| !patience.is_zero())
        .ok_or_else(|| (2, format!("--timeout {seconds}: it must be a number of seconds above 0")))?;
    let deadline = Instant::now() + patience;
    let nobody = |error: io::Error| match error.kind() {
        ErrorKind::TimedOut => (6, format!("{place} did not answer within {seconds} s")),
        ErrorKind::PermissionDenied => (
            4,
            format!(
                "{place} lets only the user in who runs twsmux, and root. Be that user, or use the admin port with \
                 --token-file"
            ),
        ),
        _ => (3, format!("nothing answers at {place} ({error}). Is `twsmux run` running there?")),
    };
    let (mut stream, host): (Box<dyn Timed>, String) = match place.strip_prefix("unix:") {
        Some(path) => (Box::new(UnixStream::connect(path).map_err(nobody)?), "localhost".to_owned()),
        None => {
            let addr = place
                .to_socket_addrs()
                .ok()
                .and_then(|mut found| found.next())
                .ok_or_else(|| (2, format!("{place:?} is neither HOST:PORT nor unix:PATH")))?;
            let stream = TcpStream::connect_timeout(&addr, patience).map_err(nobody)?;
            // Should this be a Gateway by mistake, the close must not leave a zombie there.
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            (Box::new(stream), addr.to_string())
        }
    };
    let answer = ask(&mut *stream, &request.text(&host), deadline).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            (6, format!("{place} accepted the connection and did not answer within {seconds} s"))
        }
        _ => (5, format!("{place} is no admin endpoint of twsmux: {error}")),
    })?;
    read(&answer).map_err(|words| (5, format!("{place} is no admin endpoint of twsmux: {words}")))
}

/// A stream whose waits are bounded.
trait Timed: Read + Write {
    fn wait_at_most(&self, time: Duration) -> io::Result<()>;
}

impl Timed for TcpStream {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(time)).and_then(|()| self.set_read_timeout(Some(time)))
    }
}

impl Timed for UnixStream {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(time)).and_then(|()| self.set_read_timeout(Some(time)))
    }
}

fn ask(stream: &mut dyn Timed, request: &str, deadline: Instant) -> io::Result<Vec<u8>> {
    stream.wait_at_most(left(deadline)?)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        stream.wait_at_most(left(deadline)?)?;
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(answer),
            Ok(n) => answer.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        if answer.len() > MAX_ANSWER {
            return Err(io::Error::other(format!("the answer has more than {MAX_ANSWER} bytes")));
        }
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A whole HTTP answer; otherwise words.
fn read(answer: &[u8]) -> Result<Answer, String> {
    const HEAD_END: &[u8] = b"\r\n\r\n";
    let head_end = answer.windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END);
    let (head, body) = head_end
        .map(|at| (&answer[..at], &answer[at + HEAD_END.len()..]))
        .ok_or_else(|| format!("{} bytes came that are no HTTP answer", answer.len()))?;
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let status =
        first.strip_prefix("HTTP/1.").and_then(|rest| rest.split_once(' ')).map(|(_, status)| status);
    let code = status.and_then(|status| status.split(' ').next()?.parse().ok());
    let (Some(status), Some(code)) = (status, code) else {
        return Err(format!("{:?} is no HTTP answer", clean(first)));
    };
    let body = String::from_utf8_lossy(body).into_owned();
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    match length {
        Some(length) if length != body.len() => Err(format!("{} of {length} bytes came", body.len())),
        Some(_) => Ok(Answer { code, status: clean(status), body }),
        None => Err("the answer does not say its length".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_none_are_told_apart() {
        let answer = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert_eq!((answer.code, answer.body.as_str()), (200, "{}"));
        let answer = read(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nno\n").unwrap();
        assert_eq!((answer.code, answer.status.as_str()), (403, "403 Forbidden"));
        assert_eq!(answer.first_line(), "no");
        for (answer, words) in [
            (&b""[..], "0 bytes"),
            (b"176\x0020260101 10:00:00 UTC\0", "no HTTP"),
            (b"176\x0020260101\r\n\r\n", "no HTTP"),
            (b"HTTP/1.1 OK\r\n\r\n", "no HTTP"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "2 of 9"),
            (b"HTTP/1.1 200 OK\r\n\r\n{}", "length"),
        ] {
            let error = read(answer).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
