//! Seeded simulation of shared lines: clients subscribe, cancel, join, leave; the Gateway ticks, refuses and goes away.
//! After every step each client has exactly what the model says, and the Gateway one line for each thing that anybody
//! wants.
//!
//! `SIM_SEEDS` widens the run, `SIM_SEED` runs one seed alone.

#[path = "support/core/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use support::ease::world;
use support::{Frame, Rng, Who, World};
use twsmux::core::io::Gone;

/// What can be asked for: symbol and generic ticks, which some clients spell in another order.
const WANTED: [(&str, [&str; 2]); 4] =
    [("AAPL", ["", ""]), ("AAPL", ["233,236", "236, 233"]), ("MSFT", ["", ""]), ("MSFT", ["233", "233,233"])];

#[derive(Default)]
struct Line {
    up: String,
    members: Vec<(Who, i32)>,
    /// Latest price by tick type, in the order in which the types first came.
    latest: Vec<(i32, String)>,
}

struct Sim {
    w: World,
    rng: Rng,
    /// By what it is about; the refused ones that somebody still holds are in `refused`.
    lines: BTreeMap<usize, Line>,
    refused: Vec<(String, Vec<(Who, i32)>)>,
    clients: Vec<(i32, Who)>,
    token: u32,
    shared: u64,
}

impl Sim {
    fn new(seed: u64) -> Sim {
        let mut w = world(|c| c.messages_per_second = None);
        w.link_up(176);
        Sim {
            w,
            rng: Rng(seed),
            lines: BTreeMap::new(),
            refused: Vec::new(),
            clients: Vec::new(),
            token: 0,
            shared: 0,
        }
    }

    fn ids(&self, who: Who) -> Vec<i32> {
        let live = self.lines.values().flat_map(|l| &l.members);
        let refused = self.refused.iter().flat_map(|(_, m)| m);
        live.chain(refused).filter(|m| m.0 == who).map(|m| m.1).collect()
    }

