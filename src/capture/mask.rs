//! Stand-ins for account numbers: as long as the number, equal for equal numbers, everywhere.
//!
//! Owns: which words are account numbers, what stands in for each, and where in a frame words can be. May not know: files,
//! sockets. Driven by: [`super::writer`], on its thread, record by record in the order of the file.
//!
//! An account number is what the Gateway names as a managed account, what stands in a field that the tables declare to be
//! an account, what a policy names, and whatever looks like one (`U1234567`, `DU1234567`, `F1234567`) wherever it stands;
//! so what a client sends before the Gateway has named its accounts is masked too. **The length is kept**, so that
//! the lengths of frames and of protobuf fields stay right; letters are kept, digits are replaced. In protobuf only what
//! the schema says to be text is touched, so that no tag or number is taken for a digit. Records hold whole frames, so
//! no number lies on the border of two.

use std::collections::BTreeMap;
use std::ops::Range;

use indexmap::IndexMap;
use rustc_hash::FxHashSet;

use super::format::{Event, Record, Side, What};
use crate::core::Config;
use crate::limits::MAX_MASKED_ACCOUNTS;
use crate::protocol::dialect::Dialect;
use crate::protocol::model::{Role, Route};
use crate::protocol::schema::{Kind, Schema};
use crate::protocol::{request, response};
use crate::wire::frame::{self, PREFIX};
use crate::wire::handshake::{API_PREFIX, ServerHello};
use crate::wire::proto::{self, Value};
use crate::wire::text::{self, Form};

/// Fewest characters of an account that is looked for inside of longer words.
const LONG: usize = 6;
/// Stand-ins that are tried for an account until one is nobody's.
const TRIES: usize = 100;
/// Messages in messages of the API lie less deep than this.
const DEEPEST: usize = 16;
/// Digits of what looks like an account number.
const DIGITS: std::ops::RangeInclusive<usize> = 5..=9;

/// See the module's words.
#[derive(Debug, Default)]
pub struct Masker {
    stand_ins: IndexMap<Vec<u8>, Vec<u8>>,
    used: FxHashSet<Vec<u8>>,
    /// The server version of each open connection, once its handshake has said it.
    versions: BTreeMap<Side, u16>,
    dialects: BTreeMap<u16, Dialect>,
}

impl Masker {
    /// Knows these accounts from the beginning.
    pub fn new(accounts: impl IntoIterator<Item = String>) -> Self {
        let mut masker = Masker::default();
        accounts.into_iter().for_each(|account| masker.learn(account.as_bytes()));
        masker
    }

    /// Replaces the account numbers in a record.
    pub fn mask(&mut self, record: &mut Record) {
        match &mut record.what {
            What::Begin(begin) => self.config(&mut begin.config),
            What::Connected(peer) => {
                // An address names a machine, and replaying needs none.
                peer.address = if peer.address.is_empty() { "" } else { "(masked)" }.to_owned();
                if let Some(already) = peer.already.as_ref().filter(|a| a.server_version > 0) {
                    self.versions.insert(record.side, already.server_version);
                }
            }
            What::Closed(words) => {
                self.versions.remove(&record.side);
                self.mask_text(words);
            }
            What::Read(bytes) => self.frames(record.side, bytes, true),
            What::Written { bytes, .. } => self.frames(record.side, bytes, false),
            What::Broken(bytes) => self.words(bytes),
            What::Event(
                Event::Refused(words) | Event::Unreachable(words) | Event::JournalFailed(_, words),
            ) => self.mask_text(words),
            What::Event(Event::Settings(config)) => self.config(config),
            What::Event(
                Event::Looked(_)
                | Event::Examined(..)
                | Event::JournalHealed(_)
                | Event::Operated(_)
                | Event::Stop,
            )
            | What::Flushed { .. }
            | What::Tick
            | What::Journaled { .. }
            | What::LeftOut { .. }
            | What::End(_) => {}
        }
    }

    /// The settings of the core: policies name accounts.
    fn config(&mut self, config: &mut serde_json::Value) {
        if let Ok(config) = serde_json::from_value::<Config>(config.clone()) {
            for account in config.policies.accounts() {
                self.learn(account.as_bytes());
            }
        }
        let mut rest = vec![config];
        while let Some(value) = rest.pop() {
            match value {
                serde_json::Value::String(text) => self.mask_text(text),
                serde_json::Value::Array(items) => rest.extend(items),
                serde_json::Value::Object(fields) => rest.extend(fields.values_mut()),
                _ => {}
            }
        }
    }

