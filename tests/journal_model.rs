//! The journal over a simulated disk, against a model: random records, losses of power, deaths of the process, failing
//! writes and syncs, a full disk, compaction, healing, damage.
//!
//! After every one of them the journal says what the first so many records add up to, and these are at least those that
//! were reported to be on disk. Damage before an attested byte is refused, and a repair saves every record that it did not
//! hit.
//!
//! `SEED=n` runs one seed, `SEEDS=n` so many.

#[path = "support/disk.rs"]
mod disk;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bytes::Bytes;
use disk::{Faults, SimDisk};
use twsmux::ids::{ClientId, DownOrderId, PermId, UpOrderId};
use twsmux::journal::format::{self, Frame};
use twsmux::journal::log::{FILE, UNFINISHED};
use twsmux::journal::salvage::{leave_out_lost_ids, salvage};
use twsmux::journal::{Journal, OpenError, Outcome, Record, Recovered, State};

/// splitmix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A record about few clients and orders, so that records meet.
fn record(rng: &mut Rng) -> Record {
    let owner = ClientId(rng.below(3) as i32);
    let up = UpOrderId(rng.below(30) as i32 - 2);
    let exec_id = Bytes::from(format!("exec-{}", rng.below(20)));
    match rng.below(20) {
        0 => {
            let accounts = (0..rng.below(3)).map(|n| format!("DU{n}")).collect();
            Record::Identity { upstream_client: owner, accounts }
        }
        1 => Record::Floor { next: rng.below(60) as i32 },
        2..=6 => Record::Order { owner, down: DownOrderId(rng.below(40) as i32), up },
        7 => Record::Sequence { owner, next: rng.below(50) as i32, placed: rng.below(40) as i32 },
        8 | 9 => Record::Arrived { up, perm: PermId(rng.below(3) as i64) },
        10 => Record::Over { up, outcome: Outcome::Ended },
        11 => Record::Over { up, outcome: Outcome::NeverSent },
        12 => Record::Unknown { up },
        13 => Record::Forgotten { up },
        14 => Record::Executed { up, exec_id },
        15 => Record::Commissioned { exec_id },
        16..=18 => Record::Kept { owner, up, version: 176, payload: message(rng) },
        _ => Record::Fetched { owner, count: rng.below(4) as u32 },
    }
}

/// What a client is sent: nothing much, something long, or what looks like a part of a journal.
fn message(rng: &mut Rng) -> Bytes {
    let mut out = Vec::new();
    match rng.below(4) {
        0 => {}
        1 => format::put_record(&Record::Floor { next: 1_000_000 }, &mut out),
        2 => (0..30).for_each(|_| format::put_synced(rng.below(5000), rng.below(3), &mut out)),
        _ => out.resize(rng.below(900) as usize, rng.below(256) as u8),
    }
    out.into()
}

fn sum<'a>(mut state: State, records: impl IntoIterator<Item = &'a Record>) -> State {
    records.into_iter().for_each(|record| state.apply(record));
    state
}

/// What the journal was told.
#[derive(Default)]
struct Model {
    base: State,
    records: Vec<Record>,
    /// So many of them are on disk, as the journal said.
    safe: usize,
}

impl Model {
    fn whole(&self) -> State {
        sum(self.base.clone(), &self.records)
    }

    /// A journal was found with this state: that of the first so many records, no fewer than are safe. Where several
    /// numbers fit, the largest is taken: what is on disk may end with any before it.
    fn found(&mut self, state: &State) {
        let mut expected = sum(self.base.clone(), &self.records[..self.safe]);
        let mut upto = (expected == *state).then_some(self.safe);
        for (n, record) in self.records.iter().enumerate().skip(self.safe) {
            expected.apply(record);
            upto = (expected == *state).then_some(n + 1).or(upto);
        }
        let upto = upto.unwrap_or_else(|| panic!("neither all that is safe nor more: {state:#?}"));
        self.records.truncate(upto);
    }

    /// Everything is on disk.
    fn all_safe(&mut self) {
        self.base = self.whole();
        self.records.clear();
        self.safe = 0;
    }
}

/// What happened, so that it is known that everything did.
#[derive(Default, Debug)]
struct Counts {
    power_losses: u64,
    deaths: u64,
    cuts: u64,
    cut_bytes: u64,
    lost_records: u64,
    failures: u64,
    heals: u64,
    compactions: u64,
    refused: u64,
    repairs: u64,
    opened_broken: u64,
}

struct World {
    rng: Rng,
    disk: SimDisk,
    journal: Option<Journal<SimDisk>>,
    /// Whether names are operated on with errors now and then.
    faulty: bool,
    model: Model,
    counts: Counts,
}

impl World {
    fn new(seed: u64) -> World {
        let disk = SimDisk::new(seed ^ 0xD15C);
        let mut world = World {
            rng: Rng(seed),
            disk,
            journal: None,
            faulty: false,
            model: Model::default(),
            counts: Counts::default(),
        };
        world.reopen();
        world
    }

