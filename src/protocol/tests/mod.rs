//! The tables against themselves, against known facts, and the interpreter against the tables.

mod clients;
mod dialects;
mod forms;
mod layouts;
mod meanings;
mod positions;
mod samples;
mod tables;
mod transcode;
mod translations;
