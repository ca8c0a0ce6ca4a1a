//! What can still be read of a damaged file.
//!
//! Owns: finding whole records before, between and after damage; leaving out the ids that the lost ones may have used. May
//! not know: where the bytes come from, where the result goes. Driven by: `cli::journal`, for a repair that a person asked
//! for: twsmux never does this on its own.

use super::format::{self, Frame, HeaderFault};
use super::{Record, State};
use crate::limits;

/// What was saved, and what was not.
#[derive(Debug)]
pub struct Salvage {
    /// What the records that were found add up to, in their order.
    pub state: State,
    /// How many these are.
    pub records: u64,
    /// The stretches that are no records, in order.
    pub lost: Vec<Lost>,
    /// What is wrong with the header, if anything.
    pub header: Option<HeaderFault>,
}

/// A stretch of the file that says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Lost {
    /// Where it begins.
    pub at: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

impl Salvage {
    /// Bytes that are lost, all together.
    pub fn lost_bytes(&self) -> u64 {
        self.lost.iter().map(|lost| lost.bytes).sum()
    }
}

/// Reads every record whose bytes are whole, wherever it stands.
pub fn salvage(file: &[u8]) -> Salvage {
    let header = format::header(file).err();
    // A header with the right size and wrong bytes is followed by frames all the same.
    let begin = format::HEADER.min(file.len());
    let at_its_place = header.is_none() || format::frame_perhaps(&file[begin..]).is_some();
    let mut at = if at_its_place { begin } else { 0 };
    let mut found = Salvage { state: State::default(), records: 0, lost: Vec::new(), header };
    while at < file.len() {
        match format::frame(&file[at..]) {
            Ok((frame, length)) => {
                if let Frame::Record(record) = frame {
                    found.state.apply(&record);
                    found.records += 1;
                }
                at += length;
            }
            Err(_) => {
                let next = next_frame(file, at);
                found.lost.push(Lost { at: at as u64, bytes: (next - at) as u64 });
                at = next;
            }
        }
    }
    found
}

/// The first place after `damage` where a frame begins; the end of the file when there is none.
fn next_frame(file: &[u8], damage: usize) -> usize {
    // Within a message that was kept, there may be anything, also what looks like a record.
    let from = damage + format::kept_length(&file[damage..]).unwrap_or(1);
    let mut places = from.min(file.len())..file.len();
    places.find(|at| format::frame_perhaps(&file[*at..]).is_some()).unwrap_or(file.len())
}

