//! `docs/limits.md` says of every limit what it is, and says it as the code does.

use std::collections::BTreeMap;

use twsmux::config::settings;

/// A value: a plain number, or milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Value {
    Number(i128),
    Millis(i128),
}

/// The constants of `src/limits.rs` with their values.
fn declared() -> BTreeMap<String, Value> {
    let source = include_str!("../src/limits.rs");
    let mut values = BTreeMap::new();
    for statement in source.split("pub const ").skip(1) {
        let (name, rest) = statement.split_once(':').expect("a type");
        let (_, rest) = rest.split_once('=').expect("a value");
        let (expression, _) = rest.split_once(';').expect("an end");
        let value = evaluate(expression, &values);
        values.insert(name.trim().to_owned(), value);
    }
    values
}

/// The value of what stands in `src/limits.rs`: numbers, other limits, one kind of operator, and durations.
fn evaluate(text: &str, known: &BTreeMap<String, Value>) -> Value {
    let text = text.trim();
    for (call, factor) in [("Duration::from_secs(", 1000), ("Duration::from_millis(", 1)] {
        if let Some(inside) = text.strip_prefix(call) {
            return Value::Millis(number(inside.trim_end_matches(')'), known) * factor);
        }
    }
    Value::Number(number(text, known))
}

fn number(text: &str, known: &BTreeMap<String, Value>) -> i128 {
    let text = text.trim();
    type Operation = fn(i128, i128) -> i128;
    let operations: [(&str, Operation); 4] =
        [(" - ", |a, b| a - b), (" + ", |a, b| a + b), (" * ", |a, b| a * b), (" << ", |a, b| a << b)];
    for (sign, operation) in operations {
        if let Some((left, right)) = text.rsplit_once(sign) {
            return operation(number(left, known), number(right, known));
        }
    }
    let text = text.split(" as ").next().unwrap_or_default().replace('_', "");
    match text.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).expect("hexadecimal digits"),
        None if text == "i32::MAX" => i32::MAX.into(),
        None => text.parse().unwrap_or_else(|_| {
            let limit = known.iter().find(|(name, _)| name.replace('_', "") == text);
            match limit {
                Some((_, Value::Number(n))) => *n,
                _ => panic!("{text} cannot be evaluated; teach the test"),
            }
        }),
    }
}

/// Name, value and setting of each row of the page.
fn documented() -> Vec<(String, String, String)> {
    let page = include_str!("../docs/limits.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        assert_eq!(cells.len(), 5, "{row}");
        assert!(cells[1..4].iter().all(|cell| !cell.is_empty()), "{row}");
        (cells[0].clone(), cells[1].clone(), cells[4].clone())
    })
    .collect()
}

/// The value of a cell, as `4096`, `16,777,215`, `40 MiB`, `1500 ms` or `15 s`.
fn read(cell: &str) -> Value {
    let (digits, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let n: i128 = digits.replace(',', "").parse().unwrap_or_else(|_| panic!("{cell} is no value"));
    match unit {
        "" => Value::Number(n),
        "KiB" => Value::Number(n << 10),
        "MiB" => Value::Number(n << 20),
        "ms" => Value::Millis(n),
        "s" => Value::Millis(n * 1000),
        _ => panic!("{cell} has an unknown unit"),
    }
}

#[test]
fn the_page_has_every_limit_with_its_value_and_no_other() {
    let mut declared = declared();
    assert!(declared.len() > 60, "{} limits were read", declared.len());
    for (name, cell, _) in documented() {
        let value = declared.remove(&name).unwrap_or_else(|| panic!("{name} is no limit, or is there twice"));
        assert_eq!(read(&cell), value, "{name}");
    }
    assert!(declared.is_empty(), "not in docs/limits.md: {declared:?}");
}

#[test]
fn what_the_test_reads_is_what_the_compiler_reads() {
    use twsmux::limits;
    let declared = declared();
    for (name, value) in [
        ("MAX_FRAME", limits::MAX_FRAME as i128),
        ("MAX_CONVERTED_FRAME", limits::MAX_CONVERTED_FRAME as i128),
        ("ID_GAP", limits::ID_GAP.into()),
        ("LAST_ORDER_ID", limits::LAST_ORDER_ID.into()),
        ("MAX_HELD_BYTES", limits::MAX_HELD_BYTES as i128),
        ("MAX_JOURNAL_RECORD", limits::MAX_JOURNAL_RECORD as i128),
    ] {
        assert_eq!(declared[name], Value::Number(value), "{name}");
    }
    assert_eq!(declared["HOLD_TIME"], Value::Millis(limits::HOLD_TIME.as_millis() as i128));
}

#[test]
fn a_limit_with_a_setting_is_the_default_of_that_setting() {
    let mut settable = Vec::new();
    for (name, cell, key) in documented().into_iter().filter(|row| !row.2.is_empty()) {
        let setting = settings::ALL.iter().find(|s| s.key == key);
        let setting = setting.unwrap_or_else(|| panic!("{name}: {key} is no setting"));
        let default = match read(&cell) {
            Value::Number(n) => n.to_string(),
            Value::Millis(ms) => format!("{:?}", ms as f64 / 1000.0),
        };
        assert_eq!(setting.default, default, "{name}");
        settable.push(key);
    }
    for key in [
        "max_clients",
        "max_requests_per_client",
        "max_queued_per_client",
        "max_outbox_bytes",
        "conflate_above_bytes",
        "slow_client_time",
        "order_wait",
        "request_wait",
        "drain_time",
        "messages_per_second",
        "handshake_time",
        "repeat_time",
    ] {
        assert!(settable.iter().any(|k| k == key), "{key} bounds something");
    }
}