    /// What clients got: request id, tick type, price of ticks; id and code of errors.
    fn got(&mut self, who: Who) -> Vec<String> {
        let show = |f: &Frame| match f.id {
            1 => {
                let r = f.response();
                let text = |name| r.get(name).unwrap_or_default().to_owned();
                Some(format!("{} {} {}", text("reqId"), text("tickType"), text("price")))
            }
            4 => f.error().filter(|e| e.0 >= 0).map(|(id, code)| format!("{id} error {code}")),
            _ => None,
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

    fn leave(&mut self, who: Who, down: Option<i32>) -> Vec<(u16, String)> {
        let mut cancels = Vec::new();
        let mine = |m: &(Who, i32)| m.0 == who && down.is_none_or(|d| m.1 == d);
        let mut drop_from = |up: &str, members: &mut Vec<(Who, i32)>| {
            let held = members.iter().any(mine);
            members.retain(|m| !mine(m));
            if held && members.is_empty() {
                cancels.push((2, up.to_owned()));
            }
            members.is_empty()
        };
        self.lines.retain(|_, line| !drop_from(&line.up, &mut line.members));
        self.refused.retain_mut(|(up, members)| !drop_from(up, members));
        cancels
    }

    fn step(&mut self) {
        match self.rng.below(20) {
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
            10..13 if !self.clients.is_empty() => {
                let (_, who) = *self.rng.pick(&self.clients);
                let ids = self.ids(who);
                let down = if ids.is_empty() { 1 } else { *self.rng.pick(&ids) };
                let cancels = self.leave(who, Some(down));
                self.w.request(who, 2, &[("reqId", &down.to_string())]);
                assert_eq!(self.went(), cancels);
                let wanted = if ids.is_empty() { vec![format!("{down} error 300")] } else { Vec::new() };
                self.expect(BTreeMap::from([(who, wanted)]));
            }
            13 if self.rng.one_in(3) => self.refuse(),
            14 if self.rng.one_in(6) => {
                self.w.lose();
                let mut wanted: BTreeMap<Who, Vec<String>> = BTreeMap::new();
                for (_, who) in self.clients.clone() {
                    let mut all: Vec<String> =
                        self.ids(who).into_iter().map(|id| format!("{id} error 504")).collect();
                    all.sort();
                    wanted.insert(who, all);
                }
                for (_, who) in self.clients.clone() {
                    let mut got = self.got(who);
                    got.sort();
                    assert_eq!(got, wanted[&who], "client {who}: every share ends");
                }
                self.lines.clear();
                self.refused.clear();
                self.w.link_up(176);
                self.w.went_up();
                for (_, who) in self.clients.clone() {
                    self.w.got(who);
                }
            }
            _ => self.tick(),
        }
        self.w.check();
    }

    fn subscribe(&mut self) {
        let (_, who) = *self.rng.pick(&self.clients);
        let (about, down) = (self.rng.below(WANTED.len()), 1 + self.rng.below(5) as i32);
        let (symbol, spellings) = WANTED[about];
        let generic = *self.rng.pick(&spellings);
        let holds = self.ids(who).contains(&down);
        let was_refused = self.refused.iter().any(|(_, m)| m.contains(&(who, down)));
        let mut before = if was_refused { self.leave(who, Some(down)) } else { Vec::new() };
        let id = down.to_string();
        self.w.request(who, 1, &[("reqId", &id), ("symbol", symbol), ("genericTickList", generic)]);
        let went = self.went();
        if holds && !was_refused {
            assert!(went.is_empty());
            return self.expect(BTreeMap::from([(who, vec![format!("{down} error 102")])]));
        }
        match self.lines.get_mut(&about) {
            Some(line) => {
                self.shared += 1;
                line.members.push((who, down));
                let image =
                    line.latest.iter().map(|(kind, price)| format!("{down} {kind} {price}")).collect();
                assert_eq!(went, before, "it is asked for once");
                self.expect(BTreeMap::from([(who, image)]));
            }
            None => {
                assert_eq!(went.len(), before.len() + 1);
                let (message, up) = went.last().expect("a request").clone();
                assert_eq!(message, 1);
                before.push((1, up.clone()));
                assert_eq!(went, before);
                self.lines.insert(about, Line { up, members: vec![(who, down)], latest: Vec::new() });
                self.expect(BTreeMap::new());
            }
        }
    }

    fn tick(&mut self) {
        let Some(about) = self.any_line() else { return };
        self.token += 1;
        let (kind, price) = (self.rng.below(4) as i32, self.token.to_string());
        let line = self.lines.get_mut(&about).expect("picked");
        let (up, members) = (line.up.clone(), line.members.clone());
        match line.latest.iter_mut().find(|(k, _)| *k == kind) {
            Some(known) => known.1.clone_from(&price),
            None => line.latest.push((kind, price.clone())),
        }
        self.w.say(1, &[("reqId", &up), ("tickType", &kind.to_string()), ("price", &price), ("size", "1")]);
        let mut wanted: BTreeMap<Who, Vec<String>> = BTreeMap::new();
        for (who, down) in members {
            wanted.entry(who).or_default().push(format!("{down} {kind} {price}"));
        }
        self.expect(wanted);
    }

    fn refuse(&mut self) {
        let Some(about) = self.any_line() else { return };
        let line = self.lines.remove(&about).expect("picked");
        self.w.say_error(line.up.parse().expect("a number"), 354, "not subscribed");
        let mut wanted: BTreeMap<Who, Vec<String>> = BTreeMap::new();
        for (who, down) in &line.members {
            wanted.entry(*who).or_default().push(format!("{down} error 354"));
        }
        self.refused.push((line.up, line.members));
        self.expect(wanted);
    }

    fn any_line(&mut self) -> Option<usize> {
        let all: Vec<usize> = self.lines.keys().copied().collect();
        (!all.is_empty()).then(|| *self.rng.pick(&all))
    }
}

#[test]
fn everybody_has_what_it_asked_for_and_the_gateway_has_each_thing_once() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SIM_SEEDS").unwrap_or(150)).collect(),
    };
    let mut shared = 0;
    for seed in seeds {
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let mut sim = Sim::new(seed);
            (0..400).for_each(|_| sim.step());
            sim.shared
        }));
        match done {
            Ok(n) => shared += n,
            Err(_) => panic!("again: SIM_SEED={seed} cargo test --test line_sim"),
        }
    }
    println!("{shared} requests found a line that was there");
    assert!(shared > 0);
}