/// Leaves out the order ids that may have been used in `lost_bytes` that nobody can read, and says how many ids these
/// are. **An order id at the Gateway is never used twice** (I4), and a client must not place anew what it means to
/// change. Does nothing to a state that says nothing: then the Gateway is asked as at the first start.
pub fn leave_out_lost_ids(state: &mut State, lost_bytes: u64) -> i32 {
    if state.next == 0 && state.owners.is_empty() {
        return 0;
    }
    let lost_orders = i32::try_from(lost_bytes / format::ORDER as u64).unwrap_or(i32::MAX);
    let margin = lost_orders.max(limits::JOURNAL_REPAIR_MARGIN);
    if state.next != 0 {
        state.apply(&Record::Floor { next: state.next.saturating_add(margin) });
    }
    let raised: Vec<Record> = state
        .owners
        .iter()
        .map(|(owner, o)| Record::Sequence {
            owner: *owner,
            next: o.next.saturating_add(margin),
            placed: o.placed.saturating_add(margin),
        })
        .collect();
    raised.iter().for_each(|record| state.apply(record));
    margin
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::format::{put_header, put_record, put_synced};
    use super::*;
    use crate::ids::{ClientId, DownOrderId, UpOrderId};

    fn order(n: i32) -> Record {
        Record::Order { owner: ClientId(1), down: DownOrderId(n), up: UpOrderId(n) }
    }

    /// A file of ten orders, and where each begins.
    fn file() -> (Vec<u8>, Vec<usize>) {
        let mut out = Vec::new();
        put_header(9, &mut out);
        let mut begins = Vec::new();
        for n in 1..=10 {
            begins.push(out.len());
            put_record(&order(n), &mut out);
            put_synced(out.len() as u64, 9, &mut out);
        }
        (out, begins)
    }

    fn orders(found: &Salvage) -> Vec<i32> {
        found.state.orders.keys().map(|up| up.0).collect()
    }

    #[test]
    fn everything_around_the_damage_is_saved() {
        let (whole, begins) = file();
        assert_eq!(salvage(&whole).lost, []);
        for byte in begins[4]..begins[4] + format::ORDER {
            let mut damaged = whole.clone();
            damaged[byte] ^= 0x41;
            let found = salvage(&damaged);
            assert_eq!(orders(&found), [1, 2, 3, 4, 6, 7, 8, 9, 10], "byte {byte}");
            assert_eq!(found.lost, [Lost { at: begins[4] as u64, bytes: format::ORDER as u64 }]);
        }
        // A stretch that is zero, one that is missing, and an end that is.
        let mut zero = whole.clone();
        zero[begins[2] + 3..begins[5] + 1].fill(0);
        assert_eq!(orders(&salvage(&zero)), [1, 2, 7, 8, 9, 10]);
        let missing = [&whole[..begins[2] + 3], &whole[begins[5] + 1..]].concat();
        assert_eq!(orders(&salvage(&missing)), [1, 2, 7, 8, 9, 10]);
        let cut = &whole[..begins[9] + 5];
        assert_eq!(orders(&salvage(cut)), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(salvage(cut).lost_bytes(), 5);
    }

    #[test]
    fn a_header_that_is_damaged_or_gone_does_not_take_the_records_with_it() {
        let (whole, _) = file();
        let mut damaged = whole.clone();
        damaged[12] ^= 1;
        for bytes in [&damaged[..], &whole[10..], &whole[format::HEADER..]] {
            let found = salvage(bytes);
            assert!(found.header.is_some());
            assert_eq!(orders(&found).len(), 10);
        }
        for nothing in [&b""[..], b"twsmuxj", &[0; 5000]] {
            let found = salvage(nothing);
            assert_eq!((found.records, found.lost_bytes()), (0, nothing.len() as u64));
        }
    }

    #[test]
    fn what_a_kept_message_holds_is_no_record() {
        let mut payload = Vec::new();
        put_record(&order(7), &mut payload);
        let kept = Record::Kept {
            owner: ClientId(2),
            up: UpOrderId(1),
            version: 176,
            payload: Bytes::from(payload),
        };
        let mut bytes = Vec::new();
        put_header(1, &mut bytes);
        let at = bytes.len();
        put_record(&kept, &mut bytes);
        put_record(&order(8), &mut bytes);
        // In its checksum, and in whose it is.
        for damage in [at + 4, at + format::FRAME_HEAD + 1] {
            let mut damaged = bytes.clone();
            damaged[damage] ^= 1;
            assert_eq!(orders(&salvage(&damaged)), [8]);
        }
        // And when its end never came.
        let torn = bytes.len() - format::ORDER - 1;
        assert!(orders(&salvage(&bytes[..torn])).is_empty());
    }

    #[test]
    fn as_many_ids_are_left_out_as_can_have_been_lost() {
        let mut state = State::default();
        assert_eq!((leave_out_lost_ids(&mut state, 1 << 30), &state), (0, &State::default()));
        state.apply(&order(500));
        let margin = limits::JOURNAL_REPAIR_MARGIN;
        let mut few = state.clone();
        assert_eq!(leave_out_lost_ids(&mut few, 100), margin);
        assert_eq!(few.next, 501 + margin);
        let owner = few.owners[&ClientId(1)];
        assert_eq!((owner.next, owner.placed), (501 + margin, 500 + margin));
        assert_eq!(few.orders, state.orders);
        let orders = 3 * margin;
        assert_eq!(leave_out_lost_ids(&mut state, orders as u64 * format::ORDER as u64 + 5), orders);
        assert_eq!(state.next, 501 + orders);
    }
}
