//! Commands: what changes how twsmux runs, asked for with POST.
//!
//! Owns: who may, how a command is written. May not know: what becomes of it (the event loop says). Driven by: HTTP clients
//! that reach the admin socket, or that show the token at the admin port.
//!
//! **A command needs a way that no web page has**: the file of the Unix socket, or a header that a browser sends nowhere by
//! itself. Whoever asked is named in the log, whatever came of it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::pages::{Source, text};
use crate::capture::Which;
use crate::core::operate::{Operation, Who};
use crate::ids::{ClientId, ClientKey};
use crate::limits;
use crate::shell::control::{Command, Denied, NAMES};
use crate::telemetry::refusals::Refused;

/// The way on which a request came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The admin port.
    Port(SocketAddr),
    /// The admin socket; the peer as the kernel knows it, where it does.
    Socket {
        /// Its user.
        user: Option<u32>,
        /// Its process.
        process: Option<i32>,
    },
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Port(addr) => write!(f, "the token, from {addr}"),
            Way::Socket { user: Some(user), process: Some(process) } => {
                write!(f, "user {user}, process {process}")
            }
            Way::Socket { user: Some(user), process: None } => write!(f, "user {user}"),
            Way::Socket { user: None, .. } => write!(f, "the admin socket"),
        }
    }
}

/// Why somebody may not give commands: the status and words.
fn forbidden(source: &Source, way: Way, request: &Request) -> Option<Response> {
    let Way::Port(peer) = way else { return None };
    let shown = request.headers().get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let words = match source.remote.knows_token(shown) {
        Some(true) => return None,
        Some(false) if shown.is_none() => {
            "a command over the admin port needs the token: Authorization: Bearer TOKEN. Or use the admin socket, which \
             /status names"
        }
        Some(false) => "this is not the token",
        None => {
            return Some(text(
                StatusCode::FORBIDDEN,
                "over the admin port there are no commands, because no admin_token_file is set; use the admin socket, which \
                 /status names",
            ));
        }
    };
    source.refusals().count(Refused::Token, &peer.to_string(), words);
    let response = text(StatusCode::UNAUTHORIZED, words);
    Some(([(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))], response).into_response())
}

