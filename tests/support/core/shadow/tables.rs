//! What the shadow model keeps: clients, requests, orders, what waits where.
//!
//! Owns: the shapes, and what each says of itself. May not know: what becomes of them; that is the model's.

use super::*;

/// What is expected at a client.
#[derive(Clone, Debug)]
pub enum What {
    /// These bytes.
    Exact(Bytes),
    /// A message that says this.
    Says(u16, Said),
    /// An error with this id and one of these codes.
    Error(i32, &'static [u16]),
    /// An error with this code under any id.
    Code(u16),
    /// A message with this id.
    Message(u16),
}

#[derive(Clone, Debug)]
pub struct Expect {
    pub who: Who,
    pub what: What,
    pub must: bool,
}

/// How far a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Connected,
    Greeted,
    Held,
    Ready,
    Over,
}

pub struct MClient {
    pub stage: Stage,
    pub id: i32,
    pub range: (u16, u16),
    pub version: u16,
    pub deadline: u64,
    pub data_type: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Answers go to the client.
    Active,
    /// As active, but the client may use the id again.
    Spent,
    /// Cancelled by the client: it hears only what the cancel draws.
    Cancelled,
    /// Over.
    Ended,
}

/// One request by request id.
pub struct Inst {
    pub who: Who,
    pub down: i32,
    pub kind: usize,
    pub one_shot: bool,
    pub state: State,
    pub up: Option<i32>,
    pub data_type: i32,
    /// Its client is gone, or it has waited too long: what has not left must not leave.
    pub orphan: bool,
    /// When it was asked.
    pub(super) since: u64,
    /// It was asked for again.
    pub(super) again: bool,
    /// Cancels sent by the client.
    pub cancels: u32,
    /// A cancel has reached the upstream.
    pub cancelled_up: bool,
    /// An execution query: its client filter.
    pub filter: i32,
    /// What it says upstream but for its id.
    pub(super) said: Said,
    /// The values of it, and the Gateway's version in which it was asked.
    pub(super) values: Record,
    pub(super) version: u16,
    /// It is about a US stock.
    pub(super) us_stock: bool,
    /// Since when it has waited for a link.
    pub(super) asleep: Option<u64>,
    /// Something of its answer has come.
    pub begun: bool,
    /// Something has come since it was spent.
    pub goes_on: bool,
    /// The image that comes is one more: what is new in it are updates.
    pub(super) resumes: bool,
    /// Rows of its image, and those of before an outage.
    pub(super) rows: Vec<Record>,
    pub(super) before: Vec<Record>,
    /// Historical data that waits for its end.
    pub(super) held: Option<Record>,
}

/// The kind of an execution query.
pub const QUERY: usize = usize::MAX;

impl Inst {
    pub fn message(&self) -> u16 {
        if self.kind == QUERY { 7 } else { KINDS[self.kind].req }
    }

    pub fn kind(&self) -> &'static Kind {
        &KINDS[self.kind]
    }

    pub(super) fn live(&self) -> bool {
        matches!(self.state, State::Active | State::Spent)
    }
}

/// What waits in the line of an owner of orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// A call of placeOrder with its token.
    Place(usize, u64),
    /// A cancel of an order, and whose act it is.
    Cancel(usize, Who),
    GlobalCancel(Who),
    /// A request in a lane.
    Lane(LaneKey),
    /// An execution query.
    Query(usize),
    /// twsmux's own.
    OwnQuery,
}

/// One thing in a line.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Its number in the order of arrival.
    pub number: u64,
    pub turn: Turn,
    pub since: u64,
    /// The fact that must be on disk before it leaves; `None`: the core has not named it yet.
    pub after: Option<u64>,
}

/// What has left of an order and was not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flight {
    New,
    Modify,
}

/// Something about an order for its owner.
#[derive(Clone, Debug)]
pub enum News {
    /// The Gateway says it; in the owner's terms.
    Says(u16, Record),
    /// twsmux says it: id and code.
    Error(i32, u16),
}

/// What an absent owner has still to hear.
#[derive(Clone, Debug)]
pub struct Kept {
    pub(super) order: usize,
    pub(super) news: News,
    /// The Gateway's version at that time.
    pub(super) version: u16,
    /// Whether it is certain that it was worth keeping.
    pub(super) must: bool,
}

