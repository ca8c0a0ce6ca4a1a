//! The two messages of the handshake (PROTOCOL.md (a), "Handshake, byte by byte").

use bytes::{BufMut, BytesMut};
use nom::{
    IResult, Parser,
    bytes::complete::tag,
    character::complete::{char, i32 as int, u16 as version},
    combinator::{map, opt, rest},
    sequence::preceded,
};

use super::{
    WireError,
    frame::{self, FrameBuffer},
};

/// What every v100+ client sends first.
pub const API_PREFIX: &[u8; 4] = b"API\0";

/// A client's greeting: the server versions it speaks and its connect options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// Lowest server version the client accepts.
    pub min: u16,
    /// Highest server version the client knows.
    pub max: u16,
    /// What followed the range after one blank, verbatim (for example `+PACEAPI`); empty when nothing did.
    pub options: String,
}

fn client_hello(input: &str) -> IResult<&str, (u16, Option<u16>, Option<&str>)> {
    (preceded(char('v'), version), opt(preceded(tag(".."), version)), opt(preceded(char(' '), rest)))
        .parse(input)
}

impl ClientHello {
    /// Parses the payload of the greeting's frame: `vMIN..MAX` or `vN`, then perhaps a blank and options.
    ///
    /// # Errors
    /// [`WireError::BadVersionRange`], also when the range is empty.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let text = String::from_utf8_lossy(payload);
        let bad = || WireError::BadVersionRange(text.chars().take(64).collect());
        // Some clients end the range with a NUL although the official ones do not.
        match client_hello(text.trim_end_matches('\0')) {
            Ok(("", (min, max, options))) => {
                let max = max.unwrap_or(min);
                if min > max {
                    return Err(bad());
                }
                Ok(ClientHello { min, max, options: options.unwrap_or_default().to_owned() })
            }
            _ => Err(bad()),
        }
    }

    /// Takes the greeting out of what a client sent so far; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`WireError::LegacyClient`] when the first byte is a digit, [`WireError::NotAnApiClient`] as soon as the
    /// first bytes differ from [`API_PREFIX`], and those of [`frame::split`] and [`ClientHello::parse`].
    pub fn take(buffer: &mut FrameBuffer, limit: usize) -> Result<Option<Self>, WireError> {
        let bytes = buffer.pending();
        let n = bytes.len().min(API_PREFIX.len());
        if bytes[..n] != API_PREFIX[..n] {
            return Err(match bytes[0].is_ascii_digit() {
                true => WireError::LegacyClient,
                false => WireError::NotAnApiClient,
            });
        }
        if n < API_PREFIX.len() {
            return Ok(None);
        }
        // The prefix stays until the frame behind it is whole, so that this function can be called again.
        let Some((payload, _)) = frame::split(&bytes[n..], limit)? else { return Ok(None) };
        let hello = Self::parse(payload)?;
        let length = API_PREFIX.len() + frame::PREFIX + payload.len();
        buffer.take(length);
        Ok(Some(hello))
    }

    /// Appends the whole greeting, prefix included.
    pub fn put(&self, out: &mut BytesMut) {
        let mut text = match self.min == self.max {
            true => format!("v{}", self.min),
            false => format!("v{}..{}", self.min, self.max),
        };
        if !self.options.is_empty() {
            text.push(' ');
            text.push_str(&self.options);
        }
        out.put_slice(API_PREFIX);
        frame::put(text.as_bytes(), out);
    }
}

/// A server's reply: the version that both sides will speak, and its time, which is passed on unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// Negotiated server version.
    pub version: u16,
    /// Connection time as the Gateway wrote it, time zone included; never parsed.
    pub time: String,
}

fn server_hello(input: &str) -> IResult<&str, (i32, &str)> {
    (int, map(preceded(char('\0'), rest), |t: &str| t.strip_suffix('\0').unwrap_or(t))).parse(input)
}

