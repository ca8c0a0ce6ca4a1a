//! A message's values by field name.

use std::cell::Cell;
use std::ops::Range;

/// Builds a [`Record`](crate::protocol::layout::Record): `record! { reqId: 7, price: "1.5" }`.
#[macro_export]
macro_rules! record {
    ($($name:ident : $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut record = $crate::protocol::layout::Record::new();
        $( record.set(stringify!($name), $value); )*
        record
    }};
}

/// Bytes of text that a record has room for from the beginning, at most.
const MOST_TEXT: usize = 1024;
/// Values that a record has room for from the beginning, at most.
const MOST_VALUES: usize = 64;

/// A value that knows how it stands in the text form. What [`std::fmt::Display`] does, without its machinery.
pub(super) trait Spell {
    /// Appends it.
    fn spell(&self, out: &mut String);
}

impl Spell for str {
    fn spell(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Spell for &str {
    fn spell(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Spell for i64 {
    fn spell(&self, out: &mut String) {
        out.push_str(itoa::Buffer::new().format(*self));
    }
}

/// A message's values by field name, in the order in which they were set or read; rows of repeats stand under the
/// name of their count field. For building and reading whole messages, not for the path of every frame.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// All values, one behind the other.
    text: String,
    /// Where the search for the next value begins: values are asked for in much the order in which they were read.
    next: Cell<usize>,
    values: Vec<(&'static str, Range<usize>)>,
    rows: Vec<(&'static str, Vec<Record>)>,
    /// Protobuf fields that the schema does not have: message and number.
    unknown: Vec<(&'static str, u32)>,
}

impl Record {
    /// A record without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// A record that so many bytes of values are read into, which take at least `each`: with room for those without rows.
    pub(super) fn for_body(bytes: usize, each: usize) -> Self {
        let text = String::with_capacity(bytes.min(MOST_TEXT));
        Record { text, values: Vec::with_capacity((bytes / each).min(MOST_VALUES)), ..Self::default() }
    }

    /// Sets a value, replacing what the field had. `true` and `false` become `1` and `0` where the field is a
    /// [`Type::Bool`](super::model::Type::Bool). Unset and infinite doubles have spellings of their own on the wire
    /// (`1.7976931348623157E308`, `Infinity`); give them as text.
    pub fn set(&mut self, name: &'static str, value: impl std::fmt::Display) -> &mut Self {
        use std::fmt::Write;
        let start = self.text.len();
        let _ = write!(self.text, "{value}"); // writing to a String cannot fail
        self.stands_at(name, start..self.text.len());
        self
    }

    fn stands_at(&mut self, name: &'static str, range: Range<usize>) {
        match self.values.iter_mut().find(|(n, _)| same(n, name)) {
            Some((_, old)) => *old = range,
            None => self.values.push((name, range)),
        }
    }

    /// Appends a value that is known to be new.
    pub(super) fn append(&mut self, name: &'static str, value: &(impl Spell + ?Sized)) {
        let start = self.text.len();
        value.spell(&mut self.text);
        self.values.push((name, start..self.text.len()));
    }

    /// Appends a value, or sets it where the field may have one already.
    pub(super) fn put(&mut self, name: &'static str, value: &(impl Spell + ?Sized), again: bool) {
        if again {
            let start = self.text.len();
            value.spell(&mut self.text);
            self.stands_at(name, start..self.text.len());
        } else {
            self.append(name, value);
        }
    }

    /// Notes a protobuf field that the schema does not have.
    pub(super) fn note_unknown(&mut self, message: &'static str, number: u32) {
        self.unknown.push((message, number));
    }

    /// Protobuf fields that the schema does not have, by message and number; those of rows are in the rows.
    pub fn unknown(&self) -> &[(&'static str, u32)] {
        &self.unknown
    }

    /// Takes everything out; the room for values stays.
    pub(super) fn clear(&mut self) {
        self.clear_values();
        self.rows.clear();
    }

    /// Takes everything but the rows out.
    pub(super) fn clear_values(&mut self) {
        self.text.clear();
        self.values.clear();
        self.unknown.clear();
        self.next.set(0);
    }

    /// Takes a value out.
    pub fn remove(&mut self, name: &str) {
        self.values.retain(|(n, _)| *n != name);
    }

    /// Appends a row to the repeat with this count field.
    pub fn push(&mut self, count: &'static str, row: Record) -> &mut Self {
        match self.rows.iter_mut().find(|(n, _)| same(n, count)) {
            Some((_, rows)) => rows.push(row),
            None => self.rows.push((count, vec![row])),
        }
        self
    }

    /// The value of a field as it stands in the text form.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (before, after) = self.values.split_at(self.next.get().min(self.values.len()));
        let at = match after.iter().position(|(n, _)| same(n, name)) {
            Some(at) => before.len() + at,
            None => before.iter().position(|(n, _)| same(n, name))?,
        };
        self.next.set(at + 1);
        Some(&self.text[self.values[at].1.clone()])
    }

    /// The value as an integer; `None` where it is absent, empty or no integer.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// The value as a number; `None` where it is absent, empty or no number.
    pub fn float(&self, name: &str) -> Option<f64> {
        self.get(name)?.parse().ok()
    }

    /// Whether a flag is set; see [`is_set`].
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| is_set(v.as_bytes()))
    }

    /// The rows of the repeat with this count field.
    pub fn rows(&self, count: &str) -> &[Record] {
        self.rows.iter().find(|(n, _)| *n == count).map_or(&[], |(_, rows)| rows)
    }

    /// Likewise, to change them.
    pub fn rows_mut(&mut self, count: &str) -> &mut [Record] {
        self.rows.iter_mut().find(|(n, _)| *n == count).map_or(&mut [], |(_, rows)| rows)
    }

    /// All rows of all repeats, to change them.
    pub fn all_rows_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.rows.iter_mut().flat_map(|(_, rows)| rows)
    }

    /// Takes the rows of a repeat out.
    pub fn remove_rows(&mut self, count: &str) {
        self.rows.retain(|(n, _)| *n != count);
    }

    /// Names and values, without the rows.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(n, range)| (*n, &self.text[range.clone()]))
    }

    /// The repeats that have rows: count field and rows.
    pub fn repeats(&self) -> impl Iterator<Item = (&'static str, &[Record])> {
        self.rows.iter().map(|(n, rows)| (*n, &rows[..]))
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter()) && self.rows == other.rows && self.unknown == other.unknown
    }
}

/// Whether two names are the same. Most are the very same place in the tables.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && (std::ptr::eq(a, b) || a == b)
}

/// Whether the text of a flag means "yes". Clients pass numbers other than 1 through, and two responses spell it out.
pub fn is_set(value: &[u8]) -> bool {
    !matches!(value, b"" | b"0" | b"false" | b"False")
}
