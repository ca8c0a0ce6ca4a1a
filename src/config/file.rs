//! The TOML file: read, and asked where something stands in it.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Options, settings};
use crate::limits;

/// A file that could be read. Whether its values make sense is another question.
#[derive(Clone, Debug)]
pub(super) struct File {
    path: String,
    text: String,
    pub(super) options: Options,
}

impl File {
    /// Reads and parses it.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`], and [`ConfigError::Wrong`] with the line and the key.
    pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
        let name = path.display().to_string();
        let text = read_some(path).map_err(|error| ConfigError::Unreadable { path: name.clone(), error })?;
        File::parse(name, text)
    }

    pub(super) fn parse(path: String, text: String) -> Result<File, ConfigError> {
        match toml::from_str(&text) {
            Ok(options) => Ok(File { path, text, options }),
            Err(error) => Err(ConfigError::Wrong {
                place: Place::of(&text, error.span()).words(&path),
                words: words(&text, &error),
            }),
        }
    }

    /// The line of a key (`client.7.master`), if the file has it.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        let table = DeTable::parse(&self.text).ok()?;
        let mut table = table.get_ref();
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            let (name, value) = table.iter().find(|(name, _)| &name.get_ref()[..] == part)?;
            if parts.peek().is_none() {
                return Some(line_at(&self.text, name.span().start));
            }
            table = value.get_ref().as_table()?;
        }
        None
    }

    /// The place of a key, in words.
    pub(super) fn place_of(&self, key: &str) -> String {
        Place { line: self.line_of(key), key: Some(key.to_owned()) }.words(&self.path)
    }

    /// Its path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// The text of a file that has at most [`limits::MAX_CONFIG_FILE`] bytes.
fn read_some(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let most = limits::MAX_CONFIG_FILE;
    std::fs::File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    match text.len() as u64 > most {
        true => Err(std::io::Error::other(format!("it has more than {most} bytes"))),
        false => Ok(text),
    }
}

fn is_bare_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn line_at(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

/// What the parser says, in one line, and what is allowed there.
fn words(text: &str, error: &toml::de::Error) -> String {
    let said = error.message().trim_end().replace('\n', ", ");
    let key = Place::of(text, error.span()).key.unwrap_or_default();
    match settings::ALL.iter().find(|s| s.key == key) {
        Some(setting) if !said.contains("neither") => format!("{said}; allowed: {}", setting.allowed),
        _ => said,
    }
}

/// Where something stands.
struct Place {
    line: Option<usize>,
    key: Option<String>,
}

impl Place {
    /// The place of a range of bytes.
    fn of(text: &str, span: Option<Range<usize>>) -> Place {
        let key = span.as_ref().and_then(|span| {
            // Also where the file as a whole cannot be parsed.
            let (table, _) = DeTable::parse_recoverable(text);
            // Of a key that is there twice, the table has the first one.
            let second =
                || Some(text.get(span.clone())?.trim()).filter(|name| is_bare_key(name)).map(str::to_owned);
            key_at(&table, span.start).or_else(second)
        });
        Place { line: span.map(|span| line_at(text, span.start)), key }
    }

    fn words(&self, path: &str) -> String {
        let line = self.line.map_or(String::new(), |line| format!(", line {line}"));
        let key = self.key.as_ref().map_or(String::new(), |key| format!(", key {key}"));
        format!("the configuration file {path}{line}{key}")
    }
}

/// The key whose name or value a byte belongs to.
fn key_at(table: &Spanned<DeTable<'_>>, at: usize) -> Option<String> {
    for (name, value) in table.get_ref() {
        if let DeValue::Table(inner) = value.get_ref() {
            let inner = Spanned::new(value.span(), inner.clone());
            if let Some(key) = key_at(&inner, at) {
                return Some(format!("{}.{key}", name.get_ref()));
            }
        }
        let whole = name.span().start..value.span().end.max(name.span().end);
        let own = match value.get_ref() {
            DeValue::Table(_) => name.span(),
            _ => whole,
        };
        if own.contains(&at) {
            return Some(name.get_ref().to_string());
        }
    }
    None
}
