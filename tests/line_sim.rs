//! Seeded simulation of shared lines: clients subscribe, cancel, join, leave; the Gateway tells, refuses, goes away and
//! comes back; with and without a grace after the last client of a line left. After every step each client has exactly what the
//! model says, and the Gateway one line for each thing that anybody wants or lately wanted.
//!
//! `SIM_SEEDS` and `SIM_STEPS` widen the run, `SIM_SEED` runs one seed alone.

#[path = "support/core/mod.rs"]
mod support;

#[path = "support/seeds.rs"]
mod seeds;

use std::collections::BTreeMap;

use support::ease::{SECOND, world};
use support::{Frame, Rng, Who, World};
use twsmux::core::io::Gone;

/// A kind of line: its request and cancel, the field that says what it is about, and what comes for it.
struct Kind {
    request: u16,
    cancel: u16,
    about: &'static str,
    row: u16,
    /// The field that tells rows of the image apart; `None` where there is one row.
    key: Option<&'static str>,
    value: &'static str,
    /// Whether there is an image for those who join later.
    image: bool,
    /// The message that ends the first image.
    end: Option<u16>,
    /// The codes for a second request with an id that is active, and for a cancel of one that is not.
    duplicate: u16,
    not_found: Option<u16>,
    /// How many one client may have.
    most: usize,
}

const KINDS: [Kind; 4] = [
    Kind {
        request: 1,
        cancel: 2,
        about: "genericTickList",
        row: 1,
        key: Some("tickType"),
        value: "price",
        image: true,
        end: None,
        duplicate: 102,
        not_found: Some(300),
        most: usize::MAX,
    },
    Kind {
        request: 50,
        cancel: 51,
        about: "whatToShow",
        row: 50,
        key: None,
        value: "wap",
        image: false,
        end: None,
        duplicate: 322,
        not_found: Some(300),
        most: usize::MAX,
    },
    Kind {
        request: 62,
        cancel: 63,
        about: "tags",
        row: 63,
        key: Some("tag"),
        value: "value",
        image: true,
        end: Some(64),
        duplicate: 322,
        not_found: None,
        most: 2,
    },
    Kind {
        request: 92,
        cancel: 93,
        about: "modelCode",
        row: 94,
        key: None,
        value: "dailyPnL",
        image: true,
        end: None,
        duplicate: 322,
        not_found: None,
        most: usize::MAX,
    },
];

/// What can be asked for: the kind, and what it is about, which some clients spell otherwise.
const WANTED: [(usize, [&str; 2]); 9] = [
    (0, ["", ""]),
    (0, ["233,236", "236, 233"]),
    (0, ["233", "233,233"]),
    (1, ["TRADES", "TRADES"]),
    (1, ["MIDPOINT", "MIDPOINT"]),
    (2, ["A,B", "B,A"]),
    (2, ["A", "A"]),
    (3, ["", ""]),
    (3, ["M", "M"]),
];

struct Line {
    about: usize,
    up: String,
    members: Vec<(Who, i32)>,
    /// Latest value by key, in the order in which the keys first came.
    latest: Vec<(i32, String)>,
    ended: bool,
    /// Whether others may join: the Gateway has not refused it.
    open: bool,
    /// When its last client left, seconds.
    left: Option<u64>,
}

impl Line {
    fn kind(&self) -> &'static Kind {
        &KINDS[WANTED[self.about].0]
    }
}

struct Sim {
    w: World,
    rng: Rng,
    lines: Vec<Line>,
    clients: Vec<(i32, Who)>,
    token: u32,
    /// Seconds that a line stays after its last client left.
    grace: u64,
    now: u64,
    /// There is no link.
    down: bool,
    shared: u64,
    found_lingering: u64,
}

impl Sim {
    fn new(seed: u64) -> Sim {
        let grace = if seed.is_multiple_of(2) { 0 } else { 5 };
        let mut w = world(|c| {
            c.messages_per_second = None;
            c.line_grace = grace as u32 * SECOND;
        });
        w.link_up(176);
        Sim {
            w,
            rng: Rng(seed),
            lines: Vec::new(),
            clients: Vec::new(),
            token: 0,
            grace,
            now: 0,
            down: false,
            shared: 0,
            found_lingering: 0,
        }
    }

