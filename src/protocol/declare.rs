//! The words in which messages are declared: small `const` functions that build the forms of [`super::model`], so
//! that a declaration in the tables reads like its description.

use super::{model::*, pacing::Paced, schema::Schema};

const fn field(name: &'static str, ty: Type) -> Node {
    Node::One(plain(name, ty))
}

/// A field that is always there and means nothing to routing.
pub(super) const fn plain(name: &'static str, ty: Type) -> Field {
    Field {
        name,
        ty,
        optional: false,
        role: Role::Plain,
        versions: Versions::ALL,
        fixed: None,
        unset: None,
        home: Home::SameName,
        harmless: false,
    }
}

/// A 32-bit integer.
pub const fn int(name: &'static str) -> Node {
    field(name, Type::Int)
}

/// A 64-bit integer.
pub const fn long(name: &'static str) -> Node {
    field(name, Type::Long)
}

/// A floating point number.
pub const fn double(name: &'static str) -> Node {
    field(name, Type::Double)
}

/// A decimal number of any precision.
pub const fn decimal(name: &'static str) -> Node {
    field(name, Type::Decimal)
}

/// Text.
pub const fn text(name: &'static str) -> Node {
    field(name, Type::Str)
}

/// `0` or `1`.
pub const fn boolean(name: &'static str) -> Node {
    field(name, Type::Bool)
}

/// `tag=value;` pairs in one field.
pub const fn tags(name: &'static str) -> Node {
    field(name, Type::Tags)
}

/// The message version with which some messages begin: a constant, unrelated to the server version.
pub const fn version(value: &'static str) -> Node {
    int("version").role(Role::MessageVersion).fixed(value).text_only().harmless()
}

/// A request id.
pub const fn req_id() -> Node {
    int("reqId").role(Role::ReqId)
}

/// An order id.
pub const fn order_id() -> Node {
    int("orderId").role(Role::OrderId)
}

/// An account name.
pub const fn account(name: &'static str) -> Node {
    text(name).role(Role::Account)
}

/// A list of nodes that several messages share.
pub const fn group(nodes: Layout) -> Node {
    Node::Group(nodes)
}

/// A count field and as many rows.
pub const fn repeat(count: &'static str, body: Layout) -> Node {
    Node::Repeat { count: plain(count, Type::Int), body }
}

/// Fields that are there when `cond` holds.
pub const fn when(cond: Cond, body: Layout) -> Node {
    Node::If { cond, versions: Versions::ALL, body }
}

/// Order conditions.
pub const fn conditions(count: &'static str) -> Node {
    Node::Conditions { count: plain(count, Type::Int) }
}

impl Node {
    const fn versions(&self) -> Versions {
        match self {
            Node::One(f) | Node::Repeat { count: f, .. } | Node::Conditions { count: f } => f.versions,
            Node::If { versions, .. } => *versions,
            Node::Group(_) => Versions::ALL,
        }
    }

    const fn within(self, versions: Versions) -> Node {
        match self {
            Node::One(f) => Node::One(Field { versions, ..f }),
            Node::Repeat { count, body } => Node::Repeat { count: Field { versions, ..count }, body },
            Node::Conditions { count } => Node::Conditions { count: Field { versions, ..count } },
            Node::If { cond, body, .. } => Node::If { cond, versions, body },
            Node::Group(_) => panic!("a group has no versions of its own; use when(Cond::Always, ..)"),
        }
    }

    /// Present from server version `v` on.
    pub const fn since(self, v: u16) -> Node {
        let until = self.versions().until;
        self.within(Versions { since: v, until })
    }

    /// Absent from server version `v` on.
    pub const fn until(self, v: u16) -> Node {
        let since = self.versions().since;
        self.within(Versions { since, until: v })
    }

    const fn one(self) -> Field {
        match self {
            Node::One(f) => f,
            _ => panic!("only a single field has this"),
        }
    }

    /// May be empty, which means "unset".
    pub const fn optional(self) -> Node {
        Node::One(Field { optional: true, ..self.one() })
    }

    /// What it means to routing.
    pub const fn role(self, role: Role) -> Node {
        Node::One(Field { role, ..self.one() })
    }

    /// The constant that is written when no value is given.
    pub const fn fixed(self, value: &'static str) -> Node {
        Node::One(Field { fixed: Some(value), ..self.one() })
    }

