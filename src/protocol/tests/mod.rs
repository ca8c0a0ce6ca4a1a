//! The tables against themselves, against known facts, and the interpreter against the tables.

mod layouts;
mod samples;