    fn mask_text(&mut self, text: &mut String) {
        let mut bytes = std::mem::take(text).into_bytes();
        self.words(&mut bytes);
        // ASCII was replaced by ASCII.
        *text = String::from_utf8(bytes).unwrap_or_default();
    }

    /// Whole frames of one direction of a connection, perhaps with a greeting before them.
    fn frames(&mut self, side: Side, bytes: &mut [u8], read: bool) {
        let mut at = if bytes.starts_with(API_PREFIX) { API_PREFIX.len() } else { 0 };
        let greeting = at > 0;
        while let Ok(Some((payload, _))) = frame::split(&bytes[at..], usize::MAX) {
            let place = at + PREFIX..at + PREFIX + payload.len();
            at = place.end;
            // The Gateway reads requests and a client writes them.
            let request = matches!((side, read), (Side::Client(_), true) | (Side::Upstream(_), false));
            match self.versions.get(&side) {
                _ if greeting => self.words(&mut bytes[place]),
                Some(version) => self.frame(*version, request, &mut bytes[place]),
                None if !request => {
                    if let Ok(hello) = ServerHello::parse(&bytes[place.clone()]) {
                        self.versions.insert(side, hello.version);
                    }
                    self.words(&mut bytes[place]);
                }
                None => self.words(&mut bytes[place]),
            }
        }
        self.words(&mut bytes[at..]);
    }

    fn frame(&mut self, version: u16, is_request: bool, payload: &mut [u8]) {
        let Ok(m) = text::message(payload, version) else { return self.words(payload) };
        let (form, id, start) = (m.form, m.id, payload.len() - m.body.len());
        for account in self.named(version, is_request, &m) {
            self.learn(&account);
        }
        let body = &mut payload[start..];
        let schema = match is_request {
            true => request(id).and_then(|r| r.message.proto),
            false => response(id).and_then(|r| r.message.proto),
        };
        match form {
            Form::Text => self.words(body),
            Form::Proto => {
                let mut places = Vec::new();
                if !strings(body, 0, schema.map(|p| p.schema), DEEPEST, &mut places) {
                    // It is no protobuf, so there is no form to be kept.
                    places.push(0..body.len());
                }
                for place in places {
                    self.words(&mut body[place]);
                }
            }
        }
    }

    /// The accounts that a message names in fields that are declared to be accounts.
    fn named(&mut self, version: u16, is_request: bool, m: &text::Message<'_>) -> Vec<Vec<u8>> {
        let dialect = self.dialects.entry(version).or_insert_with(|| Dialect::new(version));
        let account = match is_request {
            true => dialect.request(m.id).and_then(|shape| shape.str(m, Role::Account).ok()?),
            false => dialect.response(m.id).and_then(|shape| shape.str(m, Role::Account).ok()?),
        };
        // An account may have the name of a model behind it.
        let parts = |text: &[u8]| -> Vec<Vec<u8>> {
            text.split(|b| !b.is_ascii_alphanumeric()).map(<[u8]>::to_vec).collect()
        };
        let mut found = parts(account.unwrap_or_default());
        found.retain(|word| is_number(word));
        if !is_request
            && let Some(shape) = dialect.response(m.id)
            && shape.decl.route == Route::ManagedAccounts
            && let Ok(Some(list)) = shape.field(m, "accountsList")
        {
            found.extend(parts(list.as_bytes()));
        }
        found
    }

    /// From now on this is an account number.
    fn learn(&mut self, account: &[u8]) {
        let plain = account.len() >= 2 && account.iter().all(|b| b.is_ascii_alphanumeric());
        if !plain || self.stand_ins.contains_key(account) || self.stand_ins.len() >= MAX_MASKED_ACCOUNTS {
            return;
        }
        let digits = account.iter().filter(|b| b.is_ascii_digit()).count();
        // A name without digits has none to be replaced: all but its first letter are.
        let replaced = |n: usize, b: u8| if digits > 0 { b.is_ascii_digit() } else { n > 0 };
        let width = if digits > 0 { digits } else { account.len() - 1 };
        let mut stand_in = Vec::new();
        // Bounded: of one or two digits there are only so many numbers, and then two accounts share one.
        for n in self.stand_ins.len() + 1..self.stand_ins.len() + 1 + TRIES {
            let number = format!("{n:0>width$}").into_bytes();
            let mut number = number[number.len() - width..].to_vec();
            if width > 5 {
                number[0] = b'9';
            }
            let mut next = number.into_iter();
            stand_in = account.to_vec();
            for (n, b) in stand_in.iter_mut().enumerate() {
                if replaced(n, *b) {
                    *b = next.next().unwrap_or(b'9');
                }
            }
            if stand_in != account && !self.used.contains(&stand_in) {
                break;
            }
        }
        self.used.insert(stand_in.clone());
        self.stand_ins.insert(account.to_vec(), stand_in);
    }

