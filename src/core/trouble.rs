//! What is the matter with the Gateway: every case, told apart, in words.
//!
//! Owns: [`TABLE`], one row per case: its name, what was seen, what that usually means, what to do; and the case that
//! holds now. May not know: where the evidence comes from (the shell looks, [`Input::Examined`](super::io::Input)).
//! Driven by: `link`, when something fails, and when a handshake is not answered.
//!
//! **The words claim no more than was seen.** What was seen is one thing, what it usually means is another.
//!
//! A case lasts until something disproves it ([`Stage`]), not until the next attempt: over the pauses between attempts
//! it stays, so that the log has it once and `since` is when it began.

use std::fmt;
use std::time::Duration;

use super::io::{FarEnd, Level, Zombies};
use super::link::Link;
use super::timers::Timer;
use super::{Core, Ctx};
use crate::ids::LinkId;
use crate::limits;
use crate::remedy;
use crate::time::Time;

/// What is the matter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// The connect was refused.
    NotListening,
    /// The connect was not answered, or there is no way there.
    Unreachable,
    /// Sockets of the Gateway in CLOSE_WAIT.
    Zombies,
    /// Our connection waits to be accepted.
    NotAccepted,
    /// Accepted, our greeting is unread.
    GreetingUnread,
    /// Our greeting is read and not answered.
    NoAnswer,
    /// Not answered, and the Gateway's sockets cannot be seen.
    OutOfSight,
    /// The greeting is answered, accounts and next order id have not come.
    NotStarted,
    /// Closed before the handshake was done.
    ClosedInHandshake,
    /// A ready Gateway that says nothing any more.
    FellSilent,
    /// The connection to a ready Gateway ended.
    Lost,
    /// What came is no answer of a Gateway, or cannot be read.
    Misunderstood,
    /// Error 326.
    ClientIdInUse,
    /// The order journal belongs to other accounts.
    OtherAccounts,
    /// The Gateway moves to another port (error 1300).
    PortMoved,
    /// A person has paused twsmux.
    Paused,
}

/// What shows that a case is over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// A connect that succeeds.
    Connected,
    /// A greeting that is answered.
    Answered,
    /// A link that is ready.
    Ready,
}

/// A row of [`TABLE`]. `{gateway}` and `{id}` stand for its address and twsmux's client id there.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which.
    pub case: Case,
    /// Its name in JSON and metrics.
    pub name: &'static str,
    /// What was seen.
    pub seen: &'static str,
    /// What it usually means.
    pub means: &'static str,
    /// What to do, the first thing first.
    pub steps: &'static [&'static str],
    /// What shows that it is over.
    pub over: Stage,
}

const LOOK_AT_WINDOW: &str = "Look at the Gateway's window: finish the login and its two-factor confirmation, and answer any \
                              dialog that waits there.";
const GIVE_TIME: &str =
    "If it was started a minute ago, give it time: twsmux waits and tells when it is ready.";
const CHECK_API: &str = "Check its API settings: socket clients are enabled, this address is among the trusted IPs, and \
                         \"localhost only\" is off unless twsmux runs on the same machine.";
const TRIED_AGAIN: &str = "twsmux tries again by itself.";