/// `POST /control/NAME`.
pub(super) async fn command(
    State(source): State<Arc<Source>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let Some(way) = request.extensions().get::<Way>().copied() else {
        return text(StatusCode::FORBIDDEN, "it is not known how this request came");
    };
    // Before anything of it is read.
    if let Some(refusal) = forbidden(&source, way, &request) {
        return refusal;
    }
    let Ok(body) = to_bytes(request.into_body(), limits::MAX_ADMIN_REQUEST).await else {
        let most = format!("a command has {} bytes at most", limits::MAX_ADMIN_REQUEST);
        return text(StatusCode::PAYLOAD_TOO_LARGE, &most);
    };
    let (command, reason) = match read(&name, &body) {
        Ok(read) => read,
        Err((code, words)) => return text(code, &words),
    };
    if matches!((&command, way), (Command::Capture { path: Some(_), .. }, Way::Port(_))) {
        // The token is for twsmux, not for the files of its user.
        let words = "over the admin port a capture is made in the state directory: leave the file out";
        return text(StatusCode::BAD_REQUEST, words);
    }
    // A task of its own: who hangs up must not leave a command half done, and its line in the log unwritten.
    let remote = source.remote.clone();
    let asked = tokio::spawn(async move { remote.ask(command, &way.to_string(), reason.as_deref()).await });
    match asked.await {
        Ok(Ok(done)) => Json(json!({ "done": done })).into_response(),
        Ok(Err(denied)) => {
            let code = match denied {
                Denied::NotFound(_) => StatusCode::NOT_FOUND,
                Denied::Conflict(_) => StatusCode::CONFLICT,
                Denied::Invalid(_) => StatusCode::BAD_REQUEST,
                Denied::Unanswered(_) => StatusCode::SERVICE_UNAVAILABLE,
                Denied::NotKept(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            text(code, &denied.to_string())
        }
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the command failed; see the log"),
    }
}

/// What every command may have beside its own values.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    reason: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Kill {
    reason: Option<String>,
    /// Exactly one of the two.
    client_id: Option<i32>,
    key: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Drain {
    reason: Option<String>,
    #[serde(default)]
    stop: bool,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KillSwitch {
    reason: Option<String>,
    on: bool,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    reason: Option<String>,
    /// A client id, or `default`.
    client: serde_json::Value,
    /// New values by field; absent with `reset`.
    policy: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    reset: bool,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Capture {
    reason: Option<String>,
    /// Absent: of everybody.
    client_id: Option<i32>,
    file: Option<PathBuf>,
    limit: Option<u64>,
    #[serde(default)]
    mask: bool,
}

type Mistake = (StatusCode, String);

/// The command of a name with a body of JSON, and the reason given for it.
fn read(name: &str, body: &[u8]) -> Result<(Command, Option<String>), Mistake> {
    fn parse<T: DeserializeOwned>(name: &str, body: &[u8]) -> Result<T, Mistake> {
        let body = if body.is_empty() { b"{}" } else { body };
        serde_json::from_slice(body)
            .map_err(|error| bad(format!("{name}: the body is not its JSON: {error}")))
    }
    let plain =
        |operation| parse::<Plain>(name, body).map(|plain| (Command::Operate(operation), plain.reason));
    let (command, reason) = match name {
        "pause" => plain(Operation::Pause)?,
        "resume" => plain(Operation::Resume)?,
        "reconnect" => plain(Operation::Reconnect)?,
        "kill" => {
            let Kill { reason, client_id, key } = parse(name, body)?;
            let who = match (client_id, key) {
                (Some(id), None) => Who::Id(ClientId(id)),
                (None, Some(key)) => Who::Key(parse_key(&key).ok_or_else(|| {
                    bad(format!(
                        "kill: {key:?} is no key of a connection, as 3.1; `twsmux status` shows them"
                    ))
                })?),
                _ => return Err(bad("kill: it needs either client_id or key".to_owned())),
            };
            (Command::Operate(Operation::Kill(who)), reason)
        }
        "drain" => {
            let Drain { reason, stop } = parse(name, body)?;
            (Command::Operate(Operation::Drain { stop }), reason)
        }
        "kill-switch" => {
            let KillSwitch { reason, on } = parse(name, body)?;
            (Command::KillSwitch(on), reason)
        }
        "policy" => {
            let Policy { reason, client, policy, reset } = parse(name, body)?;
            let whose = match &client {
                serde_json::Value::String(text) if text == "default" => None,
                serde_json::Value::String(text) if text.parse::<i32>().is_ok() => text.parse().ok(),
                serde_json::Value::Number(n) => Some(
                    n.as_i64()
                        .and_then(|n| i32::try_from(n).ok())
                        .ok_or_else(|| bad(format!("policy: {n} is no client id")))?,
                ),
                _ => return Err(bad(format!("policy: {client} is neither a client id nor \"default\""))),
            };
            if policy.is_some() == reset {
                return Err(bad("policy: it needs either policy or reset".to_owned()));
            }
            (Command::Policy { whose: whose.map(ClientId), fields: policy }, reason)
        }
        "capture" => {
            let Capture { reason, client_id, file, limit, mask } = parse(name, body)?;
            if let Some(file) = file.as_ref().filter(|file| !file.is_absolute()) {
                return Err(bad(format!("capture: {:?} is no absolute path", file.display().to_string())));
            }
            let which = client_id.map_or(Which::All, |id| Which::Client(ClientId(id)));
            (Command::Capture { which, path: file, limit, mask }, reason)
        }
        "capture-stop" => {
            let Plain { reason } = parse(name, body)?;
            (Command::CaptureStop, reason)
        }
        _ => {
            let words = format!("there is no command {name:?}; there are {}", NAMES.join(", "));
            return Err((StatusCode::NOT_FOUND, words));
        }
    };
    match reason {
        Some(reason) if reason.len() > limits::MAX_REASON => {
            Err(bad(format!("{name}: the reason has {} bytes at most", limits::MAX_REASON)))
        }
        reason => Ok((command, reason)),
    }
}

fn bad(words: String) -> Mistake {
    (StatusCode::BAD_REQUEST, words)
}

/// A key as the log and the status write it.
fn parse_key(text: &str) -> Option<ClientKey> {
    let (slot, generation) = text.split_once('.')?;
    Some(ClientKey { slot: slot.parse().ok()?, generation: generation.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_read() {
        let operate = Command::Operate;
        for (name, body, command) in [
            ("pause", "", operate(Operation::Pause)),
            ("resume", "{}", operate(Operation::Resume)),
            ("reconnect", "{\"reason\":\"new login\"}", operate(Operation::Reconnect)),
            ("kill", "{\"client_id\":-1}", operate(Operation::Kill(Who::Id(ClientId(-1))))),
            (
                "kill",
                "{\"key\":\"3.1\"}",
                operate(Operation::Kill(Who::Key(ClientKey { slot: 3, generation: 1 }))),
            ),
            ("drain", "{\"stop\":true}", operate(Operation::Drain { stop: true })),
            ("drain", "", operate(Operation::Drain { stop: false })),
            ("kill-switch", "{\"on\":true}", Command::KillSwitch(true)),
            (
                "capture",
                "{\"client_id\":7,\"mask\":true}",
                Command::Capture { which: Which::Client(ClientId(7)), path: None, limit: None, mask: true },
            ),
            (
                "capture",
                "{\"file\":\"/tmp/x\",\"limit\":100000}",
                Command::Capture {
                    which: Which::All,
                    path: Some("/tmp/x".into()),
                    limit: Some(100_000),
                    mask: false,
                },
            ),
            ("capture-stop", "", Command::CaptureStop),
            (
                "policy",
                "{\"client\":\"default\",\"reset\":true}",
                Command::Policy { whose: None, fields: None },
            ),
            (
                "policy",
                "{\"client\":7,\"policy\":{}}",
                Command::Policy { whose: Some(ClientId(7)), fields: Some(Default::default()) },
            ),
            (
                "policy",
                "{\"client\":\"-7\",\"reset\":true}",
                Command::Policy { whose: Some(ClientId(-7)), fields: None },
            ),
        ] {
            assert_eq!(read(name, body.as_bytes()).map(|read| read.0), Ok(command.clone()), "{name} {body}");
            assert_eq!(command.name(), name);
            assert!(NAMES.contains(&name));
        }
        assert_eq!(read("pause", b"{\"reason\":\"x\"}").unwrap().1.as_deref(), Some("x"));
    }

    #[test]
    fn mistakes_are_named() {
        let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(limits::MAX_REASON + 1));
        for (name, body, code, says) in [
            ("stop", "", 404, "there are pause, resume"),
            ("Pause", "", 404, "no command"),
            ("pause", "now", 400, "JSON"),
            ("pause", "{\"now\":true}", 400, "now"),
            ("pause", "[]", 400, "JSON"),
            ("pause", long.as_str(), 400, "reason"),
            ("kill", "", 400, "either client_id or key"),
            ("kill", "{\"client_id\":1,\"key\":\"1.0\"}", 400, "either"),
            ("kill", "{\"client_id\":4294967296}", 400, "4294967296"),
            ("kill", "{\"key\":\"1\"}", 400, "3.1"),
            ("capture", "{\"file\":\"x\"}", 400, "absolute"),
            ("kill-switch", "", 400, "on"),
            ("kill-switch", "{\"on\":1}", 400, "bool"),
            ("policy", "{\"client\":7}", 400, "either policy or reset"),
            ("policy", "{\"client\":7,\"reset\":true,\"policy\":{}}", 400, "either"),
            ("policy", "{\"client\":1.5,\"reset\":true}", 400, "1.5"),
            ("policy", "{\"client\":\"all\",\"reset\":true}", 400, "default"),
            ("policy", "{\"client\":null,\"reset\":true}", 400, "default"),
        ] {
            let (found, words) = read(name, body.as_bytes()).expect_err(body);
            assert!(found.as_u16() == code && words.contains(says), "{name} {body}: {found} {words}");
        }
    }
}
