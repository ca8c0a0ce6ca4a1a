//! What must differ between a client at the Gateway and one behind twsmux beside others, and why.
//!
//! **Whatever is not here is equal.** A step names what must differ in it, and says so in vain when nothing does, except
//! where that depends on what the others are just doing.

use std::collections::BTreeMap;

use Tag::*;
use twsmux::record;
use twsmux::sim::client::Received;

use super::{OTHERS, Step};

/// A difference by name; [`DIFFERENCES`] says which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tag {
    OwnWords,
    OwnTime,
    FarmTime,
    Clock,
    SecondStart,
    Settings,
    LaterVersion,
    Inexpressible,
    UnknownParent,
    IdInWords,
    TradeInImage,
    HeadlineInImage,
    RemarkInImage,
    RowsOfBook,
    TimeInImage,
    Moved,
    LateTick,
    AccountSlot,
    SummaryLimit,
    OthersInList,
    OrderOfList,
    Meanwhile,
    BoundAtStart,
}

/// A difference.
pub struct Difference {
    /// Its name.
    pub tag: Tag,
    /// What differs.
    pub what: &'static str,
    /// Why it must.
    pub reason: &'static str,
    /// Whether a step that names it differs always, or only now and then.
    pub always: bool,
    /// Takes it out of a step.
    pub take_out: fn(&mut Step),
    /// What the step must look like behind twsmux.
    pub is_right: fn(&Step) -> bool,
}

const fn always(tag: Tag, what: &'static str, reason: &'static str, take_out: fn(&mut Step)) -> Difference {
    Difference { tag, what, reason, always: true, take_out, is_right: |_| true }
}

const fn sometimes(
    tag: Tag,
    what: &'static str,
    reason: &'static str,
    take_out: fn(&mut Step),
) -> Difference {
    Difference { always: false, ..always(tag, what, reason, take_out) }
}

impl Difference {
    const fn seen_as(self, is_right: fn(&Step) -> bool) -> Self {
        Difference { is_right, ..self }
    }
}

