//! The form in which a message is declared. Data only: the declarations are in `requests.rs` and
//! `responses.rs`, their one interpreter is `layout.rs`.

use super::pacing::Paced;
use super::schema::Schema;

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Client to server.
    Request,
    /// Server to client.
    Response,
}

/// What a field holds, in its text form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    Long,
    /// Floating point number in decimal text.
    Double,
    /// Decimal text of any precision.
    Decimal,
    /// Text.
    Str,
    /// `0` or `1`.
    Bool,
    /// `tag=value;` repeated, in one field.
    Tags,
}

/// What a field means to routing and id rewriting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Nothing: carried as it is.
    Plain,
    /// The message version that some messages start with.
    MessageVersion,
    /// A request id; the id of an error message, which can also be an order id or -1, is one too.
    ReqId,
    /// An order id.
    OrderId,
    /// The order id of a parent order; 0 means none.
    ParentOrderId,
    /// The order id that the server gives to an attached stop-loss order (protobuf only).
    StopLossOrderId,
    /// The order id that the server gives to an attached profit-taking order (protobuf only).
    ProfitTakerOrderId,
    /// An API client id.
    ClientId,
    /// The permanent id of an order.
    PermId,
    /// An execution id.
    ExecId,
    /// The key by which answers without a request id are matched (market rule id, FA data type).
    LaneKey,
    /// A flag that decides how the request ends (`snapshot`, `keepUpToDate`, `isDone`, `whatIf`).
    Flag,
    /// The number that tells rows of an image apart: the type of a tick.
    RowKey,
    /// An account name.
    Account,
    /// The subscribe switch of account updates.
    Subscribe,
    /// An error code.
    Code,
}

/// First version that has a thing and first version that has it no more, in negotiated server versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions {
    /// First version with it.
    pub since: u16,
    /// First version without it.
    pub until: u16,
}

impl Versions {
    /// Every version.
    pub const ALL: Versions = Versions { since: 0, until: u16::MAX };

    /// Whether `version` is inside.
    pub const fn has(self, version: u16) -> bool {
        self.since <= version && version < self.until
    }
}

/// One text field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Name as in the official clients.
    pub name: &'static str,
    /// Type of its text form.
    pub ty: Type,
    /// Whether the empty string is a legal value that means "unset".
    pub optional: bool,
    /// What it means to routing.
    pub role: Role,
    /// Versions that have the field.
    pub versions: Versions,
    /// The constant that is written when no value is given.
    pub fixed: Option<&'static str>,
    /// What stands there when the other side has no such value, where that is neither empty nor 0.
    pub unset: Option<&'static str>,
    /// Where the protobuf form has the same value.
    pub home: Home,
    /// Whether a request may lose the value on the way to a version that cannot carry it: the Gateway ignores it.
    pub harmless: bool,
}