    /// Replaces account numbers in text. A word is what stands between other characters than letters and digits.
    fn words(&mut self, text: &mut [u8]) {
        let mut start = 0;
        while start < text.len() {
            if !text[start].is_ascii_alphanumeric() {
                start += 1;
                continue;
            }
            let length = text[start..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
            self.word(&mut text[start..start + length]);
            start += length;
        }
    }

    fn word(&mut self, word: &mut [u8]) {
        // Of an advisor's account with all that belong to it: `F1234567A`.
        let all = word.strip_suffix(b"A").unwrap_or(word).len();
        if looks_like_account(&word[..all]) {
            self.learn(&word[..all]);
        }
        for length in [word.len(), all] {
            if let Some(stand_in) = self.stand_ins.get(&word[..length]) {
                return word[..length].copy_from_slice(stand_in);
            }
        }
        if looks_like_account(&word[..all]) {
            // There are too many to tell them apart.
            return word[..all].iter_mut().filter(|b| b.is_ascii_digit()).for_each(|b| *b = b'9');
        }
        if word.len() <= LONG {
            return;
        }
        let mut at = 0;
        while at + LONG <= word.len() {
            let found = self.stand_ins.iter().find(|(account, _)| {
                account.len() >= LONG
                    && word[at..].starts_with(account)
                    && !word.get(at + account.len()).is_some_and(u8::is_ascii_digit)
            });
            match found {
                Some((account, stand_in)) => {
                    let end = at + account.len();
                    word[at..end].copy_from_slice(stand_in);
                    at = end;
                }
                None => at += 1,
            }
        }
    }
}

/// Whether a word in a field for accounts is one, and no word for several of them (`All`).
fn is_number(word: &[u8]) -> bool {
    word.iter().any(u8::is_ascii_digit) && word.iter().any(u8::is_ascii_alphabetic)
}

/// `U`, `F` or `I`, of paper accounts with a `D` before it, and then digits alone.
fn looks_like_account(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"D").unwrap_or(word);
    match word.split_first() {
        Some((b'U' | b'F' | b'I', digits)) => {
            DIGITS.contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// The places of text in a protobuf message that begins at `at`. False: it is no such message, or one in which messages lie
/// deeper than in any that there is.
fn strings(
    body: &[u8],
    at: usize,
    schema: Option<&Schema>,
    deepest: usize,
    places: &mut Vec<Range<usize>>,
) -> bool {
    for field in proto::fields(body) {
        let Ok((number, value)) = field else { return false };
        let Value::Bytes(bytes) = value else { continue };
        let begin = at + (bytes.as_ptr() as usize - body.as_ptr() as usize);
        let whole = begin..begin + bytes.len();
        let inner = match schema.and_then(|s| s.field(number)).map(|f| (f.kind, f.repeated)) {
            Some((Kind::Str, _)) => None,
            Some((Kind::Message(inner), _)) => Some(Some(inner)),
            // Key and value are text.
            Some((Kind::Map, _)) => Some(None),
            // Packed numbers.
            Some((Kind::Int32 | Kind::Int64 | Kind::Bool | Kind::Double, true)) => continue,
            // Unknown to the schema: text, if it looks like text, and otherwise perhaps a message.
            _ => {
                let is_text = std::str::from_utf8(bytes).is_ok_and(|t| !t.chars().any(char::is_control));
                if is_text { None } else { Some(None) }
            }
        };
        let before = places.len();
        let is_message = match inner {
            None => false,
            Some(_) if deepest == 0 => false,
            Some(schema) => strings(bytes, begin, schema, deepest - 1, places),
        };
        if !is_message {
            // What cannot be read has no form to be kept, but may hold a number.
            places.truncate(before);
            places.push(whole);
        }
    }
    true
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
