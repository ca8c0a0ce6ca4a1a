//! What is said of a journal, for people and for programs.
//!
//! Owns: the words. May not know: files, exit codes. Driven by: `cli::journal`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::super::status::clean;
use crate::ids::{ClientId, UpOrderId};
use crate::journal::recover::{End, Reading};
use crate::journal::salvage::Salvage;
use crate::journal::{Identity, Order, Outcome, State, format};

/// What it is and whether it is whole.
pub fn verify(path: &Path, reading: &Reading) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "journal   {}", path.display());
    let _ = writeln!(
        out,
        "          {} bytes, format version {}, {} records",
        reading.length,
        format::VERSION,
        reading.records
    );
    contents(&reading.state, &mut out);
    let _ = writeln!(out, "verdict   {}", verdict(reading));
    out
}

fn contents(state: &State, out: &mut String) {
    let _ = writeln!(out, "belongs   {}", identity(state.identity.as_ref()));
    let live = state.orders.values().filter(|order| order.over.is_none()).count();
    let _ = writeln!(
        out,
        "orders    {} ({live} live, {} over), {} clients, {} executions",
        state.orders.len(),
        state.orders.len() - live,
        clients(state).len(),
        state.executions.len()
    );
    let _ = match state.next {
        0 => writeln!(out, "next id   not known yet"),
        next => writeln!(out, "next id   {next} at the Gateway"),
    };
}

fn identity(identity: Option<&Identity>) -> String {
    match identity {
        None => "nobody yet: the Gateway was not met".into(),
        Some(identity) => {
            let accounts = identity.accounts.join(", ");
            clean(&format!("client id {} at the Gateway, accounts {accounts}", identity.upstream_client))
        }
    }
}

fn verdict(reading: &Reading) -> String {
    let Reading { good, length, .. } = reading;
    match reading.end {
        End::Whole if reading.is_attested() => "whole".into(),
        End::Whole => {
            let from = reading.attested.max(format::HEADER as u64);
            format!("whole; its last {} bytes were written and not yet attested to be on disk", length - from)
        }
        End::Torn(fault) => format!(
            "TORN at byte {good}: {fault}, and nothing from there on was attested. The next start cuts off {} bytes, of \
             which nobody was told that they were on disk. While twsmux runs this is a write under way: look again",
            length - good
        ),
        End::Damaged { fault, attested_at } => {
            let known = match attested_at {
                Some(at) => format!("what stands before byte {at} was once on disk"),
                None => "no crash writes that".into(),
            };
            format!(
                "DAMAGED at byte {good} of {length}: {fault}, and {known}. twsmux does not start with it; `twsmux \
                 journal repair` keeps a copy and saves what can be read"
            )
        }
    }
}

/// Every client that the journal knows, with its sequence and the messages kept for it.
fn clients(state: &State) -> Vec<(ClientId, i32, i32, usize)> {
    let ids: std::collections::BTreeSet<ClientId> =
        state.owners.keys().chain(state.kept.keys()).copied().collect();
    ids.into_iter()
        .map(|id| {
            let owner = state.owners.get(&id).copied().unwrap_or_default();
            (id, owner.next, owner.placed, state.kept.get(&id).map_or(0, |kept| kept.len()))
        })
        .collect()
}

/// The orders, those first that are not over.
fn orders(state: &State) -> Vec<(&UpOrderId, &Order)> {
    let mut orders: Vec<_> = state.orders.iter().collect();
    orders.sort_by_key(|(_, order)| order.over.is_some());
    orders
}

/// Where an order stands, in one word of the JSON.
fn standing(order: &Order) -> &'static str {
    match order {
        Order { over: Some(Outcome::NeverSent), .. } => "never_sent",
        Order { over: Some(Outcome::Ended), .. } => "over",
        Order { unknown: true, .. } => "unknown",
        Order { arrived: true, .. } => "at_gateway",
        _ => "unconfirmed",
    }
}