    /// Opens what is there; with errors of the disk it may take several attempts.
    fn reopen(&mut self) {
        loop {
            let before = self.disk.bytes(FILE);
            match Journal::open(self.disk.clone()) {
                Ok((journal, Recovered { state, cut })) => {
                    assert_eq!(journal.state(), &state);
                    let known = self.model.records.len();
                    self.model.found(&state);
                    self.counts.lost_records += (known - self.model.records.len()) as u64;
                    self.counts.cuts += u64::from(cut > 0);
                    self.counts.cut_bytes += cut;
                    assert!(cut == 0 || before.is_some_and(|bytes| bytes.len() as u64 > cut));
                    match journal.broken() {
                        None => {
                            self.model.all_safe();
                            let left_over = self.disk.names().iter().any(|name| name == UNFINISHED);
                            assert!(!left_over || self.faulty, "removing it may fail, too");
                        }
                        Some(_) => self.counts.opened_broken += 1,
                    }
                    self.journal = Some(journal);
                    return;
                }
                Err(OpenError::Io { .. }) => self.settle(),
                Err(refused) => panic!("nothing was damaged: {refused}"),
            }
        }
    }

    /// What made opening it impossible passes.
    fn settle(&mut self) {
        self.disk.process_death();
        self.settle_errors();
    }

    fn settle_errors(&mut self) {
        self.disk.set_faults(Faults::default());
        self.disk.set_room(None);
        self.faulty = false;
    }

    fn journal(&mut self) -> &mut Journal<SimDisk> {
        self.journal.as_mut().expect("it is open")
    }

    /// After something that ends with everything on disk, or fails.
    fn all_safe_if<E: std::fmt::Display>(&mut self, result: &Result<(), E>) {
        match result {
            Ok(()) => {
                let length = self.model.records.len();
                self.model.safe = length;
            }
            Err(error) => {
                assert!(error.to_string().contains(FILE), "{error}");
                self.counts.failures += 1;
            }
        }
    }

    fn append(&mut self) {
        let records: Vec<Record> = (0..self.rng.below(6)).map(|_| record(&mut self.rng)).collect();
        let sync = self.rng.one_in(3);
        let result = self.journal().append(&records, sync);
        self.model.records.extend(records);
        if sync || result.is_err() {
            self.all_safe_if(&result);
        }
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..=59 => self.append(),
            60..=66 => {
                let result = self.journal().sync();
                self.all_safe_if(&result);
            }
            67..=70 => {
                let was_broken = self.journal().broken().is_some();
                let result = self.journal().compact();
                assert!(!was_broken || result.is_err(), "only healing makes it whole");
                self.all_safe_if(&result);
                self.counts.compactions += u64::from(result.is_ok());
            }
            71..=77 => {
                let was_broken = self.journal().broken().is_some();
                let result = self.journal().heal();
                if was_broken {
                    self.all_safe_if(&result);
                    self.counts.heals += u64::from(result.is_ok());
                }
                assert_eq!(self.journal().broken().is_some(), result.is_err());
            }
            78..=81 => {
                let mut rare = |n| if self.rng.one_in(2) { 0 } else { 2 + self.rng.below(n) };
                let faults = Faults { append: rare(10), sync: rare(6), names: rare(6) };
                self.disk.set_faults(faults);
                self.faulty = faults.names > 0;
            }
            82..=84 => self.settle_errors(),
            85 => {
                let room = self.disk.used() + self.rng.below(600);
                self.disk.set_room(Some(room));
            }
            86..=89 => self.disk.die_in(1 + self.rng.below(12)),
            90..=93 => self.end(true),
            94..=96 => self.end(false),
            97 => {
                let result = self.journal().seal();
                self.all_safe_if(&result);
                if result.is_ok() {
                    self.damage(true);
                }
            }
            _ => self.damage(false),
        }
        if self.disk.is_dead() {
            let power = self.rng.one_in(2);
            self.end(power);
        }
        if let Some(journal) = &self.journal {
            assert_eq!(journal.state(), &self.model.whole(), "it always knows what it was told");
        }
    }

    /// The end of the process, of the machine's power with it or not; and a new beginning.
    fn end(&mut self, power: bool) {
        self.journal = None;
        match power {
            true => {
                self.disk.power_loss();
                self.counts.power_losses += 1;
            }
            false => {
                self.disk.process_death();
                self.counts.deaths += 1;
            }
        }
        self.reopen();
    }

    /// A copy of the disk is damaged: refused or cut, never taken for something else; and repaired.
    fn damage(&mut self, sealed: bool) {
        if self.disk.is_dead() {
            return;
        }
        let copy = self.disk.fork();
        copy.set_faults(Faults::default());
        copy.set_room(None);
        copy.process_death();
        if sealed {
            copy.power_loss();
        }
        let bytes = copy.bytes(FILE).expect("there is always a journal");
        let frames = frames(&bytes);
        let bit = self.rng.below(bytes.len() as u64 * 8) as usize;
        let hit = bit / 8;
        copy.flip(FILE, bit);
        let attested = frames.iter().any(|f| f.at > hit && matches!(f.frame, Some(Frame::Synced { .. })));
        let before = frames.iter().filter(|f| f.end() <= hit).filter_map(Placed::record);
        let before = sum(State::default(), before);
        let damaged = copy.bytes(FILE).expect("it is there");
        match Journal::open(copy.clone()) {
            Err(OpenError::NotAJournal { .. }) => assert!(hit < format::HEADER),
            Err(OpenError::Damaged { at, .. }) => {
                assert!(attested, "a tail that nobody attested is cut");
                assert_eq!(at, frames.iter().find(|f| f.end() > hit).expect("the damaged one").at as u64);
            }
            Err(other) => panic!("bit {bit}: {other}"),
            Ok((_, recovered)) => {
                assert!(!attested && hit >= format::HEADER, "bit {bit} of attested bytes was accepted");
                assert_eq!(recovered.state, before);
                if sealed {
                    let last = frames.last().expect("a seal");
                    assert!(hit >= last.at && matches!(last.frame, Some(Frame::Synced { .. })));
                    assert_eq!(recovered.state, self.model.whole());
                }
                return;
            }
        }
        self.counts.refused += 1;
        assert_eq!(copy.bytes(FILE).as_ref(), Some(&damaged), "what is refused is left as it is");
        self.repair(copy, &damaged, &frames, hit);
    }

    fn repair(&mut self, copy: SimDisk, damaged: &[u8], frames: &[Placed], hit: usize) {
        let is_hit = |f: &Placed| f.at <= hit && hit < f.end();
        // With a damaged length a kept message that holds records cannot be told from records.
        if let Some(kept) =
            frames.iter().find(|f| is_hit(f) && matches!(f.record(), Some(Record::Kept { .. })))
        {
            let inner_length = format::FRAME_HEAD + 11;
            let within = hit - kept.at;
            if within < 4
                || within == format::FRAME_HEAD
                || (inner_length..inner_length + 4).contains(&within)
            {
                return;
            }
        }
        // What lies behind a torn place of its own may be saved as well.
        if frames.iter().any(|f| f.frame.is_none()) {
            return;
        }
        let mut found = salvage(damaged);
        let spared: Vec<&Record> = frames.iter().filter(|f| !is_hit(f)).filter_map(Placed::record).collect();
        assert_eq!(found.records, spared.len() as u64);
        assert_eq!(found.state, sum(State::default(), spared), "everything undamaged is saved");
        let (lost, before) = (found.lost_bytes(), found.state.clone());
        leave_out_lost_ids(&mut found.state, lost);
        assert_eq!(found.state.orders, before.orders);
        assert!(found.state.next > before.next || before.next == 0);
        let expected = found.state.clone();
        drop(Journal::replace(copy.clone(), found.state).expect("the disk works"));
        copy.power_loss();
        let (_, recovered) = Journal::open(copy).expect("a repaired journal is whole");
        assert_eq!((recovered.state, recovered.cut), (expected, 0));
        self.counts.repairs += 1;
    }
}

