//! What a journal file says, and whether its end is only torn or the file is damaged.
//!
//! A crash may leave the last bytes of a file half written, and that is no reason to stop: nobody was told that they were
//! on disk. Damage further up is one, because the records that it hits are lost and twsmux would take orders for others'.
//! The difference is what the writer attested: bytes before an attestation were on disk.
//!
//! Owns: the reading of a whole file. May not know: where the bytes come from, what to do about damage.
//! Driven by: `log` at start, `cli::journal`, `salvage`.

use super::State;
use super::format::{self, Frame, FrameFault, HeaderFault};

/// What was found in a file.
#[derive(Debug)]
pub struct Reading {
    /// What the records before the first fault add up to.
    pub state: State,
    /// How many records these are.
    pub records: u64,
    /// The number in the header by which this file's attestations are known.
    pub salt: u64,
    /// Size of the file, bytes.
    pub length: u64,
    /// Where the first fault is; the file's size when there is none.
    pub good: u64,
    /// Bytes that the last attestation before the first fault vouches for, itself included.
    pub attested: u64,
    /// How the file ends.
    pub end: End,
}

/// How a file ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// With a whole record.
    Whole,
    /// With a write that was cut short: nothing was attested after it.
    Torn(FrameFault),
    /// Something before an attested byte is not what was written, or a record was never a record.
    Damaged {
        /// What is wrong at [`Reading::good`].
        fault: FrameFault,
        /// Where an attestation after it stands.
        attested_at: Option<u64>,
    },
}

impl Reading {
    /// Whether every byte was on disk when the file was last written, so that a writer may go on behind it.
    pub fn is_attested(&self) -> bool {
        self.end == End::Whole && self.attested == self.length
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`HeaderFault`] when it is not a journal that can be read.
pub fn read(file: &[u8]) -> Result<Reading, HeaderFault> {
    let salt = format::header(file)?;
    let mut reading = Reading {
        state: State::default(),
        records: 0,
        salt,
        length: file.len() as u64,
        good: format::HEADER as u64,
        attested: 0,
        end: End::Whole,
    };
    let mut at = format::HEADER;
    while at < file.len() {
        match format::frame(&file[at..]) {
            Ok((Frame::Record(record), length)) => {
                reading.state.apply(&record);
                reading.records += 1;
                at += length;
            }
            Ok((Frame::Synced { offset, salt: its }, length)) if (offset, its) == (at as u64, salt) => {
                at += length;
                reading.attested = at as u64;
            }
            // An attestation of another place or file: its bytes came here some other way than by being written.
            Ok((Frame::Synced { .. }, _)) => {
                reading.end = End::Damaged { fault: FrameFault::Content, attested_at: None };
                break;
            }
            Err(fault) => {
                let attested_at = attestation_after(file, at, salt);
                let cut_short = attested_at.is_none() && fault != FrameFault::Content;
                reading.end = if cut_short { End::Torn(fault) } else { End::Damaged { fault, attested_at } };
                break;
            }
        }
    }
    reading.good = at as u64;
    Ok(reading)
}

/// The first place after `fault` where an attestation stands. Frames cannot be followed any more, so every byte is tried;
/// **an attestation counts only where it says that it stands**, and with the salt of this file.
fn attestation_after(file: &[u8], fault: usize, salt: u64) -> Option<u64> {
    let mut wanted = Vec::with_capacity(format::SYNCED);
    (fault + 1..(file.len() + 1).saturating_sub(format::SYNCED)).find_map(|at| {
        // Its first byte is that of a length; most places fail here.
        if file[at] != (format::SYNCED - format::FRAME_HEAD) as u8 {
            return None;
        }
        wanted.clear();
        format::put_synced(at as u64, salt, &mut wanted);
        file[at..].starts_with(&wanted).then_some(at as u64)
    })
}

#[cfg(test)]
#[path = "recover_tests.rs"]
mod tests;