#[derive(Default)]
pub struct Order {
    pub owner: i32,
    pub down: i32,
    pub up: Option<i32>,
    /// Its parent as it was last placed.
    pub parent: Option<usize>,
    /// Its parent as it last left.
    pub sent_parent: Option<usize>,
    pub(super) quantity: String,
    pub flight: Option<Flight>,
    /// Its cancel has left, and nothing came that answers it.
    pub cancelling: bool,
    /// When a modification or a cancel of it last left.
    pub amended: Option<u64>,
    /// It never left and was refused: its id is free again.
    pub withdrawn: bool,
    pub dead: bool,
    /// Its owner was told that its fate is unknown.
    pub unknown: bool,
    /// twsmux has it in its table; orders from before are met when the Gateway speaks of them.
    pub met: bool,
    /// The Gateway has spoken of it to twsmux.
    pub spoken: bool,
    /// twsmux has heard its permanent id.
    pub perm_known: bool,
    pub what_if: bool,
    /// openOrder and orderStatus as they were last heard.
    pub open: Option<Record>,
    pub status: Option<Record>,
    /// They were heard at another version: whether they are repeated cannot be told.
    pub(super) blurred: [bool; 2],
    /// Whether the status belongs to a change that was shown; `None`: it cannot be told.
    pub(super) due: Option<bool>,
    /// The Gateway has it.
    pub arrived: bool,
    /// The Gateway does not know it any more.
    pub gone: bool,
    /// Its cancel has reached the Gateway.
    pub cancel_asked: bool,
    /// How it ended at the Gateway, whether that was said or not.
    pub ended: Option<&'static str>,
    /// openOrder and orderStatus as the Gateway has them.
    pub there: [Option<Record>; 2],
}

impl Order {
    /// It has not left and may still leave.
    pub fn waits(&self) -> bool {
        self.met && self.up.is_none() && !self.dead
    }

    /// It works at the Gateway.
    pub fn works(&self) -> bool {
        self.arrived && !self.gone && self.ended.is_none()
    }
}

/// A call of placeOrder.
pub(super) struct Call {
    pub(super) order: usize,
    pub(super) parent: Option<usize>,
    /// What it says upstream but for the ids.
    pub(super) said: Said,
}

#[derive(Default)]
pub struct Exec {
    pub order: usize,
    pub id: String,
    pub price: u64,
    /// twsmux knows whose it is.
    pub known: bool,
    /// Its owner has heard of it, in whatever way.
    pub told: bool,
    /// Its owner has heard of it as a live fill.
    pub live: bool,
    /// Its owner has heard of its commission.
    pub commissioned: bool,
}

/// Whose execution query it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker {
    Client(usize),
    /// twsmux's own.
    Own,
}

/// What twsmux asks of the Gateway when a link begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Step {
    #[default]
    Idle,
    Open,
    Executions,
    Completed,
}

/// How far it is with that.
#[derive(Default)]
pub struct Lists {
    pub step: Step,
    /// The id of its execution query, once it has left.
    pub query: Option<i32>,
    /// When it is given up, once it has left.
    pub deadline: u64,
    /// One of the lists did not come.
    pub(super) refused: bool,
    /// Orders of an earlier link that were not heard of on this one.
    pub missing: BTreeSet<usize>,
    /// Price of the last fill of those.
    pub(super) prices: BTreeMap<usize, u64>,
}

/// What is asked in a lane.
#[derive(Clone)]
pub struct Ask {
    /// Who asks, and by which message.
    pub askers: Vec<(Who, u16)>,
    /// twsmux itself asks.
    pub own: bool,
    /// The line that it waits in.
    pub(super) line: Option<i32>,
    /// The message at the Gateway.
    pub message: u16,
}

impl Ask {
    pub(super) fn of_twsmux(message: u16) -> Ask {
        Ask { askers: Vec::new(), own: true, line: Some(BESIDE), message }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.own || !self.askers.is_empty()
    }
}

#[derive(Default)]
pub struct Lane {
    pub head: Option<Ask>,
    /// The request at the head has left, when orders had changed so often.
    pub left: Option<Changes>,
    /// Something of the answer has come.
    pub begun: bool,
    pub waiting: VecDeque<Ask>,
    pub deadline: u64,
    /// The answer as far as it has come.
    pub answer: Vec<Row>,
}

/// How often something about an order left or came: for sure, and perhaps (the model does not know what twsmux had heard
/// before).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Changes {
    pub(super) sure: u64,
    pub(super) perhaps: u64,
}

/// An answer without id that serves again.
pub(super) struct KeptAnswer {
    pub(super) rows: Vec<Row>,
    pub(super) at: u64,
    pub(super) left: Changes,
}

#[derive(Default)]
pub struct Stream {
    pub account: String,
    pub subscribers: Vec<Who>,
    /// Those who have not had an end marker yet.
    pub waiting_end: BTreeSet<Who>,
    pub(super) rows: Vec<(String, Message)>,
    pub(super) end: Option<Message>,
    /// All of the day was asked for.
    pub(super) has_all: bool,
    /// It is asked for again, and that has not left.
    pub replaying: bool,
    /// The rows before an outage.
    pub(super) before: Vec<(String, Message)>,
}

/// What the Gateway said of orders before its accounts were known.
pub enum HeldBack {
    Order(usize, u16, Record),
    Error(usize, u16, Record),
    Execution(usize, Record),
    Commission(usize, Record),
}

/// A message of the Gateway and its values.
pub type Message = (u16, Record);

/// A row of an answer without id, and for whom it is alone.
pub type Row = (Message, Option<i32>);

/// Lanes by request message and key.
pub type LaneKey = (u16, i64);