/// A frame, or what is none, at its place.
struct Placed {
    at: usize,
    length: usize,
    frame: Option<Frame>,
}

impl Placed {
    fn end(&self) -> usize {
        self.at + self.length
    }

    fn record(&self) -> Option<&Record> {
        match &self.frame {
            Some(Frame::Record(record)) => Some(record),
            _ => None,
        }
    }
}

/// The frames of a file up to the first that is none.
fn frames(bytes: &[u8]) -> Vec<Placed> {
    let mut out = Vec::new();
    let mut at = format::HEADER;
    while at < bytes.len() {
        match format::frame(&bytes[at..]) {
            Ok((frame, length)) => {
                out.push(Placed { at, length, frame: Some(frame) });
                at += length;
            }
            Err(_) => {
                out.push(Placed { at, length: bytes.len() - at, frame: None });
                break;
            }
        }
    }
    out
}

fn run(seed: u64) -> Counts {
    let mut world = World::new(seed);
    for _ in 0..250 {
        world.step();
    }
    world.settle();
    world.end(true);
    world.counts
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn whatever_happens_what_is_on_disk_is_what_was_said_to_be() {
    let seeds = match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(300),
    };
    let mut all = Counts::default();
    for seed in seeds.clone() {
        let counts = catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("failing seed: {seed}; rerun with SEED={seed}");
            resume_unwind(panic)
        });
        macro_rules! add { ($($name:ident)*) => { $(all.$name += counts.$name;)* } }
        add!(power_losses deaths cuts cut_bytes lost_records failures heals compactions refused repairs opened_broken);
    }
    println!("{all:#?}");
    if seeds.end - seeds.start >= 100 {
        let Counts {
            cuts, lost_records, failures, heals, compactions, refused, repairs, opened_broken, ..
        } = all;
        for n in [cuts, lost_records, failures, heals, compactions, refused, repairs, opened_broken] {
            assert!(n > 20, "the test does not try what it is for: {all:?}");
        }
    }
}