    /// What stands there when the other side has no such value.
    pub const fn unset(self, value: &'static str) -> Node {
        Node::One(Field { unset: Some(value), ..self.one() })
    }

    /// A request may lose the value: the Gateway ignores it.
    pub const fn harmless(self) -> Node {
        Node::One(Field { harmless: true, ..self.one() })
    }

    const fn home(self, home: Home) -> Node {
        match self {
            Node::One(f) => Node::One(Field { home, ..f }),
            Node::Repeat { count, body } => Node::Repeat { count: Field { home, ..count }, body },
            Node::Conditions { count } => Node::Conditions { count: Field { home, ..count } },
            _ => panic!("a group has no place of its own"),
        }
    }

    /// The path of the same value in the protobuf form, where the name differs.
    pub const fn at(self, path: &'static str) -> Node {
        self.home(Home::At(path))
    }

    /// The paths of the same value in the members of a choice.
    pub const fn at_each(self, paths: &'static [&'static str]) -> Node {
        self.home(Home::Each(paths))
    }

    /// A mask whose bits are booleans in the message at `path`, the lowest first.
    pub const fn bits(self, path: &'static str, names: &'static [&'static str]) -> Node {
        self.home(Home::Bits(path, names))
    }

    /// Says whether the protobuf form has the message at `path`.
    pub const fn presence_of(self, path: &'static str) -> Node {
        self.home(Home::Present(path))
    }

    /// `a` or `o` for a boolean at `path`.
    pub const fn conjunction(self, path: &'static str) -> Node {
        self.home(Home::Conjunction(path))
    }

    /// The protobuf form has no such value.
    pub const fn text_only(self) -> Node {
        self.home(Home::Nowhere)
    }
}

const fn message(id: u16, name: &'static str) -> Message {
    Message { id, name, since: 0, text: None, variants: &[], proto: None }
}

/// Begins the declaration of a request: message id, name, how long it lives, what becomes of it.
pub const fn request(id: u16, name: &'static str, kind: Kind, handling: Handling) -> Request {
    let class = match handling {
        Handling::PlaceOrder | Handling::CancelOrder | Handling::Exercise | Handling::GlobalCancel => {
            Class::Orders
        }
        _ => Class::Account,
    };
    Request {
        message: message(id, name),
        kind,
        handling,
        answers: &[],
        ends: &[],
        duplicate: 0,
        not_found: 0,
        sharing: None,
        reuse: Reuse::Never,
        replay: match (handling, kind) {
            (Handling::ById, Kind::OneShotIfFlag) => Replay::Streams,
            (Handling::ById | Handling::Executions, Kind::OneShot | Kind::Stream | Kind::StreamIfFlag) => {
                Replay::Always
            }
            (Handling::Lane(_), _) => Replay::Always,
            (Handling::Join(_), _) => Replay::Streams,
            _ => Replay::Never,
        },
        resumes_without: None,
        class,
        paced: None,
        private: false,
    }
}

/// Begins the declaration of a response: message id, name, to whom it goes.
pub const fn response(id: u16, name: &'static str, route: Route) -> Response {
    Response { message: message(id, name), route, gone: &[], conflate: Conflate::Kept }
}

macro_rules! message_parts {
    ($($kind:ident),*) => { $(
        impl $kind {
            /// First server version that has the message.
            pub const fn since(self, v: u16) -> Self {
                Self { message: Message { since: v, ..self.message }, ..self }
            }

            /// Text form.
            pub const fn text(self, layout: Layout) -> Self {
                Self { message: Message { text: Some(layout), ..self.message }, ..self }
            }

            /// Protobuf form: schema, first server version, ids and flags.
            pub const fn proto(
                self,
                schema: &'static Schema,
                since: u16,
                roles: &'static [(Role, &'static [u32])],
            ) -> Self {
                let proto = Some(Proto { schema, since, roles });
                Self { message: Message { proto, ..self.message }, ..self }
            }

            /// Protobuf form of which routing needs only the request id, and that is field 1.
            pub const fn proto_by_id(self, schema: &'static Schema, since: u16) -> Self {
                self.proto(schema, since, &[(Role::ReqId, &[1])])
            }
        }
    )* };
}
message_parts!(Request, Response);