/// Where the protobuf form of a message has a text field. A path is the names of the fields on the way, with dots;
/// its first name is looked for in the message itself and then in the messages directly inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// Under its own name.
    SameName,
    /// At this path.
    At(&'static str),
    /// At each of these paths, in the member of a choice that is there.
    Each(&'static [&'static str]),
    /// The bits of a mask, from the lowest: booleans with these names in the message at the path.
    Bits(&'static str, &'static [&'static str]),
    /// It says whether the message at the path is there.
    Present(&'static str),
    /// At this path as a boolean: `a` is yes, `o` is no.
    Conjunction(&'static str),
    /// Nowhere: the message version, constants, and what protobuf cannot carry.
    Nowhere,
}

/// When a group of fields is present; judged by fields that came before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cond {
    /// The named field equals one of the values.
    In(&'static str, &'static [&'static str]),
    /// The named field is not empty.
    NotEmpty(&'static str),
    /// The named field is a number above 0 (and below the unset marker).
    Positive(&'static str),
    /// Mid offsets of a pegged order: PEGMID, or PEGBEST with an infinite offset.
    SendMidOffsets,
    /// No condition: only the versions decide.
    Always,
}

/// A piece of a layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Node {
    /// One field.
    One(Field),
    /// A named list of nodes that several messages share (a contract).
    Group(&'static [Node]),
    /// A count field, and the body that many times.
    Repeat {
        /// The count; also the name under which the rows are found.
        count: Field,
        /// One row.
        body: &'static [Node],
    },
    /// A body that is present when the condition holds.
    If {
        /// The condition.
        cond: Cond,
        /// Versions in which the group can be present.
        versions: Versions,
        /// The group.
        body: &'static [Node],
    },
    /// Order conditions: a count, a row by condition type each, and two flags when there was a row.
    Conditions {
        /// The count.
        count: Field,
    },
}

/// The text form of a message.
pub type Layout = &'static [Node];

/// The protobuf form of a message.
#[derive(Clone, Copy, Debug)]
pub struct Proto {
    /// The message in the official schema.
    pub schema: &'static Schema,
    /// First server version whose official clients use this form.
    pub since: u16,
    /// Ids, keys and flags: role, and the path of field numbers.
    pub roles: &'static [(Role, &'static [u32])],
}

/// One message of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Message id of the text form; 200 less than the wire id of the protobuf form.
    pub id: u16,
    /// Name as in the official clients.
    pub name: &'static str,
    /// First server version that has the message.
    pub since: u16,
    /// Text form; `None` where there is only a protobuf form.
    pub text: Option<Layout>,
    /// Whole text forms that some real clients write instead. They are accepted and passed on as they are, never
    /// written by twsmux. Their ids stand where those of [`Message::text`] do.
    pub variants: &'static [Layout],
    /// Protobuf form; `None` where there is only a text form.
    pub proto: Option<Proto>,
}

/// How long a request lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Ends with its answer.
    OneShot,
    /// Goes on until it is cancelled.
    Stream,
    /// One-shot when a [`Role::Flag`] field is set (a snapshot), otherwise a stream.
    OneShotIfFlag,
    /// Stream when a [`Role::Flag`] field is set (keepUpToDate), otherwise one-shot.
    StreamIfFlag,
    /// Ends the request of this message id with the same id.
    Cancel(u16),
    /// Changes the request of this message id with the same id; ends nothing.
    Update(u16),
    /// Has no answer of its own.
    Fire,
}

/// Requests without an id whose answers are told apart only by their order. One request of a lane is under way
/// at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
pub enum Lane {
    /// reqOpenOrders and reqAllOpenOrders share an end marker.
    OpenOrders,
    /// reqCompletedOrders.
    CompletedOrders,
    /// reqScannerParameters.
    ScannerParameters,
    /// requestFA, by data type.
    Fa,
    /// reqFamilyCodes.
    FamilyCodes,
    /// reqMktDepthExchanges.
    DepthExchanges,
    /// reqNewsProviders.
    NewsProviders,
    /// reqMarketRule, by rule id.
    MarketRule,
}

/// Streams that exist once per upstream connection; all subscribers see the same rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
pub enum Shared {
    /// reqAccountUpdates; one account at a time.
    AccountUpdates,
    /// reqPositions.
    Positions,
    /// reqNewsBulletins.
    Bulletins,
}

/// What twsmux answers or keeps to itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Local {
    /// startApi: only as the first message.
    StartApi,
    /// reqIds: from the client's own sequence.
    NextValidId,
    /// reqManagedAccts: from memory.
    ManagedAccounts,
    /// reqCurrentTime: from the measured offset.
    Time,
    /// reqCurrentTimeInMillis: likewise.
    TimeMillis,
    /// setServerLogLevel: kept per client, not forwarded.
    LogLevel,
    /// reqMarketDataType: kept per client, sent upstream just before a request that needs it.
    MarketDataType,
    /// reqAutoOpenOrders: client id 0 only.
    AutoOpenOrders,
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handling {
    /// Forwarded under an upstream request id.
    ById,
    /// Forwarded under an upstream request id, with its client filter applied to the answers here.
    Executions,
    /// A new order or a modification.
    PlaceOrder,
    /// Cancel of one order.
    CancelOrder,
    /// Exercise of an option; its id is an order id.
    Exercise,
    /// Cancel of all orders.
    GlobalCancel,
    /// One at a time upstream, the answer goes to the asker.
    Lane(Lane),
    /// Joins a shared stream.
    Join(Shared),
    /// Leaves a shared stream.
    Leave(Shared),
    /// Answered here.
    Local(Local),
    /// Refused; the words are for the client.
    Refused(&'static str),
}

/// What ends a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndWhen {
    /// This message ends it.
    Always,
    /// Only when the answer's own [`Role::Flag`] field is set (`isDone`).
    Done,
    /// Only on these server versions.
    Versions(Versions),
    /// It ends the first image; the stream goes on.
    Image,
}

/// Which requests wait together while the Gateway takes no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Orders, their modifications and their cancels.
    Orders,
    /// Accounts, positions, questions about orders, and whatever is in no other class.
    Account,
    /// Market data, and the contracts that it is about.
    MarketData,
    /// Historical data, scanners, news and calendars.
    History,
}

impl Class {
    /// All of them, the first ones first, with their names.
    pub const ALL: [(Class, &'static str); 4] = [
        (Class::Orders, "orders"),
        (Class::Account, "account"),
        (Class::MarketData, "market_data"),
        (Class::History, "history"),
    ];
}

/// A client's request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The message itself.
    pub message: Message,
    /// How long it lives.
    pub kind: Kind,
    /// What becomes of it.
    pub handling: Handling,
    /// Every response it can draw, errors (4) included.
    pub answers: &'static [u16],
    /// The responses that end it. A one-shot without any ends with an error only.
    pub ends: &'static [(u16, EndWhen)],
    /// Error code for a second request with an id that is active (102, 322, 385, 386); 0 where a second request is
    /// no error or there is no id.
    pub duplicate: u16,
    /// Error code for a cancel or update of a request that is not active; 0: no answer, because clients cancel
    /// these after their answer as a matter of course.
    pub not_found: u16,
    /// How equal ones of several clients are one upstream; `None` for those that never are.
    pub sharing: Option<Sharing>,
    /// How long the answer serves those who ask the same again.
    pub reuse: Reuse,
    /// What becomes of it when the connection is lost.
    pub replay: Replay,
    /// A field that is set to zero when a subscription is asked for again: it would bring the past once more.
    pub resumes_without: Option<&'static str>,
    /// With which others it waits for the Gateway; of a cancel and an update see [`Request::class`].
    pub class: Class,
    /// The Gateway's rules on historical data that it falls under.
    pub paced: Option<&'static Paced>,
    /// Whether it tells of an account, under a request id; what else does is known by its handling.
    pub private: bool,
}

/// What becomes of a request when the connection is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replay {
    /// It ends with an error.
    Never,
    /// It is asked again where it goes on until it is cancelled; otherwise it ends with an error.
    Streams,
    /// It is asked again; a question only if nothing of its answer has come.
    Always,
}

