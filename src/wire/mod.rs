//! Bytes to frames, fields and ids, and back. Pure: knows nothing of clients, sockets or time.
//!
//! Owns: framing, the handshake's two messages, NUL-separated text fields, the protobuf wire format.
//! May not know: what a message means. Driven by: `shell` (frames), `core` and `protocol` (fields).

pub mod frame;
pub mod handshake;
pub mod proto;
pub mod text;

/// The bytes are wrong. Says exactly how, so that the words can be passed on to whoever sent them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A length prefix over the limit in force.
    #[error("a frame of {length} bytes is announced, the limit is {limit}")]
    FrameTooLong {
        /// The announced payload length.
        length: usize,
        /// The limit in force.
        limit: usize,
    },
    /// A frame without even a message id.
    #[error("an empty frame")]
    EmptyFrame,
    /// The greeting of a client older than the v100 envelope: a bare number.
    #[error("the greeting is that of a client from before the v100 protocol, which is not supported")]
    LegacyClient,
    /// The first bytes are not `API\0`.
    #[error("the connection does not begin with the prefix API\\0; this is no TWS API client")]
    NotAnApiClient,
    /// The version range of a greeting does not parse.
    #[error("the version range {0:?} in the greeting is not of the form vMIN..MAX")]
    BadVersionRange(String),
    /// The reply of the Gateway is not two text fields.
    #[error("the server's handshake reply {0:?} is not VERSION and TIME")]
    BadServerHello(String),
    /// The Gateway asks to reconnect elsewhere.
    #[error("the server redirects to {0:?}, which is not supported")]
    Redirect(String),
    /// The message id does not parse.
    #[error("the message id {0:?} is not a number")]
    BadMessageId(String),
    /// A text payload whose last field has no NUL.
    #[error("the last text field is not terminated")]
    Unterminated,
    /// A field that is needed is not there.
    #[error("field {index} is missing, the message has {count}")]
    MissingField {
        /// Index of the field, the message id being 0.
        index: usize,
        /// How many fields there are.
        count: usize,
    },
    /// A field that must be an integer is none.
    #[error("field {index} holds {value:?}, which is not an integer")]
    NotAnInteger {
        /// Index of the field (text) or field number (protobuf).
        index: usize,
        /// What it holds.
        value: String,
    },
    /// A protobuf body that does not follow the wire format.
    #[error("the protobuf body is malformed at byte {0}")]
    BadProto(usize),
}