/// All cases. docs/operations.md has the same table; a test compares them.
pub const TABLE: [Row; 16] = [
    Row {
        case: Case::NotListening,
        name: "not_listening",
        seen: "nothing listens at {gateway}",
        means: "the Gateway does not run, restarts, or waits for its login",
        steps: &[remedy::START, remedy::CHECK_PORT, TRIED_AGAIN],
        over: Stage::Connected,
    },
    Row {
        case: Case::Unreachable,
        name: "unreachable",
        seen: "no connection to {gateway} comes about, and none is refused",
        means: "its machine is down, a firewall is between, or the address is wrong; on the same machine: the Gateway hangs \
                and accepts no connections, and the queue of those that wait is full",
        steps: &[
            "Check the address, that its machine is up, and that nothing blocks the port.",
            remedy::LOOK_THERE,
            TRIED_AGAIN,
        ],
        over: Stage::Connected,
    },
    Row {
        case: Case::Zombies,
        name: "zombies",
        seen: "the Gateway at {gateway} holds dead connections in CLOSE_WAIT",
        means: "programs that connected to it directly have hung up and it has not closed its side; while one exists it may \
                leave every new connection unanswered, so twsmux makes none",
        steps: &[
            remedy::RESTART,
            "Stop the programs that connect to the Gateway directly; `twsmux doctor` names them.",
            remedy::ONLY_TWSMUX,
        ],
        over: Stage::Connected,
    },
    Row {
        case: Case::NotAccepted,
        name: "not_accepted",
        seen: "the kernel has connected twsmux to {gateway}, and the program that listens there has not accepted the \
               connection",
        means: "the Gateway's process hangs, or is still starting up",
        steps: &[
            GIVE_TIME,
            "See whether its process still works: its window, its machine's memory and load.",
            remedy::RESTART_AT_LAST,
        ],
        over: Stage::Answered,
    },
    Row {
        case: Case::GreetingUnread,
        name: "greeting_unread",
        seen: "the Gateway at {gateway} has accepted the connection and not read the greeting",
        means: "a part of the Gateway is stuck: a dialog waits for an answer, a dead connection from before holds it up, or \
                it is still starting up",
        steps: &[LOOK_AT_WINDOW, GIVE_TIME, remedy::RESTART_AT_LAST],
        over: Stage::Answered,
    },
    Row {
        case: Case::NoAnswer,
        name: "no_answer",
        seen: "the program at {gateway} has accepted the connection, read the greeting and not answered it",
        means: "the Gateway waits for its login, for the two-factor confirmation, or for somebody to allow the connection in \
                a dialog; or its API settings do not allow it",
        steps: &[
            LOOK_AT_WINDOW,
            CHECK_API,
            "If what listens there only forwards (a container's published port, socat, ssh), the Gateway is behind it: run \
             `twsmux doctor` there.",
            remedy::RESTART_AT_LAST,
        ],
        over: Stage::Answered,
    },
    Row {
        case: Case::OutOfSight,
        name: "out_of_sight",
        seen: "{gateway} takes the connection and does not answer the greeting, and what the Gateway has done with it cannot be \
               seen from here",
        means: "the Gateway waits for its login, its two-factor confirmation or a dialog, is still starting up, or hangs; its \
                own machine can tell which",
        steps: &[LOOK_AT_WINDOW, remedy::LOOK_THERE, CHECK_API, remedy::RESTART_AT_LAST],
        over: Stage::Answered,
    },
    Row {
        case: Case::NotStarted,
        name: "not_started",
        seen: "the Gateway at {gateway} has answered the greeting and not yet named its accounts and next order id",
        means: "its login or two-factor confirmation is not finished, or it has no connection to IB's servers",
        steps: &[
            LOOK_AT_WINDOW,
            "See in its window whether it is connected to IB's servers, and on IB's system status page whether they are up.",
            remedy::RESTART_AT_LAST,
        ],
        over: Stage::Ready,
    },
    Row {
        case: Case::ClosedInHandshake,
        name: "closed_in_handshake",
        seen: "the Gateway at {gateway} closed the connection before the handshake was done",
        means: "its API is not enabled, it does not trust this address, or somebody refused the connection in a dialog; a \
                Gateway that ends or restarts closes too",
        steps: &[CHECK_API, LOOK_AT_WINDOW, "twsmux tries again by itself, after longer and longer pauses."],
        over: Stage::Ready,
    },
    Row {
        case: Case::FellSilent,
        name: "fell_silent",
        seen: "the Gateway at {gateway} was ready, then silent, and did not answer a clock request",
        means: "its process hangs, its machine sleeps, or the network to it is broken",
        steps: &[
            "twsmux has reset the connection and makes a new one by itself.",
            LOOK_AT_WINDOW,
            remedy::RESTART_AT_LAST,
        ],
        over: Stage::Ready,
    },
    Row {
        case: Case::Lost,
        name: "lost",
        seen: "the connection to the Gateway at {gateway} was lost",
        means: "the Gateway ended or restarts, as it does once a day, or its API settings were changed",
        steps: &["twsmux connects again by itself.", remedy::START],
        over: Stage::Connected,
    },
    Row {
        case: Case::Misunderstood,
        name: "misunderstood",
        seen: "what came from {gateway} is not what a Gateway says, or cannot be read",
        means: "another program listens there, the Gateway sends its clients to another address, or it is of a version that \
                twsmux does not know",
        steps: &["Check twsmux's upstream address and max_server_version.", TRIED_AGAIN],
        over: Stage::Ready,
    },
    Row {
        case: Case::ClientIdInUse,
        name: "client_id_in_use",
        seen: "the Gateway at {gateway} says that client id {id} is in use (326)",
        means: "another program is connected to it under the id that is twsmux's; orders belong to that id, so twsmux takes no \
                other",
        steps: &[
            "Find the program that uses it; `twsmux doctor` names those that are connected to the Gateway.",
            "Or start twsmux with another --upstream-client-id and --state-dir.",
            TRIED_AGAIN,
        ],
        over: Stage::Ready,
    },
    Row {
        case: Case::OtherAccounts,
        name: "other_accounts",
        seen: "the order journal and the Gateway at {gateway} are of different accounts",
        means: "somebody else has logged in; orders of different accounts must not be mixed up",
        steps: &[
            "Log in with the other user.",
            "Or start twsmux with another --state-dir for these accounts.",
        ],
        over: Stage::Ready,
    },
    Row {
        case: Case::PortMoved,
        name: "port_moved",
        seen: "the Gateway at {gateway} moved its API port and dropped the connection",
        means: "its API settings were changed",
        steps: &["Start twsmux with the new --upstream address."],
        over: Stage::Ready,
    },
    Row {
        case: Case::Paused,
        name: "paused",
        seen: "twsmux is paused and makes no connection to the Gateway at {gateway}",
        means: "somebody works on the Gateway, or needs its login elsewhere",
        steps: &["`twsmux control resume` connects again."],
        over: Stage::Connected,
    },
];

