//! One fact in the journal.

use bytes::Bytes;

use crate::ids::{ClientId, DownOrderId, PermId, UpOrderId};

/// How an order that is over came to be so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The Gateway said so: filled, cancelled or refused.
    Ended,
    /// It never left twsmux: refused here, or cancelled before its turn came.
    NeverSent,
}

/// A fact. Applying the same fact twice changes nothing the second time, but for [`Record::Kept`] and
/// [`Record::Fetched`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// Whose journal this is; recorded when the Gateway is met for the first time.
    Identity {
        /// twsmux's client id at the Gateway, to which all orders belong.
        upstream_client: ClientId,
        /// The managed accounts, sorted.
        accounts: Vec<String>,
    },
    /// A twsmux began to use the journal, or stopped in order. After one that did not stop in order clients may have used
    /// order ids that nothing was recorded of.
    Running(
        /// Whether it uses it.
        bool,
    ),
    /// Upstream order ids below `next` are used up (I4).
    Floor {
        /// The lowest id that may still be given out.
        next: i32,
    },
    /// An order id of a client means this order at the Gateway. **Durable before the order leaves** (I5).
    Order {
        /// Whose.
        owner: ClientId,
        /// Its id there.
        down: DownOrderId,
        /// Its id at the Gateway; negative for an order that was placed by hand and bound.
        up: UpOrderId,
    },
    /// How far a client has come with its order ids. Both only ever grow.
    Sequence {
        /// Whose.
        owner: ClientId,
        /// What nextValidId says to it at least.
        next: i32,
        /// The highest id that it used for an order.
        placed: i32,
    },
    /// The Gateway has spoken of an order: it arrived, and lives for all that was recorded before.
    Arrived {
        /// Which.
        up: UpOrderId,
        /// Its permanent id; 0 when the Gateway did not say it.
        perm: PermId,
    },
    /// An order is over.
    Over {
        /// Which.
        up: UpOrderId,
        /// How.
        outcome: Outcome,
    },
    /// The owner was told that nobody knows what became of an order. An order that arrived later is known again.
    Unknown {
        /// Which.
        up: UpOrderId,
    },
    /// A client id without orders is forgotten: there were too many.
    OwnerForgotten {
        /// Which.
        owner: ClientId,
    },
    /// An order is forgotten: the table was full and it is long over.
    Forgotten {
        /// Which.
        up: UpOrderId,
    },
    /// The owner of an order was told of an execution, or it was kept for the owner.
    Executed {
        /// Which order.
        up: UpOrderId,
        /// The Gateway's id of the execution.
        exec_id: Bytes,
    },
    /// Likewise of the commission of an execution.
    Commissioned {
        /// The Gateway's id of the execution.
        exec_id: Bytes,
    },
    /// A message that the owner of an order did not hear because it was away.
    Kept {
        /// Whose.
        owner: ClientId,
        /// The order, 0 when the message is about none that is known.
        up: UpOrderId,
        /// The server version in whose form the payload is.
        version: u16,
        /// The message as the Gateway sent it.
        payload: Bytes,
    },
    /// The oldest messages that were kept for an owner are not needed any more: delivered, or too many.
    Fetched {
        /// Whose.
        owner: ClientId,
        /// How many.
        count: u32,
    },
}