    /// The lines that a client has, by its ids of a kind.
    fn ids(&self, who: Who, request: u16) -> Vec<i32> {
        let lines = self.lines.iter().filter(|l| l.kind().request == request);
        lines.flat_map(|l| &l.members).filter(|m| m.0 == who).map(|m| m.1).collect()
    }

    /// What clients got: id, message, key and value; id and code of errors.
    fn got(&mut self, who: Who) -> Vec<String> {
        let show = |f: &Frame| {
            if f.id == 4 {
                return f.error().filter(|e| e.0 >= 0).map(|(id, code)| format!("{id} error {code}"));
            }
            let kind = KINDS.iter().find(|k| k.row == f.id || k.end == Some(f.id))?;
            let r = f.response();
            let text = |name: &str| r.get(name).unwrap_or_default().to_owned();
            let row = match f.id == kind.row {
                true => format!(" {} {}", kind.key.map_or("0".into(), text), text(kind.value)),
                false => String::new(),
            };
            Some(format!("{} {}{row}", text("reqId"), f.id))
        };
        self.w.got(who).iter().filter_map(show).collect()
    }

    fn expect(&mut self, mut wanted: BTreeMap<Who, Vec<String>>) {
        for (_, who) in self.clients.clone() {
            let got = self.got(who);
            assert_eq!(got, wanted.remove(&who).unwrap_or_default(), "client {who}");
        }
    }

    /// What went upstream: message and id.
    fn went(&mut self) -> Vec<(u16, String)> {
        let id = |f: &Frame| f.request().get("reqId").unwrap_or_default().to_owned();
        self.w.went_up().iter().map(|f| (f.id, id(f))).collect()
    }

    /// A client leaves a line, or all of them. Returns the cancels that must go upstream for it.
    fn leave(&mut self, who: Who, which: Option<(u16, i32)>) -> Vec<(u16, String)> {
        let mut cancels = Vec::new();
        let (grace, now, down) = (self.grace, self.now, self.down);
        self.lines.retain_mut(|line| {
            let kind = line.kind();
            let mine = |m: &(Who, i32)| m.0 == who && which.is_none_or(|w| w == (kind.request, m.1));
            if !line.members.iter().any(mine) {
                return true;
            }
            line.members.retain(|m| !mine(m));
            if !line.members.is_empty() {
                return true;
            }
            if grace > 0 && line.open && !down {
                line.left = Some(now);
                return true;
            }
            if !down {
                cancels.push((kind.cancel, line.up.clone()));
            }
            false
        });
        cancels
    }

    fn step(&mut self) {
        match self.rng.below(24) {
            0 | 1 if self.clients.len() < 6 => {
                let free = (1..9).find(|id| self.clients.iter().all(|c| c.0 != *id)).expect("few clients");
                let who = self.w.started(free);
                self.clients.push((free, who));
            }
            2 if !self.clients.is_empty() => {
                let at = self.rng.below(self.clients.len());
                let (_, who) = self.clients.remove(at);
                let mut cancels = self.leave(who, None);
                self.w.gone(who, Gone::Error);
                let mut went = self.went();
                went.sort();
                cancels.sort();
                assert_eq!(went, cancels, "what nobody wants any more ends, and nothing else");
            }
            3..10 if !self.clients.is_empty() => self.subscribe(),
            10..14 if !self.clients.is_empty() => self.cancel(),
            14 if self.rng.one_in(3) => self.refuse(),
            15 if self.rng.one_in(6) => self.outage(),
            16 => self.time_passes(),
            _ => self.news(),
        }
        self.w.check();
    }

    fn cancel(&mut self) {
        let (_, who) = *self.rng.pick(&self.clients);
        let kind = self.rng.pick(&KINDS);
        let ids = self.ids(who, kind.request);
        let down = if ids.is_empty() { 1 } else { *self.rng.pick(&ids) };
        let cancels = self.leave(who, Some((kind.request, down)));
        self.w.request(who, kind.cancel, &[("reqId", &down.to_string())]);
        assert_eq!(self.went(), cancels);
        let not_found = kind.not_found.filter(|_| ids.is_empty());
        let wanted = not_found.map(|code| vec![format!("{down} error {code}")]).unwrap_or_default();
        self.expect(BTreeMap::from([(who, wanted)]));
    }

