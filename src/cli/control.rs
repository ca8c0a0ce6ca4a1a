//! `twsmux control`: commands for a running twsmux.
//!
//! Owns: how a command is written on the command line, and how the way to the admin endpoint is found. Driven by: a person
//! or a script.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::http::{self, Failure, Request};
use super::status::{self, StatusArgs};

/// Arguments of `control`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A command goes through the admin socket, whose path is asked of the admin port, or with --token-file through the \
                  admin port. Who gave which command, and why, is in the log of twsmux.\n\n\
                  Exit codes: 0 it was done; 1 twsmux refuses it, and says why; 2 wrong arguments; 3 nothing listens; 4 not \
                  permitted; 5 what answers is no admin endpoint of twsmux; 6 no answer in time, though a command may still be \
                  carried out: see the log; 7 it was done, and will not hold after a restart."
)]
pub struct ControlArgs {
    #[command(subcommand)]
    what: What,
    /// Where the admin endpoint listens: its port, or its socket.
    #[arg(
        long,
        global = true,
        env = "TWSMUX_ADMIN",
        value_name = "HOST:PORT|unix:PATH",
        default_value = "127.0.0.1:9410"
    )]
    admin: String,
    /// File with the token; the command then goes over the admin port.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Why, for the log.
    #[arg(long, global = true, value_name = "TEXT")]
    reason: Option<String>,
    /// Patience, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 15.0)]
    timeout: f64,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Give the connection to the Gateway up and make none until `resume`. Clients stay connected, as in an outage; what
    /// waits for the Gateway leaves first, within drain_time.
    Pause,
    /// Connect to the Gateway again, and take clients in again.
    Resume,
    /// Give the connection to the Gateway up and make another one at once.
    Reconnect,
    /// Close a client's connection. It may come back.
    Kill {
        /// Its client id.
        #[arg(
            value_name = "CLIENT_ID",
            allow_negative_numbers = true,
            required_unless_present = "key",
            conflicts_with = "key"
        )]
        client_id: Option<i32>,
        /// The key of its connection, as the status and the log have it, for one without a client id.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Take no more clients in; those that are connected stay. `resume` ends that.
    Drain {
        /// Stop twsmux when the last one has left.
        #[arg(long)]
        stop: bool,
    },
    /// Let no new orders and no modifications leave, of anybody; cancels do. It stays on over restarts.
    KillSwitch {
        /// on or off.
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
    /// Change what a client id may do, until twsmux ends; see docs/configuration.md for the fields.
    Policy {
        /// A client id, or `default` for those that have no policy of their own.
        #[arg(value_name = "CLIENT_ID|default", allow_negative_numbers = true)]
        client: String,
        /// New values, as read_only=true or accounts=["DU1"]; an empty value is the default.
        #[arg(value_name = "FIELD=VALUE", required_unless_present = "reset", conflicts_with = "reset")]
        fields: Vec<String>,
        /// As the settings have it.
        #[arg(long)]
        reset: bool,
    },
    /// Begin a capture: what goes in and out, in a file. See docs/capture.md for what is in it.
    Capture {
        /// Of one client alone; of everybody when left out.
        #[arg(value_name = "CLIENT_ID", allow_negative_numbers = true)]
        client_id: Option<i32>,
        /// The file, which must not exist [default: one in the state directory]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Bytes at which it ends [default: 67108864]
        #[arg(long, value_name = "BYTES")]
        limit: Option<u64>,
        /// Replace account numbers by stand-ins.
        #[arg(long)]
        mask: bool,
    },
    /// End the capture that runs.
    CaptureStop,
}

/// Runs `control`.
pub fn run(args: &ControlArgs) -> ExitCode {
    match give(args) {
        Ok(words) => {
            println!("{words}");
            ExitCode::SUCCESS
        }
        Err((code, words)) => super::fail(code, words),
    }
}

