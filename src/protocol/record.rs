//! A message's values by field name.

/// A message's values by field name, in the order in which they were set or read; rows of repeats stand under the
/// name of their count field. For building and reading whole messages, not for the path of every frame.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Record {
    values: Vec<(&'static str, String)>,
    rows: Vec<(&'static str, Vec<Record>)>,
}

impl Record {
    /// A record without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value, replacing what the field had. `true` and `false` become `1` and `0` where the field is a
    /// [`Type::Bool`](super::model::Type::Bool). Unset and infinite doubles have spellings of their own on the wire
    /// (`1.7976931348623157E308`, `Infinity`); give them as text.
    pub fn set(&mut self, name: &'static str, value: impl ToString) -> &mut Self {
        let value = value.to_string();
        match self.values.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => self.values.push((name, value)),
        }
        self
    }

    /// Appends a value that is known to be new.
    pub(super) fn append(&mut self, name: &'static str, value: String) {
        self.values.push((name, value));
    }

    /// Appends a row to the repeat with this count field.
    pub fn push(&mut self, count: &'static str, row: Record) -> &mut Self {
        match self.rows.iter_mut().find(|(n, _)| *n == count) {
            Some((_, rows)) => rows.push(row),
            None => self.rows.push((count, vec![row])),
        }
        self
    }

    /// The value of a field as it stands in the text form.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
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

    /// Names and values, without the rows.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(n, v)| (*n, v.as_str()))
    }
}

/// Whether the text of a flag means "yes". Clients pass numbers other than 1 through, and two responses spell it out.
pub fn is_set(value: &[u8]) -> bool {
    !matches!(value, b"" | b"0" | b"false" | b"False")
}