impl Case {
    /// Its row.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

/// The case that holds.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    case: Case,
    /// What else was seen; may be empty.
    detail: String,
    since: Time,
    /// The attempt at which it was last seen.
    of: LinkId,
    zombies: Option<Zombies>,
}

/// The case that holds, for the outside.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TroubleView {
    /// Which.
    pub case: Case,
    /// What was seen.
    pub seen: String,
    /// What it usually means.
    pub means: &'static str,
    /// What to do, the first thing first.
    pub steps: &'static [&'static str],
    /// For how long it has been so, seconds.
    pub since_seconds: f64,
    /// Dead connections by kind; null for other cases.
    pub zombies: Option<Zombies>,
}

impl fmt::Display for TroubleView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}.\nThis usually means: {}.", self.seen, self.means)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{}. {step}", number + 1)?;
        }
        write!(f, "Case {}, for {:.0} s.", self.case.row().name, self.since_seconds)
    }
}

impl Core {
    /// Notes what is the matter; whether that is news.
    pub(super) fn in_trouble(&mut self, now: Time, case: Case, detail: String) -> bool {
        let before = self.known.trouble.as_ref().filter(|trouble| trouble.case == case);
        let (changed, since) = (before.is_none(), before.map_or(now, |trouble| trouble.since));
        let zombies = self.zombies.filter(|_| case == Case::Zombies);
        self.known.trouble = Some(Trouble { case, detail, since, of: self.link_id, zombies });
        changed
    }

    /// Something went right: what that disproves is over.
    pub(super) fn out_of_trouble(&mut self, stage: Stage) {
        self.known.trouble.take_if(|trouble| trouble.case.row().over <= stage);
    }