    fn time_passes(&mut self) {
        let seconds = 1 + self.rng.below(4) as u64;
        self.now += seconds;
        self.w.pass(seconds as u32 * SECOND);
        let (grace, now) = (self.grace, self.now);
        let mut cancels = Vec::new();
        self.lines.retain(|line| {
            let over = line.left.is_some_and(|left| left + grace <= now);
            if over {
                cancels.push((line.kind().cancel, line.up.clone()));
            }
            !over
        });
        let mut went = self.went();
        went.sort();
        cancels.sort();
        assert_eq!(went, cancels, "what nobody came back for ends");
    }

    /// The link is lost and comes back; meanwhile clients go on.
    fn outage(&mut self) {
        self.w.lose();
        self.down = true;
        for (_, who) in self.clients.clone() {
            let refused = self.lines.iter().filter(|l| !l.open).flat_map(|l| &l.members);
            let ended = refused.filter(|m| m.0 == who).map(|m| format!("{} error 504", m.1));
            let mut wanted: Vec<String> = ended.collect();
            let mut got = self.got(who);
            got.sort();
            wanted.sort();
            assert_eq!(got, wanted, "client {who}: what had been refused ends");
        }
        self.lines.retain(|line| line.open && line.left.is_none());
        for line in &mut self.lines {
            line.latest.clear();
            line.ended = false;
            line.up.clear();
        }
        for _ in 0..self.rng.below(6) {
            match self.rng.one_in(3) {
                _ if self.clients.is_empty() => {}
                true => self.cancel(),
                false => self.subscribe(),
            }
            self.w.check();
        }
        self.w.link_up(176);
        self.down = false;
        for f in self.w.went_up() {
            let r = f.request();
            let kind = KINDS.iter().find(|k| k.request == f.id).expect("nothing else is asked");
            let about = parts(r.get(kind.about).unwrap_or_default());
            let mut equal = self
                .lines
                .iter_mut()
                .filter(|l| l.kind().request == f.id && parts(WANTED[l.about].1[0]) == about);
            let line = equal.next().expect("somebody wants it");
            assert!(line.up.is_empty(), "it is asked for once");
            line.up = r.get("reqId").expect("an id").to_owned();
        }
        assert!(self.lines.iter().all(|l| !l.up.is_empty()), "everything is asked for again");
        for (_, who) in self.clients.clone() {
            let told: Vec<(i32, u16)> = self.w.got(who).iter().filter_map(Frame::error).collect();
            assert_eq!(told, [(-1, 1102)], "client {who}");
        }
    }

    fn subscribe(&mut self) {
        let (_, who) = *self.rng.pick(&self.clients);
        let (about, down) = (self.rng.below(WANTED.len()), 1 + self.rng.below(5) as i32);
        let (kind, spellings) = (&KINDS[WANTED[about].0], WANTED[about].1);
        let says = *self.rng.pick(&spellings);
        let mine = |l: &&Line| l.kind().request == kind.request && l.members.contains(&(who, down));
        let held = self.lines.iter().find(mine).map(|l| l.open);
        // One that was refused may be asked for again under the same id.
        let mut before = match held {
            Some(false) => self.leave(who, Some((kind.request, down))),
            _ => Vec::new(),
        };
        let open = self.lines.iter().filter(|l| l.open && l.kind().request == kind.request);
        let active = open.flat_map(|l| &l.members).filter(|m| m.0 == who).count();
        let id = down.to_string();
        let values = [
            ("reqId", &id[..]),
            ("symbol", "AAPL"),
            ("account", "DU1"),
            ("groupName", "All"),
            (kind.about, says),
        ];
        self.w.request(who, kind.request, &values);
        let mut went = self.went();
        let refused = match held {
            Some(true) => Some(kind.duplicate),
            _ => (active >= kind.most).then_some(322),
        };
        if let Some(code) = refused {
            assert_eq!(went, before);
            return self.expect(BTreeMap::from([(who, vec![format!("{down} error {code}")])]));
        }
        if let Some(line) = self.lines.iter_mut().find(|l| l.open && l.about == about) {
            self.shared += 1;
            self.found_lingering += u64::from(line.left.take().is_some());
            line.members.push((who, down));
            assert_eq!(went, before, "it is asked for once");
            let rows = line.latest.iter().map(|(key, value)| format!("{down} {} {key} {value}", kind.row));
            let end = kind.end.filter(|_| line.ended).map(|end| format!("{down} {end}"));
            let image = if kind.image { rows.chain(end).collect() } else { Vec::new() };
            return self.expect(BTreeMap::from([(who, image)]));
        }
        let up = match self.down {
            true => String::new(),
            false => {
                let (message, up) = went.pop().expect("a request");
                assert_eq!(message, kind.request);
                up
            }
        };
        // What has lingered longest of its kind makes room.
        let lingering = |l: &&Line| l.left.is_some() && l.kind().request == kind.request;
        if let Some(oldest) = self.lines.iter().filter(lingering).filter_map(|l| l.left).min() {
            let (_, ended) = went.last().expect("something makes room").clone();
            let at = self.lines.iter().position(|l| l.up == ended).expect("a line");
            assert_eq!((self.lines[at].left, self.lines[at].kind().request), (Some(oldest), kind.request));
            before.push((kind.cancel, ended));
            self.lines.remove(at);
        }
        assert_eq!(went, before);
        let members = vec![(who, down)];
        self.lines.push(Line {
            about,
            up,
            members,
            latest: Vec::new(),
            ended: false,
            open: true,
            left: None,
        });
        self.expect(BTreeMap::new());
    }

