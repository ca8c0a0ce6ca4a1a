//! What single clients may do, and what becomes of their orders.

use rustc_hash::FxBuildHasher;

use crate::ids::ClientId;

/// What becomes of a client's reqGlobalCancel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GlobalCancel {
    /// It goes to the Gateway, which cancels the orders of everybody: a panic button must work.
    #[default]
    Forward,
    /// Its own orders are cancelled one by one.
    Own,
    /// It is refused.
    Deny,
}

/// The policy of one client id. Every field has a default that imitates the Gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What becomes of its reqGlobalCancel.
    pub global_cancel: GlobalCancel,
    /// Whether it may cancel orders of others that go through twsmux, by the id that reqAllOpenOrders shows, as long as
    /// that names one order alone.
    pub cancel_foreign: bool,
    /// Whether it hears live of everybody's orders, executions and commissions, as the Gateway's master client does.
    pub master: bool,
    /// Whether its orders are cancelled when its connection ends; not when twsmux itself stops or dies.
    pub cancel_on_disconnect: bool,
}

/// The policies of all client ids.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Of those that have none of their own.
    pub default: Policy,
    /// By client id.
    pub by_id: indexmap::IndexMap<ClientId, Policy, FxBuildHasher>,
}

impl Policies {
    /// The policy of a client id.
    pub fn of(&self, client: ClientId) -> &Policy {
        self.by_id.get(&client).unwrap_or(&self.default)
    }

    /// Whether there can be a master at all.
    pub fn any_master(&self) -> bool {
        self.default.master || self.by_id.values().any(|p| p.master)
    }
}