    /// What was seen.
    fn seen(&self, trouble: &Trouble) -> String {
        let row = trouble.case.row();
        let mut words = row
            .seen
            .replace("{gateway}", &self.config.gateway)
            .replace("{id}", &self.config.upstream_client_id.to_string());
        if !trouble.detail.is_empty() {
            words += &format!(" ({})", trouble.detail);
        }
        // The attempt under way may end otherwise.
        let again = matches!(self.link, Link::Greeting { .. } | Link::Starting { .. });
        match again && trouble.of != self.link_id {
            true => format!("twsmux is connecting again; the last time {words}"),
            false => words,
        }
    }

    /// The case that holds, by name, and what was seen.
    pub(super) fn trouble_seen(&self) -> Option<(&'static str, String)> {
        self.known.trouble.as_ref().map(|trouble| (trouble.case.row().name, self.seen(trouble)))
    }

    /// Why there is no link, in a few words: for errors of which there may be thousands at once.
    pub(super) fn reason(&self) -> String {
        match self.known.trouble.as_ref().filter(|_| !self.waits_for_disk()) {
            Some(trouble) => self.seen(trouble),
            None => self.diagnosis(),
        }
    }

    /// What is the matter, in one sentence and its first cure, for those who wait.
    pub(super) fn trouble_in_short(&self, trouble: &Trouble) -> String {
        let row = trouble.case.row();
        let step = row.steps[0].trim_end_matches('.');
        format!(
            "{}. This usually means: {}. {step} (`twsmux status` says more)",
            self.seen(trouble),
            row.means
        )
    }

    /// The same with everything that can be done, for the log.
    pub(super) fn trouble_in_full(&self, trouble: &Trouble) -> String {
        let row = trouble.case.row();
        let steps: Vec<String> =
            row.steps.iter().enumerate().map(|(n, step)| format!("{}. {step}", n + 1)).collect();
        format!("{}. This usually means: {}. What to do: {}", self.seen(trouble), row.means, steps.join(" "))
    }

    /// The case that holds, for the outside.
    pub(super) fn trouble_view(&self, now: Time) -> Option<TroubleView> {
        let trouble = self.known.trouble.as_ref().filter(|_| !self.is_ready())?;
        let row = trouble.case.row();
        Some(TroubleView {
            case: trouble.case,
            seen: self.seen(trouble),
            means: row.means,
            steps: row.steps,
            since_seconds: now.since(trouble.since).as_secs_f64(),
            zombies: trouble.zombies,
        })
    }

    /// Arms the look at what the Gateway has done with the connection, after a silence that begins at `from`.
    pub(super) fn examine_later(&mut self, from: Time) {
        self.timers.arm(Timer::Examine, from + self.examine_after());
    }

    /// Silence after which it is looked at.
    fn examine_after(&self) -> Duration {
        limits::EXAMINE_AFTER.min(self.config.handshake_time / 2)
    }

    /// The Gateway has answered nothing for a while: somebody is to look what it has done with the connection. The next
    /// look is not before this one is answered.
    pub(super) fn examine(&mut self, ctx: &mut Ctx<'_>) {
        if self.waits_for_gateway() {
            ctx.actions.push(super::io::Action::Examine { link: self.link_id });
        }
    }

