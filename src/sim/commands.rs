//! What may be asked of a simulated Gateway in one line of JSON, and what is answered.
//!
//! A command is an object with its name under `command` and its arguments beside it. The answer is an object with
//! what was asked for, or `{"ok":true}`, or `{"error":"why"}`; nothing is done then. Unknown names and arguments are
//! errors.
//!
//! | command | arguments (`?` may be left out) | answer |
//! |---|---|---|
//! | `orders`, `executions` | | `orders`, `executions`: the book, as [`BookOrder`](super::BookOrder) and [`BookExecution`](super::BookExecution) |
//! | `arrivals` | | `arrivals`: messages about orders as [`Arrival`](super::Arrival) |
//! | `stats` | | `stats`: [`Stats`](super::Stats) |
//! | `set_price` | `con_id` or `symbol`, `price` | |
//! | `market` | `open` | |
//! | `fill` | `client_id`, `order_id` | `filled`: whether it (or its next part) was |
//! | `place_manual` | `con_id` or `symbol`, `buy`, `quantity`, `limit` | `perm_id` |
//! | `next_order_id` | `client_id`, `next` | |
//! | `restart` | those of [`Restart`], all `?` | |
//! | `refuse`, `accept` | | the listener is closed, is open |
//! | `cut_at_order`, `cut_at_cancel` | `cut`: `before_processing` or `after_processing`, `nth?` | |
//! | `close` | `how`: `graceful` or `reset`, `client_id?` (everybody otherwise) | |
//! | `mute`, `stall_reading`, `stall_writing`, `endless` | `on` | |
//! | `drip` | `most` (0: no more), `pause_us?` | |
//! | `burst` | `n` | |
//! | `raw` | `hex`: bytes for everybody, whether they are a frame or not | |
//! | `error` | `id`, `code`, `text`, `client_id?` (everybody otherwise) | |
//! | `farm` | `name`, `up` | |
//! | `lose_connectivity` | | 1100 |
//! | `restore_connectivity` | `data_lost` | 1101 or 1102 |
//! | `reject_next` | `n?`, `rejection?` | |
//! | `reject_orders` | those of [`RejectRule`], all `?` | |
//! | `clear_rejections` | | |
//! | `configure` | those of [`Knobs`], all `?` | |

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{Close, Commissions, Cut, Drip, RejectRule, Rejection, Restart, SimConfig, handle::SimHandle};

/// Answers one line.
pub fn answer(gateway: &SimHandle, line: &[u8]) -> Value {
    run(gateway, line).unwrap_or_else(|why| error(&why))
}

/// The answer to what cannot be done.
pub fn error(why: &str) -> Value {
    json!({ "error": why })
}