/// All that steps name.
pub const DIFFERENCES: &[Difference] = &[
    // ---- errors that twsmux answers itself ----
    always(
        OwnWords,
        "words and time of an error; code and id are the same",
        "it says what was wrong and what to do, and its clock is that of the machine",
        |step| each(step, "error", |m| blank(m, &["errorMsg", "errorTime"])),
    ),
    always(
        OwnTime,
        "the time of an error in the words of the Gateway",
        "its clock is that of the machine",
        |step| each(step, "error", |m| blank(m, &["errorTime"])),
    ),
    always(
        SecondStart,
        "a second startApi is refused with 321",
        "the connection to the Gateway has been started, for everybody; what the Gateway says to it was never seen",
        |step| step.messages.clear(),
    )
    .seen_as(|step| is_error(step, 321)),
    always(
        Settings,
        "updateConfig is refused with 321",
        "the settings of the Gateway hold for all of its clients",
        |step| step.messages.clear(),
    )
    .seen_as(|step| is_error(step, 321)),
    always(
        LaterVersion,
        "a message of a later version draws 503 and not 320",
        "that is the code that libraries have for it, and the words say what is missing",
        |step| step.messages.clear(),
    )
    .seen_as(|step| is_error(step, 503)),
    always(
        Inexpressible,
        "a request that the Gateway's version does not have draws 503",
        "it cannot be said",
        |step| step.messages.clear(),
    )
    .seen_as(|step| is_error(step, 503)),
    always(
        UnknownParent,
        "a parent that is not known draws 201 and not 10006",
        "the number would be somebody else's order at the Gateway",
        |step| step.messages.clear(),
    )
    .seen_as(|step| is_error(step, 201)),
    // ---- what is passed on ----
    always(
        FarmTime,
        "the time of farm notices in the first messages",
        "it is the time at which the Gateway said them",
        |step| each(step, "error", |m| blank(m, &["errorTime"])),
    ),
    sometimes(
        Clock,
        "the answers to clock requests",
        "the Gateway drops clock requests that come close together: twsmux answers from its last answer and the time since",
        |step| {
            each(step, "currentTime", |m| blank(m, &["time"]));
            each(step, "currentTimeInMillis", |m| blank(m, &["timeInMillis"]));
        },
    ),
    always(
        IdInWords,
        "the id in the words of an error",
        "words are passed on as they are, and in them stands the id at the Gateway",
        |step| {
            each(step, "error", |m| {
                let parts = m.text("errorMsg").split(|c: char| c.is_ascii_digit());
                let words = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("#");
                m.values.set("errorMsg", words);
            });
        },
    ),
    // ---- shared subscriptions ----
    always(
        TradeInImage,
        "who joins a line gets no RTVolume with its image",
        "it is a trade each time, and an old one would be taken for a new one",
        |step| drop_all(step, is_trade),
    )
    .seen_as(|step| !step.messages.iter().any(is_trade)),
    always(
        HeadlineInImage,
        "who joins a line gets no headline with its image",
        "it is an event and no state",
        |step| step.messages.clear(),
    )
    .seen_as(|step| step.messages.is_empty()),
    always(
        RemarkInImage,
        "who joins a line does not get the remarks on it (2152, 10167)",
        "they are made once, when a line begins",
        |step| drop_all(step, is_remark),
    )
    .seen_as(|step| !step.messages.iter().any(is_remark)),
    always(
        RowsOfBook,
        "the order of the rows in which somebody who joins gets a book",
        "it is built anew, one side after the other",
        |step| step.messages.sort_by_key(|m| (m.int("side"), m.int("position"))),
    ),
    always(
        TimeInImage,
        "the account time stands in the image once and not behind each position",
        "the last one counts",
        |step| drop_all(step, |m| m.name == "updateAccountTime"),
    )
    .seen_as(|step| step.messages.iter().filter(|m| m.name == "updateAccountTime").count() == 1),
    always(
        Moved,
        "who joins a line gets the market as it is; at the simulated Gateway each subscription has a market of its own",
        "a real Gateway has one market",
        |step| {
            let kind = |m: &Received| {
                record! {
                    id: m.text("reqId"), tick: m.text("tickType"), side: m.text("side"), at: m.text("position"),
                }
            };
            step.messages.iter_mut().for_each(|m| m.values = kind(m));
            step.messages.sort_by_key(super::compare::line);
        },
    ),
    always(
        LateTick,
        "a tick that the Gateway sends after a cancel",
        "nobody waits for it, and the id may have a new use",
        |step| drop_all(step, is_late_tick),
    )
    .seen_as(|step| !step.messages.iter().any(is_late_tick)),
    always(
        AccountSlot,
        "account updates of another account draw 2101",
        "the Gateway has one slot, and the others hold it: beside other clients it would say the same",
        |step| step.messages.clear(),
    )
    .seen_as(|step| is_error(step, 2101)),
    always(
        SummaryLimit,
        "an account summary that the others do not have draws 322",
        "the Gateway allows two on a connection, and the others have two",
        |step| step.messages.clear(),
    )
    .seen_as(|step| is_error(step, 322)),
    // ---- orders ----
    sometimes(
        OthersInList,
        "orders and executions of the others",
        "the Gateway shows them to everybody who asks",
        without_others,
    ),
    sometimes(
        OrderOfList,
        "the order of orders in a list",
        "the Gateway lists them by client id and order id, which are others there",
        |step| step.messages.sort_by_key(|m| (m.name == "openOrderEnd", m.int("orderId"))),
    ),
    always(
        Meanwhile,
        "what happened to orders while their owner was away",
        "the Gateway does not tell it; twsmux keeps it for the owner",
        |step| drop_all(step, |m| is_fill(m) || m.name.starts_with("commission")),
    )
    .seen_as(|step| {
        let told = |name: &str| step.messages.iter().any(|m| m.name == name);
        step.messages.iter().any(is_fill) && told("execDetails") && told("commissionAndFeesReport")
    }),
    always(
        BoundAtStart,
        "orders that were placed by hand are shown to client 0 when it starts",
        "it has taken them over; what a Gateway does was never seen",
        |step| drop_all(step, |m| (m.name == "openOrder" || m.name == "orderStatus") && m.int("orderId") < 0),
    ),
];