impl Request {
    /// Layouts of some real clients that differ from the text form; see [`Message::variants`].
    pub const fn variants(self, variants: &'static [Layout]) -> Self {
        Self { message: Message { variants, ..self.message }, ..self }
    }

    /// Every response it can draw.
    pub const fn answers(self, answers: &'static [u16]) -> Self {
        Self { answers, ..self }
    }

    /// What ends it.
    pub const fn ends(self, ends: &'static [(u16, EndWhen)]) -> Self {
        Self { ends, ..self }
    }

    /// Error code for a second request with the same id.
    pub const fn duplicate(self, code: u16) -> Self {
        Self { duplicate: code, ..self }
    }

    /// Equal ones of several clients are one upstream. `image`: what those who join later are told.
    pub const fn shared(self, image: &'static [(u16, Row)]) -> Self {
        Self { sharing: Some(Sharing { which: Which::Streams, image, sets: &[], alone_with: None }), ..self }
    }

    /// Equal ones of several clients that are under way are one upstream.
    pub const fn asked_once(self) -> Self {
        let sharing = Sharing { which: Which::InFlight, image: &[], sets: &[], alone_with: None };
        Self { sharing: Some(sharing), ..self }
    }

    /// A field of a shared request lists parts whose order means nothing.
    pub const fn in_any_order(self, sets: &'static [&'static str]) -> Self {
        let Some(sharing) = self.sharing else { panic!("only of a shared request") };
        Self { sharing: Some(Sharing { sets, ..sharing }), ..self }
    }

    /// A request in which this field says something is not shared after all.
    pub const fn alone_with(self, field: &'static str) -> Self {
        let Some(sharing) = self.sharing else { panic!("only of a shared request") };
        Self { sharing: Some(Sharing { alone_with: Some(field), ..sharing }), ..self }
    }

    /// Its answer serves those who ask the same again.
    pub const fn reused(self, reuse: Reuse) -> Self {
        Self { reuse, ..self }
    }

    /// It ends with an error when the connection is lost: what it does must not be done twice.
    pub const fn not_replayed(self) -> Self {
        Self { replay: Replay::Never, ..self }
    }

    /// A field is set to zero when it is asked for again.
    pub const fn resumes_without(self, field: &'static str) -> Self {
        Self { resumes_without: Some(field), ..self }
    }

    /// It waits with market data.
    pub const fn market_data(self) -> Self {
        Self { class: Class::MarketData, ..self }
    }

    /// It waits with historical data.
    pub const fn history(self) -> Self {
        Self { class: Class::History, ..self }
    }

    /// It tells of an account.
    pub const fn private(self) -> Self {
        Self { private: true, ..self }
    }

    /// It falls under the Gateway's rules on historical data.
    pub const fn paced(self, paced: &'static Paced) -> Self {
        Self { paced: Some(paced), ..self }
    }

    /// With which others it waits for the Gateway: a cancel and an update with what they are about.
    pub fn class(&self) -> Class {
        let (Kind::Cancel(of) | Kind::Update(of)) = self.kind else { return self.class };
        super::request(of.into()).map_or(self.class, |of| of.class)
    }

    /// Error code for a cancel or update of a request that is not active.
    pub const fn not_found(self, code: u16) -> Self {
        Self { not_found: code, ..self }
    }
}

impl Response {
    /// When the thing of a row is there no more, a row with zeros in these fields says so.
    pub const fn gone(self, gone: &'static [&'static str]) -> Self {
        Self { gone, ..self }
    }

    const fn conflate(self, conflate: Conflate) -> Self {
        Self { conflate, ..self }
    }

    /// A client that reads too slowly gets the latest of each row.
    pub const fn latest(self, row: Row) -> Self {
        self.conflate(Conflate::Latest(row))
    }

    /// Something that happened, which no later message says again.
    pub const fn event(self) -> Self {
        self.conflate(Conflate::Event)
    }

    /// It changes a book, which a client that reads too slowly is told anew.
    pub const fn of_a_book(self) -> Self {
        self.conflate(Conflate::Book)
    }

    /// A part of an answer that can be large, which a client that reads too slowly does not get.
    pub const fn bulk(self) -> Self {
        self.conflate(Conflate::Bulk)
    }
}
