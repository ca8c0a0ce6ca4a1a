//! Frames from one server version to another, line by line: what `tests/clients/oracle` compares with the real libraries.
//!
//! ```text
//! {"direction":"request"|"response","from":157,"to":226,"payload":"HEX"} -> {"payloads":["HEX",..]} | {"refused":".."} | {"error":".."}
//! {"direction":..,"decode":176,"payload":"HEX"}                          -> {"message":"..","fields":{..}} | {"error":".."}
//! ```
//! A payload begins with the message id, as its version writes it, and has no length in front.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;

use bytes::BytesMut;
use serde_json::{Map, Value, json};
use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::layout::Record;
use twsmux::protocol::meaning::Subject;
use twsmux::protocol::transcode::Translation;
use twsmux::wire::text::{self, Form};

#[derive(Default)]
struct Tool {
    dialects: BTreeMap<u16, Arc<Dialect>>,
    translations: BTreeMap<(u16, u16), Translation>,
}

fn main() {
    let mut tool = Tool::default();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("readable input");
        let answer = serde_json::from_str(&line)
            .map_err(|e| e.to_string())
            .and_then(|ask: Value| tool.answer(&ask))
            .unwrap_or_else(|words| json!({ "error": words }));
        writeln!(out, "{answer}").expect("someone reads the answers");
    }
}

impl Tool {
    fn dialect(&mut self, version: u16) -> Arc<Dialect> {
        self.dialects.entry(version).or_insert_with(|| Arc::new(Dialect::new(version))).clone()
    }

    fn answer(&mut self, ask: &Value) -> Result<Value, String> {
        let number = |name: &str| ask[name].as_u64().and_then(|n| u16::try_from(n).ok());
        let payload = unhex(ask["payload"].as_str().ok_or("no payload")?)?;
        let is_request = match ask["direction"].as_str() {
            Some("request") => true,
            Some("response") => false,
            _ => return Err("the direction is request or response".into()),
        };
        if let Some(version) = number("decode") {
            return self.decode(is_request, version, &payload);
        }
        let (from, to) = (number("from").ok_or("no version from")?, number("to").ok_or("no version to")?);
        let (a, b) = (self.dialect(from), self.dialect(to));
        let translation = self.translations.entry((from, to)).or_insert_with(|| Translation::new(a, b));
        let message = text::message(&payload, from).map_err(|e| e.to_string())?;
        let mut out = BytesMut::new();
        if is_request {
            let shape = translation.from().request(message.id).ok_or("no such request")?;
            shape.check(&message).map_err(|e| e.to_string())?;
            return Ok(match translation.request(&message, &[], &mut out) {
                Ok(()) => json!({ "payloads": [hex(&out)] }),
                Err(refusal) => json!({ "refused": refusal.to_string() }),
            });
        }
        let there =
            translation.response(&message, &[], &Subject::default(), &mut out).map_err(|e| e.to_string())?;
        Ok(json!({ "payloads": if there { vec![hex(&out)] } else { vec![] } }))
    }

    fn decode(&mut self, is_request: bool, version: u16, payload: &[u8]) -> Result<Value, String> {
        let dialect = self.dialect(version);
        let message = text::message(payload, version).map_err(|e| e.to_string())?;
        let (name, record) = if is_request {
            let shape = dialect.request(message.id).ok_or("no such request")?;
            (shape.message.name, shape.record(&message, Form::Text))
        } else {
            let shape = dialect.response(message.id).ok_or("no such response")?;
            (shape.message.name, shape.record(&message, Form::Text))
        };
        let record = record.map_err(|e| e.to_string())?;
        Ok(json!({ "message": name, "fields": fields(&record) }))
    }
}

fn fields(record: &Record) -> Value {
    let mut all: Map<String, Value> = record.iter().map(|(name, v)| (name.to_owned(), v.into())).collect();
    for (name, rows) in record.repeats() {
        all.insert(name.to_owned(), rows.iter().map(fields).collect());
    }
    if !record.unknown().is_empty() {
        all.insert("unknown".into(), json!(record.unknown()));
    }
    Value::Object(all)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2)
    };
    digits.map(|pair| byte(pair).ok_or_else(|| "the payload is no hexadecimal text".to_owned())).collect()
}