    /// What the look showed.
    pub(super) fn examined(
        &mut self,
        ctx: &mut Ctx<'_>,
        link: LinkId,
        zombies: Option<Zombies>,
        end: FarEnd,
    ) {
        if link != self.link_id || !self.waits_for_gateway() {
            return;
        }
        self.see_zombies(zombies);
        let answered = self.known.answered;
        if matches!(self.link, Link::Starting { .. }) && ctx.now.since(answered) < self.examine_after() {
            return self.examine_later(answered); // it answered while it was looked at
        }
        self.timers.arm(Timer::Examine, ctx.now + limits::EXAMINE_EVERY);
        let unread = |what| match end {
            FarEnd::Unread(n) => format!("{n} bytes of {what} are unread"),
            _ => String::new(),
        };
        let (case, detail) = match (&self.link, &end, zombies) {
            (_, _, Some(zombies)) if zombies.total() > 0 => (Case::Zombies, zombies.to_string()),
            (Link::Starting { .. }, ..) => (Case::NotStarted, unread("startApi")),
            (_, FarEnd::OutOfSight(why), _) => (Case::OutOfSight, why.clone()),
            (_, FarEnd::NotAccepted, _) => (Case::NotAccepted, String::new()),
            (_, FarEnd::Unread(_), _) => (Case::GreetingUnread, unread("it")),
            (_, FarEnd::Read, _) => (Case::NoAnswer, String::new()),
        };
        let changed = self.in_trouble(ctx.now, case, detail);
        if changed {
            self.recall_turn(ctx.now);
        }
        if let Some(trouble) = self.known.trouble.as_ref().filter(|_| changed) {
            let words = self.trouble_in_full(trouble);
            self.note(ctx, Level::Warn, words);
        }
    }

    /// Whether the handshake waits for the Gateway and for nobody else.
    fn waits_for_gateway(&self) -> bool {
        matches!(self.link, Link::Greeting { .. } | Link::Starting { .. }) && !self.waits_for_disk()
    }

    /// The handshake has not ended in time: the case, and what is to be said of it.
    pub(super) fn out_of_patience(&self) -> (Case, String) {
        let words =
            format!("it did not finish the handshake in {} s", self.config.handshake_time.as_secs_f64());
        match (&self.known.trouble, &self.link) {
            (Some(trouble), _) if trouble.of == self.link_id => {
                let detail = Some(trouble.detail.as_str()).filter(|detail| !detail.is_empty());
                (
                    trouble.case,
                    [detail.unwrap_or_default(), &words].join(if detail.is_some() { "; " } else { "" }),
                )
            }
            (_, Link::Starting { .. }) => (Case::NotStarted, words),
            _ => (Case::OutOfSight, words),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_case_has_its_row_and_one_name_everywhere() {
        for (n, row) in TABLE.iter().enumerate() {
            assert_eq!(row.case as usize, n, "{}", row.name);
            assert_eq!(serde_json::to_value(row.case).unwrap(), row.name);
        }
        assert_eq!(TABLE.map(|row| row.name).into_iter().collect::<BTreeSet<_>>().len(), TABLE.len());
    }

    #[test]
    fn each_row_says_what_was_seen_what_it_means_and_what_to_do() {
        for row in TABLE {
            assert!(row.seen.contains("{gateway}"), "{}: whose address", row.name);
            for phrase in [row.seen, row.means] {
                assert!(!phrase.ends_with('.') && phrase.len() > 20, "{}: {phrase}", row.name);
            }
            assert!(!row.steps.is_empty(), "{}", row.name);
            for step in row.steps {
                assert!(step.ends_with('.') && step.len() < 250, "{}: {step}", row.name);
                let restarts = step.contains("Restart IB Gateway");
                assert!(!restarts || step.contains("two-factor"), "{}: a restart costs a login", row.name);
            }
        }
    }

    /// The rows of the table in `docs/operations.md`, as it would be written from the code.
    #[test]
    fn the_page_has_the_same_table() {
        let page = include_str!("../../docs/operations.md");
        let (_, section) = page.split_once("### The cases").expect("the section");
        let section = section.split("\n#").next().unwrap_or_default();
        let documented: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<String> = TABLE
            .iter()
            .map(|row| {
                let seen = row.seen.replace("{gateway}", "HOST:PORT").replace("{id}", "N");
                let steps: Vec<String> =
                    row.steps.iter().enumerate().map(|(n, step)| format!("{}. {step}", n + 1)).collect();
                format!("| `{}` | {seen} | {} | {} |", row.name, row.means, steps.join(" "))
            })
            .collect();
        assert_eq!(documented, expected, "write it anew:\n{}\n", expected.join("\n"));
    }
}