    /// The Gateway tells something about a line.
    fn news(&mut self) {
        let Some(at) = self.any_open() else { return };
        self.token += 1;
        let ends = self.rng.one_in(4);
        let line = &mut self.lines[at];
        let (kind, up) = (line.kind(), line.up.clone());
        let (key, value) = (self.rng.below(4) as i32, self.token.to_string());
        let key = if kind.key.is_some() { key } else { 0 };
        let told = match kind.end.filter(|_| ends) {
            Some(end) => {
                line.ended = true;
                self.w.say(end, &[("reqId", &up)]);
                end.to_string()
            }
            None => {
                match line.latest.iter_mut().find(|(k, _)| *k == key) {
                    Some(known) => known.1.clone_from(&value),
                    None => line.latest.push((key, value.clone())),
                }
                let named = key.to_string();
                let mut values = vec![("reqId", &up[..]), (kind.value, &value[..]), ("size", "1")];
                values.extend(kind.key.map(|name| (name, &named[..])));
                self.w.say(kind.row, &values);
                format!("{} {key} {value}", kind.row)
            }
        };
        let mut wanted: BTreeMap<Who, Vec<String>> = BTreeMap::new();
        for (who, down) in self.lines[at].members.clone() {
            wanted.entry(who).or_default().push(format!("{down} {told}"));
        }
        self.expect(wanted);
    }

    fn refuse(&mut self) {
        let Some(at) = self.any_open() else { return };
        let line = &mut self.lines[at];
        line.open = false;
        self.w.say_error(line.up.parse().expect("a number"), 354, "not subscribed");
        let mut wanted: BTreeMap<Who, Vec<String>> = BTreeMap::new();
        for (who, down) in &line.members {
            wanted.entry(*who).or_default().push(format!("{down} error 354"));
        }
        self.expect(wanted);
    }

    fn any_open(&mut self) -> Option<usize> {
        let open: Vec<usize> = (0..self.lines.len()).filter(|at| self.lines[*at].open).collect();
        (!open.is_empty()).then(|| *self.rng.pick(&open))
    }
}

/// The parts of a list, whatever their order.
fn parts(list: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = list.split(',').map(str::trim).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

#[test]
fn everybody_has_what_it_asked_for_and_the_gateway_has_each_thing_once() {
    let seeds = seeds::chosen(100);
    let steps = seeds::number("SIM_STEPS").unwrap_or(600) as usize;
    let (found, failed) = seeds::run("line_sim", &seeds, steps, |seed, steps, at| {
        let mut sim = Sim::new(seed);
        for step in 0..steps {
            *at = step;
            sim.step();
        }
        (sim.shared, sim.found_lingering)
    });
    assert!(failed.is_empty(), "failing seeds: {failed:?}");
    let (shared, lingering) = found.iter().fold((0, 0), |sum, found| (sum.0 + found.0, sum.1 + found.1));
    println!("{shared} requests found a line that was there, {lingering} one that nobody had any more");
    assert!(shared > 0);
}