/// What tells the rows of an image apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Row {
    /// There is one.
    One,
    /// The field with [`Role::RowKey`].
    Key,
    /// Likewise, but for rows with these keys, which are events and no state.
    KeyBut(&'static [i64]),
    /// A place in a book, which messages fill, change and empty.
    Book,
    /// The fields with these names.
    Fields(&'static [&'static str]),
}

/// Which equal requests are shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Those that go on until they are cancelled.
    Streams,
    /// Those that end with their answer, as long as nothing of it has come.
    InFlight,
}

/// How equal requests of several clients are one upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sharing {
    /// Which of them.
    pub which: Which,
    /// The responses that tell somebody who joins later how things stand, the last one of each row being enough.
    pub image: &'static [(u16, Row)],
    /// Fields that list parts whose order means nothing.
    pub sets: &'static [&'static str],
    /// A request in which this field says something is never shared.
    pub alone_with: Option<&'static str>,
}

impl Sharing {
    /// Whether requests are equal just when their bytes are, but for the id.
    pub fn compares_bytes(&self) -> bool {
        self.sets.is_empty() && self.alone_with.is_none()
    }
}

/// How long an answer serves those who ask the same again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reuse {
    /// It does not.
    Never,
    /// As long as the connection on which it came: what does not change from day to day.
    Link,
    /// As long as twsmux hears of no change to any order, within a bound.
    Unchanged,
    /// For the time in which the Gateway's pacing rules forbid to ask again.
    Repeat {
        /// The field with the time up to which data is wanted, which must be past; `None` where there is none.
        end: Option<&'static str>,
        /// Only when this field has one of these values.
        small: Option<(&'static str, &'static [&'static str])>,
    },
}

impl Reuse {
    /// Whether it does not depend on the values of the request.
    pub fn is_of_all(&self) -> bool {
        !matches!(self, Reuse::Repeat { .. })
    }
}

/// The key of a shared image with a single row: it names a field that no message has, so all rows agree on it.
pub const ONE_ROW: &[&str] = &[""];

/// To whom a response goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// The holder of its request id.
    ReqId,
    /// The owner of its order, and whoever asked for open orders.
    Order,
    /// The requester when it answers a query, otherwise the owner of its order.
    Execution,
    /// Whoever got the execution with its execution id.
    Commission,
    /// By the error's id.
    Error,
    /// The asker at the head of the lane; `end` frees the lane.
    Lane {
        /// Which lane.
        lane: Lane,
        /// Whether it is the last message of the answer.
        end: bool,
    },
    /// All subscribers of a shared stream.
    Shared {
        /// Which stream.
        stream: Shared,
        /// Names of the fields that identify a row in the image; a new row replaces the old one. Empty: every
        /// message is a row of its own. [`ONE_ROW`]: the image has only one.
        key: &'static [&'static str],
        /// Whether it is the end marker of the image.
        end: bool,
    },
    /// twsmux itself: nextValidId.
    NextValidId,
    /// twsmux itself: managedAccounts.
    ManagedAccounts,
    /// twsmux itself: currentTime.
    Time,
    /// twsmux itself: currentTimeInMillis.
    TimeMillis,
    /// The client that binds manual orders.
    OrderBound,
    /// Nobody; counted.
    Nobody,
}

/// What becomes of a message for a client that reads more slowly than it is sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conflate {
    /// It is kept, behind everything that waits of its request or stream: ends, errors, single answers.
    Kept,
    /// It is kept, and does not wait for what waits of its request: something that happened, as a trade or a bar.
    Event,
    /// The latest of each row is enough.
    Latest(Row),
    /// It changes a book: the book is told anew when there is room.
    Book,
    /// A part of an answer that can be large: the request ends with an error.
    Bulk,
}

/// A message of the Gateway.
#[derive(Clone, Copy, Debug)]
pub struct Response {
    /// The message itself.
    pub message: Message,
    /// To whom it goes.
    pub route: Route,
    /// The fields that are zero in a row about something that is there no more; empty where no such row is told.
    pub gone: &'static [&'static str],
    /// What becomes of it for a client that reads too slowly.
    pub conflate: Conflate,
}