fn give(args: &ControlArgs) -> Result<String, Failure> {
    let (name, mut body) = body(&args.what)?;
    if let Some(reason) = &args.reason {
        body.insert("reason".to_owned(), json!(reason));
    }
    let token = args.token_file.as_ref().map(|path| {
        let read = std::fs::read_to_string(path);
        read.map_err(|error| (2, format!("the token file {} cannot be read: {error}", path.display())))
    });
    let token = token.transpose()?;
    let place = match &token {
        None if !args.admin.starts_with("unix:") => socket_of(args)?,
        _ => args.admin.clone(),
    };
    let path = format!("/control/{name}");
    let request = Request::post(&path, Value::Object(body).to_string(), token.as_deref().map(str::trim_end));
    let answer = http::exchange(&place, args.timeout, &request)?;
    let done = || serde_json::from_str::<Value>(&answer.body).ok()?["done"].as_str().map(status::clean);
    match answer.code {
        200 => done().ok_or_else(|| {
            (5, format!("{place} is no admin endpoint of twsmux: its answer is something else"))
        }),
        401 | 403 => Err((4, format!("not permitted: {}", answer.first_line()))),
        503 => Err((6, answer.first_line())),
        500 => Err((7, answer.first_line())),
        404 | 409 => Err((1, answer.first_line())),
        400 | 413 => Err((2, answer.first_line())),
        _ => Err((5, format!("{place} is no admin endpoint that takes commands: {}", answer.status))),
    }
}

/// The admin socket, as the endpoint at the port names it.
fn socket_of(args: &ControlArgs) -> Result<String, Failure> {
    let status = status::picture(&StatusArgs::within(&args.admin, args.timeout))?;
    let path = status["config"]["admin_socket"].as_str();
    path.map(|path| format!("unix:{path}")).ok_or_else(|| {
        (4, format!("the twsmux at {} has no admin socket (admin_socket); use --token-file", args.admin))
    })
}

/// The name of a command and its values.
fn body(what: &What) -> Result<(&'static str, Map<String, Value>), Failure> {
    let (name, values) = match what {
        What::Pause => ("pause", json!({})),
        What::Resume => ("resume", json!({})),
        What::Reconnect => ("reconnect", json!({})),
        What::Kill { client_id: Some(id), .. } => ("kill", json!({ "client_id": id })),
        What::Kill { client_id: None, key } => ("kill", json!({ "key": key })),
        What::Drain { stop } => ("drain", json!({ "stop": stop })),
        What::KillSwitch { state } => ("kill-switch", json!({ "on": state == "on" })),
        What::Capture { client_id, file, limit, mask } => {
            // Relative to where the command is given, not to where twsmux runs.
            let file = file.as_ref().map(std::path::absolute).transpose();
            let file = file.map_err(|error| (2, format!("--file: {error}")))?;
            ("capture", json!({ "client_id": client_id, "file": file, "limit": limit, "mask": mask }))
        }
        What::CaptureStop => ("capture-stop", json!({})),
        What::Policy { client, reset: true, .. } => ("policy", json!({ "client": client, "reset": true })),
        What::Policy { client, fields, reset: false } => {
            let fields = fields.iter().map(|text| field(text)).collect::<Result<Map<_, _>, _>>()?;
            ("policy", json!({ "client": client, "policy": fields }))
        }
    };
    let Value::Object(values) = values else { unreachable!("each is an object") };
    Ok((name, values))
}

/// A field and its value, which is written as in the configuration file; what is nothing there is a word.
fn field(text: &str) -> Result<(String, Value), Failure> {
    let wrong = |words: &str| (2, format!("{text:?} {words}"));
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("is no FIELD=VALUE, as read_only=true"))?;
    if value.is_empty() {
        return Ok((name.to_owned(), Value::Null));
    }
    let read =
        format!("value = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    let value = match read {
        Some(value) => serde_json::to_value(value).map_err(|error| wrong(&error.to_string()))?,
        None => json!(value),
    };
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_in_the_file() {
        for (text, value) in [
            ("read_only=true", json!(true)),
            ("max_order_value=10000", json!(10000)),
            ("max_order_quantity=0.5", json!(0.5)),
            ("accounts=[\"DU1\", \"DU2\"]", json!(["DU1", "DU2"])),
            ("global_cancel=own", json!("own")),
            ("global_cancel=\"own\"", json!("own")),
            ("max_lines=", Value::Null),
        ] {
            assert_eq!(field(text).unwrap().1, value, "{text}");
        }
        assert_eq!(field("read_only").unwrap_err().0, 2);
    }
}