/// No arguments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetPrice {
    con_id: Option<i64>,
    symbol: Option<String>,
    price: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Market {
    open: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fill {
    client_id: i32,
    order_id: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceManual {
    con_id: Option<i64>,
    symbol: Option<String>,
    buy: bool,
    quantity: f64,
    limit: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NextOrderId {
    client_id: i32,
    next: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CutAt {
    cut: Cut,
    #[serde(default = "one")]
    nth: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseSome {
    how: Close,
    client_id: Option<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DripBy {
    most: usize,
    #[serde(default = "a_millisecond")]
    pause_us: u64,
}

fn a_millisecond() -> u64 {
    1000
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Burst {
    n: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    hex: String,
}

impl Raw {
    fn bytes(&self) -> Result<Vec<u8>, String> {
        let digits: Option<Vec<u32>> = self.hex.chars().map(|c| c.to_digit(16)).collect();
        match digits {
            Some(digits) if digits.len() % 2 == 0 => {
                Ok(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
            }
            _ => Err("`hex` is not pairs of hexadecimal digits".into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendError {
    client_id: Option<i32>,
    id: i32,
    code: i32,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFarm {
    name: String,
    up: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connectivity {
    data_lost: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RejectNext {
    #[serde(default = "one")]
    n: u32,
    #[serde(default)]
    rejection: Rejection,
}

fn one() -> u32 {
    1
}

/// What `configure` changes; see the fields of [`SimConfig`] with these names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    handshake_delay_ms: Option<u64>,
    answer_delay_ms: Option<u64>,
    answers_one_at_a_time: Option<bool>,
    fill_size: Option<f64>,
    fill_delay_ms: Option<u64>,
    part_delay_ms: Option<u64>,
    global_cancel_delay_ms: Option<u64>,
    repeats: Option<u32>,
    pending_cancel: Option<bool>,
    read_only: Option<bool>,
    /// `"after"`, `"before"` or `{"late_ms": N}`.
    commissions: Option<Reports>,
    rejected_per_mille: Option<u32>,
    repeated_per_mille: Option<u32>,
    late_fills_per_mille: Option<u32>,
    late_fills_by_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reports {
    After,
    Before,
    LateMs(u64),
}

impl Knobs {
    fn apply(&self, config: &mut SimConfig) {
        fn set<T: Copy>(field: &mut T, value: Option<T>) {
            *field = value.unwrap_or(*field);
        }
        let time = |ms: Option<u64>| ms.map(Duration::from_millis);
        set(&mut config.handshake_delay, time(self.handshake_delay_ms));
        set(&mut config.answer_delay, time(self.answer_delay_ms));
        set(&mut config.answers_one_at_a_time, self.answers_one_at_a_time);
        set(&mut config.fill_size, self.fill_size.filter(|size| *size > 0.0));
        set(&mut config.fill_delay, time(self.fill_delay_ms));
        config.part_delay = time(self.part_delay_ms).or(config.part_delay);
        set(&mut config.global_cancel_delay, time(self.global_cancel_delay_ms));
        set(&mut config.repeats, self.repeats);
        set(&mut config.pending_cancel, self.pending_cancel);
        set(&mut config.read_only, self.read_only);
        let reports = self.commissions.map(|reports| match reports {
            Reports::After => Commissions::After,
            Reports::Before => Commissions::Before,
            Reports::LateMs(ms) => Commissions::Late(Duration::from_millis(ms)),
        });
        set(&mut config.commissions, reports);
        set(&mut config.order_faults.rejected, self.rejected_per_mille);
        set(&mut config.order_faults.repeated, self.repeated_per_mille);
        set(&mut config.order_faults.late_fills, self.late_fills_per_mille);
        set(&mut config.order_faults.late_by, time(self.late_fills_by_ms));
    }
}

fn read<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(arguments)).map_err(|e| e.to_string())
}

fn contract(gateway: &SimHandle, con_id: Option<i64>, symbol: Option<&str>) -> Result<i64, String> {
    match (con_id, symbol) {
        (Some(id), None) => Ok(id),
        (None, Some(symbol)) => gateway
            .drive(|g, _| g.con_id_of(symbol))
            .ok_or_else(|| format!("there is no contract with the symbol {symbol}")),
        _ => Err("either con_id or symbol is needed".into()),
    }
}

fn connected(client_id: i32, is: bool) -> Result<(), String> {
    if is { Ok(()) } else { Err(format!("client {client_id} is not connected")) }
}

fn run(gateway: &SimHandle, line: &[u8]) -> Result<Value, String> {
    let mut arguments: Map<String, Value> =
        serde_json::from_slice(line).map_err(|e| format!("not an object of JSON: {e}"))?;
    let Some(Value::String(command)) = arguments.remove("command") else {
        return Err("there is no command".into());
    };
    let failed = |e: std::io::Error| e.to_string();
    match command.as_str() {
        "orders" | "executions" | "arrivals" | "stats" | "refuse" | "accept" | "clear_rejections"
        | "lose_connectivity" => {
            read::<Nothing>(arguments)?;
            match command.as_str() {
                "orders" => return Ok(json!({ "orders": gateway.book_orders() })),
                "executions" => return Ok(json!({ "executions": gateway.book_executions() })),
                "arrivals" => return Ok(json!({ "arrivals": gateway.arrivals() })),
                "stats" => return Ok(json!({ "stats": gateway.stats() })),
                "refuse" => gateway.refuse_connections().map_err(failed)?,
                "accept" => gateway.accept_connections().map_err(failed)?,
                "lose_connectivity" => gateway.lose_connectivity(),
                _ => gateway.clear_rejections(),
            }
        }
        "set_price" => {
            let a: SetPrice = read(arguments)?;
            let con_id = contract(gateway, a.con_id, a.symbol.as_deref())?;
            if !gateway.set_price(con_id, a.price) {
                return Err(format!("there is no contract {con_id}"));
            }
        }
        "market" => gateway.set_market_open(read::<Market>(arguments)?.open),
        "fill" => {
            let a: Fill = read(arguments)?;
            return Ok(json!({ "filled": gateway.fill_now(a.client_id, a.order_id) }));
        }
        "place_manual" => {
            let a: PlaceManual = read(arguments)?;
            let con_id = contract(gateway, a.con_id, a.symbol.as_deref())?;
            let placed =
                gateway.drive(|g, now| g.place_manual_order(now, con_id, a.buy, a.quantity, a.limit));
            return match placed {
                Some(perm_id) => Ok(json!({ "perm_id": perm_id })),
                None => Err(format!("there is no contract {con_id}")),
            };
        }
        "next_order_id" => {
            let a: NextOrderId = read(arguments)?;
            gateway.set_next_order_id(a.client_id, a.next);
        }
        "restart" => gateway.restart_with(&read::<Restart>(arguments)?).map_err(failed)?,
        "cut_at_order" | "cut_at_cancel" => {
            let a: CutAt = read(arguments)?;
            match command.as_str() {
                "cut_at_order" => gateway.cut_at_order(a.cut, a.nth),
                _ => gateway.cut_at_cancel(a.cut, a.nth),
            }
        }
        "mute" | "stall_reading" | "stall_writing" | "endless" => {
            let on = read::<Switch>(arguments)?.on;
            match command.as_str() {
                "mute" => gateway.mute(on),
                "stall_reading" => gateway.stall_reading(on),
                "stall_writing" => gateway.stall_writing(on),
                _ => gateway.endless(on),
            }
        }
        "close" => {
            let a: CloseSome = read(arguments)?;
            match a.client_id {
                None => gateway.close_all(a.how),
                Some(id) => connected(id, gateway.close_client(id, a.how))?,
            }
        }
        "drip" => {
            let a: DripBy = read(arguments)?;
            let pause = Duration::from_micros(a.pause_us);
            gateway.drip((a.most > 0).then_some(Drip { most: a.most, pause }));
        }
        "burst" => gateway.burst(read::<Burst>(arguments)?.n),
        "raw" => gateway.send_raw(&read::<Raw>(arguments)?.bytes()?),
        "error" => {
            let a: SendError = read(arguments)?;
            match a.client_id {
                None => gateway.broadcast_error(a.id, a.code, &a.text),
                Some(id) => connected(id, gateway.send_error(id, a.id, a.code, &a.text))?,
            }
        }
        "farm" => {
            let a: SetFarm = read(arguments)?;
            gateway.set_farm(&a.name, a.up);
        }
        "restore_connectivity" => {
            gateway.restore_connectivity(read::<Connectivity>(arguments)?.data_lost);
        }
        "reject_next" => {
            let a: RejectNext = read(arguments)?;
            gateway.reject_next(a.n, a.rejection);
        }
        "reject_orders" => gateway.reject_orders(read::<RejectRule>(arguments)?),
        "configure" => {
            let knobs: Knobs = read(arguments)?;
            gateway.configure(|config| knobs.apply(config));
        }
        unknown => return Err(format!("there is no command {unknown:?}")),
    }
    Ok(json!({ "ok": true }))
}