/// All that it says, for people.
pub fn show(path: &Path, reading: &Reading) -> String {
    let mut out = verify(path, reading);
    let state = &reading.state;
    let rows = clients(state);
    if !rows.is_empty() {
        let _ = writeln!(
            out,
            "\n{:>12} {:>12} {:>14} {:>14}",
            "client id", "next id", "highest used", "kept for it"
        );
    }
    for (id, next, placed, kept) in rows {
        let _ = writeln!(out, "{id:>12} {next:>12} {placed:>14} {kept:>14}");
    }
    let rows = orders(state);
    if !rows.is_empty() {
        let _ = writeln!(
            out,
            "\n{:>12} {:>12} {:>14} {:>14}  state",
            "client id", "order id", "at the Gateway", "permanent id"
        );
    }
    for (up, order) in rows {
        let perm = order.perm.map_or("-".into(), |perm| perm.to_string());
        let standing = match standing(order) {
            "never_sent" => "over, it never left twsmux",
            "over" => "over",
            "unknown" => "live? its fate is unknown",
            "at_gateway" => "live, the Gateway has it",
            _ => "live? the Gateway has not spoken of it",
        };
        let _ = writeln!(out, "{:>12} {:>12} {up:>14} {perm:>14}  {standing}", order.owner, order.down);
    }
    out
}

/// All that it says, for programs.
pub fn json(path: &Path, reading: &Reading) -> String {
    let state = &reading.state;
    let clients: Vec<Value> = clients(state)
        .into_iter()
        .map(
            |(id, next, placed, kept)| json!({"client_id": id, "next": next, "placed": placed, "kept": kept}),
        )
        .collect();
    let orders: Vec<Value> = orders(state)
        .into_iter()
        .map(|(up, order)| {
            json!({
                "client_id": order.owner, "order_id": order.down, "gateway_id": up, "permanent_id": order.perm,
                "live": order.over.is_none(), "state": standing(order),
            })
        })
        .collect();
    let verdict = match reading.end {
        End::Whole => "whole",
        End::Torn(_) => "torn",
        End::Damaged { .. } => "damaged",
    };
    let page = json!({
        "file": path.display().to_string(),
        "bytes": reading.length,
        "records": reading.records,
        "verdict": verdict,
        "fault_at": (reading.end != End::Whole).then_some(reading.good),
        "identity": state.identity,
        "next": (state.next != 0).then_some(state.next),
        "clients": clients,
        "orders": orders,
        "executions": state.executions.len(),
    });
    format!("{page:#}\n")
}

/// What a repair did and what is to be done now. `found` is the state as it was written, `left_out` ids above those that
/// were found in it.
pub fn repaired(path: &Path, copy: &Path, found: &Salvage, left_out: i32) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "repaired  {}", path.display());
    let _ = writeln!(out, "          the file as it was is kept as {}", copy.display());
    if let Some(fault) = found.header {
        let _ = writeln!(out, "header    {fault}");
    }
    let _ = writeln!(out, "kept      {} records", found.records);
    contents(&found.state, &mut out);
    let _ = writeln!(out, "lost      {} bytes in {} places", found.lost_bytes(), found.lost.len());
    for lost in found.lost.iter().take(20) {
        let _ = writeln!(out, "          {} bytes at byte {}", lost.bytes, lost.at);
    }
    if found.lost.len() > 20 {
        let _ = writeln!(out, "          and {} more places", found.lost.len() - 20);
    }
    let _ = writeln!(
        out,
        "ids       {left_out} left out, at the Gateway and of every client: they may have been used"
    );
    let _ = write!(
        out,
        "\nBefore clients trade again, compare all open orders at the Gateway with `twsmux journal show`. An order that is \
         only there\nworks and belongs to no client: cancel it in TWS. Messages that were kept for absent clients may be \
         missing or come\ntwice; executions asked of the Gateway tell what was filled.\n"
    );
    if found.state.identity.is_none() {
        let _ = writeln!(
            out,
            "The record that says whose journal it is was lost, so that twsmux cannot refuse a wrong one: make sure that \
             the\nGateway and --upstream-client-id are those from before."
        );
    }
    out
}