impl ServerHello {
    /// Parses the payload of the reply: `VERSION\0TIME\0`.
    ///
    /// # Errors
    /// [`WireError::Redirect`] on a negative version, [`WireError::BadServerHello`] on anything else.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let text = String::from_utf8_lossy(payload);
        let bad = || WireError::BadServerHello(text.chars().take(64).collect());
        let (_, (version, time)) = server_hello(&text).map_err(|_| bad())?;
        if version < 0 {
            return Err(WireError::Redirect(time.to_owned()));
        }
        if time.contains('\0') {
            return Err(bad());
        }
        let version = u16::try_from(version).map_err(|_| bad())?;
        Ok(ServerHello { version, time: time.to_owned() })
    }

    /// Appends the reply as one frame.
    pub fn put(&self, out: &mut BytesMut) {
        frame::put_with(out, |out| {
            out.put_slice(self.version.to_string().as_bytes());
            out.put_u8(0);
            out.put_slice(self.time.as_bytes());
            out.put_u8(0);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(bytes: &[u8]) -> Result<Option<ClientHello>, WireError> {
        let mut b = FrameBuffer::default();
        b.extend(bytes);
        ClientHello::take(&mut b, 100)
    }

    #[test]
    fn every_form_of_the_version_range_is_read_and_the_options_are_kept() {
        let hello = |min, max, options: &str| ClientHello { min, max, options: options.into() };
        assert_eq!(ClientHello::parse(b"v100..176").unwrap(), hello(100, 176, ""));
        assert_eq!(ClientHello::parse(b"v193").unwrap(), hello(193, 193, ""));
        assert_eq!(
            ClientHello::parse(b"v100..225 +PACEAPI other=1").unwrap(),
            hello(100, 225, "+PACEAPI other=1")
        );
        for bad in ["", "v", "100..176", "v176..100", "v100...176", "v100..176x", "v99999..99999"] {
            assert!(
                matches!(ClientHello::parse(bad.as_bytes()), Err(WireError::BadVersionRange(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_greeting_may_come_in_pieces_and_with_bytes_behind_it() {
        let mut wire = BytesMut::new();
        ClientHello { min: 100, max: 176, options: "+PACEAPI".into() }.put(&mut wire);
        let mut b = FrameBuffer::default();
        for byte in &wire[..wire.len() - 1] {
            b.extend(&[*byte]);
            assert_eq!(ClientHello::take(&mut b, 100).unwrap(), None);
        }
        b.extend(&wire[wire.len() - 1..]);
        b.extend(b"rest");
        assert_eq!(ClientHello::take(&mut b, 100).unwrap().unwrap().options, "+PACEAPI");
        assert_eq!(b.pending(), b"rest");
    }

    #[test]
    fn old_and_foreign_clients_are_told_apart() {
        assert_eq!(greeting(b"66\0"), Err(WireError::LegacyClient));
        assert_eq!(greeting(b"GET / HTTP/1.1"), Err(WireError::NotAnApiClient));
        assert_eq!(greeting(b"APX"), Err(WireError::NotAnApiClient));
        assert_eq!(greeting(b""), Ok(None));
    }

    #[test]
    fn the_time_string_is_kept_unchanged_blanks_included() {
        let hello = ServerHello::parse(b"225\x0020260713 17:53:51 Central European Standard Time\0").unwrap();
        assert_eq!(hello.time, "20260713 17:53:51 Central European Standard Time");
        let mut out = BytesMut::new();
        hello.put(&mut out);
        assert_eq!(&out[4..], b"225\x0020260713 17:53:51 Central European Standard Time\0");
    }

    #[test]
    fn redirects_and_negative_versions_are_failures() {
        assert_eq!(ServerHello::parse(b"-1\0other:4002\0"), Err(WireError::Redirect("other:4002".into())));
        assert!(matches!(ServerHello::parse(b"-7\0x\0"), Err(WireError::Redirect(_))));
        assert!(matches!(ServerHello::parse(b"abc\0x\0"), Err(WireError::BadServerHello(_))));
        assert!(matches!(ServerHello::parse(b"176"), Err(WireError::BadServerHello(_))));
        assert!(matches!(ServerHello::parse(b"176\0a\0b\0"), Err(WireError::BadServerHello(_))));
    }
}