/// What no step names, because it can be anywhere, and why.
pub const EVERYWHERE: &[(&str, &str)] = &[
    (
        "permId and execId, wherever they stand",
        "the Gateway numbers the orders of everybody one after the other",
    ),
    (
        "positions and values of the account in which the others trade",
        "who asks for all accounts sees them move",
    ),
    (
        "openOrder and orderStatus once more with nothing new in them, but for lists",
        "while somebody asks for open orders they cannot be told from parts of that answer",
    ),
    (
        "with a Gateway of another version: what that version does not have",
        "what it does not say cannot be passed on",
    ),
];

/// The difference with a name.
pub fn difference(tag: Tag) -> &'static Difference {
    DIFFERENCES.iter().find(|d| d.tag == tag).expect("every name has its row")
}

/// Takes out what differs everywhere, but for numbers and versions.
pub fn take_out_everywhere(steps: &mut [Step]) {
    let mut last = BTreeMap::new();
    for step in steps {
        let names = ["position", "positionMulti", "accountSummary"];
        drop_all(step, |m| names.contains(&m.name) && m.text("account") == OTHERS);
        let is_list = step.is_list;
        step.messages.retain(|m| match m.name {
            "openOrder" | "orderStatus" => {
                let before = last.insert((m.name, m.int("orderId")), m.payload.clone());
                is_list || before.as_ref() != Some(&m.payload)
            }
            _ => true,
        });
    }
}

/// The numbers that the Gateway gives to orders and executions, and what they are replaced by: how many came before.
#[derive(Default)]
pub struct Numbers(BTreeMap<String, String>);

impl Numbers {
    /// Those in a list of steps.
    pub fn of(steps: &[Step]) -> Numbers {
        let mut numbers = Numbers::default();
        for m in steps.iter().flat_map(|s| &s.messages) {
            for name in ["permId", "execId"] {
                let (number, count) = (m.text(name), numbers.0.len());
                if !matches!(number, "" | "0") && !numbers.0.contains_key(number) {
                    numbers.0.insert(number.to_owned(), format!("<{name}-{count}>"));
                }
            }
        }
        numbers
    }

    /// Replaces them in a line, also in groups and words.
    pub fn replace(&self, mut line: String) -> String {
        for (number, name) in &self.0 {
            if line.contains(number.as_str()) {
                line = line.replace(number.as_str(), name);
            }
        }
        line
    }
}

fn each(step: &mut Step, name: &str, change: impl Fn(&mut Received)) {
    step.messages.iter_mut().filter(|m| m.name == name).for_each(change);
}

fn blank(m: &mut Received, names: &[&'static str]) {
    names.iter().for_each(|name| m.values.remove(name));
}

fn drop_all(step: &mut Step, which: impl Fn(&Received) -> bool) {
    step.messages.retain(|m| !which(m));
}

fn is_error(step: &Step, code: i64) -> bool {
    matches!(&step.messages[..], [m] if m.name == "error" && m.int("errorCode") == code)
}

fn is_trade(m: &Received) -> bool {
    m.name == "tickString" && matches!(m.int("tickType"), 48 | 77)
}

fn is_remark(m: &Received) -> bool {
    m.name == "error" && matches!(m.int("errorCode"), 2152 | 10167)
}

fn is_late_tick(m: &Received) -> bool {
    m.name == "tickSize"
}

fn is_fill(m: &Received) -> bool {
    m.name == "execDetails" || m.text("status") == "Filled"
}

fn without_others(step: &mut Step) {
    let is_theirs = |m: &Received| {
        super::others::CLIENT_IDS.contains(&(m.int("clientId") as i32)) || m.text("account") == OTHERS
    };
    let executions = step.messages.iter().filter(|m| m.name == "execDetails" && is_theirs(m));
    let theirs: Vec<String> = executions.map(|m| m.text("execId").to_owned()).collect();
    let is_commission = |m: &Received| {
        m.name == "commissionAndFeesReport" && theirs.iter().any(|execution| execution == m.text("execId"))
    };
    drop_all(step, |m| is_theirs(m) || is_commission(m));
}
