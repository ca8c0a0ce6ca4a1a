//! The protocol tables: one declaration per message, and the one interpreter that reads them.
//!
//! Owns: names, numbers, layouts by server version, id positions, kinds, answers, end markers, routing.
//! May not know: clients, sockets, time. Driven by: `core`, `sim`, `cli`.

pub mod model;
